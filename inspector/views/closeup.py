"""One open box by itself: what is in it, and what is directly beside it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from inspector.language import sentence
from inspector.views.model import GraphView, ViewBox

MOST_BESIDE = 24
"""Nodes outside of the box that are drawn; where more are beside it, the first ones."""

MOST_PASSES = 8
"""Backward passes through the box that are drawn: training steps can be ten thousand."""

MORE_PASSES = sentence("more backward passes")


def base_id(box: str) -> str:
    """A box's id without what tells its copies apart: the passes of a backward graph."""
    return box.partition("@")[0]


def closeup(view: GraphView, box: str) -> GraphView | None:
    """The part of a picture that shows one box.

    Args:
        view: a picture in which the box is open.
        box: its id; a backward graph has it once for each pass.

    Returns:
        The box with all that is in it, and the nodes outside that an edge joins to what is inside,
        without the boxes that these are in; None where the picture has no such box open. Of very
        many passes the first are there.
    """
    copies = [one.id for one in view.boxes if base_id(one.id) == box]
    if not copies:
        return None
    inside = _within(view.boxes, copies[:MOST_PASSES])
    mine = {node.id for node in view.nodes if node.box in inside}
    beside = dict.fromkeys(
        end
        for edge in view.edges
        if (edge.source in mine) != (edge.target in mine)
        for end in (edge.source, edge.target)
        if end not in mine
    )
    shown = mine | set(list(beside)[:MOST_BESIDE])
    nodes = tuple(
        node if node.id in mine else replace(node, box=None)
        for node in view.nodes
        if node.id in shown
    )
    edges = tuple(
        edge
        for edge in view.edges
        if edge.source in shown and edge.target in shown and mine & {edge.source, edge.target}
    )
    boxes = tuple(
        one if one.parent in inside else replace(one, parent=None)
        for one in view.boxes
        if one.id in inside
    )
    ranks = (tuple(id for id in rank if id in mine) for rank in view.ranks)
    return replace(
        view,
        nodes=nodes,
        edges=edges,
        boxes=boxes,
        hidden={MORE_PASSES: len(copies[MOST_PASSES:])},
        ranks=tuple(rank for rank in ranks if len(rank) > 1),
        room=None,
    )


def _within(boxes: tuple[ViewBox, ...], outer: Collection[str]) -> set[str]:
    """The ids of boxes and of those inside them; a view lists outer boxes first."""
    found = set(outer)
    for one in boxes:
        if one.parent in found:
            found.add(one.id)
    return found
