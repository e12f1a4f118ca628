"""The views of the page “Gradients”, which an opened recording has as well."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from inspector.gradients import GradientReport, PathStep, gradient_report, largest_path
from inspector.language import sentence
from inspector.records import Recording
from inspector.render.gradient_depth import depth_figure, path_figure
from inspector.render.gradient_figures import loss_figure, update_figure
from inspector.views import words
from inspector_app.phrases import say, say_count, together, told
from inspector_app.screens.gradients_captions import loss_sentence, path_sentence, step_label
from inspector_app.screens.gradients_parts import (
    Link,
    Shown,
    chart,
    choose_step,
    graph_link,
    no_link,
    nothing,
    theme,
)
from inspector_app.screens.gradients_table import parameters_view
from inspector_app.screens.gradients_units import zeros_view
from inspector_app.screens.gradients_words import ICONS, about, plain, told_reading

SHOWN_READINGS = 3


def gradient_tabs(
    recording: Recording, *, key: str = "gradients", link: Link | None = None
) -> None:
    """All that the page “Gradients” shows, for a recording that is there already.

    Args:
        recording: any; one without a backward pass says so.
        key: of the widgets; another one for each place on a page.
        link: leads from an autograd node to the graph; without it, no link is shown.
    """
    kept: tuple[Recording, GradientReport] | None = st.session_state.get(f"_{key}/report")
    if kept is None or kept[0] is not recording:
        kept = (recording, gradient_report(recording))
        st.session_state[f"_{key}/report"] = kept
    shown = Shown(recording, kept[1], key, link or no_link)
    readings(shown)
    if not shown.report.rounds:
        return
    name = st.segmented_control(
        say("View"),
        list(VIEWS),
        default=next(iter(VIEWS)),
        key=f"{key}/view",
        format_func=lambda name: told(VIEWS[name][0]),
        required=True,
        label_visibility="collapsed",
    )
    VIEWS[str(name)][1](shown)


def readings(shown: Shown) -> None:
    """What stands out, worst first; what is in order is said once nothing else is."""
    found = shown.report.readings
    # The line that says how many more there are has room for one of them.
    at_once = len(found) if len(found) <= SHOWN_READINGS + 1 else SHOWN_READINGS
    first, rest = found[:at_once], found[at_once:]
    for one in first:
        icon = ICONS.get(one.severity, ":material/info:")
        st.markdown(f"{icon} {told_reading(one, shown.recording)}")
    if rest:
        label = say_count("One more", "{count} more", len(rest))
        with st.popover(label, type="tertiary"):
            for one in rest:
                icon = ICONS.get(one.severity, ":material/info:")
                st.markdown(f"{icon} {told_reading(one, shown.recording)}")


# -- along the depth ----------------------------------------------------------------------------

_TREND = (
    "nonfinite", "vanishing", "shrinking", "exploding", "growing", "even", "even weights",
    "zero at last",
)  # fmt: skip


@st.fragment
def depth_view(shown: Shown) -> None:
    """Gradient norms along the depth, of one step."""
    slider, hint = _above(shown)
    with slider:
        step = choose_step(shown)
    figure = depth_figure(shown.recording, shown.report, step, theme(), translate=told)
    if figure is None:
        nothing(shown)
        return
    described = plain(about(shown.report, shown.recording, *_TREND))
    chosen = st.plotly_chart(
        figure,
        width="stretch",
        config={"displayModeBar": False},
        key=f"{shown.key}/depth/{step}",
        on_select="rerun",
        selection_mode="points",
        alt=described or say("Gradient norms in the order of the forward pass."),
    )
    points = chosen["selection"]["points"]
    with hint:
        if points:
            label, what, detail, node = points[0]["customdata"]
            st.markdown(f"`{label}` ({detail}): {what}.{graph_link(shown, int(node))}")
        else:
            st.caption(_depth_hint(shown, step))


def _above(shown: Shown) -> tuple[DeltaGenerator, DeltaGenerator]:
    """Places above a chart: for what chooses the pass, and what it shows."""
    if any(len(one.passes) > 1 for one in shown.report.rounds) or len(shown.report.rounds) > 1:
        slider, hint = st.columns([2, 3], gap="medium", vertical_alignment="center")
        return slider, hint
    return st.container(), st.container()


def _depth_hint(shown: Shown, step: int) -> str:
    """What to look for, and which gradients these are."""
    look = say(
        "Look for a slope: marks that fall from right to left vanish on the way back to the first"
        " ops, marks that rise explode."
    )
    if any(one.trip is not None for one in shown.report.activations if one.round == step):
        look = say(
            "A loop repeats the same ops, so the marks zigzag: compare the same op from trip to"
            " trip, right to left. If it falls, the gradient vanishes on the way back, if it"
            " rises, it explodes."
        )
    which = say("Gradients are as the backward pass brought them, before any clipping.")
    click = say("Click a mark to find it in the graph.")
    return together((look, which, click))


# -- over the steps -------------------------------------------------------------------------------


def steps_view(shown: Shown) -> None:
    """The loss, and how far each update moves the weights."""
    loss = loss_figure(shown.report, theme(), translate=told)
    update = update_figure(shown.report, theme(), translate=told)
    left, right = st.columns(2, gap="medium")
    with left:
        if loss is None:
            st.info(say("No loss was recorded: no pass began at a single number with values."))
        else:
            found = loss_sentence(shown.report)
            chart(loss, plain(found))
            st.caption(
                say("Look whether it falls: a flat line learns nothing, a jagged one jumps.")
            )
            st.markdown(found)
    with right:
        if update is None:
            st.info(
                say(
                    "No update can be compared with its weight here: no optimizer step was"
                    " recorded with values."
                )
            )
        else:
            found = about(shown.report, shown.recording, "jumping", "still", "normal updates")
            chart(update, plain(found))
            st.caption(
                say(
                    "Look at the dashed line: far above it training jumps, far below it stands"
                    " still. Biases start near zero, so their lines start high."
                )
            )
            st.markdown(found)


# -- the path -------------------------------------------------------------------------------------


@st.fragment
def path_view(shown: Shown) -> None:
    """The way of the largest gradient through one backward pass, as a chart and a table."""
    slider, hint = _above(shown)
    with slider:
        step = choose_step(shown)
        passes = shown.report.rounds[step].passes
        number = passes[0]
        if len(passes) > 1:
            number = st.radio(
                say("Backward pass"),
                passes,
                horizontal=True,
                key=f"{shown.key}/pass/{step}",
                format_func=lambda one: str(passes.index(one) + 1),
            )
    hint.caption(
        say(
            "From the loss, the path follows at each autograd node the edge with the largest"
            " gradient norm. Look for the node at which the norm jumps."
        )
    )
    path = largest_path(shown.recording, number)
    labels = [step_label(one, shown.recording) for one in path]
    figure = path_figure(path, labels, theme(), translate=told)
    if figure is None:
        nothing(shown)
        return
    found = path_sentence(path, shown.recording)
    st.markdown(found)
    chart(figure, plain(found))
    _path_table(shown, path, labels)


def _path_table(shown: Shown, path: tuple[PathStep, ...], labels: list[str]) -> None:
    rows = [_path_row(shown, at, one, labels[at]) for at, one in enumerate(path)]
    empty = [name for name in ("graph", "not finite") if not any(row[name] for row in rows)]
    columns: dict[str, Any] = {name: told(title) for name, title in _PATH.items()}
    columns |= {
        name: st.column_config.NumberColumn(told(_PATH[name]), format="%.3g", help=told(text))
        for name, text in _PATH_NUMBERS.items()
    }
    columns["graph"] = st.column_config.LinkColumn(told(_PATH["graph"]), display_text=say("show"))
    st.dataframe(
        [{name: cell for name, cell in row.items() if name not in empty} for row in rows],
        hide_index=True,
        width="stretch",
        column_config=columns,
        placeholder="",
        alt=say("The nodes on the path of the largest gradient."),
    )


_PATH = {
    "autograd node": sentence("autograd node"),
    "of": sentence("of"),
    "line": sentence("line"),
    "norm in": sentence("norm in"),
    "norm out": sentence("norm out"),
    "factor": sentence("factor"),
    "edges": sentence("edges"),
    "not finite": sentence("not finite"),
    "graph": sentence("graph"),
}
"""The columns of the table of a path, in words."""

_PATH_NUMBERS = {
    "norm in": sentence("The norm of the gradient that came in here."),
    "norm out": sentence("The norm of what went along the edge that the path takes."),
    "edges": sentence("Among so many the largest was chosen."),
    "factor": sentence("Norm out by norm in: below 1 the gradient shrinks here."),
}


def _path_row(shown: Shown, at: int, one: PathStep, label: str) -> dict[str, Any]:
    source = None if one.op is None else shown.recording.ops[one.op].source
    place = words.line(source)
    factor = one.leaving / one.arriving if one.leaving is not None and one.arriving else None
    return {
        "#": at,
        "autograd node": one.name,
        "of": label,
        "line": "" if place is None else f"{os.path.basename(place[0])}:{place[1]}",
        "norm in": one.arriving,
        "norm out": one.leaving,
        "factor": factor,
        "edges": one.edges,
        "not finite": one.nonfinite,
        "graph": shown.link(one.node),
    }


VIEWS: dict[str, tuple[str, Callable[[Shown], None]]] = {
    "depth": (sentence("Along the depth"), depth_view),
    "steps": (sentence("Loss and updates"), steps_view),
    "zeros": (sentence("Dead units"), zeros_view),
    "parameters": (sentence("Parameters"), parameters_view),
    "path": (sentence("Largest path"), path_view),
}
