"""Which nodes of a static graph any of the inputs ran: `coverage`."""

from __future__ import annotations

from collections.abc import Sequence

from inspector.counted import Coverage
from inspector.overlay import overlay
from inspector.records import Recording, StaticGraph

_CONSTANT = "prim::Constant"


def coverage(static: StaticGraph, variants: Sequence[tuple[Recording, int]]) -> Coverage:
    """Lay each variant's example over the graph, and add up.

    Constants are values, not steps of the program, and are not counted.

    Args:
        static: the model's graph.
        variants: an example recording of each, and how many inputs it has.
    """
    nodes = [node.id for node in static.nodes if node.kind != _CONSTANT]
    overlays = [(overlay(static, recording).executions, count) for recording, count in variants]
    executions: dict[int, int] = {}
    executed, missed, unknown = 0, [], []
    for node in nodes:
        known = [(counts[node], times) for counts, times in overlays if node in counts]
        ran = any(count for count, _ in known)
        if len(known) == len(overlays):
            executions[node] = sum(count * times for count, times in known)
        if ran:
            executed += 1
        elif len(known) == len(overlays):
            missed.append(node)
        else:
            unknown.append(node)
    return Coverage(
        kind=static.kind,
        executed=executed,
        total=executed + len(missed),
        missed=tuple(missed),
        executions=executions,
        unknown=tuple(unknown),
        graph=static,
    )
