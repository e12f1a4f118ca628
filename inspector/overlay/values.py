"""What a replay knows about the values of a graph: numbers, lists, shapes, or nothing.

A tensor is only its shape. An `UNKNOWN` operand makes an unknown result; nothing is guessed.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from inspector.records import TensorInfo


class Unknown:
    """The type of `UNKNOWN`."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = Unknown()


@dataclass(frozen=True, slots=True)
class TensorValue:
    """A tensor: as the recording has it, or nothing but that it is one (or its shape)."""

    shape: tuple[int, ...] | None = None
    dtype: str | None = None
    number: int | None = None
    storage: int | None = None
    requires_grad: bool | None = None


def recorded(info: TensorInfo | None) -> TensorValue:
    """What a recording tells of a tensor."""
    if info is None:
        return TensorValue()
    return TensorValue(info.shape, info.dtype, info.id, info.storage, info.requires_grad)


@dataclass(frozen=True, slots=True)
class ModuleValue:
    """A submodule."""

    path: str


@dataclass(slots=True)
class ListValue:
    """A list, shared by all names that it goes by; `items` is None once it is lost sight of."""

    items: list[Any] | None


def of_type(type_: str) -> Any:
    """What a value is known to be from its type alone."""
    if type_ == "NoneType":
        return None
    return TensorValue() if is_tensor(type_) else UNKNOWN


def is_tensor(type_: str) -> bool:
    """Whether a printed type is a tensor's; a trace prints "Float(2, 3, ..., device=cpu)"."""
    return type_ == "Tensor" or _SHAPED.match(type_) is not None


_SHAPED = re.compile(r"[A-Z]\w*\(.*device=[^()]*\)$")


def read_attribute(value: Any) -> Any:
    """A module's attribute as the static graph notes it ("Tensor(2x3 float32)", 5, [1, 2])."""
    if isinstance(value, str) and value.startswith("Tensor("):
        shape, dtype = value.removeprefix("Tensor(").removesuffix(")").split(" ")
        sizes = () if shape == "scalar" else tuple(map(int, shape.split("x")))
        return TensorValue(sizes, dtype)
    if isinstance(value, list):
        return ListValue([read_attribute(item) for item in value])
    return value if isinstance(value, bool | int | float | str | tuple | None) else UNKNOWN


def evaluate(kind: str, operands: Sequence[Any]) -> Any:
    """The result of a node that computes with plain values, as far as it is known."""
    if kind in ("aten::__is__", "aten::__isnot__"):
        return _identity(kind, operands)
    function = _BY_KIND.get(kind)
    if function is None:
        return UNKNOWN
    try:
        return function(*map(_plain, operands))
    except _CannotSay:
        return UNKNOWN
    except (ArithmeticError, LookupError, TypeError, ValueError):
        return UNKNOWN  # the run went on, so this is not what it computed


class _CannotSay(Exception):
    """An operand is not known."""


def _plain(value: Any) -> Any:
    if value is UNKNOWN:
        raise _CannotSay
    if isinstance(value, ListValue):
        if value.items is None:
            raise _CannotSay
        return value.items
    return value


def _identity(kind: str, operands: Sequence[Any]) -> Any:
    left, right = operands
    if left is UNKNOWN or right is UNKNOWN:
        return UNKNOWN
    same: bool | None = left is right
    if isinstance(left, TensorValue) and isinstance(right, TensorValue):
        same = same or _same_tensor(left, right)
    elif left is not None and right is not None and not same:
        same = None
    return UNKNOWN if same is None else same == (kind == "aten::__is__")


def _same_tensor(left: TensorValue, right: TensorValue) -> bool | None:
    if None in (left.number, right.number, left.storage, right.storage):
        return None
    if left.number == right.number:
        return True
    # In one memory they may be two views, or one tensor before and after a write.
    return None if left.storage == right.storage else False


