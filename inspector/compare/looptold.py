"""Loops with other numbers of trips in sentences: which value ended the shorter run, and when."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from inspector.comparison import DecisionDifference, LoopDifference

What = Callable[[DecisionDifference], str]


def loop_sentences(
    loops: Sequence[LoopDifference], decisions: Sequence[DecisionDifference], what: What
) -> Iterator[str]:
    """A sentence for each loop; equal ones once: a loop inside a loop runs many times.

    Args:
        loops: of a comparison.
        decisions: of the same one.
        what: says what a decision read.
    """
    told: Counter[str] = Counter()
    for loop in loops:
        place = f"{os.path.basename(loop.file)}:{loop.line}"
        ran = f"ran {times(loop.trips_b)} in B instead of {times(loop.trips_a)}"
        if not loop.trips_b:
            ran = f"made no trip in B instead of {loop.trips_a:,}"
        because = "" if loop.cause is None else _because(loop, decisions[loop.cause], what)
        told[f"The loop `{loop.header}` at {place} {ran}{because}."] += 1
    for sentence, count in told.items():
        yield sentence if count == 1 else f"{sentence[:-1]} ({times(count)})."


def _because(loop: LoopDifference, decision: DecisionDifference, what: What) -> str:
    """By which value, in which trip, the shorter run left the loop; and when the other one did."""
    source = decision.source_a
    line = "" if source is None or source.line == loop.line else f" on line {source.line}"
    because = f", because {what(decision)}{line} was"
    if loop.cause_trip is None:
        return f"{because} {decision.value_b} in B and {decision.value_a} in A"
    shorter, longer, value, other = "A", "B", decision.value_a, decision.value_b
    if loop.trips_b < loop.trips_a:
        shorter, longer, value, other = "B", "A", other, value
    # What a `while` tests is read between two trips, all else inside of one.
    tests = loop.header.startswith("while") and not line
    end = "never" if loop.end_trip is None else f"only {_when(loop.end_trip, tests)}"
    first = f"{value} {_when(loop.cause_trip, tests)} in {shorter} ({other} in {longer})"
    return f"{because} {first}, and {end} in {longer}"


def _when(trip: int, between: bool) -> str:
    """When in a loop: `between` two trips, or inside one."""
    if not between:
        return f"at trip {trip + 1:,}"
    return f"after {plural(trip, 'trip')}" if trip else "before the first trip"


def times(count: int) -> str:
    """How often: "twice", "5 times"."""
    return {0: "never", 1: "once", 2: "twice"}.get(count, f"{count:,} times")


def plural(count: int, word: str) -> str:
    """A count with its word: "1 op", "2 ops"."""
    return f"{count:,} {word}" if count == 1 else f"{count:,} {word}s"
