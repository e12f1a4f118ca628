"""A running sum or a list of losses, which holds on to the autograd graph of every step."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Hashable, Iterator, Mapping

from inspector.findings.evidence import Evidence
from inspector.findings.rule import Rule
from inspector.found import Finding
from inspector.language import sentence
from inspector.records import Op

_SUMS = ("add", "add_", "radd", "sub", "sub_")
_SCALES = frozenset(("mul", "mul_", "rmul", "div", "div_", "true_divide", "truediv"))

MOST_BETWEEN = 3
"""Ops between a loss and the sum: a weight, a division by the number of batches."""

ENOUGH_STEPS = 3
"""Losses of so many optimizer steps, used side by side, were in a list."""


def check(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each line that adds up the losses of several backward passes, or that uses
    those of several steps side by side.
    """
    if len(evidence.backwards) < 2:
        return
    pass_of = {
        root: step.pass_index
        for step in evidence.backwards
        for root in step.roots
        if step.pass_index is not None
    }
    lines: dict[Hashable, list[tuple[Op, int]]] = {}
    for op in evidence.named(*_SUMS):
        if not 0 < len(op.inputs) < 3 or op.source is None or op.id in evidence.nodes_of:
            continue
        if not op.outputs:  # it failed, and the program caught that
            continue
        if not evidence.recording.tensors[op.outputs[0]].requires_grad:
            continue
        scaled = (one for tensor in op.inputs for one in _unscaled(evidence, tensor))
        added = next((pass_of[one] for one in scaled if one in pass_of), None)
        if added is not None:
            place = (op.source.file, op.source.line, op.source.column)
            lines.setdefault(place, []).append((op, added))
    chains = [chain for found in lines.values() if len(chain := _chain(evidence, found)) > 1]
    for chain in chains:
        yield _finding(evidence, chain)
    if not chains:
        yield from _in_a_list(evidence, pass_of)


def _in_a_list(evidence: Evidence, pass_of: Mapping[int, int]) -> Iterator[Finding]:
    """The first line that takes the losses of several steps when all of them are over."""
    starts = [step.first_op for step in evidence.optimizer_steps]
    uses: dict[Hashable, dict[int, Op]] = {}
    for root in pass_of:
        for number in evidence.consumers.get(root, ()):
            op = evidence.recording.ops[number]
            if op.source is not None and op.id not in evidence.nodes_of:
                place = (op.source.file, op.source.line, bisect_right(starts, op.id))
                uses.setdefault(place, {})[root] = op
    for taken in uses.values():
        makers = (evidence.maker(root) for root in taken)
        steps = {bisect_right(starts, maker.id) for maker in makers if maker is not None}
        if len(steps) >= ENOUGH_STEPS:
            yield _of_a_list(evidence, taken, pass_of)
            return


def _of_a_list(evidence: Evidence, taken: Mapping[int, Op], pass_of: Mapping[int, int]) -> Finding:
    ops = sorted({op.id: op for op in taken.values()}.values(), key=lambda op: op.id)
    first = evidence.maker(min(taken))
    nodes = sum(len(evidence.passes.get(pass_of[root], ())) for root in taken)
    return Finding(
        "graphs-kept-alive",
        "warning",
        sentence(
            "{op} is given the losses of {count} steps with their history, kept until then: they "
            "hold {nodes} autograd nodes alive, {each} more with every step, and no backward pass "
            "goes through them again.",
            op=evidence.words(ops[0]),
            count=len(taken),
            nodes=nodes,
            each=nodes // len(taken),
        ),
        op=ops[0].id,
        tensor=min(taken),
        source=ops[0].source,
        related=tuple(op.id for op in (first, *ops[1:20]) if op is not None),
        help=sentence(
            "Keep numbers: losses.append(loss.item()), or tensors without history: "
            "losses.append(loss.detach())."
        ),
    )


def _unscaled(evidence: Evidence, tensor: int) -> Iterator[int]:
    """The tensor, and what it was scaled from: by a weight, or the number of batches."""
    for _ in range(MOST_BETWEEN):
        yield tensor
        maker = evidence.maker(tensor)
        if maker is None or maker.name not in _SCALES or not maker.inputs:
            return
        tensor = maker.inputs[0]


def _chain(evidence: Evidence, found: list[tuple[Op, int]]) -> list[tuple[Op, int]]:
    """Those that add onto what the one before made."""
    chain = found[:1]
    for op, added in found[1:]:
        taken = {one for tensor in op.inputs for one in _unscaled(evidence, tensor)}
        if not taken.isdisjoint(chain[-1][0].outputs):
            chain.append((op, added))
    return chain


def _finding(evidence: Evidence, chain: list[tuple[Op, int]]) -> Finding:
    first, last = chain[0][0], chain[-1][0]
    passes = [added for _, added in chain]
    nodes = sum(len(evidence.passes.get(number, ())) for number in passes) + len(chain)
    name = evidence.tensor_words(last.outputs[0])
    return Finding(
        "graphs-kept-alive",
        "warning",
        sentence(
            "{tensor} adds up the losses of {passes} backward passes with their history: it keeps "
            "{nodes} autograd nodes alive, {each} more with every step, and no backward pass ever "
            "goes through the sum.",
            tensor=name,
            passes=len(passes),
            nodes=nodes,
            each=nodes // len(passes),
        ),
        op=first.id,
        tensor=last.outputs[0],
        source=first.source,
        related=tuple(op.id for op, _ in chain[1:20]),
        help=sentence(
            "Add numbers: total += loss.item(), or tensors without history: total += loss.detach()."
        ),
    )


RULE = Rule(
    name="graphs-kept-alive",
    title=sentence("A sum or list of losses keeps all graphs alive"),
    what=sentence(
        "A line that adds losses to a sum which requires grad, over several backward passes, "
        "where no backward pass goes through the sum itself; and a line that takes the losses of "
        "several optimizer steps side by side, which were in a list until then."
    ),
    why=sentence(
        "PyTorch says nothing: memory grows with every step. Backward frees what the nodes had "
        "saved, but the nodes stay, and all that custom functions hold."
    ),
    example="total += loss",
    instead="total += loss.item()",
    check=check,
)
