"""How long each value of a static graph is needed.

The compiled code frees a value after its last use; a run that kept all of them would need the
memory of all intermediate results at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from inspector.records import IRNode

Owner = tuple[int | None, int]
BlockValues = Mapping[Owner, tuple[str, ...]]


class Lifetimes:
    """The last uses in a graph.

    Args:
        nodes: all nodes.
        block_inputs, block_outputs: the values that enter and leave each block.
    """

    def __init__(
        self, nodes: Sequence[IRNode], block_inputs: BlockValues, block_outputs: BlockValues
    ) -> None:
        self._nodes = nodes
        self._inputs = block_inputs
        self._outputs = block_outputs
        self._children: dict[Owner, list[int]] = {}
        self._home: dict[str, Owner] = {}
        self._last: dict[str, int] = {}
        self._leaving: set[str] = set()
        self._find_homes()
        self._find_last_uses()

    @property
    def names(self) -> Iterable[str]:
        """All values of the graph."""
        return self._home

    def dead(self, owner: int | None, index: int) -> dict[int, list[str]]:
        """Per node of a block, in order, the values that nobody needs after it."""
        children = self._children.get((owner, index), ())
        dead: dict[int, list[str]] = {child: [] for child in children}
        names = {*self._inputs[owner, index]}
        names.update(name for child in children for name in self._nodes[child].outputs)
        for name in names - self._leaving:
            if name in self._last:
                dead[self._last[name]].append(name)
        for child in children:
            for inner in range(self._nodes[child].blocks):
                # What left a block has been handed on; what came in may not have been used.
                ends = {*self._inputs[child, inner], *self._outputs[child, inner]}
                dead[child] += [name for name in ends if self._home.get(name) == (child, inner)]
        return dead

    def _find_homes(self) -> None:
        """The block in which each value is made or comes in."""
        for owner, names in self._inputs.items():
            self._home.update((name, owner) for name in names)
        for node in self._nodes:
            owner = node.parent or (None, 0)
            self._children.setdefault(owner, []).append(node.id)
            self._home.update((name, owner) for name in node.outputs)
            self._last.update((name, node.id) for name in node.outputs)

    def _find_last_uses(self) -> None:
        for node in self._nodes:
            for name in node.inputs:
                self._use(name, node)
        for owner, names in self._outputs.items():
            for name in names:
                if self._home.get(name) == owner:
                    self._leaving.add(name)
                elif owner[0] is not None:
                    self._use(name, self._nodes[owner[0]])

    def _use(self, name: str, node: IRNode) -> None:
        """A use inside a node's blocks is a use by that node where the value was made."""
        home = self._home.get(name)
        while (node.parent or (None, 0)) != home:
            if node.parent is None:
                return
            node = self._nodes[node.parent[0]]
        self._last[name] = max(self._last.get(name, -1), node.id)
