"""A lesson's front matter: `---`, keys, `---`."""

from __future__ import annotations

import math
from dataclasses import dataclass

from inspector.language import sentence
from inspector_app.teaching.fields import Field, Report, Scalar, read_fields
from inspector_app.teaching.lesson import Lesson
from inspector_app.teaching.spots import nearest

HEAD_KEYS = ("title", "about", "order", "minutes")


@dataclass
class Head:
    """What front matter says."""

    title: str = ""
    about: str = ""
    order: float = 1000
    minutes: int | None = None


def read_head(lines: list[str], original: Lesson | None, report: Report) -> tuple[int | None, Head]:
    """Number of the line after the front matter (None without one), and what it says."""
    head = Head()
    if original is not None:
        head.order, head.minutes = original.order, original.minutes
    ends = (number for number in range(1, len(lines)) if lines[number].rstrip() == "---")
    end = next(ends, None) if lines[0].rstrip() == "---" else None
    if end is None:
        report(
            1,
            sentence(
                "A lesson starts with front matter: a line `---`, then `title: …` and other keys, "
                "then a line `---` again."
            ),
        )
        return None, head
    for entry in read_fields("\n".join(lines[1:end]), 2, report):
        _take(entry, head, report)
    if not head.title:
        report(1, sentence("The lesson has no title: write `title: …` between the first `---`."))
    return end + 1, head


def _take(entry: Field, head: Head, report: Report) -> None:
    text = entry.value.text.strip() if isinstance(entry.value, Scalar) else ""
    if entry.key not in HEAD_KEYS:
        report(
            entry.line,
            sentence(
                "Front matter has no `{key}`; the nearest is `{near}`. There are {known}.",
                key=entry.key,
                near=nearest(entry.key, HEAD_KEYS),
                known=", ".join(f"`{key}`" for key in HEAD_KEYS),
            ),
        )
    elif not text or "\n" in text:
        report(entry.line, sentence("After `{key}:` stands one text.", key=entry.key))
    elif entry.key in ("title", "about"):
        setattr(head, entry.key, text)
    else:
        _take_number(entry.key, text, entry.line, head, report)


def _take_number(key: str, text: str, line: int, head: Head, report: Report) -> None:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if key == "order" and math.isfinite(number):
        head.order = number
    elif key == "minutes" and number in range(1, 1000):
        head.minutes = int(number)
    else:
        report(line, sentence("`{key}` is a number, as in `{key}: 10`.", key=key))
