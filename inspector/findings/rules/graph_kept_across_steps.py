"""A tensor carried from one training step to the next with its graph."""

from __future__ import annotations

from collections.abc import Iterator

from inspector.findings.evidence import Evidence
from inspector.findings.failing import error_at
from inspector.findings.rule import Rule
from inspector.findings.rules.graph_used_twice import (
    freed_by,
    loss_words,
    second_pass,
    taken_along,
)
from inspector.found import Finding
from inspector.language import sentence, sentences

NAME = "graph-kept-across-steps"


def check(evidence: Evidence) -> Iterator[Finding]:
    """Looks for the tensor that crosses from before the first pass to behind it."""
    found = second_pass(evidence)
    crossing = None if found is None else taken_along(evidence, found)
    if found is None or crossing is None:
        return
    op, tensor = crossing
    maker = evidence.maker(tensor)
    told = {
        "op": evidence.words(op),
        "tensor": evidence.shaped(tensor),
        "first": loss_words(evidence, found.first),
    }
    if maker is None:
        takes = sentence(
            "{op} takes {tensor} along: with it comes the graph of the step before, which {first} "
            "has freed.",
            **told,
        )
    else:
        takes = sentence(
            "{op} takes {tensor} along, made by {maker}: with it comes the graph of the step "
            "before, which {first} has freed.",
            maker=evidence.words(maker),
            **told,
        )
    runs = sentence("{second} runs into it.", second=loss_words(evidence, found.second, True))
    message = sentences(takes, runs)
    help_ = sentence(
        "If only the numbers are to be carried over, detach the tensor at the end of the step: "
        "`hidden = hidden.detach()`. If gradients are to flow further back, compute what they flow "
        "through anew, or call backward() once at the end."
    )
    related = [*freed_by(evidence, found), *(() if maker is None else (maker.id,))]
    yield error_at(NAME, op, message, help_, tensor=tensor, related=related)


RULE = Rule(
    name=NAME,
    title=sentence("A graph was kept across steps"),
    what=sentence(
        "A backward pass ran into the graph of an earlier step, which its own pass had freed. "
        "Names the tensor that was taken along and the op that used it first."
    ),
    why=sentence(
        "torch says 'Trying to backward through the graph a second time', although the program "
        "calls backward once per step."
    ),
    example="for x in batches:\n    y, hidden = model(x, hidden)\n    loss(y).backward()",
    instead="for x in batches:\n    y, hidden = model(x, hidden.detach())\n    loss(y).backward()",
    check=check,
)
