"""Hooks of optimizer steps that may come and go while they are called.

Torch goes through its own hooks one by one, and fails when one of them registers another. A
recording that begins or ends after an optimizer step does just that.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

import torch
from torch.optim import Optimizer

from inspector.capture.steps import Handle, Hook, StepHooks


class LastingHooks(StepHooks):
    """One pair of torch's hooks that stays while entered, and calls those registered here.

    Args:
        grads_ready: called before each step of an optimizer on this thread.
        stepped: called after each, when all other hooks here have run.

    Steps inside of a backward pass are left out, because a recording cannot begin or end there
    (`in_backward` counts them); so are those of other threads and of forked children.
    """

    def __init__(self, grads_ready: Hook, stepped: Hook) -> None:
        self._grads_ready = grads_ready
        self._stepped = stepped
        self._before: dict[int, Hook] = {}
        self._after: dict[int, Hook] = {}
        self._handles: list[Handle] = []
        self._made = 0
        self._home = os.getpid(), threading.get_ident()
        self.in_backward = 0

    def __enter__(self) -> LastingHooks:
        torchs = StepHooks()
        self._handles = [torchs.before(self._run_before), torchs.after(self._run_after)]
        return self

    def __exit__(self, *error: object) -> None:
        for handle in self._handles:
            handle.remove()

    def before(self, hook: Hook) -> Handle:  # noqa: D102
        return self._register(self._before, hook)

    def after(self, hook: Hook) -> Handle:  # noqa: D102
        return self._register(self._after, hook)

    def _register(self, hooks: dict[int, Hook], hook: Hook) -> Handle:
        self._made += 1
        number = self._made
        hooks[number] = hook
        return _Registered(lambda: hooks.pop(number, None))

    def _run_before(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        for hook in tuple(self._before.values()):
            hook(optimizer, args, kwargs)
        if self.at_home:
            self._grads_ready(optimizer, args, kwargs)

    def _run_after(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        for hook in tuple(self._after.values()):
            hook(optimizer, args, kwargs)
        if not self.at_home:
            return
        if torch._C._current_graph_task_id() == _NO_PASS:
            self._stepped(optimizer, args, kwargs)
        else:
            self.in_backward += 1

    @property
    def at_home(self) -> bool:
        """Whether this is the thread, and no forked child of the process, that was entered on."""
        return (os.getpid(), threading.get_ident()) == self._home


class _Registered:
    """The handle of one hook."""

    def __init__(self, remove: Callable[[], object]) -> None:
        self._remove = remove

    def remove(self) -> None:
        """Take the hook away."""
        self._remove()


_NO_PASS = -1
"""The number of the running backward pass where there is none."""
