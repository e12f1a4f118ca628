"""Recording again in the background, and the page that waits for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
import torch
from streamlit.testing.v1 import AppTest
from torch import Tensor

import inspector
import sample_models
from inspector.capture.session import running_session
from inspector.capture.tape import GivenUp
from inspector.errors import InspectorError
from inspector_app import rerun
from inspector_app.component import Place
from inspector_app.rerun import Desk, Job
from inspector_app.runs import CUSTOM, Order, known, one_at_a_time
from inspector_app.screens.explore_change import change_words

MAIN = Path(__file__).resolve().parents[1] / "app" / "main.py"
SOON = 20.0
"""Seconds; on a busy machine a recording may take some of them."""

ABOVE = Order("branching", "mean above zero")
BELOW = Order("branching", "mean below zero")


@pytest.fixture(autouse=True)
def fresh_caches() -> None:
    st.cache_resource.clear()


def eventually(is_so: Callable[[], bool]) -> None:
    until = time.monotonic() + SOON
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.01)


@pytest.fixture
def endless(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """`branching` runs until it is given up, or the event is set."""
    enough = threading.Event()

    def forever(x: Tensor) -> Tensor:
        while not enough.is_set():
            x = x * 1.0
        return x

    found = replace(sample_models.get("branching"), build=lambda: forever, scriptable=False)
    monkeypatch.setattr(sample_models, "get", lambda name: found)
    yield enough
    enough.set()


# -- a job -----------------------------------------------------------------------------------------


def test_a_job_ends_with_the_run_and_the_next_one_has_it_at_once() -> None:
    job = Job(ABOVE).start()
    assert job.wait(SOON)
    assert job.run is not None
    assert len(job.run.recording.ops) == 6
    again = Job(ABOVE).start()
    assert again.ended
    assert again.run is job.run


def test_a_job_waits_while_another_recording_runs_and_can_be_given_up() -> None:
    with one_at_a_time:
        job = Job(ABOVE).start()
        assert not job.wait(0.2)
        assert job.waiting
        job.give_up()
        assert job.wait(SOON)
    assert job.run is None
    assert job.reason == ""
    assert known(ABOVE) is None


def test_a_running_job_says_how_far_it_is_and_stops_at_its_next_op_when_given_up(
    endless: threading.Event,
) -> None:
    job = Job(ABOVE).start()
    eventually(lambda: job.ops > 20)
    assert not job.waiting
    job.give_up()
    assert job.wait(SOON)
    assert job.run is None
    assert job.ops > 20
    assert running_session() is None
    assert not one_at_a_time.locked()


def test_after_a_run_was_given_up_the_next_one_is_recorded_as_ever(
    endless: threading.Event,
) -> None:
    job = Job(ABOVE).start()
    eventually(lambda: job.ops > 0)
    job.give_up()
    assert job.wait(SOON)
    recording = inspector.record(torch.sin, torch.ones(2))
    assert [op.name for op in recording.ops] == ["sin"]
    assert recording.failure is None


def test_what_is_given_up_raises_no_exception_that_a_program_would_handle() -> None:
    handled: list[BaseException] = []

    def model(x: Tensor) -> Tensor:
        session = running_session()
        assert session is not None
        session.give_up()
        try:
            return x + 1
        except Exception as error:
            handled.append(error)
            raise

    with pytest.raises(GivenUp):
        inspector.record(model, torch.ones(2))
    assert not handled
    assert inspector.record(torch.sin, torch.ones(2)).failure is None


def test_an_input_that_cannot_be_made_is_a_reason_in_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def given() -> tuple[Any, ...]:
        raise ValueError("There is no word “xyz”.")

    found = replace(sample_models.get("branching"), given=given)
    monkeypatch.setattr(sample_models, "get", lambda name: found)
    job = Job(Order("branching", CUSTOM)).start()
    assert job.wait(SOON)
    assert job.run is None
    assert job.reason == "This input could not be run: There is no word “xyz”."
    with pytest.raises(InspectorError):
        job.order.arguments()


def test_an_input_of_a_wrong_shape_gives_the_run_up_to_its_failure() -> None:
    def given() -> tuple[Any, ...]:
        return (torch.ones(2, 5),)

    found = replace(sample_models.get("branching"), given=given)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sample_models, "get", lambda name: found)
        job = Job(Order("branching", CUSTOM)).start()
        assert job.wait(SOON)
    assert job.run is not None
    failure = job.run.recording.failure
    assert failure is not None
    # mean, gt, bool, and the linear of 4 inputs that gets 5.
    assert failure.op == 3


def test_inputs_of_controls_are_told_apart_by_what_the_address_says() -> None:
    one = Order("branching", CUSTOM, written=(("c.shift", "0.5"),), values={"shift": 0.5})
    same = Order("branching", CUSTOM, written=(("c.shift", "0.5"),), values={})
    other = Order("branching", CUSTOM, written=(("c.shift", "0.6"),))
    assert one == same
    assert hash(one) == hash(same)
    assert one != other


# -- a desk ----------------------------------------------------------------------------------------


def test_several_quick_changes_end_at_the_last_one() -> None:
    desk = Desk()
    orders = [Order("branching", name, way) for way in ("script", "trace") for name in (
        "mean above zero", "mean below zero",
    )]  # fmt: skip
    with one_at_a_time:
        jobs = [desk.ask(order) for order in orders]
        assert [job.given_up for job in jobs] == [True, True, True, False]
        # Of those given up nobody stands in line any more.
        assert all(job.wait(SOON) for job in jobs[:3])
    assert jobs[3].wait(SOON)
    assert [known(order) is not None for order in orders] == [False, False, False, True]


def test_asking_for_the_same_again_goes_on_waiting_for_it() -> None:
    desk = Desk()
    with one_at_a_time:
        job = desk.ask(ABOVE)
        assert desk.ask(ABOVE) is job
    assert job.wait(SOON)
    assert desk.ask(ABOVE) is job


def test_what_was_given_up_runs_again_only_when_that_is_asked_for() -> None:
    desk = Desk()
    with one_at_a_time:
        job = desk.ask(ABOVE)
        job.give_up()
        assert job.wait(SOON)
        assert desk.ask(ABOVE) is job
    desk.again()
    assert desk.ask(ABOVE).wait(SOON)
    assert desk.job is not None
    assert desk.job.run is not None


def shown(*orders: Order) -> Desk:
    desk = Desk()
    for order in orders:
        job = desk.ask(order)
        assert job.wait(SOON)
        desk.show(job)
    return desk


def test_the_run_before_is_the_one_shown_before_of_the_same_sample() -> None:
    desk = shown(ABOVE, BELOW)
    assert desk.before is not None
    assert desk.before.order == ABOVE
    assert shown(ABOVE, BELOW, BELOW).before == desk.before
    assert shown(ABOVE, Order("while_loop", "norm 0.5, no trip")).before is None


# -- words -----------------------------------------------------------------------------------------


def words(before: Order, now: Order) -> str:
    desk = shown(before, now)
    assert desk.before is not None
    assert desk.shown is not None
    told = change_words(rerun.morph(desk.before, desk.shown).comparison, before.title)
    return told.replace("\\", "")


def test_the_change_is_told_from_before_to_now_whichever_ran_first() -> None:
    there = words(ABOVE, BELOW)
    assert "3 ops new" in there
    assert "2 gone" in there
    assert "was True (0.517) before and False (-0.517) now" in there
    back = words(BELOW, ABOVE)
    assert "2 ops new" in back
    assert "3 gone" in back
    assert "was False (-0.517) before and True (0.517) now" in back


def test_the_same_graph_again_is_said_to_be_the_same() -> None:
    traced = replace(ABOVE, prefer="trace")
    assert words(ABOVE, traced) == "The same graph as with “mean above zero”."


# -- the page --------------------------------------------------------------------------------------


def start(**query: str) -> AppTest:
    app = AppTest.from_file(str(MAIN), default_timeout=60)
    for name, value in query.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception
    return app


def texts(app: AppTest) -> str:
    said = [*app.markdown, *app.caption, *app.error]
    return "\n".join(str(one.value).replace("\\", "") for one in said)


def written(app: AppTest, parameter: str) -> str:
    found: str | list[str] = app.query_params[parameter]
    return found if isinstance(found, str) else found[-1]


def desk_of(app: AppTest) -> Desk:
    found: Desk = app.session_state["_desk"]
    return found


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rerun, "PATIENCE", 0.01)
    monkeypatch.setattr(rerun, "FIRST_PATIENCE", SOON)


def test_while_a_run_is_waited_for_the_page_shows_the_one_before(impatient: None) -> None:
    app = start(sample="branching")
    with one_at_a_time:
        app.sidebar.radio[0].set_value("mean below zero").run()
        assert not app.exception
        assert "“mean below zero” waits for another recording" in texts(app)
        assert "[6 ops]" in texts(app)
        assert written(app, "input") == "mean below zero"
    job = desk_of(app).job
    assert job is not None
    assert job.wait(SOON)
    app.run()
    assert "[7 ops (+1)]" in texts(app)
    assert "waits" not in texts(app)


def test_a_run_can_be_given_up_and_asked_for_again(impatient: None) -> None:
    app = start(sample="branching")
    with one_at_a_time:
        app.sidebar.radio[0].set_value("mean below zero").run()
        button(app, "Give up").click().run()
        job = desk_of(app).job
        assert job is not None
        assert job.wait(SOON)
        app.run()
        assert "“mean below zero” was given up after 0 ops." in texts(app)
        assert "Shown is “mean above zero”." in texts(app)
    button(app, "Run it again").click().run()
    job = desk_of(app).job
    assert job is not None
    assert job.wait(SOON)
    app.run()
    assert "[7 ops (+1)]" in texts(app)


def button(app: AppTest, label: str) -> Any:
    return next(one for one in app.button if one.label == label)


def test_the_item_of_a_link_is_gone_to_when_its_run_has_come(impatient: None) -> None:
    with one_at_a_time:
        rerun_patience = rerun.FIRST_PATIENCE
        rerun.FIRST_PATIENCE = 0.01
        try:
            app = start(sample="branching", input="mean below zero", select="dynamic/op:3")
        finally:
            rerun.FIRST_PATIENCE = rerun_patience
        assert desk_of(app).shown is None
        assert desk_of(app).goto == Place(selected="dynamic/op:3")
    job = desk_of(app).job
    assert job is not None
    assert job.wait(SOON)
    app.run()
    assert written(app, "select") == "dynamic/op:3"


def test_after_a_switch_the_graph_shows_what_changed_at_first(impatient: None) -> None:
    app = start(sample="branching")
    app.sidebar.radio[0].set_value("mean below zero").run()
    job = desk_of(app).job
    assert job is not None
    assert job.wait(SOON)
    app.run()
    (switch,) = [one for one in app.get("button_group") if one.key == "explore/change"]
    assert switch.value == "changed"
    assert not switch.proto.disabled
    button(app, "First change").click().run()
    assert written(app, "select") == "dynamic/op:2"  # the decision


def test_the_switch_is_there_with_one_way_lit_while_a_run_is_waited_for(impatient: None) -> None:
    app = start(sample="branching")
    for name in ("mean below zero", "mean above zero"):
        (switch,) = [one for one in app.get("button_group") if one.key == "explore/change"]
        assert switch.value == "changed"
        app.sidebar.radio[0].set_value(name).run()
    (switch,) = [one for one in app.get("button_group") if one.key == "explore/change"]
    assert switch.proto.default


def test_an_input_made_by_controls_is_an_address_and_another_page_says_that_it_has_none() -> None:
    app = start(sample="branching", input=CUSTOM, **{"c.shift": "-0.5"})
    # A mean of 0 less a half is below zero: the way of 7 ops.
    assert "[7 ops]" in texts(app)
    assert written(app, "c.shift") == "-0.5"

    def torchscript() -> None:
        from inspector_app.screens import torchscript

        torchscript.page()

    page = AppTest.from_function(torchscript, default_timeout=60)
    page.query_params["sample"] = "branching"
    page.query_params["input"] = CUSTOM
    page.run()
    assert not page.exception
    assert "asks for an input made by controls: not found here" in texts(page)
