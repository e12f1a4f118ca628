"""In which order a run happened: ops, size reads, autograd nodes and training steps in one row.

Ops are numbered in order, autograd nodes are, and steps and size reads say between which ops
they were. What a recording does not hold is where among the ops of a backward pass (of hooks,
custom functions, recomputations) each node ran. It follows from three facts, and where none
of them helps a node is placed as early as can be:

- a node runs after the op that made it;
- a node of a custom function `Square` runs after the ops of its `Square.backward`;
- with checkpointing, a node runs after the recomputation of its op.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from enum import IntEnum

from inspector.records import Decision, GradNode, Op, Recording, Source, Step


class Kind(IntEnum):
    """What a moment is: which of the recording's tuples its record stands in."""

    OP = 0
    READ = 1
    GRAD = 2
    STEP = 3


Entry = tuple[Kind, int]
"""A moment: its kind, and the id of its record."""


def in_order(recording: Recording) -> list[Entry]:
    """The moments of a run from the first to the last, each record once.

    Decisions that have an op are no moments of their own: the op is.
    """
    nodes: dict[int, list[int]] = defaultdict(list)
    for node, place in enumerate(_places(recording)):
        nodes[place].append(node)
    steps: dict[int, list[Step]] = defaultdict(list)
    for step in recording.steps:
        steps[step.first_op].append(step)
    reads: dict[int, list[Decision]] = defaultdict(list)
    for read in recording.decisions:
        if read.op is None:
            reads[read.before_op or 0].append(read)
    found: list[Entry] = []
    done = 0
    outer = _Outer(recording)
    spans = _spans(recording.grad_nodes)
    passes = pass_steps(recording)
    for place in sorted({*nodes, *steps, *reads}):
        found += [(Kind.OP, op) for op in range(done, place)]
        done = place
        here = _with_steps(recording, nodes[place], steps[place], spans, passes)
        found += _with_reads(outer, place, here, reads[place])
    found += [(Kind.OP, op) for op in range(done, len(recording.ops))]
    return found


def pass_steps(recording: Recording) -> Mapping[int, Step]:
    """Number of a backward pass -> its step."""
    return {
        step.pass_index: step
        for step in recording.steps
        if step.kind == "backward" and step.pass_index is not None
    }


def _spans(nodes: Iterable[GradNode]) -> Mapping[int, int]:
    """Number of a backward pass -> its first node."""
    found: dict[int, int] = {}
    for node in nodes:
        found.setdefault(node.pass_index, node.id)
    return found


# -- nodes among ops -----------------------------------------------------------------------


def _places(recording: Recording) -> list[int]:
    """For each node how many ops ran before it: never falling from one to the next."""
    passes = pass_steps(recording)
    again = [op for op in recording.ops if op.phase == "backward"]
    remade = _recomputed(recording, again)
    custom = _CustomBackwards(recording, again)
    end = len(recording.ops)
    found: list[int] = []
    place = 0
    for node in recording.grad_nodes:
        step = passes.get(node.pass_index)
        first, last = (0, end) if step is None else (step.first_op, step.last_op)
        needed = first
        if node.op is not None and first <= node.op < last:
            needed = node.op + 1
        if again:
            twins = remade.get(-1 if node.op is None else node.op, ())
            ended = custom.ends(node, last)
            needed = max(needed, ended, *(twin + 1 for twin in twins[:1] if first <= twin < last))
        place = max(place, min(needed, last))
        found.append(place)
    return found


def _recomputed(recording: Recording, again: list[Op]) -> Mapping[int, list[int]]:
    """Op -> the ops of backward passes that computed the same again, on the same line.

    What was checkpointed last is computed again first, each stretch of it in its own order.
    """
    if not again:
        return {}
    keys = [_line_of(recording, op) if op.phase == "forward" else None for op in recording.ops]
    waiting: dict[object, list[int]] = defaultdict(list)
    for number, key in enumerate(keys):
        waiting[key].append(number)
    found: dict[int, list[int]] = defaultdict(list)
    before = -1
    for op in again:
        key = _line_of(recording, op)
        first = before + 1
        if first >= len(keys) or keys[first] != key or first in found:
            left = waiting.get(key, [])
            while left and left[-1] in found:
                left.pop()
            if not left:
                continue
            first = left.pop()
        found[first].append(op.id)
        before = first
    return found


def _line_of(recording: Recording, op: Op) -> object:
    calls = recording.module_calls
    path = None if op.module_call is None else calls[op.module_call].path
    return op.function, op.source, path


