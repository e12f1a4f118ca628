"""Which module boxes are open, and what stands for an op that lies in a closed one.

The outermost module call has no box of its own: it is the whole picture. A call that runs a
single op and calls nothing is drawn as that op.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

from inspector.records import ModuleCall, Recording, Step
from inspector.views.model import ViewBox

DEFAULT_VISIBLE = 90
"""Boxes are opened until about this many nodes show: what fits a screen and stays readable."""


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

    def path_to(self, call: int | None, op: int | None = None) -> list[str]:
        """Ids of the boxes around a call's ops, outermost first."""
        path: list[str] = []
        while call is not None:
            if self.is_box(call):
                path.append(call_id(call))
            call = self.recording.module_calls[call].parent
        if op is not None and op in self._step_of:
            path.append(step_id(self._step_of[op].id))
        return path[::-1]

    def of_op(self, op: int) -> list[str]:
        """Ids of the boxes around an op, outermost first."""
        return self.path_to(self.recording.ops[op].module_call, op)

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
    """The boxes to open at first: from the outside in, until `visible` nodes would show."""
    tree = BoxTree(recording)
    top = _direct(tree, tree.root)
    shown = sum(weight for _, weight in top)
    opened: set[str] = set()
    queue = deque(item for item, _ in top if item is not None)
    while queue:
        call = queue.popleft()
        inner = _direct(tree, call)
        cost = sum(weight for _, weight in inner) - 1
        if shown + cost > visible:
            continue
        shown += cost
        opened.add(call_id(call))
        queue.extend(item for item, _ in inner if item is not None)
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
