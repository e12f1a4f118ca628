"""A comparison in plain sentences, from the cause to the consequences."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from inspector.comparison import Change, DecisionDifference, Difference, LoopDifference
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
        if found:
            return min(found, key=lambda one: one[:2])[2]
        return self._failure()

    def _candidates(self) -> Iterator[tuple[float, int, Difference]]:
        """(when in A, rank among those at the same time, difference) of the first of each kind."""
        for decision in self.decisions[:1]:
            yield self._when_decided(decision), 0, self._of_decision(decision)
        if self.changes:
            change = self.changes[0]
            yield change.a, 1, self._of_change(change)
        if self.only_a:
            op = self.only_a[0]
            yield op, 2, self._of_op("only_a", op)
        if self.only_b:
            op = self.only_b[0]
            yield self._in_a(op), 3, self._of_op("only_b", op)

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
        sentence = f"{self._op(self.a, change.a)} differs: {change.detail}."
        return Difference("changed", change.a, change.b, op.source, sentence)

    def _of_op(self, kind: str, number: int) -> Difference:
        recording, run = (self.a, "A") if kind == "only_a" else (self.b, "B")
        sentence = f"Only {run} ran {self._op(recording, number)}."
        mine, theirs = (number, None) if kind == "only_a" else (None, number)
        return Difference(kind, mine, theirs, recording.ops[number].source, sentence)

    def _failure(self) -> Difference | None:
        one, other = self.a.failure, self.b.failure
        if (one is None) == (other is None):
            return None
        failure, run = (one, "A") if one is not None else (other, "B")
        assert failure is not None
        mine, theirs = (failure.op, None) if run == "A" else (None, failure.op)
        sentence = f"{run} ended with {failure.type}: {failure.message}"
        return Difference("failure", mine, theirs, failure.source, sentence)

    # -- sentences -----------------------------------------------------------------------------

    def sentences(self) -> Iterator[str]:
        """The whole explanation."""
        if not self.common and (self.a.ops or self.b.ops):
            yield self._unrelated()
            return
        yield self._summary()
        yield from _first_few(self._loops())
        yield from _first_few(map(self._decided, self._own_decisions()))
        yield from _first_few(self._branches())
        yield from _first_few(self._modes())
        yield from self._changes()
        yield from self._extra()
        yield from self._failures()

    def _unrelated(self) -> str:
        counts = f"{len(self.a.ops):,} and {len(self.b.ops):,} ops"
        return f"The two runs have no op in common ({counts}): other code ran."

    def _summary(self) -> str:
        count = len(self.common)
        if not self.only_a and not self.only_b:
            said = f"Both ran the same {_plural(count, 'op')} at the same places"
            return f"{said}, {len(self.changes):,} of them differ." if self.changes else f"{said}."
        return (
            f"{_plural(count, 'op')} in common, {len(self.only_a):,} only in A and"
            f" {len(self.only_b):,} only in B."
        )

    def _loops(self) -> Iterator[str]:
        """Equal sentences are told once: a loop inside a loop runs many times."""
        told: Counter[str] = Counter()
        for loop in self.loops:
            place = f"{os.path.basename(loop.file)}:{loop.line}"
            ran = f"ran {_times(loop.trips_b)} in B instead of {_times(loop.trips_a)}"
            if not loop.trips_b:
                ran = f"made no trip in B instead of {loop.trips_a:,}"
            told[f"The loop `{loop.header}` at {place} {ran}{self._because(loop)}."] += 1
        for sentence, count in told.items():
            yield sentence if count == 1 else f"{sentence[:-1]} ({_times(count)})."

    def _because(self, loop: LoopDifference) -> str:
        if loop.cause is None:
            return ""
        decision = self.decisions[loop.cause]
        source = decision.source_a
        line = "" if source is None or source.line == loop.line else f" on line {source.line}"
        trip = "" if loop.cause_trip is None else f", at trip {loop.cause_trip + 1},"
        return (
            f", because{trip} {_read(self, decision)}{line} was {decision.value_b},"
            f" not {decision.value_a}"
        )

    def _own_decisions(self) -> list[DecisionDifference]:
        """Those with a value in both runs and not told yet, the first at each place."""
        found: dict[tuple[object, ...], DecisionDifference] = {}
        told = {loop.cause for loop in self.loops}
        for number, decision in enumerate(self.decisions):
            if number in told or decision.value_a is None or decision.value_b is None:
                continue
            source = decision.source_a
            place = (None,) if source is None else (source.file, source.line, source.column)
            found.setdefault(place, decision)
        return list(found.values())

    def _decided(self, decision: DecisionDifference) -> str:
        where = _at(decision.source_a or decision.source_b)
        read = _read(self, decision)
        if decision.value_a is None:
            return f"Only B read {read}{where}: {decision.value_b}."
        if decision.value_b is None:
            return f"Only A read {read}{where}: {decision.value_a}."
        values = f"{decision.value_a} in A and {decision.value_b} in B"
        return f"{read[0].upper()}{read[1:]}{where} was {values}."

    def _branches(self) -> Iterator[str]:
        """Ways of `if`s of which no recorded value tells: the branch counts themselves."""
        if self.a.sources != self.b.sources:
            return
        told = {(s.file, s.line) for d in self.decisions if (s := d.source_a or d.source_b)}
        told |= {(loop.file, loop.line) for loop in self.loops}
        others = {(one.file, one.line, one.kind): one for one in self.b.branches}
        for one in self.a.branches:
            other = others.get((one.file, one.line, one.kind))
            if one.kind in ("for", "while") or other is None or (one.file, one.line) in told:
                continue
            if _way(one) != _way(other):
                place = f"{os.path.basename(one.file)}:{one.line}"
                ways = f"{_way_told(one)} in A and {_way_told(other)} in B"
                yield f"The `{one.kind}` at {place} was {ways}."

    def _modes(self) -> Iterator[str]:
        """Modules in training mode in one run and evaluation mode in the other."""
        modes_a = {call.path: call.training for call in self.a.module_calls}
        modes_b = {call.path: call.training for call in self.b.module_calls}
        other = [path for path, mode in modes_a.items() if modes_b.get(path, mode) != mode]
        if other:
            run = "A" if modes_a[other[0]] else "B"
            paths = ", ".join(path or "the model" for path in other[:3])
            more = f" and {len(other) - 3} more" if len(other) > 3 else ""
            yield f"In training mode in {run} only: {paths}{more}."

    def _changes(self) -> Iterator[str]:
        counts = Counter(kind for change in self.changes for kind in change.kinds)
        words = {
            "shape": "shapes",
            "dtype": "dtypes",
            "device": "devices",
            "requires_grad": "requires_grad",
            "arguments": "arguments",
            "parameters": "parameters",
            "values": "values",
        }
        for kind, count in counts.items():
            first = next(change for change in self.changes if kind in change.kinds)
            op = self._op(self.a, first.a)
            detail = first.details[first.kinds.index(kind)]
            yield f"Other {words[kind]} in {_plural(count, 'op')}, first in {op}: {detail}."

    def _extra(self) -> Iterator[str]:
        for run, recording, ops in (("A", self.a, self.only_a), ("B", self.b, self.only_b)):
            if ops:
                names = Counter(recording.ops[number].name for number in ops)
                said = ", ".join(
                    f"{name} ×{n}" if n > 1 else name for name, n in names.most_common(5)
                )
                more = ", …" if len(names) > 5 else ""
                yield f"Only in {run}: {said}{more}; first {self._op(recording, ops[0])}."

    def _failures(self) -> Iterator[str]:
        for run, recording in (("A", self.a), ("B", self.b)):
            failure = recording.failure
            if failure is not None:
                at = "" if failure.op is None else f" at {self._op(recording, failure.op)}"
                yield f"{run} ended{at} with {failure.type}: {failure.message}"

    def _op(self, recording: Recording, number: int) -> str:
        op = recording.ops[number]
        call = None if op.module_call is None else recording.module_calls[op.module_call]
        module = f" of {call.path}" if call is not None and call.path else ""
        return f"`{op.name}`{module} [{number}]{_at(op.source)}"


def _read(told: Told, decision: DecisionDifference) -> str:
    """What was read: "the bool of `mean`", "the shape of x"."""
    recording, number = (
        (told.a, decision.a) if decision.a is not None else (told.b, decision.b or 0)
    )
    record = recording.decisions[number]
    tensor = None if record.tensor is None else recording.tensors[record.tensor]
    if tensor is None:
        return f"the {record.kind}"
    if tensor.variable or tensor.name:
        return f"the {record.kind} of {tensor.variable or tensor.name}"
    if tensor.producer is not None:
        return f"the {record.kind} of `{recording.ops[tensor.producer].name}`"
    return f"the {record.kind} of an input"


def _way_told(branch: LineBranch) -> str:
    every = branch.taken + branch.not_taken
    if branch.taken in (0, every):
        always = "always " if every > 1 else ""
        return f"{always}{'true' if branch.taken else 'false'}" if every else "not reached"
    return f"true {branch.taken:,} of {every:,} times"


def _way(branch: LineBranch) -> tuple[int, int]:
    return branch.taken, branch.not_taken


def _at(source: Source | None) -> str:
    return "" if source is None else f" ({os.path.basename(source.file)}:{source.line})"


def _times(count: int) -> str:
    return {0: "never", 1: "once", 2: "twice"}.get(count, f"{count:,} times")


def _plural(count: int, word: str) -> str:
    return f"{count:,} {word}" if count == 1 else f"{count:,} {word}s"


def _first_few(sentences: Iterable[str]) -> Iterator[str]:
    found = list(sentences)
    yield from found[:SENTENCES]
    if len(found) > SENTENCES:
        yield f"… and {len(found) - SENTENCES} more of this kind."
