"""What a gradient report says, against plain autograd and work by hand."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from handmade import Program
from torch import nn
from work import assert_linear

import inspector
from inspector.gradients import (
    GradientReport,
    ParameterGradients,
    gradient_report,
    largest_path,
    mean_abs_of,
    norm_of,
    rms_of,
    update_ratio,
)
from inspector.records import Recording, TensorSummary


def reported(recording: Recording, name: str) -> ParameterGradients:
    (found,) = (one for one in gradient_report(recording).parameters if one.name == name)
    return found


def kinds(report: GradientReport) -> list[str]:
    return [reading.kind for reading in report.readings]


def train(net: nn.Module, batches: Any, optimizer: Any, **options: Any) -> Recording:
    """A loop with one optimizer step per item; an item of several tensors accumulates."""
    with inspector.recording(inspector.CaptureOptions(**options), net=net) as session:
        for parts in batches:
            optimizer.zero_grad()
            for x in parts:
                net(x).square().mean().backward()
            optimizer.step()
    return session.recording


def chain(depth: int, activation: type[nn.Module], gain: float) -> nn.Sequential:
    """Square Linears with `activation` between, weights `gain` times the identity, no bias."""
    parts: list[nn.Module] = []
    for _ in range(depth):
        linear = nn.Linear(3, 3, bias=False)
        with torch.no_grad():
            linear.weight.copy_(gain * torch.eye(3))
        parts += [linear, activation()]
    return nn.Sequential(*parts)


# -- norms -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [1e-20, 1.0, 1e15])
@pytest.mark.parametrize("shape", [(), (1,), (7,), (5, 30), (100, 100)])
def test_a_norm_from_statistics_is_the_norm_of_the_values(
    scale: float, shape: tuple[int, ...]
) -> None:
    torch.manual_seed(0)
    x = scale * torch.randn(shape, dtype=torch.float64)
    summary = inspector.record(lambda x: x * 1, x).tensors[1].summary
    assert norm_of(summary) == pytest.approx(float(torch.linalg.vector_norm(x)), rel=1e-9)
    assert rms_of(summary) == pytest.approx(float(x.square().mean().sqrt()), rel=1e-9)


def test_the_norm_of_a_complex_tensor_is_that_of_its_magnitudes() -> None:
    x = torch.tensor([3 + 4j, 0, 12j])
    assert norm_of(inspector.record(lambda x: x * 1, x).tensors[1].summary) == pytest.approx(13.0)


def test_a_norm_leaves_out_what_is_not_finite() -> None:
    x = torch.tensor([3.0, math.nan, 4.0, math.inf])
    summary = inspector.record(lambda x: x * 1, x).tensors[1].summary
    assert norm_of(summary) == pytest.approx(5.0)


def test_nothing_has_no_norm_and_an_empty_tensor_has_norm_zero() -> None:
    assert norm_of(None) is None
    assert norm_of(TensorSummary(2, None, None, None, None, 2, 0, 0.0)) is None
    assert norm_of(TensorSummary(0, None, None, None, None, 0, 0, 0.0)) == 0.0


def test_values_out_of_range_of_their_squares_have_a_norm() -> None:
    summary = TensorSummary(4, 1e200, 1e200, 1e200, 0.0, 0, 0, 0.0)
    assert norm_of(summary) == pytest.approx(2e200)


def test_the_mean_of_absolute_values_is_exact_for_one_sign_and_near_for_two() -> None:
    torch.manual_seed(0)
    for x in (torch.rand(500), -torch.rand(500)):
        summary = inspector.record(lambda x: x * 1, x).tensors[1].summary
        assert mean_abs_of(summary) == pytest.approx(float(x.abs().mean()), rel=1e-5)
    x = torch.randn(4000)
    summary = inspector.record(lambda x: x * 1, x).tensors[1].summary
    assert mean_abs_of(summary) == pytest.approx(float(x.abs().mean()), rel=0.05)


# -- parameters --------------------------------------------------------------------------------


def test_a_net_of_two_weights_worked_out_by_hand() -> None:
    # y = 3 * relu(2 x), x = 1, loss = y² = 36: dL/dy = 12, dL/dw2 = 12 * 2, dL/dw1 = 12 * 3 * 1.
    net = nn.Sequential(nn.Linear(1, 1, bias=False), nn.ReLU(), nn.Linear(1, 1, bias=False))
    with torch.no_grad():
        net[0].weight.fill_(2.0)
        net[2].weight.fill_(3.0)
    recording = inspector.record(net, torch.ones(1, 1), loss=lambda y: (y * y).sum())
    report = gradient_report(recording)
    assert [one.name for one in report.parameters] == ["0.weight", "2.weight"]
    first, last = report.parameters
    assert norm_of(first.gradients[0].summary) == pytest.approx(36.0)
    assert norm_of(last.gradients[0].summary) == pytest.approx(24.0)
    assert [norm_of(one.weights[0]) for one in (first, last)] == [2.0, 3.0]
    assert [one.losses for one in report.rounds] == [(36.0,)]
    by_op = {recording.ops[one.op].name: one.norm for one in report.activations[-3:]}
    assert by_op == {"linear": pytest.approx(12.0), "mul": 1.0, "sum": 1.0}
    relu = next(one for one in report.activations if recording.ops[one.op].name == "relu")
    assert relu.norm == pytest.approx(36.0)


def test_norms_weights_and_updates_of_each_step_are_those_of_plain_pytorch() -> None:
    def made() -> tuple[nn.Module, torch.optim.Optimizer]:
        torch.manual_seed(1)
        net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
        return net, torch.optim.Adam(net.parameters(), lr=0.05)

    x = torch.randn(6, 3)
    net, optimizer = made()
    expected: list[dict[str, tuple[float, float, float]]] = []
    for _ in range(4):
        optimizer.zero_grad()
        net(x).square().mean().backward()
        before = {name: one.detach().clone() for name, one in net.named_parameters()}
        optimizer.step()
        expected.append(
            {
                f"net.{name}": (
                    float(torch.linalg.vector_norm(one.grad)),
                    float(before[name].norm()),
                    float((one.detach() - before[name]).norm()),
                )
                for name, one in net.named_parameters()
            }
        )
    net, optimizer = made()
    report = gradient_report(train(net, [[x]] * 4, optimizer))
    assert len(report.rounds) == 4
    for step, wanted in enumerate(expected):
        for one in report.parameters:
            gradient, weight, update = wanted[one.name]
            assert norm_of(one.gradients[step].summary) == pytest.approx(gradient, rel=1e-5)
            assert norm_of(one.weights[step]) == pytest.approx(weight, rel=1e-5)
            assert one.updates[step] == pytest.approx(update, rel=1e-4)
            assert update_ratio(one, step) == pytest.approx(update / weight, rel=1e-4)


@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.Adam])
def test_passes_that_accumulate_are_one_step_with_the_gradient_of_their_sum(kind: Any) -> None:
    torch.manual_seed(0)
    net = nn.Linear(3, 2)
    parts = torch.randn(6, 3).split(2)
    for x in parts:
        net(x).square().mean().backward()
    wanted = float(net.weight.grad.norm())
    net.zero_grad()
    recording = train(net, [parts, parts], kind(net.parameters(), lr=0.0))
    report = gradient_report(recording)
    assert [round.passes for round in report.rounds] == [(0, 1, 2), (3, 4, 5)]
    weight = report.parameters[0]
    for gradient in weight.gradients:
        assert gradient is not None
        assert (gradient.passes, gradient.summed) == (3, True)
        assert norm_of(gradient.summary) == pytest.approx(wanted, rel=1e-5)


def test_without_an_update_passes_without_zero_grad_between_are_one_step() -> None:
    net = nn.Linear(2, 1)
    with inspector.recording(net=net) as session:
        for _ in range(2):
            net(torch.ones(1, 2)).sum().backward()
        net.zero_grad()
        net(torch.ones(1, 2)).sum().backward()
    report = gradient_report(session.recording)
    assert [round.passes for round in report.rounds] == [(0, 1), (2,)]
    assert all(not round.updates for round in report.rounds)


def test_two_optimizers_that_step_one_after_the_other_share_a_step() -> None:
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    first, second = (torch.optim.SGD(part.parameters(), lr=0.1) for part in net)
    with inspector.recording(net=net) as session:
        for _ in range(2):
            net.zero_grad()
            net(torch.ones(1, 2)).sum().backward()
            first.step()
            second.step()
    report = gradient_report(session.recording)
    assert [len(round.updates) for round in report.rounds] == [2, 2]
    assert all(None not in one.updates for one in report.parameters)


def test_parameters_come_in_the_order_of_the_forward_and_unused_ones_last() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.unused = nn.Linear(2, 2)
            self.second = nn.Linear(2, 1, bias=False)
            self.first = nn.Linear(2, 2, bias=False)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            start = self.second.weight.new_zeros(1, 2)  # takes it too, but only for its type
            return self.second(self.first(x + start))

    report = gradient_report(inspector.record(Net(), torch.ones(1, 2), loss="sum"))
    names = [one.name for one in report.parameters]
    assert names == ["first.weight", "second.weight", "unused.weight", "unused.bias"]
    missing = next(reading for reading in report.readings if reading.kind == "no gradient")
    assert missing.names == ("unused.weight", "unused.bias")


def test_a_frozen_parameter_is_listed_but_not_missed() -> None:
    net = nn.Linear(2, 1)
    net.bias.requires_grad_(False)
    recording = inspector.record(net, torch.ones(1, 2), loss="sum")
    assert reported(recording, "bias").requires_grad is False
    assert "no gradient" not in kinds(gradient_report(recording))


def test_leaves_outside_of_modules_are_followed_over_in_place_updates() -> None:
    weight = torch.tensor([1.0, 2.0], requires_grad=True)
    optimizer = torch.optim.SGD([weight], lr=0.5)
    with inspector.recording() as session:
        for _ in range(3):
            optimizer.zero_grad()
            (3 * weight).sum().backward()
            optimizer.step()
    (leaf,) = gradient_report(session.recording).parameters
    assert leaf.kind == "leaf"
    assert leaf.rounds == (0, 1, 2)
    assert [norm_of(one.summary) for one in leaf.gradients] == pytest.approx([math.sqrt(18)] * 3)
    # Each step moves both values by -0.5 * 3.
    assert leaf.updates == pytest.approx((math.sqrt(4.5),) * 3)
    assert [norm_of(one) for one in leaf.weights] == pytest.approx(
        [math.sqrt(5), math.sqrt(0.5), math.sqrt(5)]
    )


def test_a_shared_parameter_is_one_parameter() -> None:
    net = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False))
    net[1].weight = net[0].weight
    report = gradient_report(inspector.record(net, torch.ones(1, 2), loss="sum"))
    assert [one.name for one in report.parameters] == ["0.weight"]


def test_a_complex_parameter_has_the_norm_of_its_magnitudes() -> None:
    weight = torch.tensor([1 + 1j, 2j], requires_grad=True)
    with inspector.recording() as session:
        (weight * (3 + 4j)).abs().sum().backward()
    (leaf,) = gradient_report(session.recording).parameters
    wanted = float(torch.linalg.vector_norm(weight.grad))
    assert norm_of(leaf.gradients[0].summary) == pytest.approx(wanted, rel=1e-5)


# -- what stands out -----------------------------------------------------------------------------


def test_a_chain_of_saturated_sigmoids_vanishes() -> None:
    # Each sigmoid at about 1 multiplies the gradient by s(1 - s), far below a quarter.
    net = chain(5, nn.Sigmoid, gain=8.0)
    recording = inspector.record(net, torch.ones(2, 3), loss="sum")
    reading = next(one for one in gradient_report(recording).readings if one.kind == "vanishing")
    first, last = (net[0].weight.grad.norm(), net[8].weight.grad.norm())
    assert reading.names == ("0.weight", "8.weight")
    assert reading.value == pytest.approx(float(last / first), rel=1e-4)
    assert reading.severity == "warning"


def test_a_chain_that_multiplies_explodes_on_the_way_back() -> None:
    # y = 1e5 * x * w1: the first weight gets 1e5 times what the second one gets.
    net = chain(2, nn.Identity, gain=1.0)
    with torch.no_grad():
        net[2].weight.mul_(1e5)
    recording = inspector.record(net, torch.ones(1, 3), loss="sum")
    reading = gradient_report(recording).readings[0]
    assert reading.kind == "exploding"
    assert reading.value == pytest.approx(1e5, rel=1e-4)


def test_an_even_chain_is_called_even() -> None:
    net = chain(4, nn.Identity, gain=1.0)
    report = gradient_report(inspector.record(net, torch.ones(1, 3), loss="sum"))
    assert kinds(report) == ["even"]
    assert report.readings[0].value == pytest.approx(1.0)


def uneven(x: torch.Tensor, first: torch.Tensor, last: torch.Tensor) -> torch.Tensor:
    x = x * first
    for _ in range(2):
        x = x * 10.0
        x = x * 2.0
    return x * last


def test_even_weights_are_not_called_even_where_the_activations_are_not() -> None:
    # All values are 1, so both leaves get 20 * 20 = 400. The product with `first` gets 400, the
    # products in the loop 40, 20 and 2, 1, what comes after them 1.
    first, last = torch.ones(1, requires_grad=True), torch.ones(1, requires_grad=True)
    recording = inspector.record(uneven, torch.ones(1), first, last, loss="sum")
    (reading,) = gradient_report(recording).readings
    assert (reading.kind, reading.value, reading.ends) == ("even weights", 1.0, (400.0, 400.0))
    found = reading.activations
    assert found is not None
    assert found.ends == (400.0, 1.0)
    assert found.trips == (0.5, 0.5)
    assert [recording.ops[op].name for op in found.ops] == ["mul", "sum"]


def test_a_loop_of_whole_steps_has_no_trips_within_a_step() -> None:
    net = chain(2, nn.Identity, gain=1.0)
    steps = train(net, [[torch.ones(1, 3)]] * 3, torch.optim.SGD(net.parameters(), 0.1))
    assert {one.trip for one in gradient_report(steps).activations} == {None}


def test_a_relu_that_is_always_zero_is_dead_and_starves_what_is_before_it() -> None:
    net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    with torch.no_grad():
        net[0].bias.fill_(-100.0)
    report = gradient_report(inspector.record(net, torch.rand(4, 2), loss="sum"))
    (rectifier,) = report.rectifiers
    assert rectifier.zeros == 1.0
    dead = next(one for one in report.readings if one.kind == "dead")
    assert dead.names == ("1.relu",)
    zero = next(one for one in report.readings if one.kind == "always zero")
    assert zero.names == ("0.weight", "0.bias", "2.weight")


def test_single_dead_units_are_found_where_values_were_recorded() -> None:
    net = nn.Sequential(nn.Linear(1, 3, bias=False), nn.ReLU())
    with torch.no_grad():
        net[0].weight.copy_(torch.tensor([[1.0], [-1.0], [2.0]]))
    x = torch.tensor([[1.0], [2.0], [0.0], [3.0]])
    options = inspector.CaptureOptions(values="full")
    report = gradient_report(inspector.record(net, x, loss="sum", options=options))
    (rectifier,) = report.rectifiers
    assert rectifier.units == (0.25, 1.0, 0.25)
    assert rectifier.dead == (1,)
    assert rectifier.zeros == pytest.approx(0.5)
    assert rectifier.units_by_round == ((0.25, 1.0, 0.25),)
    assert next(one for one in report.readings if one.kind == "dead units").value == 1


def test_a_unit_that_dies_on_the_way_is_dead_and_one_that_comes_back_is_not() -> None:
    def run(rows: list[list[float]]) -> inspector.Recording:
        options = inspector.CaptureOptions(values="full")
        weight = torch.ones(1, requires_grad=True)
        with inspector.recording(options) as session:
            for row in rows:  # four samples of three units a step
                weight.grad = None
                torch.relu(weight * torch.tensor([row] * 4)).sum().backward()
        return session.recording

    rows = [[1.0, 1.0, -1.0], [1.0, -1.0, -1.0], [1.0, -1.0, 1.0]]
    (one,) = gradient_report(run(rows)).rectifiers
    assert one.dead == (1,)
    assert one.dead_since is None
    (whole,) = gradient_report(run([[1.0], [-1.0], [-1.0]])).rectifiers
    assert whole.dead_since == 1
    assert whole.zeros == pytest.approx(2 / 3)


def test_a_gradient_that_ends_at_zero_is_told_and_no_ratio_is_made_of_it() -> None:
    net = chain(2, nn.ReLU, gain=1.0)
    with inspector.recording(net=net) as session:
        for value in (1.0, -1.0):
            net.zero_grad()
            net(torch.full((4, 3), value)).sum().backward()
    found = kinds(gradient_report(session.recording))
    assert "zero at last" in found
    assert not {"even", "vanishing", "exploding"} & set(found)


def test_a_single_zero_is_no_evidence_of_death() -> None:
    x = torch.tensor([[-1.0, 1.0]], requires_grad=True)
    options = inspector.CaptureOptions(values="full")
    (one,) = gradient_report(
        inspector.record(torch.relu, x, loss="sum", options=options)
    ).rectifiers
    assert one.units == (1.0, 0.0)
    assert one.dead == ()


def test_units_of_images_are_their_channels() -> None:
    x = torch.ones(2, 3, 4, 4)
    x[:, 1] = -1.0
    options = inspector.CaptureOptions(values="full")
    report = gradient_report(inspector.record(torch.relu, x.requires_grad_(), loss="sum",
                                              options=options))  # fmt: skip
    assert report.rectifiers[0].units == (0.0, 1.0, 0.0)


def test_any_op_that_sets_negative_values_to_zero_is_a_rectifier_and_zeros_like_is_none() -> None:
    def run(x: torch.Tensor) -> torch.Tensor:
        return x.clamp(min=0) + torch.zeros_like(x) + torch.tanh(x)

    report = gradient_report(inspector.record(run, torch.tensor([-1.0, 2.0]), loss=None))
    assert [one.name for one in report.rectifiers] == ["clamp"]


def test_iterations_of_a_loop_are_one_rectifier() -> None:
    def run(x: torch.Tensor) -> torch.Tensor:
        for _ in range(3):
            x = torch.relu(x - 1)
        return x

    (found,) = gradient_report(inspector.record(run, torch.tensor([2.0, 5.0]))).rectifiers
    # 1 4, 0 3, 0 2: two of six values are zero.
    assert len(found.ops) == 3
    assert found.zeros == pytest.approx(2 / 6)


def test_a_gradient_that_is_not_finite_is_an_error_with_the_node_it_came_out_of() -> None:
    net = nn.Linear(1, 1, bias=False)

    def loss(y: torch.Tensor) -> torch.Tensor:
        return torch.sqrt(y * 0).sum()  # the derivative of the root at 0 is infinite

    recording = inspector.record(net, torch.ones(1, 1), loss=loss)
    reading = gradient_report(recording).readings[0]
    assert (reading.kind, reading.severity) == ("nonfinite", "error")
    assert reading.names == ("weight",)
    assert recording.grad_nodes[reading.node].name == "SqrtBackward0"


def test_updates_of_a_huge_learning_rate_jump_and_of_a_tiny_one_stand_still() -> None:
    for rate, kind in ((10.0, "jumping"), (1e-9, "still")):
        net = nn.Linear(3, 3)
        recording = train(net, [[torch.ones(2, 3)]], torch.optim.SGD(net.parameters(), lr=rate))
        assert kind in kinds(gradient_report(recording))


# -- recordings that lack something ---------------------------------------------------------------


def test_without_a_backward_pass_the_report_says_so() -> None:
    report = gradient_report(inspector.record(nn.Linear(2, 1), torch.ones(1, 2)))
    assert report.rounds == ()
    assert kinds(report) == ["no backward"]
    assert [one.gradients for one in report.parameters] == [(), ()]


def test_an_empty_recording_has_an_empty_report() -> None:
    report = gradient_report(Program().recording())
    assert (report.rounds, report.parameters, report.rectifiers) == ((), (), ())


def test_without_values_it_is_known_which_gradients_came_but_no_norm() -> None:
    options = inspector.CaptureOptions(values="none")
    net = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 1))
    net.unused = nn.Linear(1, 1)  # type: ignore[assignment]
    net.forward = lambda x: net[2](net[1](net[0](x)))  # type: ignore[method-assign]
    report = gradient_report(inspector.record(net, torch.ones(1, 2), loss="sum", options=options))
    assert report.values is False
    assert sorted(kinds(report)) == ["no gradient", "no values"]
    assert report.parameters[0].rounds == (0,)
    assert report.parameters[0].gradients[0].summary is None
    assert all(one.norm is None for one in report.activations)


def test_a_training_that_failed_in_the_middle_has_the_steps_before() -> None:
    net = nn.Linear(2, 1)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    session: list[inspector.Session] = []

    def run() -> None:
        with inspector.recording(net=net) as begun:
            session.append(begun)
            for size in (2, 2, 3):
                optimizer.zero_grad()
                net(torch.ones(1, size)).sum().backward()
                optimizer.step()

    with pytest.raises(RuntimeError):
        run()
    assert len(gradient_report(session[0].recording).rounds) == 2


def test_the_work_for_a_report_grows_with_the_ops() -> None:
    net = nn.Sequential(*[part for _ in range(10) for part in (nn.Linear(4, 4), nn.ReLU())])

    def reporting(times: int) -> Callable[[], object]:
        def run(x: torch.Tensor) -> torch.Tensor:
            for _ in range(times):
                x = net(x)
            return x

        return partial(gradient_report, inspector.record(run, torch.randn(2, 4), loss="sum"))

    assert_linear(reporting, 25)


# -- the path of the largest gradient -----------------------------------------------------------


def test_the_path_takes_the_larger_of_two_edges_and_ends_at_a_leaf() -> None:
    small = torch.tensor([2.0], requires_grad=True)
    large = torch.tensor([50.0], requires_grad=True)
    with inspector.recording() as session:
        (large * small).sum().backward()  # d/dlarge = 2, d/dsmall = 50
    recording = session.recording
    path = largest_path(recording, 0)
    assert [one.name for one in path] == ["SumBackward0", "MulBackward0", "AccumulateGrad"]
    assert [one.arriving for one in path] == [1.0, 1.0, 50.0]
    assert [one.leaving for one in path] == [1.0, 50.0, None]
    assert [one.edges for one in path] == [1, 2, 0]
    assert recording.grad_nodes[path[-1].node].tensor == recording.ops[0].inputs[1]


def test_a_gradient_that_is_not_finite_is_the_largest() -> None:
    def summary(value: float, bad: int = 0) -> TensorSummary:
        return TensorSummary(1 + bad, value, value, value, 0.0, bad, 0, 0.0)

    program = Program()
    one, nan, big = summary(1.0), summary(1.0, bad=1), summary(1e6)
    program.grad("AddBackward0", None, 1, 2, grad_outputs=(one,), grad_inputs=(big, nan))
    program.grad("AccumulateGrad", None, grad_outputs=(big,))
    program.grad("AccumulateGrad", None, grad_outputs=(nan,))
    path = largest_path(program.recording(), 0)
    assert [step.node for step in path] == [0, 2]
    assert path[1].nonfinite == 1
    assert path[0].edges == 2


def test_of_equal_edges_of_an_addition_the_one_that_leads_on_is_taken() -> None:
    x = torch.ones(1, requires_grad=True)
    zero = torch.zeros(1)
    with inspector.recording() as session:
        (x * zero + x * 3).sum().backward()
    path = largest_path(session.recording, 0)
    assert [one.leaving for one in path] == [1.0, 1.0, 3.0, None]
    assert path[-1].arriving == 3.0  # the engine adds 0 and 3 up


def test_edges_that_led_nowhere_do_not_mix_the_others_up() -> None:
    program = Program()

    def summary(value: float) -> TensorSummary:
        return TensorSummary(1, value, value, value, 0.0, 0, 0, 0.0)

    # Three gradients went out, but only the nodes of two of them ran.
    program.grad("Node", None, 1, 2, grad_outputs=(summary(1),),
                 grad_inputs=(summary(900), summary(5), summary(7)))  # fmt: skip
    program.grad("AccumulateGrad", None, grad_outputs=(summary(5),))
    program.grad("AccumulateGrad", None, grad_outputs=(summary(7),))
    assert [step.node for step in largest_path(program.recording(), 0)] == [0, 2]


def test_a_path_without_values_goes_as_far_as_there_is_no_choice() -> None:
    program = Program()
    program.grad("SumBackward0", None, 1)
    program.grad("AddBackward0", None, 2, 3)
    program.grad("AccumulateGrad", None)
    program.grad("AccumulateGrad", None)
    assert [step.node for step in largest_path(program.recording(), 0)] == [0, 1]


def test_there_is_no_path_through_a_pass_that_was_not() -> None:
    assert largest_path(Program().recording(), 0) == ()


def test_a_leaf_that_is_passed_in_is_called_by_its_parameter() -> None:
    recording = inspector.record(
        lambda image: image * 2, torch.ones(2, requires_grad=True), loss="sum"
    )
    assert [one.name for one in gradient_report(recording).parameters] == ["image"]
