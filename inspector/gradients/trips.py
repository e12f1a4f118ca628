"""The activations along the depth: the trips of loops, and the first against the last one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from inspector.gradients.model import ActivationGradient, ActivationRange
from inspector.loops import LoopPlace, find_loops
from inspector.records import Recording

_Trip = tuple[int, int]


def with_trips(
    recording: Recording, activations: Sequence[ActivationGradient]
) -> tuple[ActivationGradient, ...]:
    """The activations, each with the trip of the loop that it ran in.

    A loop around whole training steps is none of theirs: only loops count that went around more
    than once within one backward pass.
    """
    loops = find_loops(recording)
    if not loops.runs:
        return tuple(activations)
    places = {one.op: loops.around(one.op) for one in activations}
    trips: dict[tuple[int, int], set[int]] = {}
    for one in activations:
        for place in places[one.op]:
            if place.trip is not None:
                trips.setdefault((one.pass_index, place.run), set()).add(place.trip)
    return tuple(
        replace(one, trip=_outermost(one.pass_index, places[one.op], trips)) for one in activations
    )


def _outermost(
    pass_index: int, places: Iterable[LoopPlace], trips: Mapping[tuple[int, int], set[int]]
) -> _Trip | None:
    for place in places:
        if place.trip is not None and len(trips[pass_index, place.run]) > 1:
            return place.run, place.trip
    return None


def activation_range(
    activations: Iterable[ActivationGradient], round: int
) -> ActivationRange | None:
    """First against last activation with a gradient, of a round's last pass.

    Returns:
        None where fewer than two activations have a finite gradient above zero.
    """
    of_round = [one for one in activations if one.round == round]
    number = max((one.pass_index for one in of_round), default=-1)
    known = [(one, one.norm) for one in of_round if one.pass_index == number and one.norm]
    known = [(one, norm) for one, norm in known if not one.nonfinite]
    if len(known) < 2:
        return None
    (first, low), (last, high) = known[0], known[-1]
    trips: dict[_Trip, list[float]] = {}
    for one, norm in known:
        if one.trip is not None:
            trips.setdefault(one.trip, []).append(norm)
    ratios = tuple(norms[-1] / norms[0] for norms in trips.values() if len(norms) > 1)
    return ActivationRange((first.op, last.op), (low, high), ratios)


def largest_change(found: ActivationRange) -> float:
    """The largest factor, up or down, over the whole depth or within one trip; 1 or more."""
    low, high = found.ends
    return max(max(ratio, 1 / ratio) for ratio in (high / low, *found.trips))
