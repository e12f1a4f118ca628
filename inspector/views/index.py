"""What the views of one recording need and open boxes do not change; made once."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from inspector.graph import DataFlow
from inspector.loops import Loops, find_loops
from inspector.making import uncollected
from inspector.records import Decision, Recording
from inspector.views import words
from inspector.views.folds import folded, split
from inspector.views.gradflow import GradFlow
from inspector.views.relations import Keepers
from inspector.views.tree import EXPRESSION, LOOP, RANGE, STEP, TRIP, Box, call_id, plain_boxes

Numbers = NDArray[np.int64]


_RECENT = 2
_recent: list[ViewIndex] = []
_lock = threading.Lock()


def index_of(recording: Recording) -> ViewIndex:
    """The index of a recording; those of the last two recordings are kept.

    A page asks for several views of one recording, again and again. Who holds a recording for
    long should hold its index too.
    """
    with _lock:
        for number, index in enumerate(_recent):
            if index.recording is recording:
                _recent.append(_recent.pop(number))
                return index
    made = ViewIndex(recording)
    with _lock:
        _recent.append(made)
        del _recent[:-_RECENT]
    return made


class ViewIndex:
    """The boxes and the edges of a recording.

    Takes linear time: about a second for 100,000 ops. Share one between all views of a
    recording; it is not changed by them.

    Args:
        recording: what ran.
        loops: its loops, where they are known already.
        marks: one per op; what has other marks is not drawn as one.

    Attributes:
        boxes: all boxes; number 0 is the whole picture.
        by_id: number of a box by its id.
        home: op -> number of its innermost box.
    """

    def __init__(
        self, recording: Recording, loops: Loops | None = None, marks: Sequence[object] = ()
    ) -> None:
        self.recording = recording
        with uncollected():  # a third of the time would go into looking for garbage
            self.loops = find_loops(recording) if loops is None else loops
            self.boxes, homes = plain_boxes(recording, self.loops)
            folded(recording, self.loops, self.boxes, marks)
            self._unsplit = _Tree(self.boxes, len(homes))
            for box in self.boxes:
                box.whole = box.children
            split(self.boxes)
            self.tree = _Tree(self.boxes, len(homes))
            self.home = self.tree.home
            self.by_id: Mapping[str, int] = {b.id: number for number, b in enumerate(self.boxes)}

    def relabelled(self, recording: Recording) -> ViewIndex:
        """The same boxes and edges over a recording that says other things of the same ops."""
        found = copy(self)
        found.recording = recording
        for name in ("decisions", "reads", "nonfinite", "shapes"):
            found.__dict__.pop(name, None)
        return found

    # -- boxes ---------------------------------------------------------------------------------

    def path(self, op: int) -> list[int]:
        """The boxes around an op, outermost first, without the whole picture."""
        return self.around(int(self.home[op]))

    def around(self, box: int) -> list[int]:
        """A box and those around it, outermost first, without the whole picture."""
        found: list[int] = []
        while box > 0:
            found.append(box)
            box = self.boxes[box].parent
        return found[::-1]

    def way_to(self, op: int) -> tuple[str, ...]:
        """The ids of the boxes that must be open for an op to be drawn, outermost first.

        Of equal trips the first is drawn anyway: its loop need not be unrolled for it.
        """
        path = self.path(op)
        steps = [*(~box for box in path), op]
        found: list[str] = []
        is_folded = False
        for number, box in enumerate(path):
            record = self.boxes[box]
            if is_folded and record.kind == RANGE:
                continue
            inner = next(s for s in steps[number + 1 :] if s >= 0 or self.boxes[~s].kind != RANGE)
            is_folded = any(record.whole[first] == inner for first, _ in record.runs)
            if not is_folded:
                found.append(record.id)
        return tuple(found)

    def way_to_read(self, read: Decision) -> tuple[str, ...]:
        """The ids of the boxes that must be open for a decision without an op to be drawn."""
        return tuple(self.boxes[box].id for box in self.around(self.box_of_read(read)))

    def box_of_read(self, read: Decision) -> int:
        """The box that a decision without an op was made in.

        That is in its module call, and in what is around the op that ran next as far as the
        read belongs there too.
        """
        here, before = self._call_box(read), read.before_op or 0
        path = [0, *self.path(before)] if before < len(self.home) else [0]
        if here not in path:
            return here
        earlier = set(self.path(before - 1)) if before else set()
        for inner in path[path.index(here) + 1 :]:
            box = self.boxes[inner]
            is_between = box.kind in (STEP, EXPRESSION) and inner in earlier
            is_around = box.kind == RANGE or is_between
            if not (is_around or self._is_in_loop(read, box)):
                break
            here = inner
        return here

    def _call_box(self, read: Decision) -> int:
        call = read.module_call
        while call is not None:
            if (number := self.by_id.get(call_id(call))) is not None:
                return number
            call = self.recording.module_calls[call].parent
        return 0

    def _is_in_loop(self, read: Decision, box: Box) -> bool:
        if box.kind not in (LOOP, TRIP) or read.source is None:
            return False
        statement = self.loops.runs[box.number].statement
        first = statement.line + (1 if statement.kind == "for" else 0)
        same = statement.file == read.source.file
        return same and first <= read.source.line <= statement.end_line

    def ops_of(self, box: int) -> tuple[int, ...]:
        """All ops in a box, in order."""
        record = self.boxes[box]
        if record.is_run:
            return tuple(range(record.first, record.last + 1))
        return tuple(self.inside(box).tolist())

    def inside(self, box: int) -> Numbers:
        """All ops in a box, in order."""
        record = self.boxes[box]
        if record.is_run:
            return np.arange(record.first, record.last + 1)
        found: list[int] = []
        todo = [box]
        while todo:
            for child in self.boxes[todo.pop()].children:
                todo.append(~child) if child < 0 else found.append(child)
        return np.array(sorted(found))

    # -- ops and autograd nodes ----------------------------------------------------------------

    @cached_property
    def flow(self) -> DataFlow:
        """Who made and who takes each tensor."""
        return DataFlow(self.recording)

    @cached_property
    def decisions(self) -> Mapping[int, Decision]:
        """Decisions that an op read, by the op."""
        return {d.op: d for d in self.recording.decisions if d.op is not None}

    @cached_property
    def reads(self) -> Mapping[int, list[tuple[Decision, int]]]:
        """Decisions without an op, by the op that ran next; equal ones are one with a count.

        A loop that runs no op and asks for a size on each trip asks a thousand times. Beside the
        model one line that asks all parameters the same asks once.
        """
        equal: dict[tuple[object, ...], list[Decision]] = {}
        for read in self.recording.decisions:
            if read.op is None:
                tensor = None if read.module_call is None else read.tensor
                what = tensor, read.kind, repr(read.value), read.source
                equal.setdefault((*what, read.before_op, read.module_call), []).append(read)
        found: dict[int, list[tuple[Decision, int]]] = {}
        for reads in equal.values():
            first = reads[0]
            if any(read.tensor != first.tensor for read in reads):
                first = replace(first, tensor=None)
            found.setdefault(first.before_op or 0, []).append((first, len(reads)))
        return found

    @cached_property
    def nonfinite(self) -> Numbers:
        """The ops with NaN or an infinity in a result, in order."""
        tensors = self.recording.tensors
        bad = {number for number, tensor in tensors.items() if words.is_nonfinite(tensor.summary)}
        ops = self.recording.ops
        return np.array(
            [op.id for op in ops if bad and not bad.isdisjoint(op.outputs)], dtype=np.int64
        )

    @cached_property
    def grads(self) -> GradFlow:
        """Which autograd nodes follow on which."""
        return GradFlow(self)

    @cached_property
    def keepers(self) -> Keepers:
        """Which autograd nodes keep which tensors."""
        return Keepers(self.recording.grad_nodes)

    @cached_property
    def shapes(self) -> Numbers:
        """For each op a number that is the same for the same shapes of its results."""
        known: dict[tuple[tuple[int, ...], ...], int] = {}
        tensors = self.recording.tensors
        return np.array(
            [
                known.setdefault(tuple(tensors[i].shape for i in op.outputs), len(known))
                for op in self.recording.ops
            ],
            dtype=np.int64,
        )

    @cached_property
    def ops_by_file(self) -> Mapping[str, int]:
        """How many ops each of the user's files ran."""
        return Counter(op.source.file for op in self.recording.ops if op.source is not None)

    @cached_property
    def edges(self) -> Edges:
        """What ops take from each other."""
        return Edges(self)

    def carried(self, sources: Numbers, targets: Numbers) -> NDArray[np.bool_]:
        """Which of these pairs of ops lie in different members of one run of equal members."""
        return self._unsplit.carried(sources, targets)


