"""Windows onto tensors' values: what is drawn, reduced, marked, and what is said without values.

Expected numbers come from plain NumPy on arrays that are written out or counted up here.
"""

from __future__ import annotations

import json
from typing import Any

import numpy
import pytest
import torch
from handmade import Program
from torch import nn

import inspector
from inspector import CaptureOptions
from inspector.errors import QuestionError
from inspector.records import TensorSummary
from inspector.render.values import number, scale_of, values_answer, values_json
from inspector.render.windows import (
    BOTH_INF,
    FINITE,
    INF,
    MINUS_INF,
    NAN,
    Slice,
    Window,
    near_range,
    window_of,
)
from inspector.tensors_about import TensorsAbout

FULL = CaptureOptions(values="full")
NCHW = ("N", "C", "H", "W")


def counted(*shape: int) -> numpy.ndarray:
    """0, 1, 2, … in that shape."""
    return numpy.arange(numpy.prod(shape), dtype=numpy.float64).reshape(shape)


def drawn(array: Any, axes: tuple[str, ...] | None = None, **part: Any) -> Window:
    array = numpy.asarray(array)
    return window_of(array, axes or ("",) * array.ndim, Slice(**part))


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ([1.0, -2.0, -3.4e38], (-2.0, 1.0)),
        ([1.0, -2.0, -1e9, numpy.nan, numpy.inf], (-2.0, 1.0)),
        ([50_000.0, -3e37, 20.0], (20.0, 50_000.0)),
        ([0.0, -3.4e38], (0.0, 0.0)),
        ([1.0, 20_000.0, 300.0], None),  # 20,000 is no 10,000 times 300
        ([0.0, -1e9], None),  # nothing but 0 to compare with
        ([-3.4e38, -3.4e38], None),
        ([1.0, 2.0], None),
        ([], None),
        ([True, False], None),
    ],
)
def test_extremes_such_as_those_of_masks_are_left_out_of_the_range(
    values: list[float], found: tuple[float, float] | None
) -> None:
    assert near_range(numpy.array(values)) == found


def test_masked_scores_keep_the_colours_of_the_others() -> None:
    scores = torch.tensor([[1.0, -3.4e38], [-2.0, 0.5]])
    recording = inspector.record(lambda x: x * 1, scores, options=FULL)
    found = values_json(TensorsAbout(recording), recording.ops[0].outputs[0])
    assert found["beyond"]
    assert found["scale"] == {"kind": "diverging", "from": -2, "to": 2}
    assert found["cells"][0] == 1
    assert found["cells"][1] < -3e38


def test_a_sample_says_in_few_words_how_to_see_all() -> None:
    recording = inspector.record(lambda x: x * 0, torch.ones(32))
    found = values_json(TensorsAbout(recording), recording.ops[0].outputs[0])
    assert found["brief"] == (
        'The first 8 of 32 values, all 0. For all: record with values="full".'
    )


# -- what is drawn ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "kind", "size"),
    [
        ((), "number", (1,)),
        ((1, 1, 1), "number", (1,)),
        ((5,), "line", (5,)),
        ((5, 1), "line", (5,)),
        ((1, 1, 5, 1), "line", (5,)),
        ((4, 6), "heatmap", (4, 6)),
        ((1, 4, 1, 6), "heatmap", (4, 6)),
        ((2, 4, 6), "heatmap", (4, 6)),
        ((2,) * 12, "heatmap", (2, 2)),
        ((0,), "empty", (0,)),
        ((3, 0, 2), "empty", (0,)),
    ],
)
def test_the_shape_decides_what_is_drawn(
    shape: tuple[int, ...], kind: str, size: tuple[int, ...]
) -> None:
    found = drawn(counted(*shape))
    assert (found.kind, found.cells.shape) == (kind, size)


def test_other_dimensions_stand_at_their_first_index_until_another_is_chosen() -> None:
    array = counted(2, 3, 4, 5)
    first, chosen = drawn(array), drawn(array, at={0: 1, 1: 2})
    assert first.at == {0: 0, 1: 0}
    assert numpy.array_equal(first.cells, array[0, 0])
    assert numpy.array_equal(chosen.cells, array[1, 2])


def test_any_two_dimensions_can_be_rows_and_columns() -> None:
    array = counted(2, 3, 4)
    found = drawn(array, rows=2, columns=0, at={1: 1})
    assert numpy.array_equal(found.cells, array[:, 1, :].T)


def test_a_line_through_a_matrix_is_one_of_its_rows_or_columns() -> None:
    array = counted(3, 4)
    assert numpy.array_equal(drawn(array, kind="line", at={0: 2}).cells, array[2])
    assert numpy.array_equal(drawn(array, kind="line", columns=0, at={1: 3}).cells, array[:, 3])


