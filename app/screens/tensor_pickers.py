"""Widgets that choose which part of a tensor is drawn, and how."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from inspector.language import sentence
from inspector.render.values import window
from inspector.render.windows import TILES, Slice, Window
from inspector.tensors_about import TensorsAbout
from inspector_app.phrases import say, told

_KINDS: dict[str, str] = {
    "line": sentence("line chart"),
    "heatmap": sentence("heatmap"),
    "tiles": sentence("tiles"),
    "images": sentence("images"),
}

SIDE = 64
"""Cells of a picture in each direction: what Plotly draws at once."""


def pick(about: TensorsAbout, tensor: int, key: str) -> Slice:
    """Widgets for the kind of picture, its axes, and the index on each axis that is not drawn.

    Those that would have nothing to choose from are left out.

    Args:
        about: of the recording.
        tensor: its id.
        key: of the widgets, of its own for each tensor.
    """
    first = window(about, tensor)
    part = Slice(side=SIDE)
    if not first.complete or len(first.kinds) < 2:
        return part
    columns = st.columns(3)
    kind = columns[0].segmented_control(
        say("Draw as"),
        first.kinds,
        default=first.kind,
        required=True,
        key=f"{key}/kind",
        format_func=lambda one: told(_KINDS[one]),
    )
    part = replace(part, kind=kind)
    wide = [axis for axis, size in enumerate(first.shape) if size > 1]
    if kind == "line" or (kind == "heatmap" and len(wide) > 2):
        across = _axis(columns[1], say("Across"), wide, first, f"{key}/{kind}/across")
        part = replace(part, columns=across)
        if kind == "heatmap":
            others = [axis for axis in wide if axis != across]
            down = _axis(columns[2], say("Down"), others, first, f"{key}/down/{across}")
            part = replace(part, rows=down)
    return _indices(window(about, tensor, part), part, f"{key}/{kind}")


def _axis(
    place: st.delta_generator.DeltaGenerator, label: str, axes: list[int], found: Window, key: str
) -> int:
    """One of `axes`; the last one at first, as rows and columns are the last two."""
    return place.selectbox(
        label, axes, index=len(axes) - 1, key=key, format_func=lambda axis: axis_name(found, axis)
    )


def _indices(found: Window, part: Slice, key: str) -> Slice:
    """A slider for each axis that is not drawn, and one for the tiles where there are many."""
    free = [axis for axis in found.at if found.shape[axis] > 1]
    many = found.tiles > TILES
    if not free and not many:
        return part
    places = st.columns(max(min(len(free) + many, 4), 2))
    at = {}
    for number, axis in enumerate(free):
        label = say("Index on {axis}", axis=axis_name(found, axis))
        last = found.shape[axis] - 1
        at[axis] = places[number % len(places)].slider(label, 0, last, 0, key=f"{key}/{axis}")
    first = 0
    if many:
        last = (found.tiles - 1) // TILES * TILES
        place = places[len(free) % len(places)]
        first = place.slider(say("First tile"), 0, last, 0, step=TILES, key=f"{key}/first")
    return replace(part, at=at, first=first)


def axis_name(found: Window, axis: int) -> str:
    """As in "C (3)", "axis 2 (7)"."""
    return f"{told(found.axes[axis]) or say('axis {number}', number=axis)} ({found.shape[axis]})"
