"""Charts as Plotly figures: numbers that people would rather see than read."""

from __future__ import annotations

import math
from typing import Any

import plotly.graph_objects as go

from inspector.language import Translate, sentence
from inspector.records import Recording
from inspector.render.theme import palette
from inspector.render.told import told_text
from inspector.stages import BatchTiming, Stage, Timing


def gradient_figure(
    recording: Recording, theme: str = "light", translate: Translate = str
) -> go.Figure | None:
    """The largest gradient of each parameter, in the order of the model, on a log scale.

    Args:
        recording: with at least one backward pass.
        theme: "light" or "dark".
        translate: tells its texts in the reader's language.

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
            hovertemplate=translate(sentence("%{x}<br>largest |gradient| %{y:.3g}<extra></extra>")),
        )
    )
    figure.update_layout(
        height=320,
        margin={"l": 60, "r": 10, "t": 30, "b": 10},
        title={
            "text": translate(sentence("Largest |gradient| per parameter")),
            "font": {"size": 14},
        },
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


_VARIANT_ROLES = {
    "eager": "op-stroke",
    "no_grad": "edge",
    "script": "decision-stroke",
    "trace": "loop-stroke",
    "frozen": "input-stroke",
    "optimised": "parameter-stroke",
    "compile": "grad-stroke",
}
_MARKERS = {
    "eager": "circle",
    "no_grad": "square",
    "script": "diamond",
    "trace": "cross",
    "frozen": "triangle-up",
    "optimised": "star",
    "compile": "x",
}


def timing_figure(
    timing: Timing, theme: str = "light", translate: Translate = str
) -> go.Figure | None:
    """The median time of each variant as a bar, the quartiles as its whiskers.

    Args:
        timing: of `measure`.
        theme: "light" or "dark".
        translate: tells its texts in the reader's language.

    Returns:
        Bars, the first variant at the top; None when nothing could be timed.
    """
    rows = [row for row in timing.rows if row.median is not None]
    if not rows:
        return None
    colours = palette(theme)
    medians = [row.median or 0.0 for row in rows]
    unit, scale = _unit(max(medians))
    figure = go.Figure(
        go.Bar(
            y=[told_text(row.title, translate) for row in rows],
            x=[median / scale for median in medians],
            orientation="h",
            marker={"color": [colours[_role(row.variant)] for row in rows]},
            error_x={
                "type": "data",
                "symmetric": False,
                "array": [((row.third_quartile or 0) - (row.median or 0)) / scale for row in rows],
                "arrayminus": [
                    ((row.median or 0) - (row.first_quartile or 0)) / scale for row in rows
                ],
                "color": colours["text"],
            },
            customdata=[[row.runs] for row in rows],
            hovertemplate="%{y}<br>"
            + translate(
                sentence(
                    "median %{{x:.4g}} {unit}, %{{customdata[0]}} runs<extra></extra>", unit=unit
                )
            ),
        )
    )
    figure.update_layout(
        height=110 + 34 * len(rows),
        margin={"l": 10, "r": 10, "t": 40, "b": 40},
        title={
            "text": translate(sentence("Time per call: median and quartiles")),
            "font": {"size": 14},
        },
        xaxis={"title": unit, "rangemode": "tozero"},
        yaxis={"autorange": "reversed", "automargin": True},
        showlegend=False,
    )
    return figure


def batch_figure(
    timing: BatchTiming, theme: str = "light", translate: Translate = str
) -> go.Figure | None:
    """The median time of each variant over the batch size, both on log axes.

    Sizes at which a variant failed are gaps in its line.

    Args:
        timing: of `sweep_batch`.
        theme: "light" or "dark".
        translate: tells its texts in the reader's language.

    Returns:
        A line per variant; None when nothing could be timed.
    """
    medians = [point.median for point in timing.points if point.median is not None]
    if not medians:
        return None
    colours = palette(theme)
    unit, scale = _unit(max(medians))
    figure = go.Figure()
    for variant in dict.fromkeys(point.variant for point in timing.points):
        points = [point for point in timing.points if point.variant == variant]
        figure.add_trace(
            go.Scatter(
                x=[point.size for point in points],
                y=[None if p.median is None else p.median / scale for p in points],
                name=told_text(points[0].title, translate),
                mode="lines+markers",
                connectgaps=False,
                line={"color": colours[_role(variant)]},
                marker={"symbol": _MARKERS.get(variant, "circle"), "size": 9},
                hovertemplate=translate(sentence("batch of %{x}")) + f"<br>%{{y:.4g}} {unit}",
            )
        )
    figure.update_layout(
        height=360,
        margin={"l": 60, "r": 10, "t": 40, "b": 40},
        title={
            "text": translate(sentence("Time per call by batch size, {unit}", unit=unit)),
            "font": {"size": 14},
        },
        xaxis={
            "type": "log",
            "title": translate(sentence("batch size")),
            "tickvals": list(timing.sizes),
            "ticktext": [str(size) for size in timing.sizes],
        },
        yaxis=_log_axis([median / scale for median in medians]),
    )
    return figure


def stages_figure(
    stages: tuple[Stage, ...], theme: str = "light", translate: Translate = str
) -> go.Figure | None:
    """How many nodes each stage has: those that compute, calls, and those that carry values.

    Args:
        stages: of `optimisation_stages`; stages without a graph are left out.
        theme: "light" or "dark".
        translate: tells its texts in the reader's language.

    Returns:
        Stacked bars; None when no stage has a graph.
    """
    shown = [stage for stage in stages if stage.graph is not None]
    if not shown:
        return None
    colours = palette(theme)
    totals = [sum(stage.kinds.values()) for stage in shown]
    computing = [stage.computing for stage in shown]
    carrying = [total - own for total, own in zip(totals, computing, strict=True)]
    parts = (
        (translate(sentence("compute or steer")), computing, "op-stroke", ""),
        (translate(sentence("constants, attributes, calls")), carrying, "constant-stroke", "/"),
    )
    figure = go.Figure(
        [
            go.Bar(
                x=[told_text(stage.title, translate) for stage in shown],
                y=counts,
                name=name,
                marker={"color": colours[role], "pattern": {"shape": shape}},
                hovertemplate="%{x}<br>"
                + translate(sentence("%{y} nodes"))
                + "<extra>"
                + name
                + "</extra>",
            )
            for name, counts, role, shape in parts
        ]
    )
    figure.update_layout(
        barmode="stack",
        height=320,
        margin={"l": 50, "r": 10, "t": 40, "b": 40},
        title={"text": translate(sentence("Nodes per stage")), "font": {"size": 14}},
    )
    return figure


def _role(variant: str) -> str:
    return _VARIANT_ROLES.get(variant, "muted")


def _unit(microseconds: float) -> tuple[str, float]:
    """(the unit that fits, how many microseconds it has)."""
    for unit, scale in (("s", 1e6), ("ms", 1e3)):
        if microseconds >= scale:
            return unit, scale
    return "µs", 1.0
