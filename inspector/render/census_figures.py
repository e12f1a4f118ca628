"""A chart of a census: ops and time of each input over what was swept, told apart by variant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from inspector.counted import Census, CensusPoint
from inspector.language import Translate, sentence
from inspector.render.gradient_axes import as_text, shortened
from inspector.render.theme import palette

DISTINCT = 8
"""Variants with a colour and a shape of their own; all others share one."""

_ROLES = (
    "op-stroke",
    "decision-stroke",
    "loop-stroke",
    "input-stroke",
    "parameter-stroke",
    "grad-stroke",
    "selected",
    "nonfinite",
)
_SHAPES = (
    "circle",
    "square",
    "diamond",
    "triangle-up",
    "cross",
    "star",
    "triangle-down",
    "pentagon",
)
_LONGEST = 24
_MOST_NAMES = 40
_WIDE = 20
"""How many times the shortest run the longest one takes on an axis that begins at zero."""


def variant_mark(variant: int, failed: bool) -> tuple[str, str]:
    """(role of its colour in the theme, Plotly's name of its shape); a failed one is an x."""
    role, shape = ("muted", "hexagon")
    if variant < DISTINCT:
        role, shape = _ROLES[variant], _SHAPES[variant]
    return ("failed", "x") if failed else (role, shape)


def census_figure(
    census: Census, over: str, theme: str = "light", translate: Translate = str
) -> go.Figure | None:
    """Ops above, time below, over the swept value; one mark for each input.

    Args:
        census: of at least one input that ran.
        over: what was swept, for the axis; inputs without a value stand side by side by name.
        theme: "light" or "dark".
        translate: tells its texts in the reader's language.

    Returns:
        Marks in the colour and shape of their variant; None without points.
    """
    if not census.points:
        return None
    colours = palette(theme)
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.08)
    for variant in sorted({min(point.variant, DISTINCT) for point in census.points}):
        for failed in (False, True):
            points = [
                point
                for point in census.points
                if min(point.variant, DISTINCT) == variant and _failed(census, point) == failed
            ]
            if points:
                _add(figure, points, variant, failed, colours, translate)
    figure.update_layout(
        height=430,
        margin={"l": 60, "r": 10, "t": 20, "b": 10},
        legend={"title": {"text": ""}, "orientation": "v"},
        hovermode="closest",
    )
    figure.update_yaxes(title_text=translate(sentence("ops")), rangemode="tozero", row=1, col=1)
    figure.update_yaxes(**_time_axis(census.points, translate), row=2, col=1)
    figure.update_xaxes(**_axis(census.points))
    figure.update_xaxes(title_text=as_text(over), row=2, col=1)
    return figure


def _add(
    figure: go.Figure,
    points: Sequence[CensusPoint],
    variant: int,
    failed: bool,
    colours: Mapping[str, str],
    translate: Translate,
) -> None:
    role, shape = variant_mark(variant, failed)
    name = translate(_name(variant, failed))
    words = translate(sentence("variant %{customdata[1]}"))
    told = [[as_text(point.label), point.variant] for point in points]
    for row, heights, unit in (
        (1, [point.ops for point in points], translate(sentence("ops"))),
        (2, [point.duration_us / 1000 for point in points], "ms"),
    ):
        figure.add_trace(
            go.Scatter(
                x=[_place(point) for point in points],
                y=heights,
                mode="markers",
                name=name,
                legendgroup=name,
                showlegend=row == 1,
                marker={"color": colours[role], "symbol": shape, "size": 10},
                customdata=told,
                hovertemplate=f"%{{customdata[0]}}<br>{words}<br>%{{y:.4g}} {unit}<extra></extra>",
            ),
            row=row,
            col=1,
        )


def _name(variant: int, failed: bool) -> str:
    if variant >= DISTINCT:
        return sentence("other variants (failed)") if failed else sentence("other variants")
    if failed:
        return sentence("variant {number} (failed)", number=variant)
    return sentence("variant {number}", number=variant)


def _failed(census: Census, point: CensusPoint) -> bool:
    return census.variants[point.variant].failure is not None


def _place(point: CensusPoint) -> float | int:
    """Where on the axis: by the number that was swept, else by the order of the inputs."""
    swept = point.swept
    return point.position if swept is None or isinstance(swept, str) else swept


def _time_axis(points: Sequence[CensusPoint], translate: Translate) -> dict[str, Any]:
    """Logarithmic where one slow run would press all others onto the axis."""
    times = [point.duration_us for point in points]
    if min(times) > 0 and max(times) > _WIDE * min(times):
        return {"title_text": translate(sentence("time, recorded (ms, log)")), "type": "log"}
    return {"title_text": translate(sentence("time, recorded (ms)")), "rangemode": "tozero"}


def _axis(points: Sequence[CensusPoint]) -> dict[str, Any]:
    if all(point.swept is not None and not isinstance(point.swept, str) for point in points):
        return {"automargin": True}
    stride = (len(points) + _MOST_NAMES - 1) // _MOST_NAMES
    named = points[::stride]
    return {
        "tickvals": [point.position for point in named],
        "ticktext": [as_text(shortened(point.label, _LONGEST)) for point in named],
        "automargin": True,
    }
