"""The decisions that part variants: exact for every input, in order of the run."""

from __future__ import annotations

from collections import Counter

import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from inspector import Branch, Leaf, Recording, Split, census, fingerprint, record
from inspector.census.domains import KEPT, Values, parted
from inspector.census.tally import Tally
from inspector.census.tree import decision_tree, ways
from inspector.census.words import branch_words, ordinal


def values(*found: bool | int | float | str) -> Values:
    made = Values()
    for value in found:
        made.add(value)
    return made


# -- values ----------------------------------------------------------------------------------------


def test_variants_that_share_a_value_stay_together() -> None:
    domains = [values(1, 2), values(3), values(2, 5), values(4)]
    assert parted(domains, [2, 1, 2, 1]) == [[0, 2], [1], [3]]


def test_true_and_one_are_two_values() -> None:
    assert parted([values(True), values(1)], [1, 1]) in ([[0], [1]], [[1], [0]])
    assert parted([values(True), values(False)], [1, 1]) == [[0], [1]]


def test_not_reached_is_a_value_of_its_own() -> None:
    assert parted([values(True), None], [1, 1]) == [[0], [1]]
    # The first variant has an input that did not come by: it cannot be told from the third.
    assert parted([values(True), values(False), None], [2, 1, 1]) == [[1], [0, 2]]


def test_many_numbers_part_by_their_ranges() -> None:
    low, high = values(*range(KEPT + 5)), values(*range(200, 200 + KEPT + 5))
    assert not low.complete
    assert parted([high, low], [69, 69]) == [[1], [0]]
    across = values(50, 250)
    assert parted([high, low, across], [69, 69, 2]) == [[0, 1, 2]] or parted(
        [high, low, across], [69, 69, 2]
    ) == [[1, 2, 0]]
    assert branch_words(low, [low, high], 69) == f"at most {KEPT + 4}"
    assert branch_words(high, [low, high], 69) == "at least 200"


def test_many_texts_do_not_part() -> None:
    many = values(*(f"text {n}" for n in range(KEPT + 1)))
    assert parted([many, values("else")], [KEPT + 1, 1]) == [[0, 1]]


def test_nan_is_a_value_and_no_number() -> None:
    nan = values(float("nan"))
    assert not nan.numeric
    assert parted([nan, values(0.5), values(float("nan"))], [1, 1, 1]) == [[1], [0, 2]]
    assert branch_words(nan, [nan], 1) == "nan"


def test_what_two_processes_saw_is_merged_as_if_one_had_seen_it() -> None:
    one, other = values(1, 2, 2.5), values(2, "x")
    one.merge(other)
    assert one == values(1, 2, 2.5, 2, "x")


def test_ordinals_are_english() -> None:
    told = [ordinal(n) for n in (1, 2, 3, 4, 11, 12, 13, 21, 102, 111)]
    assert told == "1st 2nd 3rd 4th 11th 12th 13th 21st 102nd 111th".split()


# -- trees -----------------------------------------------------------------------------------------


def tangled(x: Tensor) -> Tensor:
    """Bools, a number, a loop and a size, all of which steer."""
    y = x.sum()
    if x[0] > 0:
        y = y.sin()
        for _ in range(int(x[1].abs())):
            y = y + 1
    elif x[2].item() > 0.5:
        y = y.cos()
    while y > 3:
        y = y - 2
    if x.shape[0] > 4:
        y = y.tan()
    return y


def route(tree: Split | Leaf, recording: Recording) -> Leaf:
    """The leaf that a run's own decisions lead to; exactly one branch has to fit each time."""
    while isinstance(tree, Split):
        met: list[object] = []
        for decision in recording.decisions:
            source = decision.source
            if source is None or not tree.site.line:
                continue
            place = source.line, source.column, decision.kind
            if place == (tree.site.line, tree.site.column, tree.site.kind):
                met.append(decision.value)
        if not tree.site.line:
            shape = str(tuple(recording.tensors[recording.inputs[0]].shape))
            met = [shape] if tree.site.kind == "the shape of" else ["a tensor"]
        fitting = [branch for branch in tree.branches if _fits(branch, tree.visit, met)]
        assert len(fitting) == 1, (tree.question, met, [b.words for b in tree.branches])
        tree = fitting[0].then
    return tree


def _fits(branch: Branch, visit: int | None, met: list[object]) -> bool:
    decision = branch.decision
    if visit is None:
        value: object = len(met)
    elif len(met) >= visit:
        value = met[visit - 1]
    else:
        return "not reached" in branch.words
    if not met:
        return "not reached" in branch.words
    if any(repr(value) == repr(known) for known in decision.values):
        return True
    if decision.values or decision.low is None or decision.high is None:
        return False
    return isinstance(value, int | float) and decision.low <= value <= decision.high


numbers = st.floats(-6, 6, allow_nan=False, width=32)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.lists(numbers, min_size=3, max_size=5), min_size=1, max_size=12))
def test_every_input_is_led_to_its_own_variant(rows: list[list[float]]) -> None:
    inputs = [torch.tensor(row) for row in rows]
    found = census(tangled, inputs, static=None)
    runs = [record(tangled, x) for x in inputs]
    marks = [fingerprint(run) for run in runs]
    assert Counter(marks) == {v.fingerprint: v.count for v in found.variants}
    assert found.tree is not None
    for point, run, mark in zip(found.points, runs, marks, strict=True):
        assert found.variants[point.variant].fingerprint == mark
        assert point.variant in route(found.tree, run).variants
    assert sorted(number for number, _ in ways(found.tree)) == list(range(len(found.variants)))
    assert _counted(found.tree) == len(rows)


def _counted(tree: Split | Leaf) -> int:
    if isinstance(tree, Leaf):
        return tree.count
    assert len(tree.branches) > 1
    assert all(branch.count == _counted(branch.then) for branch in tree.branches)
    return tree.count


def test_counts_of_two_tallies_merged_in_either_order_give_one_result() -> None:
    inputs = [torch.tensor([a, 2.0, c]) for a in (-1.0, 1.0) for c in (0.0, 1.0)] * 2
    runs = [record(tangled, x) for x in inputs]

    def tally(places: range) -> Tally:
        made = Tally()
        for place in places:
            made.add(place, f"input {place}", runs[place])
        return made

    whole = tally(range(8))
    for first, second in ((range(3), range(3, 8)), (range(3, 8), range(3))):
        merged = tally(first)
        merged.merge(tally(second))
        for mark, group in whole.groups.items():
            other = merged.groups[mark]
            assert (other.count, other.example, other.label) == (
                group.count, group.example, group.label,
            )  # fmt: skip
            assert other.values == group.values
            assert other.recording is runs[group.example]
        order = sorted(merged.groups.values(), key=lambda group: group.example)
        assert decision_tree(list(enumerate(order))) == decision_tree(
            list(enumerate(whole.groups.values()))
        )


def test_a_hundred_and_fifty_trip_counts_part_at_one_split() -> None:
    def trips(x: Tensor) -> Tensor:
        while x > 0:
            x = x - 1
        return x

    tally = Tally()
    for place in range(150):
        tally.add(place, "", record(trips, torch.tensor(float(place))))
    tree = decision_tree(list(enumerate(tally.groups.values())))
    assert isinstance(tree, Split)
    assert len(tree.branches) == 150


def test_values_are_told_in_one_order_however_they_came_in() -> None:
    first = values(3, "None", 0.5, False, "a", True)
    second = values(True, "a", 0.5, False, 3, "None")
    assert first.in_order == second.in_order == [0.5, 3, True, "None", "a", False]
