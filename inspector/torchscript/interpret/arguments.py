"""What the compiled module makes of its arguments, and of what it returns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from inspector.errors import InterpretError
from inspector.torchscript.interpret.describe import text_of
from inspector.torchscript.interpret.single import converter
from inspector.torchscript.live import Live
from inspector.torchscript.wrapper import is_traceable, labelled, rebuilt


def converted(name: str, live: Live, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
    """The arguments as the compiled module gets them: its types, lists and dicts copied.

    Raises:
        InterpretError: they do not fit the module's parameters.
    """
    arguments = live.method.schema.arguments
    arguments = arguments[0 if live.module is None else 1 :]
    given = _bound(name, arguments, args, kwargs)
    convert = converter(name, [(f"input_{n}", a.type) for n, a in enumerate(arguments)])
    try:
        values = list(convert(*given))
    except RuntimeError as error:
        raise InterpretError(_misfit(name, arguments, given, error)) from error
    return values if live.module is None else [live.module, *values]


def _bound(
    name: str, arguments: Sequence[Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> list[Any]:
    names = [argument.name for argument in arguments]
    wanted = f"It takes ({', '.join(names)})."
    if len(args) > len(names):
        raise InterpretError(f"{name} got {len(args)} arguments. {wanted}")
    given = dict(zip(names, args, strict=False))
    for key, value in kwargs.items():
        if key not in names:
            raise InterpretError(f"{name} has no parameter {key!r}. {wanted}")
        if key in given:
            raise InterpretError(f"{name} got {key!r} twice. {wanted}")
        given[key] = value
    for argument in arguments:
        if argument.name not in given:
            if not argument.has_default_value():
                raise InterpretError(f"{name} needs the argument {argument.name!r}. {wanted}")
            given[argument.name] = argument.default_value
    return [given[each] for each in names]


def _misfit(name: str, arguments: Sequence[Any], given: list[Any], error: RuntimeError) -> str:
    for place, argument in enumerate(arguments):
        try:
            converter(name, [("value", argument.type)])(given[place])
        except RuntimeError:
            return (
                f"{name} takes a {argument.type.annotation_str} as {argument.name!r}, and got a "
                f"{type(given[place]).__name__}."
            )
    return f"{name} cannot take these arguments: {error}"


def returned(name: str, live: Live) -> Callable[[list[Any]], Any]:
    """A function from the values of the graph's outputs to what the compiled module returns."""
    results = [("result", result.type) for result in live.method.schema.returns]
    convert = converter(name, results)

    def convert_back(values: list[Any]) -> Any:
        found = convert(*values)
        return found[0] if len(found) == 1 else found

    return convert_back


def traced_arguments(
    name: str, live: Live, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], list[str]]:
    """The arguments of a traced model as those of its graph, which takes only tensors.

    Returns:
        What the graph takes, and notes on arguments that it has built in with other values.

    Raises:
        InterpretError: they do not fit what was traced.
    """
    assert live.fixed is not None
    count = len(live.method.schema.arguments) - (live.module is not None)
    found: list[Any] = []
    notes: list[str] = []

    def keep(_: str, tensor: torch.Tensor) -> torch.Tensor:
        found.append(tensor)
        return tensor

    try:
        bound = live.fixed.signature.bind(*args, **kwargs)
    except TypeError as error:
        if len(args) == count and not kwargs:
            return args, []  # the graph's own inputs
        raise InterpretError(f"{name} cannot take these arguments: {error}.") from None
    for label, value in labelled(bound, args).items():
        built_in = live.fixed.values.get(label)
        if label in live.fixed.values:
            if _differs(value, built_in):
                notes.append(
                    f"The trace has {label}={text_of(built_in)} built in; the given "
                    f"{text_of(value)} has no effect."
                )
        elif is_traceable(value):
            found.append(value)
        else:
            rebuilt(value, label, keep)
    if len(found) != count and len(args) == count and not kwargs:
        return args, []
    return tuple(found), notes


def _differs(value: Any, built_in: Any) -> bool:
    if value is built_in:
        return False
    if isinstance(value, torch.Tensor):
        return True
    try:
        return type(value) is not type(built_in) or bool(value != built_in)
    except (RuntimeError, TypeError, ValueError):  # objects that cannot be compared
        return False
