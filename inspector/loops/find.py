"""`find_loops`: the loops of a recording, checked against the counts of its lines."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from inspector.loops.activations import RUN, Activations, Event
from inspector.loops.follow import Follower, Quotas
from inspector.loops.reading import Files
from inspector.loops.syntax import LoopStatement
from inspector.records import LineBranch, Recording


@dataclass(frozen=True, slots=True)
class LoopPlace:
    """In one loop: `run` is the number of its execution, `trip` counts from 0.

    `trip` is None for the last test of a `while`, after which no trip follows.
    """

    run: int
    trip: int | None


@dataclass(frozen=True, slots=True)
class LoopRun:
    """One execution of a loop statement.

    `trips` counts those in which an op ran (or a module was called). `outer` is the number of
    the place that it ran in, if there is one in the same activation: in the function that the
    module call `call` (None: the run itself) or the training step `step` runs, or in functions
    called by it. `first_op` is the first op in it. `exact` is false where the counts of lines do
    not bear the trips out: some ran no op, or the ops' positions do not tell two trips apart
    and equal numbers of trips were assumed.
    """

    id: int
    statement: LoopStatement
    trips: int
    outer: int | None
    call: int | None
    step: int | None
    first_op: int
    exact: bool = True


@dataclass(frozen=True, slots=True)
class Loops:
    """The loops of one recording.

    `of_op`, `of_call` and `of_step` give the number of the innermost place of an op, a module
    call or a training step *within the call or step that it ran in*; None where no loop is.
    `around` joins them.
    """

    runs: tuple[LoopRun, ...] = ()
    places: tuple[LoopPlace, ...] = ()
    of_op: tuple[int | None, ...] = ()
    of_call: tuple[int | None, ...] = ()
    of_step: tuple[int | None, ...] = ()
    activations: Activations = field(repr=False, compare=False, kw_only=True)

    def around(self, op: int) -> tuple[LoopPlace, ...]:
        """All loops around an op, outermost first, also those around the calls it ran in."""
        found: list[LoopPlace] = []
        place, activation = self.of_op[op], self.activations.of_op[op]
        while True:
            while place is not None:
                found.append(self.places[place])
                place = self.runs[self.places[place].run].outer
            if activation == RUN:
                return tuple(reversed(found))
            place = self.of_activation(activation)
            activation = self.activations.outer[activation]

    def of_activation(self, activation: int) -> int | None:
        """The innermost place of a call or step, by the number of its activation."""
        call, step = self.activations.call(activation), self.activations.step(activation)
        if call is not None:
            return self.of_call[call]
        return None if step is None else self.of_step[step]


def find_loops(recording: Recording) -> Loops:
    """The loops that ran, told from the ops' stacks and `recording.sources`.

    Takes linear time. Files whose text is not known count as having no loops. `for`, `while`
    and comprehensions are seen, also in functions that the model calls, and apart for each
    module call. A loop in which no op ran is not there, nor is a trip without ops.
    """
    activations = Activations(recording)
    if not any(_LOOPING.search(text) for text in recording.sources.values()):
        return _without_loops(recording, activations)
    events = activations.events(Files(recording.sources))
    follower, found = _followed(recording, events, {})
    quotas = _quotas(recording.branches, follower)
    if quotas:
        second, found_again = _followed(recording, events, quotas)
        if _misses(recording.branches, second) < _misses(recording.branches, follower):
            follower, found = second, found_again
        else:
            quotas = {}
    doubted = _doubted(recording.branches, follower) | quotas.keys()
    outside = _around_everything(recording.branches, follower, found[RUN])
    return _Result(recording, activations, follower, doubted, outside).loops(events, found)


_LOOPING = re.compile(r"\b(for|while)\b")


def _without_loops(recording: Recording, activations: Activations) -> Loops:
    ops, calls, steps = recording.ops, recording.module_calls, recording.steps
    nowhere = ((None,) * len(rows) for rows in (ops, calls, steps))
    return Loops((), (), *nowhere, activations=activations)


_Found = list[list[int | None]]


def _followed(
    recording: Recording, events: list[list[Event]], quotas: Quotas
) -> tuple[Follower, _Found]:
    """Follow the events of each activation; a place for each event."""
    decisions = frozenset(d.op for d in recording.decisions if d.op is not None)
    follower = Follower(decisions, [op.name for op in recording.ops], quotas)
    return follower, [follower.follow(number, own) for number, own in enumerate(events)]


def _trips(follower: Follower) -> tuple[Counter[tuple[str, int]], Counter[tuple[str, int]]]:
    """By (file, line) of the statement: all trips, and all executions."""
    trips: Counter[tuple[str, int]] = Counter()
    runs: Counter[tuple[str, int]] = Counter()
    for execution in follower.executions:
        where = execution.statement.file, execution.statement.line
        trips[where] += _real_trips(execution.statement, execution.trip, execution.last_body)
        runs[where] += 1
    return trips, runs


def _real_trips(statement: LoopStatement, last: int, last_body: int) -> int:
    return last + 1 if statement.kind != "while" or last_body == last else last


def _loop_counts(branches: tuple[LineBranch, ...]) -> Mapping[tuple[str, int], LineBranch]:
    return {(b.file, b.line): b for b in branches if b.kind in ("for", "while")}


def _quotas(branches: tuple[LineBranch, ...], follower: Follower) -> Quotas:
    """Trips per execution of loops that were taken for fewer executions than there were.

    Nothing but a count tells the second pass of an inner loop from more trips of the first if
    all that its outer loop does is to run it.
    """
    trips, runs = _trips(follower)
    counts = _loop_counts(branches)
    found: dict[LoopStatement, int] = {}
    for statement in {execution.statement for execution in follower.executions}:
        where = statement.file, statement.line
        count = counts.get(where)
        if count is None or count.not_taken <= runs[where] or count.taken != trips[where]:
            continue
        if count.taken % count.not_taken == 0:
            found[statement] = count.taken // count.not_taken
    return found


def _misses(branches: tuple[LineBranch, ...], follower: Follower) -> int:
    """By how many trips the loops differ from what the lines' counts say."""
    trips, _ = _trips(follower)
    counts = _loop_counts(branches)
    return sum(abs(counts[where].taken - trips[where]) for where in trips if where in counts)


