"""Tensors' values as Plotly figures: heatmaps, images and lines.

NaN and infinities are symbols of their own on top, with an entry in the legend that counts
them: a colour alone would hide them among the numbers.
"""

from __future__ import annotations

import math
from typing import Any

import numpy
import plotly.graph_objects as go

from inspector.language import Translate, sentence
from inspector.render.theme import VALUE_SCALE, palette
from inspector.render.values import scale_of
from inspector.render.windows import BOTH_INF, FINITE, INF, MARKS, MINUS_INF, NAN, Window

SYMBOLS = {NAN: "x", INF: "triangle-up", MINUS_INF: "triangle-down", BOTH_INF: "star-diamond"}
"""Plotly's symbol of each mark."""

BARS = 64
"""Numbers up to which a line is drawn as bars."""

_GAP = 1  # cells between tiles


def values_figure(
    found: Window, theme: str = "light", title: str = "", translate: Translate = str
) -> go.Figure | None:
    """A window of values as a figure.

    Args:
        found: of `values.window`.
        theme: "light" or "dark".
        title: stands over it.
        translate: tells its texts in the reader's language.

    Returns:
        Bars or a line, a heatmap, or tiles beside each other; None for a single number and where
        there is nothing to draw (`found.note` says why).
    """
    if found.kind in ("number", "empty", "unknown"):
        return None
    draw = _line if found.kind == "line" else _cells
    figure = draw(found, theme, translate)
    colours = palette(theme)
    figure.update_layout(
        title={"text": title, "font": {"size": 14}},
        height=300 if found.kind == "line" else 420,
        margin={"l": 50, "r": 10, "t": 40 if title else 10, "b": 40},
        legend={"orientation": "h", "y": -0.16, "x": 0},
        plot_bgcolor=colours["canvas"] if found.kind == "line" else colours["box-fill"],
    )
    return figure


# -- lines -----------------------------------------------------------------------------------------


def _line(found: Window, theme: str, translate: Translate) -> go.Figure:
    colours = palette(theme)
    places = numpy.arange(len(found.cells)) * found.block[1]
    numbers = numpy.where(found.marks == FINITE, found.cells, numpy.nan)
    what = translate(sentence("mean %{y:.6g}")) if found.block[1] > 1 else "%{y:.6g}"
    about: dict[str, Any] = {"hovertemplate": f"[%{{x}}] {what}<extra></extra>"}
    if len(numbers) <= BARS:
        low, high = colours[VALUE_SCALE[0]], colours[VALUE_SCALE[-1]]
        shades = [low if value < 0 else high for value in found.cells]
        trace: Any = go.Bar(
            x=places, y=numbers, marker={"color": shades}, showlegend=False, **about
        )
    else:
        trace = go.Scatter(
            x=places, y=numbers, mode="lines", line={"color": colours["op-stroke"]},
            connectgaps=False, showlegend=False, **about,
        )  # fmt: skip
    figure = go.Figure(trace)
    low_end, high_end = min(found.range[0], 0.0), max(found.range[1], 0.0)
    heights = {NAN: 0.0, INF: high_end, MINUS_INF: low_end, BOTH_INF: 0.0}
    for mark, at in _marked(found.marks):
        figure.add_trace(
            _marks(mark, places[at[0]], numpy.full(len(at[0]), heights[mark]), colours)
        )
    name = "" if found.columns is None else _axis_title(found, found.columns, translate)
    figure.update_xaxes(title=name or translate(sentence("place in memory order")), zeroline=False)
    figure.update_yaxes(zeroline=True, zerolinecolor=colours["muted"])
    return figure


# -- cells -----------------------------------------------------------------------------------------


def _cells(found: Window, theme: str, translate: Translate) -> go.Figure:
    """Heatmap, tiles and images: one large picture, in which tiles lie side by side."""
    colours = palette(theme)
    tiled = found.kind == "tiles" or (found.kind == "images" and found.over is not None)
    cells = found.cells if tiled else found.cells[None]
    marks = found.marks if tiled else found.marks[None]
    coloured = cells.ndim == 4
    texts = mosaic(_hover_texts(found, cells, marks, translate), "")
    if coloured:
        figure = go.Figure(_photograph(found, cells, marks, texts))
        marks = marks.max(axis=-1)
    else:
        figure = go.Figure(_heatmap(found, cells, marks, texts, colours))
    spread = mosaic(marks, FINITE)
    for mark, at in _marked(spread):
        figure.add_trace(_marks(mark, at[1], at[0], colours))
    _axes_of(figure, found, tiled, translate)
    return figure


def _heatmap(
    found: Window,
    cells: numpy.ndarray,
    marks: numpy.ndarray,
    texts: numpy.ndarray,
    colours: Any,
) -> go.Heatmap:
    scale = scale_of(found)
    stops = [colours[role] for role in VALUE_SCALE]
    if scale["kind"] == "light":
        stops = ["black", "white"]  # brightness is the value itself
    elif scale["kind"] == "rising":
        stops = stops[2:]
    elif scale["kind"] == "falling":
        stops = stops[:3]
    low, high = float(scale["from"]), float(scale["to"])
    steps = [at / (len(stops) - 1) for at in range(len(stops))]
    return go.Heatmap(
        z=mosaic(numpy.where(marks == FINITE, cells, numpy.nan), numpy.nan),
        text=texts,
        hovertemplate="%{text}<extra></extra>",
        colorscale=[list(pair) for pair in zip(steps, stops, strict=True)],
        zmin=low,
        zmax=high if high > low else low + 1,
        colorbar={"thickness": 12, "outlinewidth": 0},
        hoverongaps=False,
    )


