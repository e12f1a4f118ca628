"""A library of recordings: a folder that keeps them with names, tags, notes and pictures.

    library = Library()
    entry = library.add("run.inspect", "before the fix", tags=["baseline"])
    library.entries(search="relu")

Each recording has a folder of its own, named by its id, which no text of a person ever is:

    3f2a90c1d4e7/
        recording.inspect    the file as it was given, never changed
        about.json           name, tags, note, and what ran (`inspector.library.entries`)
        picture.svg          a small picture, where one could be drawn
    trash/                   such folders, removed
    index.sqlite             to search quickly; made again from the files whenever it is not as they
    lock                     held while a file changes its place or its text

A folder is made beside its place and comes there by one rename, a text is replaced by one rename:
a process that dies, or a disk that is full, leaves what was there before. What two processes do
at once to one recording is done one after the other, on what the file says at that moment.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import shutil
import sqlite3
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from inspector.errors import InspectorError, LibraryError
from inspector.language import sentence
from inspector.library import index
from inspector.library.entries import (
    ID,
    Entry,
    as_json,
    checked_name,
    checked_note,
    checked_tags,
    entry_of,
    of_json,
)
from inspector.library.places import (
    default_folder,
    is_folder,
    locked,
    read_small,
    settle_folder,
    size_of,
)
from inspector.records import Recording
from inspector.store import MAX_BYTES, load, save
from inspector.writing import write_whole

__all__ = ["Entry", "Library"]

T = TypeVar("T")

RECORDING = "recording.inspect"
ABOUT = "about.json"
PICTURE = "picture.svg"
TRASH = "trash"

MOST_ABOUT = 512 * 2**10
"""Bytes of the text beside a recording: more than all that its fields may hold."""
MOST_PICTURE = 512 * 2**10
LEFT_OVER_SECONDS = 3600.0
"""What nobody has written to for so long, nobody is writing."""

_CHUNK = 2**20


class Library:
    """The recordings of one folder; any number of these, in any number of processes.

    Args:
        folder: made when something is first kept in it. None takes the one that the environment
            names in INSPECTOR_LIBRARY, or the one in the user's data directory.
        picture: draws a small SVG of a recording; without it none are drawn.

    All methods that change something raise `LibraryError` where the folder can't be written, and
    those that take an id where there is no such recording.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str] | None = None,
        picture: Callable[[Recording], str] | None = None,
    ) -> None:
        self.folder = default_folder() if folder is None else Path(folder)
        self._picture = picture

    # What there is

    def entries(self, search: str = "", tag: str = "") -> tuple[Entry, ...]:
        """The recordings, the pinned first, then the newest.

        Args:
            search: words that all occur in a recording's name, tags, note, model, exception or
                names of ops, as parts of words and whatever their case.
            tag: that it has; "" for any.
        """
        return self._ask(lambda database: index.found(database, search, tag))

    def entry(self, id: str) -> Entry:
        """One recording.

        Raises:
            LibraryError: there is none with this id, or what is said of it was refused.
        """
        return self._read(self._home(id))

    def tags(self) -> tuple[str, ...]:
        """The tags in use, sorted."""
        return checked_sorted(tag for entry in self.entries() for tag in entry.tags)

    def problems(self) -> tuple[str, ...]:
        """What in the folder can't be used, and why, a sentence each."""
        found = []
        for home in self._homes():
            try:
                self._read(home)
                self.path(home.name)
            except LibraryError as error:
                found.append(error.message)
        for path in sorted(self.folder.glob("*.inspect")) if self.folder.is_dir() else ():
            found.append(
                sentence(
                    "{file} lies in the library's folder and is not kept by it: add it.",
                    file=str(path),
                )
            )
        return tuple(found)

    def path(self, id: str) -> Path:
        """The file of a recording, to be read.

        Raises:
            LibraryError: it is a link, no file, too large or missing.
        """
        return self._checked(self._home(id) / RECORDING, MAX_BYTES)

    def picture(self, id: str) -> str:
        """The small picture of a recording as SVG; "" where there is none."""
        path = self._home(id) / PICTURE
        try:
            return read_small(path, MOST_PICTURE).decode("utf-8")
        except (OSError, ValueError):
            return ""

    def trash(self) -> tuple[Entry, ...]:
        """The removed recordings, the newest first."""
        found = []
        for home in self._homes(TRASH):
            with contextlib.suppress(LibraryError):
                found.append(self._read(home))
        return tuple(sorted(found, key=lambda entry: entry.order, reverse=True))

    # What can be done

    def add(
        self,
        source: str | os.PathLike[str] | bytes | Recording,
        name: str = "",
        tags: Iterable[str] = (),
        note: str = "",
    ) -> Entry:
        """Keep a recording.

        Args:
            source: a file, which is copied; its bytes; or a recording, which is saved.
            name: of any kind and not only once; "" takes that of the model.
            tags, note: of any kind.

        Raises:
            LibraryError: a text is too long, or the file is too large.
            FileFormatError: the file is not a recording.
        """
        if isinstance(tags, str):
            tags = (tags,)
        checked_tags(tags := tuple(tags))
        checked_note(note)
        new = secrets.token_hex(6)
        with self._writing():
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._sweep()
            part = self.folder / f".{new}.part"
            part.mkdir(mode=0o700)
            try:
                entry = self._make(part, new, source, name, tags, note)
                with locked(self.folder, exclusive=True):
                    part.rename(self.folder / new)
                    settle_folder(self.folder)
                    self._note_down(entry)
            except BaseException:
                shutil.rmtree(part, ignore_errors=True)
                raise
        return entry

    def rename(self, id: str, name: str) -> Entry:
        """Give a recording another name."""
        name = checked_name(name)
        return self._change(id, lambda entry: replace(entry, name=name))

    def tag(self, id: str, *tags: str) -> Entry:
        """Add tags to a recording's."""
        return self._change(
            id, lambda entry: replace(entry, tags=checked_tags((*entry.tags, *tags)))
        )

    def untag(self, id: str, *tags: str) -> Entry:
        """Take tags away from a recording, whatever their case; those it has not are no mistake."""
        gone = {tag.casefold() for tag in tags}
        return self._change(
            id,
            lambda entry: replace(
                entry, tags=tuple(tag for tag in entry.tags if tag.casefold() not in gone)
            ),
        )

    def note(self, id: str, note: str) -> Entry:
        """Write a recording's note in the place of the one it has."""
        note = checked_note(note)
        return self._change(id, lambda entry: replace(entry, note=note))

    def pin(self, id: str, pinned: bool = True) -> Entry:
        """Make a recording a baseline, which others are compared with; or no longer."""
        return self._change(id, lambda entry: replace(entry, pinned=pinned))

    def remove(self, id: str) -> Entry:
        """Put a recording into the trash."""
        return self._move(id, self.folder, self.folder / TRASH)

    def restore(self, id: str) -> Entry:
        """Take a recording out of the trash, as it was."""
        return self._move(id, self.folder / TRASH, self.folder)

    def empty_trash(self) -> int:
        """Delete for good what is in the trash; how many recordings that were."""
        if not is_folder(self.folder / TRASH):
            return 0
        with self._writing(), locked(self.folder, exclusive=True):
            homes = list(self._homes(TRASH))
            for home in homes:
                shutil.rmtree(home)
            return len(homes)

    def rebuild(self) -> int:
        """Make the index and what else can be made again, from the recordings themselves.

        A recording whose text is missing or was refused gets a new one, named after its model;
        the old one stays beside it as "about.refused". Missing pictures are drawn, what dead
        processes left over is deleted.

        Returns:
            How many recordings there are now.
        """
        if not self.folder.is_dir():
            return 0
        with self._writing():
            self._sweep()
            for home in self._homes():
                with contextlib.suppress(InspectorError):
                    self._repair(home)
            with locked(self.folder, exclusive=True):
                index.discard(self.folder)
        return len(self.entries())

    # How it is done

    def _make(
        self,
        part: Path,
        new: str,
        source: str | os.PathLike[str] | bytes | Recording,
        name: str,
        tags: tuple[str, ...],
        note: str,
    ) -> Entry:
        """Fill the folder of a new entry."""
        target = part / RECORDING
        if isinstance(source, Recording):
            save(source, target)
            recording = source
        else:
            _copy(source, target)
            try:
                recording = load(target)
            except InspectorError as error:
                raise type(error)(_renamed(error.message, target, source)) from error
        size, digest = _measured(target)
        entry = entry_of(recording, new, size, digest, name, tags, note)
        self._draw(part, recording)
        write_whole(part / ABOUT, as_json(entry).encode("utf-8"))
        settle_folder(part)
        return entry

    def _draw(self, home: Path, recording: Recording) -> None:
        if self._picture is None:
            return
        try:
            drawn = self._picture(recording).encode("utf-8")
        except InspectorError:  # a run that can't be drawn can still be kept
            return
        if 0 < len(drawn) <= MOST_PICTURE:
            write_whole(home / PICTURE, drawn)

    def _repair(self, home: Path) -> None:
        try:
            self._read(home)
            if self._picture is None or self.picture(home.name):
                return
            self._draw(home, load(self.path(home.name)))
        except LibraryError:
            path = self.path(home.name)
            recording = load(path)
            entry = entry_of(recording, home.name, *_measured(path), "", (), "")
            self._draw(home, recording)
            with locked(self.folder, exclusive=True):
                with contextlib.suppress(FileNotFoundError):
                    (home / ABOUT).rename(home / "about.refused")
                write_whole(home / ABOUT, as_json(entry).encode("utf-8"))

    def _homes(self, below: str = "") -> Iterator[Path]:
        """The folders of entries, in the order of their ids; no links."""
        folder = self.folder / below
        if not is_folder(folder) and (below or not folder.is_dir()):
            return
        for name in sorted(os.listdir(folder)):
            if ID.fullmatch(name) and is_folder(folder / name):
                yield folder / name

    def _home(self, id: str, below: str = "") -> Path:
        """The folder of an entry."""
        home = self.folder / below / id
        if not ID.fullmatch(id) or not is_folder(home):
            missing = sentence(
                "There is no recording {id} in the library {folder}.",
                id=repr(id[:40]),
                folder=str(self.folder),
            )
            gone = sentence("There is no recording {id} in the trash.", id=repr(id[:40]))
            raise LibraryError(gone if below else missing)
        return home

    def _read(self, home: Path) -> Entry:
        path = home / ABOUT
        try:
            return of_json(home.name, read_small(path, MOST_ABOUT).decode("utf-8"))
        except (OSError, ValueError) as error:
            raise _refused(path, error) from error

    def _checked(self, path: Path, most: int) -> Path:
        try:
            size_of(path, most)
        except (OSError, ValueError) as error:
            raise _refused(path, error) from error
        return path

    def _change(self, id: str, change: Callable[[Entry], Entry]) -> Entry:
        home = self._home(id)
        with self._writing(), locked(self.folder, exclusive=True):
            before = self._read(self._home(id))
            entry = change(before)
            if entry != before:
                write_whole(home / ABOUT, as_json(entry).encode("utf-8"))
                self._note_down(entry)
        return entry

    def _move(self, id: str, source: Path, target: Path) -> Entry:
        below = TRASH if source.name == TRASH else ""
        self._home(id, below)
        with self._writing(), locked(self.folder, exclusive=True):
            entry = self._read(self._home(id, below))
            target.mkdir(mode=0o700, exist_ok=True)
            if not below and not is_folder(target):
                raise _refused(target, ValueError(sentence("it is a link or no file")))
            (source / id).rename(target / id)
            settle_folder(target)
            settle_folder(source)
        return entry

    def _note_down(self, entry: Entry) -> None:
        """Write the entry's row of the index; where that fails, whoever asks next will."""
        stamp = _stamp(self.folder / entry.id / ABOUT)
        with (
            contextlib.suppress(sqlite3.Error, OSError),
            index.opened(str(self.folder / index.NAME)) as database,
        ):
            index.put(database, entry, stamp)

    def _ask(self, question: Callable[[sqlite3.Connection], T]) -> T:
        """Ask the index, as the files are now.

        Where it is damaged it is made anew; where it can't be written, or is locked for too long,
        one in memory answers.
        """
        place = str(self.folder / index.NAME)
        if self.folder.is_dir():
            try:
                try:
                    with locked(self.folder, exclusive=False):
                        return self._asked(place, question)
                except sqlite3.Error as error:
                    if index.is_damage(error):
                        with locked(self.folder, exclusive=True):
                            index.discard(self.folder)
                            return self._asked(place, question)
            except (sqlite3.Error, OSError):
                pass
        return self._asked(index.MEMORY, question)

    def _asked(self, place: str, question: Callable[[sqlite3.Connection], T]) -> T:
        stamps = {}
        for home in self._homes():
            with contextlib.suppress(OSError):
                stamps[home.name] = _stamp(home / ABOUT)
        with index.opened(place) as database:
            index.bring_up(database, stamps, self._entry_or_none)
            return question(database)

    def _entry_or_none(self, id: str) -> Entry | None:
        try:
            return self.entry(id)
        except LibraryError:
            return None  # `problems` tells of it

    def _sweep(self) -> None:
        """Delete what processes left that died while they were writing."""
        left = [path for path in self.folder.glob(".*.part") if is_folder(path)]
        left += [path for home in self._homes() for path in home.glob(".*.part")]
        for path in left:
            with contextlib.suppress(OSError):
                inside = path.rglob("*") if is_folder(path) else ()
                newest = max(one.lstat().st_mtime for one in (path, *inside))
                if time.time() - newest < LEFT_OVER_SECONDS:
                    continue
                if is_folder(path):
                    shutil.rmtree(path)
                else:
                    path.unlink()

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """What the system refuses is told as one message."""
        try:
            yield
        except OSError as error:
            reason = error.strerror or (error.args[0] if error.args else "")
            raise LibraryError(
                sentence(
                    "The library {folder} could not be written: {reason}. Nothing in it changed.",
                    folder=str(self.folder),
                    reason=reason,
                )
            ) from error


