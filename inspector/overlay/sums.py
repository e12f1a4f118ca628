"""Counts where the replay lost its way: what ops and lines say in sum.

All nodes of a block run equally often; the two blocks of a `prim::If` together as often as the
If; a called block as often as its call. From these and the blocks whose count is seen (an op
that runs each time, or a line of their own) the others follow. What does not follow is left
out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from inspector.overlay.lines import Lines
from inspector.overlay.stream import Tally
from inspector.overlay.structure import Emitters, Structure


class Sums:
    """Completes a tally.

    Args:
        structure: the graph.
        emitters: judged with the ops of all runs.
        lines: the executed lines; their counts are used only when `whole`.
        tally: what the replays counted.
        whole: whether the runs are all that ran of the code.
        failed: whether the recorded run broke off with an exception.
    """

    def __init__(
        self,
        structure: Structure,
        emitters: Emitters,
        lines: Lines,
        tally: Tally,
        *,
        whole: bool,
        failed: bool,
    ) -> None:
        self._structure = structure
        self._emitters = emitters
        self._lines = lines
        self._tally = tally
        self._whole = whole
        self._failed = failed
        self._blocks: dict[tuple[int, int], int | None] = {}
        self.executions: dict[int, int] = {}
        self._complete()

    def _complete(self) -> None:
        lost = self._tally.lost
        inside = {number for node in lost for number in self._structure.span(node)}
        for node in self._structure.nodes:
            if node.id not in inside:
                self.executions[node.id] = self._tally.executions[node.id]
        for number in sorted(lost - inside):
            self._open(number)

    def _open(self, node: int) -> None:
        """Count what is inside a node, as far as it can be told."""
        record = self._structure.nodes[node]
        counts = self._counts(node, record.kind, record.blocks)
        for index, count in enumerate(counts):
            self._blocks[node, index] = count
            for child in self._structure.children.get((node, index), ()):
                if count is not None:
                    self.executions[child] = count
                self._open(child)

    def _counts(self, node: int, kind: str, blocks: int) -> Sequence[int | None]:
        total = self.executions.get(node)
        if total == 0 or kind.startswith("prim::Call"):
            return [total] * blocks
        counts = [self._seen(node, index) for index in range(blocks)]
        if kind == "prim::If" and total is not None:
            first, second = counts
            if first is None and second is not None:
                first = total - second
            elif second is None and first is not None:
                second = total - first
            return [first, second]
        return counts

    def _seen(self, node: int, index: int) -> int | None:
        """How often a block ran, from what is directly in it."""
        if not self._failed and self._structure.is_raise(node, index):
            return 0
        children = self._structure.children.get((node, index), ())
        ops = [self._ops(child) for child in children if self._emitters.emits(child)]
        counted = [count for count in ops if count is not None]
        if counted:
            return max(counted)
        for child in children:
            parts = [self._seen(child, part) for part in range(self._parts(child))]
            if parts and None not in parts:
                return sum(part for part in parts if part is not None)
        if self._lines.never_ran(node, index):
            return 0
        return self._lines.count(node, index) if self._whole else None

    def _ops(self, node: int) -> int | None:
        """How many ops the node was, where they cannot have been another node's."""
        slot = self._structure.places.slots_of[node][0]
        alike = self._structure.places.nodes_of[slot]
        total = sum(self._tally.observed[number] for number in alike)
        return total if len(alike) == 1 or total == 0 else None

    def _parts(self, node: int) -> int:
        """The blocks of which exactly one runs per execution of the node; 0 for a loop."""
        record = self._structure.nodes[node]
        return 0 if record.kind == "prim::Loop" else record.blocks

    def visits(self, kind: str, replayed: Mapping[int, list[int]]) -> dict[int, tuple[int, ...]]:
        """What each visit of each node of a kind did; nodes for which it is not known are left out.

        Args:
            kind: "prim::If" or "prim::Loop".
            replayed: per node the blocks taken or trips made, in the order of visits.
        """
        found: dict[int, tuple[int, ...]] = {}
        for node in self._structure.nodes:
            if node.kind != kind or node.id not in self.executions:
                continue
            seen = tuple(replayed.get(node.id, ()))
            count = self.executions[node.id]
            if len(seen) != count or node.id in self._tally.lost:
                forced = self._forced(node.id, kind, count)
                if forced is None:
                    continue
                seen = forced
            found[node.id] = seen
        return found

    def _forced(self, node: int, kind: str, count: int) -> tuple[int, ...] | None:
        """The visits where sums leave no choice: always the same block, or a single visit."""
        first, second = (self._blocks.get((node, index)) for index in (0, 1))
        if kind == "prim::If":
            if count and 0 not in (first, second):
                return None
            return (1 if first == 0 else 0,) * count
        if count == 1 and first is not None:
            return (first,)
        return (0,) * count if first == 0 or count == 0 else None
