"""Healthy programs that look like a bug: no rule may warn of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.optim.swa_utils import update_bn

import inspector


def severities(program: Callable[[], Any], rule: str) -> list[str]:
    with inspector.recording() as session:
        program()
    return [one.severity for one in inspector.findings(session.recording, select=[rule])]


def trained(net: nn.Module, steps: int = 2) -> torch.optim.Optimizer:
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    for _ in range(steps):
        optimizer.zero_grad()
        net(torch.rand(8, 4)).square().mean().backward()
        optimizer.step()
    return optimizer


# -- inference-in-train-mode -----------------------------------------------------------------------


def test_dropout_switched_on_by_itself_in_eval_mode_is_a_note() -> None:
    net = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5))

    def program(part: bool) -> None:
        trained(net.train())
        net.train(not part)[1].train()
        with torch.no_grad():
            net(torch.ones(1, 4))

    assert severities(lambda: program(part=True), "inference-in-train-mode") == ["note"]
    assert severities(lambda: program(part=False), "inference-in-train-mode") == ["warning"]


def test_new_statistics_for_batch_norms_are_fine() -> None:
    net = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout(0.5))

    def program() -> None:
        trained(net)
        update_bn([torch.rand(8, 4) for _ in range(3)], net)

    assert severities(program, "inference-in-train-mode") == []


@pytest.mark.parametrize(("measured", "severity"), [(False, "note"), (True, "warning")])
def test_a_picture_between_steps_is_a_note_and_a_measured_prediction_is_not(
    measured: bool, severity: str
) -> None:
    net = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4))

    def program() -> None:
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        for _ in range(3):
            optimizer.zero_grad()
            net(torch.rand(8, 4)).square().mean().backward()
            optimizer.step()
            with torch.no_grad():
                picture = net(torch.rand(8, 4)).detach().cpu()
                if measured:
                    F.mse_loss(picture, torch.rand(8, 4))

    assert severities(program, "inference-in-train-mode") == [severity]


# -- stale-gradient --------------------------------------------------------------------------------


@pytest.mark.parametrize("foreach", [False, True])
@pytest.mark.parametrize("data", [False, True])
def test_gradients_replaced_by_zeros_by_hand_are_fine(data: bool, foreach: bool) -> None:
    net = nn.Linear(4, 2)

    def program() -> None:
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1, foreach=foreach)
        for _ in range(3):
            net(torch.rand(8, 4)).square().mean().backward()
            optimizer.step()
            for p in net.parameters():
                if data and p.grad is not None:
                    p.grad.data = torch.zeros_like(p)
                else:
                    p.grad = torch.zeros_like(p)

    assert severities(program, "stale-gradient") == []


def test_zeros_that_are_no_gradient_do_not_hide_a_stale_one() -> None:
    net = nn.Linear(4, 2)

    def program() -> None:
        optimizer = torch.optim.Adam(net.parameters(), lr=0.1)
        for _ in range(3):
            (net(torch.rand(8, 4)) - torch.zeros(8, 2)).square().mean().backward()
            optimizer.step()

    assert severities(program, "stale-gradient") == ["warning"]


# -- broadcast-to-square ---------------------------------------------------------------------------


def test_all_pairs_of_the_same_values_are_meant() -> None:
    net = nn.Linear(4, 1)

    def program() -> None:
        score = net(torch.rand(8, 4))
        F.softplus(score.squeeze(1) - score).mean().backward()

    assert severities(program, "broadcast-to-square") == []


def test_a_parameter_against_all_values_is_a_note() -> None:
    class Centres(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.centres = nn.Parameter(torch.rand(8, 1))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return (self.centres - x).square().mean()

    net = Centres()
    assert severities(lambda: net(torch.rand(8)).backward(), "broadcast-to-square") == ["note"]


# -- dead-relu -------------------------------------------------------------------------------------


def test_a_penalty_that_is_met_is_a_note_and_a_layer_of_zeros_a_warning() -> None:
    net, head = nn.Linear(4, 50), nn.Linear(50, 1)
    model = nn.Sequential(net, nn.ReLU())
    nn.init.constant_(net.bias, -100.0)

    def penalty() -> None:
        for _ in range(3):
            h = net(torch.rand(8, 4))
            (h.square().mean() + F.relu(h - 100).mean()).backward()

    def layer() -> None:
        for _ in range(3):
            head(F.relu(net(torch.rand(8, 4)))).mean().backward()

    def last() -> None:
        for _ in range(3):
            model(torch.rand(8, 4)).mean().backward()

    assert severities(penalty, "dead-relu") == ["note"]
    assert severities(layer, "dead-relu") == ["warning"]
    assert severities(last, "dead-relu") == ["warning"]


# -- unregistered-module ---------------------------------------------------------------------------


class Hidden(nn.Module):
    """Holds a network in a list."""

    def __init__(self, net: nn.Module, own: bool) -> None:
        super().__init__()
        self.held = [net]
        self.own = nn.Linear(4, 4) if own else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.held[0](self.own(x)).square().mean()


class HandedIn(nn.Module):
    """Is given a network with each call."""

    def __init__(self) -> None:
        super().__init__()
        self.own = nn.Linear(4, 4)

    def forward(self, net: nn.Module, x: torch.Tensor) -> torch.Tensor:
        return net(self.own(x)).square().mean()


@pytest.mark.parametrize("kind", ["hidden", "handed in", "left out"])
def test_a_network_hidden_or_handed_in_on_purpose_is_a_note(kind: str) -> None:
    fixed, net = nn.Linear(4, 4), nn.Linear(4, 4)
    loss = HandedIn() if kind == "handed in" else Hidden(fixed, own=kind == "left out")

    def program() -> None:
        optimizer = torch.optim.SGD([*net.parameters(), *loss.parameters()], lr=0.1)
        x = net(torch.rand(8, 4))
        (loss(fixed, x) if kind == "handed in" else loss(x)).backward()
        optimizer.step()

    expected = "warning" if kind == "left out" else "note"
    assert severities(program, "unregistered-module") == [expected]


# -- gradient-cut ----------------------------------------------------------------------------------


class Codebook(nn.Module):
    """The nearest code, straight through."""

    def __init__(self, moves: bool) -> None:
        super().__init__()
        self.encoder, self.codes, self.moves = nn.Linear(6, 4), nn.Embedding(8, 4), moves

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        z = self.encoder(x)
        nearest = torch.cdist(z, self.codes.weight).argmin(1)
        code = self.codes(nearest)
        if self.moves:
            with torch.no_grad():
                self.codes.weight[nearest[0]] = z[0]
        return z + (code - z).detach()


@pytest.mark.parametrize(("moves", "severity"), [(True, "note"), (False, "warning")])
def test_a_codebook_that_the_program_moves_itself_is_a_note(moves: bool, severity: str) -> None:
    net = Codebook(moves)

    def program() -> None:
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        for _ in range(2):
            optimizer.zero_grad()
            net(torch.rand(5, 6)).square().mean().backward()
            optimizer.step()

    assert severities(program, "gradient-cut") == [severity]
