"""What stands out in the gradients of a run, as plain numbers: the sentences are the page's.

The bounds are rules of thumb, not laws. That an update of about a thousandth of the weight is
healthy is Andrej Karpathy's (cs231n, "Ratio of weights:updates"); gradients that shrink or grow
by a constant factor per layer were described by Hochreiter (1991) and Bengio et al. (1994).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from inspector.gradients.model import (
    ActivationGradient,
    ParameterGradients,
    Reading,
    Rectifier,
    Round,
)
from inspector.gradients.rounds import nodes_by_pass
from inspector.gradients.trips import activation_range, largest_change
from inspector.language import sentence
from inspector.norms import nonfinite_count, norm_of
from inspector.records import Recording, TensorSummary

VANISHING = 1000.0
"""A gradient that is this many times smaller at one end of the depth vanishes, or explodes."""

UNEVEN = 30.0
"""From here on it shrinks or grows noticeably."""

MOSTLY_ZERO = 0.9
"""A rectifier's share of zeros from which on it lets little through."""

HEALTHY_UPDATE = 1e-3
LARGE_UPDATE, SMALL_UPDATE = 1e-1, 1e-5
"""Update norm over weight norm: usual, too large, hardly anything."""

_ORDER = {"error": 0, "warning": 1, "note": 2}


def update_ratio(parameter: ParameterGradients, round: int) -> float | None:
    """How far an update moved a parameter, in parts of its norm before it.

    Returns:
        ‖update‖ / ‖weight‖; None without an update, or where the weights were all zero.
    """
    moved, weight = parameter.updates[round], norm_of(parameter.weights[round])
    return None if moved is None or not weight else moved / weight


def is_zero(summary: TensorSummary | None) -> bool:
    """Whether every value is known to be zero."""
    return summary is not None and summary.numel > 0 and summary.zero_fraction >= 1.0


def readings_of(
    recording: Recording,
    rounds: Sequence[Round],
    parameters: Sequence[ParameterGradients],
    activations: Sequence[ActivationGradient],
    rectifiers: Sequence[Rectifier],
) -> tuple[Reading, ...]:
    """All that stands out, errors first."""
    if not rounds:
        return (Reading("no backward", "note"),)
    found = [*_nonfinite(recording, rounds, parameters), *_missing(parameters)]
    if any(node.grad_outputs and node.grad_outputs[0] for node in recording.grad_nodes):
        found += _zeros(parameters)
        found += _along_depth(parameters, activations, len(rounds))
        found += _rectified(rectifiers)
        found += _updates(parameters, len(rounds))
    else:
        found.append(Reading("no values", "note"))
    return tuple(sorted(found, key=lambda reading: _ORDER[reading.severity]))


def _nonfinite(
    recording: Recording, rounds: Sequence[Round], parameters: Sequence[ParameterGradients]
) -> Iterator[Reading]:
    """The first round with a gradient that is not finite, and the node that it came out of."""
    passes = nodes_by_pass(recording)
    for round in rounds:
        bad = [
            node
            for number in round.passes
            for node in passes.get(number, ())
            if _has_nonfinite(node.grad_inputs) or _has_nonfinite(node.grad_outputs)
        ]
        if not bad:
            continue
        names = tuple(
            one.name
            for one in parameters
            if (gradient := one.gradients[round.id]) and nonfinite_count(gradient.summary)
        )
        origin = next((node for node in bad if not _has_nonfinite(node.grad_outputs)), bad[0])
        yield Reading("nonfinite", "error", names, round.id, len(bad), node=origin.id)
        return


def _has_nonfinite(summaries: Iterable[TensorSummary | None]) -> bool:
    return any(map(nonfinite_count, summaries))


def _missing(parameters: Sequence[ParameterGradients]) -> Iterator[Reading]:
    names = tuple(one.name for one in parameters if one.requires_grad and not one.rounds)
    if names:
        yield Reading("no gradient", "warning", names, value=len(names))


def _zeros(parameters: Sequence[ParameterGradients]) -> Iterator[Reading]:
    """Gradients that are zero in all rounds, and those that are in the last one."""
    zero = {
        one.name: [is_zero(g.summary) for g in one.gradients if g is not None]
        for one in parameters
        if one.rounds
    }
    always = tuple(name for name, known in zero.items() if all(known))
    now = tuple(name for name, known in zero.items() if known[-1] and not all(known))
    if always:
        yield Reading("always zero", "warning", always, value=len(always))
    if now:
        yield Reading("zero at last", "warning", now, value=len(now))


