"""Two runs compared: which ops are the same step of the program, and where the runs part.

Expected pairs are counted by hand from the few lines of each program.
"""

from __future__ import annotations

import importlib.util
import math
import textwrap
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import inspector
import sample_models
from inspector.compare import value_drift
from inspector.comparison import Comparison
from inspector.records import Recording


def names(recording: Recording, ops: tuple[int, ...]) -> list[str]:
    return [recording.ops[number].name for number in ops]


def named_pairs(a: Recording, b: Recording, found: Comparison) -> list[tuple[str, str]]:
    return [(a.ops[x].name, b.ops[y].name) for x, y in found.common]


def sample_runs(name: str, *inputs: str) -> list[Recording]:
    sample = sample_models.get(name)
    return [
        inspector.record(sample.build(), *sample.inputs[each].make(), loss=sample.loss)
        for each in inputs
    ]


# -- loops and branches ---------------------------------------------------------------------------


def looping(x: Tensor, trips: int) -> Tensor:
    for _ in range(trips):
        x = x.sin()
    return x.sin() + 1


def test_the_op_after_a_loop_stays_after_the_loop_however_often_it_ran() -> None:
    a = inspector.record(looping, torch.ones(2), 2)
    b = inspector.record(looping, torch.ones(2), 5)
    found = inspector.compare(a, b)
    # A: sin sin | sin add. B: sin sin sin sin sin | sin add.
    assert found.common == ((0, 0), (1, 1), (2, 5), (3, 6))
    assert (found.only_a, found.only_b) == ((), (2, 3, 4))
    (loop,) = found.loops
    assert (loop.trips_a, loop.trips_b, loop.first_a) == (2, 5, 0)
    assert loop.header == "for _ in range(trips)"


def test_a_loop_that_ran_no_trip_at_all_has_no_partner() -> None:
    a = inspector.record(looping, torch.ones(2), 0)
    b = inspector.record(looping, torch.ones(2), 1)
    found = inspector.compare(a, b)
    assert found.common == ((0, 1), (1, 2))
    assert found.only_b == (0,)


def branching(x: Tensor) -> Tensor:
    if x.sum() > 0:
        y = x.sin()
    else:
        y = x.sin()
        y = y * 2
    return y + 1


def test_equal_ops_on_two_branches_are_not_the_same_step() -> None:
    a = inspector.record(branching, torch.ones(2))
    b = inspector.record(branching, -torch.ones(2))
    found = inspector.compare(a, b)
    # sum, gt, bool | sin | add and sum, gt, bool | sin, mul | add.
    assert found.common == ((0, 0), (1, 1), (2, 2), (4, 5))
    assert names(a, found.only_a) == ["sin"]
    assert names(b, found.only_b) == ["sin", "mul"]
    (decision,) = found.decisions
    assert (decision.value_a, decision.value_b) == (True, False)
    assert found.first_difference is not None
    assert found.first_difference.kind == "decision"
    # Two ones make 2, two times -1 make -2.
    assert "`x.sum() > 0`" in str(found)
    assert "was True (2) in A and False (-2) in B." in str(found)


def by_a_python_value(x: Tensor, double: bool) -> Tensor:
    if double:
        x = x * 2
    return x + 1


def test_a_branch_by_a_python_value_is_told_from_the_counts_of_its_line() -> None:
    a = inspector.record(by_a_python_value, torch.ones(2), False)
    b = inspector.record(by_a_python_value, torch.ones(2), True)
    found = inspector.compare(a, b)
    assert found.common == ((0, 1),)
    line = by_a_python_value.__code__.co_firstlineno + 1
    assert f"The `if` at test_compare.py:{line} was false in A and true in B." in found.explanation


def maybe_none(x: Tensor, trips: int) -> Tensor:
    for _ in range(trips):
        x = x.sin()
    return x + 1


