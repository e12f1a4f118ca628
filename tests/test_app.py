"""The pages, run by Streamlit's AppTest: what they show without a browser."""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from streamlit.testing.v1 import AppTest

import inspector
import sample_models

MAIN = Path(__file__).resolve().parents[1] / "app" / "main.py"
TIMEOUT_S = 60


def start(**query: str) -> AppTest:
    """The app's first page, opened by an address with `query`."""
    app = AppTest.from_file(str(MAIN), default_timeout=TIMEOUT_S)
    for name, value in query.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception
    return app


def texts(app: AppTest) -> str:
    """Everything the page says as Markdown."""
    return "\n".join(said(element) for element in app.markdown)


def said(element: Any) -> str:
    """What an element shows: its Markdown without the escapes."""
    return str(element.value).replace("\\", "")


def written(app: AppTest, parameter: str) -> str:
    """What the address says for a parameter."""
    found: str | list[str] = app.query_params[parameter]
    return found if isinstance(found, str) else found[-1]


@pytest.fixture(autouse=True)
def fresh_caches() -> None:
    import streamlit as st

    st.cache_resource.clear()


def test_the_first_page_shows_the_first_sample_and_lists_all_of_them() -> None:
    app = start()
    catalog = sample_models.catalog()
    assert app.sidebar.selectbox[0].options == [sample.title for sample in catalog.values()]
    assert next(iter(catalog.values())).title in texts(app)


def test_switching_the_input_says_what_changed() -> None:
    app = start(sample="branching")
    # 5 ops on the way of `above`, 6 on the way of `below` (see test_capture), and the loss.
    assert ":gray-badge[6 ops]" in texts(app)
    app.sidebar.radio[0].set_value("mean below zero").run()
    assert ":violet-badge[7 ops (+1)]" in texts(app)
    app.sidebar.radio[0].set_value("mean above zero").run()
    assert ":violet-badge[6 ops (-1)]" in texts(app)


def test_the_decision_table_holds_the_value_and_the_line() -> None:
    app = start(sample="branching", input="mean below zero")
    table = app.dataframe[0].value
    source = Path(sample_models.get("branching").file).read_text().splitlines()
    line = 1 + next(i for i, text in enumerate(source) if text.strip().startswith("if x.mean()"))
    assert table.to_dict("records") == [
        {"op": 2, "kind": "bool", "value": "False", "tensor": "%2", "line": f"branching.py:{line}"}
    ]


def test_the_address_chooses_sample_input_and_graph() -> None:
    app = start(sample="while_loop", input="norm 0.5, no trip", graph="trace")
    assert app.sidebar.selectbox[0].value == "while_loop"
    assert [radio.value for radio in app.sidebar.radio] == ["norm 0.5, no trip", "trace"]


def test_an_unknown_sample_in_the_address_is_named_and_another_one_shown() -> None:
    app = start(sample="brnching")
    assert "branching" in said(app.error[0])
    assert "brnching" in said(app.error[0])
    assert next(iter(sample_models.catalog().values())).title in texts(app)


def test_an_unknown_input_and_graph_are_named_in_one_message() -> None:
    app = start(sample="branching", input="up", graph="down")
    assert "the input “up”, the TorchScript “down”" in said(app.error[0])
    assert written(app, "input") == "mean above zero"
    assert written(app, "graph") == "script"


def test_a_page_goes_on_with_the_sample_that_another_showed() -> None:
    page = _page("deploy", _sample_shown=("branching", "mean below zero"))
    assert page.sidebar.selectbox[0].value == "branching"
    assert page.sidebar.radio[0].value == "mean below zero"


def test_a_model_that_cannot_be_scripted_shows_the_reason_and_the_trace() -> None:
    app = start(sample="detach_no_grad", input="detached")
    reason = next(said(c) for c in app.caption if "cannot be scripted" in said(c))
    assert "The trace of this input is shown instead." in reason
    assert "% of the IR ran" in texts(app)


def _failing(x: torch.Tensor) -> torch.Tensor:
    doubled = x * 2
    return doubled @ torch.zeros(7, 7)


