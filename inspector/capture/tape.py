"""The raw notes of a running recording: plain mutable rows, made into records at the end."""

from __future__ import annotations

import sys
import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from types import FrameType
from typing import TYPE_CHECKING, Any, NamedTuple

from inspector.capture.batches import Summaries
from inspector.capture.frames import Base, PositionTable, Site
from inspector.capture.messages import Messages
from inspector.capture.options import CaptureOptions
from inspector.capture.otherthreads import CALL, OtherThreads
from inspector.capture.tensors import TensorTable
from inspector.language import sentence
from inspector.records import Kernel

if TYPE_CHECKING:
    from inspector.capture.expressions import Item
    from inspector.capture.saved import Saved
    from inspector.records import Source

Argument = int | str | float | None
"""One argument: a tensor's id, text, or a number (no `int`, but `bool`) as it was."""


class RawOp(NamedTuple):
    """One outermost call; becomes an `Op`."""

    func: Callable[..., Any]
    inputs: tuple[int, ...]
    arguments: tuple[Argument, ...]
    module_call: int | None
    site: Site
    phase: str
    first_node: int  # the op's autograd nodes have sequence numbers first_node ...
    kernels: list[Kernel] | None  # only when kernels are recorded
    outputs: tuple[int, ...]
    overwrites: tuple[int, ...]
    duration_ns: int
    end_node: int  # ... up to, not including, end_node


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
class SteeringPlace:
    """A place in the code with a read that steers; `items` says by which part of it."""

    source: Source
    items: frozenset[Item]
    noted: int = 0


@dataclass(slots=True)
class RawSizeRead:
    """Becomes a `Decision` without an op; `before_op` ops were noted when it happened."""

    func: Callable[..., Any]
    tensor: int | weakref.ref[Any] | None
    value: bool | int | float | str | tuple[int, ...]
    place: SteeringPlace
    before_op: int
    module_call: int | None


class Token:
    """Lives as long as the frame whose variable it is."""

    __slots__ = ("__weakref__",)


class Raised:
    """An exception that came from an op or an autograd node, and that op's or node's number.

    The exception is not kept alive: its traceback has the tensors of all its frames. It is known
    by its `id()`, for as long as a token in one of these frames is alive.

    Args:
        error: the exception.
        number: of the op or of the node.
        token: a variable of a frame that the exception goes through; without one the exception
            itself is kept.
    """

    __slots__ = ("_error", "_kept", "_token", "number")

    def __init__(self, error: BaseException, number: int | None, token: Token | None) -> None:
        self._error = id(error)
        self._kept = error if token is None else None
        self._token = None if token is None else weakref.ref(token)
        self.number = number

    def is_in(self, chain: list[BaseException]) -> bool:
        """Whether the exception is one of these."""
        gone = self._token is not None and self._token() is None
        return not gone and any(id(error) == self._error for error in chain)


@dataclass(slots=True)
class RawGradNode:
    """Becomes a `GradNode`; `leaf` is the tensor id of an AccumulateGrad's variable."""

    name: str
    sequence: int | None
    pass_index: int
    leaf: int | None
    accumulated: bool
    grad_inputs: tuple[int | None, ...]  # numbers of summaries
    grad_outputs: tuple[int | None, ...]
    duration_ns: int
    kernels: list[Kernel] | None
    next: tuple[int, ...] = ()
    freed: bool = False  # had saved tensors that the pass freed
    saved: tuple[Saved, ...] = ()


class FailedNode(NamedTuple):
    """The autograd node at which a backward pass raised."""

    name: str
    sequence: int
    pass_index: int
    saved: tuple[Saved, ...]


class RawWarning(NamedTuple):
    """Becomes a `ProgramWarning`."""

    category: str
    message: str
    site: Site
    before_op: int
    tensor: int | None


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
    roots: tuple[int, ...] = ()
    without_gradient: tuple[int, ...] = ()


class GivenUp(BaseException):
    """Raised in a recorded program that is not wanted any more.

    Not an `Exception`: the program's own handlers are for its own errors.
    """


