"""From a view's nested boxes to their drawings with frames: the inner boxes first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from inspector.render.drawer import Drawer
from inspector.render.measure import NARROW_BOX, box_title_size, label_size, node_size, title_widths
from inspector.render.nest import Nested
from inspector.render.piece import Child, Drawing, Job, Wire
from inspector.views.model import ViewBox

SIDEWAYS = ("LR", "RL")
"""Directions in which a drawing, made from top to bottom, is turned by a quarter."""

_EMPTY = (100.0, 50.0)
_SIDE = 14.0
"""Between a box's border and what is in it, in px."""
_PORT_SIDE = 5.0
"""The same where edges come in: wires keep a distance already."""
_TITLE = 38.0
_PORT_TITLE = 27.0
_MOST_ASIDE = 130.0
"""Beyond so many px, an edge across a title is the smaller evil."""


class Framed(NamedTuple):
    """A box of w x h px; its drawing begins at (x, y)."""

    drawing: Drawing
    x: float
    y: float
    w: float
    h: float


def framed_boxes(nested: Sequence[Nested], turn: str, drawer: Drawer) -> list[Framed]:
    """Return each box's drawing and frame.

    Boxes with equally much nesting inside are drawn at once: three rounds for three levels,
    however many boxes there are.

    Args:
        nested: from `nest`, outer boxes first.
        turn: the view's direction.
        drawer: draws the jobs.
    """
    heights = [0] * len(nested)
    for number in range(len(nested) - 1, 0, -1):
        parent = nested[number].parent
        heights[parent] = max(heights[parent], heights[number] + 1)
    rounds: dict[int, list[int]] = {}
    for number, height in enumerate(heights):
        rounds.setdefault(height, []).append(number)
    framed: dict[int, Framed] = {}
    for height in sorted(rounds):
        jobs = {number: _job(nested[number], framed, turn) for number in rounds[height]}
        drawings = drawer.draw(jobs.values())
        for number, job in jobs.items():
            framed[number] = _frame(nested[number], drawings[job], turn)
    return [framed[number] for number in range(len(nested))]


def _job(nested: Nested, framed: Mapping[int, Framed], turn: str) -> Job:
    children = []
    for member in nested.members:
        if isinstance(member, int):
            children.append(_box_child(framed[member]))
        else:
            size = _turned(node_size(member), turn)
            children.append(Child(*size, member.kind == "decision"))
    wires = []
    for link in nested.links:
        room = _turned(label_size(link.label), turn) if link.label else None
        wires.append(Wire(*link.tail, *link.head, link.arrow, room))
    ports = len(nested.ins), len(nested.outs)
    return Job(tuple(children), tuple(wires), *ports, tuple(nested.ranks))


def _box_child(inner: Framed) -> Child:
    ins, outs = (
        tuple(round(x + inner.x) for x in ports)
        for ports in (inner.drawing.ins, inner.drawing.outs)
    )
    return Child(inner.w, inner.h, False, ins, outs)


def _turned(size: tuple[float, float], turn: str) -> tuple[float, float]:
    return (size[1], size[0]) if turn in SIDEWAYS else size


def _frame(nested: Nested, drawing: Drawing, turn: str) -> Framed:
    """The frame, with room for the title where the top will be in the finished picture."""
    if nested.box is None:
        return Framed(drawing, 0.0, 0.0, drawing.w, drawing.h)
    left, above, below = _SIDE, _SIDE, _SIDE
    if nested.ins:
        above = _PORT_SIDE
    if nested.outs:
        below = _PORT_SIDE
    if turn in SIDEWAYS:
        left = _TITLE
    elif turn == "TB":
        above = _PORT_TITLE if nested.ins else _TITLE
    else:
        below = _PORT_TITLE if nested.outs else _TITLE
    least = max(_EMPTY[0], box_title_size(nested.box)[0] + 20), _EMPTY[1]
    least_w, least_h = _turned(least, turn)
    w = max(drawing.w + left + _SIDE, least_w)
    h = max(drawing.h + above + below, least_h)
    x = left + (w - left - _SIDE - drawing.w) / 2
    if turn not in SIDEWAYS:
        ports = drawing.ins if turn == "TB" else drawing.outs
        by, w = _clear_of_title(nested.box, [port + x for port in ports], w)
        x, w = x + by, max(w, x + by + drawing.w + _SIDE)
    # Whole px, like ports: the curves inside and outside of the frame meet.
    return Framed(drawing, float(round(x)), above, float(round(w)), float(round(h)))


def _clear_of_title(box: ViewBox, ports: Sequence[float], w: float) -> tuple[float, float]:
    """How far to move what is in a box, and its new width, so that edges that enter at `ports`
    do not cross its title.
    """
    title, subtitle = title_widths(box)
    if w >= NARROW_BOX:
        title, subtitle = title + subtitle, 0.0
    hit = [port for port in ports if port < title]
    by = title - min(hit) if hit else 0.0
    if by > _MOST_ASIDE:
        return 0.0, w
    return by, max([w, *(port + by + subtitle for port in ports)])
