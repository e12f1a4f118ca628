"""Gradient norms along the depth, of one training step.

Marks are told apart by shape and place as well as by colour: zeros stand on a line of their own at
the bottom of the log axis, and what is not finite on one at the top.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from inspector.gradients import (
    ActivationGradient,
    GradientReport,
    PathStep,
    nonfinite_count,
    norm_of,
)
from inspector.language import Translate, sentence
from inspector.records import Recording
from inspector.render.cardparts import number_text
from inspector.render.gradient_axes import (
    TITLE,
    LogScale,
    apart,
    as_text,
    place_axis,
    short_name,
    size_words,
)
from inspector.render.theme import palette
from inspector.render.told import told_text
from inspector.views import words

_TRIPS = 12
"""Trips of loops that are marked, at most about so many."""


def depth_figure(
    recording: Recording,
    report: GradientReport,
    round: int,
    theme: str = "light",
    translate: Translate = str,
) -> go.Figure | None:
    """Gradient norms in the order of the forward pass, of one round, on a log axis.

    The axis spans all rounds, so that two of them can be compared.

    Args:
        recording: what the report is about, for names and shapes.
        report: of `gradient_report`.
        round: which one.
        theme: "light" or "dark".
        translate: tells its texts in the reader's language.

    Returns:
        Parameters as dots, activations as a line with small diamonds; None when no norm is
        known in any round.
    """
    marks = [*_parameter_marks(report, round), *_activation_marks(recording, report, round)]
    for mark in marks:
        mark |= {
            "told": translate(_told(mark)),
            "detail": as_text(told_text(mark["detail"], translate)),
        }
    scale = LogScale(_all_norms(report))
    if not any(mark["norm"] is not None or mark["bad"] for mark in marks):
        return None
    places = {op: i for i, op in enumerate(sorted({mark["op"] for mark in marks}))}
    colours = palette(theme)
    figure = go.Figure()
    for kind, looks in _MARKS.items():
        about = {**looks, "name": translate(looks["name"])}
        own = [mark for mark in marks if mark["kind"] == kind]
        if own:
            figure.add_trace(_depth_trace(own, about, places, scale, colours))
            figure.add_trace(_legend_trace(about, colours))
    zero = any(mark["norm"] == 0 and not mark["bad"] for mark in marks)
    bad = any(mark["bad"] for mark in marks)
    figure.update_layout(
        height=390,
        margin={"l": 70, "r": 10, "t": 60, "b": 10},
        title={"text": translate(sentence("Gradient norm along the depth")), **TITLE},
        yaxis=scale.axis(translate(sentence("norm of the gradient")), zero, bad),
        xaxis={
            **_depth_axis(recording, report, round, places),
            "title": translate(sentence("forward pass: first op to loss")),
        },
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 1, "xanchor": "right"},
        hovermode="closest",
    )
    _mark_trips(figure, report, round, places, colours, translate)
    return figure


_MARKS: Mapping[str, dict[str, Any]] = {
    "activation": {
        "name": sentence("activations"), "role": "op-stroke", "symbol": "diamond", "size": 7,
    },
    "matrix": {"name": sentence("weights"), "role": "grad-stroke", "symbol": "circle", "size": 12},
    "vector": {
        "name": sentence("biases, scales"), "role": "parameter-stroke", "symbol": "circle-open",
        "size": 11,
    },
    "leaf": {
        "name": sentence("other leaves"), "role": "input-stroke", "symbol": "square", "size": 11,
    },
}  # fmt: skip


def _depth_trace(
    marks: list[dict[str, Any]],
    about: dict[str, Any],
    places: dict[int, int],
    scale: LogScale,
    colours: Mapping[str, str],
) -> go.Scatter:
    marks = sorted(marks, key=lambda mark: mark["op"])
    line = about["symbol"] == "diamond"
    own = colours[about["role"]]
    return go.Scatter(
        x=[places[mark["op"]] for mark in marks],
        y=[_height(mark, scale) for mark in marks],
        name=about["name"],
        showlegend=False,
        mode="lines+markers" if line else "markers",
        line={"color": own, "width": 1},
        marker={
            "color": [colours["failed"] if mark["bad"] else own for mark in marks],
            "symbol": [_symbol(mark, about["symbol"]) for mark in marks],
            "size": [13 if mark["bad"] else about["size"] for mark in marks],
            "line": {"width": 2 if about["symbol"] == "circle-open" else 0},
        },
        customdata=[[mark["label"], mark["told"], mark["detail"], mark["node"]] for mark in marks],
        hovertemplate="<b>%{customdata[0]}</b><br>%{customdata[1]}<br>%{customdata[2]}"
        "<extra></extra>",
    )


def _legend_trace(about: dict[str, Any], colours: Mapping[str, str]) -> go.Scatter:
    """The kind of mark for the legend, which else shows the first one, perhaps a zero."""
    line = about["symbol"] == "diamond"
    return go.Scatter(
        x=[None],
        y=[None],
        name=about["name"],
        mode="lines+markers" if line else "markers",
        line={"color": colours[about["role"]], "width": 1},
        marker={
            "color": colours[about["role"]],
            "symbol": about["symbol"],
            "size": about["size"],
            "line": {"width": 2 if about["symbol"] == "circle-open" else 0},
        },
    )


def _height(mark: dict[str, Any], scale: LogScale) -> float | None:
    if mark["bad"]:
        return scale.nonfinite
    norm: float | None = mark["norm"]
    return scale.zero if norm == 0 else norm


def _symbol(mark: dict[str, Any], usual: str) -> str:
    if mark["bad"]:
        return "x"
    return "triangle-down" if mark["norm"] == 0 else usual


def _told(mark: dict[str, Any]) -> str:
    if mark["bad"]:
        return sentence("{count} of its values are NaN or infinite", count=mark["bad"])
    if mark["norm"] == 0:
        return sentence("the gradient is exactly zero")
    return sentence("gradient norm {norm}", norm=number_text(mark["norm"]))


def _parameter_marks(report: GradientReport, round: int) -> Iterable[dict[str, Any]]:
    for one in report.parameters:
        gradient = one.gradients[round]
        if gradient is None:
            continue
        kind = "leaf" if one.kind == "leaf" else "matrix" if len(one.shape) > 1 else "vector"
        op = one.uses[round] if one.uses[round] is not None else one.op
        bad = nonfinite_count(gradient.summary)
        norm = norm_of(gradient.summary)
        if norm is None and not bad:
            continue
        yield {
            "kind": kind,
            "op": -1 if op is None else op,
            "norm": norm,
            "bad": bad,
            "label": as_text(one.name),
            "node": gradient.node,
            "detail": size_words(one.shape),
        }


def _activation_marks(
    recording: Recording, report: GradientReport, round: int
) -> Iterable[dict[str, Any]]:
    for one in report.activations:
        if one.round == round and (one.norm is not None or one.nonfinite):
            yield {
                "kind": "activation",
                "op": one.op,
                "norm": one.norm,
                "bad": one.nonfinite,
                "label": as_text(op_label(recording, one)),
                "node": one.node,
                "detail": _op_place(recording, one),
            }


def op_label(recording: Recording, activation: ActivationGradient) -> str:
    """What an activation is called: its op, after the path of its module."""
    op = recording.ops[activation.op]
    path = words.op_module(recording, op)
    return f"{path} · {op.name}" if path else op.name


def _op_place(recording: Recording, activation: ActivationGradient) -> str:
    op = recording.ops[activation.op]
    parts: list[str] = [sentence("op [{number}]", number=op.id)]
    if op.outputs:
        made = recording.tensors[op.outputs[0]]
        parts.append(size_words(made.shape))
        parts += [] if made.dtype == "float32" else [made.dtype]
    if op.source is not None:
        parts.append(f"{os.path.basename(op.source.file)}:{op.source.line}")
    return words.commas(parts)


def _all_norms(report: GradientReport) -> Iterable[float | None]:
    for one in report.parameters:
        for gradient in one.gradients:
            yield norm_of(gradient.summary) if gradient else None
    for activation in report.activations:
        yield activation.norm


def _depth_axis(
    recording: Recording, report: GradientReport, round: int, places: dict[int, int]
) -> dict[str, Any]:
    """Each place is named by the parameter that is first used there, else by its op."""
    own: dict[int, str] = {}
    for one in report.parameters:
        op = one.uses[round] if one.uses[round] is not None else one.op
        if one.gradients[round] is not None and op in places:
            own.setdefault(places[op], short_name(one.name))
    named = {
        place: recording.ops[op].name for op, place in places.items()
        if 0 <= op < len(recording.ops)
    }  # fmt: skip
    return {
        **place_axis({**named, **own}, own),
        "range": [-0.6, max(places.values(), default=0) + 0.6],
    }


def _mark_trips(
    figure: go.Figure,
    report: GradientReport,
    round: int,
    places: dict[int, int],
    colours: Mapping[str, str],
    translate: Translate,
) -> None:
    """A dotted line before each trip of a loop, with its number; of many trips only some."""
    starts: dict[tuple[int, int], int] = {}
    last: dict[int, int] = {}
    for one in report.activations:
        if one.round == round and one.trip is not None and one.op in places:
            place = places[one.op]
            starts[one.trip] = min(place, starts.get(one.trip, place))
            last[one.trip[0]] = max(place, last.get(one.trip[0], place))
    at = {place: trip for (_, trip), place in starts.items()}
    shown = apart(sorted(at), len(places) / _TRIPS)
    line = {"color": colours["muted"], "dash": "dot", "width": 1}
    for place in shown:
        figure.add_vline(x=place - 0.5, line=line)
        figure.add_annotation(
            text=translate(sentence("trip {number}", number=at[place] + 1)),
            font={"color": colours["muted"], "size": 11},
            showarrow=False, x=place - 0.5, xanchor="left", yref="paper", y=1, yanchor="top",
        )  # fmt: skip
    for end in last.values():
        if end + 1 not in at:
            figure.add_vline(x=end + 0.5, line=line)


def path_figure(
    path: Sequence[PathStep],
    labels: Sequence[str],
    theme: str = "light",
    translate: Translate = str,
) -> go.Figure | None:
    """The gradient norm that arrives at each node of a path, on a log axis.

    Args:
        path: of `largest_path`.
        labels: what each of its nodes belongs to.
        theme: "light" or "dark".
        translate: tells its texts in the reader's language.

    Returns:
        A line from the loss to the path's end; None when no norm is known.
    """
    if not any(one.arriving is not None or one.nonfinite for one in path):
        return None
    scale = LogScale(one.arriving for one in path)
    colours = palette(theme)
    marks = [{"norm": one.arriving, "bad": one.nonfinite} for one in path]
    figure = go.Figure(
        go.Scatter(
            x=list(range(len(path))),
            y=[_height(mark, scale) for mark in marks],
            mode="lines+markers",
            line={"color": colours["grad-stroke"], "width": 2},
            marker={
                "size": 9,
                "color": [colours["failed" if mark["bad"] else "grad-stroke"] for mark in marks],
                "symbol": [_symbol(mark, "circle") for mark in marks],
            },
            customdata=[
                [as_text(one.name), as_text(label), translate(_told(mark))]
                for one, label, mark in zip(path, labels, marks, strict=True)
            ],
            hovertemplate="<b>%{customdata[0]}</b><br>%{customdata[1]}<br>%{customdata[2]}"
            "<extra></extra>",
        )
    )
    names = {at: short_name(label) for at, label in enumerate(labels)}
    figure.update_layout(
        height=300,
        margin={"l": 70, "r": 10, "t": 40, "b": 10},
        title={"text": translate(sentence("Norm along the path")), **TITLE},
        yaxis=scale.axis(
            translate(sentence("norm that arrives")),
            any(mark["norm"] == 0 for mark in marks),
            any(mark["bad"] for mark in marks),
        ),
        xaxis=place_axis(names),
    )
    return figure
