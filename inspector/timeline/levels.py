"""How deep each moment lies, so that a reader can step over what is inside.

The depth of an op counts the module calls and the frames of the user's code around it: both
grow when the run goes into something. What runs inside of a training step (the optimizer's
arithmetic, a closure, a backward pass) lies below the line that called it. A backward pass
mirrors the forward: a node lies as deep as its forward op, one without an op as deep as the
node that gave it its gradient.
"""

from __future__ import annotations

from inspector.records import Op, Recording, Source, Step
from inspector.timeline.order import Entry, Kind, pass_steps


class Levels:
    """Depths and enclosing steps of one recording.

    Attributes:
        step_of_op: op id -> the innermost step around it, -1 for none.
        step_parents: step id -> the step around it, -1 for none.
        chains: module call -> how many calls are around an op in it, itself included.
    """

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._passes = pass_steps(recording)
        self.step_of_op, self.step_parents = _enclosing(recording)
        self.chains: list[int] = []
        for call in recording.module_calls:
            self.chains.append(1 if call.parent is None else self.chains[call.parent] + 1)
        self._frames = _frame_levels(recording)

    def of(self, entries: list[Entry]) -> list[int]:
        """The depth of each moment."""
        steps = self._steps()
        ops = self._ops(steps)
        nodes = self._nodes(ops, steps)
        columns = {Kind.OP: ops, Kind.STEP: steps, Kind.GRAD: nodes, Kind.READ: self._reads()}
        return [columns[kind][number] for kind, number in entries]

    def _ops(self, steps: list[int]) -> list[int]:
        chains, around = self.chains, self._around()
        found: list[int] = []
        for op, step in zip(self._recording.ops, self.step_of_op, strict=True):
            depth = len(op.stack) + (0 if op.module_call is None else chains[op.module_call])
            if step >= 0:
                depth = max(depth + around[step], steps[step] + 1)
            found.append(depth)
        return found

    def _around(self) -> list[int]:
        """For each step: how many steps an op directly inside of it is in."""
        found: list[int] = []
        for parent in self.step_parents:
            found.append(1 if parent < 0 else found[parent] + 1)
        return found

    def _steps(self) -> list[int]:
        around = self._around()
        return [self._frame(step.source) + around[step.id] - 1 for step in self._recording.steps]

    def _reads(self) -> list[int]:
        return [
            self._frame(read.source)
            + (0 if read.module_call is None else self.chains[read.module_call])
            for read in self._recording.decisions
        ]

    def _nodes(self, ops: list[int], steps: list[int]) -> list[int]:
        found: list[int] = []
        handed: dict[int, int] = {}
        for node in self._recording.grad_nodes:
            step = self._passes.get(node.pass_index)
            outside = 0 if step is None else steps[step.id] + 1
            depth = handed.pop(node.id, outside)
            if node.op is not None:
                depth = outside + ops[node.op]
            found.append(depth)
            for following in node.next:
                handed[following] = max(depth, handed.get(following, 0))
        return found

    def _frame(self, source: Source | None) -> int:
        return 1 if source is None else self._frames.get((source.file, source.function), 1)


def _enclosing(recording: Recording) -> tuple[list[int], list[int]]:
    """(innermost step of each op, step around each step); -1 stands for none."""
    of_op = [-1] * len(recording.ops)
    parents: list[int] = []
    open_steps: list[Step] = []
    nodes = _node_spans(recording)
    for step in recording.steps:
        while open_steps and _is_over(open_steps[-1], step, nodes):
            open_steps.pop()
        parents.append(open_steps[-1].id if open_steps else -1)
        of_op[step.first_op : step.last_op] = [step.id] * (step.last_op - step.first_op)
        open_steps.append(step)
    return of_op, parents


def _node_spans(recording: Recording) -> dict[int | None, tuple[int, int]]:
    """Number of a backward pass -> its first and its last node."""
    found: dict[int | None, tuple[int, int]] = {}
    for node in recording.grad_nodes:
        first, _ = found.get(node.pass_index, (node.id, node.id))
        found[node.pass_index] = first, node.id
    return found


def _is_over(before: Step, step: Step, nodes: dict[int | None, tuple[int, int]]) -> bool:
    """Whether a step had ended when another began.

    Ops tell, but for a pass that ran none after the other had begun: there the nodes do.
    """
    if before.last_op > step.first_op:
        return False
    if before.pass_index not in nodes or step.pass_index not in nodes:
        return True
    return nodes[before.pass_index][1] < nodes[step.pass_index][0]


def _frame_levels(recording: Recording) -> dict[tuple[str, str], int]:
    """(file, function) -> how many frames of the user's code its first call lies deep."""
    found: dict[tuple[str, str], int] = {}
    for stack in _stacks(recording.ops):
        for height, frame in enumerate(stack):
            found.setdefault((frame.file, frame.function), len(stack) - height)
    return found


def _stacks(ops: tuple[Op, ...]) -> list[tuple[Source, ...]]:
    """The different stacks; ops with equal stacks mostly share one object."""
    return list({id(op.stack): op.stack for op in ops}.values())
