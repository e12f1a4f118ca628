"""A gradient that gets smaller and smaller on its way through the model."""

from __future__ import annotations

from collections.abc import Iterator

from inspector.findings.depth import EXTREME, NOTED, Trend, times_words, trend_of
from inspector.findings.evidence import Evidence
from inspector.findings.rule import Rule
from inspector.found import Finding


def check(evidence: Evidence) -> Iterator[Finding]:
    """At most one finding, at the line that shrinks the gradient most."""
    trend = trend_of(evidence, shrinks=True)
    if trend is not None:
        yield _finding(evidence, trend)


def _finding(evidence: Evidence, trend: Trend) -> Finding:
    message = (
        f"The gradient of {trend.first.parameter} (norm {trend.first_norm:.3g}) is "
        f"{times_words(trend.ratio)} times smaller than that of {trend.last.parameter} "
        f"(norm {trend.last_norm:.3g}), which is next to the loss."
    )
    if trend.worst:
        times = f" in {len(trend.worst)} calls" if len(trend.worst) > 1 else ""
        message += (
            f" {evidence.words(trend.worst[0])} shrinks it most:{times} by a factor of "
            f"{1 / trend.factor:,.3g}."
        )
    first = trend.worst[0] if trend.worst else None
    return Finding(
        "vanishing-gradient",
        "warning" if trend.is_extreme else "note",
        message,
        op=None if first is None else first.id,
        parameter=trend.first.parameter,
        source=None if first is None else first.source,
        related=tuple(op.id for op in trend.worst[1:20]),
        help="ReLU-like activations in place of sigmoid or tanh, a residual connection around each "
        "block, a normalisation, or a gated cell (LSTM, GRU) in place of a plain recurrence.",
        grad_node=trend.first.id,
    )


RULE = Rule(
    name="vanishing-gradient",
    title="The gradient vanishes along the depth",
    what=f"The gradients of the weight matrix next to the loss and of the one farthest from it, in "
    f"the last backward pass: a note from a ratio of {NOTED:,.0f} on, a warning from "
    f"{EXTREME:,.0f} on if what goes from op to op changes as much. Told at the line whose ops "
    "shrink it most.",
    why="PyTorch says nothing. By the chain rule the factors multiply: with a slope of at most 1/4 "
    "at each sigmoid the first of twelve layers hardly learns. (Hochreiter 1991; Bengio et al. "
    "1994)",
    example="for layer in layers: x = torch.sigmoid(layer(x))",
    instead="for layer in layers: x = torch.relu(layer(x))",
    check=check,
)
