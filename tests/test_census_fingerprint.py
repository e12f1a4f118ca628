"""`fingerprint`: equal for equal structure, different for any other, on any machine."""

from __future__ import annotations

import pickle
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import census_models
import pytest
import torch
import torch.nn.functional as F
from census_models import Halving, TwoWays
from torch import Tensor, nn

import inspector
import sample_models
from inspector import CaptureOptions, Recording, compare, fingerprint, load, record
from inspector.census.fingerprint import short_name

ROOT = Path(__file__).resolve().parents[1]


def of(model: object, *args: object, **options: object) -> str:
    return fingerprint(record(model, *args, options=CaptureOptions(**options)))  # type: ignore[arg-type]


# -- equal ---------------------------------------------------------------------------------------


def test_values_shapes_and_dtypes_do_not_count() -> None:
    net = TwoWays()
    once = of(net, torch.ones(1, 4))
    assert once == of(net, torch.rand(7, 4) + 1)
    assert once == of(net.double(), torch.ones(1, 4, dtype=torch.float64))
    assert len(once) == 32


def test_what_a_recording_keeps_beside_the_ops_does_not_count() -> None:
    x = torch.ones(1, 4)
    plain = of(TwoWays(), x, values="none", lines=False, backward=False)
    assert plain == of(TwoWays(), x, values="full", kernels=True)
    with_loss = record(TwoWays(), x, loss="sum")
    assert fingerprint(with_loss) != plain  # one op more: the sum


def test_the_numbers_of_tensors_do_not_count() -> None:
    recording = record(TwoWays(), torch.ones(1, 4))
    moved = _renumbered(recording, 1000)
    assert moved.ops[0].inputs != recording.ops[0].inputs
    assert fingerprint(moved) == fingerprint(recording)


def _renumbered(recording: Recording, by: int) -> Recording:
    def moved(ids: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(by - i for i in ids)

    ops = tuple(
        replace(op, inputs=moved(op.inputs), outputs=moved(op.outputs)) for op in recording.ops
    )
    return replace(
        recording,
        ops=ops,
        tensors={by - i: replace(info, id=by - i) for i, info in recording.tensors.items()},
        inputs=moved(recording.inputs),
        output=moved(recording.output),
    )


def test_a_saved_and_a_pickled_recording_have_the_same(tmp_path: Path) -> None:
    recording = record(Halving(), torch.tensor([8.0]))
    recording.save(tmp_path / "run.inspect")
    assert fingerprint(load(tmp_path / "run.inspect")) == fingerprint(recording)
    assert fingerprint(pickle.loads(pickle.dumps(recording))) == fingerprint(recording)


def test_another_process_and_another_folder_give_the_same(tmp_path: Path) -> None:
    shutil.copy(census_models.__file__, tmp_path)
    text = (
        f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(ROOT)!r}]\n"
        "import torch, inspector, census_models\n"
        f"assert census_models.__file__.startswith({str(tmp_path)!r})\n"
        "run = inspector.record(census_models.TwoWays(), -torch.ones(3, 4))\n"
        "print(inspector.fingerprint(run))\n"
    )
    command = [sys.executable, "-W", "ignore", "-c", text]
    told = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    assert told.stdout.strip() == of(TwoWays(), -torch.ones(3, 4))


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("/home/a/project/net.py", "net.py"),
        ("C:\\work\\net.py", "net.py"),
        (
            "/v/lib/python3.11/site-packages/torch/nn/modules/linear.py",
            "torch/nn/modules/linear.py",
        ),
        ("/usr/lib/python3/dist-packages/x/__init__.py", "x/__init__.py"),
        ("/home/a/pack/__init__.py", "pack/__init__.py"),
        ("<stdin>", "<stdin>"),
        ("", ""),
    ],
)
def test_files_count_by_a_name_that_is_the_same_everywhere(file: str, name: str) -> None:
    assert short_name(file) == name


# -- different -----------------------------------------------------------------------------------


def test_branches_and_trips_count() -> None:
    assert of(TwoWays(), torch.ones(1, 4)) != of(TwoWays(), -torch.ones(1, 4))
    assert of(Halving(), torch.tensor([8.0])) != of(Halving(), torch.tensor([32.0]))


def crossed(x: Tensor, y: Tensor, swap: bool) -> Tensor:
    a, b = (y, x) if swap else (x, y)
    return a - b


def test_which_tensor_goes_where_counts() -> None:
    x, y = torch.ones(2), torch.zeros(2)
    assert of(crossed, x, y, False) != of(crossed, x, y, True)
    assert of(crossed, x, y, False) != of(crossed, x, x, False)


def one_of_two(x: Tensor, first: bool) -> Tensor:
    a, b = x.sin(), x.cos()
    return a if first else b


def test_which_result_is_returned_counts() -> None:
    assert of(one_of_two, torch.ones(1), True) != of(one_of_two, torch.ones(1), False)


class Tables(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weights = nn.ParameterList(nn.Parameter(torch.ones(2, 2)) for _ in range(2))

    def forward(self, x: Tensor, number: int) -> Tensor:
        return F.linear(x, self.weights[number])


def test_which_parameter_is_used_counts() -> None:
    assert of(Tables(), torch.ones(1, 2), 0) != of(Tables(), torch.ones(1, 2), 1)


class Chosen(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.experts = nn.ModuleList(nn.Tanh() for _ in range(2))

    def forward(self, x: Tensor, numbers: list[int]) -> Tensor:
        for number in numbers:
            x = self.experts[number](x)
        return x


def test_which_module_is_called_counts_and_how_often() -> None:
    x = torch.ones(1)
    marks = {of(Chosen(), x, numbers) for numbers in ([0], [1], [0, 0], [0, 1], [1, 0], [])}
    assert len(marks) == 6


def helper(x: Tensor) -> Tensor:
    return x.sin()


def twice(x: Tensor, upper: bool) -> Tensor:
    if upper:
        return helper(x)
    return helper(x)


def test_the_line_that_called_a_helper_counts() -> None:
    assert of(twice, torch.ones(1), True) != of(twice, torch.ones(1), False)


def failing(x: Tensor, how: int) -> Tensor:
    y = x.sin()
    if how == 1:
        raise ValueError("one")
    if how == 2:
        raise KeyError("two")
    return y


def test_a_failed_run_differs_by_type_and_place_and_not_by_message() -> None:
    x = torch.ones(1)
    assert len({of(failing, x, how) for how in range(3)}) == 3
    net = TwoWays()
    assert of(net, torch.ones(1, 5)) == of(net, torch.ones(1, 6))
    assert of(net, torch.ones(1, 5)) != of(net, torch.ones(1, 4))


def test_two_runs_of_a_sample_are_equal_exactly_if_a_comparison_finds_the_same_ops() -> None:
    pairs = 0
    for sample in sample_models.catalog().values():
        runs = [inspector.record(sample.build(), *i.make()) for i in sample.inputs.values()]
        for a in runs:
            for b in runs:
                found = compare(a, b)
                same_ops = not found.only_a and not found.only_b
                assert (fingerprint(a) == fingerprint(b)) == same_ops, sample.name
                pairs += 1
    assert pairs > 80


def test_nothing_at_all_and_odd_names_have_one_too() -> None:
    assert fingerprint(Recording(ops=(), tensors={})) == fingerprint(Recording((), {}))
    odd = record(lambda x: x + 1, torch.ones(1))
    source = odd.ops[0].source
    assert source is not None
    named = replace(source, file="dir/\ud800é.py")
    assert len(fingerprint(replace(odd, ops=(replace(odd.ops[0], stack=(named,)),)))) == 32
