"""Who wrote into a tensor's memory, who had kept its value, and through which alias."""

from __future__ import annotations

from inspector.language import sentence
from inspector.records import Op, Recording
from inspector.why_records import Why, WhyStep
from inspector.whys.words import op_words, short_words, tensor_of, tensor_words

MOST_WRITES = 20
"""Writes that are told one by one."""


def who_overwrote(recording: Recording, tensor: int) -> Why:
    """The ops that wrote into the memory of a tensor value after it was made.

    Writes through a view, another name, or `.data` count as well: what tells is the memory, not
    autograd's version counter. Whether a write through another view met the same elements is not
    told.

    Args:
        recording: what ran.
        tensor: id of the value.

    Returns:
        The answer; its cause is the first write after the value was saved for a backward pass,
        if it was, else the first of all. `steps` are all of it in order of the run.

    Raises:
        QuestionError: there is no such tensor.
    """
    info = tensor_of(recording, tensor)
    made = -1 if info.producer is None else info.producer
    name = short_words(recording, tensor)
    writes = [] if info.storage is None else _writes(recording, tensor, info.storage, made)
    if not writes:
        words = tensor_words(recording, tensor)
        return Why((sentence("Nobody wrote into {tensor} after it was made.", tensor=words),))
    savers = _savers(recording, tensor)
    saved = min((op for op in savers if op < writes[-1].id), default=None)
    cause = next((op for op in writes if saved is None or op.id > saved), writes[0])
    told = [_wrote(op_words(recording, cause), name, _through(recording, cause, tensor))]
    if saved is not None:
        keeper = op_words(recording, recording.ops[saved])
        told.append(sentence("{op} had kept the value before, for its backward.", op=keeper))
    if _unseen(recording, cause, tensor):
        told.append(
            sentence("Autograd's version counter did not move, so autograd does not notice.")
        )
    if len(writes) > 1:
        told.append(sentence("There were {count} writes in all.", count=len(writes)))
    steps = [WhyStep(op, sentence("keeps the value for its backward")) for op in savers]
    steps += [
        WhyStep(op.id, _writes_words(op.name, _through(recording, op, tensor)))
        for op in writes[:MOST_WRITES]
    ]
    if made >= 0:
        maker = recording.ops[made].name
        steps.append(WhyStep(made, sentence("{op} makes the value", op=maker)))
    in_order = tuple(sorted(steps, key=lambda step: step.op or 0))
    help_ = sentence(
        "Write into a clone(), or use the version of the op that does not write in place."
    )
    return Why(tuple(told), in_order, cause.id, cause.source, help=help_)


def _wrote(op: str, name: str, alias: str) -> str:
    if not alias:
        return sentence("{op} wrote into {tensor}.", op=op, tensor=name)
    return sentence("{op} wrote into {tensor} through {alias}.", op=op, tensor=name, alias=alias)


def _writes_words(op: str, alias: str) -> str:
    if not alias:
        return sentence("{op} writes", op=op)
    return sentence("{op} writes through {alias}", op=op, alias=alias)


def _savers(recording: Recording, tensor: int) -> list[int]:
    """The ops whose autograd nodes kept the value; the node of a failed pass did not run."""
    found = {n.op for n in recording.grad_nodes if n.op is not None and tensor in n.saved}
    failure = recording.failure
    if failure is not None and failure.op is not None and tensor in failure.saved:
        found.add(failure.op)
    return sorted(found)


def _writes(recording: Recording, tensor: int, storage: int, made: int) -> list[Op]:
    return [
        op
        for op in recording.ops
        if op.overwrites
        and op.id > made
        and any(recording.tensors[old].storage == storage for old in op.overwrites)
        and tensor not in op.outputs
    ]


def _through(recording: Recording, op: Op, tensor: int) -> str:
    """Which name of the memory the op wrote through; "" if it was the tensor itself."""
    storage = recording.tensors[tensor].storage
    old = next(t for t in op.overwrites if recording.tensors[t].storage == storage)
    if old == tensor:
        return ""
    maker = recording.tensors[old].producer
    if maker is not None and recording.ops[maker].name == "data":
        return ".data"
    alias = recording.tensors[old].alias_of
    if alias is not None and recording.tensors[old].shape != recording.tensors[tensor].shape:
        return sentence("the view {tensor}", tensor=short_words(recording, old))
    return short_words(recording, old)


def _unseen(recording: Recording, op: Op, tensor: int) -> bool:
    """Whether the write left the version counter of the tensor's family as it was.

    `.data` has a counter of its own, which starts at 0: a tensor made by it, or a view of that.
    """
    number: int | None = next(
        (
            t
            for t in op.overwrites
            if recording.tensors[t].storage == recording.tensors[tensor].storage
        ),
        None,
    )
    while number is not None and number != tensor:
        info = recording.tensors[number]
        if info.producer is not None and recording.ops[info.producer].name in ("data", "set_data"):
            return True
        number = info.alias_of
    return False
