"""What of a recording's boxes is drawn, given which of them are open.

Only what is visible is walked. A loop or repeat with equal members is always drawn as a frame:
while it is not among the open boxes it shows one member for each run of equal ones ("×12").
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inspector.language import sentence
from inspector.views.index import Numbers, ViewIndex
from inspector.views.tree import TRIP, Box

BARE = 12
"""A representative trip of this many children or fewer needs no frame in the loop's."""

OPS_CLOSED = sentence("ops in closed boxes")
OPS_EQUAL = sentence("ops in equal trips, drawn once")


@dataclass(slots=True, eq=False)
class Drawn:
    """Something that is drawn: an op, or a closed box (`box`).

    `id` is that of the view's node. `parent` is the number of the frame that it lies in, 0 for
    the top. `count` is how many equal things it stands for.
    """

    id: str
    op: int
    box: int | None
    parent: int
    count: int = 1


@dataclass(slots=True, eq=False)
class Frame:
    """An open box: its number, the number of the frame around it, how many it stands for.

    `is_folded`: only representatives of its members are drawn; `shows_bare`: a single one, and
    without a frame of its own.
    """

    box: int
    parent: int
    count: int = 1
    is_folded: bool = False
    shows_bare: bool = False


@dataclass(slots=True, eq=False)
class _Fold:
    """Members of a box of which only the first is drawn."""

    members: list[int]


