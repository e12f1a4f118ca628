"""Contexts that leave no trace: warnings collected, random state, models and compiler as before."""

from __future__ import annotations

import functools
import random
import sys
import types
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn


@contextmanager
def collected_warnings() -> Iterator[list[warnings.WarningMessage]]:
    """Collect all warnings of the block instead of showing them."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield caught


@contextmanager
def attributes_kept(model: Any) -> Iterator[None]:
    """Take away what the compiler leaves on the modules (`__overloads__`)."""
    modules = list(model.modules()) if isinstance(model, nn.Module) else []
    before = [set(vars(module)) for module in modules]
    try:
        yield
    finally:
        for module, names in zip(modules, before, strict=True):
            for name in set(vars(module)) - names:
                del module.__dict__[name]


@contextmanager
def random_state_kept() -> Iterator[None]:
    """Set the random generators of Python, NumPy (where it is loaded) and torch back after."""
    numpy = sys.modules.get("numpy")
    python_state, numpy_state = random.getstate(), numpy and numpy.random.get_state()
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()
    with torch.random.fork_rng(devices=devices):
        try:
            yield
        finally:
            random.setstate(python_state)
            if numpy is not None:
                numpy.random.set_state(numpy_state)


@contextmanager
def modules_kept(modules: Iterable[nn.Module]) -> Iterator[None]:
    """Set modules that cannot be copied back: attributes, training flag, values, gradients.

    What a run changes *inside* a plain Python attribute (an item appended to a list) stays.
    """
    states = [(module, _contents(module)) for module in modules]
    tensors = {id(held): held for module, _ in states for held in _held(module)}
    values = [(held, held._version, held.detach().clone()) for held in tensors.values()]
    try:
        yield
    finally:
        for module, contents in states:
            vars(module).clear()
            for name, (value, table) in contents.items():
                if table is not None:  # the same dict again: hooks' handles hold on to it
                    value.clear()
                    value.update(table)
                vars(module)[name] = value
        for held, version, value in values:
            # Not by the version alone: batch norm writes its statistics without raising it.
            if held._version != version or not torch.equal(held, value):
                with torch.no_grad():
                    held.copy_(value)
                # A graph that saved this tensor may still be waiting for its backward pass.
                torch._C._autograd._unsafe_set_version_counter((held,), (version,))


@contextmanager
def gradients_off(modules: Iterable[nn.Module]) -> Iterator[None]:
    """No parameter asks for a gradient: a traced function cannot hold one that does."""
    asking = [p for module in modules for p in module.parameters() if p.requires_grad and p.is_leaf]
    try:
        for parameter in asking:
            parameter.requires_grad_(False)
        yield
    finally:
        for parameter in asking:
            parameter.requires_grad_(True)


def _contents(module: nn.Module) -> dict[str, tuple[Any, dict[Any, Any] | None]]:
    """A module's attributes, each dict (parameters, buffers, hooks, ...) with its content."""
    return {
        name: (value, dict(value) if isinstance(value, dict) else None)
        for name, value in vars(module).items()
    }


def _held(module: nn.Module) -> Iterator[torch.Tensor]:
    for tensor in [*module._parameters.values(), *module._buffers.values()]:
        if tensor is not None:
            yield tensor
            if tensor.grad is not None:
                yield tensor.grad


def reached_modules(function: Any) -> list[nn.Module]:
    """The modules that a function can reach: bound to it, in its closure, or by a global name."""
    found: dict[int, nn.Module] = {}
    waiting: list[Any] = [function]
    seen: set[int] = set()
    while waiting:
        value = waiting.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, nn.Module):
            found.update((id(module), module) for module in value.modules())
        elif isinstance(value, functools.partial):
            waiting += [value.func, *value.args, *value.keywords.values()]
        elif isinstance(value, types.MethodType):
            waiting += [value.__self__, value.__func__]
        elif isinstance(value, types.FunctionType):
            waiting += _names_of(value)
        elif isinstance(value, list | tuple):
            waiting += value
        elif isinstance(value, dict):
            waiting += value.values()
        elif value is function:  # an object that is called
            waiting += [*getattr(value, "__dict__", {}).values(), type(value).__call__]
    return list(found.values())


def _names_of(function: types.FunctionType) -> list[Any]:
    cells = [cell.cell_contents for cell in function.__closure__ or () if _is_filled(cell)]
    names = [function.__globals__.get(name) for name in function.__code__.co_names]
    wanted = (nn.Module, functools.partial, types.FunctionType, types.MethodType)
    named = [value for value in names if isinstance(value, wanted)]
    wrapped = getattr(function, "__wrapped__", None)
    # Functions of packages (torch's own, above all) hold no model of the user.
    return cells + [value for value in (*named, wrapped) if not _is_torch(value)]


def _is_torch(value: Any) -> bool:
    is_module = isinstance(value, nn.Module)
    return not is_module and str(getattr(value, "__module__", "")).split(".")[0] == "torch"


def _is_filled(cell: types.CellType) -> bool:
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:  # a name that is not bound (yet)
        return False
    return True