class _Tree:
    """Boxes as arrays."""

    def __init__(self, boxes: list[Box], ops: int) -> None:
        self.home: Numbers = np.zeros(ops, dtype=np.int64)
        self._parent = np.array([box.parent for box in boxes], dtype=np.int64)
        self._depth: Numbers = np.zeros(len(boxes), dtype=np.int64)
        self._run_of_op: Numbers = np.full(ops, -1)
        self._run_of_box: Numbers = np.full(len(boxes), -1)
        self._read(boxes)

    def _read(self, boxes: list[Box]) -> None:
        # Lists first: writing single numbers into arrays takes five times as long.
        home, depth = [0] * len(self.home), [0] * len(boxes)
        run_of_op, run_of_box = [-1] * len(home), [-1] * len(boxes)
        todo, runs = [0], 0
        while todo:
            number = todo.pop()
            box = boxes[number]
            inner = depth[number] + 1
            for child in box.children:
                if child >= 0:
                    home[child] = number
                else:
                    depth[~child] = inner
                    todo.append(~child)
            for first, count in box.runs:
                runs += 1
                for child in box.children[first : first + count]:
                    if child >= 0:
                        run_of_op[child] = runs
                    else:
                        run_of_box[~child] = runs
        self.home[:], self._depth[:] = home, depth
        self._run_of_op[:], self._run_of_box[:] = run_of_op, run_of_box

    def carried(self, sources: Numbers, targets: Numbers) -> NDArray[np.bool_]:
        """See `ViewIndex.carried`: both ways up meet, coming from members of one run."""
        left, right = self.home[sources], self.home[targets]
        run_left, run_right = self._run_of_op[sources], self._run_of_op[targets]
        for _ in range(int(self._depth.max(initial=0)) + 1):
            apart = left != right
            if not apart.any():
                break
            deep_left, deep_right = self._depth[left], self._depth[right]
            up_left = apart & (deep_left >= deep_right)
            up_right = apart & (deep_right >= deep_left)
            run_left[up_left] = self._run_of_box[left[up_left]]
            run_right[up_right] = self._run_of_box[right[up_right]]
            left[up_left] = self._parent[left[up_left]]
            right[up_right] = self._parent[right[up_right]]
        found: NDArray[np.bool_] = (run_left == run_right) & (run_left >= 0) & (sources != targets)
        return found


