"""A recording from a stranger: its texts are no markup, and its header is checked when opened."""

from __future__ import annotations

import json
import re
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from streamlit.testing.v1 import AppTest
from torch import nn

import inspector
from inspector.check import self_check
from inspector.errors import FileFormatError
from inspector.records import Failure, Recording, Source

EVIL = "![x](https://e.example/p.png) :red[now] [y](javascript:1) <img src=x>"
"""An image, a colour, a link and HTML, wherever a text can stand."""

MARKUP = re.compile(r"(?<!\\)(!\[x|\[x\]\(|x\]\(https|:red\[now|\[y\]\(|<img)")
"""The same, not escaped."""

PAGE = "from inspector_app.screens import open_recording\nopen_recording.page()"


def recorded() -> Recording:
    torch.manual_seed(0)
    return inspector.record(nn.Linear(2, 3), torch.ones(1, 2), loss="sum")


def hostile() -> Recording:
    """A run all of whose texts are markup."""
    found = recorded()
    source = Source(f"/tmp/{EVIL}.py", 3, 0, EVIL)
    ops = tuple(
        replace(op, name=EVIL, function=EVIL, arguments=EVIL, source=source) for op in found.ops
    )
    tensors = {
        number: replace(tensor, name=EVIL, variable=EVIL, dtype=EVIL, device=EVIL)
        for number, tensor in found.tensors.items()
    }
    calls = tuple(replace(call, path=EVIL, type=EVIL) for call in found.module_calls)
    nodes = tuple(replace(node, name=EVIL, parameter=EVIL) for node in found.grad_nodes)
    parameters = tuple(
        replace(one, name=EVIL, names=(EVIL,), dtype=EVIL) for one in found.parameters
    )
    return replace(
        found,
        ops=ops,
        tensors=tensors,
        module_calls=calls,
        grad_nodes=nodes,
        parameters=parameters,
        failure=Failure(EVIL, EVIL, 0, source),
        notes=(EVIL,),
        meta={**found.meta, "model": EVIL},
    )


def shown(app: AppTest) -> list[str]:
    """All Markdown of a page, with its tooltips and labels."""
    kinds = ("markdown", "caption", "error", "warning", "info", "success")
    found = [each for kind in kinds for each in app.get(kind)]
    texts = [str(each.value) for each in found]
    everything = [*found, *app.selectbox, *app.slider, *app.get("download_button")]
    for each in everything:
        texts += [str(getattr(each.proto, name, "")) for name in ("help", "label")]
    return texts


def test_no_text_of_a_recording_is_markup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(MARKUP.findall(EVIL)) == 4
    path = tmp_path / "![x](b).inspect"
    hostile().save(path)
    monkeypatch.setenv("INSPECTOR_FILES", str(path))
    app = AppTest.from_string(PAGE, default_timeout=60)
    app.query_params["select"] = "dynamic/op:0"
    for part in (None, "Tensor", "Gradients", "Parameters and gradients", "Steps", "Save"):
        if part is not None:
            app.session_state["tables"] = part
        app.run()
        assert not app.exception
        assert [text for text in shown(app) if MARKUP.search(text)] == []
        charts = [json.loads(chart.proto.spec) for chart in app.get("plotly_chart")]
        assert "<img" not in str(charts)
        if part == "Parameters and gradients":
            assert "&lt;img" in str(charts)
        said = " ".join(shown(app))
        assert "javascript\\:1" in said, (part, said)  # shown letter by letter


@pytest.mark.parametrize(
    ("key", "value", "complaint"),
    [
        ("input_names", 5, "input_names"),
        ("input_names", None, "input_names"),
        ("input_names", [[1]], "input_names"),
        ("input_names", [[0, 1]], "input_names"),
        ("input_names", [["0", "x"]], "input_names"),
        ("input_names", [[10**6, "x"]], "input_names"),
        ("loss_from", "x", "loss_from"),
        ("loss_from", [], "loss_from"),
        ("loss_from", -1, "loss_from"),
        ("model", {}, "model"),
        ("arguments", 3, "arguments"),
    ],
)
def test_a_tampered_header_is_refused(tmp_path: Path, key: str, value: Any, complaint: str) -> None:
    path, bad = tmp_path / "run.inspect", tmp_path / "bad.inspect"
    recorded().save(path)
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(bad, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name == "header.json":
                header = json.loads(data)
                header["meta"][key] = value
                data = json.dumps(header).encode()
            new.writestr(name, data)
    inspector.load(path)
    with pytest.raises(FileFormatError, match=complaint):
        inspector.load(bad)


def test_a_recording_made_by_hand_may_have_no_meta() -> None:
    self_check(Recording((), {}))
    with pytest.raises(ValueError, match="loss_from"):
        self_check(Recording((), {}, meta={"loss_from": "x"}))
