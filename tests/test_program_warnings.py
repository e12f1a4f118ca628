"""Warnings of the program: recorded with their line, and shown as they are without us."""

from __future__ import annotations

import inspect
import sys
import warnings
from pathlib import Path

import pytest
import torch
from torch import nn

import inspector
from inspector.records import Recording

_GRAD = "The .grad attribute of a Tensor that is not a leaf"


def read_grad(x: torch.Tensor) -> None:
    (x * 2).grad  # noqa: B018


LINE = inspect.getsourcelines(read_grad)[1] + 1


def watched(program, action="default", times=1):
    """The recording, and what Python showed: (category, start of the text, file, line)."""
    globals().pop("__warningregistry__", None)
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter(action)
        with inspector.recording() as session:
            for _ in range(times):
                program(torch.ones(2, requires_grad=True))
    told = [(w.category, str(w.message)[:20], Path(w.filename).name, w.lineno) for w in shown]
    return session.recording, told


def alone(program, action="default", times=1):
    globals().pop("__warningregistry__", None)
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter(action)
        for _ in range(times):
            program(torch.ones(2, requires_grad=True))
    return [(w.category, str(w.message)[:20], Path(w.filename).name, w.lineno) for w in shown]


def test_a_warning_of_a_torch_call_has_the_users_line_and_the_tensor() -> None:
    recording, _ = watched(read_grad)
    (warning,) = recording.warnings
    assert warning.category == "UserWarning"
    assert warning.message.startswith(_GRAD)
    assert warning.source is not None
    assert (Path(warning.source.file).name, warning.source.line) == (Path(__file__).name, LINE)
    assert warning.tensor is not None
    assert recording.ops[recording.tensors[warning.tensor].producer or 0].name == "mul"
    assert warning.before_op == 2  # ones, mul


@pytest.mark.parametrize("action", ["default", "always", "once", "module", "ignore"])
def test_a_recorded_warning_is_shown_where_and_as_often_as_without_us(action: str) -> None:
    _, shown = watched(read_grad, action, times=3)
    assert shown == alone(read_grad, action, times=3)


def test_a_broadcasting_loss_warns_at_its_caller() -> None:
    def program(x: torch.Tensor) -> None:
        nn.functional.mse_loss(x, torch.ones(1, 2))

    recording, shown = watched(program)
    assert shown == alone(program)
    (warning,) = recording.warnings
    assert warning.message.startswith("Using a target size")
    assert warning.tensor is not None
    assert recording.tensors[warning.tensor].shape == (2,)


def test_a_warning_of_a_hook_is_shown_at_its_backward_pass() -> None:
    def program(x: torch.Tensor) -> None:
        net = nn.Linear(2, 1)
        net.register_full_backward_hook(lambda module, inputs, outputs: None)
        net(x.detach()).sum().backward()  # stacklevel=5: through the engine

    recording, shown = watched(program, times=2)
    assert shown == alone(program, times=2)
    assert len(shown) == 1
    assert recording.warnings[0].message.startswith("Full backward hook")


def test_a_warning_shown_once_is_not_shown_again_at_the_next_new_function() -> None:
    functions = [torch.exp, torch.sin, torch.Tensor.t]

    def program(x: torch.Tensor) -> None:
        warnings.warn("mind the step", stacklevel=1)
        if functions.pop()(x).requires_grad:  # what is read is looked for in the source
            pass

    _, shown = watched(program, times=3)
    assert len(shown) == 1


def test_a_warning_of_the_programs_own_is_recorded_once_per_place() -> None:
    def program(x: torch.Tensor) -> None:
        warnings.warn("mind the step", UserWarning, stacklevel=1)

    recording, shown = watched(program, "always", times=3)
    assert len(shown) == 3
    assert [one.message for one in recording.warnings] == ["mind the step"]
    assert recording.warnings[0].tensor is None


def test_a_warning_made_an_error_ends_the_run_as_without_us() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UserWarning, match="not a leaf"), inspector.recording() as session:
            read_grad(torch.ones(2, requires_grad=True))
    assert session.recording.failure is not None
    assert session.recording.failure.type == "UserWarning"


def test_a_filter_for_one_module_still_decides() -> None:
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        warnings.filterwarnings("ignore", module=__name__.replace(".", r"\."))
        with inspector.recording():
            read_grad(torch.ones(2, requires_grad=True))
    assert shown == []


def test_what_shows_warnings_is_pythons_own_again_afterwards() -> None:
    before = warnings._showwarnmsg  # type: ignore[attr-defined]
    with inspector.recording():
        assert warnings._showwarnmsg is not before  # type: ignore[attr-defined]
    assert warnings._showwarnmsg is before  # type: ignore[attr-defined]
    with pytest.raises(ZeroDivisionError), inspector.recording():
        raise ZeroDivisionError
    assert warnings._showwarnmsg is before  # type: ignore[attr-defined]


def test_warnings_are_kept_in_the_file(tmp_path: Path) -> None:
    recording, _ = watched(read_grad)
    recording.save(tmp_path / "run.inspect")
    assert inspector.load(tmp_path / "run.inspect").warnings == recording.warnings


def test_no_frame_of_the_program_is_kept_alive() -> None:
    def program(x: torch.Tensor) -> None:
        seen.append(sys.getrefcount(x))
        x.exp().grad  # noqa: B018
        seen.append(sys.getrefcount(x))

    seen: list[int] = []
    recording, _ = watched(program)
    assert isinstance(recording, Recording)
    assert seen[0] == seen[1]
