"""What keeps programs apart where the system offers less, and that the page says so."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from inspector_app.sandbox import Isolation, Limits, Outcome, Program, run, running, walls
from inspector_app.sandbox.printed import Output

pytestmark = pytest.mark.xdist_group("sandbox")

LINUX = sys.platform == "linux"
BRIEF = Limits(seconds=2, output_kb=4)


def outcome(source: str, limits: Limits | None = None) -> Outcome:
    return run(Program(source, "there"), limits)


# -- where nothing can be forked -----------------------------------------------------------------


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on macOS and Windows: a new Python for each program."""
    monkeypatch.setattr(running, "FORKS", False)
    monkeypatch.setattr("inspector_app.sandbox.alone._is_root", lambda: False)


@pytest.mark.usefixtures("alone")
def test_a_new_process_gives_the_same_recording() -> None:
    found = outcome("import torch\n\nx = torch.ones(2) + 1\nprint(x.sum().item(), 'é')\n")
    assert (found.ended, found.output) == ("done", "4.0 é\n")
    assert found.recording is not None
    assert [(op.name, str(op.source)) for op in found.recording.ops] == [
        ("ones", "there.py:3:4"), ("add", "there.py:3:4"),
        ("sum", "there.py:4:6"), ("item", "there.py:4:6"),
    ]  # fmt: skip
    assert found.isolation == Isolation()
    assert "run only code you trust" in found.isolation.sentence


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize(
    ("source", "ended"),
    [
        ("while True: pass", "time"),
        ("import os\nos._exit(3)", "crashed"),
        ("import os\nos.unlink('../result')\nos.mkfifo('../result')", "crashed"),
    ],
)
def test_a_new_process_that_ends_badly_is_told(source: str, ended: str) -> None:
    assert outcome(source, BRIEF if ended == "time" else None).ended == ended


@pytest.mark.usefixtures("alone")
def test_a_new_process_can_be_stopped_and_its_flood_is_cut_off() -> None:
    stop = threading.Event()
    heard: list[str] = []

    def hear(text: str) -> None:
        heard.append(text)
        if sum(map(len, heard)) >= 4096:
            stop.set()

    found = run(Program("while True: print('x' * 99)", "there"), BRIEF, stop, hear)
    assert found.ended == "stopped"
    assert len(found.output) < 4500


@pytest.mark.usefixtures("alone")
def test_a_new_process_has_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "a-secret")
    found = outcome("import os\nprint(sorted(os.environ))")
    assert found.ended == "done"
    assert "TOKEN" not in found.output


# -- where Linux offers less ---------------------------------------------------------------------


@pytest.mark.skipif(not LINUX, reason="of Linux")
def test_code_of_others_is_never_run_as_root_with_nothing_around_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(running, "WALLS", ())
    found = outcome("print('ran')")
    if os.geteuid() == 0:
        assert (found.ended, found.output) == ("refused", "")
        assert "runs as root" in found.reason
    else:
        assert found.output == "ran\n"
        assert "run only code you trust" in found.isolation.sentence


@pytest.mark.usefixtures("alone")
def test_where_nothing_can_be_forked_it_is_not_run_as_root_either(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("inspector_app.sandbox.alone._is_root", lambda: True)
    found = run(Program("print('ran')", "root", plain=True))
    assert (found.ended, found.output) == ("refused", "")
    assert "this server runs as root" in found.reason


@pytest.mark.skipif(not LINUX, reason="of Linux")
def test_another_user_is_a_wall_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "WALLS", (walls.USER,))
    found = outcome("import os\nprint(os.getuid())\nos.kill(os.getppid(), 9)")
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    if found.ended == "refused":
        assert "runs as root" in found.reason, "Python lies where other users cannot read it"
        return
    assert found.isolation == Isolation(user=True, limits=True)  # Landlock is not in WALLS here
    assert int(found.output.split()[0]) in range(walls.FIRST_USER, walls.FIRST_USER + walls.USERS)
    assert found.reason == "Line 3: PermissionError: [Errno 1] Operation not permitted."


AS_USER = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
outside = os.geteuid(), os.getegid()
if libc.unshare(0x10000000):
    sys.exit("no user namespaces")
try:
    for name, text in (("setgroups", "deny"), ("uid_map", f"1234 {outside[0]} 1"),
                       ("gid_map", f"1234 {outside[1]} 1")):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)
except OSError:
    sys.exit("no user namespaces")
