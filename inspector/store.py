"""Recordings as files: one zip of Arrow tables, without pickle.

    header.json         format, version, meta, notes (and how they were made, to tell them in
                        another language), source texts, line counts
    ops.arrow ...       one table per kind of record, one column per field (Arrow streams)
    values.arrow        arrays, when the recording holds any: dtype, shape and plain bytes
    grads.arrow         likewise those of the tensors' gradients

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
import os
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import IO, Any, TypeVar

import numpy
import pyarrow as pa
from pyarrow import ipc

from inspector.check import self_check
from inspector.columns import TABLES, Pool, Stack, read_table, to_table, utf8
from inspector.container import FORMAT, HEADER, VERSION, check_room, content, opened, opened_path
from inspector.errors import FileFormatError
from inspector.language import sentence
from inspector.records import Kernel, Recording, Source, TensorSummary
from inspector.retold import as_json, from_json
from inspector.writing import whole

BATCH_BYTES = 64 * 2**20

R = TypeVar("R")
Frames = tuple[Source, ...]


@dataclass(frozen=True, slots=True)
class _Value:
    """An array in C order; `data` are its bytes, `dtype` is NumPy's name for it ("<f4")."""

    tensor: int
    dtype: str
    shape: tuple[int, ...]
    data: bytes


# Each refers at most to those before it.
_POOLS: dict[str, type[Any]] = {
    "sources": Source,
    "stacks": Stack,
    "summaries": TensorSummary,
    "kernels": Kernel,
}


_NUMBERS = "biufc"
"""Kinds of NumPy arrays that are numbers: no objects, which would have to be pickled."""


def save(recording: Recording, path: str | os.PathLike[str]) -> None:
    """Write `recording` to `path`, whole or not at all.

    Raises:
        OSError: the folder is missing, full or not writable.
        FileFormatError: more than `MAX_BYTES`, or a value is not an array of numbers.
    """
    with whole(path) as file:
        _write(recording, file)


def _write(recording: Recording, file: IO[bytes]) -> None:
    pools = {name: Pool() for name in _POOLS}
    # Level 1: half the time of the default level for a tenth more bytes.
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr(HEADER, utf8(json.dumps(_header(recording), ensure_ascii=False)))
        for name, record_type in TABLES.items():
            _put(archive, name, [to_table(_rows(recording, name), record_type, pools)])
        for name, record_type in reversed(_POOLS.items()):
            rows: list[Any] = pools[name].rows
            if record_type is Stack:
                rows = [Stack(frames) for frames in rows]
            _put(archive, name, [to_table(rows, record_type, pools)])
        if recording.values:
            _put(archive, "values", _value_tables(recording.values))
        if recording.grads:
            _put(archive, "grads", _value_tables(recording.grads))
        check_room(archive)


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
        "notes_made": as_json(recording.notes),
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
                sentence(
                    "The value of tensor {number} is an array of {dtype}; a recording file holds "
                    "arrays of numbers only.",
                    number=number,
                    dtype=array.dtype,
                )
            )
        rows.append(_Value(number, array.dtype.str, array.shape, array.tobytes()))
        size += array.nbytes
        if size > BATCH_BYTES:
            yield to_table(rows, _Value, {})
            rows, size = [], 0
    if rows:
        yield to_table(rows, _Value, {})


def load(path: str | os.PathLike[str]) -> Recording:
    """Read a recording.

    Raises:
        FileFormatError: the file is missing, unreadable, damaged or of another kind.
        FutureVersionError: it was written by a newer version.
    """
    with opened_path(path) as (archive, header), _no_collection():
        return _read_records(archive, header)


def load_bytes(data: bytes, name: str, most: int | None = None) -> Recording:
    """Read a recording from memory (an upload).

    Args:
        data: the file.
        name: for the messages.
        most: bytes of its records once unpacked, and four times that with its arrays, where that is
            less than what any recording may have.

    Raises:
        FileFormatError, FutureVersionError: as by `load`; or it claims more than `most`.
    """
    with opened(io.BytesIO(data), name, most) as (archive, header), _no_collection():
        return _read_records(archive, header)


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


def _read_records(archive: zipfile.ZipFile, header: dict[str, Any]) -> Recording:
    pools: dict[str, list[Any]] = {}
    for name, record_type in _POOLS.items():
        pools[name] = read_table(content(archive, f"{name}.arrow"), name, record_type, pools)
        if record_type is Stack:
            pools[name] = [stack.frames for stack in pools[name]]
    held = {*archive.namelist(), "ops.arrow", "tensors.arrow"}
    tables = {
        name: read_table(content(archive, f"{name}.arrow"), name, kind, pools)
        if f"{name}.arrow" in held
        else []
        for name, kind in TABLES.items()
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
        notes=from_json([str(note) for note in header["notes"]], header.get("notes_made")),
        values=_read_values(archive, "values"),
        grads=_read_values(archive, "grads"),
    )
    self_check(recording)
    return recording


def _read_values(archive: zipfile.ZipFile, name: str) -> dict[int, numpy.ndarray]:
    if f"{name}.arrow" not in archive.namelist():
        return {}
    found = {}
    for row in read_table(content(archive, f"{name}.arrow"), name, _Value, {}):
        kind = numpy.dtype(row.dtype)
        if kind.kind not in _NUMBERS:
            raise ValueError(
                sentence(
                    "the value of tensor {tensor} is an array of {kind}",
                    tensor=row.tensor,
                    kind=kind,
                )
            )
        found[row.tensor] = numpy.frombuffer(row.data, kind).reshape(row.shape)
    return found
