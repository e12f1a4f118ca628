"""Why a run and a static graph part at an op."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from inspector.language import sentence, sentences
from inspector.overlay.positions import matches
from inspector.records import IRNode, Op, Overlay, Recording, Source, StaticGraph
from inspector.static_run import RunFailure
from inspector.truthful import reasons
from inspector.truthful.decisions import Cause, Line, Steering, lines_of
from inspector.truthful.events import Event, parting_of, parting_with_values
from inspector.truthful.operands import Operands
from inspector.truthful.pairs import Values
from inspector.truthful.values import side_of_tensor
from inspector.verdicts import Parting, Side

_SEVERAL = frozenset("getitem setitem select slice unsqueeze index copy_".split())
"""Names of what is several nodes for one op, or several ops for one node."""


class Explanation:
    """Finds the reason of an event."""

    def __init__(
        self,
        static: StaticGraph,
        recording: Recording,
        found: Overlay,
        values: Values,
        traced_with: Recording | None,
    ) -> None:
        self._static = static
        self._recording = recording
        self._found = found
        self._values = values
        self._traced = traced_with is not None
        self._steering = Steering(recording, traced_with)
        self._graph = sentence("trace") if static.kind == "trace" else sentence("script")
        self._operands = Operands(static, recording, values, self._steering, self._graph)

    def mode(self, event: Event) -> Parting | None:
        """Where train or eval mode is built in and the run was in the other."""
        return self._operands.mode(event)

    def is_dead(self, op: Op) -> bool:
        """Whether the traced run only steered with an op, so that the trace has no node for it."""
        return op.id in self._steering.dead

    def parting(self, event: Event) -> Parting:
        """The event with its reason."""
        if event.what in ("missing", "extra"):
            return self._steered(event) or self._structural(event)
        if event.what == "runs on":
            return self._runs_on(event)
        if event.what == "elsewhere":
            return self._elsewhere(event)
        failure = self._values.failure
        refused = event.what == "raises" and failure is not None and failure.node is None
        if refused or event.op is None or event.node is None:
            return self._raises(event, None)
        found = self._operands.mode(event)
        if event.op.id < self._steering.aligned and self._is_paired(event):
            found = found or self._operands.number(event) or self._operands.tensor(event)
        doubtful = event.near or self._traced or not self._is_paired(event)
        if found is None and (doubtful or self._found.disagreements):
            found = self._steered(event)
        if found is None and (self._is_paired(event) or event.op.name == "getitem"):
            found = self._operands.number(event) or self._operands.tensor(event)
        if event.what == "raises":
            return self._raises(event, found)
        return found or self._plain(event)

    # -- the way of the program -------------------------------------------------------------

    def _steered(self, event: Event) -> Parting | None:
        """A parting that a decision brought about; None where none is found."""
        lines = [] if event.op is None else lines_of(event.op)
        for each in (event.node, event.near):
            lines += [] if each is None else _lines_of(each)
        node = event.near or event.node
        dead = event.op is not None and self.is_dead(event.op)
        cause = self._steering.cause(lines, event.before, dead)
        if cause is None or (cause.statement is None and cause.decision is None):
            return None
        kind, reason = reasons.steering_reason(self._graph, cause, self._trips(event))
        if cause.decision is None:
            reason = sentences(reason, *_given(self._values.notes))
        dynamic, static = self._sides(cause, event)
        return Parting(
            kind=kind,
            reason=reason,
            remedy=reasons.REMEDIES[kind] if self._graph == "trace" else "",
            source=_place(cause, event),
            op=None if event.op is None else event.op.id,
            node=None if node is None else node.id,
            visit=event.visit,
            decision=None if cause.decision is None else cause.decision.id,
            dynamic=dynamic,
            static=static,
        )

    def _is_paired(self, event: Event) -> bool:
        """Whether an op and its node belong together for certain.

        In a trace, of an op that ran more or less often than the graph has it, they need not.
        """
        if self._traced or self._graph != "trace":
            return True
        counts = self._counts(event)
        return counts is None or counts[0] == counts[1]

    def _counts(self, event: Event) -> tuple[int, int] | None:
        """How often the op is in the graph, and how often it ran; None where that is not known."""
        node = event.near or event.node
        if event.op is not None and event.near is None:
            name, place = event.op.name, lines_of(event.op)[:1]
        elif node is not None:
            name, place = reasons.kind_name(node), self._user_lines(node)
        else:
            return None
        there = sum(
            matches(name, each.kind) and self._user_lines(each) == place
            for each in self._static.nodes
        )
        here = sum(
            matches(op.name, f"aten::{name}") and lines_of(op)[:1] == place
            for op in self._recording.ops
        )
        return (there, here) if place else None

    def _trips(self, event: Event) -> tuple[int, int] | None:
        """How often a loop with this op runs: in the graph, and in the run; None if unsure."""
        counts, op = self._counts(event), event.op
        name = reasons.kind_name(event.near or event.node) if event.node else op and op.name
        if counts is None or name in _SEVERAL:
            return None
        places = [] if op is None or op.source is None else lines_of(op)[:1]
        columns = {
            each.source.column
            for each in self._recording.ops
            if each.source and op and each.name == op.name and lines_of(each)[:1] == places
        }
        beside = max(1, len(columns))  # ops of this name on the line: nodes have no columns
        if counts[0] % beside or counts[1] % beside:
            return None
        return counts[0] // beside, counts[1] // beside

    def _user_lines(self, node: IRNode) -> list[Line]:
        source = self._user_source(node)
        return [] if source is None else [(source.file, source.line)]

    def _structural(self, event: Event) -> Parting:
        if event.what == "missing" and event.op is not None:
            reason, source = reasons.missing_reason(self._graph, event.op), event.op.source
        else:
            assert event.node is not None
            source = self._user_source(event.node)
            reason = reasons.extra_reason(self._graph, replace(event.node, source=source))
        dynamic, static = self._event_sides(event)
        return parting_of(event, event.what, reason, source, dynamic, static)

    def disagreement(self) -> Event | None:
        """A branch or loop of a script that went elsewhere without an op that shows it."""
        for each in self._found.disagreements:
            if each.what in ("taken", "trips"):
                return Event("elsewhere", node=self._static.nodes[each.node])
        return None

    def _elsewhere(self, event: Event) -> Parting:
        assert event.node is not None
        found = next(d for d in self._found.disagreements if d.node == event.node.id)
        kind = "branch" if found.what == "taken" else "loop"
        static = Side(_side(found.what, found.interpreted))
        dynamic = Side(_side(found.what, found.recorded))
        return parting_of(event, kind, found.reason, found.source, dynamic, static)

    def _runs_on(self, event: Event) -> Parting:
        failure = self._recording.failure
        assert failure is not None
        where = reasons.at_line(failure.source)
        reason = sentence(
            "This input makes the model raise {error}{where}; the {graph} runs on.",
            error=failure.type,
            where=where,
            graph=self._graph,
        )
        dynamic = Side(f"{failure.type}: {failure.message}")
        remedy = reasons.REMEDIES["runs on"]
        made = parting_of(event, "runs on", reason, failure.source, dynamic, Side(_NOTHING_RAISED))
        return replace(made, remedy=remedy if self._graph == "trace" else "")

    def _raises(self, event: Event, cause: Parting | None) -> Parting:
        failure = self._values.failure
        assert failure is not None
        reason = self._raised(failure)
        source = failure.source
        if cause is not None:
            reason, source = sentences(cause.reason, reason), cause.source
        dynamic = Side(_NOTHING_RAISED)
        raised = self._recording.failure
        if raised is not None:
            dynamic = Side(f"{raised.type}: {raised.message}")
        elif event.op is not None and event.op.outputs:
            dynamic = side_of_tensor(self._recording.tensors[event.op.outputs[0]])
        static = Side(f"{failure.type}: {failure.message}")
        made = parting_of(event, "raises", reason, source, dynamic, static)
        node = made.node if failure.node is None else failure.node
        return replace(made, node=node, remedy="" if cause is None else cause.remedy)

    def _raised(self, failure: RunFailure) -> str:
        """What the graph raised, and why."""
        message = failure.message.strip().partition("\n")[0].rstrip(".") + "."
        if failure.type == "InterpretError":
            return sentence(
                "The {graph} cannot take this input: {message}", graph=self._graph, message=message
            )
        return sentence(
            "The {graph} raises {error}{where}, this run does not: {message}",
            graph=self._graph,
            error=failure.type,
            where=reasons.at_line(failure.source),
            message=message,
        )

    def _sides(self, cause: Cause, event: Event) -> tuple[Side, Side]:
        decision = cause.decision
        dynamic, static = self._event_sides(event)
        if decision is None:
            return dynamic, static
        other = cause.other
        if other is None and type(decision.value) is bool:
            other = not decision.value
        dynamic = Side(_read(cause, decision.value), decision.value)
        return dynamic, (static if other is None else Side(_read(cause, other), other))

    def _event_sides(self, event: Event) -> tuple[Side, Side]:
        """What both ran."""
        dynamic: str = sentence("nothing")
        static: str = sentence("nothing")
        if event.op is not None:
            dynamic = _named(event.op.name, event.op.source)
        node = event.near or event.node
        if node is not None:
            static = _named(reasons.kind_name(node), self._user_source(node))
        return Side(dynamic), Side(static)

    def _user_source(self, node: IRNode) -> Source | None:
        """The user's line of a node, which may be in code of torch's own."""
        for frame in node.attributes.get("stack", ()):
            file, line, function = frame.rsplit(":", 2)
            if file in self._static.sources:
                return Source(file, int(line), 0, function)
        return node.source

    # -- values -----------------------------------------------------------------------------

    def of_random(self, event: Event) -> Parting:
        """Both drew random numbers, from states of their own."""
        assert event.op is not None
        return parting_with_values(
            event,
            self._recording,
            self._values,
            "random",
            reasons.random_reason(self._graph, event.op),
        )

    def _plain(self, event: Event) -> Parting:
        return parting_with_values(event, self._recording, self._values, event.what, "")


_NOTHING_RAISED = sentence("no exception")


def _given(notes: tuple[str, ...]) -> list[str]:
    """What the interpretation says of arguments that are built in."""
    return [note for note in notes if "built in" in note]


def _side(what: str, value: object) -> str:
    if what == "taken":
        return sentence("taken: {value}", value=str(value))
    return sentence("trips: {value}", value=str(value))


def _named(name: str, source: Source | None) -> str:
    return sentence("`{op}`{where}", op=name, where=reasons.at_line(source))


def _place(cause: Cause, event: Event) -> Source | None:
    if cause.decision is not None:
        return cause.decision.source
    statement = cause.statement
    assert statement is not None
    return Source(cause.file, statement.line, 0, "" if event.op is None else _function(event.op))


def _function(op: Op) -> str:
    return "" if op.source is None else op.source.function


def _read(cause: Cause, value: object) -> str:
    if cause.decision is not None and cause.decision.kind == "iter" and cause.statement:
        return sentence("{n} items in `{code}`", n=str(value), code=cause.statement.text)
    text = cause.text or (f"`{cause.statement.text}`" if cause.statement else "")
    return sentence("{read} is {value}", read=text, value=str(value)) if text else str(value)


def _lines_of(node: IRNode) -> list[Line]:
    return list(dict.fromkeys(_frames(node)))


def _frames(node: IRNode) -> Iterator[Line]:
    stack = node.attributes.get("stack", ())
    for frame in stack:
        file, line, _ = frame.rsplit(":", 2)
        yield file, int(line)
    if not stack and node.source is not None:
        yield node.source.file, node.source.line
