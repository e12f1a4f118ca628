"""Pairs the items of two trees: first by key, then, where the code was changed, by order.

Both passes go from owner to owner, so that a pair's owners are a pair, too: an op in the third
trip is never paired with one in the fourth, nor one after a loop with one inside it. The result
is one tree of both runs.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher

from inspector.compare.tree import Item

LONGEST_GAP = 400
"""Items of a gap up to which the longest common sequence is looked for (its time is quadratic)."""


@dataclass(eq=False, slots=True)
class Both:
    """An item of A, of B (None: of one run only), or the pair of both; with what is inside."""

    a: Item | None
    b: Item | None
    children: list[Both] = field(default_factory=list)

    @property
    def item(self) -> Item:
        """The item, of A if it is in both."""
        found = self.a or self.b
        assert found is not None
        return found


def align(a: Item, b: Item) -> Both:
    """Pair two trees. Takes linear time, but for changed code within one owner."""
    root = Both(a, b)
    todo = [root]
    while todo:
        owner = todo.pop()
        owner.children = _children(
            owner.a.children if owner.a is not None else [],
            owner.b.children if owner.b is not None else [],
        )
        todo += [  # most are ops, with nothing inside
            one
            for one in owner.children
            if (one.a is not None and one.a.children) or (one.b is not None and one.b.children)
        ]
    return root


def _children(a: Sequence[Item], b: Sequence[Item]) -> list[Both]:
    """The items of two owners in one order."""
    if not a or not b:
        return [*(Both(one, None) for one in a), *(Both(None, one) for one in b)]
    if [one.key for one in a] == [one.key for one in b]:
        return list(map(Both, a, b))
    pairs = _by_key(a, b)
    pairs |= _by_order(a, b, pairs)
    return list(_merged(a, b, pairs))


def everything(root: Both) -> Iterator[Both]:
    """All items in the order of the run, owners before what is inside."""
    todo = [root]
    while todo:
        one = todo.pop()
        yield one
        if one.children:
            todo += reversed(one.children)


def _merged(a: Sequence[Item], b: Sequence[Item], pairs: dict[int, int]) -> Iterator[Both]:
    """The items in one order: that of A, each item of B alone before the next pair of B."""
    paired = set(pairs.values())
    before: dict[int, list[Item]] = {}
    waiting: list[Item] = []
    for at, item in enumerate(b):
        if at in paired:
            before[at], waiting = waiting, []
        else:
            waiting.append(item)
    for at, item in enumerate(a):
        other = pairs.get(at)
        if other is not None:
            for alone in before[other]:
                yield Both(None, alone)
        yield Both(item, None if other is None else b[other])
    yield from (Both(None, alone) for alone in waiting)


def _by_key(a: Sequence[Item], b: Sequence[Item]) -> dict[int, int]:
    """Index in A -> index in B of the items with equal keys."""
    places = {item.key: at for at, item in enumerate(b)}
    return {at: places[item.key] for at, item in enumerate(a) if item.key in places}


def _by_order(a: Sequence[Item], b: Sequence[Item], known: dict[int, int]) -> dict[int, int]:
    """Pairs among what is left of changed code.

    First of the same line, called in another way; then of the same name, in order, between
    known pairs. Two whose code is the same in both versions are never paired here: they are at
    different places.
    """
    taken = set(known.values())
    left_a = [at for at in range(len(a)) if at not in known]
    left_b = [at for at in range(len(b)) if at not in taken]
    if not left_a or not left_b:
        return {}
    found = _by_line(a, left_a, b, left_b)
    known = known | found
    taken = set(known.values())
    left_a = [at for at in left_a if not a[at].sure and at not in known]
    left_b = [at for at in left_b if not b[at].sure and at not in taken]
    gaps_a, gaps_b = _gaps(left_a, sorted(known)), _gaps_after(left_b, known)
    for gap, own in gaps_a.items():
        other = gaps_b.get(gap, [])
        names_a, names_b = [a[at].name for at in own], [b[at].name for at in other]
        for x, y in _in_order(names_a, names_b):
            found[own[x]] = other[y]
    return found


def _by_line(
    a: Sequence[Item], left_a: list[int], b: Sequence[Item], left_b: list[int]
) -> dict[int, int]:
    """The n-th of a function on a line with the n-th in B, where one of them is unsure."""
    places: dict[tuple[Hashable, Hashable], list[int]] = {}
    for at in reversed(left_b):
        if b[at].line is not None:
            places.setdefault((b[at].name, b[at].line), []).append(at)
    found: dict[int, int] = {}
    for at in left_a:
        rest = places.get((a[at].name, a[at].line), []) if a[at].line is not None else []
        if rest and not (a[at].sure and b[rest[-1]].sure):
            found[at] = rest.pop()
    return found


def _gaps(left: Sequence[int], anchors: Sequence[int]) -> dict[int, list[int]]:
    """What is left, by the last known index of A before it (-1: none)."""
    found: dict[int, list[int]] = {}
    at, last = 0, -1
    for index in left:
        while at < len(anchors) and anchors[at] < index:
            last = anchors[at]
            at += 1
        found.setdefault(last, []).append(index)
    return found


def _gaps_after(left: Sequence[int], known: dict[int, int]) -> dict[int, list[int]]:
    """The same for B; the known index is again the one of A."""
    back = {y: x for x, y in known.items()}
    gaps = _gaps(left, sorted(back))
    return {-1 if last < 0 else back[last]: items for last, items in gaps.items()}


def _in_order(a: Sequence[Hashable], b: Sequence[Hashable]) -> list[tuple[int, int]]:
    if max(len(a), len(b)) > LONGEST_GAP:
        return _greedy(a, b)
    blocks = SequenceMatcher(None, a, b, autojunk=False).get_matching_blocks()
    return [(block.a + step, block.b + step) for block in blocks for step in range(block.size)]


def _greedy(a: Sequence[Hashable], b: Sequence[Hashable]) -> list[tuple[int, int]]:
    """The n-th of a name with the n-th of that name, as long as the order is kept."""
    places: dict[Hashable, list[int]] = {}
    for at in range(len(b) - 1, -1, -1):
        places.setdefault(b[at], []).append(at)
    found, last = [], -1
    for at, name in enumerate(a):
        rest = places.get(name, [])
        while rest and rest[-1] <= last:
            rest.pop()
        if rest:
            last = rest.pop()
            found.append((at, last))
    return found
