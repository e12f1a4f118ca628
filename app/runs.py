"""Running a sample once per input, shared by all sessions of the server."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from functools import cached_property

import streamlit as st

import inspector
import sample_models
from inspector.errors import ScriptError
from inspector.records import Overlay, Recording, StaticGraph
from inspector.render.answers import Book

WITH_VALUES = inspector.CaptureOptions(values="full", value_budget_mb=16)
"""So that a sample's tensors can be looked at number by number. The largest sample has 0.2 MB of
them, and recording takes as long as with statistics alone."""

one_at_a_time = threading.Lock()
"""A process can run one recording at a time; sessions wait for each other here."""

_OF_OTHER_THREADS = "a recording sees the thread that opens it"
"""Each note says it that tells what other threads did, and nothing of what was recorded."""


@dataclass(frozen=True)
class Run:
    """One sample on one input, with its IR.

    `reason` says in plain words why there is no script (then `static` is the trace), or why
    there is no IR at all.
    """

    recording: Recording
    static: StaticGraph | None
    overlay: Overlay | None
    reason: str
    reason_detail: str = ""

    @cached_property
    def book(self) -> Book:
        """What a workbench asks about it; made once for all sessions."""
        return Book(self.recording, self.static, self.overlay, self.reason)


@st.cache_resource(max_entries=64, show_spinner="Running the model and reading its graphs …")
def run_sample(name: str, input_name: str, prefer: str) -> Run:
    """Record a sample and read its IR.

    Args:
        name: of the sample.
        input_name: one of its inputs.
        prefer: "script" or "trace"; a model that cannot script gets its trace.
    """
    sample = sample_models.get(name)
    arguments = sample.inputs[input_name].make()
    with one_at_a_time:
        recording = inspector.record(
            sample.build(), *arguments, loss=sample.loss, options=WITH_VALUES
        )
        static, reason, detail = _static(sample, input_name, prefer)
    overlay = None if static is None else inspector.overlay(static, recording)
    return Run(without_others(recording), static, overlay, reason, detail)


def without_others(recording: Recording) -> Recording:
    """Without the notes about other threads: on a server those are other people's pages."""
    kept = (note for note in recording.notes if _OF_OTHER_THREADS not in note)
    return replace(recording, notes=tuple(kept))


def _static(
    sample: sample_models.Sample, input_name: str, prefer: str
) -> tuple[StaticGraph | None, str, str]:
    """The script, else the trace, else nothing; and why."""
    target = sample.static(sample.build())
    reason, detail = "", ""
    if prefer == "script":
        try:
            return inspector.script(target), "", ""
        except ScriptError as error:
            reason, detail = str(error), error.detail
    arguments = sample.static_inputs(sample.inputs[input_name].make())
    try:
        return inspector.trace(target, *arguments), reason, detail
    except ScriptError as error:
        reasons = [text for text in (reason, str(error)) if text]
        return None, " ".join(reasons), detail or error.detail
