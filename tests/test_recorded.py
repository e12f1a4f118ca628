"""The decorator `inspector.recorded`: chosen calls of a function, in files.

Oracles: what the function's text says.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import inspector
from inspector.capture.session import running_session
from inspector.errors import CaptureError


def test_the_first_call_of_a_function_is_recorded(tmp_path: Path) -> None:
    @inspector.recorded(tmp_path / "call.inspect")
    def double(x: torch.Tensor, /, times: int = 2) -> torch.Tensor:
        """Doubles."""
        return x * times

    assert [double(torch.ones(1), times=n).item() for n in (2, 3)] == [2.0, 3.0]
    recording = inspector.load(tmp_path / "call.inspect")
    assert [(op.name, op.arguments) for op in recording.ops] == [("mul", "%0, 2")]
    assert double.__doc__ == "Doubles."


def test_chosen_calls_have_a_file_each(tmp_path: Path) -> None:
    @inspector.recorded(tmp_path / "call-{step}.inspect", calls=[1, 3])
    def grow(n: int) -> torch.Tensor:
        return torch.ones(n)

    for n in range(5):
        grow(n)
    shapes = {
        path.name: [tensor.shape for tensor in inspector.load(path).tensors.values()]
        for path in tmp_path.iterdir()
    }
    assert shapes == {"call-1.inspect": [(1,)], "call-3.inspect": [(3,)]}


def test_calls_that_follow_each_other_share_a_file_with_what_is_between(tmp_path: Path) -> None:
    @inspector.recorded(tmp_path / "calls.inspect", calls=range(2))
    def one() -> torch.Tensor:
        return torch.ones(1)

    for _ in range(3):
        torch.relu(one())
    names = [op.name for op in inspector.load(tmp_path / "calls.inspect").ops]
    assert names == ["ones", "relu", "ones"]


def test_a_call_that_raises_is_recorded_with_its_failure(tmp_path: Path) -> None:
    @inspector.recorded(tmp_path / "call.inspect", calls=range(5))
    def fail() -> None:
        torch.ones(2) @ torch.ones(3)

    with pytest.raises(RuntimeError, match="inconsistent tensor size"):
        fail()
    failure = inspector.load(tmp_path / "call.inspect").failure
    assert failure is not None
    assert failure.type == "RuntimeError"
    assert running_session() is None


@pytest.mark.parametrize(
    ("calls", "name", "said"),
    [
        ([], "a.inspect", "must be numbers"),
        ([-1], "a.inspect", "must be numbers"),
        ([0, 2], "a.inspect", "do not follow each other"),
        ([0], "none/a.inspect", "no such folder"),
    ],
)
def test_what_cannot_be_recorded_is_told_before_anything_runs(
    calls: list[int], name: str, said: str, tmp_path: Path
) -> None:
    with pytest.raises(CaptureError, match=said):
        inspector.recorded(tmp_path / name, calls=calls)


def test_generators_and_coroutines_are_refused(tmp_path: Path) -> None:
    def rows() -> Any:
        yield 1

    async def later() -> None: ...

    for function in (rows, later):
        with pytest.raises(CaptureError, match="runs nothing yet"):
            inspector.recorded(tmp_path / "a.inspect")(function)


def test_a_disk_that_is_full_does_not_end_the_program(tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()

    @inspector.recorded(folder / "a.inspect")
    def one() -> int:
        return 1

    folder.rmdir()
    with pytest.warns(UserWarning, match="cannot be written"):
        assert one() == 1
