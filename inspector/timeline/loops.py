"""The loops that a moment is in, each with its trip, and how often the same place ran an op."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from inspector.loops import LoopPlace, find_loops
from inspector.loops import Loops as Found
from inspector.records import Decision, Op, Recording, Source, Step


@dataclass(frozen=True, slots=True)
class Loop:
    """One execution of a loop of the user's code, at a moment in it.

    `text` is its header ("for x in xs"). `trip` counts from 0, up to `trips`; it is None before
    and after the trips (the last test of a `while`) and where the trip is not known. `exact` is
    false where the trips are assumed; see `inspector.loops`.
    """

    file: str
    line: int
    text: str
    trip: int | None
    trips: int
    exact: bool


class Loops:
    """Loops around moments, and visits of ops to places in the code.

    Args:
        recording: what ran.
        found: its loops, where they are known already.
    """

    def __init__(self, recording: Recording, found: Found | None = None) -> None:
        self._recording = recording
        self._known = found

    def around(self, op: Op | None, record: object) -> tuple[Loop, ...]:
        """The loops that a moment is in, the innermost first.

        Args:
            op: of the moment, or the forward op of its autograd node.
            record: of the moment. A size read and a step, which have no op, are in those loops
                of the ops beside them whose lines are around theirs.
        """
        if op is not None:
            return tuple(map(self._loop, reversed(self._found.around(op.id))))
        if isinstance(record, Decision):
            return tuple(self._beside(record.before_op, record.source))
        if isinstance(record, Step):
            return tuple(self._beside(record.first_op, record.source))
        return ()

    def _beside(self, before: int | None, source: Source | None) -> Iterator[Loop]:
        if source is None or before is None:
            return
        ops = range(len(self._recording.ops))
        sides = [self._found.around(op) for op in (before, before - 1) if op in ops]
        seen: set[int] = set()
        for place in (place for side in sides for place in reversed(side)):
            statement = self._found.runs[place.run].statement
            is_around = statement.line <= source.line <= statement.end_line
            if place.run not in seen and is_around and statement.file == source.file:
                seen.add(place.run)
                sure = all(place in side for side in sides)
                yield self._loop(place if sure else LoopPlace(place.run, None))

    def _loop(self, place: LoopPlace) -> Loop:
        run = self._found.runs[place.run]
        statement = run.statement
        return Loop(
            statement.file, statement.line, statement.header, place.trip, run.trips, run.exact
        )

    @cached_property
    def _found(self) -> Found:
        return find_loops(self._recording) if self._known is None else self._known

    # -- visits --------------------------------------------------------------------------------

    def visit(self, op: int) -> tuple[int, int]:
        """(which time it was, how often in all) that an op of this place in the code ran.

        The place is the position in the source together with the stack of calls around it
        and the function of torch. Times count from 1.
        """
        number = self._visits[op]
        return number, self._totals[self._keys[op]]

    @cached_property
    def _keys(self) -> list[int]:
        """For each op a number of its place."""
        numbers: dict[object, int] = {}
        stacks: dict[int, int] = {}
        found: list[int] = []
        for op in self._recording.ops:
            stack = stacks.get(id(op.stack))
            if stack is None:
                stack = stacks[id(op.stack)] = numbers.setdefault(op.stack, len(numbers))
            key = (stack, op.source, op.function, op.call_site)
            found.append(numbers.setdefault(key, len(numbers)))
        return found

    @cached_property
    def _totals(self) -> dict[int, int]:
        found: dict[int, int] = defaultdict(int)
        for key in self._keys:
            found[key] += 1
        return found

    @cached_property
    def _visits(self) -> list[int]:
        so_far: dict[int, int] = defaultdict(int)
        found: list[int] = []
        for key in self._keys:
            so_far[key] += 1
            found.append(so_far[key])
        return found
