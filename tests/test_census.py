"""`census`: how often each graph, what parts them, and that nothing changes on the way."""

from __future__ import annotations

import json
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import census_models
import numpy as np
import pytest
import torch
from census_models import Halving, TwoWays, two_of
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

import inspector
from inspector import Census, InspectorError, Leaf, Split, census, interpret, script
from inspector.census import as_json


def halved(*powers: int) -> list[Tensor]:
    return [torch.tensor([2.0**power]) for power in powers]


def counts(found: Census) -> dict[str, int]:
    return {variant.label: variant.count for variant in found.variants}


# -- counting ------------------------------------------------------------------------------------


def test_each_number_of_trips_is_a_variant_with_its_inputs_counted() -> None:
    found = census(Halving(), halved(3, 0, 3, 1, 3, 0))
    assert [(v.count, v.example, v.ops) for v in found.variants] == [
        (3, 0, 3 + 4 * 3 + 1),  # three ops a test (sum, >, bool), four a trip, and neg
        (2, 1, 3 + 1),
        (1, 3, 3 + 4 + 1),
    ]
    assert [point.variant for point in found.points] == [0, 1, 0, 2, 0, 1]
    assert [point.position for point in found.points] == [0, 1, 2, 3, 4, 5]
    assert all(point.duration_us > 0 for point in found.points)
    trips = [[trips for _, _, _, trips in v.loops] for v in found.variants]
    assert trips == [[3], [0], [1]]


def test_the_example_is_a_recording_of_its_input_without_values() -> None:
    found = census(TwoWays(), two_of(4))
    for variant in found.variants:
        assert len(variant.recording.ops) == variant.ops
        assert not variant.recording.values
        assert all(info.summary is None for info in variant.recording.tensors.values())
    assert [v.recording.decisions[0].value for v in found.variants] == [False, True]


@pytest.mark.parametrize(
    "inputs",
    [
        [torch.ones(2, 4), -torch.ones(2, 4)],
        [(torch.ones(2, 4),), [-torch.ones(2, 4)]],
        [{"x": torch.ones(2, 4)}, {"x": -torch.ones(2, 4)}],
        {"up": torch.ones(2, 4), "down": (-torch.ones(2, 4),)},
        (sign * torch.ones(2, 4) for sign in (1, -1)),
        TensorDataset(torch.stack([torch.ones(2, 4), -torch.ones(2, 4)])),
        DataLoader(TensorDataset(torch.ones(2, 4) * torch.tensor([[1.0], [-1.0]]))),
    ],
    ids=["tensors", "tuples", "dicts", "mapping", "generator", "dataset", "loader"],
)
def test_inputs_may_come_in_any_form(inputs: Any) -> None:
    found = census(TwoWays(), inputs)
    assert [(v.count, v.failure) for v in found.variants] == [(1, None), (1, None)]


def test_labels_and_swept_values_stay_with_their_inputs() -> None:
    found = census(Halving(), iter(halved(2, 1)), labels=["four", "two"], swept=[4.0, 2.0])
    assert [(p.label, p.swept) for p in found.points] == [("four", 4.0), ("two", 2.0)]
    named = census(Halving(), {"big": halved(5)[0]})
    assert named.variants[0].label == named.points[0].label == "big"


def test_a_generator_is_read_one_input_at_a_time() -> None:
    ran: list[int] = []

    def model(x: Tensor) -> Tensor:
        ran.append(int(x))
        return x + 1

    seen: list[int] = []

    def inputs() -> Iterator[Tensor]:
        for number in range(5):
            seen.append(len(set(ran)))
            yield torch.tensor(number)

    census(model, inputs(), static=None)
    assert seen == [0, 1, 2, 3, 4]


# -- what parts them -------------------------------------------------------------------------------


def test_a_branch_is_one_split_told_by_its_line() -> None:
    found = census(TwoWays(), [torch.ones(1, 4), -torch.ones(1, 4), torch.ones(1, 4)])
    assert isinstance(found.tree, Split)
    assert found.tree.site.text == "x.mean() > 0"
    branches = {b.words: (b.then, b.count) for b in found.tree.branches}
    assert branches == {"True": (Leaf((0,), 2), 2), "False": (Leaf((1,), 1), 1)}
    (decision,) = found.variants[0].decisions
    assert (decision.values, decision.visit, decision.kind) == ((True,), 1, "bool")
    assert decision.function == "TwoWays.forward"
    line = 1 + Path(census_models.__file__).read_text().splitlines().index(
        "        if x.mean() > 0:"
    )
    assert decision.line == line
    assert str(decision) == f"x.mean() > 0 at census_models.py:{line} is True"


