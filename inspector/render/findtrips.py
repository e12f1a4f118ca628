"""Trips of loops, as a search finds them: by number, and which trip an op ran in."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cached_property

from inspector.language import sentence
from inspector.render.findindex import Entry
from inspector.views.boxes import BoxTree
from inspector.views.index import ViewIndex
from inspector.views.tree import LOOP, MODULE, RANGE, TRIP

_DIGITS = 15


class Trips:
    """The trips of one recording; numbers count from 1, as in pictures.

    Args:
        tree: the boxes of the recording; its index is made when trips are first asked for.
    """

    def __init__(self, tree: BoxTree) -> None:
        self._tree = tree

    @property
    def _index(self) -> ViewIndex:
        return self._tree.index

    def entries(self, words: Sequence[str]) -> list[Entry]:
        """What stands for the trips whose numbers are all of `words`, in the order of the run.

        That is ("trip", number of its box); ("op", 12) or ("call", 3) for a trip of one of them,
        which has no box of its own.
        """
        found = [self._by_number.get(_number(word), []) for word in words]
        return [entry for entry in found[0] if all(entry in other for other in found[1:])]

    def ops(self, words: Sequence[str]) -> set[int]:
        """The ops that ran in a trip of each of these numbers: in nested loops, in both."""
        found = [set(self._ran(self._by_number.get(_number(word), []))) for word in words]
        return set.intersection(*found)

    def of_op(self, op: int) -> str:
        """As in "trip 3 › trip 12" for nested loops; "" outside of loops."""
        boxes = self._index.boxes
        steps = [*(~box for box in self._index.path(op)), op]
        steps = [step for step in steps if step >= 0 or boxes[~step].kind != RANGE]
        numbers = [self._numbers[step] for step in steps if step in self._numbers]
        return " › ".join(sentence("trip {number:,}", number=number) for number in numbers)

    def _ran(self, entries: Sequence[Entry]) -> list[int]:
        found: list[int] = []
        for kind, number in entries:
            if kind == "op":
                found.append(number)
            else:
                box = number if kind == "trip" else self._index.by_id[f"call:{number}"]
                found += self._index.inside(box).tolist()
        return found

    @cached_property
    def _numbers(self) -> Mapping[int, int]:
        """What stands for a trip, as in `Box.children` -> the trip's number."""
        boxes = self._index.boxes
        found: dict[int, int] = {}
        for loop in boxes:
            if loop.kind != LOOP:
                continue
            for place, child in enumerate(loop.whole[: loop.members]):
                is_trip = child < 0 and boxes[~child].kind == TRIP
                found[child] = (boxes[~child].trip if is_trip else place) + 1
        return found

    @cached_property
    def _by_number(self) -> Mapping[int, list[Entry]]:
        boxes = self._index.boxes
        found: dict[int, list[tuple[int, Entry]]] = defaultdict(list)
        for child, number in self._numbers.items():
            if child >= 0:
                found[number].append((child, ("op", child)))
            elif boxes[~child].kind == TRIP:
                found[number].append((boxes[~child].first, ("trip", ~child)))
            elif boxes[~child].kind == MODULE:
                found[number].append((boxes[~child].first, ("call", boxes[~child].number)))
        return {number: [entry for _, entry in sorted(some)] for number, some in found.items()}


def _number(word: str) -> int:
    return int(word) if word.isdecimal() and len(word) <= _DIGITS else 0