def _along_depth(
    parameters: Sequence[ParameterGradients],
    activations: Sequence[ActivationGradient],
    rounds: int,
) -> Iterator[Reading]:
    """The first against the last weight matrix, in the last round with gradients.

    Beside it, the first against the last activation: only where these do not change much either
    the gradient is even. Where one of them is zero there is no ratio; `_zeros` tells of it.
    """
    for round in reversed(range(rounds)):
        sized = [
            (one, norm)
            for one in parameters
            if (gradient := one.gradients[round])
            and (norm := norm_of(gradient.summary)) is not None
        ]
        matrices = [(one, norm) for one, norm in sized if len(one.shape) > 1]
        sized = matrices if len(matrices) > 1 else sized
        if len(sized) < 2:
            continue
        (first, low), (last, high) = sized[0], sized[-1]
        if low and high:
            kind, severity, times = _trend(high / low)
            beside = activation_range(activations, round)
            if kind == "even" and beside is not None and largest_change(beside) >= UNEVEN:
                kind = "even weights"
            names = (first.name, last.name)
            yield Reading(kind, severity, names, round, times, (low, high), activations=beside)
        return


def _trend(ratio: float) -> tuple[str, str, float]:
    """(kind, severity, by how much) of a last norm that is `ratio` times the first."""
    times = max(ratio, 1 / ratio) if ratio else float("inf")
    if times < UNEVEN:
        return "even", "note", times
    if ratio > 1:
        return (
            ("vanishing", "warning", times) if times >= VANISHING else ("shrinking", "note", times)
        )
    return ("exploding", "warning", times) if times >= VANISHING else ("growing", "note", times)


def _rectified(rectifiers: Sequence[Rectifier]) -> Iterator[Reading]:
    named = list(zip(rectifiers, places_of(rectifiers), strict=True))
    dead = [(one, name) for one, name in named if one.dead_since is not None]
    alive = [(one, name) for one, name in named if one.dead_since is None]
    partly = [(one, name) for one, name in alive if one.dead]
    mostly = [(one, name) for one, name in alive if not one.dead and one.zeros >= MOSTLY_ZERO]
    if dead:
        since = max(one.dead_since or 0 for one, _ in dead)
        yield Reading("dead", "warning", tuple(name for _, name in dead), since, len(dead))
    if partly:
        count = sum(len(one.dead) for one, _ in partly)
        yield Reading("dead units", "warning", tuple(name for _, name in partly), value=count)
    if mostly:
        share = max(one.zeros for one, _ in mostly)
        yield Reading("mostly zero", "note", tuple(name for _, name in mostly), value=share)


def place_of(rectifier: Rectifier) -> str:
    """What a rectifier is called: its module's path, and the op where that does not tell."""
    last = rectifier.path.rpartition(".")[2]
    if rectifier.path and rectifier.name.rstrip("_") in last.lower():
        return rectifier.path
    return f"{rectifier.path}.{rectifier.name}" if rectifier.path else rectifier.name


def places_of(rectifiers: Sequence[Rectifier]) -> list[str]:
    """What each is called, with its line where others have the same name."""
    names = Counter(map(place_of, rectifiers))
    return [
        sentence("{place}, line {line}", place=place_of(one), line=one.source.line)
        if one.source and names[place_of(one)] > 1
        else place_of(one)
        for one in rectifiers
    ]


def _updates(parameters: Sequence[ParameterGradients], rounds: int) -> Iterator[Reading]:
    """The updates of the last round that has any, of matrices where there are some.

    Biases and scales often start at zero, where any update is a large one.
    """
    for round in reversed(range(rounds)):
        known = [
            (one, ratio) for one in parameters if (ratio := update_ratio(one, round)) is not None
        ]
        matrices = [(one, ratio) for one, ratio in known if len(one.shape) > 1]
        ratios = {one.name: ratio for one, ratio in matrices or known}
        if not ratios:
            continue
        large = {name: ratio for name, ratio in ratios.items() if ratio > LARGE_UPDATE}
        small = {name: ratio for name, ratio in ratios.items() if ratio < SMALL_UPDATE}
        if large:
            yield Reading("jumping", "warning", tuple(large), round, max(large.values()))
        if small:
            yield Reading("still", "warning", tuple(small), round, max(small.values()))
        if not large and not small:
            middle = sorted(ratios.values())[len(ratios) // 2]
            yield Reading("normal updates", "note", tuple(ratios), round, middle)
        return
