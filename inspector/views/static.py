"""The static graph: TorchScript IR, with what this input ran of it.

Constants, attribute reads and list building are folded away: an edge runs from where a tensor
was computed to where it is used. A branch or loop is a node with its blocks as boxes below it.
A call opens like a module box; a call that computes with a single node is drawn as that node.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from inspector.language import sentence
from inspector.records import IRNode, Overlay, StaticGraph
from inspector.views.boxes import visible_id
from inspector.views.gradnodes import nodes_told
from inspector.views.hubs import split_hubs
from inspector.views.irflow import ValueFlow
from inspector.views.irlabels import Labels, short_type, view_kind
from inspector.views.irshape import (
    BLOCKS,
    CALLS,
    Shape,
    block_id,
    default_open_of,
    default_open_static,
    is_folded,
)
from inspector.views.model import GraphView, ViewBox, ViewEdge, ViewNode

__all__ = ["default_open_static", "static_view"]


def static_view(
    static: StaticGraph, overlay: Overlay | None, opened: frozenset[str] | None = None
) -> GraphView:
    """The picture of an IR graph.

    Args:
        static: the graph.
        overlay: what one recording ran of it; without one nothing is lit.
        opened: ids of open boxes ("ir:7/0"); None opens what fits, see `default_open_static`.
    """
    shape = Shape(static)
    if opened is None:
        opened = default_open_of(shape)
    return _StaticView(static, shape, overlay, opened).view()


NOT_DRAWN = sentence("constants and bookkeeping nodes are not drawn")


class _StaticView:
    def __init__(
        self,
        static: StaticGraph,
        shape: Shape,
        overlay: Overlay | None,
        opened: frozenset[str],
    ) -> None:
        self._static = static
        self._shape = shape
        self._labels = Labels(static, shape, overlay)
        self._overlay = overlay
        self._opened = opened
        self._ops = _ops_by_node(overlay)
        self._nodes: dict[str, ViewNode] = {}
        self._boxes: dict[str, ViewBox] = {}
        self._edges: dict[tuple[str, str, str], str] = {}
        self._where = [visible_id(f"ir:{n.id}", shape.path(n), opened) for n in static.nodes]
        self._folded: dict[str, list[IRNode]] = {}
        self._flow = ValueFlow(static, self._stands_for)

    def view(self) -> GraphView:
        for value in self._static.inputs:
            own = f"value:{value.name}"
            self._nodes[own] = ViewNode(own, "input", value.label, short_type(value.type))
        for node in self._static.nodes:
            self._add(node)
        self._fold()
        for node in self._static.nodes:
            self._connect(node)
        self._add_outputs()
        hidden = sum(map(is_folded, self._static.nodes))
        edges = [
            ViewEdge(source, target, label, kind)
            for (source, target, kind), label in self._edges.items()
            if source in self._nodes and target in self._nodes
        ]
        nodes, edges = split_hubs(self._nodes, edges)
        return GraphView(
            name=sentence("TorchScript IR"),
            nodes=tuple(nodes),
            edges=tuple(edges),
            boxes=tuple(self._boxes.values()),
            hidden={NOT_DRAWN: hidden} if hidden else {},
        )

    # -- nodes and boxes -------------------------------------------------------------------

    def _add(self, node: IRNode) -> None:
        drawn, box = self._where[node.id]
        if drawn != f"ir:{node.id}":
            self._folded.setdefault(drawn, []).append(node)
            self._nodes.setdefault(drawn, ViewNode(drawn, "box", drawn, box=box))
            return
        for index in self._shape.boxes_of(node):
            self._add_box(node, index, box)
        if not self._shape.shown(node):
            return
        self._nodes[drawn] = ViewNode(
            id=drawn,
            kind=view_kind(node),
            title=self._labels.title(node),
            subtitle=self._labels.subtitle(node),
            badge=self._labels.badge(node),
            box=box,
            flags=self._labels.flags(node),
            ops=tuple(self._ops.get(node.id, ())),
            source=None if node.source is None else (node.source.file, node.source.line),
        )

    def _add_box(self, node: IRNode, index: int, parent: str | None) -> None:
        own = block_id(node.id, index)
        if own not in self._opened:
            return
        title = self._labels.block_title(node, index)
        kind = "call" if node.kind in CALLS else "block"
        subtitle = self._labels.block_count(node, index) if kind == "block" else ""
        flags = self._labels.block_flags(node, index)
        self._boxes[own] = ViewBox(own, title, parent, kind, subtitle, flags)

    def _fold(self) -> None:
        for box, nodes in self._folded.items():
            number, index = (int(part) for part in box.removeprefix("ir:").split("/"))
            owner = self._static.nodes[number]
            ops = tuple(op for node in nodes for op in self._ops.get(node.id, ()))
            self._nodes[box] = ViewNode(
                id=box,
                kind="box",
                title=self._labels.block_title(owner, index),
                subtitle=nodes_told(sum(map(self._shape.shown, nodes))),
                box=self._nodes[box].box,
                flags=self._labels.block_flags(owner, index),
                ops=ops,
                source=None if owner.source is None else (owner.source.file, owner.source.line),
            )

    # -- edges -------------------------------------------------------------------------------------

    def _stands_for(self, node: IRNode) -> str | None:
        """The id drawn for a computing node; None for a node that is looked through."""
        drawn = self._where[node.id][0]
        if drawn != f"ir:{node.id}":
            return drawn
        if node.kind in BLOCKS or not self._shape.shown(node):
            return None
        return drawn

    def _connect(self, node: IRNode) -> None:
        drawn = self._where[node.id][0]
        target = self._stands_for(node) or (drawn if node.kind in BLOCKS else None)
        if target is None or target not in self._nodes:
            return
        inputs = node.inputs
        if node.kind == "prim::Loop":
            inputs = inputs[:2]  # the trip count and the condition; the rest is carried
        for value in inputs:
            for source in self._flow.sources(value):
                self._add_data(source, target, node)
        if node.kind in BLOCKS and drawn == f"ir:{node.id}":
            self._add_control(node, drawn)

    def _add_data(self, source: str, target: str, node: IRNode) -> None:
        """An edge; one that runs backwards carries a value to a loop's next trip."""
        kind, label = "data", ""
        maker = _owner_of(source)
        if maker is not None and maker >= node.id:
            if not self._loops_around(maker) & self._loops_around(node.id):
                return  # the list was written to only later
            kind, label = "carried", sentence("next trip")
        if source != target:
            self._edges.setdefault((source, target, kind), label)

    def _loops_around(self, node: int) -> set[int]:
        found: set[int] = set()
        parent = self._static.nodes[node].parent
        while parent is not None:
            owner = self._static.nodes[parent[0]]
            if owner.kind == "prim::Loop":
                found.add(owner.id)
            parent = owner.parent
        return found

    def _add_control(self, node: IRNode, drawn: str) -> None:
        """From a branch or loop to what starts each of its blocks."""
        for index in range(node.blocks):
            label = {"then": "true", "else": "false"}.get(BLOCKS[node.kind][index], "")
            first = next((n for n in self._inside(node.id, index) if self._shape.shown(n)), None)
            if first is not None:
                self._edges.setdefault((drawn, self._where[first.id][0], "control"), label)

    def _inside(self, node: int, index: int) -> Iterable[IRNode]:
        for child in self._shape.children.get((node, index), ()):
            record = self._static.nodes[child]
            yield record
            if not self._shape.shown(record):
                for block in range(record.blocks):
                    yield from self._inside(child, block)

    def _add_outputs(self) -> None:
        for number, value in enumerate(self._static.block_outputs.get((None, 0), ())):
            own = f"return:{number}"
            self._nodes[own] = ViewNode(own, "output", "return")
            for source in self._flow.sources(value):
                self._edges.setdefault((source, own, "data"), "")


def _ops_by_node(overlay: Overlay | None) -> Mapping[int, list[int]]:
    found: dict[int, list[int]] = {}
    if overlay is not None:
        for op, node in overlay.op_to_node.items():
            found.setdefault(node, []).append(op)
    return found


def _owner_of(drawn: str) -> int | None:
    """The IR node that a drawn id belongs to; None for inputs."""
    kind, _, rest = drawn.partition(":")
    return int(rest.partition("/")[0]) if kind == "ir" else None
