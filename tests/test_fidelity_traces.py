"""After a recording nothing of it is left: no hook, mode, patch, nor any live object."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import pytest
import torch
from fidelity import global_state
from torch import nn

import inspector


def _interrupted() -> None:
    torch.ones(2) + 1
    raise KeyboardInterrupt


def _exits() -> None:
    torch.ones(2) + 1
    raise SystemExit(3)


def _interrupted_in_backward() -> None:
    class Stop(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
            return x * 1

        @staticmethod
        def backward(ctx: Any, grad: torch.Tensor) -> torch.Tensor:
            raise KeyboardInterrupt

    Stop.apply(torch.ones(2, requires_grad=True) * 2).sum().backward()


def _interrupted_in_hook() -> None:
    layer = nn.Linear(2, 2)

    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    layer.register_forward_hook(stop)
    nn.Sequential(layer)(torch.ones(1, 2))


def _train() -> None:
    net = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    optimizer = torch.optim.Adam(net.parameters())
    net(torch.ones(1, 2)).sum().backward()
    optimizer.step()


RUNS: dict[str, Callable[[], None]] = {
    "training": _train,
    "KeyboardInterrupt": _interrupted,
    "SystemExit": _exits,
    "KeyboardInterrupt in backward": _interrupted_in_backward,
    "KeyboardInterrupt in a hook": _interrupted_in_hook,
}


@pytest.mark.parametrize("kernels", [False, True])
@pytest.mark.parametrize("name", RUNS)
def test_nothing_global_is_left_changed(name: str, kernels: bool) -> None:
    options = inspector.CaptureOptions(kernels=kernels)
    before = global_state()
    stopped = name != "training"
    expected = SystemExit if name == "SystemExit" else KeyboardInterrupt
    with (
        pytest.raises(expected) if stopped else _nothing(),
        inspector.recording(options) as session,
    ):
        assert global_state() != before
        RUNS[name]()
    assert global_state() == before
    assert session.recording.ops
    with pytest.raises(expected) if stopped else _nothing():
        inspector.record(RUNS[name], options=options)
    assert global_state() == before
    assert inspector.record(torch.ones, 2).failure is None  # and the next one starts


def _nothing() -> Any:
    import contextlib

    return contextlib.nullcontext()


def test_no_attribute_is_left_on_the_users_objects() -> None:
    net, x = nn.Linear(2, 2), torch.ones(1, 2, requires_grad=True)
    before = (set(vars(net)), dict(net._forward_hooks), x._backward_hooks, vars(type(net)).keys())
    inspector.record(net, x, loss="sum")
    after = (set(vars(net)), dict(net._forward_hooks), x._backward_hooks, vars(type(net)).keys())
    assert after == before


@pytest.mark.parametrize("fails", [False, True])
def test_no_tensor_module_or_node_is_kept_alive_by_a_finished_recording(fails: bool) -> None:
    class Loop(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
            return x.exp()

        @staticmethod
        def backward(ctx: Any, grad: torch.Tensor) -> torch.Tensor:
            return grad * 2

    def program() -> list[weakref.ref[Any]]:
        net = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
        x = torch.ones(3, 2)
        hidden = Loop.apply(net(x))
        view = hidden[0]
        view.sum().backward()
        refs = [weakref.ref(o) for o in (net, x, hidden, view, net[0].weight, net[0].weight.grad)]
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        optimizer.step()
        refs.append(weakref.ref(optimizer))
        found.extend(refs)
        if fails:
            torch.ones(2) @ torch.ones(3)
        return []

    found: list[weakref.ref[Any]] = []
    options = inspector.CaptureOptions(values="full", kernels=True)
    recording = inspector.record(program, options=options)
    try:
        with inspector.recording(options) as session:
            program()
    except RuntimeError:
        assert fails
    gc.collect()
    assert len(found) == 14
    assert [ref() for ref in found] == [None] * 14
    assert (recording.failure is not None) == fails
    assert session.recording.ops


def test_tensors_die_during_a_recording_as_without_one() -> None:
    def program() -> list[bool]:
        refs = []
        for _ in range(3):
            x = torch.ones(100) * 2
            refs.append(weakref.ref(x))
        return [ref() is None for ref in refs]

    with inspector.recording():
        assert program() == [True, True, False]


def test_saved_tensors_are_freed_by_backward_as_without_recording() -> None:
    def program() -> bool:
        w = torch.ones(3, requires_grad=True)
        hidden = w.exp()
        ref = weakref.ref(hidden)
        loss = hidden.sum()
        del hidden
        loss.backward()
        del loss
        return ref() is None

    with inspector.recording():
        assert program()


def test_memory_does_not_grow_from_one_recording_to_the_next() -> None:
    net, x = nn.Sequential(nn.Linear(2, 2), nn.ReLU()), torch.ones(1, 2)

    def alive() -> int:
        gc.collect()
        return sum(issubclass(type(o), torch.Tensor) for o in gc.get_objects())

    inspector.record(net, x, loss="sum")
    before = alive()
    for _ in range(5):
        inspector.record(net, x, loss="sum")
    assert alive() <= before


def test_a_patch_that_the_program_makes_meanwhile_is_not_undone() -> None:
    original = torch.overrides.has_torch_function

    def theirs(args: Any) -> bool:
        return original(args)

    try:
        with inspector.recording():
            torch.overrides.has_torch_function = theirs
        assert torch.overrides.has_torch_function is theirs
    finally:
        torch.overrides.has_torch_function = original
