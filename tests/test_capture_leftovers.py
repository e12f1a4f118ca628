"""After a recording: torch's own tables are as they would be, and nothing of the run is alive."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy
import pytest
import torch

import inspector
from inspector.capture.batches import SMALL, Summaries
from inspector.capture.summary import summarise, summarise_array

STARTS = """
import gc, sys, weakref, torch, inspector
from torch.utils.checkpoint import checkpoint
gc.disable()
net, x = torch.nn.Linear(4, 4), torch.ones(1, 4)
kept = weakref.ref(net), weakref.ref(x), weakref.ref(net.weight)
"""

ENDS = """
del net, x
COLLECT
assert [ref() for ref in kept] == [None] * 3
assert session.recording.ops  # the session may be kept
assert torch.compile in torch.overrides.get_ignored_functions()
tables = [torch.overrides.get_ignored_functions()]
rules = sys.modules.get("torch._dynamo.trace_rules")
if rules is not None and rules.get_torch_obj_rule_map.cache_info().currsize:
    tables.append(rules.get_torch_obj_rule_map())
    assert torch.compile in tables[-1]
for table in tables:
    for function in table:
        assert not str(getattr(function, "__qualname__", "")).startswith("CompiledGates"), function
        code = getattr(function, "__code__", None)
        assert code is None or "capture" not in code.co_filename, function
"""

TRIGGERS = {
    "a property": "with inspector.recording(net=net) as session:\n    net(x); net.weight.grad",
    "kernels": (
        "with inspector.recording(inspector.CaptureOptions(kernels=True), net=net) as session:\n"
        "    net(x)"
    ),
    "compile": (
        "with inspector.recording(net=net) as session:\n"
        "    torch.compile(net, backend='eager')(x)\n"
        "torch._dynamo.reset()"
    ),
    "export": (
        "with inspector.recording(net=net) as session:\n"
        "    net(x); torch.export.export(net, (x,))\n"
        "torch._dynamo.reset()"
    ),
    "checkpoint": (
        "with inspector.recording(net=net) as session:\n"
        "    checkpoint(net, x, use_reentrant=False).sum().backward()"
    ),
}


@pytest.mark.parametrize("trigger", TRIGGERS)
def test_the_first_recording_of_a_process_leaves_nothing_behind(trigger: str) -> None:
    # What torch imports on its own account leaves cycles: there the collector may help.
    collect = "gc.collect()" if trigger in ("compile", "export", "checkpoint") else ""
    program = STARTS + TRIGGERS[trigger] + ENDS.replace("COLLECT", collect)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


class Failing(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        return x * 2

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> torch.Tensor:
        raise ValueError("no gradient")


def failed_backward() -> weakref.ref[torch.Tensor]:
    function: Any = Failing
    y: torch.Tensor = function.apply(torch.ones(3, requires_grad=True))
    with pytest.raises(ValueError, match="no gradient"):
        torch.autograd.backward(y.sum())
    return weakref.ref(y)


def failed_op() -> weakref.ref[torch.Tensor]:
    y = torch.ones(3)
    try:
        y @ torch.ones(4)
    except RuntimeError:
        return weakref.ref(y)
    raise AssertionError


@pytest.fixture
def uncollected() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("uncollected")
@pytest.mark.parametrize("fails", [failed_backward, failed_op])
def test_a_failure_that_was_caught_keeps_no_tensor(
    fails: Callable[[], weakref.ref[torch.Tensor]],
) -> None:
    with inspector.recording():
        assert fails()() is None


def test_a_failure_after_one_that_was_caught_is_the_one_that_is_told() -> None:
    def program() -> None:
        failed_op()
        torch.ones(2) @ torch.ones(5)

    recording = inspector.record(program)
    assert recording.failure is not None
    assert recording.failure.op == len(recording.ops) - 1
    assert "[2]" in recording.failure.message


@pytest.fixture
def thresholds() -> Iterator[None]:
    before, limit = gc.get_threshold(), sys.getrecursionlimit()
    yield
    gc.set_threshold(*before)
    sys.setrecursionlimit(limit)


@pytest.mark.usefixtures("thresholds")
def test_the_largest_limits_of_python_are_no_obstacle() -> None:
    gc.set_threshold(10**9)
    sys.setrecursionlimit(2**31 - 1)
    recording = inspector.record(torch.ones, 1)
    assert recording.failure is None
    assert gc.get_threshold()[0] == 10**9
    assert sys.getrecursionlimit() == 2**31 - 1


@pytest.mark.usefixtures("thresholds")
def test_a_program_that_doubles_the_collectors_threshold_has_it_doubled() -> None:
    gc.set_threshold(600, 9, 11)
    with inspector.recording():
        assert gc.get_threshold() == (600, 9, 11)
        gc.set_threshold(gc.get_threshold()[0] * 2)
        assert gc.get_threshold() == (1200, 9, 11)
    assert gc.get_threshold() == (1200, 9, 11)


DTYPES = (torch.float32, torch.bfloat16, torch.float64, torch.int64, torch.complex64, torch.bool)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("order", [(0, 1, 2, 3), (1, 0, 3, 2)])
def test_an_expanded_tensor_is_summarised_as_its_copy(
    dtype: torch.dtype, order: tuple[int, ...]
) -> None:
    values = torch.randn(1, 5, 1, 6, generator=torch.Generator().manual_seed(1)) * 10
    expanded = values.to(dtype).expand(7, 5, 6, 6).permute(order)
    assert expanded.numel() > SMALL
    summaries = Summaries()
    for tensor in (expanded, expanded.contiguous()):
        summaries.add(tensor)
    found, wanted = summaries.finish()
    assert found is not None
    assert wanted is not None
    for summary in (found, summarise(expanded)):
        assert summary is not None
        assert summary.mean == pytest.approx(wanted.mean)
        assert summary.std == pytest.approx(wanted.std)
        for name in ("numel", "min", "max", "nan_count", "inf_count", "histogram", "sample"):
            assert getattr(summary, name) == getattr(wanted, name), name
        assert summary.zero_fraction == pytest.approx(wanted.zero_fraction)


def test_what_an_expanded_tensor_repeats_is_counted_as_often() -> None:
    nan, inf = float("nan"), float("inf")
    array = numpy.broadcast_to(numpy.array([[0.0, 1.0, nan, inf]]), (1000, 4))
    summary = summarise_array(array)
    assert (summary.numel, summary.nan_count, summary.inf_count) == (4000, 1000, 1000)
    assert (summary.zero_fraction, summary.mean, summary.std) == (0.25, 0.5, 0.5)
    assert summary.histogram == (1000, *[0] * 14, 1000)


@pytest.mark.parametrize("values", ["stats", "full"])
def test_an_expanded_tensor_costs_what_lies_in_memory(values: Any) -> None:
    n = 10**6  # 4 TB, if it were copied
    options = inspector.CaptureOptions(values=values)
    recording = inspector.record(lambda x: x.expand(n, n), torch.ones(1), options=options)
    assert recording.failure is None
    (output,) = recording.ops[-1].outputs
    summary = recording.tensors[output].summary
    assert summary is not None
    assert (summary.numel, summary.mean, summary.histogram) == (n * n, 1.0, (n * n,))
    assert output not in recording.values
