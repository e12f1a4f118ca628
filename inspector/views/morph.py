"""A run and the one before it as one picture, told from the run that is there now.

What is of both has one place, whichever of the two came first: the picture of A before B and that
of B before A differ in their texts and flags alone. Ids and numbers are those of the run now, so
that its other views, its cards and its timeline go with the picture; what only the run before
had is called after it ("was_op:3").
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from inspector.compare.union import Union, union
from inspector.language import counted, sentence
from inspector.loops import LoopRun
from inspector.records import Decision, Op, Recording
from inspector.views import words
from inspector.views.dynamic import DYNAMIC
from inspector.views.index import ViewIndex
from inspector.views.model import GraphView, ViewBox, ViewEdge, ViewNode
from inspector.views.names import trips_told
from inspector.views.opening import default_open
from inspector.views.union import Count, Said, changed_ops, union_index, union_view

GONE, NEW, ALTERED = "vanished", "arrived", "altered"
"""Flags of what only the run before has, only the run now, or both, and not the same."""

_GONE_OR_NEW: Mapping[str, tuple[str, Count]] = {
    GONE: (sentence("gone"), lambda count: sentence("{count:,} gone", count=count)),
    NEW: (sentence("new"), lambda count: sentence("{count:,} new", count=count)),
}

_TOKEN = re.compile(
    r"(?<![a-z])(?:was_|both_)?"
    r"(?:op|parameters|output|tensor|call|step|loop|trip|repeat|range):\d+(?:/\d+)?"
)
"""A part of an id that names one thing; ids of nodes may have two ("tensor:3@op:5")."""


class Morph:
    """Two runs as one picture.

    Args:
        before, now: the indexes of the runs.
        now_first: which of them the picture is laid out by. For the same two, the same one is to
            be first, whichever of them is there now.

    Attributes:
        union: of both, the one that is first as A.
        index: of the union.
        was: what a part of an id names in the run before: "op:5" -> "op:4", "was_op:3" -> "op:3".
    """

    def __init__(self, before: ViewIndex, now: ViewIndex, now_first: bool) -> None:
        self._runs = (now, before) if now_first else (before, now)
        self.union = union(*(run.recording for run in self._runs))
        self.index = union_index(self.union)
        self._side = 0 if now_first else 1
        self._now_of: dict[str, str] = {}
        self.was: dict[str, str] = {}
        for token, own in self._tokens():
            mine, theirs = own[self._side], own[1 - self._side]
            self._now_of[token] = mine or f"was_{theirs}"
            if theirs is not None:
                self.was[self._now_of[token]] = theirs
        self._is = {was: now for now, was in self.was.items() if not now.startswith("was_")}
        self.boxes = {box.id: self.name(box.id) for box in self.index.boxes if box.id}
        self._union_box = {name: box for box, name in self.boxes.items()}

    # -- names ---------------------------------------------------------------------------------

    def name(self, union_id: str) -> str:
        """An id of the union, in the names of the run now."""
        return _TOKEN.sub(lambda m: self._now_of.get(m[0], f"both_{m[0]}"), union_id)

    def name_before(self, now_id: str) -> str | None:
        """An id of the picture, in the names of the run before; None for what is new."""
        tokens = _TOKEN.findall(now_id)
        if any(token not in self.was for token in tokens):
            return None
        return _TOKEN.sub(lambda m: self.was[m[0]], now_id)

    def name_now(self, before_id: str) -> str | None:
        """An id of the picture before, in the names of the run now; None for what is gone."""
        tokens = _TOKEN.findall(before_id)
        if not tokens or any(token not in self._is for token in tokens):
            return None
        return _TOKEN.sub(lambda m: self._is[m[0]], before_id)

    def ghost(self, before_id: str) -> str | None:
        """The id of what is gone, by that in the picture before; None for all else."""
        found = f"was_{before_id}"
        return found if found in self.was else None

    def ops_before(self, now_id: str) -> tuple[int, ...]:
        """The ops of the run before that an item of the picture which is gone stands for."""
        was = self.was.get(now_id)
        if was is None or not now_id.startswith("was_"):
            return ()
        kind, _, number = was.partition(":")
        if kind in ("op", "parameters"):
            return (int(number),)
        index = self._runs[1 - self._side]
        return index.ops_of(index.by_id[was]) if was in index.by_id else ()

    def first_change(self) -> str | None:
        """The first op that is new, gone or not the same, in the order of the picture."""
        changed = changed_ops(self.union)
        pairs = enumerate(zip(self.union.of_a, self.union.of_b, strict=True))
        found = (number for number, own in pairs if None in own or number in changed)
        first = next(found, None)
        return None if first is None else self.name(f"op:{first}")

    def box_of(self, name: str) -> int | None:
        """The number of a box in the index, by its id in the picture."""
        return self.index.by_id.get(self._union_box.get(name, ""))

    def _tokens(self) -> Iterator[tuple[str, tuple[str | None, str | None]]]:
        """For each part of an id in the union what it is in its A and in its B."""
        found = self.union
        for number, own in enumerate(zip(found.of_a, found.of_b, strict=True)):
            for kind in ("op", "parameters", "expression"):
                yield f"{kind}:{number}", (_token(kind, own[0]), _token(kind, own[1]))
        mine = {new: old for old, new in found.tensors_a.items()}
        theirs = {new: old for old, new in found.tensors_b.items()}
        for number in found.recording.tensors:
            tensors = mine.get(number), theirs.get(number)
            for kind in ("tensor", "output"):
                yield f"{kind}:{number}", (_token(kind, tensors[0]), _token(kind, tensors[1]))
        for name in {**found.names_a, **found.names_b}:
            pair = found.names_a.get(name), found.names_b.get(name)
            yield name, pair
            if name.startswith("call:"):
                a, b = (None if one is None else one.replace("call", "repeat") for one in pair)
                yield name.replace("call", "repeat"), (a, b)

    # -- boxes ---------------------------------------------------------------------------------

    def first_open(self) -> frozenset[str]:
        """The boxes to open at first."""
        opened = default_open(self.union.recording, index=self.index)
        return frozenset(map(self.name, opened))

    def way_to(self, op: int) -> tuple[str, ...]:
        """The boxes to open for an op of the run now to be drawn, outermost first."""
        own = (self.union.of_a, self.union.of_b)[self._side]
        return self._way(own.index(op))

    def way_to_gone(self, op: int) -> tuple[str, ...]:
        """Likewise for an op of the run before."""
        own = (self.union.of_a, self.union.of_b)[1 - self._side]
        return self._way(own.index(op))

    def _way(self, number: int) -> tuple[str, ...]:
        return tuple(map(self.name, self.index.way_to(number)))

    # -- the picture ---------------------------------------------------------------------------

    def view(self, opened: frozenset[str]) -> GraphView:
        """The picture with some boxes open, by their ids in it."""
        inside = frozenset(self._union_box[box] for box in opened if box in self._union_box)
        pictures = [self._told(inside, side) for side in (0, 1)]
        now = pictures[self._side]
        return self._renamed(replace(now, name=DYNAMIC, room=_widest(*pictures)))

    def _told(self, opened: frozenset[str], side: int) -> GraphView:
        """The union's picture, told from one of its runs."""
        a, b = (run.recording for run in self._runs)
        found = replace(self.union, recording=_fronted(self.union, a, b, side))
        flags = (NEW, GONE) if side == 0 else (GONE, NEW)
        told = [_GONE_OR_NEW[flag] for flag in flags]
        said = Said(flags, (told[0][0], told[1][0]), (told[0][1], told[1][1]))
        view = union_view(found, opened, said=said)
        return replace(view, boxes=tuple(self._trips(box, side) for box in view.boxes))

    def _trips(self, box: ViewBox, side: int) -> ViewBox:
        """Of a loop that made another number of trips, both numbers."""
        names = self.union.names_a.get(box.id), self.union.names_b.get(box.id)
        if box.kind != "loop" or None in names:
            return box
        pairs = zip(names, self._runs, strict=True)
        trips = [run.loops.runs[int(str(name).partition(":")[2])].trips for name, run in pairs]
        drawn = trips_told(_run_of(self.index, box).trips)
        told = counted(
            "{count} trip, before {other:,}",
            "{count} trips, before {other:,}",
            trips[side],
            other=trips[1 - side],
        )
        if trips[0] == trips[1]:
            return box
        return replace(box, subtitle=words.replaced(box.subtitle, drawn, told))

    def _renamed(self, view: GraphView) -> GraphView:
        """A picture of the union, in the names and numbers of the run now."""
        room = None if view.room is None else self._renamed(view.room)
        return replace(
            view,
            nodes=tuple(map(self._node, view.nodes)),
            edges=tuple(map(self._edge, view.edges)),
            boxes=tuple(map(self._box, view.boxes)),
            room=room,
        )

    def _node(self, node: ViewNode) -> ViewNode:
        own = (self.union.of_a, self.union.of_b)[self._side]
        ops = (own[op] for op in node.ops)
        return replace(
            node,
            id=self.name(node.id),
            box=None if node.box is None else self.name(node.box),
            flags=tuple(ALTERED if flag == "changed" else flag for flag in node.flags),
            ops=tuple(op for op in ops if op is not None),
        )

    def _edge(self, edge: ViewEdge) -> ViewEdge:
        return replace(edge, source=self.name(edge.source), target=self.name(edge.target))

    def _box(self, box: ViewBox) -> ViewBox:
        parent = None if box.parent is None else self.name(box.parent)
        return replace(box, id=self.name(box.id), parent=parent)


