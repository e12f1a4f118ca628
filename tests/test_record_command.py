"""`inspector record`: a script runs as under plain Python, and some of its steps are recorded.

Oracles: the same script run by `python`, and counts that follow from the script's text.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import inspector
from inspector.capture.terminated import Termination
from inspector.cli import main
from inspector.commands.progress import Progress

ROOT = Path(__file__).resolve().parents[1]
Run = Callable[..., Result]

TRAIN = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 8))
        self.head = nn.Linear(8, 1)

    def forward(self, x):
        return self.head(self.encoder(x))

torch.manual_seed(0)
net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
for step in range(6):
    x = torch.randn(3, 4)
    if step == BAD:
        x = x / 0
    loss = (net(x) ** 2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(loss.item(), torch.rand(1).item())
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Call `record` in an empty folder."""
    monkeypatch.chdir(tmp_path)
    # A recorded script's stay until the process ends, which is this one.
    monkeypatch.setattr(sys, "argv", sys.argv)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
    return lambda *words: CliRunner().invoke(main, ["record", *map(str, words)])


def train(folder: Path, bad: int = -1, text: str = TRAIN) -> Path:
    script = folder / "train.py"
    script.write_text(text.replace("BAD", str(bad)))
    return script


def steps_of(recording: inspector.Recording) -> list[str]:
    return [step.kind for step in recording.steps]


ONE_STEP = ["zero_grad", "backward", "optimizer_step"]


def test_the_first_steps_are_recorded_and_the_script_runs_on(run: Run, tmp_path: Path) -> None:
    train(tmp_path)
    alone = run("--max-ops", 1, "-o", "alone.inspect", "train.py")
    result = run("--steps", 2, "train.py")
    assert result.exit_code == 0, result.output
    assert result.stdout == alone.stdout  # the last loss, and the next random number
    recording = inspector.load("run.inspect")
    assert steps_of(recording) == ONE_STEP * 2
    assert [op.name for op in recording.ops].count("linear") == 2 * 3
    assert recording.meta["first_step"] == 0


def test_recording_begins_after_the_steps_that_were_asked_to_pass(run: Run, tmp_path: Path) -> None:
    train(tmp_path)
    assert run("--start-at-step", 3, "--steps", 2, "train.py").exit_code == 0
    recording = inspector.load("run.inspect")
    assert steps_of(recording) == ONE_STEP * 2
    assert any("3 optimizer steps before" in note for note in recording.notes)
    header = TRAIN.splitlines().index("for step in range(6):") + 1
    (lines,) = recording.lines.values()
    assert lines[header] == 2  # the trips of steps 3 and 4 begin while the recording runs
    assert lines[header + 1] == 2


def test_stacks_begin_in_the_script(run: Run, tmp_path: Path) -> None:
    script = train(tmp_path)
    assert run("--steps", 1, "train.py").exit_code == 0
    recording = inspector.load(tmp_path / "run.inspect")
    assert {frame.file for op in recording.ops for frame in op.stack} == {str(script)}


def test_the_script_ends_with_the_recording_if_asked_to(run: Run, tmp_path: Path) -> None:
    train(tmp_path, text=TRAIN + "open('ran on', 'w')")
    result = run("--steps", 1, "--stop", "train.py")
    assert (result.exit_code, result.stdout) == (0, "")
    assert not Path("ran on").exists()
    assert steps_of(inspector.load("run.inspect")) == ONE_STEP


def test_a_program_that_ends_too_early_is_told(run: Run, tmp_path: Path) -> None:
    train(tmp_path)
    result = run("--start-at-step", 9, "train.py")
    assert result.exit_code == 0
    assert "ended after 6 optimizer steps" in result.stderr
    assert not Path("run.inspect").exists()


