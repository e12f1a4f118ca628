"""Recordings that begin and end in the middle of a program.

Oracles: the same program run without a recording, and what its text says.
"""

from __future__ import annotations

import math
import sys
import weakref
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim.optimizer import (
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)
from watched import Counting, Kept, state

import inspector
from inspector.capture import CaptureOptions
from inspector.capture.session import running_session
from inspector.capture.watching.finite import LossGate, all_finite
from inspector.capture.watching.hooks import LastingHooks
from inspector.capture.watching.nonfinite import LastGood, Lookout
from inspector.capture.watching.span import Span
from inspector.capture.watching.window import Window
from inspector.check import self_check
from inspector.errors import CaptureError


def train(steps: int, before_step: Callable[[int], None] = lambda step: None) -> list[float]:
    """A training with dropout; returns its losses and the next random number."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.5), nn.Linear(4, 1))
    optimizer = torch.optim.Adam(net.parameters(), lr=0.1)
    losses = []
    for step in range(steps):
        optimizer.zero_grad()
        loss = net(torch.randn(5, 3)).square().mean()
        loss.backward()
        before_step(step)
        optimizer.step()
        losses.append(loss.item())
    return [*losses, torch.rand(1).item()]


WATCHES: list[Callable[[Kept], Any]] = [
    lambda kept: kept.window(),
    lambda kept: kept.window(length=1),
    lambda kept: kept.window(start=1, length=2),
    lambda kept: kept.window(start=99),
    lambda kept: LastGood(CaptureOptions(), {}, kept.telling),
    lambda kept: LastGood(CaptureOptions(), {}, kept.telling, start=2),
    lambda kept: Lookout(CaptureOptions(), {}, kept.telling),
]


@pytest.mark.parametrize("make", WATCHES)
def test_a_watched_training_is_bit_for_bit_the_same(make: Callable[[Kept], Any]) -> None:
    alone, before = train(4), state()
    kept = Kept()
    with make(kept):
        watched = train(4)
    assert watched == alone
    assert state() == before
    assert running_session() is None
    for recording in kept.recordings.values():
        self_check(recording)


def test_a_window_has_the_ops_that_a_recording_of_all_has_there() -> None:
    whole, part = Kept(), Kept()
    with whole.window():
        train(4)
    with part.window(start=1, length=2):
        train(4)
    recording = whole.recordings[""]
    ends = [step.last_op for step in recording.steps if step.kind == "optimizer_step"]
    expected = [(op.name, op.source) for op in recording.ops[ends[0] : ends[2]]]
    assert [(op.name, op.source) for op in part.recordings[""].ops] == expected


def test_hooks_of_the_program_run_as_without_a_recording() -> None:
    called = []
    handles = [
        register_optimizer_step_pre_hook(lambda *given: called.append("pre")),
        register_optimizer_step_post_hook(lambda *given: called.append("post")),
    ]
    try:
        with Kept().window(start=1, length=1):
            handles.append(register_optimizer_step_post_hook(lambda *given: called.append("own")))
            train(3)
    finally:
        for handle in handles:
            handle.remove()
    assert called == ["pre", "post", "own"] * 3


def test_a_mode_that_was_begun_before_the_recording_ends_before_it() -> None:
    span = Span(CaptureOptions(), {})
    mode = Counting()
    with mode, torch.device("meta"):
        span.begin()
        made = torch.ones(2)
    after = torch.ones(3)
    recording = span.end()
    assert made.device.type == "meta"
    assert after.device.type == "cpu"
    assert mode.calls >= 1
    assert torch._C._len_torch_function_stack() == 0
    assert [recording.tensors[op.outputs[0]].shape for op in recording.ops] == [(2,), (3,)]


def test_a_default_device_is_set_and_taken_back_in_a_recording_that_began_midway() -> None:
    torch.set_default_device("meta")
    span = Span(CaptureOptions(), {})
    try:
        span.begin()
        made = torch.ones(2)
    finally:
        torch.set_default_device(None)
        after = torch.ones(2)
        span.end()
    assert (made.device.type, after.device.type) == ("meta", "cpu")
    assert torch._C._len_torch_function_stack() == 0


def test_lines_of_functions_that_run_already_are_counted() -> None:
    def inner(span: Span) -> None:
        span.begin()

    span = Span(CaptureOptions(), {})
    inner(span)
    total = torch.zeros(1)
    for _ in range(3):
        total = total + 1
    line = sys._getframe().f_lineno - 1
    recording = span.end()
    assert recording.lines[__file__][line] == 3
    assert sys._getframe().f_trace is None


def test_a_span_keeps_no_frame_that_has_ended_alive() -> None:
    class Held:
        pass

    def begin(span: Span) -> weakref.ref[Held]:
        held = Held()
        span.begin()
        return weakref.ref(held)

    span = Span(CaptureOptions(), {})
    reference = begin(span)
    try:
        assert reference() is None
    finally:
        span.drop()


def test_steps_inside_of_a_backward_pass_are_told_and_not_counted() -> None:
    weight = nn.Parameter(torch.ones(2))
    optimizer = torch.optim.SGD([weight], lr=0.1)
    weight.register_post_accumulate_grad_hook(lambda parameter: optimizer.step())
    kept = Kept()
    with kept.window(start=1) as watch:
        weight.sum().backward()
    assert weight.tolist() == pytest.approx([0.9, 0.9])
    (told,) = watch.shortfall()
    assert "backward" in told
    assert kept.recordings == {}


def test_a_recording_that_cannot_begin_is_told_and_the_program_runs_on() -> None:
    kept = Kept()
    with kept.window(start=1), inspector.recording() as session:
        losses = train(3)
    assert len(losses) == 4
    assert session.recording.failure is None
    assert any("already running" in said for said in kept.said)
    assert kept.recordings == {}


@pytest.mark.parametrize("kind", [Window, LastGood])
def test_nothing_stays_of_a_watch_that_cannot_begin(kind: type[Window]) -> None:
    with inspector.recording():
        before = state()
        with pytest.raises(CaptureError), kind(CaptureOptions(), {}, Kept().telling):
            pass
        assert state() == before


@pytest.mark.parametrize("where", ["gradient", "parameter"])
def test_gradients_and_parameters_are_asked_not_only_the_loss(where: str) -> None:
    kept = Kept()
    net = nn.Linear(2, 1)
    optimizer = torch.optim.SGD(net.parameters(), lr=1e30 if where == "parameter" else 0.1)
    with LastGood(CaptureOptions(), {}, kept.telling):
        for step in range(3):
            net(torch.ones(1, 2)).sum().backward()
            assert net.weight.grad is not None
            if step == 1:
                net.weight.grad.fill_(torch.inf if where == "gradient" else 1e30)
            optimizer.step()
            optimizer.zero_grad()
    assert any(f"a {where}" in note for note in kept.recordings[""].notes)
    assert kept.recordings[""].meta["first_step"] == 1
    assert kept.recordings["before"].meta["first_step"] == 0


def test_masks_full_of_infinities_are_no_reason() -> None:
    kept = Kept()
    weight = nn.Parameter(torch.ones(2))
    optimizer = torch.optim.SGD([weight], lr=0.1)
    with LastGood(CaptureOptions(), {}, kept.telling):
        for _ in range(2):
            masked = weight.masked_fill(torch.tensor([True, False]), -torch.inf)
            masked.softmax(0).square().sum().backward()
            optimizer.step()
    assert kept.recordings == {}
    assert any("Nothing was kept" in said for said in kept.said)


def test_progress_tells_ops_and_steps() -> None:
    kept = Kept()
    with kept.window(start=1):
        train(2)
        for _ in range(1200):
            torch.relu(torch.ones(1))
    assert kept.progress[0] == (0, 1, False)
    assert kept.progress[-1][1:] == (2, True)
    assert kept.progress[-1][0] > 2000
    assert len(kept.recordings[""].ops) > 2400  # asking did not stop the recording


def test_max_ops_is_still_the_end() -> None:
    kept = Kept()
    with Window(CaptureOptions(max_ops=700), {}, kept.telling):
        for _ in range(1000):
            torch.ones(1)
    assert len(kept.recordings[""].ops) == 700


@pytest.mark.parametrize(
    ("tensors", "finite"),
    [
        ([], True),
        ([torch.empty(0), torch.tensor([1, 2])], True),
        ([torch.full((3,), 3e38)], True),  # a sum of squares would overflow
        ([torch.ones(2), torch.tensor(torch.nan)], False),
        ([torch.tensor([6e4], dtype=torch.half), torch.tensor([-torch.inf]).double()], False),
        ([torch.tensor([complex(0, torch.inf)])], False),
        ([torch.tensor([0.0, torch.nan]).to_sparse()], False),
        ([torch.ones(2, device="meta")], True),
    ],
)
def test_finite_means_neither_nan_nor_infinity(tensors: list[torch.Tensor], finite: bool) -> None:
    assert all_finite(tensors) is finite


def test_asking_leaves_no_trace_in_a_recording() -> None:
    weight = nn.Parameter(torch.ones(2))
    with LossGate(lambda: None), inspector.recording() as session:
        (weight * 2).sum().backward()
        all_finite([weight])
    assert [op.name for op in session.recording.ops] == ["mul", "sum"]


def test_a_handle_takes_its_hook_away_while_hooks_run() -> None:
    called: list[str] = []
    hooks = LastingHooks(lambda *given: None, lambda *given: None)
    first = hooks.after(lambda *given: first.remove())
    hooks.after(lambda *given: called.append("second"))
    with hooks:
        train(2)
    assert called == ["second", "second"]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 3e38])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.complex64])
def test_one_number_that_is_not_finite_is_seen(value: float, dtype: torch.dtype) -> None:
    tensors = [torch.ones(3, dtype=dtype), torch.zeros(2, 2), torch.ones(5, dtype=dtype)]
    tensors[2][3] = value
    assert all_finite(tensors) is math.isfinite(value)


def test_numbers_of_eight_bits_are_read_without_a_word() -> None:
    values = torch.ones(3).to(torch.float8_e5m2)
    assert all_finite([values])
    assert not all_finite([torch.tensor([1.0, math.inf]).to(torch.float8_e5m2)])
