"""The command line, in this process and as the user starts it: messages, files, exit codes."""

from __future__ import annotations

import importlib.util
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest
import torch
from click.testing import CliRunner, Result
from torch import nn

import inspector
from inspector.capture import CaptureOptions
from inspector.capture.script import record_script
from inspector.cli import main
from inspector.errors import CaptureError, SourceError
from inspector.records import Recording

ROOT = Path(__file__).resolve().parents[1]
Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Call the command line in an empty folder."""
    monkeypatch.chdir(tmp_path)
    # A recorded script's stay until the process ends, which is this one.
    monkeypatch.setattr(sys, "argv", sys.argv)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
    return lambda *words: CliRunner().invoke(main, [str(word) for word in words])


@pytest.fixture
def run_file(tmp_path: Path) -> Path:
    """A recording with a backward pass."""
    path = tmp_path / "run.inspect"
    inspector.record(nn.Linear(3, 2), torch.ones(1, 3), loss="sum").save(path)
    return path


def write(folder: Path, text: str, name: str = "train.py") -> Path:
    script = folder / name
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text(text)
    return script


def started(*words: object, cwd: Path, **more: object) -> subprocess.CompletedProcess[str]:
    """Start Python as the user does."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, *map(str, words)]
    return subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=100, **more
    )


def assert_message(result: Result, *fragments: str) -> None:
    """Exit code 2, one message on stderr, no traceback."""
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    for fragment in fragments:
        assert fragment in result.stderr


# -- record ---------------------------------------------------------------------------------------


def test_recording_a_script_writes_what_it_did(run: Run, tmp_path: Path) -> None:
    write(tmp_path, "import torch\ntorch.relu(torch.ones(2)).sum()\n")
    result = run("record", "-o", "out.inspect", "train.py")
    assert result.exit_code == 0
    assert "3 ops recorded in out.inspect" in result.stderr
    recording = inspector.load(tmp_path / "out.inspect")
    assert [op.name for op in recording.ops] == ["ones", "relu", "sum"]
    assert recording.ops[1].source is not None
    assert (recording.ops[1].source.file, recording.ops[1].source.line) == (
        str(tmp_path / "train.py"),
        2,
    )


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        ("", 0, ""),
        ("sys.exit()", 0, ""),
        ("sys.exit(7)", 7, ""),
        ("sys.exit('bad data')", 1, "bad data"),
        ("raise KeyboardInterrupt", 130, ""),
        ("raise ValueError('wrong shape')", 1, "ValueError: wrong shape"),
        ("class Stop(BaseException): pass\nraise Stop('halt')", 1, "Stop: halt"),
    ],
)
def test_record_ends_with_the_scripts_own_exit_code_and_keeps_what_ran(
    line: str, code: int, said: str, run: Run, tmp_path: Path
) -> None:
    write(tmp_path, f"import sys, torch\ntorch.ones(2)\n{line}\n")
    result = run("record", "train.py")
    assert result.exit_code == code
    assert said in result.stderr
    assert [op.name for op in inspector.load("run.inspect").ops] == ["ones"]


def test_an_exception_is_shown_as_python_shows_it(run: Run, tmp_path: Path) -> None:
    text = (
        "import torch\nimport torch.nn.functional as F\n\n"
        "def step(x):\n    return F.softmax(x, dim=7)\n\n"
        "try:\n    torch.ones(2) @ torch.ones(3)\n"
        "except RuntimeError as error:\n    cause = error\n"
        "try:\n    step(torch.ones(3))\n"
        "except IndexError as error:\n    raise ValueError('not a step') from error\n"
    )
    script = write(tmp_path, text)
    plain = started(script, cwd=tmp_path)
    recorded = started("-m", "inspector", "record", script, cwd=tmp_path)
    ours = recorded.stderr.splitlines()
    assert ours.pop().startswith("inspector: ")
    assert ours == plain.stderr.splitlines()
    assert recorded.returncode == plain.returncode == 1


@pytest.mark.parametrize(
    ("data", "said"),
    [(b"def f(:\n", "SyntaxError"), (b"\x7fELF\x00\x01", ""), (b"x = '\xff'\n", "SyntaxError")],
)
def test_a_file_that_is_not_python_is_shown_as_python_shows_it(
    data: bytes, said: str, run: Run, tmp_path: Path
) -> None:
    (tmp_path / "train.py").write_bytes(data)
    result = run("record", "train.py")
    assert result.exit_code == 1
    assert said in result.stderr
    assert "inspector/" not in result.stderr
    assert "<frozen" not in result.stderr


