"""`interpret`: runs a static graph on inputs, and tells what ran."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any
from weakref import WeakKeyDictionary

import torch

from inspector.errors import InspectorError, InterpretError
from inspector.language import sentence
from inspector.records import IRNode, Origin, StaticGraph
from inspector.static_run import Execution, RunFailure, StaticRun, StaticValue
from inspector.torchscript.interpret.arguments import converted, returned, traced_arguments
from inspector.torchscript.interpret.compile import Code, compile_code
from inspector.torchscript.interpret.functions import Raised
from inspector.torchscript.interpret.objects import Attributes
from inspector.torchscript.interpret.program import (
    ExecutionLimit,
    Program,
    State,
    new_state,
    run_program,
)
from inspector.torchscript.interpret.watch import InterpretOptions, Watch
from inspector.torchscript.live import Live, live_of

_PROGRAMS: WeakKeyDictionary[Origin, tuple[Sequence[Any], Program]] = WeakKeyDictionary()


def interpret(
    static: StaticGraph, *args: Any, options: InterpretOptions | None = None, **kwargs: Any
) -> StaticRun:
    """Run a static graph node by node: `inspector.interpret(inspector.script(model), x)`.

    The result is what the compiled module would return, bit for bit under the same random
    state. The run happens in the caller's grad mode. Equal it is to
    the compiled code as the graph shows it: once torch has optimised that, from its second call
    on, last bits and the random numbers of a traced dropout may differ.

    The run has the side effects of a call of the compiled module, and each further run starts
    from what the one before has left:

    - A graph from `script` shares its parameters and buffers with the model: what is written
      in place (`self.count.add_(1)`, the running statistics of a batch norm in training mode)
      changes in the model itself. An attribute that is assigned (`self.count = ...`) changes
      in the compiled module only, and stays changed there.
    - A graph from `trace` runs on a copy of the model, one from `load_torchscript` on the
      loaded module: no model of yours changes.
    - A tensor passed in that the program writes in place (`x.mul_(2)`) is written, however the
      graph was made. Lists and dicts passed in are copied first, but not the tensors in them.

    To keep the model and the inputs as they are, give copies:
    `interpret(script(copy.deepcopy(model)), x.clone())`.

    Args:
        static: a graph from `script`, `trace` or `load_torchscript`, made in this process.
        *args: what the module is called with. A trace takes what was traced with: values that
            it has built in are passed over, and noted where they differ.
        options: what to keep; see `InterpretOptions`.
        **kwargs: likewise, by name.

    Returns:
        Counts, branches, trips, values and the order of execution. An exception of the program
        does not escape: it is the run's `failure`, and the rest tells what ran until then. So
        does a run that gets to `options.max_executions`.

    Raises:
        InterpretError: `static` is no static graph, there is nothing live behind it, or the
            arguments do not fit it.
        UnsupportedNode: the run reached a node that cannot be run here.
    """
    options = _checked(static, options)
    live = live_of(static)
    name = static.name or "The graph"
    notes: list[str] = []
    if live.fixed is not None:
        args, notes = traced_arguments(name, live, args, kwargs)
        kwargs = {}
    given = converted(name, live, args, kwargs)
    program = _program(static, live)
    state = new_state(program, Attributes())
    state.room, state.budget.left = options.max_steps, options.max_executions
    if options.max_steps:
        state.steps = []
    if options.values != "none":
        state.watch = Watch(static.nodes, options)
    inputs = _inputs(static, state.watch, given)
    results, failure = _run(static, program, given, state, options)
    outputs = None
    if failure is None:
        outputs, failure = _outputs(live, results)
    return _record(static, state, outputs, inputs, failure, notes)


def _checked(static: Any, options: Any) -> InterpretOptions:
    """The options, where both are of the right type: people pass the model itself."""
    if not isinstance(static, StaticGraph):
        raise InterpretError(
            sentence(
                "interpret runs a StaticGraph, and got {kind}. Make the graph first: "
                "inspector.interpret(inspector.script(model), x), or with inspector.trace or "
                "inspector.load_torchscript.",
                kind=_of_type(static),
            )
        )
    if options is not None and not isinstance(options, InterpretOptions):
        raise InterpretError(
            sentence(
                "interpret takes an inspector.InterpretOptions as options, and got {kind}. "
                "To give the model an argument of that name, pass it by place.",
                kind=_of_type(options),
            )
        )
    return options or InterpretOptions()


def _of_type(value: Any) -> str:
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"


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
    static: StaticGraph,
    program: Program,
    given: list[Any],
    state: State,
    options: InterpretOptions,
) -> tuple[list[Any], RunFailure | None]:
    try:
        results = run_program(program, given, state)
    except InspectorError:
        _leave_blocks(state)
        raise
    except ExecutionLimit as limit:
        failure = _stopped(static, state, limit, options.max_executions)
        state.budget.left = options.max_executions  # for the ends of `with` blocks
        _leave_blocks(state)
        return [], failure
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
        with suppress(ExecutionLimit):  # an end of a block that has none itself
            state.entered.pop()()


def _stopped(static: StaticGraph, state: State, limit: ExecutionLimit, most: int) -> RunFailure:
    """The failure of a run that took too long: of the loops around it the busiest is named."""
    number, trips, begun = state.node, state.path, 0
    if limit.loops:
        outside_in = limit.loops[::-1]
        depth = max(range(len(outside_in)), key=lambda place: outside_in[place][1])
        number, begun = outside_in[depth]
        trips = state.path[:depth]
    node = static.nodes[number] if number >= 0 else None
    where = {"begun": begun, "place": _place(node)}
    told = sentence("The run was ended at {place}.", **where)
    if limit.loops:
        told = sentence("The run was ended {begun:,} trips into the loop of {place}.", **where)
    return RunFailure(
        type="ExecutionLimit",
        message=sentence(
            "{told} It would pass the limit of {most:,} executions of nodes. If nothing ends the "
            "loop, look at its condition; if it is meant to run this long, set a higher limit with "
            "options=inspector.InterpretOptions(max_executions=...).",
            told=told,
            most=most,
        ),
        node=None if node is None else node.id,
        kind="" if node is None else node.kind,
        source=None if node is None else node.source,
        trips=trips,
        raised_as="",
    )


def _place(node: IRNode | None) -> str:
    if node is None:
        return sentence("the start")
    if node.source is None:
        return sentence("node {id}", id=node.id)
    return sentence(
        "node {id} ({file}, line {line})",
        id=node.id,
        file=node.source.file,
        line=node.source.line,
    )


def _outputs(live: Live, results: list[Any]) -> tuple[Any, RunFailure | None]:
    """What the compiled module returns, or why it cannot be had."""
    try:
        return returned(live, results), None
    except RuntimeError:  # its text may hold whole tensors
        types = ", ".join([each.type.annotation_str for each in live.method.schema.returns])
    message = sentence(
        "The program ran to its end, but what it returns, a {types}, cannot be made "
        "into Python values: TorchScript does not take an optional tensor that was "
        "not given (None) in a tuple, nor some mixtures of types. Return a tensor in "
        "its place, or values of one type.",
        types=types,
    )
    return None, RunFailure("RuntimeError", message, None, "", None)


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
        notes.append(
            sentence(
                "The order of the first {n:,} of {total:,} executions is kept.",
                n=len(steps),
                total=total,
            )
        )
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
