"""Inputs counted by the structure of their runs: `Tally`, which several processes can share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from inspector.census.domains import Values
from inspector.census.fingerprint import fingerprint, short_name
from inspector.counted import InputProblem, Value
from inspector.records import Decision, Recording

Site = tuple[str, int, int, str, str]
"""File without its folder, line, column, kind and function: the same on every machine."""

Key = tuple[Site, int]
"""A site, and which time a run came by, from 1."""


ARGUMENT, SHAPE = "argument", "the shape of"
"""Kinds of sites that are no place in the code: what the model was called with."""

Fact = tuple[str, str, Value]
"""What one argument was: kind, the argument's name, value."""


@dataclass(slots=True)
class Group:
    """The inputs that gave one structure.

    `recording` is that of the first of them, `example`; None where it is known elsewhere.
    `values` are in order of the run, `visits` how often the runs came by at each site.
    """

    fingerprint: str
    example: int
    label: str
    ops: int
    recording: Recording | None
    count: int = 0
    values: dict[Key, Values] = field(default_factory=dict)
    visits: dict[Site, Values] = field(default_factory=dict)

    def add(self, recording: Recording, facts: Sequence[Fact] = ()) -> None:
        """One more input's run, and what the model was called with."""
        self.count += 1
        met: Counter[Site] = Counter()
        for kind, name, value in facts:
            self.values.setdefault((("", 0, 0, kind, name), 1), Values()).add(value)
        for decision in recording.decisions:
            site = site_of(decision)
            met[site] += 1
            key = site, met[site]
            found = self.values.get(key)
            if found is None:
                found = self.values[key] = Values()
            found.add(decision.value)
        for site, count in met.items():
            self.visits.setdefault(site, Values()).add(count)

    def merge(self, other: Group) -> None:
        """The inputs of another process, too; the first of all is the example."""
        self.count += other.count
        if other.example < self.example:
            self.example, self.label, self.recording = other.example, other.label, other.recording
        for key, values in other.values.items():
            self.values.setdefault(key, Values()).merge(values)
        for site, visits in other.visits.items():
            self.visits.setdefault(site, Values()).merge(visits)


@dataclass(frozen=True, slots=True)
class Point:
    """One input that was run; its variant is not numbered yet."""

    position: int
    label: str
    fingerprint: str
    ops: int
    duration_us: float


@dataclass(slots=True)
class Tally:
    """What is known of the inputs so far.

    `changed` names what the runs changed in the model and was put back, `notes` are the
    recordings' own, each with the number of inputs it was said of.
    """

    groups: dict[str, Group] = field(default_factory=dict)
    points: list[Point] = field(default_factory=list)
    problems: list[InputProblem] = field(default_factory=list)
    changed: set[str] = field(default_factory=set)
    notes: Counter[str] = field(default_factory=Counter)

    def add(
        self, position: int, label: str, recording: Recording, facts: Sequence[Fact] = ()
    ) -> Group | None:
        """Count the run of one input; its group if it is the first in it."""
        mark = fingerprint(recording)
        ops = len(recording.ops)
        known = self.groups.get(mark)
        group = known or self.groups.setdefault(mark, Group(mark, position, label, ops, recording))
        group.add(recording, facts)
        duration = float(recording.meta.get("duration_ms", 0.0)) * 1000
        self.points.append(Point(position, label, mark, ops, duration))
        self.notes.update(recording.notes)
        return group if known is None else None

    def merge(self, other: Tally) -> None:
        """Count what another process has counted; each input may be in one of them only."""
        for mark, group in other.groups.items():
            mine = self.groups.get(mark)
            if mine is None:
                self.groups[mark] = group
            else:
                mine.merge(group)
        self.points += other.points
        self.problems += other.problems
        self.changed |= other.changed
        self.notes.update(other.notes)


def site_of(decision: Decision) -> Site:
    """Where a decision was taken, as a key."""
    source = decision.source
    if source is None:
        return "", 0, 0, decision.kind, ""
    return short_name(source.file), source.line, source.column, decision.kind, source.function
