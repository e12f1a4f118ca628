"""A view as boxes within boxes: what lies directly in each, and which edges cross its border.

An edge between nodes of different boxes is cut at each border that it crosses, where it has a
port. A value that three nodes of a box use comes in through one port and branches inside; several
values come in through one port where the same nodes use them all. A value leaves through one port.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from inspector.render.againstflow import turned_round
from inspector.render.dot import drawn_edges, parents, unique_nodes
from inspector.render.piece import BORDER, NO_PORT
from inspector.views.model import GraphView, ViewBox, ViewEdge, ViewNode

Way = Hashable
"""What passes a border through one port."""
End = tuple[int, int]
"""A member's number (or `BORDER`) and a port's (or `NO_PORT`)."""


class Link(NamedTuple):
    """A part of one or more edges inside one box. `label` is the text to be written on it."""

    tail: End
    head: End
    arrow: str
    label: str


@dataclass(slots=True)
class Nested:
    """One open box; the first of a nest is the whole picture, and has no `box`.

    Attributes:
        parent: the number of the box around it, -1 for the picture; `slot` is its place there.
        members: nodes, and the numbers of boxes, in the order in which they first appear.
        links: what connects them, without repetitions.
        ins, outs: what comes in or leaves -> the number of its port.
        ranks: groups of members that stand side by side.
    """

    box: ViewBox | None = None
    parent: int = -1
    depth: int = 0
    slot: int = -1
    members: list[ViewNode | int] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    ins: dict[Way, int] = field(default_factory=dict)
    outs: dict[Way, int] = field(default_factory=dict)
    ranks: list[tuple[int, ...]] = field(default_factory=list)
    _known: dict[tuple[End, End, bool, str, int], int] = field(default_factory=dict)

    def link(self, tail: End, head: End, up: bool, label: str = "", own: int = -1) -> int:
        """The number of a link; edges with equal arguments share it."""
        number = self._known.setdefault((tail, head, up, label, own), len(self.links))
        if number == len(self.links):
            end = tail if up else head
            arrow = "none" if end[1] != NO_PORT else "tail" if up else "head"
            self.links.append(Link(tail, head, arrow, label))
        return number


class Route(NamedTuple):
    """The way of the edge at `place` in the view through the boxes, as (box, link), from its source
    to its target. `middle` is the number of the part that carries the label. `is_turned`: the
    edge leads back up; it is ranked the other way round, and so is `edge`.
    """

    place: int
    edge: ViewEdge
    parts: tuple[tuple[int, int], ...]
    middle: int
    is_turned: bool = False


def nest(view: GraphView) -> tuple[list[Nested], list[Route]]:
    """Return the boxes, outer ones first, and the edges' ways through them."""
    nested, numbers = _boxes(view)
    slots: dict[str, tuple[int, int]] = {}
    for node in unique_nodes(view).values():
        owner = numbers.get(node.box, 0) if node.box is not None else 0
        _place(nested, owner)
        slots[node.id] = owner, len(nested[owner].members)
        nested[owner].members.append(node)
    for number in range(1, len(nested)):  # empty ones
        _place(nested, number)
    _rank(view, nested, slots)
    around = [(box.parent, box.slot) for box in nested]
    turned = turned_round(drawn_edges(view), slots, around)
    edges = [(index, turned.get(index, edge)) for index, edge in drawn_edges(view)]
    users = _users(nested, slots, edges)
    routes = [_route(nested, slots, users, index, edge) for index, edge in edges]
    orders = _sort(nested)
    return nested, [
        route._replace(
            parts=tuple((box, orders[box][link]) for box, link in route.parts),
            is_turned=route.place in turned,
        )
        for route in routes
    ]


def _boxes(view: GraphView) -> tuple[list[Nested], dict[str, int]]:
    above = parents(view)
    known: dict[str, ViewBox] = {}
    inside: dict[str | None, list[str]] = {}
    for box in view.boxes:
        if box.id not in known:
            known[box.id] = box
            inside.setdefault(above[box.id], []).append(box.id)
    nested = [Nested()]
    numbers: dict[str, int] = {}
    todo: list[tuple[str, int]] = [(id, 0) for id in inside.get(None, ())]
    for id, parent in todo:  # grows: breadth first
        numbers[id] = len(nested)
        nested.append(Nested(known[id], parent, nested[parent].depth + 1))
        todo.extend((child, numbers[id]) for child in inside.get(id, ()))
    return nested, numbers


def _place(nested: list[Nested], number: int) -> None:
    """Give a box, and those around it, places among their parents' members."""
    while number and nested[number].slot < 0:
        around = nested[nested[number].parent]
        nested[number].slot = len(around.members)
        around.members.append(number)
        number = nested[number].parent


