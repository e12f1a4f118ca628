"""`interpret`: runs a static graph on inputs, and tells what ran."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

import torch

from inspector.errors import InspectorError
from inspector.records import Origin, StaticGraph
from inspector.static_run import Execution, RunFailure, StaticRun, StaticValue
from inspector.torchscript.interpret.arguments import converted, returned, traced_arguments
from inspector.torchscript.interpret.compile import Code, compile_code
from inspector.torchscript.interpret.functions import Raised
from inspector.torchscript.interpret.objects import Attributes
from inspector.torchscript.interpret.program import Program, State, new_state, run_program
from inspector.torchscript.interpret.watch import InterpretOptions, Watch
from inspector.torchscript.live import Live, live_of

_PROGRAMS: WeakKeyDictionary[Origin, tuple[Sequence[Any], Program]] = WeakKeyDictionary()


def interpret(
    static: StaticGraph, *args: Any, options: InterpretOptions | None = None, **kwargs: Any
) -> StaticRun:
    """Run a static graph node by node.

    The result is what the compiled module would return, bit for bit under the same random
    state, and so are the side effects: buffers and attributes of the module that the graph was
    read from change, and tensors passed in may be written to. (A trace runs on a copy of the
    model, a loaded file on its own.) The run happens in the caller's grad mode. Equal it is to
    the compiled code as the graph shows it: once torch has optimised that, from its second call
    on, last bits and the random numbers of a traced dropout may differ.

    Args:
        static: a graph from `script`, `trace` or `load_torchscript`, made in this process.
        *args: what the module is called with. A trace takes what was traced with: values that
            it has built in are passed over, and noted where they differ.
        options: what to keep; see `InterpretOptions`.
        **kwargs: likewise, by name.

    Returns:
        Counts, branches, trips, values and the order of execution. An exception of the program
        does not escape: it is the run's `failure`, and the rest tells what ran until then.

    Raises:
        InterpretError: there is nothing live behind the graph, or the arguments do not fit it.
        UnsupportedNode: the run reached a node that cannot be run here.
    """
    options = options or InterpretOptions()
    live = live_of(static)
    name = static.name or "The graph"
    notes: list[str] = []
    if live.fixed is not None:
        args, notes = traced_arguments(name, live, args, kwargs)
        kwargs = {}
    given = converted(name, live, args, kwargs)
    program = _program(static, live)
    state = new_state(program, Attributes())
    state.room = options.max_steps
    if options.max_steps:
        state.steps = []
    if options.values != "none":
        state.watch = Watch(static.nodes, options)
    inputs = _inputs(static, state.watch, given)
    results, failure = _run(static, program, given, state)
    outputs = None if failure else returned(name, live)(results)
    return _record(static, state, outputs, inputs, failure, notes)


def _program(static: StaticGraph, live: Live) -> Program:
    """The graph's program, made once."""
    assert static.origin is not None
    known = _PROGRAMS.get(static.origin)
    if known is not None and known[0] is static.nodes:
        return known[1]
    program = compile_code(
        Code(
            static.nodes,
            live.nodes,
            static.block_inputs,
            static.block_outputs,
            live.find_function,
            live.graphs,
        )
    )
    _PROGRAMS[static.origin] = (static.nodes, program)
    return program


def _run(
    static: StaticGraph, program: Program, given: list[Any], state: State
) -> tuple[list[Any], RunFailure | None]:
    try:
        results = run_program(program, given, state)
    except InspectorError:
        _leave_blocks(state)
        raise
    except Exception as error:  # whatever an op or the program raises
        failure = _failure(static, state, error)
        _leave_blocks(state)
        return [], failure
    finally:
        state.attributes.put_back()
    return results, None


def _leave_blocks(state: State) -> None:
    """Leave the `with` blocks that an exception broke off, as TorchScript does."""
    while state.entered:
        state.entered.pop()()


def _failure(static: StaticGraph, state: State, error: Exception) -> RunFailure:
    node = static.nodes[state.node] if state.node >= 0 else None
    type_, message, raised_as = type(error).__qualname__, str(error), "RuntimeError"
    if isinstance(error, Raised):
        type_, message, raised_as = error.name.rpartition(".")[2], error.message, "torch.jit.Error"
    elif isinstance(error, torch.jit.Error):
        raised_as = "torch.jit.Error"
    return RunFailure(
        type=type_,
        message=_own_words(message) or type_,
        node=None if node is None else node.id,
        kind="" if node is None else node.kind,
        source=None if node is None else node.source,
        trips=state.path,
        raised_as=raised_as,
    )


def _own_words(message: str) -> str:
    """A message without the TorchScript traceback around it, which names a graph of our making."""
    if not message.startswith("The following operation failed in the TorchScript interpreter"):
        return message
    return message.rstrip().rpartition("\n")[2].removeprefix("RuntimeError: ")


def _inputs(static: StaticGraph, watch: Watch | None, given: list[Any]) -> dict[str, StaticValue]:
    if watch is None:
        return {}
    values = given[len(given) - len(static.inputs) :]
    return {
        item.name: watch.value(value, item.type)
        for item, value in zip(static.inputs, values, strict=True)
    }


def _record(
    static: StaticGraph,
    state: State,
    outputs: Any,
    inputs: dict[str, StaticValue],
    failure: RunFailure | None,
    notes: list[str],
) -> StaticRun:
    total = sum(state.counts)
    steps = state.steps or []
    if len(steps) < total:
        notes.append(f"The order of the first {len(steps):,} of {total:,} executions is kept.")
    if state.watch is not None:
        notes += state.watch.notes()
    return StaticRun(
        outputs=outputs,
        executions=dict(enumerate(state.counts)),
        taken={node: tuple(visits) for node, visits in state.taken.items()},
        trips={node: tuple(visits) for node, visits in state.trips.items()},
        values={
            node: tuple(rows) for node, rows in (state.watch.rows if state.watch else {}).items()
        },
        inputs=inputs,
        steps=tuple(map(Execution._make, steps)),
        failure=failure,
        notes=tuple(notes),
        name=static.name,
        kind=static.kind,
    )
