"""Tensors' values as Plotly figures: what is drawn where, and how what is no number shows."""

from __future__ import annotations

from typing import Any

import numpy
import plotly.graph_objects as go
import pytest

from inspector.errors import RenderError
from inspector.records import TensorSummary
from inspector.render.theme import THEMES, VALUE_SCALE
from inspector.render.value_figures import mosaic, values_figure
from inspector.render.value_histogram import histogram_figure
from inspector.render.windows import Slice, Window, window_of

NCHW = ("N", "C", "H", "W")
NAN, INF = float("nan"), float("inf")


def window(array: Any, axes: tuple[str, ...] | None = None, **part: Any) -> Window:
    array = numpy.asarray(array, dtype=float)
    return window_of(array, axes or ("",) * array.ndim, Slice(**part))


def figure(array: Any, axes: tuple[str, ...] | None = None, **part: Any) -> go.Figure:
    found = values_figure(window(array, axes, **part))
    assert found is not None
    return found


def summary(**more: Any) -> TensorSummary:
    about = {"numel": 4, "min": 0.0, "max": 3.0, "mean": 1.5, "std": 1.0}
    return TensorSummary(**{**about, "nan_count": 0, "inf_count": 0, "zero_fraction": 0.0, **more})


def test_a_matrix_is_a_heatmap_with_the_first_row_on_top() -> None:
    array = [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]
    drawn = figure(array, ("queries", "keys"))
    (heatmap,) = drawn.data
    assert heatmap.z.tolist() == array
    assert drawn.layout.yaxis.autorange == "reversed"
    assert (drawn.layout.xaxis.title.text, drawn.layout.yaxis.title.text) == ("keys", "queries")


def test_a_reduced_axis_says_how_many_values_a_cell_has() -> None:
    drawn = figure(numpy.ones((4, 100)), side=50)
    assert drawn.layout.xaxis.title.text == "axis 1 / 2"
    assert drawn.layout.yaxis.title.text == "axis 0"


def test_numbers_that_are_none_are_symbols_with_a_legend_entry_each() -> None:
    drawn = figure([[NAN, 1.0], [INF, -INF], [NAN, 2.0]])
    heatmap, *marks = drawn.data
    assert numpy.isnan(heatmap.z).sum() == 4
    places = {
        trace.name: (trace.marker.symbol, list(zip(trace.x, trace.y, strict=True)))
        for trace in marks
    }
    assert places == {
        "NaN (2)": ("x", [(0, 0), (0, 2)]),
        "Inf (1)": ("triangle-up", [(0, 1)]),
        "-Inf (1)": ("triangle-down", [(1, 1)]),
    }
    assert all(trace.showlegend for trace in marks)


def test_a_line_has_gaps_with_symbols_where_there_is_no_number() -> None:
    bars, mark = figure([1.0, NAN, -3.0]).data
    assert isinstance(bars, go.Bar)
    assert [None if numpy.isnan(y) else y for y in bars.y] == [1.0, None, -3.0]
    assert (mark.name, list(mark.x)) == ("NaN (1)", [1])


def test_a_long_line_is_one_line_that_is_not_joined_over_gaps() -> None:
    array = numpy.arange(400.0)
    array[7] = NAN
    line = figure(array).data[0]
    assert isinstance(line, go.Scatter)
    assert line.connectgaps is False
    assert len(line.x) == 400


def test_colours_are_those_of_the_theme_with_zero_in_the_middle() -> None:
    for theme in THEMES:
        found = values_figure(window([[-1.0, 4.0]] * 2), theme)
        assert found is not None
        heatmap = found.data[0]
        assert (heatmap.zmin, heatmap.zmax) == (-4, 4)
        assert [colour for _, colour in heatmap.colorscale] == [
            THEMES[theme][role] for role in VALUE_SCALE
        ]


def test_numbers_of_one_sign_use_one_half_of_the_colours() -> None:
    heatmap = figure([[0.0, 4.0]] * 2).data[0]
    assert (heatmap.zmin, heatmap.zmax) == (0, 4)
    assert [colour for _, colour in heatmap.colorscale] == [
        THEMES["light"][role] for role in VALUE_SCALE[2:]
    ]


def test_a_constant_matrix_is_drawn() -> None:
    heatmap = figure([[7.0, 7.0], [7.0, 7.0]]).data[0]
    assert heatmap.zmin < heatmap.zmax


def test_pictures_of_three_channels_keep_their_colours() -> None:
    array = numpy.zeros((1, 3, 2, 2))
    array[0, 0, 0, 0] = 1.0  # red at the top left, everything else black
    (image,) = figure(array, NCHW).data
    assert isinstance(image, go.Image)
    assert numpy.asarray(image.z).tolist() == [[[255, 0, 0], [0, 0, 0]], [[0, 0, 0], [0, 0, 0]]]