def _doubted(branches: tuple[LineBranch, ...], follower: Follower) -> set[LoopStatement]:
    """The loops that ran more often than their ops tell, or had other trips."""
    trips, runs = _trips(follower)
    counts = _loop_counts(branches)
    found: set[LoopStatement] = set()
    for statement in {execution.statement for execution in follower.executions}:
        where = statement.file, statement.line
        count = counts.get(where)
        if count and (count.taken != trips[where] or count.not_taken > runs[where]):
            found.add(statement)
    return found


def _around_everything(
    branches: tuple[LineBranch, ...], follower: Follower, in_run: list[int | None]
) -> frozenset[int]:
    """The executions that the whole run is a part of a single trip of.

    They are around the block that was recorded: a test runner's, a notebook's. One whose
    statement was counted in the run began in it: all that ran was in its one trip.
    """
    if not in_run or in_run[0] is None or in_run[-1] is None:
        return frozenset()
    first, last = (_chain(follower, place) for place in (in_run[0], in_run[-1]))
    counts = _loop_counts(branches)
    found: list[int] = []
    for mine, theirs in zip(first, last, strict=False):
        statement = follower.executions[mine].statement
        began = (statement.file, statement.line) in counts
        if mine != theirs or began or follower.executions[mine].trip:
            break
        found.append(mine)
    return frozenset(found)


def _chain(follower: Follower, place: int | None) -> list[int]:
    """The executions around a place, outermost first."""
    found: list[int] = []
    while place is not None:
        found.append(follower.places[place][0])
        place = follower.executions[found[-1]].outer
    return found[::-1]


class _Result:
    """Puts the records together, without the loops around everything."""

    def __init__(
        self,
        recording: Recording,
        activations: Activations,
        follower: Follower,
        doubted: AbstractSet[LoopStatement],
        outside: frozenset[int],
    ) -> None:
        self._recording = recording
        self._activations = activations
        self._follower = follower
        self._doubted = doubted
        inside = [n for n in range(len(follower.executions)) if n not in outside]
        self._runs = {number: place for place, number in enumerate(inside)}
        places = [n for n, (run, _) in enumerate(follower.places) if run not in outside]
        self._places = {number: place for place, number in enumerate(places)}

    def loops(self, events: list[list[Event]], found: _Found) -> Loops:
        of_op: list[int | None] = [None] * len(self._recording.ops)
        of_unit: list[int | None] = [None] * len(self._activations.outer)
        for own, places in zip(events, found, strict=True):
            for event, place in zip(own, places, strict=True):
                known = None if place is None else self._places.get(place)
                if event.unit is None:
                    of_op[event.op] = known
                else:
                    of_unit[event.unit] = known
        runs = tuple(map(self._run, self._runs))
        first_step = self._activations.of_step(0)
        return Loops(
            runs,
            tuple(self._place(place, runs) for place in self._places),
            tuple(of_op),
            tuple(of_unit[1:first_step]),
            tuple(of_unit[first_step:]),
            activations=self._activations,
        )

    def _run(self, number: int) -> LoopRun:
        execution = self._follower.executions[number]
        statement, outer = execution.statement, execution.outer
        return LoopRun(
            id=self._runs[number],
            statement=statement,
            trips=_real_trips(statement, execution.trip, execution.last_body),
            outer=None if outer is None else self._places.get(outer),
            call=self._activations.call(execution.activation),
            step=self._activations.step(execution.activation),
            first_op=execution.first_op,
            exact=statement not in self._doubted,
        )

    def _place(self, number: int, runs: tuple[LoopRun, ...]) -> LoopPlace:
        execution, trip = self._follower.places[number]
        run = runs[self._runs[execution]]
        return LoopPlace(run.id, trip if trip < run.trips else None)
