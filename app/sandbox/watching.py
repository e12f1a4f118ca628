"""Waits for the end of one program, or brings it about: what it uses up is counted meanwhile.

What uses too much is asked to end first, as by Ctrl-C, and loses all that it started: so it still
writes what it recorded. What goes on taking more, or does not end, is killed.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import time
from typing import Any

from inspector_app.sandbox import limiting
from inspector_app.sandbox.orders import GRACE_SECONDS, Order
from inspector_app.sandbox.usage import Tree, size_of

_LOOK_SECONDS = 0.05
"""How often memory and processes are counted."""


class Watch:
    """The watch over one program.

    Args:
        program: its process.
        order: with its limits.
        server: a word from it means that the program is to stop. No more words mean that nobody
            wants it.
        tree: the program with all that it starts.
        folder: of the program, where its size is to be watched.
    """

    def __init__(
        self, program: int, order: Order, server: socket.socket, tree: Tree, folder: str | None
    ) -> None:
        self._program = program
        self._limits = order.limits
        self._server = server
        self._tree = tree
        self._folder = folder
        self._own = tree.own_memory()
        self._deadline = time.monotonic() + order.limits.seconds + GRACE_SECONDS
        self._asked = ""

    def follow(self) -> dict[str, Any]:
        """Wait; how it came to its end, as in `Ending`."""
        poll = select.poll()
        poll.register(self._server, select.POLLIN | select.POLLHUP)
        with contextlib.suppress(OSError):  # wakes at once; without it, at the next look
            poll.register(os.pidfd_open(self._program), select.POLLIN)
        while True:
            for number, _ in poll.poll(_LOOK_SECONDS * 1000):
                if number == self._server.fileno():
                    if not self._server.recv(1):
                        return {"over": "stopped"}
                    self._ask("stopped")
            status = reaped(self._program)
            if status is not None:
                code = os.waitstatus_to_exitcode(status)
                over = self._asked if code and self._asked else "ended"
                return {"over": over, "code": code, "asked": self._asked}
            if time.monotonic() > self._deadline or self._takes_too_much():
                return {"over": self._asked or "time"}

    def _ask(self, why: str) -> None:
        """Tell the program to end: it has a moment to write what was recorded."""
        if not self._asked:
            self._asked = why
            self._deadline = min(self._deadline, time.monotonic() + GRACE_SECONDS)
            os.kill(self._program, signal.SIGINT)

    def _takes_too_much(self) -> bool:
        """Ask a program to end that uses too much; whether it is to be killed."""
        found = self._tree.processes()
        beyond = self._beyond(found, last=False)
        if not beyond:
            return False
        if self._asked and self._beyond(found, last=True):
            return True
        self._ask(beyond)
        for pid in found:
            number = self._tree.number_here(pid)
            if number is not None and number != self._program:
                with contextlib.suppress(OSError):
                    os.kill(number, signal.SIGKILL)
        return False

    def _beyond(self, found: list[int], *, last: bool) -> str:
        """Which limit these processes are beyond: the first, or the last of those that have two.

        Between them there is room for writing the recording.
        """
        if not last and len(found) > self._limits.processes + 1:
            return "processes"
        reserve = limiting.RESERVE_MB if last else limiting.RESERVE_MB // 2
        most = self._own + (self._limits.memory_mb + reserve) * limiting.MIB
        if self._tree.memory(found, most) > most:
            return "memory"
        largest = (1 + last) * self._limits.file_mb * limiting.MIB
        if self._folder is not None and size_of(self._folder) > largest:
            return "files"
        return ""


def reaped(program: int) -> int | None:
    """Let go of children that ended; the status of the program, if it did."""
    with contextlib.suppress(ChildProcessError):
        while True:
            ended, status = os.waitpid(-1, os.WNOHANG)
            if ended == program:
                return status
            if not ended:
                break
    return None
