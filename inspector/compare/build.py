"""`compare`: two recordings, aligned."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable

from inspector.compare.align import Both, align, everything
from inspector.compare.causes import loop_differences
from inspector.compare.changes import changes, drift
from inspector.compare.explain import Told
from inspector.compare.sites import Version
from inspector.compare.tree import Item, Tree, loop_key, shared_frames
from inspector.comparison import (
    Comparison,
    DecisionDifference,
    Drift,
    Value,
)
from inspector.loops import find_loops
from inspector.making import uncollected
from inspector.records import Decision, Recording


def compare(a: Recording, b: Recording, *, tolerance: float | None = None) -> Comparison:
    """Align two runs and say where they part.

    Ops are paired by where they ran: the chain of module calls, the loop, the trip, the place in
    the code and the function. So the op after a loop stays the op after the loop, however often
    the loop ran. Where the code of the two runs differs, lines that only moved keep their place,
    and what ran on changed lines is paired by function, in order. Takes linear time.

    Args:
        a: the run that the other is told against.
        b: the other run: another input, mode, dtype, or version of the code.
        tolerance: relative; pairs whose results are further apart count as changed, too. None
            does not look at values (another input has other values everywhere).

    Two runs that have nothing in common give a comparison without pairs; its explanation says so.
    """
    with uncollected():
        return compared(Aligned(a, b), tolerance)


def compared(aligned: Aligned, tolerance: float | None = None) -> Comparison:
    """What two aligned runs have in common; see `compare`."""
    a, b = aligned.a.recording, aligned.b.recording
    common = tuple(aligned.pairs("op"))
    only_a, only_b = aligned.alone()
    changed = tuple(changes(a, b, common, tolerance))
    decisions = tuple(_decisions(aligned, dict(common)))
    loops = tuple(loop_differences(aligned, decisions))
    told = Told(a, b, common, only_a, only_b, changed, decisions, loops)
    return Comparison(
        common=common,
        only_a=only_a,
        only_b=only_b,
        changes=changed,
        decisions=decisions,
        loops=loops,
        calls=tuple(aligned.pairs("call")),
        first_difference=told.first(),
        explanation=tuple(told.sentences()),
    )


def value_drift(a: Recording, b: Recording, comparison: Comparison) -> tuple[Drift, ...]:
    """How far the results of each pair are apart, in the order of A.

    Pairs whose shapes differ, or of whose values nothing was recorded, are left out.
    """
    return tuple(drift(a, b, comparison.common))


class Side:
    """One of the two runs: its loops, and its code as it is told in for both."""

    def __init__(self, recording: Recording, others: Recording, *, reference: bool) -> None:
        self.recording = recording
        self.loops = find_loops(recording)
        self.version = Version(recording.sources, others.sources, reference=reference)

    def unclear(self) -> frozenset[Hashable]:
        """The loops whose trips the ops do not tell apart for certain."""
        unclear = (run.statement for run in self.loops.runs if not run.exact)
        return frozenset(loop_key(statement, self.version) for statement in unclear)

    def tree(self, flat: frozenset[Hashable], outer: int, numbers: dict[Hashable, int]) -> Item:
        """The run as a tree, as `Tree` takes its arguments."""
        return Tree(self.recording, self.loops, self.version, numbers, flat, outer).root


class Aligned:
    """Both runs, one tree of their items (`both`), and the items by kind in order."""

    def __init__(self, a: Recording, b: Recording) -> None:
        self.a = Side(a, b, reference=True)
        self.b = Side(b, a, reference=False)
        flat = self.a.unclear() | self.b.unclear()
        self._align(flat, 0)
        if a.ops and b.ops and not any(one.a and one.b for one in self.items["op"]):
            self._align(flat, shared_frames((a, b)) or 1)

    def _align(self, flat: frozenset[Hashable], outer: int) -> None:
        numbers: dict[Hashable, int] = {}
        tree_a = self.a.tree(flat, outer, numbers)
        self.both = align(tree_a, self.b.tree(flat, outer, numbers))
        self.items: defaultdict[str, list[Both]] = defaultdict(list)
        for one in everything(self.both):
            self.items[one.item.kind].append(one)

    def pairs(self, kind: str) -> list[tuple[int, int]]:
        """The numbers of the pairs of items of a kind, in the order of A."""
        items = self.items.get(kind, ())
        return sorted((one.a.number, one.b.number) for one in items if one.a and one.b)

    def alone(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The ops that are in A only, and those in B only."""
        only_a, only_b = [], []
        for one in self.items.get("op", ()):
            if one.b is None:
                only_a.append(one.item.number)
            elif one.a is None:
                only_b.append(one.item.number)
        return tuple(sorted(only_a)), tuple(sorted(only_b))


def _decisions(aligned: Aligned, other_op: dict[int, int]) -> list[DecisionDifference]:
    """Decisions with other values, and those of one run only, in the order of A, then of B."""
    a, b = aligned.a.recording, aligned.b.recording
    other_read = dict(aligned.pairs("read"))
    of_op_b = {d.op: d for d in b.decisions if d.op is not None}
    partner: dict[int, Decision] = {}
    for decision in a.decisions:
        if decision.op is None:
            number = other_read.get(decision.id)
            mine = None if number is None else b.decisions[number]
        else:
            mine = of_op_b.get(other_op.get(decision.op, -1))
        if mine is not None:
            partner[decision.id] = mine
    found = [_difference(one, partner.get(one.id)) for one in a.decisions]
    paired = {decision.id for decision in partner.values()}
    found += [_difference(None, other) for other in b.decisions if other.id not in paired]
    return [one for one in found if one is not None]


def _difference(a: Decision | None, b: Decision | None) -> DecisionDifference | None:
    if a is not None and b is not None and _equal(a.value, b.value):
        return None
    return DecisionDifference(
        None if a is None else a.id,
        None if b is None else b.id,
        None if a is None else a.value,
        None if b is None else b.value,
        None if a is None else a.source,
        None if b is None else b.source,
    )


def _equal(a: Value, b: Value) -> bool:
    """Whether two values are the same; NaN is NaN."""
    return a == b or (a != a and b != b)
