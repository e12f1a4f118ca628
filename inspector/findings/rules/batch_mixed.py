"""The page of a probe: samples of a batch that know of each other."""

from __future__ import annotations

from collections.abc import Iterable

from inspector.findings.evidence import Evidence
from inspector.findings.rule import Rule
from inspector.found import Finding
from inspector.language import sentence


def check(evidence: Evidence) -> Iterable[Finding]:
    """Nothing: one run does not show it. `inspector.probe_batch_mixing` runs the model again."""
    return ()


RULE = Rule(
    name="batch-mixed",
    title=sentence("Samples of a batch are mixed (a probe)"),
    what=sentence(
        "Asked for by `inspector.probe_batch_mixing(model, *args)`, which runs the model a few "
        "times: the gradient of one sample's output with respect to another sample's input, and "
        "the first op whose result has no dimension left for the batch. A warning; a note for "
        "batch norm in train mode, which is meant to mix."
    ),
    why=sentence(
        "PyTorch says nothing: the shapes are right. The answer to one sample depends on its "
        "neighbours, training still works somehow, and single predictions are wrong."
    ),
    example="x = x.view(time, batch, -1)  # x is (batch, time, …)",
    instead="x = x.transpose(0, 1)",
    check=check,
)
