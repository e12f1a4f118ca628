"""The values of gradients, kept with `values="full"`: those of plain autograd, number by number."""

from __future__ import annotations

from pathlib import Path

import numpy
import pytest
import torch
from torch import nn

import inspector
from inspector import CaptureOptions
from inspector.records import Recording
from inspector.render.values import values_json
from inspector.tensors_about import TensorsAbout

FULL = CaptureOptions(values="full")


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))


def record_net(options: CaptureOptions = FULL) -> Recording:
    return inspector.record(net(), torch.ones(5, 3), loss="sum", options=options)


def named(recording: Recording, name: str) -> int:
    return next(tensor.id for tensor in recording.tensors.values() if tensor.name == name)


def test_the_gradients_of_parameters_are_those_of_autograd() -> None:
    recording, plain = record_net(), net()
    plain(torch.ones(5, 3)).sum().backward()
    for name, parameter in plain.named_parameters():
        assert parameter.grad is not None
        kept = recording.grads[named(recording, name)]
        assert numpy.array_equal(kept, parameter.grad.numpy())


def test_the_gradients_of_activations_are_those_of_autograd() -> None:
    recording, plain = record_net(), net()
    hidden = plain[0](torch.ones(5, 3))
    hidden.retain_grad()
    plain[2](plain[1](hidden)).sum().backward()
    assert hidden.grad is not None
    kept = recording.grads[recording.ops[0].outputs[0]]
    assert numpy.array_equal(kept, hidden.grad.numpy())


def test_gradients_survive_a_file(tmp_path: Path) -> None:
    recording = record_net()
    recording.save(tmp_path / "run.inspect")
    loaded = inspector.load(tmp_path / "run.inspect")
    assert recording.grads.keys() == loaded.grads.keys()
    for tensor, gradient in recording.grads.items():
        assert numpy.array_equal(gradient, loaded.grads[tensor])


@pytest.mark.parametrize(
    "options", [CaptureOptions(), CaptureOptions(values="none"), CaptureOptions(backward=False)]
)
def test_without_full_values_or_a_recorded_pass_there_are_none(options: CaptureOptions) -> None:
    assert record_net(options).grads == {}


def test_gradients_count_against_the_budget() -> None:
    values = sum(array.nbytes for array in record_net().values.values())
    little = CaptureOptions(values="full", value_budget_mb=(values + 8) / 2**20)
    recording = record_net(little)
    assert len(recording.values) == len(recording.tensors)
    assert sum(array.nbytes for array in recording.grads.values()) <= 8


def test_a_gradient_is_shown_number_by_number() -> None:
    recording = record_net()
    weight = named(recording, "0.weight")  # 4×3: more than the sample holds
    answer = values_json(TensorsAbout(recording), weight, what="grad")
    plain = net()
    plain(torch.ones(5, 3)).sum().backward()
    expected = plain[0].weight.grad
    assert answer["complete"]
    assert answer["cells"] == pytest.approx(expected.reshape(-1).tolist(), rel=1e-5)
