"""Records as Arrow tables and back: one column per field, by the field's annotation.

Records that others refer to stand in pools and are referred to by row number: what is one
object in memory is one row, and one object again after reading.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Iterable, Sequence
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from itertools import chain, pairwise
from operator import attrgetter
from typing import Any, NamedTuple, TypeVar

import numpy
import pyarrow as pa
from pyarrow import compute, ipc

from inspector import records
from inspector.language import sentence
from inspector.making import records_of
from inspector.records import Recording, Source

R = TypeVar("R")
Frames = tuple[Source, ...]


TABLES: dict[str, type[Any]] = {
    field.name: kind
    for field in fields(Recording)
    for kind in (getattr(records, word, None) for word in re.findall(r"\w+", str(field.type)))
    if isinstance(kind, type) and is_dataclass(kind)
}
"""The fields of a recording that hold records, and of what kind: each is a table in a file."""


@dataclass(frozen=True, slots=True)
class Stack:
    """A call stack, innermost frame first; many ops share one."""

    frames: Frames


class _Column(NamedTuple):
    """How one field is stored: Arrow's type, and the pool it refers to, if any."""

    type: pa.DataType
    pool: str | None = None
    json: bool = False


_INTS = pa.list_(pa.int64())


COLUMNS: dict[str, _Column] = {
    "int": _Column(pa.int64()),
    "int | None": _Column(pa.int64()),
    "float": _Column(pa.float64()),
    "float | None": _Column(pa.float64()),
    "bool": _Column(pa.bool_()),
    "str": _Column(pa.string()),
    "str | None": _Column(pa.string()),
    "bytes": _Column(pa.large_binary()),
    "tuple[int, ...]": _Column(_INTS),
    "tuple[int, ...] | None": _Column(_INTS),
    "tuple[float, ...]": _Column(pa.list_(pa.float64())),
    "tuple[str, ...]": _Column(pa.list_(pa.string())),
    "bool | int | float | str": _Column(pa.string(), json=True),  # JSON tells them apart
    "Source | None": _Column(pa.int64(), "sources"),
    "Frames": _Column(_INTS, "sources"),
    "tuple[Source, ...]": _Column(pa.int64(), "stacks"),
    "TensorSummary | None": _Column(pa.int64(), "summaries"),
    "tuple[TensorSummary | None, ...]": _Column(_INTS, "summaries"),
    "tuple[Kernel, ...]": _Column(_INTS, "kernels"),
}
"""By the field's annotation, as written in `records.py`."""


_SHARED = ("tuple[int, ...]", "tuple[int, ...] | None", "tuple[str, ...]")


class Pool:
    """Records gathered while writing, each object once. The recording keeps them alive."""

    def __init__(self) -> None:
        self.rows: list[Any] = []
        self._numbers: dict[int, int] = {}

    def numbers(self, records: list[Any]) -> list[int | None]:
        """The row of each record; None for None."""
        known = self._numbers
        for record in records:
            if id(record) not in known and record is not None:
                known[id(record)] = len(self.rows)
                self.rows.append(record)
        return list(map(known.get, map(id, records)))


def to_table(rows: Sequence[Any], record_type: type[Any], pools: dict[str, Pool]) -> pa.Table:
    """Records of one type as a table; what they refer to is put into `pools`."""
    arrays = {}
    for field in fields(record_type):
        column = COLUMNS[str(field.type)]
        values = list(map(attrgetter(field.name), rows))
        if not pa.types.is_list(column.type):
            arrays[field.name] = _flat(values, column.type, column, pools)
            continue
        gaps = [value is None for value in values] if str(field.type).endswith("None") else []
        lists = [value or () for value in values] if any(gaps) else values
        ends = numpy.cumsum([0, *map(len, lists)])
        items = _flat(list(chain.from_iterable(lists)), column.type.value_type, column, pools)
        arrays[field.name] = pa.ListArray.from_arrays(
            pa.array(ends, pa.int32()), items, mask=pa.array(gaps) if any(gaps) else None
        )
    return pa.table(arrays)


def _flat(
    values: list[Any], kind: pa.DataType, column: _Column, pools: dict[str, Pool]
) -> pa.Array:
    if column.pool is not None:
        values = pools[column.pool].numbers(values)
    elif column.json:
        values = [json.dumps(value) for value in values]
    try:
        return pa.array(values, kind)
    except UnicodeEncodeError:
        return pa.array([value and utf8(value).decode() for value in values], kind)
    except OverflowError:  # an expanded meta tensor can claim 2**65 bytes
        low, high = -(2**63), 2**63 - 1
        return pa.array([value and min(max(value, low), high) for value in values], kind)


def utf8(text: str) -> bytes:
    """`text` without lone surrogates, such as undecodable bytes leave in the name of a file."""
    return re.sub("[\ud800-\udfff]", "\N{REPLACEMENT CHARACTER}", text).encode()


