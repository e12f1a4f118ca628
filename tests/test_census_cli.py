"""`python -m inspector census`: models and inputs by name, and what comes out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from inspector.cli import main

NET = """
import torch
from torch import Tensor, nn

class Net(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        if x.sum() > 0:
            return x.sin()
        return x.cos()

made = Net()

def build():
    return Net()

def step(x: Tensor) -> Tensor:
    return x.sum()

def broken():
    raise RuntimeError("not today")

number = 3
"""
DATA = """
import torch

several = [torch.ones(2), -torch.ones(2), torch.ones(3)]

def given():
    yield from several
    yield "text"
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of the user's: a model, inputs, and the working directory. Imports are undone."""
    (tmp_path / "census_net.py").write_text(NET)
    (tmp_path / "census_data.py").write_text(DATA)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name in ("census_net", "census_data"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["census", *arguments])


def test_a_sample_runs_with_its_named_inputs() -> None:
    result = run("branching")
    assert result.exit_code == 0
    assert "census of Branching: 2 inputs, 2 distinct graphs" in result.stdout
    assert "as for mean above zero" in result.stdout


def test_a_range_over_a_control_is_swept() -> None:
    result = run("while_loop", "--inputs", "norm=0.5:4.5:1", "--format", "json")
    told = json.loads(result.stdout)
    # Each trip halves the norm: 0.5, 1.5, 2.5, 3.5 and 4.5 take 0, 1, 2, 2 and 3.
    assert [point["swept"] for point in told["points"]] == [0.5, 1.5, 2.5, 3.5, 4.5]
    marks = [point["variant"] for point in told["points"]]
    assert len(set(marks)) == 4
    assert marks[2] == marks[3]
    assert told["points"][1]["label"] == "norm=1.5"


@pytest.mark.parametrize("name", ["made", "Net", "build"])
def test_a_model_is_a_module_its_class_or_a_function_that_makes_it(folder: Path, name: str) -> None:
    result = run(f"census_net.py:{name}", "--inputs", "census_data.py:several")
    assert result.exit_code == 0, result.output
    assert "census of Net: 3 inputs, 2 distinct graphs" in result.stdout
    assert "x.sum() > 0 at census_net.py:7 is True" in result.stdout


def test_a_function_and_a_module_by_its_dotted_name_will_do(folder: Path) -> None:
    result = run("census_net:step", "--inputs", "census_data:given")
    assert result.exit_code == 1  # one input failed
    assert "census of step: 4 inputs, 2 distinct graphs" in result.stdout
    assert "AttributeError" in result.stdout


def test_a_folder_of_files_is_one_input_a_file(folder: Path) -> None:
    inputs = folder / "inputs"
    inputs.mkdir()
    np.save(inputs / "a.npy", np.ones(3, dtype=np.float32))
    np.save(inputs / "b.npy", -np.ones(3, dtype=np.float32))
    (inputs / "c.csv").write_text("1,2\n3,4\n")
    (inputs / "notes.md").write_text("not an input")
    (inputs / ".hidden").write_text("")
    result = run("census_net.py:Net", "--inputs", "inputs")
    assert result.exit_code == 1
    assert "3 inputs, 2 distinct graphs" in result.stdout
    assert "as for a.npy" in result.stdout
    assert "not counted: input 3" in result.stdout
    assert "notes.md" in result.stdout


def test_the_result_can_be_written_to_a_file(folder: Path) -> None:
    result = run("branching", "--format", "json", "-o", "found.json", "--static", "none")
    assert result.exit_code == 0
    assert result.stdout == ""
    assert len(json.loads((folder / "found.json").read_text())["variants"]) == 2
    assert run("branching", "-o", "nowhere/x.txt").exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nosuch"], "no sample nosuch"),
        (["nosuch.py:Net", "--inputs", "x.py:y"], "no file nosuch.py"),
        (["census_net.py:Nat", "--inputs", "census_data.py:several"], "no `Nat`"),
        (["census_net.py:number", "--inputs", "census_data.py:several"], "cannot be called"),
        (["census_net.py:broken", "--inputs", "census_data.py:several"], "not today"),
        (["census_net.py:Net"], "--inputs"),
        (["census_net.py:Net", "--inputs", "nosuch"], "no folder"),
        (["no_such_module:Net", "--inputs", "census_data.py:several"], "no module"),
        (["while_loop", "--inputs", "nrm=0:1"], "norm"),
        (["while_loop", "--inputs", "norm=0:1:2:3"], "start:stop"),
        (["while_loop", "--inputs", "norm=a:1"], "norm"),
        (["while_loop", "--engine", "ray"], "no engine"),
        (["branching", "--inputs", "census_net.py:number"], "`inputs`"),
    ],
)
def test_wrong_use_is_said_in_a_sentence(folder: Path, arguments: list[str], said: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2, result.output
    assert said in result.stderr
    assert "Traceback" not in result.output


def test_help_needs_no_torch_and_says_the_exit_codes() -> None:
    text = (
        "import sys; from click.testing import CliRunner; from inspector.cli import main\n"
        "told = CliRunner().invoke(main, ['census', '--help'])\n"
        "assert told.exit_code == 0 and 'Exit code 0' in told.output, told.output\n"
        "assert not {'torch', 'distributed', 'numpy'} & set(sys.modules)\n"
    )
    root = Path(__file__).resolve().parents[1]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    subprocess.run([sys.executable, "-c", text], check=True, timeout=60, env=environment)
