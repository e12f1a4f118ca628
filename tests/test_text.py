"""`to_text` of every sample and input, against goldens read by eye beside the sample's source.

    RENEW_GOLDENS=1 python -m pytest tests/test_text.py

writes them anew; look at the difference before you keep it.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

import inspector
import sample_models

GOLDENS = Path(__file__).parent / "goldens"
CASES = [(sample, name) for sample in sample_models.catalog().values() for name in sample.inputs]


def _text(sample: sample_models.Sample, name: str) -> str:
    torch.manual_seed(0)
    recursive = torch.jit._recursive
    with pytest.MonkeyPatch.context() as patch:
        # TorchScript compiles a class once and optimises it as it runs: each text has its own.
        patch.setattr(recursive, "concrete_type_store", recursive.ConcreteTypeStore())
        model, args = sample.build(), sample.inputs[name].make()
        return inspector.record(model, *args, loss=sample.loss).to_text()


def _golden(sample: sample_models.Sample, name: str) -> Path:
    return GOLDENS / f"{sample.name}-{name.replace(' ', '_')}.txt"


@pytest.mark.parametrize(("sample", "name"), CASES, ids=[f"{s.name}-{n}" for s, n in CASES])
def test_the_text_of_a_sample_is_its_golden(sample: sample_models.Sample, name: str) -> None:
    path, text = _golden(sample, name), _text(sample, name)
    if os.environ.get("RENEW_GOLDENS"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def test_there_is_no_golden_without_a_sample() -> None:
    expected = {_golden(sample, name).name for sample, name in CASES}
    assert {path.name for path in GOLDENS.iterdir()} == expected


def test_the_text_holds_nothing_that_changes_from_run_to_run() -> None:
    for sample, name in CASES[1::5]:
        assert _text(sample, name) == _text(sample, name)


def test_a_small_program_reads_as_expected() -> None:
    weight = torch.ones(2, requires_grad=True)

    def program(x: torch.Tensor) -> torch.Tensor:
        y = x * weight
        if y.sum() > 1:
            y[0] = 0.0
        return y

    first = program.__code__.co_firstlineno
    recording = inspector.record(program, torch.ones(2), loss="sum")
    assert recording.to_text().splitlines() == [
        "recording of program",
        "  input %0 float32[2]",
        "  output %5 float32[2]",
        f"  [0] mul(%0, %1) -> %2 float32[2]  test_text.py:{first + 1}",
        f"  [1] sum(%2) -> %3 float32[]  test_text.py:{first + 2}",
        f"  [2] gt(%3, 1) -> %4 bool[]  test_text.py:{first + 2}",
        f"  [3] bool(%4) -> True  test_text.py:{first + 2}",
        f"  [4] setitem(%2, 0, 0.0) -> %5 float32[2] overwrites %2  test_text.py:{first + 3}",
        "  [5] sum(%5) -> %6 float32[]",
        "-- backward",
        "backward pass 0",
        "  (0) SumBackward0 of [5] -> 1",
        "  (1) CopySlices of [4] -> 2",
        "  (2) MulBackward0 of [0] -> 3",
        "  (3) AccumulateGrad a leaf",
    ]


def test_a_failure_ends_the_text_with_its_op_and_line() -> None:
    def program(x: torch.Tensor) -> torch.Tensor:
        return x @ torch.ones(3)

    line = program.__code__.co_firstlineno + 1
    last = inspector.record(program, torch.ones(2)).to_text().splitlines()[-1]
    assert last.startswith("failed at [1]: RuntimeError: inconsistent tensor size")
    assert last.endswith(f"test_text.py:{line}")
