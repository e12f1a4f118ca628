"""Autograd nodes in the boxes of the ops that made them: which are drawn, and as what.

A node lies where its forward op does; a leaf's AccumulateGrad with an op that uses the leaf.
What is one closed box, or one of several equal trips, in the forward graph is so here too.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from inspector.records import GradNode
from inspector.views.folds import MOST
from inspector.views.gradflow import LEAF
from inspector.views.hubs import SHARED
from inspector.views.index import ViewIndex
from inspector.views.visible import Visible

CROWDED = MOST + MOST // 2
"""A box with more autograd nodes than this has them in parts."""


@dataclass(slots=True, eq=False)
class Group:
    """Autograd nodes that are drawn as one.

    `item` is the number of what stands for their forward op in `Visible.drawn`, None without
    one. `is_box` tells whether they are drawn as a closed box: that of their op, or `part` (if
    `is_part`), the id of a part of too many nodes. An open part is around them.
    """

    item: int | None
    in_pass: int
    is_box: bool = False
    nodes: list[GradNode] = field(default_factory=list)
    part: str | None = None
    is_part: bool = False

    @property
    def is_leaf(self) -> bool:
        """Whether they add to the gradients of leaves."""
        return self.nodes[0].name == LEAF


class GradGroups:
    """The groups of a recording's autograd nodes.

    Args:
        index: of the recording.
        visible: what is drawn of the forward graph.
        opened: ids of open boxes; those of parts among them.
        most_by_op: of more nodes of one op, and of more leaves that it uses, make a part.

    Attributes:
        groups: in the order in which their first nodes ran.
        of_node: node -> number of its group.
        edges: (from, to, whether to another trip) between groups, in order; without those
            from closed boxes to the leaves that many share.
    """

    def __init__(
        self,
        index: ViewIndex,
        visible: Visible,
        opened: frozenset[str],
        most_by_op: int | None = None,
    ) -> None:
        self._opened = opened
        self._visible = visible
        self._nodes = index.recording.grad_nodes
        self._flow = index.grads
        self.groups: list[Group] = []
        self.of_node: list[int] = []
        self._collect()
        if most_by_op is not None:
            self._join(most_by_op)
        self._divide()
        self.edges = self._connect()

    def _pass_of(self, node: GradNode, owner: int) -> int:
        """The pass that a node is drawn in: for a trip drawn as another, that trip's."""
        if not self._visible.twin[owner]:
            return node.pass_index
        drawn = self._visible.drawn[self._visible.of_op[owner]]
        mine, theirs = self._flow.passes[owner], self._flow.passes.get(drawn.op, [])
        place = mine.index(node.pass_index)
        return theirs[place] if place < len(theirs) else node.pass_index

    def _collect(self) -> None:
        known: dict[tuple[object, ...], int] = {}
        counts: dict[tuple[int, int, str], int] = {}
        of_op, drawn = self._visible.of_op.tolist(), self._visible.drawn
        for node, owner in zip(self._nodes, self._flow.owners, strict=True):
            key: tuple[object, ...] = (node.id,)
            group = Group(None, node.pass_index)
            if owner is not None:
                item = of_op[owner]
                is_box = drawn[item].box is not None
                in_pass = self._pass_of(node, owner)
                group = Group(item, in_pass, is_box)
                same = owner, node.pass_index, node.name
                number = counts[same] = counts.get(same, -1) + 1
                key = (item, in_pass) if is_box else (item, in_pass, node.name, number)
            place = known.setdefault(key, len(self.groups))
            if place == len(self.groups):
                self.groups.append(group)
            self.groups[place].nodes.append(node)
            self.of_node.append(place)

    def _join(self, most: int) -> None:
        """Make one part of the nodes of each op that has too many, one of its leaves."""
        of_op: dict[tuple[int, int, bool], list[int]] = {}
        for number, group in enumerate(self.groups):
            if group.item is not None and not group.is_box:
                of_op.setdefault((group.item, group.in_pass, group.is_leaf), []).append(number)
        merged: dict[int, int] = {}
        for (item, in_pass, is_leaf), numbers in of_op.items():
            if len(numbers) > most:
                word = "leaves" if is_leaf else "twins"
                part = f"{word}:{self._visible.drawn[item].op}/{in_pass}"
                self._make_part(part, numbers, merged)
        self._renumber(merged)

    def _divide(self) -> None:
        """Split what one box holds too much of."""
        beside: dict[tuple[int | None, int], list[int]] = {}
        for number, group in enumerate(self.groups):
            frame = None if group.item is None else self._visible.drawn[group.item].parent
            if group.part is None:
                beside.setdefault((frame or None, group.in_pass), []).append(number)
        merged: dict[int, int] = {}
        for numbers in beside.values():
            if len(numbers) <= CROWDED:
                continue
            width = max(MOST, -(-len(numbers) // MOST))
            for start in range(0, len(numbers), width):
                own = numbers[start : start + width]
                first, last = self.groups[own[0]].nodes[0], self.groups[own[-1]].nodes[0]
                self._make_part(f"nodes:{first.id}/{last.id}", own, merged)
        self._renumber(merged)

    def _make_part(self, part: str, numbers: list[int], merged: dict[int, int]) -> None:
        """Put groups into a part; a closed part is one group."""
        for number in numbers:
            self.groups[number].part = part
        if part in self._opened:
            return
        first = self.groups[numbers[0]]
        whole = Group(first.item, first.in_pass, True, part=part, is_part=True)
        for number in numbers:
            whole.nodes += self.groups[number].nodes
            merged[number] = numbers[0]
        self.groups[numbers[0]] = whole

    def _renumber(self, merged: dict[int, int]) -> None:
        """Take out the groups that were merged into others."""
        if not merged:
            return
        kept = [n for n in range(len(self.groups)) if merged.get(n, n) == n]
        new = {old: place for place, old in enumerate(kept)}
        self.groups = [self.groups[number] for number in kept]
        self.of_node = [new[merged.get(number, number)] for number in self.of_node]

    def _connect(self) -> list[tuple[int, int, bool]]:
        flow = self._flow
        twins = np.zeros((2, len(flow.tails)), dtype=np.int64)
        for side, numbers in enumerate((flow.sources, flow.targets)):
            inside = numbers >= 0
            twins[side, inside] = self._visible.twin[numbers[inside]]
        same_copy = (twins[0] == twins[1]) & (twins[0] > 0)
        groups = np.array(self.of_node, dtype=np.int64)
        left, right = groups[flow.tails], groups[flow.heads]
        goes_on = flow.carried & (twins[0] != twins[1]) & ~flow.to_leaf
        far = np.isin(flow.heads, self._shared_leaves(left)) & self._is_box()[left]
        rows = np.flatnonzero((left != right) & ~same_copy & ~far)
        found = zip(left[rows].tolist(), right[rows].tolist(), goes_on[rows].tolist(), strict=True)
        return list(dict.fromkeys(found))

    def _shared_leaves(self, givers: NDArray[np.int64]) -> NDArray[np.int64]:
        """AccumulateGrad nodes that many give to: a closed box does not show its edge to them.

        Args:
            givers: of each edge the group that it comes from.
        """
        rows = self._flow.to_leaf
        pairs = np.unique(np.stack((self._flow.heads[rows], givers[rows])), axis=1)
        leaves, users = np.unique(pairs[0], return_counts=True)
        shared: NDArray[np.int64] = leaves[users > SHARED]
        return shared

    def _is_box(self) -> NDArray[np.bool_]:
        return np.array([group.is_box for group in self.groups], dtype=np.bool_)
