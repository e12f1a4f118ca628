"""The panel below the workbench that looks into one tensor, run by Streamlit's AppTest."""

from __future__ import annotations

from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

import sample_models
from inspector_app.runs import Run, run_sample
from inspector_app.screens.tensor_panel import tensors_of

TIMEOUT_S = 60


def run_of(sample: str) -> Run:
    return run_sample(sample, next(iter(sample_models.get(sample).inputs)), "script")


def panel(sample: str, ref: str | None) -> AppTest:
    def page(sample: str, ref: str | None) -> None:
        import sample_models
        from inspector_app.runs import run_sample
        from inspector_app.screens.tensor_panel import tensor_panel

        first = next(iter(sample_models.get(sample).inputs))
        tensor_panel(run_sample(sample, first, "script").book, ref, sample)

    app = AppTest.from_function(page, args=(sample, ref), default_timeout=TIMEOUT_S)
    app.run()
    assert not app.exception
    return app


def op_named(run: Run, name: str) -> int:
    return next(op.id for op in run.recording.ops if op.name == name)


def roles(run: Run, ref: str) -> list[str]:
    return [choice.role for choice in tensors_of(run.book, ref)]


def test_without_a_selection_the_panel_says_what_to_do() -> None:
    app = panel("branching", None)
    assert "Select an op" in app.caption[0].value
    assert not app.selectbox


def test_an_op_offers_its_outputs_and_its_inputs_each_once() -> None:
    run = run_of("autograd_basics")
    square = next(op for op in run.recording.ops if op.name == "mul" and len(set(op.inputs)) == 1)
    assert roles(run, f"dynamic/op:{square.id}") == ["output", "input"]


def test_other_items_offer_what_is_on_their_card() -> None:
    run = run_of("transformer")
    linear = op_named(run, "linear")
    assert roles(run, f"dynamic/parameters:{linear}") == ["parameter"]
    assert roles(run, "dynamic/call:0") == ["last output"]
    assert roles(run, f"dynamic/tensor:{run.recording.inputs[0]}") == ["value"]


def test_an_autograd_node_offers_what_its_op_made_or_the_leaf_it_adds_to() -> None:
    run = run_of("linear_regression")
    nodes = run.recording.grad_nodes
    of_op = next(node for node in nodes if node.op is not None)
    leaf = next(node for node in nodes if node.name == "AccumulateGrad")
    (made,) = tensors_of(run.book, f"backward/grad:{of_op.id}")
    assert made.tensor in run.recording.ops[of_op.op or 0].outputs
    assert [choice.tensor for choice in tensors_of(run.book, f"backward/grad:{leaf.id}")] == [
        leaf.tensor
    ]


def test_a_source_line_offers_what_its_ops_made() -> None:
    run = run_of("autograd_basics")
    op = run.recording.ops[0]
    assert op.source is not None
    found = tensors_of(run.book, f"source/{op.source.file}:{op.source.line}")
    on_line = [o for o in run.recording.ops if o.source and o.source.line == op.source.line]
    assert [choice.tensor for choice in found] == [t for o in on_line for t in o.outputs]


@pytest.mark.parametrize(
    "ref",
    [
        "",
        "dynamic/op:99999",
        "dynamic/op:" + "9" * 5000,
        "dynamic/op:x",
        "dynamic/tensor:99999",
        "backward/grad:4711",
        "static/ir:99999",
        "nowhere/op:0",
        "dynamic/",
        "source/nothing.py:1",
        "no slash",
    ],
)
def test_an_address_that_names_nothing_offers_nothing(ref: str) -> None:
    assert tensors_of(run_of("branching").book, ref) == []


def test_an_image_has_a_picture_a_distribution_and_statistics() -> None:
    run = run_of("cat_dog_cnn")
    app = panel("cat_dog_cnn", f"dynamic/op:{op_named(run, 'conv2d')}")
    assert [one.label for one in app.slider] == ["Index on N (4)"]
    statistics = app.dataframe[0].value.to_dict("records")[0]
    assert statistics["values"] == 4 * 4 * 8 * 8
    assert any("N 4 × C 4 × H 8 × W 8" in said(one) for one in app.markdown)


def said(element: Any) -> str:
    return str(element.value).replace("\\", "")


def test_attention_has_a_picker_for_each_dimension_that_is_not_drawn() -> None:
    run = run_of("transformer")
    app = panel("transformer", f"dynamic/op:{op_named(run, 'softmax')}")
    across, down = app.selectbox[1], app.selectbox[2]
    assert (across.options[across.index], down.options[down.index]) == ("keys (5)", "queries (5)")
    assert [one.label for one in app.slider] == ["Index on axis 0 (2)", "Index on axis 1 (2)"]
    app.slider[1].set_value(1).run()
    assert not app.exception


def test_what_runs_across_cannot_run_down_too() -> None:
    run = run_of("transformer")
    app = panel("transformer", f"dynamic/op:{op_named(run, 'softmax')}")
    app.selectbox[1].set_value(0).run()
    assert not app.exception
    assert app.selectbox[2].options == ["axis 1 (2)", "queries (5)", "keys (5)"]
    assert [one.label for one in app.slider] == ["Index on axis 1 (2)", "Index on queries (5)"]


@pytest.mark.parametrize("kind", ["tiles", "line", "heatmap"])
def test_every_way_of_drawing_works(kind: str) -> None:
    run = run_of("cat_dog_cnn")
    app = panel("cat_dog_cnn", f"dynamic/op:{op_named(run, 'conv2d')}")
    app.segmented_control[0].set_value(kind).run()
    assert not app.exception


def test_a_scalar_is_a_number_with_its_gradient_beside_it() -> None:
    run = run_of("autograd_basics")
    mean = op_named(run, "mean")
    app = panel("autograd_basics", f"dynamic/op:{mean}")
    # z = 3 (x + 2)^2 with x = 1 gives 27 everywhere, and the gradient of the mean itself is 1.
    assert [(one.label, one.value) for one in app.metric] == [("Value", "27"), ("Gradient", "1")]


def test_every_tensor_of_every_first_run_can_be_looked_at() -> None:
    for name in ("poem_lstm", "gan"):
        run = run_of(name)
        for op in run.recording.ops[::9]:
            panel(name, f"dynamic/op:{op.id}")
