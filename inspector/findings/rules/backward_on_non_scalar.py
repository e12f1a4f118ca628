"""`backward` on a tensor with more than one element."""

from __future__ import annotations

from collections.abc import Iterator

from inspector.findings.evidence import Evidence
from inspector.findings.failing import failed_with
from inspector.findings.rule import Rule
from inspector.found import Finding
from inspector.language import sentence, sentences

NAME = "backward-on-non-scalar"

_MESSAGE = r"grad can be implicitly created only for"


def check(evidence: Evidence) -> Iterator[Finding]:
    """Looks at what backward was called on."""
    failure = failed_with(evidence, _MESSAGE)
    if failure is None:
        return
    recording = evidence.recording
    roots = [one for one in failure.roots if recording.tensors[one].shape not in ((), (1,))]
    root = next(iter(roots or failure.roots), None)
    maker = None if root is None else evidence.maker(root)
    name = sentence("a tensor that is no scalar") if root is None else evidence.shaped(root)
    if maker is None:
        called = sentence("backward was called on {tensor}.", tensor=name)
    else:
        called = sentence(
            "backward was called on {tensor}, the result of {op}.",
            tensor=name,
            op=evidence.words(maker),
        )
    message = sentences(
        called,
        sentence(
            "A gradient is that of one number, and this has several: what each of them counts is "
            "not said."
        ),
    )
    help_ = sentence(
        "Reduce it first: loss.mean().backward() or loss.sum().backward(). Or say what each "
        "element counts: loss.backward(torch.ones_like(loss)) is the sum."
    )
    yield Finding(
        NAME, "error", message, op=None if maker is None else maker.id, tensor=root,
        source=failure.source, help=help_,
    )  # fmt: skip


RULE = Rule(
    name=NAME,
    title=sentence("backward on a tensor that is no scalar"),
    what=sentence(
        "backward was called on a tensor of several elements, without weights for them. Says "
        "the tensor's shape and which op made it."
    ),
    why=sentence(
        "torch says 'grad can be implicitly created only for scalar outputs', without the shape."
    ),
    example="loss = (model(x) - y) ** 2\nloss.backward()",
    instead="loss = ((model(x) - y) ** 2).mean()\nloss.backward()",
    check=check,
)
