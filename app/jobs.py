"""A job: long work on a thread of its own, so that the page can say how far it is.

    class Sweep(Job[Choice, Swept]):      what is chosen, what comes out
        ...
    job = Sweep(choice).start()           waits for its turn, then works
    job.wait(1.5)                         most take no longer
    job.result, job.reason                once it has ended: what came out, or why nothing did

Recordings run one at a time for the whole server (`runs.one_at_a_time`), those of jobs, too.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from typing import Any, ClassVar, Generic, Self, TypeVar

from inspector.errors import InspectorError
from inspector.language import Sentence
from inspector_app.phrases import reason_of
from inspector_app.runs import one_at_a_time

C = TypeVar("C")
R = TypeVar("R")


class Job(ABC, Generic[C, R]):
    """The work on one choice: waiting, running, or ended with a result or a reason.

    Attributes:
        choice: what to work on.
        waiting: for its turn.
        result: what came out; None before the end, and where there is a reason.
        reason: in words, why nothing did: a text of the library, which each page tells.
    """

    stopped_words: ClassVar[str]
    """The reason where it was stopped before its turn: a text of the library."""
    failed_words: ClassVar[str]
    """The reason where anything unforeseen was raised, with a place for the `{error}`."""

    def __init__(self, choice: C) -> None:
        self.choice = choice
        self.waiting = True
        self.result: R | None = None
        self.reason = ""
        self._ended = threading.Event()
        self._stop = threading.Event()

    @staticmethod
    @abstractmethod
    def finished(choice: C) -> R | None:
        """What came out of this choice, if somebody's job ran to its end and it is kept."""

    @abstractmethod
    def progress(self) -> tuple[float, str]:
        """How far it is, 0 to 1, and in words; asked for once it has its turn."""

    @abstractmethod
    def _make(self) -> R:
        """Do the work; ends early when `_stop` is set. Raises what the page is to hear of."""

    def _turn(self) -> AbstractContextManager[Any]:
        """What it waits for, and holds while it works."""
        return one_at_a_time

    @property
    def ended(self) -> bool:
        """Whether there is nothing more to wait for."""
        return self._ended.is_set()

    def start(self) -> Self:
        """Begin, on a thread; returns at once."""
        threading.Thread(target=self._work, name=type(self).__name__, daemon=True).start()
        return self

    def refuse(self, reason: str) -> None:
        """End it before it began: `reason`, a text of the library, says why."""
        self.reason = reason
        self._ended.set()

    def wait(self, seconds: float) -> bool:
        """Wait for the end, so long at most; whether it has ended."""
        return self._ended.wait(seconds)

    def stop(self) -> None:
        """End it after the step it is in; what was done so far is its result."""
        self._stop.set()

    def _work(self) -> None:
        try:
            with self._turn():
                self.waiting = False
                self.result = self.finished(self.choice)
                if self.result is None and self._stop.is_set():
                    self.reason = self.stopped_words
                elif self.result is None:
                    self.result = self._make()
        except InspectorError as error:
            self.reason = reason_of(error)
        except Exception as error:  # whatever it is, the page has to hear of it
            self.reason = Sentence((str(self.failed_words),), {"error": str(error)})
        finally:
            self._ended.set()
