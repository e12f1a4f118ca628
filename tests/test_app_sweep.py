"""The page “Sweep”, run by Streamlit's AppTest, and the job behind it."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Annotated, Any

import numpy
import pytest
import torch
from apptests import buttons, opened_page, texts, wait_for
from streamlit.testing.v1 import AppTest
from torch import Tensor

import sample_models
from inspector.control_kinds import Uploaded
from inspector_app import awaiting
from inspector_app.runs import one_at_a_time
from inspector_app.sweepitems import Choice, items_of, sweepable
from inspector_app.sweepruns import Sweep, Swept

TIMEOUT_S = 60
PAGE = "from inspector_app.screens import sweep\nsweep.page()"
READY = "distinct graph"


def start(wait: str = READY, **query: str) -> AppTest:
    """The page, opened by an address with `query`, once it says `wait`."""
    return opened_page(PAGE, wait, query)


def swept(choice: Choice) -> Swept:
    job = Sweep(choice).start()
    assert job.wait(60)
    assert job.result is not None, job.reason
    return job.result


def address(app: AppTest) -> dict[str, str]:
    found = {name: app.query_params[name] for name in app.query_params}
    return {name: value[0] if isinstance(value, list) else value for name, value in found.items()}


@pytest.fixture(autouse=True)
def fresh_caches() -> Iterator[None]:
    import streamlit as st

    st.cache_resource.clear()
    yield
    st.cache_resource.clear()


@pytest.fixture
def sample(monkeypatch: pytest.MonkeyPatch) -> Iterator[sample_models.Sample]:
    """A sample whose runs fail for long inputs, and whose declaration refuses 3."""

    def run(x: Tensor) -> Tensor:
        if len(x) > 4:
            return x @ torch.ones(3)
        return x.relu()

    def given(length: Annotated[int, range(1, 7)] = 1) -> tuple[Tensor]:
        if length == 3:
            raise ValueError("Three is not allowed.")
        return (torch.ones(length),)

    made = replace(
        sample_models.get("branching"),
        name="odd",
        build=lambda: run,
        given=given,
        inputs={"one": sample_models.Input("One number.", lambda: (torch.ones(1),))},
    )
    monkeypatch.setattr(sample_models, "catalog", lambda: {"odd": made})
    monkeypatch.setattr(sample_models, "get", lambda name: made)
    return made


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """Sweeps that wait after their first input until the returned function is called."""
    go = threading.Event()
    before = Sweep._feed

    def wait(job: Sweep, inputs: list[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
        for one in before(job, inputs):
            yield one
            while not (go.is_set() or job._stop.is_set()):
                time.sleep(0.01)

    monkeypatch.setattr(Sweep, "_feed", wait)
    monkeypatch.setattr(awaiting, "PATIENCE", 0.3)
    yield go.set
    go.set()


# -- what is swept -------------------------------------------------------------------------------


def test_a_control_is_swept_over_its_range_and_the_branch_follows_by_hand() -> None:
    # The mean of the input is the shift: above zero for 10 of the 21 values from -1 to 1.
    found = swept(Choice("branching", "control", "shift", "-1", "1", "0.1"))
    above, below = sorted(found.census.variants, key=lambda one: one.ops)
    assert (above.ops, above.count) == (5, 10)
    assert (below.ops, below.count) == (6, 11)
    by_shift = {point.swept: point.variant for point in found.census.points}
    assert len(by_shift) == 21
    assert all((found.census.variants[v] is above) == (shift > 0) for shift, v in by_shift.items())
    assert found.items[0].query == {"input": "custom", "c.shift": "-1"}


def test_the_trips_of_a_loop_part_the_inputs_as_worked_out_by_hand() -> None:
    # Halved until it is at most 1: 0, 2.5, 5 and 7.5, 10 to 15, 17.5 to 30, 32.5 to 40.
    found = swept(Choice("while_loop", "control", "norm", "0", "40", "2.5"))
    counts = {one.loops[0][3] if one.loops else 0: one.count for one in found.census.variants}
    assert counts == {0: 1, 2: 1, 3: 2, 4: 3, 5: 6, 6: 4}


def test_seeds_of_a_tensor_are_swept_and_equal_choices_give_equal_counts() -> None:
    choice = Choice("branching", "control", "x", "0", "7", "1")
    items = items_of(choice)
    assert [item.swept for item in items] == list(range(8))
    assert items[3].label == "seed 3"
    means = [float(item.make()[0].mean()) for item in items]
    found = swept(choice)
    by_ops = {variant.ops: variant.count for variant in found.census.variants}
    positive = sum(mean > 0 for mean in means)
    assert by_ops == {ops: n for ops, n in ((5, positive), (6, 8 - positive)) if n}


def test_a_sample_without_a_declaration_is_swept_by_its_models_signature(
    sample: sample_models.Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = replace(sample, given=None)
    monkeypatch.setattr(sample_models, "get", lambda name: bare)
    (control,) = sweepable(bare)
    items = items_of(Choice("odd", "control", control.name, "0", "2", "1"))
    assert [item.query for item in items] == [None] * 3  # “Explore” has no such controls
    assert len({float(item.make()[0]) for item in items}) == 3


def test_files_are_inputs_and_one_that_cannot_be_read_is_told() -> None:
    good, other = io.BytesIO(), io.BytesIO()
    numpy.save(good, numpy.ones((2, 4), numpy.float32))
    numpy.save(other, -numpy.ones((2, 4), numpy.float32))
    files = (
        Uploaded("above.npy", good.getvalue()),
        Uploaded("broken.npy", b"nothing"),
        Uploaded("below.npy", other.getvalue()),
    )
    found = swept(Choice("branching", "files", files=files))
    assert [point.label for point in found.census.points] == ["above.npy", "below.npy"]
    assert [variant.ops for variant in found.census.variants] == [5, 6]
    ((label, reason),) = found.refused
    assert label == "broken.npy"
    assert reason


@pytest.mark.parametrize("declared", [True, False])
def test_files_in_another_dtype_are_taken_in_that_of_the_sample(
    monkeypatch: pytest.MonkeyPatch, declared: bool
) -> None:
    if not declared:
        bare = replace(sample_models.get("branching"), given=None)
        monkeypatch.setattr(sample_models, "get", lambda name: bare)
    wide = io.BytesIO()
    numpy.save(wide, numpy.ones((2, 4)))
    files = (
        Uploaded("wide.npy", wide.getvalue()),
        Uploaded("whole.csv", b"-1,-2,-3,-4\n-5,-6,-7,-8\n"),
    )
    items = items_of(Choice("branching", "files", files=files))
    above, below = (item.make()[0] for item in items)
    assert torch.equal(above, torch.ones(2, 4))
    assert torch.equal(below, -torch.arange(1.0, 9.0).reshape(2, 4))
    found = swept(Choice("branching", "files", files=files))
    assert [(one.ops, one.failure) for one in found.census.variants] == [(5, None), (6, None)]


def test_inputs_that_fail_are_a_variant_and_refused_ones_are_named(
    sample: sample_models.Sample,
) -> None:
    app = start(sample="odd", over="control", control="length")
    said = texts(app)
    assert "5 inputs" in said
    assert "2 inputs failed" in said  # of lengths 5 and 6
    assert "1 input is not counted" in said
    assert "Three is not allowed." in said
    assert "RuntimeError" in said


def test_too_many_inputs_are_refused_with_what_to_do() -> None:
    app = start("501 inputs", sample="branching", over="control", control="x", stop="500")
    assert "inspector census" in texts(app)
    assert not buttons(app, "Sweep again")


def test_a_range_that_runs_backwards_is_told() -> None:
    app = start(
        "must not be below",
        sample="branching",
        over="control",
        control="shift",
        start="1",
        stop="0",
    )
    assert "“To” (0) must not be below “From” (1)." in texts(app)
    assert not buttons(app, "Sweep again")
    assert not app.get("button_group")  # no views of nothing
    again = start(sample="branching", over="control", control="shift", start="0", stop="1")
    assert again.get("button_group")


# -- the job ---------------------------------------------------------------------------------------


def test_a_sweep_that_is_stopped_keeps_what_was_done(slow: Callable[[], None]) -> None:
    app = start("", sample="branching", over="control", control="shift")
    assert "distinct graph" not in texts(app)
    (stop,) = buttons(app, "Stop the sweep")
    stop.click().run()
    wait_for(app, "20 more inputs were not run")
    assert "1 input" in texts(app)
    choice = Choice("branching", "control", "shift", "-1", "1", "0.1")
    assert Sweep.finished(choice) is None
    slow()
    (again,) = buttons(app, "Sweep again")
    again.click().run()
    wait_for(app, "21 inputs")
    assert Sweep.finished(choice) is not None


def test_others_can_record_between_two_inputs(slow: Callable[[], None]) -> None:
    job = Sweep(Choice("branching", "control", "shift", "-1", "1", "0.01")).start()
    slow()
    turns = 0
    while not job.ended:
        if one_at_a_time.acquire(timeout=0.5):
            turns += not job.ended and 0 < job.done < job.total
            one_at_a_time.release()
        time.sleep(0.002)
    assert job.result is not None, job.reason
    assert turns > 1


def test_a_sweep_runs_once_for_all_sessions() -> None:
    choice = Choice("branching", "inputs")
    assert swept(choice) is swept(choice) is Sweep.finished(choice)


def test_a_sweep_that_is_stopped_before_its_turn_runs_nothing() -> None:
    with one_at_a_time:
        job = Sweep(Choice("branching", "inputs")).start()
        assert not job.wait(0.1)
        assert job.waiting
        job.stop()
    assert job.wait(30)
    assert job.result is None
    assert "before it began" in job.reason


# -- the page --------------------------------------------------------------------------------------


def test_the_named_inputs_are_swept_at_once_and_each_graph_is_shown() -> None:
    app = start(sample="branching")
    said = texts(app)
    assert "2 inputs" in said
    assert "2 distinct graphs" in said
    assert "100 % of the IR ran" in said
    assert "x.mean() > 0 at branching.py:" in said
    assert said.count("data:image/svg+xml") == 2
    links = [one.proto.url for one in app.get("link_button")]
    assert "./?sample=branching&input=mean+above+zero" in links


def test_a_card_names_its_inputs_and_how_many_more_there_are() -> None:
    said = texts(start(sample="while_loop", over="control", control="norm"))
    assert "“norm = 17.5”, “norm = 20”, “norm = 22.5” and 3 more" in said
    assert "“norm = 5”, “norm = 7.5”" in said
    assert "without the loss" in said


def test_a_variant_is_compared_with_the_most_common_one_in_one_picture() -> None:
    app = start(sample="branching", over="control", control="shift")
    (compare,) = buttons(app, "Compare with variant 0")
    compare.click().run()
    assert not app.exception
    said = texts(app)
    assert "A variant 0 (shift = -1)" in said.replace("*", "")
    assert "was False in A and True in B" in said
    assert (address(app)["view"], address(app)["variant"]) == ("against", "1")
    named = start("was True in A and False in B", sample="branching", view="against", variant="9")
    assert "./compare?sample=branching&a=mean+above+zero&b=mean+below+zero" in texts(named)
    assert address(named)["variant"] == "1"  # there is no variant 9
    alone = start("nothing to compare it with", sample="autograd_basics", view="against")
    assert "1 distinct graph" in texts(alone)


def test_the_tree_of_decisions_ends_at_the_variants() -> None:
    said = texts(start("sweep-tree", sample="branching", view="decisions"))
    assert "x.mean() &gt; 0 at branching.py:" in said
    assert "variant 0" in said
    assert "variant 1" in said


def test_without_a_decision_the_page_says_why() -> None:
    one = start("so nothing decides", sample="autograd_basics", view="decisions")
    assert "1 distinct graph" in texts(one)


def test_the_chart_is_drawn_over_the_control() -> None:
    app = start(sample="variable_length", over="control", control="length", view="chart")
    assert len(app.get("plotly_chart")) == 1


def test_what_only_a_first_run_pays_for_is_not_in_the_first_inputs_time(
    sample: sample_models.Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    imported = threading.Event()

    def run(x: Tensor) -> Tensor:
        if not imported.is_set():
            time.sleep(1.0)
            imported.set()
        return x.relu()

    cold = replace(sample, build=lambda: run)
    monkeypatch.setattr(sample_models, "get", lambda name: cold)
    found = swept(Choice("odd", "control", "length", "1", "2", "1"))
    assert imported.is_set()
    assert [point.label for point in found.census.points] == ["length = 1", "length = 2"]
    assert all(point.duration_us < 1e6 for point in found.census.points)


def test_what_never_ran_is_listed_with_its_lines() -> None:
    app = start(
        "Never run,",
        sample="branching",
        over="control",
        control="shift",
        start="0.5",
        view="coverage",
    )
    lines = set(app.dataframe[0].value["code"])
    assert "return self.below(x * x) * 0.5" in lines
    assert "2 parameters were used by no input" in texts(app)
    assert "below.weight" in texts(app)


def test_the_address_says_what_is_swept_and_is_obeyed() -> None:
    app = start(
        sample="branching", over="control", control="shift", start="0.2", stop="0.4", step="0.2"
    )
    assert "2 inputs" in texts(app)
    shown = address(app)
    assert (shown["over"], shown["control"], shown["start"]) == ("control", "shift", "0.2")
    assert (shown["stop"], shown["step"], shown["view"]) == ("0.4", "0.2", "variants")
    app.number_input(key="sweep/branching/shift/stop").set_value(0.8).run()
    wait_for(app, "4 inputs")
    assert address(app)["stop"] == "0.8"


def test_an_address_that_asks_for_nonsense_is_told_and_the_page_goes_on() -> None:
    app = start(sample="branching", over="control", control="shift", start="ten", view="cake")
    said = texts(app)
    assert "“ten” for From" in said
    assert "“cake”" in said
    assert address(app)["start"] == "-1"
    other = start(sample="poem_lstm", over="control")  # it has no control to go through
    assert address(other)["over"] == "inputs"


def test_without_files_the_page_says_what_to_do_next() -> None:
    app = start("Choose files in the sidebar", sample="branching", over="files")
    assert address(app)["over"] == "files"


def test_switches_and_choices_are_swept_over_all_their_values() -> None:
    app = start(sample="mixture_of_experts", over="control", control="expert")
    assert "4 inputs" in texts(app)
    assert not app.number_input
