"""Two runs as one recording: all ops once, each edge with the runs that it is of."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

import inspector
import sample_models
from inspector.check import self_check
from inspector.compare.union import Union, union
from inspector.records import Recording
from inspector.views import dynamic_view
from inspector.views.index import ViewIndex

PAIRS = [
    (name, first, other)
    for name, sample in sample_models.catalog().items()
    for first, other in [(next(iter(sample.inputs)), list(sample.inputs)[-1])]
]


def runs(name: str, *inputs: str) -> list[Recording]:
    sample = sample_models.get(name)
    return [
        inspector.record(sample.build(), *sample.inputs[each].make(), loss=sample.loss)
        for each in inputs
    ]


def branching(x: Tensor) -> Tensor:
    if x.sum() > 0:
        y = x.sin()
    else:
        y = x.cos()
    return y + 1


def both_branches() -> Union:
    a = inspector.record(branching, torch.ones(2))
    b = inspector.record(branching, -torch.ones(2))
    return union(a, b)


def test_each_op_of_both_runs_is_there_once_in_the_order_of_the_run() -> None:
    found = both_branches()
    ops = found.recording.ops
    # sum, gt, bool, then either sin or cos, then add.
    assert [op.name for op in ops] == ["sum", "gt", "bool", "sin", "cos", "add"]
    assert found.of_a == (0, 1, 2, 3, None, 4)
    assert found.of_b == (0, 1, 2, None, 3, 4)


def test_an_op_of_both_takes_what_it_took_in_either() -> None:
    found = both_branches()
    # add takes the result of sin in A and that of cos in B.
    assert (3, 5) in found.edges_a
    assert (4, 5) not in found.edges_a
    assert (4, 5) in found.edges_b
    assert len(found.recording.ops[5].inputs) == 2


def test_a_decision_that_came_out_differently_shows_both_values() -> None:
    (decision,) = both_branches().recording.decisions
    assert decision.value == "True → False"


def test_an_input_and_a_parameter_of_both_runs_are_one() -> None:
    model = torch.nn.Linear(2, 2)
    a = inspector.record(model, torch.ones(1, 2))
    b = inspector.record(model, torch.ones(3, 2))
    tensors = union(a, b).recording.tensors.values()
    outside = [tensor for tensor in tensors if tensor.producer is None]
    assert len(outside) == 3  # the input, weight, bias


def looping(x: Tensor, trips: int) -> Tensor:
    for _ in range(trips):
        x = x.sin()
        x = x * 2
    return x


def test_a_loop_has_the_trips_of_the_run_that_made_more() -> None:
    a = inspector.record(looping, torch.ones(2), 2)
    b = inspector.record(looping, torch.ones(2), 5)
    for found in (union(a, b), union(b, a)):
        (loop,) = found.loops.runs
        assert loop.trips == 5
        trips = [found.loops.around(op.id)[0].trip for op in found.recording.ops]
        assert trips == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]


@pytest.mark.parametrize(("name", "one", "other"), PAIRS)
def test_the_union_is_a_sound_recording_with_all_edges_of_both(
    name: str, one: str, other: str
) -> None:
    a, b = runs(name, one, other)
    found = union(a, b)
    self_check(found.recording)
    assert sorted(n for n in found.of_a if n is not None) == [op.id for op in a.ops]
    assert sorted(n for n in found.of_b if n is not None) == [op.id for op in b.ops]
    drawn = {
        (found.recording.tensors[number].producer, op.id)
        for op in found.recording.ops
        for number in op.inputs
        if found.recording.tensors[number].producer is not None
    }
    assert drawn == found.edges_a | found.edges_b


@pytest.mark.parametrize("name", ["branching", "transformer", "while_loop", "poem_lstm"])
def test_the_union_of_a_run_with_itself_is_drawn_like_the_run(name: str) -> None:
    (a,) = runs(name, next(iter(sample_models.get(name).inputs)))
    found = union(a, a)
    one, other = ViewIndex(a), ViewIndex(found.recording, found.loops)
    assert set(one.by_id) == set(other.by_id)
    opened = frozenset(one.by_id)
    drawn = [
        [(node.id, node.title) for node in dynamic_view(each.recording, opened, each).nodes]
        for each in (one, other)
    ]
    ops = [[node for node in nodes if node[0].startswith("op:")] for nodes in drawn]
    assert ops[0] == ops[1]