def test_a_loop_that_one_run_skipped_is_told_from_the_counts_of_its_line() -> None:
    a = inspector.record(maybe_none, torch.ones(2), 0)
    b = inspector.record(maybe_none, torch.ones(2), 2)
    line = maybe_none.__code__.co_firstlineno + 1
    sentence = f"The `for` at test_compare.py:{line} made 0 trips in A and 2 in B."
    assert sentence in inspector.compare(a, b).explanation


def nested(x: Tensor, inner: int) -> Tensor:
    for _ in range(2):
        for _ in range(inner):
            x = x.sin()
        x = x.cos()
    return x


def test_trips_of_an_inner_loop_are_counted_within_the_outer_trip() -> None:
    a = inspector.record(nested, torch.ones(2), 1)
    b = inspector.record(nested, torch.ones(2), 3)
    found = inspector.compare(a, b)
    # A: sin cos sin cos; B: sin sin sin cos sin sin sin cos.
    assert found.common == ((0, 0), (1, 3), (2, 4), (3, 7))
    assert [(one.trips_a, one.trips_b) for one in found.loops] == [(1, 3), (1, 3)]
    assert "(twice)" in str(found)


def until_small(x: Tensor) -> Tensor:
    while x.norm() > 1:
        x = x / 2
    return x + 1


def test_a_while_loop_says_by_which_test_it_ended() -> None:
    a = inspector.record(until_small, torch.tensor([3.0]))  # 3, 1.5, 0.75: two trips
    b = inspector.record(until_small, torch.tensor([0.5]))  # none
    found = inspector.compare(a, b)
    # The first test of A is the only one of B; `add` is the last op of both.
    assert found.common == ((0, 0), (1, 1), (2, 2), (len(a.ops) - 1, 3))
    (sentence,) = [line for line in found.explanation if "loop" in line]
    assert "made no trip in B instead of 2" in sentence
    assert "because `x.norm() > 1` was False before the first trip in B (True in A)" in sentence
    assert sentence.endswith("and only after 2 trips in A.")


def until_zero(x: Tensor) -> Tensor:
    total = x.new_zeros(())
    for each in x:
        if int(each) == 0:
            break
        total = total + each
    return total * 2


def test_a_break_is_named_as_the_reason_with_its_trip_and_line() -> None:
    a = inspector.record(until_zero, torch.tensor([4, 0, 5, 6]))
    b = inspector.record(until_zero, torch.tensor([4, 3, 5, 0]))
    found = inspector.compare(a, b)
    line = until_zero.__code__.co_firstlineno + 3
    (sentence,) = [line for line in found.explanation if line.startswith("The loop")]
    assert f"`int(each)` on line {line} was 0 at trip 2 in A (3 in B)" in sentence
    assert sentence.endswith("and only at trip 4 in B.")


def test_a_length_is_the_reason_only_of_trips_that_it_is_the_number_of() -> None:
    short = inspector.record(until_zero, torch.tensor([4]))
    left = inspector.record(until_zero, torch.tensor([4, 3, 5, 0, 6]))  # four trips of five
    for found in (inspector.compare(short, left), inspector.compare(left, short)):
        (loop,) = found.loops
        assert {loop.trips_a, loop.trips_b} == {1, 4}
        assert loop.cause is None
        assert "because" not in str(found)
        assert "The length of x" in str(found)
    whole = inspector.record(until_zero, torch.tensor([4, 3, 5, 6]))
    assert "because the length of x was 4 in B and 1 in A" in str(inspector.compare(short, whole))


def test_a_break_is_the_reason_also_where_the_lengths_differ() -> None:
    a = inspector.record(until_zero, torch.tensor([4, 0, 5]))
    b = inspector.record(until_zero, torch.tensor([4, 3, 5, 6, 0, 7]))
    (sentence,) = [
        line for line in inspector.compare(a, b).explanation if line.startswith("The loop")
    ]
    line = until_zero.__code__.co_firstlineno + 3
    assert f"because `int(each)` on line {line} was 0 at trip 2 in A (3 in B)" in sentence
    assert sentence.endswith("and only at trip 5 in B.")


