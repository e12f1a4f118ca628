"""What the tests of `inspector.capture.watching` share."""

from __future__ import annotations

import sys
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from inspector.capture import CaptureOptions
from inspector.capture.watching.window import Telling, Window
from inspector.records import Recording


class Kept:
    """Takes what a watch tells."""

    def __init__(self) -> None:
        self.recordings: dict[str, Recording] = {}
        self.said: list[str] = []
        self.progress: list[tuple[int, int, bool]] = []
        self.telling = Telling(
            lambda *seen: self.progress.append(seen),
            lambda recording, part: self.recordings.__setitem__(part, recording),
            self.said.append,
        )

    def window(self, **asked: Any) -> Window:
        return Window(CaptureOptions(), {}, self.telling, **asked)


def state() -> tuple[object, ...]:
    """What a recording installs into."""
    optimizers, modules = sys.modules["torch.optim.optimizer"], nn.modules.module
    return (
        sys.gettrace(), torch._C._len_torch_function_stack(), sys.getrecursionlimit(),
        list(optimizers._global_optimizer_pre_hooks.values()),
        list(optimizers._global_optimizer_post_hooks.values()),
        dict(modules._global_forward_hooks), dict(modules._global_forward_pre_hooks),
        torch.autograd.Variable._execution_engine,
    )  # fmt: skip


class Counting(TorchFunctionMode):
    """A mode of the program's."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.calls += 1
        return func(*args, **(kwargs or {}))
