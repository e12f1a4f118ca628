"""Loops with other numbers of trips in sentences: which value ended the shorter run, and when."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from inspector.comparison import DecisionDifference, LoopDifference
from inspector.language import counted, sentence

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
        told[_told(loop, decisions, what)] += 1
    for body, count in told.items():
        if count == 1:
            yield sentence("{body}.", body=body)
        else:
            yield sentence("{body} ({times}).", body=body, times=times(count))


def _told(loop: LoopDifference, decisions: Sequence[DecisionDifference], what: What) -> str:
    """A sentence without its full stop."""
    header, place = loop.header, f"{os.path.basename(loop.file)}:{loop.line}"
    ran = sentence(
        "The loop `{header}` at {place} ran {b} in B instead of {a}",
        header=header,
        place=place,
        b=times(loop.trips_b),
        a=times(loop.trips_a),
    )
    if not loop.trips_b:
        ran = sentence(
            "The loop `{header}` at {place} made no trip in B instead of {a:,}",
            header=header,
            place=place,
            a=loop.trips_a,
        )
    return ran if loop.cause is None else _because(ran, loop, decisions[loop.cause], what)


def _because(ran: str, loop: LoopDifference, decision: DecisionDifference, what: What) -> str:
    """By which value, in which trip, the shorter run left the loop; and when the other one did."""
    source, read = decision.source_a, what(decision)
    is_here = source is None or source.line == loop.line
    if source is not None and not is_here:
        read = sentence("{what} on line {line}", what=read, line=source.line)
    if loop.cause_trip is None:
        return sentence(
            "{ran}, because {what} was {b} in B and {a} in A",
            ran=ran,
            what=read,
            b=str(decision.value_b),
            a=str(decision.value_a),
        )
    shorter, longer, value, other = "A", "B", decision.value_a, decision.value_b
    if loop.trips_b < loop.trips_a:
        shorter, longer, value, other = "B", "A", other, value
    # What a `while` tests is read between two trips, all else inside of one.
    tests = loop.header.startswith("while") and is_here
    left = sentence(
        "{what} was {value} {when} in {shorter} ({other} in {longer})",
        what=read,
        value=str(value),
        when=_when(loop.cause_trip, tests),
        shorter=shorter,
        other=str(other),
        longer=longer,
    )
    if loop.end_trip is None:
        return sentence(
            "{ran}, because {left}, and never in {longer}", ran=ran, left=left, longer=longer
        )
    return sentence(
        "{ran}, because {left}, and only {when} in {longer}",
        ran=ran,
        left=left,
        when=_when(loop.end_trip, tests),
        longer=longer,
    )


def _when(trip: int, between: bool) -> str:
    """When in a loop: `between` two trips, or inside one."""
    if not between:
        return sentence("at trip {number:,}", number=trip + 1)
    if not trip:
        return sentence("before the first trip")
    return counted("after {count} trip", "after {count} trips", trip)


_FEW = {0: sentence("never"), 1: sentence("once"), 2: sentence("twice")}


def times(count: int) -> str:
    """How often: "twice", "5 times"."""
    return _FEW.get(count) or sentence("{count:,} times", count=count)