class Blocks(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(nn.Linear(2, 2) for _ in range(3))

    def forward(self, x: Tensor, use: tuple[bool, ...]) -> Tensor:
        for block, on in zip(self.blocks, use, strict=True):
            if on:
                x = torch.relu(block(x))
        return x


def test_a_block_that_is_skipped_leaves_the_others_their_partners() -> None:
    model = Blocks()
    a = inspector.record(model, torch.ones(1, 2), (True, True, True))
    b = inspector.record(model, torch.ones(1, 2), (True, False, True))
    found = inspector.compare(a, b)
    # Two ops a block: the first and the third are in both.
    assert found.common[:2] == ((0, 0), (1, 1))
    assert [a.module_calls[x].path for x, _ in found.calls] == ["", "blocks.0", "blocks.2"]
    assert all(a.module_calls[x].path == b.module_calls[y].path for x, y in found.calls)
    assert {a.ops[x].module_call for x in found.only_a} >= {2}


class Shared(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(2, 2)

    def forward(self, x: Tensor, times: int) -> Tensor:
        y = self.fc(x)
        for _ in range(times):
            y = self.fc(y)
        return self.fc(y)


def test_calls_of_one_module_are_told_apart_by_where_they_stand() -> None:
    model = Shared()
    a = inspector.record(model, torch.ones(1, 2), 1)
    b = inspector.record(model, torch.ones(1, 2), 3)
    assert inspector.compare(a, b).common == ((0, 0), (1, 1), (2, 4))


def recursive(x: Tensor, depth: int) -> Tensor:
    if depth == 0:
        return x.cos()
    return recursive(x.sin(), depth - 1) + 1


def test_recursion_pairs_by_depth() -> None:
    a = inspector.record(recursive, torch.ones(2), 1)
    b = inspector.record(recursive, torch.ones(2), 2)
    found = inspector.compare(a, b)
    # A: sin0, cos1, add0. B: sin0, sin1, cos2, add1, add0.
    assert (0, 0) in found.common
    assert (2, 4) in found.common
    assert names(a, found.only_a) == ["cos"]


@pytest.mark.parametrize(
    ("name", "one", "other", "trips"),
    [
        ("while_loop", "norm 3, two trips", "norm 20, five trips", (2, 5)),
        ("variable_length", "two words", "five words", (3, 6)),  # and one more that reads the pad
        ("dynamic_rnn", "two time steps", "five time steps", (2, 5)),
        ("graph_network", "a chain", "a star", (2, 4)),
        ("grad_accumulation", "one batch of four", "four parts of one", (1, 4)),
        ("gan", "one turn each", "two discriminator turns", (1, 2)),
    ],
)
def test_the_loops_of_the_samples_have_the_trips_that_their_inputs_ask_for(
    name: str, one: str, other: str, trips: tuple[int, int]
) -> None:
    a, b = sample_runs(name, one, other)
    found = inspector.compare(a, b)
    assert {(loop.trips_a, loop.trips_b) for loop in found.loops} == {trips}
    assert not found.only_a


def test_the_mask_of_the_transformer_is_the_one_op_more_in_each_block() -> None:
    a, b = sample_runs("transformer", "no mask", "causal mask")
    found = inspector.compare(a, b)
    assert not found.only_a
    assert names(b, found.only_b) == ["masked_fill", "masked_fill"]
    assert len(found.common) == len(a.ops)


# -- changed pairs --------------------------------------------------------------------------------


def test_other_shapes_and_dtypes_are_changes_of_the_same_steps() -> None:
    def double(x: Tensor) -> Tensor:
        return x * 2

    a = inspector.record(double, torch.ones(2, 3))
    b = inspector.record(double, torch.ones(4, 3, dtype=torch.float64))
    (change,) = inspector.compare(a, b).changes
    assert change.kinds == ("shape", "dtype")
    assert change.details == ("2×3 → 4×3", "dtype float32 → float64")


def test_arguments_parameters_and_gradients_that_differ_are_named() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2))

        def forward(self, x: Tensor, first: bool, dim: int) -> Tensor:
            weight = self.one if first else self.two
            return (x * weight).sum(dim)

    model = Net()
    a = inspector.record(model, torch.ones(2, 2), True, 0)
    b = inspector.record(model, torch.ones(2, 2), False, 1)
    found = inspector.compare(a, b)
    kinds = {a.ops[change.a].name: change.kinds for change in found.changes}
    assert kinds == {"mul": ("parameters",), "sum": ("arguments",)}
    assert found.changes[0].details == ("one → two",)


