"""What one expression of the user's ran beside the model, in one box: a constructor, a data loader.

A training script runs more ops to make its parameters and its batches than in a step of its
training, and none of them stands in the user's own code. `Net()` and the `for` over a loader
are one box each, closed at first.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby, islice

from inspector.quoted import code_at
from inspector.records import Op, Recording, Source
from inspector.views.tree import LOOP, TRIP, Box

FEWEST = 3
"""Fewer ops need no box around them."""

LONGEST = 48
"""A title shows so much of an expression."""

_PREPARING = (
    ".__init__", ".__post_init__", ".__getitem__", ".__getitems__", ".__iter__", ".__next__",
)  # fmt: skip
"""Methods that are called by what stands in an expression or a `for`: what they run, it ran."""

_INSTALLED = ("site-packages", "dist-packages")
"""Folders of packages that somebody else wrote."""

Site = tuple[Source, ...]


class Expressions:
    """Finds what was run beside the model, box by box, inner ones first.

    Args:
        recording: what ran.
        boxes: all boxes.
    """

    def __init__(self, recording: Recording, boxes: list[Box]) -> None:
        self._recording = recording
        self._boxes = boxes
        self._of_box: dict[int, Site | None] = {}

    def site(self, child: int) -> Site | None:
        """The one expression that ran an op, or (`~number`) all ops of a noted box, if one did."""
        if child < 0:
            return self._of_box.get(~child)
        op = self._recording.ops[child]
        return _site(op) if op.module_call is None and op.phase == "forward" else None

    def note(self, number: int) -> None:
        """Remember what ran a box whose inner boxes are noted."""
        box = self._boxes[number]
        if box.kind in (LOOP, TRIP):
            sites = {self.site(child) for child in box.children}
            self._of_box[number] = sites.pop() if len(sites) == 1 else None

    def grouped(self, number: int) -> list[list[int]]:
        """The children of a box, together what one expression ran one after the other.

        Where one ran all that there is, nothing is: it would be all that is seen. One box alone
        needs no other, and a few ops need none.
        """
        children = self._boxes[number].children
        found: list[list[int]] = []
        for where, group in groupby(children, self.site):
            members = list(group)
            few = len(members) < 2 or sum(map(self._size, members)) < FEWEST
            if where is None or few or len(members) == len(children):
                found += [[member] for member in members]
            else:
                found.append(members)
        return found

    def _size(self, child: int) -> int:
        return 1 if child >= 0 else self._boxes[~child].size


def expression_of(op: Op) -> Source | None:
    """Where the expression stands that ran an op in code of others, or to prepare something."""
    found = _site(op)
    return found[0] if found else None


def _site(op: Op) -> Site | None:
    """The expression and the frames around it."""
    prepares = (at + 1 for at, f in enumerate(op.stack) if f.function.endswith(_PREPARING))
    own = (at for at, frame in enumerate(op.stack) if not _is_installed(frame))
    at = max([0, *prepares, *islice(own, 1)])
    if at == len(op.stack):  # nobody called it, or there is no stack
        return None
    is_own = op.call_site is None or op.call_site == op.source
    return None if at == 0 and is_own else op.stack[at:]


def _is_installed(frame: Source) -> bool:
    return any(folder in frame.file for folder in _INSTALLED)


def title_of_expression(sources: Mapping[str, str], op: Op) -> str:
    """The code of the expression that ran an op, cut where it is long; "" if it isn't known."""
    place = expression_of(op)
    text = "" if place is None else code_at(sources, place).removesuffix(":")
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