def _token(kind: str, number: int | None) -> str | None:
    return None if number is None else f"{kind}:{number}"


def _run_of(index: ViewIndex, box: ViewBox) -> LoopRun:
    return index.loops.runs[int(box.id.partition(":")[2])]


# -- what a picture is told from -------------------------------------------------------------------


def _fronted(found: Union, a: Recording, b: Recording, side: int) -> Recording:
    """The union's recording with what `a` (side 0) or `b` has of what is in both."""
    front, own, tensors = (
        (a, found.of_a, found.tensors_a) if side == 0 else (b, found.of_b, found.tensors_b)
    )
    infos = dict(found.recording.tensors)
    for number, new in tensors.items():
        kept, mine = infos[new], front.tensors[number]
        infos[new] = replace(
            mine, id=new, name=kept.name, producer=kept.producer, alias_of=kept.alias_of
        )
    ops = tuple(
        op if mine is None else _op_of(op, front.ops[mine], tensors)
        for op, mine in zip(found.recording.ops, own, strict=True)
    )
    failure = front.failure
    if failure is not None:
        op = None if failure.op is None else own.index(failure.op)
        failure = replace(failure, op=op, inputs=(), saved=(), roots=())
    decisions = tuple(_turned(one, side) for one in found.recording.decisions)
    return replace(found.recording, ops=ops, tensors=infos, decisions=decisions, failure=failure)


