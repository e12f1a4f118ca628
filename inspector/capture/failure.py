"""Which op a program failed at."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence

import torch

from inspector.capture.arguments import tensors_in
from inspector.capture.frames import is_user_file
from inspector.capture.saved import SavedValues
from inspector.capture.summary import undisturbed
from inspector.capture.tape import FailedNode, Tape
from inspector.records import Failure, Op, Source

_BACKWARD = {
    torch.Tensor.backward.__code__: "self",
    torch.autograd.backward.__code__: "tensors",
    torch.autograd.grad.__code__: "outputs",
}
"""The functions that start a backward pass, and the argument that they start from."""


def failure_of(
    error: BaseException,
    tape: Tape,
    ops: Sequence[Op],
    op_of: Callable[[int | None], int | None],
) -> Failure:
    """The record of the exception that ended a run.

    Args:
        error: the exception.
        tape: the notes of the run.
        ops: its ops.
        op_of: gives the op that made the autograd node with a sequence number.
    """
    op = _failed_op(error, tape, ops, op_of)
    node = _failed_node(error, tape)
    saved = SavedValues(tape.tensors.raw)
    return Failure(
        type=type(error).__qualname__,
        message=_said(error) or type(error).__qualname__,
        op=None if op is None else op.id,
        source=op.source if op is not None else _raised_at(error),
        inputs=() if op is None else op.inputs,
        node=None if node is None else node.name,
        pass_index=None if node is None else node.pass_index,
        saved=()
        if node is None
        else saved.ids(node.saved, None if op is None else tape.ops[op.id]),
        roots=_backward_from(error, tape),
    )


def _said(error: BaseException) -> str:
    """Its message; "" of one that cannot say it: its own code would replace the run's exception."""
    try:
        return str(error)
    except Exception:
        return ""


def _failed_op(
    error: BaseException,
    tape: Tape,
    ops: Sequence[Op],
    op_of: Callable[[int | None], int | None],
) -> Op | None:
    """The op that raised, or whose autograd node did."""
    chain = _chain(error)
    if tape.raised is not None and tape.raised.is_in(chain):
        return None if tape.raised.number is None else ops[tape.raised.number]
    if tape.raised_node is not None and tape.raised_node.is_in(chain):
        number = op_of(tape.raised_node.number)
        return None if number is None else ops[number]
    return None


def _failed_node(error: BaseException, tape: Tape) -> FailedNode | None:
    """The autograd node at which the pass stopped, unless an op that it ran is to blame."""
    chain = _chain(error)
    if tape.raised is not None and tape.raised.is_in(chain):
        return None
    stopped = tape.raised_node is not None and tape.raised_node.is_in(chain)
    return tape.failed_node if stopped else None


def _backward_from(error: BaseException, tape: Tape) -> tuple[int, ...]:
    """The tensors that backward was called on, from the arguments in the traceback's frames.

    The engine's gate does not see them if torch refuses them before.
    """
    for frame, _ in traceback.walk_tb(error.__traceback__):
        local = _BACKWARD.get(frame.f_code)
        if local is not None:
            with undisturbed():
                found = [tape.tensors.find(root) for root in tensors_in(frame.f_locals.get(local))]
            return tuple([known[1] for known in found if known is not None])
    return ()


def _chain(error: BaseException) -> list[BaseException]:
    """The exception and those it was raised from."""
    seen: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in seen:
        seen.append(current)
        current = current.__cause__ or current.__context__
    return seen


def _raised_at(error: BaseException) -> Source | None:
    """The innermost user line of the traceback; of a syntax error, the line that is wrong."""
    file = error.filename if isinstance(error, SyntaxError) else None
    if isinstance(error, SyntaxError) and file and error.lineno and is_user_file(file):
        return Source(file, error.lineno, max((error.offset or 1) - 1, 0), "")
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if is_user_file(frame.filename):
            return Source(frame.filename, frame.lineno or 1, frame.colno or 0, frame.name)
    return None
