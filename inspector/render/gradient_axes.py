"""What the charts of gradients have in common: a log axis with room for zero, and names."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

TITLE = {"font": {"size": 14}, "x": 0, "xanchor": "left"}


class LogScale:
    """A log axis with a line for zero below it and one for what is not finite above.

    Args:
        values: all that the axis has to show; zeros, None and infinities are left out.
    """

    def __init__(self, values: Iterable[float | None]) -> None:
        positive = [value for value in values if value and math.isfinite(value)]
        low = math.log10(min(positive)) if positive else -1.0
        high = math.log10(max(positive)) if positive else 0.0
        room = 0.06 * (high - low) + max(0.0, 1.0 - (high - low)) / 2  # a decade at least
        self.low, self.high = low - room, high + room
        self._gap = 0.09 * (self.high - self.low)

    @property
    def zero(self) -> float:
        """Where zeros stand."""
        return float(10.0 ** (self.low - self._gap))

    @property
    def nonfinite(self) -> float:
        """Where NaN and infinities stand."""
        return float(10.0 ** (self.high + self._gap))

    def axis(self, title: str, zero: bool = False, nonfinite: bool = False) -> dict[str, Any]:
        """The axis for Plotly, with the lines that are needed."""
        ticks = [(value, f"{value:g}") for value in self._ticks()]
        if zero:
            ticks.insert(0, (self.zero, "0"))
        if nonfinite:
            ticks.append((self.nonfinite, "NaN, ∞"))
        low = self.low - (1.6 * self._gap if zero else 0.0)
        high = self.high + (1.6 * self._gap if nonfinite else 0.0)
        return {
            "type": "log",
            "title": title,
            "range": [low, high],
            "tickvals": [value for value, _ in ticks],
            "ticktext": [text for _, text in ticks],
        }

    def _ticks(self) -> list[float]:
        """Powers of ten, at most eight or so; over few decades also their doubles and halves."""
        first, last = math.ceil(self.low), math.floor(self.high)
        if last - first >= 2:
            stride = (last - first + 7) // 8
            return [10.0**power for power in range(first, last + 1, stride)]
        fine = (digit * 10.0**power for power in range(first - 1, last + 1) for digit in (1, 2, 5))
        return [value for value in fine if self.low <= math.log10(value) <= self.high]


def short_name(name: str) -> str:
    """The last three parts of a path, the parameter's own word left out where it says little."""
    parts = name.split(".")
    if len(parts) > 1 and parts[-1] in ("weight", "bias"):
        parts = parts[:-1]
    text = ".".join(parts[-3:])
    return text if len(text) <= 26 else f"…{text[-25:]}"


def spread(items: Sequence[Any], most: int) -> list[Any]:
    """At most so many of the items, evenly, the first and the last among them."""
    if len(items) <= most:
        return list(items)
    return [items[round(i * (len(items) - 1) / (most - 1))] for i in range(most)]


def apart(places: Sequence[int], most: int) -> list[int]:
    """Those of the sorted places that stand far enough apart for `most` labels on an axis."""
    if not places:
        return []
    gap = (places[-1] - places[0]) / most
    chosen = [places[0]]
    for place in places[1:]:
        if place - chosen[-1] >= gap:
            chosen.append(place)
    return chosen


def as_text(text: str) -> str:
    """A name as Plotly shows it letter by letter: it reads a little HTML."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
