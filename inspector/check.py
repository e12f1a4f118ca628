"""`self_check`: whether a recording's references hold.

Files come from strangers, and every pass relies on ids: they are checked once, here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sized

from inspector.records import Recording


def self_check(recording: Recording) -> None:
    """Check ids (they count from 0), what every reference points at, and what `meta` holds.

    Raises:
        ValueError: says which record refers to what.
    """
    for name in ("ops", "module_calls", "decisions", "grad_nodes", "steps"):
        rows = getattr(recording, name)
        _numbered(name, (row.id for row in rows))
    _numbered("tensors", (tensor.id for tensor in recording.tensors.values()))
    _check_ops(recording)
    _check_tensors(recording)
    _check_calls(recording)
    _check_backward(recording)
    _check_rest(recording)
    _check_meta(recording)


def _numbered(name: str, ids: Iterable[int]) -> None:
    for expected, found in enumerate(ids):
        if expected != found:
            raise ValueError(f"{name}: record number {expected} says it is number {found}")


def _within(what: str, ids: Iterable[int | None], rows: Sized) -> None:
    for number in ids:
        if number is not None and not 0 <= number < len(rows):
            raise ValueError(f"{what} refers to number {number} of {len(rows)}")


def _check_ops(recording: Recording) -> None:
    for op in recording.ops:
        ids = (*op.inputs, *op.outputs, *op.overwrites)
        _within(f"op {op.id}", ids, recording.tensors)
        _within(f"op {op.id}", (op.module_call,), recording.module_calls)


def _check_tensors(recording: Recording) -> None:
    for tensor in recording.tensors.values():
        _within(f"tensor {tensor.id}", (tensor.producer,), recording.ops)
        _within(f"tensor {tensor.id}", (tensor.alias_of,), recording.tensors)
        if tensor.alias_of is not None and tensor.alias_of >= tensor.id:
            raise ValueError(f"tensor {tensor.id} is an alias of the later {tensor.alias_of}")


def _check_calls(recording: Recording) -> None:
    for call in recording.module_calls:
        _within(f"module call {call.id}", call.ops, recording.ops)
        _within(f"module call {call.id}", (call.parent,), recording.module_calls)
        if call.parent is not None and call.parent >= call.id:
            raise ValueError(f"module call {call.id} lies in the later {call.parent}")


def _check_backward(recording: Recording) -> None:
    for node in recording.grad_nodes:
        _within(f"autograd node {node.id}", node.next, recording.grad_nodes)
        _within(f"autograd node {node.id}", (node.op,), recording.ops)
        _within(f"autograd node {node.id}", (node.tensor, *node.saved), recording.tensors)


def _check_rest(recording: Recording) -> None:
    tensors, ops = recording.tensors, recording.ops
    _within("the inputs", recording.inputs, tensors)
    _within("the output", recording.output, tensors)
    _within("the values", recording.values, tensors)
    _within("the gradients", recording.grads, tensors)
    for decision in recording.decisions:
        _within(f"decision {decision.id}", (decision.op,), ops)
        _within(f"decision {decision.id}", (decision.tensor,), tensors)
        _within(f"decision {decision.id}", (decision.module_call,), recording.module_calls)
        if decision.op is None and not 0 <= (decision.before_op or 0) <= len(ops):
            raise ValueError(f"decision {decision.id} lies before op {decision.before_op}")
    for info in recording.parameters:
        _within(f"parameter {info.name}", (info.tensor,), tensors)
    for step in recording.steps:
        if not 0 <= step.first_op <= step.last_op <= len(ops):
            raise ValueError(f"step {step.id} spans ops {step.first_op} to {step.last_op}")
        _within(f"step {step.id}", step.roots, tensors)
    if recording.failure is not None:
        _within("the failure", (recording.failure.op,), ops)
        failure = recording.failure
        _within("the failure", (*failure.inputs, *failure.saved, *failure.roots), tensors)
    for warning in recording.warnings:
        _within("a warning", (warning.tensor,), tensors)


def _check_meta(recording: Recording) -> None:
    """What passes read of `meta`; all else in it is only kept."""
    meta = recording.meta
    if not isinstance(meta.get("model"), str | None):
        raise ValueError("meta: `model` is not a text")
    if not isinstance(meta.get("arguments"), Mapping | list | None):
        raise ValueError("meta: `arguments` are neither a list nor named")
    loss_from = meta.get("loss_from", 0)
    if not isinstance(loss_from, int) or loss_from < 0:
        raise ValueError("meta: `loss_from` is not the number of an op")
    names = meta.get("input_names", ())
    if not isinstance(names, list | tuple) or not all(map(_is_named, names)):
        raise ValueError("meta: `input_names` are not pairs of a tensor's number and a text")
    _within("meta: `input_names`", (number for number, _ in names), recording.tensors)


def _is_named(pair: object) -> bool:
    """Whether this is a number with a text."""
    if not isinstance(pair, list | tuple) or len(pair) != 2:
        return False
    number, name = pair
    return isinstance(number, int) and isinstance(name, str)
