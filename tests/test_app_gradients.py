"""The page “Gradients”, run by Streamlit's AppTest."""

from __future__ import annotations

import csv
import io
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from apptests import buttons, opened_page, texts, wait_for
from streamlit.testing.v1 import AppTest
from torch import nn

import inspector
import sample_models
from inspector.gradients import gradient_report, largest_path
from inspector.records import Recording
from inspector_app import awaiting, runs
from inspector_app.screens import gradients_choice
from inspector_app.screens.gradients_parts import Shown, no_link
from inspector_app.screens.gradients_table import as_csv
from inspector_app.screens.gradients_words import told_reading
from inspector_app.trainlinks import twins_of
from inspector_app.trainruns import Choice, Training

TIMEOUT_S = 60
PAGE = "from inspector_app.screens import gradients\ngradients.page()"
READY = "training step"


def start(wait: str = READY, **query: str) -> AppTest:
    """The page, opened by an address with `query`, once it says `wait`."""
    return opened_page(PAGE, wait, query)


def charts(app: AppTest) -> int:
    return len(app.get("plotly_chart"))


@pytest.fixture(autouse=True)
def fresh_caches() -> None:
    import streamlit as st

    st.cache_resource.clear()
    gradients_choice._has_parameters.cache_clear()


@pytest.fixture
def slow_steps(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """Trainings that wait after their first step until the returned function is called."""
    go = threading.Event()
    before = Training._go_on

    def wait(job: Training, done: int) -> bool:
        job.done, job.begun = done, True
        while done and not (go.is_set() or job._stop.is_set()):
            time.sleep(0.01)
        return before(job, done)

    monkeypatch.setattr(Training, "_go_on", wait)
    monkeypatch.setattr(awaiting, "PATIENCE", 0.3)
    yield go.set
    go.set()


# -- training ------------------------------------------------------------------------------------


def test_a_sample_is_trained_at_once_for_ten_steps_with_its_own_loss() -> None:
    app = start(sample="cat_dog_cnn")
    said = texts(app)
    assert "10 training steps" in said
    assert "the sample's own loss" in said
    sample = sample_models.get("cat_dog_cnn")
    model = sample.build()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    losses = []
    for _ in range(10):
        optimizer.zero_grad()
        loss = sample.loss(model(*sample.inputs["four photos"].make()))
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert f"loss {losses[0]:.4g} → {losses[-1]:.4g}" in said
    assert charts(app) == 1


def test_the_address_says_what_is_trained_and_is_obeyed() -> None:
    app = start("3 training steps", sample="transformer", steps="3", optimizer="Adam", rate="0.01")
    assert (app.number_input(key="gradients/steps").value, app.number_input[1].value) == (3, 0.01)
    assert app.selectbox(key="gradients/optimizer").value == "Adam"
    assert app.query_params["optimizer"] in ("Adam", ["Adam"])
    app.number_input(key="gradients/steps").set_value(2).run()
    wait_for(app, "2 training steps")
    assert app.query_params["steps"] in ("2", ["2"])


@pytest.mark.parametrize(
    ("query", "complaint"),
    [
        ({"steps": "900"}, "the number of steps “900”"),
        ({"steps": "many"}, "the number of steps “many”"),
        ({"rate": "-1"}, "the learning rate “-1”"),
        ({"optimizer": "LBFGS"}, "the optimizer “LBFGS”"),
        ({"view": "else"}, "the view “else”"),
    ],
)
def test_what_the_address_asks_for_in_vain_is_named(query: dict[str, str], complaint: str) -> None:
    assert complaint in texts(start("10 training steps", sample="branching", **query))


def test_a_sample_without_a_loss_says_so_and_offers_the_sum_of_its_output() -> None:
    app = start(sample="gan")
    chosen = app.selectbox(key="gradients/loss")
    assert chosen.label == "This sample has no loss: it trains itself"
    said = texts(app)
    assert "10 calls of the sample" in said
    assert "20 training steps" in said  # each call is a turn of both networks
    assert app.selectbox(key="gradients/optimizer").disabled
    chosen.set_value("sum").run()
    wait_for(app, "10 training steps")
    assert not app.selectbox(key="gradients/optimizer").disabled
    assert app.query_params["loss"] in ("sum", ["sum"])


def test_a_sample_without_parameters_has_one_backward_pass_and_its_inputs_gradient() -> None:
    app = start("1 training step", sample="autograd_basics", view="parameters")
    assert "no parameters" in texts(app)
    assert app.number_input(key="gradients/steps").disabled
    (row,) = app.dataframe[0].value.to_dict("records")
    # Four elements of 4.5 each.
    assert row["gradient norm"] == pytest.approx(9.0)


def test_a_training_runs_once_for_all_sessions(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[Choice] = []
    before = Training._make

    def count(job: Training) -> Any:
        begun.append(job.choice)
        return before(job)

    monkeypatch.setattr(Training, "_make", count)
    start(sample="branching")
    start(sample="branching")
    assert len(begun) == 1


def test_under_way_the_page_says_how_far_it_is_and_stopping_keeps_the_steps_so_far(
    slow_steps: Callable[[], None],
) -> None:
    app = AppTest.from_string(PAGE, default_timeout=TIMEOUT_S)
    app.query_params["sample"] = "branching"
    app.run()
    deadline = time.monotonic() + 30
    while "Step 2 of 10" not in app.get("progress")[0].proto.text:
        assert time.monotonic() < deadline
        app.run()
    (stop,) = buttons(app, "Stop training")
    stop.click().run()
    wait_for(app, "1 of 10 steps ran")
    slow_steps()
    (again,) = buttons(app, "Train again")
    again.click().run()
    wait_for(app, "10 training steps")


def test_another_choice_ends_the_training_before(slow_steps: Callable[[], None]) -> None:
    app = AppTest.from_string(PAGE, default_timeout=TIMEOUT_S)
    app.query_params["sample"] = "branching"
    app.run()
    first: Training = app.session_state["_gradients_job"]
    slow_steps()
    app.number_input(key="gradients/steps").set_value(2).run()
    wait_for(app, "2 training steps")
    assert first.wait(10)


def test_a_training_that_cannot_be_recorded_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(job: Training) -> Any:
        raise RuntimeError("no [room]")

    monkeypatch.setattr(Training, "_make", fail)
    app = start("no [room]", sample="branching")
    assert buttons(app, "Train again")


def test_what_other_people_run_meanwhile_is_not_noted(slow_steps: Callable[[], None]) -> None:
    job = Training(Choice("branching", "mean above zero", 2, "SGD", 0.1)).start()
    deadline = time.monotonic() + 30
    while not job.done:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    nn.Linear(2, 2)(torch.ones(1, 2))
    slow_steps()
    assert job.wait(30)
    assert job.result is not None
    assert job.result.recording.notes == ()


# -- what is shown -------------------------------------------------------------------------------


def test_what_stands_out_is_said_above_all_views() -> None:
    said = texts(start(sample="branching"))
    assert "`below.weight`, `below.bias` **never got a gradient**" in said


SAMPLES = (
    "autograd_basics",  # a function without parameters
    "detach_no_grad",
    "linear_regression",  # trains itself
    "while_loop",
    "poem_lstm",
    "mixture_of_experts",
    "transformer",
    "gan",  # two optimizers
)


@pytest.mark.parametrize("sample", SAMPLES)
def test_every_view_of_a_sample_is_drawn(sample: str) -> None:
    app = start(sample=sample, steps="2")
    for view in ("steps", "zeros", "parameters", "path", "depth"):
        app.segmented_control(key="gradients/view").set_value(view).run()
        assert not app.exception, view
        assert app.query_params["view"] in (view, [view])
    assert charts(app) == 1


def test_losses_and_updates_are_two_charts() -> None:
    app = start(sample="transformer", view="steps")
    assert charts(app) == 2
    assert "The loss (computed in line" in texts(app)
    assert "falls from" in texts(app)


def test_the_reading_says_what_it_compares_and_what_the_activations_say() -> None:
    said = texts(start(sample="poem_lstm", steps="1"))
    assert "neither vanishes" not in said
    assert "Between the weights the gradient changes little" in said
    assert "Between the activations it shrinks by a factor of" in said
    assert "within each of the 3 trips of the loop it shrinks by" in said
    assert "the marks zigzag" in said
    assert "before any clipping" in said


def test_notes_about_other_threads_are_dropped_and_others_stay() -> None:
    elsewhere = "2 calls ran on a thread: a recording sees the thread that opens it."
    recording = Recording((), {}, notes=(elsewhere, "Values were left out."))
    assert runs.without_others(recording).notes == ("Values were left out.",)


def test_the_table_has_the_gradients_of_the_chosen_step() -> None:
    app = start(sample="branching", view="parameters", step="1")
    rows = {row["parameter"]: row for row in app.dataframe[0].value.to_dict("records")}
    sample = sample_models.get("branching")
    model = sample.build()
    model(*sample.inputs["mean above zero"].make()).mean().backward()
    for name, one in model.named_parameters():
        if one.grad is None:
            assert rows[name]["note"] == "never got a gradient"
        else:
            wanted = float(torch.linalg.vector_norm(one.grad))
            assert rows[name]["gradient norm"] == pytest.approx(wanted, rel=1e-5)
            assert rows[name]["min"] == pytest.approx(float(one.grad.min()), rel=1e-5)
            assert rows[name]["mean |g|"] == pytest.approx(float(one.grad.abs().mean()), rel=0.1)
    assert charts(app) == 2  # the ridgelines of the first parameter


def test_the_file_of_the_table_has_a_line_per_step_and_parameter() -> None:
    job = Training(Choice("branching", "mean above zero", 3, "SGD", 0.1)).start()
    assert job.wait(30)
    assert job.result is not None
    text = as_csv(Shown(job.result.recording, job.result.report, "t", no_link))
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [(row["step"], row["parameter"]) for row in rows[:2]] == [
        ("1", "above.weight"),
        ("1", "above.bias"),
    ]
    assert len(rows) == 3 * 4


def test_the_path_ends_at_a_leaf_and_each_node_links_to_the_graph() -> None:
    app = start(sample="branching", view="path", step="1")
    rows = app.dataframe[0].value.to_dict("records")
    recording = inspector.record(
        sample_models.get("branching").build(),
        *sample_models.get("branching").inputs["mean above zero"].make(),
        loss="mean",
    )
    path = largest_path(recording, 0)
    assert [row["autograd node"] for row in rows] == [one.name for one in path]
    for row, one in zip(rows, path, strict=True):
        assert row["graph"].endswith(f"select=backward%2Fgrad%3A{one.node}")
        assert row["graph"].startswith("./?sample=branching&input=mean+above+zero")


def test_nodes_of_later_steps_are_those_of_one_call_as_long_as_it_is_the_same() -> None:
    net = nn.Linear(1, 1)

    def run(x: torch.Tensor) -> torch.Tensor:
        y = net(x)
        return torch.tanh(y) if x.item() > 5 else y

    single = inspector.record(run, torch.ones(1, 1), loss="sum")
    count = len(single.grad_nodes)
    with inspector.recording() as session:
        for value in (1.0, 9.0, 2.0):
            run(torch.full((1, 1), value)).sum().backward()
    twins = twins_of(session.recording, single)
    again = session.recording.grad_nodes[-count:]
    assert twins == {
        **{i: i for i in range(count)},
        **{node.id: i for i, node in enumerate(again)},
    }


def test_every_kind_of_reading_has_a_sentence() -> None:
    from inspector.gradients import Reading
    from inspector_app.screens.gradients_words import _SENTENCES

    recording = inspector.record(nn.Linear(1, 1), torch.ones(1, 1), loss="sum")
    for kind in _SENTENCES:
        one = Reading(kind, "note", ("a", "b"), 0, 50.0, (1.0, 50.0), 0)
        said = told_reading(one, recording)
        assert said.endswith((".", ".)"))
        assert "{" not in said


# -- an opened recording ---------------------------------------------------------------------------

TABS = """
import streamlit as st
from inspector_app.screens.gradients_views import gradient_tabs
gradient_tabs(st.session_state["recording"], key="opened", link=lambda node: f"?at={node}")
"""


def tabs(recording: inspector.Recording) -> AppTest:
    app = AppTest.from_string(TABS, default_timeout=TIMEOUT_S)
    app.session_state["recording"] = recording
    app.run()
    assert not app.exception
    return app


def test_an_opened_recording_has_the_same_views() -> None:
    net = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 1))
    app = tabs(inspector.record(net, torch.ones(1, 2), loss="sum"))
    for view in app.segmented_control[0].options:
        assert view in ("Along the depth", "Loss and updates", "Dead units", "Parameters",
                        "Largest path")  # fmt: skip
    app.segmented_control[0].set_value("path").run()
    assert not app.exception
    assert app.dataframe[0].value["graph"][0] == "?at=0"


def test_a_recording_without_a_backward_pass_says_how_to_get_one() -> None:
    app = tabs(inspector.record(nn.Linear(2, 1), torch.ones(1, 2)))
    assert "No backward pass was recorded" in texts(app)
    assert not app.segmented_control


def test_a_recording_without_values_says_that_norms_need_them() -> None:
    options = inspector.CaptureOptions(values="none")
    net = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    app = tabs(inspector.record(net, torch.ones(1, 2), loss="sum", options=options))
    assert 'values="stats"' in texts(app)
    for view in ("depth", "steps", "zeros", "parameters", "path"):
        app.segmented_control[0].set_value(view).run()
        assert not app.exception, view


def test_names_of_a_recording_are_text_and_no_markup() -> None:
    net = nn.Module()
    net.register_parameter("a`**b**<i>", nn.Parameter(torch.ones(1)))
    net.forward = lambda x: x * next(net.parameters())  # type: ignore[method-assign]
    recording = inspector.record(net, torch.ones(1), loss="sum")
    assert gradient_report(recording).parameters[0].name == "a`**b**<i>"
    app = tabs(recording)
    app.segmented_control[0].set_value("parameters").run()
    assert not app.exception
    assert "`a**b**<i>`" in texts(app)
