"""The decisions that part the variants, as a tree in order of the run: `decision_tree`.

At each split all variants that are left lie wholly on one side, for every input that was run, so
the tree is exact. It starts with the first decision of the run that parts them. Bools and sizes
come before other numbers, those with a fraction last (an `x.mean().item()` that is only printed
differs for every input), and decisions that all of the runs took before those that some did not
reach. Where no decision parts them, the arguments that are no tensors and the shapes that came
in may. Where runs part step by step in one place, as at the test of a loop, the number of times
that they came by parts them at once.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence

from inspector.census.domains import Values, parted
from inspector.census.fingerprint import short_name
from inspector.census.tally import ARGUMENT, SHAPE, Group, Site
from inspector.census.words import branch_words, decision_words, question_words, site_words
from inspector.counted import Branch, DecisionSite, Leaf, Split, Value, VariantDecision

DEEPEST = 60
"""Splits on top of each other; below that, variants are left together."""

Groups = Sequence[tuple[int, Group]]
"""(number of the variant, its inputs)."""


def decision_tree(groups: Groups, depth: int = DEEPEST) -> Split | Leaf:
    """What parts the variants.

    Args:
        groups: each variant's number and what was counted of it.
        depth: how many splits may lie on top of each other.
    """
    best = _best(groups) if len(groups) > 1 and depth else None
    if best is None:
        numbers = tuple(number for number, _ in groups)
        return Leaf(numbers, sum(group.count for _, group in groups))
    site, visit, domains, parts = best
    where = _site(groups, site)
    ranges = [_merged(domains, part) for part in parts]
    branches = []
    for part, values in zip(parts, ranges, strict=True):
        inside = [groups[place] for place in part]
        count = sum(group.count for _, group in inside)
        words = branch_words(values, ranges, count)
        decision = _decision(where, visit, values, words)
        branches.append(Branch(decision, words, count, decision_tree(inside, depth - 1)))
    return Split(where, visit, question_words(where, visit), tuple(branches))


def ways(
    tree: Split | Leaf, groups: Groups = ()
) -> Iterator[tuple[int, tuple[VariantDecision, ...]]]:
    """(variant, the decisions on the way to it) for each variant.

    Args:
        tree: of these groups.
        groups: as for `decision_tree`. With them, where several variants share a branch, each
            decision has the values of the one alone.
    """
    own = dict(groups)
    if isinstance(tree, Leaf):
        for number in tree.variants:
            yield number, ()
        return
    for branch in tree.branches:
        found = list(ways(branch.then, groups))
        for number, further in found:
            decision = branch.decision
            if len(found) > 1 and number in own:
                decision = _of_one(tree, own[number])
            yield number, (decision, *further)


def _of_one(split: Split, group: Group) -> VariantDecision:
    """What came out at a split for one variant."""
    site = _key(split.site)
    values = group.visits.get(site)
    if split.visit is not None:
        values = group.values.get((site, split.visit))
    if values is None:
        values = Values()  # none of its runs came by
    return _decision(split.site, split.visit, values, branch_words(values, (), group.count))


def _key(site: DecisionSite) -> Site:
    """A site as runs are counted by: the other way round of `_site`."""
    if not site.line:
        return site.file, site.line, site.column, site.kind, site.text
    return short_name(site.file), site.line, site.column, site.kind, site.function


_Candidate = tuple[Site, int | None, list[Values | None], list[list[int]]]
"""Where, which visit, what came out for each variant, and which variants stay together."""


def _best(groups: Groups) -> _Candidate | None:
    """The decision to split at: the first of the best rank."""
    counts = [group.count for _, group in groups]
    best: _Candidate | None = None
    best_rank = _LAST_RANK
    shared = min((group.values for _, group in groups), key=len)  # what all met is in each
    for key in shared:
        domains = [group.values.get(key) for _, group in groups]
        rank = _rank(key[0], domains) if _all_met(domains, counts) else best_rank
        if rank >= best_rank:
            continue
        parts = parted(domains, counts)
        if len(parts) > 1:
            best, best_rank = (*key, domains, parts), rank
        if best_rank == 0:
            break
    if best is None:
        return _not_reached_by_all(groups, counts)
    return _by_number_of_visits(groups, best)


def _rank(site: Site, domains: Sequence[Values | None]) -> int:
    """How sure it is that what was read there steers the run; 0 is the best.

    Bools and sizes are there because they steer. Other numbers may have been read to be printed,
    and those with a fraction differ for every input. A shape that came in is the last resort.
    """
    kind = site[3]
    if kind == SHAPE:
        return 4
    if any(domain is not None and domain.has_floats for domain in domains):
        return 3
    if kind == ARGUMENT:
        return 1
    return 2 if kind in _NUMBERS else 0


_NUMBERS = frozenset(("int", "item", "index", "tolist", "complex", "str", "format"))
_LAST_RANK = 5


def _all_met(domains: Sequence[Values | None], counts: Sequence[int]) -> bool:
    return all(
        domain is not None and domain.met == count
        for domain, count in zip(domains, counts, strict=True)
    )


def _by_number_of_visits(groups: Groups, found: _Candidate) -> _Candidate:
    """The split at one visit, or by the number of all visits, whichever parts more."""
    site, _, _, parts = found
    visits = [group.visits.get(site) for _, group in groups]
    if any(visits):
        by_visits = parted(visits, [group.count for _, group in groups])
        if len(by_visits) > len(parts):
            return site, None, visits, by_visits
    return found


def _not_reached_by_all(groups: Groups, counts: Sequence[int]) -> _Candidate | None:
    """The first decision that parts the variants where "not reached" is a value."""
    done: set[Hashable] = set()
    for _, own in groups:
        for key in own.values:
            if key in done:
                continue
            done.add(key)
            domains = [group.values.get(key) for _, group in groups]
            parts = parted(domains, counts)
            if len(parts) > 1:
                return _by_number_of_visits(groups, (*key, domains, parts))
    return None


def _merged(domains: Sequence[Values | None], part: Sequence[int]) -> Values:
    """What came out in one branch."""
    found = Values()
    for place in part:
        domain = domains[place]
        if domain is not None:
            found.merge(domain)
    return found


def _decision(site: DecisionSite, visit: int | None, values: Values, words: str) -> VariantDecision:
    named: tuple[Value, ...] = tuple(values.in_order) if values.complete else ()
    bounded = values.numeric and values.met
    low, high = (values.low, values.high) if bounded else (None, None)
    return VariantDecision(site, visit, named, decision_words(site, visit, words), low, high)


def _site(groups: Groups, site: Site) -> DecisionSite:
    """The site with its text, as the first example that came by tells it."""
    file, line, column, kind, function = site
    if not line:
        return DecisionSite(file, line, column, "", kind, function)
    examples = sorted((group.example, number) for number, (_, group) in enumerate(groups))
    for _, number in examples:
        recording = groups[number][1].recording
        found = None if recording is None else site_words(recording, site)
        if found is not None:
            return found
    return DecisionSite(file, line, column, function, kind)