def test_a_bad_pixel_of_a_picture_has_one_symbol() -> None:
    array = numpy.ones((1, 3, 2, 2))
    array[0, 1, 1, 0] = NAN
    _, mark = figure(array, NCHW).data
    assert (mark.name, list(mark.x), list(mark.y)) == ("NaN (1)", [0], [1])


def test_tiles_lie_side_by_side_with_a_gap() -> None:
    tiles = numpy.arange(3 * 2 * 2).reshape(3, 2, 2)
    assert mosaic(tiles, -1).tolist() == [
        [0, 1, -1, 4, 5],
        [2, 3, -1, 6, 7],
        [-1, -1, -1, -1, -1],
        [8, 9, -1, -1, -1],
        [10, 11, -1, -1, -1],
    ]


def test_a_cell_under_the_pointer_is_named_by_its_index_in_the_whole_tensor() -> None:
    array = numpy.arange(2 * 6 * 2 * 2.0).reshape(2, 6, 2, 2)
    drawn = figure(array, NCHW, at={0: 1})
    heatmap = drawn.data[0]
    texts = {text for row in heatmap.text for text in row if text}
    assert len(texts) == 24
    assert f"[1, 5, 1, 0] = {array[1, 5, 1, 0]:.6g}" in texts


def test_the_index_of_a_block_is_a_range() -> None:
    heatmap = figure(numpy.ones((3, 10, 7)), side=4, at={0: 2}).data[0]
    assert heatmap.text[1][3] == "[2, 3–5, 6] = 1 (mean)"


def test_a_bad_value_is_named_under_the_pointer() -> None:
    heatmap = figure([[NAN, 1.0], [INF, -INF]]).data[0]
    assert heatmap.text.tolist() == [
        ["[0, 0] = NaN", "[0, 1] = 1"],
        ["[1, 0] = Inf", "[1, 1] = -Inf"],
    ]


def test_a_pixel_names_all_its_channels() -> None:
    array = numpy.arange(12.0).reshape(1, 3, 2, 2)
    image = figure(array, NCHW).data[0]
    assert numpy.asarray(image.text)[0][1] == "[0, :, 0, 1] = 1, 5, 9"


def test_a_very_large_tensor_has_the_recorded_bins() -> None:
    found = histogram_figure(summary(histogram=(5, 7)), numpy.zeros(1 << 19))
    assert found is not None
    assert list(found.data[0].y) == [5, 7]


@pytest.mark.parametrize("array", [3.0, [[5.0]], numpy.zeros((0, 3))])
def test_what_is_no_picture_has_no_figure(array: Any) -> None:
    assert values_figure(window(array)) is None


def test_an_unknown_theme_is_refused() -> None:
    with pytest.raises(RenderError, match="pink"):
        values_figure(window([1.0, 2.0]), "pink")


# -- histograms ------------------------------------------------------------------------------------


def test_a_histogram_counts_every_finite_value_once() -> None:
    array = numpy.array([0.0, 0.0, 1.0, 3.0, NAN, INF])
    found = histogram_figure(summary(nan_count=1, inf_count=1), array)
    assert found is not None
    bars, *entries = found.data
    assert sum(bars.y) == 4
    assert [entry.name for entry in entries] == ["1 NaN", "1 Inf"]


def test_without_the_array_the_recorded_bins_are_drawn_between_their_ends() -> None:
    found = histogram_figure(summary(histogram=(1, 0, 3)))
    assert found is not None
    (bars,) = found.data
    assert list(bars.y) == [1, 0, 3]
    assert list(bars.x) == [0.5, 1.5, 2.5]


def test_the_histogram_of_a_constant_has_one_bar() -> None:
    found = histogram_figure(summary(min=2.0, max=2.0, histogram=(4,)), numpy.full(4, 2.0))
    assert found is not None
    assert list(found.data[0].y) == [4]
    without = histogram_figure(summary(min=2.0, max=2.0, histogram=(4,)))
    assert without is not None
    assert list(without.data[0].x) == [2.0]


def test_complex_numbers_are_counted_by_magnitude() -> None:
    found = histogram_figure(summary(), numpy.array([3 + 4j, 5j, -5.0]))
    assert found is not None
    assert list(found.data[0].y) == [3]


def test_nothing_finite_has_no_histogram() -> None:
    nothing = summary(min=None, max=None, nan_count=2)
    assert histogram_figure(nothing, numpy.full(2, NAN)) is None


def test_values_over_the_whole_range_of_floats_are_drawn_from_the_recorded_bins() -> None:
    wide = summary(min=-1.7e308, max=1.7e308, histogram=(1, 1))
    found = histogram_figure(wide, numpy.array([-1.7e308, 1.7e308]))
    assert found is not None
    assert list(found.data[0].y) == [1, 1]
