"""In what the ops of a pair differ, and how far their results are apart."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING

from inspector.comparison import Change, Drift
from inspector.language import sentence
from inspector.records import Op, Recording, TensorInfo, TensorSummary

if TYPE_CHECKING:
    import numpy

_TENSOR = re.compile(r"%\d+")
_KINDS = "shape", "dtype", "device", "requires_grad"
_compared = attrgetter(*_KINDS)

_SAID = {
    "dtype": sentence("dtype"),
    "device": sentence("device"),
    "requires_grad": sentence("requires grad"),
}

SCALAR = sentence("scalar")

LONGEST = 40
"""Characters of a call's arguments that are told in full."""


def changes(
    a: Recording, b: Recording, pairs: Iterable[tuple[int, int]], tolerance: float | None
) -> Iterator[Change]:
    """The pairs whose ops differ, in order. An op that raised in one run only has no results."""
    ends = _failed(a), _failed(b)
    named_a, named_b = _parameters(a), _parameters(b)
    for one, other in pairs:
        if (one == ends[0]) != (other == ends[1]):
            continue
        found = list(_kinds(a, b, a.ops[one], b.ops[other]))
        mine = [named_a[number] for number in a.ops[one].inputs if number in named_a]
        theirs = [named_b[number] for number in b.ops[other].inputs if number in named_b]
        if mine != theirs:
            found.append(("parameters", sentence("{a} → {b}", a=_list(mine), b=_list(theirs))))
        if tolerance is not None:
            distance = pair_distance(a, b, one, other)
            if distance is not None and distance > tolerance:
                found.append(("values", sentence("values {distance:.2g} apart", distance=distance)))
        if found:
            first = dict(reversed(found))  # of several results, the first that differs
            kinds = tuple(dict.fromkeys(kind for kind, _ in found))
            yield Change(one, other, kinds, tuple(first[kind] for kind in kinds))


def _kinds(a: Recording, b: Recording, one: Op, other: Op) -> Iterator[tuple[str, str]]:
    """(kind, what it was and what it is) of each difference."""
    if len(one.outputs) != len(other.outputs):
        results = sentence("{count} results", count=len(other.outputs))
        yield (
            "shape",
            sentence("{a} → {b}", a=len(one.outputs), b=results),
        )
    for x, y in zip(one.outputs, other.outputs, strict=False):
        mine, theirs = a.tensors[x], b.tensors[y]
        if _compared(mine) != _compared(theirs):
            yield from _results(mine, theirs)
    if one.arguments != other.arguments:
        words = _TENSOR.sub("%", one.arguments), _TENSOR.sub("%", other.arguments)
        if words[0] != words[1]:
            yield "arguments", _arguments(*words)


def _failed(recording: Recording) -> int | None:
    return None if recording.failure is None else recording.failure.op


def _arguments(mine: str, theirs: str) -> str:
    """All of them, or where that is long, and there are equally many, those that differ."""
    parts = _parts(mine), _parts(theirs)
    if len(mine) > LONGEST and len(parts[0]) == len(parts[1]):
        apart = [pair for pair in zip(*parts, strict=True) if pair[0] != pair[1]]
        mine, theirs = (", ".join(side) for side in zip(*apart, strict=True))
    return f"({mine}) → ({theirs})"


def _parts(text: str) -> list[str]:
    """Arguments that a comma outside of all brackets stands between."""
    found, depth = [""], 0
    for char in text:
        depth += (char in "([{") - (char in ")]}")
        if char == "," and not depth:
            found.append("")
        else:
            found[-1] += char
    return [part.strip() for part in found]


def _results(x: TensorInfo, y: TensorInfo) -> Iterator[tuple[str, str]]:
    if x.shape != y.shape:
        yield "shape", sentence("{a} → {b}", a=_shape(x), b=_shape(y))
    for kind in _KINDS[1:]:
        mine, theirs = getattr(x, kind), getattr(y, kind)
        if mine != theirs:
            yield kind, sentence("{kind} {a} → {b}", kind=_SAID[kind], a=str(mine), b=str(theirs))


def _shape(tensor: TensorInfo) -> str:
    return "×".join(map(str, tensor.shape)) or SCALAR


def _list(names: Sequence[str]) -> str:
    return ", ".join(names) or sentence("no parameter")


def _parameters(recording: Recording) -> dict[int, str]:
    """The names of parameters and buffers, by tensor."""
    named = ((number, tensor.name) for number, tensor in recording.tensors.items())
    return {number: name for number, name in named if name is not None and name[-5:] != ".grad"}


# -- values ---------------------------------------------------------------------------------------


def drift(a: Recording, b: Recording, pairs: Iterable[tuple[int, int]]) -> Iterator[Drift]:
    """How far the pairs are apart, of those whose values are known in both."""
    for one, other in pairs:
        distance = pair_distance(a, b, one, other)
        if distance is not None:
            yield Drift(one, other, distance)


def pair_distance(a: Recording, b: Recording, one: int, other: int) -> float | None:
    """The largest distance of the results of two ops; None where nothing is known of them."""
    pairs = zip(a.ops[one].outputs, b.ops[other].outputs, strict=False)
    known = [_distance(a, b, x, y) for x, y in pairs]
    found = [distance for distance in known if distance is not None]
    return max(found, default=None)


def _distance(a: Recording, b: Recording, x: int, y: int) -> float | None:
    if a.tensors[x].shape != b.tensors[y].shape:
        return None
    if x in a.values and y in b.values:
        return _of_arrays(a.values[x], b.values[y])
    return _of_summaries(a.tensors[x].summary, b.tensors[y].summary)


def _of_arrays(x: numpy.ndarray, y: numpy.ndarray) -> float | None:
    import numpy  # not with `import inspector`, which is to be quick

    if x.shape != y.shape or x.dtype.kind not in "biufc" or y.dtype.kind not in "biufc":
        return None
    if not x.size:
        return 0.0
    kind = complex if "c" in (x.dtype.kind, y.dtype.kind) else float
    x, y = x.astype(kind), y.astype(kind)
    same = (x == y) | (numpy.isnan(x) & numpy.isnan(y))
    finite = numpy.isfinite(x) & numpy.isfinite(y)
    if not (same | finite).all():
        return math.inf
    largest, other = (float(numpy.abs(numpy.where(finite, each, 0)).max()) for each in (x, y))
    with numpy.errstate(invalid="ignore"):  # Inf - Inf, where both are
        apart = float(numpy.abs(numpy.where(finite, x - y, 0)).max())
    return _relative(apart, largest, other)


def _of_summaries(x: TensorSummary | None, y: TensorSummary | None) -> float | None:
    if x is None or y is None:
        return None
    if (x.nan_count, x.inf_count) != (y.nan_count, y.inf_count):
        return math.inf
    apart, largest, other = 0.0, 0.0, 0.0
    for mine, theirs in ((x.min, y.min), (x.max, y.max), (x.mean, y.mean), (x.std, y.std)):
        if mine is None or theirs is None:
            continue
        apart = max(apart, abs(mine - theirs))
        largest, other = max(largest, abs(mine)), max(other, abs(theirs))
    return _relative(apart, largest, other)


def _relative(apart: float, largest: float, other: float) -> float:
    """Apart by how much of the largest magnitude in A; of that in B, where A has only zeros."""
    return apart / (largest or other) if apart else 0.0