class Tape:
    """Everything one recording has noted so far.

    All recorders of a session write here. `recording_here` is False on other threads and
    once `max_ops` is reached: the program goes on, the notes stop.
    """

    def __init__(self, options: CaptureOptions) -> None:
        self.options = options
        self.positions = PositionTable()
        self.summaries = Summaries()
        self.tensors = TensorTable(options, self.summaries)
        self.ops: list[RawOp] = []
        self.decisions: list[RawDecision] = []
        self.size_reads: list[RawSizeRead] = []
        self.module_calls: list[RawModuleCall] = []
        self.open_calls: list[int] = []
        self.top: int | None = None  # the innermost open module call
        self.bases: list[Base] = []  # the frames of the open calls
        self.base: Base | None = None
        # With `only`: the outermost open call of a module that is to be recorded.
        self.filtered = bool(options.only)
        self.wanted_call: int | None = None
        # (module call, id of its frame) of the calls that are past their forward but run the
        # module's own hooks. See `ModuleRecorder`.
        self.leaving: list[tuple[int | None, int]] = []
        self.grad_nodes: list[RawGradNode] = []
        self.steps: list[RawStep] = []
        self.notes: dict[str, None] = {}
        self.running = False  # whether an op is: what it calls inside is not noted
        self.op_kernels: list[Kernel] | None = None  # those of the running op
        # The line tracer, where it is nobody's neighbour: put aside while our own code runs,
        # which is nobody's to count. Being called for our functions took 200 us an op.
        self.trace: Callable[..., Any] | None = None
        self.node_kernels: list[Kernel] | None = None
        self.node_ops: dict[int, int] = {}  # autograd nodes that an earlier op answers for
        self.phase = "forward"
        self.passes = 0
        self.full = False
        self.max_ops = options.max_ops
        self.at_ops: Callable[[int], int] | None = None  # see `ask_at`
        self.given_up = False
        self.raised: Raised | None = None
        self.raised_node: Raised | None = None
        self.failed_node: FailedNode | None = None  # the one of `raised_node`
        self.warnings: dict[tuple[str, str, Site], RawWarning] = {}
        self.thread = threading.get_ident()
        self.others = OtherThreads()
        self.messages = Messages()  # between processes

    @property
    def thread_is_ours(self) -> bool:
        """Whether this is the thread that is being recorded."""
        return threading.get_ident() == self.thread

    @property
    def recording_here(self) -> bool:
        """Whether to take notes now, on this thread."""
        return not self.full and threading.get_ident() == self.thread

    def takes(self, frame: FrameType | None) -> bool:
        """Whether a call that `frame` makes becomes an op of its own."""
        return not self.running and self.recording_here and not self.passes_over(frame)

    def passes_over(self, frame: FrameType | None) -> bool:
        """Whether this is outside of the modules that are to be recorded."""
        if not self.filtered:
            return False
        if self.leaving:
            self.settle(frame)
        return self.wanted_call is None

    def forget_empty_calls(self) -> None:
        """Leave out the module calls in which nothing was noted: with `only` that is most."""
        kept: set[int | None] = {None}
        noted = {row.module_call for row in self.ops}
        if noted:
            noted.update(read.module_call for read in self.size_reads)
        for number in noted:
            while number not in kept:
                kept.add(number)
                number = None if number is None else self.module_calls[number].parent
        renamed: dict[int | None, int | None] = {None: None}
        rows: list[RawModuleCall] = []
        for number, call in enumerate(self.module_calls):
            if number in kept:
                renamed[number] = len(rows)
                call.parent = renamed[call.parent]
                rows.append(call)
        self.module_calls = rows
        self.ops = [row._replace(module_call=renamed[row.module_call]) for row in self.ops]
        self.size_reads = [row for row in self.size_reads if row.module_call in renamed]
        for read in self.size_reads:
            read.module_call = renamed[read.module_call]

    def empty(self) -> None:
        """Forget the run, which is over: whatever still refers to the tape keeps nothing alive."""
        fresh = Tape(self.options)
        fresh.full = fresh.others.over = True
        vars(self).update(vars(fresh))

    def mute(self) -> bool:
        """Put the line tracer aside, if it is there; whether `unmute` has to bring it back."""
        muted = self.trace is not None and sys.gettrace() is self.trace
        if muted:
            sys.settrace(None)
        return muted

    def unmute(self, muted: bool) -> None:
        """Undo `mute`."""
        if muted:
            sys.settrace(self.trace)

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
        self.bases.pop()
        self.base = self.bases[-1] if self.bases else None
        if self.leaving and self.leaving[-1][0] == closed:
            self.leaving.pop()
        self.top = self.open_calls[-1] if self.open_calls else None
        if closed == self.wanted_call:
            self.wanted_call = None

    def elsewhere(self, what: str) -> None:
        """Count work of a thread that is not recorded; see `otherthreads`."""
        if not self.full and not self.thread_is_ours:
            self.others.saw(what)

    def joins(self) -> bool:
        """Whether this thread, which a call reached our mode on, is to be recorded from now on.

        The autograd engine has threads of its own, for each device and for deeply nested passes.
        It takes the modes along of the thread that started it, and lets that one wait.
        """
        if self.full or self.thread_is_ours:
            return False
        if self.phase != "backward" or self.running:
            self.others.saw(CALL)
            return False
        self.thread = threading.get_ident()
        return True

    def give_up(self) -> None:
        """End the program at its next op. It is asked there for `max_ops`, and for nothing else."""
        self.given_up, self.max_ops = True, 0

    def ask_at(self, at_ops: Callable[[int], int]) -> None:
        """Call `at_ops` with the number of ops now and again: it says at how many it wants to be
        called next.
        """
        self.at_ops, self.max_ops = at_ops, 0

    def reached_max_ops(self) -> None:
        """Stop recording, unless it was just time to tell; the program runs on, unless it was
        given up.

        Raises:
            GivenUp: it was.
        """
        if self.at_ops is not None and not self.given_up and len(self.ops) < self.options.max_ops:
            self.max_ops = min(self.at_ops(len(self.ops)), self.options.max_ops)
            return
        self.full = True
        if self.given_up:
            raise GivenUp
        self.note(
            sentence(
                "Recording stopped after {count} ops (max_ops); the program ran on.",
                count=len(self.ops),
            )
        )

    def broken(self, error: Exception) -> None:
        """Stop recording because of an error of ours; the program runs on."""
        self.full = True
        self.note(
            sentence(
                "Recording stopped at op {count}: the recorder failed there with {type}: {error}. "
                "Please report it. The program ran on.",
                count=len(self.ops),
                type=type(error).__name__,
                error=str(error),
            )
        )

    def note(self, text: str) -> None:
        """Say once what this recording does not hold."""
        self.notes[text] = None

    def site(self, frame: FrameType | None) -> Site:
        """The call stack from `frame` outwards."""
        return self.positions.site(frame, self.base)
