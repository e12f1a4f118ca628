"""The loops of a run: which trip of which loop each op ran in.

The events of each activation are followed through the text. An event that can come after the
one before it is in the same trips; one that cannot, for example because its position comes
again, belongs to a next trip of the innermost loop that explains it, or to a new call of the
function it is in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from inspector.loops.activations import Event
from inspector.loops.syntax import LoopStatement, Spot

Quotas = Mapping[LoopStatement, int]
"""Trips that one execution of a loop has, where only the counts of the run tell."""


@dataclass(slots=True)
class Execution:
    """One execution of a loop statement, while it is followed.

    `outer` is the place (see `Follower.places`) that it ran in, in the same activation. `trip`
    counts from 0, and `last_body` is the last trip in which more than a test ran.
    """

    statement: LoopStatement
    outer: int | None
    activation: int
    first_op: int
    trip: int = 0
    last_body: int = -1


@dataclass(slots=True)
class _Level:
    """One frame's function as it runs: where it is, and in which trips."""

    spot: Spot
    above: int | None
    executions: list[int] = field(default_factory=list)
    firsts: list[Spot | None] = field(default_factory=list)
    seen: list[object] = field(default_factory=list)


class Follower:
    """Follows the events of all activations.

    Attributes:
        executions: of all loops, in order.
        places: (execution, trip), numbered in order.
    """

    def __init__(self, decisions: frozenset[int], names: Sequence[str], quotas: Quotas) -> None:
        self._decisions = decisions
        self._names = names
        self._quotas = quotas
        self._levels: list[_Level] = []
        self._activation = 0
        self._op = 0
        self.executions: list[Execution] = []
        self.places: list[tuple[int, int]] = []
        self._numbers: dict[tuple[int, int], int] = {}
        self._looping: dict[int, bool] = {}
        self._kept: dict[tuple[Spot, Spot], int | None] = {}

    def follow(self, activation: int, events: Sequence[Event]) -> list[int | None]:
        """The place of each event; None outside of loops."""
        if not any(self._is_in_loop(event.spots) for event in events):
            return [None] * len(events)
        self._levels, self._activation = [], activation
        return [self._place_of(event) for event in events]

    def _is_in_loop(self, spots: tuple[Spot, ...]) -> bool:
        """Whether a loop is around one of these places; many events share theirs."""
        known = self._looping.get(id(spots))
        if known is None:
            known = self._looping[id(spots)] = any(spot.depths for spot in spots)
        return known

    def _place_of(self, event: Event) -> int | None:
        if not event.spots:
            return None
        self._op = event.op
        if event.tests and event.spots[-1].is_test and self._levels:
            return self._inside(self._levels[-1])
        if not self._go_on(event, 0):
            self._call_again(event)
        level = self._levels[-1]
        if event.direct and None in level.firsts:
            level.firsts = [first or level.spot for first in level.firsts]
        for known in self._levels:
            self._note_body(known)
        return self._inside(level)

    def _note_body(self, level: _Level) -> None:
        spot = level.spot
        for depth, number in zip(spot.depths, level.executions, strict=True):
            if spot.path[depth][1]:
                execution = self.executions[number]
                execution.last_body = execution.trip

    # -- one event -----------------------------------------------------------------------------

    def _go_on(self, event: Event, at: int) -> bool:
        """Place the event's frames from `at` on, without a change of the frames before."""
        if at >= len(self._levels):
            return self._enter(event, at)
        level, spot = self._levels[at], event.spots[at]
        if level.spot.scope is not spot.scope:
            return False
        if spot is level.spot or spot.late is level.spot:
            if self._is_same_evaluation(event, at):
                return True
            if _takes_item(spot):
                # The body did not run yet: a data loader calls its dataset for each sample.
                del self._levels[at + 1 :]
                return at == len(event.spots) - 1 or self._enter(event, at + 1)
        else:
            for target in (spot, spot.late):
                kept = None if target is None else self._common_loops(level.spot, target)
                if target is not None and kept is not None:
                    return self._move(event, at, target, kept)
        return self._next_trip(event, at)

    def _common_loops(self, spot: Spot, target: Spot) -> int | None:
        """How many loops stay as they are from one place to another; None for no way there."""
        ends = spot, target
        if ends not in self._kept:
            self._kept[ends] = target.common(spot) if spot.leads_to(target) else None
        return self._kept[ends]

    def _is_same_evaluation(self, event: Event, at: int) -> bool:
        """Whether the call that the frame is in can still be the one that it was in."""
        level = self._levels[at]
        last, was_last = at == len(event.spots) - 1, at == len(self._levels) - 1
        if not last and not was_last:
            return self._go_on(event, at + 1)
        mark = self._mark(event, at)
        if not self._continues(event, at, mark):
            return False
        level.seen.append(mark)
        del self._levels[at + 1 :]
        return last or self._enter(event, at + 1)

    def _mark(self, event: Event, at: int) -> object:
        """What tells two events of one evaluation apart."""
        if at < len(event.spots) - 1:
            return event.spots[at + 1]
        return "unit" if event.unit is not None else self._names[event.op]

    def _continues(self, event: Event, at: int, mark: object) -> bool:
        """Whether a further event at one position belongs to the evaluation before.

        A call in the user's code is one op, and perhaps a decision about it. A library's
        function runs several, until the first comes again.
        """
        level = self._levels[at]
        if at < len(event.spots) - 1 or not event.direct or at < len(self._levels) - 1:
            return mark != level.seen[0]
        return event.unit is None and event.op in self._decisions and mark not in level.seen

    def _next_trip(self, event: Event, at: int) -> bool:
        """Explain the event by a next trip of the innermost loop that can have one."""
        level, spot = self._levels[at], event.spots[at]
        for index in range(spot.common(level.spot) - 1, -1, -1):
            depth = spot.depths[index]
            first = level.firsts[index]
            passed_by = first is not None and first is not spot and first.always_before(spot)
            execution = self.executions[level.executions[index]]
            quota = self._quotas.get(execution.statement)
            full = quota is not None and execution.trip + 1 >= quota and not spot.starts_trip
            if passed_by or full or not level.spot.ends_trip(depth):
                continue
            execution.trip += 1
            del level.executions[index + 1 :]
            del level.firsts[index:]
            level.firsts.append(None)
            return self._move(event, at, spot, index + 1)
        return False

    def _move(self, event: Event, at: int, spot: Spot, kept: int) -> bool:
        """Go to another spot of the same call, still in its `kept` outermost loops."""
        level = self._levels[at]
        del self._levels[at + 1 :]
        del level.executions[kept:]
        del level.firsts[kept:]
        level.spot = spot
        self._start_loops(level)
        level.seen = [self._mark(event, at)]
        return at == len(event.spots) - 1 or self._enter(event, at + 1)

    def _enter(self, event: Event, at: int) -> bool:
        """New calls for the frames from `at` on."""
        del self._levels[at:]
        for number in range(at, len(event.spots)):
            above = self._inside(self._levels[-1]) if self._levels else None
            level = _Level(event.spots[number], above)
            self._start_loops(level)
            level.seen = [self._mark(event, number)]
            self._levels.append(level)
        return True

    def _call_again(self, event: Event) -> None:
        """No loop explains the event: a library called the user's function once more."""
        at = 0
        while (
            at < min(len(self._levels), len(event.spots)) - 1
            and self._levels[at].spot is event.spots[at]
        ):
            at += 1
        if self._levels[at].spot is event.spots[at] and at == len(event.spots) - 1:
            del self._levels[at + 1 :]  # one position, several ops
        else:
            self._enter(event, at)

    # -- places --------------------------------------------------------------------------------

    def _start_loops(self, level: _Level) -> None:
        for depth in level.spot.depths[len(level.executions) :]:
            execution = Execution(
                level.spot.loop(depth), self._inside(level), self._activation, self._op
            )
            level.executions.append(len(self.executions))
            level.firsts.append(None)
            self.executions.append(execution)

    def _inside(self, level: _Level) -> int | None:
        """The innermost place that a level is in."""
        if not level.executions:
            return level.above
        number = level.executions[-1]
        key = (number, self.executions[number].trip)
        known = self._numbers.get(key)
        if known is None:
            known = self._numbers[key] = len(self.places)
            self.places.append(key)
        return known


def _takes_item(spot: Spot) -> bool:
    """Whether it is where a `for` takes its next item."""
    return spot.starts_trip and spot.loop(spot.depths[-1]).kind == "for"
