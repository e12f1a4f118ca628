"""SIGTERM (from `kill`, `timeout`, `torchrun`, a scheduler) ends a program so that its recording is
still written.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from types import FrameType


class Terminated(BaseException):
    """The process was asked to end."""


class Termination:
    """Stands in for the default action of SIGTERM while a program runs, and does it afterwards.

    Nothing is done where SIGTERM is handled already, and in children that the program forks.
    A second SIGTERM ends the process at once.
    """

    def __init__(self) -> None:
        self.asked = False
        self._home = os.getpid()
        self._running = False

    def __enter__(self) -> Termination:
        self._running = True
        main = threading.current_thread() is threading.main_thread()
        if main and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            signal.signal(signal.SIGTERM, self._come)
        return self

    def __exit__(self, *error: object) -> None:
        self._running = False

    def _come(self, number: int, frame: FrameType | None) -> None:
        if self.asked or os.getpid() != self._home:
            self._end()
        self.asked = True
        if self._running:
            raise Terminated("SIGTERM")

    def finish(self) -> None:
        """End the process as SIGTERM does, if it was asked to end."""
        if self.asked and os.getpid() == self._home:
            self._end()

    def _end(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTERM)
