"""Why something is as it is: answers checked on programs whose cause is known by their text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

import inspector
from inspector import who_overwrote, why_no_gradient, why_nonfinite, why_this_shape
from inspector.errors import QuestionError
from inspector.records import Op, Recording
from inspector.why_records import Why
from sample_models.bugs import bugs


def watched(program: Callable[[], Any]) -> Recording:
    with inspector.recording() as session:
        program()
    return session.recording


def op_named(recording: Recording, name: str, place: int = 0) -> Op:
    return [op for op in recording.ops if op.name == name][place]


def cause(recording: Recording, why: Why) -> str | None:
    return None if why.cause is None else recording.ops[why.cause].name


def way(recording: Recording, why: Why) -> list[str]:
    return [recording.ops[step.op].name for step in why.steps if step.op is not None]


# -- why_nonfinite ---------------------------------------------------------------------------------


def test_a_nan_is_followed_up_to_the_op_that_made_the_first_infinity() -> None:
    recording = watched(bugs()[14].buggy)
    root = recording.steps[0].roots[0]
    why = why_nonfinite(recording, root)
    assert cause(recording, why) == "log"
    assert way(recording, why) == ["log", "mul", "sum", "neg", "mean"]
    assert "between 0 and 1" in str(why)
    assert why_nonfinite(recording) == why  # a loss is what is asked about, if nothing is said


def test_the_earliest_of_two_sources_is_told() -> None:
    x = torch.tensor([0.0, 1.0])

    def program() -> None:
        later = torch.log(x)
        earlier = later * 0
        torch.sqrt(x - 2) + earlier

    recording = watched(program)
    why = why_nonfinite(recording, recording.ops[-1].outputs[0])
    assert cause(recording, why) == "log"


def test_an_overflow_and_a_division_by_zero_are_told_in_words() -> None:
    x = torch.tensor([200.0, 0.0])
    recording = watched(lambda: (torch.exp(x), x / x))
    assert "more than the dtype can hold" in str(why_nonfinite(recording, 1))
    assert "divides by 0" in str(why_nonfinite(recording, 2))


def test_a_parameter_made_nan_by_a_step_is_followed_into_the_backward_pass() -> None:
    w = nn.Parameter(torch.zeros(2))

    def program() -> torch.Tensor:
        optimizer = torch.optim.SGD([w], lr=0.1)
        torch.sqrt(w).sum().backward()
        optimizer.step()
        torch.sqrt(w * 1).sum().backward()  # the gradient of sqrt at 0 is infinite: w is -inf
        optimizer.step()
        return (w * 2).sum()

    recording = watched(program)
    why = why_nonfinite(recording, recording.ops[-1].outputs[0])
    assert why.grad_node is not None
    assert recording.grad_nodes[why.grad_node].name == "SqrtBackward0"
    assert cause(recording, why) == "sqrt"


def test_a_gradient_that_is_born_nan_has_the_way_down_to_the_leaf() -> None:
    recording = watched(bugs()[15].buggy)
    leaf = next(node for node in recording.grad_nodes if node.name == "AccumulateGrad")
    why = why_nonfinite(recording, grad_node=leaf.id)
    nodes = [
        recording.grad_nodes[step.grad_node].name
        for step in why.steps
        if step.grad_node is not None
    ]
    assert nodes == ["SqrtBackward0", "ClampBackward1", "AccumulateGrad"]
    assert "0 · ∞ is NaN" in str(why)


def test_a_gradient_that_is_nan_for_a_nan_in_the_forward_is_followed_there() -> None:
    x = torch.tensor([-1.0, 4.0], requires_grad=True)
    recording = watched(lambda: (torch.sqrt(x) * 2).sum().backward())
    leaf = recording.grad_nodes[-1]
    why = why_nonfinite(recording, grad_node=leaf.id)
    assert cause(recording, why) == "sqrt"
    assert "negative" in str(why)


def test_what_is_finite_or_not_there_is_no_question() -> None:
    recording = watched(lambda: torch.ones(2, requires_grad=True).sum().backward())
    with pytest.raises(QuestionError, match="no NaN and no infinity"):
        why_nonfinite(recording, 0)
    with pytest.raises(QuestionError, match="no tensor 99"):
        why_nonfinite(recording, 99)
    with pytest.raises(QuestionError, match="no autograd node 99"):
        why_nonfinite(recording, grad_node=99)
    with pytest.raises(QuestionError, match="are finite"):
        why_nonfinite(recording, grad_node=0)
    with pytest.raises(QuestionError, match="No recorded value"):
        why_nonfinite(recording)


def test_a_long_way_is_told_by_its_ends() -> None:
    def program() -> None:
        x = torch.log(torch.zeros(1))
        for _ in range(200):
            x = x + 1

    recording = watched(program)
    why = why_nonfinite(recording, recording.ops[-1].outputs[0])
    assert len(why.steps) == 40
    assert why.steps[0].op == why.cause
    assert why.steps[-1].op == recording.ops[-1].id
    assert "200 ops handed it on" in str(why)


# -- why_no_gradient -------------------------------------------------------------------------------


def leaf() -> torch.Tensor:
    return torch.ones(3, requires_grad=True)


def no_grad(x: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return x.exp()


@pytest.mark.parametrize(
    ("cut", "name", "word"),
    [
        (lambda x: (x * 2).detach(), "detach", "without their history"),
        (lambda x: (x * 2).data, "data", "without their history"),
        (no_grad, "exp", "switched off"),
        (lambda x: x.argmax().float(), "argmax", "int64, which has no derivative"),
        (lambda x: (x > 0).float(), "gt", "bool, which has no derivative"),
        (lambda x: torch.tensor(x.sum().item()), "item", "Python number"),
    ],
)
def test_the_boundary_is_the_op_that_cuts(
    cut: Callable[[torch.Tensor], torch.Tensor], name: str, word: str
) -> None:
    x, w = leaf(), leaf()
    recording = watched(lambda: (cut(x) * w).sum().backward())
    tensor = next(t for op in recording.ops for t in op.inputs if recording.tensors[t].is_leaf)
    why = why_no_gradient(recording, tensor)
    assert cause(recording, why) == name
    assert word in str(why)
    assert why.source is not None
    assert why.help


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.used, self.idle = nn.Linear(2, 2), nn.Linear(2, 2)
        self.frozen = nn.Linear(2, 2).requires_grad_(False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.frozen(self.used(x))


def test_parameters_that_are_frozen_or_not_used_and_those_that_did_get_a_gradient() -> None:
    recording = inspector.record(Net(), torch.ones(1, 2), loss="sum")
    assert "frozen" in str(why_no_gradient(recording, "frozen.weight"))
    assert "not used" in str(why_no_gradient(recording, "idle.weight"))
    assert "did get a gradient, in 1 backward pass" in str(
        why_no_gradient(recording, "used.weight")
    )
    with pytest.raises(QuestionError, match=r"no parameter 'missing\.weight'"):
        why_no_gradient(recording, "missing.weight")


def test_without_a_backward_pass_that_is_the_reason() -> None:
    recording = inspector.record(Net(), torch.ones(1, 2))
    assert "no backward pass" in str(why_no_gradient(recording, "used.weight"))


def test_a_result_that_is_no_part_of_the_loss_is_told() -> None:
    x, w = leaf(), leaf()

    def program() -> None:
        x.exp()
        w.sum().backward()

    recording = watched(program)
    why = why_no_gradient(recording, 0)
    assert "no loss was computed" in str(why)
    assert cause(recording, why) == "exp"


def test_whole_numbers_have_no_gradient() -> None:
    x, w = torch.tensor([1, 2]), leaf()
    recording = watched(lambda: (w[x] * 1).sum().backward())
    index = next(t.id for t in recording.tensors.values() if t.dtype == "int64")
    assert "only floating-point" in str(why_no_gradient(recording, index))


def test_zeros_are_followed_to_the_relu_that_made_them() -> None:
    recording = watched(bugs()[22].buggy)
    why = why_no_gradient(recording, "Net.hidden.weight")
    assert cause(recording, why) == "relu"
    assert "gradient of zeros" in str(why)


def test_a_hook_that_returned_zeros_is_told_as_such() -> None:
    x = leaf()

    def program() -> None:
        h = x * 2
        h.register_hook(torch.zeros_like)
        h.exp().sum().backward()

    recording = watched(program)
    why = why_no_gradient(recording, 0)
    assert "a hook then returned zeros" in str(why)
    assert cause(recording, why) == "exp"


def test_gradients_asked_for_by_name_leave_the_others_out() -> None:
    x, w = leaf(), leaf()
    recording = watched(lambda: torch.autograd.grad((x * w).sum(), [x]))
    second = recording.ops[0].inputs[1]
    assert "sent nothing on" in str(why_no_gradient(recording, second))


# -- who_overwrote ---------------------------------------------------------------------------------


def test_the_write_after_the_value_was_saved_is_the_cause() -> None:
    x = leaf()

    def program() -> None:
        h = torch.relu(x)
        view = h[:2]
        view.data.add_(1)
        h.sum().backward()

    recording = watched(program)
    why = who_overwrote(recording, op_named(recording, "relu").outputs[0])
    assert cause(recording, why) == "add_"
    assert "through .data" in str(why)
    assert "relu" in why.sentences[1]
    assert "version counter did not move" in str(why)
    assert way(recording, why) == ["relu", "relu", "add_"]


def test_a_write_that_raised_names_who_had_kept_the_value() -> None:
    def program(x: torch.Tensor) -> torch.Tensor:
        h = torch.sigmoid(x)
        h += 1
        return h

    recording = inspector.record(program, leaf(), loss="sum")
    assert recording.failure is not None
    why = who_overwrote(recording, op_named(recording, "sigmoid").outputs[0])
    assert cause(recording, why) == "add_"
    assert "sigmoid" in why.sentences[1]
    assert "version counter" not in str(why)


def test_a_value_that_nobody_wrote_into_has_no_cause() -> None:
    recording = watched(lambda: torch.ones(2).exp())
    why = who_overwrote(recording, 0)
    assert why.cause is None
    assert "Nobody wrote" in str(why)
    with pytest.raises(QuestionError):
        who_overwrote(recording, 7)


# -- why_this_shape --------------------------------------------------------------------------------


def test_a_flattened_size_is_followed_to_the_picture_it_came_from() -> None:
    net = nn.Sequential(nn.Conv2d(3, 32, 3), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(6272, 10))
    recording = inspector.record(net, torch.ones(2, 3, 32, 32))
    assert recording.failure is not None
    why = why_this_shape(recording, recording.failure.inputs[0], 1)
    assert cause(recording, why) == "flatten"
    assert "32 · 15 · 15 = 7200" in str(why)
    assert [step.phrase for step in why.steps] == [
        "conv2d gives 32: its weight is (32, 3, 3, 3)",
        "conv2d makes 30 of 32",
        "max_pool2d keeps it at 32",
        "max_pool2d makes 15 of 30",
        "flatten gives 7200: 32 · 15 · 15 = 7200",
    ]


A = torch.zeros(2, 3, 5)


@pytest.mark.parametrize(
    ("make", "dim", "begins"),
    [
        (lambda x: x.transpose(1, 2).permute(2, 0, 1), 0, 1),
        (lambda x: x.T if x.dim() == 2 else x.mT, 1, 2),
        (lambda x: x.unsqueeze(0).squeeze(0).sum(0), 1, 2),
        (lambda x: x.reshape(6, 5), 1, 2),
        (lambda x: x[:, None, 0], 2, 2),
        (lambda x: x[..., 0], 1, 1),
        (lambda x: x.expand(4, 2, 3, 5), 2, 1),
        (lambda x: torch.cat([x, x], 0), 1, 1),
        (lambda x: torch.stack([x, x], 1), 3, 2),
        (lambda x: x.sum(1, keepdim=True) + x, 1, 1),
        (lambda x: x @ x.mT, 2, 1),
        (lambda x: x.max(1).values, 1, 2),
        (lambda x: torch.softmax(x, -1).contiguous(), 2, 2),
    ],
)
def test_a_dimension_is_followed_through_the_ops_that_move_it(
    make: Callable[[torch.Tensor], torch.Tensor], dim: int, begins: int
) -> None:
    recording = inspector.record(make, A)
    why = why_this_shape(recording, recording.output[0], dim)
    assert f"dimension {begins} of" in str(why)
    assert "[2, 3, 5]" in str(why)


@pytest.mark.parametrize(
    ("make", "dim", "name", "words"),
    [
        (lambda x: torch.cat([x, x[:, :1]], 1), 1, "cat", "3 + 1"),
        (lambda x: x.reshape(6, 5), 0, "reshape", "2 · 3 = 6"),
        (lambda x: x.unflatten(2, (5, 1)).reshape(2, 15), 1, "reshape", "3 · 5 = 15"),
        (lambda x: x[:, :, :4], 2, "getitem", "makes 4 of 5"),
        (lambda x: nn.functional.linear(x, torch.ones(7, 5)), 2, "linear", "its weight is (7, 5)"),
        (lambda x: torch.ones(7, 1) * x[0, 0], 0, "ones", "ones makes"),
        (lambda x: nn.functional.pad(x, (1, 1)), 2, "pad", "makes 7 of 5"),
    ],
)
def test_the_op_that_changed_the_size_is_the_cause(
    make: Callable[[torch.Tensor], torch.Tensor], dim: int, name: str, words: str
) -> None:
    recording = inspector.record(make, A)
    why = why_this_shape(recording, recording.output[0], dim)
    assert cause(recording, why) == name
    assert words in str(why)


def test_a_dimension_that_is_not_there_is_no_question() -> None:
    recording = inspector.record(torch.sum, A)
    with pytest.raises(QuestionError, match="no dimensions"):
        why_this_shape(recording, recording.output[0], 0)
    with pytest.raises(QuestionError, match="dimensions 0 to 2, not 3"):
        why_this_shape(recording, recording.inputs[0], 3)
