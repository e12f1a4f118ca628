"""What the pictures of a backward pass need and open boxes do not change; made once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from inspector.records import Recording

if TYPE_CHECKING:
    from inspector.views.index import ViewIndex

LEAF = "AccumulateGrad"

Numbers = NDArray[np.int64]
Flags = NDArray[np.bool_]


class GradFlow:
    """Which autograd nodes follow on which, and the forward ops whose boxes they lie in.

    Args:
        index: of the recording.

    Attributes:
        owners: node -> the op, None where no op made it.
        passes: op -> the backward passes that ran nodes of it, in the order in which they did.
        tails, heads: the edges: a node, and one that follows on it.
        sources, targets: the owners of both ends, -1 without one.
        carried: whether an edge goes from one of equal members to another.
        to_leaf: whether an edge ends at a node that adds to the gradient of a leaf.
    """

    def __init__(self, index: ViewIndex) -> None:
        nodes = index.recording.grad_nodes
        self.owners = owners(index.recording)
        self.passes = self._passes(index.recording)
        pairs = [(node.id, following) for node in nodes for following in node.next]
        table = np.array(pairs, dtype=np.int64).reshape(-1, 2)
        self.tails: Numbers = table[:, 0]
        self.heads: Numbers = table[:, 1]
        ops = np.array([-1 if op is None else op for op in self.owners], dtype=np.int64)
        self.sources: Numbers = ops[self.tails]
        self.targets: Numbers = ops[self.heads]
        both = (self.sources >= 0) & (self.targets >= 0)
        self.carried: Flags = np.zeros(len(table), dtype=np.bool_)
        self.carried[both] = index.carried(self.sources[both], self.targets[both])
        leaves = np.array([node.name == LEAF for node in nodes], dtype=np.bool_)
        self.to_leaf: Flags = leaves[self.heads]

    def _passes(self, recording: Recording) -> Mapping[int, list[int]]:
        found: dict[int, list[int]] = {}
        for node, owner in zip(recording.grad_nodes, self.owners, strict=True):
            if owner is not None:
                passes = found.setdefault(owner, [])
                if node.pass_index not in passes:
                    passes.append(node.pass_index)
        return found


def owners(recording: Recording) -> list[int | None]:
    """For each node the forward op whose boxes it lies in."""
    found = [node.op for node in recording.grad_nodes]
    for node in recording.grad_nodes:
        for following in node.next:
            if found[following] is None:
                found[following] = found[node.id]
    return found
