"""One box's content from its pieces: what is not connected is laid out apart and packed.

`dot` puts unconnected pieces side by side, 50,000 px wide where there are 500. Here the pieces
that edges reach from outside stand side by side, and the others fill rows beside them, in the
order in which they ran.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from inspector.render.piece import BORDER, XY, Course, Drawing, Job

GAP = 26.0
_WIDE = 1.5
"""Width to height that packed pieces should have together."""
_ONE_ROW = 1400.0
"""Pieces that fit into this many px stand in one row."""


class Part(NamedTuple):
    """A connected piece of a job, as a job of its own; the rest are its numbers in the whole."""

    job: Job
    children: tuple[int, ...]
    wires: tuple[int, ...]
    ins: tuple[int, ...]
    outs: tuple[int, ...]


def split(job: Job) -> list[Part]:
    """Return the connected pieces of a job, in the order of their first children."""
    count = len(job.children)
    leader = list(range(count + job.ins + job.outs))
    ends = [_ends(job, number) for number in range(len(job.wires))]
    for tail, head in ends:
        _join(leader, tail, head)
    for group in job.ranks:
        for child in group[1:]:
            _join(leader, group[0], child)
    members: dict[int, tuple[list[int], ...]] = {}
    for thing in range(len(leader)):
        found = members.setdefault(_leader(leader, thing), ([], [], [], [], []))
        kind = 0 if thing < count else 2 if thing < count + job.ins else 3
        found[kind].append(thing - (0, 0, count, count + job.ins)[kind])
    for number, (tail, _) in enumerate(ends):
        members[_leader(leader, tail)][1].append(number)
    for number, group in enumerate(job.ranks):
        members[_leader(leader, group[0])][4].append(number)
    if len(members) == 1:
        whole = (range(count), range(len(job.wires)), range(job.ins), range(job.outs))
        return [Part(job, *map(tuple, whole))]
    return [_part(job, *found) for found in members.values()]


def _ends(job: Job, number: int) -> tuple[int, int]:
    """The ends of a wire as numbers of things: children, ports above, ports below."""
    wire, count = job.wires[number], len(job.children)
    tail = count + wire.tail_port if wire.tail == BORDER else wire.tail
    return tail, count + job.ins + wire.head_port if wire.head == BORDER else wire.head


def _leader(leader: list[int], thing: int) -> int:
    while leader[thing] != thing:
        leader[thing] = leader[leader[thing]]
        thing = leader[thing]
    return thing


def _join(leader: list[int], a: int, b: int) -> None:
    first, second = sorted((_leader(leader, a), _leader(leader, b)))
    leader[second] = first


def _part(
    job: Job,
    children: list[int],
    wires: list[int],
    ins: list[int],
    outs: list[int],
    ranks: list[int],
) -> Part:
    child, above, below = (
        {old: new for new, old in enumerate(numbers)} for numbers in (children, ins, outs)
    )
    own = Job(
        children=tuple(job.children[number] for number in children),
        wires=tuple(
            wire._replace(
                tail=BORDER if wire.tail == BORDER else child[wire.tail],
                tail_port=above[wire.tail_port] if wire.tail == BORDER else wire.tail_port,
                head=BORDER if wire.head == BORDER else child[wire.head],
                head_port=below[wire.head_port] if wire.head == BORDER else wire.head_port,
            )
            for wire in (job.wires[number] for number in wires)
        ),
        ins=len(ins),
        outs=len(outs),
        ranks=tuple(tuple(child[n] for n in job.ranks[number]) for number in ranks),
    )
    return Part(own, tuple(children), tuple(wires), tuple(ins), tuple(outs))


def joined(job: Job, parts: Sequence[Part], drawings: Sequence[Drawing]) -> Drawing:
    """Return the job's drawing from those of its parts."""
    if len(parts) == 1 and parts[0].job is job:
        return drawings[0]
    places, width, height = _packed(parts, drawings)
    centres: list[XY] = [(0.0, 0.0)] * len(job.children)
    courses = [Course(())] * len(job.wires)
    ins, outs = [0.0] * job.ins, [0.0] * job.outs
    for part, drawing, (x, y) in zip(parts, drawings, places, strict=True):
        for child, centre in zip(part.children, drawing.centres, strict=True):
            centres[child] = centre[0] + x, centre[1] + y
        longer = height - drawing.h if part.outs else 0.0
        for number, course in zip(part.wires, drawing.courses, strict=True):
            down = longer if job.wires[number].head == BORDER else 0.0
            courses[number] = moved(course, x, y, down)
        for port, place in zip(part.ins, drawing.ins, strict=True):
            ins[port] = place + x
        for port, place in zip(part.outs, drawing.outs, strict=True):
            outs[port] = place + x
    return Drawing(width, height, tuple(centres), tuple(ins), tuple(outs), tuple(courses))


def moved(course: Course, x: float, y: float, longer: float = 0.0) -> Course:
    """Return a course moved by (x, y), with a straight piece of `longer` px at its end."""
    points = tuple((px + x, py + y) for px, py in course.points)
    if longer > 0:
        end_x, end_y = points[-1]
        third = longer / 3
        points += tuple((end_x, end_y + third * step) for step in (1, 2, 3))
    return Course(points, course.label and (course.label[0] + x, course.label[1] + y))


def _packed(parts: Sequence[Part], drawings: Sequence[Drawing]) -> tuple[list[XY], float, float]:
    """(Where each part goes, width, height of all)."""
    places: list[XY] = [(0.0, 0.0)] * len(parts)
    x = height = 0.0
    for number in (n for n, part in enumerate(parts) if part.ins or part.outs):
        places[number] = x, 0.0
        x += drawings[number].w + GAP
        height = max(height, drawings[number].h)
    loose = [number for number, part in enumerate(parts) if not part.ins and not part.outs]
    area = sum((drawings[n].w + GAP) * (drawings[n].h + GAP) for n in loose)
    together = sum(drawings[n].w + GAP for n in loose)
    wanted = max(_ONE_ROW - x, (_WIDE * area) ** 0.5, area / height if height else 0.0)
    wanted = max([min(wanted, together), *(drawings[n].w for n in loose)])
    left, y, row_height, right = x, 0.0, 0.0, x
    for number in loose:
        drawing = drawings[number]
        if x > left and x + drawing.w > left + wanted + 1:
            x, y, row_height = left, y + row_height + GAP, 0.0
        places[number] = x, y
        x += drawing.w + GAP
        right, row_height = max(right, x), max(row_height, drawing.h)
    return places, max(right - GAP, 0.0), max(height, y + row_height)
