"""An exception that no other rule explains, or an exit code that says that the run failed.

A run that somebody stopped (Ctrl+C, or Stop on the page) did not fail: it gets a note.
"""

from __future__ import annotations

from collections.abc import Iterator

from inspector.findings.evidence import Evidence
from inspector.findings.failing import failed_op
from inspector.findings.rule import Rule
from inspector.found import Finding
from inspector.language import listed, sentence
from inspector.records import Op

NAME = "run-failed"
_LONG = 300
_FINE = ("None", "0", "False")
"""How the exit codes of a program that went well read."""
_STOPPED = sentence("The run was stopped from outside (KeyboardInterrupt).")
_TILL_THERE = sentence("What ran until then is in the recording; start it again for the rest.")
_WITHOUT_OP = sentence(
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
    if failure.type == KeyboardInterrupt.__name__:
        yield Finding(
            NAME, "note", _STOPPED, op=failure.op, source=failure.source, help=_TILL_THERE
        )
        return
    text = " ".join(failure.message.split())
    text = text if len(text) <= _LONG else f"{text[:_LONG]}…"
    message = f"{failure.type}: {text}"
    if op is not None:
        message = _with_place(message, evidence, op, failure.node)
    help_ = sentence("Open the recording at this op and look at what it was given.")
    yield Finding(
        NAME, "error", message, op=failure.op, source=failure.source,
        help=_WITHOUT_OP if op is None else help_,
    )  # fmt: skip


def _with_place(raised: str, evidence: Evidence, op: Op, node: str | None) -> str:
    """What was raised, and in which op or autograd node."""
    words = evidence.words(op)
    if node is not None:
        return sentence(
            "{raised} (in {node}, the backward of {op})", raised=raised, node=node, op=words
        )
    shapes = listed(evidence.shaped(number) for number in op.inputs)
    given = shapes or sentence("no tensors")
    return sentence("{raised} (in {op}, given {tensors})", raised=raised, op=words, tensors=given)


def _ended(evidence: Evidence) -> Iterator[Finding]:
    """A run that ended by `sys.exit`, with a code that is not 0 or with a message."""
    code = evidence.recording.meta.get("exit_code")
    if not isinstance(code, str) or code in _FINE:
        return
    text = " ".join(code.split())
    text = text if len(text) <= _LONG else f"{text[:_LONG]}…"
    if not text.removeprefix("-").isdigit():
        text = f"1: {text}" if text else "1"  # sys.exit(message) prints it and ends with 1
    message = sentence("The program ended with exit code {code}.", code=text.rstrip("."))
    help_ = sentence(
        "If it caught an exception and printed it before sys.exit(), let the exception through "
        "(`raise`): then its op and its cause are found."
    )
    yield Finding(NAME, "error", message, help=help_)


RULE = Rule(
    name=NAME,
    title=sentence("The run failed"),
    what=sentence(
        "The run ended with an exception that no other rule explains, or by sys.exit() with a "
        "code that is not 0. Names the op, the autograd node and what was given. A process that "
        "os._exit() ends leaves no recording."
    ),
    why=sentence("A traceback shows lines, but neither shapes nor the op of a failed backward."),
    example="raise ValueError('no such mode')",
    instead=sentence("Look at the failed op's inputs in the graph."),
    check=check,
)
