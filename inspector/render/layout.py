"""Where each node, edge and box goes: Graphviz's `dot` on sizes that we compute.

Graphviz is given fixed sizes and no text, so positions depend on no font and are the same with
an installed `dot` as with the Graphviz inside the pygraphviz wheel (of the same version).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple

from inspector.errors import RenderError
from inspector.render.dot import blank, direction, drawn_edges, unique_nodes, walk
from inspector.render.measure import box_title_size, label_size, node_size
from inspector.render.process import find_graphviz, run_graphviz
from inspector.views.model import GraphView, ViewNode

__all__ = ["EdgePath", "Layout", "Point", "Rect", "layout", "run_graphviz"]

ARROW = 8.0
"""Length of an arrowhead in px: an edge's curve ends this far before the node."""

_MARGIN = 20.0
_EMPTY_SIZE = (240.0, 80.0)


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
    Bézier curves, 3n + 1 of them; the arrowhead, `ARROW` px long, begins at the last.
    `label` is the middle of the label, None for an edge without.
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
    node have no path.
    """

    width: float
    height: float
    nodes: Mapping[str, Rect] = field(default_factory=dict)
    edges: tuple[EdgePath, ...] = ()
    boxes: Mapping[str, Rect] = field(default_factory=dict)


def layout(view: GraphView, timeout: float = 20.0) -> Layout:
    """Compute positions for a view.

    Layouts are remembered by structure (sizes, nesting, edges), so a view that differs only in
    flags costs nothing.

    Args:
        view: what to draw.
        timeout: seconds that Graphviz may take.

    Raises:
        GraphvizMissing: there is no Graphviz here.
        GraphvizTimeout: it took longer than `timeout`.
        RenderError: Graphviz failed.
    """
    if not view.nodes and not view.boxes:
        return Layout(*_EMPTY_SIZE)
    edges = drawn_edges(view)
    size = f"{len(view.nodes):,} nodes, {len(edges):,} edges, {len(view.boxes):,} open boxes"
    drawing = _draw(geometry_dot(view), find_graphviz(), timeout, size)
    return _Reader(drawing).read(view)


@dataclass(frozen=True, slots=True)
class _Drawing:
    """What is kept of Graphviz's answer, as it wrote it: "bb" of the whole, "pos" or "bb" by
    name of node or cluster, and ("pos", "lp") by `id` of edge.
    """

    bounds: str
    places: Mapping[str, str]
    edges: Mapping[str, tuple[str, str]]


@lru_cache(maxsize=32)
def _draw(dot_text: str, command: tuple[str, ...], timeout: float, size: str) -> _Drawing:
    answer = run_graphviz(dot_text, "json0", timeout, command=command, size=size)
    try:
        drawing = json.loads(answer)
        return _Drawing(
            drawing["bb"],
            {item["name"]: item.get("pos") or item["bb"] for item in drawing.get("objects", ())},
            {
                item["id"]: (item.get("pos", ""), item.get("lp", ""))
                for item in drawing.get("edges", ())
            },
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RenderError(
            f"Graphviz ({command[0]}) gave an answer that is no drawing. Version 2.40 or newer "
            f"is needed. ({type(error).__name__}: {error})"
        ) from error


def geometry_dot(view: GraphView) -> str:
    """Return the DOT text that is laid out: nodes "n0", "n1", … and boxes "cluster_0", … in the
    order of the view, edges with their index as `id`, sizes instead of text.
    """
    numbers = {node_id: number for number, node_id in enumerate(unique_nodes(view))}
    boxes: dict[str, int] = {}
    for box in view.boxes:
        boxes.setdefault(box.id, len(boxes))
    return "\n".join(_geometry_lines(view, numbers, boxes))


def _geometry_lines(
    view: GraphView, numbers: dict[str, int], boxes: dict[str, int]
) -> Iterator[str]:
    yield "digraph {"
    yield f"graph [rankdir={direction(view)}, nodesep=0.34, ranksep=0.42];"
    yield 'node [shape=box, fixedsize=true, label=""];'
    yield f"edge [arrowsize={ARROW / 10}];"
    for event, item in walk(view):
        if isinstance(item, ViewNode):
            width, height = node_size(item)
            # Edges end at the shape's outline; all but a diamond's are close to a rectangle's.
            shape = ", shape=diamond" if item.kind == "decision" else ""
            yield f"n{numbers[item.id]} [width={_inch(width)}, height={_inch(height)}{shape}];"
        elif event == "open":
            yield f"subgraph cluster_{boxes[item.id]} {{ margin=14; labeljust=l;"
            yield f"label={_room(*box_title_size(item))};"
        elif event == "empty":
            yield blank(item)
        else:
            yield "}"
    for index, edge in drawn_edges(view):
        label = f", label={_room(*label_size(edge.label))}" if edge.label else ""
        yield f"n{numbers[edge.source]} -> n{numbers[edge.target]} [id=e{index}{label}];"
    yield "}"


def _inch(px: float) -> str:
    return f"{px / 72:.4f}"


def _room(width: float, height: float) -> str:
    """A label of that size without any text."""
    return (
        '<<TABLE BORDER="0" CELLBORDER="0" CELLPADDING="0" CELLSPACING="0" FIXEDSIZE="TRUE" '
        f'WIDTH="{width:.0f}" HEIGHT="{height:.0f}"><TR><TD></TD></TR></TABLE>>'
    )


class _Reader:
    """Turns Graphviz's points (y upwards, from the bottom left) into a `Layout`."""

    def __init__(self, drawing: _Drawing) -> None:
        self.drawing = drawing
        self.left, self.bottom, self.right, self.top = _numbers(drawing.bounds)

    def read(self, view: GraphView) -> Layout:
        places = self.drawing.places
        nodes: dict[str, Rect] = {}
        for number, (node_id, node) in enumerate(unique_nodes(view).items()):
            width, height = node_size(node)
            x, y = self.point(_numbers(places[f"n{number}"]))
            nodes[node_id] = Rect(x - width / 2, y - height / 2, width, height)
        boxes: dict[str, Rect] = {}
        for box in view.boxes:
            if box.id not in boxes:
                boxes[box.id] = self.rect(places[f"cluster_{len(boxes)}"])
        return Layout(
            width=self.right - self.left + 2 * _MARGIN,
            height=self.top - self.bottom + 2 * _MARGIN,
            nodes=MappingProxyType(nodes),
            edges=tuple(
                self.edge(index, edge.source, edge.target, nodes)
                for index, edge in drawn_edges(view)
            ),
            boxes=MappingProxyType(boxes),
        )

    def point(self, xy: list[float]) -> Point:
        return Point(xy[0] - self.left + _MARGIN, self.top - xy[1] + _MARGIN)

    def rect(self, bb: str) -> Rect:
        left, bottom, right, top = _numbers(bb)
        x, y = self.point([left, top])
        return Rect(x, y, right - left, top - bottom)

    def edge(self, index: int, source: str, target: str, nodes: dict[str, Rect]) -> EdgePath:
        pos, lp = self.drawing.edges.get(f"e{index}", ("", ""))
        points = self.curve(pos)
        if len(points) < 4:
            # Graphviz now and then gives an edge up: a straight line is better than none.
            start, end = _centre(nodes[source]), _centre(nodes[target])
            points = (start, start, end, end)
        return EdgePath(index, source, target, points, self.point(_numbers(lp)) if lp else None)

    def curve(self, pos: str) -> tuple[Point, ...]:
        """Read a spline: points "x,y", after the tips "e,x,y" and "s,x,y" of arrowheads."""
        pieces = pos.partition(";")[0].split()
        return tuple(self.point(_numbers(piece)) for piece in pieces if piece[0] not in "es")


def _centre(rect: Rect) -> Point:
    return Point(rect.x + rect.w / 2, rect.y + rect.h / 2)


def _numbers(text: str) -> list[float]:
    return [float(number) for number in text.split(",")]
