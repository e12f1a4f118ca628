"""What the nodes and edges of a union say of one run alone: its shapes, arguments and values.

The union's picture is labelled by A, and by both where a decision came out differently. Looked
at as one of the runs, the same nodes at the same places say what was there in that run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from operator import attrgetter, is_

from inspector.compare.copies import copies
from inspector.compare.union import Union
from inspector.records import Decision, Op, Recording, TensorInfo
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
        if recording is None:
            found.append(SideTexts())
            continue
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


_TOLD = attrgetter("shape", "dtype", "name", "variable")
"""What a picture's texts say of a tensor."""


def _as_in(union: Union, run: Recording, side: int) -> Recording | None:
    """The union's recording saying what a run's does; None where that is what it says already."""
    numbers = (union.of_a, union.of_b)[side]
    arguments = {
        number: run.ops[own].arguments
        for number, own in enumerate(numbers)
        if own is not None and run.ops[own].arguments != union.recording.ops[number].arguments
    }
    known = union.recording.tensors
    tensors = {
        number: run.tensors[own]
        for own, number in (union.tensors_a, union.tensors_b)[side].items()
        if _TOLD(run.tensors[own]) != _TOLD(known[number])
    }
    read = {decision.op: decision.value for decision in run.decisions if decision.op is not None}
    decisions = tuple(_read_as(one, numbers, read) for one in union.recording.decisions)
    if not arguments and not tensors and all(map(is_, decisions, union.recording.decisions)):
        return None
    ops = list(union.recording.ops)
    others = [ops[number] for number in arguments]
    for op in copies(Op, others, arguments=arguments.values()):
        ops[op.id] = op
    own_tensors = copies(
        TensorInfo,
        list(tensors.values()),
        id=tensors,
        producer=[known[number].producer for number in tensors],
        alias_of=[known[number].alias_of for number in tensors],
    )
    return replace(
        union.recording,
        ops=tuple(ops),
        tensors={**known, **dict(zip(tensors, own_tensors, strict=True))},
        decisions=decisions,
    )


def _read_as(
    decision: Decision,
    numbers: tuple[int | None, ...],
    read: Mapping[int, bool | int | float | str],
) -> Decision:
    own = None if decision.op is None else numbers[decision.op]
    value = decision.value if own is None else read.get(own, decision.value)
    return decision if str(value) == str(decision.value) else replace(decision, value=value)
