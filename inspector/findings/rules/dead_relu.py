"""A ReLU that gives nothing but zeros."""

from __future__ import annotations

from collections.abc import Hashable, Iterator

from inspector.findings.evidence import Evidence
from inspector.findings.rule import Rule
from inspector.found import Finding
from inspector.language import sentence, sentences
from inspector.records import GradNode, Op, TensorSummary

_MODULES = ("ReLU", "ReLU6")

ENOUGH_VALUES = 100
"""Values that a ReLU must have given, over all its calls, before anything is said of it."""

ENOUGH_PASSES = 2
"""Backward passes in which a ReLU must have been dead for a warning."""

MOSTLY = 0.9
"""The share of zeros from which on a note is given."""


def check(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each module path and line, over all calls."""
    groups: dict[Hashable, list[Op]] = {}
    for op in evidence.named("relu", "relu_", "relu6"):
        if op.outputs and op.source is not None:
            place = (evidence.path(op), op.source.file, op.source.line, op.source.column)
            groups.setdefault(place, []).append(op)
    for ops in groups.values():
        summaries = [
            one for op in ops if (one := evidence.recording.tensors[op.outputs[0]].summary)
        ]
        values = sum(one.numel for one in summaries)
        if values < ENOUGH_VALUES:
            continue
        zeros = sum(one.zero_fraction * one.numel for one in summaries) / values
        if zeros >= MOSTLY:
            yield _finding(evidence, ops, values, zeros)


def _finding(evidence: Evidence, ops: list[Op], values: int, zeros: float) -> Finding:
    nodes = [node for op in ops for node in evidence.nodes_of.get(op.id, ())]
    passes = {node.pass_index for node in nodes}
    dead = zeros == 1.0
    confirmed = dead and len(passes) >= ENOUGH_PASSES and all(map(_sends_zeros, nodes))
    layer = confirmed and _is_layer(evidence, ops)
    told = [_gave(evidence, ops[0], values, zeros)]
    if confirmed:
        told.append(
            sentence(
                "In {count} backward passes it sent only zeros back, so nothing above it can "
                "change that.",
                count=len(passes),
            )
        )
    if confirmed and not layer:
        told.append(
            sentence("No weight works on it: a hinge or penalty that is met is 0 by design.")
        )
    return Finding(
        "dead-relu",
        "warning" if layer else "note",
        sentences(*told),
        op=ops[0].id,
        tensor=ops[0].outputs[0],
        source=ops[0].source,
        related=tuple(op.id for op in ops[1:20]),
        help=sentence(
            "A smaller learning rate, an initialisation around zero (bias too), a normalisation "
            "before it, or leaky_relu, which has a slope on both sides."
        ),
    )


def _gave(evidence: Evidence, op: Op, values: int, zeros: float) -> str:
    """How many of its values are zeros, and what it made them of."""
    words = evidence.words(op)
    if zeros == 1.0:
        gave = sentence("{op} gave zeros: all its {values:,} values are 0", op=words, values=values)
    else:
        gave = sentence(
            "{op} gave zeros: {share:.3g} % of its {values:,} values are 0",
            op=words,
            share=100 * zeros,
            values=values,
        )
    given = evidence.recording.tensors[op.inputs[0]].summary if op.inputs else None
    if given is None or given.max is None:
        return sentence("{told}.", told=gave)
    return sentence(
        "{told}; what it was given was between {low:.3g} and {high:.3g}.",
        told=gave,
        low=given.min,
        high=given.max,
    )


def _is_layer(evidence: Evidence, ops: list[Op]) -> bool:
    """Whether a weight works on the values later on, or an nn.ReLU made them."""
    call = evidence.call_of(ops[0])
    return (call is not None and call.type in _MODULES) or any(
        _is_weight(evidence, number)
        for one in evidence.flow.descendants(ops[0].id)
        for number in evidence.recording.ops[one].inputs
    )


def _is_weight(evidence: Evidence, number: int) -> bool:
    info = evidence.recording.tensors[number]
    return info.is_leaf and info.requires_grad


def _sends_zeros(node: GradNode) -> bool:
    return all(map(_is_zero, node.grad_inputs))


def _is_zero(summary: TensorSummary | None) -> bool:
    return summary is not None and summary.zero_fraction == 1.0


RULE = Rule(
    name="dead-relu",
    title=sentence("A ReLU that gives only zeros"),
    what=sentence(
        "ReLUs whose values, {values} at least over all calls, are zeros: all of them, in "
        "{passes} backward passes or more, is a warning; {share:.0%} of them a note, and so a "
        "hinge or penalty, on which no weight works.",
        values=ENOUGH_VALUES,
        passes=ENOUGH_PASSES,
        share=MOSTLY,
    ),
    why=sentence(
        "PyTorch says nothing. Below 0 a ReLU has no slope: no gradient comes through, so the "
        "weights before it stay as they are, for good."
    ),
    example="nn.init.constant_(layer.bias, -10.0)",
    instead="nn.init.zeros_(layer.bias)",
    check=check,
)
