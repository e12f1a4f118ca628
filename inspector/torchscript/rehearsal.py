"""Runs a model, and the graph made of it, on one input from one random state, on copies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Literal

import torch

from inspector.capture import CaptureOptions, record
from inspector.errors import InterpretError, UnsupportedNode
from inspector.language import sentence
from inspector.records import Recording, StaticGraph
from inspector.static_run import RunFailure, StaticRun
from inspector.torchscript.copies import Values, copied_values, in_words, tensors_in, traced_values
from inspector.torchscript.interpret import InterpretOptions, interpret
from inspector.torchscript.kept import modules_kept, random_state_kept, reached_modules
from inspector.torchscript.live import live_of
from inspector.torchscript.make import runnable, script, trace, uncompiled

EVERYTHING = CaptureOptions(values="full", backward=False)
"""All values, so that the comparison can be of bits."""

ALL_VALUES = InterpretOptions(values="live", max_values=200_000, max_visits=100_000)
"""Likewise of the graph, as far as memory is no concern (about 1 kB an execution)."""

Given = tuple[Any, ...] | list[Any] | Mapping[str, Any] | torch.Tensor | None
"""What a model is called with: a tuple, a dict of arguments by name, or its only tensor."""


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What came of running both.

    `run` is None where the graph could not be run at all, `notes` then say why. `traced_with`
    is the recording of the run that was traced; None for a script. `returned` has the tensors
    that the recorded run returned, at any depth; None where that is not known.
    """

    static: StaticGraph
    recording: Recording
    run: StaticRun | None
    traced_with: Recording | None = None
    returned: tuple[torch.Tensor, ...] | None = None
    notes: tuple[str, ...] = ()


def rehearse(
    model: Any, trace_inputs: Given, inputs: Given, how: Literal["trace", "script"]
) -> Rehearsal:
    """Make a graph, record the model and interpret the graph with the same input.

    Every step starts from the caller's random state and the model's present parameters and
    buffers, and leaves both as they are.

    Raises:
        ScriptError: no graph can be made.
    """
    made_with, given = _values(trace_inputs), _values(inputs)
    static = _graph(model, made_with, how)
    traced_with = _recorded(model, made_with) if how == "trace" else None
    returned: list[Any] = []
    recording = _recorded(model, given, returned)
    with random_state_kept(), _present_state(static, model):
        run, notes = _interpreted(static, model, given)
    last = tuple(tensors_in(returned[-1])) if returned else None
    return Rehearsal(static, recording, run, traced_with, last, notes)


def _values(given: Given) -> Values:
    if given is None:
        return (), {}
    if isinstance(given, Mapping):
        return (), dict(given)
    return (tuple(given) if isinstance(given, tuple | list) else (given,)), {}


def _graph(model: Any, values: Values, how: str) -> StaticGraph:
    if how == "trace":
        args, kwargs = values
        return trace(model, *args, **kwargs)
    with runnable(uncompiled(model)) as run_here:
        return script(run_here)


def _recorded(model: Any, values: Values, returned: list[Any] | None = None) -> Recording:
    args, kwargs = copied_values(*values)
    with (
        random_state_kept(),
        runnable(uncompiled(model)) as run_here,
        nullcontext() if returned is None else _watched(run_here, returned),
    ):
        return record(run_here, *args, options=EVERYTHING, **kwargs)


@contextmanager
def _watched(model: Any, returned: list[Any]) -> Iterator[None]:
    """Keeps what each call of a module returns; functions are not watched."""
    if not isinstance(model, torch.nn.Module) or isinstance(model, torch.jit.ScriptModule):
        yield
        return

    def keep(_module: torch.nn.Module, _given: Any, output: Any) -> None:
        returned.append(output)

    handle = model.register_forward_hook(keep)
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def _present_state(static: StaticGraph, model: Any) -> Iterator[None]:
    """The graph's parameters and buffers as the model has them now; the model's as before.

    A traced copy has seen the tracing run: batch norm, for one, has counted it.
    """
    compiled = live_of(static).compiled
    with modules_kept(reached_modules(uncompiled(model))):
        if isinstance(compiled, torch.jit.ScriptModule) and isinstance(model, torch.nn.Module):
            state = {**dict(model.named_parameters()), **dict(model.named_buffers())}
            held = {**dict(compiled.named_parameters()), **dict(compiled.named_buffers())}
            with torch.no_grad():
                for name in held.keys() & state.keys():
                    if held[name].shape == state[name].shape:
                        held[name].copy_(state[name])
        yield


def _interpreted(
    static: StaticGraph, model: Any, values: Values
) -> tuple[StaticRun | None, tuple[str, ...]]:
    args, kwargs = copied_values(*values)
    try:
        return interpret(static, *args, options=ALL_VALUES, **kwargs), ()
    except UnsupportedNode as error:
        return _called(static, model, values), (
            sentence("{error} So only the results are compared.", error=error),
        )
    except InterpretError as error:
        failure = RunFailure("InterpretError", error.message, None, "", None)
        return _without_counts(static, None, failure), ()


def _called(static: StaticGraph, model: Any, values: Values) -> StaticRun:
    """A run of the compiled code, of which only the result is known."""
    args, kwargs = copied_values(*values)
    if static.kind == "trace":
        args, kwargs = traced_values(uncompiled(model), args, kwargs)
    try:
        outputs = live_of(static).compiled(*args, **kwargs)
    except Exception as error:  # whatever the program raises
        failure = RunFailure(type(error).__qualname__, in_words(error), None, "", None)
        return _without_counts(static, None, failure)
    return _without_counts(static, outputs, None)


def _without_counts(static: StaticGraph, outputs: Any, failure: RunFailure | None) -> StaticRun:
    return StaticRun(
        outputs=outputs,
        executions={node.id: 0 for node in static.nodes},
        taken={},
        trips={},
        failure=failure,
        name=static.name,
        kind=static.kind,
    )
