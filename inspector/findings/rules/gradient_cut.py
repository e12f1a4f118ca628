"""Parameters that no gradient reaches, and the op at which its way ends."""

from __future__ import annotations

from collections.abc import Hashable, Iterator

from inspector.findings.evidence import Evidence, some_of
from inspector.findings.rule import Rule
from inspector.found import Finding
from inspector.language import sentence, sentences
from inspector.records import ParameterInfo
from inspector.why_records import Why
from inspector.whys.gradient import boundary_at, index_boundary, why_no_gradient

MOST_SEARCHES = 4
"""Ways that are searched; mostly one op cuts all parameters off."""


def check(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each op that cuts parameters off."""
    if not evidence.backwards:
        return
    waiting = _without_gradient(evidence)
    used_at = _uses(evidence, waiting) if waiting else {}
    found: dict[Hashable, tuple[list[ParameterInfo], Why]] = {}
    for _ in range(MOST_SEARCHES):
        if not waiting:
            break
        first = waiting.pop(0)
        why = why_no_gradient(evidence.recording, first.name, evidence.flow)
        on_the_way = {step.op for step in why.steps}
        behind = [one for one in waiting if not on_the_way.isdisjoint(used_at[one.name])]
        waiting = [one for one in waiting if one not in behind]
        if why.cause is not None and why.grad_node is None:
            place = why.source or why.cause  # a module under no_grad is cut at each of its ops
            found.setdefault(place, ([], why))[0].extend([first, *behind])
    for cut_off, why in found.values():
        yield _finding(evidence, cut_off, why)


def _without_gradient(evidence: Evidence) -> list[ParameterInfo]:
    """Parameters that were used and should have a gradient, but none came in any pass."""
    reached = {node.parameter for node in evidence.recording.grad_nodes}
    return [
        info
        for info in evidence.recording.parameters
        if info.kind == "parameter"
        and info.requires_grad
        and info.tensor is not None
        and reached.isdisjoint(info.names)
    ]


def _uses(evidence: Evidence, waiting: list[ParameterInfo]) -> dict[str, set[int]]:
    """Path of a parameter -> the ops that took any of its values."""
    found: dict[str, set[int]] = {info.name: set() for info in waiting}
    for tensor, info in evidence.parameter_of.items():
        if info.name in found:
            found[info.name].update(evidence.consumers.get(tensor, ()))
    return found


def _finding(evidence: Evidence, cut_off: list[ParameterInfo], why: Why) -> Finding:
    recording = evidence.recording
    op = recording.ops[why.cause or 0]
    boundary = boundary_at(recording, op) or index_boundary(recording, evidence.flow, op)
    kind = "" if boundary is None else boundary.kind
    names = some_of([info.name for info in cut_off])
    learning = [info for info in cut_off if not _is_written(evidence, info)]
    confirmed = kind in ("detach", "integer", "read") and _is_trained(evidence, learning)
    return Finding(
        "gradient-cut",
        "warning" if confirmed else "note",
        sentences(sentence("No gradient ever came to {names}.", names=names), *why.sentences),
        op=why.cause,
        tensor=op.outputs[0] if op.outputs else None,
        parameter=cut_off[0].name,
        source=why.source,
        related=tuple(s.op for s in why.steps if s.op is not None and s.op != why.cause),
        help=sentences(
            why.help,
            sentence("If it is meant: requires_grad_(False) on the parameters says so."),
        ),
    )


def _is_written(evidence: Evidence, info: ParameterInfo) -> bool:
    """Whether the program itself writes into a parameter after its first use.

    So a moving average learns: a codebook, a teacher.
    """
    tensors = evidence.recording.tensors
    values = [number for number, one in evidence.parameter_of.items() if one.name == info.name]
    written = [
        op.id
        for storage in {tensors[number].storage for number in values}
        if storage is not None
        for op in evidence.writes.get(storage, ())
        if evidence.step_around(op.id) is None
    ]
    used = {op for number in values for op in evidence.consumers.get(number, ())} - set(written)
    return bool(used and written) and max(written) > min(used)


def _is_trained(evidence: Evidence, cut_off: list[ParameterInfo]) -> bool:
    """Whether an optimizer holds them, and so passed over them.

    Those that no optimizer holds are left alone on purpose: a frozen part, a teacher, the
    generator while the discriminator learns.
    """
    names = {name for info in cut_off for name in info.names}
    return any(not names.isdisjoint(s.without_gradient) for s in evidence.optimizer_steps)


RULE = Rule(
    name="gradient-cut",
    title=sentence("Parameters that no gradient reaches"),
    what=sentence(
        "Parameters that require grad and were used, but got no gradient in any pass of the "
        "recording, with the op at which the way ends: detach, .data, an op with integer results, "
        "a Python number, no_grad. A warning if a detach or the like did it and an optimizer "
        "holds the parameters; else a note, and so for a part under no_grad (it may be frozen) "
        "and for what the program itself writes into (a codebook that is a moving average)."
    ),
    why=sentence(
        "PyTorch says nothing, unless the loss as a whole has no history (`element 0 of tensors "
        "does not require grad`). The part never learns, while the rest makes do with it."
    ),
    example="code = self.encoder(x).detach(); out = self.decoder(code)",
    instead="code = self.encoder(x); out = self.decoder(code)",
    check=check,
)
