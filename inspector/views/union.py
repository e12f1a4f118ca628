"""Two runs as one picture: what is of both, of A only, of B only, and what is not the same.

The picture is that of the union's recording. So a node has one place, whichever run is looked
at; nodes, boxes and edges carry the flags "only-a" and "only-b", nodes also "changed".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np

from inspector.compare.union import Union
from inspector.language import sentence
from inspector.views import words
from inspector.views.dynamic import DynamicPicture
from inspector.views.index import ViewIndex
from inspector.views.model import GraphView, ViewBox, ViewEdge, ViewNode

A, B = 1, 2
"""The runs, as bits."""


Count = Callable[[int], str]
"""Says how many there are."""


@dataclass(frozen=True, slots=True)
class Said:
    """What is said of one run only: of A, then of B.

    `flags` of nodes, boxes and edges; the badge of a box that is `only` of that run, and of one
    that has `more` of it than the other.
    """

    flags: tuple[str, str] = ("only-a", "only-b")
    only: tuple[str, str] = (sentence("only A"), sentence("only B"))
    more: tuple[Count, Count] = (lambda n: f"+{n:,} A", lambda n: f"+{n:,} B")

    def flag(self, side: int) -> tuple[str, ...]:
        """The flags of what ran on a side."""
        return () if side == A | B else (self.flags[side - 1],)


COMPARED = Said()
OUTSIDE = ("tensor", "input", "output")
"""What stands before the number of a tensor in a node's id."""

Pair = tuple[str, str]


def sides_of(union: Union) -> tuple[int, ...]:
    """For each op of the union the runs that it ran in: A, B or A | B."""
    both = zip(union.of_a, union.of_b, strict=True)
    return tuple((A if a is not None else 0) | (B if b is not None else 0) for a, b in both)


def changed_ops(union: Union) -> frozenset[int]:
    """The ops of both runs that differ: in their results, arguments or in what a decision read."""
    own = {a: number for number, a in enumerate(union.of_a) if a is not None}
    found = {own[change.a] for change in union.comparison.changes}
    read = (d.op for d in union.recording.decisions if d.op is not None and _differs(d.value))
    return frozenset(found.union(op for op in read if None not in _numbers(union, op)))


def _differs(value: object) -> bool:
    return isinstance(value, str) and " → " in value


def _numbers(union: Union, op: int) -> tuple[int | None, int | None]:
    return union.of_a[op], union.of_b[op]


def union_index(union: Union) -> ViewIndex:
    """The boxes of the union; trips that are not of the same runs are never drawn as one."""
    changed = changed_ops(union)
    marks = [(side, op in changed) for op, side in enumerate(sides_of(union))]
    return ViewIndex(union.recording, union.loops, marks)


def union_view(
    union: Union,
    opened: frozenset[str],
    index: ViewIndex | None = None,
    said: Said = COMPARED,
) -> GraphView:
    """The picture of both runs, with the boxes in `opened` open.

    Args:
        union: of two recordings.
        opened: ids of open boxes; see `default_open`.
        index: of `union_index`, where it was made before.
        said: of what is in one run only.
    """
    return _UnionPicture(union, opened, index or union_index(union), said).view()


