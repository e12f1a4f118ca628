"""The ranks of a run as one HTML file: rows with the messages between them, and a graph of each.

Each rank has its own archive, with its share of the room; the page unpacks that of the rank that
is looked at. The rows are those of the app (`lane_rows.py`, `assets/lanes/`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from inspector.errors import RenderError
from inspector.language import Translate, counted, sentence
from inspector.meetings import Lanes
from inspector.render.answers import Book
from inspector.render.archive import Limits, archive
from inspector.render.lane_rows import (
    Column,
    columns,
    lane_rows,
    lanes_asset,
    longest_wait,
    summary,
)
from inspector.render.onefile import filled, holds, room
from inspector.render.packed import piece

Json = dict[str, Any]

MOST_RANKS = 32
"""What a graph cannot do without takes some 20 kB for each rank."""

MOST_COLUMNS = 1_000
"""Messages that a page draws; of more, those around the first that does not fit."""


def ranks_page(lanes: Lanes, books: Sequence[Book], *, title: str) -> str:
    """The text of a page that shows the ranks side by side.

    Args:
        lanes: the ranks.
        books: of the recordings, in their order, in the page's language.
        title: what stands over it.

    Raises:
        RenderError: there are more than `MOST_RANKS`.
    """
    if len(books) > MOST_RANKS:
        raise RenderError(
            sentence(
                "A page shows at most {most} ranks; these are {count}. Choose those that matter.",
                most=MOST_RANKS,
                count=len(books),
            )
        )
    script = lanes_asset("lanes.js")
    first = books[0]
    packed = [archive(book, _share(len(books), room(script))) for book in books]
    every = columns(lanes)
    part = _part(lanes, every)
    pieces = {
        f"{lane}/{name}": data
        for lane, one in enumerate(packed)
        for name, data in one.pieces.items()
    }
    pieces["lanes"] = piece(_lanes_piece(lanes, part, first.translate))
    told = dict.fromkeys(holding for one in packed for holding in holds(one))
    if len(part) < len(every):
        told[_left_out(len(part), len(every))] = None
    return filled(first, pieces, title=title, facts=summary(lanes), holds=told, script=script)


def _share(count: int, room: int) -> Limits:
    """What each of so many archives may take."""
    whole = Limits()
    return Limits(
        room=room // count,
        closeups=max(1, whole.closeups // count),
        effort=whole.effort // count,
        whys=whole.whys // count,
        histories=whole.histories // count,
    )


def _part(lanes: Lanes, every: list[Column]) -> list[Column]:
    """The columns that are drawn."""
    wrong = (
        at for at, column in enumerate(every) for one in column.meetings if one.mismatch is not None
    )
    first = next(wrong, 0)
    start = max(0, min(first - MOST_COLUMNS // 2, len(every) - MOST_COLUMNS))
    return every[start : start + MOST_COLUMNS]


def _left_out(shown: int, count: int) -> str:
    return sentence(
        "Of {count:,} columns with messages {shown:,} are drawn: open the recordings themselves in "
        "the inspector.",
        count=count,
        shown=shown,
    )


def _lanes_piece(lanes: Lanes, part: list[Column], tell: Translate) -> Json:
    """What the rows are drawn from."""
    others = len(lanes.mismatches) - 1
    return {
        "rows": lane_rows(lanes, tell, part),
        "ranks": list(lanes.ranks),
        "title": tell(sentence("Ranks side by side")),
        "wait": tell(longest_wait(lanes)),
        "mismatches": [[tell(one.message), tell(one.help)] for one in lanes.mismatches[:20]],
        "more": tell(counted("1 more mismatch", "{count} more mismatches", others)),
        "css": lanes_asset("lanes.css") + lanes_asset("page.css"),
    }