def test_the_script_gets_its_own_arguments_dashes_and_all(run: Run, tmp_path: Path) -> None:
    write(tmp_path, "import sys\nprint(sys.argv)\n")
    result = run("record", "-o", "a.inspect", "train.py", "--epochs", "1", "-o", "b", "--", "-h")
    assert result.stdout == "['train.py', '--epochs', '1', '-o', 'b', '--', '-h']\n"
    assert not (tmp_path / "b").exists()


TELLS = """
import sys
from pathlib import Path
print(__name__, __file__, sys.argv[0], sys.path[0], __package__, __spec__, __doc__)
print(sys.modules["__main__"].__dict__ is globals())
import beside
print(beside.__file__)
if __name__ == "__main__":
    print("main")
"""


def test_a_script_finds_what_it_finds_under_python(tmp_path: Path) -> None:
    script = write(tmp_path / "project", TELLS)
    write(tmp_path / "project", "", "beside.py")
    plain = started("project/train.py", cwd=tmp_path)
    recorded = started("-m", "inspector", "record", "project/train.py", cwd=tmp_path)
    assert plain.returncode == 0, plain.stderr
    assert recorded.stdout == plain.stdout
    assert str(script) in plain.stdout


def test_a_module_of_a_package_finds_what_it_finds_under_python(tmp_path: Path) -> None:
    text = (
        "import atexit, pickle, sys\nfrom . import beside\nfrom .beside import value\n"
        "class Kept: pass\n"
        "atexit.register(lambda: print(pickle.loads(pickle.dumps(Kept)), __annotations__))\n"
        "print(__name__, __file__, __package__, __spec__.name, sys.argv, value, sys.path[0])\n"
    )
    write(tmp_path / "package", "")
    write(tmp_path / "package", text, "module.py")
    write(tmp_path / "package", "", "__init__.py")
    write(tmp_path / "package", "value = 3\n", "beside.py")
    plain = started("-m", "package.module", "-x", cwd=tmp_path)
    recorded = started("-m", "inspector", "record", "-m", "package.module", "-x", cwd=tmp_path)
    assert plain.returncode == 0, plain.stderr
    assert recorded.stdout == plain.stdout
    assert (tmp_path / "run.inspect").exists()


@pytest.mark.parametrize("name", ["no_such_module", "no_such.module", "json"])
def test_a_module_that_cannot_be_run_is_a_message(name: str, run: Run, tmp_path: Path) -> None:
    assert_message(run("record", "-m", name), name)
    assert not (tmp_path / "run.inspect").exists()


def test_a_module_whose_own_import_fails_is_the_modules_failure(run: Run, tmp_path: Path) -> None:
    write(tmp_path, "import torch\ntorch.ones(1)\nimport not_installed\n", "trains.py")
    result = run("record", "-m", "trains")
    assert result.exit_code == 1
    assert "No module named 'not_installed'" in result.stderr
    assert len(inspector.load("run.inspect").ops) == 1


def test_classes_of_the_script_can_be_pickled_and_read_by_spawned_children(tmp_path: Path) -> None:
    text = """
import dataclasses, multiprocessing, pickle
import torch

@dataclasses.dataclass
class Config:
    width: int = 3

def work(config):
    return config.width * 2

if __name__ == "__main__":
    torch.ones(1)
    assert pickle.loads(pickle.dumps(Config())) == Config()
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print(pool.map(work, [Config(4)]))
"""
    result = started("-m", "inspector", "record", write(tmp_path, text), cwd=tmp_path)
    assert result.stdout == "[8]\n", result.stderr
    assert result.returncode == 0
    assert len(inspector.load(tmp_path / "run.inspect").ops) == 1


def test_a_script_that_changes_folder_is_written_where_the_user_said(
    run: Run, tmp_path: Path
) -> None:
    (tmp_path / "away").mkdir()
    write(tmp_path, "import os, torch\nos.chdir('away')\ntorch.ones(1)\n")
    assert run("record", "-o", "here.inspect", "train.py").exit_code == 0
    os.chdir(tmp_path)
    assert (tmp_path / "here.inspect").exists()


