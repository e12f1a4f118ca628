"""What a step shows of its run, drawn for paper."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from xml.etree import ElementTree

from inspector.errors import RenderError
from inspector.language import Sentence, Translate
from inspector.render.answers import Book
from inspector.render.layout import layout
from inspector.render.pairs import PairBook
from inspector.render.svg import to_svg
from inspector.render.told import told_view
from inspector.render.workbench import LAYOUT_SECONDS
from inspector.views.model import GraphView, ViewNode
from inspector_app.teaching.lesson import DYNAMIC, Code, Shown
from inspector_app.teaching.places import Look, look

Wanted = tuple[str, str | None]
"""A run of a lesson: the name of the code and that of its input."""


IR_TEXT = "irtext"

PAPER = 0.8
"""A drawing's size on paper against that on the page: its letters are then 8 pt high."""


TALLEST = 472
"""px; what is taller is drawn smaller (`max-height` in the style)."""

_SIZE = re.compile(r'<svg[^>]* width="([\d.]+)"[^>]* height="([\d.]+)"')


@dataclass(frozen=True, slots=True)
class Ran:
    """What a handout needs of a run.

    Args:
        book: what was recorded; None for a plain code and where nothing could be recorded.
        output: what it printed.
        reason: why it ended before its end; "" if it did not.
    """

    book: Book | None = None
    output: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Scene:
    """What one step shows: which run, and what of it. Equal ones are the same picture.

    `panes` are those on paper: graphs, and the text of the IR; `beside` is the other of two runs.
    """

    run: Wanted
    panes: tuple[str, ...]
    look: Look
    beside: Wanted | None = None


def scene_of(shown: Shown, runs: Mapping[Wanted, Ran]) -> tuple[Scene, Book] | None:
    """What a step shows and the book to draw it from; None where there is no graph."""
    if shown.code is None:
        return None
    run = shown.code.name, shown.input
    own = runs.get(run, Ran()).book
    if own is None:
        return None
    found = look(shown, own)
    book, beside = own, None
    if shown.compare is not None:
        wanted = shown.compare[0].name, shown.compare[1]
        other = runs.get(wanted, Ran()).book
        if other is not None:
            pair = PairBook(other, own, names_of(shown.compare, (shown.code, shown.input)))
            book, beside, found = pair, wanted, in_both(found, pair)
    return Scene(run, tuple(_panes(shown, book)), found, beside), book


def names_of(beside: tuple[Code, str | None], own: tuple[Code, str | None]) -> tuple[str, str]:
    """What two runs are called: by what tells them apart."""
    (code, given), (mine, my_input) = beside, own
    if code.name == mine.name:
        return str(given), str(my_input)
    if given == my_input:
        return code.name, mine.name
    return _full(code, given), _full(mine, my_input)


def _full(code: Code, given: str | None) -> str:
    return code.name if given is None else f"{code.name}, {given}"


def in_both(found: Look, pair: PairBook) -> Look:
    """What is looked at in the second of two runs, in the picture of both.

    Two runs have no common time, and boxes of their own: those around a selected op are opened.
    """
    op = _number(found.selected, "dynamic/op:")
    if op is not None:
        own = pair.union.of_b.index(op)
        closed = set(pair.index.way_to(own)) - pair.first_open
        return Look(f"dynamic/op:{own}", tuple(sorted(closed)))
    pane = (found.selected or "").partition("/")[0]
    return Look(found.selected if pane in ("static", "source") else None)


def _panes(shown: Shown, book: Book) -> list[str]:
    """The graphs, and the text of the IR, that a step shows, of those that the run has."""
    sides = {"left": DYNAMIC, **shown.panes}
    if shown.wide:
        sides = {shown.wide: sides.get(shown.wide, "")}
    known = {*book.views(book.shown(frozenset())), *([] if book.static is None else [IR_TEXT])}
    return [pane for pane in sides.values() if pane in known]


def drawing(
    scene: Scene, pane: str, book: Book, number: int, translate: Translate
) -> str | Sentence:
    """One graph of a scene as inline SVG, or why there is none.

    Args:
        scene: what is shown.
        pane: one of its panes.
        book: of `scene_of`.
        number: of the drawing in its document: no two have an id in common.
        translate: tells the drawing's texts.
    """
    view = told_view(book.views(book.shown(frozenset(scene.look.toggled)))[pane], translate)
    try:
        svg = to_svg(view, layout(view, LAYOUT_SECONDS), translate=translate)
    except RenderError as error:
        return error.message
    return on_paper(svg, _marks(view, pane, scene.look, book), number)


def width_of(drawn: str) -> float:
    """The width in px that a drawing takes on paper; infinite for what is text."""
    size = _SIZE.match(drawn)
    if size is None:
        return math.inf
    width, height = map(float, size.groups())
    return width * min(1.0, TALLEST / max(height, 1.0))


def on_paper(svg: str, marks: Mapping[str, str], number: int) -> str:
    """A drawing of ours without what makes it a control, with classes added to its parts.

    Args:
        svg: of `to_svg`.
        marks: a part's id -> class.
        number: makes its ids its own.
    """
    root = ElementTree.fromstring(svg)
    for part in root.iter():
        part.tag = part.tag.rpartition("}")[2]  # inline, no namespace is named
        for name in ("role", "tabindex"):
            part.attrib.pop(name, None)
        mark = marks.get(part.get("data-id", "")) or marks.get(part.get("data-target", ""))
        if mark and (part.get("data-id") or mark == "later"):
            part.set("class", f"{part.get('class', '')} {mark}")
        _own_ids(part, number)
    for side in ("width", "height"):
        root.set(side, f"{float(root.get(side, '0')) * PAPER:g}")
    root.set("role", "img")
    return ElementTree.tostring(root, encoding="unicode")


def _own_ids(part: ElementTree.Element, number: int) -> None:
    for name, value in part.attrib.items():
        if name == "id":
            part.set(name, f"{value}-{number}")
        elif value.startswith("url(#"):
            part.set(name, re.sub(r"^url\(#(.*)\)$", rf"url(#\1-{number})", value))


def _marks(view: GraphView, pane: str, seen: Look, book: Book) -> dict[str, str]:
    """The selected item, what belongs to it, and what was not there yet at the moment, by id."""
    found: dict[str, str] = {}
    if seen.moment is not None:
        ops, grads, _ = book.timeline.done(seen.moment)
        for node in view.nodes:
            numbers, done = (node.grads, grads) if node.grads else (node.ops, ops)
            if numbers and min(numbers) >= done and not _is_before(node):
                found[node.id] = "later"
    where, _, item = (seen.selected or "").partition("/")
    own = where == pane or (pane == "twins" and where in (DYNAMIC, "backward"))
    return found | dict.fromkeys(_drawn(view, item), "chosen" if own else "linked")


def _is_before(node: ViewNode) -> bool:
    """Whether a node stands for what came from outside: it was there before all ops."""
    return node.kind in ("input", "parameter", "constant")


def _drawn(view: GraphView, item: str) -> list[str]:
    """The ids that show an item: its own, or those of what stands for it."""
    known = {node.id for node in view.nodes} | {box.id for box in view.boxes}
    if item in known:
        return [item]
    op, grad = _number(item, "op:"), _number(item, "grad:")
    return [node.id for node in view.nodes if op in node.ops or grad in node.grads]


def _number(item: str | None, kind: str) -> int | None:
    number = (item or "").removeprefix(kind)
    return int(number) if number != item and number.isdecimal() else None
