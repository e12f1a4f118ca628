"""Which tensor values an autograd node saved, and the strides of tensors."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch.utils.checkpoint import checkpoint

import inspector
from inspector import Recording, TensorInfo, record, recording


def named(function: Callable[..., torch.Tensor], *shapes: tuple[int, ...]) -> dict[str, set[str]]:
    """Node name -> "x", "y", "z" (the arguments) or "out" (of the op that made the node)."""
    given = [torch.rand(shape, requires_grad=True) for shape in shapes]
    found = record(function, *given, loss="sum")
    assert found.failure is None
    names = dict(zip(found.inputs, "xyz", strict=False))
    return {
        node.name: {
            "out" if node.op is not None and i in found.ops[node.op].outputs else names[i]
            for i in node.saved
        }
        for node in found.grad_nodes
        if node.name not in ("AccumulateGrad", "SumBackward0")
    }


# From the formulas of the derivatives: d(xy) = y dx + x dy, d exp(x) = exp(x) dx, ...
FORMULAS: dict[str, tuple[Callable[..., torch.Tensor], tuple[tuple[int, ...], ...], set[str]]] = {
    "mul": (lambda x, y: x * y, ((3,), (3,)), {"x", "y"}),
    "square": (lambda x: x * x, ((3,),), {"x"}),
    "add": (lambda x, y: x + y, ((3,), (3,)), set()),
    "mul by a number": (lambda x: x * 3.0, ((3,),), set()),
    "matmul": (lambda x, y: x @ y, ((2, 3), (3, 4)), {"x", "y"}),
    "linear": (lambda x, y, z: F.linear(x, y, z), ((2, 3), (4, 3), (4,)), {"x", "y"}),
    "pow": (lambda x: x**3, ((3,),), {"x"}),
    "sin": (lambda x: x.sin(), ((3,),), {"x"}),
    "log": (lambda x: x.log(), ((3,),), {"x"}),
    "relu": (lambda x: x.relu(), ((3,),), {"out"}),
    "sigmoid": (lambda x: x.sigmoid(), ((3,),), {"out"}),
    "tanh": (lambda x: x.tanh(), ((3,),), {"out"}),
    "exp": (lambda x: x.exp(), ((3,),), {"out"}),
    "softmax": (lambda x: F.softmax(x, -1), ((2, 3),), {"out"}),
    "sqrt": (lambda x: x.sqrt(), ((3,),), {"out"}),
    "relu in place": (lambda x: F.relu(x.clone(), inplace=True), ((3,),), {"out"}),
    "reshape": (lambda x: x.reshape(-1), ((2, 3),), set()),
}


@pytest.mark.parametrize("name", FORMULAS)
def test_a_node_saved_what_the_derivative_needs(name: str) -> None:
    function, shapes, expected = FORMULAS[name]
    found = named(function, *shapes)
    assert set().union(*found.values()) == expected


def test_each_of_a_list_of_saved_tensors_is_named() -> None:
    rows, columns = torch.tensor([0, 2]), torch.tensor([1, 1])

    def pick(x: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
        return x[rows, columns]

    x = torch.rand(3, 3, requires_grad=True)
    found = record(pick, x, rows, columns, loss="sum")
    node = next(node for node in found.grad_nodes if node.name == "IndexBackward0")
    assert node.saved == found.inputs[1:]


def test_a_value_that_was_overwritten_after_it_was_saved_is_still_the_one_that_is_named() -> None:
    def program(x: torch.Tensor) -> torch.Tensor:
        h = x + 1
        y = h * h
        h.add_(1)
        return y

    found = record(program, torch.rand(3, requires_grad=True), loss="sum")
    assert found.failure is not None
    assert "modified by an inplace operation" in found.failure.message
    before = found.ops[0].outputs
    assert found.tensors[found.ops[2].outputs[0]].alias_of == before[0]

    def not_needed(x: torch.Tensor) -> torch.Tensor:
        h = x.detach() + 1
        y = x * h
        h.data.add_(1)  # no version counter moves
        return y

    found = record(not_needed, torch.rand(3, requires_grad=True), loss="sum")
    node = next(node for node in found.grad_nodes if node.name == "MulBackward0")
    made = next(op for op in found.ops if op.name == "mul")
    assert found.failure is None
    assert node.saved == (made.inputs[1],)


def test_an_in_place_op_names_what_it_was_given_not_what_it_wrote() -> None:
    x, y = torch.rand(3, requires_grad=True), torch.rand(3)
    with recording() as session:
        y.sigmoid_().mul_(x).sum().backward()
    found = session.recording
    node = next(node for node in found.grad_nodes if node.name == "MulBackward0")
    # y is not differentiated before: only d(yx) = y dx, with the y that mul_ was given. torch
    # saves a copy of that, which is no value of the recording.
    assert node.saved == ()
    assert node.freed


class Twice(torch.autograd.Function):
    """Saves its input, its result, and a tensor that it was not given."""

    extra: torch.Tensor

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        result = 2 * x
        ctx.save_for_backward(x, None, result, Twice.extra)
        return result

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> torch.Tensor:
        x, _, result, extra = ctx.saved_tensors
        return grad * 2 + 0 * (x + result + extra)


def test_a_custom_function_names_what_it_saved_also_of_what_it_was_not_given() -> None:
    with recording() as session:
        x = torch.rand(3, requires_grad=True)
        Twice.extra = torch.ones(3)
        Twice.extra += 1
        Twice.apply(x).sum().backward()
        Twice.extra.mul_(2)
    found = session.recording
    node = next(node for node in found.grad_nodes if node.name == "TwiceBackward")
    assert node.op is not None
    op = found.ops[node.op]
    added = next(op for op in found.ops if op.overwrites)
    assert set(node.saved) == {*op.inputs, *op.outputs, *added.outputs}
    del Twice.extra


def test_a_second_pass_over_freed_nodes_names_nothing_and_a_retained_one_the_same() -> None:
    x = torch.rand(3, requires_grad=True)
    with recording() as session:
        loss = (x * x).sum()
        loss.backward(retain_graph=True)
        loss.backward()
        with pytest.raises(RuntimeError, match="second time"):
            loss.backward()
    nodes = [node for node in session.recording.grad_nodes if node.name == "MulBackward0"]
    assert [len(node.saved) for node in nodes] == [1, 1]
    assert [node.freed for node in nodes] == [False, True]


def test_hooks_on_saved_tensors_are_not_run_by_reading() -> None:
    calls: list[str] = []

    def pack(tensor: torch.Tensor) -> tuple[torch.Tensor]:
        calls.append("pack")
        return (tensor,)

    def unpack(held: tuple[torch.Tensor]) -> torch.Tensor:
        calls.append("unpack")
        return held[0]

    def program(x: torch.Tensor) -> torch.Tensor:
        with torch.autograd.graph.saved_tensors_hooks(pack, unpack):
            return (x * x).exp()

    program(torch.rand(3, requires_grad=True)).sum().backward()
    alone, calls[:] = list(calls), []
    found = record(program, torch.rand(3, requires_grad=True), loss="sum")
    assert calls == alone
    assert all(node.saved == () for node in found.grad_nodes)
    assert [node.freed for node in found.grad_nodes if node.name == "ExpBackward0"] == [True]


def test_a_checkpoint_is_not_computed_again_more_often_than_without() -> None:
    runs: list[int] = []

    def body(x: torch.Tensor) -> torch.Tensor:
        runs.append(1)
        return x.sin().exp()

    def program(x: torch.Tensor) -> torch.Tensor:
        return checkpoint(body, x, use_reentrant=False)

    record(program, torch.rand(3, requires_grad=True), loss="sum")
    assert len(runs) == 2  # forward, and once more in the backward


def test_reading_keeps_no_saved_tensor_alive() -> None:
    with recording() as session:
        x = torch.rand(3, requires_grad=True)
        h = x.exp()
        gone = weakref.ref(h)
        loss = (h * h).sum()
        del h
        loss.backward()
        del loss
    gc.collect()
    assert gone() is None
    assert session.recording.grad_nodes


def of_output(found: Recording, op: str) -> TensorInfo:
    return found.tensors[next(o for o in found.ops if o.name == op).outputs[0]]


def test_strides_are_there_where_a_tensor_is_not_contiguous(tmp_path: Any) -> None:
    def program(x: torch.Tensor) -> torch.Tensor:
        picture = torch.rand(1, 3, 2, 2).contiguous(memory_format=torch.channels_last)
        torch.zeros(2, 2).to_sparse().clone()
        return x.t().expand(2, 4, 3).contiguous().sum() + picture.sum() + x[0].sum()

    found = record(program, torch.rand(3, 4))
    assert found.failure is None
    assert of_output(found, "t").strides == (1, 4)
    assert of_output(found, "expand").strides == (0, 1, 4)
    assert of_output(found, "rand").strides is None
    assert of_output(found, "to_sparse").strides is None
    assert of_output(found, "getitem").strides is None  # a row of a contiguous matrix
    contiguous = [op for op in found.ops if op.name == "contiguous"]
    assert found.tensors[contiguous[0].outputs[0]].strides == (12, 1, 6, 3)
    assert found.tensors[contiguous[1].outputs[0]].strides is None
    path = tmp_path / "run.inspect"
    found.save(path)
    again = inspector.load(path)
    assert [t.strides for t in again.tensors.values()] == [
        t.strides for t in found.tensors.values()
    ]