@pytest.mark.parametrize(
    ("output", "reason"), [("none/run.inspect", "there is no folder"), (".", "it is a folder")]
)
def test_an_output_that_cannot_be_written_is_told_before_the_script_runs(
    output: str, reason: str, run: Run, tmp_path: Path
) -> None:
    write(tmp_path, "print('ran')\n")
    assert_message(run("record", "-o", output, "train.py"), f"cannot write {output}", reason, "-o")


def test_an_output_that_cannot_be_written_in_the_end_is_a_message(run: Run, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    write(tmp_path, "import os\nos.rmdir('out')\n")
    assert_message(run("record", "-o", "out/run.inspect", "train.py"), "cannot write")


@pytest.mark.parametrize(("script", "reason"), [("no.py", "does not exist"), (".", "is a folder")])
def test_a_script_that_is_not_there_is_a_message(script: str, reason: str, run: Run) -> None:
    assert_message(run("record", script), script, reason)


def test_an_unknown_option_is_a_message_and_no_scripts_name(run: Run) -> None:
    assert_message(run("record", "--vales", "full", "train.py"), "No such option", "--vales")


def test_values_and_kernels_are_kept_as_asked(run: Run, tmp_path: Path) -> None:
    write(tmp_path, "import torch\ntorch.ones(2)\n")
    run("record", "--values", "full", "--kernels", "train.py")
    recording = inspector.load("run.inspect")
    assert list(recording.values[0]) == [1.0, 1.0]
    assert recording.ops[0].kernels


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_ctrl_c_writes_what_ran_so_far(tmp_path: Path) -> None:
    text = "import time, torch\ntorch.ones(1)\nprint('ready', flush=True)\ntime.sleep(60)\n"
    command = [sys.executable, "-m", "inspector", "record", str(write(tmp_path, text))]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command,
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell's background jobs ignore Ctrl-C, and their children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=100)
    assert process.returncode == 130
    # Where it was, as Python says: what it sent may be heard before `print` has returned.
    assert re.search(r"line [34], in <module>", errors)
    assert "inspector/" not in errors
    recording = inspector.load(tmp_path / "run.inspect")
    assert [op.name for op in recording.ops] == ["ones"]
    assert recording.failure is not None
    assert recording.failure.type == "KeyboardInterrupt"


def test_recording_in_process_leaves_the_interpreter_as_it_was(tmp_path: Path) -> None:
    before = sys.argv, list(sys.path), sys.modules["__main__"]
    script = write(tmp_path, "import sys\nsys.path.append('/nowhere')\nsys.argv.append('x')\n")
    recording, status = record_script(str(script), (), CaptureOptions())
    assert (sys.argv, sys.path, sys.modules["__main__"]) == before
    assert (status, recording.failure) == (0, None)


def test_a_script_is_not_begun_inside_another_recording(tmp_path: Path) -> None:
    script = write(tmp_path, "open('ran', 'w')\n")
    with inspector.recording(), pytest.raises(CaptureError):
        record_script(str(script), (), CaptureOptions())


def test_a_script_that_records_itself_fails_by_its_own_line(run: Run, tmp_path: Path) -> None:
    write(tmp_path, "import inspector, torch\ninspector.record(torch.relu, torch.ones(1))\n")
    result = run("record", "train.py")
    assert result.exit_code == 1
    assert "line 2, in <module>" in result.stderr
    assert "CaptureError" in result.stderr


def test_a_missing_script_is_a_source_error() -> None:
    with pytest.raises(SourceError, match=r"no\.py"):
        record_script("no.py", (), CaptureOptions())


# -- info -----------------------------------------------------------------------------------------


def test_info_counts_what_is_in_a_recording(run: Run, run_file: Path) -> None:
    result = run("info", run_file)
    assert result.exit_code == 0
    assert f"{run_file}: Linear" in result.stdout
    # linear and sum; sum's node, addmm's, t's, and one for each of the two parameters
    for count, name in ((2, "ops"), (1, "module calls"), (5, "autograd nodes"), (2, "parameters")):
        assert re.search(rf"^ +{count} {name}$", result.stdout, re.MULTILINE)


def test_info_gives_the_text_of_a_recording(run: Run, run_file: Path) -> None:
    assert run("info", run_file, "--text").stdout == inspector.load(run_file).to_text()


def test_info_tells_the_failure(run: Run, tmp_path: Path) -> None:
    inspector.record(nn.Linear(3, 2), torch.ones(1, 4)).save(tmp_path / "bad.inspect")
    assert "failed: RuntimeError: mat1 and mat2" in run("info", "bad.inspect").stdout


@pytest.mark.parametrize("command", ["info", "export", "view"])
def test_a_file_that_is_no_recording_is_a_message(command: str, run: Run, tmp_path: Path) -> None:
    (tmp_path / "not.inspect").write_text("hello")
    assert_message(run(command, "not.inspect"), "not.inspect is not a readable recording")
    assert_message(run(command, "missing.inspect"), "missing.inspect")
    assert_message(run(command, "."), ".")


# -- export ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "ending", "start"),
    [
        ("svg", "svg", b"<svg"),
        ("dot", "dot", b"digraph"),
        ("png", "png", b"\x89PNG"),
        ("pdf", "pdf", b"%PDF"),
        ("text", "txt", b"recording of Linear"),
        ("html", "html", b"<!doctype html>"),
        ("json", "json", b'{"format":"inspector-recording"'),
        ("trace", "trace.json", b'{"traceEvents":['),
        ("model-explorer", "model-explorer.json", b'{"label":"Linear"'),
        ("csv", "csv.zip", b"PK"),
        ("parquet", "parquet.zip", b"PK"),
    ],
)
def test_a_recording_is_exported_beside_itself(
    kind: str, ending: str, start: bytes, run: Run, run_file: Path
) -> None:
    result = run("export", run_file, "--format", kind)
    assert result.exit_code == 0, result.stderr
    assert result.stdout == ""
    assert start in run_file.with_suffix(f".{ending}").read_bytes()[:200]


