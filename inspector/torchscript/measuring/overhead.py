"""The share of a run's time that is spent outside of ATen ops: in Python, or in an interpreter.

Method. A call takes `W` microseconds without a profiler. Right after it the same call is run
under torch's profiler, which notes when each op begins and ends. The ops that are in no other
op take `K` together, kernels and their dispatch in C++ included; the rest of `W` is what Python
(or TorchScript's interpreter) needed between them. The profiler costs time itself, and ops
contain ops, so `K` is too large: if the profiled call takes `P` and there are `E` ops in it, each
costs (P - W) / E, and the cost of the ops within others (and half of the others' own, whose
other half lies outside) is taken off `K`:

    share = 1 - (K - cost * (inner + outer / 2)) / W        cut to 0 .. 1

`W`, `P` and `K` are each the least of a few dozen calls, plain and profiled in turns: what else
the machine does only ever adds time. (The first call of each turn does not count: the profiler
makes itself ready in it.)

It is an estimate: good to tell 10 % from 60 %, not 10 % from 13 %. Kernels that are no ATen ops
(fused ones, oneDNN's in an optimised graph) are not seen by the profiler: then there is none.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

_HIDDEN = ("prim::TensorExprGroup", "prim::FusionGroup", "prim::CudaFusionGroup", "prim::mkldnn_")


_CALLS = 6


@dataclass(frozen=True, slots=True)
class Profile:
    """What the profiler saw: microseconds in outermost ops, and how many ops there were."""

    kernel_us: float
    outer: int
    inner: int


def outside_share(profile: Profile, wall_us: float, profiled_us: float) -> float | None:
    """The share of the time outside of ops, 0 to 1; None where no op was seen.

    Args:
        profile: of one call.
        wall_us: how long a call takes without the profiler.
        profiled_us: how long the profiled call took.
    """
    count = profile.outer + profile.inner
    if count == 0 or wall_us <= 0:
        return None
    cost = max(0.0, profiled_us - wall_us) / count
    kernels = profile.kernel_us - cost * (profile.inner + profile.outer / 2)
    return min(1.0, max(0.0, 1.0 - kernels / wall_us))


def profiled_share(run: Callable[[], Any], rounds: int, clock: Callable[[], float]) -> float | None:
    """Profile a few calls and estimate the share; None where this torch has no such profiler.

    Args:
        run: one call.
        rounds: how often to do so, each time next to as many calls without the profiler.
        clock: seconds.
    """
    try:
        # The older profiler: the newer one (Kineto) needs a second to start.
        from torch.autograd import profiler_legacy
    except ImportError:
        return None
    plain: list[float] = []
    profiled: list[float] = []
    profiles: list[Profile] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(rounds):
            plain += [_timed(run, clock) for _ in range(_CALLS)][1:]
            with profiler_legacy.profile() as seen:
                profiled += [_timed(run, clock) for _ in range(_CALLS)][1:]
            profiles += _profiles(list(seen.function_events or ()))
    if not profiles:
        return None
    least = min(profiles, key=lambda profile: profile.kernel_us)
    # A profiled call cannot be the faster one: if it seems so, the machine was busy before.
    return outside_share(least, min(*plain, *profiled), min(profiled))


def _timed(run: Callable[[], Any], clock: Callable[[], float]) -> float:
    start = clock()
    run()
    return (clock() - start) * 1e6


def _profiles(events: list[Any]) -> list[Profile]:
    """What each call but the first does in ops."""
    events = sorted((e for e in events if "::" in e.name), key=lambda e: e.time_range.start)
    size, rest = divmod(len(events), _CALLS)
    if size == 0 or rest:
        return []  # the calls do not all run the same ops: they cannot be told apart
    return [_profile(events[at : at + size]) for at in range(size, len(events), size)]


def _profile(events: list[Any]) -> Profile:
    outermost = [event for event in events if not _is_inside_op(event)]
    kernel_us = sum(event.time_range.elapsed_us() for event in outermost)
    return Profile(kernel_us, len(outermost), len(events) - len(outermost))


def _is_inside_op(event: Any) -> bool:
    around = event.cpu_parent
    while around is not None:
        if "::" in around.name:
            return True
        around = around.cpu_parent
    return False


def hides_kernels(compiled: Any) -> bool:
    """Whether a TorchScript module that ran just now has kernels that the profiler does not see."""
    if compiled is None:
        return False
    graph = getattr(compiled, "graph", None)
    texts = [str(graph)] if graph is not None else []
    try:
        texts.append(str(torch._C._last_executed_optimized_graph()))
    except RuntimeError:  # nothing was executed yet
        pass
    return any(kind in text for text in texts for kind in _HIDDEN)
