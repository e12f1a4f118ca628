"""Something that differs between a run and a static graph, and how it becomes a `Parting`."""

from __future__ import annotations

from dataclasses import dataclass

from inspector.records import IRNode, Op, Recording, Source
from inspector.truthful import reasons
from inspector.truthful.pairs import Values
from inspector.truthful.values import Match, side_of_tensor, side_of_value
from inspector.verdicts import Parting, Side


@dataclass(slots=True)
class Event:
    """Something that differs: `what` is "missing", "extra", "raises", "runs on", "shape", ...

    `after` is the last op before an extra node, `before` the first op behind the event. `near`
    is a node that the run did not get to, right behind the op.
    """

    what: str
    op: Op | None = None
    node: IRNode | None = None
    visit: int = 0
    match: Match | None = None
    before: float = 0
    after: int = -1
    near: IRNode | None = None


def parting_of(
    event: Event, kind: str, reason: str, source: Source | None, dynamic: Side, static: Side
) -> Parting:
    """The parting that an event is."""
    return Parting(
        kind=kind,
        reason=reason,
        remedy=reasons.REMEDIES.get(kind, ""),
        source=source,
        op=None if event.op is None else event.op.id,
        node=None if event.node is None else event.node.id,
        visit=event.visit,
        dynamic=dynamic,
        static=static,
        difference=None if event.match is None else event.match.difference,
    )


def parting_with_values(
    event: Event, recording: Recording, values: Values, kind: str, reason: str = ""
) -> Parting:
    """A parting at an op and its node, with what both computed. Its plain reason is just that."""
    op, node = event.op, event.node
    assert op is not None
    assert node is not None
    dynamic, static = Side(""), Side("")
    if op.outputs:
        dynamic = side_of_tensor(recording.tensors[op.outputs[0]])
    row = values.row(node.id, event.visit)
    if row:
        static = side_of_value(row[0])
    if not reason:
        difference = None if event.match is None else event.match.difference
        texts = dynamic.text, static.text
        reason = reasons.value_reason(op, event.what, *texts, difference)
    return parting_of(event, kind, reason, op.source, dynamic, static)
