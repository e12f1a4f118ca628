"""The fields of a moment: what `until` can ask for, in one table.

A moment has no value for a field that does not apply to it (the gradient norm of an op, the
shape of a gradient); it is missing then, which is None. The page's help is made from `FIELDS`.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from inspector.language import sentence
from inspector.norms import norm_of
from inspector.records import Decision, GradNode, Op, Source, Step, TensorInfo, TensorSummary
from inspector.timeline.model import PHASES, Timeline
from inspector.timeline.moments import (
    call_of,
    decision_of,
    op_of,
    source_of,
    stack_of,
)

Value = None | bool | int | float | str | tuple["Value", ...]


class Row:
    """One moment while a condition looks at it: its record, and what is derived from that."""

    def __init__(self, timeline: Timeline, index: int) -> None:
        self.timeline = timeline
        self.index = index
        self.record = timeline.record(index)
        self.op = op_of(timeline.recording, self.record)

    @cached_property
    def decision(self) -> Decision | None:
        """What was decided."""
        return decision_of(self.timeline, self.record)

    @cached_property
    def source(self) -> Source | None:
        """The user's line."""
        return source_of(self.timeline, self.op, self.record)

    @property
    def stack(self) -> tuple[Source, ...]:
        """The user's frames, innermost first."""
        return stack_of(self.timeline, self.op, self.record)

    @property
    def call(self) -> int | None:
        """The innermost module call."""
        return call_of(self.op, self.record)

    @cached_property
    def outputs(self) -> list[TensorInfo]:
        """The tensors that an op made, that a read looked at, that a gradient was added to."""
        tensors, record = self.timeline.recording.tensors, self.record
        if isinstance(record, Op):
            return [tensors[number] for number in record.outputs]
        number = None if isinstance(record, Step) else record.tensor
        return [] if number is None else [tensors[number]]

    @cached_property
    def inputs(self) -> list[TensorInfo]:
        """The tensors that an op took."""
        tensors = self.timeline.recording.tensors
        return [tensors[i] for i in self.record.inputs] if isinstance(self.record, Op) else []

    @property
    def phase(self) -> str:
        """What the run was doing."""
        return PHASES[self.timeline.phases[self.index]]

    @property
    def duration_us(self) -> float | None:
        """How long it took; not known of reads and steps."""
        record = self.record
        return record.duration_us if isinstance(record, (Op, GradNode)) else None

    @property
    def norm(self) -> float | None:
        """The gradient norm of an autograd node."""
        return gradient_norm(self.record) if isinstance(self.record, GradNode) else None

    @property
    def parameter(self) -> str | None:
        """The parameter that an AccumulateGrad adds to."""
        return self.record.parameter if isinstance(self.record, GradNode) else None

    @property
    def value(self) -> Value:
        """What was decided."""
        return None if self.decision is None else self.decision.value

    @cached_property
    def summaries(self) -> list[TensorSummary]:
        """Statistics of what an op made, or of the gradients that came into a node."""
        if isinstance(self.record, GradNode):
            return [found for found in self.record.grad_outputs if found is not None]
        return [found for tensor in self.outputs if (found := tensor.summary) is not None]


Reader = Callable[[Row], Value]


@dataclass(frozen=True, slots=True)
class Field:
    """One field: what it says, in plain words, and how it is read."""

    about: str
    read: Reader


def gradient_norm(node: GradNode) -> float | None:
    """The Euclidean norm of the largest gradient that came into an autograd node.

    From the statistics: the sum of squares is n (mean² + std²). Infinite if there are infinite
    values, NaN if there are NaNs; None without statistics.
    """
    norms = [_norm(found) for found in node.grad_outputs if found is not None]
    if any(math.isnan(norm) for norm in norms):
        return math.nan
    return max(norms, default=None)


def _norm(summary: TensorSummary) -> float:
    if summary.nan_count or summary.inf_count:
        return math.nan if summary.nan_count else math.inf
    return norm_of(summary) or 0.0


def _kind(row: Row) -> Value:
    record = row.record
    if isinstance(record, Step):
        return record.kind
    return {Op: "op", Decision: "read", GradNode: "grad"}[type(record)]


def _name(row: Row) -> Value:
    record = row.record
    return record.kind if isinstance(record, (Decision, Step)) else record.name


def _module(what: str) -> Reader:
    def read(row: Row) -> Value:
        if row.call is None:
            return None
        found: Value = getattr(row.timeline.recording.module_calls[row.call], what)
        return found

    return read


def _output(what: str) -> Reader:
    return lambda row: getattr(row.outputs[0], what) if row.outputs else None


