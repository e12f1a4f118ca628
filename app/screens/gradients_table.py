"""The view of the parameters: a table that sorts, and the chosen one's values over the steps."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

import streamlit as st

from inspector.gradients import (
    ParameterGradients,
    RoundGradient,
    is_zero,
    mean_abs_of,
    nonfinite_count,
    norm_of,
    update_ratio,
)
from inspector.language import sentence
from inspector.render.cardparts import number_text
from inspector.render.gradient_axes import size_words
from inspector.render.gradient_figures import ridgeline_figure
from inspector_app.phrases import say, say_count, told
from inspector_app.screens.gradients_parts import Shown, chart, choose_step, graph_link, theme
from inspector_app.screens.gradients_words import listed

Row = dict[str, Any]

_NAMES = {
    "parameter": sentence("parameter"),
    "note": sentence("note"),
    "shape": sentence("shape"),
    "gradient norm": sentence("gradient norm"),
    "min": sentence("min"),
    "max": sentence("max"),
    "mean |g|": sentence("mean |g|"),
    "zeros %": sentence("zeros %"),
    "weight norm": sentence("weight norm"),
    "update/weight": sentence("update/weight"),
    "first step": sentence("first step"),
    "last step": sentence("last step"),
}
"""The columns: as the file of all steps has them, and as the page says them."""

_HELP = {
    "gradient norm": sentence("The Euclidean norm of the gradient, √Σg²."),
    "min": sentence("The smallest value of the gradient."),
    "max": sentence("The largest value of the gradient."),
    "mean |g|": sentence("The mean of the absolute values; from the histogram where signs differ."),
    "zeros %": sentence("How many of the gradient's values are exactly zero."),
    "weight norm": sentence("The norm of the parameter before the update."),
    "update/weight": sentence(
        "How far the optimizer moved it, as a share of its norm; 0.001 is usual."
    ),
}
_HEIGHT = 7


@st.fragment
def parameters_view(shown: Shown) -> None:
    """The table of one step, and below it the chosen parameter's ridgelines."""
    parameters = shown.report.parameters
    if not parameters:
        st.info(say("No parameter and no other leaf took part in this run."))
        return
    slider, hint, download = st.columns([2, 2, 1], gap="medium", vertical_alignment="center")
    with slider:
        step = choose_step(shown)
    rows = [_row(one, step) for one in parameters]
    if not any(row["note"] for row in rows):
        for row in rows:
            del row["note"]
    columns: dict[str, Any] = {name: told(shown) for name, shown in _NAMES.items()}
    for name, text in _HELP.items():
        columns[name] = st.column_config.NumberColumn(
            told(_NAMES[name]), format="%.1f" if name == "zeros %" else "%.3g", help=told(text)
        )
    columns["parameter"] = st.column_config.TextColumn(told(_NAMES["parameter"]), pinned=True)
    hint.caption(
        say(
            "In forward order; a click on a heading sorts. Choose a row to see its values."
            " Gradients are as the backward pass brought them, before any clipping."
        )
    )
    download.download_button(
        say("CSV, all steps"),
        lambda: as_csv(shown),
        file_name="gradients.csv",
        mime="text/csv",
        key=f"{shown.key}/csv",
        width="stretch",
    )
    chosen = st.dataframe(
        rows,
        hide_index=True,
        width="stretch",
        height="content" if len(rows) <= _HEIGHT else 36 + 33 * _HEIGHT,
        column_config=columns,
        placeholder="",
        on_select="rerun",
        selection_mode="single-row",
        key=f"{shown.key}/table",
        alt=say("Each parameter with its gradient in step {step}.", step=step + 1),
    )
    selected = chosen["selection"]["rows"]
    number = selected[0] if selected and selected[0] < len(parameters) else _first(parameters)
    _ridgelines(shown, parameters[number], step)


def _first(parameters: tuple[ParameterGradients, ...]) -> int:
    """The first parameter that got a gradient."""
    return next((i for i, one in enumerate(parameters) if one.rounds), 0)


def _row(one: ParameterGradients, step: int) -> Row:
    gradient = one.gradients[step] if one.gradients else None
    summary = gradient.summary if gradient else None
    rounds = one.rounds
    return {
        "parameter": one.name,
        "note": note(one, gradient),
        "shape": told(size_words(one.shape)),
        "gradient norm": norm_of(summary),
        "min": summary.min if summary else None,
        "max": summary.max if summary else None,
        "mean |g|": mean_abs_of(summary),
        "zeros %": 100 * summary.zero_fraction if summary else None,
        "weight norm": norm_of(one.weights[step]) if one.weights else None,
        "update/weight": update_ratio(one, step) if one.updates else None,
        "first step": rounds[0] + 1 if rounds else None,
        "last step": rounds[-1] + 1 if rounds else None,
    }


def note(one: ParameterGradients, gradient: RoundGradient | None) -> str:
    """What is special about a parameter's gradient in one step, in a few words."""
    if gradient is None:
        if not one.requires_grad:
            return say("frozen")
        return say("no gradient") if one.rounds else say("never got a gradient")
    bad = nonfinite_count(gradient.summary)
    if bad:
        return say_count("1 value not finite", "{count} values not finite", bad)
    if is_zero(gradient.summary):
        return say("all zero")
    if gradient.passes > 1 and gradient.summed:
        return say("sum of {count} passes", count=gradient.passes)
    if gradient.passes > 1:
        return say("last of {count} passes", count=gradient.passes)
    return ""


def as_csv(shown: Shown) -> str:
    """The table of all steps, one line per parameter and step."""
    out = io.StringIO()
    rows = list(_all_rows(shown))
    writer = csv.DictWriter(out, list(rows[0]) if rows else ["step"])
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def _all_rows(shown: Shown) -> Iterator[Row]:
    for round in shown.report.rounds:
        for one in shown.report.parameters:
            yield {"step": round.id + 1, **_row(one, round.id)}


def _ridgelines(shown: Shown, one: ParameterGradients, step: int) -> None:
    gradient = one.gradients[step] if one.gradients else None
    node = gradient.node if gradient else None
    link = "" if node is None else graph_link(shown, node)
    words = say("**{name}** over the steps.", name=listed([one.name]))
    st.markdown(f"{words}{link}")
    st.caption(
        say(
            "Each ridge is one step: how the values are spread. Look for a gradient that narrows"
            " to a spike at zero (nothing left to learn, or vanishing) and for a weight that"
            " drifts or spreads. {found}",
            found=_spread_words(one),
        )
    )
    left, right = st.columns(2, gap="medium")
    for column, what in ((left, "gradient"), (right, "weight")):
        figure = ridgeline_figure(one, what, theme(), translate=told)
        with column:
            if figure is not None:
                chart(figure, _spread_words(one))
            elif what == "gradient":
                st.info(say("There are no values of its gradient: {note}.",
                            note=note(one, gradient) or say("none were recorded")))  # fmt: skip
            else:
                st.info(say("Its values were not recorded."))


def _spread_words(one: ParameterGradients) -> str:
    """How the spread of the gradient went from the first step to the last one."""
    known = [
        (i + 1, gradient.summary.std)
        for i, gradient in enumerate(one.gradients)
        if gradient and gradient.summary and gradient.summary.std is not None
    ]
    if len(known) < 2:
        return ""
    (first, before), (last, after) = known[0], known[-1]
    return say(
        "Here its standard deviation goes from {before} in step {first} to {after} in step {last}.",
        before=number_text(before),
        after=number_text(after),
        first=first,
        last=last,
    )