def test_both_graphs_are_exported_in_both_themes(run: Run, run_file: Path) -> None:
    drawn = {}
    for graph in ("dynamic", "backward"):
        for theme in ("light", "dark"):
            run("export", run_file, "--graph", graph, "--theme", theme, "-o", "out.svg")
            drawn[graph, theme] = Path("out.svg").read_text()
            ElementTree.fromstring(drawn[graph, theme])
    assert len(set(drawn.values())) == 4
    assert "Addmm" in drawn["backward", "light"]
    assert "Addmm" not in drawn["dynamic", "light"]


def test_a_backward_graph_that_is_not_there_is_a_message(run: Run, tmp_path: Path) -> None:
    inspector.record(torch.relu, torch.ones(1)).save(tmp_path / "forward.inspect")
    assert_message(
        run("export", "forward.inspect", "--graph", "backward"), "holds no backward pass"
    )


def test_an_export_does_not_overwrite_the_recording(run: Run, tmp_path: Path) -> None:
    recording: Recording = inspector.record(torch.relu, torch.ones(1))
    recording.save(tmp_path / "run.svg")
    assert_message(run("export", "run.svg"), "it is the recording itself")
    assert inspector.load("run.svg").ops == recording.ops


@pytest.mark.parametrize("output", ["none/x.svg", "."])
def test_an_export_that_cannot_be_written_is_a_message(
    output: str, run: Run, run_file: Path
) -> None:
    assert_message(run("export", run_file, "-o", output), f"cannot write {output}")


def test_an_unknown_format_is_a_message(run: Run, run_file: Path) -> None:
    assert_message(run("export", run_file, "--format", "gif"), "gif")


def test_two_recordings_are_exported_as_one_page(run: Run, run_file: Path, tmp_path: Path) -> None:
    inspector.record(torch.relu, torch.ones(1)).save(tmp_path / "other.inspect")
    told = ("export", run_file, "--against", "other.inspect")
    result = run(*told, "--format", "html", "--title", "A <b>", "-o", "both.html")
    assert result.exit_code == 0, result.stderr
    text = (tmp_path / "both.html").read_text("utf-8")
    assert "<title>A &lt;b&gt;</title>" in text
    assert_message(run(*told), "--against is for pages: add --format html")
    assert_message(
        run(*told, "--format", "html", "-o", "other.inspect"), "it is the recording itself"
    )


