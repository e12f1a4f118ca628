"""A loss or an output that is NaN or infinite, and the op that made the first such value."""

from __future__ import annotations

from collections.abc import Hashable, Iterator

from inspector.findings.evidence import Evidence
from inspector.findings.rule import Rule
from inspector.found import Finding, Severity
from inspector.language import sentence, sentences
from inspector.norms import nonfinite_count
from inspector.records import TensorInfo
from inspector.whys.nonfinite import why_nonfinite

MOST_ASKED = 8
"""Losses and outputs whose origin is looked for: the first NaN makes all that follow NaN."""


def check(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each op that made a value which is not finite, and got as far as an end."""
    told: set[Hashable] = set()
    for number, severity in _ends(evidence):
        why = why_nonfinite(evidence.recording, number)
        place = why.source or why.cause  # the same line in each step of a training is one cause
        if why.grad_node is not None or place in told:
            continue  # `nonfinite-gradient` tells of the first, the second is known
        told.add(place)
        name = evidence.tensor_words(number)
        summary = evidence.recording.tensors[number].summary
        if summary is not None and summary.nan_count:
            what = sentence("{tensor} is NaN.", tensor=name)
        else:
            what = sentence("{tensor} is infinite.", tensor=name)
        made = None if why.cause is None else evidence.recording.ops[why.cause]
        yield Finding(
            "nonfinite-value",
            severity,
            sentences(what, *why.sentences),
            op=why.cause,
            tensor=made.outputs[0] if made is not None and made.outputs else number,
            source=why.source,
            related=tuple(
                dict.fromkeys(s.op for s in why.steps if s.op is not None and s.op != why.cause)
            ),
            help=why.help,
        )


def _ends(evidence: Evidence) -> Iterator[tuple[int, Severity]]:
    """Where a NaN matters: a loss (error), an output (warning), else where nothing follows.

    Infinities count in losses only: masked logits are -inf on purpose.
    """
    recording = evidence.recording
    tensors = recording.tensors
    roots = [root for step in evidence.backwards for root in step.roots]
    bad = [root for root in roots if nonfinite_count(tensors[root].summary)]
    nan = [t for t in tensors.values() if t.summary is not None and t.summary.nan_count]
    outputs = set(recording.output)
    for number in bad[:MOST_ASKED]:
        yield number, "error"
    for info in [info for info in nan if info.id in outputs][:MOST_ASKED]:
        yield info.id, "warning"
    if not bad and nan:
        consumers = evidence.consumers
        loose = [
            info.id
            for info in nan
            if info.id not in outputs and info.id not in consumers and _is_computed(evidence, info)
        ]
        for number in loose[:MOST_ASKED]:
            yield number, "note"


def _is_computed(evidence: Evidence, info: TensorInfo) -> bool:
    """Whether an op gave the tensor its values: `empty` leaves what is in the memory."""
    maker = None if info.producer is None else evidence.recording.ops[info.producer]
    return maker is not None and not maker.name.startswith(("empty", "new_empty"))


RULE = Rule(
    name="nonfinite-value",
    title=sentence("A NaN or an infinity was computed"),
    what=sentence(
        "Losses that are NaN or infinite (error), outputs with NaN (warning), and other results "
        "with NaN that nothing uses (note); told at the op that made the first such value out of "
        "finite ones, with the range of what it was given. Infinities written into the call "
        "(`masked_fill(mask, -inf)`) are not the cause unless nothing else is."
    ),
    why=sentence(
        "PyTorch says nothing. Every op hands NaN on, backward makes all gradients NaN, and the "
        "optimizer writes NaN into all weights."
    ),
    example="entropy = -(p * torch.log(p)).sum()  # p has zeros",
    instead="entropy = -(p * torch.log(p.clamp(min=1e-12))).sum()",
    check=check,
)
