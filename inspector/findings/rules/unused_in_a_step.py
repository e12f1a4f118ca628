"""Parameters that get a gradient in some steps only, and the decision that skipped them."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass

from inspector.findings.evidence import Evidence, some_of
from inspector.findings.rule import Rule
from inspector.found import Finding
from inspector.language import listed, sentence
from inspector.records import Decision, Source

MOST_PARAMETERS = 50
"""Parameters that are looked into one after the other."""


@dataclass(frozen=True, slots=True)
class _Round:
    """One backward pass with the forward before it: ops `start` to `end`."""

    pass_index: int
    start: int
    end: int
    reached: frozenset[str]


def check(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each decision that left parameters out."""
    found: dict[Hashable, list[tuple[Decision, Decision, str]]] = {}
    for rounds in _rounds(evidence):
        everywhere = frozenset.intersection(*(one.reached for one in rounds))
        somewhere = frozenset.union(*(one.reached for one in rounds))
        for name in sorted(somewhere - everywhere)[:MOST_PARAMETERS]:
            with_it = next(one for one in rounds if name in one.reached)
            without = next(one for one in rounds if name not in one.reached)
            pair = _decision(evidence, name, with_it, without)
            if pair is not None:
                found.setdefault(_place(pair[0].source), []).append((*pair, name))
    for left_out in found.values():
        yield _finding(evidence, left_out)


def _rounds(evidence: Evidence) -> list[list[_Round]]:
    """Backward passes that start on the same line, where there are several."""
    ops = evidence.recording.ops
    groups: dict[Hashable, list[_Round]] = {}
    start = 0
    for step in evidence.backwards:
        if step.pass_index is None:
            continue
        nodes = evidence.passes.get(step.pass_index, ())
        reached = frozenset(node.parameter for node in nodes if node.parameter is not None)
        one = _Round(step.pass_index, start, min(step.first_op, len(ops)), reached)
        groups.setdefault(_place(step.source), []).append(one)
        start = step.last_op
    return [rounds for rounds in groups.values() if len(rounds) > 1]


def _place(source: Source | None) -> Hashable:
    return None if source is None else (source.file, source.line, source.column)


def _decision(
    evidence: Evidence, name: str, with_it: _Round, without: _Round
) -> tuple[Decision, Decision] | None:
    """The last decision before the parameter's use that went another way where it was not used."""
    recording = evidence.recording
    values = {info.id for info in recording.tensors.values() if info.name == name}
    users = (n for value in values for n in evidence.consumers.get(value, ()))
    there = (n for n in users if with_it.start <= n < with_it.end and n in evidence.nodes_of)
    use = min(there, default=None)
    if use is None:
        return None
    elsewhere: dict[Hashable, list[Decision]] = {}
    for decision in _between(recording.decisions, without.start, without.end):
        elsewhere.setdefault(_place(decision.source), []).append(decision)
    for decision in reversed(_between(recording.decisions, with_it.start, use)):
        for other in elsewhere.get(_place(decision.source), ()):
            if decision.source is not None and other.value != decision.value:
                return decision, other
    return None


def _between(decisions: Sequence[Decision], start: int, end: int) -> list[Decision]:
    return [one for one in decisions if start <= _at(one) < end]


def _at(decision: Decision) -> int:
    return decision.op if decision.op is not None else decision.before_op or 0


def _finding(evidence: Evidence, left_out: list[tuple[Decision, Decision, str]]) -> Finding:
    first, other, name = left_out[0]
    by_value: dict[str, list[str]] = {}
    for took, _, parameter in left_out:
        by_value.setdefault(str(took.value), []).append(parameter)
    parts = [
        sentence("where it was {value}, {names}", value=value, names=some_of(names))
        for value, names in by_value.items()
    ]
    tensor = None if first.tensor is None else evidence.recording.tensors[first.tensor]
    read = first.op if first.op is not None or tensor is None else tensor.producer
    return Finding(
        "unused-in-a-step",
        "note",
        _message(first, listed(parts, "{first}; {then}")),
        op=read,
        tensor=first.tensor,
        parameter=name,
        source=first.source,
        related=() if other.op is None else (other.op,),
        help=sentence(
            "Alone this is fine (the optimizer skips them). Under DistributedDataParallel pass "
            "find_unused_parameters=True, or let all parameters take part (torch.where)."
        ),
    )


def _message(decision: Decision, parts: str) -> str:
    if decision.source is None:
        return sentence(
            "The {kind} decides which parameters get a gradient: {parts}. In other steps they get "
            "none.",
            kind=decision.kind,
            parts=parts,
        )
    return sentence(
        "The {kind} in line {line} decides which parameters get a gradient: {parts}. In other "
        "steps they get none.",
        kind=decision.kind,
        line=decision.source.line,
        parts=parts,
    )


RULE = Rule(
    name="unused-in-a-step",
    title=sentence("Parameters that get a gradient in some steps only"),
    what=sentence(
        "Parameters that some of the backward passes from one line reached and others did not, "
        "where a decision on a tensor's value (an if, a while, a size) went another way in between."
    ),
    why=sentence(
        "Alone it is harmless. DistributedDataParallel waits for every gradient: `Expected to have "
        "finished reduction in the prior iteration before starting a new one`."
    ),
    example="x = self.high(x) if x.mean() > 0 else self.low(x)",
    instead="x = torch.where(x.mean() > 0, self.high(x), self.low(x))",
    check=check,
)
