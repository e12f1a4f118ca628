"""Charts as Plotly figures: numbers that people would rather see than read."""

from __future__ import annotations

import math
from typing import Any

import plotly.graph_objects as go

from inspector.records import Recording
from inspector.render.theme import palette


def gradient_figure(recording: Recording, theme: str = "light") -> go.Figure | None:
    """The largest gradient of each parameter, in the order of the model, on a log scale.

    Args:
        recording: with at least one backward pass.
        theme: "light" or "dark".

    Returns:
        Dots on a log axis; parameters without a gradient have none. None when none has one.
    """
    found = [info for info in recording.parameters if info.kind == "parameter"]
    heights = [_largest(info.grad.min, info.grad.max) if info.grad else None for info in found]
    if not any(heights):
        return None
    colours = palette(theme)
    figure = go.Figure(
        go.Scatter(
            x=[info.name for info in found],
            y=heights,
            mode="markers",  # bars have no foot on a log axis
            marker={"color": colours["grad-stroke"], "size": 11},
            hovertemplate="%{x}<br>largest |gradient| %{y:.3g}<extra></extra>",
        )
    )
    figure.update_layout(
        height=320,
        margin={"l": 60, "r": 10, "t": 30, "b": 10},
        title={"text": "Largest |gradient| per parameter", "font": {"size": 14}},
        yaxis=_log_axis([height for height in heights if height]),
        xaxis={"type": "category", "automargin": True},
        showlegend=False,
    )
    return figure


def _log_axis(values: list[float]) -> dict[str, Any]:
    """A log axis over whole decades, with 1, 2 and 5 of each written out."""
    low = math.floor(math.log10(min(values)))
    high = max(math.ceil(math.log10(max(values))), low + 1)
    ticks = [digit * 10.0**power for power in range(low, high + 1) for digit in (1, 2, 5)]
    if high - low > 3:
        ticks = [10.0**power for power in range(low, high + 1)]
    return {
        "type": "log",
        "range": [low - 0.05, high + 0.05],
        "tickvals": ticks,
        "ticktext": [f"{tick:g}" for tick in ticks],
    }


def _largest(low: float | None, high: float | None) -> float | None:
    ends = [abs(value) for value in (low, high) if value is not None]
    largest = max(ends, default=0.0)
    return largest or None  # a log axis has no zero: the dot is left out
