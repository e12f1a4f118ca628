"""The ops of one run, handed out to the nodes of a graph; and what that adds up to."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from inspector.overlay.positions import Slot
from inspector.overlay.structure import Structure
from inspector.records import Op


@dataclass(slots=True)
class Tally:
    """What the replays of all runs have counted.

    `observed` counts the ops of each node, `executions` its visits. `lost` are nodes of whose
    inside a replay could not tell what ran.
    """

    executions: Counter[int] = field(default_factory=Counter)
    observed: Counter[int] = field(default_factory=Counter)
    taken: dict[int, list[int]] = field(default_factory=dict)
    trips: dict[int, list[int]] = field(default_factory=dict)
    op_to_node: dict[int, int] = field(default_factory=dict)
    lost: set[int] = field(default_factory=set)


class OpStream:
    """The ops of one run in order, each given to one node.

    Args:
        ops: the ops with the slots they belong to.
        structure: the graph.
        tally: told which op is which node.
    """

    def __init__(self, ops: Sequence[tuple[Op, Slot]], structure: Structure, tally: Tally) -> None:
        self._ops = ops
        self._structure = structure
        self._tally = tally
        self._queues: dict[Slot, deque[int]] = {}
        for position, (_, slot) in enumerate(ops):
            self._queues.setdefault(slot, deque()).append(position)
        self._used = bytearray(len(ops))
        self._next = 0

    @property
    def slots(self) -> Collection[Slot]:
        """The slots for which the run has ops."""
        return self._queues.keys()

    def match(self, node: int) -> Op | None:
        """The next op that can be this node, now used up; None when it is no op this time."""
        for slot in self._structure.places.slots_of.get(node, ()):
            queue = self._queues.get(slot)
            while queue:
                position = queue.popleft()
                if not self._used[position]:
                    return self._give(position, node)
        return None

    def upcoming(self) -> Slot | None:
        """The slot of the next op that no node has used; None at the end of the run.

        Ops that were passed over stay behind: TorchScript dropped their nodes as dead code.
        """
        position = self._position()
        return None if position is None else self._ops[position][1]

    def drain(self, span: range) -> None:
        """Give the ops next in line to the nodes of the span, as long as they have a place."""
        while (position := self._position()) is not None:
            slot = self._ops[position][1]
            if not self._structure.has(slot, span):
                return
            inside = [node for node in self._structure.places.nodes_of[slot] if node in span]
            self._give(position, min(inside, key=lambda node: self._tally.observed[node]))

    def _position(self) -> int | None:
        while self._next < len(self._used) and self._used[self._next]:
            self._next += 1
        return self._next if self._next < len(self._used) else None

    def _give(self, position: int, node: int) -> Op:
        op = self._ops[position][0]
        self._used[position] = 1
        self._tally.op_to_node[op.id] = node
        self._tally.observed[node] += 1
        self._next = max(self._next, position + 1)
        return op
