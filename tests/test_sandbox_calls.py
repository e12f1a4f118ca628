"""What a program may not ask of the kernel, and that torch goes on working without it."""

from __future__ import annotations

import errno
import os
import platform
import sys
from collections.abc import Sequence

import pytest

from inspector_app.sandbox import Program, calls, run

pytestmark = pytest.mark.xdist_group("sandbox")

FILTERED = sys.platform == "linux" and platform.machine() in ("x86_64", "aarch64")
filtered = pytest.mark.skipif(not FILTERED, reason="there is no filter for this kind of machine")

AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
ALLOWED, KILLED, REFUSED = 0x7FFF0000, 0x80000000, 0x00050000


def verdict(machine: str, number: int, *arguments: int, audit: int | None = None) -> int:
    """What the filter says of a call, by a machine of our own for its instructions."""
    seen = {0: number, 4: AUDIT[machine] if audit is None else audit}
    for place, value in enumerate(arguments):
        seen[16 + 8 * place] = value & 0xFFFF_FFFF
    steps: Sequence[calls.Step] = calls.filter_for(machine)
    at = held = 0
    while True:
        code, so, otherwise, operand = steps[at]
        at += 1
        if code == 0x20:  # ld [k]
            held = seen.get(operand, 0)
        elif code == 0x06:  # ret k
            return operand
        else:
            passed = {0x15: held == operand, 0x35: held >= operand, 0x45: bool(held & operand)}
            at += so if passed[code] else otherwise


# Numbers by hand, of the kernel's own tables.
@pytest.mark.parametrize(
    ("machine", "number"),
    [
        ("x86_64", 101), ("aarch64", 117),  # ptrace
        ("x86_64", 272), ("aarch64", 97),  # unshare
        ("x86_64", 165), ("aarch64", 40),  # mount
        ("x86_64", 321), ("aarch64", 280),  # bpf
        ("x86_64", 319), ("aarch64", 279),  # memfd_create
        ("x86_64", 29), ("aarch64", 194),  # shmget
        ("x86_64", 425), ("aarch64", 425),  # io_uring_setup
        ("x86_64", 0x4000_0000 | 1),  # write, of x32
    ],
)  # fmt: skip
def test_calls_that_reach_beyond_a_program_are_refused(machine: str, number: int) -> None:
    assert verdict(machine, number) == REFUSED | errno.EPERM


@pytest.mark.parametrize(
    ("machine", "number"),
    [
        ("x86_64", 0), ("x86_64", 9), ("x86_64", 57), ("x86_64", 59), ("x86_64", 202),
        ("aarch64", 63), ("aarch64", 222), ("aarch64", 221), ("aarch64", 98),
    ],
)  # fmt: skip
def test_reading_mapping_forking_and_waiting_are_allowed(machine: str, number: int) -> None:
    assert verdict(machine, number) == ALLOWED


@pytest.mark.parametrize(("machine", "socket"), [("x86_64", 41), ("aarch64", 198)])
def test_of_sockets_only_local_ones_are_given(machine: str, socket: int) -> None:
    for family, name in ((2, "internet"), (10, "internet 6"), (16, "netlink"), (40, "vsock")):
        assert verdict(machine, socket, family) == REFUSED | errno.ENETUNREACH, name
    assert verdict(machine, socket, 1) == ALLOWED


@pytest.mark.parametrize(("machine", "clone"), [("x86_64", 56), ("aarch64", 220)])
def test_threads_and_processes_are_given_but_no_namespaces(machine: str, clone: int) -> None:
    assert verdict(machine, clone, 0x003D_0F00) == ALLOWED  # of a thread
    assert verdict(machine, clone, 0x0120_0011) == ALLOWED  # of a fork
    for flag in (0x1000_0000, 0x0002_0000, 0x4000_0000, 0x2000_0000):
        assert verdict(machine, clone, 0x11 | flag) == REFUSED | errno.EPERM
    assert verdict(machine, 435) == REFUSED | errno.ENOSYS, "clone3 says its flags in memory"


def test_calls_that_are_younger_than_the_list_do_not_exist() -> None:
    assert verdict("x86_64", 999) == REFUSED | errno.ENOSYS


def test_calls_by_the_numbers_of_another_machine_end_the_process() -> None:
    assert verdict("x86_64", 1, audit=0x4000_0003) == KILLED  # those of 32 bits


@filtered
def test_a_program_is_refused_what_it_has_no_use_for() -> None:
    found = run(
        Program(
            "import ctypes, os, socket\n"
            "libc = ctypes.CDLL(None, use_errno=True)\n"
            "for act in (socket.socket, lambda: os.memfd_create('x')):\n"
            "    try:\n        print('could', act())\n"
            "    except OSError as error:\n        print(error.strerror)\n"
            "print(libc.unshare(0x10000000), libc.ptrace(0, 0, 0, 0), libc.shmget(0, 1, 0o1600))\n"
            "a, b = socket.socketpair()\na.send(b'!')\nprint(b.recv(1))\n",
            "asks",
        )
    )
    assert found.isolation.calls
    assert found.output.splitlines() == [
        "Network is unreachable", "Operation not permitted", "-1 -1 -1", "b'!'",
    ]  # fmt: skip


@filtered
def test_torch_works_in_threads_workers_and_child_processes() -> None:
    found = run(
        Program(
            "import subprocess, sys, torch\n"
            "from torch.utils.data import DataLoader, TensorDataset\n"
            "torch.set_num_threads(2)\n"
            "x = torch.ones(300, 300)\n"
            "print((x @ x).sum().item())\n"
            "data = TensorDataset(torch.arange(12.0))\n"
            "print(sum(part.sum().item() for part, in DataLoader(data, 4, num_workers=2)))\n"
            "told = subprocess.run([sys.executable, '-c', 'print(42)'], capture_output=True)\n"
            "print(told.stdout)\n",
            "works",
        )
    )
    assert (found.ended, found.output.splitlines()) == ("done", ["27000000.0", "66.0", "b'42\\n'"])
    assert found.isolation.calls


@filtered
@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="nothing tells the filter")
def test_what_keeps_a_program_is_not_filtered_itself() -> None:
    run(Program("pass", "nothing"))
    with open("/proc/self/status") as file:
        assert "Seccomp:\t0" in file.read()
