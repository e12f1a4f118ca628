"""What nodes can be coloured by: numbers of drawn nodes, worked out by hand or by plain torch."""

from __future__ import annotations

import pytest
import torch
from handmade import Program
from hypothesis import given
from hypothesis import strategies as st

import inspector
from inspector.capture.summary import summarise
from inspector.records import (
    Kernel,
    Overlay,
    Recording,
    TensorInfo,
    TensorSummary,
)
from inspector.render.heatscale import amount_text, heat_answer, heat_payload
from inspector.views import GraphView, ViewNode, backward_view, dynamic_view
from inspector.views.heat import SCALES, Heat, heat, norm


def summary(mean: float, std: float, numel: int = 4, **more: float) -> TensorSummary:
    bad = {"nan_count": 0, "inf_count": 0, "zero_fraction": 0.0, **more}
    return TensorSummary(numel, 0.0, 1.0, mean, std, **bad)  # type: ignore[arg-type]


def values(
    view: GraphView, recording: Recording, measure: str, **more: Overlay
) -> dict[str, float]:
    (found,) = heat(view, recording, measures=(measure,), **more)
    return dict(found.values)


def run() -> Recording:
    """x -> relu -> (block: mul, exp); gradients and values are set by hand."""
    p = Program()
    x = p.tensor(shape=(4,), nbytes=16, summary=summary(1.0, 0.0, zero_fraction=0.25))
    root = p.call("", type="Net")
    block = p.call("block", root)
    about = [
        (3.0, 4.0, {"zero_fraction": 0.5}),
        (0.0, 1.0, {"nan_count": 1, "inf_count": 1}),
        (1.0, 0.0, {"zero_fraction": 1.0}),
    ]
    last = x
    for (mean, std, more), name, call in zip(
        about, ("relu", "mul", "exp"), (root, block, block), strict=True
    ):
        number = len(p.ops)
        last = p.op(name, last, call=call, duration_us=10.0 * (number + 1))
        kept = summary(mean, std, **more)  # type: ignore[arg-type]
        info = {n: getattr(p.tensors[last], n) for n in TensorInfo.__slots__}
        p.tensors[last] = TensorInfo(
            **{**info, "summary": kept, "grad": summary(0.0, 10.0**number), "nbytes": 100 << number}
        )
    p.grad("ExpBackward0", 2, 1, duration_us=7.0, grad_outputs=(summary(0, 100.0),))
    p.grad(
        "MulBackward0", 1, duration_us=2.0, grad_outputs=(summary(0, 10.0),),
        grad_inputs=(summary(0, 1.0, nan_count=3), None),
        kernels=(Kernel("aten.mul", 1.0, allocated=64), Kernel("aten.sum", 1.0, allocated=6)),
    )  # fmt: skip
    return p.recording(inputs=(x,), lines={"model.py": {1: 1, 2: 12, 3: 12}})


OPEN = frozenset({"call:1"})


def test_the_norm_from_a_summary_is_the_euclidean_norm_of_the_values() -> None:
    for values in (torch.randn(1000), torch.tensor([3.0, 4.0]), torch.randn(7, 5).double() - 8):
        found = norm(summarise(values))
        assert found == pytest.approx(float(torch.linalg.vector_norm(values)), rel=1e-5)


def test_the_norm_is_that_of_the_finite_values() -> None:
    found = norm(summarise(torch.tensor([3.0, float("nan"), -4.0, float("inf")])))
    assert found == pytest.approx(5.0, rel=1e-6)
    assert norm(summarise(torch.tensor([float("nan")]))) is None


def test_time_is_that_of_an_op_and_the_sum_of_those_in_a_closed_box() -> None:
    recording = run()
    assert values(dynamic_view(recording, OPEN), recording, "time") == {
        "op:0": 10.0,
        "op:1": 20.0,
        "op:2": 30.0,
    }
    closed = values(dynamic_view(recording, frozenset()), recording, "time")
    assert closed == {"op:0": 10.0, "call:1": 50.0}


