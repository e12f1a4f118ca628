"""What a workbench asks for while it is looked at: drawings, cards, search, moments, values.

A workbench in the browser holds what is drawn. Everything else stays here in a `Book`, and the
component asks for it by name:

    answer(book, "picture", {"toggled": ["call:3"]})   what is drawn when that box is toggled

Each question is one function `(book, asked) -> Json` in `QUESTIONS`. `asked` comes from a browser:
anything may be missing or of another type.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

from inspector.errors import QuestionError
from inspector.records import Overlay, Recording, StaticGraph
from inspector.render.cards import Cards, Translate
from inspector.render.export import FORMATS, to_bytes
from inspector.render.find import Finder, find_answer
from inspector.render.heatscale import heat_answer
from inspector.render.moments import moment_answer, until_answer
from inspector.render.timebar import timeline_json
from inspector.render.values import tensor_asked, values_answer
from inspector.render.workbench import Shown, drawings, workbench_payload
from inspector.timeline import Timeline, timeline
from inspector.views import ViewIndex, default_open
from inspector.views.static import default_open_static

Json = dict[str, Any]
Asked = Mapping[str, Any]

STATIC_BOX = "ir:"
"""Boxes of the IR begin with this, those of the other graphs do not."""

IDS = 20_000
"""Toggled boxes of one question at most."""


class Book:
    """One recording with its IR, and what is worked out from them once for all questions.

    Args:
        recording: what ran.
        static: the IR beside it; None shows `static_reason` in its place.
        overlay: what the recording ran of `static`.
        static_reason: in plain words, why there is no script (or no IR at all).
        translate: gives a text in the page's language.
    """

    def __init__(
        self,
        recording: Recording,
        static: StaticGraph | None = None,
        overlay: Overlay | None = None,
        static_reason: str = "",
        translate: Translate = str,
    ) -> None:
        self.recording = recording
        self.static = static
        self.overlay = overlay
        self.static_reason = static_reason
        self.translate = translate

    @cached_property
    def cards(self) -> Cards:
        """The cards of all items."""
        return Cards(self.recording, self.static, self.overlay, self.translate, index=self.index)

    @cached_property
    def index(self) -> ViewIndex:
        """Boxes and edges, for all drawings."""
        return ViewIndex(self.recording)

    @cached_property
    def finder(self) -> Finder:
        """Searches everything; made at the first search."""
        return Finder(self.recording, self.static, self.overlay, self.index)

    @cached_property
    def timeline(self) -> Timeline:
        """The moments of the run."""
        return timeline(self.recording)

    @cached_property
    def timebar(self) -> Json:
        """What the browser needs to step through them."""
        return timeline_json(self.timeline, self.translate)

    @cached_property
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


def answer(book: Book, question: str, asked: Asked) -> Json:
    """Answer one question of a workbench.

    Raises:
        QuestionError: there is no such question, or what it names is not there.
        InspectorError: the question cannot be answered; the message says why.
    """
    found = QUESTIONS.get(question)
    if found is None:
        raise QuestionError(f"There is no question {question!r}. Known: {', '.join(QUESTIONS)}.")
    return found(book, asked)


def picture(book: Book, asked: Asked) -> Json:
    """Panes, items and cards; drawings of the panes in `draw` only (of all, if it is missing)."""
    shown = book.shown(_toggled(asked))
    draw = asked.get("draw")
    panes = None if draw is None else frozenset(map(str, draw))
    found = workbench_payload(shown, translate=book.translate, cards=book.cards, draw=panes)
    return {**found, "opened": sorted(shown.opened | (shown.static_opened or frozenset()))}


def drawing(book: Book, asked: Asked) -> Json:
    """The drawings of the panes in `draw`, by pane."""
    views = book.shown(_toggled(asked)).views()
    wanted = [str(pane) for pane in asked.get("draw", ())]
    return drawings({pane: views[pane] for pane in wanted if pane in views}, book.translate)


def heat(book: Book, asked: Asked) -> Json:
    """One `measure` of the nodes that `pane` draws, to colour them by."""
    view = book.shown(_toggled(asked)).views().get(str(asked.get("pane")))
    if view is None:
        raise QuestionError("There is no such drawing to colour.")
    measure = str(asked.get("measure"))
    return heat_answer(view, book.recording, book.overlay, measure, book.translate)


def way(book: Book, asked: Asked) -> Json:
    """The closed boxes around the item `ref` ("dynamic/op:3"), to be opened so that it is drawn."""
    _, _, item = str(asked.get("ref")).partition("/")
    kind, _, number = item.partition("@")[0].partition(":")
    recording, rows = book.recording, {"op": book.recording.ops, "grad": book.recording.grad_nodes}
    if kind not in rows or not number.isdecimal() or int(number) >= len(rows[kind]):
        return {"boxes": []}
    op = int(number) if kind == "op" else recording.grad_nodes[int(number)].op
    return {"boxes": [] if op is None else list(book.index.way_to(op))}


QUESTIONS: dict[str, Callable[[Book, Asked], Json]] = {
    "picture": picture,
    "drawing": drawing,
    "way": way,
    "find": lambda book, asked: find_answer(book.finder, asked),
    "heat": heat,
    "timeline": lambda book, asked: book.timebar,
    "moment": lambda book, asked: moment_answer(book.timeline, asked, book.translate),
    "until": lambda book, asked: until_answer(book.timeline, asked, book.translate),
    "values": lambda book, asked: values_answer(book.cards.tensors.about, asked),
    "history": lambda book, asked: book.cards.tensors.history(tensor_asked(book.recording, asked)),
}
"""By name; what the browser can ask for."""


def drawn_file(book: Book, asked: Asked) -> tuple[bytes, str]:
    """One pane as a file: its bytes and its kind ("svg", "png", "dot", "pdf").

    Raises:
        QuestionError: no such pane or kind.
        RenderError: it could not be drawn.
    """
    kind, theme = str(asked.get("kind", "svg")), str(asked.get("theme", "light"))
    view = book.shown(_toggled(asked)).views().get(str(asked.get("pane")))
    if view is None or kind not in FORMATS:
        raise QuestionError("There is no such picture to save.")
    return to_bytes(view, kind, theme=theme), kind


def _toggled(asked: Asked) -> frozenset[str]:
    found = asked.get("toggled") or ()
    if not isinstance(found, (list, tuple)) or len(found) > IDS:
        raise QuestionError("`toggled` is a list of box ids.")
    return frozenset(map(str, found))
