"""The page “Optimise and deploy”, run by Streamlit's AppTest."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import torch
from streamlit.testing.v1 import AppTest

import sample_models
from inspector.exported import Export, ExportFailure
from inspector.stages import BatchPoint, BatchTiming, Machine, Measurement, Timing
from inspector_app import deployment, measuring
from inspector_app.measuring import Job, Measured
from inspector_app.subject import Order, Subject

TIMEOUT_S = 60
PAGE = "from inspector_app.screens import deploy\ndeploy.page()"
BRANCHING = Subject("branching", "mean above zero")


def start(state: dict[str, Any] | None = None, **query: str) -> AppTest:
    """The page, opened by an address with `query`, in a session that holds `state`."""
    app = AppTest.from_string(PAGE, default_timeout=TIMEOUT_S)
    for name, value in query.items():
        app.query_params[name] = value
    for name, value in (state or {}).items():
        app.session_state[name] = value
    app.run()
    assert not app.exception
    return app


def texts(app: AppTest) -> str:
    """All that the page says, without the escapes of Markdown."""
    kinds = (app.markdown, app.caption, app.warning, app.info, app.error)
    said = "\n".join(str(one.value) for kind in kinds for one in kind)
    return said.replace("\\", "").replace("\u00a0", " ")


def button(app: AppTest, label: str) -> Any:
    """The first button with this label."""
    return next(one for one in app.button if one.label == label)


def wait_for(app: AppTest, text: str, seconds: float = 60.0) -> None:
    """Draw the page again, as its fragment does in a browser, until it says `text`."""
    deadline = time.monotonic() + seconds
    while text not in texts(app):
        assert time.monotonic() < deadline, texts(app)
        time.sleep(0.3)
        app.run()
        assert not app.exception


@pytest.fixture(autouse=True)
def fresh_caches() -> None:
    import streamlit as st

    st.cache_resource.clear()


# -- what optimisation does ------------------------------------------------------------------------


def count_nodes(block: Any) -> int:
    """Nodes of a torch graph, those of nested blocks included."""
    return sum(1 + sum(map(count_nodes, node.blocks())) for node in block.nodes())


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")
def test_each_stage_is_offered_with_the_number_of_its_nodes() -> None:
    app = start(sample="branching")
    inlined = torch.jit.script(sample_models.get("branching").build()).graph.copy()
    torch._C._jit_pass_inline(inlined)
    labels = app.segmented_control[1].options
    assert [label.partition(" ·")[0] for label in labels] == [
        "As compiled",
        "Inlined",
        "Frozen",
        "Optimised for inference",
        "Last executed",
    ]
    assert labels[1] == f"Inlined · {count_nodes(inlined)}"


def test_the_address_chooses_the_part_and_the_stage() -> None:
    app = start(sample="cat_dog_cnn", part="stages", stage="optimised", mode="train")
    assert "optimize_for_inference" in texts(app)
    assert "Since **Frozen**" in texts(app)
    # Convolutions become oneDNN's kernels where torch has it.
    if torch.backends.mkldnn.is_available():
        assert "became a kernel of oneDNN" in texts(app)
    assert "The model is in training mode" in texts(app)
    assert "optimised" in app.query_params["stage"]


def test_choosing_another_stage_compares_it_with_the_one_before() -> None:
    app = start(sample="branching")
    assert "Since **" not in texts(app)
    app.segmented_control[1].set_value("inlined").run()
    assert "Since **As compiled**" in texts(app)


def test_a_stage_that_torch_refuses_gives_its_reason() -> None:
    app = start(sample="autograd_basics", stage="frozen")
    assert "This stage is for modules" in app.warning[0].value
    assert app.segmented_control[1].options[2] == "Frozen · refused"


def test_an_unknown_sample_in_the_address_is_named_and_another_one_shown() -> None:
    app = start(sample="brnching")
    assert "brnching" in texts(app)
    assert app.sidebar.selectbox[0].value == next(iter(sample_models.catalog()))


def test_the_sample_explored_before_is_the_one_shown() -> None:
    app = start(state={"_sample_shown": ("while_loop", "norm 20, five trips")})
    assert app.sidebar.selectbox[0].value == "while_loop"
    assert app.sidebar.radio[0].value == "norm 20, five trips"


def test_of_a_training_loop_the_network_is_what_is_deployed() -> None:
    assert "trains a network" in texts(start(sample="gan"))
    assert "trains a network" not in texts(start(sample="branching"))


# -- measured here ---------------------------------------------------------------------------------


def test_nothing_is_measured_until_asked_and_then_shown_with_machine_and_time() -> None:
    app = start(sample="branching", part="measured")
    assert "Nothing has been measured yet" in texts(app)
    assert measuring._jobs == []
    app.selectbox(key="deploy/budget").set_value(1.0).run()
    button(app, "Measure now").click().run()
    assert button(app, "Measure now").disabled
    wait_for(app, "measured at")
    said = texts(app)
    for variant in ("eager", "eager, no_grad", "script", "trace", "frozen"):
        assert f"| {variant} | " in said.replace("\u00a0", " ")
    assert f"torch {torch.__version__}" in said
    assert len(app.get("plotly_chart")) == 2  # the variants, and the batch sizes
    assert button(app, "Measure again").disabled is False


def by_hand() -> Measured:
    """A script that is twice as fast as eager, and a trace that failed."""
    rows = (
        Measurement("eager", "eager", (10.0,) * 3, 10.0, 9.0, 11.0, 9.0, equal=True),
        Measurement("script", "script", (5.0,) * 3, 5.0, 4.0, 6.0, 4.0, prepare_ms=2.0, equal=True),
        Measurement("frozen", "frozen", (4.0,) * 3, 4.0, 4.0, 4.0, equal=False, difference=0.25),
        Measurement("trace", "trace", reason="It raised ValueError: no."),
    )
    machine = Machine("a CPU", 7, "2.13", "3.11")
    timing = Timing("Branching", rows, machine, ("2×3 float32",), 0.1, 1.0)
    when = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    return Measured(Order(BRANCHING, 1.0), timing, None, "", when)


def test_the_table_has_ratios_to_eager_and_reasons_of_what_failed() -> None:
    said = texts(start({"_measured": {BRANCHING: by_hand()}}, sample="branching", part="measured"))
    assert "| script | 5 µs | 4 – 6 µs | 3 | **2.00×** |" in said
    assert "**no**: off by 0.25" in said
    assert "**trace** was not timed. It raised ValueError: no." in said
    assert "measured at 2026-01-02 03:04:05" in said
    assert "7 threads" in said


def test_an_input_without_a_batch_gets_the_reasons_in_place_of_a_curve() -> None:
    points = tuple(
        BatchPoint("script", "script", size, *(() if reason else (5.0, 4.0, 6.0)), reason=reason)
        for size, reason in ((1, "It raised: size 1."), (2, ""), (4, "It raised: other."))
    )
    found = by_hand()
    sweep = BatchTiming("Branching", points, (1, 2, 4), found.timing.machine)
    measured = replace(found, order=Order(BRANCHING, 1.0, sizes=(1, 2, 4)), sweep=sweep)
    app = start({"_measured": {BRANCHING: measured}}, sample="branching", part="measured")
    assert "There is no curve to draw" in texts(app)
    assert "**script**, batch of 1: It raised: size 1." in texts(app)
    assert len(app.get("plotly_chart")) == 1


def test_a_result_belongs_to_its_session_input_and_mode() -> None:
    state = {"_measured": {BRANCHING: by_hand()}}
    assert "Nothing has been" in texts(start(sample="branching", part="measured"))
    other = start(state, sample="branching", input="mean below zero", part="measured")
    assert "Nothing has been" in texts(other)
    assert "Nothing has been" in texts(
        start(state, sample="branching", part="measured", mode="train")
    )


@pytest.fixture
def slow_runs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """Measurements that take until the returned function is called."""
    end = threading.Event()
    monkeypatch.setattr(Job, "_run", lambda job: (setattr(job, "phase", "variants"), end.wait(20)))
    yield end.set
    end.set()


def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_two_measurements_never_run_at_the_same_time(slow_runs: Callable[[], None]) -> None:
    first, second = Job(Order(BRANCHING, 1.0)).start(), Job(Order(BRANCHING, 1.0)).start()
    until(lambda: first.phase == "variants")
    assert (second.phase, second.ahead()) == ("waiting", 1)
    slow_runs()
    until(lambda: second.finished)


def test_a_session_that_has_to_wait_is_told_so_and_can_leave_the_queue(
    slow_runs: Callable[[], None],
) -> None:
    other = Job(Order(BRANCHING, 1.0)).start()
    until(lambda: other.phase == "variants")
    app = start(sample="while_loop", part="measured")
    button(app, "Measure now").click().run()
    assert "another measurement runs on this machine" in app.get("progress")[0].proto.text
    button(app, "Stop").click().run()
    wait_for(app, "The measurement was stopped.")
    assert other.phase == "variants"
    assert len(measuring._jobs) == 1


def test_a_process_that_dies_is_told_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    app = start(sample="branching", part="measured")
    button(app, "Measure now").click().run()
    wait_for(app, "The process that measures ended")
    assert button(app, "Measure now").disabled is False


def test_a_measurement_that_takes_too_long_is_stopped_with_advice() -> None:
    job = Job(Order(BRANCHING, 1.0), limit=0.2).start()
    until(lambda: job.finished)
    assert "longer than 0 s" in job.reason
    assert "Choose a smaller time budget" in job.reason


# -- take it away ----------------------------------------------------------------------------------


def test_nothing_is_prepared_before_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    def make(subject: Subject, way: str) -> Export:
        made.append(way)
        return Export(kind="ir", name="Branching", data="graph()", file_name="x.txt")

    monkeypatch.setitem(deployment.EXPORTS, "ir", make)
    app = start(sample="branching", part="take")
    assert made == []
    assert [one.label for one in app.button] == ["Prepare all", *["Prepare"] * 5]
    app.button(key="deploy/prepare/ir").click().run()
    app.run()
    assert made == ["script"]  # once, not on every rerun


def test_a_prepared_file_says_what_was_verified() -> None:
    app = start(sample="branching", part="take")
    app.button(key="deploy/prepare/pt").click().run()
    assert not app.exception
    said = texts(app)
    assert "**loads again**" in said
    assert "Equal to the model's output bit by bit." in said
    assert len(app.get("download_button")) == 1


def test_a_refusal_of_torch_export_is_shown_on_its_line() -> None:
    app = start(sample="while_loop", part="take")
    app.button(key="deploy/prepare/program").click().run()
    assert not app.exception
    lines = Path(sample_models.get("while_loop").file).read_text().splitlines()
    line = 1 + next(i for i, text in enumerate(lines) if text.strip().startswith("while "))
    assert "depends on a value that only a run has" in texts(app)
    assert f"while_loop.py, line {line}:" in texts(app)
    assert any(f"→ {line:4d}" in one.value for one in app.code)
    assert any("prim::Loop" in one.value for one in app.code)  # the IR beside it has the loop


def test_a_failure_shows_reason_and_remedy_without_the_path_of_this_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    failure = ExportFailure("It has no such op", "Write it otherwise.", "", "/home/me/net.py", 3)
    refused = Export(kind="onnx", name="Branching", failure=failure)
    monkeypatch.setitem(deployment.EXPORTS, "onnx", lambda subject, way: refused)
    app = start(sample="branching", part="take")
    app.button(key="deploy/prepare/onnx").click().run()
    assert app.warning[0].value.replace("\\", "") == "It has no such op. Write it otherwise."
    assert "net.py, line 3:" in texts(app)
    assert "/home/me" not in texts(app)


# -- which one to choose ---------------------------------------------------------------------------


def test_the_advice_says_what_is_not_known_yet_and_leads_there() -> None:
    app = start(sample="branching", part="advice")
    said = texts(app)
    for use in ("Research and debugging", "Deployment", "Serving many requests", "Interactive use"):
        assert use in said
    assert "**Not measured yet:** how fast the variants are" in said
    assert "Measure first" in said
    button(app, "Measure it").click().run()
    assert "measured" in app.query_params["part"]
    assert "Nothing has been measured yet" in texts(app)


def test_the_advice_rests_on_what_was_measured_and_where_the_trace_parts() -> None:
    app = start({"_measured": {BRANCHING: by_hand()}}, sample="branching", part="advice")
    said = texts(app)
    assert "script ran 2.00 times as fast as eager" in said
    lines = Path(sample_models.get("branching").file).read_text().splitlines()
    steering = 1 + next(i for i, text in enumerate(lines) if text.strip().startswith("if x.mean()"))
    assert f"branching.py line {steering}" in said
    assert "the run had “mean below zero”" in said
    assert "frozen returned something else than the model by up to 0.25" in said
