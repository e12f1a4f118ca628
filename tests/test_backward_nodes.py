"""Autograd nodes and gradients, against plain autograd and torchviz."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torchviz import make_dot

import inspector
import sample_models
from inspector.check import self_check


def run(function: Callable[..., Any], *args: Any, **options: Any) -> inspector.Recording:
    loss = options.pop("loss", None)
    recording = inspector.record(
        function, *args, loss=loss, options=inspector.CaptureOptions(**options)
    )
    self_check(recording)
    assert recording.failure is None, recording.failure
    return recording


def torchviz_graph(loss: torch.Tensor) -> tuple[Counter[str], Counter[tuple[str, str]]]:
    """Nodes, and edges (node, next node), by name, of make_dot's graph.

    Its boxes for variables have labels that are no words (a shape); they are left out.
    """
    source = make_dot(loss).source
    names = dict(re.findall(r"^\t(\d+) \[label=(\w+)", source, re.MULTILINE))
    arrows = re.findall(r"^\t(\d+) -> (\d+)", source, re.MULTILINE)
    edges = Counter((names[b], names[a]) for a, b in arrows if a in names and b in names)
    return Counter(names.values()), edges


def recorded_graph(
    recording: inspector.Recording,
) -> tuple[Counter[str], Counter[tuple[str, str]]]:
    names = [node.name for node in recording.grad_nodes]
    edges = Counter((node.name, names[i]) for node in recording.grad_nodes for i in node.next)
    return Counter(names), edges


GRAPHS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "Linear": (lambda: nn.Linear(3, 2), (4, 3)),
    "MLP": (lambda: nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)), (2, 3)),
    "Conv": (lambda: nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU()), (1, 1, 5, 5)),
    "LayerNorm": (lambda: nn.LayerNorm(3), (4, 3)),
    "GRU": (lambda: nn.GRU(3, 4), (5, 2, 3)),
    "LSTM": (lambda: nn.LSTM(3, 4, 2), (5, 2, 3)),
    "Attention": (lambda: nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0), (3, 2, 4)),
    "PReLU": (lambda: nn.PReLU(), (3,)),
}


def _first(output: Any) -> torch.Tensor:
    return output[0] if isinstance(output, tuple) else output


@pytest.mark.parametrize("name", GRAPHS)
def test_nodes_and_edges_of_a_module_are_those_that_torchviz_finds(name: str) -> None:
    build, shape = GRAPHS[name]
    model, x = build(), torch.randn(*shape)
    loss = _first(model(x)).sum()
    recording = run(model, x, loss=lambda output: _first(output).sum())
    assert recorded_graph(recording) == torchviz_graph(loss)


SAMPLES = [s for s in sample_models.catalog().values() if s.loss is not None]


@pytest.mark.parametrize("sample", SAMPLES, ids=[s.name for s in SAMPLES])
def test_nodes_and_edges_of_a_sample_are_those_that_torchviz_finds(
    sample: sample_models.Sample,
) -> None:
    for given in sample.inputs.values():
        torch.manual_seed(0)
        output = sample.build()(*given.make())
        loss = sample.loss(output) if callable(sample.loss) else getattr(output, sample.loss)()
        expected = torchviz_graph(loss)
        torch.manual_seed(0)
        recording = run(sample.build(), *given.make(), loss=sample.loss)
        assert {node.pass_index for node in recording.grad_nodes} == {0}
        assert recorded_graph(recording) == expected


def test_the_gradient_of_each_tensor_is_the_one_that_retain_grad_keeps() -> None:
    kept: list[torch.Tensor] = []

    def keep(x: torch.Tensor) -> torch.Tensor:
        if x.requires_grad:
            kept.append(x)
        return x

    def program(x: torch.Tensor, w: torch.Tensor, keep: Any) -> torch.Tensor:
        h = keep(F.linear(keep(x), keep(w)))
        a, b = keep(h.exp()), keep(h.sigmoid())
        left, right = keep(keep(a * b)[:2]), keep(torch.cat([keep(a - 1), b]))
        return keep(keep(left.sum()) * keep(right.std()))

    x, w = torch.randn(3, 2).requires_grad_(), torch.randn(4, 2).requires_grad_()

    def retaining(tensor: torch.Tensor) -> torch.Tensor:
        tensor.retain_grad()
        return keep(tensor)

    program(x, w, retaining).backward()
    x2, w2 = (t.detach().clone().requires_grad_() for t in (x, w))
    recording = run(lambda: program(x2, w2, keep).backward())
    ids = [*recording.ops[0].inputs]
    ids += [i for op in recording.ops for i in op.outputs if recording.tensors[i].requires_grad]
    assert len(ids) == len(kept) // 2 == 12  # the second run kept its tensors as well
    for tensor, i in zip(kept, ids, strict=False):
        found, grad = recording.tensors[i].grad, tensor.grad.double()
        assert found.sample == pytest.approx(grad.flatten()[:8].tolist(), rel=1e-5, abs=1e-6)
        assert found.mean == pytest.approx(grad.mean().item(), rel=1e-5, abs=1e-6)
        assert found.max == pytest.approx(grad.max().item(), rel=1e-5)


def test_each_node_belongs_to_the_op_that_made_it() -> None:
    w = torch.ones(3, requires_grad=True)
    recording = run(lambda: ((w.exp() * w) + F.softmax(w, 0)).sum().backward())
    found = {
        node.name: recording.ops[node.op].name
        for node in recording.grad_nodes
        if node.op is not None
    }
    assert found == {
        "SumBackward0": "sum",
        "AddBackward0": "add",
        "MulBackward0": "mul",
        "ExpBackward0": "exp",
        "SoftmaxBackward0": "softmax",
    }


def test_nodes_come_in_the_order_in_which_the_engine_runs_them() -> None:
    order: list[str] = []
    w = torch.ones(3, requires_grad=True)

    def program() -> torch.Tensor:
        y = (w.exp() * w.sin()).sum()
        for node in _nodes(y.grad_fn):
            node.register_hook(partial(_append, order, node.name()))
        return y

    recording = run(lambda: program().backward())
    assert [node.name for node in recording.grad_nodes] == [n.rpartition("::")[2] for n in order]


def _append(order: list[str], name: str, *_: Any) -> None:
    order.append(name)


def _nodes(root: Any) -> list[Any]:
    found, todo = [], [root]
    while todo:
        node = todo.pop()
        if node is not None and node not in found:
            found.append(node)
            todo += [following for following, _ in node.next_functions]
    return found


def test_gradients_going_in_and_out_of_a_node_are_summarised() -> None:
    w = torch.tensor([1.0, 2.0], requires_grad=True)
    recording = run(lambda: (w * 3).sum().backward())
    total, mul, leaf = recording.grad_nodes
    assert (total.grad_outputs[0].mean, total.grad_inputs[0].mean) == (1.0, 1.0)
    assert (mul.grad_outputs[0].mean, mul.grad_inputs[0].mean) == (1.0, 3.0)
    assert mul.grad_inputs[1:] == (None,)  # the number 3 gets none
    assert leaf.grad_outputs[0].numel == 2
    assert recording.tensors[leaf.tensor].grad.mean == 3.0


def test_a_second_pass_accumulates_and_the_first_does_not() -> None:
    w = torch.ones(2, requires_grad=True)

    def program() -> None:
        loss = (w * w).sum()
        loss.backward(retain_graph=True)
        loss.backward()

    recording = run(program)
    leaves = [node for node in recording.grad_nodes if node.name == "AccumulateGrad"]
    assert [(node.pass_index, node.accumulated) for node in leaves] == [(0, False), (1, True)]
    assert [step.detail for step in recording.steps] == ["retain_graph", ""]
    # Both passes run the same forward ops.
    assert [node.op for node in recording.grad_nodes if node.op is not None] == [1, 0, 1, 0]


def test_double_backward_runs_nodes_that_the_first_pass_made() -> None:
    w = torch.tensor([2.0], requires_grad=True)

    def program() -> torch.Tensor:
        (first,) = torch.autograd.grad((w**3).sum(), w, create_graph=True)
        first.sum().backward()
        return first

    recording = run(program)
    assert w.grad.tolist() == [12.0]  # the second derivative of w**3 at 2
    assert [step.detail for step in recording.steps] == ["create_graph", ""]
    second = [node for node in recording.grad_nodes if node.pass_index == 1]
    assert second[0].name == "SumBackward0"
    assert second[-1].name == "AccumulateGrad"
    assert second[-1].grad_outputs[0].mean == 12.0


def test_autograd_grad_runs_only_the_nodes_on_the_way_to_its_inputs() -> None:
    a, b = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
    recording = run(lambda: torch.autograd.grad((a.exp() + b.sin()).sum(), [a]))
    assert [node.name for node in recording.grad_nodes] == [
        "SumBackward0",
        "AddBackward0",
        "ExpBackward0",
    ]


def test_autograd_backward_called_as_a_function_is_a_pass_too() -> None:
    w = torch.ones(2, requires_grad=True)
    recording = run(lambda: torch.autograd.backward([(w * 2).sum(), (w * 3).sum()]))
    assert [step.kind for step in recording.steps] == ["backward"]
    assert Counter(node.name for node in recording.grad_nodes) == {
        "SumBackward0": 2,
        "MulBackward0": 2,
        "AccumulateGrad": 1,
    }


def test_a_gradient_hook_changes_the_gradient_that_is_recorded() -> None:
    w = torch.ones(2, requires_grad=True)

    def program() -> None:
        h = w * 2
        h.register_hook(lambda grad: grad * 10)
        h.sum().backward()

    recording = run(program)
    mul = next(node for node in recording.grad_nodes if node.name == "MulBackward0")
    assert (mul.grad_outputs[0].mean, mul.grad_inputs[0].mean) == (10.0, 20.0)
    hook_op = next(op for op in recording.ops if op.phase == "backward")
    assert (hook_op.name, hook_op.arguments.partition(", ")[2]) == ("mul", "10")
    assert w.grad.tolist() == [20.0, 20.0]


def test_a_leaf_that_got_no_gradient_says_so_at_every_level_of_values() -> None:
    class Half(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.used, self.idle = nn.Linear(2, 2), nn.Linear(2, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.used(x)

    for values in ("stats", "none"):
        recording = run(Half(), torch.ones(1, 2), loss="sum", values=values)
        assert {info.name: info.has_grad for info in recording.parameters} == {
            "used.weight": True, "used.bias": True, "idle.weight": False, "idle.bias": False,
        }  # fmt: skip


class Square(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, times: int) -> torch.Tensor:
        ctx.save_for_backward(x)
        ctx.times = times
        return x.pow(2) * times

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, None]:
        (x,) = ctx.saved_tensors
        if ctx.times == 7:
            raise ValueError("seven")
        return grad * 2 * x * ctx.times, None


apply_square = Square.apply  # as many programs do: bound before any recording


def test_a_custom_function_is_one_op_with_its_own_node() -> None:
    w = torch.ones(2, requires_grad=True)
    recording = run(lambda: apply_square(w, 3).sum().backward())
    forward = [op for op in recording.ops if op.phase == "forward"]
    assert [(op.name, op.arguments) for op in forward] == [("Square", "%0, 3"), ("sum", "%1")]
    assert forward[0].source.file == __file__
    node = next(node for node in recording.grad_nodes if node.name == "SquareBackward")
    assert node.op == 0
    assert [op.name for op in recording.ops if op.phase == "backward"] == ["mul", "mul", "mul"]
    assert w.grad.tolist() == [6.0, 6.0]


def test_a_custom_function_under_torch_func_is_one_op() -> None:
    class New(torch.autograd.Function):
        generate_vmap_rule = True

        @staticmethod
        def forward(x: torch.Tensor) -> torch.Tensor:
            return x.exp()

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
            ctx.save_for_backward(output)

        @staticmethod
        def backward(ctx: Any, grad: torch.Tensor) -> torch.Tensor:
            return grad * ctx.saved_tensors[0]

    x = torch.ones(3)
    expected = torch.func.grad(lambda t: New.apply(t).sum())(x)
    recording = run(lambda: torch.func.grad(lambda t: New.apply(t).sum())(x), values="full")
    assert torch.equal(torch.tensor(recording.values[recording.output[0]]), expected)
    assert "New" in [op.name for op in recording.ops]


def failing(function: Callable[[], Any]) -> inspector.Recording:
    recording = inspector.record(function)
    self_check(recording)
    assert recording.failure is not None
    return recording


def test_an_exception_in_a_custom_backward_names_the_op_that_it_belongs_to() -> None:
    w = torch.ones(2, requires_grad=True)
    recording = failing(lambda: apply_square(w * 1, 7).sum().backward())
    assert (recording.failure.type, recording.failure.message) == ("ValueError", "seven")
    assert recording.ops[recording.failure.op].name == "Square"
    assert [node.name for node in recording.grad_nodes] == ["SumBackward0"]


def test_a_second_backward_through_a_freed_graph_fails_at_the_op_that_lost_its_tensors() -> None:
    w = torch.ones(2, requires_grad=True)

    def program() -> None:
        loss = w.exp().sum()
        loss.backward()
        loss.backward()

    recording = failing(program)
    assert recording.ops[recording.failure.op].name == "exp"
    assert "second time" in recording.failure.message


def test_a_tensor_written_after_it_was_saved_fails_at_the_op_that_saved_it() -> None:
    w = torch.ones(2, requires_grad=True)

    def program() -> None:
        h = w.exp()
        total = (h * 2).sum()
        h.add_(1)
        total.backward()

    recording = failing(program)
    assert recording.ops[recording.failure.op].name == "exp"


def test_no_hook_is_left_on_any_node() -> None:
    w = torch.ones(2, requires_grad=True)
    kept: list[torch.Tensor] = []

    def program() -> None:
        kept.append((w * w).sum())
        kept[0].backward(retain_graph=True)

    run(program)
    calls: list[int] = []
    mul = kept[0].grad_fn.next_functions[0][0]
    mul.register_hook(lambda *_: calls.append(1))
    kept[0].backward()
    assert calls == [1]
    assert w.grad.tolist() == [4.0, 4.0]


def test_backward_switched_off_records_no_nodes() -> None:
    w = torch.ones(2, requires_grad=True)
    recording = run(lambda: (w * w).sum().backward(), backward=False)
    assert recording.grad_nodes == ()
    assert w.grad.tolist() == [2.0, 2.0]


def test_kernels_are_listed_below_each_autograd_node() -> None:
    w = torch.ones(2, requires_grad=True)
    recording = run(lambda: w.exp().sum().backward(), kernels=True)
    found = {node.name: [k.name for k in node.kernels] for node in recording.grad_nodes}
    assert found["ExpBackward0"][-1] == "aten.mul.Tensor"  # exp' is exp itself, times grad
    assert [op.name for op in recording.ops] == ["exp", "sum"]


@pytest.mark.parametrize("reentrant", [False, True])
def test_a_checkpoint_shows_its_ops_and_marks_the_recomputation(reentrant: bool) -> None:
    from torch.utils.checkpoint import checkpoint

    layer, calls = nn.Linear(2, 2), []
    layer.register_forward_hook(lambda *_: calls.append(1))
    x = torch.ones(1, 2, requires_grad=True)
    recording = run(
        lambda: (
            checkpoint(lambda t: layer(t).exp() * 2, x, use_reentrant=reentrant).sum().backward()
        )
    )
    assert len(calls) == 2
    forward = [op.name for op in recording.ops if op.phase == "forward"]
    again = [op.name for op in recording.ops if op.phase == "backward" and op.name != "detach"]
    assert forward == ["linear", "exp", "mul", "sum"]
    assert again[:2] == ["linear", "exp"]
    assert len(recording.module_calls) == 2
    owners = {node.name: node.op for node in recording.grad_nodes}
    if reentrant:
        assert recording.ops[owners["CheckpointFunctionBackward"]].name == "mul"
        assert {node.pass_index for node in recording.grad_nodes} == {0, 1}
    else:
        assert recording.ops[owners["ExpBackward0"]].name == "exp"


def test_a_pass_frees_what_its_nodes_saved() -> None:
    w = torch.ones(2, requires_grad=True)

    def program() -> None:
        ((w.exp() + 1) * w).sum().backward()

    freed = {node.name: node.freed for node in run(program).grad_nodes}
    # exp saves its result and mul its factors; add, sum and the leaf need nothing but sizes.
    assert freed == {
        "SumBackward0": False,
        "MulBackward0": True,
        "AddBackward0": False,
        "ExpBackward0": True,
        "AccumulateGrad": False,
    }


def test_only_nodes_that_saved_a_tensor_have_one_to_be_freed() -> None:
    bias, x, weight = torch.ones(2, requires_grad=True), torch.ones(3, 4), torch.ones(2, 4)
    both = torch.ones(2, 4, requires_grad=True)

    def program() -> None:
        F.linear(x, weight, bias).sum().backward()  # the bias's gradient needs no factor
        F.linear(x, both, bias).sum().backward()

    freed = [node.freed for node in run(program).grad_nodes if node.name == "AddmmBackward0"]
    assert freed == [False, True]


@pytest.mark.parametrize("flags", [{"retain_graph": True}, {"create_graph": True}], ids=str)
def test_a_pass_that_keeps_the_graph_frees_nothing_and_the_next_one_does(
    flags: dict[str, bool],
) -> None:
    w = torch.ones(2, requires_grad=True)

    def program() -> None:
        loss = w.exp().sum()
        torch.autograd.grad(loss, w, **flags)
        loss.backward()

    nodes = [node for node in run(program).grad_nodes if node.name == "ExpBackward0"]
    assert [(node.pass_index, node.freed) for node in nodes] == [(0, False), (1, True)]


class _Cube(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, keep: bool) -> torch.Tensor:
        if keep:
            ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, None]:
        return (grad * 3 * ctx.saved_tensors[0] ** 2 if ctx.saved_tensors else grad), None


def test_a_custom_function_frees_what_it_saved() -> None:
    w = torch.ones(2, requires_grad=True)

    def program() -> None:
        (_Cube.apply(w, True) + _Cube.apply(w, False)).sum().backward()

    nodes = [node for node in run(program).grad_nodes if node.name == "_CubeBackward"]
    recorded = {node.op: node.freed for node in nodes}
    assert recorded == {0: True, 1: False}


def test_unpack_hooks_of_the_user_run_no_more_often_than_without_recording() -> None:
    calls: list[str] = []

    def unpack(tensor: torch.Tensor) -> torch.Tensor:
        calls.append("unpack")
        return tensor

    def program() -> None:
        w = torch.ones(2, requires_grad=True)
        with torch.autograd.graph.saved_tensors_hooks(lambda tensor: tensor, unpack):
            loss = w.exp().sum()
        loss.backward()

    (node,) = [n for n in run(program).grad_nodes if n.name == "ExpBackward0"]
    assert calls == ["unpack"]
    assert node.freed


def test_a_second_pass_over_freed_tensors_fails_at_the_op_that_saved_them() -> None:
    w = torch.ones(2, requires_grad=True)

    def program() -> None:
        loss = (w.exp() + 1).sum()
        loss.backward()
        loss.backward()

    recording = inspector.record(program)
    self_check(recording)
    failure = recording.failure
    assert failure is not None
    assert failure.op is not None
    assert "backward through the graph a second time" in failure.message
    assert recording.ops[failure.op].name == "exp"
    (freed,) = [node for node in recording.grad_nodes if node.freed]
    assert freed.op == failure.op


def test_parameters_that_got_no_gradient_are_told_from_those_that_did() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.used, self.unused = nn.Linear(2, 1), nn.Linear(2, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.used(x)

    model = Net()
    recording = run(model, torch.ones(1, 2), loss="sum", values="none")
    found = {info.name: info.has_grad for info in recording.parameters}
    assert found == {name: p.grad is not None for name, p in model.named_parameters()}
    assert [name for name, has in found.items() if not has] == ["unused.weight", "unused.bias"]


LONG_CHAIN = """
import sys, torch, inspector
from inspector import CaptureOptions
def chain(x):
    for _ in range(60_000):
        x = x * 0.999999
    return x
x = torch.ones(2, requires_grad=True)
options = CaptureOptions(values="none", lines=False)
recording = inspector.record(chain, x, loss=sys.argv[1] or None, options=options)
assert len(recording.ops) == 60_000 + bool(sys.argv[1]), len(recording.ops)
assert recording.failure is None
print("alive", round(x.grad[0].item(), 4) if sys.argv[1] else "", len(recording.notes))
"""


@pytest.mark.slow
@pytest.mark.parametrize(("loss", "said"), [("", "alive  0"), ("sum", "alive 0.941 1")])
def test_a_chain_of_60_000_ops_does_not_overflow_the_stack(loss: str, said: str) -> None:
    # torch frees nodes that Python has seen by recursion.
    # In float32 0.999999 is 1 - 1.0133e-6, and exp(-60_000 * 1.0133e-6) = 0.941.
    done = subprocess.run(
        [sys.executable, "-c", LONG_CHAIN, loss], capture_output=True, text=True, timeout=110
    )
    assert done.returncode == 0, done.stderr[-500:]
    assert done.stdout.strip() == said
