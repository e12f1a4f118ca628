"""Recordings in a notebook: a real kernel runs real cells, and what they put out is read."""

from __future__ import annotations

import html
import re
import sys
import warnings
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from export_models import HOSTILE, branching, hostile
from handmade import Program, failed

from inspector.records import Recording
from inspector.render.embedded import MOST, embedded, summary

ROOT = Path(__file__).parents[1]
START = f"""
import sys, torch
sys.path.insert(0, {str(ROOT)!r})
%load_ext inspector
layer, x = torch.nn.Linear(3, 2), torch.ones(4, 3)
"""


@pytest.fixture
def run_cells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs cells in a kernel of this Python; returns their outputs, cell by cell."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of packages that only import each other
        import nbformat
        from jupyter_client.kernelspec import KernelSpec
        from jupyter_client.manager import AsyncKernelManager
        from nbclient import NotebookClient

    class Here(AsyncKernelManager):
        """Needs no kernel that somebody installed: it is this Python."""

        @property
        def kernel_spec(self) -> KernelSpec:
            command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
            return KernelSpec(argv=command, display_name="here", language="python")

    for variable in ("JUPYTER_RUNTIME_DIR", "IPYTHONDIR", "JUPYTER_CONFIG_DIR"):
        monkeypatch.setenv(variable, str(tmp_path / variable))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")

    def run_cells(*cells: str) -> list[list[Any]]:
        made = [nbformat.v4.new_code_cell(cell) for cell in (START, *cells)]
        book = nbformat.v4.new_notebook(cells=made)
        client = NotebookClient(book, timeout=100, allow_errors=True, kernel_manager_class=Here)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the kernel says that it listens on TCP
            client.execute()
        nbformat.validate(book)
        return [cell.outputs for cell in book.cells[1:]]

    return run_cells


def kinds(outputs: list[Any]) -> list[str]:
    return [one.output_type for one in outputs]


def frame(outputs: list[Any]) -> str:
    """The page in the frame of a cell's recording."""
    (shown,) = (one.data["text/html"] for one in outputs if "text/html" in one.get("data", {}))
    found = re.fullmatch(r"<iframe [^>]*srcdoc=\"([^\"]*)\">([^<]*)</iframe>", shown)
    assert found
    return html.unescape(found[1])


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_the_cell_magic_records_shows_and_changes_nothing(run_cells: Any) -> None:
    recorded, told, failing, after, refused, unknown, shown = run_cells(
        "%%inspect run --loss loss --values none\n"
        "y = torch.relu(layer(x))\nloss = y.sum()\ny.shape",
        "print([op.name for op in run.ops], bool(run.grad_nodes), layer.weight.grad is not None)\n"
        "print([len(run.sources), run.ops[0].source.line, run.ops[0].source.function])\n"
        "print(run.tensors[0].summary)",
        "%%inspect\nh = layer(x)\nh @ torch.ones(5, 5)",
        "print(last_recording.failure.type, [op.name for op in last_recording.ops], h.shape)",
        "%%inspect --values some\nh = 1",
        "%%inspect 'not a name'\nh = 1",
        "import inspector\ninspector.record(layer, x)",
    )
    assert kinds(recorded) == ["display_data", "execute_result"]
    assert recorded[1].data["text/plain"] == "torch.Size([4, 2])"
    assert recorded[0].data["text/plain"].startswith("<Recording of In [2]: 3 ops")
    assert frame(recorded).startswith("<!doctype html>")
    assert told[0].text.splitlines() == [
        "['linear', 'relu', 'sum'] True True",
        "[1, 1, '<module>']",
        "None",
    ]
    assert kinds(failing) == ["display_data", "error"]
    assert failing[1].ename == "RuntimeError"
    assert "inspector/" not in "".join(failing[1].traceback)
    assert frame(failing)
    assert after[0].text == "RuntimeError ['linear', 'ones', 'matmul'] torch.Size([4, 2])\n"
    assert "invalid choice: 'some'" in str(refused)
    assert "is no name of a variable" in str(unknown)
    assert frame(shown)
    assert shown[0].data["text/plain"].startswith("<Recording of Linear: 1 ops")


class Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_a_recording_shows_itself_in_a_frame_without_an_origin() -> None:
    ((tag, attrs),) = Tags(branching()._repr_html_()).found
    assert tag == "iframe"
    assert attrs["sandbox"] == "allow-scripts allow-downloads"
    assert "Content-Security-Policy" in str(attrs["srcdoc"])


def test_where_the_frame_is_taken_away_a_sentence_says_what_to_do() -> None:
    """JupyterLab shows of a notebook that is not trusted only the text in the frame."""
    text = re.sub(r"<[^>]*>", "", embedded(branching()))
    assert "ops" in text
    assert "Trust Notebook" in text


def test_nothing_hostile_leaves_the_frame() -> None:
    ((_, attrs),) = Tags(embedded(hostile())).found
    assert attrs["title"] == HOSTILE


def long() -> Recording:
    p = Program()
    x = p.tensor()
    for _ in range(MOST + 1):
        x = p.op("relu", x)
    return p.recording(meta={"model": HOSTILE}, failure=failed(3, HOSTILE))


def test_a_long_run_is_a_few_lines_that_say_how_to_see_it() -> None:
    told = embedded(long())
    assert told == summary(long())
    assert len(told) < 2_000
    assert "3,001 ops" in told
    assert "inspector.export_html(recording, &quot;run.html&quot;)" in told
    assert [tag for tag, _ in Tags(told).found] == ["div", "strong", "p", "p", "p", "pre"]


def test_records_do_not_load_what_draws_them() -> None:
    import subprocess

    code = "import sys, inspector.records; print('inspector.render' in sys.modules)"
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert found.stdout == "False\n"
