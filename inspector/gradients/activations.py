"""Gradients of activations, and the outputs of rectifying ops that stay at zero."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from itertools import takewhile

import numpy

from inspector.gradients.model import ActivationGradient, Rectifier, Round
from inspector.gradients.rounds import RoundFinder, optimizer_ops, round_of_pass
from inspector.norms import nonfinite_count, norm_of, norm_of_all
from inspector.records import GradNode, Op, Recording, Source, TensorInfo
from inspector.views import words

_EVIDENCE = 4
"""Values of a unit that have to be zero before it is called dead: one sample tells little."""

_CHANNELS_SECOND = ("conv", "batch_norm", "instance_norm", "group_norm")
"""Ops whose results have their channels in dimension 1, whatever the rank."""


def activations_of(
    recording: Recording, rounds: tuple[Round, ...]
) -> tuple[ActivationGradient, ...]:
    """The gradient that came back to each op's outputs, in each pass.

    Of the autograd nodes that one op made, the first to run is the one at its outputs.
    """
    rounds_by_pass = round_of_pass(rounds)
    seen: set[tuple[int, int]] = set()
    found: list[ActivationGradient] = []
    for node in recording.grad_nodes:
        round = rounds_by_pass.get(node.pass_index)
        if node.op is None or round is None or (node.pass_index, node.op) in seen:
            continue
        seen.add((node.pass_index, node.op))
        found.append(_activation(node, node.op, round))
    return tuple(sorted(found, key=lambda one: (one.round, one.op, one.pass_index)))


def _activation(node: GradNode, op: int, round: int) -> ActivationGradient:
    came = node.grad_outputs
    return ActivationGradient(
        op=op,
        node=node.id,
        round=round,
        pass_index=node.pass_index,
        norm=norm_of(came[0]) if len(came) == 1 else norm_of_all(came),
        numel=sum(summary.numel for summary in came if summary is not None),
        nonfinite=sum(map(nonfinite_count, came)),
    )


# -- rectifiers --------------------------------------------------------------------------------


def rectifiers_of(recording: Recording, rounds: tuple[Round, ...]) -> tuple[Rectifier, ...]:
    """The ops of the source that rectify, in the order of their first run.

    Runs of one op at one place of the source, in one module, belong together: those of all
    rounds, and all iterations of a loop.
    """
    updating = optimizer_ops(recording)
    places: dict[tuple[str, str, Source | None], list[Op]] = {}
    for op in recording.ops:
        if op.phase == "forward" and op.id not in updating and _rectifies(recording, op):
            path = words.op_module(recording, op)
            places.setdefault((path, op.name, op.source), []).append(op)
    finder = RoundFinder(rounds)
    return tuple(
        _rectifier(recording, ops, path, finder, len(rounds))
        for (path, _, _), ops in places.items()
    )


def _rectifies(recording: Recording, op: Op) -> bool:
    """Whether an op is a ReLU by its name, or did what one does.

    That is: of one input with values below zero it made an output of the same shape without
    any, and with zeros. (`zeros_like` does so too, but its output does not depend on the input.)
    """
    if len(op.outputs) != 1 or op.name.endswith("_like") or op.name.startswith("new_"):
        return False
    made = recording.tensors[op.outputs[0]]
    if made.summary is None or not made.dtype.startswith(("float", "bfloat")):
        return False
    if op.name.rstrip("_") in ("relu", "relu6"):
        return True
    if len(op.inputs) != 1 or not made.summary.zero_fraction or made.summary.min != 0.0:
        return False
    taken = recording.tensors[op.inputs[0]]
    if taken.shape != made.shape or taken.summary is None or taken.summary.min is None:
        return False
    return taken.summary.min < 0.0


def _rectifier(
    recording: Recording, ops: list[Op], path: str, finder: RoundFinder, rounds: int
) -> Rectifier:
    by_round: dict[int | None, list[Op]] = {}
    for op in ops:
        by_round.setdefault(finder.of(op.id), []).append(op)
    in_rounds = [by_round.get(i, []) for i in range(rounds)]
    ran = [i for i, own in enumerate(in_rounds) if own]
    zeros = _zeros(recording, ops) or 0.0
    each_zeros = [_zeros(recording, own) for own in in_rounds]
    units = _unit_zeros(recording, ops)
    unit_rounds: tuple[tuple[float, ...] | None, ...] = ()
    if units:
        unit_rounds = tuple(_unit_zeros(recording, own) or None for own in in_rounds)
    return Rectifier(
        name=ops[0].name,
        path=path,
        source=ops[0].source,
        ops=tuple(op.id for op in ops),
        zeros=zeros,
        by_round=tuple(each_zeros),
        units=units,
        units_by_round=unit_rounds,
        dead_since=_zero_from(recording, in_rounds, [each_zeros[i] for i in ran], ran),
        dead=_dead_units(recording, in_rounds, unit_rounds, ran),
    )


def _zero_from(
    recording: Recording, in_rounds: list[list[Op]], zeros: list[float | None], ran: list[int]
) -> int | None:
    """The first of the last rounds in which everything is zero, if four values tell so."""
    last = list(takewhile(lambda i: zeros[i] == 1.0, reversed(range(len(zeros)))))
    values = sum(
        summary.numel
        for i in last
        for one in _outputs(recording, in_rounds[ran[i]])
        if (summary := one.summary) is not None
    )
    return ran[last[-1]] if last and values >= _EVIDENCE else None


def _dead_units(
    recording: Recording,
    in_rounds: list[list[Op]],
    unit_rounds: tuple[tuple[float, ...] | None, ...],
    ran: list[int],
) -> tuple[int, ...]:
    """The units that are zero in the last rounds, as far as four values of each tell so."""
    rows = [(i, row) for i in reversed(ran) if unit_rounds and (row := unit_rounds[i])]
    if not rows:
        return ()
    samples = {
        i: sum(one.summary.numel for one in _outputs(recording, in_rounds[i]) if one.summary)
        // len(row)
        for i, row in rows
    }
    found = []
    for unit in range(len(rows[0][1])):
        last = takewhile(partial(_is_dead, unit), rows)
        if sum(samples[i] for i, _ in last) >= _EVIDENCE:
            found.append(unit)
    return tuple(found)


def _is_dead(unit: int, entry: tuple[int, tuple[float, ...]]) -> bool:
    return entry[1][unit] >= 1.0


def _outputs(recording: Recording, ops: Iterable[Op]) -> list[TensorInfo]:
    return [recording.tensors[op.outputs[0]] for op in ops]


def _zeros(recording: Recording, ops: Iterable[Op]) -> float | None:
    """Share of zeros among the values of these ops' outputs."""
    summaries = [one.summary for one in _outputs(recording, ops) if one.summary is not None]
    total = sum(summary.numel for summary in summaries)
    if not total:
        return None
    return sum(summary.zero_fraction * summary.numel for summary in summaries) / total


def _unit_zeros(recording: Recording, ops: Iterable[Op]) -> tuple[float, ...]:
    """Share of zeros per unit; empty where values are missing or the units are not the same."""
    zeros: numpy.ndarray | None = None
    samples = 0
    for op in ops:
        values = recording.values.get(op.outputs[0])
        if values is None or not values.ndim or not values.size:
            return ()
        unit = _unit_dimension(recording, op, values.ndim)
        others = tuple(i for i in range(values.ndim) if i != unit)
        counted = (values == 0).sum(axis=others)
        if zeros is not None and zeros.shape != counted.shape:
            return ()
        zeros = counted if zeros is None else zeros + counted
        samples += values.size // values.shape[unit]
    return () if zeros is None else tuple((zeros / samples).tolist())


def _unit_dimension(recording: Recording, op: Op, rank: int) -> int:
    """Which dimension counts the units: 1 after convolutions and of images, else the last."""
    maker = recording.tensors[op.inputs[0]].producer if op.inputs else None
    name = "" if maker is None else recording.ops[maker].name
    channels = rank > 2 and (rank >= 4 or name.startswith(_CHANNELS_SECOND))
    return 1 if channels else rank - 1
