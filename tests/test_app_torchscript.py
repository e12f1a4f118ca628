"""The page “TorchScript”, run by Streamlit's AppTest; and the walk through an interpretation."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from streamlit.testing.v1 import AppTest
from test_app import TIMEOUT_S, said, texts, written
from torch import Tensor, nn

import inspector
import sample_models
from inspector.errors import UnsupportedNode
from inspector_app.screens.torchscript_steps import _code_title
from inspector_app.staticruns import static_work
from inspector_app.steps import Named, Place, Steps

PAGE = "from inspector_app.screens import torchscript\ntorchscript.page()"


def start(**query: str) -> AppTest:
    """The page, opened by an address with `query`."""
    app = AppTest.from_string(PAGE, default_timeout=TIMEOUT_S)
    for name, value in query.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception
    return app


def press(app: AppTest, label: str) -> AppTest:
    """Press the button of that label."""
    next(button for button in app.button if button.label == label).click().run()
    assert not app.exception
    return app


def line_of(sample: str, start: str) -> int:
    """The line of a sample's file that starts with `start`."""
    lines = Path(sample_models.get(sample).file).read_text().splitlines()
    return 1 + next(i for i, text in enumerate(lines) if text.strip().startswith(start))


@pytest.fixture(autouse=True)
def fresh_caches() -> None:
    import streamlit as st

    st.cache_resource.clear()


@pytest.fixture
def only_sample(monkeypatch: pytest.MonkeyPatch):
    """Makes a sample out of a callable, the only one that the page offers."""

    def only_sample(build, *arguments, scriptable: bool = True) -> None:
        made = replace(
            sample_models.get("branching"),
            name="made",
            build=build,
            inputs={"one": sample_models.Input("The only one.", lambda: arguments)},
            scriptable=scriptable,
        )
        monkeypatch.setattr(sample_models, "catalog", lambda: {"made": made})
        monkeypatch.setattr(sample_models, "get", lambda name: made)

    return only_sample


# -- the headline ----------------------------------------------------------------------------------


def test_the_headline_says_how_much_ran_and_that_the_counts_are_exact() -> None:
    app = start(sample="while_loop", input="norm 0.5, no trip")
    # The loop's body holds GetAttr, matmul, norm, gt and Bool: 5 of 17 nodes did not run.
    assert ":gray-badge[17 nodes]" in texts(app)
    assert ":violet-badge[71 % executed by this input]" in texts(app)
    assert ":green-badge[counts are exact]" in texts(app)
    assert any("The recording agrees" in said(caption) for caption in app.caption)


def test_each_call_of_a_training_loop_is_interpreted() -> None:
    app = start(sample="grad_accumulation", input="four parts of one")
    assert ":gray-badge[in 4 calls]" in texts(app)
    assert ":green-badge[counts are exact]" in texts(app)


def test_a_trace_of_another_input_is_said_not_to_be_true() -> None:
    app = start(
        sample="branching", input="mean below zero", kind="trace", traced_with="mean above zero"
    )
    assert "Trace taken with “mean above zero”" in texts(app)
    assert ":red-badge[not true for this input]" in texts(app)


def test_everything_that_is_chosen_stands_in_the_address() -> None:
    app = start(sample="while_loop", kind="trace", view="steps")
    app.sidebar.radio[0].set_value("norm 20, five trips").run()
    app.sidebar.radio[2].set_value("norm 0.5, no trip").run()
    assert app.query_params["sample"] == "while_loop"
    assert app.query_params["input"] == "norm 20, five trips"
    assert app.query_params["kind"] == "trace"
    assert app.query_params["traced_with"] == "norm 0.5, no trip"
    assert app.query_params["view"] == "steps"
    press(app, "Next")
    assert app.query_params["step"] == "5"  # 3 reads of attributes, the linear's call, linear


