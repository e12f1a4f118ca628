"""A gradient that gets larger and larger on its way through the model."""

from __future__ import annotations

from collections.abc import Iterator

from inspector.findings.depth import EXTREME, NOTED, trend_finding
from inspector.findings.evidence import Evidence
from inspector.findings.rule import Rule
from inspector.found import Finding
from inspector.language import sentence

NAME = "exploding-gradient"

_HELP = sentence(
    "Smaller initial weights, a normalisation, clip_grad_norm_ before the step; in a loop "
    "over time fewer steps between detach() calls."
)


def check(evidence: Evidence) -> Iterator[Finding]:
    """At most one finding, at the line that blows the gradient up most."""
    yield from trend_finding(evidence, NAME, _HELP, shrinks=False)


RULE = Rule(
    name=NAME,
    title=sentence("The gradient explodes along the depth"),
    what=sentence(
        "The gradients of the weight matrix farthest from the loss and of the one next to it, in "
        "the last backward pass: a note from a ratio of {noted:,.0f} on, a warning from "
        "{extreme:,.0f} on if what goes from op to op changes as much. Told at the line whose ops "
        "make it larger most.",
        noted=NOTED,
        extreme=EXTREME,
    ),
    why=sentence(
        "PyTorch says nothing until it is NaN. By the chain rule the factors multiply: one step "
        "along such a gradient throws the first weights far off."
    ),
    example="for _ in range(50): h = h @ w  # w stretches by more than 1",
    instead="torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)",
    check=check,
)
