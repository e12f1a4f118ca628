"""What a workbench asks for while it is looked at: drawings, cards, search, moments, values.

A workbench in the browser holds what is drawn. Everything else stays here in a `Book`, and the
component asks for it by name:

    answer(book, "picture", {"toggled": ["call:3"]})   what is drawn when that box is toggled

Each question is one function `(book, asked) -> Json` in `QUESTIONS`. `asked` comes from a browser:
anything may be missing or of another type.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sized
from copy import copy
from dataclasses import replace
from typing import Any, Self

from inspector.errors import QuestionError
from inspector.findings import all_rules, findings
from inspector.found import Finding
from inspector.language import ENGLISH, Translate, sentence
from inspector.languages import language
from inspector.making import uncollected
from inspector.records import Overlay, Recording, StaticGraph
from inspector.render.asked import Asked, text_of, texts_of
from inspector.render.cards import Cards
from inspector.render.export import FORMATS, to_bytes
from inspector.render.find import Finder, find_answer
from inspector.render.findings_answer import findings_answer
from inspector.render.heatscale import heat_answer
from inspector.render.labels import labels
from inspector.render.layout import Cancelled
from inspector.render.memory import Memory
from inspector.render.moments import moment_answer, until_answer
from inspector.render.once import once
from inspector.render.relationwords import relations_answer
from inspector.render.timebar import timeline_json
from inspector.render.told import told
from inspector.render.turns import Turns
from inspector.render.values import tensor_asked, values_answer
from inspector.render.why_answer import why_answer
from inspector.render.workbench import Shown, drawings, workbench_payload
from inspector.timeline import Timeline, timeline
from inspector.views import GraphView, ViewIndex, default_open
from inspector.views.static import default_open_static

Json = dict[str, Any]

STATIC_BOX = "ir:"
"""Boxes of the IR begin with this, those of the other graphs do not."""

VIEWS = 3
"""Of this many pictures the contents are kept: a few MB each, of 100,000 ops."""

IDS = 20_000
"""Toggled boxes of one question at most."""

PANES = 16
"""Panes of one question at most; there are fewer."""

_FINDINGS = sentence("Findings")

DIGITS = 9
"""Of the number of an op at most."""


_runs = itertools.count()

_Opened = tuple[frozenset[str], frozenset[str] | None]


class Book:
    """One recording with its IR, and what is worked out from them once for all questions.

    Args:
        recording: what ran.
        static: the IR beside it; None shows `static_reason` in its place.
        overlay: what the recording ran of `static`.
        static_reason: in plain words, why there is no script (or no IR at all).

    Attributes:
        language: the code of the language that it answers in; see `told_in`.
        translate: tells a sentence in that language.
        turns: which pictures are still waited for.
        run: a number of the recording's own, the higher the later it came.
        beside: another recording that is shown with it.
    """

    def __init__(
        self,
        recording: Recording,
        static: StaticGraph | None = None,
        overlay: Overlay | None = None,
        static_reason: str = "",
    ) -> None:
        self.recording = recording
        self.static = static
        self.overlay = overlay
        self.static_reason = static_reason
        self.language = ENGLISH
        self.translate: Translate = language(ENGLISH)
        self.worked_out: dict[str, Any] = {}
        self.turns = Turns()
        self.run = next(_runs)
        self.beside: Recording | None = None
        self._views: Memory[_Opened, Mapping[str, GraphView]] = Memory(VIEWS, lambda _: 1)

    def told_in(self, code: str) -> Self:
        """The same book in another language, one of `inspector.language.LANGUAGES`.

        Nothing is worked out twice: records, boxes, cards and timeline are those of this book.
        """
        if code == self.language:
            return self
        books: dict[str, Self] = self.worked_out.setdefault("books", {self.language: self})
        if code not in books:
            made = copy(self)
            made.language, made.translate = code, language(code)
            books.setdefault(code, made)  # another thread may have been first
        return books[code]

    @property
    def labels(self) -> dict[str, str]:
        """The workbench's own texts in the book's language; see `labels.labels`."""
        return labels(self.language)

    @once
    def cards(self) -> Cards:
        """The cards of all items."""
        return Cards(self.recording, self.static, self.overlay, index=self.index)

    @once
    def index(self) -> ViewIndex:
        """Boxes and edges, for all drawings."""
        return ViewIndex(self.recording)

    @once
    def finder(self) -> Finder:
        """Searches everything; made at the first search."""
        return Finder(self.recording, self.static, self.overlay, self.index)

    @once
    def timeline(self) -> Timeline:
        """The moments of the run."""
        return timeline(self.recording, self.index.loops)

    @once
    def timebar(self) -> Json:
        """What the browser needs to step through them."""
        return timeline_json(self.timeline)

    @once
    def findings(self) -> tuple[Finding, ...]:
        """What is wrong in the run; looked for when it is first asked."""
        return findings(self.recording)

    @once
    def first_open(self) -> frozenset[str]:
        """Boxes that are open at first, of all graphs."""
        static = frozenset() if self.static is None else default_open_static(self.static)
        return default_open(self.recording, index=self.index) | static

    def shown(self, toggled: frozenset[str]) -> Shown:
        """What is shown when these boxes are not as they are at first."""
        opened = self.first_open ^ toggled
        static = frozenset(box for box in opened if box.startswith(STATIC_BOX))
        return Shown(
            self.recording,
            self.static,
            self.overlay,
            self.static_reason,
            opened=opened - static,
            static_opened=static,
            index=self.index,
        )

    def views(self, shown: Shown) -> Mapping[str, GraphView]:
        """The contents of its drawings; those of the last pictures are kept."""
        key = shown.opened, shown.static_opened
        found = self._views.get(key)
        if found is None:
            self._views.put(key, found := shown.views())
        return found

    def payload(self, shown: Shown, draw: frozenset[str] | None) -> Json:
        """The workbench's value, with drawings of the panes in `draw` (None: of all)."""
        found = workbench_payload(
            shown,
            translate=self.translate,
            labels=self.labels,
            cards=self.cards,
            draw=draw,
            views=self.views(shown),
        )
        found["panes"].append(
            {
                "id": "findings",
                "side": "right",
                "title": self.translate(_FINDINGS),
                "findings": True,
            }
        )
        return {**found, "run": self.run}


