"""A layout of our own in linear time: rows of nodes, long edges in lanes beside them.

`dot` gives the better picture, but not of everything: it needs minutes where a hundred edges
span a hundred rows, and puts 2,000 inputs of one op into one row of 100,000 px. Here an edge to
the next row is drawn directly, a longer one runs beside all rows ("lane"), and the edges of a
value that is used everywhere share one lane. The layers are the classic ones (Sugiyama, Tagawa,
Toda 1981): longest paths, then rows ordered by the means of the neighbours.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache, partial

from inspector.render.lanes import aside, with_lanes
from inspector.render.piece import BORDER, XY, Child, Drawing, Job

NODE_GAP = 24.0
ROW_GAP = 38.0
LABEL_HEIGHT = 14.0

_WIDEST = 1800.0
"""A row wider than this goes on in the next one."""
_SWEEPS = 4


@lru_cache(maxsize=64)
def layers(job: Job) -> tuple[int, ...]:
    """Return each child's layer, from 0: below all that it depends on, beside its rank group.

    Edges that close a cycle do not count. A child that depends on nothing is as low as it can.
    """
    leader = list(range(len(job.children)))
    for group in job.ranks:
        for child in group:
            leader[child] = leader[group[0]]
    below: list[list[int]] = [[] for _ in job.children]
    for wire in job.wires:
        if wire.tail != BORDER and wire.head != BORDER:
            tail, head = leader[wire.tail], leader[wire.head]
            if tail != head:
                below[tail].append(head)
    order = topological(below)
    place = {child: number for number, child in enumerate(order)}
    depth = [0] * len(leader)
    has_source = [False] * len(leader)
    for child in order:
        for other in below[child]:
            if place[other] > place[child]:
                depth[other] = max(depth[other], depth[child] + 1)
                has_source[other] = True
    fed = {wire.head for wire in job.wires if wire.tail == BORDER}
    for child in order:
        if not has_source[child] and child not in fed:
            lower = [depth[other] for other in below[child] if place[other] > place[child]]
            depth[child] = max(min(lower, default=1) - 1, 0)
    return tuple(depth[leader[child]] for child in range(len(leader)))


def topological(below: list[list[int]]) -> list[int]:
    """Children before what depends on them, by depth-first search without recursion."""
    state = bytearray(len(below))
    order: list[int] = []
    for root in range(len(below)):
        if state[root]:
            continue
        state[root] = 1
        stack = [(root, iter(below[root]))]
        while stack:
            child, rest = stack[-1]
            following = next((other for other in rest if not state[other]), None)
            if following is None:
                stack.pop()
                order.append(child)
            else:
                state[following] = 1
                stack.append((following, iter(below[following])))
    return order[::-1]


def layered(job: Job) -> Drawing:
    """Return a layout of any job, in time that grows with its size only."""
    depth = layers(job)
    rows = list(_rows(job, depth))
    row_of = [0] * len(job.children)
    for number, row in enumerate(rows):
        for child in row:
            row_of[child] = number
    xs = _xs(job, rows, row_of)
    labelled = Counter(max(row_of[w.tail], 0) for w in job.wires if w.label and w.tail != BORDER)
    centres: list[XY] = [(0.0, 0.0)] * len(job.children)
    y = ROW_GAP / 2 if job.ins else 0.0
    for number, row in enumerate(rows):
        height = max(job.children[child].h for child in row)
        for child in row:
            centres[child] = xs[child], y + height / 2
        y += height + ROW_GAP + (LABEL_HEIGHT if labelled[number] else 0)
    y -= ROW_GAP if rows else 0
    height = y + (ROW_GAP / 2 if job.outs else 0)
    left = min((xs[i] - child.w / 2 for i, child in enumerate(job.children)), default=0.0)
    right = max((xs[i] + child.w / 2 for i, child in enumerate(job.children)), default=0.0)
    centres = [(x - left, y) for x, y in centres]
    width = max(right - left, (max(job.ins, job.outs) + 1) * NODE_GAP)
    ins, outs = _ports(job, centres, width)
    bare = Drawing(width, height, tuple(centres), ins, outs, ())
    return with_lanes(job, bare, row_of)


def _rows(job: Job, depth: Sequence[int]) -> Iterable[list[int]]:
    """The layers, wide ones cut into several rows."""
    by_layer: dict[int, list[int]] = defaultdict(list)
    for child, number in enumerate(depth):
        by_layer[number].append(child)
    above, below = _neighbours(job)
    place: dict[int, float] = {}
    for layer in by_layer.values():
        _set_places(place, layer)
    for sweep in range(_SWEEPS):
        beside = above if sweep % 2 == 0 else below
        for key in sorted(by_layer, reverse=bool(sweep % 2)):
            by_layer[key].sort(key=partial(_mean, place, beside))
            _set_places(place, by_layer[key])
    for key in sorted(by_layer):
        layer = by_layer[key]
        total = sum(job.children[child].w + NODE_GAP for child in layer)
        yield from _cut(job, layer, total / -(-total // _WIDEST))


def _cut(job: Job, layer: list[int], width: float) -> Iterable[list[int]]:
    row: list[int] = []
    used = 0.0
    for child in layer:
        if row and used > width:
            yield row
            row, used = [], 0.0
        row.append(child)
        used += job.children[child].w + NODE_GAP
    yield row


def _neighbours(job: Job) -> tuple[dict[int, list[int]], dict[int, list[int]]]:
    above: dict[int, list[int]] = defaultdict(list)
    below: dict[int, list[int]] = defaultdict(list)
    for wire in job.wires:
        if wire.tail != BORDER and wire.head != BORDER:
            above[wire.head].append(wire.tail)
            below[wire.tail].append(wire.head)
    return above, below


def _set_places(place: dict[int, float], layer: Sequence[int]) -> None:
    place.update({child: number - len(layer) / 2 for number, child in enumerate(layer)})


def _mean(place: Mapping[int, float], beside: Mapping[int, Sequence[int]], child: int) -> float:
    """The middle of a child's neighbours in the order of their layers."""
    near = beside.get(child)
    return sum(place[other] for other in near) / len(near) if near else place[child]


