"""Which module boxes are open, and what stands for an op that lies in a closed one.

The outermost module call has no box of its own: it is the whole picture. A call that runs a
single op and calls nothing is drawn as that op.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

from inspector.records import Decision, Recording, Step
from inspector.views.index import ViewIndex, index_of
from inspector.views.opening import DEFAULT_VISIBLE, default_open
from inspector.views.tree import call_id, step_id, title

__all__ = [
    "DEFAULT_VISIBLE",
    "BoxTree",
    "call_id",
    "default_open",
    "step_id",
    "title",
    "visible_id",
]


class BoxTree:
    """The boxes of one recording: module calls and training steps.

    Attributes:
        calls: call id -> ids of the calls directly inside it; None holds the outermost.
        sizes: call id -> number of ops in it, at any depth.

    Args:
        recording: what ran.
        index: of the recording, where there is one.
    """

    def __init__(self, recording: Recording, index: ViewIndex | None = None) -> None:
        self._given = index
        self.recording = recording
        self.calls: dict[int | None, list[int]] = {}
        self.sizes = [len(call.ops) for call in recording.module_calls]
        for call in recording.module_calls:
            self.calls.setdefault(call.parent, []).append(call.id)
        for call in reversed(recording.module_calls):
            if call.parent is not None:
                self.sizes[call.parent] += self.sizes[call.id]
        self.root = self._only_root()
        self._step_of = _steps_by_op(recording)

    @cached_property
    def index(self) -> ViewIndex:
        """Of the recording, made when it is first asked for."""
        return index_of(self.recording) if self._given is None else self._given

    def _only_root(self) -> int | None:
        outer = self.calls.get(None, [])
        return outer[0] if len(outer) == 1 else None

    def step_of(self, op: int) -> int | None:
        """The optimizer step that ran an op."""
        step = self._step_of.get(op)
        return None if step is None else step.id

    def is_box(self, call: int) -> bool:
        """Whether a call is drawn as a box at all."""
        record = self.recording.module_calls[call]
        single = len(record.ops) == 1 and not self.calls.get(call)
        return call != self.root and not single and self.sizes[call] > 0

    def of_op(self, op: int) -> tuple[str, ...]:
        """Ids of the boxes to open for an op to be drawn, outermost first."""
        return self.index.way_to(op)

    def of_read(self, read: Decision) -> tuple[str, ...]:
        """Ids of the boxes to open for a decision without an op to be drawn."""
        return self.index.way_to_read(read)

    def step_of_decision(self, decision: Decision) -> int | None:
        """The optimizer step that read a value: for one without an op, the step around it."""
        if decision.op is not None:
            return self.step_of(decision.op)
        following = decision.before_op or 0
        step = self.step_of(following)
        return step if step == self.step_of(following - 1) else None


def _steps_by_op(recording: Recording) -> Mapping[int, Step]:
    return {
        op: step
        for step in recording.steps
        if step.kind == "optimizer_step"
        for op in range(step.first_op, step.last_op)
    }


def visible_id(own: str, path: Sequence[str], opened: frozenset[str]) -> tuple[str, str | None]:
    """(id of what is drawn, its box): the node itself, or the outermost closed box around it."""
    parent: str | None = None
    for box in path:
        if box not in opened:
            return box, parent
        parent = box
    return own, parent
