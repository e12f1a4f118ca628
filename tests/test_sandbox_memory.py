"""All memory of a program counts, however it is shared out or hidden."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys

import pytest

from inspector_app.sandbox import Isolation, Limits, Outcome, Program, run
from inspector_app.sandbox.usage import Tree

pytestmark = [
    pytest.mark.xdist_group("sandbox"),
    pytest.mark.skipif(sys.platform != "linux", reason="of Linux"),
]

MIB = 1 << 20
SMALL = Limits(memory_mb=128, processes=12, seconds=40)
WAITS = "time.sleep(1000)\n"


def outcome(source: str, limits: Limits = SMALL) -> Outcome:
    return run(Program(source, "large", plain=True), limits)


@pytest.fixture(scope="module")
def isolation() -> Isolation:
    """What this system keeps programs apart with."""
    return outcome("pass").isolation


HIDDEN = {
    "children, each below the limit": (
        "import os, time\nfor _ in range(8):\n    if not os.fork():\n"
        f"        kept = bytearray(b'x') * (120 << 20)\n        {WAITS}{WAITS}"
    ),
    "other programs, smaller than Python with torch": (
        "import subprocess, sys, time\n"
        "text = 'import time; kept = bytearray(b\"x\") * (110 << 20); time.sleep(1000)'\n"
        "all = [subprocess.Popen([sys.executable, '-S', '-c', text]) for _ in range(9)]\n" + WAITS
    ),
    "shared memory that is mapped and not looked at, in processes that hide it": (
        "import ctypes, mmap, os, time\nctypes.CDLL(None).prctl(4, 0, 0, 0, 0)\n"
        "for _ in range(9):\n    if not os.fork():\n"
        "        kept = mmap.mmap(-1, 110 << 20)\n"
        "        for place in range(0, 110 << 20, 1 << 20):\n"
        "            kept[place:place + (1 << 20)] = b'x' * (1 << 20)\n"
        "            kept.madvise(mmap.MADV_DONTNEED, place, 1 << 20)\n"
        f"        {WAITS}{WAITS}"
    ),
}


@pytest.mark.parametrize("how", HIDDEN)
def test_what_is_hidden_in_pieces_is_found(how: str, isolation: Isolation) -> None:
    found = outcome(HIDDEN[how])
    assert found.ended == "memory"
    assert found.seconds < SMALL.seconds
    assert "128 MiB" in found.reason


def test_what_waits_in_sockets_is_found(isolation: Isolation) -> None:
    if not isolation.network:
        pytest.skip("sockets of others are seen too where there are no namespaces")
    found = outcome(
        "import os, socket, time\nfor _ in range(9):\n    if not os.fork():\n        kept = []\n"
        "        while True:\n            try:\n                kept += socket.socketpair()\n"
        f"            except OSError:\n                {WAITS}"
        "            kept[-1].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 24)\n"
        "            kept[-1].setblocking(False)\n"
        "            try:\n                while True: kept[-1].send(b'x' * 65536)\n"
        f"            except OSError: pass\n{WAITS}"
    )
    assert found.ended == "memory"


def test_larger_buffers_for_sockets_are_not_given(isolation: Isolation) -> None:
    if not isolation.calls:
        pytest.skip("this system has no filter for calls")
    found = outcome(
        "import socket\na, b = socket.socketpair()\n"
        "before = a.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)\n"
        "a.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * before)\n"
        "print(a.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) == before)\n"
    )
    assert found.output == "True\n"


def test_children_that_share_their_parents_memory_do_not_count_it_again() -> None:
    found = outcome(
        "import os, time\nkept = bytearray(b'x') * (100 << 20)\n"
        "children = [os.fork() for _ in range(1)]\n"
        "for _ in range(7):\n    if children[-1]: children.append(os.fork())\n"
        "time.sleep(1)\n"
        "if children[-1]:\n    print(len(children), 'children')\n",
        dataclasses.replace(SMALL, memory_mb=256),
    )
    assert (found.ended, found.output) == ("done", "8 children\n")


PAIR = """
import mmap, os, sys, time
shared = mmap.mmap(-1, 64 << 20)
shared[:] = b"x" * len(shared)
before = bytearray(b"x") * (32 << 20)
if os.fork():
    print(os.getpid(), flush=True)
else:
    alone = bytearray(b"x") * (16 << 20)
    print(os.getpid(), flush=True)
sys.stdin.read()
"""


def test_pages_of_two_processes_are_counted_once() -> None:
    tree = Tree(os.open("/proc", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC), apart=False)
    pair = subprocess.Popen(
        [sys.executable, "-S", "-c", PAIR], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert pair.stdin is not None
    assert pair.stdout is not None
    with pair:
        pids = [int(pair.stdout.readline()), int(pair.stdout.readline())]
        assert set(pids) <= set(tree.processes())
        exact, rough = tree.memory(pids, 0), tree.memory(pids, 1 << 60)
        pair.stdin.close()
    python = 24 * MIB  # at most, for the two interpreters
    assert (64 + 32 + 16) * MIB <= exact <= (64 + 32 + 16) * MIB + python
    assert (64 + 2 * 32 + 16) * MIB <= rough <= (64 + 2 * 32 + 16) * MIB + python
