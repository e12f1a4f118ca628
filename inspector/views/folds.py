"""Equal boxes in a row, drawn as one with "×12", and boxes with too many children, split.

Two boxes are equal if the same ops ran at the same places of the code, in equal boxes. Values
and shapes may differ, and so may the paths of the modules.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from math import ceil, isqrt

from inspector.loops import Loops
from inspector.records import Recording
from inspector.views.expressions import Expressions
from inspector.views.tree import EXPRESSION, LOOP, MODULE, RANGE, REPEAT, TRIP, Box

MOST = 300
"""A box shows at most about this many children; more are split into ranges."""

MOST_TRIPS = 60
"""A loop shows at most so many trips that are boxes, each below the one before."""

REPEATS = 4
"""Fewer equal module calls in a row are not folded: three are seen at a glance."""

Shape = tuple[object, ...]


class Structure:
    """Numbers that are equal for equal children.

    Args:
        recording: what ran.
        loops: its loops.
        boxes: all boxes; inner ones have higher numbers.
        marks: one per op; ops with other marks are not equal.
    """

    def __init__(
        self, recording: Recording, loops: Loops, boxes: list[Box], marks: Sequence[object] = ()
    ) -> None:
        self._recording = recording
        self._loops = loops
        self._boxes = boxes
        self._marks = marks
        self._known: dict[Shape, int] = {}
        self._sites: dict[int, int] = {}
        self._ops = [self._of_op(number) for number in range(len(recording.ops))]
        self._numbers: dict[int, int] = {}

    def of(self, child: int) -> int:
        """The number of an op or (`~number`) of a box whose children were measured."""
        return self._ops[child] if child >= 0 else self._numbers[~child]

    def measure(self, number: int) -> None:
        """Give a box its number; its children have theirs."""
        box = self._boxes[number]
        what: object = box.kind
        if box.kind == MODULE and box.id:
            what = self._recording.module_calls[box.number].type
        elif box.kind == LOOP:
            what = self._loops.runs[box.number].statement
        self._numbers[number] = self._number((what, *map(self.of, box.children)))

    def _of_op(self, number: int) -> int:
        op = self._recording.ops[number]
        place = op.call_site or op.source
        site = self._sites.get(id(place))
        if site is None:
            site = self._sites[id(place)] = self._number((place,))
        return self._number((op.name, site, self._marks[number] if self._marks else None))

    def _number(self, shape: Shape) -> int:
        return self._known.setdefault(shape, len(self._known))


def folded(
    recording: Recording, loops: Loops, boxes: list[Box], marks: Sequence[object] = ()
) -> None:
    """Find what is equal: wrap repeated calls in boxes, and note the runs of equal members.

    What an expression ran beside the model gets a box first.
    """
    structure = Structure(recording, loops, boxes, marks)
    expressions = Expressions(recording, boxes)
    for number in range(len(boxes) - 1, -1, -1):
        box = boxes[number]
        _bound(box, boxes)
        if box.kind == LOOP:
            box.runs = _runs(box.children[: box.members], structure.of, boxes)
        else:
            for made in _wrap_expressions(number, boxes, expressions):
                structure.measure(made)
            _wrap_repeats(number, boxes, structure)
        structure.measure(number)
        expressions.note(number)


def _bound(box: Box, boxes: list[Box]) -> None:
    """Note which ops are in a box, from its children."""
    parts = [(c, c, 1) if c >= 0 else _extent(boxes[~c]) for c in box.children]
    box.first = min((part[0] for part in parts), default=-1)
    box.last = max((part[1] for part in parts), default=-1)
    box.size = sum(part[2] for part in parts)


def _extent(box: Box) -> tuple[int, int, int]:
    return box.first, box.last, box.size


def _runs(
    members: Sequence[int], number_of: Callable[[int], int], boxes: list[Box]
) -> list[tuple[int, int]]:
    """Equal members in a row as (first, count); none where nothing is gained."""

    def kind(index: int) -> tuple[int, int]:
        member = members[index]
        is_run = member >= 0 or boxes[~member].is_run
        return number_of(member), -1 if is_run else index  # gaps: a thread in between

    groups = (list(group) for _, group in groupby(range(len(members)), kind))
    runs = [(group[0], len(group)) for group in groups]
    return runs if len(runs) < len(members) and len(runs) <= MOST else []


def _wrap_expressions(number: int, boxes: list[Box], expressions: Expressions) -> list[int]:
    """Put what an expression ran beside the model into a box of its own; the numbers of those."""
    children: list[int] = []
    made: list[int] = []
    for members in expressions.grouped(number):
        if len(members) == 1:
            children += members
            continue
        box = Box("", EXPRESSION, number, children=members)
        _bound(box, boxes)
        box.id, box.number = f"expression:{box.first}", box.first
        made.append(_around(members, box, boxes))
        children.append(~made[-1])
    boxes[number].children = children
    return made


def _around(members: list[int], box: Box, boxes: list[Box]) -> int:
    """Add a box around some children of another; its number."""
    boxes.append(box)
    here = len(boxes) - 1
    for member in members:
        if member < 0:
            boxes[~member].parent = here
    return here


def _wrap_repeats(number: int, boxes: list[Box], structure: Structure) -> None:
    """Put equal module calls that follow on each other into a box of their own."""
    found: list[int] = []

    def kind(child: int) -> tuple[int, int]:
        is_call = child < 0 and boxes[~child].kind == MODULE and boxes[~child].is_run
        return (structure.of(child), 0) if is_call else (-1, child)

    for (equal, _), group in groupby(boxes[number].children, kind):
        calls = list(group)
        if equal < 0 or len(calls) < REPEATS:
            found += calls
            continue
        first = boxes[~calls[0]]
        repeat = Box(f"repeat:{first.number}", REPEAT, number, first.number, children=calls)
        repeat.members = len(calls)
        repeat.runs = [(0, len(calls))]
        here = _around(calls, repeat, boxes)
        _bound(repeat, boxes)
        structure.measure(here)
        found.append(~here)
    boxes[number].children = found


def split(boxes: list[Box]) -> None:
    """Put the children of boxes that have too many into ranges, level by level.

    The parts of the first level are as large as a picture can show; those above are as many
    as each holds, so that neither level is crowded.
    """
    for number in range(len(boxes)):
        most = _most(boxes, boxes[number])
        parts = ceil(len(boxes[number].children) / most)
        while len(boxes[number].children) > most:
            children = boxes[number].children
            width = ceil(len(children) / parts)
            boxes[number].children = [
                _range(number, children[start : start + width], boxes)
                for start in range(0, len(children), width)
            ]
            parts = isqrt(len(boxes[number].children))


def _most(boxes: list[Box], box: Box) -> int:
    """How many children a box shows."""
    is_tall = box.kind == LOOP and any(c < 0 and boxes[~c].kind == TRIP for c in box.children)
    return MOST_TRIPS if is_tall else MOST


def trips_in(boxes: Sequence[Box], box: Box) -> tuple[int, int] | None:
    """The first and the last trip of a range, counted from 0; None if it is not one of trips."""
    around = boxes[box.parent]
    while around.kind == RANGE:
        around = boxes[around.parent]
    if box.kind != RANGE or around.kind != LOOP:
        return None
    ends = [_trip(boxes, around, _end(boxes, box, side)) for side in (0, -1)]
    first, last = ends[0], min(ends[1], around.members - 1)
    return (first, last) if first <= last else None


def _end(boxes: Sequence[Box], box: Box, side: int) -> int:
    """The first or last (0 or -1) child of a range that is no range itself."""
    child = box.children[side]
    while child < 0 and boxes[~child].kind == RANGE:
        child = boxes[~child].children[side]
    return child


def _trip(boxes: Sequence[Box], loop: Box, child: int) -> int:
    if child < 0 and boxes[~child].kind == TRIP:
        return boxes[~child].trip
    return loop.whole.index(child)


def _range(parent: int, part: list[int], boxes: list[Box]) -> int:
    if len(part) == 1:
        return part[0]
    box = Box("", RANGE, parent, children=part)
    _bound(box, boxes)
    box.id = f"range:{box.first}/{box.last}"
    return ~_around(part, box, boxes)
