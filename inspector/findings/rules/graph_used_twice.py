"""A second backward pass through nodes whose saved tensors the first one freed.

Two rules tell the two ways to get there apart: both losses were there before the first pass
(`graph-used-twice`), or the second one took a tensor of an earlier step along
(`graph-kept-across-steps`, in the file of that name).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from inspector.findings.evidence import Evidence
from inspector.findings.failing import code_at, failed_op, failed_with
from inspector.findings.rule import Rule
from inspector.found import Finding
from inspector.language import counted, sentence, sentences
from inspector.records import Failure, Op, Step

NAME = "graph-used-twice"

_MESSAGE = r"backward through the graph a second time"
_MOST = 50
"""Ops whose freed nodes are named."""


@dataclass(frozen=True, slots=True)
class SecondPass:
    """A pass that came to freed nodes: `first` freed them, `op` made the one it stopped at."""

    failure: Failure
    op: Op
    first: Step
    second: Step

    @property
    def root(self) -> int | None:
        """The tensor that the second pass started from."""
        roots = self.second.roots or self.failure.roots
        return roots[0] if roots else None


def second_pass(evidence: Evidence) -> SecondPass | None:
    """The failed second pass, if that is what ended the run."""
    failure, op = failed_with(evidence, _MESSAGE), failed_op(evidence)
    if failure is None or op is None:
        return None
    freed = [node.pass_index for node in evidence.nodes_of.get(op.id, ()) if node.freed]
    second = evidence.pass_step(failure.pass_index)
    first = evidence.pass_step(freed[-1]) if freed else None
    if first is None or second is None:
        return None
    return SecondPass(failure, op, first, second)


def taken_along(evidence: Evidence, found: SecondPass) -> tuple[Op, int] | None:
    """The first op after the first pass that uses a tensor with a graph from before it, on the
    way from the freed part to the second loss: (op, tensor). None if there is no such op.
    """
    recording = evidence.recording
    boundary = found.first.last_op
    if found.root is None:
        return None
    seen: set[int] = set()
    todo = [found.root]
    crossings: list[tuple[int, int]] = []
    while todo:
        maker = recording.tensors[todo.pop()].producer
        if maker is None or maker in seen or maker < boundary:
            continue
        seen.add(maker)
        for number in recording.ops[maker].inputs:
            info = recording.tensors[number]
            if not info.requires_grad or info.producer is None:
                continue
            if info.producer < boundary and not info.is_leaf:
                crossings.append((maker, number))
            todo.append(number)
    for maker, number in sorted(crossings):
        above = recording.tensors[number].producer
        assert above is not None
        if above == found.op.id or found.op.id in evidence.flow.ancestors(above):
            return recording.ops[maker], number
    return None


def freed_by(evidence: Evidence, found: SecondPass) -> tuple[int, ...]:
    """The ops whose nodes the first pass freed and the second loss depends on."""
    root = None if found.root is None else evidence.recording.tensors[found.root].producer
    needed = frozenset() if root is None else evidence.flow.ancestors(root)
    nodes = evidence.passes.get(found.first.pass_index or 0, ())
    freed = {node.op for node in nodes if node.freed and node.op in needed}
    return tuple(sorted(op for op in freed if op is not None))[:_MOST]


def loss_words(evidence: Evidence, step: Step, capital: bool = False) -> str:
    """A backward pass: "backward pass 2 (loss.backward() at line 3)".

    Args:
        evidence: the recording.
        step: the pass.
        capital: whether it begins a sentence.
    """
    number = 1 + (step.pass_index or 0)
    name = sentence("backward pass {number}", number=number)
    if capital:
        name = sentence("Backward pass {number}", number=number)
    code = code_at(evidence, step.source)
    if not code and step.roots:
        code = sentence("from {tensor}", tensor=evidence.tensor_words(step.roots[0]))
    place = code
    if step.source is not None and code:
        place = sentence("{code} at line {line}", code=code, line=step.source.line)
    elif step.source is not None:
        place = sentence("at line {line}", line=step.source.line)
    return sentence("{name} ({place})", name=name, place=place) if place else name


def check(evidence: Evidence) -> Iterator[Finding]:
    """Looks for the pass that freed what the failed one needs."""
    found = second_pass(evidence)
    if found is None or taken_along(evidence, found) is not None:
        return
    freed = freed_by(evidence, found)
    told = {
        "first": loss_words(evidence, found.first, True),
        "second": loss_words(evidence, found.second),
        "op": evidence.words(found.op),
    }
    if found.first.roots == found.second.roots:
        stops = sentence(
            "{first} freed what the ops had saved for it; {second} runs the same graph again and "
            "stops at {op}.",
            **told,
        )
    else:
        stops = sentence(
            "{first} freed what the ops had saved for it; {second} shares a part of the graph "
            "with it and stops at {op}.",
            **told,
        )
    needs = counted(
        "It needs {count} op whose saved tensors are gone.",
        "It needs {count} ops whose saved tensors are gone.",
        len(freed),
    )
    message = sentences(stops, needs)
    help_ = sentence(
        "Call backward() once, on the sum of the losses. Or keep the graph for the second pass: "
        "backward(retain_graph=True) in the first."
    )
    yield Finding(
        NAME, "error", message, op=found.op.id, tensor=found.root, source=found.second.source,
        related=freed, help=help_,
    )  # fmt: skip


RULE = Rule(
    name=NAME,
    title=sentence("The graph was used twice"),
    what=sentence(
        "A second backward pass came to nodes that the first one had freed. Names both losses and "
        "the ops in question."
    ),
    why=sentence(
        "torch says 'Trying to backward through the graph a second time', but neither where the "
        "first time was nor which part both share."
    ),
    example="code = encoder(x)\nleft(code).sum().backward()\nright(code).sum().backward()",
    instead="code = encoder(x)\n(left(code).sum() + right(code).sum()).backward()",
    check=check,
)
