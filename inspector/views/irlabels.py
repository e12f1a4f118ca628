"""What is written on IR nodes and boxes, and how they are marked by what one input ran."""

from __future__ import annotations

import re

from inspector.language import sentence
from inspector.records import IRNode, Overlay, StaticGraph
from inspector.views import words
from inspector.views.irshape import BLOCKS, CALLS, Shape
from inspector.views.names import trips_told

_TRACED = re.compile(
    r"^([A-Z][A-Za-z]+)\(((?:\d+(?:, )?)*)(?:(?:strides|requires_grad|device)=.*)?\)$"
)


class Labels:
    """Texts and flags of one graph's nodes.

    Args:
        static: the graph.
        shape: which of its nodes show.
        overlay: what one recording ran of it, if known.
    """

    def __init__(self, static: StaticGraph, shape: Shape, overlay: Overlay | None) -> None:
        self._static = static
        self._shape = shape
        self._overlay = overlay

    def block_title(self, node: IRNode, index: int) -> str:
        """What a block's box is called: its branch, or the module or function called."""
        if node.kind in BLOCKS:
            word = BLOCKS[node.kind][index]
            if node.kind == "prim::If":
                return word
            return words.dotted((sentence("loop body"), _line(node)))
        name = str(node.attributes.get("function") or "").rpartition(".")[2]
        return name or self._callee_path(node) or str(node.attributes.get("name") or "call")

    def _callee_path(self, node: IRNode) -> str:
        """The path of the module that a call runs, if it is not the caller's own."""
        inside = self._shape.children.get((node.id, 0), ())
        path = self._static.nodes[inside[0]].module_path if inside else ""
        return path if path != node.module_path else ""

    def title(self, node: IRNode) -> str:
        """The big line of a node."""
        if node.kind == "prim::If":
            return "if"
        if node.kind == "prim::Loop":
            return words.dotted((sentence("loop"), self.trips(node)))
        if node.kind == "prim::RaiseException":
            return "raise"
        name = node.kind.partition("::")[2] or node.kind
        if node.kind in CALLS:
            return str(node.attributes.get("function") or node.attributes.get("name") or name)
        return name

    def trips(self, node: IRNode) -> str:
        """How many trips a loop made, if it ran."""
        trips = self._overlay.trips.get(node.id) if self._overlay else None
        return _trip_words(trips) if trips else ""

    def subtitle(self, node: IRNode) -> str:
        """The small line: the module, the types, or the line of a branch or loop."""
        module = node.module_path if self._alone_in_call(node) else ""
        line = _line(node) if node.kind in BLOCKS else ""
        types = words.commas(map(short_type, node.types[:2])) if node.kind not in BLOCKS else ""
        return words.dotted((module, types, line))

    def _alone_in_call(self, node: IRNode) -> bool:
        """Whether the node is drawn in place of a call's box, and so must name the module."""
        if node.parent is None:
            return False
        owner = self._static.nodes[node.parent[0]]
        return owner.kind in CALLS and not self._shape.boxes_of(owner)

    def badge(self, node: IRNode) -> str:
        """How often a node ran, if more than once."""
        count = self._overlay.executions.get(node.id) if self._overlay else None
        return f"×{count}" if count is not None and count > 1 else ""

    def flags(self, node: IRNode) -> tuple[str, ...]:
        """Whether a node ran, where that is known, and whether it writes in place."""
        flags = []
        count = self._overlay.executions.get(node.id) if self._overlay else None
        if count is not None:
            flags.append("executed" if count else "skipped")
        name = node.kind.partition("::")[2]
        if name.endswith("_") and not name.endswith("__"):
            flags.append("inplace")
        return tuple(flags)

    def block_flags(self, node: IRNode, index: int) -> tuple[str, ...]:
        """Whether a block ran, where that is known."""
        count = self.block_visits(node, index)
        return () if count is None else ("executed" if count else "skipped",)

    def block_visits(self, node: IRNode, index: int) -> int | None:
        """How often a block ran, where the overlay knows."""
        overlay = self._overlay
        if overlay is None:
            return None
        if node.kind == "prim::If":
            taken = overlay.taken.get(node.id)
            if taken is None:
                return 0 if overlay.executions.get(node.id) == 0 else None
            return sum(1 for block in taken if block == index)
        if node.kind == "prim::Loop":
            trips = overlay.trips.get(node.id)
            return None if trips is None else sum(trips)
        return overlay.executions.get(node.id)

    def block_count(self, node: IRNode, index: int) -> str:
        """How often a block ran, in words."""
        count = self.block_visits(node, index)
        if count is None:
            return ""
        if count < 2:
            return sentence("ran") if count else sentence("did not run")
        return sentence("ran ×{count}", count=count)


def view_kind(node: IRNode) -> str:
    """The kind of view node that an IR node is drawn as."""
    if node.kind == "prim::If":
        return "branch"
    if node.kind == "prim::Loop":
        return "loop"
    if node.kind in ("aten::Bool", "aten::Int", "aten::Float", "aten::item"):
        return "decision"
    return "op"


def _trip_words(trips: tuple[int, ...]) -> str:
    if len(trips) == 1:
        return trips_told(trips[0])
    counts = " + ".join(map(str, trips[:4])) + ("…" if len(trips) > 4 else "")
    return sentence("{counts} trips", counts=counts)


def _line(node: IRNode) -> str:
    return "" if node.source is None else sentence("line {line}", line=node.source.line)


def short_type(text: str) -> str:
    """A type without its namespaces; a traced tensor's type as its shape."""
    traced = _TRACED.match(text)
    if traced is not None:
        kind, sizes = traced.groups()
        shape = words.dimensions(tuple(int(size) for size in sizes.split(",") if size.strip()))
        return shape if kind == "Float" else words.spaced((shape, kind.lower()))
    return text if len(text) <= 24 else text.rpartition(".")[2][:24]