def test_tables_are_exported_to_a_new_folder_only(run: Run, run_file: Path, tmp_path: Path) -> None:
    assert run("export", run_file, "--format", "csv", "-o", "tables").exit_code == 0
    assert "linear" in (tmp_path / "tables" / "ops.csv").read_text("utf-8")
    again = run("export", run_file, "--format", "csv", "-o", "tables")
    assert_message(again, "cannot write tables: it is a folder")


# -- view -----------------------------------------------------------------------------------------


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def health(port: int) -> str:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=2) as page:
            return str(page.read().decode())
    except OSError:
        return ""


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_view_serves_the_page_until_it_is_ended(run_file: Path) -> None:
    if importlib.util.find_spec("inspector_app") is None:
        pytest.skip("the app is not installed")
    port = free_port()
    command = [sys.executable, "-m", "inspector", "view", str(run_file), "--port", str(port)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command,
        cwd=run_file.parent,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            deadline = time.monotonic() + 60
            while health(port) != "ok":
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.2)
        finally:
            process.terminate()
            _, errors = process.communicate(timeout=100)
    assert f"http://localhost:{port}/open".encode() in errors
    assert health(port) == ""  # no server is left behind


def test_a_port_that_is_none_is_a_message(run: Run, run_file: Path) -> None:
    assert_message(run("view", run_file, "--port", "99999"), "99999")


def test_a_name_that_cannot_be_handed_to_the_page_is_a_message(
    run: Run, run_file: Path, tmp_path: Path
) -> None:
    odd = tmp_path / f"a{os.pathsep}b.inspect"
    run_file.rename(odd)
    assert_message(run("view", odd.name), "rename it")


# -- help -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [["--help"], ["record", "-h"], ["--version"], ["view", "--help"]])
def test_help_needs_none_of_the_large_packages(words: list[str], tmp_path: Path) -> None:
    text = (
        "import sys\nfrom inspector.cli import main\n"
        f"try:\n    main({words!r})\nexcept SystemExit as end:\n    assert end.code == 0\n"
        "large = {'torch', 'streamlit', 'pyarrow', 'plotly', 'numpy', 'pygraphviz'}\n"
        "print('loaded', large & set(sys.modules))\n"
    )
    result = started("-c", text, cwd=tmp_path)
    assert result.stdout.endswith("loaded set()\n"), result.stderr
    assert result.returncode == 0


def test_every_example_of_the_help_and_the_readme_is_a_call_that_works(
    run: Run, tmp_path: Path
) -> None:
    write(tmp_path, "import torch\nassert __import__('sys').argv[1:] in (['--epochs', '1'], [])\n")
    helps = run("--help").stdout
    texts = helps + (ROOT / "README.md").read_text()
    examples = re.findall(r"python -m inspector ((?:record|info|export) [^#`\n]*)", texts)
    assert len(examples) == 10
    for example in examples:
        assert run(*example.split()).exit_code == 0, example
    assert (tmp_path / "run.svg").exists()


def test_without_a_command_the_help_is_shown(run: Run) -> None:
    result = run()
    assert "Usage" in result.output
    for command in ("record", "info", "view", "export"):
        assert command in result.output


def test_diff_explains_and_ends_with_1_when_something_differs(tmp_path: Path) -> None:
    def looping(x: torch.Tensor, trips: int) -> torch.Tensor:
        for _ in range(trips):
            x = x.sin()
        return x + 1

    for name, trips in (("a", 1), ("b", 2)):
        inspector.record(looping, torch.ones(2), trips).save(tmp_path / f"{name}.inspect")
    a, b = str(tmp_path / "a.inspect"), str(tmp_path / "b.inspect")
    same = CliRunner().invoke(main, ["diff", a, a])
    assert (same.exit_code, same.output) == (0, "Both ran the same 2 ops at the same places.\n")
    other = CliRunner().invoke(main, ["diff", a, b, "--ops"])
    assert other.exit_code == 1
    assert "ran twice in B instead of once" in other.output
    assert [line[:8] for line in other.output.splitlines() if line.startswith("+")] == ["+ [1] si"]


def test_diff_of_a_file_that_is_no_recording_says_so(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("nothing")
    found = CliRunner().invoke(main, ["diff", str(tmp_path / "a"), str(tmp_path / "a")])
    assert found.exit_code == 2
    assert "not a readable recording" in found.output
