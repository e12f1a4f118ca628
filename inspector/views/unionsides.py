"""What the nodes and edges of a union say of one run alone: its shapes, arguments and values.

The union's picture is labelled by A, and by both where a decision came out differently. Looked
at as one of the runs, the same nodes at the same places say what was there in that run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from inspector.compare.union import Union
from inspector.records import Decision, Recording
from inspector.views.index import ViewIndex
from inspector.views.model import GraphView, ViewEdge, ViewNode
from inspector.views.union import union_view


@dataclass(frozen=True, slots=True)
class SideTexts:
    """The nodes and edges whose texts in one run are not those of the union's picture."""

    nodes: tuple[ViewNode, ...] = ()
    edges: tuple[ViewEdge, ...] = ()


def side_texts(
    union: Union,
    runs: tuple[Recording, Recording],
    view: GraphView,
    opened: frozenset[str],
    index: ViewIndex,
) -> tuple[SideTexts, SideTexts]:
    """What A and what B says otherwise than the picture of both.

    Args:
        union: of the runs.
        runs: A and B.
        view: the picture, of `union_view` with the same `opened` and `index`.
    """
    found = []
    for side, run in enumerate(runs):
        recording = _as_in(union, run, side)
        own = replace(union, recording=recording)
        found.append(_otherwise(view, union_view(own, opened, index.relabelled(recording))))
    return found[0], found[1]


def _otherwise(view: GraphView, own: GraphView) -> SideTexts:
    known = {_said(node) for node in view.nodes}
    labels = {_labelled(edge) for edge in view.edges}
    return SideTexts(
        tuple(node for node in own.nodes if _said(node) not in known),
        tuple(edge for edge in own.edges if _labelled(edge) not in labels),
    )


def _said(node: ViewNode) -> tuple[str, str, str]:
    return node.id, node.title, node.subtitle


def _labelled(edge: ViewEdge) -> tuple[str, str, str, str]:
    return edge.source, edge.target, edge.kind, edge.label


def _as_in(union: Union, run: Recording, side: int) -> Recording:
    """The union's recording with all that ran in a run as it was there."""
    numbers = (union.of_a, union.of_b)[side]
    ops = tuple(
        op if own is None else replace(op, arguments=run.ops[own].arguments)
        for op, own in zip(union.recording.ops, numbers, strict=True)
    )
    tensors = dict(union.recording.tensors)
    for own, new in (union.tensors_a, union.tensors_b)[side].items():
        known = tensors[new]
        tensors[new] = replace(
            run.tensors[own], id=new, producer=known.producer, alias_of=known.alias_of
        )
    read = {decision.op: decision.value for decision in run.decisions if decision.op is not None}
    decisions = tuple(_read_as(one, numbers, read) for one in union.recording.decisions)
    return replace(union.recording, ops=ops, tensors=tensors, decisions=decisions)


def _read_as(
    decision: Decision,
    numbers: tuple[int | None, ...],
    read: Mapping[int, bool | int | float | str],
) -> Decision:
    own = None if decision.op is None else numbers[decision.op]
    return decision if own is None else replace(decision, value=read.get(own, decision.value))