def answer(book: Book, question: str, asked: Asked) -> Json:
    """Answer one question of a workbench.

    Returns:
        What the question's function says; `{"cancelled": True}` where it was called off.

    Raises:
        QuestionError: there is no such question, or what it names is not there.
        InspectorError: the question cannot be answered; the message says why.
    """
    found = QUESTIONS.get(question)
    if found is None:
        known = ", ".join(QUESTIONS)
        raise QuestionError(
            sentence("There is no question {name!r}. Known: {known}.", name=question, known=known)
        )
    try:
        # With a big recording in memory, looking through it for garbage takes longer than most
        # answers do.
        with uncollected():
            return told(found(book, asked), book.translate)
    except Cancelled:
        return {"cancelled": True}


def picture(book: Book, asked: Asked) -> Json:
    """The panes; drawings, items and cards of those in `draw` (of all, if it is missing).

    With a `client` and a `number` it is called off by the client's next one, or by "cancel".
    """
    shown = _waited_for(book, asked)
    panes = None if asked.get("draw") is None else _panes(asked)
    found = book.payload(shown, panes)
    return {**found, "opened": sorted(shown.opened | (shown.static_opened or frozenset()))}


def drawing(book: Book, asked: Asked) -> Json:
    """What "picture" left out: `panes` by id, `items` and `cards` of those in `draw`."""
    shown = _waited_for(book, asked)
    views, wanted = book.views(shown), _panes(asked)
    drawn = [pane for pane in views if pane in wanted]
    panes, items, cards = drawings(drawn, views, shown, book.cards, book.translate)
    return {"panes": panes, "items": items, "cards": cards}


