"""A gradient that gets larger and larger on its way through the model."""

from __future__ import annotations

from collections.abc import Iterator

from inspector.findings.depth import EXTREME, NOTED, trend_finding
from inspector.findings.evidence import Evidence
from inspector.findings.rule import Rule
from inspector.found import Finding

NAME = "exploding-gradient"

_HELP = (
    "Smaller initial weights, a normalisation, clip_grad_norm_ before the step; in a loop "
    "over time fewer steps between detach() calls."
)


def check(evidence: Evidence) -> Iterator[Finding]:
    """At most one finding, at the line that blows the gradient up most."""
    yield from trend_finding(evidence, NAME, _HELP, shrinks=False)


RULE = Rule(
    name=NAME,
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
