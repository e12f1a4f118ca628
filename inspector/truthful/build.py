"""`truth`: walks a recording and a run of a static graph in order, up to where they part."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from inspector.language import sentence
from inspector.overlay import overlay
from inspector.overlay.build import expect
from inspector.overlay.traced import is_op, needed
from inspector.records import IRNode, Op, Overlay, Recording, StaticGraph
from inspector.static_run import StaticRun
from inspector.truthful.events import Event
from inspector.truthful.explain import Explanation
from inspector.truthful.pairs import Values
from inspector.truthful.reasons import is_random
from inspector.truthful.results import Results, read_array, results, same_input
from inspector.truthful.values import TOLERANCE
from inspector.verdicts import Agreement, Truth


def truth(
    static: StaticGraph,
    recording: Recording,
    run: StaticRun | None = None,
    *,
    traced_with: Recording | None = None,
    same_seed: bool = False,
    returned: Sequence[Any] | None = None,
) -> Truth:
    """Find the first op at which a static graph and a run of the same code part.

    Ops and nodes are paired by the overlay, then compared in the order of the run: whether each
    op has a node, and each node of a trace an op; then shape, dtype and values.

    Args:
        static: a graph from `script`, `trace` or `load_torchscript`.
        recording: one run of the code, with the input that was traced or another.
        run: what `interpret` made of the recording's inputs. Without it only the order of ops is
            compared, no values. Live values (`values="live"`) and a recording with
            `values="full"` allow a comparison bit for bit.
        traced_with: a recording of the run that was traced: it tells which decisions were others
            then. Without it the reason may name the statement only.
        same_seed: recording and interpretation started from the same random state, so that
            random ops have to agree too.
        returned: the tensors that the recorded run returned, where a recording does not look
            into what it returned (a cache inside a model's output).

    Returns:
        The first parting with its reason, and how well everything before it agrees.

    Raises:
        InspectorError: an argument is not a graph, a recording or an interpretation.
    """
    expect(static, recording, run)
    found = overlay(static, recording, None if static.kind == "trace" else run)
    values = Values(static, run, found.op_to_node.values(), read_array)
    explanation = Explanation(static, recording, found, values, traced_with)
    compared = results(recording, run, returned)
    outputs = compared.matches
    again = _is_same_run(recording, traced_with, compared)
    walk = _Walk(static, recording, run, found, values, explanation, same_seed, again)
    event = walk.first_event()
    equal = outputs and all(each.agreement in _EQUAL for each in outputs)
    notes = [*walk.notes, *compared.notes]
    if event is None and walk.missing is not None:
        if equal:
            notes.append(_without_consequence(walk.missing))
            walk.counts.update(walk.behind)
        else:
            event = walk.missing
    parting = None if event is None else explanation.parting(event)
    if parting is None and walk.drawn is not None:
        parting = explanation.of_random(walk.drawn)
    return Truth(
        name=static.name,
        kind="trace" if static.kind == "trace" else "script",
        ops=len(walk.ops),
        compared=dict(walk.counts),
        parting=parting,
        outputs=outputs,
        rounding=walk.rounding,
        dynamic_failure=recording.failure,
        static_failure=None if run is None else run.failure,
        tolerance=TOLERANCE,
        notes=(*notes, *(() if run is None else run.notes)),
    )


_EQUAL: tuple[Agreement, ...] = ("bits", "statistics", "rounding")


def _is_same_run(recording: Recording, traced_with: Recording | None, compared: Results) -> bool:
    """Whether the input was traced and the results are equal in bits: nothing went elsewhere."""
    bits = [each.agreement == "bits" for each in compared.matches]
    return bool(bits) and all(bits) and same_input(recording, traced_with)


def _without_consequence(event: Event) -> str:
    assert event.op is not None
    if event.op.source is None:
        return sentence(
            "`{op}` has no node of its own, without consequence for the result.", op=event.op.name
        )
    return sentence(
        "`{op}` at line {line} has no node of its own, without consequence for the result.",
        op=event.op.name,
        line=event.op.source.line,
    )


@dataclass(slots=True)
class _Walk:
    """The ops of the graph's code in order, each compared with the next visit of its node.

    Attributes:
        counts: how the ops compare, up to the first event.
        behind: how those behind `missing` do.
        missing: the first op that should have a node and has none.
        drawn: the first op that drew other random numbers.
        rounding: the first op that is equal only up to rounding.
        again: the run is the one that was traced, so that no node can be one too many.
    """

    static: StaticGraph
    recording: Recording
    run: StaticRun | None
    found: Overlay
    values: Values
    explanation: Explanation
    same_seed: bool
    again: bool = False
    ops: list[Op] = field(init=False)
    counts: Counter[Agreement] = field(default_factory=Counter)
    behind: Counter[Agreement] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    missing: Event | None = None
    drawn: Event | None = None
    rounding: int | None = None
    _visits: Counter[int] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        ids = {*self.found.op_to_node, *self.found.unmatched_ops}
        if self.static.kind == "trace" and self.recording.meta.get("model") == self.static.name:
            # Also those of modules that the trace does not hold.
            forward = self.recording.ops[: self.recording.meta.get("loss_from")]
            ids.update(op.id for op in forward if op.phase == "forward")
        self.ops = [op for op in self.recording.ops if op.id in ids]

    def first_event(self) -> Event | None:
        """The first thing that differs; None where nothing does, or only `missing`."""
        refusal = None if self.run is None else self.run.failure
        if refusal is not None and refusal.type == "InterpretError":
            if self.recording.failure is not None and not self.ops:
                self.notes.append(sentence("The model itself refuses this input."))
                return None
            return Event("raises", self.ops[0] if self.ops else None)
        wanted = needed(self.recording)
        is_open = self.static.kind == "trace" and not self.again
        extra = self._extra() if is_open else None
        for op in self.ops:
            node = self.found.op_to_node.get(op.id)
            if node is None or self.explanation.is_dead(op):
                if op.id in wanted and self.missing is None:
                    self.missing = Event("missing", op, before=op.id)
                    if extra is not None and extra.after < op.id:
                        self.missing.node = extra.node
                        return self.missing
                continue
            if extra is not None and extra.after < op.id:
                extra.before = op.id
                return self.missing or extra
            event = self._compare(op, self.static.nodes[node])
            if event is not None:
                if extra is not None and extra.after == op.id:
                    event.near = extra.node
                return self.missing or event
        return self._last(extra)

    def _last(self, extra: Event | None) -> Event | None:
        if self.recording.failure is not None:
            goes_on = self.run is not None and self.run.failure is None
            number = self.recording.failure.op
            op = None if number is None else self.recording.ops[number]
            return Event("runs on", op, before=len(self.recording.ops)) if goes_on else None
        if extra is not None:
            extra.before = len(self.recording.ops)
            return self.missing or extra
        if self.run is not None and self.run.failure is not None:
            return Event("raises", before=len(self.recording.ops))
        return self.explanation.disagreement()

    def _extra(self) -> Event | None:
        """The first node of a trace that the run did not get to."""
        op_of = {node: op for op, node in sorted(self.found.op_to_node.items(), reverse=True)}
        after = -1
        for node in self.static.nodes:
            ran = self.found.executions.get(node.id, 1)
            if ran == 0 and node.source is not None and is_op(node):
                return Event("extra", node=node, after=after)
            after = max(after, op_of.get(node.id, -1))
        return None

    def _compare(self, op: Op, node: IRNode) -> Event | None:
        visit = self._visits[node.id]
        self._visits[node.id] += 1
        if self.run is None:
            return None
        if self._stopped(node, visit):
            raised = self.recording.failure
            if raised is not None and raised.op == op.id:
                return None
            return Event("raises", op, node, visit, before=op.id)
        if not op.outputs:
            return None
        match = self.values.match(self.recording, op, node, visit)
        if match.agreement != "differs":
            (self.counts if self.missing is None else self.behind)[match.agreement] += 1
            if match.agreement == "rounding" and self.rounding is None:
                self.rounding = op.id
            return None
        event = Event(match.what, op, node, visit, match, before=op.id)
        return None if self._is_random(event) else event

    def _stopped(self, node: IRNode, visit: int) -> bool:
        """Whether the graph ended with an exception before this visit was done."""
        assert self.run is not None
        failure = self.run.failure
        if failure is None or self.values.row(node.id, visit) is not None:
            return False
        count = self.run.executions.get(node.id, 0)
        return visit >= count or (failure.node == node.id and visit == count - 1)

    def _is_random(self, event: Event) -> bool:
        """Whether a difference comes from random numbers, drawn here or before."""
        if self.same_seed or event.what != "value":
            return False
        if self.drawn is None:
            if event.node is None or not is_random(event.node) or self.explanation.mode(event):
                return False
            self.drawn = event
            self.notes.append(sentence("Values behind the first random op are not compared."))
        self.counts["unknown"] += 1
        return True
