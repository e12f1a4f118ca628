"""The zygote from the server's side: started when it is needed, and again when it has died."""

from __future__ import annotations

import atexit
import contextlib
import socket
import subprocess
import sys
import tempfile
import threading

from inspector_app.sandbox.zygote_boot import BOOT, RUN, environment


class Zygote:
    """One zygote. All methods can be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._home: tempfile.TemporaryDirectory[str] | None = None

    def send(self, channels: tuple[int, ...]) -> None:
        """Have it run an order.

        Raises:
            OSError: it cannot be started.
        """
        with self._lock:
            for _ in range(2):  # it may just have died
                line = self._running()
                try:
                    socket.send_fds(line, [RUN], channels)
                except OSError:
                    self._close()
                    continue
                return
        raise OSError("the process that runs programs does not start")

    def start(self) -> None:
        """Start it, if it does not run."""
        with self._lock:
            self._running()

    def close(self) -> None:
        """End it with all that it runs."""
        with self._lock:
            self._close()

    @property
    def pid(self) -> int | None:
        """Its number, if it runs."""
        with self._lock:
            return None if self._process is None else self._process.pid

    def _running(self) -> socket.socket:
        if self._process is not None and self._process.poll() is not None:
            self._close()
        if self._socket is None:
            self._start()
        assert self._socket is not None
        return self._socket

    def _start(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._home = tempfile.TemporaryDirectory(prefix="inspector-sandbox-")
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-c", BOOT, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env=environment(self._home.name),
                cwd=self._home.name,
                start_new_session=True,
            )
        self._socket = ours

    def _close(self) -> None:
        if self._socket is not None:
            self._socket.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        if self._home is not None:
            with contextlib.suppress(OSError):
                self._home.cleanup()
        self._process = self._socket = self._home = None


zygote = Zygote()
"""The server's."""

atexit.register(zygote.close)