def test_training_against_evaluation_is_said() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Dropout())
    a = inspector.record(model, torch.ones(1, 2))
    model.eval()
    b = inspector.record(model, torch.ones(1, 2))
    found = inspector.compare(a, b)
    assert any("training mode in A only" in line for line in found.explanation)
    assert len(found.common) == 2


def test_values_count_only_beyond_the_tolerance_asked_for() -> None:
    a = inspector.record(looping, torch.ones(2), 1)
    b = inspector.record(looping, torch.ones(2) * 1.001, 1)
    assert inspector.compare(a, b).same
    assert inspector.compare(a, b, tolerance=0.01).same
    close = inspector.compare(a, b, tolerance=1e-6)
    assert [change.kinds for change in close.changes] == [("values",)] * 3
    assert close.first_difference is not None


def test_the_drift_is_the_largest_difference_relative_to_the_largest_value() -> None:
    def passed(x: Tensor) -> Tensor:
        return x * 1

    options = inspector.CaptureOptions(values="full")
    a = inspector.record(passed, torch.tensor([1.0, -4.0]), options=options)
    b = inspector.record(passed, torch.tensor([1.5, -4.0]), options=options)
    (drift,) = value_drift(a, b, inspector.compare(a, b))
    assert drift.distance == pytest.approx(0.5 / 4.0)
    nan = inspector.record(passed, torch.tensor([1.0, math.nan]), options=options)
    assert value_drift(a, nan, inspector.compare(a, nan))[0].distance == math.inf
    assert value_drift(nan, nan, inspector.compare(nan, nan))[0].distance == 0.0


@pytest.mark.parametrize("values", ["full", "stats"])
def test_the_drift_of_bools_is_one_where_any_came_out_differently(values: Any) -> None:
    def positive(x: Tensor) -> Tensor:
        return x > 0

    options = inspector.CaptureOptions(values=values)
    none = inspector.record(positive, torch.tensor([-1.0, -2.0]), options=options)
    every = inspector.record(positive, torch.tensor([1.0, 2.0]), options=options)
    for a, b in ((none, every), (every, none)):
        assert [one.distance for one in value_drift(a, b, inspector.compare(a, b))] == [1.0]
    assert [one.distance for one in value_drift(none, none, inspector.compare(none, none))] == [0.0]


def test_zeros_in_a_are_measured_by_what_is_in_b() -> None:
    def passed(x: Tensor) -> Tensor:
        return x * 1

    a = inspector.record(passed, torch.zeros(2))
    b = inspector.record(passed, torch.tensor([0.0, 4.0]))
    assert [one.distance for one in value_drift(a, b, inspector.compare(a, b))] == [1.0]


def test_a_run_that_fails_half_way_is_compared_up_to_there() -> None:
    def picky(x: Tensor) -> Tensor:
        y = x + 1
        z = y @ torch.ones(3, 1)
        return z * 2

    a = inspector.record(picky, torch.ones(2, 3))
    b = inspector.record(picky, torch.ones(2, 4))
    found = inspector.compare(a, b)
    assert found.common[:2] == ((0, 0), (1, 1))
    assert names(a, found.only_a)[-1] == "mul"
    assert found.explanation[1].startswith("B ended at `matmul`")
    assert "The input x was 2×3 in A and 2×4 in B." in found.explanation
    # The failed op has no results: that is no other shape, and the failure is where they part.
    assert [a.ops[change.a].name for change in found.changes] == ["add"]
    assert found.first_difference is not None
    assert found.first_difference.kind == "changed"


