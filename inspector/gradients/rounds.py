"""Cuts a recording into training steps: backward passes, and the optimizer steps after them.

A round ends with its optimizer step, or where the gradients are thrown away without one
(`zero_grad`), or at the end of the recording. Several optimizers that step one after the other
share a round.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import replace

from inspector.gradients.model import Round
from inspector.norms import finite_count
from inspector.records import GradNode, Recording, Source, TensorInfo


def rounds_of(recording: Recording) -> tuple[Round, ...]:
    """The training steps of a recording, in order; none without a backward pass."""
    found: list[Round] = []
    passes: list[int] = []
    start = 0

    def close(end: int, updates: tuple[int, ...] = ()) -> None:
        nonlocal start
        found.append(Round(len(found), start, end, tuple(passes), updates=updates))
        passes.clear()
        start = end

    known = {step.pass_index for step in recording.steps if step.kind == "backward"}
    for step in recording.steps:
        if step.kind == "backward" and step.pass_index is not None:
            passes.append(step.pass_index)
        elif step.kind == "optimizer_step" and passes:
            close(step.last_op, (step.id,))
        elif step.kind == "optimizer_step" and found:
            found[-1] = replace(
                found[-1], last_op=step.last_op, updates=(*found[-1].updates, step.id)
            )
            start = step.last_op
        elif step.kind == "zero_grad" and passes:
            close(step.first_op)
    # Nodes without a step that started them: written by hand, or by an older recorder.
    passes += sorted({node.pass_index for node in recording.grad_nodes} - known)
    if passes:
        close(len(recording.ops))
    return tuple(_with_losses(recording, found))


def nodes_by_pass(recording: Recording) -> dict[int, list[GradNode]]:
    """The autograd nodes of each backward pass, in the order of execution."""
    passes: dict[int, list[GradNode]] = {}
    for node in recording.grad_nodes:
        passes.setdefault(node.pass_index, []).append(node)
    return passes


def round_of_pass(rounds: tuple[Round, ...]) -> dict[int, int]:
    """Number of a backward pass -> id of its round."""
    return {number: round.id for round in rounds for number in round.passes}


class RoundFinder:
    """Tells which round an op ran in."""

    def __init__(self, rounds: tuple[Round, ...]) -> None:
        self._starts = [round.first_op for round in rounds]
        self._ends = [round.last_op for round in rounds]

    def of(self, op: int) -> int | None:
        """The round's id; None for ops after the last round."""
        at = bisect_right(self._starts, op) - 1
        # An empty round shares its start with the next one, which is the later of the two.
        return at if at >= 0 and op < self._ends[at] else None


def optimizer_ops(recording: Recording) -> set[int]:
    """Ids of the ops that optimizer steps ran."""
    return {
        op
        for step in recording.steps
        if step.kind == "optimizer_step"
        for op in range(step.first_op, step.last_op)
    }


def _with_losses(recording: Recording, rounds: list[Round]) -> list[Round]:
    """The rounds with what their passes began at: the result of the first node's op."""
    passes = nodes_by_pass(recording)
    done = []
    for round in rounds:
        losses: list[float | None] = []
        sources: list[Source | None] = []
        for number in round.passes:
            nodes = passes.get(number, [])
            op = nodes[0].op if nodes else None
            made = None if op is None else recording.ops[op]
            tensor = recording.tensors[made.outputs[0]] if made and made.outputs else None
            losses.append(_single_value(tensor))
            sources.append(made.source if made else None)
        done.append(replace(round, losses=tuple(losses), loss_sources=tuple(sources)))
    return done


def _single_value(tensor: TensorInfo | None) -> float | None:
    summary = None if tensor is None else tensor.summary
    if summary is None or summary.numel != 1:
        return None
    if finite_count(summary):
        return summary.mean
    return summary.sample[0] if summary.sample else None
