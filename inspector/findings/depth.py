"""How the gradient's size changes along the depth of a model, and which line changes it most."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from inspector.findings.evidence import Evidence
from inspector.found import Finding
from inspector.language import counted, sentence, sentences
from inspector.norms import nonfinite_count, norm_of, norm_of_all
from inspector.records import GradNode, Op

NOTED = 1e3
"""First against last weight matrix: from this ratio on it is told ..."""

EXTREME = 1e4
"""... and from this one on it is a warning."""

ENOUGH_MATRICES = 3
"""Weight matrices that a model must have for its depth to mean something."""


@dataclass(frozen=True, slots=True)
class Trend:
    """The gradient of the last matrix over that of the first, in the last pass that tells.

    `first` and `last` are the AccumulateGrad nodes of the matrix farthest from the loss and of
    that next to it, with their gradients' norms; `worst` are the ops of the line whose nodes
    changed it most in the same direction, in the order of the run, by `factor` each. `along` is
    the same ratio for what goes from op to op, from the loss to the beginning of the model.
    """

    first: GradNode
    last: GradNode
    first_norm: float
    last_norm: float
    worst: tuple[Op, ...]
    factor: float
    along: float

    @property
    def ratio(self) -> float:
        """Above 1 the gradient shrinks on its way to the first matrix, below 1 it grows."""
        return self.last_norm / self.first_norm

    @property
    def is_extreme(self) -> bool:
        """Whether both measures agree that it is: a branch of its own may have small gradients."""
        times, along = self.ratio, self.along
        if times < 1:
            times, along = 1 / times, 1 / along if along else 0.0
        return times >= EXTREME and along >= NOTED


def trend_finding(evidence: Evidence, rule: str, help_: str, *, shrinks: bool) -> Iterator[Finding]:
    """At most one finding, at the line that changes the gradient most.

    Args:
        evidence: the recording.
        rule: its name.
        help_: what to do.
        shrinks: whether a gradient is looked for that gets smaller, or one that gets larger.
    """
    trend = trend_of(evidence, shrinks=shrinks)
    if trend is None:
        return
    first = trend.worst[0] if trend.worst else None
    yield Finding(
        rule,
        "warning" if trend.is_extreme else "note",
        _message(evidence, trend, shrinks),
        op=None if first is None else first.id,
        parameter=trend.first.parameter,
        source=None if first is None else first.source,
        related=tuple(op.id for op in trend.worst[1:20]),
        help=help_,
        grad_node=trend.first.id,
    )


def _message(evidence: Evidence, trend: Trend, shrinks: bool) -> str:
    """Both factors are told as numbers above 1."""
    ratio = trend.ratio if shrinks else 1 / trend.ratio
    told: dict[str, Any] = {
        "parameter": trend.first.parameter,
        "norm": trend.first_norm,
        "ratio": _times(ratio),
        "last": trend.last.parameter,
        "last_norm": trend.last_norm,
    }
    if shrinks:
        message = sentence(
            "The gradient of {parameter} (norm {norm:.3g}) is {ratio} times smaller than that of "
            "{last} (norm {last_norm:.3g}), which is next to the loss.",
            **told,
        )
    else:
        message = sentence(
            "The gradient of {parameter} (norm {norm:.3g}) is {ratio} times larger than that of "
            "{last} (norm {last_norm:.3g}), which is next to the loss.",
            **told,
        )
    return sentences(message, _worst_words(evidence, trend, shrinks))


def _worst_words(evidence: Evidence, trend: Trend, shrinks: bool) -> str:
    """Who changes it most; "" where that is not known."""
    if not trend.worst:
        return ""
    op, count = evidence.words(trend.worst[0]), len(trend.worst)
    factor = f"{1 / trend.factor if shrinks else trend.factor:,.3g}"
    if shrinks:
        return counted(
            "{op} shrinks it most: by a factor of {factor}.",
            "{op} shrinks it most: in {count} calls by a factor of {factor} each.",
            count,
            op=op,
            factor=factor,
        )
    return counted(
        "{op} makes it larger most: by a factor of {factor}.",
        "{op} makes it larger most: in {count} calls by a factor of {factor} each.",
        count,
        op=op,
        factor=factor,
    )


def _times(ratio: float) -> str:
    """As in "1,200" or "3.5e+09"."""
    return f"{ratio:,.0f}" if ratio < 1e6 else f"{ratio:.3g}"


def trend_of(evidence: Evidence, *, shrinks: bool) -> Trend | None:
    """The trend of the last backward pass with enough weight matrices, if it is told at all.

    Where gradients add up over several passes, what arrived in that pass counts.

    Args:
        evidence: the recording.
        shrinks: whether a gradient is looked for that gets smaller, or one that gets larger.

    Returns:
        None where the ratio is below `NOTED`, or goes the other way.
    """
    for number in sorted(evidence.passes, reverse=True)[:3]:
        nodes = evidence.passes[number]
        sized = [
            (node, norm)
            for node in nodes
            if node.tensor is not None
            and len(evidence.recording.tensors[node.tensor].shape) > 1
            and node.parameter is not None
            and not any(map(nonfinite_count, node.grad_outputs))
            and (norm := norm_of_all(node.grad_outputs))
        ]
        if len(sized) < ENOUGH_MATRICES:
            continue
        (last, high), (first, low) = sized[0], sized[-1]
        if (high / low if shrinks else low / high) < NOTED:
            return None
        ops, factor = _worst_line(evidence, nodes, shrinks)
        return Trend(first, last, low, high, ops, factor, _along(evidence, nodes))
    return None


def _along(evidence: Evidence, nodes: Sequence[GradNode]) -> float:
    """The gradient at the loss over that at the end of the trunk.

    The trunk goes from op to op where the gradient is largest, past what leads to parameters.
    """
    node: GradNode | None = nodes[0]
    sizes: list[float] = []
    while node is not None:
        if size := norm_of_all(node.grad_outputs):
            sizes.append(size)
        onward = _onward(evidence, node, within=True)
        node = max(onward, key=lambda edge: edge[1])[0] if onward else None
    return sizes[0] / sizes[-1] if sizes else 1.0


def _onward(
    evidence: Evidence, node: GradNode, within: bool = False
) -> list[tuple[GradNode, float]]:
    """The edges to nodes of other ops, with the norms of the gradients that they carry.

    Args:
        evidence: the recording.
        node: from where they go.
        within: whether a way through further nodes of the same op counts: cross_entropy has two.
    """
    known = [grad for grad in node.grad_inputs if grad is not None]
    if len(known) != len(node.next):
        return []
    targets = [evidence.recording.grad_nodes[number] for number in node.next]
    found = [
        (target, norm)
        for target, grad in zip(targets, known, strict=True)
        if target.op is not None and target.op != node.op and (norm := norm_of(grad))
    ]
    for target in targets if within else ():
        if target.op is not None and target.op == node.op:
            found += _onward(evidence, target, within)
    return found


def _worst_line(
    evidence: Evidence, nodes: Sequence[GradNode], shrinks: bool
) -> tuple[tuple[Op, ...], float]:
    """The ops of the line (and name) that changed the gradient most, and by which factor each.

    Their geometric mean: the product of many is no number any more, and none of the gradient's
    where they stand side by side.
    """
    ops = evidence.recording.ops
    changes: dict[object, list[tuple[int, float]]] = {}
    for node in nodes:
        if node.op is None or (change := _change(evidence, node)) is None:
            continue
        source = ops[node.op].source
        place = None if source is None else (source.file, source.line)
        changes.setdefault((place, ops[node.op].name), []).append((node.op, change))
    if not changes:
        return (), 1.0
    sign = 1 if shrinks else -1
    found = min(changes.values(), key=lambda own: sign * sum(change for _, change in own))
    numbers = sorted({number for number, _ in found})
    mean = sum(change for _, change in found) / len(found)
    return tuple(ops[number] for number in numbers), math.exp(mean)


def _change(evidence: Evidence, node: GradNode) -> float | None:
    """Logarithm of what leaves towards other ops over what arrived."""
    arrived = norm_of_all(node.grad_outputs)
    onward = _onward(evidence, node) if arrived else []
    return math.log(max(norm for _, norm in onward) / arrived) if arrived and onward else None
