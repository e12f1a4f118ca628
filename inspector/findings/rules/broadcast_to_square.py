"""A column against a row: (N, 1) and (N,) make (N, N)."""

from __future__ import annotations

from collections.abc import Iterator

from inspector.findings.evidence import Evidence, shape_words
from inspector.findings.rule import Rule
from inspector.found import Finding
from inspector.language import sentence, sentences
from inspector.records import Op

_LOSSES = ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss")
_OPS = ("sub", "rsub", "eq", "ne", *_LOSSES)

_ON_PURPOSE = frozenset(("unsqueeze", "getitem", "view", "reshape", "expand"))
"""Who makes a column by these ops means to compare all with all."""

_SAME_VALUES = _ON_PURPOSE | {
    "squeeze", "squeeze_", "unsqueeze_", "flatten", "unflatten", "ravel", "t", "transpose",
    "permute", "T", "mT", "swapaxes", "movedim", "detach", "clone", "contiguous", "data",
    "broadcast_to", "expand_as", "reshape_as", "view_as",
}  # fmt: skip
"""Ops that give the values they are given in another shape."""

MOST_STEPS = 5
"""Ops between the difference and the mean over it: square, a weight, a mask."""


def check(evidence: Evidence) -> Iterator[Finding]:
    """Ops whose operands are equal but for a last dimension of 1."""
    for op in evidence.named(*_OPS):
        pair = _pair(evidence, op)
        if pair is not None:
            yield _finding(evidence, op, *pair)


def _pair(evidence: Evidence, op: Op) -> tuple[int, int] | None:
    """(the column, the row) among an op's operands."""
    if len(op.inputs) != 2:
        return None
    tensors = evidence.recording.tensors
    column, row = sorted(op.inputs, key=lambda number: -len(tensors[number].shape))
    tall, flat = tensors[column].shape, tensors[row].shape
    if tall[:-1] != flat or not flat or tall[-1] != 1 or flat[-1] < 2:
        return None
    maker = evidence.maker(column)
    if maker is not None and (maker.name in _ON_PURPOSE or row in maker.inputs):
        return None
    return None if _root(evidence, column) == _root(evidence, row) else (column, row)


def _root(evidence: Evidence, tensor: int) -> int:
    """The tensor of whose values this one is another arrangement; itself if it is of none."""
    maker = evidence.maker(tensor)
    while maker is not None and maker.name in _SAME_VALUES and maker.inputs:
        tensor = maker.inputs[0]
        maker = evidence.maker(tensor)
    return tensor


def _finding(evidence: Evidence, op: Op, column: int, row: int) -> Finding:
    tensors = evidence.recording.tensors
    flat = tensors[row].shape
    square = (*flat, flat[-1])
    way = _to_scalar(evidence, op)
    # A parameter has the shape that its author gave it: a column of centres meets all values.
    designed = any(_root(evidence, one) in evidence.parameter_of for one in (column, row))
    confirmed = way is not None and bool(evidence.nodes_of.get(op.id)) and not designed
    message = sentence(
        "{op} of {column} and {row} works on {square}: each of the {count} values meets all "
        "{count} of the other, not its own one.",
        op=op.name,
        column=evidence.shaped(column),
        row=evidence.shaped(row),
        square=shape_words(square),
        count=flat[-1],
    )
    if confirmed:
        message = sentences(
            message,
            sentence("The loss is the mean over all of these pairs, and backward went through it."),
        )
    return Finding(
        "broadcast-to-square",
        "warning" if confirmed else "note",
        message,
        op=op.id,
        tensor=op.outputs[0] if op.outputs else None,
        source=op.source,
        related=way or (),
        help=sentence("Give both the same shape: squeeze(-1) the one, or unsqueeze(-1) the other."),
    )


def _to_scalar(evidence: Evidence, op: Op) -> tuple[int, ...] | None:
    """The ops that make one number of the result, one after the other; None if none do."""
    tensors = evidence.recording.tensors
    way: list[int] = []
    current = op
    for _ in range(MOST_STEPS):
        if current.outputs and not tensors[current.outputs[0]].shape:
            return tuple(way)
        users = evidence.consumers.get(current.outputs[0], ()) if current.outputs else ()
        if not users:
            return None
        current = evidence.recording.ops[users[0]]
        way.append(current.id)
    return None


RULE = Rule(
    name="broadcast-to-square",
    title=sentence("A column against a row makes a square"),
    what=sentence(
        "Differences, comparisons and losses of a tensor of shape (…, N, 1) and one of shape (…, "
        "N): broadcasting lines shapes up from the right and gives (…, N, N). A warning if the "
        "result is reduced to a loss that backward went through, else a note, and so for a "
        "parameter. Columns made on the spot (`x[:, None]`, `unsqueeze`) and those of the row "
        "itself (`s - s.squeeze(1)`) are taken as meant."
    ),
    why=sentence(
        "PyTorch says nothing (mse_loss warns). The loss compares every prediction with every "
        "target, so the model learns the mean of the targets."
    ),
    example="loss = (net(x) - y).square().mean()  # net(x): (N, 1), y: (N,)",
    instead="loss = (net(x).squeeze(1) - y).square().mean()",
    check=check,
)
