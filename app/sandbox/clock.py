"""Ends a program when its time is over, or when it is to stop: by an exception in its own code.

The recording is then what ran until there. What does not let itself be ended so is killed later on,
from outside (`keeper`).
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from types import FrameType
from typing import Any

import inspector
from inspector_app.sandbox.failures import Over, ProcessorLimit, Stopped, TimeLimit

_RING_SECONDS = 0.02
_PATIENCE_SECONDS = 2.0
_INSPECTOR = os.path.dirname(os.path.abspath(inspector.__file__)) + os.sep


class Clock:
    """The clock of one program.

    Args:
        seconds: that the program has.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._names: dict[str, Any] = {}
        self._until = 0.0
        self._over: type[Over] = TimeLimit
        self._waits = False

    def start(self, names: dict[str, Any]) -> None:
        """Begin to count, and to listen.

        Args:
            names: of the program, by which its own code is known.
        """
        self._names = names
        self._until = time.monotonic() + self._seconds
        if sys.platform != "win32":
            signal.signal(signal.SIGALRM, self._ring)
            signal.setitimer(signal.ITIMER_REAL, self._seconds, _RING_SECONDS)
            signal.signal(signal.SIGINT, self._interrupt)
            signal.signal(signal.SIGXCPU, self._interrupt)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})

    def stop(self) -> None:
        """Nothing is raised any more."""
        if sys.platform != "win32":
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.signal(signal.SIGXCPU, signal.SIG_IGN)

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """Raise also where it is not the program's code that runs, but what is waited for."""
        self._waits = True
        try:
            yield
        finally:
            self._waits = False

    def join_threads(self) -> Over | None:
        """Wait for threads as Python does at a program's end; what was raised meanwhile."""
        try:
            with self.waiting():
                # Private, but what Python calls itself: it also ends the threads of open executors.
                vars(threading)["_shutdown"]()
        except Over as error:
            return error
        return None

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        """It is to stop, or has kept processors busy for too long: its time is over now."""
        self._over = Stopped if number == signal.SIGINT else ProcessorLimit
        self._until = min(self._until, time.monotonic())
        signal.setitimer(signal.ITIMER_REAL, _RING_SECONDS, _RING_SECONDS)

    def _ring(self, number: int, frame: FrameType | None) -> None:
        """Raise in the program; if that can wait, not in the recorder's code that it called."""
        if not self._waits and not self._is_running(frame):
            return
        inside = frame is not None and frame.f_code.co_filename.startswith(_INSPECTOR)
        if not inside or time.monotonic() > self._until + _PATIENCE_SECONDS:
            self._waits = False
            signal.setitimer(signal.ITIMER_REAL, _PATIENCE_SECONDS, _RING_SECONDS)
            raise self._over(self._words())

    def _words(self) -> str:
        if self._over is TimeLimit:
            return f"The program's {self._seconds:g} seconds were over."
        if self._over is ProcessorLimit:
            return "The program's time of processors was over."
        return "The program was stopped."

    def _is_running(self, frame: FrameType | None) -> bool:
        """Whether the program's own code is being run, and not what comes after it."""
        while frame is not None:
            if frame.f_globals is self._names:
                return True
            frame = frame.f_back
        return False
