"""A static graph made ready to run, and the loop that runs it.

Every value of the graph has a place in one list, `slots`: value names are unique in a static
graph, so a call needs no frame of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from inspector.torchscript.interpret.objects import Attributes
    from inspector.torchscript.interpret.watch import Watch

Slots = list[Any]
Control = Callable[[Slots, "State"], None]


class Instruction(NamedTuple):
    """One node: a tuple, because that is the quickest to take apart.

    Either `control` does everything, or `function` computes the outputs from the inputs. `output`
    is the place of a single output, -1 where there are none or several, which are `outputs`.
    `dead` are the places whose values nobody needs after this.
    """

    node: int
    control: Control | None
    function: Callable[..., Any]
    operands: tuple[int, ...]
    output: int
    outputs: tuple[int, ...]
    dead: tuple[int, ...]


@dataclass(slots=True)
class Block:
    """Instructions, and the places of what enters and leaves."""

    inputs: tuple[int, ...] = ()
    instructions: Sequence[Instruction] = ()
    outputs: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Program:
    """A whole graph. `ifs` and `loops` are the nodes of these kinds."""

    body: Block
    size: int
    nodes: int
    ifs: Sequence[int] = ()
    loops: Sequence[int] = ()
    keep: Any = field(default=None, repr=False)


class ExecutionLimit(Exception):
    """A run has used up its executions.

    `loops` are the loops around the place where it ended, innermost first: the node, and the
    trips begun in this visit.
    """

    def __init__(self) -> None:
        super().__init__()
        self.loops: list[tuple[int, int]] = []


@dataclass(slots=True)
class Budget:
    """How many executions a run may still start, with all the code that it calls."""

    left: int = 1 << 62


@dataclass(slots=True)
class State:
    """What one run has done so far.

    `node` is the node at work, `path` the trip of each loop around it. `steps` is None where
    the order is not kept, `watch` where values are not. `entered` are the objects of open
    `with` blocks and what leaves them.
    """

    counts: list[int]
    attributes: Attributes
    taken: dict[int, list[int]]
    trips: dict[int, list[int]]
    steps: list[tuple[int, tuple[int, ...]]] | None = None
    room: int = 0
    watch: Watch | None = None
    node: int = -1
    path: tuple[int, ...] = ()
    entered: list[Callable[[], Any]] = field(default_factory=list)
    budget: Budget = field(default_factory=Budget)


def new_state(program: Program, attributes: Attributes) -> State:
    """The state before a run of which only the result is wanted."""
    return State(
        [0] * program.nodes,
        attributes,
        {node: [] for node in program.ifs},
        {node: [] for node in program.loops},
    )


def run_block(block: Block, slots: Slots, state: State) -> None:
    """Execute the instructions of a block in order.

    Raises:
        ExecutionLimit: the block has more of them than the run may still start.
    """
    budget = state.budget
    left = budget.left = budget.left - (len(block.instructions) or 1)  # empty loops end too
    if left < 0:
        raise ExecutionLimit
    counts, steps, watch = state.counts, state.steps, state.watch
    for node, control, function, operands, output, outputs, dead in block.instructions:
        state.node = node
        counts[node] += 1
        if steps is not None and len(steps) < state.room:
            steps.append((node, state.path))
        if control is not None:
            control(slots, state)
        elif output >= 0:
            slots[output] = function(*[slots[place] for place in operands])
        else:
            results = function(*[slots[place] for place in operands])
            if outputs:
                for place, result in zip(outputs, results, strict=True):
                    slots[place] = result
        if watch is not None and outputs:
            watch.note(node, outputs, slots)
        for place in dead:
            slots[place] = None


def run_program(program: Program, given: Sequence[Any], state: State) -> list[Any]:
    """Run a whole program.

    Args:
        program: what to run.
        given: the values of its inputs, the module itself included.
        state: a fresh state.

    Returns:
        The values of its outputs.
    """
    slots: Slots = [None] * program.size
    for place, value in zip(program.body.inputs, given, strict=True):
        slots[place] = value
    run_block(program.body, slots, state)
    return [slots[place] for place in program.body.outputs]