def test_memory_is_what_the_outputs_hold() -> None:
    recording = run()
    found = values(dynamic_view(recording, OPEN), recording, "memory")
    assert found == {"op:0": 100, "op:1": 200, "op:2": 400, "tensor:0": 16}
    closed = values(dynamic_view(recording, frozenset()), recording, "memory")
    assert closed["call:1"] == 600


def test_a_view_and_what_is_passed_on_hold_no_memory_of_their_own_op() -> None:
    p = Program()
    x = p.op("relu")
    p.passes_on("contiguous", x)
    recording = p.recording()
    found = heat(dynamic_view(recording, frozenset()), recording, measures=("memory",))
    assert "op:1" not in found[0].values


def test_the_gradient_is_the_norm_of_that_of_the_outputs_and_the_largest_in_a_box() -> None:
    recording = run()
    found = values(dynamic_view(recording, OPEN), recording, "gradient")
    assert found == pytest.approx({"op:0": 2.0, "op:1": 20.0, "op:2": 200.0})  # std · √4
    closed = values(dynamic_view(recording, frozenset()), recording, "gradient")
    assert closed["call:1"] == pytest.approx(200.0)


def test_zeros_are_weighted_by_the_sizes_of_the_tensors() -> None:
    recording = run()
    found = values(dynamic_view(recording, frozenset()), recording, "zeros")
    assert found == {"tensor:0": 0.25, "op:0": 0.5, "call:1": 0.5}


def test_nan_and_inf_are_counted_together() -> None:
    recording = run()
    found = values(dynamic_view(recording, frozenset()), recording, "nonfinite")
    assert found == {"tensor:0": 0, "op:0": 0, "call:1": 2}


def test_visits_are_how_often_the_source_line_ran() -> None:
    recording = run()
    found = values(dynamic_view(recording, OPEN), recording, "visits")
    assert found == {"op:0": 1, "op:1": 12, "op:2": 12}


def test_autograd_nodes_have_numbers_of_their_own() -> None:
    recording = run()
    view = backward_view(recording, OPEN)
    assert values(view, recording, "time") == {"grad:0": 7.0, "grad:1": 2.0}
    assert values(view, recording, "memory") == {"grad:1": 70}
    assert values(view, recording, "gradient") == pytest.approx({"grad:0": 200.0, "grad:1": 20.0})
    assert values(view, recording, "nonfinite") == {"grad:0": 0, "grad:1": 3}


def test_a_closed_box_of_the_backward_graph_stands_for_its_autograd_nodes() -> None:
    recording = run()
    found = values(backward_view(recording, frozenset()), recording, "time")
    assert found == {"call:1": 9.0}


def test_ir_nodes_have_the_counts_of_the_overlay() -> None:
    nodes = [
        ViewNode(name, "op", name) for name in ("ir:0", "ir:1/0", "ir:1/1", "ir:2/0", "value:x")
    ]
    view = GraphView("IR", tuple(nodes), ())
    overlay = Overlay({0: 3, 1: 5, 2: 2}, {1: (0, 0, 1, 0)}, {2: (4, 3)}, {})
    found = values(view, Recording((), {}), "visits", overlay=overlay)
    assert found == {"ir:0": 3, "ir:1/0": 3, "ir:1/1": 1, "ir:2/0": 7}


def test_a_parameter_has_the_memory_and_the_gradient_of_its_tensors() -> None:
    linear = torch.nn.Linear(3, 2)
    recording = inspector.record(linear, torch.ones(4, 3), loss="sum")
    found = values(dynamic_view(recording, frozenset()), recording, "memory")
    assert found["parameters:0"] == 4 * (3 * 2 + 2)
    gradients = values(dynamic_view(recording, frozenset()), recording, "gradient")
    norms = [float(parameter.grad.norm()) for parameter in linear.parameters()]
    assert gradients["parameters:0"] == pytest.approx(max(norms), rel=1e-4)


