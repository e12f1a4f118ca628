"""A gradient that gets smaller and smaller on its way through the model."""

from __future__ import annotations

from collections.abc import Iterator

from inspector.findings.depth import EXTREME, NOTED, trend_finding
from inspector.findings.evidence import Evidence
from inspector.findings.rule import Rule
from inspector.found import Finding
from inspector.language import sentence

NAME = "vanishing-gradient"

_HELP = sentence(
    "ReLU-like activations in place of sigmoid or tanh, a residual connection around each "
    "block, a normalisation, or a gated cell (LSTM, GRU) in place of a plain recurrence."
)


def check(evidence: Evidence) -> Iterator[Finding]:
    """At most one finding, at the line that shrinks the gradient most."""
    yield from trend_finding(evidence, NAME, _HELP, shrinks=True)


RULE = Rule(
    name=NAME,
    title=sentence("The gradient vanishes along the depth"),
    what=sentence(
        "The gradients of the weight matrix next to the loss and of the one farthest from it, in "
        "the last backward pass: a note from a ratio of {noted:,.0f} on, a warning from "
        "{extreme:,.0f} on if what goes from op to op changes as much. Told at the line whose ops "
        "shrink it most.",
        noted=NOTED,
        extreme=EXTREME,
    ),
    why=sentence(
        "PyTorch says nothing. By the chain rule the factors multiply: with a slope of at most 1/4 "
        "at each sigmoid the first of twelve layers hardly learns. (Hochreiter 1991; Bengio et al. "
        "1994)"
    ),
    example="for layer in layers: x = torch.sigmoid(layer(x))",
    instead="for layer in layers: x = torch.relu(layer(x))",
    check=check,
)
