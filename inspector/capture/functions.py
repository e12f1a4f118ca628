"""The function mode: sees each outermost call on tensors.

It sees what the user wrote (`torch.nn.functional.linear`, `Tensor.__bool__`), with outputs
that already have their `grad_fn`. While a call runs the mode is off, so what the function
calls inside belongs to it and is not seen again.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from types import FrameType
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from inspector.capture.calls import CallKind, named_after
from inspector.capture.ops import OpRecorder
from inspector.capture.steps import StepRecorder
from inspector.capture.tape import Tape


class FunctionRecorder(TorchFunctionMode):
    """Notes each call on the tape. Enter it like any mode; it must be entered once only."""

    def __init__(self, tape: Tape, ops: OpRecorder, steps: StepRecorder) -> None:
        super().__init__()
        self._tape = tape
        self._ops = ops
        self._kind = ops.calls.kind
        self._steps = steps

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        tape = self._tape
        if tape.running is not None or not tape.recording_here:
            return func(*args, **kwargs)
        kind = self._kind(func)
        if tape.phase == "backward" and _is_kernel(func, sys._getframe(1)):
            return func(*args, **kwargs)
        if kind is CallKind.COMPUTE or kind is CallKind.SET_DATA:
            return self._ops.run(func, func, args, kwargs, sys._getframe(1))
        if kind is CallKind.CUSTOM:
            return self._ops.run(named_after(args[0]), func, args, kwargs, sys._getframe(1))
        result = func(*args, **kwargs)
        if kind is CallKind.MARKER:
            self._steps.marker(args, sys._getframe(1))
        elif kind is CallKind.SET_GRAD and len(args) > 1 and args[1] is None:
            self._steps.grad_cleared(sys._getframe(1))
        elif func is torch.Tensor.requires_grad_:
            tape.tensors.refresh(result)
        return result


def _is_kernel(func: Any, frame: FrameType | None) -> bool:
    """Whether a dispatch mode of the user hands on a kernel that the autograd engine called."""
    if isinstance(func, torch._ops.OpOverload):
        while frame is not None:
            if frame.f_code.co_name == "__torch_dispatch__":
                return True
            frame = frame.f_back
    return False


def mode_depth(mode: TorchFunctionMode) -> int | None:
    """Where `mode` stands on this thread's stack of function modes; None if it doesn't."""
    for depth in range(torch._C._len_torch_function_stack()):
        if torch._C._get_function_stack_at(depth) is mode:
            return depth
    return None


@contextlib.contextmanager
def lifted(mode: TorchFunctionMode) -> Iterator[None]:
    """`mode` off this thread's stack for a while, at whatever depth it stands."""
    depth = mode_depth(mode)
    if depth is None:
        yield
        return
    lift(mode)
    try:
        yield
    finally:
        _shift(depth, mode)


def lift(mode: TorchFunctionMode) -> None:
    """Take `mode` off this thread's stack."""
    depth = mode_depth(mode)
    if depth is not None:
        _shift(depth, None)


def _shift(depth: int, inserted: TorchFunctionMode | None) -> None:
    """Take the mode at `depth` off the stack, or put one in there."""
    above = [
        torch._C._pop_torch_function_stack()
        for _ in range(torch._C._len_torch_function_stack() - depth)
    ]
    if inserted is None:
        above.pop()
    else:
        torch._C._push_on_torch_function_stack(inserted)
    for mode in reversed(above):
        torch._C._push_on_torch_function_stack(mode)
