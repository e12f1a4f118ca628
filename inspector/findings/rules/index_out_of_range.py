"""An index, a token or a class number that is not there."""

from __future__ import annotations

import re
from collections.abc import Iterator

from inspector.findings.evidence import Evidence
from inspector.findings.failing import error_at, raised_op, torch_says
from inspector.findings.rule import Rule
from inspector.found import Finding
from inspector.language import sentence, sentences
from inspector.records import Op, TensorSummary

NAME = "index-out-of-range"

_MESSAGE = r"[Ii]ndex .*out of (?:range|bounds)|is out of bounds|out of range"
_DIMENSION = re.compile(
    r"index (?P<index>-?\d+) is out of bounds for dimension (?P<dimension>\d+) with "
    r"size (?P<size>\d+)"
)
_INTEGERS = ("int", "uint", "bool")
_CLASSES = frozenset(("cross_entropy", "nll_loss", "one_hot"))


def check(evidence: Evidence) -> Iterator[Finding]:
    """Looks at the failed op's integer tensor and at the size that it indexes."""
    op = raised_op(evidence, _MESSAGE)
    if op is None:
        return
    recording = evidence.recording
    tensors = recording.tensors
    indices = [t for t in op.inputs if tensors[t].dtype.startswith(_INTEGERS)]
    index = indices[-1] if indices else None
    words = evidence.words(op)
    if op.name in _CLASSES:
        given = sentence("{op} was given a class number that is not there.", op=words)
    else:
        given = sentence("{op} was given an index that is not there.", op=words)
    message = sentences(given, _told(evidence, op, index))
    maker = None if index is None else evidence.maker(index)
    help_ = _help(evidence, op, index)
    related = () if maker is None else (maker.id,)
    yield error_at(NAME, op, message, help_, tensor=index, related=related)


def _told(evidence: Evidence, op: Op, index: int | None) -> str:
    """The range of the indices and the size of what they point into."""
    recording = evidence.recording
    failure = recording.failure
    summary = None if index is None else recording.tensors[index].summary
    table = next((t for t in op.inputs if t != index), None)
    named = None if failure is None else _DIMENSION.search(failure.message)
    parts: list[str] = []
    if index is not None and summary is not None and summary.max is not None:
        parts.append(_range(evidence.tensor_words(index), summary, op))
    if named is not None:
        parts.append(
            sentence(
                "Dimension {dimension} has the size {size}, and index {index} was asked for.",
                **named.groupdict(),
            )
        )
    elif table is not None and recording.tensors[table].shape:
        size = _size(recording.tensors[table].shape, op)
        parts.append(_known(evidence.shaped(table), size, op))
    return sentences(*parts) or torch_says(evidence)


def _range(name: str, summary: TensorSummary, op: Op) -> str:
    if op.name in _CLASSES:
        return sentence(
            "The class numbers, {tensor}, run from {low:.0f} to {high:.0f}.",
            tensor=name,
            low=summary.min,
            high=summary.max,
        )
    return sentence(
        "The indices, {tensor}, run from {low:.0f} to {high:.0f}.",
        tensor=name,
        low=summary.min,
        high=summary.max,
    )


def _known(shaped: str, size: int, op: Op) -> str:
    if op.name in _CLASSES:
        return sentence(
            "There are {count} classes, 0 to {last}: {tensor}.",
            count=size,
            last=size - 1,
            tensor=shaped,
        )
    return sentence("{tensor} knows the indices 0 to {last}.", tensor=shaped, last=size - 1)


def _help(evidence: Evidence, op: Op, index: int | None) -> str:
    """What to do, by what the index points into."""
    if op.name not in _CLASSES:
        return sentence(
            "Make the table as large as the largest index plus one (special tokens count), or map "
            "the data to 0 … n - 1."
        )
    tensors = evidence.recording.tensors
    summary = None if index is None else tensors[index].summary
    scores = next((t for t in op.inputs if t != index and tensors[t].shape), None)
    size = None if scores is None else _size(tensors[scores].shape, op)
    if summary is not None and size is not None and summary.max == size and summary.min == 1:
        labels = evidence.tensor_words(index or 0)
        return sentence("Count classes from 0: subtract 1 from {tensor}.", tensor=labels)
    return sentence(
        "Give the last layer as many outputs as the largest class number plus one, or map the "
        "labels to 0 … n - 1. A negative class number needs ignore_index."
    )


def _size(shape: tuple[int, ...], op: Op) -> int:
    """How many there are: rows of a table, classes of scores (the second dimension)."""
    if op.name in _CLASSES:
        return shape[1] if len(shape) > 1 else shape[0]
    return shape[0]


RULE = Rule(
    name=NAME,
    title=sentence("An index that is not there"),
    what=sentence(
        "An embedding, a gather, an indexing or a class loss raised because of an index. Says "
        "the range of the indices and the size of the table."
    ),
    why=sentence("torch says 'index out of range in self', without the index or the size."),
    example="nn.Embedding(10, 4)(torch.tensor([3, 10]))",
    instead="nn.Embedding(11, 4)(torch.tensor([3, 10]))",
    check=check,
)
