"""Producers, consumers, ancestors and descendants of a hand-made program."""

from __future__ import annotations

import torch

import inspector
from inspector.check import self_check
from inspector.graph import DataFlow


def _diamond() -> inspector.Recording:
    def program(x: torch.Tensor) -> torch.Tensor:
        a = x.exp()  # 0
        b = a * 2  # 1
        c = a + 1  # 2
        d = b + c  # 3
        x.sin()  # 4: leads nowhere
        return d.sum()  # 5

    recording = inspector.record(program, torch.ones(2))
    self_check(recording)
    return recording


def test_parents_and_children_are_the_ops_at_the_other_end_of_the_tensors() -> None:
    flow = DataFlow(_diamond())
    assert [flow.parents(i) for i in range(6)] == [(), (0,), (0,), (1, 2), (), (3,)]
    assert [flow.children(i) for i in range(6)] == [(1, 2), (3,), (3,), (5,), (), ()]


def test_ancestors_and_descendants_leave_out_the_op_itself() -> None:
    flow = DataFlow(_diamond())
    assert flow.ancestors(3) == {0, 1, 2}
    assert flow.descendants(0) == {1, 2, 3, 5}
    assert flow.ancestors(4) == frozenset()


def test_the_consumers_of_an_input_are_all_ops_that_take_it() -> None:
    recording = _diamond()
    flow = DataFlow(recording)
    assert flow.consumers[recording.inputs[0]] == (0, 4)
    assert flow.producer(recording.inputs[0]) is None


def test_an_op_that_returns_its_input_is_no_producer_of_it() -> None:
    recording = inspector.record(lambda x: x.contiguous() + 1, torch.ones(2))
    flow = DataFlow(recording)
    assert [op.name for op in recording.ops] == ["contiguous", "add"]
    assert flow.children(0) == ()
    assert flow.parents(1) == ()


def test_an_in_place_write_lies_between_what_came_before_and_after() -> None:
    def program(x: torch.Tensor) -> torch.Tensor:
        y = x + 1  # 0
        y.mul_(2)  # 1
        return y.exp()  # 2

    flow = DataFlow(inspector.record(program, torch.ones(2)))
    assert flow.ancestors(2) == {0, 1}
    assert flow.children(0) == (1,)
