"""The chart of a census."""

from __future__ import annotations

from inspector.counted import Census, CensusPoint, Variant
from inspector.records import Failure, Recording
from inspector.render.census_figures import DISTINCT, census_figure, variant_mark
from inspector.render.theme import palette

EMPTY = Recording(ops=(), tensors={}, module_calls=(), decisions=(), sources={})
FAILED = Failure("ValueError", "no", None, None)


def variant(number: int, failure: Failure | None = None) -> Variant:
    return Variant(str(number), 1, number, f"input {number}", (), failure, 0, (), EMPTY)


def census(*points: CensusPoint, failed: frozenset[int] = frozenset()) -> Census:
    count = 1 + max((point.variant for point in points), default=-1)
    variants = [variant(n, FAILED if n in failed else None) for n in range(count)]
    return Census(variants=tuple(variants), points=points)


def test_each_variant_has_a_colour_and_a_shape_and_the_swept_number_is_the_axis() -> None:
    found = census(
        CensusPoint(0, "length = 1", 1, ops=7, duration_us=2_000.0, swept=1),
        CensusPoint(1, "length = 2", 0, ops=12, duration_us=4_000.0, swept=2),
        CensusPoint(2, "length = 9", 0, ops=12, duration_us=6_000.0, swept=9),
    )
    figure = census_figure(found, "length")
    assert figure is not None
    by_name = {(one.name, one.yaxis): one for one in figure.data}
    common, other = by_name["variant 0", "y"], by_name["variant 1", "y"]
    assert (list(common.x), list(common.y)) == ([2, 9], [12, 12])
    assert (list(other.x), list(other.y)) == ([1], [7])
    assert list(by_name["variant 0", "y2"].y) == [4.0, 6.0]  # milliseconds
    assert common.marker.symbol != other.marker.symbol
    assert common.marker.color != other.marker.color
    assert figure.layout.xaxis2.title.text == "length"
    assert [one.showlegend for one in figure.data] == [True, False, True, False]


def test_inputs_without_a_number_stand_side_by_side_under_their_names() -> None:
    found = census(
        CensusPoint(0, "a <b> & c", 0, ops=1, duration_us=1.0),
        CensusPoint(1, "off", 0, ops=1, duration_us=1.0, swept="off"),
    )
    figure = census_figure(found, "input")
    assert figure is not None
    assert list(figure.data[0].x) == [0, 1]
    assert list(figure.layout.xaxis.ticktext) == ["a &lt;b&gt; &amp; c", "off"]


def test_of_many_inputs_some_have_their_names_on_the_axis() -> None:
    found = census(*(CensusPoint(n, f"file {n}.npy", 0, 1, 1.0) for n in range(500)))
    figure = census_figure(found, "file")
    assert figure is not None
    assert len(figure.layout.xaxis.tickvals) <= 40


def test_what_failed_is_a_cross_in_the_colour_of_failure() -> None:
    points = [CensusPoint(n, "", n, ops=n, duration_us=1.0, swept=n) for n in range(2)]
    figure = census_figure(census(*points, failed=frozenset({1})), "x", "dark")
    assert figure is not None
    (cross,) = (one for one in figure.data if one.name == "variant 1 (failed)" and one.yaxis == "y")
    assert cross.marker.symbol == "x"
    assert cross.marker.color == palette("dark")["failed"]


def test_beyond_some_variants_the_others_share_a_mark() -> None:
    points = [CensusPoint(n, "", n, ops=n, duration_us=1.0, swept=n) for n in range(DISTINCT + 3)]
    figure = census_figure(census(*points), "x")
    assert figure is not None
    names = [one.name for one in figure.data if one.yaxis == "y"]
    assert names == [*(f"variant {n}" for n in range(DISTINCT)), "other variants"]
    assert len(list(figure.data[-1].x)) == 3
    marks = {variant_mark(n, failed=False) for n in range(DISTINCT + 1)}
    assert len(marks) == len({shape for _, shape in marks}) == DISTINCT + 1


def test_without_points_there_is_no_chart() -> None:
    assert census_figure(census(), "x") is None


def test_one_slow_run_does_not_press_the_others_onto_the_axis() -> None:
    close = census_figure(census(*(CensusPoint(n, "", 0, 1, 1e3 * n) for n in (1, 20))), "x")
    apart = census_figure(census(*(CensusPoint(n, "", 0, 1, 1e3 * n) for n in (1, 21))), "x")
    unknown = census_figure(census(*(CensusPoint(n, "", 0, 1, 1e3 * n) for n in (0, 21))), "x")
    assert close is not None
    assert apart is not None
    assert unknown is not None
    assert [one.layout.yaxis2.type for one in (close, apart, unknown)] == [None, "log", None]
    assert apart.layout.yaxis2.title.text == "time, recorded (ms, log)"
    assert apart.layout.yaxis.type is None  # ops begin at zero
