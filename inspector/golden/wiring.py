"""Which ops of two aligned runs take other values: same ops, other edges."""

from __future__ import annotations

import os
from collections.abc import Hashable, Iterator, Sequence

from inspector.comparison import Comparison
from inspector.records import Op, Recording


def rewired(a: Recording, b: Recording, found: Comparison) -> Iterator[str]:
    """A sentence for each pair of ops, and for the output, that takes other values in B.

    An input counts as another one if both ops that made it ran in both runs and are no pair, or
    if one is given from outside and the other made. What an op of only one run made is not told
    again.

    Args:
        a, b: the runs.
        found: their comparison.
    """
    partner = dict(found.common)
    for one, other in found.common:
        mine, theirs = a.ops[one], b.ops[other]
        for said in _differences(a, b, partner, mine.inputs, theirs.inputs):
            yield f"{_op(b, theirs)} takes {said}."
    for said in _differences(a, b, partner, a.output, b.output):
        yield f"The output is {said}."


def _differences(
    a: Recording,
    b: Recording,
    partner: dict[int, int],
    mine: Sequence[int],
    theirs: Sequence[int],
) -> Iterator[str]:
    if len(mine) != len(theirs):
        yield f"{_plural(len(theirs))}, not {_plural(len(mine))}"
        return
    back = set(partner.values())
    for x, y in zip(mine, theirs, strict=True):
        made_x, made_y = a.tensors[x].producer, b.tensors[y].producer
        alone = (made_x is not None and made_x not in partner) or (
            made_y is not None and made_y not in back
        )
        if not alone and _origin(a, x, partner) != _origin(b, y, None):
            yield f"{_told(b, y)}, not {_told(a, x)}"


def _origin(recording: Recording, tensor: int, partner: dict[int, int] | None) -> Hashable:
    """What tells a value from others in both runs: the op of B that made it, and its place."""
    info = recording.tensors[tensor]
    if info.producer is not None:
        place = recording.ops[info.producer].outputs.index(tensor)
        return "made", info.producer if partner is None else partner[info.producer], place
    if info.name:
        return "parameter"  # which one is told among the changes
    if tensor in recording.inputs:
        return "input", recording.inputs.index(tensor)
    return "constant"


def _told(recording: Recording, tensor: int) -> str:
    info = recording.tensors[tensor]
    if info.producer is not None:
        op = recording.ops[info.producer]
        several = len(op.outputs) > 1
        place = f"result {op.outputs.index(tensor)}" if several else "the result"
        return f"{place} of {_op(recording, op)}"
    if info.name:
        return f"the parameter {info.name}"
    if tensor in recording.inputs:
        names = dict(recording.meta.get("input_names", ()))
        return f"the input {names.get(tensor, recording.inputs.index(tensor))}"
    return "a constant"


def _op(recording: Recording, op: Op) -> str:
    place = op.source
    where = "" if place is None else f" ({os.path.basename(place.file)}:{place.line})"
    return f"`{op.name}` [{op.id}]{where}"


def _plural(count: int) -> str:
    return "1 tensor" if count == 1 else f"{count} tensors"