@pytest.mark.parametrize("path", ["encoder.2", "Net.encoder.2", "*.2"])
def test_only_what_runs_in_calls_of_a_module_is_recorded(
    path: str, run: Run, tmp_path: Path
) -> None:
    train(tmp_path)
    run("--only", path, "--steps", 1, "train.py")
    recording = inspector.load("run.inspect")
    assert [op.name for op in recording.ops] == ["linear"]
    # The chain down to it, and nothing beside.
    paths = [call.path for call in recording.module_calls]
    assert paths == ["Net", "Net.encoder", "Net.encoder.2"]
    nodes = sorted(node.name for node in recording.grad_nodes)
    assert nodes == ["AccumulateGrad", "AccumulateGrad", "AddmmBackward0", "TBackward0"]
    assert steps_of(recording) == ONE_STEP


def test_a_module_with_children_is_recorded_with_them(run: Run, tmp_path: Path) -> None:
    train(tmp_path)
    run("--only", "encoder", "--steps", 1, "train.py")
    assert [op.name for op in inspector.load("run.inspect").ops] == ["linear", "relu", "linear"]


def test_a_module_that_is_not_there_is_told_with_those_that_are(run: Run, tmp_path: Path) -> None:
    train(tmp_path)
    told = run("--only", "decoder", "--steps", 1, "train.py").stderr
    recording = inspector.load("run.inspect")
    assert recording.ops == ()
    assert any("Net.encoder.0" in note and note in told for note in recording.notes)


def test_the_first_step_that_is_not_finite_is_kept_with_the_one_before(
    run: Run, tmp_path: Path
) -> None:
    train(tmp_path, bad=3)
    result = run("--when-nonfinite", "train.py")
    assert result.exit_code == 0
    assert result.stdout.startswith("nan ")  # it ran on to its end
    bad, before = inspector.load("run.inspect"), inspector.load("run.before.inspect")
    assert [bad.meta["first_step"], before.meta["first_step"]] == [3, 2]
    assert [steps_of(bad), steps_of(before)] == [ONE_STEP, ONE_STEP]
    assert any("the loss is not finite in optimizer step 4" in note for note in bad.notes)
    first_bad = next(op for op in bad.ops if bad.tensors[op.outputs[0]].summary.inf_count)
    assert first_bad.name in ("div", "truediv")
    assert not any(tensor.summary.nan_count for tensor in before.tensors.values() if tensor.summary)


def test_nothing_is_kept_of_a_run_that_stays_finite(run: Run, tmp_path: Path) -> None:
    train(tmp_path)
    result = run("--when-nonfinite", "train.py")
    assert "finite in 6 optimizer steps" in result.stderr
    assert list(tmp_path.glob("*.inspect")) == []


def test_a_script_that_stops_itself_at_nan_is_kept_too(run: Run, tmp_path: Path) -> None:
    check = "    if loss.isnan():\n        raise SystemExit('nan')\n    loss.backward()\n"
    train(tmp_path, bad=3, text=TRAIN.replace("    loss.backward()\n", check))
    assert run("--when-nonfinite", "train.py").exit_code == 1
    assert inspector.load("run.inspect").meta["exit_code"] == "nan"
    assert steps_of(inspector.load("run.before.inspect")) == ONE_STEP


def test_a_loop_that_breaks_at_nan_is_kept_too(run: Run, tmp_path: Path) -> None:
    check = "    if loss.isnan():\n        break\n    loss.backward()\n"
    train(tmp_path, bad=3, text=TRAIN.replace("    loss.backward()\n", check))
    assert run("--when-nonfinite", "train.py").exit_code == 0
    assert inspector.load("run.inspect").meta["first_step"] == 3


def test_the_good_step_of_a_former_run_does_not_stay_beside_a_new_one(
    run: Run, tmp_path: Path
) -> None:
    train(tmp_path, bad=3)
    run("--when-nonfinite", "train.py")
    assert (tmp_path / "run.before.inspect").exists()
    result = run("--steps", 1, "train.py")
    assert "took away run.before.inspect" in result.stderr
    assert [path.name for path in tmp_path.glob("*.inspect")] == ["run.inspect"]
    # A file that only has such a name may be anybody's.
    shutil.copy("run.inspect", "run.before.inspect")
    assert "took away" not in run("--steps", 1, "train.py").stderr
    assert (tmp_path / "run.before.inspect").exists()