def checked_sorted(tags: Iterable[str]) -> tuple[str, ...]:
    """Tags sorted whatever their case, none twice."""
    found: dict[str, str] = {}
    for tag in tags:
        found.setdefault(tag.casefold(), tag)
    return tuple(found[key] for key in sorted(found))


def _stamp(path: Path) -> str:
    state = path.lstat()
    return f"{state.st_ino}:{state.st_mtime_ns}:{state.st_size}"


def _copy(source: str | os.PathLike[str] | bytes, target: Path) -> None:
    """Copy a file or its bytes; both end on the disk."""
    with open(target, "xb") as copy:
        if isinstance(source, bytes):
            if len(source) > MAX_BYTES:
                raise _too_large(target.name)
            copy.write(source)
        else:
            with _plain(Path(source)) as handle, open(handle, "rb", closefd=False) as file:
                while chunk := file.read(_CHUNK):
                    copy.write(chunk)
                    if copy.tell() > MAX_BYTES:
                        raise _too_large(str(source))
        copy.flush()
        os.fsync(copy.fileno())


@contextlib.contextmanager
def _plain(path: Path) -> Iterator[int]:
    """The opened file: one of the user's, so it may be reached by a link, but it is no pipe."""
    try:
        handle = os.open(
            path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        )
    except OSError as error:
        raise _refused(path, error) from error
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise _refused(path, ValueError(sentence("it is a link or no file")))
        yield handle
    finally:
        os.close(handle)


def _measured(path: Path) -> tuple[int, str]:
    """Bytes and SHA-256 of a file."""
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return file.tell(), digest


def _too_large(name: str) -> LibraryError:
    return LibraryError(
        sentence("{file} is larger than the {most:,} bytes of a recording.", file=name,
                 most=MAX_BYTES)
    )  # fmt: skip


def _refused(path: Path, error: Exception) -> LibraryError:
    reason = getattr(error, "strerror", None) or (error.args[0] if error.args else "")
    return LibraryError(
        sentence("{file} was refused: {reason}.", file=str(path), reason=reason)
    )


def _renamed(message: str, target: Path, source: str | os.PathLike[str] | bytes) -> str:
    """The message about the copy, about what was copied."""
    return message