def test_one_dimension_cannot_run_in_two_directions() -> None:
    with pytest.raises(QuestionError, match="two directions"):
        drawn(counted(2, 3), rows=1, columns=1)


def test_a_dimension_that_is_not_there_is_refused_in_words() -> None:
    with pytest.raises(QuestionError, match="2 dimensions has no axis 7"):
        drawn(counted(2, 3), rows=7)


def test_an_index_beyond_the_end_is_the_last_one() -> None:
    array = counted(2, 3, 4)
    assert numpy.array_equal(drawn(array, at={0: 99}).cells, array[1])
    assert numpy.array_equal(drawn(array, at={0: -5}).cells, array[0])


@pytest.mark.parametrize(("channels", "size"), [(1, (2, 4, 5)), (3, (2, 4, 5, 3))])
def test_pictures_of_one_or_three_channels_are_images(channels: int, size: tuple[int, ...]) -> None:
    array = counted(2, channels, 4, 5)
    found = drawn(array, NCHW)
    assert (found.kind, found.cells.shape) == ("images", size)
    colours_last = array.transpose(0, 2, 3, 1)
    assert numpy.array_equal(found.cells, colours_last if channels == 3 else colours_last[..., 0])


def test_a_single_picture_without_a_batch_is_an_image() -> None:
    assert drawn(counted(3, 4, 5), ("C", "H", "W")).cells.shape == (4, 5, 3)


def test_pictures_of_other_channels_are_tiles_one_per_channel() -> None:
    array = counted(2, 6, 4, 5)
    found = drawn(array, NCHW, at={0: 1})
    assert (found.kind, found.over, found.tiles) == ("tiles", 1, 6)
    assert numpy.array_equal(found.cells, array[1])


def test_the_filters_of_a_convolution_are_tiles_one_per_output() -> None:
    array = counted(5, 2, 3, 3)
    found = drawn(array, ("out", "in", "kH", "kW"), at={1: 1})
    assert numpy.array_equal(found.cells, array[:, 1])


def test_filters_of_one_by_one_are_a_matrix() -> None:
    array = counted(5, 2, 1, 1)
    found = drawn(array, ("out", "in", "kH", "kW"))
    assert found.kind == "heatmap"
    assert numpy.array_equal(found.cells, array[:, :, 0, 0])


def test_a_shape_alone_makes_no_images() -> None:
    assert drawn(counted(2, 3, 4, 5)).kind == "heatmap"


def test_many_tiles_come_sixteen_at_a_time() -> None:
    array = counted(40, 4, 5)
    first = drawn(array, kind="tiles")
    third = drawn(array, kind="tiles", first=32)
    assert (first.tiles, first.first, third.first) == (40, 0, 32)
    assert numpy.array_equal(first.cells, array[:16])
    assert numpy.array_equal(third.cells, array[32:])
    assert drawn(array, kind="tiles", first=1000).first == 32


# -- fewer cells -----------------------------------------------------------------------------------


def test_a_large_matrix_becomes_means_of_blocks() -> None:
    array = counted(6, 9)
    found = drawn(array, side=3)
    assert found.block == (2, 3)
    means = array.reshape(3, 2, 3, 3).mean(axis=(1, 3))
    assert numpy.allclose(found.cells, means)
    assert "mean of 2×3 values" in found.note


def test_the_last_block_is_the_mean_of_what_it_has() -> None:
    found = drawn([[1.0, 3.0, 5.0, 7.0, 100.0]] * 2, side=2)
    assert found.block == (1, 3)
    assert numpy.allclose(found.cells, [[3.0, 53.5]] * 2)


@pytest.mark.parametrize(
    ("bad", "mark"),
    [
        ([numpy.nan], NAN),
        ([numpy.inf], INF),
        ([-numpy.inf], MINUS_INF),
        ([numpy.inf, -numpy.inf], BOTH_INF),
        ([numpy.inf, numpy.nan], NAN),
    ],
)
def test_a_block_with_one_bad_value_is_marked(bad: list[float], mark: int) -> None:
    array = numpy.ones((128, 128))
    array[3, 4 : 4 + len(bad)] = bad
    found = drawn(array, side=8)
    expected = numpy.full((8, 8), FINITE)
    expected[0, 0] = mark
    assert numpy.array_equal(found.marks, expected)
    assert (found.nans, found.infs) == (
        sum(map(numpy.isnan, bad)),
        sum(map(numpy.isinf, bad)),
    )


def test_means_of_very_large_numbers_stay_finite() -> None:
    found = drawn(numpy.full((4, 4), 1.5e308), side=2)
    assert numpy.allclose(found.cells, 1.5e308)
    assert (found.marks == FINITE).all()


