"""Nodes with very many edges, drawn again where they are used.

One mask that feeds every block, or a stack of all steps' results, takes `dot` from 0.3 s to
minutes, and nobody can follow such edges. Beyond `HUB` edges a small copy of the node stands
beside each further use. Its id is the node's own, "@" and the neighbour's ("op:3@op:9",
"op:9@from:op:3" where the edge comes in).
"""

from __future__ import annotations

from collections.abc import Mapping

from inspector.views import words
from inspector.views.model import ViewEdge, ViewNode

HUB = 12
"""A node keeps all its edges up to this many; what a reader can still follow."""

SHARED = 3
"""An input or parameter that is used more often than this is drawn anew at each use."""

Edges = list[ViewEdge]


def split_hubs(nodes: Mapping[str, ViewNode], edges: Edges) -> tuple[list[ViewNode], Edges]:
    """Return (all nodes with the copies, all edges), in their order.

    Args:
        nodes: by id.
        edges: between ids of `nodes`.
    """
    found = list(nodes.values())
    edges = _split(nodes, edges, found, outgoing=True)
    edges = _split(nodes, edges, found, outgoing=False)
    return found, edges


def _split(
    nodes: Mapping[str, ViewNode],
    edges: Edges,
    found: list[ViewNode],
    *,
    outgoing: bool,
) -> Edges:
    """Split the hubs of one side; the copies are added to `found`.

    Neighbours at the end of the way (sources without a source, sinks) can stand right beside
    the hub: only the others stretch edges over the whole picture.
    """
    goes_on = {edge.source if outgoing else edge.target for edge in edges}
    far: dict[str, list[str]] = {}
    for edge in edges:
        hub, other = (edge.source, edge.target) if outgoing else (edge.target, edge.source)
        if edge.kind != "control" and hub in nodes and other in goes_on:
            far.setdefault(hub, []).append(other)
    hubs = {hub for hub, others in far.items() if len(others) > HUB}
    # The neighbour that ran next to the hub keeps its edge.
    near = {hub: far[hub][0 if outgoing else -1] for hub in hubs}
    result: Edges = []
    copies: set[str] = set()
    for edge in edges:
        hub, other = (edge.source, edge.target) if outgoing else (edge.target, edge.source)
        stays = edge.kind == "control" or other not in goes_on or near.get(hub) == other
        if hub not in hubs or stays:
            result.append(edge)
            continue
        copy = _copy(nodes[hub], nodes[other], outgoing)
        if copy.id not in copies:
            copies.add(copy.id)
            found.append(copy)
        ends = (copy.id, other) if outgoing else (other, copy.id)
        result.append(ViewEdge(*ends, edge.label, edge.kind))
    return result


def _copy(hub: ViewNode, other: ViewNode, outgoing: bool) -> ViewNode:
    """In the neighbour's box, and lit with the neighbour."""
    return ViewNode(
        id=f"{hub.id}@{other.id}" if outgoing else f"{hub.id}@from:{other.id}",
        kind="input" if outgoing else "output",
        title=hub.title if outgoing else words.spaced(("→", hub.title)),
        subtitle=hub.subtitle,
        box=other.box,
        ops=other.ops,
        source=hub.source,
    )
