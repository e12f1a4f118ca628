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
import signal
import socket
import time
from dataclasses import asdict, dataclass, replace
from typing import Any

from inspector_app.sandbox import calls, landlock, limiting, walls
from inspector_app.sandbox.orders import Isolation, Order
from inspector_app.sandbox.results import NUMBER
from inspector_app.sandbox.usage import Tree
from inspector_app.sandbox.watching import Watch, reaped
from inspector_app.sandbox.work import speak

_NICENESS = 5
"""Programs come after the server where there are few processors."""


@dataclass(frozen=True, slots=True)
class Channels:
    """What connects a program with the server.

    `output` takes what it prints, `result` is a file that has no name. Through `status` the server
    hears of its end. A word of the server's means that the program is to stop, and the end of
    what the server says, that it is to be killed.
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


def keep(order: Order, channels: Channels, zygote: int, proc: int) -> None:
    """Run a program under supervision. In a forked process; returns in that of the program alone.

    Args:
        order: what to run.
        channels: to the server.
        zygote: number of the parent process, with which this one ends.
        proc: number of the open folder `/proc`.
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
    _supervise(order, channels, Tree(proc, apart=apart), user)


def _supervise(order: Order, channels: Channels, tree: Tree, user: int | None) -> None:
    apart = tree.apart
    parent = os.getppid()  # 0 for a process of another namespace
    shown = os.geteuid() if user is None else user
    files = apart and walls.change_root(order.scratch, order.limits.file_mb, shown)
    scratch = walls.SCRATCH if files else order.scratch
    if user is not None and not walls.can_read_python(user):
        user = None
    if user is None and os.geteuid() == 0 and not files:
        channels.tell(over="walls" if order.apart else "root")
        os._exit(0)
    if user is not None:
        for folder in walls.OWN_FOLDERS if files else (scratch,):
            os.chown(folder, user, user)
    if not apart:
        walls.adopt_orphans()
    walls.hide_memory()
    walls.die_with_parent(parent)  # last: the kernel forgets it when the user changes
    # A folder of sockets is a way to others, so only with both there is no network at all.
    held = Isolation(network=apart and files, internet=apart, files=files, processes=apart)
    supervisor = os.getpid()
    program = os.fork()
    if not program:
        _confine(order, channels, scratch, user, supervisor, held, tree.proc)
        return
    os.close(channels.output)
    os.close(channels.result)
    watch = Watch(program, order, channels.status, tree, None if files else scratch)
    ending = watch.follow()
    if apart:
        with contextlib.suppress(ProcessLookupError):
            os.kill(-1, signal.SIGKILL)  # all of the namespace but its first process, this one
    else:
        end_all(tree)
    channels.tell(**ending)
    os._exit(0)


def _confine(
    order: Order,
    channels: Channels,
    scratch: str,
    user: int | None,
    supervisor: int,
    held: Isolation,
    proc: int,
) -> None:
    """Become the program's process. If it must be kept apart, and a wall is missing, it ends here.

    Args:
        order, channels: what to run, and its connection with the server.
        scratch: its folder.
        user: whom it becomes.
        supervisor: its parent, with which it ends.
        held: the walls that stand already.
        proc: number of the open `/proc`.
    """
    os.setsid()
    os.nice(_NICENESS)
    limiting.go_first(proc)
    if user is not None:
        walls.become(user)
        held = replace(held, user=True)
    walls.drop_privileges()
    walls.die_with_parent(supervisor)
    held = _enclosed(order, scratch, held)
    channels.tell(**asdict(held))
    if order.apart and not held.complete:
        channels.tell(over="walls")
        os._exit(0)
    channels.status.close()
    walls.show_memory()
    _settle(channels, scratch)


def _enclosed(order: Order, scratch: str, held: Isolation) -> Isolation:
    """Give up what a process can give up by itself; the walls that stand then."""
    held = replace(held, limits=limiting.limit(order.limits))
    if not held.files and walls.LANDLOCK in order.walls:
        files, signals = landlock.enclose(walls.shown(), scratch)
        held = replace(held, files=files, processes=held.processes or signals)
    if walls.CALLS in order.walls and calls.refuse_calls():
        held = replace(held, calls=True, internet=True)
    return held


def _settle(channels: Channels, scratch: str) -> None:
    """See nothing of the zygote's: neither open files nor variables, and another folder."""
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


def end_all(tree: Tree) -> None:
    """Kill what comes from this process, until there is nothing left that could begin more.

    Args:
        tree: of this process, seen from its own namespace.
    """
    for sign in (signal.SIGSTOP, signal.SIGKILL):
        until = time.monotonic() + 2.0
        before: set[int] = set()
        while time.monotonic() < until:
            found = set(tree.processes())
            for pid in found:
                with contextlib.suppress(OSError):
                    os.kill(pid, sign)
            if not found or (sign == signal.SIGSTOP and found == before):
                break
            before = found
            reaped(0)
