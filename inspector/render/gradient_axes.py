"""What the charts of gradients have in common: a log axis with room for zero, and names."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import pairwise, takewhile
from typing import Any

from inspector.views import words

MOST_LABELS = 24
"""Labels of an axis that have room side by side, aslant, where the chart is narrow."""

_ROW = 72
"""Letters that fit into one row along an axis, with room between the words."""

_ASLANT = 18
"""Letters of a label that stands aslant."""

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


def apart(places: Sequence[int], gap: float, preferred: Collection[int] = frozenset()) -> list[int]:
    """Some of the sorted places, evenly: each at least `gap` after the one before.

    Where a preferred place comes before twice the gap is over, it is taken.
    """
    chosen: list[int] = []
    for i, place in enumerate(places):
        if chosen and place - chosen[-1] < gap:
            continue
        if chosen and place not in preferred:
            soon = takewhile(lambda one: one < chosen[-1] + 2 * gap, places[i:])
            place = next((one for one in soon if one in preferred), place)
        chosen.append(place)
    return chosen


def place_axis(
    names: Mapping[int, str], preferred: Collection[int] = frozenset()
) -> dict[str, Any]:
    """An axis of places from 0 on, with as many of their names as there is room for.

    Names that would not fit beside each other are abbreviated and stand aslant.
    """
    count = max(names, default=0) + 1
    chosen = apart(sorted(names), count / MOST_LABELS, preferred)
    texts = [names[place] for place in chosen]
    nearest = min((b - a for a, b in pairwise(chosen)), default=count)
    level = max(map(len, texts), default=0) <= _ROW * nearest / count
    return {
        "tickvals": chosen,
        "ticktext": [as_text(text if level else shortened(text, _ASLANT)) for text in texts],
        "tickangle": 0 if level else -45,
        "range": [-0.6, count - 0.4],
        "automargin": True,
        "showgrid": False,
        "zeroline": False,
    }


def shortened(text: str, most: int) -> str:
    """Of a longer text its beginning and its end, with an ellipsis between them."""
    if len(text) <= most:
        return text
    head = (most - 1) // 2
    return f"{text[:head]}…{text[len(text) - (most - 1 - head) :]}"


def size_words(shape: Sequence[int]) -> str:
    """As in "2×3", "8 values", "1 value", "scalar": on these pages "[8]" is the op numbered 8."""
    if len(shape) == 1:
        return words.values(shape[0])
    return words.dimensions(tuple(shape))


def as_text(text: str) -> str:
    """A name as Plotly shows it letter by letter: it reads a little HTML."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