def _op_of(op: Op, mine: Op, tensors: Mapping[int, int]) -> Op:
    """An op of the union with the arguments and the place that it has in one run."""
    arguments = re.sub(r"%(\d+)", lambda m: f"%{tensors.get(int(m[1]), m[1])}", mine.arguments)
    return replace(op, arguments=arguments, source=mine.source, call_site=mine.call_site)


def _turned(decision: Decision, side: int) -> Decision:
    """What a decision read before, and what it reads now."""
    a, arrow, b = str(decision.value).partition(" → ")
    return replace(decision, value=f"{b}{arrow}{a}") if arrow and side == 0 else decision


def _widest(a: GraphView, b: GraphView) -> GraphView | None:
    """The picture with the longer of each two texts: both pictures have room at its places."""
    same = [one.id for one in a.nodes] == [one.id for one in b.nodes]
    same = same and [one.id for one in a.boxes] == [one.id for one in b.boxes]
    if not same or list(map(_ends, a.edges)) != list(map(_ends, b.edges)):
        return None
    return replace(
        a,
        nodes=_longest(a.nodes, b.nodes, "title", "subtitle", "badge"),
        edges=_longest(a.edges, b.edges, "label"),
        boxes=_longest(a.boxes, b.boxes, "title", "subtitle", "badge"),
    )


_Part = TypeVar("_Part", ViewNode, ViewEdge, ViewBox)


def _longest(a: Sequence[_Part], b: Sequence[_Part], *texts: str) -> tuple[_Part, ...]:
    """The parts of `a`, each with the longer texts of both."""
    return tuple(
        replace(x, **{text: max(getattr(x, text), getattr(y, text), key=len) for text in texts})
        for x, y in zip(a, b, strict=True)
    )


def _ends(edge: ViewEdge) -> tuple[str, str, str, bool]:
    return edge.source, edge.target, edge.kind, edge.up
