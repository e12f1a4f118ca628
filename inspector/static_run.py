"""What one run of a static graph did, node by node: the data model of `interpret`.

    StaticRun
    ├── executions, taken, trips   counts per node, branches and trips per visit
    ├── steps      Execution       the order of execution, with the trips of the loops around
    ├── values     StaticValue     what each execution of each node made
    └── failure    RunFailure      the exception that ended the run

Like `inspector.records` this holds no live object, but for `StaticRun.outputs` and, when they
were asked for, `StaticValue.live`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from inspector.records import Source, TensorSummary


@dataclass(frozen=True, slots=True)
class StaticValue:
    """One value that a node made.

    `type` is the type of the value ("Tensor", "int", "Tensor[]") and `text` a readable form of
    bounded length. `shape`, `dtype`, `device` and `summary` are those of a tensor, as in a
    recording's `TensorInfo`; None for other values. `array` holds all values of a small tensor,
    as a NumPy array of its own. `plain` is the value of a bool, int, float or short str. `live`
    is the value itself where live values were asked for: a tensor in it that is written in
    place later shows the later values.
    """

    type: str
    text: str
    shape: tuple[int, ...] | None = None
    dtype: str | None = None
    device: str | None = None
    summary: TensorSummary | None = None
    array: Any = field(default=None, compare=False)
    plain: bool | int | float | str | None = None
    live: Any = field(default=None, compare=False, repr=False)


class Execution(NamedTuple):
    """One execution of a node; a tuple, because a run has very many of them.

    `trips` counts the trip, from 0, of each `prim::Loop` around the node, outermost first;
    node and trips together name an execution. A node comes before what runs inside it.
    """

    node: int
    trips: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class RunFailure:
    """The exception that ended a run.

    `type` and `message` are those of the exception at the node ("RuntimeError", "ValueError"
    for a `raise ValueError`), `raised_as` is the type that a call of the compiled module
    raises instead ("torch.jit.Error", whose last line is the message). `node` is the innermost
    node that ran, `trips` as in `Execution`, `source` its line.

    A run that got to `InterpretOptions.max_executions` has the type "ExecutionLimit", and as
    `node` the loop around it with the most trips; `raised_as` is "", as the compiled module
    would go on. `node` is None where the program ran to its end, and only what it returns
    cannot be had in Python.
    """

    type: str
    message: str
    node: int | None
    kind: str
    source: Source | None
    trips: tuple[int, ...] = ()
    raised_as: str = "RuntimeError"


@dataclass(frozen=True, slots=True)
class StaticRun:
    """What one run of a static graph did.

    Attributes:
        outputs: live: what the compiled module returns; None when the run failed.
        executions: how often each node was started, by node id; every node is there.
        taken: for each `prim::If` the index of the block taken, per visit.
        trips: for each `prim::Loop` the trips begun, per visit.
        values: for each node that ran, what it made: one entry per execution, in order, each
            with one `StaticValue` per output of the node. An execution that did not complete
            has none, so the entries are of the first executions; so are they when `notes` says
            that values were left out.
        inputs: what came in, by value name of the graph's input.
        steps: the order of execution.
        failure: the exception that ended the run, or None. What is counted is counted up to
            there, the failing node included.
        notes: what was left out, and arguments that the graph does not take.
        name, kind: of the static graph.
    """

    outputs: Any
    executions: Mapping[int, int]
    taken: Mapping[int, tuple[int, ...]]
    trips: Mapping[int, tuple[int, ...]]
    values: Mapping[int, tuple[tuple[StaticValue, ...], ...]] = field(default_factory=dict)
    inputs: Mapping[str, StaticValue] = field(default_factory=dict)
    steps: tuple[Execution, ...] = ()
    failure: RunFailure | None = None
    notes: tuple[str, ...] = ()
    name: str = ""
    kind: str = ""

    def __repr__(self) -> str:
        failed = "" if self.failure is None else f", failed with {self.failure.type}"
        count = sum(self.executions.values())
        return f"<StaticRun of {self.name}: {self.kind}, {count} executions{failed}>"
