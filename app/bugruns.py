"""The runs of a bug, buggy and fixed: made once, in the background, and shared by all sessions."""

from __future__ import annotations

import contextlib
import inspect
import linecache
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import streamlit as st

import inspector
from inspector.findings import findings
from inspector.found import Finding
from inspector.language import sentence
from inspector.records import Recording
from inspector.render.answers import Book
from inspector.render.memory import Memory
from inspector.render.once import once
from inspector_app.bugcode import ENTRY, Program, both_programs
from inspector_app.jobs import Job
from inspector_app.pairruns import Pair
from inspector_app.phrases import say
from inspector_app.runs import Run, without_others
from sample_models.bugs import Bug, bugs

_KEPT = 12
"""Bugs whose runs are kept; each takes well under a second."""

_NUMBERS = 8
"""Of a returned tensor at most; of a larger one its shape is told."""

_PARTS = 4
"""Of a returned tuple at most."""

_BESIDE = sentence("There is no TorchScript beside the runs of a bug.")
NAMES = (sentence("buggy"), sentence("fixed"))

Probe = Callable[[Mapping[str, Any]], tuple[Finding, ...]]

PROBES: Mapping[str, Probe] = {
    "batch_mixed": lambda names: inspector.probe_batch_mixing(
        names["program_model"](), *names["arguments"]()
    ),
    "wrong_backward": lambda names: inspector.probe_gradients(
        names["wrong"], *names["arguments"]()
    ),
}
"""What no single run shows: the bugs for which a model has to be run again, and how it is done
with the names that the buggy program defines."""


class _BugBook(Book):
    """A run in whose findings are those of a probe, too."""

    def __init__(self, recording: Recording, probed: tuple[Finding, ...]) -> None:
        super().__init__(recording, static_reason=_BESIDE)
        self._probed = probed

    @once
    def findings(self) -> tuple[Finding, ...]:
        """What is wrong in the run."""
        return findings(self.recording, probes=self._probed)


@dataclass(frozen=True)
class BugRun(Run):
    """One program of a bug after its run.

    Attributes:
        program: its text.
        probed: what a probe found of it.
    """

    program: Program = field(default_factory=lambda: Program("", {}))
    probed: tuple[Finding, ...] = ()

    @cached_property
    def book(self) -> Book:
        """What a workbench asks about it; made once for all sessions."""
        return _BugBook(self.recording, self.probed)


@dataclass(frozen=True)
class BugRuns:
    """Both programs of a bug.

    Attributes:
        bug: whose.
        pair: its runs, buggy and fixed.
        finding: what its rule says of the buggy one.
    """

    bug: Bug
    pair: Pair
    buggy: BugRun
    fixed: BugRun
    finding: Finding | None


@st.cache_resource(show_spinner=False)
def _kept() -> Memory[str, BugRuns]:
    """The runs of all sessions."""
    return Memory(_KEPT, lambda _: 1)


class BugJob(Job[str, BugRuns]):
    """Running both programs of a bug; the choice is its name."""

    stopped_words = sentence("It was stopped before it began.")
    failed_words = sentence("The two programs could not be run: {error}")

    @staticmethod
    def finished(choice: str) -> BugRuns | None:
        """The runs of this bug, if they are kept."""
        return _kept().get(choice)

    def progress(self) -> tuple[float, str]:
        """How far it is: not known, as it soon ends."""
        return 0.5, say("Running the two programs …")

    def _make(self) -> BugRuns:
        bug = bug_named()[self.choice]
        programs = both_programs(source_of(bug))
        buggy, fixed = _run(bug, programs[0], PROBES.get(bug.name)), _run(bug, programs[1])
        told = next((one for one in buggy.book.findings if one.rule in bug.rules), None)
        made = BugRuns(bug, Pair(buggy, fixed, NAMES), buggy, fixed, told)
        _kept().put(self.choice, made)
        return made


def bug_named() -> dict[str, Bug]:
    """All bugs by name, in the order of their numbers."""
    return {bug.name: bug for bug in bugs().values()}


def source_of(bug: Bug) -> str:
    """The text of the file in which a bug stands."""
    return inspect.getsource(sys.modules[bug.buggy.__module__])


def _run(bug: Bug, program: Program, probe: Probe | None = None) -> BugRun:
    """Record a program; what it raises is the recording's failure."""
    file = f"bug_{bug.number:02}_{bug.name}.py"
    options: dict[str, Any] = {"values": "full", "value_budget_mb": 16.0, **bug.options}
    names: dict[str, Any] = {"__name__": bug.name}
    with _in_memory(file, program.text), warnings.catch_warnings(record=True):
        warnings.simplefilter("default")  # as a script has them: they belong to what is seen
        exec(compile(program.text, file, "exec", dont_inherit=True), names)
        recording = inspector.record(names[ENTRY], options=inspector.CaptureOptions(**options))
        probed = () if probe is None else probe(names)
    recording = without_others(recording)
    placed = tuple(_placed(one, recording) for one in probed)
    return BugRun(recording, None, None, _BESIDE, program=program, probed=placed)


@contextlib.contextmanager
def _in_memory(file: str, text: str) -> Iterator[None]:
    """Have Python find the text of a file that is not on disk: TorchScript and we read it there."""
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    try:
        yield
    finally:
        linecache.cache.pop(file, None)


def _placed(finding: Finding, recording: Recording) -> Finding:
    """A probe's finding in the numbers of this run: a probe runs the model alone."""
    at = finding.source
    ops = tuple(
        op.id
        for op in recording.ops
        if at is not None
        and any(frame.line == at.line for frame in op.stack if frame.file == at.file)
    )
    return replace(finding, op=ops[0] if ops else None, tensor=None, related=ops[:1])


def returned(recording: Recording) -> str:
    """The tensors that a program returned, in figures: "" where it returned none, or failed."""
    told = [_tensor(recording, number) for number in recording.output[:_PARTS]]
    return "; ".join([*told, "…"] if len(recording.output) > _PARTS else told)


def _tensor(recording: Recording, number: int) -> str:
    values, info = recording.values.get(number), recording.tensors[number]
    if values is None or values.size > _NUMBERS:
        return f"{info.dtype}{list(info.shape)}"
    return _numbers(values.tolist())


def _numbers(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_numbers, value))}]"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
