"""What came out at one decision, for all inputs of a variant: `Values`, and which of them part."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from inspector.counted import Value
from inspector.language import sentence

KEPT = 64
"""Values kept one by one; of more, only the smallest and the largest number are known."""

NOT_REACHED = sentence("not reached")


@dataclass(slots=True)
class Values:
    """The values of one decision.

    `known` maps each value's text to the value, as long as there are few (`complete`). `low`
    and `high` bound the numbers; `numeric` is false if something else came out, too (NaN is
    no number here). `met` counts the inputs whose runs came by.
    """

    known: dict[str, Value] = field(default_factory=dict)
    complete: bool = True
    numeric: bool = True
    low: float = math.inf
    high: float = -math.inf
    met: int = 0

    def add(self, value: Value) -> None:
        """One input's value."""
        self.met += 1
        if self.complete:
            self._keep(repr(value), value)
        if isinstance(value, int | float) and not isinstance(value, bool) and value == value:
            self.low, self.high = min(self.low, value), max(self.high, value)
        else:
            self.numeric = False

    def merge(self, other: Values) -> None:
        """The values of other inputs, too."""
        self.met += other.met
        self.complete = self.complete and other.complete
        for text, value in other.known.items():
            self._keep(text, value)
        self.numeric = self.numeric and other.numeric
        self.low, self.high = min(self.low, other.low), max(self.high, other.high)

    def _keep(self, text: str, value: Value) -> None:
        if text in self.known:
            return
        if len(self.known) < KEPT:
            self.known[text] = value
        else:
            self.complete = False

    @property
    def in_order(self) -> list[Value]:
        """Those kept, however they came in: numbers by size, True before False, then texts."""
        return sorted(self.known.values(), key=_rank)

    @property
    def has_floats(self) -> bool:
        """Whether numbers with a fraction came out: they differ by chance, often."""
        return any(isinstance(value, float) for value in self.known.values())


def _rank(value: Value) -> tuple[bool, float, str]:
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
        return True, 0.0, "" if value is True else repr(value)
    return False, value, ""


def parted(domains: Sequence[Values | None], counts: Sequence[int]) -> list[list[int]]:
    """Groups of variants that have no value in common with those of another group.

    Args:
        domains: what came out for each variant; None where none of its runs came by.
        counts: how many inputs each variant has. If fewer came by, some did not.

    Returns:
        Places in `domains`, each in one group; in ascending order of the values.
    """
    partial = [
        domain is None or domain.met < count for domain, count in zip(domains, counts, strict=True)
    ]
    reached = [place for place, domain in enumerate(domains) if domain is not None]
    if all(domains[place].complete for place in reached):  # type: ignore[union-attr]
        groups = _by_value(domains, reached)
    elif all(domains[place].numeric for place in reached):  # type: ignore[union-attr]
        groups = _by_interval(domains, reached)
    else:
        groups = [reached]
    return _with_absent(groups, partial)


def _by_value(domains: Sequence[Values | None], places: Sequence[int]) -> list[list[int]]:
    """Variants that share a value are in one group."""
    leader = {place: place for place in places}

    def led_by(place: int) -> int:
        while leader[place] != place:
            leader[place] = leader[leader[place]]
            place = leader[place]
        return place

    owner: dict[str, int] = {}
    for place in places:
        domain = domains[place]
        for text in () if domain is None else domain.known:
            leader[led_by(place)] = led_by(owner.setdefault(text, place))
    groups: dict[int, list[int]] = {}
    for place in places:
        groups.setdefault(led_by(place), []).append(place)
    return sorted(groups.values(), key=lambda group: _order(domains, group))


def _by_interval(domains: Sequence[Values | None], places: Sequence[int]) -> list[list[int]]:
    """Variants whose ranges of numbers overlap are in one group."""
    groups: list[list[int]] = []
    reach = -math.inf
    for place in sorted(places, key=lambda place: domains[place].low):  # type: ignore[union-attr]
        domain = domains[place]
        assert domain is not None
        if groups and domain.low <= reach:
            groups[-1].append(place)
        else:
            groups.append([place])
        reach = max(reach, domain.high)
    return groups


def _order(domains: Sequence[Values | None], group: Sequence[int]) -> tuple[float, str]:
    """Numbers by size, True before False, texts by the alphabet."""
    found = [domain for place in group if (domain := domains[place]) is not None]
    low = min(domain.low for domain in found)
    texts = sorted(text for domain in found for text in domain.known)
    return low, "" if texts[0] == "True" else texts[0]


def _with_absent(groups: list[list[int]], partial: Sequence[bool]) -> list[list[int]]:
    """All that were "not reached" are in one group, the last: it is a value like others."""
    absent = {place for place, is_partial in enumerate(partial) if is_partial}
    if not absent:
        return groups
    apart = [group for group in groups if absent.isdisjoint(group)]
    joined = absent.union(*(group for group in groups if not absent.isdisjoint(group)))
    return [*apart, sorted(joined)]
