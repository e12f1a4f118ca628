"""The measures of drawn nodes as a workbench takes them: places on a scale, with their texts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from inspector.language import Translate, sentence
from inspector.records import Overlay, Recording
from inspector.render.cardparts import bytes_text, duration_text
from inspector.render.told import told
from inspector.views.heat import Heat, heat
from inspector.views.model import GraphView

Json = dict[str, Any]

_NAMES = {
    "time": sentence("time"),
    "memory": sentence("memory"),
    "gradient": sentence("gradient norm"),
    "zeros": sentence("zeros"),
    "nonfinite": sentence("NaN and Inf"),
    "visits": sentence("visits"),
}


def heat_payload(
    views: Mapping[str, GraphView],
    recording: Recording,
    overlay: Overlay | None = None,
    translate: Translate = str,
) -> Json:
    """What the nodes of each drawing can be coloured by.

    Args:
        views: by pane.
        recording, overlay: what they show.
        translate: gives a text in the page's language.

    Returns:
        Pane -> list of measures, each with `id`, `label`, `unit`, `scale` ("log" or "linear"),
        `low` and `high` (texts of the ends) and `values`: node id -> [place on the scale from 0
        to 1, or None for a 0 that has none; text].
    """
    found: Json = {
        pane: [_measure(one) for one in heat(view, recording, overlay)]
        for pane, view in views.items()
    }
    return told(found, translate)


def heat_answer(
    view: GraphView,
    recording: Recording,
    overlay: Overlay | None,
    measure: str,
) -> Json:
    """One measure of one drawing, where a page asks for it: `{"measure": …}`, as in `heat_payload`.

    It is None where no node that is drawn has such a number.
    """
    found = heat(view, recording, overlay, (measure,))
    return {"measure": _measure(found[0]) if found else None}


def _measure(found: Heat) -> Json:
    return {
        "id": found.measure,
        "label": _NAMES[found.measure],
        "unit": found.unit,
        "scale": found.scale,
        "low": amount_text(found.low, found.unit),
        "high": amount_text(found.high, found.unit),
        "values": {
            node: [_rounded(found.place(value)), amount_text(value, found.unit)]
            for node, value in found.values.items()
        },
    }


def _rounded(place: float | None) -> float | None:
    return None if place is None else round(place, 3)


def amount_text(value: float, unit: str) -> str:
    """A value short enough for a node: "12 µs", "3.2 MB", "0.031", "40%", "×12"."""
    if unit == "µs":
        return duration_text(value)
    if unit == "B":
        return bytes_text(int(value))
    if unit == "%":
        return _percent_text(value)
    if unit == "×":
        return f"×{value:,.0f}"
    return f"{value:,.0f}" if value == int(value) and value < 1e6 else f"{value:.2g}"


def _percent_text(fraction: float) -> str:
    """Nearly none is not none, and nearly all is not all."""
    if 0 < fraction < 0.001:
        return "<0.1%"
    if 0.999 < fraction < 1:
        return ">99.9%"
    return (
        f"{fraction:.0%}" if fraction in (0, 1) or 0.01 <= fraction <= 0.99 else f"{fraction:.1%}"
    )
