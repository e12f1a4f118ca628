"""Everything with a schema: torch's own operator of that name and overload."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import torch

from inspector.torchscript.interpret.containers import container_function
from inspector.torchscript.interpret.scalars import SCALARS

_NAME = re.compile(r"^(?P<name>[^.(\s]+)(?:\.(?P<overload>[^(]*))?\(")
_VARIABLE = re.compile(r"\bt(?:Key|Val|\d)?\b|\bk\b")


@lru_cache(maxsize=4096)
def operator_of(schema: str) -> Callable[..., Any] | None:
    """The function of a node with a schema.

    Args:
        schema: as `torch._C.Node.schema()` gives it; "(no schema)" where there is none.

    Returns:
        A function of the node's inputs in the order of the schema; None where torch has no
        operator that can be called from Python with plain values.
    """
    match = _NAME.match(schema)
    if match is None or "..." in schema.partition("->")[0]:
        return None
    name, overload = match["name"], match["overload"] or ""
    full = f"{name}.{overload}" if overload else name
    parsed = torch._C.parse_schema(schema)
    quick = SCALARS.get(full) or container_function(name, parsed.arguments)
    if quick is not None:
        return quick
    if any(_is_variable(argument.type) for argument in parsed.arguments):
        return None  # a value of any type: torch must be told which
    found = torch._C._get_operation_overload(name, overload)
    return None if found is None else _called(found[0], parsed)


def _is_variable(type_: Any) -> bool:
    return type_.kind() == "VarType" or any(map(_is_variable, type_.containedTypes()))


def _called(operator: Callable[..., Any], schema: Any) -> Callable[..., Any]:
    """The operator with all arguments in the order of the schema, keyword-only ones too."""
    names = [argument.name for argument in schema.arguments if argument.kwarg_only]
    if not names:
        return operator
    count = len(schema.arguments) - len(names)
    if len(names) == 1:
        name = names[0]
        return lambda *given: operator(*given[:count], **{name: given[count]})
    return lambda *given: operator(*given[:count], **dict(zip(names, given[count:], strict=True)))
