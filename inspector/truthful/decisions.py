"""Which decision of a run made it leave the way that a static graph has."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from inspector.language import sentence
from inspector.overlay.traced import needed
from inspector.records import Decision, LineBranch, Op, Recording
from inspector.truthful.code import Code, Statement

Line = tuple[str, int]
"""A file and a line."""


@dataclass(frozen=True, slots=True)
class Cause:
    """What is to blame: a decision, a statement, or both.

    `text` says what was read, `other` the value that it had when the graph was traced, where that
    is known.
    `trips` counts how often a loop ran: in the graph, and in this run.
    """

    decision: Decision | None
    statement: Statement | None
    file: str
    text: str = ""
    other: bool | int | float | str | None = None
    trips: tuple[int, int] | None = None


class Steering:
    """The decisions of a run, next to those of the run that was traced.

    Args:
        recording: the run.
        traced_with: a recording of the run that was traced, where there is one.

    Attributes:
        aligned: up to this op the two runs ran the same ops, by line.
        dead: of these, the ops that the result of the traced run did not come from: a trace
            has no nodes for them.
    """

    def __init__(self, recording: Recording, traced_with: Recording | None) -> None:
        self.code = Code(recording.sources)
        self._recording = recording
        self._traced = traced_with
        self.aligned, self.dead = _alignment(recording, traced_with)
        self._visits: dict[object, list[Op]] = {}
        self._there: dict[object, list[Op]] = {}
        self._others = {} if traced_with is None else _other_values(recording, traced_with)

    def cause(self, lines: Sequence[Line], before: float, dead: bool) -> Cause | None:
        """What decided that a line ran, or did not.

        Args:
            lines: the lines of the frames, innermost first.
            before: the id of the op before which it was decided.
            dead: the op only steered when it was traced: what it led to was decided later.
        """
        candidates = [d for d in self._recording.decisions if position(d) < before]
        candidates.reverse()
        later: list[Decision] = []
        if self._traced is not None:
            # What only steers may be missing from the trace, so the decision may come later.
            later = [d for d in self._recording.decisions if position(d) >= before]
            candidates = [d for d in (*candidates, *later) if d.id in self._others]
        if dead and later:
            first = next((d for d in later if d.id in self._others), None)
            if first is not None:
                return self._made(first, self.code.tested(first.source))
        guarding: Cause | None = None
        loose: Cause | None = None
        for decision in candidates:
            statement = self.code.tested(decision.source)
            found = self._made(decision, statement)
            if statement is None:
                loose = loose or (found if decision.kind == "bool" else None)
            elif decision.source is not None and any(
                file == decision.source.file and statement.guards(line) for file, line in lines
            ):
                guarding = found
                break
            elif self._traced is not None and position(decision) < before:
                loose = loose or found
        return guarding or self._plain_cause(lines) or loose

    def other(self, decision: Decision) -> bool | int | float | str | None:
        """The value that a decision had in the traced run; None where that is not known."""
        return self._others.get(decision.id)

    def earlier_arguments(self, op: Op) -> str | None:
        """The arguments of the same op in the traced run; None where that is not known."""
        if self._traced is None:
            return None
        if not self._visits:
            for recording, visits in ((self._recording, self._visits), (self._traced, self._there)):
                for each in recording.ops:
                    visits.setdefault(_site(each), []).append(each)
        mine = self._visits.get(_site(op), [])
        visit = next((i for i, each in enumerate(mine) if each.id == op.id), 0)
        there = self._there.get(_site(op), [])
        return there[visit].arguments if visit < len(there) else None

    def numeric(self, value: object, before: float) -> Decision | None:
        """The last read before an op that gave this number."""
        for decision in reversed(self._recording.decisions):
            if position(decision) < before and decision.value == value:
                return decision
        return None

    def _made(self, decision: Decision, statement: Statement | None) -> Cause:
        assert decision.source is not None
        file = decision.source.file
        return Cause(
            decision=decision,
            statement=statement,
            file=file,
            text=self._read(decision),
            other=self.other(decision),
            trips=self._trips(file, statement),
        )

    def _read(self, decision: Decision) -> str:
        text = self.code.read(decision.source)
        if not text:
            return ""
        if decision.kind in ("shape", "size"):
            return sentence("a size in `{code}`", code=text)
        return f"`{text}`"

    def _plain_cause(self, lines: Sequence[Line]) -> Cause | None:
        """A statement around the lines that plain Python values decide."""
        for file, line in lines:
            for statement in self.code.around(file, line):
                if self._went_elsewhere(file, statement):
                    trips = self._trips(file, statement)
                    return Cause(None, statement, file, trips=trips)
        return None

    def _went_elsewhere(self, file: str, statement: Statement) -> bool:
        if self._traced is None:
            return False
        ways = [_branch(each, file, statement) for each in (self._recording, self._traced)]
        counts = [None if way is None else (way.taken, way.not_taken) for way in ways]
        return counts[0] is not None and counts[0] != counts[1]

    def _trips(self, file: str, statement: Statement | None) -> tuple[int, int] | None:
        if self._traced is None or statement is None or not statement.is_loop:
            return None
        there, here = (_branch(each, file, statement) for each in (self._traced, self._recording))
        if here is None:
            return None
        return (0 if there is None else there.taken), here.taken


def position(decision: Decision) -> float:
    """When a decision was made, as a number between op ids."""
    if decision.op is not None:
        return decision.op
    return -1.0 if decision.before_op is None else decision.before_op - 0.5


def lines_of(op: Op) -> list[Line]:
    """The lines of the user's frames around an op, innermost first."""
    sites = [site for site in (op.source, *op.stack) if site is not None]
    return list(dict.fromkeys((site.file, site.line) for site in sites))


def _site(op: Op) -> object:
    return op.name, op.call_site, op.stack


def _alignment(recording: Recording, traced: Recording | None) -> tuple[int, frozenset[int]]:
    if traced is None:
        return len(recording.ops), frozenset()
    pairs = zip(recording.ops, traced.ops, strict=False)
    shared = min(len(recording.ops), len(traced.ops))
    aligned = next((mine.id for mine, other in pairs if _site(mine) != _site(other)), shared)
    return aligned, frozenset(range(aligned)) - needed(traced)


def _branch(recording: Recording, file: str, statement: Statement) -> LineBranch | None:
    found: Iterable[LineBranch] = recording.branches
    wanted = file, statement.first
    return next((each for each in found if (each.file, each.line) == wanted), None)


def _other_values(recording: Recording, traced: Recording) -> dict[int, bool | int | float | str]:
    """For each decision that differs, the value that it had in the traced run.

    The two runs make the same decisions up to where they part.
    """
    found = {}
    for mine, theirs in zip(recording.decisions, traced.decisions, strict=False):
        if (mine.source, mine.kind) != (theirs.source, theirs.kind):
            break
        if mine.value != theirs.value:
            found[mine.id] = theirs.value
    return found
