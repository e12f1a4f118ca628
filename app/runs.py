"""Running a sample once per input, shared by all sessions of the server."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import streamlit as st

import inspector
import sample_models
from inspector.capture.given import inputs_of
from inspector.errors import ScriptError
from inspector.language import sentence, sentences
from inspector.records import Overlay, Recording, StaticGraph
from inspector.render.answers import Book
from inspector.render.memory import Memory
from inspector_app.phrases import named, reason_of, working

WITH_VALUES = inspector.CaptureOptions(values="full", value_budget_mb=16)
"""So that a sample's tensors can be looked at number by number. The largest sample has 0.2 MB of
them, and recording takes as long as with statistics alone."""

CUSTOM = "custom"
"""In the place of an input's name: the values of the sample's controls make the input."""

one_at_a_time = threading.Lock()
"""A process can run one recording at a time; sessions wait for each other here."""

_KEPT = 64
_OF_OTHER_THREADS = "a recording sees the thread that opens it"
"""Each note says it that tells what other threads did, and nothing of what was recorded."""


@dataclass(frozen=True)
class Order:
    """What to run: a sample on an input, and which IR to put beside it.

    Attributes:
        sample, input: names; `CUSTOM` for an input that the sample's controls make.
        prefer: "script" or "trace"; a model that cannot script gets its trace.
        written: the controls' values as text; what tells one such input from another.
        values: the same, for the sample's `given`.
        words: the input in words; "" for its name.
    """

    sample: str
    input: str
    prefer: str = "script"
    written: tuple[tuple[str, str], ...] = ()
    values: Mapping[str, Any] = field(default_factory=dict, compare=False)
    words: str = field(default="", compare=False)

    @property
    def title(self) -> str:
        """The input in words of the library."""
        return self.words or named(self.input)

    def arguments(self) -> tuple[Any, ...]:
        """What the model is called with, made afresh.

        Raises:
            InspectorError: the sample cannot use the values.
        """
        sample = sample_models.get(self.sample)
        if self.input != CUSTOM:
            return sample.inputs[self.input].make()
        assert sample.given is not None
        return inputs_of(sample.given, self.values)


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


@working(sentence("Running the model and reading its graphs …"))
@st.cache_resource(max_entries=_KEPT, show_spinner=False)
def run_sample(name: str, input_name: str, prefer: str) -> Run:
    """Record a sample and read its IR.

    Args:
        name: of the sample.
        input_name: one of its inputs.
        prefer: "script" or "trace"; a model that cannot script gets its trace.
    """
    order = Order(name, input_name, prefer)
    with one_at_a_time:
        return known(order) or record_order(order)


class _Kept:
    """Runs by orders; scripts by sample, or why there is none."""

    def __init__(self) -> None:
        self.runs: Memory[Order, Run] = Memory(_KEPT, lambda _: 1)
        self.scripts: dict[str, StaticGraph | ScriptError] = {}


@st.cache_resource(show_spinner=False)
def _kept() -> _Kept:
    """The runs of all sessions."""
    return _Kept()


def known(order: Order) -> Run | None:
    """The run of an order, if it was made before and is kept."""
    return _kept().runs.get(order)


def record_order(order: Order) -> Run:
    """Run an order and keep the run; the caller holds `one_at_a_time`.

    Raises:
        InspectorError: the sample cannot use the values. What the model raises is the
            recording's failure.
    """
    sample = sample_models.get(order.sample)
    recording = inspector.record(
        sample.build(), *order.arguments(), loss=sample.loss, options=WITH_VALUES
    )
    static, reason, detail = _static(sample, order)
    overlay = None if static is None else inspector.overlay(static, recording)
    run = Run(without_others(recording), static, overlay, reason, detail)
    _kept().runs.put(order, run)
    return run


def without_others(recording: Recording) -> Recording:
    """Without the notes about other threads: on a server those are other people's pages."""
    kept = (note for note in recording.notes if _OF_OTHER_THREADS not in note)
    return replace(recording, notes=tuple(kept))


def _static(sample: sample_models.Sample, order: Order) -> tuple[StaticGraph | None, str, str]:
    """The script, else the trace, else nothing; and why."""
    reason, detail = "", ""
    if order.prefer == "script":
        script = _script(sample)
        if not isinstance(script, ScriptError):
            return script, "", ""
        reason, detail = reason_of(script), script.detail
    arguments = sample.static_inputs(order.arguments())
    try:
        return inspector.trace(sample.static(sample.build()), *arguments), reason, detail
    except ScriptError as error:
        return None, sentences(reason, reason_of(error)), detail or error.detail


def _script(sample: sample_models.Sample) -> StaticGraph | ScriptError:
    """The script is the same for all inputs: it is made once, which takes as long as some runs."""
    scripts = _kept().scripts
    if sample.name not in scripts:
        try:
            scripts[sample.name] = inspector.script(sample.static(sample.build()))
        except ScriptError as error:
            scripts[sample.name] = error
    return scripts[sample.name]
