"""An op that failed because the shapes it was given do not fit together."""

from __future__ import annotations

import re
from collections.abc import Iterator

from inspector.axes import split_arguments
from inspector.findings.evidence import Evidence
from inspector.findings.failing import error_at, raised_op, torch_says
from inspector.findings.rule import Rule
from inspector.found import Finding
from inspector.language import listed, sentence, sentences
from inspector.records import Op
from inspector.whys import why_this_shape

NAME = "shapes-do-not-fit"

_MESSAGE = (
    r"shapes cannot be multiplied|size mismatch|must match the size of tensor|must match except "
    r"in dimension|invalid for input of size|to have \d+ channels|normalized_shape|"
    r"same (?:size|shape|number of)|stack expects|"
    r"[Ee]xpected (?!more than 1 value).*(?:size|shape|dimension)|"
    r"shape mismatch|inconsistent (?:tensor )?size|not broadcast|does not match .*shape|"
    r"Kernel size can't be greater|multi-target not supported|"
    # As tensors on the meta device are refused:
    r"same reduction dim|broadcast a dimension of length|Invalid channel dimensions|"
    r"(?:[Bb]atch|[Dd]imension|size).* (?:must|should) (?:be|match)"
)
_PAIRS = {
    "linear": (0, -1, 1, -1),
    "matmul": (0, -1, 1, -2),
    "mm": (0, -1, 1, -2),
    "bmm": (0, -1, 1, -2),
    "conv1d": (0, 1, 1, 1),
    "conv2d": (0, 1, 1, 1),
    "conv3d": (0, 1, 1, 1),
}
"""Op -> (input, its dimension, other input, its dimension): the two that have to be equal."""

_ALIKE = re.compile(r"match the size of tensor|broadcast|same (?:size|shape|as)|shape mismatch")
"""What is said where all dimensions have to be equal, or 1."""

_DIM = re.compile(r"(?:dim=|axis=)?-?\d+")
_JOINS = ("cat", "concat", "concatenate")
_CLASSES = ("cross_entropy", "nll_loss")


def check(evidence: Evidence) -> Iterator[Finding]:
    """Looks at the failure."""
    op = raised_op(evidence, _MESSAGE)
    if op is None:
        return
    place = _culprit(evidence, op)
    chain: tuple[int, ...] = ()
    told = torch_says(evidence)
    tensor = None
    if place is not None:
        tensor, dim, expected = place
        size = evidence.recording.tensors[tensor].shape[dim]
        why = why_this_shape(evidence.recording, tensor, dim)
        chain = tuple(step.op for step in why.steps if step.op is not None)
        wrong = sentence(
            "Dimension {dim} of {tensor} is {size} and should be {expected}.",
            dim=dim,
            tensor=evidence.tensor_words(tensor),
            size=size,
            expected=expected,
        )
        told = sentences(wrong, *why.sentences[1:])
    cannot = sentence(
        "{op} cannot work with these shapes: {shapes}.",
        op=evidence.words(op),
        shapes=listed(evidence.shaped(number) for number in op.inputs),
    )
    message = sentences(cannot, told)
    yield error_at(NAME, op, message, _help(evidence, op), tensor=tensor, related=chain)


def _culprit(evidence: Evidence, op: Op) -> tuple[int, int, int] | None:
    """(tensor, dimension, the size that was expected there)."""
    tensors = evidence.recording.tensors
    shapes = [tensors[number].shape for number in op.inputs]
    pair = _PAIRS.get(op.name)
    if op.name in _JOINS:
        return _unlike_the_first(op, shapes)
    if op.name in _CLASSES:
        return _other_batch(op, shapes)
    if pair is None or len(shapes) < 2:
        failure = evidence.recording.failure
        alike = failure is not None and _ALIKE.search(failure.message)
        return _unequal(op, shapes) if alike else None
    one, at, other, there = pair
    if len(shapes[one]) < abs(at) or len(shapes[other]) < abs(there):
        return None
    got, expected = shapes[one][at], shapes[other][there]
    if op.name.startswith("conv"):
        # The weight has the channels of one group; an unbatched image has no batch dimension.
        at = len(shapes[one]) - (len(shapes[other]) - 1)
        got = shapes[one][at] if at >= 0 else got
        if at < 0 or got % max(expected, 1) == 0:
            return None
    if got == expected:
        return None
    return op.inputs[one], at % len(shapes[one]), expected


def _unequal(op: Op, shapes: list[tuple[int, ...]]) -> tuple[int, int, int] | None:
    """Of two tensors that have to broadcast: the first dimension from the end that does not."""
    if len(shapes) != 2:
        return None
    for back in range(1, min(map(len, shapes)) + 1):
        one, other = shapes[0][-back], shapes[1][-back]
        if one != other and 1 not in (one, other):
            # The second operand is mostly the one that was added.
            return op.inputs[1], len(shapes[1]) - back, one
    return None


def _unlike_the_first(op: Op, shapes: list[tuple[int, ...]]) -> tuple[int, int, int] | None:
    """Of tensors that are joined: the first size that differs outside of the joined dimension."""
    grown = next((text for text in split_arguments(op.arguments) if _DIM.fullmatch(text)), "dim=0")
    dim = int(grown.partition("=")[2] or grown)
    for number, shape in zip(op.inputs[1:], shapes[1:], strict=True):
        if len(shape) != len(shapes[0]):
            return None
        for at, (size, expected) in enumerate(zip(shape, shapes[0], strict=True)):
            if size != expected and at != dim % len(shape):
                return number, at, expected
    return None


def _other_batch(op: Op, shapes: list[tuple[int, ...]]) -> tuple[int, int, int] | None:
    """Of class numbers: the first size that is not as that of the scores, whose dimension 1 has
    the classes.
    """
    if len(shapes) < 2 or len(shapes[1]) != len(shapes[0]) - 1:
        return None
    expected = (*shapes[0][:1], *shapes[0][2:])
    for at, (size, wanted) in enumerate(zip(shapes[1], expected, strict=True)):
        if size != wanted:
            return op.inputs[1], at, wanted
    return None


def _help(evidence: Evidence, op: Op) -> str:
    shapes = [evidence.recording.tensors[number].shape for number in op.inputs]
    if op.name in _CLASSES and len(shapes) > 1 and len(shapes[1]) > 1:
        if shapes[1][-1] == 1:
            target = evidence.tensor_words(op.inputs[1])
            return sentence(
                "Class numbers have no dimension for classes: {tensor}.squeeze(-1).", tensor=target
            )
        return sentence(
            "The target has either class numbers (int64, the scores' shape without dimension 1) "
            "or one probability for each class (float, the shape of the scores)."
        )
    if op.name == "linear":
        return sentence(
            "Give the layer the size that arrives (in_features), or change an op of the chain so "
            "that the expected size arrives. nn.LazyLinear takes its size from the first input."
        )
    return sentence("Follow the chain of ops that made the size, and change the one that is wrong.")


RULE = Rule(
    name=NAME,
    title=sentence("Shapes that do not fit"),
    what=sentence(
        "An op raised because of its inputs' shapes. Says which dimension is not as expected, "
        "and names the chain of ops in which it got its size."
    ),
    why=sentence(
        "torch's message ('mat1 and mat2 shapes cannot be multiplied (2x7200 and 6272x10)') has "
        "the numbers, but not where they come from."
    ),
    example="x = pool(conv(images)).flatten(1)  # (2, 7200)\nnn.Linear(6272, 10)(x)",
    instead="nn.Linear(7200, 10)(x)  # or nn.LazyLinear(10)(x)",
    check=check,
)
