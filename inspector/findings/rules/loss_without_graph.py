"""A loss that no gradient can leave: nothing in it leads back to a tensor that requires grad."""

from __future__ import annotations

from collections.abc import Iterator

from inspector.findings.evidence import Evidence, some_of
from inspector.findings.failing import failed_with
from inspector.findings.rule import Rule
from inspector.found import Finding
from inspector.language import sentence, sentences
from inspector.records import Failure, Op
from inspector.whys.gradient import Boundary, boundary_at

NAME = "loss-without-graph"

_MESSAGE = r"does not require grad and does not have a grad_fn"


def check(evidence: Evidence) -> Iterator[Finding]:
    """Goes up from the loss to where the way was cut."""
    failure = failed_with(evidence, _MESSAGE)
    if failure is None:
        return
    root = failure.roots[0] if failure.roots else None
    cuts = [] if root is None else _cuts(evidence, root)
    if root is not None and not cuts:
        cuts = _read_before(evidence, root)
    if root is None or not cuts:
        yield _nothing(evidence, failure, root)
        return
    recording = evidence.recording
    cut = cuts[0]
    op = recording.ops[cut.op]
    message = sentence(
        "{tensor} has no graph, so backward cannot start from it. The way to what requires grad "
        "ends at {op}: {reason}",
        tensor=evidence.tensor_words(root),
        op=evidence.words(op),
        reason=cut.reason,
    )
    if len(cuts) > 1:
        more = sentence("The way is cut at {count} ops; this is the first.", count=len(cuts))
        message = sentences(message, more)
    yield Finding(
        NAME, "error", message, op=op.id, tensor=root, source=op.source,
        related=tuple(one.op for one in cuts[1:]), help=_HELP.get(cut.kind, _HELP["detach"]),
    )  # fmt: skip


def _cuts(evidence: Evidence, root: int) -> list[Boundary]:
    """Where the ways up from the loss end, in the order of the run."""
    recording = evidence.recording
    found: dict[int, Boundary] = {}
    seen: set[int] = set()
    todo = [root]
    while todo:
        number = todo.pop()
        maker = recording.tensors[number].producer
        if maker is None or maker in seen:
            continue
        seen.add(maker)
        op = recording.ops[maker]
        # What made a parameter (its initialisation, under no_grad) is no part of the loss.
        todo += [one for one in (*op.inputs, *op.overwrites) if recording.tensors[one].name is None]
        boundary = boundary_at(recording, op) or boundary_at(recording, op, number)
        if boundary is not None:
            found[maker] = boundary
    return [found[number] for number in sorted(found)]


def _read_before(evidence: Evidence, root: int) -> list[Boundary]:
    """The last read of numbers before the loss was made, `torch.tensor(x.item())`, or the cut
    above it, `torch.from_numpy(x.detach().numpy())`.
    """
    recording = evidence.recording
    last = recording.tensors[root].producer
    for op in reversed(recording.ops[: len(recording.ops) if last is None else last]):
        if op.inputs and not op.outputs:
            boundary = boundary_at(recording, op)
            cuts = _cuts(evidence, op.inputs[0]) if boundary is None else [boundary]
            if cuts:
                return cuts
    return []


def _nothing(evidence: Evidence, failure: Failure, root: int | None) -> Finding:
    """Nothing that the loss was computed from requires grad."""
    recording = evidence.recording
    maker: Op | None = None if root is None else evidence.maker(root)
    name = sentence("The loss") if root is None else evidence.tensor_words(root)
    frozen = [
        info.name
        for info in recording.parameters
        if info.kind == "parameter" and not info.requires_grad
    ]
    message = sentence(
        "{tensor} has no graph, so backward cannot start from it: nothing that it was computed "
        "from requires grad.",
        tensor=name,
    )
    if frozen:
        names = sentence("Frozen parameters: {names}.", names=some_of(frozen))
        message = sentences(message, names)
    return Finding(
        NAME, "error", message, op=None if maker is None else maker.id, tensor=root,
        source=failure.source, help=sentence("Set requires_grad on what is to be learned (its "
                                             "parameters)."),
    )  # fmt: skip


_HELP = {
    "detach": sentence("Compute the loss from the tensor itself, not from a detached copy of it."),
    "integer": sentence(
        "Use a loss that is smooth in the scores, as cross_entropy is, and keep argmax for "
        "measuring."
    ),
    "no_grad": sentence(
        "Compute the loss outside of no_grad and inference_mode, with the model's forward."
    ),
    "read": sentence("Compute with the tensor itself, and make a number of it only to print it."),
}

RULE = Rule(
    name=NAME,
    title=sentence("A loss without a graph"),
    what=sentence(
        "backward was called on a tensor that does not require grad. Names the op that cut the "
        "way to the parameters: argmax, item, detach, NumPy, or what ran under no_grad."
    ),
    why=sentence(
        "torch says 'element 0 of tensors does not require grad and does not have a grad_fn', and "
        "the cut may be far up."
    ),
    example="predicted = scores.argmax(dim=1)\n(predicted != target).float().mean().backward()",
    instead="cross_entropy(scores, target).backward()",
    check=check,
)
