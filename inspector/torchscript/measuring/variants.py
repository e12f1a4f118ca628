"""The variants of a model that are timed against each other: how each is made and called."""

from __future__ import annotations

import ctypes
import shutil
import threading
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from inspector.errors import ScriptError, TimingError
from inspector.language import sentence
from inspector.torchscript.copies import Values, copied_values, in_words, traced_values
from inspector.torchscript.kept import collected_warnings
from inspector.torchscript.make import compile_script, compile_trace

TITLES: Mapping[str, str] = {
    "eager": "eager",
    "no_grad": sentence("eager, no_grad"),
    "script": "script",
    "trace": "trace",
    "frozen": "frozen",
    "optimised": sentence("optimised for inference"),
    "compile": "torch.compile",
}
"""All variants, in the order of a table. All but "eager" run without gradients."""

DEFAULT = ("eager", "no_grad", "script", "trace", "frozen", "optimised")
_NEED_COPY = ("frozen", "optimised", "compile")
"""They change what they are made of, or need another mode of it."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One variant, ready to be called.

    `call` takes `values`; `fresh` makes new ones. `evaluating` is true where it runs in
    evaluation mode although the model is in training mode.
    """

    name: str
    call: Callable[..., Any]
    fresh: Callable[..., Values]
    grad: bool
    evaluating: bool
    prepare_ms: float
    compiled: Any = None

    def run(self, values: Values) -> Any:
        """One call."""
        args, kwargs = values
        with torch.set_grad_enabled(self.grad):
            return self.call(*args, **kwargs)


@dataclass(frozen=True, slots=True)
class Subject:
    """What is measured: a copy of the model (the model itself where it cannot be copied)."""

    copy: Callable[[], Any]
    is_copied: bool
    is_module: bool
    training: bool
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    compile_limit: float


def make_variant(name: str, subject: Subject, clock: Callable[[], float]) -> Variant:
    """Make a variant.

    Raises:
        TimingError, ScriptError: it cannot be made.
    """
    if name in _NEED_COPY and subject.is_module and not subject.is_copied:
        raise TimingError(sentence("The model cannot be copied, and this variant would change it."))
    start = clock()
    call, fresh, compiled = _MAKERS[name](subject)
    return Variant(
        name=name,
        call=call,
        fresh=fresh,
        grad=name == "eager" and torch.is_grad_enabled(),
        evaluating=name in ("frozen", "optimised") and subject.training,
        prepare_ms=(clock() - start) * 1e3,
        compiled=compiled,
    )


Made = tuple[Callable[..., Any], Callable[..., Values], Any]


def _eager(subject: Subject) -> Made:
    return subject.copy(), copied_values, None


def _script(subject: Subject) -> Made:
    module = compile_script(subject.copy()).module
    return _callable(module), copied_values, module


def _callable(module: Any) -> Callable[..., Any]:
    if isinstance(module, torch.jit.ScriptModule) and not hasattr(module, "forward"):
        raise TimingError(sentence("This module has several forward methods and cannot be called."))
    return module  # type: ignore[no-any-return]


def _trace(subject: Subject) -> Made:
    model = subject.copy()
    made = compile_trace(model, *copied_values(subject.args, subject.kwargs))

    def fresh(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Values:
        return traced_values(model, args, kwargs)

    return made.module, fresh, made.module


def _frozen(subject: Subject) -> Made:
    return _changed(subject, torch.jit.freeze)


def _optimised(subject: Subject) -> Made:
    return _changed(subject, torch.jit.optimize_for_inference)


def _changed(subject: Subject, change: Callable[[Any], Any]) -> Made:
    """Freeze the script in evaluation mode, or the trace where there is no script."""
    if not subject.is_module:
        raise TimingError(
            sentence("Freezing is for modules: a function has no parameters to fold in.")
        )
    own = subject.copy().eval()
    evaluating = Subject(
        lambda: own, True, True, False, subject.args, subject.kwargs, subject.compile_limit
    )
    try:
        _, fresh, module = _script(evaluating)
    except ScriptError:
        _, fresh, module = _trace(evaluating)
    with collected_warnings():
        changed = change(module.eval())
    return changed, fresh, changed


def _compile(subject: Subject) -> Made:
    """Compile with torch.compile, its first call included, within the time limit."""
    if not any(shutil.which(name) for name in ("c++", "g++", "clang++", "cl")):
        raise TimingError(sentence("There is no C++ compiler here, which torch.compile needs."))
    from torch._inductor import config

    compiled = torch.compile(subject.copy())
    args, kwargs = copied_values(subject.args, subject.kwargs)

    def first_call() -> None:
        # One process: workers would live on after the limit.
        with config.patch(compile_threads=1), torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compiled(*args, **kwargs)

    within(subject.compile_limit, first_call)
    return compiled, copied_values, None


_MAKERS: Mapping[str, Callable[[Subject], Made]] = {
    "eager": _eager,
    "no_grad": _eager,
    "script": _script,
    "trace": _trace,
    "frozen": _frozen,
    "optimised": _optimised,
    "compile": _compile,
}


class _Stopped(BaseException):
    """Raised inside a thread whose time is over; no `except Exception` holds it up."""


def within(seconds: float, work: Callable[[], None]) -> None:
    """Do `work` in a thread of its own, and stop it when the time is over.

    A thread can only be stopped between two steps of Python: a running C++ compiler is waited
    for.

    Raises:
        TimingError: it took longer, or raised.
    """
    failed: list[BaseException] = []

    def target() -> None:
        try:
            work()
        except BaseException as error:  # handed over to the waiting thread
            failed.append(error)

    thread = threading.Thread(target=target, name="inspector-compile", daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        _stop(thread)
        raise TimingError(
            sentence("torch.compile took longer than the {seconds:g} s allowed.", seconds=seconds)
        )
    if failed:
        raise TimingError(sentence("torch.compile failed: {error}", error=in_words(failed[0])))


def _stop(thread: threading.Thread) -> None:
    for _ in range(50):
        ident = ctypes.c_ulong(thread.ident or 0)
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ident, ctypes.py_object(_Stopped))
        thread.join(0.1)
        if not thread.is_alive():
            return
        time.sleep(0)
