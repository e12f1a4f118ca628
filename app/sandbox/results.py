"""What comes back from a program: a file of plain data, which anybody could have written.

The program's process holds the file open, and so can write what it likes into it. It is read once,
up to a size, and every part of it is checked before it is believed:

    one line of JSON (`Told`, and the sizes of what follows), a recording, a static graph, and what
    ran of it
"""

from __future__ import annotations

import io
import json
import os
import shutil
import zipfile
import zlib
from dataclasses import asdict, dataclass, fields
from typing import Any

from inspector.errors import FileFormatError
from inspector.language import sentence
from inspector.records import Overlay, Recording, StaticGraph
from inspector.retold import as_json, from_json
from inspector.static_store import (
    overlay_from_json,
    overlay_to_json,
    static_from_json,
    static_to_json,
)
from inspector.store import load_bytes

LARGEST_RECORDS, LARGEST_VALUES = 64 << 20, 128 << 20
"""Bytes, unpacked, of a recording's records and of its values. Records are ten times as large once
they are objects; those of 20,000 ops are about 10 MB.
"""

_LARGEST_HEADER = 100_000
_IN_ANY_LANGUAGE = ("message", "missing", "static_missing")
"""What of `Told` may be sentences of the library."""

LONGEST_TEXT = 4_000
NUMBER = 3
"""Of the open file, in the program's process."""


@dataclass(frozen=True, slots=True)
class Told:
    """How a program ended, as its own process tells it.

    `ended` is "done", "failed", "time", "memory" or "stopped"; `type` and `message` are those of
    the exception, `line` its line in the program. `missing` says why there is no recording,
    `static_missing` why there is no static graph, or what of it is not known. All three can be
    sentences of the library.
    """

    ended: str = "done"
    type: str = ""
    message: str = ""
    line: int | None = None
    missing: str = ""
    static_missing: str = ""


@dataclass(frozen=True, slots=True)
class Results:
    """What was read of a file of results."""

    told: Told
    recording: Recording | None
    static: StaticGraph | None
    overlay: Overlay | None = None


def write(found: Results, folder: str) -> None:
    """Write the results of this process's program, into the file that it was given.

    Args:
        found: what there is.
        folder: for what is written meanwhile; all that the program left there is deleted.
    """
    recording, static, overlay = found.recording, found.static, found.overlay
    known = asdict(found.told)
    saved = drawn = lit = b""
    if recording is not None:
        try:
            saved = _saved(recording, folder)
        except (OSError, FileFormatError, MemoryError) as error:
            known["missing"] = _reason(error)
    if static is not None:
        drawn = static_to_json(static)
        lit = b"" if overlay is None else overlay_to_json(overlay, static)
    known["sentences"] = as_json([known[name] for name in _IN_ANY_LANGUAGE])
    for name in _IN_ANY_LANGUAGE:
        known[name] = known[name][:LONGEST_TEXT]
    header = json.dumps({**known, "sizes": [len(saved), len(drawn), len(lit)]}).encode() + b"\n"
    os.lseek(NUMBER, 0, os.SEEK_SET)
    with open(NUMBER, "wb", closefd=False) as file:
        for part in (header, saved, drawn, lit):
            file.write(part)


def _reason(error: Exception) -> str:
    return getattr(error, "message", "") or str(error) or type(error).__name__


def _saved(recording: Recording, folder: str) -> bytes:
    """The recording as a file's bytes. The folder may be full of the program's files."""
    for entry in os.scandir(folder):
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path, ignore_errors=True)
        else:
            os.unlink(entry.path)
    path = os.path.join(folder, "saved.inspect")
    recording.save(path)
    with open(path, "rb") as file:
        return file.read()


