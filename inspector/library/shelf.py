"""The library itself: what can be asked of it, and done to it."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from inspector.errors import InspectorError, LibraryError
from inspector.language import sentence
from inspector.library import index
from inspector.library.entries import (
    Entry,
    checked_name,
    checked_note,
    checked_tags,
    entry_of,
)
from inspector.library.files import ABOUT, MOST_PICTURE, PICTURE, TRASH, Files, reason_of, refused
from inspector.library.laid import Laid
from inspector.library.places import default_folder, is_folder, locked, read_small, settle_folder
from inspector.library.taking import Picture, Source, draw, measured, move_in, take
from inspector.store import load


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
        picture: Picture | None = None,
    ) -> None:
        self.folder = (default_folder() if folder is None else Path(folder)).absolute()
        self._picture = picture
        self._files = Files(self.folder)
        self._index = index.Index(self._files)
        self._laid = Laid(self._files, self._index, picture)

    def entries(self, search: str = "", tag: str = "") -> tuple[Entry, ...]:
        """The recordings, the pinned first, then the newest.

        Files that somebody laid into the folder beside others are taken in before.

        Args:
            search: words that all occur in a recording's name, tags, note, model, exception or
                names of ops, as parts of words and whatever their case.
            tag: that it has; "" for any.
        """
        self._laid.take_in()  # `problems` tells of those that can't be
        return self._index.ask(lambda database: index.found(database, search, tag))

    def entry(self, id: str) -> Entry:
        """One recording.

        Raises:
            LibraryError: there is none with this id, or what is said of it was refused.
        """
        return self._files.read(self._files.home(id))

    def path(self, id: str) -> Path:
        """The file of a recording, to be read.

        Raises:
            LibraryError: it is a link, no file, too large or missing.
        """
        return self._files.recording(self._files.home(id))

    def picture(self, id: str) -> str:
        """The small picture of a recording as SVG; "" where there is none."""
        try:
            return read_small(self._files.home(id) / PICTURE, MOST_PICTURE).decode("utf-8")
        except (OSError, ValueError):
            return ""

    def trash(self) -> tuple[Entry, ...]:
        """The removed recordings, as `entries` orders them."""
        found = []
        for home in self._files.homes(TRASH):
            with contextlib.suppress(LibraryError):
                found.append(self._files.read(home))
        return tuple(sorted(found, key=lambda entry: entry.order, reverse=True))

    def problems(self) -> tuple[str, ...]:
        """What in the folder can't be used, and why, a sentence each."""
        found: list[str] = []
        for home in self._files.homes():
            try:
                self._files.read(home)
                self._files.recording(home)
            except LibraryError as error:
                found.append(error.message)
        for path in self._laid.strange_folders():
            found.append(
                sentence(
                    "{folder} holds recordings, but is no folder of the library. Move its files "
                    "into {library}, and they are taken in.",
                    folder=str(path),
                    library=str(self.folder),
                )
            )
        return (*found, *self._laid.take_in())

    def add(
        self, source: Source, name: str = "", tags: Iterable[str] = (), note: str = ""
    ) -> Entry:
        """Keep a recording.

        Args:
            source: a file, which is copied; its bytes; or a recording, which is saved.
            name: any, also one that another recording has; "" takes that of the model.
            tags, note: any.

        Raises:
            LibraryError: a text is too long, or the file is too large.
            FileFormatError: the file is not a recording.
        """
        tags, note = checked_tags(tags), checked_note(note)
        name = checked_name(name) if name else ""
        new = secrets.token_hex(6)
        with self._writing():
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._files.sweep()
            part = self.folder / f".{new}.part"
            part.mkdir(mode=0o700)
            try:
                recording = take(source, part, name)
                draw(part, recording, self._picture)
                entry = entry_of(recording, new, *measured(part), name, tags, note)
                move_in(part, entry, self._files, self._index)
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

        def change(entry: Entry) -> Entry:
            return replace(
                entry, tags=tuple(tag for tag in entry.tags if tag.casefold() not in gone)
            )

        return self._change(id, change)

    def note(self, id: str, note: str) -> Entry:
        """Write a recording's note, in the place of the one that it has."""
        note = checked_note(note)
        return self._change(id, lambda entry: replace(entry, note=note))

    def pin(self, id: str, pinned: bool = True) -> Entry:
        """Make a recording a baseline, which others are compared with; or no longer."""
        return self._change(id, lambda entry: replace(entry, pinned=pinned))

    def remove(self, id: str) -> Entry:
        """Put a recording into the trash."""
        return self._move(id, "", TRASH)

    def restore(self, id: str) -> Entry:
        """Take a recording out of the trash, as it was."""
        return self._move(id, TRASH, "")

    def empty_trash(self) -> int:
        """Delete for good what is in the trash; how many recordings that were."""
        if not is_folder(self.folder / TRASH):
            return 0
        with self._writing(), locked(self.folder, exclusive=True):
            homes = list(self._files.homes(TRASH))
            for home in homes:
                shutil.rmtree(home)
        return len(homes)

    def rebuild(self) -> int:
        """Make again, from the recordings themselves, the index and what else is missing.

        A recording whose text is missing or refused gets a new one, named after its model; the
        old one stays beside it as "about.refused". Missing pictures are drawn, what lies in the
        folder is taken in, and what dead processes left over is deleted.

        Returns:
            How many recordings there are now.
        """
        if not self.folder.is_dir():
            return 0
        with self._writing():
            self._files.sweep(thoroughly=True)
            for home in self._files.homes():
                with contextlib.suppress(InspectorError):  # `problems` tells of it
                    self._repair(home)
            with locked(self.folder, exclusive=True):
                self._index.discard()
            self._laid.take_in(all_of_it=True)
        return len(self.entries())

    def _repair(self, home: Path) -> None:
        try:
            known = self._files.read(home)
        except LibraryError:
            recording = load(self._files.recording(home))
            entry = entry_of(recording, home.name, *measured(home), "", (), "")
            with locked(self.folder, exclusive=True):
                with contextlib.suppress(FileNotFoundError):
                    (home / ABOUT).rename(home / "about.refused")
                self._files.write(home, entry)
            draw(home, recording, self._picture)
            return
        if self._picture is not None and not self.picture(known.id):
            draw(home, load(self._files.recording(home)), self._picture)

    def _change(self, id: str, change: Callable[[Entry], Entry]) -> Entry:
        self._files.home(id)
        with self._writing(), locked(self.folder, exclusive=True):
            home = self._files.home(id)  # it may have gone while the lock was another's
            before = self._files.read(home)
            entry = change(before)
            if entry != before:
                self._files.write(home, entry)
                self._index.note_down(entry)
        return entry

    def _move(self, id: str, source: str, target: str) -> Entry:
        self._files.home(id, source)
        to = self.folder / target
        with self._writing(), locked(self.folder, exclusive=True):
            home = self._files.home(id, source)
            entry = self._files.read(home)
            to.mkdir(mode=0o700, exist_ok=True)
            if target and not is_folder(to):
                raise refused(to, ValueError(sentence("it is a link or no folder")))
            home.rename(to / id)
            settle_folder(to)
            settle_folder(home.parent)
        return entry

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """What the system refuses is told in one message."""
        try:
            yield
        except OSError as error:
            raise LibraryError(
                sentence(
                    "The library {folder} could not be written: {reason}.",
                    folder=str(self.folder),
                    reason=reason_of(error),
                )
            ) from error
