"""The shape of a static graph: blocks, their extent, and where a replay can keep its bearings.

Nodes are numbered in text order, so the inside of a block is a range of node ids.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Mapping, Sequence

from inspector.overlay.positions import READS, Places, Slot, library_insides
from inspector.overlay.values import is_tensor
from inspector.records import IRNode, StaticGraph

Block = tuple[int | None, int]

_OFTEN_SILENT = frozenset(
    "select slice unsqueeze index __getitem__ pop get copy_ tensor to detach expand_as".split()
)
"""Kinds that Python code may reach without an op of its own (iteration, item assignment)."""


class Structure:
    """A static graph indexed for walking."""

    def __init__(self, static: StaticGraph, places: Places) -> None:
        self.static = static
        self.nodes = static.nodes
        self.places = places
        self.children: dict[Block, list[int]] = {}
        for node in static.nodes:
            self.children.setdefault(node.parent or (None, 0), []).append(node.id)
        self._index = {
            child: position
            for children in self.children.values()
            for position, child in enumerate(children)
        }
        self._end = self._ends()
        self._inside = library_insides(static)

    def _ends(self) -> list[int]:
        """For each node, the id after the last node inside it."""
        ends = [node.id + 1 for node in self.nodes]
        for node in reversed(self.nodes):
            if node.parent is not None:
                owner = node.parent[0]
                ends[owner] = max(ends[owner], ends[node.id])
        return ends

    def span(self, node: int) -> range:
        """The nodes inside `node`, in all of its blocks."""
        return range(node + 1, self._end[node])

    def block_span(self, node: int, index: int) -> range:
        """The nodes inside one block of `node`."""
        children = self.children.get((node, index), [])
        return range(children[0], self._end[children[-1]]) if children else range(0)

    def has(self, slot: Slot, span: range) -> bool:
        """Whether a node of this slot lies in the span."""
        nodes = self.places.nodes_of[slot]
        first = bisect_left(nodes, span.start)
        return first < len(nodes) and nodes[first] < span.stop

    def after(self, node: int) -> Sequence[int]:
        """The nodes that follow in the same block."""
        siblings = self.children[self.nodes[node].parent or (None, 0)]
        return siblings[self._index[node] + 1 :]

    def before(self, node: int) -> Sequence[int]:
        """The nodes that come before it in the same block."""
        siblings = self.children[self.nodes[node].parent or (None, 0)]
        return siblings[: self._index[node]]

    def loops_around(self, node: int) -> list[int]:
        """The loops that the node is in, innermost first, through calls as well."""
        loops = []
        parent = self.nodes[node].parent
        while parent is not None:
            if self.nodes[parent[0]].kind == "prim::Loop":
                loops.append(parent[0])
            parent = self.nodes[parent[0]].parent
        return loops

    def is_raise(self, node: int, index: int) -> bool:
        """Whether a block does nothing but raise."""
        children = self.children.get((node, index), [])
        return any(self.nodes[child].kind == "prim::RaiseException" for child in children)

    def emits_by_nature(self, node: IRNode) -> bool:
        """Whether running the node in Python certainly is an op, whatever the recording says."""
        if node.source is None or node.source.file not in self.static.sources:
            return False
        base = node.kind.removeprefix("aten::")
        if node.id in self._inside or base == node.kind or base in _OFTEN_SILENT:
            return False
        return any(map(is_tensor, node.types)) or base in READS - {"len", "__contains__"}


class Emitters:
    """Which nodes run an op each time, judged with the ops that one run has.

    Args:
        structure: the graph.
        seen: the slots for which the run has ops.
    """

    def __init__(self, structure: Structure, seen: Collection[Slot]) -> None:
        self._structure = structure
        self._seen = seen
        self._known: dict[int, bool] = {}
        self._doubtful: dict[tuple[int, Slot], bool] = {}

    def emits(self, node: int) -> bool:
        """Whether each execution of the node itself is an op of this run."""
        slots = self._structure.places.slots_of.get(node, ())
        if any(slot in self._seen for slot in slots):
            return True
        return bool(slots) and self._structure.emits_by_nature(self._structure.nodes[node])

    def certain(self, node: int) -> bool:
        """Whether each execution of the node, its callee included, is at least one op."""
        if node not in self._known:
            self._known[node] = self.emits(node) or (
                self._structure.nodes[node].kind.startswith("prim::Call")
                and self.certain_block(node, 0)
            )
        return self._known[node]

    def certain_block(self, node: int, index: int) -> bool:
        """Whether each execution of a block is at least one op."""
        return any(map(self.certain, self._structure.children.get((node, index), [])))

    def mistakable(self, node: int, slot: Slot) -> bool:
        """Whether an op of this slot, next in line at `node`, may belong to a later visit.

        True when the run can come from the end of `node` to another node of the slot without
        an op that would tell the two apart.
        """
        key = (node, slot)
        if key not in self._doubtful:
            self._doubtful[key] = self._search(node, slot)
        return self._doubtful[key]

    def _search(self, node: int, slot: Slot) -> bool:
        structure = self._structure
        current: int | None = node
        guarded = False  # an op comes before `node` on the way down from the loop's body
        while current is not None:
            found = self._along(structure.after(current), slot)
            if found is not None:
                return found
            parent = structure.nodes[current].parent
            if parent is None:
                return False
            if structure.nodes[parent[0]].kind == "prim::Loop":
                # The next trip starts at the top of the body and comes back to `node`.
                found = self._along(structure.before(current), slot)
                if found or (found is None and not guarded):
                    return True
            guarded = guarded or any(map(self.certain, structure.before(current)))
            current = parent[0]
        return False

    def _along(self, nodes: Sequence[int], slot: Slot) -> bool | None:
        """Which comes first: another node of the slot (True), an op that tells (False)."""
        structure = self._structure
        for node in nodes:
            if structure.has(slot, range(node, structure.span(node).stop)):
                return True
            if self.certain(node):
                return False
        return None


def copies(nodes: Sequence[IRNode]) -> Mapping[tuple[object, ...], int]:
    """How many nodes of one kind there are at one position, over all modules."""
    counts: dict[tuple[object, ...], int] = {}
    for node in nodes:
        if node.source is not None:
            key = (node.kind, node.source.file, node.source.line, node.source.column)
            counts[key] = counts.get(key, 0) + 1
    return counts
