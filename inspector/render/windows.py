"""A window onto an array of any rank: a picture of bounded size.

An array becomes a number, a line, a heatmap, a row of tiles or images. What is too large is
reduced block by block to means of the finite values; a block with a NaN or an infinity in it is
marked as that, so that none is ever hidden.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy

from inspector.errors import QuestionError
from inspector.language import sentence, sentences

Kind = Literal["number", "line", "heatmap", "tiles", "images", "empty", "unknown"]

SIDE = 64
"""Cells at most in each direction of a heatmap."""

LINE = 512
"""Points at most of a line."""

TILES = 16
"""Tiles at most in one window."""

FINITE, NAN, INF, MINUS_INF, BOTH_INF = range(5)
"""What a cell holds: its number, or which values that are none."""

FAR, HUGE = 1e4, 1e30
"""Sizes from which a number can be, and is, an extreme: see `near_range`."""

MARKS = {NAN: "NaN", INF: "Inf", MINUS_INF: "-Inf", BOTH_INF: "±Inf"}


@dataclass(frozen=True, slots=True)
class Slice:
    """Which part of a tensor to show; None and missing axes are chosen by themselves.

    Args:
        kind: "line", "heatmap", "tiles" or "images".
        rows, columns: the axes that run down and across.
        over: the axis that has a tile for each of its indices.
        at: axis -> index, of the axes that are not drawn; the first one where not given.
        first: the first tile.
        side: cells at most in each direction.
    """

    kind: str | None = None
    rows: int | None = None
    columns: int | None = None
    over: int | None = None
    at: Mapping[int, int] = field(default_factory=dict)
    first: int = 0
    side: int = SIDE


@dataclass(frozen=True, slots=True)
class Window:
    """A part of a tensor's values, ready to be drawn.

    Args:
        kind: what to draw; "unknown" when there are no values (`note` says why).
        kinds: what else could be drawn.
        shape, axes: of the whole tensor, with the names of its dimensions ("" if not known).
        rows, columns, over, colours: the axes drawn; None for those that are not.
        at: index of each axis that is not drawn and has more than one.
        cells: line (n,), heatmap (h, w), tiles (k, h, w), images (k, h, w) or (k, h, w, 3).
            Zero where `marks` has anything but `FINITE`.
        marks: of the same shape.
        block: elements per cell, down and across.
        first, tiles: the number of the first tile, and how many there are in all.
        nans, infs: in the part shown, by element.
        boolean: the numbers stand for False and True.
        bounds: smallest and largest finite value of the whole tensor, so that the colours of
            all its parts can be compared; None takes those of the cells.
        beyond: there are numbers far outside of `bounds`, as those of a mask.
        note: what a reader must know of how this was made.
        brief: the same in few words, where there are any.
        complete: False where only the recorded sample is shown.
    """

    kind: Kind
    shape: tuple[int, ...]
    axes: tuple[str, ...]
    cells: numpy.ndarray = field(default_factory=lambda: numpy.zeros(0))
    marks: numpy.ndarray = field(default_factory=lambda: numpy.zeros(0, numpy.int8))
    kinds: tuple[Kind, ...] = ()
    rows: int | None = None
    columns: int | None = None
    over: int | None = None
    colours: int | None = None
    at: Mapping[int, int] = field(default_factory=dict)
    block: tuple[int, int] = (1, 1)
    first: int = 0
    tiles: int = 1
    nans: int = 0
    infs: int = 0
    boolean: bool = False
    bounds: tuple[float, float] | None = None
    beyond: bool = False
    note: str = ""
    brief: str = ""
    complete: bool = True

    @property
    def range(self) -> tuple[float, float]:
        """What the colours span: `bounds`, else the finite cells; (0, 0) where there is none."""
        if self.bounds is not None:
            return self.bounds
        finite = self.cells[self.marks == FINITE]
        return (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)


def window_of(array: numpy.ndarray, axes: tuple[str, ...], part: Slice) -> Window:
    """A part of an array as something to draw; `axes` names its dimensions."""
    layout = _layout(array.shape, axes, part)
    if layout.kind == "empty":
        return replace(
            layout, note=sentence("This tensor has no values: one of its dimensions is 0.")
        )
    places = tuple(layout.at.get(axis, slice(None)) for axis in range(array.ndim))
    picked = numpy.asarray(array[places])
    drawn = [layout.over, layout.rows, layout.columns, layout.colours]
    order = [axis for axis in drawn if axis is not None]
    kept = sorted(order)
    cells = picked.transpose([kept.index(axis) for axis in order])
    if layout.over is not None:
        cells = cells[layout.first : layout.first + TILES]
    numbers, note = _as_floats(cells)
    reduced, marks, block = _reduce(numbers, layout, part.side)
    if block != (1, 1):
        size = "×".join(str(step) for step in block if step > 1 or layout.kind != "line")
        note = sentences(note, sentence("Each cell is the mean of {size} values.", size=size))
    return replace(
        layout,
        cells=reduced,
        marks=marks,
        block=block,
        nans=int(numpy.isnan(numbers).sum()),
        infs=int(numpy.isinf(numbers).sum()),
        boolean=array.dtype.kind == "b",
        note=note,
    )


def near_range(array: numpy.ndarray) -> tuple[float, float] | None:
    """Smallest and largest number without extremes, such as the -3.4e38 of masked scores.

    Extremes are numbers from `HUGE` on, and those from `FAR` on that are at least `FAR` times as
    large as all others; None where there are none, or nothing else.
    """
    if array.dtype.kind not in "fiu" or not array.size:
        return None
    numbers = array[numpy.isfinite(array)].astype(numpy.float64)
    sizes = numpy.abs(numbers)
    kept = sizes < HUGE
    near = sizes < FAR
    if near.any() and not near[kept].all():
        most = float(sizes[near].max())
        if most > 1 / FAR and float(sizes[kept & ~near].min()) >= FAR * most:
            kept = near
    if kept.all() or not kept.any():
        return None
    return float(numbers[kept].min()), float(numbers[kept].max())


def _as_floats(cells: numpy.ndarray) -> tuple[numpy.ndarray, str]:
    """The cells in double precision, and what was done to complex numbers."""
    if cells.dtype.kind == "c":
        return numpy.abs(cells).astype(numpy.float64), sentence("Magnitudes of complex numbers.")
    return cells.astype(numpy.float64), ""


# -- what is drawn ---------------------------------------------------------------------------------


def _layout(shape: tuple[int, ...], axes: tuple[str, ...], part: Slice) -> Window:
    """Which axes are drawn, and how; axes of size 1 are left out where others are there."""
    if 0 in shape:
        return Window("empty", shape, axes)
    wide = [axis for axis, size in enumerate(shape) if size > 1]
    kinds = _kinds(shape, axes, wide)
    kind = _kind(kinds, part.kind)
    if kind == "number":
        at = dict.fromkeys(range(len(shape)), 0)
        return Window(kind, shape, axes, kinds=kinds, at=at)
    named = {name: axis for axis, name in enumerate(axes) if name}
    over: int | None = None
    colours: int | None = None
    rows: int | None = wide[-2] if len(wide) > 1 else None
    columns: int | None = wide[-1]
    if kind == "images" or (kind == "tiles" and _is_picture(shape, axes)):
        rows, columns = len(shape) - 2, len(shape) - 1
    columns = _axis(part.columns, shape, columns)
    rows = None if kind == "line" else _axis(part.rows, shape, rows)
    if kind == "images":
        colours = named["C"] if shape[named["C"]] == 3 else None
        over = named.get("N")
    elif kind == "tiles":
        tiled = [axis for axis in wide if axis not in (rows, columns)]
        chosen = named.get("out", named.get("C", -1))
        over = _axis(part.over, shape, chosen if chosen in tiled else tiled[-1])
    drawn = [axis for axis in (over, rows, columns, colours) if axis is not None]
    if len(set(drawn)) < len(drawn):
        raise QuestionError(
            sentence("One axis cannot be drawn in two directions; choose another one.")
        )
    at = {axis: 0 for axis in range(len(shape)) if axis not in drawn}
    for axis in at:
        at[axis] = min(max(int(part.at.get(axis, 0)), 0), shape[axis] - 1)
    tiles = 1 if over is None else shape[over]
    return Window(
        kind,
        shape,
        axes,
        kinds=kinds,
        rows=rows,
        columns=columns,
        over=over,
        colours=colours,
        at=at,
        first=min(max(part.first, 0), (tiles - 1) // TILES * TILES),
        tiles=tiles,
    )


def _kinds(shape: tuple[int, ...], axes: tuple[str, ...], wide: list[int]) -> tuple[Kind, ...]:
    """What a tensor can be drawn as, the best first."""
    if not wide:
        return ("number",)
    if len(wide) == 1:
        return ("line",)
    kinds: tuple[Kind, ...] = ("heatmap", "line")
    if len(wide) > 2:
        kinds = ("heatmap", "tiles", "line")
    if _is_picture(shape, axes):
        kinds = ("tiles", "heatmap", "line") if len(wide) > 2 else kinds
        channels = shape[axes.index("C")] if axes.count("C") == 1 else 0
        if channels in (1, 3):
            kinds = ("images", *kinds)
    return kinds


def _is_picture(shape: tuple[int, ...], axes: tuple[str, ...]) -> bool:
    """Whether the last two dimensions are known to be the height and width of pictures."""
    return axes[-2:] in (("H", "W"), ("kH", "kW")) and min(shape[-2:]) > 1


def _kind(kinds: tuple[Kind, ...], wanted: str | None) -> Kind:
    """The kind asked for where it makes sense, else the best one."""
    return next((kind for kind in kinds if kind == wanted), kinds[0])


def _axis(wanted: int | None, shape: tuple[int, ...], otherwise: int | None) -> int | None:
    if wanted is None:
        return otherwise
    if not 0 <= wanted < len(shape):
        raise QuestionError(
            sentence(
                "A tensor of {count} dimensions has no axis {wanted}.",
                count=len(shape),
                wanted=wanted,
            )
        )
    return wanted


# -- fewer cells -----------------------------------------------------------------------------------


def _reduce(
    numbers: numpy.ndarray, layout: Window, side: int
) -> tuple[numpy.ndarray, numpy.ndarray, tuple[int, int]]:
    """Cells and marks with at most `side` of them in each direction, and the blocks' size."""
    side = max(side, 1)
    if layout.kind == "number":
        cells, marks = blocks(numbers.reshape(1), 0, 1)
        return cells, marks, (1, 1)
    if layout.kind == "line":
        step = -(-numbers.shape[0] // (side * (LINE // SIDE)))
        cells, marks = blocks(numbers, 0, step)
        return cells, marks, (1, step)
    first = 0 if layout.over is None else 1
    tiles = numbers.shape[0] if first else 1
    side = min(side, max(int(2 * side / math.sqrt(tiles)), 8))
    down, across = (-(-numbers.shape[first + place] // side) for place in (0, 1))
    cells, marks = blocks(numbers, first, down, across)
    return cells, marks, (down, across)


def blocks(numbers: numpy.ndarray, axis: int, *steps: int) -> tuple[numpy.ndarray, numpy.ndarray]:
    """(mean of the finite values, mark) of each block of `steps` elements from `axis` on."""
    finite = numpy.isfinite(numbers)
    plain = numpy.where(finite, numbers, 0.0)
    kinds = [numpy.isnan(numbers), numpy.isposinf(numbers), numpy.isneginf(numbers)]
    if any(step > 1 for step in steps):
        counts = numpy.ones(numbers.shape)
        plain = plain / math.prod(steps)  # first, so that no sum is out of range
        for place, step in enumerate(steps, axis):
            starts = numpy.arange(0, numbers.shape[place], step)
            plain = numpy.add.reduceat(plain, starts, place)
            counts = numpy.add.reduceat(counts, starts, place)
            kinds = [numpy.logical_or.reduceat(kind, starts, place) for kind in kinds]
        plain = plain * (math.prod(steps) / counts)  # blocks at the end are smaller
    nan, plus, minus = kinds
    marks = numpy.select([nan, plus & minus, plus, minus], [NAN, BOTH_INF, INF, MINUS_INF], FINITE)
    return numpy.where(marks == FINITE, plain, 0.0), marks.astype(numpy.int8)