def test_loops_part_by_how_often_their_test_was_read() -> None:
    found = census(Halving(), halved(0, 2, 5))
    assert isinstance(found.tree, Split)
    assert found.tree.visit is None
    # One test more than trips.
    assert [(b.words, b.then) for b in found.tree.branches] == [
        ("1", Leaf((0,), 1)), ("3", Leaf((1,), 1)), ("6", Leaf((2,), 1)),
    ]  # fmt: skip


def two_tests(x: Tensor) -> Tensor:
    if x[0] > 0:
        return x.sin()
    if x[1] > 0:
        return x.cos()
    return x.tan()


def test_a_decision_that_only_some_runs_reach_parts_these_further_down() -> None:
    rows = [[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]]
    found = census(two_tests, [torch.tensor(row) for row in rows])
    assert [v.count for v in found.variants] == [2, 1, 1]
    assert isinstance(found.tree, Split)
    yes, no = found.tree.branches
    assert (yes.words, yes.then) == ("True", Leaf((0,), 2))
    assert isinstance(no.then, Split)
    assert [(b.words, b.then) for b in no.then.branches] == [
        ("True", Leaf((1,), 1)), ("False", Leaf((2,), 1)),
    ]  # fmt: skip
    assert [d.site.text for d in found.variants[2].decisions] == ["x[0] > 0", "x[1] > 0"]


def noisy(x: Tensor) -> Tensor:
    print(x.mean().item(), end="")
    if x.sum() > 100:
        return x.sin()
    return x.cos()


def test_a_number_that_is_only_printed_does_not_part_them() -> None:
    found = census(noisy, [torch.tensor([1.0]), torch.tensor([200.0]), torch.tensor([2.0])])
    assert isinstance(found.tree, Split)
    assert found.tree.site.text == "x.sum() > 100"


def by_number(x: Tensor) -> Tensor:
    if x.mean().item() > 0.5:
        return x.sin()
    return x.cos()


def test_numbers_with_a_fraction_part_by_the_bounds_that_were_seen() -> None:
    found = census(by_number, [torch.tensor([v]) for v in (0.25, 0.5, 0.75, 1.0)])
    assert isinstance(found.tree, Split)
    assert [(b.words, b.decision.low, b.decision.high) for b in found.tree.branches] == [
        ("0.25 or 0.5", 0.25, 0.5), ("0.75 or 1", 0.75, 1.0),
    ]  # fmt: skip


def by_argument(x: Tensor, mask: Tensor | None = None, *, deep: bool = False) -> Tensor:
    if mask is not None:
        x = x * mask
    return x.sin()


def test_arguments_part_them_where_no_decision_does() -> None:
    x = torch.ones(2)
    found = census(by_argument, [(x,), (x, x), (x, None)])
    assert isinstance(found.tree, Split)
    assert found.tree.question == "the argument mask"
    assert {b.words: b.then for b in found.tree.branches} == {
        "None": Leaf((0,), 2), "a tensor": Leaf((1,), 1),
    }  # fmt: skip


def by_shape(x: Tensor) -> Tensor:
    if x.shape[0] > 2:
        return x.sin()
    return x.cos() if x.sum() > 0 else x.tan()


def test_a_variant_has_its_own_values_where_it_shares_a_branch() -> None:
    rows = [torch.ones(1), torch.ones(2), -torch.ones(1), torch.ones(3), torch.ones(4)]
    found = census(by_shape, rows)
    assert [v.count for v in found.variants] == [2, 2, 1]  # cos of 1 and 2 rows; sin; tan of 1
    assert isinstance(found.tree, Split)
    assert [(b.words, b.count) for b in found.tree.branches] == [("1 or 2", 3), ("3 or 4", 2)]
    firsts = [v.decisions[0] for v in found.variants]
    assert [decision.values for decision in firsts] == [(1, 2), (3, 4), (1,)]
    assert str(firsts[0]).endswith("is 1 or 2")
    assert str(firsts[2]).endswith("is 1")


def test_what_nothing_parts_is_one_leaf() -> None:
    hidden = iter([True, True, False, False])

    def model(x: Tensor) -> Tensor:
        return x.sin() if next(hidden) else x.cos()  # each first input of a variant runs twice

    found = census(model, [torch.ones(1), torch.ones(1)], static=None)
    assert found.tree == Leaf((0, 1), 2)
    assert all(not variant.decisions for variant in found.variants)


