"""Charts of gradients over the training steps: losses, updates, and how values are spread."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from typing import Any

import plotly.graph_objects as go

from inspector.gradients import (
    HEALTHY_UPDATE,
    GradientReport,
    ParameterGradients,
    nonfinite_count,
    update_ratio,
)
from inspector.language import Translate, sentence
from inspector.records import TensorSummary
from inspector.render.cardparts import number_text
from inspector.render.gradient_axes import TITLE, LogScale, as_text, spread
from inspector.render.theme import palette

_ROLES = (
    "op-stroke", "parameter-stroke", "grad-stroke", "input-stroke", "decision-stroke",
    "loop-stroke",
)  # fmt: skip
_SYMBOLS = ("circle", "diamond", "square", "triangle-up", "cross", "star")
_DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
_RIDGES = 12


def loss_figure(
    report: GradientReport, theme: str = "light", translate: Translate = str
) -> go.Figure | None:
    """The losses over the rounds, those of one line of the program as one curve.

    Returns:
        Lines with marks; a loss that is not finite is a cross at the top. None without losses.
    """
    curves: dict[str, list[tuple[int, float]]] = {}
    for one in report.rounds:
        for loss, source in zip(one.losses, one.loss_sources, strict=True):
            if loss is not None:
                place = "" if source is None else f"{os.path.basename(source.file)}:{source.line}"
                curves.setdefault(place, []).append((one.id + 1, loss))
    if not curves:
        return None
    colours = palette(theme)
    finite = [y for points in curves.values() for _, y in points if math.isfinite(y)]
    top = max(finite, default=1.0)
    figure = go.Figure()
    for i, (place, points) in enumerate(curves.items()):
        whole = [math.isfinite(y) for _, y in points]
        figure.add_trace(
            go.Scatter(
                x=[x for x, _ in points],
                y=[y if ok else top for (_, y), ok in zip(points, whole, strict=True)],
                name=place or translate(sentence("loss")),
                mode="lines+markers",
                line={"color": colours[_ROLES[i % 6]], "dash": _DASHES[i % 6]},
                marker={
                    "symbol": [_SYMBOLS[i % 6] if ok else "x" for ok in whole],
                    "color": [colours[_ROLES[i % 6] if ok else "failed"] for ok in whole],
                    "size": 8,
                },
                customdata=[number_text(y) for _, y in points],
                hovertemplate=translate(sentence("step %{x}<br>loss %{customdata}"))
                + "<extra>"
                + as_text(place)
                + "</extra>",
            )
        )
    _over_steps(figure, report, sentence("Loss over the steps"), len(curves) > 1, translate)
    figure.update_layout(yaxis={"title": translate(sentence("loss"))})
    return figure


def update_figure(
    report: GradientReport, theme: str = "light", translate: Translate = str
) -> go.Figure | None:
    """Update over weight (norms) per parameter and round, on a log axis.

    Up to six parameters have a line of their own; of more, all but the largest and the smallest of
    the last step are drawn thin.

    Args:
        report: of `gradient_report`.
        theme: "light" or "dark".
        translate: tells its texts in the reader's language.

    Returns:
        Lines, with a guide at 1e-3; None without updates.
    """
    lines: dict[str, list[tuple[int, float]]] = {}
    for one in report.parameters:
        found = [(i + 1, update_ratio(one, i)) for i in range(len(report.rounds))]
        known = [(x, ratio) for x, ratio in found if ratio is not None]
        if known:
            lines[one.name] = known
    if not lines:
        return None
    ranked = sorted(lines, key=lambda name: lines[name][-1][1])
    main = list(lines)
    if len(lines) > len(_ROLES):
        main = [ranked[-1], ranked[0]]
    scale = LogScale([y for points in lines.values() for _, y in points] + [HEALTHY_UPDATE])
    colours = palette(theme)
    figure = go.Figure()
    for name in sorted(lines, key=lambda name: name in main):
        figure.add_trace(_ratio_line(name, lines[name], main, scale, colours, translate))
    title = sentence("How far each update moves a weight")
    _over_steps(figure, report, title, len(lines) > 1, translate)
    figure.add_hline(
        y=HEALTHY_UPDATE,
        line={"color": colours["text"], "dash": "dash", "width": 1.5},
    )
    figure.add_annotation(
        text=translate(sentence("1/1000 is usual")),
        font={"color": colours["text"]},
        showarrow=False,
        xref="paper",
        x=1,
        xanchor="right",
        y=math.log10(HEALTHY_UPDATE),  # of a log axis Plotly wants the exponent
        yanchor="bottom",
    )
    zero = any(y == 0 for points in lines.values() for _, y in points)
    figure.update_layout(yaxis=scale.axis(translate(sentence("share of the weight's norm")), zero))
    return figure


def _ratio_line(
    name: str,
    points: list[tuple[int, float]],
    main: list[str],
    scale: LogScale,
    colours: Mapping[str, str],
    translate: Translate,
) -> go.Scatter:
    at = main.index(name) if name in main else None
    style: dict[str, Any] = {"line": {"color": colours["edge"], "width": 1}, "opacity": 0.55}
    style["marker"] = {"size": 4, "color": colours["edge"]}
    if at is not None:
        own = colours[_ROLES[at % 6]]
        style = {
            "line": {"color": own, "dash": _DASHES[at % 6], "width": 2},
            "marker": {"symbol": _SYMBOLS[at % 6], "size": 8, "color": own},
        }
    return go.Scatter(
        x=[x for x, _ in points],
        y=[y or scale.zero for _, y in points],
        name=as_text(name),
        mode="lines+markers",
        showlegend=at is not None,
        customdata=[number_text(y) for _, y in points],
        hovertemplate=translate(sentence("step %{x}<br>moved by %{customdata} of its norm"))
        + "<extra>"
        + as_text(name)
        + "</extra>",
        **style,
    )


def _over_steps(
    figure: go.Figure, report: GradientReport, title: str, legend: bool, translate: Translate
) -> None:
    count = len(report.rounds)
    figure.update_layout(
        height=340,
        margin={"l": 70, "r": 10, "t": 40, "b": 40},
        title={"text": translate(title), **TITLE},
        xaxis={
            "title": translate(sentence("training step")),
            "tickvals": list(range(1, count + 1, 1 + (count - 1) // 12)),
            "range": [0.5, count + 0.5],
            "zeroline": False,
        },
        showlegend=legend,
        legend={"orientation": "h", "y": -0.22, "yanchor": "top"},
    )


def ridgeline_figure(
    parameter: ParameterGradients, what: str, theme: str = "light", translate: Translate = str
) -> go.Figure | None:
    """How the values of one gradient or weight are spread, step by step from top to bottom.

    Each ridge is scaled to its own highest bin. Of more than 12 rounds, 12 are shown evenly.

    Args:
        parameter: of a report.
        what: "gradient" or "weight".
        theme: "light" or "dark".
        translate: tells its texts in the reader's language.

    Returns:
        Ridges on one axis; None where no round has finite values.
    """
    summaries = parameter.weights
    if what == "gradient":
        summaries = tuple(one.summary if one else None for one in parameter.gradients)
    known = [(i, one) for i, one in enumerate(summaries) if one is not None and one.histogram]
    if not known:
        return None
    shown = spread(known, _RIDGES)
    colours = palette(theme)
    role = "grad" if what == "gradient" else "parameter"
    title, value = sentence("Values of the weight over the steps"), sentence("value of the weight")
    if what == "gradient":
        title = sentence("Values of the gradient over the steps")
        value = sentence("value of the gradient")
    figure = go.Figure()
    for row, (round, summary) in enumerate(shown):
        x, y = _ridge(summary, -row)
        figure.add_trace(
            go.Scatter(
                x=x,
                y=y,
                mode="lines",
                fill="toself",
                fillcolor=colours[f"{role}-fill"],
                line={"color": colours[f"{role}-stroke"], "width": 1.5},
                hoveron="fills",
                text=translate(_ridge_text(round, summary)),
                hoverinfo="text",
                showlegend=False,
            )
        )
    figure.add_vline(x=0, line={"color": colours["muted"], "dash": "dot", "width": 1})
    figure.update_layout(
        height=150 + 24 * len(shown),
        margin={"l": 50, "r": 10, "t": 40, "b": 40},
        title={"text": translate(title), **TITLE},
        xaxis={"title": translate(value), "zeroline": False, "exponentformat": "power"},
        yaxis={
            "title": translate(sentence("training step")), "showgrid": False, "zeroline": False,
            "tickvals": [-row for row in range(len(shown))],
            "ticktext": [str(round + 1) for round, _ in shown],
            "range": [-len(shown) + 0.7, 1.9],
        },
    )  # fmt: skip
    return figure


def _ridge(summary: TensorSummary, base: float) -> tuple[list[float], list[float]]:
    """The outline of a histogram that stands at `base`; one value alone is a line."""
    low, high = summary.min or 0.0, summary.max or 0.0
    bins = summary.histogram
    if len(bins) == 1 or low == high:
        return [low, low], [base, base + 1.5]
    width, most = (high - low) / len(bins), max(bins)
    x, y = [low], [base]
    for i, count in enumerate(bins):
        x += [low + i * width, low + (i + 1) * width]
        y += [base + 1.5 * count / most] * 2
    return [*x, high, low], [*y, base, base]


def _ridge_text(round: int, summary: TensorSummary) -> str:
    text = sentence(
        "step {step}: {min} to {max}, mean {mean}, std {std}",
        step=round + 1,
        min=number_text(summary.min),
        max=number_text(summary.max),
        mean=number_text(summary.mean),
        std=number_text(summary.std),
    )
    bad = nonfinite_count(summary)
    if not bad:
        return text
    return sentence("{text}; {bad} of {all} not finite", text=text, bad=bad, all=summary.numel)
