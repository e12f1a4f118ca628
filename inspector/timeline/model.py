"""`Timeline`: the moments of one run, as columns, with what is looked up from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property

import numpy

from inspector.loops import Loops as FoundLoops
from inspector.making import uncollected
from inspector.records import Decision, GradNode, Op, Recording, Source, Step
from inspector.text import split_lines
from inspector.timeline.alive import Lifetimes
from inspector.timeline.levels import Levels
from inspector.timeline.loops import Loops
from inspector.timeline.order import Entry, Kind, in_order, pass_steps

Record = Op | Decision | GradNode | Step

PHASES = ("forward", "backward", "optimizer")
"""What the run was doing: computing, in a backward pass, or in an optimizer's own arithmetic."""


class Timeline:
    """The moments of one run: each op, size read, autograd node and training step, in order.

    Read-only. What only some questions need is worked out when it is first asked for.

    Args:
        recording: what ran.
        loops: its loops, where they are known already.

    Attributes:
        recording: as given.
        kinds: for each moment a `Kind`, as uint8.
        records: for each moment the id of its record among those of its kind, as int32.
        depths: for each moment how deep it lies (see `levels`), as int32.
        phases: for each moment an index into `PHASES`, as uint8.
    """

    def __init__(self, recording: Recording, loops: FoundLoops | None = None) -> None:
        self.recording = recording
        self._found_loops = loops
        self._rows: tuple[tuple[Record, ...], ...] = (
            recording.ops,
            recording.decisions,
            recording.grad_nodes,
            recording.steps,
        )
        self._lines: dict[str, list[str]] = {}
        with uncollected():
            self.entries: Sequence[Entry] = in_order(recording)
            self.levels = Levels(recording)
            table = numpy.array(self.entries, numpy.int32).reshape(-1, 2)
            self.kinds = table[:, 0].astype(numpy.uint8)
            self.records = table[:, 1].copy()
            self.depths = numpy.array(self.levels.of(self.entries), numpy.int32)
            self.phases = numpy.array(list(self._phases()), numpy.uint8)

    def __len__(self) -> int:
        return len(self.entries)

    def __repr__(self) -> str:
        return f"<Timeline of {len(self)} moments>"

    def record(self, moment: int) -> Record:
        """The record of a moment."""
        kind, number = self.entries[moment]
        return self._rows[kind][number]

    def line(self, source: Source) -> str:
        """The text of a line, without the white space around it; "" if it is not known."""
        lines = self._lines.get(source.file)
        if lines is None:
            lines = self._lines[source.file] = split_lines(
                self.recording.sources.get(source.file, "")
            )
        return lines[source.line - 1].strip() if 0 < source.line <= len(lines) else ""

    def done(self, moment: int) -> tuple[int, int, int]:
        """How many ops, autograd nodes and decisions (by id) had run, this moment included."""
        so_far = slice(0, moment + 1)
        kinds = self.kinds[so_far]
        reads = self.records[so_far][kinds == Kind.READ]
        return (
            int(numpy.count_nonzero(kinds == Kind.OP)),
            int(numpy.count_nonzero(kinds == Kind.GRAD)),
            int(reads[-1]) + 1 if len(reads) else 0,
        )

    def step_around(self, moment: int) -> Step | None:
        """The innermost training step that a moment is in; a step is not in itself."""
        kind, number = self.entries[moment]
        recording = self.recording
        if kind is Kind.GRAD:
            return self.passes.get(recording.grad_nodes[number].pass_index)
        if kind is Kind.STEP:
            around = self.levels.step_parents[number]
        else:
            around = self._step_of_place(number if kind is Kind.OP else None, number)
        return None if around < 0 else recording.steps[around]

    def iteration(self, moment: int) -> int:
        """Which optimizer step, from 0, a moment is in, or which comes next."""
        begun = int(numpy.searchsorted(self.optimizer_steps, moment))
        step = self.step_around(moment)
        while step is not None and step.kind != "optimizer_step":
            around = self.levels.step_parents[step.id]
            step = None if around < 0 else self.recording.steps[around]
        return begun if step is None else begun - 1

    @cached_property
    def lifetimes(self) -> Lifetimes:
        """What memory is alive when."""
        return Lifetimes(self.recording, self.entries)

    @cached_property
    def loops(self) -> Loops:
        """Which loops a moment is in, and how often the same place in the code ran."""
        return Loops(self.recording, self._found_loops)

    @cached_property
    def decisions(self) -> Mapping[int, Decision]:
        """Op -> the decision that it made."""
        return {found.op: found for found in self.recording.decisions if found.op is not None}

    @cached_property
    def passes(self) -> Mapping[int, Step]:
        """Number of a backward pass -> its step."""
        return pass_steps(self.recording)

    @cached_property
    def optimizer_steps(self) -> list[int]:
        """The moments at which an optimizer steps."""
        steps = self.recording.steps
        found = numpy.flatnonzero(self.kinds == Kind.STEP).tolist()
        return [at for at in found if steps[self.entries[at][1]].kind == "optimizer_step"]

    def _step_of_place(self, op: int | None, read: int) -> int:
        """The step around an op, or around a read: both ops beside it are in that step."""
        of_op = self.levels.step_of_op
        if op is not None:
            return of_op[op]
        following = self.recording.decisions[read].before_op or 0
        if not 0 < following < len(of_op):
            return -1
        return of_op[following] if of_op[following] == of_op[following - 1] else -1

    def _phases(self) -> Iterable[int]:
        forward, backward, optimizer = range(len(PHASES))
        recording = self.recording
        steps, inside = recording.steps, self.levels.step_of_op
        for kind, number in self.entries:
            if kind is Kind.OP:
                op = recording.ops[number]
                if op.phase == "backward":
                    yield backward
                elif inside[number] >= 0 and _is_arithmetic(op, steps[inside[number]], recording):
                    yield optimizer
                else:
                    yield forward
            elif kind is Kind.GRAD:
                yield backward
            elif kind is Kind.STEP:
                yield backward if steps[number].kind == "backward" else optimizer
            else:
                yield forward


def _is_arithmetic(op: Op, step: Step, recording: Recording) -> bool:
    """Whether an op in an optimizer's step is the optimizer's own, not that of a closure."""
    if step.kind != "optimizer_step" or op.module_call is not None:
        return False
    if any(recording.tensors[tensor].requires_grad for tensor in op.outputs):
        # An in-place update gives the parameter itself, which requires a gradient.
        return bool(op.overwrites)
    at = step.source
    heights = [height for height, frame in enumerate(op.stack) if frame == at]
    inner = op.stack[: heights[-1]] if heights else ()
    return not inner or inner[-1].function.endswith(".step")


def timeline(recording: Recording, loops: FoundLoops | None = None) -> Timeline:
    """The ordered moments of one run: under half a second for 100,000 ops.

    Args:
        recording: what ran.
        loops: of `find_loops`, where they are known already.
    """
    return Timeline(recording, loops)
