"""`assert_same_graph` and the fixture `same_graph`: what fails them, and what does not."""

from __future__ import annotations

import contextlib
import importlib.util
import subprocess
import sys
import textwrap
import tomllib
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType

import pytest
import torch
from hypothesis import given, settings, strategies
from torch import nn

import inspector
import sample_models
from inspector.errors import FileFormatError, FutureVersionError
from inspector.golden import golden_text, read_golden
from inspector.loops import find_loops
from inspector.testing import UPDATE, assert_same_graph

pytest_plugins = ["pytester"]

ROOT = Path(__file__).resolve().parents[1]
SAMPLES = [
    (name, chosen) for name, sample in sample_models.catalog().items() for chosen in sample.inputs
]

NET = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.one = nn.Linear(3, 3)
        self.two = nn.Linear(3, 3)

    def forward(self, x):
        h = torch.relu(self.one(x))
        for row in range(len(x)):
            h = h * 0.5
        return self.two(h) + h
"""


def looped(x: torch.Tensor) -> torch.Tensor:
    """With a decision, a loop and a size that is read."""
    for _ in range(x.shape[0]):
        if x.sum() > 0:
            x = torch.nn.functional.relu(x * 0.5)
    return x.max(dim=0).values


EDITED = golden_text(inspector.record(looped, torch.ones(2, 3))).splitlines()


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(UPDATE, raising=False)
    # Two files of one name, size and second would be one to Python's cache.
    monkeypatch.setattr(sys, "dont_write_bytecode", True)


def module(folder: Path, text: str, name: str = "net") -> ModuleType:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}.py"
    file.write_text(text)
    spec = importlib.util.spec_from_file_location(f"{folder.name}_{name}", file)
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def run(folder: Path, text: str = NET, rows: int = 2) -> inspector.Recording:
    return inspector.record(module(folder, text).Net(), torch.ones(rows, 3))


def golden_of(tmp_path: Path) -> Path:
    golden = tmp_path / "net.txt"
    assert_same_graph(run(tmp_path / "old"), golden, update=True)
    return golden


def failure(recording: inspector.Recording, golden: Path) -> str:
    with pytest.raises(AssertionError) as caught:
        assert_same_graph(recording, golden)
    return str(caught.value)


def makers(recording: inspector.Recording, op: inspector.Op) -> list[object]:
    """Who made what an op takes: an op's number, a parameter's name, or nobody."""
    tensors = (recording.tensors[number] for number in op.inputs)
    return [one.name if one.producer is None else one.producer for one in tensors]


# -- the text ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "chosen"), SAMPLES)
def test_a_golden_read_back_has_the_ops_the_loops_and_the_same_text(name: str, chosen: str) -> None:
    sample = sample_models.get(name)
    recording = inspector.record(
        sample.build(), *sample.inputs[chosen].make(), loss=sample.loss,
        options=inspector.CaptureOptions(values="none"),
    )  # fmt: skip
    text = golden_text(recording)
    back = read_golden(text, "golden")
    assert golden_text(back) == text
    assert [op.function for op in back.ops] == [op.function for op in recording.ops]
    loops = [(run.statement.header, run.trips) for run in find_loops(recording).runs]
    assert [(run.statement.header, run.trips) for run in find_loops(back).runs] == loops
    assert [makers(back, op) for op in back.ops] == [makers(recording, op) for op in recording.ops]
    again = read_golden(text, "golden")
    every = tuple((op.id, op.id) for op in recording.ops)
    assert inspector.compare(back, again).common == every
    assert inspector.compare(back, again).same


def test_a_golden_reads_like_the_code(tmp_path: Path) -> None:
    lines = golden_text(run(tmp_path)).splitlines()
    assert lines[0] == "graph of Net, format 1"
    assert "code Net.forward  net.py, line 11" in lines
    assert "input %x  float32[2, 3]" in lines
    assert "parameter $one.weight  float32[3, 3] grad" in lines
    assert "returns %add" in lines
    (relu,) = (line for line in lines if "torch.relu(%" in line)
    expected = "relu  torch.relu(%linear)  -> float32[2, 3] grad as h"
    assert relu.strip().startswith(expected)
    assert relu.endswith("@ Net.forward+1:12-35")


def test_a_golden_has_no_folder_no_float_and_no_value(tmp_path: Path) -> None:
    net = NET.replace("h * 0.5", "h * x.sum().item()")
    text = golden_text(run(tmp_path / "secret", net))
    _, _, run_part = text.partition("\nrun\n")
    assert "secret" not in text
    assert str(tmp_path) not in text
    assert "6.0" not in run_part
    assert "is item float" in run_part
    assert "mul  torch.Tensor.mul(%relu, float)" in run_part


def test_a_golden_says_nothing_that_changes_from_run_to_run(tmp_path: Path) -> None:
    assert golden_text(run(tmp_path / "a")) == golden_text(run(tmp_path / "b"))


# -- what is no change ------------------------------------------------------------------------


def test_the_same_graph_passes(tmp_path: Path) -> None:
    assert_same_graph(run(tmp_path / "old"), golden_of(tmp_path))


def test_lines_that_moved_and_another_folder_are_no_change(tmp_path: Path) -> None:
    golden = golden_of(tmp_path)
    moved = NET.replace(
        "class Net", "A = 1\n\n\nclass Other:\n    def forward(self): ...\n\nclass Net"
    )
    moved = moved.replace("        h = torch.relu", "        # one\n\n        h = torch.relu")
    assert_same_graph(run(tmp_path / "elsewhere" / "deep", moved), golden)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("self.one(x))", "\n            self.one(x)\n        )"),
        ("forward(self, x):", "forward(self, x):\n        rows = x"),
        ("class Net(nn.Module)", "class Net(Base)"),
    ],
)
def test_a_refactoring_that_keeps_the_graph_passes(tmp_path: Path, before: str, after: str) -> None:
    base = "\nfrom torch import nn\n\nclass Base(nn.Module):\n    pass\n"
    assert_same_graph(run(tmp_path / "new", base + NET.replace(before, after)), golden_of(tmp_path))


def test_a_helper_around_some_lines_and_a_renamed_variable_are_no_change(tmp_path: Path) -> None:
    helper = "    def first(self, x):\n        return torch.relu(self.one(x))\n\n    def forward"
    text = NET.replace("torch.relu(self.one(x))", "self.first(x)").replace(
        "    def forward", helper
    )
    text = text.replace("h = ", "hidden = ").replace("h * 0.5", "hidden * 0.5")
    text = text.replace("self.two(h) + h", "self.two(hidden) + hidden")
    assert_same_graph(run(tmp_path / "new", text), golden_of(tmp_path))


def test_a_file_of_another_name_is_no_change(tmp_path: Path) -> None:
    net = module(tmp_path / "new", NET, "renamed").Net()
    assert_same_graph(inspector.record(net, torch.ones(2, 3)), golden_of(tmp_path))
    wide = inspector.record(net, torch.ones(4, 3))
    assert "renamed.py:13 ran 4 times in B" in failure(wide, tmp_path / "net.txt")


def test_other_weights_values_and_floats_are_no_change(tmp_path: Path) -> None:
    golden = golden_of(tmp_path)
    torch.manual_seed(5)
    assert_same_graph(run(tmp_path / "new", NET.replace("0.5", "0.25")), golden)


def test_a_golden_with_the_line_ends_of_another_system_holds(tmp_path: Path) -> None:
    golden = golden_of(tmp_path)
    golden.write_bytes(golden.read_bytes().replace(b"\n", b"\r\n"))
    assert_same_graph(run(tmp_path / "new"), golden)


# -- what is one ------------------------------------------------------------------------------


def test_more_trips_fail_with_the_loop_and_the_golden_is_a(tmp_path: Path) -> None:
    said = failure(run(tmp_path / "new", rows=4), golden_of(tmp_path))
    assert "The graph of Net is not the one in net.txt" in said
    assert "The loop `for row in range(len(x))` at net.py:13 ran 4 times in B instead of twice" in (
        said
    )
    assert "--inspector-update" in said


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("h = torch.relu(self.one(x))", "h = torch.tanh(self.one(x))", "Only in B: tanh"),
        ("torch.relu(self.one(x))", "torch.relu(self.one(x).detach())", "detach"),
        ("nn.Linear(3, 3)\n        self.two", "nn.Linear(3, 3, bias=False)\n        self.two", ""),
        ("self.two(h) + h", "self.two(h).double() + h", "dtypes"),
    ],
)
def test_another_op_dtype_or_parameter_fails(
    tmp_path: Path, before: str, after: str, words: str
) -> None:
    assert before in NET
    assert words in failure(run(tmp_path / "new", NET.replace(before, after)), golden_of(tmp_path))


def test_other_wiring_fails_though_the_same_ops_run_in_the_same_order(tmp_path: Path) -> None:
    two = NET.replace("return self.two(h) + h", "y = self.two(h)\n        return y + h")
    golden = tmp_path / "net.txt"
    assert_same_graph(run(tmp_path / "old", two), golden, update=True)
    said = failure(run(tmp_path / "new", two.replace("return y + h", "return y + y")), golden)
    assert "takes the result of `linear`" in said
    assert "not the result of `mul`" in said


def test_a_changed_branch_fails_with_its_decision(tmp_path: Path) -> None:
    sample = sample_models.get("branching")
    golden = tmp_path / "branching.txt"
    above, below = (inspector.record(sample.build(), *one.make()) for one in sample.inputs.values())
    assert_same_graph(above, golden, update=True)
    said = failure(below, golden)
    assert "True in A and False in B" in said
    assert "- [4] tanh (branching.py:" in said


def test_a_run_that_fails_now_fails_the_test(tmp_path: Path) -> None:
    broken = NET.replace("return self.two(h) + h", "y = self.two(h)\n        return y + h[:, :2]")
    said = failure(run(tmp_path / "new", broken), golden_of(tmp_path))
    assert "B ended" in said
    golden = tmp_path / "broken.txt"
    assert_same_graph(run(tmp_path / "broken", broken), golden, update=True)
    assert_same_graph(run(tmp_path / "again", broken), golden)


# -- files ------------------------------------------------------------------------------------


def test_a_missing_golden_fails_and_says_how_to_make_one(tmp_path: Path) -> None:
    said = failure(run(tmp_path), tmp_path / "none.txt")
    assert "There is no golden graph" in said
    assert "--inspector-update" in said
    assert not (tmp_path / "none.txt").exists()


def test_the_environment_variable_writes_what_differs_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    golden = golden_of(tmp_path)
    before = golden.read_text()
    monkeypatch.setenv(UPDATE, "1")
    assert_same_graph(run(tmp_path / "moved", "\n\n" + NET), golden)
    assert golden.read_text() == before  # only lines moved: nothing to review
    assert_same_graph(run(tmp_path / "new", rows=4), golden)
    assert golden.read_text() != before
    monkeypatch.setenv(UPDATE, "0")
    assert_same_graph(run(tmp_path / "new", rows=4), golden)


@pytest.mark.parametrize(
    "text",
    ["", "\n", "not a golden", "graph of X, format 1\nrun\n  relu  torch.relu(%x)  -> %gone\n",
     "graph of X, format 1\nnonsense\n", "graph of X, format 1\nrun\n  relu\n",
     "graph of X, format 1\nreturns %none\n", "<<<<<<< HEAD\ngraph of X, format 1\n",
     "graph of X, format 1\nrun\n  f  f()  -> float32[]  @ nowhere+1:2\n",
     "graph of X, format 1\nrun\n  step backward  9 ops\n"],
)  # fmt: skip
def test_a_damaged_golden_is_told_as_such_and_can_be_written_anew(
    tmp_path: Path, text: str
) -> None:
    golden = tmp_path / "bad.txt"
    golden.write_text(text)
    recording = run(tmp_path)
    with pytest.raises(FileFormatError, match="make it anew"):
        assert_same_graph(recording, golden)
    assert_same_graph(recording, golden, update=True)
    assert_same_graph(recording, golden)


def test_a_golden_of_a_newer_version_is_told_as_such() -> None:
    with pytest.raises(FutureVersionError, match="format 99"):
        read_golden("graph of X, format 99\n", "golden.txt")


@settings(max_examples=200, deadline=None)
@given(data=strategies.data())
def test_a_golden_that_was_edited_at_random_is_read_or_refused_in_words(
    data: strategies.DataObject,
) -> None:
    lines = list(EDITED)
    for _ in range(data.draw(strategies.integers(1, 3))):
        at = data.draw(strategies.integers(0, len(lines) - 1))
        place = data.draw(strategies.integers(0, len(lines[at])))
        part = data.draw(
            strategies.sampled_from(["", "9999999999", "  ", "%", "(", "+", "#2", "é"])
        )
        lines[at] = lines[at][:place] + part + lines[at][place + 1 :]
    with contextlib.suppress(FileFormatError):
        read_golden("\n".join(lines), "golden.txt")


def test_code_with_unicode_tabs_and_odd_names_comes_back(tmp_path: Path) -> None:
    odd = NET.replace("h = torch.relu(self.one(x))", "größe = {'a  |  b\\t': self.one(x)}\n"
                      "        h = torch.einsum('ij->ij', größe['a  |  b\\t'])")  # fmt: skip
    recording = run(tmp_path, odd)
    text = golden_text(recording)
    assert recording.failure is None
    assert golden_text(read_golden(text, "golden")) == text


def test_many_ops_from_one_line_and_nothing_at_all_come_back() -> None:
    assert read_golden(golden_text(inspector.record(lambda: None)), "golden").ops == ()
    with inspector.recording() as session:
        x = torch.ones(3)
        for _ in range(50):
            x = x + 1
    assert session.recording is not None
    text = golden_text(session.recording)
    assert len(read_golden(text, "golden").ops) == len(session.recording.ops)
    sequence = nn.Sequential(nn.Linear(3, 3), nn.ReLU(inplace=True), nn.BatchNorm1d(3))
    text = golden_text(inspector.record(sequence, torch.ones(2, 3), loss="sum"))
    assert golden_text(read_golden(text, "golden")) == text


# -- the fixture ------------------------------------------------------------------------------

TEST = """
import torch, inspector, pytest

