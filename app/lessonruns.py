"""Programs of lessons: what is known of them at once, all else in a process, on a thread.

    ran = known(program)                     what came of a lesson's own program before
    job = begin(program, shared=True)        else it runs, once for all sessions that want it
    job.wait(0.4)

A lesson's own programs are the same for all sessions: what they gave is kept by their text. A
program that a viewer edited is that session's own.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import streamlit as st

import inspector
from inspector.language import sentence
from inspector.render.memory import Memory
from inspector.render.pairs import PairBook
from inspector_app import sandbox
from inspector_app.jobs import Job
from inspector_app.runs import Run
from inspector_app.sandbox import Outcome, Program
from inspector_app.teaching.lesson import Code

KEPT = 64
"""Programs of lessons of which is kept what they gave, for all sessions together."""

HEARD = 20_000
"""Characters of a running program's output that are kept to be shown, the last ones."""

_LONGEST = 120.0
"""Seconds to wait for a program that nobody looks at, with its own wait for a turn."""

_REPEATABLE = ("done", "failed")
"""The program ended by itself; how else it may end depends on the machine: not kept for others."""

_preparing = threading.Lock()
_starting = threading.Lock()


@dataclass(frozen=True)
class Ran:
    """What came of a program: its outcome, and its graphs where it was recorded."""

    program: Program
    outcome: Outcome
    run: Run | None


class LessonJob(Job[Program, Ran]):
    """One program: running, or ended with what came of it.

    Args:
        choice: the program.
        shared: whether several sessions may wait for it, and what comes of it is kept for all.

    Attributes:
        wanted: how many wait for it.
        heard: what it has printed so far, the end of it.
    """

    stopped_words = sentence("It was stopped before it began.")
    failed_words = sentence("This program could not be run: {error}")

    def __init__(self, choice: Program, *, shared: bool) -> None:
        super().__init__(choice)
        self.shared = shared
        self.wanted = 1
        self.heard = ""
        self._begun = time.monotonic()

    @staticmethod
    def finished(choice: Program) -> Ran | None:
        """Nothing: who begins a job has looked before, and wants it to run."""
        return None

    def progress(self) -> tuple[float, str]:
        """How far is not known; how many seconds ago it was begun is."""
        return 0.0, f"{time.monotonic() - self._begun:.0f} s"

    def give_up(self) -> None:
        """Wait for it no longer; where nobody does, it is stopped."""
        with _starting:
            self.wanted -= 1
            if self.wanted <= 0:
                self.stop()

    def _turn(self) -> AbstractContextManager[Any]:
        return nullcontext()  # the sandbox has its own queue

    def _hear(self, text: str) -> None:
        self.heard = (self.heard + text)[-HEARD:]

    def _make(self) -> Ran:
        outcome = sandbox.run(self.choice, stop=self._stop, heard=self._hear)
        ran = Ran(self.choice, outcome, _graphs(outcome))
        if self.shared and outcome.ended in _REPEATABLE:
            _kept().runs.put(self.choice, ran)
        return ran


class _Kept:
    """Of all sessions: what programs gave, and those that run."""

    def __init__(self) -> None:
        self.runs: Memory[Program, Ran] = Memory(KEPT, lambda _: 1)
        self.jobs: dict[Program, LessonJob] = {}


@st.cache_resource(show_spinner=False)
def _kept() -> _Kept:
    return _Kept()


def known(program: Program) -> Ran | None:
    """What came of a lesson's own program, if it is kept."""
    return _kept().runs.get(program)


def program_of(code: Code, given: str | None, text: str | None = None) -> Program:
    """What is run of a code.

    Args:
        code: of a lesson.
        given: the name of one of its inputs; None for a code without.
        text: what stands in the place of its own.

    Raises:
        ValueError: the text is too long.
    """
    return Program(
        source=code.source if text is None else text,
        name=code.name,
        before=code.before(given),
        script=code.script,
        trace=code.trace,
        plain=code.plain,
        values="full" if code.full else "stats",
        kernels=code.kernels,
    )


def begin(program: Program, *, shared: bool) -> LessonJob:
    """Run a program on a thread; one that runs already for another session is waited for."""
    if not shared:
        return LessonJob(program, shared=False).start()
    jobs = _kept().jobs
    with _starting:
        for ended in [one for one, job in jobs.items() if job.ended or job.wanted <= 0]:
            del jobs[ended]
        job = jobs.get(program)
        if job is not None:
            job.wanted += 1
            return job
        job = jobs[program] = LessonJob(program, shared=True)
    return job.start()


def ran_at_last(program: Program) -> Ran | None:
    """What came of a lesson's own program, which is run if that is not known; None if it cannot."""
    found = known(program)
    if found is None:
        job = begin(program, shared=True)
        job.wait(_LONGEST)
        found = job.result
    return found


def prepare(programs: Sequence[Program]) -> None:
    """Run programs that will be asked for next, on a thread: one at a time for the whole server.

    What is prepared already goes on; these are left for another time then.
    """
    wanted = [one for one in programs if known(one) is None]
    if wanted and not _preparing.locked():
        threading.Thread(target=_prepare, args=(wanted,), name="prepare", daemon=True).start()


def _prepare(programs: Sequence[Program]) -> None:
    with _preparing:
        for program in programs:
            ran_at_last(program)


def _graphs(outcome: Outcome) -> Run | None:
    """The recording beside its TorchScript, if there is a recording."""
    recording, static = outcome.recording, outcome.static
    if recording is None:
        return None
    overlay = None if static is None else inspector.overlay(static, recording)
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
