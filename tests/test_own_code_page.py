"""The page “Your own code”, run by Streamlit's AppTest: the editor's text, its runs, its files."""

from __future__ import annotations

import io
import json
import threading
import time
import warnings
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
import torch
from apptests import buttons, opened_page, texts
from streamlit.testing.v1 import AppTest
from torch import Tensor, nn

import inspector
import sample_models
from inspector.languages import language
from inspector.render.pairs import PairBook
from inspector_app import sandbox
from inspector_app.ownnotebooks import of_notebook
from inspector_app.ownruns import Options, Seat
from inspector_app.ownstarts import (
    TEMPLATE,
    Start,
    StartError,
    inputs_of,
    of_archive,
    of_sample,
    of_text,
    template,
)
from inspector_app.sandbox import Isolation, Outcome, Program
from inspector_app.screens import owncode
from inspector_app.screens.owncode_advice import advice
from inspector_app.settings import Settings

PAGE = "from inspector_app.screens import owncode\nowncode.page()"


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing is left of other tests."""
    monkeypatch.setenv("LANGUAGE", "en")
    st.cache_resource.clear()
    yield
    st.cache_resource.clear()


class Doubled(nn.Module):
    """Two ops and an attribute."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        """x: (batch, 3) -> (batch, 2)"""
        return torch.relu(self.linear(x))


@pytest.fixture(scope="module")
def archive() -> bytes:
    """A model, scripted and saved."""
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(Doubled()), file)
    return file.getvalue()


@pytest.fixture(scope="module")
def weights() -> bytes:
    """A state_dict, as torch.save writes it."""
    file = io.BytesIO()
    torch.save(Doubled().state_dict(), file)
    return file.getvalue()


def opened(**query: str) -> AppTest:
    return opened_page(PAGE, "Your own code", query)


def seat_of(app: AppTest) -> Seat:
    seat: Seat = app.session_state["_own_code"]
    return seat


def settle(app: AppTest) -> None:
    """Draw the page until no program runs."""
    deadline = time.monotonic() + 60
    while seat_of(app).job is not None:
        assert time.monotonic() < deadline
        time.sleep(0.1)
        app.run()
        assert not app.exception


def ran(start: Start, options: Options | None = None) -> Seat:
    """The seat of a session in which this has run."""
    seat = Seat()
    seat.run(start, options or Options(script=start.script))
    assert seat.job is not None
    assert seat.job.wait(60)
    seat.take()
    return seat


def with_text(text: str) -> Start:
    return Start("own", "own", text)


def op_names(seat: Seat) -> list[str]:
    assert seat.drawn is not None
    assert seat.drawn.run is not None
    return [op.name for op in seat.drawn.run.recording.ops]


def upload(app: AppTest, name: str, data: bytes) -> None:
    app.sidebar.file_uploader[0].set_value((name, data, "application/octet-stream")).run()
    assert not app.exception


# -- running ---------------------------------------------------------------------------------------


def test_the_template_runs_and_its_graph_its_torchscript_and_its_output_are_there() -> None:
    app = opened()
    assert "Press *Run*" in texts(app)
    buttons(app, "Run")[0].click().run()
    settle(app)
    seat = seat_of(app)
    assert seat.ran is not None
    assert seat.ran.outcome.ended == "done"
    names = op_names(seat)
    assert [name for name in names if name in ("linear", "relu", "mse_loss")] == [
        "linear", "relu", "linear", "mse_loss",
    ]  # fmt: skip
    assert seat.drawn is not None
    assert seat.drawn.run is not None
    assert seat.drawn.run.static is not None
    assert seat.drawn.run.recording.grad_nodes
    assert "loss " in app.code[0].value
    shields = [one for one in app.caption if ":material/shield:" in one.value]
    shields += [one for one in app.caption if ":material/gpp_maybe:" in one.value]
    assert len(shields) == 1
    assert "process of its own" in shields[0].help


def test_what_was_drawn_last_stays_while_another_program_runs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seat = ran(with_text("import torch\nx = torch.ones(2) + 1\n"))
    book = seat.book(compared=False)
    go_on = threading.Event()

    def waits(program: Program, **given: Any) -> Outcome:
        given["heard"]("so far\n")
        assert go_on.wait(30)
        return Outcome(None, None, "", "crashed", "It crashed.", Isolation())

    monkeypatch.setattr(sandbox, "run", waits)
    seat.run(with_text("import torch\n"), Options())
    seat.take()
    assert seat.job is not None
    assert seat.job.heard == "so far\n"
    assert seat.book(compared=False) is book
    go_on.set()
    assert seat.job.wait(30)
    seat.take()
    assert seat.ran is not None
    assert seat.ran.outcome.ended == "crashed"
    assert seat.book(compared=False) is book, "a run without a graph leaves the last one"


def test_an_error_is_told_with_its_line_and_what_ran_before_it_is_drawn() -> None:
    seat = ran(with_text("import torch\nx = torch.ones(2)\ny = x + torch.ones(3)\n"))
    assert seat.ran is not None
    assert seat.ran.outcome.line == 3
    assert op_names(seat) == ["ones", "ones", "add"]


def test_two_runs_of_edited_code_are_one_picture() -> None:
    seat = ran(with_text("import torch\nx = torch.ones(2)\ny = x + 1\n"))
    assert not isinstance(seat.book(compared=True), PairBook), "there is no run before"
    start = with_text("")
    seat.edit(start.key, "import torch\nx = torch.ones(2)\ny = x * 3\n")
    seat.run(start, Options())
    assert seat.job is not None
    assert seat.job.wait(60)
    seat.take()
    book = seat.book(compared=True)
    assert isinstance(book, PairBook)
    assert sorted(op.name for op in book.recording.ops) == ["add", "mul", "ones"]


def test_a_program_that_does_not_end_is_stopped_by_the_button() -> None:
    app = opened(start="template")
    seat = seat_of(app)
    endless = "import time, torch\nx = torch.ones(2)\nwhile True:\n    time.sleep(0.1)\n"
    seat.edit(template().key, endless)
    seat.run(template(), Options())
    app.run()
    buttons(app, "Stop")[0].click().run()
    settle(app)
    assert "It was stopped. The graph shows what ran until then." in texts(app)
    assert seat.drawn is not None
    assert seat.drawn.run is not None
    assert [op.name for op in seat.drawn.run.recording.ops] == ["ones"]


def test_the_values_the_kernels_and_a_trace_are_recorded_where_they_are_asked_for() -> None:
    start = with_text("import torch\nx = torch.ones(2)\ndef f(x):\n    return x + 1\ny = f(x)\n")
    plain = ran(start)
    full = ran(start, Options(values="full", kernels=True, trace="f(x)"))
    assert plain.drawn is not None
    assert plain.drawn.run is not None
    assert full.drawn is not None
    assert full.drawn.run is not None
    assert not plain.drawn.run.recording.values
    assert plain.drawn.run.static is None
    recording = full.drawn.run.recording
    assert [1.0, 1.0] in [value.tolist() for value in recording.values.values()]
    assert full.drawn.run.static is not None
    assert full.drawn.run.static.kind == "trace"


def test_another_program_leaves_no_graph_of_the_one_before() -> None:
    seat = ran(template())
    seat.open_editor(replace(template(), key="other", name="other"), anew=False)
    assert seat.drawn is None
    assert seat.before is None


def test_what_was_typed_is_there_again_after_another_choice_and_gone_after_reset() -> None:
    seat, first = Seat(), template()
    seat.open_editor(first, anew=True)
    seat.edit(first.key, "x = 1\n")
    assert seat.base(first) == first.source, "the editor itself has what is typed into it"
    seat.open_editor(with_text("y = 2\n"), anew=False)
    seat.open_editor(first, anew=False)
    assert seat.base(first) == "x = 1\n"
    seat.reset(first)
    assert seat.base(first) == seat.draft(first) == first.source


# -- samples ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["branching", "cat_dog_cnn", "transformer"])
def test_the_code_of_a_sample_runs_as_it_stands(name: str) -> None:
    sample = sample_models.get(name)
    start = of_sample(sample, list(sample.inputs)[-1])
    with open(sample.file, encoding="utf-8") as file:
        assert start.source.startswith(file.read().rstrip())
    seat = ran(start)
    assert seat.ran is not None
    assert seat.ran.outcome.ended == "done", seat.ran.outcome.reason
    assert seat.drawn is not None
    assert seat.drawn.run is not None
    assert seat.drawn.run.static is not None
    arguments = list(sample.inputs.values())[-1].make()
    alone = inspector.record(sample.build(), *arguments, loss=sample.loss)
    names = [op.name for op in alone.ops]
    assert op_names(seat)[-len(names) :] == names, "after those that build the model"
    assert seat.drawn.run.recording.grad_nodes
    places = (op.source for op in seat.drawn.run.recording.ops)
    files = {Path(place.file).name for place in places if place is not None}
    assert files <= {f"{name}.py", "_sample.py"}, "nothing of other samples"


def test_an_address_names_the_sample_and_its_input() -> None:
    app = opened(start="branching", input="mean below zero")
    assert "inputs['mean below zero'].make()" in seat_of(app).base(
        of_sample(sample_models.get("branching"), "mean below zero")
    )
    assert app.selectbox(key="code/start/0").value == "branching"
    assert app.selectbox(key="code/input").value == "mean below zero"


# -- files -----------------------------------------------------------------------------------------


def test_an_uploaded_program_becomes_the_text_of_the_editor() -> None:
    app = opened()
    upload(app, "my net.py", "\ufeffimport torch\r\nx = torch.ones(3)\r\n".encode())
    buttons(app, "Run")[0].click().run()
    settle(app)
    seat = seat_of(app)
    assert seat.ran is not None
    assert seat.ran.program.source == "import torch\nx = torch.ones(3)\n"
    assert seat.ran.program.file == "my_net.py"
    assert op_names(seat) == ["ones"]


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("latin.py", "# é\n".encode("latin-1"), "no text in UTF-8 (byte 2)"),
        ("zero.py", b"x = 1\0\n", "zero bytes"),
        ("long.py", b"#" * 1_000_001, "larger than 1,000,000 bytes"),
    ],
)
def test_a_program_that_is_no_text_or_too_long_is_refused(
    name: str, data: bytes, words: str
) -> None:
    app = opened()
    upload(app, name, data)
    assert f"{name} is" in texts(app)
    assert words in texts(app)
    assert app.selectbox(key="code/start/0").value == "template"


def test_the_code_of_a_notebook_becomes_one_program() -> None:
    cells = [
        {"cell_type": "markdown", "source": "# Title"},
        {"cell_type": "code", "source": ["%matplotlib inline\n", "import torch\n", "!ls"]},
        {"cell_type": "code", "source": "%%bash\nrm -rf /"},
        {"cell_type": "code", "source": "x = torch.ones(3) % 2\nx"},
    ]
    app = opened()
    upload(app, "my work.ipynb", json.dumps({"cells": cells}).encode())
    buttons(app, "Run")[0].click().run()
    settle(app)
    seat = seat_of(app)
    assert seat.ran is not None
    assert seat.ran.program.source == (
        "# %matplotlib inline\nimport torch\n# !ls\n\n# %%bash\n# rm -rf /\n\n"
        "x = torch.ones(3) % 2\nx\n"
    )
    assert op_names(seat) == ["ones", "remainder"]


@pytest.mark.parametrize(
    "data",
    [
        b"", b"x", b"[]", b'{"cells": 1}', b'{"cells": [1]}', b'{"cells": [{}]}', b"[" * 100_000,
        b'{"cells": [{"cell_type": "code", "source": 1}]}', b"\xff\xfe\x00",
        b'{"cells": [{"cell_type": "code", "source": [1]}]}',
    ],
)  # fmt: skip
def test_what_is_no_notebook_is_refused(data: bytes) -> None:
    with pytest.raises(StartError, match="no Jupyter notebook"):
        of_notebook("odd.ipynb", data)
    with pytest.raises(StartError, match="no code in empty"):
        of_notebook("empty.ipynb", b'{"cells": []}')


def test_an_archive_is_loaded_apart_from_the_server_and_its_graph_shown(
    archive: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("the server loaded it")

    monkeypatch.setattr(torch.jit, "load", never)
    monkeypatch.setattr(torch, "load", never)
    monkeypatch.setattr("inspector.load_torchscript", never, raising=False)
    app = opened()
    upload(app, "doubled.pt", archive)
    settle(app)
    seat = seat_of(app)
    assert seat.ran is not None
    assert seat.ran.outcome.ended == "done", seat.ran.outcome.reason
    assert seat.ran.run is not None
    assert seat.ran.run.static is not None
    assert seat.ran.run.static.kind == "loaded"
    assert {"aten::linear", "aten::relu"} <= {node.kind for node in seat.ran.run.static.nodes}
    app.text_input(key="code/shapes/1").set_value("4×3").run()
    buttons(app, "Run")[0].click().run()
    settle(app)
    recording = seat.ran.run.recording
    assert seat.ran.outcome.ended == "done", seat.ran.outcome.reason
    assert [tuple(recording.tensors[op.outputs[0]].shape) for op in recording.ops] == [
        (4, 3),
        (4, 2),
    ]


def test_a_state_dict_a_pickle_and_a_cut_archive_are_refused_in_words(
    archive: bytes, weights: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("it was opened")

    monkeypatch.setattr(torch, "load", never)
    monkeypatch.setattr("pickle.Unpickler", never)
    app = opened()
    for name, data, words in [
        ("weights.pt", weights, "a state_dict or a pickled model"),
        ("old.pth", b"\x80\x02cos\nsystem\n", "no pickle is opened here"),
        ("cut.pt", archive[: len(archive) // 2], "no TorchScript archive, or it is damaged"),
        ("empty.pt", b"", "no TorchScript archive, or it is damaged"),
    ]:
        upload(app, name, data)
        assert f"{name} cannot be shown" in texts(app)
        assert words in texts(app)
    assert seat_of(app).uploaded is None


def test_an_archive_that_is_too_large_is_refused() -> None:
    with pytest.raises(StartError, match="larger than 32 MiB"):
        of_archive("large.pt", b"PK" + bytes(32 << 20))


def test_an_archive_of_very_many_parts_is_refused_before_they_are_listed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        made.writestr("net/code/__torch__.py", "nothing")
        for number in range(20_001):
            made.writestr(f"net/data/{number}", b"")

    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("they were listed")

    monkeypatch.setattr(zipfile, "ZipFile", never)
    with pytest.raises(StartError, match="no TorchScript archive"):
        of_archive("many.pt", file.getvalue())


def test_an_archive_with_no_code_behind_its_names_is_told_of_by_the_sandbox() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        made.writestr("net/code/__torch__.py", "nothing")
        made.writestr("net/data.pkl", b"\x80\x02cos\nsystem\n(S'true'\ntR.")
    seat = ran(of_archive("net.pt", file.getvalue()))
    assert seat.ran is not None
    assert seat.ran.outcome.ended == "failed"
    assert "net.pt cannot be read as TorchScript" in seat.ran.outcome.reason


def test_a_recording_is_handed_over_to_its_own_page(tmp_path: Path) -> None:
    inspector.record(nn.Linear(3, 2), torch.ones(1, 3)).save(tmp_path / "run.inspect")
    data = (tmp_path / "run.inspect").read_bytes()
    app = opened()
    upload(app, "run.inspect", data)
    handed = app.session_state["_library_handed"]
    assert (handed.name, handed.getvalue()) == ("run.inspect", data)

    shown = AppTest.from_string(
        "from inspector_app.screens import open_recording\nopen_recording.page()",
        default_timeout=60,
    )
    shown.session_state["_library_handed"] = handed
    shown.run()
    assert not shown.exception
    assert "#### run.inspect" in texts(shown)
    assert "1 op" in texts(shown)


@pytest.mark.parametrize(
    ("page", "query", "button", "text"),
    [
        (
            "lessons",
            {"lesson": "what-is-a-graph", "step": "1"},
            "lesson-open-code",
            "x = torch.tensor(2.0, requires_grad=True)",
        ),
        ("bugs", {"bug": "dead_relu", "show": "fixed"}, "bugs-open-code", "\n\nprogram()\n"),
    ],
)
def test_the_code_of_a_lesson_and_of_a_bug_are_opened_to_be_run(
    page: str, query: dict[str, str], button: str, text: str
) -> None:
    script = f"from inspector_app.screens import {page}\n{page}.page()"
    app = opened_page(script, "", query)
    deadline = time.monotonic() + 60
    while button not in [one.key for one in app.button]:
        assert time.monotonic() < deadline
        time.sleep(0.2)
        app.run()
    app.button(key=button).click().run()
    uploaded = seat_of(app).uploaded
    assert uploaded is not None
    start = of_text(*uploaded)
    assert text in start.source
    assert ran(start).ran.outcome.ended == "done"  # type: ignore[union-attr]


def test_a_file_is_named_so_that_python_and_the_system_can_use_it() -> None:
    for name in ("../../etc/passwd.py", "a b-c.py", "模型.py", ".py", "x" * 300 + ".py"):
        start = of_text(name, b"x = 1\n")
        assert Program(start.source, start.name).file
        assert "/" not in start.name
        assert start.name.strip(".")


@pytest.mark.parametrize(
    ("told", "makes"),
    [
        ("", []),
        ("2×3 float32", [torch.rand(2, 3)]),
        ("2x3; 4 int64", [torch.rand(2, 3), torch.zeros(4, dtype=torch.int64)]),
        ("2, 3", [torch.rand(2, 3)]),
        ("float64", [torch.rand((), dtype=torch.float64)]),
        ("0x5 bool ;", [torch.zeros(0, 5, dtype=torch.bool)]),
        ("2*2COMPLEX64", [torch.rand(2, 2, dtype=torch.complex64)]),
    ],
)
def test_inputs_are_told_by_their_shapes(told: str, makes: list[Tensor]) -> None:
    found = [eval(text, {"torch": torch}) for text in inputs_of(told)]
    assert [(one.shape, one.dtype) for one in found] == [(one.shape, one.dtype) for one in makes]


@pytest.mark.parametrize(
    "told",
    [
        "float99", "2x", "-1", "__import__('os')", "2x3 float32 x", "1e9", "9" * 5000,
        "65536x65536", "1x1x1x1x1x1x1x1x1", "; ".join(["1"] * 9),
    ],
)  # fmt: skip
def test_inputs_that_make_no_sense_are_refused(told: str) -> None:
    with pytest.raises(StartError):
        inputs_of(told)


# -- what to do next -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("import torchvision_of_mine.models\n", "There is no `torchvision_of_mine`"),
        ("open('train.csv')\n", "no other file beside it"),
        ("from .models import Net\n", "no other file beside it"),
        ("n = int(input())\n", "instead of `input()`"),
        ("%matplotlib inline\n", "belong to notebooks only"),
        (
            "import argparse\np = argparse.ArgumentParser()\np.add_argument('data')\n"
            "p.parse_args()\n",
            "started without arguments",
        ),
        ("import urllib.request as r\nr.urlopen('http://nowhere.invalid')\n", "no network"),
        ("import torch\nx = torch.ones(2, device='cuda')\n", "There is no GPU"),
        ("import torch\nx = torch.ones(2) + torch.ones(3)\n", ""),
    ],
)
def test_an_error_of_the_place_where_a_program_runs_comes_with_what_to_do(
    text: str, words: str
) -> None:
    if "cuda" in text and torch.backends.cuda.is_built():
        pytest.skip("this torch has CUDA")
    seat = ran(with_text(text))
    assert seat.ran is not None
    assert seat.ran.outcome.ended == "failed"
    said = advice(seat.ran)
    assert words in said
    assert bool(words) == bool(said)


def test_a_class_that_nobody_calls_leaves_the_graph_of_before_and_tells_how_to_call_it() -> None:
    app = opened()
    buttons(app, "Run")[0].click().run()
    settle(app)
    seat = seat_of(app)
    before = seat.drawn
    alone = TEMPLATE[: TEMPLATE.index("model = ")]
    seat.edit(template().key, alone)
    seat.run(template(), Options())
    app.run()
    settle(app)
    assert "computed nothing with tensors" in texts(app)
    assert "model = Net()" in app.code[0].value
    assert seat.drawn is before
    assert "The graph of an earlier run" in texts(app)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("import torch\nnet = torch.nn.Linear(2, 1)\nnet(torch.ones(1, 2))\n", False),
        ("import torch\nmodel = 5\ntorch.ones(2) + 1\n", True),
    ],
)
def test_nobody_is_told_of_a_variable_that_they_did_not_ask_for(
    text: str, told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owncode, "editor", lambda code, **given: text)
    app = opened()
    buttons(app, "Run")[0].click().run()
    settle(app)
    seat = seat_of(app)
    assert seat.ran is not None
    assert seat.ran.program.source == text
    assert (seat.ran.outcome.static_reason != "") is told


# -- where it is not allowed -----------------------------------------------------------------------


def test_where_the_server_runs_no_code_a_sample_can_be_read_and_its_graph_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("inspector_app.classroom.settings", lambda: Settings(editor="off"))
    sent: list[dict[str, Any]] = []
    monkeypatch.setattr(owncode, "editor", lambda code, **given: sent.append(given) or code)
    app = opened(start="branching", input="mean below zero")
    assert "Code of your own is not run on this server." in texts(app)
    assert "(.?sample=branching&input=mean+below+zero)" in texts(app)
    assert sent[-1]["read_only"] is True
    assert not buttons(app, "Run")
    assert not app.sidebar.file_uploader


def test_a_session_that_has_run_too_often_is_told_so_and_keeps_its_graph(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("inspector_app.classroom.settings", lambda: Settings(runs_per_minute=1))
    app = opened()
    for _ in range(2):
        buttons(app, "Run")[0].click().run()
        settle(app)
    assert "You have run code 1 times in the last minute" in texts(app)
    assert "linear" in op_names(seat_of(app))


# -- in Chinese ------------------------------------------------------------------------------------


def test_the_page_and_what_it_refuses_are_told_in_chinese(weights: bytes) -> None:
    script = "import streamlit as st\nst.session_state['_language'] = 'zh_CN'\n" + PAGE
    app = opened_page(script, "你的代码", {})
    assert buttons(app, "运行")
    with pytest.raises(StartError) as refused:
        of_archive("weights.pt", weights)
    told = language("zh_CN")(refused.value.message)
    assert told.startswith("无法显示 weights.pt：它是 torch.save 写出的 state_dict")
    assert "Make one" not in told
