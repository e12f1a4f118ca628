"""The files of a library: which recordings there are, and what each one's text says."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from inspector.container import MAX_BYTES
from inspector.errors import LibraryError
from inspector.language import sentence
from inspector.library.entries import ID, Entry, as_json, of_json
from inspector.library.places import is_folder, read_small, size_of
from inspector.writing import write_whole

RECORDING = "recording.inspect"
ABOUT = "about.json"
PICTURE = "picture.svg"
TRASH = "trash"

MOST_ABOUT = 512 * 2**10
"""Bytes of the text beside a recording: more than all that its fields may hold."""
MOST_PICTURE = 512 * 2**10
LEFT_OVER_SECONDS = 3600.0
"""What nobody has written to for so long, nobody is writing."""


class Files:
    """The folders of a library's entries.

    Args:
        folder: of the library; it need not be there.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def homes(self, below: str = "") -> Iterator[Path]:
        """The folders of entries, in the order of their ids; no links.

        Args:
            below: `TRASH` for those of the trash.
        """
        folder = self.folder / below
        # The library's own folder may be a link: it is the user who said where it is.
        if not (is_folder(folder) if below else folder.is_dir()):
            return
        for name in sorted(os.listdir(folder)):
            if ID.fullmatch(name) and is_folder(folder / name):
                yield folder / name

    def home(self, id: str, below: str = "") -> Path:
        """The folder of an entry.

        Raises:
            LibraryError: there is none.
        """
        home = self.folder / below / id
        if ID.fullmatch(id) and is_folder(home):
            return home
        shown = repr(id[:40])
        if below:
            raise LibraryError(sentence("There is no recording {id} in the trash.", id=shown))
        raise LibraryError(
            sentence(
                "There is no recording {id} in the library {folder}.",
                id=shown,
                folder=str(self.folder),
            )
        )

    def read(self, home: Path) -> Entry:
        """What is said of the recording in a folder.

        Raises:
            LibraryError: it is missing, damaged, or not what a library writes.
        """
        path = home / ABOUT
        try:
            return of_json(home.name, read_small(path, MOST_ABOUT).decode("utf-8"))
        except (OSError, ValueError) as error:
            raise refused(path, error) from error

    def write(self, home: Path, entry: Entry) -> None:
        """Say something else of a recording, whole or not at all."""
        write_whole(home / ABOUT, as_json(entry).encode("utf-8"))

    def recording(self, home: Path) -> Path:
        """The recording in a folder, to be read.

        Raises:
            LibraryError: it is a link, no file, too large or missing.
        """
        path = home / RECORDING
        try:
            size_of(path, MAX_BYTES)
        except (OSError, ValueError) as error:
            raise refused(path, error) from error
        return path

    def stamps(self) -> dict[str, str]:
        """What changes with each entry's text, by id."""
        found = {}
        for home in self.homes():
            with contextlib.suppress(OSError):
                found[home.name] = self.stamp(home.name)
        return found

    def stamp(self, id: str) -> str:
        """What changes with an entry's text.

        Raises:
            OSError: it has none.
        """
        state = (self.folder / id / ABOUT).lstat()
        return f"{state.st_ino}:{state.st_mtime_ns}:{state.st_size}"

    def sweep(self, *, thoroughly: bool = False) -> None:
        """Delete what processes left that died while they were writing.

        Args:
            thoroughly: look into the folders of the entries, too; what is there is small.
        """
        left = list(self.folder.glob(".*.part"))
        if thoroughly:
            left += [path for home in self.homes() for path in home.glob(".*.part")]
        for path in left:
            with contextlib.suppress(OSError):
                inside = path.iterdir() if is_folder(path) else ()
                newest = max(one.lstat().st_mtime for one in (path, *inside))
                if time.time() - newest < LEFT_OVER_SECONDS:
                    continue
                if is_folder(path):
                    shutil.rmtree(path)
                else:
                    path.unlink()


def refused(path: Path, error: Exception) -> LibraryError:
    """A file that is not used, and why.

    Args:
        path: of the file.
        error: an `OSError`, or a `ValueError` whose text is the reason.
    """
    reason = reason_of(error)
    return LibraryError(sentence("{file} was refused: {reason}.", file=str(path), reason=reason))


def reason_of(error: Exception) -> str:
    """What an error says, as it was made."""
    return getattr(error, "strerror", None) or (error.args[0] if error.args else str(error))
