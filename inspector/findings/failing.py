"""What rules about a failed run share: is it theirs, and how a finding about it looks."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from inspector.findings.evidence import Evidence
from inspector.found import Finding
from inspector.language import sentence
from inspector.quoted import code_at as quoted_at
from inspector.records import Failure, Op, Source

LONGEST_TEXT = 300
"""Text of an exception that is quoted in a message."""
LONGEST_CODE = 60
"""Code that is quoted in a message."""


def failed_with(evidence: Evidence, pattern: str) -> Failure | None:
    """The run's failure, if its message matches a pattern (anywhere in the text)."""
    failure = evidence.recording.failure
    if failure is None or not re.search(pattern, failure.message):
        return None
    return failure


def failed_op(evidence: Evidence) -> Op | None:
    """The op at which the run failed, or whose autograd node did."""
    failure = evidence.recording.failure
    if failure is None or failure.op is None:
        return None
    return evidence.recording.ops[failure.op]


def raised_op(evidence: Evidence, pattern: str) -> Op | None:
    """The op that raised while it ran itself, not its backward, if the message matches and it
    was given tensors.
    """
    failure, op = failed_with(evidence, pattern), failed_op(evidence)
    if failure is None or failure.node is not None or op is None or not op.inputs:
        return None
    return op


def torch_says(evidence: Evidence) -> str:
    """The start of the exception's own text, as a sentence; "" without a failure."""
    failure = evidence.recording.failure
    if failure is None:
        return ""
    text = failure.message.strip().split("\n", 1)[0].rstrip(" .:")
    text = text if len(text) <= LONGEST_TEXT else text[:LONGEST_TEXT] + "…"
    return sentence("torch says: {text}.", text=text)


def error_at(
    rule: str,
    op: Op,
    message: str,
    help_: str,
    *,
    tensor: int | None = None,
    parameter: str | None = None,
    source: Source | None = None,
    related: Iterable[int] = (),
) -> Finding:
    """An error whose cause is `op`; `source` is the op's unless it is given."""
    others = tuple(sorted({number for number in related if number != op.id}))
    place = op.source if source is None else source
    return Finding(rule, "error", message, op.id, tensor, parameter, place, others, help_)


def code_at(evidence: Evidence, source: Source | None) -> str:
    """What stands in the user's code there, if it is one short line; else ""."""
    if source is None or source.end_line != source.line or source.end_column is None:
        return ""
    code = quoted_at(evidence.recording.sources, source)
    return code if len(code) <= LONGEST_CODE else ""


def origin(evidence: Evidence, tensor: int, same: Callable[[int], bool]) -> Op | None:
    """The op in which a tensor got a property (its dtype, its device): the first on the way up
    whose tensors do not have it. None if it came with the property from outside.
    """
    recording = evidence.recording
    while True:
        maker = recording.tensors[tensor].producer
        if maker is None:
            return None
        op = recording.ops[maker]
        given = [number for number in (*op.inputs, *op.overwrites) if number != tensor]
        above = next((number for number in given if same(number)), None)
        if above is None or above >= tensor:
            return op
        tensor = above