def _xs(job: Job, rows: Sequence[Sequence[int]], row_of: Sequence[int]) -> list[float]:
    """Each child's middle: below those that feed it, as far as its row has room there."""
    above, _ = _neighbours(job)
    xs = [0.0] * len(job.children)
    for number, row in enumerate(rows):
        wanted = []
        for child in row:
            near = [xs[other] for other in above[child] if row_of[other] == number - 1]
            wanted.append(sum(near) / len(near) if near else None)
        known = [x for x in wanted if x is not None]
        middle = sum(known) / len(known) if known else 0.0
        total = sum(job.children[child].w + NODE_GAP for child in row)
        if total > _WIDEST / 2 or len(known) < len(row):
            wanted = [None] * len(row)
        x = middle - total / 2
        shift = []
        for child, want in zip(row, wanted, strict=True):
            half = (job.children[child].w + NODE_GAP) / 2
            xs[child] = x + half if want is None else max(x + half, want)
            shift.append(0.0 if want is None else xs[child] - want)
            x = xs[child] + half
        back = sum(shift) / len(shift)  # the row as a whole is in the middle of its wishes
        for child in row:
            xs[child] -= back
    return xs


def _ports(
    job: Job, centres: Sequence[XY], width: float
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Ports above what they lead to, at least a little apart."""
    above: list[list[float]] = [[] for _ in range(job.ins)]
    below: list[list[float]] = [[] for _ in range(job.outs)]
    for wire in job.wires:
        if wire.tail == BORDER and wire.head != BORDER:
            child = job.children[wire.head]
            x = centres[wire.head][0] + aside(child.w, child.ins, wire.head_port)
            above[wire.tail_port].append(x)
        elif wire.head == BORDER and wire.tail != BORDER:
            child = job.children[wire.tail]
            x = centres[wire.tail][0] + aside(child.w, child.outs, wire.tail_port)
            below[wire.head_port].append(x)
    found = []
    for side in (above, below):
        wanted = [sum(xs) / len(xs) if xs else width / 2 for xs in side]
        step = min(12.0, width / (len(side) + 1))
        xs = [0.0] * len(side)
        x = 0.0
        for port in sorted(range(len(side)), key=wanted.__getitem__):
            xs[port] = x = max(wanted[port], x + step)
        over = max(0.0, x + step - width)
        found.append(tuple(x - over for x in xs))
    return found[0], found[1]


def simple(job: Job) -> Drawing | None:
    """Return the layout of a job so small that it needs no search: one child; else None."""
    if len(job.children) != 1:
        return None
    child: Child = job.children[0]
    if not job.wires:
        return Drawing(child.w, child.h, ((child.w / 2, child.h / 2),), (), (), ())
    ports = max(len(child.ins), 1), max(len(child.outs), 1)
    if job.ins > ports[0] or job.outs > ports[1] or len(job.wires) > job.ins + job.outs:
        return None
    return layered(job)
