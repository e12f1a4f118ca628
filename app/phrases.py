"""Sentences for people, each in one piece: a translator needs whole sentences with their places.

Pages write `say("Measured at {time}.", time=...)`, never a sentence glued together from parts.
"""

from __future__ import annotations

import re
from typing import Any

from inspector_app.parts import escaped


def say(sentence: str, /, **values: Any) -> str:
    """A sentence with its places filled in, in the reader's language (English so far)."""
    return sentence.format(**values) if values else sentence


def say_count(one: str, many: str, count: int, /, **values: Any) -> str:
    """The sentence for one, or the one for `{count}` of them.

    >>> say_count("one node is new", "{count} nodes are new", 3)
    '3 nodes are new'
    """
    return say(one if count == 1 else many, count=f"{count:,}", **values)


def duration(microseconds: float | None) -> str:
    """As in "12.3 µs", "4.56 ms", "1.2 s"; "–" for None."""
    if microseconds is None:
        return "–"
    for unit, scale in (("s", 1e6), ("ms", 1e3)):
        if abs(microseconds) >= scale:
            return f"{microseconds / scale:.3g} {unit}"
    return f"{microseconds:.3g} µs"


def size(count: int) -> str:
    """Bytes, as in "812 bytes", "4.2 kB", "1.3 MB"."""
    for unit, scale in (("MB", 1e6), ("kB", 1e3)):
        if count >= scale:
            return f"{count / scale:.3g} {unit}"
    return f"{count} bytes"


def prose(text: str) -> str:
    """A sentence of the library as Markdown: what is in backticks is code, all else is text."""
    parts = re.split(r"(`[^`\n]+`)", text)
    return "".join(part if at % 2 else escaped(part) for at, part in enumerate(parts))
