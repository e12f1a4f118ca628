"""Recordings that somebody laid into the library's folder by hand: they are taken in.

A file is loaded before anything is done with it: one that is still being copied is no recording
until its last part is there. Its id follows from the file, so that of two processes that find it
one takes it. It is taken away from where it lay when its entry stands: a process that dies between
the two leaves it twice, and never not at all.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from inspector.container import MAX_BYTES
from inspector.errors import FileFormatError, InspectorError, LibraryError
from inspector.language import sentence, sentences
from inspector.library.entries import ID, LONGEST_NAME, entry_of, printable
from inspector.library.files import RECORDING, TRASH, Files, refused
from inspector.library.index import Index
from inspector.library.places import is_folder, size_of
from inspector.library.taking import Picture, copy, draw, measured, move_in
from inspector.records import Recording
from inspector.store import load

ENDING = ".inspect"

TAKING_SECONDS = 2.0
"""No file is begun after these, while somebody waits for the list."""

_refusals: dict[str, FileFormatError] = {}
"""Why files are no recordings, by their stamps: none is read twice in vain."""
_MOST_REFUSALS = 1000


class Laid:
    """What was laid into the folder of a library.

    Args:
        files, index: of the library.
        picture: draws a small SVG of a recording.
    """

    def __init__(self, files: Files, index: Index, picture: Picture | None) -> None:
        self._files = files
        self._index = index
        self._picture = picture

    def take_in(self, *, all_of_it: bool = False) -> tuple[str, ...]:
        """Take in what can be, each file under its name.

        Args:
            all_of_it: however long it takes, and also where nothing was ever kept: somebody may
                have named a folder of their own, whose files are not to be moved unasked.

        Returns:
            Why files stay where they are, a sentence each.
        """
        waiting: list[str] = []
        paths = self._paths()
        if paths and not all_of_it and not any(self._files.homes()):
            return tuple(map(_unasked, paths))
        deadline = time.monotonic() + (math.inf if all_of_it else TAKING_SECONDS)
        for path in paths:
            try:
                if time.monotonic() > deadline:
                    raise refused(path, ValueError(sentence("there was no time for it yet")))
                self._take(path)
            except InspectorError as error:
                kept = sentence("It lies in the library's folder, and is taken in when it can be.")
                waiting.append(sentences(error.message, kept))
        return tuple(waiting)

    def strange_folders(self) -> Iterator[Path]:
        """Folders with recordings that are no entry's: renamed by hand, laid there, or what a
        cloud drive made of a conflict.
        """
        for name in self._names():
            path = self._files.folder / name
            known = ID.fullmatch(name) or name == TRASH
            if not known and is_folder(path) and any(path.glob(f"*{ENDING}")):
                yield path

    def _paths(self) -> list[Path]:
        found = [self._files.folder / name for name in self._names() if name.endswith(ENDING)]
        return [path for path in found if not is_folder(path)]

    def _names(self) -> list[str]:
        """What lies in the folder, but for hidden files: programs that copy write to such first."""
        folder = self._files.folder
        if not folder.is_dir():
            return []
        return sorted(name for name in os.listdir(folder) if not name.startswith("."))

    def _take(self, path: Path) -> None:
        """Take in one file.

        Raises:
            LibraryError: it is no plain file, has changed meanwhile, or the folder can't be
                written.
            FileFormatError: it is no recording.
        """
        folder = self._files.folder
        try:
            stamp = _stamp(path)
            recording = _loaded(path, stamp)
            part = folder / f".{secrets.token_hex(8)}.part"
            part.mkdir(mode=0o700)
            try:
                self._move(path, stamp, recording, part)
            finally:
                shutil.rmtree(part, ignore_errors=True)
        except FileNotFoundError:
            return  # another process has taken it
        except (OSError, ValueError) as error:
            raise refused(path, error) from error

    def _move(self, path: Path, stamp: str, recording: Recording, part: Path) -> None:
        try:
            os.link(path, part / RECORDING, follow_symlinks=False)
        except OSError:  # a file system without links
            copy(path, part / RECORDING)
        draw(part, recording, self._picture)
        new = hashlib.sha256(stamp.encode()).hexdigest()[:12]
        name = printable(path.stem)[:LONGEST_NAME]
        entry = entry_of(recording, new, *measured(part), name, (), "")
        if _stamp(path) != stamp:
            raise ValueError(sentence("it changed meanwhile"))
        try:
            move_in(part, entry, self._files, self._index)
        except OSError:
            if not self._stands(new, entry.digest):
                raise
        if _stamp(path) == stamp:
            path.unlink()

    def _stands(self, id: str, digest: str) -> bool:
        """Whether the entry is there already, made by another process, or by one that died before
        it could take the file away.
        """
        with contextlib.suppress(LibraryError, OSError):
            return measured(self._files.home(id))[1] == digest
        return False


def _unasked(path: Path) -> str:
    return sentence(
        "{file} lies in a folder where nothing was kept before: `inspector library rebuild` takes "
        "it in.",
        file=str(path),
    )


def _stamp(path: Path) -> str:
    """What changes with a file.

    Raises:
        OSError: it is not there.
        ValueError: it is a link, no file, or too large.
    """
    size_of(path, MAX_BYTES)
    state = path.lstat()
    return f"{state.st_dev}:{state.st_ino}:{state.st_mtime_ns}:{state.st_size}"


def _loaded(path: Path, stamp: str) -> Recording:
    if stamp in _refusals:
        raise _refusals[stamp]
    try:
        return load(path)
    except FileFormatError as error:
        # What the system refuses, it may allow later.
        if not isinstance(error.__cause__, OSError):
            if len(_refusals) >= _MOST_REFUSALS:
                _refusals.clear()
            _refusals[stamp] = error.with_traceback(None)
        raise
