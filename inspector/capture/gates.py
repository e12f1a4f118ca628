"""Gates: the few places in torch that calls pass which a function mode can't see.

    the autograd engine           every backward pass, whoever starts it
    custom autograd.Function      `apply` runs in C++ and calls `forward` back
    ScriptFunction, ScriptMethod  TorchScript runs in its own interpreter
    the encoder layers' question whether somebody overrides torch functions
    messages between processes: see `collectives.py` and `unasked.py`
    the start of a thread, and of a thread pool's work item: see `threads.py`

Each is one attribute that is replaced while a recording runs and put back afterwards. None of
them changes what is computed. (Code that `torch.compile` made is dealt with in `compiled.py`.)
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from concurrent.futures.thread import _WorkItem
from dataclasses import dataclass
from types import FrameType
from typing import Any

import torch
from torch.autograd.function import Function, _SingleLevelFunction
from torch.overrides import TorchFunctionMode

from inspector.capture.arguments import tensors_in
from inspector.capture.backward import BackwardRecorder
from inspector.capture.calls import Opaque, named_after
from inspector.capture.modestack import lifted
from inspector.capture.ops import OpRecorder
from inspector.capture.tables import forget
from inspector.capture.tape import Tape
from inspector.capture.threads import (
    STARTERS,
    counting_item,
    counting_start,
    one_call,
    uncounted,
)
from inspector.language import sentence

_ABSENT = object()
_FAST_PATHS = ("torch.nn.modules.activation", "torch.nn.modules.transformer")
_TRANSPARENT = "torch.utils.checkpoint"


@dataclass(frozen=True, slots=True)
class Replacement:
    """An attribute of a module or class, and what stands there while recording."""

    owner: Any
    name: str
    value: Any


class Replaced:
    """Puts replacements in place while entered; it can be entered again."""

    def __init__(self, replacements: Iterable[Replacement]) -> None:
        self._replacements = tuple(replacements)
        self._originals: list[Any] = []

    def __enter__(self) -> Replaced:
        for item in self._replacements:
            # From the owner's own dictionary: a class may only inherit the attribute.
            self._originals.append(vars(item.owner).get(item.name, _ABSENT))
            setattr(item.owner, item.name, item.value)
        return self

    def __exit__(self, *error: object) -> None:
        originals, self._originals = self._originals, []  # empty in a pause that a fork ended
        for item, original in reversed(list(zip(self._replacements, originals, strict=False))):
            if vars(item.owner).get(item.name) is not item.value:
                continue  # somebody replaced it after us: theirs stays, and ours does nothing
            if original is _ABSENT:
                delattr(item.owner, item.name)
            else:
                setattr(item.owner, item.name, original)
                forget(item.value, original)


def gates(
    tape: Tape,
    ops: OpRecorder,
    backward: BackwardRecorder,
    mode: TorchFunctionMode,
    distributed: Iterable[tuple[Any, str, Any]],
) -> Replaced:
    """The gates of one recording; `distributed` are those of `torch.distributed`."""
    function, method = torch._C.ScriptFunction, torch._C.ScriptMethod
    others = tape.others
    return Replaced(
        (
            *(
                Replacement(home, name, counting_start(others, getattr(home, name)))
                for home, name in STARTERS
            ),
            Replacement(_WorkItem, "run", counting_item(others, _WorkItem.run)),
            Replacement(torch.autograd.Variable, "_execution_engine", _Engine(backward)),
            Replacement(_SingleLevelFunction, "apply", _function_apply(tape, ops)),
            Replacement(function, "__call__", _script_call(tape, ops, function, "ScriptFunction")),
            Replacement(method, "__call__", _script_call(tape, ops, method, "ScriptModule")),
            Replacement(torch.overrides, "has_torch_function", _question(mode)),
            *(Replacement(*found) for found in distributed),
        )
    )  # fmt: skip


class _Engine:
    """Stands before the autograd engine and hands everything on to it."""

    def __init__(self, recorder: BackwardRecorder) -> None:
        self._engine = torch.autograd.Variable._execution_engine
        self._recorder = recorder

    def run_backward(self, *args: Any, **kwargs: Any) -> Any:
        return self._recorder.run(self._engine.run_backward, args, kwargs, sys._getframe(1))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)


def _function_apply(tape: Tape, ops: OpRecorder) -> Any:
    """`Function.apply` calls its superclass's `apply`, also through an alias made earlier."""

    def apply(cls: type[Function], *args: Any, **kwargs: Any) -> Any:
        original = super(_SingleLevelFunction, cls).apply  # type: ignore[misc]
        if not tape.takes(sys._getframe(1)):
            return one_call(tape, original, args, kwargs)
        if cls.__module__ == _TRANSPARENT:
            return _see_through(tape, original, args, kwargs)
        return ops.run(named_after(cls), original, args, kwargs, _outside(sys._getframe(1)))

    return classmethod(apply)


def _outside(frame: FrameType) -> FrameType | None:
    inner = getattr(Function.apply, "__code__", None)
    return frame.f_back if frame.f_code is inner else frame


def _see_through(tape: Tape, original: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """A reentrant checkpoint is the user's own ops in a wrapper: they are what is shown.

    The wrapper's autograd node is attributed to the op that made the output.
    """
    result = original(*args, **kwargs)
    with torch._C.DisableTorchFunction():
        for tensor in tensors_in(result):
            tape.tensors.refresh(tensor)
            found = tape.tensors.find(tensor)
            raw = None if found is None else tape.tensors.raw[found[1]]
            if raw is not None and raw.sequence is not None and raw.producer is not None:
                tape.node_ops[raw.sequence] = raw.producer
    return result


def _script_call(tape: Tape, ops: OpRecorder, owner: type, kind: str) -> Callable[..., Any]:
    real: Callable[..., Any] = owner.__call__

    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        if not tape.takes(sys._getframe(1)):
            return one_call(tape, real, (self, *args), kwargs)
        tape.note(sentence("TorchScript ran inside: each call of it is shown as one op."))
        func = Opaque(f"{kind}.{self.name}", f"torch.jit.{kind}.{self.name}")

        def scripted(*args: Any, **kwargs: Any) -> Any:
            return real(self, *args, **kwargs)

        held = _tensors_of(self.owner) if kind == "ScriptModule" else []
        return ops.run(func, scripted, args, kwargs, sys._getframe(1), held)

    return call


def _tensors_of(module: Any) -> list[torch.Tensor]:
    """Parameters and buffers of a TorchScript module as C++ holds it, with its children's."""
    own: list[torch.Tensor] = []
    tables: Any = (torch._C.ParameterDict(module), torch._C.BufferDict(module))
    for table in tables:
        own += dict(table.items()).values()
    children: Any = torch._C.ModuleDict(module)
    for child in dict(children.items()).values():
        own += _tensors_of(child)
    return own


def _question(mode: TorchFunctionMode) -> Callable[..., bool]:
    """`has_torch_function` as it would answer without our mode, for modules with a fast path.

    `TransformerEncoderLayer` and `MultiheadAttention` take other kernels when it says yes.
    """
    real = torch.overrides.has_torch_function

    def has_torch_function(relevant_args: Any) -> bool:
        asker = sys._getframe(1).f_globals.get("__name__")
        if asker in _FAST_PATHS and real(relevant_args):
            with lifted(mode), uncounted():
                return bool(real(relevant_args))
        return bool(real(relevant_args))

    return has_torch_function
