"""Loops with other numbers of trips, each with the decision by which the shorter run left it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from inspector.comparison import DecisionDifference, LoopDifference
from inspector.loops import LoopRun
from inspector.records import Decision

if TYPE_CHECKING:
    from inspector.compare.build import Aligned, Side


def loop_differences(
    aligned: Aligned, decisions: Sequence[DecisionDifference]
) -> Iterator[LoopDifference]:
    """The pairs of loops with other numbers of trips, each with its cause if there is one."""
    causes = _Causes(aligned, decisions)
    for x, y in aligned.pairs("loop"):
        one, other = aligned.a.loops.runs[x], aligned.b.loops.runs[y]
        trips_a, trips_b = _trips(aligned.a, one), _trips(aligned.b, other)
        if trips_a is None or trips_b is None or trips_a == trips_b:
            continue
        cause, trip = causes.of((x, y), (trips_a, trips_b))
        end = None
        if cause is not None and trip is not None:
            end = causes.end(cause, trip, x if trips_a > trips_b else y, in_a=trips_a > trips_b)
        yield LoopDifference(
            header=one.statement.header,
            file=one.statement.file,
            line=one.statement.line,
            trips_a=trips_a,
            trips_b=trips_b,
            first_a=one.first_op,
            first_b=other.first_op,
            cause=cause,
            cause_trip=trip,
            end_trip=end,
        )


def _trips(side: Side, run: LoopRun) -> int | None:
    """Trips of one execution; None where nothing tells.

    Trips without any op are seen in the counts of the lines only, which are those of all
    executions together.
    """
    if run.exact:
        return run.trips
    statement = run.statement
    alone = sum(other.statement == statement for other in side.loops.runs) == 1
    for branch in side.recording.branches:
        if alone and (branch.file, branch.line) == (statement.file, statement.line):
            return branch.taken
    return None


class _Causes:
    """For each loop of A, the decision by which one run left it before the other did."""

    def __init__(self, aligned: Aligned, decisions: Sequence[DecisionDifference]) -> None:
        self._sides = aligned.a, aligned.b
        self._decisions = decisions
        self._runs = aligned.a.loops.runs
        self._inside: dict[tuple[int, int], int] = {}  # (run, trip) -> place among the decisions
        self._before: dict[tuple[str, int], list[int]] = {}
        for number, difference in enumerate(decisions):
            if difference.a is None or difference.b is None:
                continue
            decision = aligned.a.recording.decisions[difference.a]
            if decision.source is not None:
                place = decision.source.file, decision.source.line
                self._before.setdefault(place, []).append(number)
            for run, trip in _trips_around(aligned.a, decision):
                self._inside.setdefault((run, trip), number)

    def of(self, runs: tuple[int, int], trips: tuple[int, int]) -> tuple[int | None, int | None]:
        """(place among the decisions, trip) of the cause; None where no recorded value is it.

        A `for` ends with what it goes over, a `while` in its last test, which is that of the trip
        that did not come; both also in their last trip (`break`, `return`).

        Args:
            runs: the execution of the loop in A, and in B.
            trips: of these.
        """
        run, shorter = runs[0], min(trips)
        statement = self._runs[run].statement
        before = self._before.get((statement.file, statement.line), [])
        if statement.kind != "while":
            return self._of_for(before, runs, trips)
        for trip in (shorter, shorter - 1):
            if (run, trip) in self._inside:
                return self._inside[run, trip], trip
        return (before[0] if before else None), None

    def _of_for(
        self, before: Sequence[int], runs: tuple[int, int], trips: tuple[int, int]
    ) -> tuple[int | None, int | None]:
        """`of` for a loop with an end in sight: the surest reason first."""
        for number in before:
            one = self._decisions[number]
            if (one.value_a, one.value_b) == trips:
                return number, None
        last = min(trips) - 1
        left = self._inside.get((runs[0], last))
        if left is not None and self._is_last(left, runs, trips):
            return left, last
        for number in before:
            # A length is the number of trips; others need not be: as in `range(n // 2)`.
            if self._kind(number) != "iter" or self._runs_along(number, trips):
                return number, None
        if left is None or self._went_over_all(before, trips):
            return None, None
        return left, last

    def _went_over_all(self, before: Sequence[int], trips: tuple[int, int]) -> bool:
        """Whether the shorter run made as many trips as a length says: so it did not leave early.

        The longer one did, then: nothing that both read is the cause of its number of trips.
        """
        at = 0 if trips[0] < trips[1] else 1
        decisions = (self._decisions[number] for number in before)
        return any((one.value_a, one.value_b)[at] == trips[at] for one in decisions)

    def _runs_along(self, number: int, trips: tuple[int, int]) -> bool:
        """Whether the numbers read differ as those of the trips do, as in `list(x)[1:]`."""
        one = self._decisions[number]
        if not isinstance(one.value_a, int | float) or not isinstance(one.value_b, int | float):
            return False
        return one.value_b - one.value_a == trips[1] - trips[0]

    def _is_last(self, number: int, runs: tuple[int, int], trips: tuple[int, int]) -> bool:
        """Whether the shorter run left the loop right after it read this."""
        at = 0 if trips[0] < trips[1] else 1
        side, difference = self._sides[at], self._decisions[number]
        decision = difference.a if at == 0 else difference.b
        assert decision is not None
        op = side.recording.decisions[decision].op
        if op is None:
            return False
        after = op + 1
        if after == len(side.recording.ops):
            return True
        return all(place.run != runs[at] for place in side.loops.around(after))

    def _kind(self, number: int) -> str:
        decision = self._decisions[number].a
        assert decision is not None
        return self._sides[0].recording.decisions[decision].kind

    def end(self, cause: int, trip: int, run: int, *, in_a: bool) -> int | None:
        """The trip in which the longer run read at last what the shorter one did at the cause.

        Args:
            cause: its place among the decisions.
            trip: in which the shorter run left.
            run: the execution of the loop in the longer run.
            in_a: whether that is A.
        """
        difference, side = self._decisions[cause], self._sides[0 if in_a else 1]
        number = difference.a if in_a else difference.b
        wanted = difference.value_b if in_a else difference.value_a
        assert number is not None
        same = side.recording.decisions[number]
        for later, decision in self._by_run[0 if in_a else 1].get(run, ()):
            at_the_place = (decision.source, decision.kind) == (same.source, same.kind)
            if later > trip and at_the_place and decision.value == wanted:
                return later
        return None

    @cached_property
    def _by_run(self) -> tuple[dict[int, list[tuple[int, Decision]]], ...]:
        """Of each side: for each execution of a loop its decisions, each with its trip."""
        found: list[dict[int, list[tuple[int, Decision]]]] = []
        for side in self._sides:
            own: dict[int, list[tuple[int, Decision]]] = {}
            found.append(own)
            for decision in side.recording.decisions:
                for run, trip in _trips_around(side, decision):
                    own.setdefault(run, []).append((trip, decision))
        return tuple(found)


def _trips_around(side: Side, decision: Decision) -> Iterator[tuple[int, int]]:
    """(execution of a loop, trip) that a decision was taken in; the last test is one trip more."""
    if decision.op is not None:
        for at in side.loops.around(decision.op):
            yield at.run, side.loops.runs[at.run].trips if at.trip is None else at.trip
