"""A tensor that backward needed and that was written to before."""

from __future__ import annotations

import re
from collections.abc import Iterator

from inspector.findings.evidence import Evidence
from inspector.findings.failing import error_at, failed_op, failed_with
from inspector.findings.rule import Rule
from inspector.found import Finding
from inspector.language import sentence
from inspector.records import Failure, Op, Step

NAME = "saved-tensor-overwritten"

_MESSAGE = r"modified by an inplace operation"
_SHAPE = re.compile(r"\[[\w.]*Tensor \[([\d, ]*)\]\]")


def check(evidence: Evidence) -> Iterator[Finding]:
    """Looks at what the failed autograd node had saved."""
    failure = failed_with(evidence, _MESSAGE)
    saver = failed_op(evidence)
    if failure is None or saver is None:
        return
    found = [
        (tensor, writer)
        for tensor in failure.saved
        for writer in [_writer(evidence, tensor, saver)]
        if writer is not None
    ]
    if not found:
        return
    tensor, writer = next(
        (pair for pair in found if _is_named(evidence, pair[0], failure)), found[0]
    )
    yield _finding(evidence, failure, saver, tensor, writer)


def _writer(evidence: Evidence, tensor: int, saver: Op) -> Op | None:
    """The first op that wrote into the tensor's memory after `saver` had run."""
    storage = evidence.recording.tensors[tensor].storage
    writes = () if storage is None else evidence.writes.get(storage, ())
    return next((op for op in writes if op.id > saver.id), None)


def _is_named(evidence: Evidence, tensor: int, failure: Failure) -> bool:
    """Whether torch's message names a tensor of this size (it may be transposed in it)."""
    match = _SHAPE.search(failure.message)
    named = [] if match is None else [int(part) for part in re.findall(r"\d+", match[1])]
    return sorted(evidence.recording.tensors[tensor].shape) == sorted(named)


def _finding(evidence: Evidence, failure: Failure, saver: Op, tensor: int, writer: Op) -> Finding:
    recording = evidence.recording
    info = recording.tensors[tensor]
    step = evidence.step_around(writer.id)
    if step is None:
        wrote = _wrote(evidence.words(writer), _alias(evidence, writer, tensor))
        help_ = sentence(
            "Do not write in place there: `h = h + 1` instead of `h += 1`, or write into a "
            "clone(). Or move the write behind the backward pass."
        )
    else:
        wrote = _stepped(step, writer)
        help_ = sentence(
            "Run backward() before the optimizer's step, or compute this loss anew after it, with "
            "the new parameters."
        )
    message = sentence(
        "{op} keeps {tensor} for its backward ({node}). Before that ran, {wrote}. The gradient "
        "cannot be computed from what is there now.",
        op=evidence.words(saver),
        tensor=evidence.shaped(tensor),
        node=failure.node,
        wrote=wrote,
    )
    return error_at(
        NAME, writer, message, help_, tensor=tensor, parameter=info.name, related=(saver.id,)
    )


def _wrote(op: str, alias: str) -> str:
    if not alias:
        return sentence("{op} wrote into it", op=op)
    return sentence("{op} wrote into it through {alias}", op=op, alias=alias)


def _stepped(step: Step, writer: Op) -> str:
    if writer.source is None:
        return sentence("a step of the optimizer {optimizer}, wrote into it", optimizer=step.detail)
    return sentence(
        "a step of the optimizer {optimizer}, line {line}, wrote into it",
        optimizer=step.detail,
        line=writer.source.line,
    )


def _alias(evidence: Evidence, writer: Op, tensor: int) -> str:
    """Through which other tensor of the same memory the op wrote; "" if through none."""
    recording = evidence.recording
    storage = recording.tensors[tensor].storage
    old = next(one for one in writer.overwrites if recording.tensors[one].storage == storage)
    return "" if old == tensor else evidence.tensor_words(old)


RULE = Rule(
    name=NAME,
    title=sentence("A saved tensor was overwritten"),
    what=sentence(
        "Backward failed because a tensor that an op had saved was written to since. Names the "
        "op that saved it and the op, or the optimizer's step, that wrote into it."
    ),
    why=sentence(
        "torch says 'one of the variables needed for gradient computation has been modified by an "
        "inplace operation: … is at version 1; expected version 0', and neither which op wrote nor "
        "which op needs it."
    ),
    example="h = torch.relu(x)  # keeps its result\nh += 1\nh.sum().backward()",
    instead="h = torch.relu(x)\nh = h + 1\nh.sum().backward()",
    check=check,
)
