"""Compares two values of one tensor: what the run had, and what the graph computed."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy

from inspector.language import sentence
from inspector.records import TensorInfo, TensorSummary
from inspector.static_run import StaticValue
from inspector.verdicts import Agreement, Side

ROUNDING = {
    "float64": 1e-12,
    "complex128": 1e-12,
    "float32": 1e-5,
    "complex64": 1e-5,
    "float16": 4e-3,
    "bfloat16": 3e-2,
}
"""Differences up to this part of the largest value count as rounding; none of whole numbers do."""

TOLERANCE = sentence(
    "Up to rounding: no difference larger than 1e-5 of the tensor's largest value (float32; "
    "1e-12 for float64, 4e-3 for float16, 3e-2 for bfloat16); whole numbers have to be equal."
)

_READING = 1e-6
"""Means of large tensors are added up in an order that depends on where the memory lies."""

ReadArray = Callable[[Any], "numpy.ndarray | None"]
"""Makes an array of a live tensor; None where its values cannot be read."""


@dataclass(frozen=True, slots=True)
class Match:
    """How two values compare; `what` differs: "shape", "dtype", "value" or "" (nothing)."""

    agreement: Agreement
    what: str = ""
    difference: float | None = None

    @property
    def rank(self) -> int:
        """0 for the best agreement."""
        return _ORDER.index(self.agreement)


_ORDER: tuple[Agreement, ...] = ("bits", "statistics", "rounding", "unknown", "differs")


def compared(
    static: StaticValue, info: TensorInfo, array: numpy.ndarray | None, read: ReadArray
) -> Match:
    """Compare what a node made with what an op made.

    Args:
        static: the node's value.
        info: the op's tensor.
        array: all values of that, where they were kept.
        read: gives the values of a live tensor. They may be of later, after a write in place:
            only their being equal tells something.
    """
    if static.shape is not None and static.shape != info.shape:
        return Match("differs", "shape")
    if static.dtype is not None and static.dtype != info.dtype:
        return Match("differs", "dtype")
    if array is not None:
        if static.array is not None:
            return _arrays(static.array, array, info.dtype)
        live = None if static.live is None else read(static.live)
        if live is not None and live.shape == array.shape and _same_bits(live, array):
            return Match("bits")
    if static.summary is None or info.summary is None:
        return Match("unknown")
    return _summaries(static.summary, info.summary, info.dtype)


def arrays_compared(static: StaticValue, info: TensorInfo, array: Any, live: Any) -> Match:
    """Compare two results of which all values are at hand."""
    first = compared(static, info, None, lambda _: None)
    if array is None or live is None or first.what in ("shape", "dtype"):
        return first
    return _arrays(live, array, info.dtype)


def _same_bits(a: numpy.ndarray, b: numpy.ndarray) -> bool:
    return bool(numpy.array_equal(a, b, equal_nan=a.dtype.kind in "fc" and b.dtype.kind in "fc"))


def _arrays(static: numpy.ndarray, dynamic: numpy.ndarray, dtype: str) -> Match:
    if static.shape != dynamic.shape:
        return Match("differs", "shape")
    if _same_bits(static, dynamic):
        return Match("bits")
    wide = numpy.complex128 if dynamic.dtype.kind == "c" else numpy.float64
    a, b = static.astype(wide), dynamic.astype(wide)
    finite = numpy.isfinite(a) & numpy.isfinite(b)
    if not _same_bits(a[~finite], b[~finite]):
        return Match("differs", "value", math.inf)
    a, b = a[finite], b[finite]
    difference = float(numpy.abs(a - b).max())
    return _judged(difference, float(max(numpy.abs(a).max(), numpy.abs(b).max())), dtype)


def _judged(difference: float, scale: float, dtype: str) -> Match:
    if difference <= ROUNDING.get(dtype, 0.0) * scale:
        return Match("rounding", "", difference)
    return Match("differs", "value", difference)


def _summaries(static: TensorSummary, dynamic: TensorSummary, dtype: str) -> Match:
    whole = static.numel <= len(static.sample)
    if static is dynamic or static == dynamic:
        return Match("bits" if whole else "statistics")
    counts = [(each.numel, each.nan_count, each.inf_count) for each in (static, dynamic)]
    if counts[0] != counts[1]:
        return Match("differs", "value", math.inf if counts[0][1:] != counts[1][1:] else None)
    exact = [(each.min, each.max, each.zero_fraction, each.histogram) for each in (static, dynamic)]
    samples = [_without_nan(each.sample) for each in (static, dynamic)]
    scale = max((abs(n) for each in exact for n in each[:2] if n is not None), default=0.0)
    moments = _largest([(static.mean, dynamic.mean), (static.std, dynamic.std)])
    if exact[0] == exact[1] and samples[0] == samples[1] and moments <= _READING * scale:
        return Match("bits" if whole else "statistics")
    pairs = [(static.min, dynamic.min), (static.max, dynamic.max)]
    pairs += list(zip(*samples, strict=True))
    return _judged(max(moments, _largest(pairs)), scale, dtype)


def _without_nan(sample: tuple[float, ...]) -> tuple[float | None, ...]:
    return tuple([None if math.isnan(value) else value for value in sample])


def _largest(pairs: list[tuple[float | None, float | None]]) -> float:
    largest = 0.0
    for a, b in pairs:
        if a == b:
            continue
        if a is None or b is None:
            return math.inf
        largest = max(largest, abs(a - b))
    return largest


def side_of_tensor(info: TensorInfo) -> Side:
    """A recorded tensor, in words."""
    text = _tensor_text(info.shape, info.dtype, info.summary)
    return Side(text, None, info.shape, info.dtype, info.summary)


def side_of_value(value: StaticValue) -> Side:
    """A value of the graph, in words."""
    if value.shape is None:
        return Side(value.text, value.plain)
    text = _tensor_text(value.shape, value.dtype or "", value.summary)
    return Side(text, None, value.shape, value.dtype, value.summary)


def _tensor_text(shape: tuple[int, ...], dtype: str, summary: TensorSummary | None) -> str:
    if summary is None or summary.mean is None:
        return sentence("{dtype} of shape {shape}", dtype=dtype, shape=str(shape))
    if summary.numel == 1:
        return f"{dtype} {summary.mean:.6g}"
    return sentence(
        "{dtype} of shape {shape}, mean {mean:.6g}",
        dtype=dtype,
        shape=str(shape),
        mean=summary.mean,
    )