def test_what_was_not_recorded_is_no_measure() -> None:
    recording = inspector.record(
        torch.nn.ReLU(),
        torch.ones(2),
        options=inspector.CaptureOptions(values="none", lines=False),
    )
    found = heat(dynamic_view(recording, frozenset()), recording)
    assert {one.measure for one in found} == {"time", "memory"}
    assert heat(dynamic_view(recording, frozenset()), recording, measures=("beauty",)) == ()


def test_an_empty_drawing_has_no_measure() -> None:
    assert heat(GraphView("Dynamic graph", (), ()), Recording((), {})) == ()


# -- the scale -------------------------------------------------------------------------------------


def test_a_logarithmic_scale_puts_the_geometric_mean_into_the_middle() -> None:
    scale = Heat("time", "µs", "log", 1.0, 100.0, {})
    assert [scale.place(v) for v in (1.0, 10.0, 100.0)] == pytest.approx([0.0, 0.5, 1.0])
    assert scale.place(0.0) is None


def test_a_linear_scale_puts_the_mean_into_the_middle() -> None:
    scale = Heat("zeros", "%", "linear", 0.0, 1.0, {})
    assert [scale.place(v) for v in (0.0, 0.5, 1.0)] == [0.0, 0.5, 1.0]


def test_equal_values_are_in_the_middle_so_that_nothing_stands_out() -> None:
    assert Heat("time", "µs", "log", 3.0, 3.0, {}).place(3.0) == 0.5


@given(st.lists(st.floats(1e-9, 1e12), min_size=1, max_size=9))
def test_the_order_of_the_values_is_the_order_of_their_places(numbers: list[float]) -> None:
    scale = Heat("time", "µs", "log", min(numbers), max(numbers), {})
    places = [scale.place(number) for number in sorted(numbers)]
    assert all(place is not None and -1e-9 <= place <= 1 + 1e-9 for place in places)
    assert places == sorted(places)  # type: ignore[type-var]


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (12.0, "µs", "12 µs"),
        (3400.0, "µs", "3.4 ms"),
        (0.0, "B", "0 B"),
        (1500.0, "B", "1.5 kB"),
        (0.0, "%", "0%"),
        (0.456, "%", "46%"),
        (0.0004, "%", "<0.1%"),
        (0.004, "%", "0.4%"),
        (0.999, "%", "99.9%"),
        (0.9999, "%", ">99.9%"),
        (12.0, "×", "×12"),
        (0.0312, "", "0.031"),
        (1234.0, "", "1,234"),
    ],
)
def test_numbers_on_nodes_are_short(value: float, unit: str, text: str) -> None:
    assert amount_text(value, unit) == text


def test_the_payload_has_every_measure_of_every_pane_with_texts() -> None:
    recording = run()
    views = {"dynamic": dynamic_view(recording, OPEN), "backward": backward_view(recording, OPEN)}
    found = heat_payload(views, recording, translate=str.upper)
    assert [one["id"] for one in found["dynamic"]] == list(SCALES)
    time = found["dynamic"][0]
    assert (time["label"], time["low"], time["high"]) == ("TIME", "10 µs", "30 µs")
    assert time["values"]["op:0"] == [0.0, "10 µs"]
    assert time["values"]["op:2"] == [1.0, "30 µs"]
    bad = next(one for one in found["dynamic"] if one["id"] == "nonfinite")
    assert bad["values"]["op:0"] == [None, "0"]


def test_a_browser_is_answered_with_one_measure_or_with_none() -> None:
    recording = run()
    view = dynamic_view(recording, OPEN)
    assert heat_answer(view, recording, None, "time")["measure"]["id"] == "time"
    assert heat_answer(view, recording, None, "<b>")["measure"] is None