def test_of_two_runs_that_fail_at_one_op_in_one_way_the_failure_is_no_difference() -> None:
    def raises(x: Tensor) -> Tensor:
        return x @ torch.ones(3, 1)

    a, b = (inspector.record(raises, torch.ones(2, 4)) for _ in range(2))
    assert inspector.compare(a, b).same
    good = inspector.record(raises, torch.ones(2, 3))
    found = inspector.compare(good, a)
    assert found.first_difference is not None
    # ones, then matmul, which only `good` has a result of.
    assert (found.first_difference.kind, found.first_difference.b) == ("failure", 1)


def test_unrelated_and_empty_recordings_say_so() -> None:
    a = inspector.record(looping, torch.ones(2), 1)
    b = inspector.record(nn.Conv2d(1, 1, 1), torch.ones(1, 1, 2, 2))
    found = inspector.compare(a, b)
    assert not found.common
    assert "no op in common" in str(found)
    empty = Recording((), {})
    assert inspector.compare(empty, empty).same
    assert inspector.compare(empty, a).only_b == (0, 1, 2)


def test_a_run_without_ops_is_said_to_have_none_and_how_it_ended() -> None:
    def raises(x: Tensor) -> Tensor:
        raise KeyError("weights")

    a = inspector.record(looping, torch.ones(2), 1)
    found = inspector.compare(a, inspector.record(raises, torch.ones(2)))
    assert found.explanation == ("A ran 3 ops, B none.", "B ended with KeyError: 'weights'")
    empty = Recording((), {})
    assert inspector.compare(empty, empty).explanation == ("Neither run has an op.",)


@pytest.mark.parametrize(
    ("x", "told"),
    [
        (torch.ones(2, 3, dtype=torch.float64), "2×3 float32 in A and 2×3 float64 in B"),
        (torch.ones(2, 3, device="meta"), "2×3 on cpu in A and 2×3 on meta in B"),
        (torch.ones(5), "2×3 in A and 5 in B"),
    ],
)
def test_an_input_of_another_shape_dtype_or_device_is_named(x: Tensor, told: str) -> None:
    def double(image: Tensor) -> Tensor:
        return image * 2

    a, b = (inspector.record(double, each) for each in (torch.ones(2, 3), x))
    assert f"The input image was {told}." in inspector.compare(a, b).explanation


def test_of_long_arguments_those_that_differ_are_told() -> None:
    model = nn.BatchNorm1d(3)
    a = inspector.record(model, torch.ones(2, 3))
    b = inspector.record(model.eval(), torch.ones(2, 3))
    (change,) = inspector.compare(a, b).changes
    assert change.details == ("(training=True) → (training=False)",)


# -- blocks of a script, versions of the code -----------------------------------------------------


def test_two_blocks_of_one_function_are_compared_although_their_lines_differ() -> None:
    x = torch.ones(2)
    with inspector.recording() as first:
        looping(x, 2) * 3
    with inspector.recording() as second:
        looping(x, 3) * 3
    a, b = first.recording, second.recording
    assert a is not None
    assert b is not None
    found = inspector.compare(a, b)
    assert len(found.common) == len(a.ops)
    assert names(b, found.only_b) == ["sin"]


