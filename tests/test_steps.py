"""Training steps: backward, optimizer steps and clearing of gradients, with their lines."""

from __future__ import annotations

import inspect

import pytest
import torch
from torch import nn

import inspector
from inspector.check import self_check


def test_a_training_loop_is_told_step_by_step() -> None:
    net = nn.Linear(2, 1)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    x = torch.ones(4, 2)
    with inspector.recording(net=net) as session:
        for _ in range(2):
            optimizer.zero_grad()
            loss = net(x).square().mean()
            loss.backward()
            optimizer.step()
    recording = session.recording
    self_check(recording)
    assert [step.kind for step in recording.steps] == [
        "zero_grad",
        "backward",
        "optimizer_step",
    ] * 2
    lines, first = inspect.getsourcelines(test_a_training_loop_is_told_step_by_step)
    for step in recording.steps:
        text = lines[step.source.line - first].strip()
        assert text.startswith(
            {"backward": "loss.backward"}.get(
                step.kind, f"optimizer.{step.kind.removeprefix('optimizer_')}"
            )
        )
    steps = [step for step in recording.steps if step.kind == "optimizer_step"]
    assert [(step.detail, step.learning_rates) for step in steps] == [("SGD", (0.1,))] * 2
    for step in steps:
        ran = recording.ops[step.first_op : step.last_op]
        assert ran
        assert all(
            "_foreach" in op.name or op.name in ("add_", "mul_", "clone", "detach") for op in ran
        )


def test_a_step_tells_which_of_its_parameters_had_no_gradient() -> None:
    class Half(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second, self.idle = nn.Linear(2, 2), nn.Linear(2, 1), nn.Linear(2, 2)
            self.first.bias.requires_grad_(False)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.second(self.first(x).detach())

    net = Half()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    with inspector.recording() as session:
        net(torch.ones(3, 2)).sum().backward()
        optimizer.step()
    (step,) = [step for step in session.recording.steps if step.kind == "optimizer_step"]
    assert step.without_gradient == ("Half.first.weight",)  # `idle` was never met


@pytest.mark.parametrize("name", ["Adam", "AdamW", "RMSprop", "Adagrad", "SGD"])
def test_the_update_of_each_parameter_is_as_large_as_the_parameters_moved(name: str) -> None:
    net = nn.Linear(2, 2)
    optimizer = getattr(torch.optim, name)(net.parameters(), lr=0.1)
    net(torch.ones(1, 2)).sum().backward()
    before = [p.detach().clone() for p in net.parameters()]
    with inspector.recording(net=net) as session:
        optimizer.step()
    (step,) = session.recording.steps
    moved = [
        (p.detach() - old).norm().item() for p, old in zip(net.parameters(), before, strict=True)
    ]
    assert step.updated == ("net.weight", "net.bias")
    assert step.update_norms == pytest.approx(moved, rel=1e-5)


def test_clearing_gradients_is_one_step_however_it_is_done() -> None:
    net = nn.Linear(2, 1)
    net(torch.ones(1, 2)).sum().backward()
    with inspector.recording() as session:
        net.zero_grad()
        net.weight.grad = None
        torch.optim.SGD(net.parameters(), lr=0.1).zero_grad()
    found = [(step.kind, step.detail) for step in session.recording.steps]
    assert found == [("zero_grad", "Module"), ("zero_grad", "grad = None"), ("zero_grad", "SGD")]


def test_a_closure_runs_inside_the_step_of_lbfgs() -> None:
    net = nn.Linear(2, 1)
    optimizer = torch.optim.LBFGS(net.parameters(), max_iter=2)

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = net(torch.ones(1, 2)).square().sum()
        loss.backward()
        return loss

    with inspector.recording() as session:
        optimizer.step(closure)
    step = next(s for s in session.recording.steps if s.kind == "optimizer_step")
    inner = [s for s in session.recording.steps if s.kind == "backward"]
    assert inner
    assert all(step.first_op <= s.first_op <= s.last_op <= step.last_op for s in inner)


def test_a_step_that_raises_keeps_what_came_before() -> None:
    net = nn.Linear(2, 1)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)

    def closure() -> torch.Tensor:
        raise ValueError("closed")

    with pytest.raises(ValueError, match="closed"), inspector.recording() as session:
        optimizer.step(closure)
    recording = session.recording
    self_check(recording)
    assert (recording.failure.type, recording.steps[0].kind) == ("ValueError", "optimizer_step")
