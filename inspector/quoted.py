"""The user's code at a place, as it is written."""

from __future__ import annotations

from collections.abc import Mapping

from inspector.records import Source


def code_at(sources: Mapping[str, str], place: Source) -> str:
    """What stands at a place; of several lines the rest of the first; "" where it isn't known.

    Args:
        sources: file -> its text.
        place: where.
    """
    lines = sources.get(place.file, "").splitlines()
    if not 0 < place.line <= len(lines):
        return ""
    end = place.end_column if place.end_line in (None, place.line) else None
    line = lines[place.line - 1].encode()  # columns count bytes of UTF-8, as those of `ast` do
    return line[place.column : end].decode(errors="replace").strip()