def read(number: int, largest: int, name: str) -> Results | None:
    """Read the results of a program.

    Args:
        number: of the open file.
        largest: bytes that are read of it.
        name: of the program's file, for messages.

    Returns:
        None where the program's process ended before all was written.

    Raises:
        FileFormatError: it is not what this package writes.
    """
    size = os.fstat(number).st_size
    if size > largest:
        raise FileFormatError(
            sentence(
                "The results of {name} are larger than {largest:,} bytes.",
                name=name,
                largest=largest,
            )
        )
    data = os.pread(number, size, 0)
    line, _, rest = data[:_LARGEST_HEADER].partition(b"\n")
    if not rest and len(line) in (0, len(data)):
        return None
    try:
        told, sizes = _header(line)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise FileFormatError(
            sentence("The results of {name} cannot be read.", name=name)
        ) from error
    parts = memoryview(data)[len(line) + 1 :]
    if len(parts) != sum(sizes):
        return None
    middle = sizes[0] + sizes[1]
    saved, drawn, lit = (
        bytes(each) for each in (parts[: sizes[0]], parts[sizes[0] : middle], parts[middle:])
    )
    recording = _loaded(saved, name) if saved else None
    static = static_from_json(drawn, name) if drawn else None
    if static is None or not lit:
        return Results(told, recording, static)
    return Results(told, recording, static, overlay_from_json(lit, static, name))


def _header(line: bytes) -> tuple[Told, tuple[int, int, int]]:
    # Half a character (a lone surrogate) in a message could not be sent on.
    known = json.loads(line, object_hook=_whole)
    first, second, third = known.pop("sizes")
    made = known.pop("sentences", None)
    texts = from_json([known.get(name, "") for name in _IN_ANY_LANGUAGE], made)
    told = Told(**{**known, **dict(zip(_IN_ANY_LANGUAGE, texts, strict=True))})
    for field in fields(Told):
        value = getattr(told, field.name)
        good = isinstance(value, str) and len(value) <= LONGEST_TEXT
        if field.name == "line":
            good = value is None or (type(value) is int and 0 < value < 1 << 31)
        if not good:
            raise ValueError(field.name)
    if told.ended not in ("done", "failed", "time", "memory", "stopped"):
        raise ValueError("ended")
    for size in (first, second, third):
        if type(size) is not int or size < 0:
            raise ValueError("sizes")
    return told, (first, second, third)


def _whole(known: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
        for name, value in known.items()
    }


def _loaded(saved: bytes, name: str) -> Recording:
    """The recording, if it is not larger than it says, nor too large."""
    plain = io.BytesIO()
    try:
        with zipfile.ZipFile(io.BytesIO(saved)) as archive:
            _check_sizes(archive, name)
            with zipfile.ZipFile(plain, "w") as unpacked:
                for part in archive.infolist():
                    # No more than it says is unpacked; `ZipFile.read` would cut it only then.
                    with archive.open(part) as file:
                        unpacked.writestr(part.filename, file.read(part.file_size))
    except (
        zipfile.BadZipFile, ValueError, NotImplementedError, OSError, RuntimeError, EOFError,
        zlib.error,
    ) as error:  # fmt: skip
        raise FileFormatError(sentence("The recording of {name} is damaged.", name=name)) from error
    return load_bytes(plain.getvalue(), name)


def _check_sizes(archive: zipfile.ZipFile, name: str) -> None:
    sizes = {part.filename: part.file_size for part in archive.infolist()}
    values = sizes.pop("values.arrow", 0) + sizes.pop("grads.arrow", 0)
    if sum(sizes.values()) > LARGEST_RECORDS or values > LARGEST_VALUES:
        raise FileFormatError(
            sentence(
                "The recording of {name} is larger than {records} MiB of records or {values} MiB "
                "of values. Run fewer ops, or keep fewer values.",
                name=name,
                records=LARGEST_RECORDS >> 20,
                values=LARGEST_VALUES >> 20,
            )
        )
    packings = {part.compress_type for part in archive.infolist()}
    if not packings <= {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        raise ValueError("packed as no recording is")
    if len(set(archive.namelist())) < len(archive.namelist()):
        raise ValueError("a part is there twice")
