"""A chart of how far two runs drift apart in their numbers, op by op."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from inspector.comparison import Drift
from inspector.language import Translate, sentence
from inspector.records import Recording
from inspector.render.cardparts import number_text
from inspector.render.gradient_axes import TITLE, LogScale, as_text
from inspector.render.theme import palette


def first_beyond(drifts: Sequence[Drift], tolerance: float) -> Drift | None:
    """The first pair of ops whose results are further apart than a relative tolerance."""
    return next((one for one in drifts if one.distance > tolerance), None)


def drift_figure(
    a: Recording,
    drifts: Sequence[Drift],
    tolerance: float,
    theme: str = "light",
    translate: Translate = str,
) -> go.Figure | None:
    """The relative distance of the results of each pair of ops, in the order of A, on a log axis.

    Args:
        a: the run that gives the ops their names.
        drifts: of `value_drift`.
        tolerance: relative; what is beyond it is a cross, and the first such op has its name.
        theme: "light" or "dark".
        translate: tells its texts in the reader's language.

    Returns:
        Marks joined by a line, and the tolerance as a dashed one; None without pairs.
    """
    if not drifts:
        return None
    colours = palette(theme)
    scale = LogScale([one.distance for one in drifts] + [tolerance])
    beyond = [one.distance > tolerance for one in drifts]
    figure = go.Figure(
        go.Scatter(
            x=[one.a + 1 for one in drifts],
            y=[_height(one.distance, scale) for one in drifts],
            mode="lines+markers",
            line={"color": colours["edge"], "width": 1.2},
            marker={
                "symbol": ["x" if far else "circle" for far in beyond],
                "color": [colours["failed" if far else "op-stroke"] for far in beyond],
                "size": 8,
            },
            customdata=[[_name(a, one.a), number_text(one.distance)] for one in drifts],
            hovertemplate="%{customdata[0]}<br>"
            + translate(sentence("%{customdata[1]} apart"))
            + "<extra></extra>",
            showlegend=False,
        )
    )
    figure.add_hline(y=tolerance, line={"color": colours["text"], "dash": "dash", "width": 1.2})
    first = first_beyond(drifts, tolerance)
    if first is not None:
        told = sentence("first beyond: {op}", op=_name(a, first.a))
        _point_at(figure, first, scale, colours["text"], translate(told))
    nonfinite = any(not math.isfinite(one.distance) for one in drifts)
    figure.update_layout(
        height=320,
        margin={"l": 70, "r": 20, "t": 40, "b": 40},
        title={"text": translate(sentence("Distance of the results along the run")), **TITLE},
        xaxis={"title": translate(sentence("op of A"))},
        yaxis=_axis(scale, any(not one.distance for one in drifts), nonfinite, translate),
    )
    return figure


def _axis(scale: LogScale, zero: bool, nonfinite: bool, translate: Translate) -> dict[str, Any]:
    """The axis; at its top stands what is infinitely far: NaN in one run, or not 0 beside 0."""
    axis = scale.axis(translate(sentence("relative distance")), zero, nonfinite)
    if nonfinite:
        axis["ticktext"][-1] = "∞"
    return axis


def _point_at(figure: go.Figure, first: Drift, scale: LogScale, ink: str, text: str) -> None:
    figure.add_annotation(
        x=first.a + 1,
        y=math.log10(_height(first.distance, scale)),  # of a log axis Plotly wants the exponent
        text=text,
        font={"color": ink},
        arrowcolor=ink,
        ax=30,
        ay=-26,
        xanchor="left",
    )


def _height(distance: float, scale: LogScale) -> float:
    if not math.isfinite(distance):
        return scale.nonfinite
    return distance or scale.zero


def _name(recording: Recording, number: int) -> str:
    op = recording.ops[number]
    place = op.source
    where = "" if place is None else f" ({os.path.basename(place.file)}:{place.line})"
    return as_text(f"{op.name} [{number}]{where}")
