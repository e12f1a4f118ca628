"""`self_check`: whether a recording's references hold.

Files come from strangers, and every pass relies on ids: they are checked once, here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sized

from inspector.language import sentence
from inspector.records import Recording


def self_check(recording: Recording) -> None:
    """Check ids (they count from 0), what every reference points at, and what `meta` holds.

    Raises:
        ValueError: says which record refers to what.
    """
    for name in ("ops", "module_calls", "decisions", "grad_nodes", "steps", "collectives"):
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
            raise ValueError(
                sentence(
                    "{name}: record number {expected} says it is number {found}",
                    name=name,
                    expected=expected,
                    found=found,
                )
            )


def _within(
    what: str, ids: Iterable[int | None], rows: Sized, owner: int | str | None = None
) -> None:
    """`what` has these ids, and `owner` is its own id or name."""
    for number in ids:
        if number is not None and not 0 <= number < len(rows):
            raise ValueError(
                sentence(
                    "{what} refers to number {number} of {count}",
                    what=_words(what, owner),
                    number=number,
                    count=len(rows),
                )
            )


def _words(what: str, owner: int | str | None) -> str:
    told = {
        "op": sentence("op {id}", id=owner),
        "tensor": sentence("tensor {id}", id=owner),
        "module call": sentence("module call {id}", id=owner),
        "autograd node": sentence("autograd node {id}", id=owner),
        "decision": sentence("decision {id}", id=owner),
        "parameter": sentence("parameter {name}", name=owner),
        "step": sentence("step {id}", id=owner),
        "the inputs": sentence("the inputs"),
        "the output": sentence("the output"),
        "the values": sentence("the values"),
        "the gradients": sentence("the gradients"),
        "the failure": sentence("the failure"),
        "a warning": sentence("a warning"),
        "collective": sentence("collective {id}", id=owner),
    }
    return told.get(what, what)


def _check_ops(recording: Recording) -> None:
    for op in recording.ops:
        ids = (*op.inputs, *op.outputs, *op.overwrites)
        _within("op", ids, recording.tensors, op.id)
        _within("op", (op.module_call,), recording.module_calls, op.id)


def _check_tensors(recording: Recording) -> None:
    for tensor in recording.tensors.values():
        _within("tensor", (tensor.producer,), recording.ops, tensor.id)
        _within("tensor", (tensor.alias_of,), recording.tensors, tensor.id)
        if tensor.alias_of is not None and tensor.alias_of >= tensor.id:
            raise ValueError(
                sentence(
                    "tensor {id} is an alias of the later {alias_of}",
                    id=tensor.id,
                    alias_of=tensor.alias_of,
                )
            )


def _check_calls(recording: Recording) -> None:
    for call in recording.module_calls:
        _within("module call", call.ops, recording.ops, call.id)
        _within("module call", (call.parent,), recording.module_calls, call.id)
        if call.parent is not None and call.parent >= call.id:
            raise ValueError(
                sentence(
                    "module call {id} lies in the later {parent}", id=call.id, parent=call.parent
                )
            )


def _check_backward(recording: Recording) -> None:
    for node in recording.grad_nodes:
        _within("autograd node", node.next, recording.grad_nodes, node.id)
        _within("autograd node", (node.op,), recording.ops, node.id)
        _within("autograd node", (node.tensor, *node.saved), recording.tensors, node.id)


def _check_rest(recording: Recording) -> None:
    tensors, ops = recording.tensors, recording.ops
    _within("the inputs", recording.inputs, tensors)
    _within("the output", recording.output, tensors)
    _within("the values", recording.values, tensors)
    _within("the gradients", recording.grads, tensors)
    for decision in recording.decisions:
        _within("decision", (decision.op,), ops, decision.id)
        _within("decision", (decision.tensor,), tensors, decision.id)
        _within("decision", (decision.module_call,), recording.module_calls, decision.id)
        if decision.op is None and not 0 <= (decision.before_op or 0) <= len(ops):
            raise ValueError(
                sentence(
                    "decision {id} lies before op {before_op}",
                    id=decision.id,
                    before_op=decision.before_op,
                )
            )
    for info in recording.parameters:
        _within("parameter", (info.tensor,), tensors, info.name)
    for step in recording.steps:
        if not 0 <= step.first_op <= step.last_op <= len(ops):
            raise ValueError(
                sentence(
                    "step {id} spans ops {first_op} to {last_op}",
                    id=step.id,
                    first_op=step.first_op,
                    last_op=step.last_op,
                )
            )
        _within("step", step.roots, tensors, step.id)
    if recording.failure is not None:
        _within("the failure", (recording.failure.op,), ops)
        failure = recording.failure
        _within("the failure", (*failure.inputs, *failure.saved, *failure.roots), tensors)
    for warning in recording.warnings:
        _within("a warning", (warning.tensor,), tensors)
    for sent in recording.collectives:
        _within("collective", (sent.op, sent.wait), ops, sent.id)


def _check_meta(recording: Recording) -> None:
    """What passes read of `meta`; all else in it is only kept."""
    meta = recording.meta
    if not isinstance(meta.get("model"), str | None):
        raise ValueError(sentence("meta: `model` is not a text"))
    if not isinstance(meta.get("arguments"), Mapping | list | None):
        raise ValueError(sentence("meta: `arguments` are neither a list nor named"))
    for name in ("rank", "world_size"):
        if not isinstance(meta.get(name), int | None):
            raise ValueError(sentence("meta: `{name}` is not a whole number", name=name))
    loss_from = meta.get("loss_from", 0)
    if not isinstance(loss_from, int) or loss_from < 0:
        raise ValueError(sentence("meta: `loss_from` is not the number of an op"))
    names = meta.get("input_names", ())
    if not isinstance(names, list | tuple) or not all(map(_is_named, names)):
        raise ValueError(
            sentence("meta: `input_names` are not pairs of a tensor's number and a text")
        )
    _within("meta: `input_names`", (number for number, _ in names), recording.tensors)


def _is_named(pair: object) -> bool:
    """Whether this is a number with a text."""
    if not isinstance(pair, list | tuple) or len(pair) != 2:
        return False
    number, name = pair
    return isinstance(number, int) and isinstance(name, str)