def _input(what: str) -> Reader:
    return lambda row: getattr(row.inputs[0], what) if row.inputs else None


def _statistic(what: str) -> Reader:
    return lambda row: getattr(row.summaries[0], what) if row.summaries else None


def _input_statistic(what: str) -> Reader:
    def read(row: Row) -> Value:
        summary = row.inputs[0].summary if row.inputs else None
        found: Value = None if summary is None else getattr(summary, what)
        return found

    return read


def _count(what: str) -> Reader:
    def read(row: Row) -> Value:
        return sum(getattr(found, what) for found in row.summaries) if row.summaries else None

    return read


def _of_op(what: str) -> Reader:
    return lambda row: None if row.op is None else getattr(row.op, what)


def _shapes(what: str) -> Reader:
    def read(row: Row) -> Value:
        if not isinstance(row.record, Op):
            return None
        return tuple(tensor.shape for tensor in getattr(row, what))

    return read


def _file(row: Row) -> Value:
    return None if row.source is None else os.path.basename(row.source.file)


def _line(row: Row) -> Value:
    return None if row.source is None else row.source.line


def _numel(row: Row) -> Value:
    if isinstance(row.record, GradNode):
        return row.summaries[0].numel if row.summaries else None
    return math.prod(row.outputs[0].shape) if row.outputs else None


def _table() -> Iterable[tuple[str, str, Reader]]:
    yield (
        "kind",
        sentence("op, read (of a size), grad, backward, optimizer_step or zero_grad"),
        _kind,
    )
    yield "name", sentence('what ran: "linear", "AddmmBackward0", "shape"'), _name
    yield "op", sentence("the op's name; of an autograd node its forward op's"), _of_op("name")
    yield "function", sentence('what was called: "torch.nn.functional.linear"'), _of_op("function")
    yield "module", sentence('path of the module call: "encoder.layers.0"'), _module("path")
    yield "type", sentence('the module\'s class: "Linear"'), _module("type")
    yield "training", sentence("whether the module was in train mode"), _module("training")
    yield "file", sentence('the file\'s name: "train.py"'), _file
    yield "line", sentence("the line in it"), _line
    yield "phase", sentence("forward, backward or optimizer"), lambda row: row.phase
    yield (
        "depth",
        sentence("how deep it lies in calls"),
        lambda row: int(row.timeline.depths[row.index]),
    )
    yield "index", sentence("the number of the moment, from 0"), lambda row: row.index
    yield "duration_us", sentence("microseconds it took"), lambda row: row.duration_us
    yield "shape", sentence("of its first output: shape[0] is the first size"), _output("shape")
    yield "dtype", sentence('of its first output: "float32"'), _output("dtype")
    yield "device", sentence('of its first output: "cpu"'), _output("device")
    yield (
        "variable",
        sentence("the variable that its first output was put into"),
        _output("variable"),
    )
    yield (
        "requires_grad",
        sentence("whether its first output requires a gradient"),
        _output("requires_grad"),
    )
    yield "bytes", sentence("of its first output"), _output("nbytes")
    yield "numel", sentence("number of values in its first output (or gradient)"), _numel
    for what in ("min", "max", "mean", "std"):
        about = sentence("{what} of its first output, or of the gradient that came in", what=what)
        yield what, about, _statistic(what)
    yield "zeros", sentence("share of zeros in it, 0 to 1"), _statistic("zero_fraction")
    yield "nan", sentence("NaN values in all its outputs (or gradients)"), _count("nan_count")
    yield "inf", sentence("infinite values in all its outputs (or gradients)"), _count("inf_count")
    yield (
        "grad_norm",
        sentence("Euclidean norm of the gradient that came into a node"),
        lambda row: row.norm,
    )
    yield (
        "parameter",
        sentence("the parameter that a gradient was added to"),
        lambda row: row.parameter,
    )
    yield "value", sentence("what a decision read: True, 3, 0.5"), lambda row: row.value
    yield (
        "inputs",
        sentence("shapes of all inputs: inputs[0] is the first shape"),
        _shapes("inputs"),
    )
    yield "outputs", sentence("shapes of all outputs"), _shapes("outputs")
    for what in ("shape", "dtype", "device", "variable", "requires_grad"):
        yield f"input.{what}", sentence("{what} of its first input", what=what), _input(what)
    for what in ("min", "max", "mean", "std"):
        yield (
            f"input.{what}",
            sentence("{what} of its first input", what=what),
            _input_statistic(what),
        )


FIELDS: Mapping[str, Field] = {name: Field(about, read) for name, about, read in _table()}
"""Name -> field, in the order of the help."""