def double(x):
    return x {sign} 2

@pytest.mark.parametrize("rows", [1, 2])
def test_graph(same_graph, rows):
    same_graph(inspector.record(double, torch.ones(rows)))

def test_named(same_graph):
    same_graph(inspector.record(double, torch.ones(1)), "kept/one.txt")
    same_graph(inspector.record(double, torch.ones(2)), "kept/two.txt")
"""


def pytest_of(pytester: pytest.Pytester, *options: str) -> pytest.RunResult:
    """pytest with the plugin, whether the package is installed or not."""
    installed = entry_points(group="pytest11", name="inspector")
    plugin = () if installed else ("-p", "inspector.pytest_plugin")
    return pytester.runpytest_inprocess(*plugin, "-W", "ignore", *options)


def double(pytester: pytest.Pytester, sign: str, *options: str) -> pytest.RunResult:
    pytester.makepyfile(test_net=TEST.replace("{sign}", sign))
    return pytest_of(pytester, *options)


def test_the_fixture_keeps_goldens_beside_the_test_file_and_fails_on_a_change(
    pytester: pytest.Pytester,
) -> None:
    found = double(pytester, "*")
    found.assert_outcomes(failed=3)
    found.stdout.fnmatch_lines(["*There is no golden graph*test_net.test_graph-1.txt yet*"])
    double(pytester, "*", "--inspector-update").assert_outcomes(passed=3)
    made = sorted(str(p.relative_to(pytester.path)) for p in pytester.path.rglob("*.txt"))
    assert made == [
        "goldens/test_net.test_graph-1.txt", "goldens/test_net.test_graph-2.txt",
        "kept/one.txt", "kept/two.txt",
    ]  # fmt: skip
    double(pytester, "*").assert_outcomes(passed=3)
    changed = double(pytester, "+")
    changed.assert_outcomes(failed=3)
    changed.stdout.fnmatch_lines(
        ["*The graph of double is not the one in*", "*+ [[]0[]] add (test_net.py:4)*"]
    )


def test_one_golden_for_two_recordings_of_a_test_is_refused(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        textwrap.dedent(
            """
            import torch, inspector

            def test_two(same_graph):
                one = inspector.record(torch.sin, torch.ones(1))
                same_graph(one)
                same_graph(one)
            """
        )
    )
    found = pytest_of(pytester, "--inspector-update")
    found.assert_outcomes(failed=1)
    found.stdout.fnmatch_lines(["*same_graph was called twice*give each golden a name*"])


def test_the_package_registers_the_plugin() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["pytest11"] == {"inspector": "inspector.pytest_plugin"}


def test_the_plugin_brings_no_torch_to_the_start_of_pytest() -> None:
    text = (
        "import sys, inspector.pytest_plugin\n"
        "assert not {'torch', 'pyarrow', 'numpy', 'streamlit'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", text], check=True, cwd=ROOT, timeout=60)
