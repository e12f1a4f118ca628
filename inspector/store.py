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
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import IO, Any, TypeVar

import numpy
import pyarrow as pa
from pyarrow import ipc

from inspector.check import self_check
from inspector.columns import TABLES, Pool, Stack, read_table, to_table, utf8
from inspector.errors import FileFormatError, FutureVersionError
from inspector.language import sentence, sentences
from inspector.records import (
    Kernel,
    Recording,
    Source,
    TensorSummary,
)
from inspector.retold import as_json, from_json
from inspector.writing import whole

FORMAT = "inspector-recording"
VERSION = 2  # from 2 on a decision may have no op
MAX_BYTES = 4 * 2**30
"""Size of a recording's tables and values before compression. Larger files are refused unread:
a few megabytes from a stranger could otherwise fill the memory."""
MAX_RECORDS = 2**30
"""Size of all but the arrays: in memory, records take about ten times as much as in a table."""
MAX_HEADER = 2**26
"""Size of the header: as Python objects, JSON can take twenty times as much."""
MAX_MEMBERS = 256
_PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
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


_HEADER = "header.json"
_ARRAYS = ("values.arrow", "grads.arrow")

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
        archive.writestr(_HEADER, utf8(json.dumps(_header(recording), ensure_ascii=False)))
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
        _check_room(archive)


def _check_room(archive: zipfile.ZipFile) -> None:
    """What was written is no more than what `load` opens."""
    size, records, header = _sizes(archive)
    if size > MAX_BYTES or records > MAX_RECORDS:
        raise FileFormatError(
            sentence(
                "The recording is larger than the {max_bytes} GiB that a file may hold. "
                "Record with a smaller value_budget_mb or max_ops.",
                max_bytes=(MAX_BYTES if size > MAX_BYTES else MAX_RECORDS) >> 30,
            )
        )
    if header > MAX_HEADER:
        raise FileFormatError(
            sentence(
                "The texts of the recording (sources, notes and meta) are larger than the {most} "
                "MiB that a file may hold.",
                most=MAX_HEADER >> 20,
            )
        )


def _sizes(archive: zipfile.ZipFile) -> tuple[int, int, int]:
    """Bytes once unpacked, by what each part says of itself: all, without arrays, the header."""
    records = header = arrays = 0
    for member in archive.infolist():
        if member.filename in _ARRAYS:
            arrays += member.file_size
        else:
            records += member.file_size
        if member.filename == _HEADER:
            header += member.file_size
    return records + arrays, records, header


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
    name = os.fspath(path)
    try:
        with open(path, "rb") as file:
            return _read(file, name)
    except OSError as error:
        raise FileFormatError(
            sentence(
                "Cannot open {name}: {reason}.", name=name, reason=str(error.strerror or error)
            )
        ) from error


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
    return _read(io.BytesIO(data), name, most)


def _read(file: Any, name: str, most: int | None = None) -> Recording:
    try:
        with _no_collection(), zipfile.ZipFile(file) as archive:
            _check_claims(archive, name, most)
            header = _read_header(archive, name)
            recording = _read_records(archive, header)
    except (
        zipfile.BadZipFile, KeyError, ValueError, TypeError, IndexError, AttributeError,
        EOFError, OSError, NotImplementedError, RuntimeError, OverflowError, zlib.error,
        pa.ArrowException, struct.error,
    ) as error:  # fmt: skip
        # Each stands for damage at some depth: container, table, column, or reference.
        damaged = sentence(
            "{name} is not a readable recording (a file that inspector saved): it is damaged, cut "
            "short, or of another kind. Record it again, or copy it again in full.",
            name=name,
        )
        raise FileFormatError(sentences(damaged, _reason(error))) from error
    return recording


def _reason(error: Exception) -> str:
    """What the checks of this package found; what Arrow, zip or JSON say is not for people."""
    foreign = pa.ArrowException, json.JSONDecodeError, UnicodeError
    own = isinstance(error, ValueError | LookupError) and not isinstance(error, foreign)
    if not own or not error.args:
        return ""
    found = error.args[0] if isinstance(error.args[0], str) else str(error.args[0])
    if isinstance(error, KeyError) and " " not in found:
        return sentence("What was found: {part} is missing.", part=found)
    return sentence("What was found: {reason}.", reason=found)


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


def _check_claims(archive: zipfile.ZipFile, name: str, most: int | None) -> None:
    """What the file says of its size and parts, before anything is unpacked."""
    members = archive.infolist()
    size, records, header = _sizes(archive)
    most_records = min(most or MAX_RECORDS, MAX_RECORDS)
    most_bytes = min(4 * most, MAX_BYTES) if most else MAX_BYTES
    most_header = min(most_records, MAX_HEADER)
    if size > most_bytes or len(members) > MAX_MEMBERS:
        raise FileFormatError(
            sentence(
                "{name} was not opened: it claims {count} parts and {size:,} bytes once unpacked; "
                "a recording that is opened here has at most {max_members} and {max_bytes:,}.",
                name=name,
                count=len(members),
                size=size,
                max_members=MAX_MEMBERS,
                max_bytes=most_bytes,
            )
        )
    if records > most_records or header > most_header:
        raise FileFormatError(
            sentence(
                "{name} was not opened: it claims {records:,} bytes of records and a header of "
                "{header:,} once unpacked; a recording that is opened here has at most "
                "{max_records:,} and {max_header:,}.",
                name=name,
                records=records,
                header=header,
                max_records=most_records,
                max_header=most_header,
            )
        )
    if any(member.compress_type not in _PACKINGS for member in members):
        raise ValueError(sentence("a part of it is packed in a way that no recording is"))
    if len(set(archive.namelist())) < len(members):
        raise ValueError(sentence("a part is there twice"))


def _read_header(archive: zipfile.ZipFile, name: str) -> dict[str, Any]:
    header = json.loads(_content(archive, _HEADER))
    if header["format"] != FORMAT:
        raise ValueError(
            sentence(
                "format is {format}, not {expected}",
                format=repr(header["format"]),
                expected=repr(FORMAT),
            )
        )
    if int(header["version"]) > VERSION:
        raise FutureVersionError(
            sentence(
                "{name} was written in format {version}; this version of inspector reads formats "
                "up to {newest}. Update torch-graph-inspector to open it.",
                name=name,
                version=header["version"],
                newest=VERSION,
            )
        )
    return dict(header)


def _content(archive: zipfile.ZipFile, name: str) -> bytes:
    """A part, no larger than it says: `archive.read` unpacks all there is before it looks."""
    member = archive.getinfo(name)
    with archive.open(member) as stream:
        return stream.read(member.file_size)


def _read_records(archive: zipfile.ZipFile, header: dict[str, Any]) -> Recording:
    pools: dict[str, list[Any]] = {}
    for name, record_type in _POOLS.items():
        pools[name] = read_table(_content(archive, f"{name}.arrow"), name, record_type, pools)
        if record_type is Stack:
            pools[name] = [stack.frames for stack in pools[name]]
    held = {*archive.namelist(), "ops.arrow", "tensors.arrow"}
    tables = {
        name: read_table(_content(archive, f"{name}.arrow"), name, kind, pools)
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
    for row in read_table(_content(archive, f"{name}.arrow"), name, _Value, {}):
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
