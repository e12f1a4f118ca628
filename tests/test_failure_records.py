"""What a recording knows of a run that failed, beside the exception: where backward came from,
the autograd node it stopped at and what that node had kept.
"""

from __future__ import annotations

import runpy
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

import inspector
from inspector.records import Recording


def failing(program: Callable[[], object]) -> Recording:
    with pytest.raises(Exception), inspector.recording() as session:  # noqa: B017, PT011
        program()
    return session.recording


def made_by(recording: Recording, tensors: tuple[int, ...]) -> list[str]:
    """Names of the ops that made tensors; a parameter's own name."""
    found = []
    for number in tensors:
        info = recording.tensors[number]
        found.append(info.name or recording.ops[info.producer or 0].name)
    return found


def test_a_backward_pass_knows_the_tensors_that_it_started_from() -> None:
    with inspector.recording() as session:
        x = torch.ones(2, requires_grad=True)
        a, b = x.exp(), x.sin()
        torch.autograd.backward((a.sum(), b), (None, torch.ones(2)))
        torch.autograd.grad(x.cos().mean(), x)
    first, second = session.recording.steps
    assert made_by(session.recording, first.roots) == ["sum", "sin"]
    assert made_by(session.recording, second.roots) == ["mean"]


def test_an_exception_that_cannot_say_what_it_is_reaches_the_program_all_the_same() -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError("its own mistake")

    def program() -> None:
        torch.ones(2)
        raise Mute

    with pytest.raises(Mute), inspector.recording() as session:
        program()
    failure = session.recording.failure
    assert failure is not None
    assert failure.message == failure.type
    assert failure.type.endswith("Mute")


def test_a_failed_node_is_named_with_what_it_had_kept() -> None:
    def program() -> None:
        net = nn.Linear(2, 3)
        h = torch.sigmoid(net(torch.ones(1, 2)))
        h.mul_(2)
        h.sum().backward()

    recording = failing(program)
    failure = recording.failure
    assert failure is not None
    assert failure.node == "SigmoidBackward0"
    assert failure.pass_index == 0
    assert failure.op is not None
    assert recording.ops[failure.op].name == "sigmoid"
    assert made_by(recording, failure.saved) == ["sigmoid"]
    assert made_by(recording, failure.roots) == ["sum"]


def test_a_weight_that_a_failed_node_had_kept_is_known_by_its_name() -> None:
    def program() -> None:
        net = nn.Linear(2, 3)
        y = net(torch.ones(1, 2, requires_grad=True))
        with torch.no_grad():
            net.weight.mul_(2)
        y.sum().backward()

    recording = failing(program)
    assert recording.failure is not None
    assert "Linear.weight" in made_by(recording, recording.failure.saved)


def test_freed_tensors_are_not_told_as_kept() -> None:
    def program() -> None:
        loss = torch.ones(2, requires_grad=True).exp().sum()
        loss.backward()
        loss.backward()

    recording = failing(program)
    assert recording.failure is not None
    assert (recording.failure.node, recording.failure.saved) == ("ExpBackward0", ())
    assert recording.failure.pass_index == 1


@pytest.mark.parametrize(
    "backward",
    [
        lambda y: y.backward(),
        lambda y: torch.autograd.backward(y),
        lambda y: torch.autograd.grad(y, y),
        lambda y: torch.autograd.backward([y.sum(), y]),
    ],
)
def test_what_backward_refused_is_known(backward: Callable[[torch.Tensor], object]) -> None:
    recording = failing(lambda: backward(torch.ones(2, requires_grad=True).exp()))
    assert recording.failure is not None
    assert made_by(recording, recording.failure.roots)[-1] == "exp"
    assert recording.failure.op is None


def test_an_op_that_fails_in_the_forward_has_no_node() -> None:
    recording = failing(lambda: torch.ones(2) @ torch.ones(3))
    failure = recording.failure
    assert failure is not None
    assert (failure.node, failure.pass_index, failure.saved, failure.roots) == (None, None, (), ())


def test_an_op_that_fails_in_a_custom_backward_is_the_op_and_no_node() -> None:
    class Wrong(torch.autograd.Function):
        @staticmethod
        def forward(ctx: object, x: torch.Tensor) -> torch.Tensor:
            return x * 2

        @staticmethod
        def backward(ctx: object, gradient: torch.Tensor) -> torch.Tensor:
            return gradient @ torch.ones(7)

    recording = failing(lambda: Wrong.apply(torch.ones(3, requires_grad=True)).sum().backward())
    failure = recording.failure
    assert failure is not None
    assert failure.op is not None
    assert recording.ops[failure.op].name == "matmul"
    assert recording.ops[failure.op].phase == "backward"
    assert failure.node is None
    assert made_by(recording, failure.roots) == ["sum"]


def test_a_view_that_torch_refuses_to_speak_of_does_not_end_the_recording() -> None:
    """`nn.Embedding(padding_idx=…)` writes into such a view when it is made."""
    with inspector.recording() as session:
        nn.Embedding(5, 2, padding_idx=1)(torch.tensor([0, 1]))
    assert session.recording.notes == ()
    assert [op.name for op in session.recording.ops][-1] == "embedding"


def test_a_run_that_recurses_without_end_is_still_recorded() -> None:
    def deeper(x: torch.Tensor) -> torch.Tensor:
        return deeper(x + 1)

    recording = failing(lambda: deeper(torch.ones(1)))
    assert recording.failure is not None
    assert recording.failure.type == "RecursionError"
    assert len(recording.ops) > 100


def ends_with(code: int) -> Recording:
    def program() -> None:
        try:
            torch.ones(2, 3) @ torch.ones(2, 3)
        except RuntimeError:
            sys.exit(code)

    with pytest.raises(SystemExit), inspector.recording() as session:
        program()
    return session.recording


def test_a_program_that_catches_its_error_and_ends_with_a_code_has_failed_there() -> None:
    recording = ends_with(1)
    assert recording.failure is not None
    assert recording.failure.type == "RuntimeError"
    assert recording.ops[recording.failure.op or 0].name == "matmul"
    assert recording.failure.op is not None
    assert recording.meta["exit_code"] == "1"


def test_a_program_that_ends_well_after_an_error_has_not_failed() -> None:
    assert ends_with(0).failure is None


def test_a_syntax_error_is_told_at_the_line_that_is_wrong(tmp_path: Path) -> None:
    module = tmp_path / "broken_module.py"
    module.write_text("x = 1\ndef (:\n")
    with pytest.raises(SyntaxError), inspector.recording() as session:
        runpy.run_path(str(module))
    failure = session.recording.failure
    assert failure is not None
    assert failure.source is not None
    assert (Path(failure.source.file).name, failure.source.line) == ("broken_module.py", 2)
