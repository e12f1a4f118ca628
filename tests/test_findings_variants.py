"""Variants of the bugs of the gallery as people write them: the rule and the line of each.

The line of the cause is marked `# cause` in each program; the healthy one beside it says nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import inspector
from inspector.findings.holders import holders, makes_a_module, makes_a_parameter
from inspector.found import Finding


def loud(program: Callable[[], Any]) -> list[Finding]:
    with contextlib.suppress(Exception), inspector.recording() as session:
        program()
    found = inspector.findings(session.recording)
    return [one for one in found if one.severity != "note"]


def lines_of(program: Callable[[], Any]) -> list[tuple[str, str]]:
    """(rule, the text of its line) of each warning and error."""
    text = Path(__file__).read_text().split("\n")
    return [
        (one.rule, text[one.source.line - 1].strip() if one.source is not None else "")
        for one in loud(program)
    ]


def trained(net: nn.Module, loss: Callable[[torch.Tensor], torch.Tensor], steps: int = 4) -> None:
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    for _ in range(steps):
        optimizer.zero_grad()
        loss(net(torch.rand(6, 3))).backward()
        optimizer.step()


# -- shapes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("program", "says"),
    [
        (
            lambda: torch.cat([torch.ones(2, 3), torch.ones(4, 5)], dim=1),
            "Dimension 0 of the result of ones is 4 and should be 2.",
        ),
        (
            lambda: torch.cat((torch.ones(2, 3), torch.ones(2, 3), torch.ones(4, 5))),
            "Dimension 1 of the result of ones is 5 and should be 3.",
        ),
        (
            lambda: torch.cat((torch.ones(2, 3, 4), torch.ones(2, 4, 7)), -1),
            "Dimension 1 of the result of ones is 4 and should be 3.",
        ),
        (
            lambda: F.cross_entropy(torch.ones(5, 3), torch.zeros(4, dtype=torch.long)),
            "Dimension 0 of the result of zeros is 4 and should be 5.",
        ),
        (
            lambda: F.cross_entropy(torch.ones(5, 3, 8), torch.zeros(5, 7, dtype=torch.long)),
            "Dimension 1 of the result of zeros is 7 and should be 8.",
        ),
        (
            lambda: torch.ones(2, 3) + torch.ones(2, 4),
            "Dimension 1 of the result of ones is 4 and should be 3.",
        ),
    ],
)
def test_the_size_that_does_not_fit_is_named(program: Callable[[], Any], says: str) -> None:
    (found,) = loud(program)
    assert found.rule == "shapes-do-not-fit"
    assert says in found.message


def test_no_size_is_named_where_the_op_does_not_tell_which() -> None:
    (found,) = loud(lambda: F.conv_transpose2d(torch.ones(1, 8, 6, 6), torch.ones(4, 16, 3, 3)))
    assert found.rule == "shapes-do-not-fit"
    assert "should be" not in found.message


class Scores(nn.Module):
    """Its loss, as models of `transformers` give it."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 2)

    def forward(self, x: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        scores = self.linear(x)
        return F.cross_entropy(scores, labels.view(-1))


def test_what_a_call_was_to_return_names_nothing_when_it_raises() -> None:
    def program() -> None:
        out = Scores()(torch.rand(2, 3), torch.tensor([[1], [2]]))
        out.backward()

    (found,) = loud(program)
    assert found.rule == "index-out-of-range"
    assert "the result of view, run from 1 to 2" in found.message


# -- indices ---------------------------------------------------------------------------------------


def test_a_loss_of_the_indices_of_max_names_max() -> None:
    net = nn.Linear(3, 4)

    def program() -> None:
        guess = net(torch.rand(6, 3)).max(dim=1).indices  # cause
        (guess != torch.zeros(6)).float().mean().backward()

    text = "guess = net(torch.rand(6, 3)).max(dim=1).indices  # cause"
    assert lines_of(program) == [("loss-without-graph", text)]


class Codes(nn.Module):
    """The nearest codes, or (soft) their weights too, by topk."""

    def __init__(self, soft: bool) -> None:
        super().__init__()
        self.soft = soft
        self.encoder, self.codes, self.head = nn.Linear(3, 5), nn.Embedding(5, 4), nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        weights, best = self.encoder(x).topk(2)  # cause
        found = self.codes(best)
        found = found * weights.softmax(-1)[..., None] if self.soft else found
        return self.head(found.sum(1))


@pytest.mark.parametrize("soft", [False, True])
def test_an_encoder_of_which_topk_leaves_only_indices_is_cut_there(soft: bool) -> None:
    found = lines_of(lambda: trained(Codes(soft), lambda out: out.square().mean()))
    expected = ("gradient-cut", "weights, best = self.encoder(x).topk(2)  # cause")
    assert found == ([] if soft else [expected])


# -- what parameters() does not see ----------------------------------------------------------------


class Scaled(nn.Module):
    """x times three scales, kept in different ways."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 3)
        self.kind = kind
        if kind == "list":
            self.plain = [nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(3))]
        if kind == "registered":
            self.known = nn.ParameterList([torch.ones(3), torch.ones(3)])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.linear(x)
        for scale in self.plain if self.kind == "list" else self.known:
            x = x * scale  # cause
        return x


class Shifted(nn.Module):
    """x plus a tensor that requires grad, which is a Parameter or not."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 3)
        if kind == "registered":
            self.shift = nn.Parameter(torch.zeros(3))
        else:
            self.shift = torch.zeros(3, requires_grad=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(x) + self.shift  # cause


@pytest.mark.parametrize("kind", ["list", "registered"])
def test_parameters_in_a_plain_list_are_told_where_they_are_used(kind: str) -> None:
    program = lambda: trained(Scaled(kind), lambda out: out.square().mean())  # noqa: E731
    expected = [("unregistered-parameter", "x = x * scale  # cause")]
    assert lines_of(program) == ([] if kind == "registered" else expected)


@pytest.mark.parametrize("kind", ["tensor", "registered"])
def test_a_tensor_that_learns_but_is_no_parameter_is_told(kind: str) -> None:
    program = lambda: trained(Shifted(kind), lambda out: out.square().mean())  # noqa: E731
    expected = [("unregistered-parameter", "return self.linear(x) + self.shift  # cause")]
    assert lines_of(program) == ([] if kind == "registered" else expected)


def test_an_input_that_requires_grad_is_no_hidden_parameter() -> None:
    net = nn.Sequential(nn.Linear(1, 4), nn.Tanh(), nn.Linear(4, 1))
    times = torch.rand(6, 1, requires_grad=True)

    def program() -> None:
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        for _ in range(3):
            optimizer.zero_grad()
            net(times).square().mean().backward()
            optimizer.step()

    assert lines_of(program) == []


class Stages(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stages = {}
        for name in ("low", "high"):
            self.stages[name] = nn.Linear(3, 3)  # cause


def test_an_empty_optimizer_is_told_at_the_dict_that_hides_the_modules() -> None:
    (found,) = loud(lambda: torch.optim.SGD(Stages().parameters(), lr=0.1))
    assert (found.rule, found.severity) == ("unregistered-module", "error")
    assert "self.stages of Stages is a plain dict" in found.message
    assert found.source is not None
    text = Path(__file__).read_text().split("\n")[found.source.line - 1]
    assert text.strip() == "self.stages[name] = nn.Linear(3, 3)  # cause"


def test_an_empty_optimizer_of_another_cause_is_only_told_as_it_is() -> None:
    (found,) = loud(lambda: torch.optim.SGD(nn.ReLU().parameters(), lr=0.1))
    assert found.rule == "run-failed"


HOLDING = """
class Net(nn.Module):
    def __init__(self):
        self.a = [nn.Linear(1, 1) for _ in range(2)]
        self.b = nn.ModuleList([nn.Linear(1, 1)])
        self.c = []
        self.c.append(Block(2))
        self.d = list(nn.ReLU() for _ in range(2))
        self.e = {"x": nn.Parameter(torch.ones(1))}
        self.f = torch.ones(1).requires_grad_()
        self.g = torch.ones(1)
        other.h = [nn.Linear(1, 1)]
        self.i = (1, 2)
"""


def test_holders_are_read_from_the_text() -> None:
    def read(makes: Callable[[Any], bool]) -> list[tuple[str, str, int]]:
        found = holders("net.py", HOLDING, makes)
        return [(one.attribute, one.kind, one.source.line) for one in found]

    assert sorted(read(makes_a_module)) == [
        ("self.a", "list", 4), ("self.c", "list", 7), ("self.d", "list", 8),
    ]  # fmt: skip
    assert sorted(read(makes_a_parameter)) == [("self.e", "dict", 9), ("self.f", "tensor", 10)]
    assert list(holders("net.py", "%matplotlib inline", makes_a_module)) == []


# -- lists of losses -------------------------------------------------------------------------------


@pytest.mark.parametrize("kept", ["tensors", "numbers", "detached"])
def test_a_list_of_losses_is_told_where_all_of_them_are_used(kept: str) -> None:
    net = nn.Linear(3, 1)

    def program() -> None:
        losses: list[Any] = []
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        for _ in range(4):
            loss = net(torch.rand(6, 3)).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append({"tensors": loss, "numbers": loss.item()}.get(kept, loss.detach()))
        if kept == "tensors":
            torch.stack(losses).mean()  # cause
        else:
            torch.tensor([float(one) for one in losses]).mean()

    expected = [("graphs-kept-alive", "torch.stack(losses).mean()  # cause")]
    assert lines_of(program) == (expected if kept == "tensors" else [])


def test_losses_of_one_step_in_a_list_are_fine() -> None:
    net = nn.Linear(3, 1)

    def program() -> None:
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        for _ in range(3):
            optimizer.zero_grad()
            parts = [net(torch.rand(6, 3)).square().mean() for _ in range(4)]
            for part in parts:
                part.backward()
            optimizer.step()
            torch.stack(parts).mean()

    assert lines_of(program) == []


# -- through an op of several autograd nodes -------------------------------------------------------


@pytest.mark.parametrize("activation", [nn.Sigmoid, nn.ReLU])
def test_a_gradient_that_vanishes_below_a_cross_entropy_is_a_warning(
    activation: type[nn.Module],
) -> None:
    torch.manual_seed(0)
    blocks = [module for _ in range(12) for module in (nn.Linear(3, 3), activation())][:-1]
    if activation is nn.ReLU:
        blocks = [nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3)]
    net = nn.Sequential(*blocks)
    target = torch.tensor([0, 1, 2, 0, 1, 2])
    found = [
        one.rule for one in loud(lambda: trained(net, lambda out: F.cross_entropy(out, target)))
    ]
    assert found == (["vanishing-gradient"] if activation is nn.Sigmoid else [])


# -- a picture in between --------------------------------------------------------------------------


def test_the_largest_value_of_a_picture_measures_nothing() -> None:
    net = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3))

    def program(last: Callable[[torch.Tensor], object]) -> None:
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        for _ in range(3):
            optimizer.zero_grad()
            net(torch.rand(6, 3)).square().mean().backward()
            optimizer.step()
            with torch.no_grad():
                last(net(torch.rand(6, 3)))

    assert loud(lambda: program(lambda picture: picture.max())) == []
    (found,) = loud(lambda: program(lambda scores: scores.max(1)))
    assert found.rule == "inference-in-train-mode"