def _number(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function for plain values only: on a tensor it computes a tensor, not a number."""

    def apply(*operands: Any) -> Any:
        if any(isinstance(item, TensorValue | ModuleValue) for item in operands):
            raise _CannotSay
        result = function(*operands)
        return ListValue(result) if isinstance(result, list) else result

    return apply


def _shape(value: Any) -> tuple[int, ...]:
    if not isinstance(value, TensorValue) or value.shape is None:
        raise _CannotSay
    return value.shape


def _size(value: Any, dim: Any = None) -> Any:
    shape = _shape(value)
    return ListValue(list(shape)) if dim is None else shape[dim]


def _select(value: Any, dim: int, _index: int) -> TensorValue:
    """Iterating over a tensor selects from it, without an op for each."""
    shape = list(_shape(value))
    del shape[dim]
    return TensorValue(tuple(shape), value.dtype, requires_grad=value.requires_grad)


def _len(value: Any) -> int:
    return _shape(value)[0] if isinstance(value, TensorValue) else len(value)


def _contains(container: Any, item: Any) -> bool:
    if any(element is UNKNOWN or isinstance(element, TensorValue) for element in container):
        raise _CannotSay
    return item in container


def _dtype(value: Any) -> int:
    if not isinstance(value, TensorValue) or value.dtype not in _DTYPES:
        raise _CannotSay
    return _DTYPES[value.dtype]


def _requires_grad(value: Any) -> bool:
    if not isinstance(value, TensorValue) or value.requires_grad is None:
        raise _CannotSay
    return value.requires_grad


_DTYPES = {
    name: number
    for number, name in enumerate(
        "uint8 int8 int16 int32 int64 float16 float32 float64 complex32 complex64 complex128"
        " bool".split()
    )
}
"""TorchScript's numbers for dtypes (c10/core/ScalarType.h)."""


def _numel(value: Any) -> int:
    count = 1
    for size in _shape(value):
        count *= size
    return count


_ARITHMETIC: Mapping[str, Callable[..., Any]] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "div": operator.truediv,
    "floordiv": operator.floordiv,
    "remainder": operator.mod,
    "pow": operator.pow,
    "neg": operator.neg,
    "eq": operator.eq,
    "ne": operator.ne,
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
    "__and__": operator.and_,
    "__or__": operator.or_,
    "__xor__": operator.xor,
    "__not__": operator.not_,
    "__getitem__": operator.getitem,
    "Bool": bool,
    "Int": int,
    "Float": float,
    "IntImplicit": int,
    "FloatImplicit": float,
    "ScalarImplicit": lambda value: value,
    "list": list,
    "__range_length": lambda low, high, step: len(range(low, high, step)),
    "__derive_index": lambda index, start, step: start + index * step,
}

_BY_KIND: dict[str, Callable[..., Any]] = {
    **{f"aten::{name}": _number(function) for name, function in _ARITHMETIC.items()},
    "prim::min": _number(min),
    "prim::max": _number(max),
    "prim::unchecked_cast": lambda value: value,
    "aten::__contains__": _contains,
    "aten::size": _size,
    "aten::select": _select,
    "aten::dim": lambda value: len(_shape(value)),
    "aten::numel": _numel,
    "prim::dtype": _dtype,
    "prim::requires_grad": _requires_grad,
    "prim::is_nested": lambda value: _shape(value) is None,  # a nested tensor has no shape
    "aten::len": _len,
}


def change_list(kind: str, operands: Sequence[Any]) -> bool:
    """Carry out a write into a list; True when `kind` is one."""
    if kind not in LIST_WRITES or not operands or not isinstance(operands[0], ListValue):
        return False
    target, given = operands[0], operands[1:]
    if kind == "aten::append" and target.items is not None:
        target.items.append(given[0])
    elif kind == "aten::clear":
        target.items = []
    else:
        target.items = None
    return True


LIST_WRITES = frozenset(
    f"aten::{name}"
    for name in "append clear extend insert pop remove reverse sort _set_item Delete".split()
)