@pytest.mark.parametrize(
    ("parameter", "shown"),
    [("input", "mean above zero"), ("kind", "script"), ("view", "ran")],
)
def test_what_the_address_asks_for_and_is_not_there_is_named(parameter: str, shown: str) -> None:
    app = start(sample="branching", **{parameter: "nonsense"})
    assert "“nonsense”" in said(app.error[0])
    assert written(app, parameter) == shown


def test_an_unknown_input_of_the_trace_is_named() -> None:
    app = start(sample="branching", kind="trace", traced_with="nonsense")
    assert "input that the trace is taken with “nonsense”" in said(app.error[0])
    assert written(app, "traced_with") == "mean above zero"


def test_an_address_gone_back_to_sets_the_widgets() -> None:
    app = start(sample="branching", input="mean below zero")
    app.segmented_control[0].set_value("truth").run()
    assert written(app, "view") == "truth"
    app.query_params["view"] = "ran"
    app.query_params["input"] = "mean above zero"
    app.run()
    assert app.segmented_control[0].value == "ran"
    assert app.sidebar.radio[0].value == "mean above zero"


def test_a_choice_wins_over_an_address_that_the_browser_had_not_got_yet() -> None:
    app = start(sample="branching", input="mean above zero")
    app.segmented_control[0].set_value("truth").run()
    app.query_params["view"] = "ran"  # as it was before the last action
    app.sidebar.radio[0].set_value("mean below zero").run()
    assert app.segmented_control[0].value == "truth"
    assert app.sidebar.radio[0].value == "mean below zero"
    assert written(app, "view") == "truth"


def test_parameters_of_another_page_are_dropped() -> None:
    app = start(sample="branching", mode="eval", step="3", view="ran")
    assert set(app.query_params) == {"sample", "input", "kind", "view"}


# -- step through it -------------------------------------------------------------------------------


def test_the_steps_go_through_the_trips_of_a_loop() -> None:
    app = start(sample="while_loop", input="norm 3, two trips", view="steps")
    assert "**Step 1 of 14**" in texts(app)
    press(app, "Next trip")
    line = line_of("while_loop", "while x.norm()")
    assert f"loop at line {line}: trip 1 of 2" in texts(app)
    assert "`aten::matmul` execution 1 of 2" in texts(app)
    press(app, "Next trip")
    assert f"loop at line {line}: trip 2 of 2" in texts(app)
    press(app, "Previous")
    assert "`aten::Bool`" in texts(app)
    assert f"loop at line {line}: trip 1 of 2" in texts(app)


def test_a_step_shows_the_numbers_that_go_in_and_come_out() -> None:
    app = start(sample="while_loop", input="norm 3, two trips", view="steps")
    press(app, "Next trip")
    # 3 · (0.6, 0.8), turned by 0.5 and halved: the first matmul of plain PyTorch.
    shrink = sample_models.get("while_loop").build().shrink.detach()
    x = 3.0 * torch.tensor([0.6, 0.8])
    numbers = [code.value.split() for code in app.code]
    assert [f"{value:.4g}" for value in (shrink @ x).tolist()] in numbers
    assert ["1.8", "2.4"] in numbers


def test_a_link_opens_at_its_step_and_the_slider_goes_anywhere() -> None:
    app = start(sample="while_loop", input="norm 3, two trips", view="steps", step="9")
    assert "`aten::matmul` execution 1 of 2" in texts(app)
    assert app.slider[0].value == 5
    app.slider[0].set_value(14).run()
    assert "`aten::linear`" in texts(app)
    assert app.query_params["step"] == "22"


@pytest.mark.parametrize(("asked", "shown"), [("999", "22"), ("0", "4"), ("x", "4"), ("²", "4")])
def test_a_step_that_is_not_there_is_replaced_by_the_one_shown(asked: str, shown: str) -> None:
    # 22 steps; the first three are reads of attributes, which the walk does not stop at.
    app = start(sample="while_loop", input="norm 3, two trips", view="steps", step=asked)
    assert written(app, "step") == shown


