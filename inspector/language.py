"""Sentences that can be told in another language.

The library writes English, `sentence("{op} gave {count} zeros.", op=..., count=...)`, and gets a
`str`: it prints, compares and saves as any other. It also remembers its template and what was
filled in, so that whoever shows it can tell it in the reader's language (`inspector.languages`).
A record stays the same for every reader, and two readers of one recording may use two languages.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from numbers import Integral
from typing import Any

Translate = Callable[[str], str]
"""Gives a text in the reader's language."""

ENGLISH = "en"

LANGUAGES = {ENGLISH: "English", "zh_CN": "简体中文"}
"""The code of each language, and its name in that language."""


class Sentence(str):
    """English text that remembers how it was made.

    `templates` are what a translator sees: one, or two where the text depends on `number` (for
    one, and for any other). `values` are what stands in their places.
    """

    __slots__ = ("number", "templates", "values")

    templates: tuple[str, ...]
    values: Mapping[str, Any]
    number: int | None

    def __new__(  # noqa: D102
        cls, templates: tuple[str, ...], values: Mapping[str, Any], number: int | None = None
    ) -> Sentence:
        template = templates[0] if number is None or number == 1 else templates[-1]
        values = {name: _plain(value) for name, value in values.items()}
        made = super().__new__(cls, template.format(**values) if values else template)
        made.templates, made.values, made.number = templates, values, number
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        return Sentence, (self.templates, dict(self.values), self.number)


def _plain(value: Any) -> str | int | float:
    """A value as text or number: a sentence keeps nothing alive."""
    if isinstance(value, str | int | float):
        return value
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, BaseException):
        said = value.args[0] if value.args else ""
        return said if isinstance(said, Sentence) else str(value)
    return str(value)


def sentence(template: str, /, **values: Any) -> Sentence:
    """A text with its places filled in.

    Args:
        template: English, with places as of `str.format`: whole sentences, and never a part that
            another language would put elsewhere. Without values nothing is filled in, and a brace
            is a brace.
        values: what stands there. Sentences among them are translated with it; other text is a
            name, and stays.

    >>> sentence("{name} ran {times:,} times.", name="relu", times=1200)
    'relu ran 1,200 times.'
    """
    return Sentence((template,), values)


def counted(one: str, many: str, count: int, /, **values: Any) -> Sentence:
    """The text for one, or the one for `{count}` of them.

    >>> counted("{count} op", "{count} ops", 3)
    '3 ops'
    """
    return Sentence((one, many), {"count": f"{count:,}", **values}, count)


_ROW = sentence("{first}, {then}")
_AFTER = sentence("{first} {then}")


def listed(parts: Iterable[str], template: str = _ROW) -> Sentence:
    """Texts in a row, each translated by itself.

    Args:
        parts: any number of them.
        template: puts two together; the last two places of a row are no different.

    >>> listed(["a", "b", "c"])
    'a, b, c'
    """
    whole = _row(list(parts), template)
    return whole if isinstance(whole, Sentence) else Sentence(("{only}",), {"only": whole})


def _row(parts: list[str], template: str) -> str:
    if len(parts) < 2:
        return parts[0] if parts else ""
    half = len(parts) // 2  # halves, so that a long row is not nested deeply
    row = {"first": _row(parts[:half], template), "then": _row(parts[half:], template)}
    return Sentence((str(template),), row)


def sentences(*parts: str) -> Sentence:
    """Whole sentences one after the other; empty ones are left out.

    >>> sentences(sentence("It ran."), "", sentence("It failed."))
    'It ran. It failed.'
    """
    return listed((part for part in parts if part), _AFTER)


def code_of(wanted: str | None) -> str | None:
    """The language among `LANGUAGES` that a name as of `LANG`, of a browser or an address means.

    >>> code_of("zh-Hans-CN"), code_of("zh_CN.UTF-8"), code_of("en_GB.UTF-8"), code_of("de_DE")
    ('zh_CN', 'zh_CN', 'en', None)
    """
    first = (wanted or "").replace("-", "_").partition(".")[0].partition("_")[0].lower()
    if first in ("c", "posix"):
        return ENGLISH
    return next((code for code in LANGUAGES if code.partition("_")[0] == first and first), None)


def of_environment() -> str:
    """The language that LANGUAGE, LC_ALL, LC_MESSAGES or LANG name, in gettext's order; or English.

    LANGUAGE may name several, the wanted first, as in "de:zh_CN".
    """
    for variable in ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        for wanted in os.environ.get(variable, "").split(":"):
            found = code_of(wanted)
            if found is not None:
                return found
        if os.environ.get(variable) and variable != "LANGUAGE":
            break
    return ENGLISH
