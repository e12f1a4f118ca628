"""A listing as a Streamlit component: numbered lines, one of them current, some marked.

A click on a line that can be chosen sends its `id` back. The list scrolls only when the current
line is out of sight, so that stepping does not make it jump.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

_FOLDER = Path(__file__).parent / "assets"
_CHUNK = 400
"""Lines sent at most before and after the current one, rounded to this many."""

_mount = st.components.v2.component(
    "inspector_listing",
    css=(_FOLDER / "listing.css").read_text(encoding="utf-8"),
    js=(_FOLDER / "listing.js").read_text(encoding="utf-8"),
)


@dataclass(frozen=True)
class Row:
    """One line: its text, what stands before it, and what a click on it sends.

    `mark` is "", "wrong" or "warning"; `state` is "", "ran" or "skipped". A `heading` stands
    above the lines of a block.
    """

    text: str
    gutter: str = ""
    depth: int = 0
    id: int | None = None
    state: str = ""
    mark: str = ""
    count: str | None = None
    heading: bool = False


def listing(
    rows: Sequence[Row],
    *,
    title: str,
    key: str,
    current: int | None = None,
    shown: int | None = None,
    height: str = "320px",
    chosen: Callable[[int], None] | None = None,
) -> None:
    """Show lines.

    Args:
        rows: the lines; of very many, those around the current one.
        title: what they are.
        key: of the component; what is shown may change under it.
        current: which row is current.
        shown: which row to scroll to, where none is current.
        height: of the whole, in CSS.
        chosen: called with the `id` of a row that was clicked.
    """
    first = 0
    if len(rows) > 2 * _CHUNK:
        first = max(0, (current or shown or 0) // _CHUNK * _CHUNK - _CHUNK)
    part = rows[first : first + 3 * _CHUNK]
    data: dict[str, Any] = {
        "title": title,
        "height": height,
        "current": None if current is None else current - first,
        "shown": None if shown is None else shown - first,
        "rows": [_as_json(row) for row in part],
    }
    _mount(
        key=key,
        data=data,
        on_chosen_change=lambda: _clicked(key, chosen),
    )


def source_rows(
    text: str, marks: Mapping[int, str] | None = None, hits: Mapping[int, int] | None = None
) -> list[Row]:
    """A file's lines, numbered, with marks and hit counts by line from 1."""
    marks = marks or {}
    return [
        Row(
            text=line,
            gutter=str(number),
            mark=marks.get(number, ""),
            count=None if hits is None else _times(hits.get(number)),
        )
        for number, line in enumerate(text.splitlines(), 1)
    ]


def _times(count: int | None) -> str:
    return "" if count is None else f"×{count}"


def _as_json(row: Row) -> list[Any]:
    return [row.text, row.gutter, row.depth, row.id, row.state, row.mark, row.count, row.heading]


def _clicked(key: str, chosen: Callable[[int], None] | None) -> None:
    found = st.session_state[key].chosen
    if chosen is not None and found is not None:
        chosen(int(found))
