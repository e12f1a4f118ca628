"""Nodes waiting for their ops: each is given away once, in the order of the graph."""

from __future__ import annotations

from bisect import bisect_right

from inspector.records import IRNode


class Queue:
    """The nodes that ops of one name at one place can be, in order."""

    def __init__(self, nodes: list[IRNode]) -> None:
        self.nodes = nodes
        self._ids = [node.id for node in nodes]
        self._start = 0  # all before are used
        self._given = 0

    def take(self, used: set[int], last: int, spare: int) -> IRNode | None:
        """The first unused node behind `last`, or else the first unused one.

        None where only `spare` nodes are left, which others will want.
        """
        if len(self.nodes) - self._given <= spare:
            return None
        while self._start < len(self._ids) and self._ids[self._start] in used:
            self._start += 1
        behind = max(self._start, bisect_right(self._ids, last))
        for place in (behind, self._start):
            if place < len(self._ids) and self._ids[place] not in used:
                self._given += 1
                return self.nodes[place]
        return None

    def following(self, node: IRNode, count: int) -> list[IRNode]:
        """Up to `count` nodes behind a node."""
        behind = bisect_right(self._ids, node.id)
        return self.nodes[behind : behind + count]
