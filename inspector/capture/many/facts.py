"""What a model was called with, in words and numbers that can be counted: `facts_of`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import nn

from inspector.capture.many.inputs import Given

Value = bool | int | float | str
Fact = tuple[str, str, Value]
"""("argument" or "the shape of", the argument's name, value)."""

_LONGEST = 16
"""Of lists of plain values; longer ones are told by their length."""


def parameters_of(model: Callable[..., Any]) -> Mapping[str, Any]:
    """The names of what a model takes by position, with their defaults (`inspect._empty`)."""
    function = model.forward if isinstance(model, nn.Module) else model
    try:
        found = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return {}
    by_position = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return {one.name: one.default for one in found if one.kind in by_position}


def facts_of(given: Given, parameters: Mapping[str, Any]) -> list[Fact]:
    """Each argument: plain ones by their value, tensors by their shape."""
    return [fact for name, value in _named(given, parameters) for fact in _facts(name, value)]


def _named(given: Given, parameters: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    names = list(parameters)
    for place, value in enumerate(given.args):
        yield (names[place] if place < len(names) else f"number {place + 1}"), value
    yield from given.kwargs.items()
    for name in names[len(given.args) :]:
        if name not in given.kwargs and parameters[name] is not inspect.Parameter.empty:
            yield name, parameters[name]


def _facts(name: str, value: Any) -> Iterator[Fact]:
    if isinstance(value, torch.Tensor):
        yield "argument", name, "a tensor"
        if value.layout == torch.strided and not value.is_nested:
            yield "the shape of", name, str(tuple(value.shape))
    elif type(value) in (bool, int, float, str):
        yield "argument", name, value
    elif value is None:
        yield "argument", name, "None"
    elif type(value) in (list, tuple) and all(
        type(one) in (bool, int, float, str) for one in value
    ):
        text = repr(value) if len(value) <= _LONGEST else f"{len(value)} values"
        yield "argument", name, text
    else:
        yield "argument", name, f"a {type(value).__name__}"
