"""A tensor with a graph that was to become a NumPy array."""

from __future__ import annotations

from collections.abc import Iterator

from inspector.findings.evidence import Evidence
from inspector.findings.failing import error_at, raised_op
from inspector.findings.rule import Rule
from inspector.found import Finding
from inspector.language import sentence

NAME = "numpy-needs-detach"

_MESSAGE = r"Can't call numpy\(\) on Tensor that requires grad"


def check(evidence: Evidence) -> Iterator[Finding]:
    """Looks at the failed op."""
    op = raised_op(evidence, _MESSAGE)
    if op is None:
        return
    tensor = op.inputs[0]
    maker = evidence.maker(tensor)
    given = evidence.shaped(tensor)
    if maker is not None:
        given = sentence("{tensor} (from {op})", tensor=given, op=evidence.words(maker))
    message = sentence(
        "{op} was to make a NumPy array of {tensor}, which requires grad. What NumPy does with it "
        "would be missing in the graph.",
        op=evidence.words(op),
        tensor=given,
    )
    help_ = sentence(
        "Use .detach().numpy() (.detach().cpu().numpy() on a GPU), or compute under no_grad."
    )
    related = () if maker is None else (maker.id,)
    yield error_at(NAME, op, message, help_, tensor=tensor, related=related)


RULE = Rule(
    name=NAME,
    title=sentence("numpy() needs detach()"),
    what=sentence("A tensor that requires grad was to become a NumPy array."),
    why=sentence("An array has no history: no gradient could flow back through it."),
    example="model(x).numpy()",
    instead="model(x).detach().numpy()",
    check=check,
)
