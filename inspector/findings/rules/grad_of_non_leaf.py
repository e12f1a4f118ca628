"""`.grad` read of a tensor that is no leaf."""

from __future__ import annotations

from collections.abc import Iterator

from inspector.findings.evidence import Evidence
from inspector.findings.rule import Rule
from inspector.found import Finding
from inspector.language import sentence, sentences
from inspector.records import Source

NAME = "grad-of-non-leaf"

_MESSAGE = "The .grad attribute of a Tensor that is not a leaf"
_UPDATES = ("sub", "add", "rsub", "addcdiv", "lerp")
_MARK_AFTER = sentence(
    "Make the values first and mark them after: `(torch.ones(3) * 0.5).requires_grad_()`. "
    "Or call retain_grad() on the tensor before backward()."
)


def check(evidence: Evidence) -> Iterator[Finding]:
    """Looks for torch's warning, which comes with the tensor."""
    recording = evidence.recording
    for warning in recording.warnings:
        if not warning.message.startswith(_MESSAGE) or warning.tensor is None:
            continue
        maker = evidence.maker(warning.tensor)
        if maker is None:
            continue
        name = evidence.tensor_words(warning.tensor)
        leaves = [
            number
            for number in maker.inputs
            if recording.tensors[number].is_leaf and recording.tensors[number].requires_grad
        ]
        message = _read_words(name, evidence.words(maker), warning.source)
        if leaves:
            leaf = evidence.tensor_words(leaves[0])
            message = sentences(message, sentence("The leaf is {tensor}.", tensor=leaf))
        updated = maker.name in _UPDATES and name in map(evidence.tensor_words, leaves)
        yield Finding(
            NAME, "error" if _ended_there(evidence, warning.source) else "warning", message,
            op=maker.id, tensor=warning.tensor, source=maker.source,
            help=_in_place(name) if updated else _MARK_AFTER,
        )  # fmt: skip


def _read_words(name: str, maker: str, read: Source | None) -> str:
    if read is None:
        return sentence(
            ".grad of {tensor} is read and is None: {tensor} is no leaf, but what {op} returned, "
            "and backward keeps gradients of leaves only.",
            tensor=name,
            op=maker,
        )
    return sentence(
        ".grad of {tensor} is read at line {line} and is None: {tensor} is no leaf, but what {op} "
        "returned, and backward keeps gradients of leaves only.",
        tensor=name,
        line=read.line,
        op=maker,
    )


def _in_place(name: str) -> str:
    return sentence(
        "An update by hand writes into the leaf, unseen by autograd: "
        "`with torch.no_grad(): {name} -= …`. `{name} = {name} - …` makes a new tensor.",
        name=name,
    )


def _ended_there(evidence: Evidence, read: Source | None) -> bool:
    """Whether the run failed in the line that read the gradient: it computed with None."""
    failure = evidence.recording.failure
    if failure is None or failure.source is None or read is None:
        return False
    place = failure.source
    return (place.file, place.line) == (read.file, read.line) and "NoneType" in failure.message


RULE = Rule(
    name=NAME,
    title=sentence("The gradient of a tensor that is no leaf"),
    what=sentence(
        "The program read .grad of what an op returned. Names the op, and the leaf behind it."
    ),
    why=sentence(
        "It is None whatever backward computed. torch warns once ('The .grad attribute of a Tensor "
        "that is not a leaf Tensor is being accessed'), and not of which tensor."
    ),
    example="w = torch.ones(3, requires_grad=True) * 0.5\nloss(w).backward()\nw.grad  # None",
    instead="w = (torch.ones(3) * 0.5).requires_grad_()\nloss(w).backward()\nw.grad",
    check=check,
)
