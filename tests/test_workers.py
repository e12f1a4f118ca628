"""Processes beside the recorded one: forked and spawned workers carry nothing of a recording."""

from __future__ import annotations

import _thread
import multiprocessing
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.overrides
from fidelity import same_bits
from torch import nn
from torch.nn.modules import module as module_hooks
from torch.optim import optimizer as optimizer_hooks
from torch.utils.data import DataLoader, Dataset

import inspector
from inspector.capture import session as sessions
from inspector.check import self_check

ROOT = Path(__file__).parent.parent
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
pytestmark = pytest.mark.filterwarnings(
    "ignore:This process .* is multi-threaded:DeprecationWarning"
)


def is_ours(thing: Any) -> bool:
    """Whether a function, or the class of an object, is the recorder's."""
    home = getattr(thing, "__module__", None) or type(thing).__module__
    return home.startswith("inspector.")


def left_installed() -> list[str]:
    """What of a recording is installed in this process, in words."""
    hooks = [
        value
        for home in (module_hooks, optimizer_hooks)
        for name, value in vars(home).items()
        if name.startswith("_global") and isinstance(value, dict)
    ]
    found = {
        "engine": is_ours(torch.autograd.Variable._execution_engine),
        "function apply": is_ours(torch.autograd.function._SingleLevelFunction.apply),
        "question": is_ours(torch.overrides.has_torch_function),
        "thread start": is_ours(_thread.start_new_thread),
        "function mode": torch._C._len_torch_function_stack() > 0,
        "dispatch mode": torch._C._len_torch_dispatch_stack() > 0,
        "tracer": is_ours(sys.gettrace()),
        "hooks": any(hooks),
        "recording": bool(sessions._running),
    }
    return [name for name, is_there in found.items() if is_there]


class Rows(Dataset):
    """Rows that know the process they were made in."""

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {
            "x": torch.full((2,), float(index)) + 0,
            "process": os.getpid(),
            "left": len(left_installed()),
        }


def epoch(layer: nn.Module, loader: DataLoader) -> tuple[torch.Tensor, set[int], int]:
    total, processes, left = torch.zeros(()), set(), 0
    for batch in loader:
        total = total + layer(batch["x"]).sum()
        processes |= set(batch["process"].tolist())
        left += int(batch["left"].sum())
    return total, processes, left


def test_the_check_for_what_is_left_sees_a_running_recording() -> None:
    assert left_installed() == []
    with inspector.recording(inspector.CaptureOptions(kernels=True)):
        found = set(left_installed())
    assert left_installed() == []
    missed = {"tracer"} if hasattr(sys, "monitoring") else set()
    assert found >= {
        "engine", "function apply", "question", "thread start", "function mode", "dispatch mode",
        "tracer", "hooks", "recording",
    } - missed  # fmt: skip


@pytest.mark.parametrize("kernels", [False, True])
@pytest.mark.parametrize("workers", [0, 2])
def test_workers_of_a_data_loader_carry_nothing_of_the_recording(
    workers: int, kernels: bool
) -> None:
    layer = nn.Linear(2, 1)
    loader = DataLoader(Rows(), batch_size=2, num_workers=workers)
    plain, _, _ = epoch(layer, loader)
    with inspector.recording(inspector.CaptureOptions(kernels=kernels)) as session:
        total, processes, left = epoch(layer, loader)
    assert same_bits(total, plain)
    self_check(session.recording)
    assert session.recording.failure is None
    if workers:
        assert os.getpid() not in processes
        assert left == 0
    else:
        assert processes == {os.getpid()}
        assert left > 0


@pytest.mark.parametrize("persistent", [False, True])
def test_workers_that_are_there_before_the_recording_serve_it(persistent: bool) -> None:
    layer = nn.Linear(2, 1)
    loader = DataLoader(Rows(), batch_size=2, num_workers=2, persistent_workers=persistent)
    plain, _, _ = epoch(layer, loader)
    batches = iter(loader)
    first = next(batches)
    with inspector.recording() as session:
        second = next(batches)
    assert torch.equal(first["x"], torch.tensor([[0.0, 0.0], [1.0, 1.0]]))
    assert torch.equal(second["x"], torch.tensor([[2.0, 2.0], [3.0, 3.0]]))
    assert list(batches) == []
    self_check(session.recording)
    with inspector.recording():
        assert same_bits(epoch(layer, loader)[0], plain)


def _answer(connection: Any) -> None:
    layer = nn.Linear(1, 1)
    with torch.no_grad():
        layer.weight.fill_(2.0)
        layer.bias.zero_()
        # No backward: torch refuses it in a child of a process whose engine has started threads.
        connection.send((left_installed(), float(layer(torch.ones(1, 1))), os.getpid()))
    connection.close()


