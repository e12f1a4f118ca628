"""Programs that do their worst: each gives a plain outcome, and the server goes on.

Nothing here needs more memory, files or processes than the small limits below allow.
"""

from __future__ import annotations

import dataclasses
import io
import os
import subprocess
import tempfile
import threading
import time
import tracemalloc
import zipfile
from pathlib import Path

import pytest

from inspector.errors import FileFormatError
from inspector_app.sandbox import Limits, Outcome, Program, run, zygotes
from inspector_app.sandbox.orders import GRACE_SECONDS
from inspector_app.sandbox.results import read
from inspector_app.sandbox.zygotes import zygote

pytestmark = pytest.mark.xdist_group("sandbox")

SMALL = Limits(memory_mb=256, output_kb=16, file_mb=4, processes=12)
BRIEF = dataclasses.replace(SMALL, seconds=2)
SECRET = "an-address-with-its-password"


def outcome(source: str, limits: Limits = SMALL) -> Outcome:
    return run(Program(source, "bad"), limits)


@pytest.fixture(autouse=True)
def server_goes_on() -> object:
    """Whatever a program did, the next one runs as if nothing had been."""
    yield
    assert outcome("print('fine')").output == "fine\n"


@pytest.fixture(scope="module")
def kept_apart() -> None:
    """Where nothing keeps programs apart, they are not asked to kill all that they see."""
    isolation = outcome("pass").isolation
    if not (isolation.processes or isolation.user):
        pytest.skip("this system offers neither namespaces nor another user")


@pytest.mark.parametrize(
    ("source", "signal"),
    [
        ("import os\nos.abort()", "SIGABRT"),
        ("import ctypes\nctypes.string_at(0)", "SIGSEGV"),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", "SIGKILL"),
    ],
)
def test_a_crash_is_told_with_its_signal(source: str, signal: str) -> None:
    found = outcome(f"print('before')\n{source}")
    assert (found.ended, found.recording, found.output) == ("crashed", None, "before\n")
    assert signal in found.reason
    assert "lost" in found.reason


def test_an_exit_past_python_is_told_and_the_recording_lost() -> None:
    found = outcome("import os\nos._exit(3)")
    assert (found.ended, found.recording) == ("crashed", None)
    assert "exit code 3" in found.reason


@pytest.mark.parametrize(
    "source",
    [
        "import torch\nx = torch.ones(1)\nwhile True:\n    x = x * 1",
        "import time\ntime.sleep(1000)",
        "import threading, time\nthreading.Thread(target=time.sleep, args=(1000,)).start()",
    ],
)
def test_what_does_not_end_is_ended_and_its_recording_kept(source: str) -> None:
    began = time.monotonic()
    found = outcome(source, BRIEF)
    assert found.ended == "time"
    assert found.recording is not None
    assert "2 s" in found.reason
    assert time.monotonic() - began < BRIEF.seconds + GRACE_SECONDS + 10.0


@pytest.mark.slow
def test_a_loop_that_refuses_to_end_is_killed() -> None:
    found = outcome(
        "import signal\nsignal.signal(signal.SIGALRM, signal.SIG_IGN)\nwhile True: pass",
        Limits(seconds=0.5),
    )
    assert (found.ended, found.recording) == ("time", None)


@pytest.mark.parametrize(
    "source",
    [
        "import torch\ntorch.empty(25_000_000_000)",  # 100 GB
        "kept = []\nwhile True: kept.append(bytearray(1 << 20))",
        "x = 'x' * 10**11",
    ],
)
def test_memory_beyond_the_limit_is_not_given(source: str) -> None:
    found = outcome(source)
    assert found.ended == "memory"
    assert "256 MiB" in found.reason
    assert found.recording is not None


def test_a_fork_bomb_ends_by_itself() -> None:
    found = outcome("import os\nwhile True: os.fork()")
    assert found.ended in ("failed", "crashed")
    assert "Resource temporarily unavailable" in found.reason + found.output or (
        "processes" in found.reason
    )


def test_threads_without_end_are_refused() -> None:
    found = outcome(
        "import threading, time\n"
        "while True: threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()"
    )
    assert found.ended == "failed"
    assert "can't start new thread" in found.reason


@pytest.mark.parametrize("limit", ["", "import sys\nsys.setrecursionlimit(10**9)\n"])
def test_deep_recursion_gives_an_outcome(limit: str) -> None:
    found = outcome(f"{limit}def deeper(n): return deeper(n + 1)\ndeeper(0)", BRIEF)
    assert found.ended in ("failed", "memory", "time", "crashed")
    assert limit or "RecursionError" in found.reason
    assert len(found.output) < 20_000


