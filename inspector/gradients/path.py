"""The way of the largest gradient: from the loss down the autograd graph, edge by edge."""

from __future__ import annotations

import math

from inspector.gradients.model import PathStep
from inspector.norms import nonfinite_count, norm_of, norm_of_all
from inspector.records import GradNode, Recording, TensorSummary


def largest_path(recording: Recording, pass_index: int) -> tuple[PathStep, ...]:
    """Follow the edge with the largest gradient norm, from the first node of a pass to its end.

    A gradient that is not finite counts as larger than any other: the path then leads to where
    it came out. An addition sends the same gradient along both its edges: of equal ones that is
    taken whose node sends the larger one on, else the first.

    Args:
        recording: what ran.
        pass_index: the backward pass.

    Returns:
        A step per node; empty when there was no such pass. Without recorded values the path
        ends at the first node that has a choice.
    """
    node = next((one for one in recording.grad_nodes if one.pass_index == pass_index), None)
    steps: list[PathStep] = []
    seen: set[int] = set()
    while node is not None and node.id not in seen:
        seen.add(node.id)
        edge = _largest_edge(recording, node)
        steps.append(
            PathStep(
                node=node.id,
                name=node.name,
                op=node.op,
                parameter=node.parameter,
                arriving=norm_of_all(node.grad_outputs),
                leaving=None if edge is None else edge[1],
                nonfinite=sum(map(nonfinite_count, node.grad_outputs)),
                edges=len(node.next),
            )
        )
        node = None if edge is None else recording.grad_nodes[edge[0]]
    return tuple(steps)


def _largest_edge(recording: Recording, node: GradNode) -> tuple[int, float | None] | None:
    """(the node that the largest gradient goes to, its norm)."""
    if not node.next:
        return None
    sent: list[TensorSummary | None] = [one for one in node.grad_inputs if one is not None]
    if len(sent) != len(node.next):
        # Edges that carried nothing, or led to nodes that did not run, are not among `next`:
        # which gradient went where is then told by what arrived.
        sent = [_arrived(recording.grad_nodes[other]) for other in node.next]
    if all(summary is None for summary in sent):
        return (node.next[0], None) if len(set(node.next)) == 1 else None
    nodes = recording.grad_nodes
    best = max(range(len(sent)), key=lambda i: (_weight(sent[i]), _onward(nodes[node.next[i]])))
    return node.next[best], norm_of(sent[best])


def _arrived(node: GradNode) -> TensorSummary | None:
    known = [summary for summary in node.grad_outputs if summary is not None]
    return max(known, key=_weight, default=None)


def _onward(node: GradNode) -> float:
    """The largest gradient that a node sends on; a leaf keeps what arrives."""
    return max(map(_weight, node.grad_inputs or node.grad_outputs), default=-1.0)


def _weight(summary: TensorSummary | None) -> float:
    if nonfinite_count(summary):
        return math.inf
    norm = norm_of(summary)
    return -1.0 if norm is None else norm
