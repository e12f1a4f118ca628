"""A recording, two, or the ranks of a run as one HTML file that works from disk.

    export_html(recording, "run.html")

It needs no server, no network and no Python: it holds the workbench's own JavaScript and CSS, and
an `archive` of answers; `onefile.py` puts them together.
"""

from __future__ import annotations

import os

from inspector.errors import RenderError
from inspector.language import LANGUAGES, of_environment, sentence
from inspector.meetings import Lanes
from inspector.records import Overlay, Recording, StaticGraph
from inspector.render.answers import Book
from inspector.render.archive import Limits, archive
from inspector.render.onefile import filled, holds, room
from inspector.render.pairs import PairBook
from inspector.render.ranks_page import ranks_page
from inspector.writing import write_whole

Subject = Recording | tuple[Recording, Recording]
"""What one workbench shows."""


def export_html(
    subject: Subject | Lanes,
    path: str | os.PathLike[str],
    *,
    static: StaticGraph | None = None,
    title: str = "",
    language: str | None = None,
) -> None:
    """Write one HTML file that shows a recording, two beside each other, or the ranks of a run.

    The file opens from disk in any browser of 2023 or later. It holds the graphs, the source, the
    timeline, findings, cards and the search; a box that is opened is shown by itself, with what is
    beside it. The page says what it does not hold.

    Args:
        subject: a recording; or two, (a, b): their union, with what differs; or what
            `inspector.lanes` found: ranks as rows with the messages between them, and the graph
            of each.
        path: where to write. Nothing else is written, and nothing is there if it fails.
        static: TorchScript IR to be shown beside recordings.
        title: the page's title; the model's name by default.
        language: a code of `inspector.language.LANGUAGES`; None takes the environment's.

    Raises:
        RenderError: `subject` is none of these, or too many ranks; there is no such language.
        OSError: it cannot be written there.
    """
    code = of_environment() if language is None else language
    if code not in LANGUAGES:
        known = ", ".join(LANGUAGES)
        raise RenderError(
            sentence("There is no language {code!r}. Known: {known}.", code=code, known=known)
        )
    if isinstance(subject, Lanes):
        books = [book_of(one, static).told_in(code) for one in subject.recordings]
        text = ranks_page(subject, books, title=title or _title(books[0]))
    else:
        text = page(book_of(subject, static).told_in(code), title=title)
    write_whole(path, text.encode("utf-8"))


def book_of(subject: Subject, static: StaticGraph | None = None) -> Book:
    """What a page answers from.

    Raises:
        RenderError: there is no recording, or static code beside two of them.
    """
    if isinstance(subject, Recording):
        return Book(subject, static, None if static is None else _overlay(static, subject))
    if (
        isinstance(subject, tuple)
        and len(subject) == 2
        and all(isinstance(one, Recording) for one in subject)
    ):
        if static is None:
            return PairBook(Book(subject[0]), Book(subject[1]))
        a, b = (Book(one, static, _overlay(static, one)) for one in subject)
        return PairBook(a, b)
    raise RenderError(
        sentence(
            "A page shows a recording, or two as (a, b), not a {kind}. A comparison alone holds "
            "no graphs: give the two recordings that it is of.",
            kind=type(subject).__name__,
        )
    )


def _overlay(static: StaticGraph, recording: Recording) -> Overlay:
    from inspector.overlay import overlay

    return overlay(static, recording)


def page(book: Book, *, title: str = "", limits: Limits | None = None) -> str:
    """The text of a page that shows a book, in the book's language."""
    packed = archive(book, limits or Limits(room=room()))
    return filled(
        book, packed.pieces, title=title or _title(book), facts=_facts(book), holds=holds(packed)
    )


def _title(book: Book) -> str:
    runs = [side.recording for side in book.sides] if isinstance(book, PairBook) else []
    names = [str(run.meta.get("model") or "") for run in runs or [book.recording]]
    return " · ".join(dict.fromkeys(filter(None, names))) or "inspector"


def _facts(book: Book) -> str:
    if isinstance(book, PairBook):
        a, b = (len(side.recording.ops) for side in book.sides)
        return sentence("A: {a:,} ops. B: {b:,} ops.", a=a, b=b)
    recording = book.recording
    return sentence(
        "{ops:,} ops, {calls:,} module calls, {nodes:,} autograd nodes",
        ops=len(recording.ops),
        calls=len(recording.module_calls),
        nodes=len(recording.grad_nodes),
    )
