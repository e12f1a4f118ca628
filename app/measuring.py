"""Measurements in the background, one at a time for the whole server.

Each runs in a process of its own (`measuring_worker`): there it waits for no recording and holds
none up, other threads do not take part in its time, and it can be stopped. Two at once would slow
each other down, so they queue.
"""

from __future__ import annotations

import pickle
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from inspector.language import sentence
from inspector.stages import BatchTiming, Timing
from inspector_app.subject import COMPILE_SECONDS, Order

_turn = threading.Condition()
_jobs: list[Job] = []
"""All that are not finished, in the order of their asking; only the first one runs."""

_START_SECONDS = 4.0
"""About what a process needs to import torch."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What came out, and when. `sweep_reason` says why there is no sweep."""

    order: Order
    timing: Timing
    sweep: BatchTiming | None
    sweep_reason: str
    when: datetime


class Job:
    """One measurement: waiting, running, or finished with a result or a reason.

    The reason is a text of the library, which each page tells.
    """

    def __init__(self, order: Order, limit: float | None = None) -> None:
        self.order = order
        self.limit = _limit(order) if limit is None else limit
        self.phase = "waiting"
        self.result: Measured | None = None
        self.reason = ""
        self._started: float | None = None
        self._cancelled = False
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def finished(self) -> bool:
        """Whether there is nothing more to wait for."""
        return self.phase == "finished"

    @property
    def seconds(self) -> float:
        """How long it has been running."""
        return 0.0 if self._started is None else time.monotonic() - self._started

    @property
    def expected(self) -> float:
        """About how many seconds it takes in all: the timed calls, and what comes before them."""
        order = self.order
        sweep = 2.0 * order.seconds + 1.0 if order.sizes else 0.0
        return _START_SECONDS + 2.0 * order.seconds + sweep + (15.0 if order.compiled else 0.0)

    def ahead(self) -> int:
        """How many measurements come before this one."""
        with _turn:
            return _jobs.index(self) if self in _jobs else 0

    def cancel(self) -> None:
        """Stop it, or leave the queue."""
        with _turn:
            self._cancelled = True
            self.reason = sentence("The measurement was stopped.")
            if self._process is not None:
                self._process.kill()
            _turn.notify_all()

    def start(self) -> Job:
        """Queue it; returns at once."""
        with _turn:
            _jobs.append(self)
        threading.Thread(target=self._work, name="measuring", daemon=True).start()
        return self

    def _work(self) -> None:
        with _turn:
            _turn.wait_for(lambda: self._cancelled or _jobs[0] is self)
        try:
            if not self._cancelled:
                self._run()
        except Exception as error:  # whatever it is, the page has to hear of it
            self.reason = sentence("The measurement failed: {error}", error=str(error))
        finally:
            with _turn:
                self.phase = "finished"
                _jobs.remove(self)
                _turn.notify_all()

    def _run(self) -> None:
        self._started = time.monotonic()
        self.phase = "starting"
        with tempfile.TemporaryFile() as complaints:
            with _turn:  # a cancel comes before the process is there, or finds it
                self._process = process = subprocess.Popen(
                    [sys.executable, "-m", "inspector_app.measuring_worker"],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=complaints,
                )
                if self._cancelled:
                    process.kill()
            timer = threading.Timer(self.limit, self._out_of_time)
            timer.start()
            try:
                self._listen(process)
            except (EOFError, pickle.UnpicklingError, BrokenPipeError):
                complaints.seek(0)
                self.reason = self.reason or _ended(complaints.read())
            finally:
                timer.cancel()
                _close(process)

    def _listen(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        pickle.dump(self.order, process.stdin)
        process.stdin.close()
        while self.result is None:
            kind, value = pickle.load(process.stdout)
            if kind == "phase":
                self.phase = value
            else:
                timing, sweep, reason = value
                self.result = Measured(self.order, timing, sweep, reason, datetime.now(UTC))

    def _out_of_time(self) -> None:
        self.reason = sentence(
            "The measurement took longer than {seconds:.0f} s and was stopped. Choose a smaller "
            "time budget, or leave out torch.compile and the batch sizes.",
            seconds=self.limit,
        )
        if self._process is not None:
            self._process.kill()


def _limit(order: Order) -> float:
    """Seconds after which something must be wrong."""
    return 90.0 + 6.0 * order.seconds + (COMPILE_SECONDS + 30.0 if order.compiled else 0.0)


def _close(process: subprocess.Popen[bytes]) -> None:
    with suppress(subprocess.TimeoutExpired):
        process.wait(5.0)
    if process.poll() is None:
        process.kill()
        process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(OSError):
                pipe.close()


def _ended(complaints: bytes) -> str:
    lines: list[Any] = complaints.decode("utf-8", "replace").strip().splitlines()
    if not lines:
        return sentence("The process that measures ended without a word. Measure again.")
    line = lines[-1].strip()
    return sentence("The process that measures ended: {line} Measure again.", line=line)
