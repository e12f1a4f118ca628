"""What the page “Deploy” needs done, each once per model and input, shared by all sessions.

Work on a model runs one at a time and never beside a recording: a process has one set of global
hooks, warning filters and random generators.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import streamlit as st

import inspector
from inspector.errors import InspectorError, ScriptError
from inspector.exported import Export
from inspector.language import sentence
from inspector.records import StaticGraph
from inspector.stages import ModelFacts, Stage
from inspector_app.phrases import named, reason_of, working
from inspector_app.runs import one_at_a_time
from inspector_app.subject import Subject

EXPORTS: dict[str, Callable[[Subject, str], Export]] = {
    "pt": lambda subject, way: inspector.save_torchscript(*subject.made(), way=_asked(way)),
    "code": lambda subject, way: inspector.torchscript_code(*subject.made(), way=_asked(way)),
    "ir": lambda subject, way: inspector.torchscript_ir(*subject.made(), way=_asked(way)),
    "onnx": lambda subject, _: inspector.export_onnx(*subject.made()),
    "program": lambda subject, _: inspector.export_program(*subject.made()),
}
"""What can be taken away, by the name that the page gives it."""


def _asked(way: str) -> str:
    """A script falls back to the trace, with a note why; a trace is a trace."""
    return "" if way == "script" else way


@working(sentence("Optimising the graph step by step …"))
@st.cache_resource(max_entries=64, show_spinner=False)
def stages_of(subject: Subject, way: str) -> tuple[Stage, ...]:
    """The five stages of a model's graph, each compared with the one before.

    Raises:
        InspectorError: the model or its input cannot be made.
    """
    with one_at_a_time:
        model, args = subject.made()
        return inspector.optimisation_stages(model, *args, how=way)


@working(sentence("Writing and checking it …"))
@st.cache_resource(max_entries=64, show_spinner=False)
def export_of(subject: Subject, way: str, kind: str) -> Export:
    """One thing to take away, checked; its `failure` says why there is none."""
    with one_at_a_time:
        return EXPORTS[kind](subject, way)


@working(sentence("Finding out what decides …"))
@st.cache_resource(max_entries=64, show_spinner=False)
def facts_of(subject: Subject) -> ModelFacts:
    """What can be found out without measuring: what scripts, traces, steers, and runs apart.

    The trace of the chosen input is held against a run of each other input of the sample.
    """
    with one_at_a_time:
        model, args = subject.made()
        script = _graph_or_reason(lambda: inspector.script(model))
        trace = _graph_or_reason(lambda: inspector.trace(model, *args))
        recording = inspector.record(model, *args)
    facts = inspector.model_facts(
        type(model).__name__ if not hasattr(model, "__name__") else model.__name__,
        script=script,
        trace=trace,
        recording=recording,
    )
    return facts if isinstance(trace, str) else _parting(facts, trace, subject)


def _graph_or_reason(make: Callable[[], StaticGraph]) -> StaticGraph | str:
    try:
        return make()
    except ScriptError as error:
        return reason_of(error)


def _parting(facts: ModelFacts, trace: StaticGraph, subject: Subject) -> ModelFacts:
    """The facts with the first place where the trace and another input's run part."""
    for other in subject.other_inputs():
        try:
            with one_at_a_time:
                model, args = other.made()
                recording = inspector.record(model, *args)
            found = inspector.overlay(trace, recording).first_divergence
        except InspectorError:  # then nothing is known of this input
            continue
        if found is not None:
            said = sentence(
                "the trace was taken with the input “{one}”, the run had “{other}”. {reason}",
                one=named(subject.input),
                other=named(other.input),
                reason=found.reason,
            )
            return replace(facts, divergence=said, divergence_source=found.source)
    return facts