def test_gigabytes_of_print_are_cut_off() -> None:
    heard = []
    program = Program("while True: print('x' * 1000)", "bad")
    found = run(program, BRIEF, heard=heard.append)
    assert found.ended == "time"
    assert found.recording is not None
    assert 16 << 10 <= len(found.output) < 17 << 10
    assert found.output == "".join(heard)
    assert found.output.rstrip().endswith("only the first 16 KiB are shown.")


@pytest.mark.parametrize(
    "source",
    [
        "f = open('large', 'wb')\nwhile True: f.write(bytes(1 << 20))",
        "for n in range(10**6):\n    with open(f'{n}', 'wb') as f: f.write(bytes(1 << 20))",
    ],
)
def test_files_are_limited_and_deleted(source: str) -> None:
    found = outcome(source)
    assert found.ended in ("failed", "crashed")
    assert "space" in found.reason or "large" in found.reason
    if found.ended == "failed":
        assert found.recording is not None, "its files make room for the recording"


@pytest.mark.usefixtures("kept_apart")
def test_the_servers_environment_is_not_to_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", SECRET)
    held = subprocess.Popen(["sleep", "60"])  # a process that has it in its environment from birth
    try:
        found = outcome(
            "import glob, os\n"
            "print(dict(os.environ))\n"
            "for path in glob.glob('/proc/*/environ'):\n"
            "    try:\n"
            "        print(open(path, 'rb').read())\n"
            "    except OSError as error:\n"
            "        pass\n"
        )
    finally:
        held.kill()
        held.wait()
    assert found.ended == "done"
    assert SECRET not in found.output
    assert "PATH" in found.output


def test_files_of_the_server_are_not_to_be_seen(tmp_path: Path) -> None:
    secret = tmp_path / "secrets.toml"
    secret.write_text(SECRET)
    found = outcome(f"print(open({str(secret)!r}).read())")
    if found.isolation.files:
        assert "FileNotFoundError" in found.reason
    elif found.isolation.user:
        assert "PermissionError" in found.reason
    else:
        pytest.skip("this system lets a program see all files of the server's user")


def test_there_is_no_network_where_the_system_can_take_it_away() -> None:
    found = outcome("import socket\nsocket.create_connection(('127.0.0.1', 9), timeout=1)")
    if found.isolation.network:
        assert "Network is unreachable" in found.reason
    else:
        assert "network" in found.isolation.sentence


@pytest.mark.usefixtures("kept_apart")
@pytest.mark.parametrize("whom", ["os.getppid()", "1", "-1", "0"])
def test_it_cannot_kill_what_runs_it(whom: str) -> None:
    bystander = subprocess.Popen(["sleep", "60"])
    pid = zygote.pid
    try:
        found = outcome(
            "import os, signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
            f"try:\n    os.kill({whom}, signal.SIGKILL)\nexcept OSError as error: print(error)\n"
        )
        assert found.ended in ("done", "crashed")
        assert bystander.poll() is None
        assert zygote.pid == pid
    finally:
        bystander.kill()
        bystander.wait()


@pytest.mark.usefixtures("kept_apart")
def test_nothing_it_started_outlives_it() -> None:
    mark = str(86_400 + os.getpid())
    found = outcome(
        "import os, subprocess\n"
        f"subprocess.Popen(['sleep', '{mark}'], start_new_session=True)\n"
        "if not os.fork():\n"
        "    os.setsid()\n"
        "    if not os.fork():\n"
        f"        os.execvp('sleep', ['sleep', '{mark}'])\n"
        "    os._exit(0)\n"
    )
    assert found.ended == "done"
    deadline = time.monotonic() + 5.0
    while mark in _commands() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert mark not in _commands()


