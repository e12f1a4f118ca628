"""Programs that run apart from the server, as the pages wait for them: jobs, and what comes of one.

job = ProgramJob(program).start()
job.wait(0.4)
job.heard            what it has printed so far
job.result           once it has ended: its outcome, and its graphs where it was recorded
"""

from __future__ import annotations

import tempfile
import threading
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

import inspector
from inspector.language import sentence
from inspector.records import Recording
from inspector.render.pairs import PairBook
from inspector_app import sandbox
from inspector_app.jobs import Job
from inspector_app.runs import Run
from inspector_app.sandbox import Outcome, Program

PATIENCE = 0.4
"""Seconds that a page waits for a program before it says that it waits."""

HEARD = 20_000
"""Characters of a running program's output that are kept to be shown, the last ones."""


@dataclass(frozen=True)
class Ran:
    """What came of a program: its outcome, and its graphs where it was recorded."""

    program: Program
    outcome: Outcome
    run: Run | None


class ProgramJob(Job[Program, Ran]):
    """One program: running, or ended with what came of it.

    Args:
        choice: the program.

    Attributes:
        heard: what it has printed so far, the end of it.
        apart: whether it must not run where a wall of the sandbox is missing.

    `stop` lets the program write what it recorded until then, which may take some seconds.
    """

    stopped_words = sentence("It was stopped before it began.")
    failed_words = sentence("This program could not be run: {error}")

    def __init__(self, choice: Program) -> None:
        super().__init__(choice)
        self.heard = ""
        self.apart = False
        self._drop = threading.Event()
        self._begun = time.monotonic()

    def drop(self) -> None:
        """End it at once: nothing of it is wanted any more."""
        self._drop.set()
        self.stop()

    @staticmethod
    def finished(choice: Program) -> Ran | None:
        """Nothing: who begins a job has looked before, and wants it to run."""
        return None

    def progress(self) -> tuple[float, str]:
        """How far is not known; how many seconds ago it was begun is."""
        return 0.0, f"{time.monotonic() - self._begun:.0f} s"

    def _turn(self) -> AbstractContextManager[Any]:
        return nullcontext()  # the sandbox has its own queue

    def _hear(self, text: str) -> None:
        self.heard = (self.heard + text)[-HEARD:]

    def _make(self) -> Ran:
        outcome = sandbox.run(
            self.choice, stop=self._stop, heard=self._hear, apart=self.apart, drop=self._drop
        )
        return Ran(self.choice, outcome, _graphs(outcome))


def _graphs(outcome: Outcome) -> Run | None:
    """The recording beside its TorchScript, if there is a recording."""
    recording, static = outcome.recording, outcome.static
    if recording is None:
        return None
    overlay = outcome.overlay
    # A loaded archive runs as one op: the recording does not tell which of its nodes ran.
    if static is not None and static.kind != "loaded":
        overlay = inspector.overlay(static, recording)
    return Run(recording, static, overlay, outcome.static_reason)


def pair_of(a: Ran, b: Ran, names: tuple[str, str]) -> PairBook:
    """Two runs in one picture, by the names of their inputs."""
    assert a.run is not None
    assert b.run is not None
    return _pair((id(a.run), id(b.run), names), a.run, b.run)


@st.cache_resource(max_entries=24, show_spinner=False)
def _pair(key: tuple[int, int, tuple[str, str]], _a: Run, _b: Run) -> PairBook:
    """By the runs' ids: what is kept here keeps the runs alive, so no others get these."""
    return PairBook(_a.book, _b.book, key[2])


def file_of(recording: Recording) -> bytes:
    """A recording as the bytes of its file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "recording.inspect"
        recording.save(path)
        return path.read_bytes()
