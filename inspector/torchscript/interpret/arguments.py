"""What the compiled module makes of its arguments, and of what it returns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from inspector.errors import InterpretError
from inspector.language import sentence
from inspector.torchscript.interpret.describe import text_of
from inspector.torchscript.interpret.single import converter
from inspector.torchscript.live import Live
from inspector.torchscript.wrapper import a_kind, is_traceable, labelled, rebuilt


def converted(name: str, live: Live, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
    """The arguments as the compiled module gets them: its types, lists and dicts copied.

    Raises:
        InterpretError: they do not fit the module's parameters.
    """
    arguments = live.method.schema.arguments
    arguments = arguments[0 if live.module is None else 1 :]
    given = _bound(name, arguments, args, kwargs)
    values = [_fitting(name, *each) for each in zip(arguments, given, strict=True)]
    return values if live.module is None else [live.module, *values]


def _bound(
    name: str, arguments: Sequence[Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> list[Any]:
    names = [argument.name for argument in arguments]
    wanted = sentence("It takes ({names}).", names=", ".join(names))
    if len(args) > len(names):
        raise InterpretError(
            sentence("{name} got {n} arguments. {wanted}", name=name, n=len(args), wanted=wanted)
        )
    given = dict(zip(names, args, strict=False))
    for key, value in kwargs.items():
        if key not in names:
            raise InterpretError(
                sentence(
                    "{name} has no parameter {key}. {wanted}",
                    name=name,
                    key=repr(key),
                    wanted=wanted,
                )
            )
        if key in given:
            raise InterpretError(
                sentence(
                    "{name} got {key} twice. {wanted}", name=name, key=repr(key), wanted=wanted
                )
            )
        given[key] = value
    for argument in arguments:
        if argument.name not in given:
            if not argument.has_default_value():
                raise InterpretError(
                    sentence(
                        "{name} needs the argument {argument}. {wanted}",
                        name=name,
                        argument=repr(argument.name),
                        wanted=wanted,
                    )
                )
            given[argument.name] = argument.default_value
    return [given[each] for each in names]


def _fitting(name: str, argument: Any, value: Any) -> Any:
    try:
        return converter(name, [("value", argument.type)])(value)[0]
    except RuntimeError as error:
        raise InterpretError(
            sentence(
                "{name} takes a {type} as {argument}, and got {kind}.",
                name=name,
                type=argument.type.annotation_str,
                argument=repr(argument.name),
                kind=a_kind(value),
            )
        ) from error


def returned(live: Live, values: list[Any]) -> Any:
    """What the compiled module returns, from the values of the graph's outputs.

    Raises:
        RuntimeError: a value cannot go from TorchScript to Python.
    """
    types = [each.type for each in live.method.schema.returns]
    found = [_copied(type_, value) for type_, value in zip(types, values, strict=True)]
    return found[0] if len(found) == 1 else tuple(found)


def _copied(type_: Any, value: Any) -> Any:
    """A value as a call from Python returns it: lists, dicts, tuples and instances are copies.

    torch makes the copy, where it takes the value back: it does not take a list of several
    types, nor one with None for an undefined tensor. These are copied by hand.
    """
    try:
        return converter("result", [("value", type_)])(value)[0]
    except RuntimeError:
        kind = type_.kind()
        if kind == "UnionType":
            return _member(type_, value)
        if kind == "ListType" and isinstance(value, list):
            return [_copied(type_.getElementType(), each) for each in value]
        if kind == "DictType" and isinstance(value, dict):
            return {key: _copied(type_.getValueType(), each) for key, each in value.items()}
        if kind == "TupleType" and isinstance(value, tuple) and _by_hand(type_, value):
            types = type_.elements()
            return tuple([_copied(t, each) for t, each in zip(types, value, strict=True)])
        raise


def _member(type_: Any, value: Any) -> Any:
    """A copy as the first type of a union that the value is of."""
    for member in type_.containedTypes():
        kind = _KINDS.get(type(value))
        if member.kind() == kind and (kind != "TupleType" or len(member.elements()) == len(value)):
            try:
                return _copied(member, value)
            except RuntimeError:
                continue
    raise RuntimeError("no type of the union fits")


def _by_hand(type_: Any, values: tuple[Any, ...]) -> bool:
    """Whether TorchScript returns the tuple: not so with an undefined tensor right in it.

    A named tuple is left to torch, which makes its class.
    """
    pairs = zip(type_.elements(), values, strict=True)
    undefined = any(each is None and inner.kind() == "TensorType" for inner, each in pairs)
    return not undefined and type_.annotation_str.startswith("Tuple[")


_KINDS: dict[type, str] = {list: "ListType", dict: "DictType", tuple: "TupleType"}


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
        raise InterpretError(
            sentence("{name} cannot take these arguments: {error}.", name=name, error=error)
        ) from None
    for label, value in labelled(bound, args).items():
        built_in = live.fixed.values.get(label)
        if label in live.fixed.values:
            if _differs(value, built_in):
                notes.append(
                    sentence(
                        "The trace has {label}={value} built in; the given {given} has no effect.",
                        label=label,
                        value=text_of(built_in),
                        given=text_of(value),
                    )
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
