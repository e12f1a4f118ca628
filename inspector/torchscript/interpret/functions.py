"""Nodes that only compute, by hand: tuples, lists made and taken apart, casts, `raise`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Raised(Exception):
    """A `prim::RaiseException` was reached.

    Args:
        message: what the program says.
        name: the qualified name of the exception's class ("builtins.ValueError"), if known.
    """

    def __init__(self, message: str, name: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.name = name or "torch.jit.Error"


def _raise(message: Any, name: Any = None) -> Any:
    raise Raised(str(message), name)


def _same(value: Any) -> Any:
    return value


def _nothing(*_: Any) -> None:
    return None


def _dict(*items: Any) -> dict[Any, Any]:
    return dict(zip(items[::2], items[1::2], strict=True))


def _list(*items: Any) -> list[Any]:
    return list(items)


def _tuple(*items: Any) -> tuple[Any, ...]:
    return items


def _index(values: tuple[Any, ...], place: int) -> Any:
    return values[place]


BY_HAND: dict[str, Callable[..., Any]] = {
    "prim::ListConstruct": _list,
    "prim::TupleConstruct": _tuple,
    "prim::DictConstruct": _dict,
    "prim::TupleUnpack": _same,
    "prim::TupleIndex": _index,
    "prim::unchecked_cast": _same,
    "prim::Uninitialized": _nothing,
    "prim::RaiseException": _raise,
}
"""Functions of the inputs; of several outputs they return a sequence."""


def list_unpack(count: int) -> Callable[..., Any]:
    """Takes a list apart whose length has to be right."""

    def unpack(values: list[Any]) -> list[Any]:
        if len(values) != count:
            raise RuntimeError(f"Expected {count} elements in a list but found {len(values)}")
        # A copy: a single output is given as a list of one.
        return list(values)

    return unpack


def tuple_slice(begin: int, end: int) -> Callable[..., Any]:
    """A part of a tuple whose ends are built in."""
    return lambda values: values[begin:end]


def constant(value: Any) -> Callable[[], Any]:
    """Always the same value."""
    return lambda: value