# -- each input sees the same model ----------------------------------------------------------------


class Remembering(nn.Module):
    """Takes another way from its third call on: by a buffer, an attribute and a list."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: Tensor
        self.register_buffer("calls", torch.zeros(()))
        self.number = 0
        self.seen: list[float] = []
        self.norm = nn.BatchNorm1d(2)

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        self.number += 1
        self.seen.append(0.0)
        x = self.norm(x)
        if self.calls > 2 or self.number > 2 or len(self.seen) > 2:
            x = x + 1
        return x


def test_every_input_sees_the_model_as_it_was_and_the_caller_finds_it_so() -> None:
    model = Remembering().train()
    mean = model.norm.running_mean
    assert mean is not None
    found = census(model, [torch.randn(3, 2) for _ in range(5)])
    assert [v.count for v in found.variants] == [5]
    assert (float(model.calls), model.number, model.seen) == (0.0, 0, [])
    assert model.training
    assert torch.equal(mean, torch.zeros(2))
    assert int(model.norm.num_batches_tracked or 0) == 0
    (note,) = [note for note in found.notes if "changes" in note]
    assert "calls" in note


class Stepping:
    """No module: a plain object that counts."""

    def __init__(self) -> None:
        self.net = nn.Linear(2, 2)
        self.optimizer = torch.optim.SGD(self.net.parameters(), lr=1.0, momentum=0.9)
        self.steps = 0

    def __call__(self, x: Tensor) -> Tensor:
        self.steps += 1
        loss = self.net(x).sum() * self.steps
        if self.steps > 1:
            loss = loss + 1
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.detach()


def test_a_plain_object_is_copied_for_each_input() -> None:
    model = Stepping()
    weight = model.net.weight.detach().clone()
    found = census(model, [torch.ones(1, 2)] * 4, static=None)
    assert [v.count for v in found.variants] == [4]
    assert model.steps == 0
    assert torch.equal(model.net.weight, weight)
    assert model.net.weight.grad is None


def test_gradients_that_a_module_makes_itself_are_put_back() -> None:
    class Training(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = nn.Linear(2, 1)

        def forward(self, x: Tensor) -> Tensor:
            self.net(x).sum().backward()
            return x

    model = Training()
    census(model, [torch.ones(1, 2)] * 3, static=None)
    assert model.net.weight.grad is None
    model.net.weight.grad = grad = torch.ones(1, 2)
    census(model, [torch.ones(1, 2)] * 3, static=None)
    assert model.net.weight.grad is grad
    assert torch.equal(grad, torch.ones(1, 2))


def by_chance(x: Tensor) -> Tensor:
    if torch.rand(()) > 0.5:
        return x.sin()
    return x.cos()


def test_every_run_draws_the_same_random_numbers_and_datasets_go_on_drawing() -> None:
    torch.manual_seed(3)
    expected = [torch.rand(()) for _ in range(20)]
    torch.manual_seed(3)
    drawn: list[Tensor] = []

    def inputs() -> Iterator[Tensor]:
        for _ in range(20):
            drawn.append(torch.rand(()))
            yield drawn[-1]

    found = census(by_chance, inputs(), static=None)
    assert len(found.variants) == 1
    assert torch.equal(torch.stack(drawn), torch.stack(expected))


def test_inputs_that_a_model_writes_to_stay_as_they_are() -> None:
    def model(x: Tensor, y: Tensor) -> Tensor:
        return x.add_(1) + y

    x = torch.zeros(2)
    found = census(model, [(x, x), (x, torch.zeros(2))], static=None)
    assert torch.equal(x, torch.zeros(2))
    assert len(found.variants) == 2  # one tensor twice, or two


def test_a_model_that_differs_from_run_to_run_is_told() -> None:
    ways = iter([True, False, True])

    def model(x: Tensor) -> Tensor:
        return x.sin() if next(ways) else x.cos()

    found = census(model, [torch.ones(1)], static=None)
    assert [op.name for op in found.variants[0].recording.ops] == ["sin"]
    assert any("not put back" in note for note in found.notes)


# -- bad input -------------------------------------------------------------------------------------


class Broken(torch.utils.data.Dataset[Tensor]):
    def __len__(self) -> int:
        return 50

    def __getitem__(self, place: int) -> Tensor:
        if place == 37:
            raise OSError("disk on fire")
        return torch.ones(1, 4)


def test_a_dataset_that_raises_at_item_37_is_counted_without_it() -> None:
    found = census(TwoWays(), Broken())
    assert len(found.points) == 49
    assert [p.position for p in found.points] == [n for n in range(50) if n != 37]
    (problem,) = found.problems
    assert problem.position == 37
    assert "OSError: disk on fire" in problem.message
    assert "input 37" in str(found)


def test_a_generator_that_raises_ends_there_and_the_rest_is_counted() -> None:
    def inputs() -> Iterator[Tensor]:
        yield from two_of(37)
        raise ValueError("no more")

    found = census(TwoWays(), inputs())
    assert len(found.points) == 37
    assert [problem.position for problem in found.problems] == [37]


def test_an_iterator_that_always_raises_is_left() -> None:
    class Stuck:
        def __iter__(self) -> Stuck:
            return self

        def __next__(self) -> Tensor:
            raise RuntimeError("stuck")

    found = census(TwoWays(), Stuck(), static=None)
    assert not found.points
    assert [problem.position for problem in found.problems] == [0, 1, 2]
    assert "0 inputs" in str(found)


@pytest.mark.parametrize("inputs", [[], {}, iter(()), ()])
def test_no_inputs_at_all_is_said(inputs: Any) -> None:
    with pytest.raises(InspectorError, match="no inputs"):
        census(TwoWays(), inputs)


@pytest.mark.parametrize("inputs", [torch.ones(3, 4), 7, None, "abc"])
def test_what_is_no_collection_is_said(inputs: Any) -> None:
    with pytest.raises(InspectorError, match="`inputs`"):
        census(TwoWays(), inputs)


def test_a_model_that_cannot_be_called_is_said() -> None:
    with pytest.raises(InspectorError, match="needs a module or a function"):
        census(3, [1])  # type: ignore[arg-type]


def test_inputs_that_fail_are_variants_of_their_own() -> None:
    good, wide, wider = torch.ones(1, 4), torch.ones(1, 5), torch.ones(1, 6)
    found = census(TwoWays(), [good, wide, wider, None, "text", good])
    assert counts(found) == {"input 0": 2, "input 1": 2, "input 3": 2}
    shapes, types = found.variants[1], found.variants[2]
    assert shapes.failure is not None
    assert shapes.failure.type == "RuntimeError"
    assert shapes.failure.op is not None
    assert shapes.recording.ops[shapes.failure.op].name == "linear"
    assert types.failure is not None
    assert types.failure.type == "AttributeError"
    assert "failed at op" in str(found)
    assert [v.failure is not None for v in found.variants] == [False, True, True]


def test_a_model_that_ends_the_program_is_a_problem_of_that_input() -> None:
    def model(x: Tensor) -> Tensor:
        if x > 1:
            raise SystemExit(3)
        return x + 1

    found = census(model, [torch.tensor(n) for n in range(4)], static=None)
    assert [p.position for p in found.points] == [0, 1]
    assert [p.position for p in found.problems] == [2, 3]
    assert "sys.exit(3)" in found.problems[0].message


def test_a_census_inside_a_recording_is_refused_and_leaves_the_recording_alone() -> None:
    with inspector.recording() as session:
        with pytest.raises(InspectorError, match="already running"):
            census(TwoWays(), two_of(1))
        torch.ones(1).sin()
    assert "sin" in [op.name for op in session.recording.ops]


# -- coverage --------------------------------------------------------------------------------------


def test_coverage_misses_exactly_the_block_that_no_input_took() -> None:
    model = TwoWays()
    found = census(model, [torch.ones(1, 4)] * 3)
    assert found.coverage is not None
    graph = found.coverage.graph
    (branch,) = [node.id for node in graph.nodes if node.kind == "prim::If"]
    inside = {(branch, 1)}
    missed = []
    for node in graph.nodes:
        if node.parent in inside or (node.parent and (node.parent[0], -1) in inside):
            inside |= {(node.id, block) for block in range(node.blocks)}
            if node.kind != "prim::Constant":
                missed.append(node.id)
    assert missed
    assert list(found.coverage.missed) == missed
    total = sum(node.kind != "prim::Constant" for node in graph.nodes)
    assert found.coverage.total == total
    assert found.coverage.percent == pytest.approx(100 * (total - len(missed)) / total)
    assert found.untouched_parameters == ("below.weight", "below.bias")
    assert census(model, two_of(2)).untouched_parameters == ()


@pytest.mark.parametrize("model", [TwoWays(), Halving()], ids=["branch", "loop"])
def test_executions_are_the_sums_of_what_the_interpreter_counts(model: nn.Module) -> None:
    shape = (2, 4) if isinstance(model, TwoWays) else (1,)
    inputs = [torch.full(shape, value) for value in (8.0, -3.0, 1.0, 8.0, 100.0)]
    found = census(model, inputs)
    assert found.coverage is not None
    graph = script(model)
    expected: Counter[int] = Counter()
    for x in inputs:
        expected.update(interpret(graph, x).executions)
    told = found.coverage.executions
    assert told == {node: expected[node] for node in told}
    assert found.coverage.unknown == ()


def test_without_a_static_graph_there_is_no_coverage_and_a_reason() -> None:
    def model(x: Any) -> Any:
        return eval("x + 1")

    found = census(model, [torch.ones(1)])
    assert found.coverage is None
    assert "scripted" in found.no_coverage
    assert census(Halving(), halved(1), static=None).coverage is None
    traced = census(TwoWays(), two_of(2), static="trace").coverage
    assert traced is not None
    assert traced.kind == "trace"
    own = census(TwoWays(), two_of(2), static=script(TwoWays())).coverage
    assert own is not None
    assert own.percent == 100


# -- written out -----------------------------------------------------------------------------------


def test_the_text_says_how_many_and_why() -> None:
    text = str(census(TwoWays(), {"up": torch.ones(1, 4), "down": -torch.ones(1, 4)}))
    assert text.startswith("census of TwoWays: 2 inputs, 2 distinct graphs\n")
    assert "variant 0  1 input (50 %)" in text
    assert "as for up" in text
    assert "100 % of the TorchScript graph ran (script)" in text


def test_json_holds_the_same_and_no_live_object() -> None:
    found = census(TwoWays(), [torch.ones(1, 4), torch.ones(1, 5)], swept=[float("nan"), 1.0])
    told = json.loads(as_json(found))
    assert [variant["count"] for variant in told["variants"]] == [1, 1]
    assert told["variants"][1]["failure"]["type"] == "RuntimeError"
    assert told["points"][0]["swept"] == "nan"
    assert 0 < told["coverage"]["percent"] < 100


# -- odd models ------------------------------------------------------------------------------------


def test_a_lazy_module_is_as_lazy_for_each_input_and_after() -> None:
    model = nn.Sequential(nn.LazyLinear(3))
    found = census(model, [torch.ones(1, 2), torch.ones(1, 5), torch.ones(1, 2)], static=None)
    assert [v.count for v in found.variants] == [3]
    assert all(v.failure is None for v in found.variants)
    assert model[0].has_uninitialized_params()


def test_odd_parameters_are_left_alone() -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.nan = nn.Parameter(torch.tensor([float("nan"), 1.0]))
            self.register_buffer("sparse", torch.eye(2).to_sparse())
            self.register_buffer("meta", torch.empty(2, device="meta"))
            self.register_buffer("none", None)

        def forward(self, x: Tensor) -> Tensor:
            return x * self.nan

    found = census(Odd(), [torch.ones(2)] * 3, static=None)
    assert [v.count for v in found.variants] == [3]
    assert found.notes == ()


def test_torchscript_runs_and_has_no_coverage() -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`torch.jit", DeprecationWarning)
        model = torch.jit.script(TwoWays())
    found = census(model, two_of(2))
    assert len(found.variants) == 1
    assert found.coverage is None
    assert "one op" in found.no_coverage


class Stream(IterableDataset[Tensor]):
    """Iterable, and has a length: it cannot be asked for an item."""

    def __len__(self) -> int:
        return 2

    def __iter__(self) -> Iterator[Tensor]:
        yield from two_of(2)


class Unsized(Stream):
    def __len__(self) -> int:
        raise TypeError("unknown")


@pytest.mark.parametrize("inputs", [Stream(), Unsized(), np.ones((2, 2, 4), dtype=np.float32)])
def test_datasets_are_read_the_way_they_can_be(inputs: Any) -> None:
    found = census(lambda x: torch.as_tensor(x) + 1, inputs, static=None)
    assert len(found.points) == 2
    assert not found.problems


def test_names_in_any_script_stay_and_take_one_line() -> None:
    found = census(Halving(), {"输入 ★\nzwei": torch.ones(1)}, static=None)
    assert found.variants[0].label == "输入 ★\nzwei"
    assert "as for 输入 ★ zwei\n" in str(found)
