"""An op that failed because its tensors are on different devices."""

from __future__ import annotations

from collections.abc import Iterator

from inspector.findings.evidence import Evidence
from inspector.findings.failing import raised_op
from inspector.findings.mismatch import Operands
from inspector.findings.rule import Rule
from inspector.found import Finding
from inspector.language import sentence

NAME = "device-mismatch"

_MESSAGE = r"device|Input type .* and weight type"


def check(evidence: Evidence) -> Iterator[Finding]:
    """Looks at the failed op's tensors."""
    op = raised_op(evidence, _MESSAGE)
    if op is not None:
        help_ = sentence(
            "Move the model and its data to one device, with .to(device). What forward() makes "
            "itself is made on the input's device: torch.arange(n, device=x.device)."
        )
        operands = Operands(evidence, op, "device")
        yield from operands.mismatch(NAME, help_)


RULE = Rule(
    name=NAME,
    title=sentence("Tensors on different devices"),
    what=sentence(
        "An op was given tensors of more than one device. Says where each of them got its device."
    ),
    why=sentence(
        "torch says 'Expected all tensors to be on the same device, but found at least two "
        "devices', and not where the odd one comes from."
    ),
    example="model.to('cuda')\npositions = torch.arange(n)\nmodel(x) + positions",
    instead="model.to('cuda')\npositions = torch.arange(n, device=x.device)\nmodel(x) + positions",
    check=check,
)
