"""Puts together what became of the nodes of one graph in the next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from inspector.irdiff.align import Alignment
from inspector.irdiff.reasons import Reasons
from inspector.irdiff.sides import CALLS, Side, computes, is_group
from inspector.language import counted, sentence
from inspector.records import IRNode, StaticGraph
from inspector.stages import NodeChange, StageChange

_FOLDED_NORM = ("_fused_bn",)
"""What freezing appends to the name of a weight that a batch norm was folded into."""

_NORMS = ("aten::batch_norm", "aten::_batch_norm_impl_index", "aten::native_batch_norm")


def graph_changes(before: StaticGraph, after: StaticGraph) -> StageChange:
    """Compare two stages of one graph.

    Args:
        before, after: graphs of the same model; `before` may have its calls nested or inlined.

    Returns:
        Each node of both, constants left out, in exactly one change. In linear time.
    """
    changes = sorted(_Builder(Side(before), Side(after)).changes(), key=_order)
    counts: Counter[str] = Counter()
    for change in changes:
        nodes = [before.nodes[i] for i in change.before] + [after.nodes[i] for i in change.after]
        if any(computes(node) or node.kind in CALLS for node in nodes):
            counts[change.kind] += 1
    return StageChange(tuple(changes), dict(counts))


def _order(change: NodeChange) -> tuple[int, int]:
    return (0, change.before[0]) if change.before else (1, change.after[0])


class _Builder:
    """Finds changes, the telling ones first; each takes its nodes out of what is left."""

    def __init__(self, before: Side, after: Side) -> None:
        self.before = before
        self.after = after
        self.match = Alignment(before, after)
        self.reasons = Reasons(self.match)
        self.done_before: set[int] = set()
        self.done_after: set[int] = set()

    def changes(self) -> Iterator[NodeChange]:
        """All changes, each node in one."""
        yield from self._fused_groups()
        yield from self._folded_norms()
        yield from self._replaced_in_place()
        yield from self._replaced_for_users()
        yield from self._unrolled()
        for old in self.before.compared:
            if old in self.done_before:
                continue
            twins = self.match.copies.get(old)
            if twins is None:
                yield NodeChange("gone", (old,), (), self.reasons.gone(old))
            elif twins[0] not in self.done_after:
                yield self._change("same", [old], twins)
        for new in self.after.compared:
            if new not in self.done_after:
                yield NodeChange("new", (), (new,), self.reasons.new(new))

    def _change(self, kind: str, old: list[int], new: list[int], reason: str = "") -> NodeChange:
        self.done_before.update(old)
        self.done_after.update(new)
        return NodeChange(kind, tuple(old), tuple(new), reason)

    def _is_gone(self, old: int) -> bool:
        return old not in self.match.copies and old not in self.done_before

    def _is_new(self, new: int) -> bool:
        return new not in self.match.origin and new not in self.done_after

    # -- fusion ------------------------------------------------------------------------------------

    def _fused_groups(self) -> Iterator[NodeChange]:
        """A fused kernel, with the nodes before that now run inside it."""
        members: dict[int, list[int]] = {}
        for node in self.after.nodes:
            group = self._group_around(node)
            if group is not None and node.id in self.match.origin:
                members.setdefault(group, []).append(node.id)
        for group, inside in members.items():
            if not self._is_new(group):
                continue
            old = sorted({self.match.origin[number] for number in inside} - self.done_before)
            kinds = [self.before.nodes[number].kind.partition("::")[2] for number in old]
            named = ", ".join(kinds[:6]) + ("…" if len(kinds) > 6 else "")
            reason = sentence("one kernel for {kinds}", kinds=named)
            yield self._change("fused", old, [group, *inside], reason)

    def _group_around(self, node: IRNode) -> int | None:
        """The fused kernel whose graph holds a node; autograd's groups are no kernels."""
        around = self.after.around(node)
        while around is not None:
            owner = self.after.nodes[around]
            if is_group(owner.kind) and owner.kind != "prim::DifferentiableGraph":
                return owner.id
            around = self.after.around(owner)
        return None

    def _folded_norms(self) -> Iterator[NodeChange]:
        """A batch norm that is part of the weights of the convolution before it now."""
        for old in self.before.compared:
            node = self.before.nodes[old]
            if node.kind not in _NORMS or not self._is_gone(old):
                continue
            made = self.before.made(node.inputs[0])
            twins = self.match.copies.get(made[0], []) if made is not None else []
            if made is None or len(twins) != 1 or twins[0] in self.done_after:
                continue
            weights = self.after.parameters(self.after.nodes[twins[0]])
            if any(path.endswith(_FOLDED_NORM) for path in weights):
                name = self.after.nodes[twins[0]].kind.partition("::")[2]
                reason = sentence("the batch norm became part of the weights of {name}", name=name)
                yield self._change("fused", [made[0], old], twins, reason)

    # -- replacement -----------------------------------------------------------------------

    def _replaced_in_place(self) -> Iterator[NodeChange]:
        """Another kind of node at the same place in the source: an in-place or oneDNN version."""
        gone: dict[object, list[int]] = {}
        for old in reversed(self.before.compared):
            node = self.before.nodes[old]
            plain = not node.blocks or node.kind == "prim::If"
            if self._is_gone(old) and computes(node) and plain and node.source:
                gone.setdefault(self._place(node), []).append(old)
        for new in self.after.compared:
            node = self.after.nodes[new]
            if self._is_new(new) and node.source and computes(node) and not node.blocks:
                found = gone.get(self._place(node))
                if found and self._may_replace(node, self.before.nodes[found[-1]]):
                    old = found.pop()
                    reason = _replacement(self.before.nodes[old].kind, node.kind)
                    yield self._change("replaced", [old], [new], reason)

    def _may_replace(self, new: IRNode, old: IRNode) -> bool:
        """A branch becomes a choice between two values where both are at hand."""
        return (old.kind == "prim::If") == (new.kind == "prim::IfThenElse")

    def _place(self, node: IRNode) -> object:
        source = node.source
        return None if source is None else (source.file, source.line, source.column)

    def _replaced_for_users(self) -> Iterator[NodeChange]:
        """New nodes without a position, whose result goes where that of a gone node went."""
        stand_ins: dict[int, int] = {}
        for new, old in self.match.origin.items():
            node, twin = self.after.nodes[new], self.before.nodes[old]
            self._pair_makers(twin.inputs, node.inputs, stand_ins)
        returned = self.before.graph.block_outputs.get((None, 0), ())
        self._pair_makers(returned, self.after.graph.block_outputs.get((None, 0), ()), stand_ins)
        waiting = sorted(stand_ins.items(), reverse=True)
        while waiting:
            old, new = waiting.pop()
            if not self._is_gone(old) or not self._is_new(new):
                continue
            chain, beyond = self._chain(new)
            kinds = " and ".join(self.after.nodes[i].kind.partition("::")[2] for i in chain)
            name = self.before.nodes[old].kind.partition("::")[2]
            yield self._change(
                "replaced",
                [old],
                chain,
                sentence("{name} was rewritten as {kinds}", name=name, kinds=kinds),
            )
            # One after the other: what feeds the new nodes stands for what fed the old one.
            makers = map(self.before.made, self.before.nodes[old].inputs)
            feeding = [m[0] for m in makers if m is not None and self._may_be_rewritten(m[0])]
            waiting += zip(feeding, beyond, strict=False)

    def _may_be_rewritten(self, old: int) -> bool:
        return self._is_gone(old) and computes(self.before.nodes[old])

    def _pair_makers(
        self, old: tuple[str, ...], new: tuple[str, ...], found: dict[int, int]
    ) -> None:
        if len(old) != len(new):
            return
        for one, other in zip(old, new, strict=True):
            gone, made = self.before.made(one), self.after.made(other)
            if gone is None or made is None or min(gone[1], made[1]) < 0:
                continue
            is_plain = (
                self.after.nodes[made[0]].source is None and not self.after.nodes[made[0]].blocks
            )
            known = computes(self.before.nodes[gone[0]]) and computes(self.after.nodes[made[0]])
            if self._is_gone(gone[0]) and self._is_new(made[0]) and is_plain and known:
                found.setdefault(gone[0], made[0])

    def _chain(self, new: int) -> tuple[list[int], list[int]]:
        """A new node and the new ones without a position that feed it alone; and the next ones.

        A rewritten op holds no kind of node twice: there the next op begins.
        """
        chain, beyond, waiting = {new}, [], [new]
        kinds = {self.after.nodes[new].kind}
        while waiting:
            for value in self.after.nodes[waiting.pop()].inputs:
                made = self.after.made(value)
                if made is None or made[0] in chain or made[1] < 0 or not self._is_new(made[0]):
                    continue
                node = self.after.nodes[made[0]]
                if node.source is not None or not computes(node):
                    continue
                if node.kind in kinds or not set(self.after.users[node.id]) <= chain:
                    beyond.append(node.id)
                    continue
                chain.add(node.id)
                kinds.add(node.kind)
                waiting.append(node.id)
        return sorted(chain), beyond

    # -- loops -----------------------------------------------------------------------------

    def _unrolled(self) -> Iterator[NodeChange]:
        """Loops that are gone and whose bodies are not; nodes that have several copies now."""
        kept: Counter[int] = Counter()
        for old, twins in self.match.copies.items():
            around = self.before.around(self.before.nodes[old])
            while around is not None:
                kept[around] = max(kept[around], len(twins))
                around = self.before.around(self.before.nodes[around])
        for old in self.before.compared:
            if old in self.done_before:
                continue
            node, twins = self.before.nodes[old], self.match.copies.get(old, [])
            if node.kind == "prim::Loop" and not twins and kept[old]:
                reason = counted(
                    "unrolled: its body stands here once, one per trip",
                    "unrolled: its body stands here {count} times, one per trip",
                    kept[old],
                )
                yield self._change("unrolled", [old], [], reason)
            elif len(twins) > 1 and not self.done_after & set(twins):
                yield self._change("unrolled", [old], twins, self._copied(node, len(twins)))

    def _copied(self, node: IRNode, count: int) -> str:
        if node.kind == "prim::Loop":
            return sentence(
                "split: a loop whose body does several trips at once, and one for the rest"
            )
        around = self.before.around(node)
        while around is not None and self.before.nodes[around].kind != "prim::Loop":
            around = self.before.around(self.before.nodes[around])
        if around is None:
            return sentence("{n} copies", n=count)
        return sentence("{n} copies: the loop around it was unrolled", n=count)


def _replacement(old: str, new: str) -> str:
    name, other = old.partition("::")[2], new.partition("::")[2]
    if other == name + "_":
        return sentence("{name} writes into its input now: nothing else reads that", name=name)
    if other == "IfThenElse":
        return sentence("the branch became a choice between two values: both blocks were empty")
    if "mkldnn" in other:
        return sentence("{name} became a kernel of oneDNN", name=name)
    return sentence("{name} became {other}", name=name, other=other)