def read_table(
    data: bytes, name: str, record_type: type[R], pools: dict[str, list[Any]]
) -> list[R]:
    """Records from the bytes of a table; `name` is for messages.

    Raises:
        ValueError, IndexError, KeyError, pyarrow.ArrowException: the bytes are damaged, of
            another kind, or refer to rows that are not there.
    """
    table = opened_table(data, name)
    columns: dict[str, Iterable[Any]] = {}
    for field in fields(record_type):  # type: ignore[arg-type]  # record_type is a dataclass
        if field.name in table.column_names:
            columns[field.name] = _loaded(table.column(field.name), field, pools)
        else:
            columns[field.name] = [_default(field)] * table.num_rows
    return records_of(record_type, table.num_rows, **columns)


def opened_table(data: bytes, name: str) -> pa.Table:
    """The table itself, looked at before and after: no larger than its bytes, and whole.

    Raises:
        ValueError, pyarrow.ArrowException: the bytes are damaged, or of another kind.
    """
    for message in ipc.MessageReader.open_stream(data):
        if message.type == "dictionary" or _is_compressed(message):
            # Its size is only known once it is unpacked, and we write none.
            raise ValueError(sentence("table {name} is compressed inside", name=name))
    table = ipc.open_stream(data).read_all()
    if table.num_rows > 8 * len(data):
        # Rows of nothing but gaps take no room in a file, and as records all there is.
        raise ValueError(
            sentence("table {name} claims {count:,} rows", name=name, count=table.num_rows)
        )
    table.validate(full=True)
    return table


def _is_compressed(message: Any) -> bool:
    """Whether an Arrow message has compressed buffers: field 3 of the RecordBatch in its header.

    pyarrow unpacks such buffers without asking, so the flatbuffer is read by hand.
    """
    data = message.metadata.to_pybytes()

    def slot(table: int, number: int) -> int:
        vtable = table - struct.unpack_from("<i", data, table)[0]
        at = 4 + 2 * number
        size, offset = struct.unpack_from("<H", data, vtable)[0], 0
        if at < size:
            (offset,) = struct.unpack_from("<H", data, vtable + at)
        return table + offset if offset else 0

    def follow(at: int) -> int:
        return at + int(struct.unpack_from("<I", data, at)[0])

    header = slot(follow(0), 2)
    return message.type == "record batch" and slot(follow(header), 3) != 0


def _loaded(column: pa.ChunkedArray, field: Field[Any], pools: dict[str, list[Any]]) -> list[Any]:
    annotation = str(field.type)
    expected = COLUMNS[annotation]
    if column.type != expected.type:
        raise ValueError(
            sentence(
                "column {name} holds {type}, not {expected}",
                name=field.name,
                type=str(column.type),
                expected=str(expected.type),
            )
        )
    array = column.combine_chunks()
    is_list = pa.types.is_list(array.type)
    items = array.values if is_list else array
    optional = annotation.endswith("| None")
    items_optional = "| None, " in annotation if is_list else optional
    if (array.null_count and not optional) or (items.null_count and not items_optional):
        raise ValueError(sentence("column {name} has gaps", name=field.name))
    if expected.pool is not None:
        found = _looked_up(items, pools[expected.pool])
    elif expected.json:
        found = [json.loads(text) for text in items.to_pylist()]
    else:
        found = _plain(items)
    if not is_list:
        return found
    whole = tuple(found)
    rows: list[Any] = [
        whole[start:end] for start, end in pairwise(array.offsets.to_numpy().tolist())
    ]
    if array.null_count:
        for gap in numpy.flatnonzero(array.is_null().to_numpy(zero_copy_only=False)):
            rows[gap] = None
    # Equal shapes and names become one object. Not floats: 0.0 equals -0.0.
    seen: dict[Any, Any] = {}
    return [seen.setdefault(row, row) for row in rows] if annotation in _SHARED else rows


def _plain(array: pa.Array) -> list[Any]:
    """`array.to_pylist()`, many times faster; equal strings are one object."""
    if pa.types.is_string(array.type):
        encoded = array.dictionary_encode()
        words = [*encoded.dictionary.to_numpy(zero_copy_only=False).tolist(), None]
        numbers = encoded.indices.fill_null(len(words) - 1)
        return [words[number] for number in numbers.to_numpy().tolist()]
    if pa.types.is_large_binary(array.type):
        return [value.as_buffer() for value in array]
    if not array.null_count:
        return list(array.to_numpy(zero_copy_only=False).tolist())
    values: list[Any] = array.fill_null(0).to_numpy().tolist()
    for gap in numpy.flatnonzero(array.is_null().to_numpy(zero_copy_only=False)):
        values[gap] = None
    return values


def _looked_up(numbers: pa.Array, pool: list[Any]) -> list[Any]:
    ends = compute.min_max(numbers).as_py()
    if ends["min"] is not None and not 0 <= ends["min"] <= ends["max"] < len(pool):
        raise IndexError(
            sentence(
                "rows {low} to {high} of a table of {count}",
                low=ends["min"],
                high=ends["max"],
                count=len(pool),
            )
        )
    rows = [*pool, None]
    return [rows[number] for number in numbers.fill_null(len(pool)).to_numpy().tolist()]


def _default(field: Field[Any]) -> Any:
    if field.default is MISSING:
        raise KeyError(field.name)
    return field.default
