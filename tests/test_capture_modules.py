"""Module calls: nesting, paths, hooks, parametrizations, and the names of parameters."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

import inspector
from inspector.check import self_check


def run(function: Any, *args: Any, **kwargs: Any) -> inspector.Recording:
    recording = inspector.record(function, *args, **kwargs)
    self_check(recording)
    assert recording.failure is None, recording.failure
    return recording


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(2, 2)
        self.ran = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.ran += 1
        return self.linear(x).relu()


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([Block(), Block()])
        self.again = self.blocks[0]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for block in self.blocks:
            x = block(x)
        return self.again(x) + 1


def tree(recording: inspector.Recording) -> list[tuple[str, str, int | None]]:
    return [(call.path, call.type, call.parent) for call in recording.module_calls]


def test_calls_are_nested_as_they_ran_and_each_call_counts() -> None:
    net = Net()
    recording = run(net, torch.ones(1, 2))
    assert tree(recording) == [
        ("", "Net", None),
        ("blocks.0", "Block", 0),
        ("blocks.0.linear", "Linear", 1),
        ("blocks.1", "Block", 0),
        ("blocks.1.linear", "Linear", 3),
        ("blocks.0", "Block", 0),
        ("blocks.0.linear", "Linear", 5),
    ]
    calls = [call for call in recording.module_calls if call.type == "Block"]
    assert len(calls) == sum(block.ran for block in net.blocks) == 3
    ops = [[recording.ops[i].name for i in call.ops] for call in recording.module_calls]
    assert ops == [["add"], ["relu"], ["linear"], ["relu"], ["linear"], ["relu"], ["linear"]]


def test_a_shared_parameter_has_all_its_names() -> None:
    net = Net()
    net.head = nn.Linear(2, 2)
    net.head.weight = net.blocks[1].linear.weight
    found = {info.name: info.names for info in run(net, torch.ones(1, 2)).parameters}
    assert found["blocks.0.linear.weight"] == ("blocks.0.linear.weight", "again.linear.weight")
    assert found["blocks.1.linear.weight"] == ("blocks.1.linear.weight", "head.weight")


def test_parameters_and_buffers_give_their_names_to_tensors() -> None:
    net = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    recording = run(net, torch.randn(3, 2))
    names = {info.name for info in recording.tensors.values()} - {None}
    assert names == {
        "0.weight", "0.bias", "1.weight", "1.bias",
        "1.running_mean", "1.running_var", "1.num_batches_tracked",
    }  # fmt: skip
    kinds = {info.name: info.kind for info in recording.parameters}
    assert (kinds["1.running_mean"], kinds["1.weight"]) == ("buffer", "parameter")


def test_a_module_shared_by_two_parents_goes_by_the_name_inside_the_one_that_called_it() -> None:
    class Pair(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder, self.decoder = Block(), Block()
            self.decoder.linear = self.encoder.linear

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.decoder(self.encoder(x))

    calls = run(Pair(), torch.ones(1, 2)).module_calls
    assert [call.path for call in calls][1:] == [
        "encoder",
        "encoder.linear",
        "decoder",
        "decoder.linear",
    ]


def test_training_mode_is_told_per_call() -> None:
    net = nn.Sequential(nn.Dropout(), nn.Dropout())
    net[1].eval()
    calls = run(net, torch.ones(1)).module_calls
    assert [call.training for call in calls] == [True, True, False]


def test_modules_called_from_a_function_start_at_their_class_name() -> None:
    one, two = nn.Linear(2, 2), nn.Linear(2, 2)
    recording = run(lambda x: two(one(two(x))), torch.ones(1, 2))
    assert [call.path for call in recording.module_calls] == ["Linear", "Linear_2", "Linear"]
    names = {info.name for info in recording.parameters}
    assert names == {"Linear.weight", "Linear.bias", "Linear_2.weight", "Linear_2.bias"}


def test_recording_takes_names_for_modules() -> None:
    with inspector.recording(encoder=nn.Linear(2, 2)) as session:
        pass
    assert {info.name for info in session.recording.parameters} == {
        "encoder.weight",
        "encoder.bias",
    }


def test_a_module_inside_a_training_object_is_named_by_its_class() -> None:
    class Trainer:
        def __init__(self) -> None:
            self.net = Net()
            self.optimizer = torch.optim.SGD(self.net.parameters(), lr=0.1)

        def __call__(self, x: torch.Tensor) -> None:
            self.optimizer.zero_grad()
            self.net(x).sum().backward()
            self.optimizer.step()

    recording = run(Trainer(), torch.ones(1, 2))
    assert recording.module_calls[0].path == "Net"
    leaves = {n.parameter for n in recording.grad_nodes if n.name == "AccumulateGrad"}
    assert "Net.blocks.0.linear.weight" in leaves
    assert recording.steps[-1].updated[0] == "Net.blocks.0.linear.weight"


@pytest.mark.parametrize("always", [False, True])
def test_ops_in_a_modules_own_hooks_belong_to_its_call(always: bool) -> None:
    net = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    net[0].register_forward_pre_hook(lambda module, args: (args[0] * 2,))
    net[0].register_forward_hook(lambda module, args, out: out + 1, always_call=always)
    net[0].register_forward_hook(lambda module, args, out: out - 1)
    recording = run(net, torch.ones(1, 2))
    found = [(op.name, recording.module_calls[op.module_call].path) for op in recording.ops]
    assert found == [("mul", "0"), ("linear", "0"), ("add", "0"), ("sub", "0"), ("relu", "1")]
    assert tree(recording) == [("", "Sequential", None), ("0", "Linear", 0), ("1", "ReLU", 0)]


def test_a_module_called_in_a_hook_lies_in_the_hooked_modules_call() -> None:
    net = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    probe = nn.Tanh()
    net[0].register_forward_hook(lambda module, args, out: probe(out))
    recording = run(net, torch.ones(1, 2))
    assert tree(recording) == [
        ("", "Sequential", None), ("0", "Linear", 0), ("Tanh", "Tanh", 1), ("1", "ReLU", 0),
    ]  # fmt: skip


def test_ops_after_a_hooked_root_module_belong_to_no_call() -> None:
    net = nn.Linear(2, 2)
    net.register_forward_hook(lambda module, args, out: out * 1)
    recording = run(lambda x: [net(x) + i for i in range(3)], torch.ones(1, 2))
    owners = [(op.name, op.module_call) for op in recording.ops]
    assert owners == [
        (n, c) for i in range(3) for n, c in (("linear", i), ("mul", i), ("add", None))
    ]


def test_backward_hooks_of_modules_are_kept_and_their_ops_are_seen() -> None:
    net = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    net[0].register_full_backward_hook(
        lambda module, into, out: (into[0] * 2,) if into[0] is not None else None
    )
    x = torch.ones(1, 2, requires_grad=True)
    net(x).sum().backward()
    plain, x.grad = x.grad.clone(), None
    recording = run(net, x, loss="sum")
    assert torch.equal(x.grad, plain)
    assert [op.name for op in recording.ops if op.phase == "backward"] == ["mul"]
    assert "BackwardHookFunction" in [op.name for op in recording.ops]


def test_a_parametrization_is_a_module_call_inside_the_one_that_uses_it() -> None:
    class Symmetric(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.triu() + x.triu(1).mT

    layer = nn.Linear(2, 2)
    nn.utils.parametrize.register_parametrization(layer, "weight", Symmetric())
    recording = run(layer, torch.ones(1, 2))
    assert [(call.path, call.parent) for call in recording.module_calls] == [
        ("", None), ("parametrizations.weight", 0), ("parametrizations.weight.0", 1),
    ]  # fmt: skip
    assert "parametrizations.weight.original" in {info.name for info in recording.parameters}


def test_an_exception_in_a_module_is_the_failure_with_op_inputs_and_line() -> None:
    net = nn.Sequential(nn.Linear(2, 3), nn.Linear(4, 1))
    recording = inspector.record(net, torch.ones(1, 2))
    self_check(recording)
    failure = recording.failure
    op = recording.ops[failure.op]
    assert (failure.type, op.name, failure.inputs) == ("RuntimeError", "linear", op.inputs)
    assert recording.module_calls[op.module_call].path == "1"
    assert [recording.tensors[i].name for i in op.inputs[1:]] == ["1.weight", "1.bias"]
    assert len(recording.ops) == 2


def test_an_exception_that_the_program_catches_is_no_failure() -> None:
    net = nn.Linear(2, 2)

    def program(x: torch.Tensor) -> torch.Tensor:
        try:
            net(torch.ones(3))
        except RuntimeError:
            x = x + 1
        return net(x)

    recording = run(program, torch.ones(1, 2))
    found = [(op.name, op.module_call, len(op.outputs)) for op in recording.ops]
    # The tensor that the first call got was made by the first op.
    assert found == [("ones", None, 1), ("linear", 0, 0), ("add", None, 1), ("linear", 1, 1)]
    assert [call.parent for call in recording.module_calls] == [None, None]


def test_lazy_modules_materialise_as_without_recording() -> None:
    layer = nn.LazyLinear(2)
    recording = run(layer, torch.ones(1, 3))
    assert recording.notes == ()
    assert {info.shape for info in recording.parameters} == {(2, 3), (2,)}
    assert inspector.record(lambda: None).failure is None
    untouched = inspector.record(nn.Sequential(nn.Identity(), nn.Sequential(nn.LazyLinear(2))[:0]))
    assert untouched.failure is not None  # Identity needs an argument