def test_a_model_that_raises_is_shown_up_to_the_op_that_failed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broken = replace(
        sample_models.get("branching"), name="broken", build=lambda: _failing, scriptable=False
    )
    monkeypatch.setattr(sample_models, "catalog", lambda: {"broken": broken})
    monkeypatch.setattr(sample_models, "get", lambda name: broken)
    app = start()
    message = said(app.error[0])
    assert "matmul" in message
    assert "mat1 and mat2 shapes cannot be multiplied" in message
    assert "test_app.py" in message
    assert ":gray-badge[3 ops]" in texts(app)  # mul, zeros, and the matmul that failed


def test_a_dot_that_hangs_costs_the_drawing_not_the_page(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    slow = tmp_path / "dot"
    slow.write_text("#!/bin/sh\nsleep 600\n")
    slow.chmod(slow.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("INSPECTOR_DOT", str(slow))
    monkeypatch.setattr("inspector.render.workbench.LAYOUT_SECONDS", 1.0)
    app = start(sample="autograd_basics")
    assert ":gray-badge[4 ops]" in texts(app)


@pytest.fixture
def recording_file(tmp_path: Path) -> Path:
    path = tmp_path / "run.inspect"
    inspector.record(torch.nn.Linear(2, 3), torch.ones(1, 2), loss="sum").save(path)
    return path


def test_a_recording_named_on_the_command_line_is_shown(
    recording_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INSPECTOR_FILES", str(recording_file))
    app = _page("open_recording")
    assert "run.inspect" in texts(app)
    assert ":gray-badge[2 ops]" in texts(app)  # linear, and the sum that is the loss


def test_an_unreadable_file_is_named_and_the_one_before_stays(
    recording_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    damaged = tmp_path / "damaged.inspect"
    damaged.write_bytes(recording_file.read_bytes()[:100])
    monkeypatch.setenv("INSPECTOR_FILES", f"{recording_file}:{damaged}")
    app = _page("open_recording")
    app.sidebar.selectbox[0].set_value(damaged.name).run()
    assert not app.exception
    assert "damaged.inspect is not a readable recording" in said(app.error[0])
    assert ":gray-badge[2 ops]" in texts(app)


def test_an_upload_is_shown(recording_file: Path) -> None:
    app = _page("open_recording")
    assert "Open a recording" in texts(app)
    upload = app.sidebar.file_uploader[0]
    upload.set_value(("sent.inspect", recording_file.read_bytes(), "application/octet-stream"))
    upload.run()
    assert not app.exception
    assert "sent.inspect" in texts(app)


def test_the_guide_names_every_pane() -> None:
    app = _page("guide")
    for pane in ("Dynamic graph", "Backward graph", "TorchScript IR", "Python source"):
        assert pane in texts(app)


def _page(name: str, **state: object) -> AppTest:
    """One page by itself: AppTest cannot follow navigation to pages that are functions."""
    app = AppTest.from_string(
        f"from inspector_app.screens import {name}\n{name}.page()", default_timeout=TIMEOUT_S
    )
    for key, value in state.items():
        app.session_state[key] = value
    app.run()
    assert not app.exception
    return app


def test_the_selected_op_is_followed_when_the_input_is_switched() -> None:
    # mean, gt, bool, then `above` (linear, tanh) or `below` (mul, linear, mul), then the
    # loss: op 1 is gt in both, op 3 is another branch's linear, which has no partner: it fades.
    app = start(sample="branching", input="mean above zero", select="dynamic/op:1")
    app.sidebar.radio[0].set_value("mean below zero").run()
    assert written(app, "select") == "dynamic/op:1"
    app = start(sample="branching", input="mean above zero", select="dynamic/op:3")
    app.sidebar.radio[0].set_value("mean below zero").run()
    assert written(app, "select") == "dynamic/was_op:3"  # what is left of it
    app.sidebar.radio[0].set_value("mean above zero").run()
    assert written(app, "select") == "dynamic/op:3"