def _commands() -> str:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(path.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace"))
        except OSError:
            continue
    return "\n".join(row for row in found if row.startswith("sleep"))


@pytest.mark.parametrize(
    "forged",
    [
        b"",
        b"\n",
        b"{}\n",
        b'{"sizes": [0, 0, 0], "ended": "done"}\n',
        b'{"sizes": [5, 0, 0], "ended": "done"}\nPK\x03\x04!',
        b'{"sizes": [0, 2, 0], "ended": "done"}\n{}',
        b'{"sizes": [-5, 5, 0], "ended": "done"}\n',
        b'{"sizes": [0, 0, 0], "ended": "done", "line": "one"}\n',
        b'{"sizes": [0, 0], "ended": "done"}\n',
        b'{"sizes": [0, 0, 0], "ended": "well"}\n',
        b'{"sizes": [0, 0, 0], "ended": "done", "more": 1}\n',
        b"[" * 50_000 + b"\n",
        b"\xff" * 1000,
        b"x" * 3_000_000,
    ],
)
def test_a_forged_result_is_data_or_refused(forged: bytes) -> None:
    found = outcome(
        "import os, sys, zlib\n"
        f"data = zlib.decompress({_packed(forged)!r})\n"
        "os.write(3, data)\nos._exit(0)\n"
    )
    assert found.recording is None
    assert found.static is None
    good = forged == b'{"sizes": [0, 0, 0], "ended": "done"}\n'
    assert found.ended == ("done" if good else "crashed")


def _packed(data: bytes) -> bytes:
    import zlib

    return zlib.compress(data)


def test_a_recording_that_claims_to_unpack_to_gigabytes_is_refused() -> None:
    found = outcome(
        "import io, json, os, zipfile\n"
        "made = io.BytesIO()\n"
        "with zipfile.ZipFile(made, 'w') as archive:\n"
        "    archive.writestr('header.json', '{}')\n"
        "data = bytearray(made.getvalue())\n"
        "entry = data.index(b'PK\\x01\\x02')\n"
        "data[entry + 24:entry + 28] = (3 << 30).to_bytes(4, 'little')\n"
        "header = {'sizes': [len(data), 0, 0], 'ended': 'done'}\n"
        "os.write(3, json.dumps(header).encode() + b'\\n' + bytes(data))\n"
        "os._exit(0)\n"
    )
    assert (found.ended, found.recording) == ("crashed", None)
    assert "larger than 64 MiB" in found.reason


def test_a_recording_that_unpacks_to_more_than_it_says_is_not_unpacked_further() -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("header.json", bytes(64 << 20))
    bomb = bytearray(made.getvalue())
    entry = bomb.index(b"PK\x01\x02")
    bomb[entry + 24 : entry + 28] = (10).to_bytes(4, "little")
    header = b'{"sizes": [%d, 0, 0], "ended": "done"}\n' % len(bomb)
    with tempfile.TemporaryFile() as file:
        file.write(header + bomb)
        file.flush()
        tracemalloc.start()
        with pytest.raises(FileFormatError):
            read(file.fileno(), 1 << 20, "bad.py")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 4 << 20


def test_closing_all_files_loses_the_recording_only() -> None:
    found = outcome("import os\nos.closerange(0, 1000)\nprint('hello')")
    assert (found.ended, found.recording) == ("crashed", None)


def test_a_zygote_that_was_killed_is_started_again() -> None:
    assert outcome("print(1)").output == "1\n"
    before = zygote.pid
    assert before is not None
    os.kill(before, 9)
    assert outcome("print(2)").output == "2\n"
    assert zygote.pid not in (None, before)


def test_a_zygote_that_cannot_start_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    zygote.close()
    monkeypatch.setattr(zygotes, "BOOT", "import sys; sys.exit(1)")
    found = outcome("print(1)")
    assert (found.ended, found.output) == ("refused", "")
    assert "did not start" in found.reason
    zygote.close()


def test_a_program_whose_zygote_is_killed_ends() -> None:
    def kill(text: str) -> None:
        pid = zygote.pid
        assert pid is not None
        os.kill(pid, 9)

    began = time.monotonic()
    found = run(Program("print('on')\nwhile True: pass", "bad"), Limits(seconds=30), heard=kill)
    assert found.ended == "crashed"
    assert time.monotonic() - began < 25.0


def test_two_sessions_do_not_feel_each_other() -> None:
    found: dict[str, Outcome] = {}

    def go(name: str, source: str) -> None:
        found[name] = outcome(source)

    fills = "import os, time\ntry:\n    while os.fork(): pass\nexcept OSError: pass\ntime.sleep(3)"
    forks = (
        "import os, time\ntime.sleep(1)\nfor _ in range(5):\n"
        "    if not os.fork(): os._exit(0)\nprint('fine')"
    )
    bad = threading.Thread(target=go, args=("bad", fills))
    good = threading.Thread(target=go, args=("good", forks))
    for thread in (good, bad):
        thread.start()
    for thread in (good, bad):
        thread.join()
    assert (found["good"].ended, found["good"].output) == ("done", "fine\n")