def test_a_node_of_torchs_own_code_is_of_the_line_that_called_it() -> None:
    app = start(sample="dynamic_rnn", view="steps", step="36")
    assert "`aten::dim`" in texts(app)
    steps = Steps(*_first_run("dynamic_rnn"))
    line = line_of("dynamic_rnn", "for ")
    assert _code_title(steps, 6, "f.py") == ("f.py: torch's own code for size, at no line of yours")
    assert _code_title(steps, 8, "f.py") == "f.py: bookkeeping of the compiler, no line of yours"
    assert steps.place_of(35) is not None
    called = steps.place_of(35).line
    assert called > line
    assert _code_title(steps, 35, "f.py") == (
        f"f.py: torch's own code for dim, called from line {called}"
    )
    assert _code_title(steps, 36, "f.py") == (
        f"f.py: bookkeeping of the compiler, inside line {called}"
    )


def _first_run(name: str):
    first = next(iter(sample_models.get(name).inputs))
    work = static_work(name, first, "script", first)
    return work.static, work.steps[0].run


def test_a_kind_of_node_is_jumped_to_and_a_branch_says_its_way() -> None:
    app = start(sample="branching", input="mean below zero", view="steps")
    press(app, "Next branch")
    assert "The condition is false: the block `else` runs." in texts(app)
    jump = next(box for box in app.selectbox if box.label == "Jump")
    jump.set_value("aten::linear").run()
    assert "`aten::linear`" in texts(app)
    assert ": false" in texts(app)


def test_constants_are_passed_over_unless_asked_for() -> None:
    app = start(sample="while_loop", input="norm 3, two trips", view="steps")
    app.toggle[0].set_value(True).run()
    assert "of 22**" in texts(app)


# -- does it tell the truth? -----------------------------------------------------------------------


def test_a_trace_that_lies_says_where_with_both_values_and_what_to_do() -> None:
    app = start(
        sample="branching",
        input="mean below zero",
        kind="trace",
        traced_with="mean above zero",
        view="truth",
    )
    line = line_of("branching", "if x.mean()")
    assert "The trace kept the branch for" in said(app.error[0])
    assert f"line {line}" in said(app.error[0])
    said_of_both = [text for text in texts(app).split("\n") if text.startswith("`x.mean() > 0`")]
    assert [text.rpartition(" ")[2] for text in said_of_both] == ["False", "True"]
    assert "**TracerWarning**" in texts(app)
    assert "**What to do:**" in texts(app)


def test_a_script_tells_the_truth_and_the_page_says_so() -> None:
    app = start(sample="branching", input="mean below zero", view="truth")
    assert "The script tells the truth" in said(app.success[0])


def test_a_trace_run_with_its_own_input_offers_another() -> None:
    app = start(sample="branching", kind="trace", view="truth")
    assert "The trace tells the truth" in said(app.success[0])
    press(app, "mean below zero")
    assert "The trace kept the branch for" in said(app.error[0])


# -- models that do not script ---------------------------------------------------------------------


def test_a_model_that_does_not_script_shows_its_trace_and_the_reason_small() -> None:
    app = start(sample="detach_no_grad", input="detached")
    assert "Trace taken with" in texts(app)
    line = line_of("detach_no_grad", "with torch.set_grad_enabled")
    small = [said(caption) for caption in app.caption]
    assert any(f"does not script (detach_no_grad.py:{line})" in text for text in small)
    assert not app.error


def test_parts_that_script_are_graphs_of_their_own() -> None:
    app = start(sample="detach_no_grad", view="parts", part="head")
    parts = app.main.selectbox[0]
    assert [option.partition(" ")[0] for option in parts.options] == ["backbone", "head"]
    assert app.query_params["part"] == "head"
    assert not any("source positions" in said(caption) for caption in app.caption)


# -- bad states ------------------------------------------------------------------------------------


class _NoTensor(nn.Module):
    def forward(self, x: Tensor) -> int:
        return next(n for n in range(3) if n)


def test_a_model_without_any_graph_gets_a_sentence_and_what_to_do(only_sample) -> None:
    only_sample(_NoTensor, torch.ones(2), scriptable=False)
    app = start()
    assert "neither scripts nor traces" in said(app.error[-1])
    assert "Choose another input" in texts(app)


