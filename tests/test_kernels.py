"""Kernels: their FLOPs against torch's own counter, their memory against counts by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

import inspector
from inspector.check import self_check

KERNELS = inspector.CaptureOptions(kernels=True, lines=False)


def kernels_of(recording: inspector.Recording) -> list[inspector.Kernel]:
    self_check(recording)
    assert recording.failure is None, recording.failure
    rows = (*recording.ops, *recording.grad_nodes)
    return [kernel for row in rows for kernel in row.kernels]


def kernels(function: Callable[[], Any]) -> list[inspector.Kernel]:
    return kernels_of(inspector.record(function, options=KERNELS))


def only(found: list[inspector.Kernel], name: str) -> inspector.Kernel:
    (kernel,) = [kernel for kernel in found if kernel.name == name]
    return kernel


class Batched(nn.Module):
    """A product of batches of matrices, through `bmm` and through `einsum`."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.einsum("bij,bjk->bik", torch.bmm(x, x.mT), x)


class Attention(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.scaled_dot_product_attention(x, x, x)


MODELS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "linear": (lambda: nn.Linear(3, 5), (4, 3)),
    "CNN": (
        lambda: nn.Sequential(
            nn.Conv2d(2, 4, 3, stride=2), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(),
            nn.Linear(36, 3),
        ),
        (2, 2, 8, 8),
    ),
    "grouped conv": (lambda: nn.Conv1d(4, 8, 3, groups=2), (1, 4, 9)),
    "transposed conv": (lambda: nn.ConvTranspose2d(2, 3, 2), (1, 2, 4, 4)),
    "bmm": (Batched, (2, 4, 3)),
    "transformer block": (lambda: nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0), (5, 2, 8)),
    "sdpa": (Attention, (1, 2, 4, 8)),
}  # fmt: skip


def build(name: str) -> tuple[nn.Module, torch.Tensor]:
    make, shape = MODELS[name]
    return make(), torch.randn(*shape, requires_grad=True)


@pytest.mark.parametrize("name", MODELS)
def test_the_flops_of_forward_and_backward_add_up_to_those_of_torchs_counter(name: str) -> None:
    model, x = build(name)
    with FlopCounterMode(display=False) as counter:
        model(x).sum().backward()
    found = kernels_of(inspector.record(model, x, loss="sum", options=KERNELS))
    assert sum(kernel.flops or 0 for kernel in found) == counter.get_total_flops()
    assert name == "sdpa" or counter.get_total_flops() > 0


@pytest.mark.parametrize("name", MODELS)
def test_the_flops_in_inference_mode_add_up_to_those_of_torchs_counter(name: str) -> None:
    model, x = build(name)
    model.eval()
    x = x.detach()  # the counter itself fails on inputs that require a gradient here
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        expected = model(x)
    with torch.inference_mode():
        recording = inspector.record(
            model, x, options=inspector.CaptureOptions(kernels=True, values="full")
        )
    found = kernels_of(recording)
    assert sum(kernel.flops or 0 for kernel in found) == counter.get_total_flops()
    assert torch.equal(torch.from_numpy(recording.values[recording.output[0]]), expected)


def test_a_product_of_2x3_and_3x4_takes_48_flops() -> None:
    a, b = torch.ones(2, 3), torch.ones(3, 4)
    assert only(kernels(lambda: a @ b), "aten.mm.default").flops == 2 * 2 * 3 * 4


def test_kernels_without_a_formula_have_no_flops() -> None:
    x = torch.ones(3)
    assert [kernel.flops for kernel in kernels(lambda: x.tanh() + 1)] == [None, None]


def test_in_inference_mode_an_op_that_is_made_of_kernels_shows_them() -> None:
    x, weight = torch.ones(2, 3), torch.ones(4, 3)
    with torch.inference_mode():
        names = [kernel.name for kernel in kernels(lambda: F.linear(x, weight))]
    assert names == [kernel.name for kernel in kernels(lambda: F.linear(x, weight))]
    assert names == ["aten.t.default", "aten.mm.default"]


