"""Which boxes are open at first."""

from __future__ import annotations

from inspector.records import Recording
from inspector.views.index import ViewIndex, index_of
from inspector.views.tree import LOOP, MODULE, TRIP, Box
from inspector.views.visible import Visible

DEFAULT_VISIBLE = 30
"""Boxes are opened until about this many ops show, parameters and inputs not counted: what fits
a pane and stays readable."""


def default_open(
    recording: Recording, visible: int = DEFAULT_VISIBLE, index: ViewIndex | None = None
) -> frozenset[str]:
    """The boxes to open at first: level by level, while about `visible` nodes would show.

    A level opens as a whole or not at all: of twelve equal blocks, seven open ones would look
    as if those seven were special. Loops start with equal trips drawn as one, and are unrolled
    if all of their trips fit too; to see what a loop does, half as many more may show.
    Optimizer steps and ranges stay closed.
    """
    index = index or index_of(recording)
    opened: set[str] = set()
    shown = Visible(index, frozenset())
    more = visible * 3 // 2
    while True:
        for kinds, most in (((MODULE, LOOP, TRIP), visible), ((LOOP, TRIP), more)):
            level = _closed(index, shown, kinds)
            wider = Visible(index, frozenset(opened | level))
            if level and len(wider.drawn) <= most:
                opened |= level
                shown = wider
                break
        else:
            return _unrolled(index, opened, shown, more)


def _closed(index: ViewIndex, shown: Visible, kinds: tuple[str, ...]) -> set[str]:
    """The closed boxes of these kinds."""
    boxes = (index.boxes[found.box] for found in shown.drawn if found.box is not None)
    return {box.id for box in boxes if box.kind in kinds}


def _unrolled(index: ViewIndex, opened: set[str], shown: Visible, visible: int) -> frozenset[str]:
    """With the loops unrolled that fit, outer ones first."""
    while True:
        for frame in shown.frames:
            box = index.boxes[frame.box]
            if not frame.is_folded or box.members > visible:
                continue
            more = opened | {box.id} | _mirrored(index, box, opened, shown)
            wider = Visible(index, frozenset(more))
            if len(wider.drawn) <= visible:
                opened, shown = more, wider
                break
        else:
            return frozenset(opened)


def _mirrored(index: ViewIndex, box: Box, opened: set[str], shown: Visible) -> set[str]:
    """The other trips opened as the first of each run of equal ones is."""
    found: set[str] = set()
    for first, count in box.runs:
        for other in box.whole[first : first + count]:
            found |= _alike(index, box.whole[first], other, opened, shown)
    return found


def _alike(index: ViewIndex, like: int, child: int, opened: set[str], shown: Visible) -> set[str]:
    found: set[str] = set()
    todo = [(like, child)]
    while todo:
        one, other = todo.pop()
        if one >= 0 or other >= 0:
            continue
        is_shown = ~one in shown.frame_of
        if (is_shown and not index.boxes[~one].folds) or index.boxes[~one].id in opened:
            found.add(index.boxes[~other].id)
        todo += zip(index.boxes[~one].whole, index.boxes[~other].whole, strict=False)
    return found