def version(folder: Path, text: str, function: str = "f") -> Callable[..., Any]:
    """The function of a file that is written anew."""
    folder.mkdir(exist_ok=True)
    path = folder / "model.py"
    path.write_text(textwrap.dedent(text))
    spec = importlib.util.spec_from_file_location(f"model_{folder.name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: Callable[..., Any] = getattr(module, function)
    return found


BEFORE = """
def helper(x):
    return x.exp()

def f(x):
    y = x.sin()
    y = helper(y)
    return y + 1
"""


@pytest.mark.parametrize(
    ("after", "common", "only_a", "only_b"),
    [
        # A comment above and another order of the functions move the lines only.
        (
            """
            # a comment
            def f(x):
                # another one
                y = x.sin()

                y = helper(y)
                return y + 1

            def helper(x):
                return x.exp()
            """,
            [("sin", "sin"), ("exp", "exp"), ("add", "add")],
            [],
            [],
        ),
        # One line more, of an op that there was before: the old ones keep their partners.
        (
            """
            def helper(x):
                return x.exp()

            def f(x):
                y = x.sin()
                y = y.sin()
                y = helper(y)
                return y + 1
            """,
            [("sin", "sin"), ("exp", "exp"), ("add", "add")],
            [],
            ["sin"],
        ),
        # A changed line: what it still calls is the same step, by function and order.
        (
            """
            def helper(x):
                return x.exp()

            def f(x):
                y = x.cos().sin()
                y = helper(y)
                return y + 1
            """,
            [("sin", "sin"), ("exp", "exp"), ("add", "add")],
            [],
            ["cos"],
        ),
        # Indented into an `if`: other columns, the same text.
        (
            """
            def helper(x):
                return x.exp()

            def f(x):
                if True:
                    y = x.sin()
                    y = helper(y)
                return y + 1
            """,
            [("sin", "sin"), ("exp", "exp"), ("add", "add")],
            [],
            [],
        ),
    ],
)
def test_lines_that_moved_or_changed_align_by_function_and_order(
    after: str, common: list[Any], only_a: list[str], only_b: list[str], tmp_path: Path
) -> None:
    a = inspector.record(version(tmp_path / "a", BEFORE), torch.ones(2))
    b = inspector.record(version(tmp_path / "b", after), torch.ones(2))
    found = inspector.compare(a, b)
    assert named_pairs(a, b, found) == common
    assert (names(a, found.only_a), names(b, found.only_b)) == (only_a, only_b)


def test_lines_that_ran_in_one_version_only_are_named(tmp_path: Path) -> None:
    after = BEFORE.replace("    y = x.sin()\n", "    y = x.cos()\n    y = y.sin()\n")
    a = inspector.record(version(tmp_path / "a", BEFORE), torch.ones(2))
    b = inspector.record(version(tmp_path / "b", after), torch.ones(2))
    # Line 6 of A became lines 6 and 7 of B.
    sentence = (
        "The code of model.py is not the same: A ran line 6 and B ran lines 6, 7, which the other"
        " has not."
    )
    assert sentence in inspector.compare(a, b).explanation
    moved = version(tmp_path / "c", "\n# moved\n" + BEFORE)
    assert "code" not in str(inspector.compare(a, inspector.record(moved, torch.ones(2))))


LOOP = """
def f(x):
    for i in range(3):
        x = x.sin()
        x = x * 2
    return x.cos()
"""


@pytest.mark.parametrize("header", ["for i in range(5):", "for i in reversed(range(5)):", "while"])
def test_a_loop_whose_header_changed_is_still_the_loop(header: str, tmp_path: Path) -> None:
    after = LOOP.replace("for i in range(3):", header)
    if header == "while":
        after = LOOP.replace("for i in range(3):", "n = 0\n    while n < 3:")
        after = after.replace("x = x * 2", "x = x * 2\n        n += 1")
    a = inspector.record(version(tmp_path / "a", LOOP), torch.ones(2))
    b = inspector.record(version(tmp_path / "b", after), torch.ones(2))
    found = inspector.compare(a, b)
    assert named_pairs(a, b, found)[:2] == [("sin", "sin"), ("mul", "mul")]
    assert ("cos", "cos") in named_pairs(a, b, found)


def test_a_function_that_is_decorated_now_keeps_its_ops(tmp_path: Path) -> None:
    after = """
    import functools

    def traced(function):
        @functools.wraps(function)
        def call(*args):
            return function(*args)
        return call

    def helper(x):
        return x.exp()

    @traced
    def f(x):
        y = x.sin()
        y = helper(y)
        return y + 1
    """
    a = inspector.record(version(tmp_path / "a", BEFORE), torch.ones(2))
    b = inspector.record(version(tmp_path / "b", after), torch.ones(2))
    found = inspector.compare(a, b)
    assert named_pairs(a, b, found) == [("sin", "sin"), ("exp", "exp"), ("add", "add")]


def by_nan(x: Tensor) -> Tensor:
    value = x.sum().item()
    return x + 1 if value == value else x - 1


def test_a_decision_that_is_nan_in_one_run_is_told_both_ways() -> None:
    good = inspector.record(by_nan, torch.ones(1))
    bad = inspector.record(by_nan, torch.tensor([math.nan]))
    for a, b in ((good, bad), (bad, good)):
        assert len(inspector.compare(a, b).decisions) == 1
    assert not inspector.compare(bad, bad).decisions


def test_long_texts_of_equal_lines_are_aligned_quickly(tmp_path: Path) -> None:
    table = "TABLE = [\n" + "    0,\n\n" * 4000 + "]\n"
    a = inspector.record(version(tmp_path / "a", table + BEFORE), torch.ones(2))
    b = inspector.record(
        version(tmp_path / "b", "\n# new\n" + table + "\n" + BEFORE), torch.ones(2)
    )
    assert len(inspector.compare(a, b).common) == 3  # a quadratic way takes minutes here


# -- laws -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(sample_models.catalog()))
def test_a_run_compared_with_itself_or_run_again_is_the_same(name: str) -> None:
    first = next(iter(sample_models.get(name).inputs))
    a, b = sample_runs(name, first, first)
    for other in (a, b):
        found = inspector.compare(a, other)
        assert found.same
        assert found.common == tuple((op.id, op.id) for op in a.ops)
        assert (found.changes, found.decisions, found.loops) == ((), (), ())


@pytest.mark.parametrize("name", sorted(sample_models.catalog()))
def test_comparing_the_other_way_round_is_the_mirror(name: str) -> None:
    inputs = list(sample_models.get(name).inputs)
    a, b = sample_runs(name, inputs[0], inputs[-1])
    there, back = inspector.compare(a, b), inspector.compare(b, a)
    assert {(y, x) for x, y in there.common} == set(back.common)
    assert (there.only_a, there.only_b) == (back.only_b, back.only_a)
    assert {(y, x) for x, y in there.changed} == set(back.changed)
    assert {(one.trips_b, one.trips_a) for one in there.loops} == {
        (one.trips_a, one.trips_b) for one in back.loops
    }


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 3), max_size=4), st.lists(st.integers(0, 3), max_size=4))
def test_each_op_is_in_one_place_only_and_pairs_call_the_same_function(
    one: list[int], other: list[int]
) -> None:
    def program(x: Tensor, plan: list[int]) -> Tensor:
        for step in plan:
            if step == 0:
                x = x.sin()
            elif step == 1:
                x = x.cos()
            else:
                for _ in range(step):
                    x = x.exp()
        return x + 1

    a = inspector.record(program, torch.zeros(2), one)
    b = inspector.record(program, torch.zeros(2), other)
    found = inspector.compare(a, b)
    assert sorted([x for x, _ in found.common] + list(found.only_a)) == list(range(len(a.ops)))
    assert sorted([y for _, y in found.common] + list(found.only_b)) == list(range(len(b.ops)))
    assert all(a.ops[x].source == b.ops[y].source for x, y in found.common)
    assert found.same == (one == other)


def test_other_numbers_of_the_records_change_nothing() -> None:
    a, b = sample_runs("branching", "mean above zero", "mean below zero")
    shifted = replace(b, tensors=dict(b.tensors), meta={**b.meta, "model": "renamed"})
    assert inspector.compare(a, shifted).explanation == inspector.compare(a, b).explanation
