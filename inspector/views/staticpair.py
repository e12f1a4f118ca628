"""The static graph with what each of two runs executed of it: two counts, two colours.

The drawing is that of `static_view`. A node that one run alone executed has its flag ("only-a",
"only-b"), and where the counts are of interest both stand at its corner, "A ×2" and "B ×5".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from inspector.language import sentence
from inspector.records import IRNode, Overlay, StaticGraph
from inspector.views.irlabels import Labels
from inspector.views.irshape import Shape
from inspector.views.model import GraphView, ViewBox, ViewEdge, ViewNode
from inspector.views.static import static_view
from inspector.views.union import A, B

Numbers = Mapping[int, int]

ONE_SIDED = {A: ("only-a",), B: ("only-b",)}


@dataclass(frozen=True, slots=True)
class IRPair:
    """One static graph and what two runs executed of it.

    `ops` gives each op of A, and each of B, the number by which both runs know it.
    """

    static: StaticGraph
    overlays: tuple[Overlay, Overlay]
    ops: tuple[Numbers, Numbers]


def static_pair_view(pair: IRPair, opened: frozenset[str] | None = None) -> GraphView:
    """The picture of an IR graph with the counts of two runs.

    Args:
        pair: the graph and the runs.
        opened: ids of open boxes; None opens what fits.
    """
    return _PairView(pair, opened).view()


class _PairView:
    def __init__(self, pair: IRPair, opened: frozenset[str] | None) -> None:
        self._pair = pair
        self._views = [static_view(pair.static, each, opened) for each in pair.overlays]
        shape = Shape(pair.static)
        self._labels = [Labels(pair.static, shape, each) for each in pair.overlays]

    def view(self) -> GraphView:
        one, other = self._views
        nodes = tuple(map(self._node, one.nodes, other.nodes))
        ran = {node.id: _ran_of(node.flags) for node in nodes}
        return replace(
            one,
            nodes=nodes,
            edges=tuple(_edge(edge, ran) for edge in one.edges),
            boxes=tuple(map(self._box, one.boxes, other.boxes)),
        )

    def _node(self, mine: ViewNode, theirs: ViewNode) -> ViewNode:
        counts = self._counts(mine.id)
        badges: tuple[str, ...] = ()
        badge = mine.badge
        if counts is not None and (counts[0] != counts[1] or counts[0] > 1):
            badges = f"A ×{counts[0]:,}", f"B ×{counts[1]:,}"
            badge = " · ".join(badges)
        title = mine.title
        if mine.title != theirs.title:
            title = self._trips(mine.id)
        numbers = self._pair.ops
        ops = {numbers[0][op] for op in mine.ops} | {numbers[1][op] for op in theirs.ops}
        return replace(
            mine,
            title=title,
            badge=badge,
            badges=badges,
            flags=_flags(mine.flags, theirs.flags),
            ops=tuple(sorted(ops)),
        )

    def _trips(self, drawn: str) -> str:
        """The title of a loop that did not make the same trips in both runs."""
        node = self._pair.static.nodes[int(drawn.partition("@")[0].removeprefix("ir:"))]
        a, b = (labels.trips(node) or sentence("none") for labels in self._labels)
        return sentence("loop · A {a} · B {b}", a=a, b=b)

    def _counts(self, drawn: str) -> tuple[int, int] | None:
        """How often each run executed a node, or the block that a closed box stands for."""
        kind, _, rest = drawn.partition("@")[0].partition(":")
        number, _, block = rest.partition("/")
        if kind != "ir":
            return None
        node = self._pair.static.nodes[int(number)]
        mine, theirs = (self._count(side, node, block) for side in (0, 1))
        return None if mine is None or theirs is None else (mine, theirs)

    def _count(self, side: int, node: IRNode, block: str) -> int | None:
        if block:
            return self._labels[side].block_visits(node, int(block))
        return self._pair.overlays[side].executions.get(node.id)

    def _box(self, mine: ViewBox, theirs: ViewBox) -> ViewBox:
        subtitle = mine.subtitle
        if mine.subtitle != theirs.subtitle:
            a, b = (box.subtitle or sentence("not known") for box in (mine, theirs))
            subtitle = sentence("A {a} · B {b}", a=a, b=b)
        return replace(mine, subtitle=subtitle, flags=_flags(mine.flags, theirs.flags))


def _flags(mine: tuple[str, ...], theirs: tuple[str, ...]) -> tuple[str, ...]:
    """Who ran it, where that is known of both; and what else a node is marked by."""
    others = tuple(flag for flag in mine if flag not in ("executed", "skipped"))
    known = [{"executed", "skipped"}.intersection(flags) for flags in (mine, theirs)]
    if not all(known):
        return others
    side = (A if "executed" in mine else 0) | (B if "executed" in theirs else 0)
    if side in ONE_SIDED:
        return (*ONE_SIDED[side], *others)
    return ("executed" if side else "skipped", *others)


def _ran_of(flags: tuple[str, ...]) -> int:
    """The runs that something took part in; of what is not known, both."""
    if "skipped" in flags:
        return 0
    for side, names in ONE_SIDED.items():
        if names[0] in flags:
            return side
    return A | B


def _edge(edge: ViewEdge, ran: Mapping[str, int]) -> ViewEdge:
    side = ran.get(edge.source, A | B) & ran.get(edge.target, A | B)
    return replace(edge, flags=ONE_SIDED.get(side, ()))
