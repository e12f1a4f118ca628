"""What the calls of a loaded archive run of its graph: `LoadedCalls`.

A loaded module runs as one op, and what is in it cannot be seen. So what it is called with is
kept, with the state that it has at that moment; afterwards the archive's own graph is interpreted
with both.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from inspector.capture.arguments import tensors_in
from inspector.capture.summary import undisturbed
from inspector.language import sentence
from inspector.records import StaticGraph
from inspector.static_run import StaticRun
from inspector.torchscript.copies import copied_values
from inspector.torchscript.interpret import InterpretOptions, interpret
from inspector.torchscript.live import live_of

MOST_CALLS = 64
MOST_BYTES = 64 << 20
"""Of what is kept for later."""

_METHOD: Any = torch._C.ScriptMethod
"""The class of methods of a loaded module: each call of one goes through it."""


@dataclass(frozen=True, slots=True)
class _Call:
    """One call, and what it finds: `state` by the names of tensors, `training` by submodule."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    state: Mapping[str, torch.Tensor]
    training: Mapping[str, bool]
    random: torch.Tensor
    grad: bool


class LoadedCalls:
    """The calls of modules that are loaded from the same archive as a graph.

    Args:
        static: the graph, of `load_torchscript`, made in this process.

    Attributes:
        seen: how many calls there were.
        problem: why not all of them are kept, in words; "" if they are, but for `MOST_CALLS`.
    """

    def __init__(self, static: StaticGraph) -> None:
        self.seen = 0
        self.problem = ""
        self._static = static
        self._module = live_of(static).module
        self._kept: list[_Call] = []
        self._left = MOST_BYTES
        self._state: tuple[object, dict[str, torch.Tensor]] = (None, {})
        self._real = _METHOD.__call__

    def watch(self) -> None:
        """Keep each call from now on. A recording that begins later stands around it."""
        real = self._real

        def call(method: Any, *args: Any, **kwargs: Any) -> Any:
            self._note(method, args, kwargs)
            return real(method, *args, **kwargs)

        _METHOD.__call__ = call

    def end(self) -> None:
        """Keep no further calls."""
        _METHOD.__call__ = self._real

    def _note(self, method: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if method.name != "forward" or method.owner._type().name() != self._static.name:
            return
        self.seen += 1
        if self.seen > MOST_CALLS or self._left < 0:
            return
        grad = torch.is_grad_enabled()
        with undisturbed():
            try:
                self._keep(method.owner, args, kwargs, grad)
            except Exception as error:  # ours: it must not become the program's
                self._left = -1
                self.problem = sentence("its input could not be copied: {error}", error=error)

    def _keep(self, module: Any, args: Any, kwargs: Any, grad: bool) -> None:
        tensors = dict(_tensors(module))
        # Most calls find the parameters of the one before.
        mark = [(tensor.data_ptr(), tensor._version) for tensor in tensors.values()]
        changed = mark != self._state[0]
        copied = (args, kwargs, tensors if changed else ())
        self._left -= sum(tensor.nbytes for tensor in tensors_in(copied))
        if self._left < 0:
            self.problem = sentence(
                "its inputs and parameters are larger than {mib} MiB.", mib=MOST_BYTES >> 20
            )
            return
        if changed:
            self._state = mark, {name: tensor.clone() for name, tensor in tensors.items()}
        given, named = copied_values(args, kwargs)
        training = {path: each.getattr("training") for path, each in _modules(module)}
        random = torch.get_rng_state()
        self._kept.append(_Call(given, named, self._state[1], training, random, grad))

    def runs(self, most: int) -> Iterator[StaticRun]:
        """An interpretation of each call that was kept, one after the other.

        Args:
            most: executions of nodes, in all of them together. The run that gets there fails with
                "ExecutionLimit", and none comes after it.

        Raises:
            InterpretError, UnsupportedNode: as of `interpret`.
            KeyError, RuntimeError: a module has the archive's name, and is another.
        """
        for call in self._kept:
            with torch.no_grad():
                for name, tensor in _tensors(self._module):
                    tensor.copy_(call.state[name])
            for path, each in _modules(self._module):
                each.setattr("training", call.training[path])
            torch.set_rng_state(call.random)
            options = InterpretOptions(values="none", max_steps=0, max_executions=most)
            with torch.set_grad_enabled(call.grad):
                run = interpret(self._static, *call.args, options=options, **call.kwargs)
            yield run
            most -= sum(run.executions.values())
            if most <= 0 or (run.failure is not None and run.failure.type == "ExecutionLimit"):
                return


def _modules(module: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """A TorchScript module as C++ holds it, and those in it, that can be in training or not."""
    if module.hasattr("training"):
        yield path, module
    for name, child in _items(torch._C.ModuleDict(module)):
        yield from _modules(child, f"{path}{name}.")


def _tensors(module: Any, path: str = "") -> Iterator[tuple[str, torch.Tensor]]:
    """Its parameters and buffers, and theirs."""
    for table in (torch._C.ParameterDict(module), torch._C.BufferDict(module)):
        for name, tensor in _items(table):
            yield path + name, tensor
    for name, child in _items(torch._C.ModuleDict(module)):
        yield from _tensors(child, f"{path}{name}.")


def _items(table: Any) -> Iterator[tuple[str, Any]]:
    yield from table.items()
