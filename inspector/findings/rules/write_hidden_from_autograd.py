"""A write through `.data` into what a backward pass then used."""

from __future__ import annotations

from collections.abc import Iterator

from inspector.findings.evidence import Evidence
from inspector.findings.rule import Rule
from inspector.found import Finding
from inspector.language import sentence, sentences
from inspector.records import GradNode, Op

NAME = "write-hidden-from-autograd"

_UNCOUNTED = ("data", "set_data")


def check(evidence: Evidence) -> Iterator[Finding]:
    """Looks at writes of which no version counter tells, where there are any."""
    if not any(name in evidence.by_name for name in _UNCOUNTED):
        return
    for writer in evidence.writers:
        for old in writer.overwrites:
            if writer.phase == "forward" and _is_hidden(evidence, writer, old):
                node = _reader(evidence, writer, old)
                if node is not None:
                    yield _finding(evidence, writer, node, old)
                    break


def _is_hidden(evidence: Evidence, writer: Op, old: int) -> bool:
    """Whether the write went to `.data` or a view of it, which count their versions alone."""
    if writer.name == "set_data":
        return True
    tensors = evidence.recording.tensors
    number: int | None = old
    while number is not None:
        maker = evidence.maker(number)
        if maker is not None and maker.name == "data":
            return True
        number = tensors[number].alias_of
    return False


def _reader(evidence: Evidence, writer: Op, old: int) -> GradNode | None:
    """The first autograd node that ran after the write and had saved the memory before it."""
    storage = evidence.recording.tensors[old].storage
    if storage is None:
        return None
    for tensor in evidence.by_storage.get(storage, ()):
        for node in evidence.saved_by.get(tensor, ()):
            step = evidence.pass_step(node.pass_index)
            saved_before = node.op is not None and node.op < writer.id
            if step is not None and saved_before and writer.id < step.first_op:
                return node
    return None


def _finding(evidence: Evidence, writer: Op, node: GradNode, old: int) -> Finding:
    recording = evidence.recording
    storage = recording.tensors[old].storage
    tensor = next(t for t in node.saved if recording.tensors[t].storage == storage)
    saver = recording.ops[node.op or 0]
    # `w.data = …` gives w other memory: what was saved as a view of the old one is still right.
    sure = writer.name != "set_data" and _hits(evidence, writer, old, tensor)
    wrote = sentence(
        "{op} wrote into the memory of {tensor} through .data, after {saver} had kept it for its "
        "backward.",
        op=evidence.words(writer),
        tensor=evidence.shaped(tensor),
        saver=evidence.words(saver),
    )
    if sure:
        effect = sentence(
            "{node} then computed with the new values: the gradient is wrong.", node=node.name
        )
    else:
        effect = sentence(
            "{node} ran after that: the gradient is wrong if the write met what was kept.",
            node=node.name,
        )
    unseen = sentence("Autograd cannot see writes through .data.")
    message = sentences(wrote, effect, unseen)
    help_ = sentence(
        "Write into x.detach().clone() if the write is meant for a copy. If it is meant for the "
        "tensor, do it before the op that keeps it, or after backward()."
    )
    return Finding(
        NAME, "warning" if sure else "note", message, op=writer.id, tensor=tensor,
        parameter=recording.tensors[tensor].name, source=writer.source, related=(saver.id,),
        help=help_, grad_node=node.id,
    )  # fmt: skip


def _hits(evidence: Evidence, writer: Op, old: int, tensor: int) -> bool:
    """Whether the write met the saved tensor for certain: one of the two is all of the memory.
    Which part of it a view is, is not recorded.
    """
    tensors = evidence.recording.tensors
    family = evidence.by_storage.get(tensors[old].storage or 0, (old,))
    whole = max(tensors[number].nbytes for number in family)
    all_written = writer.name != "setitem" and tensors[old].nbytes == whole
    return all_written or tensors[tensor].nbytes == whole


RULE = Rule(
    name=NAME,
    title=sentence("A write that autograd does not see"),
    what=sentence(
        "A tensor that an op had kept for its backward was written through .data, and the "
        "backward pass ran after that. Found by the memory, which both share: a note where both "
        "may be different parts of it."
    ),
    why=sentence(
        "Autograd's check counts versions, and .data has a counter of its own: no error, and a "
        "wrong gradient."
    ),
    example="loss = h * h\nh.data.fill_(10)\nloss.backward()  # as if h had been 10",
    instead="loss = h * h\nshown = h.detach().clone()\nshown.fill_(10)\nloss.backward()",
    check=check,
)
