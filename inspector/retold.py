"""Sentences in a file: how each was made, as JSON, so that they can be told in another language.

A file may come from a stranger, and filling in a stranger's template can take any amount of
memory (`{text:>999999999}`). So a sentence is made again only if all of it is small and plain, and
only if it then reads as the text that was saved with it; otherwise it stays that text.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterable, Sequence
from typing import Any

from inspector.language import Sentence

LONGEST = 4_000
"""Characters of a text, of a template and of a value."""
MOST = 100
"""Sentences that are made again, with those inside of them, in one file."""
_DEEPEST = 8
_SPECS = re.compile(r",?(\.\d[fg])?")
"""Ways to write a number that make it no longer than it is."""

_Plain = str | int | float | bool | None


def as_json(texts: Iterable[str]) -> list[Any]:
    """How each text was made; None for a plain text."""
    return [_saved(text) if isinstance(text, Sentence) else None for text in texts]


def _saved(text: Sentence) -> dict[str, Any]:
    values = {
        name: _saved(value) if isinstance(value, Sentence) else value
        for name, value in text.values.items()
    }
    return {"templates": list(text.templates), "values": values, "number": text.number}


def from_json(texts: Sequence[str], made: Any) -> tuple[str, ...]:
    """The texts of a file, those as sentences again of which it is known how they were made.

    Args:
        texts: as they were saved.
        made: what `as_json` gave for them; anything else is taken for nothing.
    """
    if not isinstance(made, list) or len(made) != len(texts):
        return tuple(texts)
    left = [MOST]
    return tuple(_made_again(text, how, left) for text, how in zip(texts, made, strict=True))


def _made_again(text: str, how: Any, left: list[int]) -> str:
    if how is None or len(text) > LONGEST:
        return text
    try:
        found = _sentence(how, left, _DEEPEST)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError):
        return text  # damaged, or more than we ever write
    return found if found == text else text


def _sentence(how: dict[str, Any], left: list[int], deepest: int) -> Sentence:
    left[0] -= 1
    if left[0] < 0 or not deepest:
        raise ValueError("more sentences than a recording has")
    values = {
        str(name): _sentence(value, left, deepest - 1) if isinstance(value, dict) else _value(value)
        for name, value in how["values"].items()
    }
    templates, number = tuple(how["templates"]), how["number"]
    places = [_places(template, values) for template in templates]
    several = type(number) is int
    # Its translation has the places of both templates, whichever of them stands here.
    if len(templates) != 1 + several or places[0] != places[-1] or not (several or number is None):
        raise ValueError("no sentence")
    found = Sentence(templates, values, number)
    if len(found) > LONGEST:
        raise ValueError("too long")
    return found


def _value(value: Any) -> _Plain:
    if not isinstance(value, _Plain) or (isinstance(value, int) and abs(value) >= 2**64):
        raise ValueError("no plain value")
    if isinstance(value, str) and len(value) > LONGEST:
        raise ValueError("too long")
    return value


def _places(text: Any, values: dict[str, Any]) -> set[str]:
    """The places of a template, if they are names: filling it in then reads nothing else."""
    if not isinstance(text, str) or len(text) > LONGEST:
        raise ValueError("no template")
    found = set()
    for _, name, spec, conversion in string.Formatter().parse(text) if values else ():
        if name is None:
            continue
        if name not in values or conversion or not _SPECS.fullmatch(spec or ""):
            raise ValueError("no place of ours")
        found.add(name)
    return found - {"count"}