def test_a_long_line_is_reduced_and_keeps_its_marks() -> None:
    array = counted(5000)
    array[4321] = numpy.nan
    found = drawn(array)
    assert found.cells.size <= 512
    step = found.block[1]
    assert numpy.flatnonzero(found.marks).tolist() == [4321 // step]
    assert found.cells[0] == pytest.approx(array[:step].mean())


def test_a_window_is_never_large() -> None:
    for shape, axes in (((3000, 3000), None), ((64, 3, 256, 256), NCHW), ((16, 512, 512), None)):
        for kind in (None, "tiles", "line"):
            found = drawn(numpy.zeros(shape), axes, kind=kind)
            assert found.cells.size <= 4 * 64 * 64 * (1 if found.colours is None else 3)


def test_all_nan_is_all_marks() -> None:
    found = drawn(numpy.full((3, 3), numpy.nan))
    assert (found.marks == NAN).all()
    assert found.nans == 9


def test_complex_numbers_are_drawn_as_magnitudes_and_that_is_said() -> None:
    found = drawn(numpy.array([3 + 4j, -5j]))
    assert found.cells.tolist() == [5.0, 5.0]
    assert "Magnitudes" in found.note


def test_booleans_are_zero_and_one_and_known_as_booleans() -> None:
    found = drawn(numpy.array([True, False]))
    assert (found.cells.tolist(), found.boolean) == ([1.0, 0.0], True)


def test_whole_numbers_stay_whole() -> None:
    assert [number(value) for value in (3.0, 123456789.0, 0.1234567, -1e300)] == [
        3,
        123456789,
        0.123457,
        -1e300,
    ]


# -- colours ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "scale"),
    [
        ([-1.0, 3.0], {"kind": "diverging", "from": -3, "to": 3}),
        ([0.0, 3.0], {"kind": "rising", "from": 0, "to": 3}),
        ([1.0, 3.0], {"kind": "rising", "from": 0, "to": 3}),
        ([100.0, 101.0], {"kind": "rising", "from": 100, "to": 101}),
        ([-3.0, -1.0], {"kind": "falling", "from": -3, "to": 0}),
        ([-101.0, -100.0], {"kind": "falling", "from": -101, "to": -100}),
        ([0.0, 0.0], {"kind": "rising", "from": 0, "to": 0}),
        ([7.0, 7.0], {"kind": "rising", "from": 7, "to": 7}),
    ],
)
def test_colours_turn_around_at_zero(values: list[float], scale: dict[str, Any]) -> None:
    assert scale_of(drawn(values)) == scale


def test_the_colours_of_every_part_of_a_tensor_can_be_compared() -> None:
    found = TensorsAbout(inspector.record(lambda x: x * 1, counted_tensor(2, 20, 20), options=FULL))
    tensor = found.recording.output[0]
    for index in (0, 1):
        part = values_json(found, tensor, Slice(at={0: index}))
        assert part["range"] == [0, 799]


# -- from recordings -------------------------------------------------------------------------------


def counted_tensor(*shape: int) -> torch.Tensor:
    return torch.tensor(counted(*shape), dtype=torch.float32)


def test_the_values_of_a_recorded_run_are_those_of_torch() -> None:
    x = counted_tensor(5, 7)
    found = TensorsAbout(inspector.record(lambda x: x.t() * 2, x, options=FULL))
    answer = values_json(found, found.recording.output[0])
    assert answer["size"] == [7, 5]
    assert answer["cells"] == (x.t() * 2).reshape(-1).tolist()


@pytest.mark.parametrize(
    "dtype", [torch.bool, torch.uint8, torch.int64, torch.float16, torch.bfloat16, torch.complex64]
)
def test_every_dtype_can_be_shown(dtype: torch.dtype) -> None:
    x = torch.ones(3, 30).to(dtype)
    found = TensorsAbout(inspector.record(lambda x: x.clone(), x, options=FULL))
    answer = values_json(found, found.recording.output[0])
    assert set(answer["cells"]) == {1}
    json.dumps(answer, allow_nan=False)


def test_nan_and_infinities_are_written_as_words() -> None:
    bad = torch.tensor([[1.0, float("nan")], [float("inf"), float("-inf")]])
    found = TensorsAbout(inspector.record(lambda x: x.clone(), bad, options=FULL))
    answer = json.loads(json.dumps(values_json(found, 0), allow_nan=False))
    assert answer["cells"] == [1, "NaN", "Inf", "-Inf"]
    assert (answer["nan"], answer["inf"]) == (1, 2)


def test_small_tensors_are_whole_also_where_only_statistics_were_kept() -> None:
    found = TensorsAbout(inspector.record(lambda x: x * 2, counted_tensor(2, 4)))
    answer = values_json(found, found.recording.output[0])
    assert (answer["kind"], answer["size"], answer["complete"]) == ("heatmap", [2, 4], True)
    assert answer["cells"] == [0, 2, 4, 6, 8, 10, 12, 14]


