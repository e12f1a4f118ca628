"""SIGTERM (from `kill`, `timeout`, `torchrun`, a scheduler) ends a program so that its recording is
still written.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType, TracebackType
from typing import Any

from inspector.capture.gates import Replaced, Replacement


class Terminated(BaseException):
    """The process was asked to end. A recording's failure; never raised in the program."""


class Termination:
    """Stands in for the default action of SIGTERM while a program runs: a few last words first.

    As with the default action, no `except` or `finally` of the program runs. It finds the handlers
    that it finds without us, and one of its own takes our place. A second SIGTERM ends the process
    at once, and so does the first one in a child that the program forks.
    """

    def __init__(self) -> None:
        self.last_words: Callable[[Terminated], None] = lambda error: None
        """Called before the process ends, with what would have been raised."""
        self._home = os.getpid()
        self._asked: Terminated | None = None
        self._held = 0
        self._get, self._set = signal.getsignal, signal.signal
        self._hidden = Replaced(
            (
                Replacement(signal, "getsignal", self._seen),
                Replacement(signal, "signal", self._put),
            )
        )

    def __enter__(self) -> Termination:
        main = threading.current_thread() is threading.main_thread()
        if main and self._get(signal.SIGTERM) is signal.SIG_DFL:
            self._set(signal.SIGTERM, self._come)
            self._hidden.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._held += 1  # until `finish`

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Let the end wait for that of this block."""
        self._held += 1
        try:
            yield
        finally:
            self._held -= 1
            if self._asked is not None and not self._held:
                self._go(self._asked)

    def finish(self) -> None:
        """End the process if it was asked to end; else SIGTERM is as it was before."""
        if self._asked is not None and self._at_home:
            self._end()
        self._hidden.__exit__()
        if self._is_ours(self._get(signal.SIGTERM)):
            self._set(signal.SIGTERM, signal.SIG_DFL)

    @property
    def _at_home(self) -> bool:
        return os.getpid() == self._home

    def _come(self, number: int, frame: FrameType | None) -> None:
        if self._asked is not None or not self._at_home:
            self._end()
            return  # the first process of a container outlives a signal without a handler
        self._asked = Terminated("SIGTERM").with_traceback(_as_raised_in(frame))
        if not self._held:
            self._go(self._asked)

    def _go(self, error: Terminated) -> None:
        try:
            self.last_words(error)
        finally:
            self._end()

    def _end(self) -> None:
        # What the program has printed but not flushed is lost, as by the default action: a flush
        # in the middle of a `print` fails, too.
        self._set(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTERM)

    # -- what the program sees --------------------------------------------------------------------

    def _is_ours(self, handler: object) -> bool:
        return handler == self._come

    def _seen(self, number: int) -> Any:
        handler = self._get(number)
        return signal.SIG_DFL if self._is_ours(handler) else handler

    def _put(self, number: int, handler: Any) -> Any:
        if number == signal.SIGTERM and handler == signal.SIG_DFL and self._at_home:
            handler = self._come
        before = self._set(number, handler)
        return signal.SIG_DFL if self._is_ours(before) else before


def _as_raised_in(frame: FrameType | None) -> TracebackType | None:
    """The traceback of an exception that a frame raises now."""
    traceback: TracebackType | None = None
    while frame is not None:
        traceback = TracebackType(traceback, frame, frame.f_lasti, frame.f_lineno)
        frame = frame.f_back
    return traceback
