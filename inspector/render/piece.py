"""What one box's layout is asked for, and what it answers: plain values in px.

Everything here runs from top to bottom; a view of another direction is turned as a whole at the
end. A box lays out its children (nodes, and boxes whose size is known by then) and *ports*:
places on its upper and lower border where edges come in and leave. Two boxes with equal `Job`s
look the same, so a drawing is made once for all of them.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

BORDER = -1
"""In place of a child: the box's own border."""
NO_PORT = -1
"""A node has no ports: an edge ends anywhere on its outline."""

XY = tuple[float, float]


class Child(NamedTuple):
    """A node or box of known size; `ins` and `outs` are its ports' distances from its left."""

    w: float
    h: float
    diamond: bool = False
    ins: tuple[int, ...] = ()
    outs: tuple[int, ...] = ()


class Wire(NamedTuple):
    """An edge's part inside one box, from a child or a port of the border to another.

    `tail` and `head` are numbers of children or `BORDER`. `arrow` is "head", "tail" or "none":
    which end is the end of a whole edge, with an arrowhead. `label` is the room for a label.
    """

    tail: int
    tail_port: int
    head: int
    head_port: int
    arrow: str = "none"
    label: XY | None = None


class Job(NamedTuple):
    """What is to be laid out. `ins` and `outs` count the border's ports; `ranks` are groups of
    children that stand side by side.
    """

    children: tuple[Child, ...]
    wires: tuple[Wire, ...]
    ins: int = 0
    outs: int = 0
    ranks: tuple[tuple[int, ...], ...] = ()


class Course(NamedTuple):
    """A wire's way: a chain of cubic Bézier curves, 3n + 1 points; the middle of its label."""

    points: tuple[XY, ...]
    label: XY | None = None


class Drawing(NamedTuple):
    """A finished layout: the middles of the children, where the ports are on the upper (y = 0)
    and lower (y = h) border, and the courses of the wires.
    """

    w: float
    h: float
    centres: tuple[XY, ...]
    ins: tuple[float, ...]
    outs: tuple[float, ...]
    courses: tuple[Course, ...]

    @property
    def weight(self) -> int:
        """How many pairs of numbers it holds."""
        return len(self.centres) + sum(len(course.points) for course in self.courses)


def straight(*corners: XY) -> tuple[XY, ...]:
    """Return a polyline as a chain of Bézier curves."""
    points = [corners[0]]
    for (x0, y0), (x1, y1) in pairwise(corners):
        dx, dy = (x1 - x0) / 3, (y1 - y0) / 3
        points += [(x0 + dx, y0 + dy), (x1 - dx, y1 - dy), (x1, y1)]
    return tuple(points)


def rounded(corners: list[XY], radius: float) -> tuple[XY, ...]:
    """Return a polyline with round corners as a chain of Bézier curves."""
    points = [corners[0]]
    for before, corner, after in zip(corners, corners[1:], corners[2:], strict=False):
        start = _towards(corner, before, radius)
        end = _towards(corner, after, radius)
        points += [*straight(points[-1], start)[1:], corner, corner, end]
    return (*points, *straight(points[-1], corners[-1])[1:])


def _towards(corner: XY, other: XY, radius: float) -> XY:
    dx, dy = other[0] - corner[0], other[1] - corner[1]
    length = max(abs(dx), abs(dy))
    part = min(0.5, radius / length) if length else 0.0
    return corner[0] + dx * part, corner[1] + dy * part
