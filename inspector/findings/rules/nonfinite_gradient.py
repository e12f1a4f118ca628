"""A finite loss whose gradients are NaN or infinite, and the autograd node that made the first."""

from __future__ import annotations

from collections.abc import Hashable, Iterator

from inspector.findings.evidence import Evidence
from inspector.findings.rule import Rule
from inspector.found import Finding
from inspector.language import sentence, sentences
from inspector.norms import nonfinite_count
from inspector.records import GradNode, Step
from inspector.whys.nonfinite import why_nonfinite

SCALER = "_amp_foreach_non_finite_check_and_unscale_"
"""What GradScaler calls: it expects infinite gradients now and then, and leaves the step out."""

MOST_PASSES = 8
"""Passes that are searched; after a step on NaN all further ones are NaN as well."""


def check(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each node, or op, that made gradients which are not finite."""
    told: set[Hashable] = set()
    searched = 0
    for step in evidence.backwards:
        if _loss_is_bad(evidence, step) or searched == MOST_PASSES:
            continue
        nodes = evidence.passes.get(step.pass_index if step.pass_index is not None else -1, ())
        ends = [node for node in nodes if not node.next and _arrived_bad(node)]
        if not ends:
            continue
        searched += 1
        why = why_nonfinite(evidence.recording, grad_node=ends[0].id)
        place = why.source or why.grad_node  # the same line in each step is one cause
        if place in told:
            continue
        told.add(place)
        expected = bool(evidence.by_name.get(SCALER))
        yield Finding(
            "nonfinite-gradient",
            "note" if expected else "error",
            sentences(_message(ends[0].parameter, len(ends) - 1), *why.sentences),
            op=why.cause,
            parameter=ends[0].parameter,
            source=why.source,
            related=tuple(
                dict.fromkeys(s.op for s in why.steps if s.op is not None and s.op != why.cause)
            ),
            help=why.help,
            grad_node=why.grad_node,
        )


def _message(parameter: str | None, others: int) -> str:
    name = parameter or sentence("a leaf")
    if others:
        return sentence(
            "The gradient of {name} and {count} more is not finite, though the loss is.",
            name=name,
            count=others,
        )
    return sentence("The gradient of {name} is not finite, though the loss is.", name=name)


def _loss_is_bad(evidence: Evidence, step: Step) -> bool:
    """Then `nonfinite-value` tells where it comes from."""
    tensors = evidence.recording.tensors
    return any(nonfinite_count(tensors[root].summary) for root in step.roots)


def _arrived_bad(node: GradNode) -> bool:
    return any(map(nonfinite_count, node.grad_outputs or node.grad_inputs))


RULE = Rule(
    name="nonfinite-gradient",
    title=sentence("A NaN or an infinity was born in the backward pass"),
    what=sentence(
        "Backward passes from a finite loss that bring NaN or infinity to a leaf; told at the op "
        "whose derivative made the first, with the gradient that arrived and what the op was "
        "given in the forward. A note where a GradScaler looks after it."
    ),
    why=sentence(
        "PyTorch tells only in anomaly mode. The next optimizer step writes NaN into the weights; "
        "a `where` that hides the bad value in the forward does not hide its derivative."
    ),
    example="y = torch.where(x > 0, x.sqrt(), 0.0)  # the derivative of sqrt at 0 is infinite",
    instead="y = torch.where(x > 0, torch.where(x > 0, x, 1.0).sqrt(), 0.0)",
    check=check,
)
