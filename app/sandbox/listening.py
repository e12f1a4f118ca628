"""One program in a process that the zygote forks: what it prints, and how it ends."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import selectors
import socket
import tempfile
import threading
import time
from collections.abc import Callable
from typing import Any, Self

from inspector.errors import FileFormatError
from inspector_app.sandbox.endings import Ending, outcome
from inspector_app.sandbox.orders import GRACE_SECONDS, Isolation, Order, Outcome
from inspector_app.sandbox.printed import Output
from inspector_app.sandbox.results import Results, read
from inspector_app.sandbox.zygotes import Zygote, zygote

START_SECONDS = 60.0
"""In which a process must begin, a new zygote's imports included."""

LATE_SECONDS = 5.0
"""After which what should have ended by itself is ended from here."""

Ends = tuple[threading.Event, threading.Event]
"""Set, the first stops a program, and the second lets go of it."""

_TICK_SECONDS = 0.05
_PIECE = 1 << 20
_PIPE_BYTES = 1 << 20
_F_SETPIPE_SZ = 1031


def forked(
    order: Order,
    ends: Ends,
    heard: Callable[[str], None],
    source: Zygote = zygote,
) -> Outcome:
    """Run an order in a process of the zygote.

    Args:
        order: what to run.
        ends: `stop` and `drop` of `running.run`.
        heard: likewise.
        source: of processes.
    """
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as result:
        given.write(order.to_json())
        given.flush()
        for _ in range(2):  # the zygote may have died just now, and the order with it
            try:
                run = _begun(order, given.fileno(), result.fileno(), heard, source)
            except OSError:
                return outcome(order, Ending("unstarted", 0, "", Isolation(), 0.0), None)
            with run:
                run.follow(*ends)
            if run.started or ends[0].is_set():
                break
        return outcome(order, run.ending(), *_results(order, result.fileno()))


def _begun(
    order: Order, given: int, result: int, heard: Callable[[str], None], source: Zygote
) -> _Run:
    """Hand an order to the zygote."""
    output, printed = os.pipe()
    status, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    run = _Run(order, output, status, heard, source)
    try:
        source.send((given, printed, result, theirs.fileno()))
    except BaseException:
        run.close()
        raise
    finally:
        os.close(printed)
        theirs.close()
    return run


def _results(order: Order, file: int) -> tuple[Results | None, str]:
    """What the program left, and what is wrong with it."""
    largest = 2 * order.limits.file_mb << 20
    try:
        return read(file, largest, order.program.file), ""
    except FileFormatError as error:
        return None, error.message


class _Run:
    """A program that runs."""

    def __init__(
        self,
        order: Order,
        pipe: int,
        status: socket.socket,
        heard: Callable[[str], None],
        source: Zygote,
    ) -> None:
        self._order = order
        self._pipe = pipe
        self._status = status
        self._source = source
        self._output = Output(order.limits.output_kb << 10, heard)
        self._told: dict[str, Any] = {}
        self._started: float | None = None
        self._stopped = False
        self._seconds = 0.0
        self._open = selectors.DefaultSelector()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the pipe and the socket: what still runs is ended."""
        os.close(self._pipe)
        self._status.close()

    @property
    def started(self) -> bool:
        """Whether there is a process for it."""
        return self._started is not None

    def ending(self) -> Ending:
        """How it ended, from the outside."""
        told = self._told
        walls = {name: bool(told.get(name)) for name in Isolation.__dataclass_fields__}
        return Ending(
            over=str(told.get("over", self._unseen())),
            code=int(told.get("code", 0)),
            output=self._output.text,
            isolation=Isolation(**walls),
            seconds=self._seconds,
            trouble=str(told.get("reason", "")),
            asked=str(told.get("asked", "")),
        )

    def _unseen(self) -> str:
        """How it ended, where nobody tells."""
        if self._stopped:
            return "stopped"
        return "lost" if self.started else "unstarted"

    def follow(self, stop: threading.Event, drop: threading.Event) -> None:
        """Hear it until it has ended, or end it."""
        os.set_blocking(self._pipe, False)
        with contextlib.suppress(OSError):  # less often then
            fcntl.fcntl(self._pipe, _F_SETPIPE_SZ, _PIPE_BYTES)
        began = time.monotonic()
        limit = began + START_SECONDS
        self._open.register(self._pipe, selectors.EVENT_READ, self._hear)
        self._open.register(self._status, selectors.EVENT_READ, self._listen)
        with self._open:
            while self._open.get_map():
                for key, _ in self._open.select(_TICK_SECONDS):
                    key.data()
                if self._started is not None and not self._stopped:
                    limit = self._started + self._order.limits.seconds + GRACE_SECONDS
                    limit += LATE_SECONDS
                if stop.is_set() and not self._stopped:
                    self._stopped = True
                    self._say(self._status.send, b"!")
                    limit = time.monotonic() + GRACE_SECONDS + LATE_SECONDS
                if drop.is_set():
                    self._say(self._status.shutdown, socket.SHUT_WR)
                if time.monotonic() > limit:
                    self._source.close()  # and with it all that came from it
                    limit += LATE_SECONDS
        self._seconds = time.monotonic() - (self._started or began)
        self._output.finish()

    def _say(self, how: Callable[[Any], object], what: Any) -> None:
        with contextlib.suppress(OSError):  # it has ended already
            how(what)

    def _hear(self) -> None:
        if self._output.full:
            time.sleep(_TICK_SECONDS)  # a flood is let through slowly: it costs the server nothing
        try:
            piece = os.read(self._pipe, _PIECE)
        except BlockingIOError:
            return
        if piece:
            self._output.take(piece)
        else:
            self._open.unregister(self._pipe)

    def _listen(self) -> None:
        try:
            message = self._status.recv(1 << 16)
        except OSError:
            message = b""
        if not message:
            self._open.unregister(self._status)
            return
        if self._started is None:
            self._started = time.monotonic()
        self._told = {**json.loads(message), **self._told}  # what was told first holds
