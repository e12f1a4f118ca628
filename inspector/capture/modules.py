"""Module calls: global forward hooks tell when a module is entered and left.

A module that is registered under several names goes by the first that lies inside of the call
that it was called from: Python does not tell by which one it was reached.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterator
from fnmatch import fnmatchcase
from types import FrameType
from typing import Any

from torch import nn
from torch.nn.modules.module import (
    register_module_forward_hook,
    register_module_forward_pre_hook,
)

from inspector.capture.otherthreads import MODULE
from inspector.capture.tape import RawModuleCall, Tape


class ModuleRecorder:
    """Notes module calls on the tape while entered; it can be entered again.

    Args:
        tape: where to write.
        root: the module being recorded; its path is "" and its children's start there.
            Other outermost modules are named after their class.
    """

    def __init__(self, tape: Tape, root: nn.Module | None) -> None:
        self._tape = tape
        self._handles: list[Any] = []
        self._entered_now = False
        self._hidden = 0
        self._lock = threading.Lock()
        self._paths: dict[int, str] = {}
        # Kept for the time of the recording: ids in `_paths` stay valid, and parameters can
        # be named at the end.
        self.roots: dict[str, nn.Module] = {}
        self._open: list[nn.Module] = []
        if root is not None:
            self.add_root(root, "")

    def __enter__(self) -> ModuleRecorder:
        self._hook(entered=True)
        return self

    def __exit__(self, *error: object) -> None:
        self._hook(entered=False)

    @contextlib.contextmanager
    def hidden(self) -> Iterator[None]:
        """No hooks for a while, on any thread: global hooks are global."""
        self._hook(hide=1)
        try:
            yield
        finally:
            self._hook(hide=-1)

    def _hook(self, entered: bool | None = None, hide: int = 0) -> None:
        with self._lock:  # threads hide and show on their own
            self._entered_now = self._entered_now if entered is None else entered
            self._hidden += hide
            wanted = self._entered_now and not self._hidden
            if wanted and not self._handles:
                self._handles = [
                    register_module_forward_pre_hook(self._entered),
                    register_module_forward_hook(self._left, always_call=True),
                ]
            while self._handles and not wanted:
                self._handles.pop().remove()

    def _entered(self, module: nn.Module, args: Any) -> None:
        tape = self._tape
        trace = tape.trace  # as by `tape.mute()`: a call less for the tracer to see
        muted = trace is not None and sys.gettrace() is trace
        if muted:
            sys.settrace(None)
        try:
            if tape.recording_here:
                self._enter(module, sys._getframe(1))
            else:
                tape.elsewhere(MODULE)
        finally:
            if muted:
                sys.settrace(trace)

    def _enter(self, module: nn.Module, frame: FrameType) -> None:
        tape = self._tape
        if tape.leaving and tape.leaving[-1] == (tape.top, id(frame)):
            tape.close_call()  # that frame ended, and this call's frame got its address
        tape.settle(frame)
        site = tape.site(frame)
        tape.module_calls.append(
            RawModuleCall(
                path=self._path(module),
                type=type(module).__name__,
                parent=tape.top,
                training=module.training,
                site=site,
            )
        )
        tape.top = len(tape.module_calls) - 1
        tape.open_calls.append(tape.top)
        if tape.filtered and tape.wanted_call is None and self._wanted(tape.module_calls[-1].path):
            tape.wanted_call = tape.top
        tape.base = tape.positions.base(frame, site)
        tape.bases.append(tape.base)
        self._open.append(module)

    def _left(self, module: nn.Module, args: Any, output: Any) -> None:
        tape = self._tape
        trace = tape.trace
        muted = trace is not None and sys.gettrace() is trace
        if muted:
            sys.settrace(None)
        try:
            if tape.thread_is_ours:
                self._leave(module, sys._getframe(1))
        finally:
            if muted:
                sys.settrace(trace)

    def _leave(self, module: nn.Module, frame: FrameType) -> None:
        tape = self._tape
        tape.settle(frame)
        self._forget_closed()
        if not any(module is inner for inner in self._open):
            return
        # An exception in a hook can leave inner calls open: close down to this module.
        while self._open[-1] is not module:
            tape.close_call()
            self._open.pop()
        if module._forward_hooks or module._backward_hooks or module._backward_pre_hooks:
            # Global hooks run before the module's own, whose ops belong to this call too: it
            # is closed when its frame is found gone.
            tape.leaving.append((tape.top, id(frame)))
        else:
            tape.close_call()
            self._open.pop()

    def _forget_closed(self) -> None:
        del self._open[len(self._tape.open_calls) :]

    def _wanted(self, path: str) -> bool:
        """Whether `only` names a path, with or without its outermost module."""
        first, _, rest = path.partition(".")
        known_as = (path, rest) if rest and first in self.roots else (path,)
        wanted = self._tape.options.only
        return any(fnmatchcase(name, pattern) for name in known_as for pattern in wanted)

    def _path(self, module: nn.Module) -> str:
        self._forget_closed()
        known = self._paths.get(id(module))
        if self._open:
            parent = self._open[-1]
            prefix = self._tape.module_calls[self._tape.open_calls[-1]].path
            if known is not None and (not prefix or known.startswith(f"{prefix}.")):
                return known
            for name, child in parent._modules.items():
                if child is module:
                    return f"{prefix}.{name}" if prefix else name
        return self.add_root(module, self._class_name(module)) if known is None else known

    def empty(self) -> None:
        """Forget the modules: the run is over."""
        self.roots, self._paths, self._open = {}, {}, []

    def _class_name(self, module: nn.Module) -> str:
        name = type(module).__name__
        count = 2
        while name in self.roots:
            name = f"{type(module).__name__}_{count}"
            count += 1
        return name

    def add_root(self, module: nn.Module, path: str) -> str:
        """Make `module` an outermost one, called `path`; returns `path`."""
        self.roots[path] = module
        for name, child in module.named_modules(remove_duplicate=False):
            full = ".".join(part for part in (path, name) if part)
            self._paths.setdefault(id(child), full)
        return path
