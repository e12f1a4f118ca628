"""Why a node of one stage is not in the next, or is new there, in plain words.

Only what follows from the two graphs is said; "" where torch does not let one know.
"""

from __future__ import annotations

from collections.abc import Hashable

from inspector.irdiff.align import Alignment
from inspector.irdiff.sides import CALLS, GUARDS, is_group
from inspector.language import sentence
from inspector.records import IRNode

_DROPOUT = ("dropout", "dropout_", "feature_dropout", "alpha_dropout", "feature_alpha_dropout")

_NEW = {
    "aten::to_mkldnn": sentence(
        "changes the tensor to the memory layout that oneDNN's kernels want"
    ),
    "aten::to_dense": sentence("changes the tensor back from oneDNN's memory layout"),
    "prim::MKLDNNGroup": sentence("a chain of ops that stays in oneDNN's memory layout"),
    "prim::DifferentiableGraph": sentence("holds the ops that autograd records as a single node"),
    "prim::ListConstruct": sentence("passes values on"),
    "prim::TupleUnpack": sentence("passes values on"),
    "prim::CallFunction": sentence(
        "the unoptimised code, for inputs that the guard before it turns away"
    ),
}


class Reasons:
    """Words for one pair of graphs."""

    def __init__(self, alignment: Alignment) -> None:
        self._before = alignment.before
        self._after = alignment.after
        self._copies = alignment.copies
        self._kept: dict[Hashable, int] = {}
        for old in alignment.copies:
            node = self._before.nodes[old]
            self._kept.setdefault(self._identity(node), old)
        self._left: dict[int, set[int]] | None = None
        self._read_after = {
            alignment.after.path(alignment.after.nodes[new].outputs[0])
            for new in alignment.origin
            if alignment.after.nodes[new].kind == "prim::GetAttr"
        }
        self._after_paths = self._after.paths()
        self._raising = {
            node.parent[0]
            for node in self._before.nodes
            if node.kind == "prim::RaiseException" and node.parent is not None
        }
        self._split = any(
            len(twins) > 1 and self._before.nodes[old].kind == "prim::Loop"
            for old, twins in alignment.copies.items()
        )

    def _identity(self, node: IRNode) -> Hashable:
        return node.kind, tuple(map(self._before.input_key, node.inputs))

    def gone(self, number: int) -> str:
        """Why a node is gone."""
        node = self._before.nodes[number]
        if node.kind in CALLS:
            return sentence("the call was inlined: the called code stands in its place")
        if node.kind == "prim::GetAttr":
            return self._attribute(node)
        around = self._before.around(node)
        if around is not None and self._left_out(around):
            return sentence("lies in a block that is never taken")
        if node.kind == "prim::If":
            return self._branch(node)
        if around is not None and self._went(around):
            return sentence("went with the branch around it")
        if node.kind == "prim::Loop":
            return (
                sentence("the loop makes no trip") if self._before.is_fixed(node.inputs[0]) else ""
            )
        return self._computation(node)

    def _left_out(self, around: int) -> bool:
        """Whether a branch is gone and its condition is known, or it lies in one such."""
        owner: int | None = around
        while owner is not None:
            node = self._before.nodes[owner]
            known = node.kind == "prim::If" and self._before.is_fixed(node.inputs[0])
            if known and owner not in self._copies:
                return True
            owner = self._before.around(node)
        return False

    def _went(self, around: int) -> bool:
        return self._before.nodes[around].kind == "prim::If" and around not in self._copies

    def _attribute(self, node: IRNode) -> str:
        path = self._before.path(node.outputs[0])
        if path in self._read_after:
            return sentence("read once now, where it was read several times")
        became = any(found == path or found.startswith(path + "_") for found in self._after_paths)
        if became and node.types and "__torch__" not in node.types[0]:
            return sentence("the value became a constant of the graph")
        if any(found.startswith(path + ".") for found in self._after_paths):
            return sentence("led to values that became constants of the graph")
        if self._users_left(node):
            return sentence("the value became a constant of the graph")
        return sentence("nothing that is left reads it")

    def _users_left(self, node: IRNode) -> bool:
        return any(user == -1 or user in self._copies for user in self._before.users[node.id])

    def _branch(self, node: IRNode) -> str:
        if self._before.is_fixed(node.inputs[0]):
            return sentence(
                "the condition is known beforehand: only the block that is taken was kept"
            )
        if node.id in self._raising and not node.outputs:
            return sentence("only raised an error for bad input: the check is left out")
        left = self._blocks_left().get(node.id, set())
        if len(left) == 1:
            if 0 in left:
                return sentence("only the then block is left: torch found that it is always taken")
            return sentence("only the else block is left: torch found that it is always taken")
        return ""

    def _blocks_left(self) -> dict[int, set[int]]:
        """Per node the blocks of which nodes are still there."""
        if self._left is None:
            self._left = {}
            for old in self._copies:
                parent = self._before.nodes[old].parent
                while parent is not None and parent[1] not in self._left.get(parent[0], ()):
                    self._left.setdefault(parent[0], set()).add(parent[1])
                    parent = self._before.nodes[parent[0]].parent
        return self._left

    def _computation(self, node: IRNode) -> str:
        name = node.kind.partition("::")[2]
        if name in _DROPOUT and self._before.is_fixed(node.inputs[-1]):
            return sentence("dropout does nothing in evaluation mode")
        if self._before.fixed[node.id]:
            return sentence("computed beforehand: all that it takes is constant")
        twin = self._kept.get(self._identity(node))
        if twin is not None and twin != node.id:
            line = self._before.nodes[twin].source
            where = sentence(" on line {line}", line=line.line) if line is not None else ""
            return sentence(
                "the same was computed{where} already: one of the two is enough", where=where
            )
        if self._before.users[node.id] and not self._users_left(node):
            return sentence("only served nodes that are gone too")
        if not self._before.users[node.id]:
            return sentence("nothing reads the result")
        return ""

    def new(self, number: int) -> str:
        """Why a node is new."""
        node = self._after.nodes[number]
        if node.kind in GUARDS:
            return sentence("checks that the inputs are like those that the code was optimised for")
        if node.kind == "prim::If" and self._guarded(node):
            return sentence("runs the optimised code, or the original where the guard says no")
        if node.kind in _NEW:
            return _NEW[node.kind]
        if self._split and node.source is None and node.types == ("int",):
            return sentence("counts the trips of a loop that was split")
        return sentence("one kernel for several ops") if is_group(node.kind) else ""

    def _guarded(self, node: IRNode) -> bool:
        made = self._after.made(node.inputs[0])
        return made is not None and self._after.nodes[made[0]].kind in GUARDS
