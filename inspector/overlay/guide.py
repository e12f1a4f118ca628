"""What an interpretation of the graph found, as a guide for the replay of a recording."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from inspector.language import sentence
from inspector.records import Disagreement, IRNode, StaticGraph
from inspector.static_run import StaticRun

Visits = Mapping[int, tuple[int, ...]]


class Guide:
    """The branches and trips of one run, visit by visit."""

    def __init__(self, run: StaticRun) -> None:
        self._taken = _iterators(run.taken)
        self._trips = _iterators(run.trips)

    def block(self, node: int) -> int | None:
        """The block that the next visit of a `prim::If` takes; None when there was none."""
        return next(self._taken.get(node, iter(())), None)

    def trips(self, node: int) -> int | None:
        """The trips of the next visit of a `prim::Loop`; None when there was none."""
        return next(self._trips.get(node, iter(())), None)


def _iterators(visits: Visits) -> dict[int, Iterator[int]]:
    return {node: iter(each) for node, each in visits.items()}


class Interpreted:
    """The counts of one or several runs together, visits in their order."""

    def __init__(self, runs: Sequence[StaticRun]) -> None:
        total: Counter[int] = Counter()
        for run in runs:
            total.update(run.executions)
        self.executions: dict[int, int] = {
            node: total[node] for run in runs[:1] for node in run.executions
        }
        self.taken = _joined([run.taken for run in runs])
        self.trips = _joined([run.trips for run in runs])

    def disagreements(
        self, static: StaticGraph, executions: Mapping[int, int], taken: Visits, trips: Visits
    ) -> tuple[Disagreement, ...]:
        """Where a recording tells something else.

        Args:
            static: the graph.
            executions, taken, trips: what the recording tells, nodes left out where it cannot.
        """
        recorded = {"executions": executions, "taken": taken, "trips": trips}
        found: list[Disagreement] = []
        differing: set[int] = set()
        for node in static.nodes:
            difference = self._difference(node, recorded)
            explained = node.parent is not None and node.parent[0] in differing
            if difference is not None and not explained:
                found.append(difference)
            if difference is not None or explained:
                differing.add(node.id)
        return tuple(found)

    def _difference(
        self, node: IRNode, recorded: Mapping[str, Mapping[int, Any]]
    ) -> Disagreement | None:
        for what, counts in recorded.items():
            mine, theirs = getattr(self, what).get(node.id), counts.get(node.id)
            if mine is not None and theirs is not None and mine != theirs:
                return _disagreement(node, what, mine, theirs)
        return None


def _joined(each: Sequence[Visits]) -> dict[int, tuple[int, ...]]:
    joined: dict[int, tuple[int, ...]] = {}
    for visits in each:
        for node, some in visits.items():
            joined[node] = joined.get(node, ()) + some
    return joined


def _disagreement(
    node: IRNode, what: str, mine: int | tuple[int, ...], theirs: int | tuple[int, ...]
) -> Disagreement:
    places = {
        "kind": node.kind,
        "line": sentence(" at line {line}", line=node.source.line) if node.source else "",
        "mine": _text(mine),
        "theirs": _text(theirs),
    }
    if what == "executions":
        reason = sentence(
            "`{kind}`{line} ran {mine} times when the graph was interpreted, and by the recording "
            "{theirs}.",
            **places,
        )
    elif what == "taken":
        reason = sentence(
            "`{kind}`{line} took blocks {mine} when the graph was interpreted, and by the "
            "recording {theirs}.",
            **places,
        )
    else:
        reason = sentence(
            "`{kind}`{line} made trips {mine} when the graph was interpreted, and by the recording "
            "{theirs}.",
            **places,
        )
    return Disagreement(node.id, what, mine, theirs, node.source, reason)


def _text(value: int | tuple[int, ...]) -> str:
    if isinstance(value, int):
        return str(value)
    shown = ", ".join(map(str, value[:8])) or sentence("none")
    if len(value) <= 8:
        return shown
    return sentence("{shown}, … ({n} visits)", shown=shown, n=len(value))
