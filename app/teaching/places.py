"""Finds in a run what a lesson calls a PLACE: the item to select, the box to open, the moment.

A program that was edited may not have it any more: then the answer is a sentence, and nothing
is selected.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from inspector.language import Sentence, sentence
from inspector.render.answers import Book
from inspector_app.teaching.finding import FINDERS, Found
from inspector_app.teaching.lesson import START, Shown, Spot

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Look:
    """What of a workbench a step looks at.

    Args:
        selected: the item; None for nothing.
        toggled: boxes that are not as they are at first.
        moment: in the time of the run; None is the end.
        missing: of each place that is not there, why.
    """

    selected: str | None = None
    toggled: tuple[str, ...] = ()
    moment: int | None = None
    missing: tuple[Sentence, ...] = ()


def look(shown: Shown, book: Book) -> Look:
    """All places of a step, found in a run.

    Args:
        shown: of `lesson.state`.
        book: the run with its static graph.
    """
    missing: list[Sentence] = []

    def told(found: _T | Sentence) -> _T | None:
        if isinstance(found, Sentence):
            if found not in missing:
                missing.append(found)
            return None
        return found

    boxes: set[str] = set()
    for spot in shown.open:
        boxes ^= set(told(boxes_of(spot, book)) or ())
    item = None
    if shown.select is not None and (found := told(resolve(shown.select, book))) is not None:
        item = told(_shown_item(found, shown, book))
        boxes |= set(found.boxes) - book.first_open
    moment: int | None = None
    if isinstance(shown.moment, Spot):
        moment = told(moment_of(shown.moment, book))
    elif shown.moment == START and len(book.timeline):
        moment = 0
    return Look(item, tuple(sorted(boxes)), moment, tuple(missing))


def _shown_item(found: Found, shown: Shown, book: Book) -> str | Sentence | None:
    """The item of a place in the panes of a step; a sentence where none of them shows it.

    Ops and autograd nodes stand in one picture in the pane `twins`. The picture of two runs has
    ops and lines: an autograd node is shown there by the op that it belongs to.
    """
    pane, _, item = (found.item or "").partition("/")
    if shown.compare is None:
        in_one = pane == "backward" and "twins" in shown.panes.values()
        return f"twins/{item}" if in_one else found.item
    if pane == "backward":
        number = int(item.removeprefix("grad:"))
        op = next(node.op for node in book.recording.grad_nodes if node.id == number)
        if op is not None:
            return f"dynamic/op:{op}"
    elif not pane or pane in ("static", "source") or item.startswith("op:"):
        return found.item
    return sentence(
        "`{place}` is not in the picture of two runs: select an op or a line of the code there.",
        place=str(shown.select),
    )


def resolve(spot: Spot, book: Book) -> Found | Sentence:
    """Where a place is in a run, or that it is not there.

    Args:
        spot: the place.
        book: the run with its static graph.
    """
    return FINDERS[spot.kind](spot, book)


def boxes_of(spot: Spot, book: Book) -> tuple[str, ...] | Sentence:
    """The boxes that a place is, or that it is none.

    A module call is a box, a line is the loop or the optimizer's step that begins on it, and a node
    of the IR is its blocks.
    """
    found = resolve(spot, book)
    if isinstance(found, Sentence):
        return found
    if found.own:
        return found.own
    return sentence(
        "`{place}` is no box that could be opened or closed: it stands for itself in the graph.",
        place=str(spot),
    )


def moment_of(spot: Spot, book: Book) -> int | Sentence:
    """The number of the moment at which a place has just run, or that it has none."""
    found = resolve(spot, book)
    if isinstance(found, Sentence):
        return found
    if found.entry is None or found.entry not in book.timeline.entries:
        return sentence("`{place}` is no moment of the run.", place=str(spot))
    return book.timeline.entries.index(found.entry)
