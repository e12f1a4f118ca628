"""Programs of lessons: what is known of them at once, all else in a process, on a thread.

    ran = known(program)                     what came of a lesson's own program before
    job = begin(program, shared=True)        else it runs, once for all sessions that want it
    job.wait(0.4)

A lesson's own programs are the same for all sessions: what they gave is kept by their text. A
program that a viewer edited is that session's own.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

import streamlit as st

from inspector.render.memory import Memory
from inspector_app.classroom import started
from inspector_app.programs import ProgramJob, Ran
from inspector_app.sandbox import Program

KEPT = 64
"""Programs of lessons of which is kept what they gave, for all sessions together."""

_LONGEST = 120.0
"""Seconds to wait for a program that nobody looks at, with its own wait for a turn."""

_REPEATABLE = ("done", "failed")
"""The program ended by itself; how else it may end depends on the machine: not kept for others."""

_preparing = threading.Lock()
_starting = threading.Lock()


class LessonJob(ProgramJob):
    """One program: running, or ended with what came of it.

    Args:
        choice: the program.
        shared: whether several sessions may wait for it, and what comes of it is kept for all.

    Attributes:
        wanted: how many wait for it.
    """

    def __init__(self, choice: Program, *, shared: bool) -> None:
        super().__init__(choice)
        self.shared = shared
        self.wanted = 1

    def give_up(self, *, keep: bool = False) -> None:
        """Wait for it no longer; where nobody does, it is ended.

        Args:
            keep: whether what it recorded until then is still wanted.
        """
        with _starting:
            self.wanted -= 1
            if self.wanted <= 0:
                (self.stop if keep else self.drop)()

    def _make(self) -> Ran:
        ran = super()._make()
        if self.shared and ran.outcome.ended in _REPEATABLE:
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


def begin(program: Program, *, shared: bool) -> LessonJob:
    """Run a program on a thread; one that runs already for another session is waited for."""
    if not shared:
        return started(LessonJob(program, shared=False))
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
