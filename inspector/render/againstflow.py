"""Edges to the next trip of a loop: those that lead back up must not rank what they join.

A value that a trip hands on is made late in it and used early in the next. Ranked as it flows, such
an edge closes a cycle, and the op that is cut out of it would stand below what uses its result.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from inspector.render.layered import topological
from inspector.views.model import ViewEdge

CARRIED = "carried"
Place = tuple[int, int]
"""(box, number among its members)."""


def turned_round(
    edges: Sequence[tuple[int, ViewEdge]],
    places: Mapping[str, Place],
    around: Sequence[Place],
) -> dict[int, ViewEdge]:
    """Return the carried edges that lead back, each as the edge the other way round.

    Args:
        edges: (number, edge), all of them.
        places: node -> where it lies.
        around: box -> where it lies itself; the first one is the whole picture.
    """
    carried = [(number, edge) for number, edge in edges if edge.kind == CARRIED]
    if not carried:
        return {}
    rows = _rows([edge for _, edge in edges if edge.kind != CARRIED], places, around)
    found = {}
    for number, edge in carried:
        box, tail, head = _meeting(places[edge.source], places[edge.target], around)
        depths = rows.get(box, {})
        if (depths.get(tail, 0), tail) > (depths.get(head, 0), head):
            found[number] = replace(edge, source=edge.target, target=edge.source, up=not edge.up)
    return found


def _rows(
    edges: Sequence[ViewEdge], places: Mapping[str, Place], around: Sequence[Place]
) -> dict[int, dict[int, int]]:
    """Box -> member -> how many others it stands below, within one trip."""
    below: dict[int, dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
    for edge in edges:
        box, tail, head = _meeting(places[edge.source], places[edge.target], around)
        below[box][tail].append(head)
    return {box: _depths(followers) for box, followers in below.items()}


def _depths(below: Mapping[int, list[int]]) -> dict[int, int]:
    last = max(max(below), *(max(heads) for heads in below.values()))
    order = topological([below.get(member, []) for member in range(last + 1)])
    place = {member: number for number, member in enumerate(order)}
    depths = dict.fromkeys(order, 0)
    for member in order:
        for head in below.get(member, ()):
            if place[head] > place[member]:
                depths[head] = max(depths[head], depths[member] + 1)
    return depths


def _meeting(one: Place, other: Place, around: Sequence[Place]) -> tuple[int, int, int]:
    """The innermost box around both, and which of its members each is or lies in."""
    way = {}
    (box, member) = one
    while True:
        way[box] = member
        if box == 0:
            break
        box, member = around[box]
    box, member = other
    while box not in way:
        box, member = around[box]
    return box, way[box], member
