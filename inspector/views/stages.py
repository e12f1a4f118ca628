"""Two stages of one IR graph as two pictures, each node marked with what became of it.

In the picture before, a node is marked by what happens to it: gone, fused, unrolled, replaced; in
the one after, by where it comes from: new, fused, unrolled, replaced. Unmarked nodes are the same.
Nodes of one change have its number among their `ops`, so that they light up together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace

from inspector.irdiff.sides import CALLS, is_group
from inspector.language import sentence
from inspector.records import IRNode, StaticGraph
from inspector.stages import NodeChange, StageChange
from inspector.views import words
from inspector.views.model import GraphView, ViewNode
from inspector.views.static import static_view

SIDES = ("before", "after")
COUNTED: Mapping[str, Callable[[int], str]] = {
    "gone": lambda count: sentence("{count} gone", count=count),
    "new": lambda count: sentence("{count} new", count=count),
    "fused": lambda count: sentence("{count} fused", count=count),
    "unrolled": lambda count: sentence("{count} unrolled", count=count),
    "replaced": lambda count: sentence("{count} replaced", count=count),
}
"""Says how many nodes of a closed box something becomes of."""

MARKED = tuple(COUNTED)


def stage_view(
    graph: StaticGraph,
    change: StageChange | None,
    side: str,
    opened: frozenset[str] | None = None,
) -> GraphView:
    """The picture of one stage.

    Args:
        graph: of the stage.
        change: the changes that this stage is the one `side` of; None marks nothing.
        side: "before" or "after".
        opened: ids of open boxes ("ir:7/0"); None opens what fits.
    """
    if side not in SIDES:
        raise ValueError(f'side must be "before" or "after", not {side!r}')
    drawn = with_groups_as_calls(graph)
    view = static_view(drawn, None, opened)
    marks = _Marks(drawn, change, side)
    return replace(
        view,
        name=sentence("TorchScript IR, {kind}", kind=graph.kind),
        nodes=tuple(marks.node(node) for node in view.nodes),
        boxes=tuple(replace(box, flags=(*box.flags, *marks.flags(box.id))) for box in view.boxes),
    )


def with_groups_as_calls(graph: StaticGraph) -> StaticGraph:
    """The graph with each fused kernel that holds a graph as a call, which opens like a box."""
    if not any(is_group(node.kind) and node.blocks for node in graph.nodes):
        return graph
    return replace(graph, nodes=tuple(map(_as_call, graph.nodes)))


def _as_call(node: IRNode) -> IRNode:
    if not is_group(node.kind) or not node.blocks:
        return node
    called = {**node.attributes, "function": node.kind.partition("::")[2]}
    return replace(node, kind="prim::CallFunction", attributes=called)


def change_of(change: StageChange | None, side: str) -> dict[int, tuple[int, NodeChange]]:
    """Node id -> number and record of its change."""
    found: dict[int, tuple[int, NodeChange]] = {}
    for number, one in enumerate(change.changes if change is not None else ()):
        for node in one.before if side == "before" else one.after:
            found[node] = number, one
    return found


class _Marks:
    """What to write on the nodes of one side."""

    def __init__(self, graph: StaticGraph, change: StageChange | None, side: str) -> None:
        self._graph = graph
        self._side = side
        self._changes = change_of(change, side)
        self._inside: dict[int, list[int]] = {}
        for node in graph.nodes:
            parent = node.parent
            while parent is not None:
                self._inside.setdefault(parent[0], []).append(node.id)
                parent = graph.nodes[parent[0]].parent

    def node(self, node: ViewNode) -> ViewNode:
        """A view node with its mark, its copies counted, and the number of its change."""
        number, closed = _ir_number(node.id)
        if number is None:
            return node
        if closed:
            return self._closed(node, number)
        found = self._changes.get(number)
        if found is None:
            return node
        count = len(found[1].after) if self._side == "before" else 0
        is_copied = found[1].kind == "unrolled" and count > 1
        return replace(
            node,
            flags=(*node.flags, *_flag(found[1])),
            badge=f"×{count}" if is_copied else node.badge,
            ops=(*node.ops, found[0]),
        )

    def _closed(self, node: ViewNode, number: int) -> ViewNode:
        """A closed box: the marks of all that is in it, counted."""
        found = [
            self._changes[inner]
            for inner in (number, *self._inside.get(number, ()))
            if inner in self._changes and self._graph.nodes[inner].kind != "prim::GetAttr"
        ]
        unique = dict(found)
        counts = Counter(change.kind for change in unique.values())
        told = [COUNTED[kind](counts[kind]) for kind in MARKED if counts[kind]]
        flags = tuple(kind for kind in MARKED if counts[kind])
        return replace(
            node,
            flags=(*node.flags, *flags),
            subtitle=words.dotted((node.subtitle, *told)),
            ops=(*node.ops, *unique),
        )

    def flags(self, box: str) -> tuple[str, ...]:
        """The mark of an open box: that of the node whose block it is, inlined calls' aside."""
        number, _ = _ir_number(box)
        found = None if number is None else self._changes.get(number)
        if found is None or number is None:
            return ()
        is_inlined = found[1].kind == "gone" and self._graph.nodes[number].kind in CALLS
        return () if is_inlined else _flag(found[1])


def _flag(change: NodeChange) -> tuple[str, ...]:
    return (change.kind,) if change.kind in MARKED else ()


def _ir_number(drawn: str) -> tuple[int | None, bool]:
    """(IR node, whether it is a box) of a drawn id such as "ir:7", "ir:7/0" or "ir:7@2"."""
    kind, _, rest = drawn.partition(":")
    number, slash, _ = rest.partition("@")[0].partition("/")
    return (int(number), bool(slash)) if kind == "ir" else (None, False)
