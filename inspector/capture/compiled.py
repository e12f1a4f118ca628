"""Calls of code that `torch.compile` made: one opaque op each. And tracing, which is like it.

A function mode, a dispatch mode or a module hook would make Dynamo compile other code than
without recording. So everything of ours is taken away while compiled code runs, and one op
is noted from what went in and came out.
"""

from __future__ import annotations

import functools
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from inspector.capture.calls import Opaque
from inspector.capture.gates import Replaced, Replacement
from inspector.capture.lines import LineRecorder
from inspector.capture.modestack import lifted, lifted_dispatch
from inspector.capture.modules import ModuleRecorder
from inspector.capture.ops import Begun, OpRecorder
from inspector.capture.otherthreads import CALL
from inspector.capture.tape import Tape
from inspector.capture.threads import uncounted
from inspector.language import sentence

_HIDDEN = sentence(
    "Another thread ran code made by torch.compile, or traced or exported a model. Our module "
    "hooks, which are global, were off meanwhile: module calls that began then are not recorded."
)
_NOTE = sentence("Code made by torch.compile ran inside: each call of it is shown as one op.")


@dataclass(slots=True)
class Pause:
    """Everything that a recording has installed and compiled code must not meet."""

    modules: ModuleRecorder
    gates: Replaced
    mode: TorchFunctionMode
    dispatch: Sequence[TorchDispatchMode]  # from the innermost, those that are there
    lines: LineRecorder | None
    active: bool = False
    aside_on: set[int] = field(default_factory=set)  # numbers of threads

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Take it all away and put it back afterwards; within a pause, do nothing."""
        if self.active:
            yield
            return
        with ExitStack() as stack:
            self.active = True
            stack.callback(setattr, self, "active", False)
            stack.enter_context(lifted(self.mode))
            for installed in (self.gates, self.modules):
                installed.__exit__(None, None, None)
                stack.callback(installed.__enter__)
            for mode in self.dispatch:
                stack.enter_context(lifted_dispatch(mode))
            if self.lines is not None:
                stack.enter_context(self.lines.paused())
            yield

    @contextmanager
    def aside(self, tape: Tape) -> Iterator[None]:
        """On another thread: count one call, with nothing of ours that its code could meet."""
        here = threading.get_ident()
        if tape.thread_is_ours or here in self.aside_on:
            yield
            return
        tape.elsewhere(CALL)
        tape.note(_HIDDEN)
        self.aside_on.add(here)
        try:
            with uncounted(), self.modules.hidden():
                yield
        finally:
            self.aside_on.discard(here)


class CompiledGates:
    """The gates before compiled code, while entered.

    Dynamo takes seconds to import, so nothing is done until the program has imported it or
    calls `torch.compile`.

    Args:
        tape: where to write.
        ops: notes the calls.
        pause: takes everything that the recording has installed away for a while.
    """

    def __init__(self, tape: Tape, ops: OpRecorder, pause: Pause) -> None:
        self._make = lambda: _gates(tape, ops, pause)
        self._installed = ExitStack()
        self._first: Replaced | None = None

    def __enter__(self) -> CompiledGates:
        if "torch._dynamo.eval_frame" in sys.modules:
            self._installed.enter_context(self._make())
        else:
            first = Replaced((Replacement(torch, "compile", self._first_compile(torch.compile)),))
            self._installed.enter_context(first)
            self._first = first
        return self

    def __exit__(self, *error: object) -> None:
        self._installed.close()

    def _first_compile(self, real: Callable[..., Any]) -> Callable[..., Any]:
        ready = False

        @functools.wraps(real)
        def compile(*args: Any, **kwargs: Any) -> Any:
            nonlocal ready
            if not ready and self._first is not None:
                self._first.__exit__(None, None, None)  # Dynamo looks at `torch.compile` as well
            try:
                return real(*args, **kwargs)
            finally:
                if not ready:
                    ready = self._watch_compiled()

        return compile

    def _watch_compiled(self) -> bool:
        """Have the gates in place if Dynamo is there by now; else wait on."""
        if "torch._dynamo.eval_frame" in sys.modules:
            self._installed.enter_context(self._make())
            return True
        if self._first is not None:
            self._first.__enter__()
        return False


def tracing_gates(tape: Tape, pause: Pause) -> Replaced:
    """Tracers and exporters run a model in order to write it down, and not for its result.

    They write down the Python frames and hooks that they meet, and `torch.export` in its strict
    mode compiles them: none of ours may be there.
    """
    within = False  # one function of the list calls another

    def unwatched(real: Callable[..., Any], name: str) -> Callable[..., Any]:
        @functools.wraps(real)
        def trace(*args: Any, **kwargs: Any) -> Any:
            nonlocal within
            if tape.running or not tape.recording_here:
                with pause.aside(tape):
                    return real(*args, **kwargs)
            if within:
                return real(*args, **kwargs)
            tape.note(_ran_inside(name))
            within = True
            try:
                with pause.paused():
                    return real(*args, **kwargs)
            finally:
                within = False

        return trace

    return Replaced(
        Replacement(home, attribute, unwatched(getattr(home, attribute), name))
        for home, attribute, name in _tracers()
    )


def _ran_inside(name: str) -> str:
    if "export" in name:
        return sentence(
            "{name} ran inside: what it ran in order to export is not shown.", name=name
        )
    return sentence("{name} ran inside: what it ran in order to trace is not shown.", name=name)


def _tracers() -> Iterator[tuple[Any, str, str]]:
    """Module, attribute and public name of the functions that trace or export a model."""
    for attribute in ("_trace_impl", "trace_module"):
        yield sys.modules["torch.jit._trace"], attribute, "torch.jit.trace"
    yield torch.fx.Tracer, "trace", "torch.fx"
    for attribute in ("export", "draft_export"):
        yield torch.export, attribute, "torch.export"
    yield torch.onnx, "export", "torch.onnx.export"
    # Behind `from torch.export import export`; importing it takes seconds, so only if it is there.
    if "torch.export._trace" in sys.modules:
        yield sys.modules["torch.export._trace"], "_export", "torch.export"


def _gates(tape: Tape, ops: OpRecorder, pause: Pause) -> Replaced:
    eval_frame = sys.modules["torch._dynamo.eval_frame"]
    enter_and_leave = _Wrapper(tape, ops, pause, eval_frame._maybe_set_eval_frame)
    module_call = _module_call(tape, ops, pause, eval_frame.OptimizedModule.__call__)
    return Replaced(
        (
            Replacement(eval_frame, "_maybe_set_eval_frame", enter_and_leave),
            Replacement(eval_frame.OptimizedModule, "__call__", module_call),
        )
    )


def _module_call(
    tape: Tape, ops: OpRecorder, pause: Pause, real: Callable[..., Any]
) -> Callable[..., Any]:
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        if tape.running or not tape.recording_here:
            with pause.aside(tape):
                return real(self, *args, **kwargs)
        tape.note(_NOTE)
        name = type(self._orig_mod).__name__

        def compiled(*args: Any, **kwargs: Any) -> Any:
            with pause.paused():
                return real(self, *args, **kwargs)

        func = Opaque(f"compiled.{name}", f"torch.compile({name})")
        return ops.run(func, compiled, args, kwargs, sys._getframe(1), _held(self._orig_mod))

    return call


class _Wrapper:
    """Stands for the function that Dynamo's wrapper calls just before and after the code.

    The wrapper of a compiled function is a closure that exists since `torch.compile`; this
    call is the only one in it that can be reached. The frame tells which of two calls it is.
    """

    def __init__(self, tape: Tape, ops: OpRecorder, pause: Pause, real: Callable[..., Any]) -> None:
        self._tape = tape
        self._ops = ops
        self._pause = pause
        self._real = real
        self._open: tuple[FrameType, Begun, int, AbstractContextManager[None]] | None = None
        self._elsewhere: dict[FrameType, AbstractContextManager[None]] = {}

    def __call__(self, callback: Any) -> Any:
        frame = sys._getframe(1)
        tape = self._tape
        if not tape.thread_is_ours:
            return self._on_another_thread(frame, callback)
        if self._open is not None and self._open[0] is frame:
            result = self._real(callback)
            self._leave(frame)
            return result
        if (
            callable(callback)
            and frame.f_code.co_name == "compile_wrapper"
            and not tape.running
            and tape.recording_here
        ):
            self._enter(frame)
        return self._real(callback)

    def _on_another_thread(self, frame: FrameType, callback: Any) -> Any:
        """Counts one call, and takes the counter out of Dynamo's sight for as long."""
        if frame in self._elsewhere:
            result = self._real(callback)
            self._elsewhere.pop(frame).__exit__(None, None, None)
            return result
        if callable(callback) and frame.f_code.co_name == "compile_wrapper":
            self._elsewhere[frame] = self._pause.aside(self._tape)
            self._elsewhere[frame].__enter__()
        return self._real(callback)

    def _enter(self, frame: FrameType) -> None:
        self._tape.note(_NOTE)
        given = frame.f_locals
        function = given.get("fn")
        owner = getattr(function, "__self__", None)
        named = function if owner is None else type(owner)  # a module is compiled as a method
        name = getattr(named, "__name__", None) or type(named).__name__
        func = Opaque(f"compiled.{name}", f"torch.compile({name})")
        try:
            begun = self._ops.begin(
                func, given.get("args", ()), given.get("kwargs", {}), frame.f_back, _held(owner)
            )
        except Exception as error:  # ours: it must not become the program's failure
            self._tape.broken(error)
            return
        pause = self._pause.paused()
        pause.__enter__()
        self._open = (frame, begun, time.perf_counter_ns(), pause)

    def _leave(self, frame: FrameType) -> None:
        assert self._open is not None
        _, begun, start, pause = self._open
        self._open = None
        duration = time.perf_counter_ns() - start
        pause.__exit__(None, None, None)
        self._tape.running = False
        error = sys.exception()
        if "result" in frame.f_locals:
            self._ops.end(begun, frame.f_locals["result"], duration)
        elif error is not None:
            self._ops.failed(begun, error, duration)


def _held(module: object) -> list[torch.Tensor]:
    """Parameters and buffers of a compiled module; nothing for a function."""
    if not isinstance(module, nn.Module):
        return []
    return [*module.parameters(), *module.buffers()]
