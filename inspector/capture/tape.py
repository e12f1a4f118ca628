"""The raw notes of a running recording: plain mutable rows, made into records at the end."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

import torch

from inspector.capture.frames import PositionTable, Site
from inspector.capture.options import CaptureOptions
from inspector.capture.summary import summarise
from inspector.capture.tensors import TensorTable
from inspector.records import Kernel, TensorSummary

Argument = int | str
"""One rendered argument: a tensor id, or text."""


@dataclass(slots=True)
class RawOp:
    """One outermost call; becomes an `Op`."""

    func: Callable[..., Any]
    inputs: tuple[int, ...]
    arguments: tuple[Argument, ...]
    module_call: int | None
    site: Site
    phase: str
    outputs: tuple[int, ...] = ()
    overwrites: tuple[int, ...] = ()
    duration_ns: int = 0
    first_node: int = 0  # the op's autograd nodes have sequence numbers first_node ...
    end_node: int = 0  # ... up to, not including, end_node
    kernels: list[Kernel] = field(default_factory=list)


@dataclass(slots=True)
class RawModuleCall:
    """Becomes a `ModuleCall`."""

    path: str
    type: str
    parent: int | None
    training: bool
    site: Site


@dataclass(slots=True)
class RawDecision:
    """Becomes a `Decision`."""

    op: int
    tensor: int | None
    value: bool | int | float | str
    kind: str


@dataclass(slots=True)
class RawGradNode:
    """Becomes a `GradNode`; `leaf` is the tensor id of an AccumulateGrad's variable."""

    name: str
    sequence: int | None
    pass_index: int
    leaf: int | None
    accumulated: bool
    grad_inputs: tuple[TensorSummary | None, ...]
    grad_outputs: tuple[TensorSummary | None, ...]
    duration_ns: int
    next: tuple[int, ...] = ()


@dataclass(slots=True)
class RawStep:
    """Becomes a `Step`."""

    kind: str
    first_op: int
    last_op: int
    site: Site
    pass_index: int | None = None
    detail: str = ""
    learning_rates: tuple[float, ...] = ()


class Tape:
    """Everything one recording has noted so far.

    All recorders of a session write here. `recording_here` is False on other threads and
    once `max_ops` is reached: the program goes on, the notes stop.
    """

    def __init__(self, options: CaptureOptions) -> None:
        self.options = options
        self.positions = PositionTable()
        self.tensors = TensorTable(options)
        self.ops: list[RawOp] = []
        self.decisions: list[RawDecision] = []
        self.module_calls: list[RawModuleCall] = []
        self.open_calls: list[int] = []
        self.grad_nodes: list[RawGradNode] = []
        self.steps: list[RawStep] = []
        self.notes: dict[str, None] = {}
        self.running: RawOp | None = None
        self.phase = "forward"
        self.passes = 0
        self.full = False
        self.raised: tuple[BaseException, int] | None = None
        self.raised_node: tuple[BaseException, int | None] | None = None
        self.thread = threading.get_ident()

    @property
    def thread_is_ours(self) -> bool:
        """Whether this is the thread that is being recorded."""
        return threading.get_ident() == self.thread

    @property
    def recording_here(self) -> bool:
        """Whether to take notes now, on this thread."""
        return not self.full and threading.get_ident() == self.thread

    def note(self, text: str) -> None:
        """Say once what this recording does not hold."""
        self.notes[text] = None

    def site(self, frame: FrameType | None) -> Site:
        """The call stack from `frame` outwards."""
        return self.positions.site(frame)

    def summary(self, tensor: torch.Tensor | None) -> TensorSummary | None:
        """A summary outside the tensor table (gradients), as the options allow."""
        if tensor is None or self.options.values == "none":
            return None
        return summarise(tensor)
