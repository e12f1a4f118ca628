"""Pairs the items of two trees: first by key, then, where the code was changed, by order.

Both passes go from owner to owner, so that a pair's owners are a pair, too: an op in the third
trip is never paired with one in the fourth, nor one after a loop with one inside it.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher

from inspector.compare.tree import Item

LONGEST_GAP = 400
"""Items of a gap up to which the longest common sequence is looked for (its time is quadratic)."""


@dataclass(slots=True)
class Pairs:
    """The pairs by kind, each (number in A, number in B), and the items of one tree only."""

    ops: list[tuple[int, int]] = field(default_factory=list)
    reads: list[tuple[int, int]] = field(default_factory=list)
    calls: list[tuple[int, int]] = field(default_factory=list)
    loops: list[tuple[int, int]] = field(default_factory=list)
    only_a: list[Item] = field(default_factory=list)
    only_b: list[Item] = field(default_factory=list)


def align(a: Item, b: Item) -> Pairs:
    """Pair two trees. Takes linear time, but for changed code within one owner."""
    found = Pairs()
    lists = {"op": found.ops, "read": found.reads, "call": found.calls, "loop": found.loops}
    todo = [(a, b)]
    while todo:
        one, other = todo.pop()
        if one.kind in lists:
            lists[one.kind].append((one.number, other.number))
        pairs = _by_key(one.children, other.children)
        pairs |= _by_order(one.children, other.children, pairs)
        paired = set(pairs.values())
        found.only_a += [item for at, item in enumerate(one.children) if at not in pairs]
        found.only_b += [item for at, item in enumerate(other.children) if at not in paired]
        todo += [(one.children[x], other.children[y]) for x, y in pairs.items()]
    for pairs_of_kind in lists.values():
        pairs_of_kind.sort()
    return found


def _by_key(a: Sequence[Item], b: Sequence[Item]) -> dict[int, int]:
    """Index in A -> index in B of the items with equal keys."""
    places = {item.key: at for at, item in enumerate(b)}
    return {at: places[item.key] for at, item in enumerate(a) if item.key in places}


def _by_order(a: Sequence[Item], b: Sequence[Item], known: dict[int, int]) -> dict[int, int]:
    """Pairs among what is left of changed code: of the same name, in order, between known pairs."""
    left_a = [at for at, item in enumerate(a) if not item.sure and at not in known]
    taken = set(known.values())
    left_b = [at for at, item in enumerate(b) if not item.sure and at not in taken]
    if not left_a or not left_b:
        return {}
    gaps_a, gaps_b = _gaps(left_a, sorted(known)), _gaps_after(left_b, known)
    found: dict[int, int] = {}
    for gap, own in gaps_a.items():
        other = gaps_b.get(gap, [])
        names_a, names_b = [a[at].name for at in own], [b[at].name for at in other]
        for x, y in _in_order(names_a, names_b):
            found[own[x]] = other[y]
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
