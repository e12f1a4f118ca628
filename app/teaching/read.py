"""A lesson's file to a `Lesson`, or to a `LessonError` that names every mistake with its line.

bytes → text → front matter and Markdown tokens → steps with their fences → checks
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from inspector.errors import InspectorError
from inspector.language import ENGLISH, LANGUAGES, Sentence, listed, sentence
from inspector_app.teaching.fields import Report
from inspector_app.teaching.heads import read_head
from inspector_app.teaching.images import with_images
from inspector_app.teaching.lesson import Lesson, Problem
from inspector_app.teaching.shows import check_shows
from inspector_app.teaching.steps import Body
from inspector_app.teaching.translated import merged

LARGEST = 1_000_000
"""Bytes of a lesson at most."""

_FILE = re.compile(r"(?P<name>[^\W_][\w-]{0,79})(?:\.(?P<language>[A-Za-z_]{2,8}))?\.md")


class LessonError(InspectorError):
    """A lesson cannot be used. `problems` are all mistakes of its file, in order of their lines."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        told = (
            sentence("{place}: {message}", place=problem.place, message=problem.message)
            for problem in problems
        )
        super().__init__(listed(told, sentence("{first}\n{then}")))
        self.problems = problems


def read_lesson(
    content: bytes,
    file: str,
    original: Lesson | None = None,
    shown_as: str | None = None,
    folder: Path | None = None,
) -> Lesson:
    """Read one file of a lesson.

    Args:
        content: of the file.
        file: its name, NAME.md or NAME.zh_CN.md.
        original: the lesson that this is a translation of: its steps and codes must be the same,
            and empty code, inputs and show fences take its bodies.
        shown_as: what to call the file in messages; its name if left out.
        folder: where it lies, with the pictures of its texts; they become part of the texts.

    Raises:
        LessonError: for any content and name that is no lesson, and nothing else.
    """
    place = shown_as or file
    problems: dict[Problem, None] = {}

    def report(line: int, message: Sentence) -> None:
        problems[Problem(place, line, message)] = None

    lesson = _read(content, file, place, original, report)
    if lesson is not None:
        lesson = replace(lesson, steps=with_images(lesson.steps, folder, report))
    if problems or lesson is None:
        raise LessonError(tuple(sorted(problems, key=lambda problem: problem.line)))
    return lesson


def name_and_language(file: str) -> tuple[str, str] | None:
    """As in ("graph", "zh_CN") of "graph.zh_CN.md"; None for what is no lesson's name."""
    found = _FILE.fullmatch(file)
    if found is None:
        return None
    language = found["language"] or ENGLISH
    return (found["name"], language) if language in LANGUAGES else None


def _read(
    content: bytes, file: str, place: str, original: Lesson | None, report: Report
) -> Lesson | None:
    named = name_and_language(file)
    if named is None:
        report(
            0,
            sentence(
                "A lesson's file is called NAME.md or NAME.LANGUAGE.md, with a name of letters, "
                "digits, _ and -, and one of the languages {languages}.",
                languages=", ".join(LANGUAGES),
            ),
        )
        return None
    text = _decoded(content, report)
    if text is None:
        return None
    lines = text.split("\n")
    end, head = read_head(lines, original, report)
    if end is None:
        return None
    body = Body(lines, end, head.title or "?", original, report)
    lesson = Lesson(
        name=named[0],
        language=named[1],
        title=head.title,
        about=head.about,
        order=head.order,
        minutes=head.minutes,
        steps=body.steps,
        codes=tuple(body.codes.values()),
        file=place,
    )
    if original is not None:
        lesson = merged(lesson, original, report)
    check_shows(lesson, report, body.unread)
    return lesson


def _decoded(content: bytes, report: Report) -> str | None:
    """The text with line feeds at the ends of lines; None where it is no text."""
    if len(content) > LARGEST:
        most = f"{LARGEST:,}"
        report(0, sentence("The file is too large: a lesson has at most {most} bytes.", most=most))
        return None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        report(line, sentence("This is not UTF-8. Save the file in this encoding."))
        return None
    return text.replace("\r\n", "\n").replace("\r", "\n")
