"""`.grad` read of a tensor that is no leaf."""

from __future__ import annotations

from collections.abc import Iterator

from inspector.findings.evidence import Evidence
from inspector.findings.rule import Rule
from inspector.found import Finding

NAME = "grad-of-non-leaf"

_MESSAGE = "The .grad attribute of a Tensor that is not a leaf"


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
        line = "" if warning.source is None else f" at line {warning.source.line}"
        leaves = [
            number
            for number in maker.inputs
            if recording.tensors[number].is_leaf and recording.tensors[number].requires_grad
        ]
        behind = "".join(f" The leaf is {evidence.tensor_words(one)}." for one in leaves[:1])
        message = (
            f".grad of {name} is read{line} and is None: {name} is no leaf, but what "
            f"{evidence.words(maker)} returned, and backward keeps gradients of leaves "
            f"only.{behind}"
        )
        help_ = (
            "Make the values first and mark them after: `(torch.ones(3) * 0.5).requires_grad_()`. "
            "Or call retain_grad() on the tensor before backward()."
        )
        yield Finding(
            NAME, "warning", message, op=maker.id, tensor=warning.tensor, source=maker.source,
            help=help_,
        )  # fmt: skip


RULE = Rule(
    name=NAME,
    title="The gradient of a tensor that is no leaf",
    what="The program read .grad of what an op returned. Names the op, and the leaf behind it.",
    why="It is None whatever backward computed. torch warns once ('The .grad attribute of a Tensor "
    "that is not a leaf Tensor is being accessed'), and not of which tensor.",
    example="w = torch.ones(3, requires_grad=True) * 0.5\nloss(w).backward()\nw.grad  # None",
    instead="w = (torch.ones(3) * 0.5).requires_grad_()\nloss(w).backward()\nw.grad",
    check=check,
)