@pytest.mark.parametrize(
    "method",
    [method for method in ("fork", "spawn") if method in multiprocessing.get_all_start_methods()],
)
def test_a_process_of_multiprocessing_carries_nothing_of_the_recording(method: str) -> None:
    context = multiprocessing.get_context(method)
    with inspector.recording() as session:
        mine, theirs = context.Pipe()
        process = context.Process(target=_answer, args=(theirs,))
        process.start()
        theirs.close()  # so that a child that dies ends the waiting
        answer = mine.recv()
        process.join(60)
        torch.ones(1)
    assert process.exitcode == 0
    assert answer == ([], 2.0, process.pid)
    assert [op.name for op in session.recording.ops] == ["ones"]


def in_child(function: Callable[[], str]) -> str:
    """What a forked child says; it ends there."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(writing, function().encode())
        except BaseException as error:
            os.write(writing, repr(error).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        text = pipe.read()
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    return text


@needs_fork
@pytest.mark.parametrize("kernels", [False, True])
def test_a_forked_child_has_nothing_of_the_recording_installed(kernels: bool) -> None:
    with inspector.recording(inspector.CaptureOptions(kernels=kernels)) as session:
        said = in_child(lambda: f"{left_installed()} {float(torch.ones(2).sum())}")
        torch.ones(1)
    assert said == "[] 2.0"
    assert [op.name for op in session.recording.ops] == ["ones"]


@needs_fork
def test_a_child_forked_by_another_thread_has_nothing_of_the_recording_installed() -> None:
    said: list[str] = []

    def fork() -> None:
        torch.ones(1)
        said.append(in_child(lambda: f"{left_installed()} {float(torch.ones(2).sum())}"))

    with inspector.recording() as session:
        thread = threading.Thread(target=fork)
        thread.start()
        thread.join(60)
    assert said == ["[] 2.0"]
    assert session.recording.notes[0].startswith("1 call on tensors ran on the thread")


@needs_fork
def test_a_child_forked_deep_inside_of_modules_has_nothing_of_the_recording_installed() -> None:
    class Forks(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            said.append(in_child(lambda: f"{left_installed()} {float(x.sum())}"))
            return x

    said: list[str] = []
    net: nn.Module = Forks()
    for _ in range(60):
        net = nn.Sequential(net)
    recording = inspector.record(net, torch.ones(2))
    assert said == ["[] 2.0"]
    assert len(recording.module_calls) == 61


@needs_fork
def test_a_forked_child_can_record_by_itself() -> None:
    def child() -> str:
        recording = inspector.record(lambda: torch.ones(1) + 1)
        return " ".join(op.name for op in recording.ops)

    with inspector.recording() as session:
        assert in_child(child) == "ones add"
        torch.zeros(1)
    assert [op.name for op in session.recording.ops] == ["zeros"]


@needs_fork
def test_a_forked_child_that_leaves_the_block_has_what_ran_before_the_fork() -> None:
    reading, writing = os.pipe()
    child = 1
    try:
        with inspector.recording() as session:
            torch.ones(1)
            child = os.fork()
            torch.zeros(1)
        recording = session.recording
        self_check(recording)
        found = [[op.name for op in recording.ops], len(recording.notes), left_installed()]
        if child == 0:
            again = inspector.record(torch.full, (1,), 2.0)
            os.write(writing, repr([*found, len(again.ops)]).encode())
    finally:
        if child == 0:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        assert pipe.read() == repr([["ones"], 1, [], 1])
    os.waitpid(child, 0)
    assert found == [["ones", "zeros"], 0, []]


FORKING = """
import os, sys, torch
torch.ones(1)
child = os.fork()
if child:
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    torch.zeros(1)
    print("parent", status)
else:
    torch.zeros(1) + 1
    sys.exit(7)
"""


@needs_fork
def test_the_child_of_a_recorded_script_writes_no_recording(tmp_path: Path) -> None:
    script, target = tmp_path / "forks.py", tmp_path / "run.inspect"
    script.write_text(FORKING)
    command = [sys.executable, "-m", "inspector", "record", "-o", str(target), str(script)]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=tmp_path, check=False, timeout=100,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.stdout == "parent 7\n"
    assert done.stderr.count("ops recorded in") == 1, done.stderr
    assert done.returncode == 0
    recording = inspector.load(target)
    assert [op.name for op in recording.ops] == ["ones", "zeros"]


DAEMONS = """
import threading, time, torch, inspector
def work():
    torch.ones(1)
    started.release()
    while True:
        time.sleep(0.0005)  # wakes up in the middle of Python's end
started = threading.Semaphore(0)
with inspector.recording() as session:
    for _ in range(8):
        threading.Thread(target=work, daemon=True).start()
    for _ in range(8):
        started.acquire()
print(session.recording.notes[0][:39])
"""


def test_daemon_threads_that_outlive_the_recording_do_not_disturb_the_end() -> None:
    done = subprocess.run(
        [sys.executable, "-c", DAEMONS], capture_output=True, text=True, cwd=ROOT, check=False,
        timeout=100,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (
        0, "8 calls on tensors ran on 8 threads ('T\n", "",
    )  # fmt: skip
