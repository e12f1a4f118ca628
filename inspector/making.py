"""Making many records at once."""

from __future__ import annotations

import contextlib
import functools
import gc
from collections.abc import Iterable, Iterator
from dataclasses import fields, make_dataclass
from itertools import islice
from typing import Any, TypeVar

R = TypeVar("R")


@functools.cache
def _twin(record_type: type[Any]) -> type[Any]:
    """A class like `record_type` that is not frozen, and so has a quick constructor."""
    names = [field.name for field in fields(record_type)]
    return make_dataclass(record_type.__name__, names, slots=True, eq=False)


def records_of(record_type: type[R], count: int, /, **columns: Iterable[object]) -> list[R]:
    """Records of a frozen, slotted dataclass, given column by column.

    They are made as objects of a class with the same slots, which then become records: Python
    allows that where the layouts are equal. The constructor of a frozen dataclass takes ten times
    as long.

    Args:
        record_type: the dataclass.
        count: how many records.
        columns: for each field (all of them: defaults are not looked at) its `count` values.
    """
    names = [field.name for field in fields(record_type)]  # type: ignore[arg-type]
    values = [columns[name] for name in names]
    twin = _twin(record_type)  # type: ignore[arg-type]
    rows: list[Any] = list(islice(map(twin, *values), count))
    for row in rows:
        row.__class__ = record_type
    return rows


@contextlib.contextmanager
def uncollected() -> Iterator[None]:
    """Without the cyclic garbage collector, which looks at all new objects again and again.

    For our own work only, while nothing of the program runs: making records took twice as long.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
