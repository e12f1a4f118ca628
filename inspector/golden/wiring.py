"""Which ops of two aligned runs take other values: same ops, other edges."""

from __future__ import annotations

import os
from collections.abc import Hashable, Iterator, Sequence

from inspector.comparison import Comparison
from inspector.language import counted, sentence
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
            yield sentence("{op} takes {inputs}.", op=_op(b, theirs), inputs=said)
    for said in _differences(a, b, partner, a.output, b.output):
        yield sentence("The output is {outputs}.", outputs=said)


def _differences(
    a: Recording,
    b: Recording,
    partner: dict[int, int],
    mine: Sequence[int],
    theirs: Sequence[int],
) -> Iterator[str]:
    if len(mine) != len(theirs):
        yield sentence("{now}, not {before}", now=_plural(len(theirs)), before=_plural(len(mine)))
        return
    back = set(partner.values())
    for x, y in zip(mine, theirs, strict=True):
        made_x, made_y = a.tensors[x].producer, b.tensors[y].producer
        alone = (made_x is not None and made_x not in partner) or (
            made_y is not None and made_y not in back
        )
        if not alone and _origin(a, x, partner) != _origin(b, y, None):
            yield sentence("{now}, not {before}", now=_told(b, y), before=_told(a, x))


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
        told = _op(recording, op)
        if not several:
            return sentence("the result of {op}", op=told)
        return sentence("result {number} of {op}", number=op.outputs.index(tensor), op=told)
    if info.name:
        return sentence("the parameter {name}", name=info.name)
    if tensor in recording.inputs:
        name = recording.input_names().get(tensor, recording.inputs.index(tensor))
        return sentence("the input {name}", name=name)
    return sentence("a constant")


def _op(recording: Recording, op: Op) -> str:
    place = op.source
    where = "" if place is None else f" ({os.path.basename(place.file)}:{place.line})"
    return f"`{op.name}` [{op.id}]{where}"


def _plural(count: int) -> str:
    return counted("{count} tensor", "{count} tensors", count)
