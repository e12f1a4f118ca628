"""Copies of many records that differ from them in a few fields."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields
from operator import attrgetter
from typing import TypeVar

from inspector.making import records_of

R = TypeVar("R")


def copies(record_type: type[R], records: Sequence[R], /, **columns: Iterable[object]) -> list[R]:
    """What `dataclasses.replace` makes of each, in a fifth of its time.

    Args:
        record_type: the frozen, slotted dataclass of all of them.
        records: what to copy.
        columns: for each field that is another in the copies, its values.
    """
    kept = {
        field.name: map(attrgetter(field.name), records)
        for field in fields(record_type)  # type: ignore[arg-type]
        if field.name not in columns
    }
    return records_of(record_type, len(records), **kept, **columns)
