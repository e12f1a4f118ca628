"""Recording a training: it does what plain PyTorch does, and can be ended."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import inspector
from inspector.capture.training import OPTIMIZERS, record_training
from inspector.errors import CaptureError
from inspector.gradients import gradient_report


def made() -> nn.Module:
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))


BATCHES = [(torch.full((4, 2), float(k)),) for k in range(1, 4)]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_weights_end_where_plain_pytorch_brings_them(name: str) -> None:
    plain, recorded = made(), made()
    optimizer = OPTIMIZERS[name](plain.parameters(), lr=0.05)  # type: ignore[call-arg]
    losses = []
    for batch in BATCHES:
        optimizer.zero_grad()
        loss = plain(*batch).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    training = record_training(
        recorded,
        BATCHES,
        loss=lambda y: y.square().mean(),
        optimizer=name,
        learning_rate=0.05,
    )
    for one, other in zip(plain.parameters(), recorded.parameters(), strict=True):
        assert torch.equal(one, other)
    assert (training.steps, training.ended) == (3, "")
    rounds = gradient_report(training.recording).rounds
    assert [round.losses for round in rounds] == [(pytest.approx(loss),) for loss in losses]


def test_parameters_have_the_names_that_record_gives_them() -> None:
    training = record_training(made(), BATCHES, loss="sum")
    single = inspector.record(made(), *BATCHES[0], loss="sum")
    names = [info.name for info in training.recording.parameters]
    assert names == [info.name for info in single.parameters]


def test_a_model_that_trains_itself_is_only_called() -> None:
    net = made()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)

    def loop(x: torch.Tensor) -> None:
        optimizer.zero_grad()
        net(x).sum().backward()
        optimizer.step()

    training = record_training(loop, BATCHES)
    kinds = [step.kind for step in training.recording.steps]
    assert kinds == ["zero_grad", "backward", "optimizer_step"] * 3


def test_without_parameters_only_gradients_are_computed() -> None:
    x = torch.ones(2, requires_grad=True)
    training = record_training(lambda x: x * 3, [(x,)], loss="sum")
    assert [step.kind for step in training.recording.steps] == ["backward"]


def test_it_ends_when_asked_to_and_keeps_the_steps_so_far() -> None:
    asked: list[int] = []

    def go_on(done: int) -> bool:
        asked.append(done)
        return done < 2

    training = record_training(made(), BATCHES, loss="sum", go_on=go_on)
    assert (training.steps, training.ended, asked) == (2, "stopped", [0, 1, 2])
    assert len(gradient_report(training.recording).rounds) == 2


def test_no_step_begins_once_the_recording_is_full() -> None:
    options = inspector.CaptureOptions(max_ops=5)
    training = record_training(made(), BATCHES, loss="sum", options=options)
    assert (training.steps, training.ended) == (1, "full")


def test_an_exception_in_a_step_is_the_failure_of_the_recording() -> None:
    training = record_training(made(), [*BATCHES[:1], (torch.ones(4, 5),)], loss="sum")
    assert (training.steps, training.ended) == (1, "failed")
    assert training.recording.failure is not None
    assert training.recording.failure.type == "RuntimeError"


def test_random_numbers_are_those_of_the_seed_and_the_generator_goes_on_as_before() -> None:
    net = nn.Sequential(nn.Linear(2, 8), nn.Dropout(0.5))
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    seen = []
    for _ in range(2):
        training = record_training(net, BATCHES[:1], loss="sum", learning_rate=0.0, seed=1)
        seen.append(training.recording.tensors[training.recording.ops[1].outputs[0]].summary)
    assert seen[0] == seen[1]
    assert torch.equal(torch.rand(3), expected)


def test_an_unknown_optimizer_is_named_with_those_there_are() -> None:
    with pytest.raises(CaptureError, match=r"'LBFGS'.*SGD or Adam"):
        record_training(made(), BATCHES, loss="sum", optimizer="LBFGS")
