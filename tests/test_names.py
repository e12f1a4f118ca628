"""Variables: what the user's code calls the tensors it makes, read off the source by hand."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import inspector
from inspector.check import self_check

X = torch.tensor([[1.0, 2.0], [3.0, 4.0]])


def record(function: Callable[..., Any], *args: Any) -> inspector.Recording:
    recording = inspector.record(function, *args)
    self_check(recording)
    assert recording.failure is None, recording.failure
    return recording


def named(function: Callable[..., Any], *args: Any) -> list[tuple[str, tuple[str | None, ...]]]:
    """(op, the variables of its outputs) of each op that has an output."""
    recording = record(function, *args)
    return [
        (op.name, tuple(recording.tensors[i].variable for i in op.outputs))
        for op in recording.ops
        if op.outputs
    ]


def test_only_the_outermost_op_of_an_assignment_is_named() -> None:
    def program(x: torch.Tensor) -> torch.Tensor:
        h = torch.tanh(x @ x) * 0.5
        return h.sum()

    assert named(program, X) == [
        ("matmul", (None,)),
        ("tanh", (None,)),
        ("mul", ("h",)),
        ("sum", (None,)),
    ]


def test_every_kind_of_expression_that_is_an_op_is_named() -> None:
    def program(x: torch.Tensor) -> None:
        negative = -x
        power = x**2
        larger = x > 1
        row = x[0]
        turned = x.T
        size = abs(x)
        del negative, power, larger, row, turned, size

    assert [names for _, names in named(program, X)] == [
        ("negative",), ("power",), ("larger",), ("row",), ("turned",), ("size",),
    ]  # fmt: skip


def test_every_kind_of_assignment_names() -> None:
    class Holder:
        state: torch.Tensor

    def program(x: torch.Tensor, self: Holder) -> None:
        h: torch.Tensor = x.exp()
        h += 1
        if (w := h.sum()) > 0:
            a = b = x.neg()
        self.state = w * 2
        self.state -= 1
        cells = {}
        cells["k"] = a + b
        _ = x.sin()

    assert named(program, X, Holder()) == [
        ("exp", ("h",)),
        ("add_", ("h",)),
        ("sum", ("w",)),
        ("gt", (None,)),
        ("neg", ("a",)),
        ("mul", ("self.state",)),
        ("sub_", ("self.state",)),
        ("add", (None,)),
        ("sin", (None,)),
    ]


def test_several_targets_are_named_by_position() -> None:
    def program(x: torch.Tensor) -> None:
        left, right = x.chunk(2)
        values, _ = x.max(dim=1)
        first, second = x
        both = x.chunk(2)
        del left, right, values, first, second, both

    assert named(program, X) == [
        ("chunk", ("left", "right")),
        ("max", ("values", None)),
        ("unbind", ("first", "second")),
        ("chunk", (None, None)),  # `both` is a tuple, no tensor
    ]


def test_rows_go_by_the_name_of_the_loop_that_they_are_made_for() -> None:
    def program(x: torch.Tensor) -> None:
        for row in x:
            row + 1
        for _, numbered in enumerate(x):
            numbered + 1
        [item * 2 for item in x]
        for pair in zip(x, x, strict=True):
            pair[0] - 1

    rows = [names for op, names in named(program, X) if op == "unbind"]
    assert rows == [("row",) * 2, ("numbered",) * 2, ("item",) * 2, (None,) * 2, (None,) * 2]


def test_a_loop_over_a_result_names_its_rows_and_not_the_result() -> None:
    def program(x: torch.Tensor) -> None:
        for row in torch.relu(x):
            row + 1

    assert named(program, X)[:2] == [("relu", (None,)), ("unbind", ("row", "row"))]


def test_an_expression_over_several_lines_is_named() -> None:
    # fmt: off
    def program(x: torch.Tensor) -> None:
        chain = (
            x
            .relu()
            .sum(
                dim=1,
            )
        )
        total = (
            x.exp()
            + x.neg()
        )
        del chain, total
    # fmt: on

    assert named(program, X) == [
        ("relu", (None,)),
        ("sum", ("chain",)),
        ("exp", (None,)),
        ("neg", (None,)),
        ("add", ("total",)),
    ]


def test_either_way_of_a_conditional_expression_is_named() -> None:
    def program(x: torch.Tensor) -> None:
        for flag in (True, False):
            h = x.exp() if flag else x.neg()
            del h

    assert named(program, X) == [("exp", ("h",)), ("neg", ("h",))]


def test_containers_and_builtins_over_several_ops_are_not_named() -> None:
    def program(x: torch.Tensor) -> None:
        parts = [x.exp() for _ in range(2)]
        pair = (x.sin(), x.cos())
        total = sum(parts)
        product = functools.reduce(torch.mul, pair)
        listed = list(map(torch.neg, pair))
        size = x.sum().item()
        del total, product, listed, size

    assert {names for _, names in named(program, X)} == {(None,)}


def test_the_value_of_a_function_is_named_where_it_is_assigned() -> None:
    def square(x: torch.Tensor) -> torch.Tensor:
        return x * x

    def twice(function: Callable[..., Any], x: torch.Tensor) -> list[torch.Tensor]:
        return [function(x), function(x)]

    @torch.no_grad()
    def decorated(x: torch.Tensor) -> torch.Tensor:
        inner = x + 1
        return square(inner)

    def program(x: torch.Tensor) -> None:
        a = decorated(x)
        double = lambda x: x.mul(2)  # noqa: E731
        b = double(x)
        c = twice(square, x)
        d = torch.func.vmap(square)(x)
        del a, b, c, d

    found = [names for op, names in named(program, X) if op in ("add", "mul")]
    assert found == [("inner",), ("a",), ("b",), (None,), (None,), (None,)]


def test_the_result_of_a_module_call_is_its_last_ops() -> None:
    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(2, 2)
            self.norm = nn.Sequential(nn.Linear(2, 2), nn.ReLU())

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            h = self.fc(x)
            n = self.norm(h)
            return n + h

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.block = Block()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = self.block(x)
            z = self.block(y)
            return z.sum()

    once = [("linear", ("h",)), ("linear", (None,)), ("relu", ("n",))]
    assert named(Net(), X) == [
        *once, ("add", ("y",)), *once, ("add", ("z",)), ("sum", (None,)),
    ]  # fmt: skip


def test_a_module_that_returns_more_than_its_last_op_made_is_not_named() -> None:
    attention = nn.MultiheadAttention(2, 1, batch_first=True)
    attention.eval()

    def program(x: torch.Tensor) -> torch.Tensor:
        both = attention(x, x, x)
        return both[0] + both[1]

    found = named(program, torch.ones(1, 2, 2))
    assert {name for _, names in found for name in names} == {None}


def test_the_three_results_of_an_lstm_go_by_their_names() -> None:
    lstm = nn.LSTM(2, 3)

    def program(x: torch.Tensor) -> torch.Tensor:
        out, (h, c) = lstm(x)
        return out.sum() + h.sum() + c.sum()

    assert ("lstm", ("out", "h", "c")) in named(program, X[None])


def test_writing_in_place_keeps_the_name() -> None:
    def program(x: torch.Tensor) -> None:
        h = x.exp()
        h[0] = 0.0
        h.add_(1)

    assert named(program, X) == [("exp", ("h",)), ("setitem", ("h",)), ("add_", ("h",))]


def test_buffers_that_an_op_writes_besides_do_not_get_its_name() -> None:
    mean, var = torch.zeros(2), torch.ones(2)

    def program(x: torch.Tensor) -> None:
        h = F.batch_norm(x, mean, var, training=True)
        del h

    recording = record(program, X)
    (op,) = recording.ops
    names = [recording.tensors[i].variable for i in op.outputs]
    assert names == ["h"] + [None] * (len(names) - 1)


def test_an_argument_that_is_returned_as_it_was_keeps_its_own_name() -> None:
    def program(x: torch.Tensor) -> None:
        h = x.exp()
        same = h.contiguous()
        del same

    recording = record(program, X)
    assert [t.variable for t in recording.tensors.values()] == [None, "h"]


def test_parameters_keep_their_path_as_name_and_get_no_variable() -> None:
    recording = record(nn.Linear(2, 2), X)
    assert {t.name: t.variable for t in recording.tensors.values() if t.name} == {
        "weight": None,
        "bias": None,
    }


@pytest.mark.parametrize("source", ["def broken(:", "%matplotlib inline\n", "\0"])
def test_a_source_that_is_not_python_names_nothing(source: str) -> None:
    from inspector.capture.names import variables

    def program(x: torch.Tensor) -> None:
        h = x.exp()
        del h

    recording = record(program, X)
    texts = dict.fromkeys(recording.sources, source)
    assert variables(recording.ops, recording.tensors, recording.module_calls, texts) == {}


def test_variables_survive_saving_and_loading(tmp_path: Any) -> None:
    def program(x: torch.Tensor) -> None:
        h = x.exp()
        del h

    recording = record(program, X)
    recording.save(tmp_path / "run.inspect")
    loaded = inspector.load(tmp_path / "run.inspect")
    assert [t.variable for t in loaded.tensors.values()] == [None, "h"]
