"""Making many records at once."""

from __future__ import annotations

import contextlib
import gc
from collections import deque
from collections.abc import Iterable, Iterator
from typing import TypeVar

R = TypeVar("R")


def records_of(record_type: type[R], count: int, /, **columns: Iterable[object]) -> list[R]:
    """Records of a frozen, slotted dataclass, filled column by column through their slots.

    The constructor of a frozen dataclass takes four times as long.

    Args:
        record_type: the dataclass.
        count: how many records.
        columns: for each field (all of them: defaults are not looked at) its `count` values.
    """
    rows = [record_type.__new__(record_type) for _ in range(count)]
    for name, values in columns.items():
        deque(map(getattr(record_type, name).__set__, rows, values), maxlen=0)
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