def _photograph(
    found: Window, cells: numpy.ndarray, marks: numpy.ndarray, texts: numpy.ndarray
) -> go.Image:
    """Images of three channels, from the darkest to the brightest value of the tensor."""
    low, high = found.range
    share = (cells - low) / (high - low) if high > low else numpy.full(cells.shape, 0.5)
    bright = numpy.where(marks == FINITE, numpy.clip(share, 0, 1) * 255, 128).astype(numpy.uint8)
    return go.Image(z=mosaic(bright, 255), text=texts, hovertemplate="%{text}<extra></extra>")


def mosaic(tiles: numpy.ndarray, gap: Any) -> numpy.ndarray:
    """Tiles (k, h, w) or (k, h, w, 3) side by side in one picture, `gap` between them."""
    count, height, width = tiles.shape[:3]
    columns = math.ceil(math.sqrt(count * height / max(width, 1))) if count > 1 else 1
    columns = min(max(columns, 1), count)
    rows = math.ceil(count / columns)
    shape = (rows * (height + _GAP) - _GAP, columns * (width + _GAP) - _GAP, *tiles.shape[3:])
    picture = numpy.full(shape, gap, dtype=tiles.dtype)
    for number, tile in enumerate(tiles):
        top = number // columns * (height + _GAP)
        left = number % columns * (width + _GAP)
        picture[top : top + height, left : left + width] = tile
    return picture


def _hover_texts(
    found: Window, cells: numpy.ndarray, marks: numpy.ndarray, translate: Translate
) -> numpy.ndarray:
    """Index and value of each cell (k, h, w), as in "[0, 2, 4–7] = 0.5 (mean)"."""
    count, height, width = cells.shape[:3]
    texts = numpy.empty((count, height, width), dtype=object)
    index = _index_template(found)
    rows = _spans(found.block[0], height, found.rows, found.shape)
    columns = _spans(found.block[1], width, found.columns, found.shape)
    mean = f" {translate(sentence('(mean)'))}" if found.block != (1, 1) else ""
    values = iter(_value_texts(cells, marks))
    for tile, row, column in numpy.ndindex(*texts.shape):
        place = index.format(tile=found.first + tile, row=rows[row], column=columns[column])
        texts[tile, row, column] = f"[{place}] = {next(values)}{mean}"
    return texts


def _index_template(found: Window) -> str:
    """The index of a cell in the whole tensor, with places for what differs between cells."""
    drawn = {found.rows: "{row}", found.columns: "{column}", found.over: "{tile}"}
    parts = []
    for axis in range(len(found.shape)):
        fixed = ":" if axis == found.colours else str(found.at.get(axis, 0))
        parts.append(drawn.get(axis, fixed))
    return ", ".join(parts)


def _spans(step: int, count: int, axis: int | None, shape: tuple[int, ...]) -> list[str]:
    """The indices that each cell along an axis stands for: "3", or "4–7" for a block."""
    if step == 1 or axis is None:
        return [str(at) for at in range(count)]
    pairs = ((at * step, min((at + 1) * step, shape[axis]) - 1) for at in range(count))
    return [str(first) if first == last else f"{first}–{last}" for first, last in pairs]


def _value_texts(cells: numpy.ndarray, marks: numpy.ndarray) -> list[str]:
    """The values of the cells in order; the channels of a pixel are one text."""
    texts = [
        f"{cell:.6g}" if mark == FINITE else MARKS[mark]
        for cell, mark in zip(cells.reshape(-1).tolist(), marks.reshape(-1).tolist(), strict=True)
    ]
    if cells.ndim < 4:
        return texts
    channels = cells.shape[-1]
    return [", ".join(texts[at : at + channels]) for at in range(0, len(texts), channels)]


def _axes_of(figure: go.Figure, found: Window, tiled: bool, translate: Translate) -> None:
    """Titles of the axes; the cells of pictures are square."""
    if tiled or found.kind == "images":
        figure.update_xaxes(visible=False, constrain="domain")
        figure.update_yaxes(visible=False, autorange="reversed", scaleanchor="x")
        return
    down, across = found.block
    assert found.rows is not None
    assert found.columns is not None
    figure.update_xaxes(
        title=_axis_title(found, found.columns, translate) + _per(across),
        constrain="domain", showgrid=False, zeroline=False,
    )  # fmt: skip
    figure.update_yaxes(
        title=_axis_title(found, found.rows, translate) + _per(down),
        autorange="reversed", showgrid=False, zeroline=False,
    )  # fmt: skip


def _per(step: int) -> str:
    return "" if step == 1 else f" / {step}"


def _axis_title(found: Window, axis: int, translate: Translate) -> str:
    return found.axes[axis] or translate(sentence("axis {number}", number=axis))


# -- marks -----------------------------------------------------------------------------------------


def _marked(marks: numpy.ndarray) -> list[tuple[int, tuple[numpy.ndarray, ...]]]:
    """(mark, where) of the marks that are there."""
    found = ((mark, numpy.nonzero(marks == mark)) for mark in MARKS)
    return [(mark, where) for mark, where in found if len(where[0])]


def _marks(mark: int, x: numpy.ndarray, y: numpy.ndarray, colours: Any) -> go.Scatter:
    name = MARKS[mark]
    return go.Scatter(
        x=x,
        y=y,
        mode="markers",
        name=f"{name} ({len(x):,})",
        marker=symbol(mark, colours),
        hovertemplate=f"{name}<extra></extra>",
        showlegend=True,
    )


def symbol(mark: int, colours: Any) -> dict[str, Any]:
    """How a mark looks, told apart by its form and not by its colour alone."""
    colour = colours["failed"] if mark == NAN else colours["nonfinite"]
    edge = {"width": 1, "color": colours["canvas"]}
    return {"symbol": SYMBOLS[mark], "size": 9, "color": colour, "line": edge}
