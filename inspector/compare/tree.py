"""A run as a tree: module calls, loops and their trips, training steps; ops are the leaves.

Each item has a key that says what it is within its owner: which call, which loop statement,
which trip, or which place in the code and which function. Equal ones are numbered in the order
of the run, so that keys are unique within an owner.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field

from inspector.compare.sites import Place, Version
from inspector.loops import Loops, LoopStatement
from inspector.loops.activations import RUN
from inspector.records import Decision, Op, Recording, Source


@dataclass(eq=False, slots=True)
class Item:
    """One item of the tree.

    `kind` is "run", "call", "loop", "trip", "step", "op" or "read", `number` its number in the
    recording (of a loop: of the execution; of a trip: which one). `key` is unique within the
    owner. `sure` is false where the code at its place is not the same in both versions; then
    `name` says what it may be paired with, and `line` is the innermost line, where that is the
    same in both: a helper may have been called in another way.
    """

    kind: str
    number: int
    key: Hashable = None
    name: Hashable = None
    sure: bool = True
    line: Hashable = None
    children: list[Item] = field(default_factory=list)


_What = tuple[int, tuple[str], bool, Hashable]
"""Of an op: the number of its key, and `name`, `sure` and `line` of its item."""


class Tree:
    """The tree of one recording.

    Args:
        recording: the run.
        loops: its loops.
        version: its code, as it is told in for both runs.
        numbers: of keys; the trees of both runs share it. Keys are deep, their numbers are not.
        flat: loops, by `loop_key`, whose trips cannot be told apart in one of the runs: what
            ran in them is kept in order, without trips.
        outer: frames of the run's own that are told without their lines: those around the
            block that was recorded.
    """

    def __init__(
        self,
        recording: Recording,
        loops: Loops,
        version: Version,
        numbers: dict[Hashable, int],
        flat: frozenset[Hashable] = frozenset(),
        outer: int = 0,
    ) -> None:
        self._recording = recording
        self._loops = loops
        self._version = version
        self._numbers = numbers
        self._flat = flat
        self._outer = outer
        self._known: dict[tuple[str, int, int, int], _What] = {}
        self._frames_around: dict[int, int] = {}
        self._activations: dict[int, Item] = {}
        self._runs: dict[int, Item] = {}
        self._without_trips: set[int] = set()
        self._trips: dict[int, Item] = {}
        self._counts: dict[tuple[int, int], int] = {}
        self.root = Item("run", 0)
        self._grow()

    def _grow(self) -> None:
        reads: dict[int, list[Decision]] = {}
        for decision in self._recording.decisions:
            if decision.op is None:
                reads.setdefault(decision.before_op or 0, []).append(decision)
        for op in self._recording.ops:
            for read in reads.get(op.id, ()):
                self._add_read(read)
            self._add_op(op)
        for read in reads.get(len(self._recording.ops), ()):
            self._add_read(read)

    def _add_op(self, op: Op) -> None:
        around = self._around(op, op.module_call)
        # A recording has one object per stack and place, and the ops of a loop share them.
        same = op.function, id(op.stack), id(op.call_site), around
        known = self._known.get(same)
        if known is None:
            place = self._place(op, around)
            number = self._number(("op", op.function, place.key))
            known = self._known[same] = number, (op.function,), place.sure, place.line
        self._put(Item("op", op.id, *known), self._owner(op.id), known[0])

    def _add_read(self, read: Decision) -> None:
        """A size that was read, beside the op that ran next if that is in the same call."""
        ops = self._recording.ops
        before = read.before_op or 0
        following = ops[before] if before < len(ops) else None
        if following is not None and following.module_call == read.module_call:
            owner = self._owner(following.id)
        else:
            owner = self._activation(self._loops.activations.of_call(read.module_call))
        place = self._version.place(() if read.source is None else (read.source,))
        item = Item("read", read.id, ("read", read.kind, place.key), (read.kind,), place.sure)
        self._put(item, owner, self._number(item.key))

    def _number(self, key: Hashable) -> int:
        return self._numbers.setdefault(key, len(self._numbers))

    def _put(self, item: Item, owner: Item, number: int) -> None:
        """Into its owner, with the number of its key and how many equal ones came before."""
        same = id(owner), number
        count = self._counts.get(same, 0)
        self._counts[same] = count + 1
        item.key = number, count
        owner.children.append(item)

    # -- owners --------------------------------------------------------------------------------

    def _owner(self, op: int) -> Item:
        place = self._loops.of_op[op]
        if place is not None:
            return self._trip(place)
        return self._activation(self._loops.activations.of_op[op])

    def _activation(self, number: int) -> Item:
        """The item of a module call or a step, made with those around it."""
        found = self._activations.get(number)
        if found is not None:
            return found
        if number == RUN:
            found = self.root
        else:
            activations = self._loops.activations
            place = self._loops.of_activation(number)
            outer = activations.outer[number]
            owner = self._trip(place) if place is not None else self._activation(outer)
            found = self._made(number, in_run=owner is self.root)
            self._put(found, owner, self._number(found.key))
        self._activations[number] = found
        return found

    def _made(self, number: int, *, in_run: bool) -> Item:
        activations, recording = self._loops.activations, self._recording
        call_id, step_id = activations.call(number), activations.step(number)
        if call_id is not None:
            call = recording.module_calls[call_id]
            what: tuple[Hashable, ...] = ("call", call.path, call.type)
            source, item = call.source, Item("call", call.id)
        else:
            step = recording.steps[step_id or 0]
            what = ("step", step.kind, step.detail)
            source, item = step.source, Item("step", step.id)
        place = Place(()) if in_run and self._outer else self._of_frame(source)
        item.key, item.name, item.sure = (*what, place.key), what, place.sure
        return item

    def _of_frame(self, source: Source | None) -> Place:
        return self._version.place(() if source is None else (source,))

    def _trip(self, place: int) -> Item:
        found = self._trips.get(place)
        if found is not None:
            return found
        where = self._loops.places[place]
        found = owner = self._run(where.run)
        if where.run not in self._without_trips:
            # The last test of a `while` is the test of the trip that did not come.
            run = self._loops.runs[where.run]
            number = run.trips if where.trip is None else where.trip
            found = Item("trip", number, ("trip", number), ("trip", number))
            self._put(found, owner, self._number(found.key))
        self._trips[place] = found
        return found

    def _run(self, number: int) -> Item:
        found = self._runs.get(number)
        if found is not None:
            return found
        run = self._loops.runs[number]
        if run.outer is not None:
            owner = self._trip(run.outer)
        elif run.step is not None:
            owner = self._activation(self._loops.activations.of_step(run.step))
        else:
            owner = self._activation(self._loops.activations.of_call(run.call))
        statement = run.statement
        loose = owner is self.root and self._outer
        key = loop_key(statement, self._version)
        if key in self._flat:
            self._without_trips.add(number)
        if loose:
            key = ("loop", statement.kind, statement.header)
        sure = self._version.line(statement.file, statement.line)[1]
        name = ("loop", statement.kind == "comprehension")
        found = self._runs[number] = Item("loop", number, key, name, sure)
        self._put(found, owner, self._number(key))
        return found

    # -- the place of an op --------------------------------------------------------------------

    def _place(self, op: Op, around: int) -> Place:
        """Where an op ran, told within the call that it ran in (without the frames around it)."""
        frames = op.stack[: len(op.stack) - around]
        site = op.call_site
        own = op.stack[0] if op.stack else None
        if site is not None and site is not own and site != own:
            frames = (site, *frames)  # a library's line
        return self._version.place(frames)

    def _around(self, op: Op, call: int | None) -> int:
        """How many of an op's frames, from the outermost, are outside of a call around it."""
        if call is None:
            return self._outer
        found = self._frames_around.get(call)
        if found is None:
            record = self._recording.module_calls[call]
            if record.source is not None and record.source in op.stack:
                found = len(op.stack) - op.stack.index(record.source)
            else:  # called by a library: by the code that called the library
                found = self._around(op, record.parent)
            self._frames_around[call] = found
        return found


def loop_key(statement: LoopStatement, version: Version) -> Hashable:
    """A loop statement as a key that holds for both runs."""
    line, _ = version.line(statement.file, statement.line)
    return "loop", line, statement.column + version.indent(statement.file, statement.line)


def shared_frames(recordings: tuple[Recording, ...]) -> int:
    """How many outermost frames all ops outside of module calls share, by their function.

    Two blocks `with recording():` in one script lie on different lines of the same functions.
    """
    known: list[tuple[str, str]] | None = None
    for recording in recordings:
        for op in recording.ops:
            if op.module_call is None and op.stack:
                frames = [(frame.file, frame.function) for frame in reversed(op.stack)]
                known = frames if known is None else _common(known, frames)
    return len(known or ())


def _common(one: list[tuple[str, str]], other: list[tuple[str, str]]) -> list[tuple[str, str]]:
    count = 0
    while count < min(len(one), len(other)) and one[count] == other[count]:
        count += 1
    return one[:count]
