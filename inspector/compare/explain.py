"""A comparison in plain sentences, from the cause to the consequences."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from inspector.compare.circumstances import other_code, other_inputs, other_modes
from inspector.compare.looptold import loop_sentences
from inspector.compare.readings import Readings
from inspector.comparison import Change, DecisionDifference, Difference, LoopDifference
from inspector.language import counted, sentence
from inspector.records import LineBranch, Recording, Source

SENTENCES = 8
"""Of each kind; how many more there are is said."""


@dataclass(frozen=True)
class Told:
    """What there is to tell of two runs."""

    a: Recording
    b: Recording
    common: Sequence[tuple[int, int]]
    only_a: Sequence[int]
    only_b: Sequence[int]
    changes: Sequence[Change]
    decisions: Sequence[DecisionDifference]
    loops: Sequence[LoopDifference]

    # -- the first difference ------------------------------------------------------------------

    def first(self) -> Difference | None:
        """The first difference in the order of the run; of several at once, the cause."""
        found = list(self._candidates())
        return min(found, key=lambda one: one[:2])[2] if found else None

    def _candidates(self) -> Iterator[tuple[float, int, Difference]]:
        """(when in A, rank among those at the same time, difference) of the first of each kind."""
        # A decision of one run only is a difference like any other op of that run; where it is
        # the read of a size, it is no op.
        decision = next(filter(self._is_apart, self.decisions), None)
        if decision is not None:
            yield self._when_decided(decision), 0, self._of_decision(decision)
        if self.changes:
            change = self.changes[0]
            yield change.a, 1, self._of_change(change)
        if self.only_a:
            op = self.only_a[0]
            yield op - 0.5, 2, self._of_op("only_a", op)
        if self.only_b:
            op = self.only_b[0]
            yield self._in_a(op), 3, self._of_op("only_b", op)
        for failure in self._ends():
            at = failure.a if failure.a is not None else failure.b
            when = math.inf if at is None else at if failure.a is not None else self._in_a(at)
            yield when, 1, failure

    def _is_apart(self, decision: DecisionDifference) -> bool:
        if decision.a is None:
            return self.b.decisions[decision.b or 0].op is None
        return decision.b is not None or self.a.decisions[decision.a].op is None

    def _when_decided(self, decision: DecisionDifference) -> float:
        if decision.a is not None:
            mine = self.a.decisions[decision.a]
            return mine.op if mine.op is not None else (mine.before_op or 0) - 0.5
        theirs = self.b.decisions[decision.b or 0]
        at = theirs.op if theirs.op is not None else theirs.before_op or 0
        return self._in_a(at)

    @cached_property
    def _back(self) -> list[tuple[int, int]]:
        return sorted((y, x) for x, y in self.common)

    def _in_a(self, op: int) -> float:
        """When an op of B ran, told in ops of A: just after the last pair before it."""
        low, high = 0, len(self._back)
        while low < high:
            middle = (low + high) // 2
            low, high = (middle + 1, high) if self._back[middle][0] < op else (low, middle)
        return self._back[low - 1][1] + 0.5 if low else -0.5

    def _of_decision(self, decision: DecisionDifference) -> Difference:
        mine = None if decision.a is None else self.a.decisions[decision.a].op
        theirs = None if decision.b is None else self.b.decisions[decision.b].op
        source = decision.source_a or decision.source_b
        return Difference("decision", mine, theirs, source, self._decided(decision))

    def _of_change(self, change: Change) -> Difference:
        op = self.a.ops[change.a]
        op_told = self._op(self.a, change.a)
        told = sentence("{op} differs: {detail}.", op=op_told, detail=change.detail)
        return Difference("changed", change.a, change.b, op.source, told)

    def _of_op(self, kind: str, number: int) -> Difference:
        recording, run = (self.a, "A") if kind == "only_a" else (self.b, "B")
        told = sentence("Only {run} ran {op}.", run=run, op=self._op(recording, number))
        mine, theirs = (number, None) if kind == "only_a" else (None, number)
        return Difference(kind, mine, theirs, recording.ops[number].source, told)

    def _ends(self) -> Iterator[Difference]:
        """The failures, unless both runs ended at the same op in the same way."""
        one, other = self.a.failure, self.b.failure
        if one is not None and other is not None and one.type == other.type:
            at = one.op, other.op
            if at == (None, None) or at in self.common:
                return
        for run, failure in (("A", one), ("B", other)):
            if failure is not None:
                mine, theirs = (failure.op, None) if run == "A" else (None, failure.op)
                told = sentence(
                    "{run} ended with {type}: {message}",
                    run=run,
                    type=failure.type,
                    message=failure.message,
                )
                yield Difference("failure", mine, theirs, failure.source, told)

    # -- sentences -----------------------------------------------------------------------------

    def sentences(self) -> Iterator[str]:
        """The whole explanation."""
        if not self.common and (self.a.ops or self.b.ops):
            yield self._unrelated()
            yield from self._failures()
            return
        yield self._summary()
        yield from self._failures()
        yield from _first_few(other_code(self.a, self.b))
        yield from _first_few(loop_sentences(self.loops, self.decisions, self._read))
        yield from _first_few(dict.fromkeys(map(self._decided, self._own_decisions())))
        yield from _first_few(self._branches())
        yield from other_modes(self.a, self.b)
        yield from _first_few(other_inputs(self.a, self.b))
        yield from self._changes()
        yield from self._extra()

    def _unrelated(self) -> str:
        for run, other, ops in (("A", "B", self.b.ops), ("B", "A", self.a.ops)):
            if not ops:
                count = len(self.a.ops) + len(self.b.ops)
                return counted(
                    "{run} ran {count} op, {other} none.",
                    "{run} ran {count} ops, {other} none.",
                    count,
                    run=run,
                    other=other,
                )
        return sentence(
            "The two runs have no op in common ({a:,} and {b:,} ops): other code ran.",
            a=len(self.a.ops),
            b=len(self.b.ops),
        )

    def _summary(self) -> str:
        count = len(self.common)
        if not count:
            return sentence("Neither run has an op.")
        if not self.only_a and not self.only_b:
            if not self.changes:
                return counted(
                    "Both ran the same {count} op at the same places.",
                    "Both ran the same {count} ops at the same places.",
                    count,
                )
            return counted(
                "Both ran the same {count} op at the same places, {differ:,} of them differ.",
                "Both ran the same {count} ops at the same places, {differ:,} of them differ.",
                count,
                differ=len(self.changes),
            )
        return counted(
            "{count} op in common, {a:,} only in A and {b:,} only in B.",
            "{count} ops in common, {a:,} only in A and {b:,} only in B.",
            count,
            a=len(self.only_a),
            b=len(self.only_b),
        )

    def _own_decisions(self) -> Iterator[DecisionDifference]:
        """Those with a value in both runs and not told yet, the first at each place."""
        told = {_spot(self.decisions[loop.cause]) for loop in self.loops if loop.cause is not None}
        for decision in self.decisions:
            spot = _spot(decision)
            if spot not in told and decision.value_a is not None and decision.value_b is not None:
                told.add(spot)
                yield decision

    def _decided(self, decision: DecisionDifference) -> str:
        where = _at(decision.source_a or decision.source_b)
        if decision.value_a is None or decision.value_b is None:
            run, value = (
                ("B", decision.value_b) if decision.value_a is None else ("A", decision.value_a)
            )
            read = self._read(decision)
            return sentence(
                "Only {run} read {read}{where}: {value}.",
                run=run,
                read=read,
                where=where,
                value=str(value),
            )
        return sentence(
            "{read}{where} was {a} in A and {b} in B.",
            read=self._read(decision, begins=True),
            where=where,
            a=self._value(decision, "A"),
            b=self._value(decision, "B"),
        )

    def _read(self, decision: DecisionDifference, begins: bool = False) -> str:
        if decision.a is not None:
            return self._readings[0].what(self.a.decisions[decision.a], begins)
        return self._readings[1].what(self.b.decisions[decision.b or 0], begins)

    def _value(self, decision: DecisionDifference, run: str) -> str:
        if run == "A":
            return self._readings[0].value(self.a.decisions[decision.a or 0])
        return self._readings[1].value(self.b.decisions[decision.b or 0])

    @cached_property
    def _readings(self) -> tuple[Readings, Readings]:
        return Readings(self.a), Readings(self.b)

    def _branches(self) -> Iterator[str]:
        """Ways of which no recorded value tells: counts of `if`s, loops that one run skipped."""
        if self.a.sources != self.b.sources:
            return
        told = {(s.file, s.line) for d in self.decisions if (s := d.source_a or d.source_b)}
        told |= {(loop.file, loop.line) for loop in self.loops}
        others = {(one.file, one.line, one.kind): one for one in self.b.branches}
        for one in self.a.branches:
            other = others.get((one.file, one.line, one.kind))
            if other is None or (one.file, one.line) in told:
                continue
            place = f"{os.path.basename(one.file)}:{one.line}"
            if one.kind in ("for", "while"):
                # How often a loop ran in all follows from what is around it, too; not if never.
                if (one.taken == 0) != (other.taken == 0):
                    yield counted(
                        "The `{kind}` at {place} made {count} trip in A and {other:,} in B.",
                        "The `{kind}` at {place} made {count} trips in A and {other:,} in B.",
                        one.taken,
                        kind=one.kind,
                        place=place,
                        other=other.taken,
                    )
            elif _way(one) != _way(other):
                yield sentence(
                    "The `{kind}` at {place} was {a} in A and {b} in B.",
                    kind=one.kind,
                    place=place,
                    a=_way_told(one),
                    b=_way_told(other),
                )

    def _changes(self) -> Iterator[str]:
        counts = Counter(kind for change in self.changes for kind in change.kinds)
        for kind, count in counts.items():
            first = next(change for change in self.changes if kind in change.kinds)
            op = self._op(self.a, first.a)
            detail = first.details[first.kinds.index(kind)]
            yield counted(
                "Other {what} in {count} op, first in {op}: {detail}.",
                "Other {what} in {count} ops, first in {op}: {detail}.",
                count,
                what=_KINDS[kind],
                op=op,
                detail=detail,
            )

    def _extra(self) -> Iterator[str]:
        for run, recording, ops in (("A", self.a, self.only_a), ("B", self.b, self.only_b)):
            if ops:
                names = Counter(recording.ops[number].name for number in ops)
                said = ", ".join(
                    f"{name} ×{n}" if n > 1 else name for name, n in names.most_common(5)
                )
                more = ", …" if len(names) > 5 else ""
                yield sentence(
                    "Only in {run}: {names}; first {op}.",
                    run=run,
                    names=said + more,
                    op=self._op(recording, ops[0]),
                )

    def _failures(self) -> Iterator[str]:
        for run, recording in (("A", self.a), ("B", self.b)):
            failure = recording.failure
            if failure is not None:
                ended = {"run": run, "type": failure.type, "message": failure.message}
                if failure.op is None:
                    yield sentence("{run} ended with {type}: {message}", **ended)
                else:
                    op = self._op(recording, failure.op)
                    yield sentence("{run} ended at {op} with {type}: {message}", op=op, **ended)

    def _op(self, recording: Recording, number: int) -> str:
        op = recording.ops[number]
        call = None if op.module_call is None else recording.module_calls[op.module_call]
        told = {"name": op.name, "number": number, "where": _at(op.source)}
        if call is None or not call.path:
            return sentence("`{name}` [{number}]{where}", **told)
        return sentence("`{name}` of {module} [{number}]{where}", module=call.path, **told)


_KINDS = {
    "shape": sentence("shapes"),
    "dtype": sentence("dtypes"),
    "device": sentence("devices"),
    "requires_grad": "requires_grad",
    "arguments": sentence("arguments"),
    "parameters": sentence("parameters"),
    "values": sentence("values"),
}


def _spot(decision: DecisionDifference) -> tuple[object, ...]:
    """Where it was read, in A if it was read there."""
    source = decision.source_a or decision.source_b
    return () if source is None else (source.file, source.line, source.column)


def _way_told(branch: LineBranch) -> str:
    every = branch.taken + branch.not_taken
    if not every:
        return sentence("not reached")
    if branch.taken == every:
        return sentence("always true") if every > 1 else sentence("true")
    if not branch.taken:
        return sentence("always false") if every > 1 else sentence("false")
    return sentence("true {taken:,} of {all:,} times", taken=branch.taken, all=every)


def _way(branch: LineBranch) -> tuple[int, int]:
    return branch.taken, branch.not_taken


def _at(source: Source | None) -> str:
    return "" if source is None else f" ({os.path.basename(source.file)}:{source.line})"


def _first_few(sentences: Iterable[str]) -> Iterator[str]:
    found = list(sentences)
    yield from found[:SENTENCES]
    if len(found) > SENTENCES:
        yield sentence("… and {count} more of this kind.", count=len(found) - SENTENCES)