def cancel(book: Book, asked: Asked) -> Json:
    """Call off the picture that `client` asked for as its `number`."""
    book.turns.cancel(asked)
    return {}


def heat(book: Book, asked: Asked) -> Json:
    """One `measure` of the nodes that `pane` draws, to colour them by."""
    view = book.views(book.shown(_toggled(asked))).get(text_of(asked, "pane"))
    if view is None:
        raise QuestionError(sentence("There is no such drawing to colour."))
    measure = text_of(asked, "measure")
    return heat_answer(view, book.recording, book.overlay, measure)


def card(book: Book, asked: Asked) -> Json:
    """The card of the op or autograd node `id` ("op:12") of `pane`, drawn by itself or not."""
    kind, _, number = text_of(asked, "id").partition(":")
    rows = {"op": book.recording.ops, "grad": book.recording.grad_nodes}.get(kind, ())
    if not _is_one_of(rows, number):
        raise QuestionError(sentence("There is no such op."))
    pane = "backward" if kind == "grad" else "dynamic"
    return {"card": book.cards.card(pane, f"{kind}:{int(number)}")}


def way(book: Book, asked: Asked) -> Json:
    """The closed boxes around the item `ref` ("dynamic/op:3"), to be opened so that it is drawn."""
    _, _, item = text_of(asked, "ref").partition("/")
    kind, _, number = item.partition("@")[0].partition(":")
    recording, rows = book.recording, {"op": book.recording.ops, "grad": book.recording.grad_nodes}
    if kind not in rows or not _is_one_of(rows[kind], number):
        return {"boxes": []}
    op = int(number) if kind == "op" else recording.grad_nodes[int(number)].op
    return {"boxes": [] if op is None else list(book.index.way_to(op))}


def _is_one_of(rows: Sized, number: str) -> bool:
    """Whether a text is the number of a row; a long one is not even read."""
    return number.isdecimal() and len(number) <= DIGITS and int(number) < len(rows)


QUESTIONS: dict[str, Callable[[Book, Asked], Json]] = {
    "picture": picture,
    "drawing": drawing,
    "cancel": cancel,
    "way": way,
    "card": card,
    "find": lambda book, asked: find_answer(book.finder, asked),
    "heat": heat,
    "timeline": lambda book, asked: book.timebar,
    "moment": lambda book, asked: moment_answer(book.timeline, asked),
    "until": lambda book, asked: until_answer(book.timeline, asked),
    "values": lambda book, asked: values_answer(book.cards.tensors.about, asked),
    "relations": lambda book, asked: relations_answer(book.recording, book.index, asked),
    "findings": lambda book, asked: findings_answer(
        book.findings, all_rules(), book.recording, book.index
    ),
    "why": lambda book, asked: why_answer(book.recording, book.index.flow, asked),
    "history": lambda book, asked: book.cards.tensors.history(tensor_asked(book.recording, asked)),
}
"""By name; what the browser can ask for."""


def drawn_file(book: Book, asked: Asked) -> tuple[bytes, str]:
    """One pane as a file: its bytes and its kind ("svg", "png", "dot", "pdf").

    Raises:
        QuestionError: no such pane or kind.
        RenderError: it could not be drawn.
    """
    kind, theme = text_of(asked, "kind", "svg"), text_of(asked, "theme", "light")
    view = book.shown(_toggled(asked)).views().get(text_of(asked, "pane"))
    if view is None or kind not in FORMATS:
        raise QuestionError(sentence("There is no such picture to save."))
    return to_bytes(view, kind, theme=theme, translate=book.translate), kind


def _waited_for(book: Book, asked: Asked) -> Shown:
    """What is shown, as long as who asked waits for it."""
    return replace(book.shown(_toggled(asked)), cancelled=book.turns.begin(asked))


def _panes(asked: Asked) -> frozenset[str]:
    return texts_of(asked, "draw", PANES)


def _toggled(asked: Asked) -> frozenset[str]:
    return texts_of(asked, "toggled", IDS)
