"""The file around a recording: a zip that is looked at before anything of it is unpacked.

What a stranger's file claims of its parts and sizes is checked first, no part is unpacked further
than it claims, and whatever is wrong with it is told in one kind of error.
"""

from __future__ import annotations

import contextlib
import json
import os
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import IO, Any

import pyarrow as pa

from inspector.errors import FileFormatError, FutureVersionError
from inspector.language import sentence, sentences

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
HEADER = "header.json"
_ARRAYS = ("values.arrow", "grads.arrow")


@contextlib.contextmanager
def opened_path(
    path: str | os.PathLike[str],
) -> Iterator[tuple[zipfile.ZipFile, dict[str, Any]]]:
    """As `opened`, of a file on disk.

    Raises:
        FileFormatError, FutureVersionError: as by `opened`; or there is no such file.
    """
    name = os.fspath(path)
    try:
        with open(path, "rb") as file, opened(file, name) as found:
            yield found
    except OSError as error:
        raise FileFormatError(
            sentence(
                "Cannot open {name}: {reason}.", name=name, reason=str(error.strerror or error)
            )
        ) from error


@contextlib.contextmanager
def opened(
    file: IO[bytes], name: str, most: int | None = None
) -> Iterator[tuple[zipfile.ZipFile, dict[str, Any]]]:
    """A recording's parts and header; what goes wrong while they are read is told as damage.

    Args:
        file: at its beginning.
        name: of the file, for the messages.
        most: as of `store.load_bytes`.

    Raises:
        FileFormatError: it is damaged, of another kind, or claims too much.
        FutureVersionError: it was written by a newer version.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            _check_claims(archive, name, most)
            yield archive, _read_header(archive, name)
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
    header = json.loads(content(archive, HEADER))
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


def content(archive: zipfile.ZipFile, name: str) -> bytes:
    """A part, no larger than it says: `archive.read` unpacks all there is before it looks."""
    member = archive.getinfo(name)
    with archive.open(member) as stream:
        return stream.read(member.file_size)


def check_room(archive: zipfile.ZipFile) -> None:
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
        if member.filename == HEADER:
            header += member.file_size
    return records + arrays, records, header
