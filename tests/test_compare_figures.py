"""The chart of numeric drift."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

import inspector
from inspector.comparison import Drift
from inspector.render.compare_figures import drift_figure, first_beyond


def run(x: Tensor, scale: float) -> inspector.Recording:
    return inspector.record(lambda x: ((x + 1) * scale).relu(), x, options=FULL)


FULL = inspector.CaptureOptions(values="full")


def test_the_first_op_beyond_the_tolerance_is_named() -> None:
    x = torch.ones(2)
    a, b = run(x, 2.0), run(x, 2.5)
    drifts = inspector.value_drift(a, b, inspector.compare(a, b))
    # x + 1 is the same; 4 and 5 are a quarter of 4 apart, relu keeps that.
    assert [one.distance for one in drifts] == pytest.approx([0, 0.25, 0.25])
    assert first_beyond(drifts, 0.1) == drifts[1]
    assert first_beyond(drifts, 0.3) is None
    figure = drift_figure(a, drifts, 0.1)
    assert list(figure.data[0].marker.symbol) == ["circle", "x", "x"]
    assert any("first beyond: mul [1]" in str(one.text) for one in figure.layout.annotations)


def test_what_is_not_finite_in_one_run_stands_at_the_top() -> None:
    a = run(torch.ones(2), 1.0)
    figure = drift_figure(a, [Drift(0, 0, 0.0), Drift(1, 1, math.inf)], 1e-3, "dark")
    low, high = figure.data[0].y
    assert 0 < low < 1e-3 < high < math.inf
    assert "∞" in figure.layout.yaxis.ticktext
    assert "0" in figure.layout.yaxis.ticktext


def test_without_pairs_there_is_no_chart() -> None:
    assert drift_figure(run(torch.ones(2), 1.0), [], 1e-3) is None
