"""An exception that no other rule explains."""

from __future__ import annotations

from collections.abc import Iterator

from inspector.findings.evidence import Evidence
from inspector.findings.failing import failed_op
from inspector.findings.rule import Rule
from inspector.found import Finding

NAME = "run-failed"
_LONG = 300


def check(evidence: Evidence) -> Iterator[Finding]:
    """Looks at the failure. `findings` leaves this out where another rule says more."""
    failure = evidence.recording.failure
    if failure is None:
        return
    op = failed_op(evidence)
    text = " ".join(failure.message.split())
    text = text if len(text) <= _LONG else f"{text[:_LONG]}…"
    message = f"{failure.type}: {text}"
    if op is not None and failure.node is not None:
        message += f" (in {failure.node}, the backward of {evidence.words(op)})"
    elif op is not None:
        shapes = ", ".join(evidence.shaped(number) for number in op.inputs)
        message += f" (in {evidence.words(op)}, given {shapes or 'no tensors'})"
    yield Finding(
        NAME, "error", message, op=failure.op, source=failure.source,
        help="Open the recording at this op and look at what it was given.",
    )  # fmt: skip


RULE = Rule(
    name=NAME,
    title="The run failed",
    what="The run ended with an exception that no other rule explains. Names the op, the autograd "
    "node and what was given.",
    why="A traceback shows lines, but neither shapes nor the op of a failed backward.",
    example="raise ValueError('no such mode')",
    instead="Look at the failed op's inputs in the graph.",
    check=check,
)
