"""Recordings as files: one zip of Arrow tables, without pickle.

    header.json         format, version, meta, notes, source texts, line counts
    ops.arrow ...       one table per kind of record, one column per field
    values/<id>.npy     arrays, when the recording holds any (never object arrays)

Records that are used many times (`Source`) or are large (`TensorSummary`) stand in tables of
their own and are referred to by row number. Opening a file runs nothing from it: JSON, Arrow
and npy data only. A column that this version does not know is skipped, a missing one takes
the field's default, so that versions can grow.
"""

from __future__ import annotations

import io
import json
import lzma
import os
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy
import pyarrow as pa
from pyarrow import ipc

from inspector.check import self_check
from inspector.errors import FileFormatError, FutureVersionError
from inspector.records import (
    Decision,
    Failure,
    GradNode,
    Kernel,
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

R = TypeVar("R")

_TABLES: dict[str, type[Any]] = {
    "ops": Op,
    "tensors": TensorInfo,
    "module_calls": ModuleCall,
    "decisions": Decision,
    "grad_nodes": GradNode,
    "parameters": ParameterInfo,
    "steps": Step,
    "failure": Failure,
}
_POOLS: dict[str, type[Any]] = {"sources": Source, "summaries": TensorSummary, "kernels": Kernel}


class _Column(NamedTuple):
    """How one field is stored: Arrow's type, and the pool it refers to, if any."""

    type: pa.DataType
    pool: str | None = None
    many: bool = False


_INTS = pa.list_(pa.int64())
_COLUMNS: dict[str, _Column] = {
    "int": _Column(pa.int64()),
    "int | None": _Column(pa.int64()),
    "float": _Column(pa.float64()),
    "float | None": _Column(pa.float64()),
    "bool": _Column(pa.bool_()),
    "str": _Column(pa.string()),
    "str | None": _Column(pa.string()),
    "tuple[int, ...]": _Column(_INTS),
    "tuple[float, ...]": _Column(pa.list_(pa.float64())),
    "tuple[str, ...]": _Column(pa.list_(pa.string())),
    "bool | int | float | str": _Column(pa.string()),
    "Source | None": _Column(pa.int64(), "sources"),
    "tuple[Source, ...]": _Column(_INTS, "sources", many=True),
    "TensorSummary | None": _Column(pa.int64(), "summaries"),
    "tuple[TensorSummary | None, ...]": _Column(_INTS, "summaries", many=True),
    "tuple[Kernel, ...]": _Column(_INTS, "kernels", many=True),
}
"""By the field's annotation, as written in `records.py`."""


class _Pool:
    """Records gathered while writing; equal ones share a row."""

    def __init__(self) -> None:
        self.rows: list[Any] = []
        self._numbers: dict[Any, int] = {}

    def number(self, record: Any) -> int | None:
        if record is None:
            return None
        known = self._numbers.get(record)
        if known is None:
            known = self._numbers[record] = len(self.rows)
            self.rows.append(record)
        return known


def save(recording: Recording, path: str | os.PathLike[str]) -> None:
    """Write `recording` to `path`, whole or not at all.

    Raises:
        OSError: the folder is missing, full or not writable.
    """
    target = Path(path)
    handle, temporary = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            _write(recording, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        os.unlink(temporary)
        raise


def _write(recording: Recording, file: io.BufferedWriter) -> None:
    pools = {name: _Pool() for name in _POOLS}
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("header.json", json.dumps(_header(recording)))
        for name, record_type in _TABLES.items():
            rows = _rows(recording, name)
            archive.writestr(f"{name}.arrow", _encode(rows, record_type, pools))
        for name, record_type in _POOLS.items():
            archive.writestr(f"{name}.arrow", _encode(pools[name].rows, record_type, pools))
        for number, array in recording.values.items():
            buffer = io.BytesIO()
            numpy.save(buffer, array, allow_pickle=False)
            archive.writestr(f"values/{number}.npy", buffer.getvalue())


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


def _encode(rows: Sequence[Any], record_type: type[Any], pools: dict[str, _Pool]) -> bytes:
    arrays, names = [], []
    for field in fields(record_type):
        column = _COLUMNS[str(field.type)]
        values = [getattr(row, field.name) for row in rows]
        arrays.append(pa.array(_stored(values, field, column, pools), column.type))
        names.append(field.name)
    table = pa.table(arrays, names=names)
    sink = pa.BufferOutputStream()
    with ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def _stored(
    values: list[Any], field: Field[Any], column: _Column, pools: dict[str, _Pool]
) -> list[Any]:
    if column.pool is None:
        return [json.dumps(value) for value in values] if _is_union(field) else values
    number = pools[column.pool].number
    if column.many:
        return [[number(item) for item in value] for value in values]
    return [number(value) for value in values]


def _is_union(field: Field[Any]) -> bool:
    """A decision's value may be of any of four types: JSON tells them apart."""
    return str(field.type) == "bool | int | float | str"


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
        with zipfile.ZipFile(file) as archive:
            header = _read_header(archive, name)
            recording = _read_records(archive, header)
    except (
        zipfile.BadZipFile, KeyError, ValueError, TypeError, IndexError, AttributeError,
        EOFError, OSError, NotImplementedError, RuntimeError, OverflowError, zlib.error,
        lzma.LZMAError, pa.ArrowException,
    ) as error:  # fmt: skip
        # Each stands for damage at some depth: container, table, column, or reference.
        raise FileFormatError(
            f"{name} is not a readable recording (a file that `inspector` saved): it is "
            f"damaged, cut short, or of another kind. Record it again, or copy it again in full. "
            f"[{type(error).__name__}: {error}]"
        ) from error
    return recording


def _read_header(archive: zipfile.ZipFile, name: str) -> dict[str, Any]:
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
        pools[name] = _decode(archive.read(f"{name}.arrow"), record_type, pools)
    tables = {
        name: _decode(archive.read(f"{name}.arrow"), record_type, pools)
        for name, record_type in _TABLES.items()
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
    found = {}
    for member in archive.namelist():
        folder, _, file = member.partition("/")
        if folder == "values":
            buffer = io.BytesIO(archive.read(member))
            found[int(file.removesuffix(".npy"))] = numpy.load(buffer, allow_pickle=False)
    return found


def _decode(data: bytes, record_type: type[R], pools: dict[str, list[Any]]) -> list[R]:
    table = ipc.open_file(pa.BufferReader(data)).read_all()
    table.validate(full=True)
    columns: list[Iterable[Any]] = []
    for field in fields(record_type):  # type: ignore[arg-type]  # record_type is a dataclass
        if field.name not in table.column_names:
            columns.append([_default(field)] * table.num_rows)
            continue
        column = _COLUMNS[str(field.type)]
        array = table.column(field.name)
        if array.type != column.type:
            raise ValueError(f"column {field.name} holds {array.type}, not {column.type}")
        if array.null_count and "None" not in str(field.type):
            raise ValueError(f"column {field.name} has gaps")
        columns.append(_loaded(array.to_pylist(), field, column, pools))
    return [record_type(*row) for row in zip(*columns, strict=True)]


def _loaded(
    values: list[Any], field: Field[Any], column: _Column, pools: dict[str, list[Any]]
) -> Iterable[Any]:
    if column.pool is None:
        if _is_union(field):
            return [json.loads(value) for value in values]
        return map(tuple, values) if pa.types.is_list(column.type) else values
    item = _lookup(pools[column.pool])
    if column.many:
        return [tuple(item(number) for number in value) for value in values]
    return [item(value) for value in values]


def _lookup(pool: list[Any]) -> Callable[[int | None], Any]:
    def item(number: int | None) -> Any:
        if number is None:
            return None
        if number < 0:
            raise IndexError(f"row {number} in a table of {len(pool)}")
        return pool[number]

    return item


def _default(field: Field[Any]) -> Any:
    if field.default is MISSING:
        raise KeyError(field.name)
    return field.default
