"""A loss that does the softmax (or sigmoid) itself is given probabilities."""

from __future__ import annotations

from collections.abc import Iterator

from inspector.axes import operands
from inspector.findings.evidence import Evidence
from inspector.findings.rule import Rule
from inspector.found import Finding
from inspector.language import sentence
from inspector.records import Op

_PAIRS = {
    "cross_entropy": ("softmax", "sigmoid"),
    "nll_loss": ("softmax", "sigmoid"),
    "binary_cross_entropy_with_logits": ("sigmoid", "softmax"),
    "multilabel_soft_margin_loss": ("sigmoid",),
    "log_softmax": ("softmax",),
    "softmax": ("softmax",),
}
"""Loss -> what must not be applied to its input."""

_THROUGH = frozenset(
    "view reshape flatten squeeze unsqueeze transpose permute contiguous getitem float to".split()
)
"""Ops that hand probabilities on as they are."""

_HELP = {
    "nll_loss": sentence(
        "nll_loss takes log-probabilities: use log_softmax, or cross_entropy on the logits."
    ),
    "binary_cross_entropy_with_logits": sentence(
        "Give it the logits, or use binary_cross_entropy."
    ),
    "cross_entropy": sentence(
        "Give cross_entropy the logits: take the softmax out of the model, or apply it only where "
        "probabilities are shown."
    ),
}


def check(evidence: Evidence) -> Iterator[Finding]:
    """Pairs of ops of which the second repeats the first."""
    for name, wrong in _PAIRS.items():
        for op in evidence.by_name.get(name, ()):
            if (first := _made_by(evidence, op, wrong)) is not None:
                yield _finding(evidence, first, op)


def _made_by(evidence: Evidence, op: Op, names: tuple[str, ...]) -> Op | None:
    """The op of one of these names that made the input, moved at most."""
    given = next((tensor for role, tensor in operands(op) if role == "input"), None)
    for _ in range(6):
        maker = None if given is None else evidence.maker(given)
        if maker is None or maker.name in names:
            return maker
        if maker.name not in _THROUGH or not maker.inputs:
            return None
        given = maker.inputs[0]
    return None


def _finding(evidence: Evidence, first: Op, second: Op) -> Finding:
    confirmed = bool(evidence.nodes_of.get(first.id) and evidence.nodes_of.get(second.id))
    is_loss = second.name in _HELP
    words = {"op": evidence.words(second), "first": evidence.words(first)}
    if second.name == "nll_loss":
        what = sentence("{op} is given the probabilities of {first}, not their logarithms", **words)
    elif is_loss:
        inside = "sigmoid" if "binary" in second.name else "softmax"
        what = sentence(
            "{op} does a {inside} itself, and is given what {first} made", inside=inside, **words
        )
    else:
        what = sentence("{op} is applied to what {first} made", **words)
    help_ = _HELP.get(second.name) or sentence(
        "Leave out one of the two: {first} or {second}.", first=first.name, second=second.name
    )
    return Finding(
        "softmax-twice",
        "warning" if confirmed and is_loss else "note",
        sentence(
            "{what}: the values are between 0 and 1, so that classes can hardly be told apart and "
            "gradients stay small.",
            what=what,
        ),
        op=first.id,
        tensor=first.outputs[0] if first.outputs else None,
        source=first.source,
        related=(second.id,),
        help=help_,
    )


RULE = Rule(
    name="softmax-twice",
    title=sentence("Softmax before a loss that does it itself"),
    what=sentence(
        "cross_entropy, nll_loss and binary_cross_entropy_with_logits whose input was made by "
        "softmax or sigmoid, and a softmax of a softmax. A warning if it is a loss and backward "
        "went through both, else a note."
    ),
    why=sentence(
        "PyTorch says nothing. A softmax of numbers between 0 and 1 is nearly flat: with ten "
        "classes the loss cannot fall below 1.46, and the model learns slowly."
    ),
    example="loss = F.cross_entropy(torch.softmax(logits, dim=1), labels)",
    instead="loss = F.cross_entropy(logits, labels)",
    check=check,
)
