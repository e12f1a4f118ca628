"""An in-place op on a leaf that requires grad."""

from __future__ import annotations

from collections.abc import Iterator

from inspector.findings.evidence import Evidence
from inspector.findings.failing import error_at, raised_op
from inspector.findings.rule import Rule
from inspector.found import Finding
from inspector.language import sentence
from inspector.records import Op

NAME = "leaf-overwritten"

_MESSAGE = r"leaf Variable that requires grad is being used in an in-place operation"


def check(evidence: Evidence) -> Iterator[Finding]:
    """Looks at the failed op's target."""
    op = raised_op(evidence, _MESSAGE)
    if op is None:
        return
    recording = evidence.recording
    leaf = _leaf(evidence, op)
    info = recording.tensors[leaf]
    maker = evidence.maker(leaf)
    words, shaped = evidence.words(op), evidence.shaped(leaf)
    if leaf in op.inputs:
        message = sentence(
            "{op} would write into {tensor}, a leaf that requires grad: it is where backward puts "
            "a gradient, and autograd cannot record a change of it.",
            op=words,
            tensor=shaped,
        )
    else:
        message = sentence(
            "{op} would write into {tensor} through its view {view}, a leaf that requires grad: it "
            "is where backward puts a gradient, and autograd cannot record a change of it.",
            op=words,
            tensor=shaped,
            view=evidence.tensor_words(op.inputs[0]),
        )
    help_ = sentence(
        "An update or an initialisation belongs under `with torch.no_grad():`. If the write is "
        "part of the computation, use the op that returns a new tensor, or write into a clone()."
    )
    related = () if maker is None else (maker.id,)
    yield error_at(NAME, op, message, help_, tensor=leaf, parameter=info.name, related=related)


def _leaf(evidence: Evidence, op: Op) -> int:
    """The leaf among the inputs, or the one that the first input is a view of."""
    tensors = evidence.recording.tensors
    for number in op.inputs:
        if tensors[number].is_leaf and tensors[number].requires_grad:
            return number
    number = op.inputs[0]
    above = tensors[number].alias_of
    while above is not None:
        number, above = above, tensors[above].alias_of
    return number


RULE = Rule(
    name=NAME,
    title=sentence("A leaf was to be overwritten"),
    what=sentence(
        "An in-place op on a leaf that requires grad, mostly a parameter, raised; names the leaf."
    ),
    why=sentence(
        "torch says 'a leaf Variable that requires grad is being used in an in-place operation', "
        "but not which."
    ),
    example="weight = torch.zeros(3, requires_grad=True)\nweight -= 0.1 * gradient",
    instead="with torch.no_grad():\n    weight -= 0.1 * gradient",
    check=check,
)
