"""Arithmetic on numbers, where Python's own gives the same as TorchScript's.

Only what is exact is here: integers of TorchScript have 64 bits and wrap, and division differs
in its errors, so that those go through torch's operators unless the result is in range.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch

_LOW, _HIGH = -(1 << 63), (1 << 63) - 1


def _wrapping(function: Callable[[int, int], int]) -> Callable[[int, int], int]:
    def apply(left: int, right: int) -> int:
        result = function(left, right)
        if _LOW <= result <= _HIGH:
            return result
        return ((result - _LOW) & ((1 << 64) - 1)) + _LOW

    return apply


def _is(left: Any, right: Any) -> bool:
    if left is right:
        return True
    if left is None or right is None or isinstance(left, torch.Tensor | list | dict):
        return False
    return type(left) is type(right) and bool(left == right)


def _derive_index(index: int, start: int, step: int) -> int:
    return start + index * step


_COMPARISONS = {
    "eq": operator.eq,
    "ne": operator.ne,
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
}

SCALARS: dict[str, Callable[..., Any]] = {
    **{
        f"aten::{name}.{type_}": function
        for name, function in _COMPARISONS.items()
        for type_ in ("int", "float")
    },
    **{f"aten::{name}.{t}": _COMPARISONS[name] for name in ("eq", "ne") for t in ("str", "bool")},
    "aten::add.int": _wrapping(operator.add),
    "aten::sub.int": _wrapping(operator.sub),
    "aten::mul.int": _wrapping(operator.mul),
    "aten::add.float": operator.add,
    "aten::sub.float": operator.sub,
    "aten::mul.float": operator.mul,
    "aten::add.str": operator.add,
    "aten::__and__.bool": operator.and_,
    "aten::__or__.bool": operator.or_,
    "aten::__not__": operator.not_,
    "aten::__is__": _is,
    "aten::__isnot__": lambda left, right: not _is(left, right),
    "aten::__derive_index": _derive_index,
    "aten::len.str": len,
    "aten::mul.right_": lambda times, values: values * times,
}
"""By schema name and overload."""
