"""Which module's output is the first with NaN, also where that never reaches a loss.

Infinities are not asked for: attention masks are full of them. NaN may be meant, too (a row of
attention that is masked altogether, and left out afterwards), so it is told and ends nothing.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn.modules.module import register_module_forward_hook

from inspector.capture.arguments import tensors_in
from inspector.capture.steps import Handle
from inspector.capture.summary import undisturbed
from inspector.capture.watching.finite import stored

_WAITING = 256
"""Answers that are read at once: on a GPU each reading waits for it."""


class OutputWatch:
    """Asks the outputs of module calls from `begin` on, until one holds NaN.

    Args:
        here: says whether a call is one of the program that is watched.
    """

    def __init__(self, here: Callable[[], bool]) -> None:
        self._here = here
        self._handle: Handle | None = None
        self._called: dict[int, weakref.ref[nn.Module]] = {}
        self._waiting: list[tuple[nn.Module, torch.Tensor]] = []
        self._last: weakref.ref[torch.Tensor] | None = None
        self._met: nn.Module | None = None
        self.found = ""
        """The path and class of the module; "" as long as none is known (see `settle`)."""

    def begin(self) -> None:
        """Ask from here on."""
        if self._handle is None and not self.found:
            self._handle = register_module_forward_hook(self._left)

    def end(self) -> None:
        """Ask no more."""
        handle, self._handle = self._handle, None
        if handle is not None:
            handle.remove()
        self._called.clear()
        self._waiting.clear()
        self._met = None

    def settle(self) -> str:
        """What `found` is, now that the outermost calls have ended."""
        self._read()
        if self._met is not None:
            self.found = self._name(self._met)
            self.end()
        return self.found

    def _left(self, module: nn.Module, args: Any, output: Any) -> None:
        # The compiler traces hooks with the module; there is nothing to see for it.
        if torch.compiler.is_compiling() or not self._here():
            return
        self._called.setdefault(id(module), weakref.ref(module))
        if self._met is not None:
            return
        for tensor in tensors_in(output):
            if self._last is None or self._last() is not tensor:  # a container gives its last's
                self._last = weakref.ref(tensor)
                self._ask(module, tensor)

    def _ask(self, module: nn.Module, tensor: torch.Tensor) -> None:
        with undisturbed():
            values = stored(tensor)
            if values is not None:
                self._waiting.append((module, _largest(values)))
        if len(self._waiting) >= _WAITING:
            self._read()

    def _read(self) -> None:
        waiting, self._waiting = self._waiting, []
        with undisturbed():
            for module, largest in waiting:
                if self._met is None and math.isnan(largest.item()):
                    self._met = module

    def _name(self, module: nn.Module) -> str:
        """The path from the outermost module that was called, and the class."""
        paths = [
            path
            for outer in [called() for called in self._called.values()]
            if outer is not None
            for path, inner in outer.named_modules()
            if inner is module and path
        ]
        kind = type(module).__name__
        return f"{max(paths, key=len)} ({kind})" if paths else kind


def _largest(values: torch.Tensor) -> torch.Tensor:
    """NaN where any of the values is, which passes through a maximum; and a maximum makes none."""
    if values.is_complex():
        return torch._foreach_norm([values], torch.inf)[0]
    return values.amax()  # forty times as fast as a norm