class Visible:
    """The picture's nodes and frames.

    Args:
        index: of the recording.
        opened: ids of open boxes.

    Attributes:
        drawn: in the order of the ops.
        frames: outer ones first.
        frame_of: open box -> the frame that shows its children: itself, or one around it.
        of_op: op -> number of what stands for it in `drawn`.
        twin: op -> 0, or a number that is the same for the ops of one member of a folded box
            that is drawn as another.
    """

    def __init__(self, index: ViewIndex, opened: frozenset[str]) -> None:
        self._index = index
        self._opened = opened
        self.drawn: list[Drawn] = []
        self.frames: list[Frame] = []
        self.frame_of: dict[int, int] = {}
        ops = len(index.recording.ops)
        self.of_op: Numbers = np.full(ops, -1)
        self.twin: Numbers = np.zeros(ops, dtype=np.int64)
        self._folds: list[_Fold] = []
        self._twins = 0
        self._walk()
        for fold in reversed(self._folds):  # inner ones first
            self._spread(fold.members)

    def ops_by_node(self) -> list[tuple[int, ...]]:
        """For each drawn thing the ops that it stands for, in order."""
        order = np.argsort(self.of_op, kind="stable")
        bounds = np.searchsorted(self.of_op[order], np.arange(len(self.drawn) + 1))
        ops, ends = order.tolist(), bounds.tolist()
        return [tuple(ops[ends[i] : ends[i + 1]]) for i in range(len(self.drawn))]

    def pairs(
        self, sources: Numbers, targets: Numbers, carried: NDArray[np.bool_]
    ) -> list[tuple[int, int, int, bool]]:
        """(row, drawn source, drawn target, whether to a next trip) of the pairs that show.

        Args:
            sources: ops, or -1 for what is outside.
            targets: ops.
            carried: whether a pair goes from one of equal members to another.
        """
        inside = sources >= 0
        found = np.where(inside, self.of_op[sources], -1) if len(self.of_op) else sources
        ends = self.of_op[targets]
        mine = np.where(inside, self.twin[sources], 0) if len(self.of_op) else sources
        theirs = self.twin[targets]
        copied = (theirs > 0) & ((mine == theirs) | ~inside)
        rows = np.flatnonzero((found != ends) & ~copied)
        goes_on = carried & (mine != theirs)
        return list(
            zip(
                rows.tolist(),
                found[rows].tolist(),
                ends[rows].tolist(),
                goes_on[rows].tolist(),
                strict=True,
            )
        )

    def feeds_itself(
        self, sources: Numbers, targets: Numbers, carried: NDArray[np.bool_]
    ) -> frozenset[int]:
        """What is drawn once for several trips and takes its own result on the next.

        Args: see `pairs`.
        """
        if not len(self.of_op):
            return frozenset()
        items = self.of_op[targets]
        same = (sources >= 0) & carried & (self.of_op[sources] == items)
        goes_on = same & (self.twin[sources] != self.twin[targets])
        return frozenset(items[goes_on].tolist())

    def hidden(self) -> dict[str, int]:
        """How many ops are not drawn by themselves, by the reason."""
        closed = sum(self._index.boxes[d.box].size for d in self.drawn if d.box is not None)
        copies = int(np.count_nonzero(self.twin))
        counts = {OPS_CLOSED: closed, OPS_EQUAL: copies}
        return {reason: count for reason, count in counts.items() if count}

    # -- the walk ------------------------------------------------------------------------------

    def _walk(self) -> None:
        boxes = self._index.boxes
        todo: list[tuple[int, int, int]] = [(~0, 0, 1)]  # (child, frame, how many it stands for)
        while todo:
            child, frame, count = todo.pop()
            if child >= 0:
                self.of_op[child] = len(self.drawn)
                self.drawn.append(Drawn(f"op:{child}", child, None, frame, count))
                continue
            number = ~child
            box = boxes[number]
            if self._is_bare(box, frame, count):
                self.frame_of[number] = frame
                self.frames[-1].shows_bare = True
                todo.extend(reversed(self._children(box, frame)))
                continue
            if number and not self._is_open(box):
                self.of_op[self._where(box, number)] = len(self.drawn)
                self.drawn.append(Drawn(box.id, box.first, number, frame, count))
                continue
            if number:
                self.frames.append(Frame(number, frame, count, self.is_folded(box)))
            self.frame_of[number] = number
            todo.extend(reversed(self._children(box, number)))

    def _where(self, box: Box, number: int) -> slice | Numbers:
        return slice(box.first, box.last + 1) if box.is_run else self._index.inside(number)

    def _is_open(self, box: Box) -> bool:
        return box.folds or box.id in self._opened

    def is_folded(self, box: Box) -> bool:
        """Whether only representatives of a box's members are drawn."""
        return box.folds and box.id not in self._opened

    def _is_bare(self, box: Box, frame: int, count: int) -> bool:
        """Whether a trip needs no frame: all trips of the loop around it are drawn as this."""
        around = self._index.boxes[frame]
        return box.kind == TRIP and 1 < count == around.members and len(box.children) <= BARE

    def _children(self, box: Box, frame: int) -> list[tuple[int, int, int]]:
        if not self.is_folded(box):
            return [(child, frame, 1) for child in box.children]
        found: list[tuple[int, int, int]] = []
        for first, count in box.runs:
            found.append((box.whole[first], frame, count))
            if count > 1:
                self._folds.append(_Fold(box.whole[first : first + count]))
        return found + [(child, frame, 1) for child in box.whole[box.members :]]

    # -- members that are not drawn ------------------------------------------------------------

    def _spread(self, members: list[int]) -> None:
        """The other members are drawn as the first: the ops of each, one for one."""
        first, last = self._bounds(members[0])
        size = last - first + 1
        end = self._bounds(members[-1])[1]
        count = len(members)
        if end - first + 1 == size * count:  # one member right after the other
            block = slice(first + size, end + 1)
            self.of_op[block] = np.tile(self.of_op[first : last + 1], count - 1)
            numbers = np.arange(self._twins + 1, self._twins + count)
            self.twin[block] = np.repeat(numbers, size)
        else:
            for offset, member in enumerate(members[1:], start=1):
                start, stop = self._bounds(member)
                self.of_op[start : stop + 1] = self.of_op[first : last + 1]
                self.twin[start : stop + 1] = self._twins + offset
        self._twins += count

    def _bounds(self, member: int) -> tuple[int, int]:
        if member >= 0:
            return member, member
        box = self._index.boxes[~member]
        return box.first, box.last
