"""An in-place op on one of several views that one op returned."""

from __future__ import annotations

from collections.abc import Iterator

from inspector.findings.evidence import Evidence
from inspector.findings.failing import error_at, raised_op
from inspector.findings.rule import Rule
from inspector.found import Finding
from inspector.language import listed, sentence, sentences

NAME = "view-overwritten"

_MESSAGE = r"is a view and (?:is being|its base or another view)"


def check(evidence: Evidence) -> Iterator[Finding]:
    """Looks at the failed op's target and the tensors that share its memory."""
    op = raised_op(evidence, _MESSAGE)
    if op is None:
        return
    recording = evidence.recording
    view = op.inputs[0]
    maker = evidence.maker(view)
    if maker is None:
        return
    others = [one for one in maker.outputs if one != view]
    base = recording.tensors[view].alias_of
    family = [evidence.shaped(one) for one in others]
    if base is not None:
        family.append(sentence("their base {tensor}", tensor=evidence.shaped(base)))
    told = {
        "op": evidence.words(op),
        "tensor": evidence.tensor_words(view),
        "maker": evidence.words(maker),
    }
    if others:
        message = sentence(
            "{op} would write into {tensor}, one of {count} views that {maker} returned: autograd "
            "cannot keep track of that.",
            count=len(others) + 1,
            **told,
        )
    else:
        message = sentence(
            "{op} would write into {tensor}, a view that {maker} returned: autograd cannot keep "
            "track of that.",
            **told,
        )
    if family:
        shared = sentence("It shares memory with {tensors}.", tensors=listed(family))
        message = sentences(message, shared)
    help_ = sentence(
        "Make a new tensor (`a = a + 1` instead of `a += 1`), or write into a clone() of it."
    )
    yield error_at(NAME, op, message, help_, tensor=view, related=(maker.id,))


RULE = Rule(
    name=NAME,
    title=sentence("One of several views was to be overwritten"),
    what=sentence(
        "An in-place op on a result of split, chunk, unbind and the like raised. Names the "
        "tensors that share the memory."
    ),
    why=sentence(
        "torch says 'Output 0 of SplitBackward0 is a view and is being modified inplace', which "
        "names neither the tensor nor its family."
    ),
    example="a, b = x.split(4, dim=1)\na += 1",
    instead="a, b = x.split(4, dim=1)\na = a + 1",
    check=check,
)
