"""Watches over one program: puts up walls, ends it at its limits, and leaves nothing of it alive.

    zygote ── keeper ── supervisor ── program ── whatever it starts

The keeper waits outside, the supervisor is the first process of a namespace of processes: when it
ends, the kernel ends all others in it. Where there are no namespaces they are one process, which
adopts what the program leaves behind.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import time
from dataclasses import dataclass
from typing import Any

from inspector_app.sandbox import landlock, limiting, walls
from inspector_app.sandbox.orders import GRACE_SECONDS, Order
from inspector_app.sandbox.results import NUMBER
from inspector_app.sandbox.work import speak

_NICENESS = 5
"""Programs come after the server where there are few processors."""

_LOOK_SECONDS = 0.05
"""How often memory and processes are counted."""


@dataclass(frozen=True, slots=True)
class Channels:
    """What connects a program with the server.

    `output` takes what it prints, `result` is a file that has no name. Through `status` the server
    hears of its end; when the server closes it, the program is ended.
    """

    output: int
    result: int
    status: socket.socket

    def tell(self, **what: Any) -> None:
        """Say something to the server, if it still listens."""
        with contextlib.suppress(OSError):
            self.status.send(json.dumps(what).encode())

    def close(self) -> None:
        """Let go of all three in this process."""
        os.close(self.output)
        os.close(self.result)
        self.status.close()


def keep(order: Order, channels: Channels, zygote: int) -> None:
    """Run a program under supervision. In a forked process; returns in that of the program alone.

    Args:
        order: what to run.
        channels: to the server.
        zygote: number of the parent process, with which this one ends.
    """
    user = walls.user_of_its_own() if walls.USER in order.walls else None
    apart = walls.NAMESPACES in order.walls and walls.leave_namespaces()
    walls.die_with_parent(zygote)
    if apart:
        supervisor = os.fork()
        if supervisor:
            channels.close()
            os.waitpid(supervisor, 0)
            os._exit(0)
    _supervise(order, channels, apart, user)


def _supervise(order: Order, channels: Channels, apart: bool, user: int | None) -> None:
    parent = os.getppid()  # 0 for a process of another namespace
    shown = os.geteuid() if user is None else user
    files = apart and walls.change_root(order.scratch, order.limits.file_mb, shown)
    scratch = walls.SCRATCH if files else order.scratch
    if user is not None and not walls.can_read_python(user):
        user = None
    if user is None and os.geteuid() == 0 and not files:
        channels.tell(over="root")
        os._exit(0)
    if user is not None:
        for folder in walls.OWN_FOLDERS if files else (scratch,):
            os.chown(folder, user, user)
    if not apart:
        walls.adopt_orphans()
    walls.hide_memory()
    walls.die_with_parent(parent)  # last: the kernel forgets it when the user changes
    channels.tell(network=apart, processes=apart, files=files)
    supervisor = os.getpid()
    program = os.fork()
    if not program:
        enclosed = not files and walls.LANDLOCK in order.walls
        _confine(order, channels, scratch, user, supervisor, enclosed=enclosed)
        return
    os.close(channels.output)
    os.close(channels.result)
    ending = _watch(program, order, channels.status, None if files else scratch)
    _end_all(apart)
    channels.tell(**ending)
    os._exit(0)


def _confine(
    order: Order,
    channels: Channels,
    scratch: str,
    user: int | None,
    supervisor: int,
    *,
    enclosed: bool,
) -> None:
    """Become the program's process: no privileges, no files of others, and limits."""
    os.setsid()
    os.nice(_NICENESS)
    if user is not None:
        walls.become(user)
    walls.drop_privileges()
    walls.die_with_parent(supervisor)
    held = limiting.limit(order.limits)
    channels.tell(user=user is not None, limits=held)
    if enclosed:
        files, signals = landlock.enclose(walls.shown(), scratch)
        channels.tell(files=files)
        if signals:
            channels.tell(processes=True)
    channels.status.close()
    nothing = os.open("/dev/null", os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(channels.output, 1)
    os.dup2(channels.output, 2)
    if channels.result != NUMBER:
        os.dup2(channels.result, NUMBER)
    os.closerange(NUMBER + 1, 1 << 16)
    os.chdir(scratch)
    os.environ.clear()
    os.environ.update(
        HOME=scratch,
        TMPDIR=scratch,
        PATH="/usr/local/bin:/usr/bin:/bin",
        LANG="C.UTF-8",
        OMP_NUM_THREADS="1",
        TORCHINDUCTOR_CPP_CACHE_PRECOMPILE_HEADERS="0",
    )
    speak()


# -- watching ------------------------------------------------------------------------------------


def _watch(program: int, order: Order, server: socket.socket, folder: str | None) -> dict[str, Any]:
    """Wait for the end of a program, or bring it about; how it came to it.

    Args:
        program: its process.
        order: with its limits.
        server: where a word, or its end, means that the program is to be ended.
        folder: of the program, where its size is to be watched.
    """
    deadline = time.monotonic() + order.limits.seconds + GRACE_SECONDS
    poll = select.poll()
    poll.register(server, select.POLLIN | select.POLLHUP)
    with contextlib.suppress(OSError):  # wakes at once; without it, at the next look
        poll.register(os.pidfd_open(program), select.POLLIN)
    own = _memory_of(os.getpid()) or 0
    while True:
        for number, _ in poll.poll(_LOOK_SECONDS * 1000):
            if number == server.fileno():
                return {"over": "stopped"}
        status = _reaped(program)
        if status is not None:
            return {"over": "ended", "code": os.waitstatus_to_exitcode(status)}
        if time.monotonic() > deadline:
            return {"over": "time"}
        used, count = _usage(own)
        if used > (order.limits.memory_mb + limiting.RESERVE_MB) * limiting.MIB:
            return {"over": "memory"}
        if count > order.limits.processes + 1:
            return {"over": "processes"}
        if folder is not None and _size_of(folder) > order.limits.file_mb * limiting.MIB:
            return {"over": "files"}


def _reaped(program: int) -> int | None:
    """Let go of children that ended; the status of the program, if it did."""
    with contextlib.suppress(ChildProcessError):
        while True:
            ended, status = os.waitpid(-1, os.WNOHANG)
            if ended == program:
                return status
            if not ended:
                break
    return None


def _usage(own: int) -> tuple[int, int]:
    """Bytes that the descendants use beyond what they were forked with, and their number."""
    total = count = 0
    for pid in descendants():
        used = _memory_of(pid)
        if used is not None:
            count += 1
            total += max(0, used - own)
    return total, count


def _size_of(folder: str) -> int:
    """Bytes of all files in a folder."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(place, name)).st_blocks * 512
    return total


def _memory_of(pid: int) -> int | None:
    """Bytes of memory of a process, what is shared with its parent and never written included."""
    try:
        with open(f"/proc/{pid}/status") as file:
            rows = [row.split() for row in file]
    except OSError:
        return None
    return sum(int(row[1]) for row in rows if row and row[0] in ("RssAnon:", "RssShmem:")) * 1024


def descendants() -> list[int]:
    """All processes that come from this one."""
    children: dict[int, list[int]] = {}
    try:
        names = os.listdir("/proc")
    except OSError:
        return []
    for name in filter(str.isdecimal, names):
        with contextlib.suppress(OSError, ValueError, IndexError), open(f"/proc/{name}/stat") as f:
            parent = int(f.read().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(name))
    found, todo = [], [os.getpid()]
    while todo:
        below = children.get(todo.pop(), [])
        found += below
        todo += below
    return found


def _end_all(apart: bool) -> None:
    if apart:
        with contextlib.suppress(ProcessLookupError):
            os.kill(-1, signal.SIGKILL)  # all of the namespace but its first process, this one
        return
    end_descendants()


def end_descendants() -> None:
    """Kill what comes from this process, until there is nothing left that could begin more."""
    for sign in (signal.SIGSTOP, signal.SIGKILL):
        until = time.monotonic() + 2.0
        before: set[int] = set()
        while time.monotonic() < until:
            found = set(descendants())
            for pid in found:
                with contextlib.suppress(OSError):
                    os.kill(pid, sign)
            if not found or (sign == signal.SIGSTOP and found == before):
                break
            before = found
            _reaped(0)
