"""Which module boxes are open, and what stands for an op that lies in a closed one.

The outermost module call has no box of its own: it is the whole picture. A call that runs a
single op and calls nothing is drawn as that op.
"""

from __future__ import annotations

from collections.abc import Mapping

from inspector.records import Decision, ModuleCall, Recording, Step
from inspector.views.model import ViewBox

DEFAULT_VISIBLE = 30
"""Boxes are opened until about this many ops show, parameters and inputs not counted: what fits
a pane and stays readable."""


def call_id(call: int) -> str:
    """The box of a module call."""
    return f"call:{call}"


def step_id(step: int) -> str:
    """The box of a training step."""
    return f"step:{step}"


class BoxTree:
    """The boxes of one recording: module calls and training steps.

    Attributes:
        calls: call id -> ids of the calls directly inside it; None holds the outermost.
        sizes: call id -> number of ops in it, at any depth.
    """

    def __init__(self, recording: Recording) -> None:
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
        self._bounds = self._op_bounds()
        self._paths: dict[tuple[int | None, int | None], list[str]] = {}

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

    def step_around(self, call: int) -> int | None:
        """The optimizer step that made a call (through its closure), if one did."""
        bounds = self._bounds[call]
        step = None if bounds is None else self._step_of.get(bounds[0])
        if step is None or bounds is None or bounds[1] >= step.last_op:
            return None
        whole = bounds == (step.first_op, step.last_op - 1)
        return None if whole else step.id  # a call that only steps is around the step

    def of_op(self, op: int) -> list[str]:
        """Ids of the boxes around an op, outermost first; not to be changed."""
        call, step = self.recording.ops[op].module_call, self.step_of(op)
        known = self._paths.get((call, step))
        if known is None:
            known = self._paths[call, step] = self._path(call, step)
        return known

    def of_read(self, read: Decision) -> list[str]:
        """Ids of the boxes around a decision that has no op, outermost first."""
        return self._path(read.module_call, self.step_of_decision(read))

    def step_of_decision(self, decision: Decision) -> int | None:
        """The optimizer step that read a value: for one without an op, the step around it."""
        if decision.op is not None:
            return self.step_of(decision.op)
        following = decision.before_op or 0
        step = self.step_of(following)
        return step if step == self.step_of(following - 1) else None

    def _path(self, call: int | None, step: int | None) -> list[str]:
        path: list[str] = []  # innermost first
        while call is not None:
            if step is not None and self.step_around(call) != step:
                path.append(step_id(step))
                step = None
            if self.is_box(call):
                path.append(call_id(call))
            call = self.recording.module_calls[call].parent
        if step is not None:
            path.append(step_id(step))
        return path[::-1]

    def _op_bounds(self) -> list[tuple[int, int] | None]:
        """The first and the last op of each call, at any depth."""
        calls = self.recording.module_calls
        found = [(min(call.ops), max(call.ops)) if call.ops else None for call in calls]
        for call in reversed(calls):
            own = found[call.id]
            if call.parent is not None and own is not None:
                outer = found[call.parent] or own
                found[call.parent] = min(outer[0], own[0]), max(outer[1], own[1])
        return found

    def box(self, box: str, parent: str | None) -> ViewBox:
        """The record of an open box."""
        kind, _, number = box.partition(":")
        if kind == "step":
            return ViewBox(box, self.recording.steps[int(number)].detail + ".step", parent, "step")
        call = self.recording.module_calls[int(number)]
        return ViewBox(box, title(call), parent, "module", call.type)


def title(call: ModuleCall) -> str:
    """What a call is called in a picture: the last parts of its path."""
    parts = call.path.split(".")
    if len(parts) > 1 and parts[-1].isdigit():
        return ".".join(parts[-2:])
    return parts[-1] or call.type


def _steps_by_op(recording: Recording) -> Mapping[int, Step]:
    return {
        op: step
        for step in recording.steps
        if step.kind == "optimizer_step"
        for op in range(step.first_op, step.last_op)
    }


def default_open(recording: Recording, visible: int = DEFAULT_VISIBLE) -> frozenset[str]:
    """The boxes to open at first: level by level, while about `visible` nodes would show.

    A level opens as a whole or not at all: of twelve equal blocks, seven open ones would look
    as if those seven were special.
    """
    tree = BoxTree(recording)
    top = _direct(tree, tree.root)
    shown = sum(weight for _, weight in top)
    opened: set[str] = set()
    level = [item for item, _ in top if item is not None]
    while level:
        inner = [_direct(tree, call) for call in level]
        shown += sum(weight for items in inner for _, weight in items) - len(level)
        if shown > visible:
            break
        opened.update(call_id(call) for call in level)
        level = [item for items in inner for item, _ in items if item is not None]
    return frozenset(opened)


def _direct(tree: BoxTree, call: int | None) -> list[tuple[int | None, int]]:
    """What shows when a call is open: (box or None, number of nodes)."""
    recording = tree.recording
    if call is None:
        own = [op.id for op in recording.ops if op.module_call is None]
    else:
        own = list(recording.module_calls[call].ops)
    steps = {tree.step_of(op) for op in own}
    loose = sum(tree.step_of(op) is None for op in own)
    # An optimizer's step stays one closed box: what it does is the same each time.
    items: list[tuple[int | None, int]] = [(None, loose + len(steps - {None}))]
    for child in tree.calls.get(call, []):
        if tree.step_around(child) is None:
            items.append((child, 1) if tree.is_box(child) else (None, tree.sizes[child]))
    return items


def visible_id(own: str, path: list[str], opened: frozenset[str]) -> tuple[str, str | None]:
    """(id of what is drawn, its box): the node itself, or the outermost closed box around it."""
    parent: str | None = None
    for box in path:
        if box not in opened:
            return box, parent
        parent = box
    return own, parent
