"""The finished picture: every box's drawing at its place, every edge in one piece."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

from inspector.render.framing import SIDEWAYS, Framed
from inspector.render.measure import node_size
from inspector.render.nest import Nested, Route
from inspector.render.piece import XY, straight
from inspector.views.model import GraphView

_MARGIN = 20.0


class Point(NamedTuple):
    """A point in px; y grows downwards."""

    x: float
    y: float


class Rect(NamedTuple):
    """A rectangle in px: the top left corner, width and height."""

    x: float
    y: float
    w: float
    h: float


@dataclass(frozen=True, slots=True)
class EdgePath:
    """One edge's course.

    `index` is the edge's place in `GraphView.edges`. `points` are those of a chain of cubic
    Bézier curves, 3n + 1 of them, from the source to the target; the arrowhead, `ARROW` px long,
    begins at the last (at the first, if `ViewEdge.up`).
    `label` is the middle of the label; None for an edge without, and where another edge with the
    same value carries it on the piece that they share.
    """

    index: int
    source: str
    target: str
    points: tuple[Point, ...]
    label: Point | None = None


@dataclass(frozen=True, slots=True)
class Layout:
    """Positions of everything in a view, in px from the top left.

    `nodes` and `boxes` map ids to rectangles. Edges from a node to itself or to an unknown
    node have no path. `notes` are sentences about what could not be drawn as well as usual.
    """

    width: float
    height: float
    nodes: Mapping[str, Rect] = field(default_factory=dict)
    edges: tuple[EdgePath, ...] = ()
    boxes: Mapping[str, Rect] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def placed(
    view: GraphView,
    nested: Sequence[Nested],
    framed: Sequence[Framed],
    routes: Sequence[Route],
    turn: str,
    notes: tuple[str, ...],
) -> Layout:
    """Return the layout of a view.

    Args:
        view: what is drawn.
        nested, routes: from `nest`.
        framed: the drawing of each box.
        turn: the view's direction.
        notes: for the layout.
    """
    canvas = _Canvas(turn, framed[0].w, framed[0].h)
    corners: list[XY] = [(0.0, 0.0)] * len(nested)
    nodes: dict[str, Rect] = {}
    boxes: dict[str, Rect] = {}
    for number, (own, frame) in enumerate(zip(nested, framed, strict=True)):
        left, top = corners[number]
        if own.box is not None:
            boxes[own.box.id] = canvas.rect(left, top, frame.w, frame.h)
        for member, (x, y) in zip(own.members, frame.drawing.centres, strict=True):
            x, y = x + left + frame.x, y + top + frame.y
            if isinstance(member, int):
                corners[member] = x - framed[member].w / 2, y - framed[member].h / 2
            else:
                nodes[member.id] = canvas.around(x, y, *node_size(member))
    width, height = canvas.size
    return Layout(
        width=width + 2 * _MARGIN,
        height=height + 2 * _MARGIN,
        nodes=MappingProxyType({node.id: nodes[node.id] for node in view.nodes}),
        edges=tuple(_paths(routes, framed, corners, canvas)),
        boxes=MappingProxyType({box.id: boxes[box.id] for box in view.boxes}),
        notes=notes,
    )


class _Canvas:
    """Turns what is laid out from top to bottom into the picture's direction."""

    def __init__(self, turn: str, w: float, h: float) -> None:
        self._sideways, self._against = turn in SIDEWAYS, turn in ("BT", "RL")
        self._length = h
        self.size = (h, w) if self._sideways else (w, h)

    def point(self, x: float, y: float) -> Point:
        if self._against:
            y = self._length - y
        if self._sideways:
            x, y = y, x
        return Point(x + _MARGIN, y + _MARGIN)

    def points(self, points: Iterable[XY]) -> tuple[Point, ...]:
        """Many points at once."""
        if not self._sideways and not self._against:
            return tuple([Point(x + _MARGIN, y + _MARGIN) for x, y in points])
        return tuple([self.point(x, y) for x, y in points])

    def rect(self, x: float, y: float, w: float, h: float) -> Rect:
        middle = self.point(x + w / 2, y + h / 2)
        if self._sideways:
            w, h = h, w
        return Rect(middle.x - w / 2, middle.y - h / 2, w, h)

    def around(self, x: float, y: float, w: float, h: float) -> Rect:
        """The rectangle of a node, whose width and height need no turning."""
        middle = self.point(x, y)
        return Rect(middle.x - w / 2, middle.y - h / 2, w, h)


def _paths(
    routes: Sequence[Route], framed: Sequence[Framed], corners: Sequence[XY], canvas: _Canvas
) -> list[EdgePath]:
    labelled: set[tuple[int, int]] = set()
    found = []
    for index, edge, parts, middle, is_turned in routes:
        points: list[XY] = []
        label: Point | None = None
        for place, (box, link) in enumerate(parts):
            course, frame = framed[box].drawing.courses[link], framed[box]
            x, y = corners[box][0] + frame.x, corners[box][1] + frame.y
            if points:  # across the border: from the port outside to the one inside
                inside = course.points[0]
                points += straight(points[-1], (inside[0] + x, inside[1] + y))[1:-1]
            points += [(px + x, py + y) for px, py in course.points]
            if place == middle and course.label and (box, link) not in labelled:
                labelled.add((box, link))
                label = canvas.point(course.label[0] + x, course.label[1] + y)
        ends, path = (edge.source, edge.target), canvas.points(points)
        if is_turned:
            ends, path = ends[::-1], path[::-1]
        found.append(EdgePath(index, *ends, path, label))
    return found
