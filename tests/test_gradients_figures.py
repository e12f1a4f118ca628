"""Charts of gradients: what they show, and what they do with zeros, NaN and odd names."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

import inspector
from inspector.capture.training import record_training
from inspector.gradients import (
    GradientReport,
    ParameterGradients,
    Rectifier,
    Round,
    RoundGradient,
    gradient_report,
    largest_path,
    norm_of,
    update_ratio,
)
from inspector.records import Recording, TensorSummary
from inspector.render.gradient_axes import (
    LogScale,
    apart,
    place_axis,
    short_name,
    shortened,
    size_words,
)
from inspector.render.gradient_depth import depth_figure, path_figure
from inspector.render.gradient_figures import loss_figure, ridgeline_figure, update_figure
from inspector.render.gradient_units import unit_figure, zeros_figure
from inspector.render.theme import palette

EMPTY = Recording((), {})


def trained(steps: int = 3) -> tuple[Recording, GradientReport]:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    options = inspector.CaptureOptions(values="full")
    batches = [(torch.ones(4, 2),)] * steps
    recording = record_training(net, batches, loss="sum", options=options).recording
    return recording, gradient_report(recording)


def summary(value: float, nans: int = 0) -> TensorSummary:
    known = None if math.isnan(value) else value
    return TensorSummary(
        1 + nans, known, known, known, None if known is None else 0.0, nans, 0,
        1.0 if value == 0 else 0.0, () if known is None else (1,),
    )  # fmt: skip


def report(*gradients: TensorSummary | None, names: tuple[str, ...] = ()) -> GradientReport:
    """A report of one round with a parameter per gradient."""
    parameters = tuple(
        ParameterGradients(
            name=names[i] if names else f"p{i}",
            kind="parameter",
            shape=(1, 1),
            dtype="float32",
            op=i,
            requires_grad=True,
            gradients=(None if one is None else RoundGradient(one, i),),
            weights=(summary(1.0),),
            updates=(0.001 * (i + 1),),
            uses=(i,),
        )
        for i, one in enumerate(gradients)
    )
    return GradientReport(True, (Round(0, 0, 9, (0,)),), parameters, (), ())


def marks(figure: Any) -> dict[str, tuple[float, str]]:
    """Label -> (height, symbol) of all marks of a depth figure."""
    return {
        data[0]: (y, symbol)
        for trace in figure.data
        if trace.customdata is not None  # not of the legend
        for data, y, symbol in zip(trace.customdata, trace.y, trace.marker.symbol, strict=True)
    }


def test_each_parameter_and_each_activation_has_a_mark_at_its_norm() -> None:
    recording, found = trained()
    shown = marks(depth_figure(recording, found, 1))
    for one in found.parameters:
        assert shown[one.name][0] == norm_of(one.gradients[1].summary)
    relu = next(one for one in found.activations
                if one.round == 1 and recording.ops[one.op].name == "relu")  # fmt: skip
    assert shown["1 · relu"][0] == relu.norm


def test_the_axis_of_the_depth_is_the_same_in_all_steps() -> None:
    recording, found = trained()
    ranges = {depth_figure(recording, found, step).layout.yaxis.range for step in range(3)}
    assert len(ranges) == 1


def test_zeros_and_what_is_not_finite_have_places_and_marks_of_their_own() -> None:
    found = report(summary(0.01), summary(0.0), summary(math.nan, nans=1), summary(5.0, nans=2))
    figure = depth_figure(EMPTY, found, 0)
    shown = marks(figure)
    scale = LogScale([0.01, 0.0, 5.0])
    assert shown["p0"] == (0.01, "circle")
    assert shown["p1"] == (scale.zero, "triangle-down")
    assert shown["p2"] == shown["p3"] == (scale.nonfinite, "x")
    axis = figure.layout.yaxis
    assert axis.ticktext[0] == "0"
    assert axis.ticktext[-1] == "NaN, ∞"
    low, high = (10**end for end in axis.range)
    assert low < scale.zero < 0.01
    assert 5.0 < scale.nonfinite < high


def test_parameters_without_a_gradient_have_no_mark() -> None:
    assert set(marks(depth_figure(EMPTY, report(summary(1.0), None), 0))) == {"p0"}


def test_names_are_shown_letter_by_letter() -> None:
    figure = depth_figure(EMPTY, report(summary(1.0), names=("<b>a</b>.weight",)), 0)
    assert next(iter(marks(figure))) == "&lt;b&gt;a&lt;/b&gt;.weight"
    assert figure.layout.xaxis.ticktext == ("&lt;b&gt;a&lt;/b&gt;",)


def test_without_values_there_is_nothing_to_draw() -> None:
    options = inspector.CaptureOptions(values="none")
    recording = record_training(
        nn.Linear(2, 1), [(torch.ones(1, 2),)], loss="sum", options=options
    ).recording
    found = gradient_report(recording)
    assert depth_figure(recording, found, 0) is None
    assert loss_figure(found) is None
    assert update_figure(found) is None
    assert zeros_figure(found.rectifiers) is None
    assert ridgeline_figure(found.parameters[0], "gradient") is None
    assert path_figure(largest_path(recording, 0), ["a", "b"]) is None


def test_updates_are_drawn_at_their_ratio_with_a_guide_at_a_thousandth() -> None:
    _, found = trained()
    figure = update_figure(found)
    for trace in figure.data:
        one = next(p for p in found.parameters if p.name == trace.name)
        assert list(trace.y) == [update_ratio(one, step) for step in range(3)]
    assert [shape.y0 for shape in figure.layout.shapes] == [0.001]
    assert figure.layout.annotations[0].y == pytest.approx(-3)


def test_of_many_parameters_only_the_largest_and_the_smallest_update_are_named() -> None:
    figure = update_figure(report(*[summary(1.0)] * 10))
    named = {trace.name for trace in figure.data if trace.showlegend}
    assert named == {"p0", "p9"}  # each update is larger than the one before
    assert len(figure.data) == 10


def test_losses_of_different_lines_are_different_curves_and_nan_is_a_cross() -> None:
    rounds = (
        Round(0, 0, 1, (0,), (3.0,), (None,)),
        Round(1, 1, 2, (1,), (math.nan,), (None,)),
    )
    figure = loss_figure(replace(report(), rounds=rounds))
    assert list(figure.data[0].y) == [3.0, 3.0]
    assert list(figure.data[0].marker.symbol) == ["circle", "x"]


def test_a_dead_rectifier_is_hatched_in_the_colour_of_failure() -> None:
    alive = Rectifier("relu", "a", None, (0,), 0.5, (0.5,))
    dead = Rectifier("relu", "b", None, (1,), 1.0, (1.0,), dead_since=0)
    bar = zeros_figure((alive, dead)).data[0]
    assert list(bar.x) == [50.0, 100.0]
    assert bar.marker.pattern.shape == ("", "/")
    assert bar.marker.color == (palette("light")["op-stroke"], palette("light")["failed"])
    assert bar.text == ("50 %", "100 %, dead since step 1")


def test_units_are_a_heat_map_of_steps_and_units() -> None:
    one = Rectifier("relu", "a", None, (0,), 0.5, (0.5, 0.5), (0.0, 1.0), ((0.0, 1.0), None))
    heat = unit_figure(one).data[0]
    assert [list(row) for row in heat.z] == [[0.0, 100.0]]
    assert list(heat.y) == [1]
    assert unit_figure(Rectifier("relu", "a", None, (0,), 0.5, (0.5,))) is None


def test_a_ridge_is_the_outline_of_the_histogram_scaled_to_its_highest_bin() -> None:
    spread = TensorSummary(4, 0.0, 2.0, 1.0, 1.0, 0, 0, 0.0, (1, 3))
    one = replace(report(spread).parameters[0], gradients=(RoundGradient(spread, 0),))
    ridge = ridgeline_figure(one, "gradient").data[0]
    assert list(ridge.x) == [0, 0, 1, 1, 2, 2, 0]
    assert list(ridge.y) == [0, 0.5, 0.5, 1.5, 1.5, 0, 0]


def test_of_many_steps_twelve_ridges_are_shown_the_first_and_the_last_among_them() -> None:
    one = report(summary(1.0)).parameters[0]
    many = replace(one, gradients=tuple(RoundGradient(summary(float(i)), i) for i in range(50)))
    figure = ridgeline_figure(many, "gradient")
    assert len(figure.data) == 12
    assert figure.layout.yaxis.ticktext[0] == "1"
    assert figure.layout.yaxis.ticktext[-1] == "50"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_all_colours_come_from_the_theme(theme: str) -> None:
    recording, found = trained()
    path = largest_path(recording, 0)
    figures = (
        depth_figure(recording, found, 0, theme),
        loss_figure(found, theme),
        update_figure(found, theme),
        zeros_figure(found.rectifiers, theme),
        unit_figure(found.rectifiers[0], theme),
        ridgeline_figure(found.parameters[0], "weight", theme),
        path_figure(path, [one.name for one in path], theme),
    )
    known = set(palette(theme).values())
    for figure in figures:
        text = str([trace.to_plotly_json() for trace in figure.data])
        used = {word for word in text.replace("'", " ").split() if word.startswith("#")}
        assert used
        assert {colour.strip(",]") for colour in used} <= known
        assert figure.layout.title.text


def test_labels_on_an_axis_stand_apart() -> None:
    assert apart([0, 1, 2, 50, 100], 10) == [0, 50, 100]
    assert apart([], 10) == []
    # Evenly, two apart; 3 is preferred to 2, and from there 5 and 7 follow.
    assert apart(list(range(9)), 2) == [0, 2, 4, 6, 8]
    assert apart(list(range(9)), 2, {3}) == [0, 3, 5, 7]


def test_long_paths_are_shortened_from_the_front() -> None:
    assert short_name("a.b.c.d.weight") == "b.c.d"
    assert short_name("position") == "position"
    assert short_name("x" * 40) == "…" + "x" * 25


def test_short_names_stand_level_and_others_aslant_and_abbreviated_in_the_middle() -> None:
    # Three places share 72 letters: 24 each.
    level = place_axis({0: "embedding", 1: "cell.weight_ih", 2: "head"})
    assert level["tickangle"] == 0
    assert level["ticktext"] == ["embedding", "cell.weight_ih", "head"]
    aslant = place_axis({0: "a", 1: "encoder.layers.attention", 17: "b"})
    assert aslant["tickvals"] == [0, 1, 17]
    assert aslant["tickangle"] == -45
    assert aslant["ticktext"] == ["a", "encoder.…attention", "b"]
    assert shortened("abcdef", 5) == "ab…ef"


def test_of_many_places_evenly_chosen_ones_are_named() -> None:
    # 96 places for 24 labels: each fourth.
    axis = place_axis({place: f"op{place}" for place in range(96)})
    assert axis["tickvals"] == list(range(0, 96, 4))


def test_sizes_have_no_brackets() -> None:
    assert [size_words(s) for s in ((1,), (8,), (2, 3), ())] == [
        "1 value", "8 values", "2×3", "scalar",
    ]  # fmt: skip


def repeated(x: torch.Tensor) -> torch.Tensor:
    for _ in range(3):
        x = torch.sin(x)
        x = x * 2.0
    return x


def test_every_place_is_named_and_the_trips_of_a_loop_are_marked() -> None:
    x = torch.ones(4, requires_grad=True)
    recording = inspector.record(repeated, x, loss="sum")
    figure = depth_figure(recording, gradient_report(recording), 0)
    texts = figure.layout.xaxis.ticktext
    assert len(texts) == 7  # three times sin and mul, and the sum
    assert [one.text for one in figure.layout.annotations] == ["trip 1", "trip 2", "trip 3"]
    # Before each trip, and after the last one.
    assert [one.x0 for one in figure.layout.shapes] == [-0.5, 1.5, 3.5, 5.5]
    detail = next(
        data[2] for trace in figure.data if trace.customdata is not None
        for data in trace.customdata if data[0] == "sin"
    )  # fmt: skip
    assert detail.startswith("op [0], 4 values, ")
