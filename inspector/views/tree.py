"""The boxes of a recording, nested as what ran was: calls, steps, loops and their trips.

The tree is made once per recording and does not depend on which boxes are open. The outermost
module call has no box of its own: it is the whole picture. A call of a single op that calls
nothing is drawn as that op; so is a trip with a single thing in it, and a loop that went round
once has no box. Expressions, repeats and ranges are put around what is in them later.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from inspector.loops import Loops
from inspector.records import ModuleCall, Recording

MODULE, STEP, LOOP, TRIP = "module", "step", "loop", "trip"
EXPRESSION, REPEAT, RANGE = "expression", "repeat", "range"

TINY = 3
"""A loop of this many trips with one thing in each needs no box around them."""


@dataclass(slots=True, eq=False)
class Box:
    """One box, or the whole picture (number 0, without an id).

    `number` is what the box stands for: a module call, a step, the execution of a loop, the
    first call of a repeat, the first op of an expression; `trip` counts from 0. `children` are in
    order: the ids of ops, and boxes as `~number of the box`. `ops` are those of all depths, in
    order; `first` and `last` bound them, and are all there is to know where the ops follow on
    each other (`is_run`).
    `members` of a loop are how many of its first children are a trip each; of a repeat, all.
    `runs` are equal members in a row: (first member, how many). `whole` are the children before
    they were split into ranges.
    """

    id: str
    kind: str
    parent: int
    number: int = 0
    trip: int = 0
    children: list[int] = field(default_factory=list)
    first: int = -1
    last: int = -1
    size: int = 0
    members: int = 0
    runs: list[tuple[int, int]] = field(default_factory=list)
    whole: list[int] = field(default_factory=list)

    @property
    def is_run(self) -> bool:
        """Whether its ops follow on each other without a gap."""
        return self.last - self.first + 1 == self.size

    @property
    def folds(self) -> bool:
        """Whether equal members are drawn as one while it is not open."""
        return bool(self.runs)


def call_id(call: int) -> str:
    """The box of a module call."""
    return f"call:{call}"


def step_id(step: int) -> str:
    """The box of a training step."""
    return f"step:{step}"


def title(call: ModuleCall) -> str:
    """What a call is called in a picture: the last parts of its path."""
    parts = call.path.split(".")
    if len(parts) > 1 and parts[-1].isdigit():
        return ".".join(parts[-2:])
    return parts[-1] or call.type


def only_root(recording: Recording) -> int | None:
    """The outermost module call, if there is one."""
    outer = [call.id for call in recording.module_calls if call.parent is None]
    return outer[0] if len(outer) == 1 else None


def plain_boxes(recording: Recording, loops: Loops) -> tuple[list[Box], list[int]]:
    """All boxes before folding, and the innermost box of each op."""
    return _Builder(recording, loops).built()


_Key = tuple[str, int]  # ("act", an activation) or ("place", a place in a loop)


class _Builder:
    def __init__(self, recording: Recording, loops: Loops) -> None:
        self._recording = recording
        self._loops = loops
        self._root = only_root(recording)
        self._boxes = [Box("", MODULE, -1)]
        self._home: dict[_Key, int] = {("act", 0): 0}
        self._loop_boxes: dict[int, int] = {}
        self._has_calls = {call.parent for call in recording.module_calls}

    def built(self) -> tuple[list[Box], list[int]]:
        homes: list[int] = []
        seen = {0}
        acts = self._loops.activations
        for op in self._recording.ops:
            place = self._loops.of_op[op.id]
            key = ("act", acts.of_op[op.id]) if place is None else ("place", place)
            home = self._home[key] if key in self._home else self._make(key)
            homes.append(home)
            child, inner = op.id, home
            while True:
                self._boxes[inner].children.append(child)
                if inner in seen:
                    break
                seen.add(inner)
                child, inner = ~inner, self._boxes[inner].parent
        return self._simplified(homes)

    # -- one box for each call, step, loop and trip ----------------------------------------------

    def _make(self, key: _Key) -> int:
        """The box of a key; those around it are made first."""
        chain = []
        while key not in self._home:
            chain.append(key)
            key = self._around(key)
        here = self._home[key]
        for inner in reversed(chain):
            here = self._home[inner] = self._add(inner, here)
        return here

    def _around(self, key: _Key) -> _Key:
        loops, acts = self._loops, self._loops.activations
        kind, number = key
        if kind == "act":
            place = loops.of_activation(number)
            return ("act", acts.outer[number]) if place is None else ("place", place)
        run = loops.runs[loops.places[number].run]
        if run.outer is not None:
            return "place", run.outer
        return "act", acts.of_call(run.call) if run.step is None else acts.of_step(run.step)

    def _add(self, key: _Key, around: int) -> int:
        kind, number = key
        acts = self._loops.activations
        if kind == "place":
            return self._add_trip(number, around)
        call, step = acts.call(number), acts.step(number)
        if call is not None and self._is_box(call):
            return self._box(Box(call_id(call), MODULE, around, call))
        if step is not None and self._recording.steps[step].kind == "optimizer_step":
            return self._box(Box(step_id(step), STEP, around, step))
        return around

    def _is_box(self, call: int) -> bool:
        single = len(self._recording.module_calls[call].ops) == 1 and call not in self._has_calls
        return call != self._root and not single

    def _add_trip(self, number: int, around: int) -> int:
        place = self._loops.places[number]
        loop = self._loop_boxes.get(place.run)
        if loop is None:
            loop = self._box(Box(f"loop:{place.run}", LOOP, around, place.run))
            self._boxes[loop].members = self._loops.runs[place.run].trips
            self._loop_boxes[place.run] = loop
        if place.trip is None:
            return loop
        return self._box(Box(f"trip:{place.run}/{place.trip}", TRIP, loop, place.run, place.trip))

    def _box(self, box: Box) -> int:
        self._boxes.append(box)
        return len(self._boxes) - 1

    # -- without the boxes that tell nothing -----------------------------------------------------

    def _simplified(self, homes: list[int]) -> tuple[list[Box], list[int]]:
        gone = bytearray(len(self._boxes))
        for number in range(len(self._boxes) - 1, -1, -1):  # inner ones first
            box = self._boxes[number]
            box.children = list(self._expanded(box.children, gone))
            gone[number] = self._tells_nothing(box)
        kept: list[Box] = []
        new = [0] * len(self._boxes)
        for number, box in enumerate(self._boxes):
            if gone[number]:
                new[number] = new[box.parent]
                continue
            new[number] = len(kept)
            box.parent = new[box.parent] if box.parent >= 0 else -1
            kept.append(box)
        for box in kept:
            box.children = [child if child >= 0 else ~new[~child] for child in box.children]
        return kept, [new[home] for home in homes]

    def _expanded(self, children: list[int], gone: bytearray) -> Iterable[int]:
        for child in children:
            if child < 0 and gone[~child]:
                yield from self._boxes[~child].children
            else:
                yield child

    def _tells_nothing(self, box: Box) -> bool:
        if box.kind == TRIP:
            return len(box.children) == 1 or self._boxes[box.parent].members <= 1
        if box.kind != LOOP:
            return False
        trips = (c for c in box.children if c < 0 and self._boxes[~c].kind == TRIP)
        return box.members <= 1 or (box.members <= TINY and next(trips, None) is None)