class _UnionPicture:
    def __init__(self, union: Union, opened: frozenset[str], index: ViewIndex, said: Said) -> None:
        self._union = union
        self._said = said
        self._index = index
        self._sides = sides_of(union)
        self._changed = changed_ops(union)
        self._picture = DynamicPicture(index, opened)
        self._base = self._picture.view(sentence("Both runs"))
        self._tensors = (
            frozenset(union.tensors_a.values()),
            frozenset(union.tensors_b.values()),
        )

    def view(self) -> GraphView:
        nodes = tuple(map(self._node, self._base.nodes))
        sides = {node.id: self._side_of(node) for node in self._base.nodes}
        return replace(
            self._base,
            nodes=nodes,
            edges=tuple(self._edges(sides)),
            boxes=tuple(map(self._box, self._base.boxes)),
        )

    # -- nodes ---------------------------------------------------------------------------------

    def _node(self, node: ViewNode) -> ViewNode:
        side = self._side_of(node)
        flags = self._said.flag(side)
        if node.kind in ("op", "decision", "box") and self._changed.intersection(node.ops):
            flags += ("changed",)
        badge = node.badge
        if node.kind == "box" and side == A | B:
            badge = words.spaced((badge, self._more(node.ops)))
        return replace(node, flags=(*node.flags, *flags), badge=badge)

    def _side_of(self, node: ViewNode) -> int:
        kind, _, rest = node.id.partition("@")[0].partition(":")
        if kind in OUTSIDE and rest.isdigit():
            return self._side_of_tensor(int(rest))
        return self._side_of_ops(node.ops)

    def _side_of_tensor(self, tensor: int) -> int:
        mine, theirs = self._tensors
        return (A if tensor in mine else 0) | (B if tensor in theirs else 0)

    def _side_of_ops(self, ops: Iterable[int]) -> int:
        """Both, too, for what stands for no op."""
        side = 0
        for op in ops:
            side |= self._sides[op]
            if side == A | B:
                break
        return side or A | B

    def _more(self, ops: Sequence[int]) -> str:
        """What a box has of one run only, as in "+2 A +3 B"."""
        counts = [sum(self._sides[op] == side for op in ops) for side in (A, B)]
        told = zip(counts, self._said.more, strict=True)
        return words.spaced(tell(count) for count, tell in told if count)

    def _box(self, box: ViewBox) -> ViewBox:
        number = self._index.by_id.get(box.id)
        if number is None:
            return box
        side = self._side_of_ops(self._index.ops_of(number))
        if side == A | B:
            return box
        badge = words.spaced((box.badge, self._said.only[side - 1]))
        return replace(box, flags=(*box.flags, *self._said.flag(side)), badge=badge)

    # -- edges ---------------------------------------------------------------------------------

    def _edges(self, sides: dict[str, int]) -> Iterable[ViewEdge]:
        data = self._drawn_sides()
        control = self._control()
        seen = set()
        for edge in self._base.edges:
            pair = _plain(edge.source), _plain(edge.target)
            if edge.kind == "control" and pair in control:
                seen.add(pair)
                side = control[pair]
            elif edge.kind == "control" and self._is_next(pair):
                continue  # the op after it in the picture did not run after it in either run
            else:
                ends = sides.get(edge.source, 3) & sides.get(edge.target, 3)
                side = data.get(pair, ends)
            yield replace(edge, flags=self._said.flag(side))
        drawn = {node.id for node in self._base.nodes}
        for (source, target), side in control.items():
            if (source, target) not in seen and source in drawn and target in drawn:
                yield ViewEdge(source, target, kind="control", flags=self._said.flag(side))

    def _drawn_sides(self) -> dict[Pair, int]:
        """(drawn source, drawn target) -> the runs in which something went that way."""
        of_op, ids = self._picture.visible.of_op, self._picture.ids
        found: dict[Pair, int] = {}
        for side, pairs in ((A, self._union.edges_a), (B, self._union.edges_b)):
            flat = np.fromiter(chain.from_iterable(pairs), np.int64, 2 * len(pairs))
            drawn = of_op[flat.reshape(-1, 2)]
            several = drawn[:, 0] * len(ids) + drawn[:, 1]  # one number for each pair
            for source, target in (divmod(one, len(ids)) for one in np.unique(several).tolist()):
                ends = ids[source], ids[target]
                found[ends] = found.get(ends, 0) | side
        return found

    def _control(self) -> dict[Pair, int]:
        """From each decision to what ran next, in each of the runs."""
        visible, ids = self._picture.visible, self._picture.ids
        of_op, twin = visible.of_op, visible.twin
        sides = np.array(self._sides, dtype=np.int64)
        decides = np.zeros(len(sides), dtype=np.bool_)
        decides[list(self._index.decisions)] = True
        found: dict[Pair, int] = {}
        for side in (A, B):
            ops = np.flatnonzero(sides & side)
            here, after = ops[:-1], ops[1:]
            is_drawn = (twin[here] == 0) & (twin[after] == 0) & (of_op[here] != of_op[after])
            rows = is_drawn & decides[here] & ~decides[after]
            for source, target in zip(of_op[here[rows]], of_op[after[rows]], strict=True):
                ends = ids[source], ids[target]
                found[ends] = found.get(ends, 0) | side
        return found

    def _is_next(self, pair: Pair) -> bool:
        """Whether a control edge says what ran next, and not which loss a step is of."""
        kind, _, number = pair[0].partition(":")
        return kind == "op" and number.isdigit() and int(number) in self._index.decisions


def _plain(node: str) -> str:
    """The id of a node that may be a copy of a hub."""
    return node.partition("@")[0]
