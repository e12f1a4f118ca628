"""Where a position lies in the code: in which loops, and what can run after it.

Python notes the position of each call (line and column), and `ast` gives the same positions, so
each op's frames can be found in the parsed text. A `Spot` is such a place. Everything here is
about the text alone; `inspector.loops.follow` puts a run beside it.

Control flow is kept as nested regions, lists of statements: `for` and `while` have their body as
a region, `if` two that exclude each other. A loop's region starts with what runs on each trip
before the body (a `while`'s test, a `for`'s next item) as item 0.
"""

from __future__ import annotations

import ast
from bisect import bisect_left
from dataclasses import dataclass, field

FALL, BREAK, CONTINUE, RETURN = 1, 2, 4, 8
"""How control leaves a statement; a set of them is their sum."""


@dataclass(frozen=True, slots=True)
class LoopStatement:
    """A loop in the text: `kind` is "for", "while" or "comprehension".

    `header` is its first line as it is written ("for x in xs"), shortened. Lines count from 1,
    columns from 0.
    """

    file: str
    line: int
    column: int
    end_line: int
    kind: str
    header: str


@dataclass(eq=False, slots=True)
class Region:
    """A list of statements that run one after the other.

    `leaves[i]` tells how control leaves statement i, and `branch` which of its owner's regions
    this is: two regions of an owner with different numbers, none of them -1, exclude each
    other. `loop` is the loop whose trips run the region.
    """

    owner: ast.AST
    branch: int = -1
    loop: LoopStatement | None = None
    leaves: list[int] = field(default_factory=list)
    _jumps: list[int] | None = None

    def to_the_end(self, first: int, modes: int, last: int | None = None) -> int:
        """How control that is there with `modes` leaves statements first … last - 1."""
        if not modes & FALL:
            return modes
        jumps = self._jumping()
        for index in jumps[bisect_left(jumps, first) :]:
            if last is not None and index >= last:
                break
            modes |= self.leaves[index] & ~FALL
            if not self.leaves[index] & FALL:
                return modes & ~FALL
        return modes

    def _jumping(self) -> list[int]:
        """The statements that can leave in another way than to the next one."""
        if self._jumps is None:
            self._jumps = [i for i, leaves in enumerate(self.leaves) if leaves != FALL]
        return self._jumps


@dataclass(eq=False, slots=True)
class Spot:
    """A place in the code, in one scope (a code object's text).

    `path` holds the regions around it, outermost first, each with the number of the statement
    in it; `depths` are the places in `path` that are loops' regions. `order` grows with the
    order of evaluation. `late` is the place itself at the end of its statement: `x[i] += 1`
    reads and writes at one position, a `with` enters and leaves at one. `is_test` marks the
    position of a whole `if`, `while`, `and` or `or` that computes what it tests: Python 3.11
    tests each of its parts there.
    """

    scope: ast.AST
    path: tuple[tuple[Region, int], ...]
    order: int
    depths: tuple[int, ...]
    late: Spot | None = None
    is_test: bool = False
    _live: list[int] | None = None

    @property
    def starts_trip(self) -> bool:
        """Whether it is a `while`'s test, or where a `for` takes its next item."""
        return bool(self.depths) and self.depths[-1] == len(self.path) - 1 and not self.path[-1][1]

    def loop(self, depth: int) -> LoopStatement:
        """The loop whose region is at `path[depth]`, one of `depths`."""
        found = self.path[depth][0].loop
        assert found is not None
        return found

    def live(self, depth: int) -> int:
        """How control can leave the statement at `path[depth]`, coming from here."""
        if self._live is None:
            self._live = self._walk_out()
        return self._live[depth]

    def _walk_out(self) -> list[int]:
        found = [0] * len(self.path)
        region, index = self.path[-1]
        modes = region.leaves[index]
        for depth in range(len(self.path) - 1, -1, -1):
            region, index = self.path[depth]
            found[depth] = modes
            modes = region.to_the_end(index + 1, modes)
            if region.loop is not None:
                # A test or a `for` that finds no further item ends the loop too.
                goes_on = index == 0 or modes & (FALL | CONTINUE | BREAK)
                modes = (FALL if goes_on else 0) | modes & RETURN
        return found

    def ends_trip(self, depth: int) -> bool:
        """Whether a next trip of the loop at `path[depth]` can follow on this."""
        region, index = self.path[depth]
        return bool(region.to_the_end(index + 1, self.live(depth)) & (FALL | CONTINUE))

    def leads_to(self, other: Spot) -> bool:
        """Whether `other`, of the same scope, can run after this without a further trip."""
        if other.order <= self.order:
            return False
        for depth, (mine, theirs) in enumerate(zip(self.path, other.path, strict=False)):
            if mine[0] is not theirs[0]:
                return -1 in (mine[0].branch, theirs[0].branch)
            if mine[1] != theirs[1]:
                falls = bool(self.live(depth) & FALL)
                return falls and bool(mine[0].to_the_end(mine[1] + 1, FALL, theirs[1]) & FALL)
        return True

    def common(self, other: Spot) -> int:
        """How many loops are around both."""
        count = 0
        for mine, theirs in zip(self.depths, other.depths, strict=False):
            if mine != theirs or self.path[mine][0] is not other.path[theirs][0]:
                break
            count += 1
        return count

    def always_before(self, other: Spot) -> bool:
        """Whether no trip reaches `other` without passing here first."""
        here = len(self.path) - 1
        if other.order <= self.order or len(other.path) <= here:
            return False
        return self.path[:here] == other.path[:here] and self.path[here][0] is other.path[here][0]
