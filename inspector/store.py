"""Recordings as files: one zip of Arrow tables, without pickle.

    header.json         format, version, meta, notes, source texts, line counts
    ops.arrow ...       one table per kind of record, one column per field (Arrow streams)
    values.arrow        arrays, when the recording holds any: dtype, shape and plain bytes

Records that others refer to (`Source`, `TensorSummary`, `Kernel`, stacks) stand in tables of
their own and are referred to by row number: what is one object in memory is one row in the file,
and one object again after loading. Opening a file runs nothing from it.

A column or table that this version does not know is skipped, a missing column takes the field's
default and a missing table is empty (not ops or tensors), so that versions can grow. What Arrow
cannot hold is saved as the nearest thing it can: lone surrogates in text become U+FFFD, integers
beyond 64 bits the largest that fits.
"""

from __future__ import annotations

import contextlib
import gc
import io
import json
import lzma
import os
import re
import secrets
import struct
import zipfile
import zlib
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, fields
from itertools import chain, pairwise
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy
import pyarrow as pa
from pyarrow import compute, ipc

from inspector.check import self_check
from inspector.errors import FileFormatError, FutureVersionError
from inspector.records import (
    Decision,
    Failure,
    GradNode,
    Kernel,
    LineBranch,
    ModuleCall,
    Op,
    ParameterInfo,
    Recording,
    Source,
    Step,
    TensorInfo,
    TensorSummary,
)

FORMAT = "inspector-recording"
VERSION = 1
SUFFIX = ".inspect"
MAX_BYTES = 4 * 2**30
"""Size of a recording's tables and values before compression. Larger files are refused unread:
a few megabytes from a stranger could otherwise fill the memory."""
MAX_MEMBERS = 256
BATCH_BYTES = 64 * 2**20

R = TypeVar("R")
Frames = tuple[Source, ...]


@dataclass(frozen=True, slots=True)
class _Stack:
    """A call stack, innermost frame first; many ops share one."""

    frames: Frames


@dataclass(frozen=True, slots=True)
class _Value:
    """An array in C order; `data` are its bytes, `dtype` is NumPy's name for it ("<f4")."""

    tensor: int
    dtype: str
    shape: tuple[int, ...]
    data: bytes


_TABLES: dict[str, type[Any]] = {
    "ops": Op,
    "tensors": TensorInfo,
    "module_calls": ModuleCall,
    "decisions": Decision,
    "grad_nodes": GradNode,
    "parameters": ParameterInfo,
    "steps": Step,
    "failure": Failure,
    "branches": LineBranch,
}
# Each refers at most to those before it.
_POOLS: dict[str, type[Any]] = {
    "sources": Source,
    "stacks": _Stack,
    "summaries": TensorSummary,
    "kernels": Kernel,
}


class _Column(NamedTuple):
    """How one field is stored: Arrow's type, and the pool it refers to, if any."""

    type: pa.DataType
    pool: str | None = None
    json: bool = False


_INTS = pa.list_(pa.int64())
_COLUMNS: dict[str, _Column] = {
    "int": _Column(pa.int64()),
    "int | None": _Column(pa.int64()),
    "float": _Column(pa.float64()),
    "float | None": _Column(pa.float64()),
    "bool": _Column(pa.bool_()),
    "str": _Column(pa.string()),
    "str | None": _Column(pa.string()),
    "bytes": _Column(pa.large_binary()),
    "tuple[int, ...]": _Column(_INTS),
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

_SHARED = ("tuple[int, ...]", "tuple[str, ...]")
_NUMBERS = "biufc"
"""Kinds of NumPy arrays that are numbers: no objects, which would have to be pickled."""


def save(recording: Recording, path: str | os.PathLike[str]) -> None:
    """Write `recording` to `path`, whole or not at all.

    Raises:
        OSError: the folder is missing, full or not writable.
        FileFormatError: more than `MAX_BYTES`, or a value is not an array of numbers.
    """
    target = Path(path)
    # Not `tempfile`: its files can be read by their owner only, whatever the umask says.
    temporary = target.with_name(f".{secrets.token_hex(8)}.part")
    with open(temporary, "xb") as file:
        try:
            _write(recording, file)
            file.flush()
            os.fsync(file.fileno())
            os.replace(temporary, target)
        except BaseException:
            os.unlink(temporary)
            raise


def _write(recording: Recording, file: io.BufferedWriter) -> None:
    pools = {name: _Pool() for name in _POOLS}
    # Level 1: half the time of the default level for a tenth more bytes.
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("header.json", _utf8(json.dumps(_header(recording), ensure_ascii=False)))
        for name, record_type in _TABLES.items():
            _put(archive, name, [_table(_rows(recording, name), record_type, pools)])
        for name, record_type in reversed(_POOLS.items()):
            rows: list[Any] = pools[name].rows
            if record_type is _Stack:
                rows = [_Stack(frames) for frames in rows]
            _put(archive, name, [_table(rows, record_type, pools)])
        if recording.values:
            _put(archive, "values", _value_tables(recording.values))
        if sum(member.file_size for member in archive.infolist()) > MAX_BYTES:
            raise FileFormatError(
                f"The recording is larger than the {MAX_BYTES >> 30} GiB that a file may hold. "
                "Record with a smaller value_budget_mb or max_ops."
            )


def _put(archive: zipfile.ZipFile, name: str, tables: Iterable[pa.Table]) -> None:
    parts = iter(tables)
    first = next(parts)
    with (
        archive.open(f"{name}.arrow", "w", force_zip64=True) as member,
        ipc.new_stream(member, first.schema) as writer,
    ):
        for part in chain([first], parts):
            writer.write_table(part)


def _rows(recording: Recording, name: str) -> Sequence[Any]:
    if name == "tensors":
        return list(recording.tensors.values())
    if name == "failure":
        return [] if recording.failure is None else [recording.failure]
    rows: Sequence[Any] = getattr(recording, name)
    return rows


def _header(recording: Recording) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "version": VERSION,
        "meta": dict(recording.meta),
        "notes": recording.notes,
        "inputs": recording.inputs,
        "output": recording.output,
        "sources": dict(recording.sources),
        "lines": {file: dict(counts) for file, counts in recording.lines.items()},
    }


