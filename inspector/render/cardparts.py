"""Parts of cards: numbers, durations, a tensor's statistics, totals of module calls."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from inspector.records import Recording, TensorSummary
from inspector.views import words

Card = dict[str, Any]


def number_text(value: float | None) -> str:
    """A number in at most four significant digits; "-" for none, "NaN", "Inf" and "-Inf"."""
    if value is None:
        return "-"
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Inf" if value > 0 else "-Inf"
    if value == int(value) and abs(value) < 1e6:
        return str(int(value))
    return f"{value:.4g}"


def duration_text(microseconds: float) -> str:
    """As in "12 µs", "3.4 ms"."""
    if microseconds < 1000:
        return f"{microseconds:.0f} µs"
    if microseconds < 1e6:
        return f"{microseconds / 1000:.3g} ms"
    return f"{microseconds / 1e6:.3g} s"


def bytes_text(count: int) -> str:
    """As in "812 B", "4.2 kB", "1.3 MB", of 1,000 bytes each."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= scale:
            return f"{count / scale:.3g} {unit}"
    return f"{count} B"


def stats(summary: TensorSummary | None, dtype: str = "") -> Card:
    """A tensor's statistics as labelled texts; without any if they were not kept.

    One value says all by itself: it has no statistics and no histogram.
    """
    if summary is None:
        return {"stats": []}
    if summary.numel == 1 and len(summary.sample) == 1:
        value = summary.sample[0]
        text = str(bool(value)) if dtype == "bool" else number_text(value)
        return {"stats": [], "single": text, "sample": text, "warn": words.is_nonfinite(summary)}
    return {
        "stats": [
            ("min", number_text(summary.min)),
            ("max", number_text(summary.max)),
            ("mean", number_text(summary.mean)),
            ("std", number_text(summary.std)),
            ("NaN", str(summary.nan_count)),
            ("Inf", str(summary.inf_count)),
            ("zeros", f"{summary.zero_fraction:.0%}"),
        ],
        "histogram": list(summary.histogram),
        "range": (number_text(summary.min), number_text(summary.max)),
        "sample": ", ".join(number_text(value) for value in summary.sample)
        + (", …" if summary.numel > len(summary.sample) else ""),
        "warn": words.is_nonfinite(summary),
    }


@dataclass(slots=True)
class Totals:
    """What ran inside a module call, at any depth."""

    duration_us: float = 0.0
    last_op: int | None = None

    def add(self, duration_us: float, last_op: int | None) -> None:
        """Count an op, or a call inside, as part of this one."""
        self.duration_us += duration_us
        if last_op is not None and (self.last_op is None or last_op > self.last_op):
            self.last_op = last_op


def call_totals(recording: Recording) -> list[Totals]:
    """The totals of each call, from the innermost outwards: linear in ops and calls."""
    totals = [Totals() for _ in recording.module_calls]
    for op in recording.ops:
        if op.module_call is not None:
            totals[op.module_call].add(op.duration_us, op.id)
    for call in reversed(recording.module_calls):
        if call.parent is not None:
            own = totals[call.id]
            totals[call.parent].add(own.duration_us, own.last_op)
    return totals
