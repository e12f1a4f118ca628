"""Charts of rectifiers: how much of their output is zero, and which units let nothing through."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from inspector.gradients import (
    Rectifier,
    place_of,
    places_of,
)
from inspector.language import Translate, counted, sentence
from inspector.render.gradient_axes import TITLE, as_text, short_name, spread
from inspector.render.theme import palette

_BARS = 20


def zeros_figure(
    rectifiers: Sequence[Rectifier], theme: str = "light", translate: Translate = str
) -> go.Figure | None:
    """The share of zeros in each rectifier's outputs, as bars; dead ones are hatched.

    Returns:
        Bars in forward order, from the top; of more than 20 those with the most zeros. None
        without rectifiers.
    """
    if not rectifiers:
        return None
    names = places_of(rectifiers)
    most = set(sorted(range(len(rectifiers)), key=lambda i: -rectifiers[i].zeros)[:_BARS])
    shown = [one for i, one in enumerate(rectifiers) if i in most]
    labels = [as_text(name) for i, name in enumerate(names) if i in most]
    colours = palette(theme)
    dead = [one.dead_since is not None or bool(one.dead) for one in shown]
    figure = go.Figure(
        go.Bar(
            y=list(range(len(shown))),
            x=[100 * one.zeros for one in shown],
            orientation="h",
            marker={
                "color": [colours["failed" if is_dead else "op-stroke"] for is_dead in dead],
                "pattern": {"shape": ["/" if is_dead else "" for is_dead in dead]},
            },
            text=[translate(_zeros_text(one)) for one in shown],
            textposition="outside",
            textfont={"color": colours["text"]},
            cliponaxis=False,
            customdata=labels,
            hovertemplate=translate(sentence("%{customdata}<br>%{x:.1f} % zeros<extra></extra>")),
        )
    )
    figure.update_layout(
        height=100 + 34 * len(shown),
        margin={"l": 10, "r": 10, "t": 40, "b": 40},
        title={"text": translate(sentence("Zeros in the output")), **TITLE},
        xaxis={
            "range": [0, 145],  # room for the words behind the bars
            "tickvals": [0, 25, 50, 75, 100],
            "title": translate(sentence("% of the values, over all steps")),
            "zeroline": False,
        },
        yaxis={
            "autorange": "reversed",
            "tickvals": list(range(len(shown))),
            "ticktext": [short_name(label) for label in labels],
            "automargin": True,
        },
        bargap=0.35,
    )
    return figure


def _zeros_text(one: Rectifier) -> str:
    share = f"{100 * one.zeros:.0f} %"
    if one.dead_since is not None:
        step = one.dead_since + 1
        return sentence("{share}, dead since step {step}", share=share, step=step)
    if not one.dead:
        return share
    return counted(
        "{share}, {count} dead unit", "{share}, {count} dead units", len(one.dead), share=share
    )


def unit_figure(
    one: Rectifier, theme: str = "light", name: str = "", translate: Translate = str
) -> go.Figure | None:
    """The share of zeros per unit and round, as a heat map.

    Args:
        one: the rectifier.
        theme: "light" or "dark".
        name: what to call it; else its module's path.
        translate: tells its texts in the reader's language.

    Returns:
        A row per round, a column per unit; a unit that let nothing through is in the colour of
        failure. None without recorded values.
    """
    rows = [(i, row) for i, row in enumerate(one.units_by_round) if row is not None]
    if not rows and one.units:
        rows = [(0, one.units)]  # it ran outside of all rounds
    if not rows:
        return None
    colours = palette(theme)
    figure = go.Figure(
        go.Heatmap(
            z=[[100 * zeros for zeros in row] for _, row in rows],
            x=list(range(len(one.units))),
            y=[i + 1 for i, _ in rows],
            zmin=0,
            zmax=100,
            colorscale=[
                [0, colours["op-fill"]],
                [0.998, colours["op-stroke"]],
                [0.999, colours["failed"]],
                [1, colours["failed"]],
            ],
            colorbar={
                "title": translate(sentence("% zeros")),
                "tickvals": [0, 50, 100],
                "thickness": 14,
            },
            hovertemplate=translate(
                sentence("unit %{x}, step %{y}<br>%{z:.0f} % zeros<extra></extra>")
            ),
            xgap=1,
            ygap=1,
        )
    )
    title = sentence("Zeros per unit of {name}", name=as_text(name or place_of(one)))
    figure.update_layout(
        height=max(220, min(420, 130 + 14 * len(rows))),
        margin={"l": 60, "r": 10, "t": 40, "b": 40},
        title={"text": translate(title), **TITLE},
        xaxis={
            "title": translate(sentence("unit")), "showgrid": False, "zeroline": False,
            "dtick": _dtick(one.units),
        },
        yaxis={
            "title": translate(sentence("training step")), "autorange": "reversed",
            "showgrid": False,
            "tickvals": spread([i + 1 for i, _ in rows], 12),
        },
    )  # fmt: skip
    return figure


def _dtick(units: Sequence[float]) -> int:
    return max(1, -(-len(units) // 16))
