"""The function mode: sees each outermost call on tensors.

It sees what the user wrote (`torch.nn.functional.linear`, `Tensor.__bool__`), with outputs
that already have their `grad_fn`. While a call runs the mode is off, so what the function
calls inside belongs to it and is not seen again.
"""

from __future__ import annotations

import sys
from threading import get_ident
from types import FrameType
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from inspector.capture.calls import CallKind, named_after
from inspector.capture.collectives import CollectiveRecorder
from inspector.capture.functional import FunctionalRecorder
from inspector.capture.modestack import leave_soon
from inspector.capture.ops import OpRecorder
from inspector.capture.sizes import SizeReads
from inspector.capture.steps import StepRecorder
from inspector.capture.tape import Tape

_COMPUTE = CallKind.COMPUTE
_METADATA = CallKind.METADATA
_OPAQUE = (CallKind.CUSTOM, CallKind.COLLECTIVE, CallKind.FUNCTIONAL)
_ABOUT_STEPS = (CallKind.MARKER, CallKind.SET_GRAD)


class FunctionRecorder(TorchFunctionMode):
    """Notes each call on the tape. Enter it like any mode; it must be entered once only."""

    def __init__(
        self, tape: Tape, ops: OpRecorder, steps: StepRecorder, collectives: CollectiveRecorder
    ) -> None:
        super().__init__()
        self._tape = tape
        self._ops = ops
        self._kind = ops.calls.kind
        self._kinds = ops.calls.kinds
        self._run = ops.run
        self._steps = steps
        self._collectives = collectives
        self._functional = FunctionalRecorder(collectives)
        self._sizes = SizeReads(tape)
        self._places = self._sizes.places

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if kwargs is None:
            kwargs = {}
        tape = self._tape
        if (tape.running or tape.full or get_ident() != tape.thread) and not tape.joins():
            if tape.others.over:
                leave_soon(self)  # the recording was ended on another thread
            return func(*args, **kwargs)
        kind = self._kinds.get(func) or self._kind(func)
        if (tape.phase == "backward" and _is_kernel(func, sys._getframe(1))) or (
            tape.filtered and kind not in _ABOUT_STEPS and tape.passes_over(sys._getframe(1))
        ):
            return func(*args, **kwargs)
        if kind is _COMPUTE or kind is CallKind.SET_DATA:
            return self._run(func, func, args, kwargs, sys._getframe(1))
        if kind in _OPAQUE:
            return self._opaque(kind, func, args, kwargs, sys._getframe(1))
        result = func(*args, **kwargs)
        if kind is _METADATA:
            frame = sys._getframe(1)
            places = self._places.get(id(frame.f_code))
            if places is None or frame.f_lasti in places:
                self._sizes.note(func, args, result, frame)
        if kind is CallKind.MARKER:
            self._steps.marker(args, sys._getframe(1))
        elif kind is CallKind.SET_GRAD and len(args) > 1 and args[1] is None:
            self._steps.grad_cleared(sys._getframe(1))
        elif func is torch.Tensor.requires_grad_:
            tape.tensors.refresh(result)
        return result

    def _opaque(
        self,
        kind: CallKind,
        func: Any,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        frame: FrameType,
    ) -> Any:
        if kind is CallKind.COLLECTIVE:
            return self._collectives.run(func, func, args, kwargs, frame)
        if kind is CallKind.FUNCTIONAL:
            return self._functional.run(func, args, kwargs, frame)
        return self._ops.run(named_after(args[0]), func, args, kwargs, frame)


def _is_kernel(func: Any, frame: FrameType | None) -> bool:
    """Whether a dispatch mode of the user hands on a kernel that the autograd engine called."""
    if isinstance(func, torch._ops.OpOverload):
        while frame is not None:
            if frame.f_code.co_name == "__torch_dispatch__":
                return True
            frame = frame.f_back
    return False
