"""One box's layout by `dot`: what it is given.

Graphviz gets fixed sizes and no text of ours, so positions depend on no font, hostile names never
reach it, and an installed `dot` gives the same picture as the Graphviz inside the pygraphviz wheel.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from inspector.render.lanes import ARROW
from inspector.render.layered import ROW_GAP, layers
from inspector.render.piece import BORDER, NO_PORT, Child, Job, Wire

MOST_NODES = 900
"""`dot` is given no more children than this; measured, it needs 0.5 s for them."""
MOST_PASSING = 800
"""Nor edges that pass more rows than this in sum: the time grows with the square of it. A value
used by each of 100 steps passes 5,000 rows, and takes `dot` over 20 s."""
_WIDEST = 4200.0
"""A single row of this many px is cut into several by our own layout."""

_THOROUGH = 60
_LONG = 8
"""Rows of a long chain."""
_PORT = 6.0


def fits_dot(job: Job) -> bool:
    """Whether `dot` draws the job in well under a second, and not as one endless row."""
    if len(job.children) > MOST_NODES:
        return False
    rows: dict[int, float] = defaultdict(float)
    for child, layer in zip(job.children, layers(job), strict=True):
        rows[layer] += child.w + 24
    return max(rows.values(), default=0.0) <= _WIDEST


def far_wires(job: Job) -> frozenset[int]:
    """Return the wires that `dot` is not given: the longest, until the others pass few rows."""
    depth = layers(job)
    last = max(depth, default=0) + 1
    spans = [_span(wire, depth, last) for wire in job.wires]
    rows = 2 if any(wire.label for wire in job.wires) else 1  # labels have rows of their own
    for longest in (last + 1, 8, 4):
        if rows * sum(span - 1 for span in spans if span <= longest) <= MOST_PASSING:
            break
    return frozenset(number for number, span in enumerate(spans) if span > longest)


def _span(wire: Wire, depth: Sequence[int], last: int) -> int:
    """How many rows further down a wire ends."""
    head = last if wire.head == BORDER else depth[wire.head]
    return abs(head - (-1 if wire.tail == BORDER else depth[wire.tail]))


def dot_text(job: Job, without: frozenset[int] = frozenset()) -> str:
    """Return the DOT text of a job: children "n0", "n1", …, ports "i0", … above and "o0", … below,
    wires with their number as `id`; those in `without` are left out.
    """
    return "\n".join(_lines(job, without))


def _lines(job: Job, without: frozenset[int]) -> Iterator[str]:
    yield "digraph {"
    # In a big job a full search takes up to ten times as long, for a look that is hardly better.
    search = ", nslimit=1" if len(job.children) > _THOROUGH else ""
    yield f"graph [nodesep=0.34, ranksep={_inch(ROW_GAP - ARROW)}{search}];"
    yield 'node [shape=box, fixedsize=true, margin=0, label=""];'
    yield f"edge [arrowsize={ARROW / 10}];"
    for number, child in enumerate(job.children):
        yield f"n{number} [{_shape(child)}];"
    yield from _border(job, without)
    for group in job.ranks:
        yield f"{{ rank=same; {'; '.join(f'n{child}' for child in group)} }}"
    spine = _spine(job)
    for number, wire in enumerate(job.wires):
        if number not in without:
            yield _wire(number, wire, number in spine)
    yield from _aligned(job)
    yield "}"


def _spine(job: Job) -> frozenset[int]:
    """The wires of a long chain that are kept straight, at the cost of those that join it.

    A chain of trips that all take the input, drawn beside each, would else move by half a box
    with each trip, and be as wide as it is high.
    """
    if max(layers(job), default=0) < _LONG:
        return frozenset()
    fed = {wire.head for wire in job.wires} - {BORDER}
    return frozenset(number for number, wire in enumerate(job.wires) if wire.tail in fed)


def _aligned(job: Job) -> Iterator[str]:
    """Invisible edges that keep a box below the box that it follows.

    Where a value comes in and where it leaves differ by some px in each box; a chain of a hundred
    boxes, each straight below the other's port, would drift off sideways.
    """
    depth = layers(job)
    seen = set()
    for wire in job.wires:
        pair = wire.tail, wire.head
        if BORDER in pair or NO_PORT in (wire.tail_port, wire.head_port) or pair in seen:
            continue
        if depth[wire.head] - depth[wire.tail] == 1:
            seen.add(pair)
            yield f"n{wire.tail} -> n{wire.head} [style=invis, weight=8];"


def _border(job: Job, without: frozenset[int]) -> Iterator[str]:
    """The ports, in ranks of their own above and below all else.

    Not "rank=source": beside edge labels that moves the nodes to odd ranks, which `dot` keeps for
    labels, and sets the nodes 5 px apart. Invisible edges hold the first and last row off.
    """
    small = f"width={_inch(_PORT)}, height=0.01"
    for mark, count, rank in (("i", job.ins, "min"), ("o", job.outs, "max")):
        if count:
            names = "; ".join(f"{mark}{port} [{small}]" for port in range(count))
            yield f"{{ rank={rank}; {names} }}"
    depth = layers(job)
    last = max(depth, default=0)
    wires = [wire for number, wire in enumerate(job.wires) if number not in without]
    fed, read = {wire.head for wire in wires}, {wire.tail for wire in wires}
    # `dot` may turn a cycle otherwise than we do: then any child may come first or last.
    cyclic = any(BORDER not in (w.tail, w.head) and depth[w.head] <= depth[w.tail] for w in wires)
    for child, layer in enumerate(depth):
        alone = child not in fed and child not in read
        if job.ins and (cyclic or alone or (layer == 0 and child not in fed)):
            yield f"i0 -> n{child} [style=invis, weight=0];"
        if job.outs and (cyclic or alone or (layer == last and child not in read)):
            yield f"n{child} -> o0 [style=invis, weight=0];"


def _shape(child: Child) -> str:
    size = f"width={_inch(child.w)}, height={_inch(child.h)}"
    if child.ins or child.outs:
        return f"{size}, label={_table(child)}"
    # Edges end at the shape's outline; all but a diamond's are close to a rectangle's.
    return size + (", shape=diamond" if child.diamond else "")


def _table(child: Child) -> str:
    """A label of ports only, each a cell of 2 px at the upper or lower border."""
    width, height = round(child.w), round(child.h)
    rows = (
        f"<TD>{_row('i', child.ins, width)}</TD>",
        _cell(width, max(height - 2, 1)),
        f"<TD>{_row('o', child.outs, width)}</TD>",
    )
    return f"<{_BARE}{''.join(f'<TR>{row}</TR>' for row in rows)}</TABLE>>"


_BARE = '<TABLE BORDER="0" CELLBORDER="0" CELLPADDING="0" CELLSPACING="0">'


def _row(mark: str, ports: Sequence[int], width: int) -> str:
    cells, x = [], 0
    for number, port in sorted(enumerate(ports), key=lambda item: item[1]):
        if port - 1 > x:
            cells.append(_cell(port - 1 - x, 1))
        cells.append(_cell(2, 1, f' PORT="{mark}{number}"'))
        x = max(port - 1, x) + 2
    if width > x:
        cells.append(_cell(width - x, 1))
    return f"{_BARE}<TR>{''.join(cells)}</TR></TABLE>"


def _cell(width: int, height: int, port: str = "") -> str:
    return f'<TD FIXEDSIZE="TRUE" WIDTH="{width}" HEIGHT="{height}"{port}></TD>'


def _wire(number: int, wire: Wire, is_spine: bool) -> str:
    tail = _end(wire.tail, wire.tail_port, "i", "o", "s")
    head = _end(wire.head, wire.head_port, "o", "i", "n")
    direction = {"tail": ", dir=back", "none": ", dir=none"}.get(wire.arrow, "")
    # A label's room would push boxes out of line; between two boxes there is room enough.
    between = NO_PORT not in (wire.tail_port, wire.head_port)
    label = f", label={room(*wire.label)}" if wire.label and not between else ""
    # What goes from box to box is straight rather than what goes past them.
    weight = ", weight=4" if between or is_spine else ""
    return f"{tail} -> {head} [id=e{number}{direction}{weight}{label}];"


def _end(child: int, port: int, border: str, own: str, side: str) -> str:
    if child == BORDER:
        return f"{border}{port}:{side}"
    return f"n{child}" if port == NO_PORT else f"n{child}:{own}{port}:{side}"


def _inch(px: float) -> str:
    return f"{px / 72:.4f}"


def room(width: float, height: float) -> str:
    """Return a label of that size without any text."""
    return f"<{_BARE}<TR>{_cell(round(width), round(height))}</TR></TABLE>>"
