"""A checkpoint whose recomputation did not do what the forward had done."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest

from inspector.findings.evidence import Evidence
from inspector.findings.rule import Rule
from inspector.found import Finding
from inspector.language import sentence
from inspector.records import Op, Source

NAME = "recomputation-differs"

_MESSAGES = ("A different number of tensors was saved", "different metadata")


def check(evidence: Evidence) -> Iterator[Finding]:
    """Lays the recomputed ops beside the original ones."""
    failure = evidence.recording.failure
    if failure is None or not any(text in failure.message for text in _MESSAGES):
        return
    step = evidence.pass_step(failure.pass_index) or next(iter(evidence.backwards[-1:]), None)
    again = [op for op in evidence.in_backward if step is not None and op.id >= step.first_op]
    first = _original(evidence, again)
    for before, after in zip_longest(first, again):
        if before is None or after is None or _key(evidence, before) != _key(evidence, after):
            yield _finding(evidence, before, after)
            return


def _original(evidence: Evidence, again: Sequence[Op]) -> list[Op]:
    """The forward ops from the start of the call that was recomputed. They are those under the
    same function, from the first that takes what the recomputation began with: the function may
    have run under several checkpoints.
    """
    if not again:
        return []
    function = _outermost_new(again[0], evidence)
    inside = [
        op
        for op in evidence.recording.ops[: again[0].id]
        if op.phase == "forward" and any(_names(frame, function) for frame in op.stack)
    ]
    begins = _with_aliases(evidence, again[0].inputs)
    start = next((i for i, op in enumerate(inside) if begins.intersection(op.inputs)), 0)
    return inside[start:]


def _with_aliases(evidence: Evidence, tensors: Sequence[int]) -> set[int]:
    """Tensors and what they are aliases of: a reentrant checkpoint detaches what it is given."""
    found = set(tensors)
    for tensor in tensors:
        above = evidence.recording.tensors[tensor].alias_of
        while above is not None:
            found.add(above)
            above = evidence.recording.tensors[above].alias_of
    return found


def _outermost_new(op: Op, evidence: Evidence) -> Source | None:
    """The frame of the recomputed function: the one that the backward pass called."""
    step = max(evidence.backwards, key=lambda step: step.first_op <= op.id, default=None)
    called = None if step is None else step.source
    for inner, outer in zip(op.stack, op.stack[1:], strict=False):
        if called is not None and (outer.file, outer.line) == (called.file, called.line):
            return inner
    return op.stack[-1] if op.stack else None


def _names(frame: Source, function: Source | None) -> bool:
    if function is None:
        return False
    return (frame.file, frame.function) == (function.file, function.function)


def _key(evidence: Evidence, op: Op) -> tuple[object, ...]:
    """What has to be the same: the op, its line, and what it made."""
    tensors = evidence.recording.tensors
    made = tuple((tensors[t].shape, tensors[t].dtype, tensors[t].device) for t in op.outputs)
    return op.name, None if op.source is None else op.source.line, made


def _finding(evidence: Evidence, before: Op | None, after: Op | None) -> Finding:
    did = sentence("nothing more") if before is None else evidence.words(before)
    does = sentence("nothing more") if after is None else evidence.words(after)
    cause = before or after
    message = sentence(
        "A checkpoint ran its function again in backward, and it did not do the same: where "
        "the forward ran {did}, the second run has {does}.",
        did=did,
        does=does,
    )
    help_ = sentence(
        "The checkpointed function has to do the same both times: let nothing decide in it that "
        "changes between the runs (a counter, a flag, a clock, a random number not of torch's)."
    )
    related = tuple(op.id for op in (before, after) if op is not None and op is not cause)
    return Finding(
        NAME, "error", message, op=None if cause is None else cause.id,
        source=None if cause is None else cause.source, related=related, help=help_,
    )  # fmt: skip


RULE = Rule(
    name=NAME,
    title=sentence("A recomputation that differs"),
    what=sentence(
        "torch.utils.checkpoint ran the forward again in backward and got other tensors. Lays "
        "both runs side by side and names the first op that differs."
    ),
    why=sentence(
        "torch says 'A different number of tensors was saved during the original forward and "
        "recomputation', with counts only."
    ),
    example="def block(x):\n    self.calls += 1\n    return x.sin() if self.calls == 1 else x\n"
    "checkpoint(block, x, use_reentrant=False)",
    instead="self.calls += 1\ncheckpoint(block, x, self.calls == 1, use_reentrant=False)",
    check=check,
)