from inspector_app.sandbox import Program, run, running
running.WALLS = tuple(sys.argv[1:])
found = run(Program(sys.stdin.read(), "there"))
print(found.isolation.network, found.isolation.files, found.isolation.processes)
print(found.ended, found.reason)
print(found.output)
"""


def as_user(source: str, *allowed: str) -> list[str]:
    """What is printed of a program's outcome, run from a server that is not root's."""
    done = subprocess.run(
        [sys.executable, "-c", AS_USER, *allowed],
        input=source, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    if "no user namespaces" in done.stderr:
        pytest.skip("this system has no user namespaces")
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.skipif(not LINUX, reason="of Linux")
def test_a_server_of_a_usual_user_keeps_programs_apart_too() -> None:
    held, ended, printed, *_ = as_user(
        "import os\nprint(os.getuid(), os.getpid())", walls.NAMESPACES
    )
    assert ended.split() == ["done"]
    if "True" not in held:
        pytest.skip("this system has no namespaces within a user namespace")
    assert printed == "1234 2", "itself and its supervisor are all there is"


def test_where_the_machine_has_no_memory_left_a_program_cannot_put_others_before_it() -> None:
    found = run(
        Program(
            "place = '/proc/self/oom_score_adj'\nprint(open(place).read().strip())\n"
            "try:\n    with open(place, 'w') as file:\n        file.write('0')\n"
            "except OSError:\n    pass\nprint(open(place).read().strip())\n",
            "first", plain=True,
        )
    )  # fmt: skip
    if not found.isolation.files:
        pytest.skip("this system does not give programs a /proc that can only be read")
    assert found.output == "1000\n1000\n"


@pytest.mark.skipif(not LINUX, reason="of Linux")
def test_landlock_closes_files_and_processes_where_there_are_no_namespaces(tmp_path: Path) -> None:
    secret = tmp_path / "secrets.toml"
    secret.write_text("a-secret")
    held, ended, *printed = as_user(
        "import os, subprocess, sys, torch\n"
        f"for act in (lambda: open({str(secret)!r}), lambda: open({str(secret)!r}, 'w'),\n"
        "             lambda: os.listdir('/tmp'), lambda: os.kill(os.getppid(), 0)):\n"
        "    try:\n        print('could', act())\n"
        "    except PermissionError:\n        print('could not')\n"
        "open('mine', 'w').write('x')\n"
        "print(os.listdir('.'))\n"
        "told = subprocess.run([sys.executable, '-c', 'print(6 * 7)'], capture_output=True)\n"
        "print(told.stdout)\n"
        "print(torch.ones(2).sum().item())\n",
        walls.LANDLOCK,
    )
    if "True" not in held:
        pytest.skip("this system has no Landlock")
    assert ended.split() == ["done"]
    _, files, processes = (word == "True" for word in held.split())
    assert files
    assert printed[:4] == [*["could not"] * 3, "could not" if processes else "could None"]
    assert sorted(eval(printed[4])) == ["mine", "there.py"]
    assert printed[5:7] == ["b'42\\n'", "2.0"]
    assert secret.read_text() == "a-secret"


@pytest.mark.skipif(not LINUX, reason="of Linux")
def test_other_machines_are_out_of_reach_where_there_are_no_namespaces() -> None:
    held, ended, *printed = as_user(
        "import socket\n"
        "for family in (socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK, 40):\n"
        "    try:\n        print('could', socket.socket(family, socket.SOCK_DGRAM))\n"
        "    except OSError as error:\n        print(error.strerror)\n"
        "print(socket.socket(socket.AF_UNIX).family)\n",
        walls.CALLS,
    )
    if "could" in printed[0]:
        pytest.skip("this system has no filter for calls")
    assert ended.split() == ["done"]
    assert held.split()[0] == "False", "services of this machine listen on local sockets"
    assert printed[:5] == [*["Network is unreachable"] * 4, "1"]


# -- words ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("isolation", "said"),
    [
        (Isolation(True, True, True, False, True, True), "without network, sees only Python"),
        (Isolation(user=True, limits=True), "closed to it. It can read files that everybody"),
        (Isolation(files=True, limits=True, calls=True, internet=True), "by its local sockets."),
        (Isolation(True, True, True, False, True), "all that the system's kernel offers."),
        (Isolation(limits=True), "run only code you trust"),
        (Isolation(), "Nothing here limits its memory"),
        (Isolation(network=True, processes=True, limits=True), "run only code you trust"),
    ],
)
def test_what_holds_and_what_does_not_is_said(isolation: Isolation, said: str) -> None:
    assert said in isolation.sentence


def test_output_is_cut_between_characters_and_counted() -> None:
    heard: list[str] = []
    output = Output(1024, heard.append)
    for _ in range(3):
        output.take("é".encode() * 300)  # 600 bytes: the second piece is cut
    output.take(b"\xff")
    output.finish()
    kept, _, note = output.text.rstrip().rpartition("\n")
    assert kept.rstrip() == "é" * 512
    assert note == "… 777 bytes more were printed: only the first 1 KiB are shown."
    assert "".join(heard) == output.text
