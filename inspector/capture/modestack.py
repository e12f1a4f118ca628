"""A thread's stacks of modes: looked into, and function modes taken off at any depth."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from types import FrameType

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode


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
        shift(depth, mode)


@contextlib.contextmanager
def begun_below(mode: TorchFunctionMode) -> Iterator[None]:
    """`mode` below those that this thread has begun already: they end by taking the innermost.

    That of `torch.set_default_device` has to stay the lowest: torch looks for it there.
    """
    default = getattr(torch._GLOBAL_DEVICE_CONTEXT, "device_context", None)
    shift(int(default is not None and mode_depth(default) == 0), mode)
    try:
        yield
    finally:
        lift(mode)


def lift(mode: TorchFunctionMode) -> None:
    """Take `mode` off this thread's stack."""
    depth = mode_depth(mode)
    if depth is not None:
        shift(depth, None)


def shift(depth: int, inserted: TorchFunctionMode | None) -> None:
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


@contextlib.contextmanager
def lifted_dispatch(mode: TorchDispatchMode) -> Iterator[None]:
    """`mode` off this thread's stack of dispatch modes, where it is the innermost."""
    depth = torch._C._len_torch_dispatch_stack()
    innermost = depth > 0 and torch._C._get_dispatch_stack_at(depth - 1) is mode
    if innermost:
        mode.__exit__(None, None, None)
    try:
        yield
    finally:
        if innermost:
            mode.__enter__()


def leave_soon(mode: TorchFunctionMode) -> None:
    """Take `mode` off this thread's stack right after the call that it is handling.

    Torch puts the mode back when its handler has returned, so the handler cannot do it: the next
    function that is called or left on this thread does. A profiler of the user's is let be.
    """

    def leave(frame: FrameType, event: str, arg: object) -> None:
        before = torch._C._len_torch_function_stack()
        lift(mode)
        if torch._C._len_torch_function_stack() < before:
            sys.setprofile(None)

    if sys.getprofile() is None:
        sys.setprofile(leave)
