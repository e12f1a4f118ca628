"""Folders of lessons: what can be read, what cannot, and which language is told.

The lessons that come with the app are in `app/lessons/`; INSPECTOR_LESSONS names one more folder,
of a teacher's own. A lesson there takes the place of one that came with the app under its name.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from inspector.language import ENGLISH, sentence
from inspector_app.teaching.images import KINDS
from inspector_app.teaching.lesson import Lesson, Problem
from inspector_app.teaching.read import LARGEST, LessonError, name_and_language, read_lesson

BUILT_IN = Path(__file__).parent.parent / "lessons"
VARIABLE = "INSPECTOR_LESSONS"


@dataclass(frozen=True, slots=True)
class Entry:
    """One lesson: `told` has it by language."""

    name: str
    told: Mapping[str, Lesson]

    def told_in(self, language: str) -> Lesson:
        """The lesson in a language, or in the one that there is; its `language` says which."""
        found = self.told.get(language) or self.told.get(ENGLISH)
        return found or next(iter(self.told.values()))


@dataclass(frozen=True, slots=True)
class Shelf:
    """All lessons that can be used, in order of their list, and what is wrong with the others."""

    entries: tuple[Entry, ...]
    problems: tuple[Problem, ...]

    def find(self, name: str) -> Entry | None:
        """The lesson of this name."""
        return next((entry for entry in self.entries if entry.name == name), None)


def folders() -> tuple[Path, ...]:
    """The folder of the app's own lessons, and the one that INSPECTOR_LESSONS names."""
    own = os.environ.get(VARIABLE, "").strip()
    return (BUILT_IN, Path(own).expanduser()) if own else (BUILT_IN,)


def lessons_in(places: Sequence[Path] | None = None) -> Shelf:
    """Read all lessons of some folders, later ones before earlier ones.

    Files are read again when they have changed; until then the last answer is given again. A
    file README.md, and one that starts with a dot or an underscore, is no lesson.

    Args:
        places: the folders; `folders()` if left out.
    """
    wanted = folders() if places is None else tuple(places)
    return _shelf(tuple(_stamp(place) for place in wanted))


def read_files(files: Iterable[Path]) -> Shelf:
    """Read some files, and of translations the originals beside them."""
    by_folder: dict[Path, set[Path]] = {}
    for file in files:
        known = by_folder.setdefault(file.parent, set())
        known.add(file)
        named = name_and_language(file.name)
        original = file.with_name(f"{named[0]}.md") if named is not None else file
        if original.is_file():
            known.add(original)
    return _shelf(
        tuple(
            (str(folder), tuple(map(_stamped, sorted(known))))
            for folder, known in by_folder.items()
        )
    )


_File = tuple[str, int, int]
"""Path, time of its last change in ns, size in bytes (-1: it cannot be read)."""

_Stamp = tuple[str, tuple[_File, ...] | None]
"""A folder with its files; None where there is no such folder."""


def _stamp(place: Path) -> _Stamp:
    try:
        files = sorted(file for file in place.iterdir() if _is_lesson(file) or _is_picture(file))
    except OSError:
        return str(place), None
    return str(place), tuple(map(_stamped, files))


def _is_lesson(file: Path) -> bool:
    is_named = file.suffix == ".md" and file.name[0] not in "._" and file.name != "README.md"
    return is_named and file.is_file()


def _is_picture(file: Path) -> bool:
    """Whether a text may show it: lessons are read again when it changes."""
    return file.suffix.lower() in KINDS and file.is_file()


def _stamped(file: Path) -> _File:
    try:
        found = file.stat()
    except OSError:
        return str(file), 0, -1
    return str(file), found.st_mtime_ns, found.st_size


@lru_cache(maxsize=8)
def _shelf(stamps: tuple[_Stamp, ...]) -> Shelf:
    told: dict[str, dict[str, Lesson]] = {}
    problems: list[Problem] = []
    for place, files in stamps:
        if files is None:
            problems.append(Problem(place, 0, sentence("There is no such folder of lessons.")))
            continue
        lessons = [Path(file) for file, _, _ in files if not _is_picture(Path(file))]
        told |= _read_all(lessons, problems)
    entries = [Entry(name, lessons) for name, lessons in told.items()]
    entries.sort(key=lambda entry: (entry.told_in(ENGLISH).order, entry.name))
    return Shelf(tuple(entries), tuple(problems))


def _read_all(files: list[Path], problems: list[Problem]) -> dict[str, dict[str, Lesson]]:
    """The lessons of one folder by name and language, originals before their translations."""
    told: dict[str, dict[str, Lesson]] = {}
    broken: set[str] = set()
    for file in sorted(files, key=lambda file: (_language(file) != ENGLISH, file.name)):
        name, language = name_and_language(file.name) or (file.stem, "")
        if name in broken:
            continue  # its translations are checked against it when it is mended
        known = told.setdefault(name, {})
        try:
            known[language] = read_lesson(
                _content(file),
                file.name,
                known.get(ENGLISH),
                shown_as=str(file),
                folder=file.parent,
            )
        except LessonError as error:
            problems += error.problems
            if language == ENGLISH:
                broken.add(name)
    return {name: known for name, known in told.items() if known}


def _language(file: Path) -> str:
    found = name_and_language(file.name)
    return found[1] if found else ""


def _content(file: Path) -> bytes:
    """The file's bytes, one more than a lesson may have at most.

    Raises:
        LessonError: it cannot be read.
    """
    try:
        with file.open("rb") as stream:
            return stream.read(LARGEST + 1)
    except OSError as error:
        reason = error.strerror or str(error)
        message = sentence("The file cannot be read: {reason}.", reason=reason)
        raise LessonError((Problem(str(file), 0, message),)) from error
