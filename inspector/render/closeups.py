"""The boxes of a recording, each by itself: what a page without a server shows when one is opened.

A page cannot hold a picture for each combination of open boxes. So it holds one for each box that
is closed at first, with all that is in it, or with closed boxes in it that have theirs.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from inspector.render.answers import Book
from inspector.views import GraphView, ViewIndex
from inspector.views.closeup import base_id, closeup

FITS = 40
"""A box of so many ops is shown with all boxes in it open."""

PARTS = ("twins", "leaves")
"""What stands before an op's number in the ids of boxes of its autograd nodes."""


@dataclass(frozen=True, slots=True)
class Closeup:
    """One box by itself.

    Attributes:
        box: its id, without a pass.
        title: what is written on it.
        opened: the boxes that are open in a whole picture that shows the same.
        views: by pane, where it is drawn.
    """

    box: str
    title: str
    opened: frozenset[str]
    views: Mapping[str, GraphView]


def closeups(book: Book, most: int, without: Collection[str] = ()) -> Iterator[Closeup]:
    """Each box that is closed at first, or inside of one that is; outer ones first.

    Args:
        book: of the recording.
        most: how many at most.
        without: panes that are left out.
    """
    first = book.views(book.shown(frozenset()))
    todo = deque((box, book.first_open) for box in closed_boxes(first.values()))
    known = {box for box, _ in todo}
    while todo and most > 0:
        box, around = todo.popleft()
        opened = around | {box, *_inner(book.index, box)}
        whole = book.views(book.shown(book.first_open ^ opened))
        panes = [pane for pane in whole if pane not in without]
        views = {pane: found for pane in panes if (found := closeup(whole[pane], box))}
        if not views:
            continue
        title = next(one.title for view in views.values() for one in view.boxes)
        yield Closeup(box, title, opened, views)
        most -= 1
        more = [one for one in closed_boxes(views.values()) if one not in known]
        known.update(more)
        todo.extend((one, opened) for one in more)


def closed_boxes(views: Iterable[GraphView]) -> list[str]:
    """The boxes that can be opened: closed ones, and those with equal members drawn once."""
    found: dict[str, None] = {}
    for view in views:
        found.update((base_id(node.id), None) for node in view.nodes if node.kind == "box")
        found.update((base_id(box.id), None) for box in view.boxes if box.is_folded)
    return list(found)


def _inner(index: ViewIndex, box: str) -> Iterator[str]:
    """The boxes that are opened with a box: those inside, if all of them fit; its ops' parts."""
    number = index.by_id.get(box)
    if number is None:
        return
    fits = index.boxes[number].size <= FITS
    passes = range(1 + max((node.pass_index for node in index.recording.grad_nodes), default=0))
    todo = list(index.boxes[number].children)
    while todo:
        child = todo.pop()
        if child >= 0:
            yield from (f"{part}:{child}/{one}" for part in PARTS for one in passes)
        elif fits:
            yield index.boxes[~child].id
            todo += index.boxes[~child].children
