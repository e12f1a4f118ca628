"""From the raw notes of backward passes to `GradNode` records and the gradients of tensors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy

from inspector.capture.saved import SavedValues
from inspector.capture.tape import Tape
from inspector.making import records_of
from inspector.records import GradNode, TensorSummary

Summed = tuple[TensorSummary | None, ...]


def grad_node_records(
    tape: Tape,
    names: Mapping[int, str],
    op_of: Callable[[int | None], int | None],
    summed: Callable[[tuple[int | None, ...]], Summed],
) -> tuple[GradNode, ...]:
    """The autograd nodes of all passes.

    Args:
        tape: the notes of a finished run.
        names: number of a tensor object -> the path of the parameter that it is.
        op_of: the op that made the autograd node with a sequence number.
        summed: summaries by their numbers.
    """
    rows = tape.grad_nodes
    raws = tape.tensors.raw
    ops = [op_of(row.sequence) for row in rows]
    saved = SavedValues(raws)
    made = records_of(
        GradNode,
        len(rows),
        id=range(len(rows)),
        name=[row.name for row in rows],
        op=ops,
        parameter=[None if row.leaf is None else names.get(raws[row.leaf].object) for row in rows],
        grad_inputs=[summed(row.grad_inputs) for row in rows],
        grad_outputs=[summed(row.grad_outputs) for row in rows],
        pass_index=[row.pass_index for row in rows],
        accumulated=[row.accumulated for row in rows],
        next=[row.next for row in rows],
        tensor=[row.leaf for row in rows],
        duration_us=[row.duration_ns / 1000 for row in rows],
        kernels=[() if row.kernels is None else tuple(row.kernels) for row in rows],
        freed=[row.freed for row in rows],
        saved=[
            saved.ids(row.saved, None if op is None else tape.ops[op]) if row.saved else ()
            for row, op in zip(rows, ops, strict=True)
        ],
    )
    return tuple(made)


def gradients(nodes: Sequence[GradNode], tape: Tape) -> dict[int, TensorSummary]:
    """The gradient of each tensor, from the last pass that brought one."""
    return {tensor: summary for tensor, summary, _ in _arrived(nodes, tape)}


def gradient_values(nodes: Sequence[GradNode], tape: Tape) -> dict[int, numpy.ndarray]:
    """The values of the same gradients, where they were kept."""
    kept = tape.tensors.gradients
    numbers = {tensor: number for tensor, _, number in _arrived(nodes, tape)}
    return {tensor: kept[number] for tensor, number in numbers.items() if number in kept}


def _arrived(
    nodes: Sequence[GradNode], tape: Tape
) -> Iterator[tuple[int, TensorSummary, int | None]]:
    """(tensor, summary of its gradient, the summary's number) in the order of the passes."""
    by_output: dict[tuple[int | None, int], int] = {
        (raw.sequence, raw.output_nr): i
        for i, raw in enumerate(tape.tensors.raw)
        if raw.sequence is not None
    }
    for node, row in zip(nodes, tape.grad_nodes, strict=True):
        for position, summary in enumerate(node.grad_outputs):
            tensor = node.tensor
            if tensor is None:
                tensor = by_output.get((row.sequence, position))
            if tensor is not None and summary is not None:
                yield tensor, summary, row.grad_outputs[position]