def test_a_larger_tensor_shows_its_sample_and_how_to_get_more() -> None:
    found = TensorsAbout(inspector.record(lambda x: x * 2, counted_tensor(50, 50)))
    answer = values_json(found, found.recording.output[0])
    assert answer["cells"] == [0, 2, 4, 6, 8, 10, 12, 14]
    assert not answer["complete"]
    assert "first 8 of 2,500 values" in answer["note"]
    assert 'CaptureOptions(values="full")' in answer["note"]


def test_values_that_went_over_the_budget_say_so() -> None:
    options = CaptureOptions(values="full", value_budget_mb=0.001)
    recording = inspector.record(lambda x, y: (x + 1, y + 1), *sizes(10, 2000), options=options)
    found = TensorsAbout(recording)
    small, large = (values_json(found, tensor) for tensor in recording.output)
    assert small["complete"]
    assert "value_budget_mb" in large["note"]


def sizes(*counts: int) -> list[torch.Tensor]:
    return [torch.zeros(count) for count in counts]


def test_without_any_numbers_the_reason_is_given() -> None:
    recording = inspector.record(
        lambda x: x + 1, torch.ones(3), options=CaptureOptions(values="none")
    )
    answer = values_json(TensorsAbout(recording), recording.output[0])
    assert (answer["kind"], answer["cells"]) == ("unknown", [])
    assert "not recorded" in answer["note"]


def test_the_gradient_of_a_small_tensor_is_that_of_autograd() -> None:
    weight = torch.tensor([[1.0, -2.0], [3.0, 0.5]])
    layer = nn.Linear(2, 2, bias=False)
    layer.weight.data.copy_(weight)
    x = torch.tensor([[2.0, -1.0]])
    found = TensorsAbout(inspector.record(layer, x, loss="sum"))
    tensor = next(t.id for t in found.recording.tensors.values() if t.name == "weight")
    answer = values_json(found, tensor, what="grad")
    assert answer["cells"] == [2, -1, 2, -1]  # d(sum(W x))/dW has x in each row


@pytest.mark.parametrize(
    ("loss", "text"),
    [(None, "No backward pass was recorded"), ("sum", "does not require a gradient")],
)
def test_a_missing_gradient_has_its_reason(loss: str | None, text: str) -> None:
    found = TensorsAbout(inspector.record(nn.Linear(2, 2), torch.ones(1, 2), loss=loss))
    assert text in values_json(found, found.recording.inputs[0], what="grad")["note"]


# -- questions -------------------------------------------------------------------------------------


def test_a_question_may_hold_texts_where_numbers_are_meant() -> None:
    found = TensorsAbout(inspector.record(lambda x: x * 1, counted_tensor(3, 4, 5), options=FULL))
    tensor = found.recording.output[0]
    asked = {"tensor": str(tensor), "at": {"0": "2"}, "kind": "heatmap", "side": "64", "rows": ""}
    assert values_answer(found, asked)["cells"] == counted(3, 4, 5)[2].reshape(-1).tolist()


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"tensor": None},
        {"tensor": "x"},
        {"tensor": 10**400},
        {"tensor": float("inf")},
        {"tensor": 99},
        {"tensor": [0]},
        {"tensor": 0, "at": "here"},
        {"tensor": 0, "at": {"a": 0}},
        {"tensor": 0, "at": {str(n): 0 for n in range(1000)}},
        {"tensor": 0, "rows": 5, "columns": 1},
        {"tensor": 0, "rows": -1},
        {"tensor": 0, "rows": 1, "columns": 1},
    ],
)
def test_a_question_that_makes_no_sense_is_refused_in_words(asked: dict[str, Any]) -> None:
    found = TensorsAbout(inspector.record(lambda x: x * 1, counted_tensor(3, 4), options=FULL))
    with pytest.raises(QuestionError):
        values_answer(found, asked)


@pytest.mark.parametrize(
    "asked", [{"side": 10**9}, {"side": -3}, {"first": -7}, {"kind": "pie"}, {"what": "magic"}]
)
def test_a_question_out_of_range_is_answered_with_what_there_is(asked: dict[str, Any]) -> None:
    found = TensorsAbout(inspector.record(lambda x: x * 1, counted_tensor(3, 4), options=FULL))
    answer = values_answer(found, {"tensor": 0, **asked})
    assert answer["kind"] == "heatmap"
    assert len(answer["cells"]) <= 12


def test_a_summary_of_another_size_than_the_tensor_makes_no_picture() -> None:
    program = Program()
    odd = TensorSummary(2, 1.0, 2.0, 1.5, 0.5, 0, 0, 0.0, (1, 1), (1.0, 2.0))
    program.tensor(shape=(3, 3), summary=odd)
    answer = values_json(TensorsAbout(program.recording()), 0)
    assert answer["cells"] == [1, 2]
    assert not answer["complete"]
