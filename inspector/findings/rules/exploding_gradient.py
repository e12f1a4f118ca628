"""A gradient that gets larger and larger on its way through the model."""

from __future__ import annotations

from collections.abc import Iterator

from inspector.findings.depth import EXTREME, NOTED, Trend, times_words, trend_of
from inspector.findings.evidence import Evidence
from inspector.findings.rule import Rule
from inspector.found import Finding


def check(evidence: Evidence) -> Iterator[Finding]:
    """At most one finding, at the line that blows the gradient up most."""
    trend = trend_of(evidence, shrinks=False)
    if trend is not None:
        yield _finding(evidence, trend)


def _finding(evidence: Evidence, trend: Trend) -> Finding:
    times = times_words(1 / trend.ratio)
    message = (
        f"The gradient of {trend.first.parameter} (norm {trend.first_norm:.3g}) is {times} "
        f"times larger than that of {trend.last.parameter} (norm {trend.last_norm:.3g}), which is "
        "next to the loss."
    )
    if trend.worst:
        calls = f" in {len(trend.worst)} calls" if len(trend.worst) > 1 else ""
        message += (
            f" {evidence.words(trend.worst[0])} makes it larger most:{calls} by a factor of "
            f"{trend.factor:,.3g}."
        )
    first = trend.worst[0] if trend.worst else None
    return Finding(
        "exploding-gradient",
        "warning" if trend.is_extreme else "note",
        message,
        op=None if first is None else first.id,
        parameter=trend.first.parameter,
        source=None if first is None else first.source,
        related=tuple(op.id for op in trend.worst[1:20]),
        help="Smaller initial weights, a normalisation, clip_grad_norm_ before the step; in a loop "
        "over time fewer steps between detach() calls.",
        grad_node=trend.first.id,
    )


RULE = Rule(
    name="exploding-gradient",
    title="The gradient explodes along the depth",
    what=f"The gradients of the weight matrix farthest from the loss and of the one next to it, in "
    f"the last backward pass: a note from a ratio of {NOTED:,.0f} on, a warning from "
    f"{EXTREME:,.0f} on if what goes from op to op changes as much. Told at the line whose ops "
    "make it larger most.",
    why="PyTorch says nothing until it is NaN. By the chain rule the factors multiply: one step "
    "along such a gradient throws the first weights far off.",
    example="for _ in range(50): h = h @ w  # w stretches by more than 1",
    instead="torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)",
    check=check,
)
