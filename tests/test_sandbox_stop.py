"""A program that is stopped keeps what it ran until then."""

from __future__ import annotations

import sys
import threading
import time

import pytest

from inspector.language import Sentence
from inspector_app.sandbox import Limits, Outcome, Program, run, running
from inspector_app.sandbox.orders import GRACE_SECONDS
from inspector_app.sandbox.work import MAX_OPS

pytestmark = pytest.mark.xdist_group("sandbox")

LONG = Limits(seconds=120)


def stopped(source: str, **kind: str) -> Outcome:
    """What comes of a program that is stopped as soon as it prints."""
    stop = threading.Event()
    return run(Program(source, "endless", **kind), LONG, stop, lambda text: stop.set())


def test_an_endless_loop_gives_its_graph_up_to_there() -> None:
    found = stopped(
        "import time, torch\nmodel = torch.nn.ReLU()\nx = torch.ones(1, 2)\nmodel(x)\n"
        "print('on', flush=True)\nwhile True:\n    x = x * 1\n    time.sleep(0.01)\n",
        script="model",
    )
    assert (found.ended, found.reason, found.output) == ("stopped", "It was stopped.", "on\n")
    assert found.line in (6, 7, 8)
    recording = found.recording
    assert recording is not None
    names = [op.name for op in recording.ops]
    assert names[:2] == ["ones", "relu"]
    assert set(names[2:]) <= {"mul"}
    assert len(names) <= MAX_OPS
    assert found.static is not None or "no time left" in found.static_reason


@pytest.mark.parametrize(
    "wait",
    [
        "import time\ntime.sleep(1000)",
        "import threading, time\nthreading.Thread(target=time.sleep, args=(1000,)).start()",
        "import subprocess\nsubprocess.run(['sleep', '1000'])",
    ],
)
def test_what_waits_is_stopped_as_what_works(wait: str) -> None:
    found = stopped(f"import torch\nx = torch.ones(1)\nprint('on', flush=True)\n{wait}\n")
    assert (found.ended, found.reason) == ("stopped", "It was stopped.")
    assert found.recording is not None
    assert [op.name for op in found.recording.ops] == ["ones"]


def test_a_program_may_end_as_it_likes_when_it_is_stopped_as_by_ctrl_c() -> None:
    found = stopped(
        "try:\n    print('on', flush=True)\n    while True: pass\n"
        "except KeyboardInterrupt:\n    print('saved')\n"
    )
    assert (found.ended, found.output) == ("done", "on\nsaved\n")


def test_a_program_that_does_not_listen_is_killed() -> None:
    began = time.monotonic()
    found = stopped(
        "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nprint('on', flush=True)\n"
        "while True: pass\n"
    )
    assert (found.ended, found.recording) == ("stopped", None)
    assert found.reason == "It was stopped. What it recorded is lost."
    assert time.monotonic() - began < GRACE_SECONDS + 60.0


def test_a_program_that_is_ended_by_the_signal_itself_was_stopped() -> None:
    found = stopped(
        "import signal\nsignal.signal(signal.SIGINT, signal.SIG_DFL)\nprint('on', flush=True)\n"
        "while True: pass\n"
    )
    assert found.ended == "stopped"
    assert found.reason == "It was stopped. What it recorded is lost."


@pytest.mark.skipif(sys.platform == "win32", reason="there a process cannot be told to end")
def test_where_nothing_can_be_forked_it_keeps_its_recording_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(running, "FORKS", False)
    monkeypatch.setattr("inspector_app.sandbox.alone._is_root", lambda: False)
    found = stopped("import torch\nx = torch.ones(1)\nprint('on', flush=True)\nwhile True: pass\n")
    assert (found.ended, found.reason, found.output) == ("stopped", "It was stopped.", "on\n")
    assert found.recording is not None
    assert [op.name for op in found.recording.ops] == ["ones"]


CHILDREN = """
import os, time, torch
x = torch.ones(1)
for _ in range(9):
    if not os.fork():
        kept = bytearray(b"x") * (110 << 20)
        time.sleep(1000)
try:
    time.sleep(1000)
finally:
    print("its last words")
"""

# It lowers the first of its two limits, so that the test does not take two minutes.
BUSY = """
import resource, torch
x = torch.ones(1)
resource.setrlimit(resource.RLIMIT_CPU, (1, resource.getrlimit(resource.RLIMIT_CPU)[1]))
try:
    while True:
        if sum(range(1000)) < 0:
            break
finally:
    print("its last words")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="of Linux")
@pytest.mark.parametrize(
    ("source", "ended", "reason"),
    [
        (CHILDREN, "memory", "It wanted more than 128 MiB of memory."),
        (BUSY, "time", "It kept processors busy for more than 131 s together and was ended."),
    ],
)
def test_what_uses_too_much_is_told_to_end_and_keeps_its_recording(
    source: str, ended: str, reason: str
) -> None:
    found = run(Program(source, "large"), Limits(seconds=60, memory_mb=128))
    assert (found.ended, found.reason) == (ended, reason)
    assert found.output.startswith("its last words\n")
    assert found.recording is not None
    assert [op.name for op in found.recording.ops] == ["ones"]


@pytest.mark.skipif(sys.platform != "linux", reason="of Linux")
def test_what_uses_too_much_and_does_not_listen_is_killed() -> None:
    deaf = f"import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n{CHILDREN}"
    found = run(Program(deaf, "large"), Limits(seconds=60, memory_mb=128))
    assert (found.ended, found.recording) == ("memory", None)
    assert found.reason == "It wanted more than 128 MiB of memory. What it recorded is lost."
    assert found.seconds < 60


def test_a_program_that_nobody_wants_any_more_ends_at_once() -> None:
    stop, drop = threading.Event(), threading.Event()

    def leave(text: str) -> None:
        drop.set()
        stop.set()

    began = time.monotonic()
    source = "try:\n    print('on', flush=True)\n    while True: pass\nfinally: print('saved')\n"
    found = run(Program(source, "left"), LONG, stop, leave, drop=drop)
    assert (found.ended, found.recording, found.output) == ("stopped", None, "on\n")
    assert time.monotonic() - began < LONG.seconds


def test_why_there_is_no_torchscript_can_be_told_in_any_language() -> None:
    found = run(Program("model = 1\n", "named", script="modle"))
    reason = found.static_reason
    assert isinstance(reason, Sentence)
    assert reason.values == {"name": "modle", "near": "model"}
    assert reason == "The program has no variable `modle` at its end; the nearest is `model`."


def test_a_refusal_of_the_librarys_can_be_told_in_any_language() -> None:
    missing = "import inspector\ninspector.load_torchscript('nothing.pt')\n"
    reason = run(Program(missing, "named")).reason
    assert reason.startswith("Line 2: nothing.pt cannot be read as TorchScript: there is no such")
    assert isinstance(reason, Sentence)
    assert isinstance(reason.values["said"], Sentence)