def test_a_kernel_allocated_the_bytes_of_its_outputs() -> None:
    x = torch.ones(6, dtype=torch.float64)
    found = kernels(lambda: x.reshape(2, 3).max(dim=1))
    assert [(kernel.name, kernel.allocated) for kernel in found] == [
        ("aten.view.default", 0),
        ("aten.max.dim", 2 * 8 + 2 * 8),  # values and indices
    ]


def test_writing_in_place_allocates_nothing_and_growing_an_output_does() -> None:
    x, out = torch.ones(4), torch.empty(0)
    assert [kernel.allocated for kernel in kernels(lambda: x.add_(1))] == [0]
    assert only(kernels(lambda: torch.exp(x, out=out)), "aten.exp.out").allocated == 4 * 4


def test_what_python_let_go_of_was_freed_by_the_time_the_next_kernel_ended() -> None:
    def program() -> torch.Tensor:
        x = torch.ones(4)
        x = x * 2  # lets go of the ones as soon as the product is there
        x = x + 1
        return x - 1

    memory = [(kernel.allocated, kernel.freed) for kernel in kernels(program)]
    assert memory == [(16, 0), (16, 0), (16, 16), (16, 16)]


def test_a_view_keeps_memory_from_being_freed() -> None:
    def program() -> torch.Tensor:
        x = torch.ones(4)
        x = x[2:]
        y = x * 2
        del x
        return y + 1

    assert [kernel.freed for kernel in kernels(program)] == [0, 0, 0, 16]


def test_what_autograd_saved_is_freed_by_the_backward_pass() -> None:
    w = torch.ones(8, requires_grad=True)

    def program() -> None:
        loss = (w * 2).exp().exp().sum()  # each exp saves its result: 32 bytes
        loss.backward()

    recording = inspector.record(program, options=KERNELS)
    kernels_of(recording)
    forward = sum(kernel.freed for op in recording.ops for kernel in op.kernels)
    backward = [
        (node.name, sum(kernel.freed for kernel in node.kernels)) for node in recording.grad_nodes
    ]
    assert forward == 32  # the product, which nothing saved, once exp has read it
    # A node's saved result and the gradient it was given go once it has run, which shows at
    # the next node's kernel. The first exp was given a view of the root's gradient, which lives.
    assert backward == [
        ("SumBackward0", 0),
        ("ExpBackward0", 0),
        ("ExpBackward0", 32),  # the last result
        ("MulBackward0", 64),  # the first result, the gradient of the last one
        ("AccumulateGrad", 32),  # the gradient of the first one
    ]


def test_more_is_never_freed_than_was_there() -> None:
    model, x = build("CNN")
    recording = inspector.record(model, x, loss="sum", options=KERNELS)
    held = sum(tensor.nbytes for tensor in [x, *model.parameters(), *model.buffers()])
    for op in (*recording.ops, *recording.grad_nodes):
        for kernel in op.kernels:
            held += kernel.allocated - kernel.freed
            assert held >= 0


def test_kernels_of_sparse_meta_and_wrapped_tensors_are_listed_without_memory() -> None:
    sparse = torch.eye(3).to_sparse()
    meta = torch.ones(3, device="meta")
    assert [kernel.allocated for kernel in kernels(lambda: sparse * 2)] != []
    assert only(kernels(lambda: meta * 2), "aten.mul.Tensor").allocated == 0
    mapped = kernels(lambda: torch.func.vmap(torch.sin)(torch.ones(3)))
    assert "aten.sin.default" in [kernel.name for kernel in mapped]


def test_flops_and_memory_survive_saving_and_loading(tmp_path: Any) -> None:
    model, x = build("linear")
    recording = inspector.record(model, x, loss="sum", options=KERNELS)
    recording.save(tmp_path / "run.inspect")
    assert kernels_of(inspector.load(tmp_path / "run.inspect")) == kernels_of(recording)
