"""Summaries of many tensors together are those of each alone."""

from __future__ import annotations

import math

import numpy
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from inspector.capture import batches
from inspector.capture.batches import Batch, Summaries
from inspector.capture.summary import summarise_array
from inspector.records import TensorSummary

FLOATS = st.floats(width=32) | st.sampled_from([0.0, -0.0, math.nan, math.inf, 1e-42, 3e38])


def same(one: TensorSummary, other: TensorSummary) -> bool:
    exact = ("numel", "min", "max", "nan_count", "inf_count", "zero_fraction")
    if any(getattr(one, name) != getattr(other, name) for name in exact):
        return False
    if repr(one.sample) != repr(other.sample) or sum(one.histogram) != sum(other.histogram):
        return False
    pairs = [(one.mean, other.mean), (one.std, other.std)]
    scale = max(abs(one.min or 0.0), abs(one.max or 0.0))
    return all(
        left == right
        or (left is not None and right is not None and abs(left - right) <= 1e-6 * scale)
        for left, right in pairs
    )


@given(st.lists(st.lists(FLOATS, min_size=1, max_size=12), min_size=1, max_size=5))
def test_arrays_of_any_length_summarised_together_are_as_each_alone(
    arrays: list[list[float]],
) -> None:
    rows = [numpy.array(row, dtype=numpy.float32) for row in arrays]
    together = Batch(numpy.concatenate(rows), tuple(map(len, rows))).summaries()
    for row, summary in zip(rows, together, strict=True):
        assert same(summary, summarise_array(row)), (row, summary, summarise_array(row))


@pytest.mark.parametrize(
    "dtype",
    [
        torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int8, torch.int64,
        torch.uint8, torch.bool, torch.complex64,
    ],
)  # fmt: skip
@pytest.mark.parametrize("size", [1, 7, 1_024, 1_025, 10_000, 70_001])
def test_statistics_are_torchs_own(dtype: torch.dtype, size: int) -> None:
    tensor = (torch.randn(size, generator=torch.Generator().manual_seed(size)) * 3).to(dtype)
    summaries = Summaries()
    number = summaries.add(tensor)
    summary = summaries.finish()[number]
    assert summary is not None
    numbers = (tensor.abs() if dtype.is_complex else tensor).double()
    assert summary.numel == size
    assert summary.min == numbers.min().item()
    assert summary.max == numbers.max().item()
    assert summary.mean == pytest.approx(numbers.mean().item(), rel=1e-5, abs=1e-5)
    expected = numbers.std(correction=0).item()
    assert summary.std == pytest.approx(expected, rel=1e-5, abs=1e-7)
    assert summary.zero_fraction == (numbers == 0).double().mean().item()
    assert summary.sample == tuple(numbers[:8].tolist())


def test_a_mean_far_from_zero_costs_the_deviation_no_digits() -> None:
    tensor = 10_000 + torch.randn(20_000, generator=torch.Generator().manual_seed(0))
    summaries = Summaries()
    number = summaries.add(tensor)
    summary = summaries.finish()[number]
    assert summary is not None
    assert summary.std == pytest.approx(tensor.double().std(correction=0).item(), rel=1e-5)


def test_what_is_read_is_the_moment_not_the_end() -> None:
    summaries = Summaries()
    tensor = torch.ones(3)
    before = summaries.add(tensor)
    tensor.zero_()
    after = summaries.add(tensor)
    found = summaries.finish()
    assert [found[number].max for number in (before, after)] == [1.0, 0.0]  # type: ignore[union-attr]


def test_strided_and_large_tensors_are_read_as_they_look() -> None:
    base = torch.arange(12_000.0).reshape(3_000, 4)
    summaries = Summaries()
    numbers = [summaries.add(base[:5, 1]), summaries.add(base[:, 2]), summaries.add(base.T)]
    found = [summaries.finish()[number] for number in numbers]
    assert [summary and summary.sample[:3] for summary in found] == [
        (1.0, 5.0, 9.0), (2.0, 6.0, 10.0), (0.0, 4.0, 8.0),
    ]  # fmt: skip


@pytest.mark.parametrize("small", [True, False])
def test_a_read_that_fails_leaves_the_other_summaries_whole(
    small: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    summaries = Summaries()
    tensor = torch.ones(3 if small else 3_000)

    def fail(*args: object) -> object:
        raise RecursionError

    with monkeypatch.context() as patch:
        patch.setattr(batches.ctypes, "string_at", fail)
        patch.setattr(batches, "measured", fail)
        with pytest.raises(RecursionError):
            summaries.add(tensor)
    whole = summaries.add(torch.arange(3.0))
    found = summaries.finish()
    assert found[0] is None
    assert found[whole] is not None
    assert found[whole].mean == 1.0


def test_tensors_of_any_length_and_dtype_wait_together_and_keep_their_numbers() -> None:
    sizes = [1, 5, 1_024, 8, 1_025, 9, 5]
    summaries = Summaries()
    numbers = [
        summaries.add(torch.full((size,), size, dtype=dtype))
        for size in sizes
        for dtype in (torch.float32, torch.int64)
    ]
    found = [summaries.finish()[number] for number in numbers]
    assert [(s.numel, s.max, len(s.sample)) for s in found if s is not None] == [
        (size, float(size), min(size, 8)) for size in sizes for _ in range(2)
    ]


def test_a_recording_with_nothing_but_failed_reads_finishes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*args: object) -> object:
        raise MemoryError

    summaries = Summaries()
    monkeypatch.setattr(batches.ctypes, "string_at", fail)
    with pytest.raises(MemoryError):
        summaries.add(torch.ones(2))
    assert summaries.finish() == [None]


@pytest.mark.parametrize("size", [5, 5_000])
@pytest.mark.parametrize("scale", [1e-42, 1e-20, 3e37])
def test_a_program_that_has_numpy_raise_is_read_all_the_same(size: int, scale: float) -> None:
    tensor = torch.linspace(-1, 1, size) * scale
    with numpy.errstate(all="raise"):
        summaries = Summaries()
        number = summaries.add(tensor)
        summary = summaries.finish()[number]
    assert summary is not None
    assert (summary.min, summary.max) == (tensor.min().item(), tensor.max().item())
    assert summary.std == pytest.approx(tensor.double().std(correction=0).item(), rel=1e-5)
