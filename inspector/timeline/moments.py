"""One moment in detail: what is computed, where, inside of what, and what is alive."""

from __future__ import annotations

from dataclasses import dataclass

from inspector.errors import QuestionError
from inspector.language import sentence
from inspector.records import Decision, GradNode, ModuleCall, Op, Recording, Source, Step
from inspector.timeline.alive import Alive
from inspector.timeline.loops import Loop
from inspector.timeline.model import PHASES, Record, Timeline
from inspector.timeline.order import Kind


@dataclass(frozen=True, slots=True)
class Moment:
    """What the run was doing at one moment.

    `record` is an `Op`, a `Decision` without an op, a `GradNode` or a `Step`. `inputs` and
    `outputs` are tensor ids; those of an autograd node are gradients, which have none. `op` is
    the op itself, or the forward op of an autograd node; `decision` what the op or the read
    decided. `source` and `stack` (innermost frame first) are the user's; for an autograd node
    those of its forward op, or of the line that ran the pass. `modules` are the module calls
    around it, innermost first. `loops` are those that it ran in, innermost first; `visit` of
    `visits` is which time an op of this place in the code ran, both 0 where that is not known.
    `steps` are the training steps it is in, innermost first; `iteration` is the number, from 0,
    of the optimizer step that it is in or that comes next, of `iterations`.
    """

    index: int
    kind: Kind
    record: Record
    phase: str
    depth: int
    op: Op | None
    decision: Decision | None
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    source: Source | None
    stack: tuple[Source, ...]
    modules: tuple[ModuleCall, ...]
    loops: tuple[Loop, ...]
    visit: int
    visits: int
    steps: tuple[Step, ...]
    iteration: int
    iterations: int
    failed: bool
    alive: Alive


def moment(timeline: Timeline, index: int, largest: int = 20) -> Moment:
    """The moment with this number, with the `largest` pieces of memory alive then.

    Raises:
        QuestionError: there is no such moment.
    """
    check(timeline, index)
    recording = timeline.recording
    kind, record = timeline.entries[index][0], timeline.record(index)
    op = op_of(recording, record)
    stack = stack_of(timeline, op, record)
    visit, visits = (0, 0) if not isinstance(record, Op) else timeline.loops.visit(record.id)
    failure = recording.failure
    return Moment(
        index=index,
        kind=kind,
        record=record,
        phase=PHASES[timeline.phases[index]],
        depth=int(timeline.depths[index]),
        op=op,
        decision=decision_of(timeline, record),
        inputs=_inputs(record),
        outputs=record.outputs if isinstance(record, Op) else (),
        source=source_of(timeline, op, record),
        stack=stack,
        modules=chain_of(recording, call_of(op, record)),
        loops=timeline.loops.around(op, record),
        visit=visit,
        visits=visits,
        steps=steps_around(timeline, index),
        iteration=timeline.iteration(index),
        iterations=len(timeline.optimizer_steps),
        failed=isinstance(record, Op) and failure is not None and failure.op == record.id,
        alive=timeline.lifetimes.at(index, largest),
    )


def check(timeline: Timeline, index: int) -> None:
    """Refuse a number that no moment has.

    Raises:
        QuestionError: says how many there are.
    """
    if not 0 <= index < len(timeline):
        if not len(timeline):
            raise QuestionError(
                sentence("This run has no moment {index}: there are none.", index=index)
            )
        raise QuestionError(
            sentence(
                "This run has no moment {index}: they count from 0 to {last}.",
                index=index,
                last=len(timeline) - 1,
            )
        )


def op_of(recording: Recording, record: Record) -> Op | None:
    """The op of a moment: itself, or the forward op of an autograd node."""
    if isinstance(record, Op):
        return record
    if isinstance(record, GradNode) and record.op is not None:
        return recording.ops[record.op]
    return None


def decision_of(timeline: Timeline, record: Record) -> Decision | None:
    """What was decided at a moment, if anything was."""
    if isinstance(record, Decision):
        return record
    return timeline.decisions.get(record.id) if isinstance(record, Op) else None


def source_of(timeline: Timeline, op: Op | None, record: Record) -> Source | None:
    """The user's line of a moment; of an autograd node without an op the one that ran the pass."""
    if op is not None:
        return op.source
    if isinstance(record, GradNode):
        step = timeline.passes.get(record.pass_index)
        return None if step is None else step.source
    return record.source


def stack_of(timeline: Timeline, op: Op | None, record: Record) -> tuple[Source, ...]:
    """The user's frames at a moment, innermost first, as far as they are known.

    Of a size read and a step only the line is recorded: the frames around it are those of the
    op before or after it that ran in the same function.
    """
    if op is not None and op.stack:
        return op.stack
    source, recording = source_of(timeline, op, record), timeline.recording
    if source is None:
        return ()
    if isinstance(record, GradNode) and op is None:
        record = timeline.passes[record.pass_index]
    place = None
    if isinstance(record, (Decision, Step)):
        place = record.before_op if isinstance(record, Decision) else record.first_op
    for number in () if place is None else (place, place - 1):
        stack = recording.ops[number].stack if 0 <= number < len(recording.ops) else ()
        for height, frame in enumerate(stack):
            if (frame.file, frame.function) == (source.file, source.function):
                return (source, *stack[height + 1 :])
    return (source,)


def call_of(op: Op | None, record: Record) -> int | None:
    """The innermost module call around a moment."""
    if isinstance(record, Decision):
        return record.module_call
    return None if op is None else op.module_call


def chain_of(recording: Recording, call: int | None) -> tuple[ModuleCall, ...]:
    """A module call and those around it, innermost first."""
    found: list[ModuleCall] = []
    while call is not None:
        found.append(recording.module_calls[call])
        call = found[-1].parent
    return tuple(found)


def _inputs(record: Record) -> tuple[int, ...]:
    if isinstance(record, Op):
        return tuple(dict.fromkeys(record.inputs))
    if isinstance(record, Decision) and record.tensor is not None:
        return (record.tensor,)
    return ()


def steps_around(timeline: Timeline, index: int) -> tuple[Step, ...]:
    """The training steps that a moment is in, innermost first."""
    found: list[Step] = []
    step = timeline.step_around(index)
    while step is not None:
        found.append(step)
        around = timeline.levels.step_parents[step.id]
        step = None if around < 0 else timeline.recording.steps[around]
    return tuple(found)