def _value_tables(values: Mapping[int, numpy.ndarray]) -> Iterator[pa.Table]:
    """Tables of about `BATCH_BYTES`, so that no second copy of all values is in memory."""
    rows: list[_Value] = []
    size = 0
    for number, array in values.items():
        if array.dtype.kind not in _NUMBERS:
            raise FileFormatError(
                f"The value of tensor {number} is an array of {array.dtype}; "
                "a recording file holds arrays of numbers only."
            )
        rows.append(_Value(number, array.dtype.str, array.shape, array.tobytes()))
        size += array.nbytes
        if size > BATCH_BYTES:
            yield _table(rows, _Value, {})
            rows, size = [], 0
    if rows:
        yield _table(rows, _Value, {})


class _Pool:
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


def _table(rows: Sequence[Any], record_type: type[Any], pools: dict[str, _Pool]) -> pa.Table:
    arrays = {}
    for field in fields(record_type):
        column = _COLUMNS[str(field.type)]
        values = list(map(attrgetter(field.name), rows))
        if not pa.types.is_list(column.type):
            arrays[field.name] = _flat(values, column.type, column, pools)
            continue
        ends = numpy.cumsum([0, *map(len, values)])
        items = _flat(list(chain.from_iterable(values)), column.type.value_type, column, pools)
        arrays[field.name] = pa.ListArray.from_arrays(pa.array(ends, pa.int32()), items)
    return pa.table(arrays)


def _flat(
    values: list[Any], kind: pa.DataType, column: _Column, pools: dict[str, _Pool]
) -> pa.Array:
    if column.pool is not None:
        values = pools[column.pool].numbers(values)
    elif column.json:
        values = [json.dumps(value) for value in values]
    try:
        return pa.array(values, kind)
    except UnicodeEncodeError:
        return pa.array([value and _utf8(value).decode() for value in values], kind)
    except OverflowError:  # an expanded meta tensor can claim 2**65 bytes
        low, high = -(2**63), 2**63 - 1
        return pa.array([value and min(max(value, low), high) for value in values], kind)


def _utf8(text: str) -> bytes:
    """`text` without lone surrogates, such as undecodable bytes leave in the name of a file."""
    return re.sub("[\ud800-\udfff]", "\N{REPLACEMENT CHARACTER}", text).encode()


def load(path: str | os.PathLike[str]) -> Recording:
    """Read a recording.

    Raises:
        FileFormatError: the file is missing, unreadable, damaged or of another kind.
        FutureVersionError: it was written by a newer version.
    """
    name = os.fspath(path)
    try:
        with open(path, "rb") as file:
            return _read(file, name)
    except OSError as error:
        raise FileFormatError(f"Cannot open {name}: {error.strerror or error}.") from error


def load_bytes(data: bytes, name: str) -> Recording:
    """Read a recording from memory (an upload); `name` is for the messages."""
    return _read(io.BytesIO(data), name)


def _read(file: Any, name: str) -> Recording:
    try:
        with _no_collection(), zipfile.ZipFile(file) as archive:
            header = _read_header(archive, name)
            recording = _read_records(archive, header)
    except (
        zipfile.BadZipFile, KeyError, ValueError, TypeError, IndexError, AttributeError,
        EOFError, OSError, NotImplementedError, RuntimeError, OverflowError, zlib.error,
        lzma.LZMAError, pa.ArrowException, struct.error,
    ) as error:  # fmt: skip
        # Each stands for damage at some depth: container, table, column, or reference.
        raise FileFormatError(
            f"{name} is not a readable recording (a file that `inspector` saved): it is "
            f"damaged, cut short, or of another kind. Record it again, or copy it again in full. "
            f"[{type(error).__name__}: {error}]"
        ) from error
    return recording


