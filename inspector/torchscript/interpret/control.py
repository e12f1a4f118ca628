"""Nodes that steer the run or reach out of it.

Each function makes the `Control` of one node: what the node does to the slots and the state.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from inspector.torchscript.interpret.objects import Instance
from inspector.torchscript.interpret.program import (
    Block,
    Control,
    ExecutionLimit,
    Slots,
    State,
    run_block,
)

Places = tuple[int, ...]


def choose(node: int, condition: int, block_of: Callable[[int], Block], outputs: Places) -> Control:
    """`prim::If`: one of two blocks, which `block_of` makes by their index."""
    ways: dict[int, tuple[Block, tuple[tuple[int, int], ...]]] = {}

    def control(slots: Slots, state: State) -> None:
        taken = 0 if slots[condition] else 1
        state.taken[node].append(taken)
        if taken not in ways:
            made = block_of(taken)
            ways[taken] = (made, tuple(zip(outputs, made.outputs, strict=True)))
        block, moves = ways[taken]
        run_block(block, slots, state)
        for target, source in moves:
            slots[target] = slots[source]

    return control


def repeat(node: int, operands: Places, body: Block, outputs: Places) -> Control:
    """`prim::Loop`: at most so many trips, as long as the condition holds."""
    most_place, condition_place, *carried = operands
    counter, *inner = body.inputs
    goes_on, *results = body.outputs

    def control(slots: Slots, state: State) -> None:
        most, condition, path = slots[most_place], slots[condition_place], state.path
        values = [slots[place] for place in carried]
        trip = 0
        try:
            while condition and trip < most:
                slots[counter] = trip
                for place, value in zip(inner, values, strict=True):
                    slots[place] = value
                state.path = (*path, trip)
                trip += 1
                run_block(body, slots, state)
                condition = slots[goes_on]
                values = [slots[place] for place in results]
            state.path = path
        except ExecutionLimit as limit:
            limit.loops.append((node, trip))
            raise
        finally:
            state.trips[node].append(trip)
        for place, value in zip(outputs, values, strict=True):
            slots[place] = value

    return control


def call(operands: Places, callee: Block, outputs: Places) -> Control:
    """A `prim::CallMethod` or `prim::CallFunction` that the graph shows the inside of."""
    # A function's first input is the function itself, which its graph does not take.
    given = operands[len(operands) - len(callee.inputs) :]
    moves = tuple(zip(callee.inputs, given, strict=True))
    results = tuple(zip(outputs, callee.outputs, strict=True))

    def control(slots: Slots, state: State) -> None:
        for target, source in moves:
            slots[target] = slots[source]
        run_block(callee, slots, state)
        for target, source in results:
            slots[target] = slots[source]

    return control


Called = Callable[[list[Any], State], Any]


def call_closed(called: Called, operands: Places, outputs: Places) -> Control:
    """A call of what the graph does not show: the same, without counting inside."""

    def control(slots: Slots, state: State) -> None:
        result = called([slots[place] for place in operands], state)
        for place in outputs:
            slots[place] = result

    return control


def get_attribute(owner: int, name: str, output: int) -> Control:
    """`prim::GetAttr`."""

    def control(slots: Slots, state: State) -> None:
        slots[output] = state.attributes.get(slots[owner], name)

    return control


def set_attribute(owner: int, name: str, value: int) -> Control:
    """`prim::SetAttr`."""

    def control(slots: Slots, state: State) -> None:
        state.attributes.set(slots[owner], name, slots[value])

    return control


def create_object(type_name: str) -> Callable[[], Instance]:
    """`prim::CreateObject`: an instance without attributes; its `__init__` is called next."""
    return lambda: Instance(type_name)


def enter(manager: int, entering: Called, leaving: Called, outputs: Places) -> Control:
    """`prim::Enter`: the start of a `with` block; `leaving` is kept for an exception in it."""

    def control(slots: Slots, state: State) -> None:
        held = slots[manager]
        result = entering([held], state)
        state.entered.append(lambda: leaving([held, None, None, None], state))
        for place in outputs:
            slots[place] = result

    return control


def leave(outputs: Places) -> Control:
    """`prim::Exit`: the end of the innermost `with` block."""

    def control(slots: Slots, state: State) -> None:
        result = state.entered.pop()()
        for place in outputs:
            slots[place] = result

    return control


def python_call(
    function: Callable[..., Any],
    convention: str,
    scalars: tuple[Any, ...],
    adopt: Callable[..., tuple[Any, ...]],
    operands: Places,
    outputs: Places,
) -> Control:
    """`prim::PythonOp`: a method that is ignored by the compiler runs as Python.

    Args:
        function: the Python function.
        convention: "d" for each argument that is a value, "c" for each that is built in.
        scalars: the arguments that are built in.
        adopt: turns the values into what the function gets from TorchScript.
        operands, outputs: places.
    """

    def control(slots: Slots, state: State) -> None:
        state.attributes.put_back()  # the method may read them from the module
        values = iter(adopt(*[slots[place] for place in operands]))
        built_in = iter(scalars)
        result = function(*[next(values if way == "d" else built_in) for way in convention])
        results = result if len(outputs) > 1 else (result,)
        for place, value in zip(outputs, results, strict=False):
            slots[place] = value

    return control
