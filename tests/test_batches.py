"""Summaries of many tensors together are those of each alone."""

from __future__ import annotations

import math

import numpy
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from inspector.capture.batches import Columns, Summaries
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


@given(st.lists(st.lists(FLOATS, min_size=3, max_size=3), min_size=1, max_size=5))
def test_rows_summarised_together_are_as_each_alone(rows: list[list[float]]) -> None:
    values = numpy.array(rows, dtype=numpy.float32)
    together = Columns(values).summaries()
    for row, summary in zip(values, together, strict=True):
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
