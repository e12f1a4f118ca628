"""Running a sample's TorchScript node by node, once, shared by all sessions of the server."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import streamlit as st

import inspector
import sample_models
from inspector.errors import InspectorError, ScriptError
from inspector.exported import ScriptablePart
from inspector.language import sentence
from inspector.records import Overlay, Recording, StaticGraph
from inspector.static_run import StaticRun
from inspector.torchscript.copies import copied_values
from inspector_app.phrases import reason_of, working
from inspector_app.runs import one_at_a_time, run_sample
from inspector_app.steps import Steps

MAX_STEPS = 50_000
MAX_VALUES = 10_000
MAX_VISITS = 200
MAX_CALLS = 64
"""Bounds of what one run keeps, so that the cache below stays within some hundred megabytes."""

MAX_EXECUTIONS = 500_000
"""Node executions after which a run ends: an endless loop must not hold the page for a minute."""


@dataclass(frozen=True)
class Refusal:
    """Why the compiler or the tracer gave no graph: in plain words, in its own, and its line."""

    message: str
    detail: str = ""
    file: str | None = None
    line: int | None = None


@dataclass(frozen=True)
class StaticWork:
    """One graph of a sample, and what an input ran of it.

    Attributes:
        recording: of the whole sample on this input.
        static: the graph; None where there is none, then `refusals` say why.
        overlay: what the recording ran of it, cross-checked with `runs` where there are any.
        runs: an interpretation of each call of the graph's module, in order.
        steps: the runs' steps, to walk through.
        problem: why there is no interpretation; "" where there is one.
        checked: whether the recording saw the calls that were interpreted. A sample that runs a
            compiled copy of its module shows none.
        refusals: of the compiler and of the tracer.
    """

    recording: Recording
    static: StaticGraph | None = None
    overlay: Overlay | None = None
    runs: tuple[StaticRun, ...] = ()
    steps: tuple[Steps, ...] = ()
    problem: str = ""
    checked: bool = True
    refusals: tuple[Refusal, ...] = field(default_factory=tuple)

    @property
    def interpreted(self) -> bool:
        """Whether the counts are those of an interpretation."""
        return self.overlay is not None and self.overlay.method.startswith("interpretation")


@working(sentence("Running the graph node by node …"))
@st.cache_resource(max_entries=16, show_spinner=False)
def static_work(name: str, input_name: str, kind: str, traced_with: str) -> StaticWork:
    """Make a sample's graph and run it node by node on one input.

    Args:
        name: of the sample.
        input_name: the input that runs.
        kind: "script" or "trace"; a model that does not script gets its trace.
        traced_with: the input that the trace is taken with.
    """
    sample = sample_models.get(name)
    recording = run_sample(name, input_name, "script").recording
    refusals: list[Refusal] = []
    with one_at_a_time:
        model = sample.build()
        target = sample.static(model)
        static = None
        if kind == "script" or not sample.scriptable:  # then for the reason
            static = _made(lambda: inspector.script(target), refusals)
        if static is None:
            given = sample.static_inputs(sample.inputs[traced_with].make())
            static = _made(lambda: inspector.trace(target, *given), refusals)
        if static is None:
            return StaticWork(recording, refusals=tuple(refusals))
        calls = _Calls(static)
        calls.watch(target, lambda: model(*sample.inputs[input_name].make()))
        if not calls.seen:  # a function, or the sample compiles its own copy of the module
            calls.run(sample.static_inputs(sample.inputs[input_name].make()), {})
    return _work(recording, static, calls, tuple(refusals))


@working(sentence("Compiling this part …"))
@st.cache_resource(max_entries=16, show_spinner=False)
def part_work(name: str, input_name: str, path: str) -> StaticWork:
    """The script of one submodule, with what the whole run's calls ran of it.

    Args:
        name: of the sample.
        input_name: the input that runs.
        path: of the submodule, below what the sample hands to TorchScript.
    """
    sample = sample_models.get(name)
    recording = run_sample(name, input_name, "script").recording
    refusals: list[Refusal] = []
    with one_at_a_time:
        model = sample.build()
        whole: Any = sample.static(model)
        part = whole.get_submodule(path)
        static = _made(lambda: inspector.script(part), refusals)
        if static is None:
            return StaticWork(recording, refusals=tuple(refusals))
        calls = _Calls(static)
        calls.watch(part, lambda: model(*sample.inputs[input_name].make()))
    return _work(recording, static, calls, tuple(refusals), _path_in(recording, path))


@working(sentence("Looking for parts that do script …"))
@st.cache_resource(max_entries=16, show_spinner=False)
def parts_that_script(name: str) -> tuple[ScriptablePart, ...]:
    """The largest submodules of a sample that script, and those that do not; see the library."""
    sample = sample_models.get(name)
    with one_at_a_time:
        target: Any = sample.static(sample.build())
        if not hasattr(target, "named_modules"):
            return ()
        return inspector.scriptable_parts(target)


def _path_in(recording: Recording, path: str) -> str:
    """The path under which the recording has calls of the submodule at `path`."""
    called = (call.path for call in recording.module_calls if call.path.endswith(f".{path}"))
    return next(called, path)


def _made(make: Callable[[], StaticGraph], refusals: list[Refusal]) -> StaticGraph | None:
    try:
        return make()
    except ScriptError as error:
        refusals.append(Refusal(reason_of(error), error.detail, error.file, error.line))
        return None


def _work(
    recording: Recording,
    static: StaticGraph,
    calls: _Calls,
    refusals: tuple[Refusal, ...],
    path: str | None = None,
) -> StaticWork:
    overlay = inspector.overlay(static, recording, run=calls.runs or None, path=path)
    checked = calls.seen > 0 or not calls.can_watch
    if not checked:
        overlay = replace(overlay, disagreements=(), first_divergence=None)
    steps = tuple(Steps(static, run) for run in calls.runs)
    return StaticWork(
        recording,
        static,
        overlay,
        tuple(calls.runs),
        steps,
        problem=calls.problem,
        checked=checked,
        refusals=refusals,
    )


class _Calls:
    """Interprets a graph at each call of its module, with the parameters of that moment."""

    def __init__(self, static: StaticGraph) -> None:
        self.seen = 0
        self.can_watch = False
        self.runs: list[StaticRun] = []
        self.problem = ""
        self._static = static
        self._options = inspector.InterpretOptions(
            max_steps=MAX_STEPS,
            max_values=MAX_VALUES,
            max_visits=MAX_VISITS,
            max_executions=MAX_EXECUTIONS,
        )

    def watch(self, module: Any, whole: Callable[[], Any]) -> None:
        """Run the whole sample and interpret the graph at each call of the module."""
        self.can_watch = hasattr(module, "register_forward_pre_hook")
        if not self.can_watch:
            return

        def interpret(_module: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> None:
            self.seen += 1
            self.run(args, kwargs)

        handle = module.register_forward_pre_hook(interpret, with_kwargs=True)
        try:
            whole()
        except Exception as error:  # the sample's own: the recording tells of it
            if not self.seen:
                self.problem = str(error)
        finally:
            handle.remove()

    def run(self, args: Sequence[Any], kwargs: dict[str, Any]) -> None:
        """Interpret one call on copies of its arguments."""
        if len(self.runs) >= MAX_CALLS:
            self.problem = sentence(
                "only the first {count} calls were interpreted", count=MAX_CALLS
            )
            return
        try:
            given, named = copied_values(tuple(args), kwargs)
            self.runs.append(
                inspector.interpret(self._static, *given, options=self._options, **named)
            )
        except InspectorError as error:
            self.problem = reason_of(error)