class Edges:
    """What ops take: from other ops, and from outside.

    Attributes:
        sources: the ops that made what is taken, -1 for what came from outside.
        targets: the ops that take it, in order, and for each in that of its arguments.
        tensors: what is taken; parameters and buffers aside.
        carried: whether it goes from one trip to another of equal trips.
        uses: (op, tensor) -> how often it is among the arguments, if more than once.
        parameters: op -> the parameters and buffers that it takes.
    """

    def __init__(self, index: ViewIndex) -> None:
        self.uses: dict[tuple[int, int], int] = {}
        self.parameters: dict[int, list[int]] = {}
        rows: list[tuple[int, int, int]] = []
        tensors = index.recording.tensors
        for op in index.recording.ops:
            inputs = op.inputs
            unique = dict.fromkeys(inputs)
            for number in unique:
                tensor = tensors[number]
                producer = tensor.producer
                if producer is None and tensor.name is not None:
                    self.parameters.setdefault(op.id, []).append(number)
                elif producer != op.id:
                    rows.append((-1 if producer is None else producer, op.id, number))
            if len(unique) < len(inputs):
                counts = Counter(inputs)
                self.uses |= {(op.id, n): count for n, count in counts.items() if count > 1}
        table = np.array(rows, dtype=np.int64).reshape(-1, 3)
        self.sources: Numbers = table[:, 0]
        self.targets: Numbers = table[:, 1]
        self.tensors: Numbers = table[:, 2]
        self.carried = index.carried(self.sources, self.targets) & (self.sources >= 0)