class _Broken(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        y = x * 2
        return y @ torch.zeros(7, 7)


def test_a_run_that_fails_is_stepped_through_up_to_the_node_that_raised(only_sample) -> None:
    only_sample(_Broken, torch.ones(2, 3))
    app = start(view="steps")
    messages = [said(error) for error in app.error]
    assert any("The run of the graph ended at test_app_torchscript.py" in m for m in messages)
    assert any("mat1 and mat2 shapes cannot be multiplied" in m for m in messages)
    for _ in range(3):  # mul, the list of sizes, zeros
        press(app, "Next")
    assert "This node raised RuntimeError" in texts(app)


def test_a_node_that_cannot_be_run_leaves_the_counts_of_source_positions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interpret(*_args, **_kwargs):
        raise UnsupportedNode("No way to run `prim::fork` (line 3).", kind="prim::fork")

    monkeypatch.setattr(inspector, "interpret", interpret)
    app = start(sample="branching", view="steps")
    assert ":orange-badge[counts by source positions]" in texts(app)
    assert "prim::fork" in said(app.warning[0])


def test_a_trace_that_does_not_take_the_input_says_so() -> None:
    app = start(
        sample="transformer",
        input="causal mask",
        kind="trace",
        traced_with="no mask",
        view="steps",
    )
    assert "cannot be stepped through: Transformer got 2 arguments" in said(app.warning[0])


# -- the walk itself -------------------------------------------------------------------------------


class _Nested(nn.Module):
    def forward(self, x: Tensor, n: int) -> Tensor:
        total = x
        for i in range(n):
            for j in range(i):
                total = total + i * 10 + j
        return total


def _walk(model: nn.Module, *args) -> Steps:
    static = inspector.script(model)
    return Steps(static, inspector.interpret(static, *args))


def test_the_trips_around_a_step_are_those_of_every_loop() -> None:
    steps = _walk(_Nested(), torch.zeros(1), 3)
    adds = [n for n in steps.all if steps.node(n).kind == "aten::add"]
    found = [[(place.number, place.of) for place in steps.path(n)] for n in adds[::2]]
    # i = 1: j = 0; i = 2: j = 0, 1; each inner trip adds twice.
    assert found == [[(2, 3), (1, 1)], [(3, 3), (1, 2)], [(3, 3), (2, 2)]]
    assert all(isinstance(place, Place) and place.kind == "trip" for place in steps.path(adds[0]))


def test_a_value_carried_by_nested_loops_is_the_one_of_the_trip_before() -> None:
    steps = _walk(_Nested(), torch.zeros(1), 3)
    adds = [n for n in steps.all if steps.node(n).kind == "aten::add"]
    went_in = [_number(steps.inputs(n)[0]) for n in adds]
    came_out = [_number(steps.outputs(n)[0]) for n in adds]
    # total: +10 +0, +20 +0, +20 +1
    assert came_out == [10, 10, 30, 30, 50, 51]
    assert went_in == [0, 10, 10, 30, 30, 50]


def _number(named: Named) -> float:
    assert named.value is not None
    return float(named.value.array.item())


def test_every_value_that_goes_into_a_step_of_a_sample_is_found() -> None:
    sample = sample_models.get("poem_lstm")
    steps = _walk(sample.build(), *sample.inputs["roses"].make())
    for n in steps.all:
        for named in steps.inputs(n):
            assert named.value is not None or named.name.endswith("self"), (n, named)


def test_the_listing_has_each_node_once_below_the_block_that_owns_it() -> None:
    steps = _walk(_Nested(), torch.zeros(1), 3)
    nodes = [line.node for line in steps.listing if line.node is not None]
    assert nodes == [node.id for node in steps.static.nodes]
    bodies = [line for line in steps.listing if line.text == "body:"]
    assert [(line.depth, line.count) for line in bodies] == [(1, 3), (3, 3)]
