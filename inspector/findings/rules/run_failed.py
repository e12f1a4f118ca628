"""An exception that no other rule explains, or an exit code that says that the run failed."""

from __future__ import annotations

from collections.abc import Iterator

from inspector.findings.evidence import Evidence
from inspector.findings.failing import failed_op
from inspector.findings.rule import Rule
from inspector.found import Finding

NAME = "run-failed"
_LONG = 300
_FINE = ("None", "0", "False")
"""How the exit codes of a program that went well read."""
_WITHOUT_OP = (
    "No op raised this: the traceback shows the way to the line. The ops before it are in the "
    "recording."
)


def check(evidence: Evidence) -> Iterator[Finding]:
    """Looks at the failure. `findings` leaves this out where another rule says more."""
    failure = evidence.recording.failure
    if failure is None:
        yield from _ended(evidence)
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
    help_ = "Open the recording at this op and look at what it was given."
    yield Finding(
        NAME, "error", message, op=failure.op, source=failure.source,
        help=_WITHOUT_OP if op is None else help_,
    )  # fmt: skip


def _ended(evidence: Evidence) -> Iterator[Finding]:
    """A run that ended by `sys.exit`, with a code that is not 0 or with a message."""
    code = evidence.recording.meta.get("exit_code")
    if not isinstance(code, str) or code in _FINE:
        return
    text = " ".join(code.split())
    text = text if len(text) <= _LONG else f"{text[:_LONG]}…"
    if not text.removeprefix("-").isdigit():
        text = f"1: {text}" if text else "1"  # sys.exit(message) prints it and ends with 1
    message = f"The program ended with exit code {text.rstrip('.')}."
    help_ = (
        "If it caught an exception and printed it before sys.exit(), let the exception through "
        "(`raise`): then its op and its cause are found."
    )
    yield Finding(NAME, "error", message, help=help_)


RULE = Rule(
    name=NAME,
    title="The run failed",
    what="The run ended with an exception that no other rule explains, or by sys.exit() with a "
    "code that is not 0. Names the op, the autograd node and what was given. A process that "
    "os._exit() ends leaves no recording.",
    why="A traceback shows lines, but neither shapes nor the op of a failed backward.",
    example="raise ValueError('no such mode')",
    instead="Look at the failed op's inputs in the graph.",
    check=check,
)
