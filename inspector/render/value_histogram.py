"""The distribution of a tensor's values as a Plotly figure."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy
import plotly.graph_objects as go

from inspector.language import Translate, sentence
from inspector.records import TensorSummary
from inspector.render.theme import palette
from inspector.render.value_figures import symbol
from inspector.render.windows import INF, NAN

BINS = 48

COUNTED = 1 << 18
"""Values up to which they are counted anew; of more the recorded bins are drawn."""


def histogram_figure(
    summary: TensorSummary,
    array: numpy.ndarray | None = None,
    theme: str = "light",
    title: str = "",
    translate: Translate = str,
) -> go.Figure | None:
    """How the finite values are distributed, and how many are not finite.

    Args:
        summary: of the tensor.
        array: its values; without them the bins of the summary are drawn.
        theme: "light" or "dark".
        title: stands over it.
        translate: tells its texts in the reader's language.

    Returns:
        Bars; None where there is not one finite value.
    """
    counts, edges = _bins(summary, array)
    if not len(counts):
        return None
    colours = palette(theme)
    middles = edges[:-1] / 2 + edges[1:] / 2  # in halves: the sum may be out of range
    spans = [
        translate(sentence("{a:.4g} to {b:.4g}", a=a, b=b)) for a, b in itertools.pairwise(edges)
    ]
    figure = go.Figure(
        go.Bar(
            x=middles,
            y=counts,
            width=edges[1:] - edges[:-1],
            marker={"color": colours["op-stroke"], "line": {"width": 0}},
            customdata=spans,
            hovertemplate="%{customdata}<br>"
            + translate(sentence("%{y:,} values"))
            + "<extra></extra>",
            showlegend=False,
        )
    )
    bad = ((NAN, summary.nan_count, "NaN"), (INF, summary.inf_count, "Inf"))
    for mark, count, name in bad:
        if count:
            figure.add_trace(_legend_entry(mark, f"{count:,} {name}", colours))
    figure.update_layout(
        title={"text": title, "font": {"size": 14}},
        height=240,
        bargap=0.04,
        margin={"l": 50, "r": 10, "t": 40 if title else 10, "b": 40},
        legend={"orientation": "h", "y": -0.2, "x": 0},
        yaxis={"title": translate(sentence("values"))},
    )
    return figure


def _bins(
    summary: TensorSummary, array: numpy.ndarray | None
) -> tuple[numpy.ndarray, numpy.ndarray]:
    """(counts, edges): of the array where it is there, else those that were recorded."""
    if array is not None and array.size <= COUNTED:
        numbers = numpy.abs(array) if array.dtype.kind == "c" else array
        finite = numbers[numpy.isfinite(numbers)].astype(numpy.float64)
        if finite.size and math.isfinite(float(finite.max()) - float(finite.min())):
            counts, edges = numpy.histogram(finite, bins=_sensible(finite))
            return counts, edges
    if summary.min is None or summary.max is None or not summary.histogram:
        return numpy.zeros(0), numpy.zeros(1)
    low, high = summary.min, summary.max
    if low == high:
        low, high = low - 0.5, high + 0.5
    counts = numpy.array(summary.histogram)
    return counts, numpy.linspace(low / 2, high / 2, len(counts) + 1) * 2


def _sensible(finite: numpy.ndarray) -> int:
    """How many bins say something: by Rice's rule, and no more than there are different values."""
    different = len(numpy.unique(finite[: 4 * BINS * BINS]))
    return max(min(BINS, different, math.ceil(2 * math.cbrt(finite.size))), 1)


def _legend_entry(mark: int, name: str, colours: Any) -> go.Scatter:
    return go.Scatter(x=[None], y=[None], mode="markers", name=name, marker=symbol(mark, colours))
