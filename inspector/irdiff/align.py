"""Which node after is which node before: by kind, source position, parameters and inputs.

Optimisation keeps a node's source position, so nodes of one kind at one position form a group,
and most groups have as many nodes after as before: they pair up in order. In the others the
parameters decide, then the inputs, then the order. No graph isomorphism; linear time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable
from itertools import pairwise

from inspector.irdiff.sides import Side
from inspector.records import IRNode

Groups = dict[Hashable, list[int]]


class Alignment:
    """Pairs of nodes.

    Attributes:
        origin: node after -> node before.
        copies: node before -> nodes after, in order; more than one where it was copied.
    """

    def __init__(self, before: Side, after: Side) -> None:
        self.before = before
        self.after = after
        self.origin: dict[int, int] = {}
        self.copies: dict[int, list[int]] = {}
        olds = _grouped(before, before.site)
        news = _grouped(after, after.site)
        open_olds: list[int] = []
        open_news: list[int] = []
        for site in olds.keys() & news.keys():
            left, right = self._by_parameters(olds[site], news[site])
            open_olds += left
            open_news += right
        self._by_inputs(sorted(open_olds), sorted(open_news))
        self._by_order(sorted(open_olds), sorted(open_news))

    def _pair(self, old: int, new: int) -> None:
        self.origin[new] = old
        self.copies.setdefault(old, []).append(new)

    def _by_parameters(self, old: list[int], new: list[int]) -> tuple[list[int], list[int]]:
        """Pair what is plain; return the rest of both."""
        if len(old) == len(new):
            for number, twin in zip(old, new, strict=True):
                self._pair(number, twin)
            return [], []
        before, after = self.before, self.after
        olds = _grouped(before, before.parameters, old)
        news = _grouped(after, after.parameters, new)
        if len(olds) == 1 and len(news) == 1:
            return old, new
        rest_old: list[int] = []
        rest_new: list[int] = []
        for key in [*olds, *(key for key in news if key not in olds)]:
            one, other = olds.get(key, []), news.get(key, [])
            if len(one) == len(other):
                for number, twin in zip(one, other, strict=True):
                    self._pair(number, twin)
            else:
                rest_old += one
                rest_new += other
        return rest_old, rest_new

    def _by_inputs(self, old: list[int], new: list[int]) -> None:
        """Pair nodes of one site whose inputs are the same."""
        known: dict[Hashable, list[int]] = defaultdict(list)
        for number in reversed(old):
            node = self.before.nodes[number]
            key = self.before.site(node), tuple(map(self.before.input_key, node.inputs))
            known[key].append(number)
        for number in new:
            node = self.after.nodes[number]
            found = known.get((self.after.site(node), self._keys_before(node)))
            if found:
                self._pair(found.pop(), number)

    def _keys_before(self, node: IRNode) -> tuple[Hashable, ...]:
        """A later node's inputs, named as they were before."""
        keys: list[Hashable] = []
        for value in node.inputs:
            key = self.after.input_key(value)
            made = self.after.made(value)
            if made is not None and isinstance(key, tuple) and key[0] == "node":
                key = "node", (self.origin.get(made[0], -1), made[1])
            keys.append(key)
        return tuple(keys)

    def _by_order(self, old: list[int], new: list[int]) -> None:
        """What is left: in order where some are gone, shared out evenly where there are more.

        A loop that was unrolled has a copy for each trip, one trip after the other; of a loop in
        a function that was called twice, the first half belongs to the first call.
        """
        before, after = self.before, self.after
        olds = _grouped(before, lambda node: (before.site(node), before.parameters(node)), old)
        news = _grouped(after, lambda node: (after.site(node), after.parameters(node)), new)
        for key in olds.keys() & news.keys():
            self._share(olds[key], news[key])
        # Parameters may have reached a node by another way before: by its place alone.
        olds = _grouped(before, before.site, [n for n in old if n not in self.copies])
        news = _grouped(after, after.site, [n for n in new if n not in self.origin])
        for key in olds.keys() & news.keys():
            self._share(olds[key], news[key])
        for twins in self.copies.values():
            if any(one > other for one, other in pairwise(twins)):
                twins.sort()

    def _share(self, old: list[int], new: list[int]) -> None:
        if len(new) <= len(old):
            left = [number for number in new if number not in self.origin]
            free = [number for number in old if number not in self.copies]
            for one, other in zip(free, left, strict=False):
                self._pair(one, other)
            return
        for place, number in enumerate(new):
            if number not in self.origin:
                self._pair(old[place * len(old) // len(new)], number)


def _grouped(
    side: Side, key: Callable[[IRNode], Hashable], numbers: list[int] | None = None
) -> Groups:
    groups: Groups = {}
    for number in side.compared if numbers is None else numbers:
        node = side.nodes[number]
        groups.setdefault(key(node), []).append(number)
    return groups