@contextlib.contextmanager
def _no_collection() -> Iterator[None]:
    """Without garbage collection: it would walk the growing records again and again."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def _read_header(archive: zipfile.ZipFile, name: str) -> dict[str, Any]:
    size = sum(member.file_size for member in archive.infolist())
    if size > MAX_BYTES or len(archive.infolist()) > MAX_MEMBERS:
        raise FileFormatError(
            f"{name} was not opened: it claims {len(archive.infolist())} parts and {size:,} bytes "
            f"once unpacked; a recording has at most {MAX_MEMBERS} and {MAX_BYTES:,}."
        )
    header = json.loads(archive.read("header.json"))
    if header["format"] != FORMAT:
        raise ValueError(f"format is {header['format']!r}, not {FORMAT!r}")
    if int(header["version"]) > VERSION:
        raise FutureVersionError(
            f"{name} was written in format {header['version']}; this version of inspector reads "
            f"formats up to {VERSION}. Update torch-graph-inspector to open it."
        )
    return dict(header)


def _read_records(archive: zipfile.ZipFile, header: dict[str, Any]) -> Recording:
    pools: dict[str, list[Any]] = {}
    for name, record_type in _POOLS.items():
        pools[name] = _get(archive, name, record_type, pools)
        if record_type is _Stack:
            pools[name] = [stack.frames for stack in pools[name]]
    held = {*archive.namelist(), "ops.arrow", "tensors.arrow"}
    tables = {
        name: _get(archive, name, kind, pools) if f"{name}.arrow" in held else []
        for name, kind in _TABLES.items()
    }
    failure = tables.pop("failure")
    tensors = {tensor.id: tensor for tensor in tables.pop("tensors")}
    recording = Recording(
        **{name: tuple(rows) for name, rows in tables.items()},
        tensors=tensors,
        failure=failure[0] if failure else None,
        sources={str(k): str(v) for k, v in header["sources"].items()},
        lines={
            str(file): {int(line): int(count) for line, count in counts.items()}
            for file, counts in header["lines"].items()
        },
        meta=dict(header["meta"]),
        inputs=tuple(int(i) for i in header["inputs"]),
        output=tuple(int(i) for i in header["output"]),
        notes=tuple(str(note) for note in header["notes"]),
        values=_read_values(archive),
    )
    self_check(recording)
    return recording


def _read_values(archive: zipfile.ZipFile) -> dict[int, numpy.ndarray]:
    if "values.arrow" not in archive.namelist():
        return {}
    found = {}
    for row in _get(archive, "values", _Value, {}):
        kind = numpy.dtype(row.dtype)
        if kind.kind not in _NUMBERS:
            raise ValueError(f"the value of tensor {row.tensor} is an array of {kind}")
        found[row.tensor] = numpy.frombuffer(row.data, kind).reshape(row.shape)
    return found


def _get(
    archive: zipfile.ZipFile, name: str, record_type: type[R], pools: dict[str, list[Any]]
) -> list[R]:
    data = archive.read(f"{name}.arrow")
    for message in ipc.MessageReader.open_stream(data):
        if message.type == "dictionary" or _is_compressed(message):
            # Its size is only known once it is unpacked, and we write none.
            raise ValueError(f"table {name} is compressed inside")
    table = ipc.open_stream(data).read_all()
    table.validate(full=True)
    columns: dict[str, Iterable[Any]] = {}
    for field in fields(record_type):  # type: ignore[arg-type]  # record_type is a dataclass
        if field.name in table.column_names:
            columns[field.name] = _loaded(table.column(field.name), field, pools)
        else:
            columns[field.name] = [_default(field)] * table.num_rows
    return _records(record_type, columns, table.num_rows)


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


def _records(record_type: type[R], columns: Mapping[str, Iterable[Any]], count: int) -> list[R]:
    """Records from columns, filled through their slots.

    The constructor of a frozen dataclass takes four times as long.
    """
    rows = [record_type.__new__(record_type) for _ in range(count)]
    for name, values in columns.items():
        deque(map(getattr(record_type, name).__set__, rows, values), maxlen=0)
    return rows


def _loaded(column: pa.ChunkedArray, field: Field[Any], pools: dict[str, list[Any]]) -> list[Any]:
    annotation = str(field.type)
    expected = _COLUMNS[annotation]
    if column.type != expected.type:
        raise ValueError(f"column {field.name} holds {column.type}, not {expected.type}")
    array = column.combine_chunks()
    is_list = pa.types.is_list(array.type)
    items = array.values if is_list else array
    if (is_list and array.null_count) or (items.null_count and "None" not in annotation):
        raise ValueError(f"column {field.name} has gaps")
    if expected.pool is not None:
        found = _looked_up(items, pools[expected.pool])
    elif expected.json:
        found = [json.loads(text) for text in items.to_pylist()]
    else:
        found = _plain(items)
    if not is_list:
        return found
    whole = tuple(found)
    rows = [whole[start:end] for start, end in pairwise(array.offsets.to_numpy().tolist())]
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
        raise IndexError(f"rows {ends['min']} to {ends['max']} of a table of {len(pool)}")
    rows = [*pool, None]
    return [rows[number] for number in numbers.fill_null(len(pool)).to_numpy().tolist()]


def _default(field: Field[Any]) -> Any:
    if field.default is MISSING:
        raise KeyError(field.name)
    return field.default