def _rank(view: GraphView, nested: list[Nested], slots: dict[str, tuple[int, int]]) -> None:
    """Keep of each group what lies in one box: the box of its first node."""
    for group in view.ranks:
        places = [slots[id] for id in dict.fromkeys(group) if id in slots]
        together = tuple(slot for owner, slot in places if owner == places[0][0])
        if len(together) > 1:
            nested[places[0][0]].ranks.append(together)


def _sort(nested: list[Nested]) -> list[list[int]]:
    """Bring ports and links into an order of their own: that of the members they belong to.

    The order in which a view lists its edges changes when a box far away is opened; what is in
    the other boxes must not. Returns old -> new number of the links of each box.
    """
    orders: list[list[int]] = [[] for _ in nested]
    ports: dict[tuple[int, bool, End], int] = {}  # (box around, is a tail, old end) -> new port
    for number in range(len(nested) - 1, -1, -1):
        box = nested[number]
        links = [
            link._replace(
                tail=(link.tail[0], ports.get((number, True, link.tail), link.tail[1])),
                head=(link.head[0], ports.get((number, False, link.head), link.head[1])),
            )
            for link in box.links
        ]
        ins = _ranking(len(box.ins), ((k.tail, k.head) for k in links))
        outs = _ranking(len(box.outs), ((k.head, k.tail) for k in links))
        for old, new in enumerate(ins):
            ports[box.parent, False, (box.slot, old)] = new
        for old, new in enumerate(outs):
            ports[box.parent, True, (box.slot, old)] = new
        for place, link in enumerate(links):
            tail = (BORDER, ins[link.tail[1]]) if link.tail[0] == BORDER else link.tail
            head = (BORDER, outs[link.head[1]]) if link.head[0] == BORDER else link.head
            links[place] = link._replace(tail=tail, head=head)
        order = sorted(range(len(links)), key=links.__getitem__)
        box.links = [links[old] for old in order]
        orders[number] = [0] * len(order)
        for new, old in enumerate(order):
            orders[number][old] = new
    return orders


def _ranking(count: int, ends: Iterable[tuple[End, End]]) -> list[int]:
    """New numbers for ports, by where the links at them end inside."""
    inner: list[list[End]] = [[] for _ in range(count)]
    for end, other in ends:
        if end[0] == BORDER:
            inner[end[1]].append(other)
    order = sorted(range(count), key=lambda port: sorted(inner[port]))
    ranking = [0] * count
    for new, old in enumerate(order):
        ranking[old] = new
    return ranking


def _value(edge: ViewEdge) -> tuple[str, str, str]:
    """What flows along an edge: its maker, its name, its kind."""
    return edge.target if edge.up else edge.source, edge.label, edge.kind


def _users(
    nested: list[Nested], slots: dict[str, tuple[int, int]], edges: list[tuple[int, ViewEdge]]
) -> dict[tuple[int, Way], set[str]]:
    """(box, value that comes in) -> the nodes inside that use it."""
    users: dict[tuple[int, Way], set[str]] = {}
    for _, edge in edges:
        a, b = slots[edge.source][0], slots[edge.target][0]
        while a != b:
            if nested[a].depth >= nested[b].depth:
                a = nested[a].parent
            else:
                users.setdefault((b, _value(edge)), set()).add(edge.target)
                b = nested[b].parent
    return users


def _route(
    nested: list[Nested],
    slots: dict[str, tuple[int, int]],
    users: dict[tuple[int, Way], set[str]],
    index: int,
    edge: ViewEdge,
) -> Route:
    value = _value(edge)
    (a, slot_a), (b, slot_b) = slots[edge.source], slots[edge.target]
    here, there = (slot_a, NO_PORT), (slot_b, NO_PORT)
    before: list[tuple[int, int]] = []
    after: list[tuple[int, int]] = []
    while a != b:
        if nested[a].depth >= nested[b].depth:
            box = nested[a]
            port = box.outs.setdefault(value, len(box.outs))
            before.append((a, box.link(here, (BORDER, port), edge.up)))
            a, here = box.parent, (box.slot, port)
        else:
            box = nested[b]
            way = edge.up, frozenset(users[b, value])
            port = box.ins.setdefault(way, len(box.ins))
            after.append((b, box.link((BORDER, port), there, edge.up)))
            b, there = box.parent, (box.slot, port)
    # Two edges between the same two nodes are both drawn.
    own = index if here[1] == there[1] == NO_PORT else -1
    link = nested[a].link(here, there, edge.up, edge.label, own)
    return Route(index, edge, (*before, (a, link), *reversed(after)), len(before))