def test_watching_records_nothing_and_names_the_steps_to_record(run: Run, tmp_path: Path) -> None:
    train(tmp_path, bad=3)
    result = run("--watch", "train.py")
    assert "the loss is not finite in optimizer step 4" in result.stderr
    assert "--start-at-step 2 --steps 2" in result.stderr
    assert list(tmp_path.glob("*.inspect")) == []
    run("--start-at-step", 2, "--steps", 2, "train.py")
    assert inspector.load("run.inspect").meta["first_step"] == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--stop",), "--stop needs"),
        (("--watch", "--when-nonfinite"), "--watch records nothing"),
        (("--watch", "--steps", 2), "--steps"),
        (("--steps", 0), "0 is not in the range"),
    ],
)
def test_options_that_contradict_each_other_are_told(
    words: tuple[object, ...], said: str, run: Run, tmp_path: Path
) -> None:
    script = train(tmp_path, text="open('ran', 'w')")
    result = run(*words, script)
    assert result.exit_code == 2
    assert said in result.stderr
    assert not Path("ran").exists()


def test_quiet_says_nothing(run: Run, tmp_path: Path) -> None:
    train(tmp_path)
    assert run("-q", "--steps", 1, "train.py").stderr == ""


def test_each_process_of_torchrun_writes_its_own_file(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    train(tmp_path)
    run("-o", "run.inspect", "--steps", 1, "train.py")
    assert [path.name for path in tmp_path.glob("*.inspect")] == ["run.rank1.inspect"]


def test_a_script_that_ends_in_a_step_has_what_ran(run: Run, tmp_path: Path) -> None:
    text = TRAIN.replace("    optimizer.step()\n", "    raise ValueError('halt')\n")
    train(tmp_path, text=text)
    result = run("--steps", 3, "train.py")
    assert result.exit_code == 1
    assert "ValueError: halt" in result.stderr
    recording = inspector.load("run.inspect")
    assert steps_of(recording) == ["zero_grad", "backward"]
    assert recording.failure is not None
    assert recording.failure.type == "ValueError"


class Terminal:
    """Stands for stderr."""

    encoding = "utf-8"

    def __init__(self, shows: bool) -> None:
        self.text = ""
        self.isatty = lambda: shows

    def write(self, text: str) -> None:
        self.text += text

    def flush(self) -> None:
        pass


@pytest.mark.parametrize(
    ("shows", "quiet", "said"),
    [
        (True, False, "inspector: 1,500 ops recorded, step 2\x1b[K\r\x1b[K"),
        (True, True, ""),
        (False, False, ""),
    ],
)
def test_progress_is_one_line_on_a_terminal_and_nothing_elsewhere(
    shows: bool, quiet: bool, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = Terminal(shows)
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("LANGUAGE", "en")
    progress = Progress(quiet)
    progress.show(1500, 2, True)
    progress.show(1501, 2, True)  # too soon for another one
    progress.clear()
    assert terminal.text == said


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_get_their_completion(shell: str) -> None:
    result = CliRunner().invoke(main, ["completion", shell])
    assert result.exit_code == 0, result.output
    assert "_INSPECTOR_COMPLETE" in result.stdout


@pytest.mark.parametrize(
    ("line", "completed"),
    [
        ("inspector record --wh", "plain,--when-nonfinite"),
        ("inspector record tr", "file,tr"),
        ("inspector record train.py --wh", "file,--wh"),  # an option of the script's
        ("inspector info ru", "file,ru"),
        ("inspector diff a.inspect ru", "file,ru"),
        ("inspector export --against ru", "file,ru"),
        ("inspector library --folder ke", "dir,ke"),
    ],
)
def test_completion_knows_options_and_where_files_stand(line: str, completed: str) -> None:
    words = {"COMP_WORDS": line, "COMP_CWORD": str(len(line.split()) - 1)}
    environment = {**words, "_INSPECTOR_COMPLETE": "bash_complete"}
    result = CliRunner().invoke(main, prog_name="inspector", env=environment)
    assert result.output.split() == [completed]


# -- the same script under plain Python ------------------------------------------------------------

TELLS = """
import argparse, atexit, sys, threading, torch, warnings
parser = argparse.ArgumentParser()
parser.add_argument("--count", type=int)
print(parser.parse_args(), parser.prog)
print(sys.argv, sys.path[0], __name__, __file__, threading.active_count(), warnings.filters)
print([name for name in globals() if not name.startswith("_")])
class Later: pass
@atexit.register
def last():
    import pickle
    print("at exit", sys.argv, sys.modules["__main__"].__file__ == __file__)
    print(type(pickle.loads(pickle.dumps(Later()))).__name__)
warnings.warn("take care")
def work():
    import time; time.sleep(0.2); print("a thread's last words", sys.argv[1:])
threading.Thread(target=work).start()
sys.exit("enough")
"""

SPAWNS = """
import multiprocessing, os, sys
def work(queue):
    queue.put((__name__, sys.argv, os.environ.get("RANK")))
if __name__ == "__main__":
    context = multiprocessing.get_context("spawn")
    queue = context.SimpleQueue()
    process = context.Process(target=work, args=(queue,))
    process.start(); process.join()
    print(queue.get(), process.exitcode)
    pid = os.fork()
    if pid == 0:
        print("child", flush=True)
        sys.exit(3)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    raise LookupError("lost")
"""

DIES = "import os\nprint('going', flush=True)\nos._exit(5)\n"

STARTS_LATE = """
import random, sys, torch
print(sys.gettrace(), sys.getprofile(), sys.getrecursionlimit())
random.seed(3); torch.manual_seed(3)
weight = torch.ones(2, requires_grad=True)
optimizer = torch.optim.SGD([weight], lr=0.1)
for _ in range(4):
    with torch.device("cpu"):
        optimizer.zero_grad()
        (weight * torch.rand(2)).sum().backward()
        optimizer.step()
print(weight.tolist(), torch.rand(1).item(), random.random())
print(sys.gettrace(), torch._C._len_torch_function_stack(), sys.getrecursionlimit())
print(torch.nn.modules.module._global_forward_hooks)
"""


def started(*words: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Start Python as the user does."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "LANGUAGE": "en"}
    command = [sys.executable, *map(str, words)]
    return subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=140
    )


@pytest.mark.slow
@pytest.mark.timeout(300)  # two processes that import torch
@pytest.mark.parametrize(
    ("text", "options"),
    [
        (TELLS, ()),
        (TELLS, ("--start-at-step", 5)),
        (SPAWNS, ()),
        (DIES, ("--when-nonfinite",)),
        (STARTS_LATE, ("--start-at-step", 1, "--steps", 2)),
        (STARTS_LATE.replace("print(torch.nn", "(torch.nn"), ("--watch",)),  # asks modules
    ],
    ids=["tells", "tells-unrecorded", "spawns", "dies", "late", "watch"],
)
def test_a_script_prints_and_ends_as_under_python(
    text: str, options: tuple[object, ...], tmp_path: Path
) -> None:
    script = tmp_path / "train.py"
    script.write_text(text)
    words = (script.name, "--count", 3)
    plain = started(*words, cwd=tmp_path)
    recorded = started("-m", "inspector", "record", *options, *words, cwd=tmp_path)
    assert recorded.stdout == plain.stdout
    assert recorded.returncode == plain.returncode
    ours = [line for line in recorded.stderr.splitlines() if not line.startswith("inspector: ")]
    assert ours == plain.stderr.splitlines()


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_ctrl_c_in_the_middle_of_a_step_keeps_what_ran(tmp_path: Path) -> None:
    text = TRAIN.replace("    optimizer.step()\n", "    print('ready', flush=True)\n    wait()\n")
    script = train(tmp_path, text="import time\nwait = lambda: time.sleep(60)\n" + text)
    with subprocess.Popen(
        [sys.executable, "-m", "inspector", "record", "--steps", "2", str(script)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
        # A shell's background jobs ignore Ctrl-C, and their children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=100)
    assert process.returncode == 130
    recording = inspector.load(tmp_path / "run.inspect")
    assert steps_of(recording) == ["zero_grad", "backward"]
    assert list(tmp_path.glob(".*.part")) == []


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("children", ["", "pool", "fork"])
def test_sigterm_ends_the_script_as_under_python_and_keeps_what_ran(
    children: str, tmp_path: Path
) -> None:
    forks = {
        "": "",
        # Its workers are ended by SIGTERM, and the parent is not.
        "pool": "import multiprocessing as mp\nwith mp.get_context('fork').Pool(1) as pool:\n"
        "    print(pool.map(abs, [-1]))\n",
        "fork": "import os, signal, time\npid = os.fork()\nif pid == 0: time.sleep(60)\n"
        "time.sleep(0.2); os.kill(pid, signal.SIGTERM)\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\n",
    }
    ends = "import os, signal, time\ntry:\n    os.kill(os.getpid(), signal.SIGTERM)\n"
    ends += "    time.sleep(60)\nexcept BaseException:\n    pass\nprint('it ran on')\n"
    (tmp_path / "train.py").write_text("import torch\ntorch.ones(1)\n" + forks[children] + ends)
    result = started("-u", "-m", "inspector", "record", "train.py", cwd=tmp_path)
    assert result.returncode == -signal.SIGTERM
    assert result.stdout == {"": "", "pool": "[1]\n", "fork": f"{-signal.SIGTERM}\n"}[children]
    assert result.stderr == "inspector: 1 op recorded in run.inspect\n"
    recording = inspector.load(tmp_path / "run.inspect")
    assert recording.failure is not None
    assert recording.failure.type == "Terminated"


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_a_script_finds_and_sets_handlers_as_under_python(run: Run, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("""
import os, signal
print(signal.getsignal(signal.SIGTERM).name)
print(signal.signal(signal.SIGTERM, lambda number, frame: print("mine")).name)
os.kill(os.getpid(), signal.SIGTERM)
signal.signal(signal.SIGTERM, signal.SIG_DFL)
print(signal.getsignal(signal.SIGTERM).name)
""")
    before = signal.signal, signal.getsignal
    assert run("-q", "train.py").stdout == "SIG_DFL\nSIG_DFL\nmine\nSIG_DFL\n"
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert (signal.signal, signal.getsignal) == before


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_sigterm_waits_while_a_recording_is_begun_or_finished(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[str] = []
    monkeypatch.setattr(Termination, "_end", lambda self: told.append("end"))
    with Termination() as termination:
        termination.last_words = lambda error: told.append(type(error).__name__)
        with termination.held():
            os.kill(os.getpid(), signal.SIGTERM)
            assert told == []
        assert told == ["Terminated", "end"]
    termination.finish()


def test_the_exit_code_of_a_scripts_own_excepthook_counts(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)  # put back afterwards
    hook = "import sys, torch\nsys.excepthook = lambda *error: sys.exit(42)\n"
    (tmp_path / "train.py").write_text(hook + "torch.ones(1)\nraise ValueError\n")
    assert run("train.py").exit_code == 42
    assert len(inspector.load("run.inspect").ops) == 1


def test_an_excepthook_that_fails_is_told_as_python_tells_it(tmp_path: Path) -> None:
    hook = "import sys\nsys.excepthook = lambda *error: 1 / 0\nraise ValueError('first')\n"
    (tmp_path / "train.py").write_text(hook)
    plain = started("train.py", cwd=tmp_path)
    recorded = started("-m", "inspector", "record", "-q", "train.py", cwd=tmp_path)
    assert (recorded.returncode, recorded.stderr) == (plain.returncode, plain.stderr)


@pytest.mark.slow
@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_script_may_close_its_streams(stream: str, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(f"import sys, torch\ntorch.ones(1)\nsys.{stream}.close()\n")
    result = started("-m", "inspector", "record", "train.py", cwd=tmp_path)
    assert (result.returncode, result.stdout) == (0, "")
    assert len(inspector.load(tmp_path / "run.inspect").ops) == 1
