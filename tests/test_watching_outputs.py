"""NaN in what modules give is told, with the module, also where it reaches no loss.

Oracle: where the programs put the NaN.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn
from watched import Kept, state

from inspector.capture import CaptureOptions
from inspector.capture.watching.nonfinite import LastGood, Lookout
from inspector.capture.watching.outputs import OutputWatch


class Attention(nn.Module):
    """Weights of a row of scores that may be masked, then the values with NaN left out."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = nn.Softmax(dim=-1)

    def forward(self, scores: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return torch.nan_to_num(self.weights(scores + mask))


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(3, 3)
        self.blocks = nn.ModuleList([Attention()])

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return self.blocks[0](self.first(x), mask)


SOME = torch.tensor([0.0, 0.0, -torch.inf])
ALL = torch.full((3,), -torch.inf)
"""Masked everywhere: the softmax of such a row is NaN."""


def train(*masks: torch.Tensor, factor: float = 1.0) -> None:
    """A step with each mask; only those with a row that is not masked altogether have a loss."""
    torch.manual_seed(0)
    net = Net()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    for mask in masks:
        optimizer.zero_grad()
        with torch.set_grad_enabled(mask is not ALL):
            loss = net(torch.ones(1, 3), mask)[0, 0] * factor
        if mask is not ALL:
            loss.backward()
        optimizer.step()


def looked(program: Callable[[], None]) -> str:
    kept = Kept()
    before = state()
    with Lookout(CaptureOptions(), {}, kept.telling):
        program()
    assert state() == before
    [said] = kept.said
    return said


def test_a_nan_that_reaches_no_loss_is_told_with_its_module_and_step() -> None:
    said = looked(lambda: train(SOME, SOME, ALL, SOME))
    assert "NaN first came out of the module blocks.0.weights (Softmax)" in said
    assert "in optimizer step 3." in said
    assert "finite in 4 optimizer steps" in said
    assert "--start-at-step 2 --steps 1" in said


def test_infinities_of_a_mask_are_no_find() -> None:
    assert looked(lambda: train(SOME, SOME)).startswith("Each loss, gradient and parameter was")


def test_the_module_is_named_beside_a_loss_that_is_not_finite() -> None:
    said = looked(lambda: train(SOME, ALL, SOME, factor=torch.nan))
    assert said.startswith("the loss is not finite in optimizer step 1.")
    assert "NaN first" not in said  # it was made after the last module


def test_a_nan_in_evaluation_after_the_last_step_is_told() -> None:
    def program() -> None:
        train(SOME)
        with torch.no_grad():
            Net()(torch.ones(1, 3), ALL)

    assert "in optimizer step 2." in looked(program)


def test_the_step_of_such_a_nan_is_kept_where_nothing_worse_comes() -> None:
    kept = Kept()
    with LastGood(CaptureOptions(), {}, kept.telling):
        train(SOME, ALL, SOME)
    recording = kept.recordings[""]
    assert set(kept.recordings) == {""}
    assert recording.meta["first_step"] == 1
    assert any("blocks.0.weights (Softmax)" in note for note in recording.notes)
    assert "It may be meant so" in kept.said[0]


@pytest.mark.parametrize(
    "value",
    [
        [torch.tensor([1, 2]), torch.tensor([True])],
        {"a": torch.tensor([torch.inf, -torch.inf])},
        torch.empty(0),
        torch.ones(2, device="meta"),
        torch.eye(2).to_sparse(),
        None,
        "text",
    ],
    ids=["integers", "infinities", "nothing", "meta", "sparse", "none", "text"],
)
def test_outputs_of_all_kinds_are_asked_without_harm(value: object) -> None:
    class Gives(nn.Module):
        def forward(self) -> object:
            return value

    watch = OutputWatch(lambda: True)
    watch.begin()
    try:
        assert Gives()() is value
        assert watch.settle() == ""
    finally:
        watch.end()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64, torch.complex64])
def test_nan_of_each_dtype_is_found_and_asked_for_no_more(dtype: torch.dtype) -> None:
    net, watch = nn.Sequential(nn.Identity()), OutputWatch(lambda: True)
    watch.begin()
    try:
        net(torch.tensor([1.0, torch.nan], dtype=dtype))
        assert watch.settle() == "0 (Identity)"
        assert not nn.modules.module._global_forward_hooks
    finally:
        watch.end()


def test_a_compiled_model_stays_one_graph_while_outputs_are_asked() -> None:
    net = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    watch = OutputWatch(lambda: True)
    watch.begin()
    try:
        compiled = torch.compile(net, backend="eager", fullgraph=True)
        with pytest.warns(UserWarning, match="global hooks"):  # torch tells of ours
            compiled(torch.full((1, 2), torch.nan))
        assert watch.settle() == "OptimizedModule"
    finally:
        watch.end()
        torch.compiler.reset()
