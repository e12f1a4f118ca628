"""Norms and means of absolute values, from the statistics that a recording keeps of a tensor."""

from __future__ import annotations

import math
from collections.abc import Iterable

from inspector.records import TensorSummary


def finite_count(summary: TensorSummary) -> int:
    """How many values are neither NaN nor infinite."""
    return summary.numel - summary.nan_count - summary.inf_count


def nonfinite_count(summary: TensorSummary | None) -> int:
    """How many values are NaN or infinite; 0 where nothing is known."""
    return 0 if summary is None else summary.nan_count + summary.inf_count


def norm_of(summary: TensorSummary | None) -> float | None:
    """The Euclidean norm of the finite values: sqrt(count * (mean² + std²)).

    mean² + std² is the mean of the squares, because `std` is the population's. For complex
    tensors the statistics are of the magnitudes, and so is the norm.

    Returns:
        In the tensor's own unit; 0.0 for an empty tensor, None where nothing is known or
        nothing is finite.
    """
    if summary is None:
        return None
    if summary.numel == 0:
        return 0.0
    if summary.mean is None or summary.std is None:
        return None
    # hypot, not squares: a mean of 1e200 has a norm, its square is out of range.
    return math.hypot(summary.mean, summary.std) * math.sqrt(finite_count(summary))


def norm_of_all(summaries: Iterable[TensorSummary | None]) -> float | None:
    """The norm of several tensors taken as one vector; None where no part of it is known."""
    norms = [norm for norm in map(norm_of, summaries) if norm is not None]
    return math.hypot(*norms) if norms else None


def rms_of(summary: TensorSummary | None) -> float | None:
    """The root of the mean square, sqrt(mean² + std²): the norm without the tensor's size."""
    if summary is None or summary.mean is None or summary.std is None:
        return None
    return math.hypot(summary.mean, summary.std)


def mean_abs_of(summary: TensorSummary | None) -> float | None:
    """The mean of the absolute values.

    Exact where all values have one sign. Else from the histogram, taking the values of a bin as
    evenly spread over it, and never outside of |mean| to root mean square, where it must lie.
    """
    if summary is None or summary.min is None or summary.max is None or summary.mean is None:
        return None
    if summary.min >= 0.0 or summary.max <= 0.0:
        return abs(summary.mean)
    counted = sum(summary.histogram)
    rms = rms_of(summary)
    if not counted or rms is None:
        return rms
    width = (summary.max - summary.min) / len(summary.histogram)
    total = sum(
        count * _mean_abs_between(summary.min + i * width, summary.min + (i + 1) * width)
        for i, count in enumerate(summary.histogram)
        if count
    )
    return min(max(total / counted, abs(summary.mean)), rms)


def _mean_abs_between(low: float, high: float) -> float:
    """The mean of |x| for x evenly spread from `low` to `high`."""
    if low >= 0.0 or high <= 0.0:
        return abs(low + high) / 2
    return (low * low + high * high) / (2 * (high - low))
