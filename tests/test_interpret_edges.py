"""`interpret` at its edges: wrong arguments, missing tensors, mixed results, endless loops."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import nn

import inspector
from inspector import InterpretOptions
from inspector.errors import InterpretError
from inspector.torchscript.live import live_of


class OptionalUnused(nn.Module):
    def forward(self, x, n: int = 2, o=None):
        return x * n


class OptionalUsed(nn.Module):
    def forward(self, x, o=None):
        return x + o


class OptionalInList(nn.Module):
    def forward(self, x, o=None):
        return [x, o], {"a": o}


class OptionalInTuple(nn.Module):
    def forward(self, x, o=None):
        return x, o


class Mixed(nn.Module):
    def forward(self, x):
        return {"a": x + 1, "b": [x, (x * 2,)]}


class Endless(nn.Module):
    def forward(self, x):
        while True:
            x = x + 0
        return x


class EndlessEmpty(nn.Module):
    def forward(self, x):
        while True:
            pass
        return x


class EndlessAround(nn.Module):
    def forward(self, x):
        while True:
            for _ in range(3):
                x = x + 1
        return x


class Counts(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("written", torch.zeros(1))
        self.register_buffer("assigned", torch.zeros(1))

    def forward(self, x):
        self.written.add_(1)
        self.assigned = self.assigned + 1
        x.mul_(2)
        return x + self.written + self.assigned


X = torch.ones(2)


def compiled(model: nn.Module) -> Any:
    return live_of(inspector.script(model)).compiled


@pytest.mark.parametrize("more", [(3,), (3, None), (3, X)])
def test_a_default_of_none_without_annotation_is_an_undefined_tensor(more: Any) -> None:
    run = inspector.interpret(inspector.script(OptionalUnused()), X, *more)
    assert run.failure is None
    assert run.outputs.tolist() == [3.0, 3.0]
    given = len(more) == 2 and more[1] is X
    assert list(run.inputs.values())[-1].text == ("Tensor(2 float32)" if given else "None")


def test_a_default_of_none_that_is_used_fails_as_in_the_compiled_module() -> None:
    run = inspector.interpret(inspector.script(OptionalUsed()), X)
    assert run.failure is not None
    assert run.failure.kind == "aten::add"
    with pytest.raises(RuntimeError) as error:
        compiled(OptionalUsed())(X)
    assert run.failure.message in str(error.value)
    assert "Expected a proper Tensor but got None" in run.failure.message


def test_an_undefined_tensor_in_a_list_comes_back_as_none() -> None:
    run = inspector.interpret(inspector.script(OptionalInList()), X)
    assert run.failure is None
    (first, second), named = run.outputs
    assert first.tolist() == [1.0, 1.0]
    assert second is None
    assert named == {"a": None}


def test_an_undefined_tensor_in_a_tuple_fails_as_in_the_compiled_module() -> None:
    with pytest.raises(RuntimeError):
        compiled(OptionalInTuple())(X)
    run = inspector.interpret(inspector.script(OptionalInTuple()), X)
    assert run.outputs is None
    assert run.failure is not None
    assert run.failure.type == "RuntimeError"
    assert "ran to its end" in run.failure.message


def test_a_result_of_mixed_types_is_what_the_compiled_module_returns() -> None:
    run = inspector.interpret(inspector.script(Mixed()), X)
    assert run.failure is None
    assert list(run.outputs) == ["a", "b"]
    assert run.outputs["a"].tolist() == [2.0, 2.0]
    first, second = run.outputs["b"]
    assert first.tolist() == [1.0, 1.0]
    assert isinstance(second, tuple)
    assert [each.tolist() for each in second] == [[2.0, 2.0]]


@pytest.mark.parametrize("wrong", [Mixed(), compiled(OptionalUsed()), "a", None])
def test_what_is_no_static_graph_is_refused_in_plain_words(wrong: Any) -> None:
    with pytest.raises(
        InterpretError, match=r"inspector\.interpret\(inspector\.script\(model\), x"
    ):
        inspector.interpret(wrong, X)


def test_options_of_another_type_are_refused_in_plain_words() -> None:
    static = inspector.script(OptionalUnused())
    with pytest.raises(InterpretError, match="InterpretOptions as options, and got a str"):
        inspector.interpret(static, X, options="zz")  # type: ignore[arg-type]


def test_a_loop_without_end_ends_as_a_failure_that_names_it() -> None:
    static = inspector.script(Endless())
    (loop,) = [node for node in static.nodes if node.kind == "prim::Loop"]
    limit = len(static.nodes) - 1 + 100  # a trip is one execution: of the sum
    run = inspector.interpret(static, X, options=InterpretOptions(max_executions=limit))
    failure = run.failure
    assert failure is not None
    assert (failure.type, failure.raised_as, failure.node) == ("ExecutionLimit", "", loop.id)
    # A hundred trips fit, and the next one is begun.
    assert run.trips[loop.id] == (101,)
    assert failure.trips == ()
    assert loop.source is not None
    assert "101 trips into the loop" in failure.message
    assert f"line {loop.source.line})" in failure.message
    assert f"{limit:,} executions" in failure.message
    assert sum(run.executions.values()) <= limit


def test_an_empty_loop_without_end_ends_too() -> None:
    options = InterpretOptions(max_executions=1000)
    run = inspector.interpret(inspector.script(EndlessEmpty()), X, options=options)
    assert run.failure is not None
    assert run.failure.kind == "prim::Loop"


def test_of_nested_loops_the_endless_one_is_named() -> None:
    static = inspector.script(EndlessAround())
    outer = next(node for node in static.nodes if node.kind == "prim::Loop")
    options = InterpretOptions(max_executions=1000)
    run = inspector.interpret(static, X, options=options)
    assert run.failure is not None
    assert run.failure.node == outer.id
    assert run.failure.trips == ()


def test_a_run_within_its_limit_is_not_ended() -> None:
    static = inspector.script(OptionalUnused())  # a single node: the product
    for limit, type_ in ((1, None), (0, "ExecutionLimit")):
        run = inspector.interpret(static, X, options=InterpretOptions(max_executions=limit))
        assert (run.failure.type if run.failure else None) == type_


def test_the_side_effects_of_a_script_and_how_to_avoid_them() -> None:
    model, x = Counts(), torch.ones(1)
    run = inspector.interpret(inspector.script(copy.deepcopy(model)), x.clone())
    assert run.outputs.tolist() == [4.0]  # 2 + 1 + 1
    assert (model.written.item(), x.item()) == (0.0, 1.0)
    static = inspector.script(model)
    inspector.interpret(static, x)
    assert (model.written.item(), model.assigned.item(), x.item()) == (1.0, 0.0, 2.0)
    assert inspector.interpret(static, x).outputs.tolist() == [8.0]  # 4 + 2 + 2


def test_the_side_effects_of_a_trace() -> None:
    model, x = Counts(), torch.ones(1)
    static = inspector.trace(model, x)
    inspector.interpret(static, x)
    assert (model.written.item(), model.assigned.item(), x.item()) == (0.0, 0.0, 2.0)
