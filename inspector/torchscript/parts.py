"""Which submodules script on their own, where the whole model does not."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import torch
from torch import nn

from inspector.errors import ScriptError
from inspector.exported import ScriptablePart
from inspector.language import sentence
from inspector.torchscript.make import compile_script, no_model

_HOLDERS = (nn.ModuleList, nn.ModuleDict, nn.ParameterList, nn.ParameterDict)
"""They hold modules and have no code of their own."""

Structure = tuple[object, ...]
"""A module's class and those of all that it holds: equal ones are tried once."""


def scriptable_parts(model: nn.Module, seconds: float = 10.0) -> tuple[ScriptablePart, ...]:
    """The largest submodules that `torch.jit.script` compiles, and why the others fail.

    The model itself is tried first, then the modules inside of what failed. Submodules of one
    class with the same classes inside are tried once and listed together. What lies inside a
    part that scripts is not listed.

    Args:
        model: a module; it stays as it is.
        seconds: no new attempt begins after this time. What was not tried says so as reason.

    Returns:
        First the parts that script, those with the most modules and parameters first, then
        those that do not, outermost first.

    Raises:
        ScriptError: `model` is no module.
    """
    if not isinstance(model, nn.Module):
        raise ScriptError(
            no_model(model)
            or sentence(
                "{kind} is no module, so it has no parts. Pass an instance of torch.nn.Module.",
                kind=type(model).__name__,
            )
        )
    search = _Search(time.monotonic() + seconds)
    search.look("", model)
    found = [_part(group) for group in search.groups.values()]
    scripting = sorted((p for p in found if p.scripts), key=_size)
    return (*scripting, *(part for part in found if not part.scripts))


@dataclass(slots=True)
class _Group:
    module: nn.Module
    error: ScriptError | None
    paths: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Search:
    """Goes from the outside in; `groups` are in the order of their first module."""

    deadline: float
    groups: dict[Structure, _Group] = field(default_factory=dict)
    _structures: dict[int, Structure] = field(default_factory=dict)
    _seen: set[int] = field(default_factory=set)

    def look(self, path: str, module: nn.Module) -> None:
        """Try a module, and those inside it where it does not script."""
        if id(module) in self._seen:  # shared: it goes by its first path, as in `named_modules`
            return
        self._seen.add(id(module))
        if not isinstance(module, _HOLDERS):
            group = self._group(module)
            group.paths.append(path)
            if group.error is None:
                return
        for name, child in module.named_children():
            self.look(f"{path}.{name}".removeprefix("."), child)

    def _group(self, module: nn.Module) -> _Group:
        key = self._structure(module)
        if key not in self.groups:
            self.groups[key] = _Group(module, self._try(module))
        return self.groups[key]

    def _try(self, module: nn.Module) -> ScriptError | None:
        if isinstance(module, torch.jit.ScriptModule):
            return None
        if time.monotonic() > self.deadline:
            return ScriptError(
                sentence("Not tried: the time for trying was over. Script it by itself.")
            )
        try:
            compile_script(module)
        except ScriptError as error:
            return error
        return None

    def _structure(self, module: nn.Module) -> Structure:
        known = self._structures.get(id(module))
        if known is None:
            # The mode decides which code is compiled where a constant depends on it.
            inside = (self._structure(child) for child in module.children())
            known = self._structures[id(module)] = (type(module), module.training, *inside)
        return known


def _size(part: ScriptablePart) -> tuple[int, int]:
    return -part.modules, -part.parameters


def _part(group: _Group) -> ScriptablePart:
    error = group.error
    return ScriptablePart(
        paths=tuple(group.paths),
        type=type(group.module).__name__,
        modules=sum(1 for _ in group.module.modules()),
        parameters=sum(parameter.numel() for parameter in group.module.parameters()),
        reason="" if error is None else error.message,
        file=None if error is None else error.file,
        line=None if error is None else error.line,
    )
