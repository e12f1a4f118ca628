"""Who is measured: each runs a model forward, and backward if asked, in its own way."""

from __future__ import annotations

import importlib.util
import sys
import warnings
from collections.abc import Callable
from types import CodeType
from typing import Any, NamedTuple

import torch
from models import Case
from torch.overrides import TorchFunctionMode

import inspector
from inspector import CaptureOptions


class Contender(NamedTuple):
    """`run(case, backward)` returns what the contender made of the run, or None."""

    name: str
    run: Callable[[Case, bool], Any]
    backward: bool = True  # whether it can record a backward pass


def eager(case: Case, backward: bool) -> None:
    """The model alone."""
    output = case.model(*case.inputs)
    if backward:
        output.sum().backward()


class FrameChain(TorchFunctionMode):
    """Stores where each call came from and nothing else: the least any recorder has to do."""

    def __init__(self) -> None:
        super().__init__()
        self.chains: list[tuple[tuple[CodeType, int], ...]] = []

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        chain = []
        frame = sys._getframe(1)
        while frame is not None:
            chain.append((frame.f_code, frame.f_lasti))
            frame = frame.f_back
        self.chains.append(tuple(chain))
        return func(*args, **(kwargs or {}))


def floor(case: Case, backward: bool) -> FrameChain:
    """A bare function mode that stores the frame chain of each call."""
    with FrameChain() as mode:
        eager(case, backward)
    return mode


def ours(**options: Any) -> Callable[[Case, bool], inspector.Recording]:
    """`inspector.record` with these options."""

    def run(case: Case, backward: bool) -> inspector.Recording:
        recording = inspector.record(
            case.model, *case.inputs,
            loss="sum" if backward else None, options=CaptureOptions(**options),
        )  # fmt: skip
        if recording.failure is not None:
            raise RuntimeError(f"{recording.failure.type}: {recording.failure.message}")
        return recording

    return run


BARE: dict[str, Any] = {"values": "none", "lines": False, "backward": False}
OURS = (
    Contender("eager", eager),
    Contender("floor: function mode, frame chain", floor),
    Contender('ours, `values="none", lines=False, backward=False`', ours(**BARE)),
    Contender('ours, `values="none"`', ours(values="none")),
    Contender("ours, default", ours()),
    Contender('ours, `values="full"`', ours(values="full")),
)


def torchview(case: Case, backward: bool) -> Any:
    """torchview's graph, with every function; it has no backward."""
    from torchview import draw_graph

    return draw_graph(
        case.model, input_data=case.inputs, device="cpu", mode="train", depth=100,
        hide_module_functions=False,
    )  # fmt: skip


def torchlens(case: Case, backward: bool) -> Any:
    """A TorchLens trace with all activations, its default.

    It is asked to take its patches off torch again: left on, they would slow the others.
    """
    import torchlens
    from torchlens.options import CaptureOptions as LensOptions

    options = LensOptions(unwrap_when_done=True, backward_ready=backward)
    log = torchlens.trace(case.model, list(case.inputs), capture=options)
    if backward:
        log.log_backward(log[log.output_layers[0]].out.sum())
    return log


def _quiet(run: Callable[[Case, bool], Any]) -> Callable[[Case, bool], Any]:
    def quietly(case: Case, backward: bool) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what peers warn of is not ours to fix
            return run(case, backward)

    return quietly


PEERS = (
    Contender("torchview", _quiet(torchview), backward=False),
    Contender("TorchLens", _quiet(torchlens)),
)


def installed(peer: Contender) -> bool:
    """Whether the peer's package can be imported."""
    return importlib.util.find_spec(peer.name.lower()) is not None


def op_count(case: Case) -> int:
    """Ops of one forward: what all times are divided by."""
    with torch.no_grad():
        return len(inspector.record(case.model, *case.inputs, options=CaptureOptions(**BARE)).ops)
