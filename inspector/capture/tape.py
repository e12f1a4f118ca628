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
from inspector.capture.tracing import LineTracer
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
    kernels: list[Kernel] | None = None  # only when kernels are recorded


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
    kernels: list[Kernel]
    next: tuple[int, ...] = ()
    freed: bool = False  # had saved tensors that the pass freed


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
    updates: list[tuple[int, float]] = field(default_factory=list)  # (tensor id, norm)


class Unheard:
    """A context for our own bookkeeping, which nobody is to hear of.

    Reads of `.shape` and the like reach neither a subclass nor a mode of the user, and the
    line tracer is not called for our functions: that alone took 200 us an op.
    """

    __slots__ = ("_function", "_muted", "_tracer")

    def __init__(self, tracer: LineTracer | None) -> None:
        self._tracer = tracer

    def __enter__(self) -> None:
        self._muted = self._tracer is not None and self._tracer.mute()
        self._function = torch._C.DisableTorchFunction()
        self._function.__enter__()

    def __exit__(self, *error: object) -> None:
        self._function.__exit__(None, None, None)
        if self._muted and self._tracer is not None:
            self._tracer.unmute()


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
        self.top: int | None = None  # the innermost open module call
        # (module call, id of its frame) of the calls that are past their forward but run the
        # module's own hooks. See `ModuleRecorder`.
        self.leaving: list[tuple[int | None, int]] = []
        self.grad_nodes: list[RawGradNode] = []
        self.steps: list[RawStep] = []
        self.notes: dict[str, None] = {}
        self.running: RawOp | None = None
        self.tracer: LineTracer | None = None
        self.node_kernels: list[Kernel] | None = None
        self.node_ops: dict[int, int] = {}  # autograd nodes that an earlier op answers for
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

    def open_call(self, frame: FrameType | None) -> int | None:
        """The innermost open module call, where one may just have been left."""
        self.settle(frame)
        return self.top

    def settle(self, frame: FrameType | None) -> None:
        """Close the calls that were being left and whose frames are not running any more."""
        while self.leaving and self.leaving[-1][0] == self.top:
            outer = frame
            while outer is not None and id(outer) != self.leaving[-1][1]:
                outer = outer.f_back
            if outer is not None:
                return
            self.close_call()

    def close_call(self) -> None:
        """The innermost module call has ended."""
        closed = self.open_calls.pop()
        if self.leaving and self.leaving[-1][0] == closed:
            self.leaving.pop()
        self.top = self.open_calls[-1] if self.open_calls else None

    def elsewhere(self) -> None:
        """Note work of a thread that is not recorded."""
        if not self.full and not self.thread_is_ours:
            self.note(
                "Other threads were not recorded: modules were called, or gradients computed, "
                "on at least one."
            )

    def broken(self, error: Exception) -> None:
        """Stop recording because of an error of ours; the program runs on."""
        self.full = True
        self.note(
            f"Recording stopped at op {len(self.ops)}: the recorder failed there with "
            f"{type(error).__name__}: {error}. Please report it. The program ran on."
        )

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