class _CustomBackwards:
    """The ops that ran in the `backward` of custom functions."""

    def __init__(self, recording: Recording, ops: list[Op]) -> None:
        self._ops = [
            (op.id, name, op.source) for op in ops if (name := _custom_name(op)) is not None
        ]
        self._next = 0
        self._left: dict[str, int] = defaultdict(int)
        for node in recording.grad_nodes:
            self._left[node.name] += 1

    def ends(self, node: GradNode, last: int) -> int:
        """How many ops had run when the node was done; 0 if none was its own.

        A place in the code that comes a second time belongs to the next node of that name.
        """
        self._left[node.name] -= 1
        seen: set[Source | None] = set()
        end = 0
        while self._next < len(self._ops):
            op, name, source = self._ops[self._next]
            again = source in seen and self._left[node.name] > 0
            if name != node.name or op >= last or again:
                break
            seen.add(source)
            end = op + 1
            self._next += 1
        return end


def _custom_name(op: Op) -> str | None:
    """The name of the autograd node in whose custom `backward` an op ran."""
    for frame in op.stack:
        owner, dot, method = frame.function.rpartition(".")
        if dot and method == "backward":
            return f"{owner.rpartition('.')[2]}Backward"
    return None


# -- steps and reads in one gap between two ops -----------------------------------------------


def _with_steps(
    recording: Recording,
    nodes: list[int],
    steps: list[Step],
    spans: Mapping[int, int],
    passes: Mapping[int, Step],
) -> list[Entry]:
    """Nodes and steps of one gap.

    A pass begins before its nodes, other steps after the nodes of passes that began before.
    """
    found: list[Entry] = []
    done = 0
    for step in steps:
        first = spans.get(-1 if step.pass_index is None else step.pass_index)
        while done < len(nodes):
            number = nodes[done]
            owner = passes.get(recording.grad_nodes[number].pass_index)
            before = number < first if first is not None else owner is None or owner.id < step.id
            if not before:
                break
            found.append((Kind.GRAD, number))
            done += 1
        found.append((Kind.STEP, step.id))
    return found + [(Kind.GRAD, number) for number in nodes[done:]]


def _with_reads(
    outer: _Outer, place: int, entries: list[Entry], reads: list[Decision]
) -> list[Entry]:
    """The entries of a gap with the size reads put before or between them."""
    found: list[Entry] = []
    done = 0
    for read in reads:
        for at in range(len(entries), done, -1):
            kind, number = entries[at - 1]
            if kind is Kind.STEP and outer.comes_first(number, read, place):
                while at < len(entries) and entries[at][0] is Kind.GRAD:
                    at += 1  # and so do the nodes of that pass
                found += entries[done:at]
                done = at
                break
        found.append((Kind.READ, read.id))
    return found + entries[done:]


class _Outer:
    """Whether a step or a size read came first, where both lie between the same two ops."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._first_ops: dict[int, int] | None = None

    def comes_first(self, step: int, read: Decision, place: int) -> bool:
        """Whether the step was before the read; `place` is how many ops had run.

        A read in a module call that began before those ops is of the forward that was still
        going on. One in a call that has run nothing yet belongs to the next forward. Outside
        of modules the lines tell, where both are in one function.
        """
        if read.module_call is not None:
            return self._began(read.module_call) >= place
        return self._line_first(self._recording.steps[step].source, read.source, place)

    def _began(self, call: int) -> int:
        """How many ops had run when the outermost call around this one ran its first."""
        calls = self._recording.module_calls
        if self._first_ops is None:
            self._first_ops = {}
            for record in reversed(calls):
                first = min(record.ops, default=len(self._recording.ops))
                first = min(first, self._first_ops.get(record.id, first))
                self._first_ops[record.id] = first
                if record.parent is not None:
                    known = self._first_ops.get(record.parent, first)
                    self._first_ops[record.parent] = min(known, first)
        while (parent := calls[call].parent) is not None:
            call = parent
        return self._first_ops[call]

    def _line_first(self, step: Source | None, read: Source | None, place: int) -> bool:
        """By lines, counted from that of the op before: a loop goes back to its top."""
        if step is None or read is None or place == 0:
            return False
        if (step.file, step.function) != (read.file, read.function):
            return False
        stack = self._recording.ops[place - 1].stack
        here = [f for f in stack if (f.file, f.function) == (step.file, step.function)]
        now = here[0].line if here else 0
        return (step.line <= now, step.line) < (read.line <= now, read.line)
