"""A new entry's folder: the recording is copied or saved, read, drawn and described."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from inspector.container import MAX_BYTES
from inspector.errors import FileFormatError, InspectorError, LibraryError
from inspector.language import sentence
from inspector.library.entries import Entry
from inspector.library.files import MOST_PICTURE, PICTURE, RECORDING, Files, refused
from inspector.library.index import Index
from inspector.library.places import locked, settle_folder
from inspector.records import Recording
from inspector.store import load, load_bytes, save
from inspector.writing import write_whole

Source = str | os.PathLike[str] | bytes | Recording
"""A file, its bytes, or a recording that no file holds yet."""

Picture = Callable[[Recording], str]
"""Draws a small SVG of a recording."""

_CHUNK = 2**20


def take(source: Source, home: Path, name: str) -> Recording:
    """Put a recording into its new folder.

    Args:
        source: what is kept.
        home: the folder.
        name: of bytes, for the message about those that are no recording.

    Raises:
        LibraryError: it is no file, or too large.
        FileFormatError: it is no recording.
        OSError: it can't be written.
    """
    target = home / RECORDING
    if isinstance(source, Recording):
        save(source, target)
        return source
    copy(source, target)
    try:
        return load(target)
    except FileFormatError:
        # The message is to name what was given, not the copy.
        if isinstance(source, bytes):
            load_bytes(source, name or RECORDING)
        else:
            load(source)
        raise


def measured(home: Path) -> tuple[int, str]:
    """Bytes and SHA-256 of the recording in a folder."""
    with open(home / RECORDING, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return file.tell(), digest


def draw(home: Path, recording: Recording, picture: Picture | None) -> None:
    """Put a small picture of a recording beside it, where it can be drawn."""
    if picture is None:
        return
    try:
        drawn = picture(recording).encode("utf-8")
    except InspectorError:  # a run that can't be drawn can still be kept
        return
    if 0 < len(drawn) <= MOST_PICTURE:
        write_whole(home / PICTURE, drawn)


def move_in(part: Path, entry: Entry, files: Files, index: Index) -> None:
    """Make a filled folder an entry's.

    Args:
        part: the folder, beside the entries.
        entry: what is known of the recording in it.
        files, index: of the library.

    Raises:
        OSError: it can't be written, or the entry has a folder already.
    """
    files.write(part, entry)
    settle_folder(part)
    with locked(files.folder, exclusive=True):
        part.rename(files.folder / entry.id)
        settle_folder(files.folder)
        index.note_down(entry)


def copy(source: str | os.PathLike[str] | bytes, target: Path) -> None:
    """Copy a file or its bytes; both end on the disk.

    Raises:
        LibraryError: it is no file, or too large.
        OSError: it can't be written.
    """
    with open(target, "xb") as copy:
        if isinstance(source, bytes):
            _within(len(source), target.name)
            copy.write(source)
        else:
            with _plain(Path(source)) as handle, open(handle, "rb", closefd=False) as file:
                while chunk := file.read(_CHUNK):
                    copy.write(chunk)
                    _within(copy.tell(), str(source))
        copy.flush()
        os.fsync(copy.fileno())


def _within(size: int, name: str) -> None:
    if size > MAX_BYTES:
        raise LibraryError(
            sentence(
                "{file} is larger than the {most:,} bytes of a recording.",
                file=name,
                most=MAX_BYTES,
            )
        )


@contextlib.contextmanager
def _plain(path: Path) -> Iterator[int]:
    """The opened file: one of the user's, so a link may lead to it; but no pipe or device."""
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        handle = os.open(path, flags)
    except OSError as error:
        raise refused(path, error) from error
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise refused(path, ValueError(sentence("it is no plain file")))
        yield handle
    finally:
        os.close(handle)
