"""The records of a comparison: what two runs have in common, and where they part.

Comparison
├── common             pairs of ops that are the same step of the program
├── only_a, only_b     ops that ran in one run only
├── changes            Change               a pair whose ops differ in something
├── decisions          DecisionDifference   a value that steered the runs differently
├── loops              LoopDifference       a loop with another number of trips
├── first_difference   Difference           where the runs part, in the order of the run
└── explanation        plain sentences
"""

from __future__ import annotations

from dataclasses import dataclass

from inspector.language import listed
from inspector.records import Source

Value = bool | int | float | str

_ROW = "{first}; {then}"


@dataclass(frozen=True, slots=True)
class Change:
    """An op of both runs that differs.

    `kinds` says in what: "shape", "dtype", "device" and "requires_grad" of its results,
    "arguments" (what is no tensor), "parameters" (by path), "values" (beyond the tolerance
    that was asked for). `details` says each in words, as in "4×3 → 2×3": A, then B.
    """

    a: int
    b: int
    kinds: tuple[str, ...]
    details: tuple[str, ...]

    @property
    def detail(self) -> str:
        """All of it in words."""
        return listed(self.details, _ROW)


@dataclass(frozen=True, slots=True)
class DecisionDifference:
    """A decision that came out differently, or that only one run took (None for the other).

    `a` and `b` are ids of decisions.
    """

    a: int | None
    b: int | None
    value_a: Value | None
    value_b: Value | None
    source_a: Source | None
    source_b: Source | None


@dataclass(frozen=True, slots=True)
class LoopDifference:
    """One execution of a loop statement that made another number of trips.

    `header` is its first line ("for x in xs"). `first_a` and `first_b` are the first ops in it.
    `cause` is the place in `Comparison.decisions` of the value that made the difference, where
    one was recorded, and `cause_trip` the trip, from 0, that read it (None: what the loop goes
    over). `end_trip` is the trip in which the longer run read there what the shorter one did at
    `cause_trip`, if it ever did.
    """

    header: str
    file: str
    line: int
    trips_a: int
    trips_b: int
    first_a: int
    first_b: int
    cause: int | None = None
    cause_trip: int | None = None
    end_trip: int | None = None


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference. `kind` is "decision", "loop", "only_a", "only_b", "changed" or "failure".

    `a` and `b` are ops (None where it is in one run only), `sentence` says it in words.
    """

    kind: str
    a: int | None
    b: int | None
    source: Source | None
    sentence: str


@dataclass(frozen=True, slots=True)
class Drift:
    """How far the results of a pair of ops are apart.

    `distance` is the largest difference between two of their values, where the recordings hold
    values, else between two of their statistics (minimum, maximum, mean, standard deviation);
    relative to the largest magnitude in A (in B where A has only zeros). True counts as 1: where
    a bool came out differently, the distance is 1. It is infinite where one has NaN or Inf that the
    other has not.
    """

    a: int
    b: int
    distance: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """What two recordings have in common, and where they part.

    `common` holds all pairs of ops (op of A, op of B) in the order of A, those of `changed`
    among them. `calls` are the pairs of module calls. `same` is true where nothing differs.
    """

    common: tuple[tuple[int, int], ...] = ()
    only_a: tuple[int, ...] = ()
    only_b: tuple[int, ...] = ()
    changes: tuple[Change, ...] = ()
    decisions: tuple[DecisionDifference, ...] = ()
    loops: tuple[LoopDifference, ...] = ()
    calls: tuple[tuple[int, int], ...] = ()
    first_difference: Difference | None = None
    explanation: tuple[str, ...] = ()

    @property
    def changed(self) -> tuple[tuple[int, int], ...]:
        """The pairs of ops that differ in something."""
        return tuple((change.a, change.b) for change in self.changes)

    @property
    def same(self) -> bool:
        """Whether the same ops ran in the same order, with nothing to tell them apart."""
        return self.first_difference is None

    def __str__(self) -> str:
        return "\n".join(self.explanation)
