"""The page of a probe: a backward that does not fit its forward."""

from __future__ import annotations

from collections.abc import Iterable

from inspector.findings.evidence import Evidence
from inspector.findings.rule import Rule
from inspector.found import Finding
from inspector.language import sentence


def check(evidence: Evidence) -> Iterable[Finding]:
    """Nothing: one run does not show it. `inspector.probe_gradients` runs each op again."""
    return ()


RULE = Rule(
    name="wrong-backward",
    title=sentence("A backward that does not fit its forward (a probe)"),
    what=sentence(
        "Asked for by `inspector.probe_gradients(fn, *args)`, which runs the function in float64 "
        "and compares the backward of each op with finite differences along a random direction."
    ),
    why=sentence(
        "PyTorch checks the shape of a gradient, not its values: a custom autograd.Function with a "
        "wrong formula trains, only worse."
    ),
    example="def backward(ctx, grad): return grad * 2 * x  # of x ** 3",
    instead="def backward(ctx, grad): return grad * 3 * x ** 2",
    check=check,
)
