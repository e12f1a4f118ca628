"""One recording from start to end: what is installed, and that all of it is taken away."""

from __future__ import annotations

import contextlib
import gc
import os
import platform
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import FrameType
from typing import Any, TypeVar

import torch
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from inspector.capture.arguments import tensors_in
from inspector.capture.assemble import Assembler
from inspector.capture.backward import BackwardRecorder
from inspector.capture.collectives import CollectiveRecorder
from inspector.capture.compiled import CompiledGates, Pause, tracing_gates
from inspector.capture.functions import FunctionRecorder
from inspector.capture.gates import Replaced, Replacement, gates
from inspector.capture.kernels import KernelRecorder, import_dynamo, lift_dispatch
from inspector.capture.lines import LineRecorder
from inspector.capture.modestack import begun_below, lift, mode_depth
from inspector.capture.modules import ModuleRecorder
from inspector.capture.ops import OpRecorder
from inspector.capture.options import CaptureOptions
from inspector.capture.steps import StepHooks, StepRecorder
from inspector.capture.summary import undisturbed
from inspector.capture.tables import fill_tables
from inspector.capture.tape import Tape
from inspector.capture.threads import stop_counting_here
from inspector.capture.unasked import UnaskedRecorder
from inspector.capture.warned import WarningRecorder
from inspector.errors import CaptureError
from inspector.language import sentence
from inspector.making import uncollected
from inspector.ranks import process
from inspector.records import Recording

Mode = TypeVar("Mode", TorchFunctionMode, TorchDispatchMode)

_MODE_GONE = sentence(
    "The program ended a torch function mode in the recording that it had begun before, and with "
    "it our own: what ran from there on is not recorded. Begin the mode inside of the recording, "
    "or end it after."
)

_ENDED_ELSEWHERE = sentence(
    "The recording was ended on another thread than the one that it recorded."
)

_active = threading.Lock()
_running: list[Session] = []
"""The running recording, if there is one."""


def running_session() -> Session | None:
    """The recording that runs in this process now, on whichever thread."""
    return next(iter(_running), None)


def _in_forked_child() -> None:
    """A forked child (a worker of a DataLoader) is not part of the recorded run."""
    global _active
    _active = threading.Lock()  # first: what follows may fail, and may not stand in the way
    while _running:
        _running.pop().leave_to_parent()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_forked_child)


class Session:
    """A running recording; `recording` is there once the block has ended."""

    def __init__(self, options: CaptureOptions, root: nn.Module | None) -> None:
        self._tape = Tape(options)
        self._modules = ModuleRecorder(self._tape, root)
        self._lines: LineRecorder | None = None
        self._recording: Recording | None = None
        self._installations = contextlib.ExitStack()
        self._dropped = False
        self._here: Sequence[FrameType] = ()
        self.forked = False
        """Whether this process is a forked child of the one that is being recorded."""
        self.inputs: tuple[int, ...] = ()
        self.output: tuple[int, ...] = ()
        self.meta: dict[str, Any] = {}

    @property
    def finished(self) -> bool:
        """Whether there is a recording."""
        return self._recording is not None

    @property
    def recording(self) -> Recording:
        """The finished recording.

        Raises:
            CaptureError: the `with` block has not ended yet.
        """
        if self._recording is None:
            raise CaptureError(
                sentence("The recording is there once the `with recording()` block ends.")
            )
        return self._recording

    def watch(self, modules: Mapping[str, nn.Module]) -> None:
        """Name outermost modules before they are called."""
        for name, module in modules.items():
            self._modules.add_root(module, name)

    @property
    def runs_here(self) -> bool:
        """Whether this is the thread that is being recorded."""
        return self._tape.thread_is_ours

    @property
    def op_count(self) -> int:
        """How many ops were noted so far."""
        return len(self._tape.ops)

    def give_up(self) -> None:
        """End the program at its next op, from another thread: `GivenUp` is raised in it there.

        What runs no op, or only those of a backward pass, goes on until it does.
        """
        self._tape.give_up()

    def ids(self, value: Any) -> tuple[int, ...]:
        """The ids of the tensors in nested tuples, lists and dicts."""
        with undisturbed():
            return tuple(self._tape.tensors.see(tensor) for tensor in tensors_in(value))

    def note(self, text: str) -> None:
        """Say in the recording what it does not hold, or holds for another reason than usual."""
        self._tape.note(text)

    def drop(self) -> None:
        """Make no recording at the end: nobody wants it."""
        self._dropped = True

    def ask_at(self, at_ops: Callable[[int], int]) -> None:
        """Call `at_ops` with the number of ops now and again: it says at how many it wants to be
        called next.
        """
        self._tape.ask_at(at_ops)

    @contextlib.contextmanager
    def running(
        self,
        here: Sequence[FrameType] = (),
        *,
        midway: bool = False,
        step_hooks: StepHooks | None = None,
    ) -> Iterator[Session]:
        """Everything installed; on the way out everything is removed and records are made.

        Args:
            here: the frames that run already and whose own lines are to be counted, such as
                that of a `with` block.
            midway: begin in the middle of a program, whose `with` blocks may end before the
                recording or begin and not end in it.
            step_hooks: where to register the hooks of optimizer steps. A recording that begins
                or ends in such a hook cannot use torch's: they are being gone through.

        Raises:
            CaptureError: another recording is running in this process.
        """
        active = _active  # a forked child gets a new one
        if not active.acquire(blocking=False):
            raise CaptureError(_already_running())
        error: BaseException | None = None
        start = time.perf_counter()
        _running.append(self)
        self._here = here
        del here  # a frame keeps its variables alive, and some of these may end before we do
        try:
            with self._installed(midway, step_hooks or StepHooks()):
                yield self
        except BaseException as caught:
            error = caught
            raise
        finally:
            _running.clear()
            try:
                self._finish(error, time.perf_counter() - start)
            finally:
                active.release()

    @contextlib.contextmanager
    def _installed(self, midway: bool, step_hooks: StepHooks) -> Iterator[None]:
        tape = self._tape
        with self._installations as stack:
            fill_tables()
            if tape.options.kernels:
                import_dynamo()
            stack.enter_context(_room_for_frames())
            stack.enter_context(_collector_at_its_pace())
            steps = stack.enter_context(StepRecorder(tape, step_hooks))
            stack.enter_context(self._modules)
            kernels = KernelRecorder(tape) if tape.options.kernels else None
            if kernels is not None:
                stack.enter_context(_on_stack(kernels, lift_dispatch))
            if tape.options.lines:
                self._lines = stack.enter_context(LineRecorder(tape, self._here))
            self._here = ()
            ops = OpRecorder(tape)
            collectives = CollectiveRecorder(tape, ops)
            unasked = UnaskedRecorder(collectives)
            mode = FunctionRecorder(tape, ops, steps, collectives)
            backward = BackwardRecorder(tape, mode, unasked)
            sending = (*collectives.gates(), *unasked.gates())
            torch_gates = stack.enter_context(gates(tape, ops, backward, mode, sending))
            dispatch = [unasked] if kernels is None else [unasked, kernels]
            collectives.dispatch = dispatch
            pause = Pause(self._modules, torch_gates, mode, dispatch, self._lines)
            stack.enter_context(CompiledGates(tape, ops, pause))
            stack.enter_context(tracing_gates(tape, pause))
            stack.enter_context(WarningRecorder(tape))
            stack.enter_context(begun_below(mode) if midway else _on_stack(mode, lift))
            yield
            if self.forked:
                return  # it was all taken away at the fork
            if not tape.thread_is_ours:
                tape.note(_ENDED_ELSEWHERE)
            elif mode_depth(mode) is None:
                tape.note(_MODE_GONE)

    def leave_to_parent(self) -> None:
        """End in a forked child: nothing is recorded in it, and nothing of ours stays installed.

        Its thread is the one that forked, wherever in the program that is.
        """
        self.forked = self._tape.full = self._tape.others.over = True
        self._tape.note(
            sentence(
                "The process was forked, and this is the child's copy: it ends at the fork. The "
                "recording of the run is the parent's."
            )
        )
        stop_counting_here()
        with contextlib.suppress(RecursionError):  # the stack is deeper than the old limit
            self._installations.close()

    def _finish(self, error: BaseException | None, seconds: float) -> None:
        tape = self._tape
        tape.full = True  # whatever of ours is called from now on does nothing
        tape.others.over = True
        for text in tape.others.notes():
            tape.note(text)
        if tape.filtered:
            self._note_filter()
        if tape.tensors.budget_spent:
            tape.note(sentence("Not all values were kept: value_budget_mb was spent."))
        if tape.tensors.met_wrapped:
            tape.note(
                sentence(
                    "Tensors inside a torch.func transform (vmap, grad, ...) stand for others: "
                    "their values were not read, and the steps in and out of the transform are "
                    "not shown."
                )
            )
        if tape.tensors.unseen_writes and not tape.filtered:
            tape.note(
                sentence(
                    "A tensor was written by something that can't be seen from Python functions "
                    "(Tensor.set_, NumPy, a C++ extension): its new value has no producer."
                )
            )
        if isinstance(error, SystemExit):
            # Asked for by the program, not a failure of it, unless it ends so in an `except`.
            caught = error.__context__ if error.code not in (None, 0) else None
            self.meta["exit_code"] = str(error.code)
            error = caught if isinstance(caught, Exception) else None
        meta = {
            "torch": torch.__version__,
            "python": platform.python_version(),
            "duration_ms": seconds * 1000,
            "values": tape.options.values,
            **_process(tape),
            **self.meta,
        }
        if not self._dropped:
            with uncollected():
                self._recording = Assembler(tape, self._modules.roots).recording(
                    lines=self._lines, error=error, meta=meta,
                    inputs=self.inputs, output=self.output,
                )  # fmt: skip
        # Nothing of the run may stay alive through a session object that is kept.
        # Nor through a gate of ours that somebody else has kept.
        tape.empty()
        self._modules.empty()
        self._lines = None

    def _note_filter(self) -> None:
        tape = self._tape
        asked = ", ".join(tape.options.only)
        tape.note(
            sentence("Only what ran in calls of {modules} was recorded (only).", modules=asked)
        )
        if not tape.ops:
            paths = list(dict.fromkeys(row.path for row in tape.module_calls))
            shown = ", ".join(paths[:_PATHS_TOLD]) + (", …" if paths[_PATHS_TOLD:] else "")
            tape.note(
                sentence(
                    "No op ran in a call of {modules}. The module calls were: {paths}.",
                    modules=asked,
                    paths=shown or "–",
                )
            )
        tape.forget_empty_calls()


_PATHS_TOLD = 8


def _process(tape: Tape) -> dict[str, int]:
    """Which of how many processes this is, where there are several."""
    known = tape.messages.process or process()
    return {} if known is None else dict(zip(("rank", "world_size"), known, strict=True))


def _already_running() -> str:
    """Why a recording cannot start now."""
    if any(session.runs_here for session in _running):
        return sentence(
            "A recording is already running in this process. Recordings cannot be nested: "
            "end the other one first."
        )
    return sentence(
        "A recording is already running in this process, on another thread. There can be one "
        "at a time: start this one when the other has ended."
    )


@contextlib.contextmanager
def _on_stack(mode: Mode, lift: Callable[[Mode], None]) -> Iterator[None]:
    """`mode` entered. At the end it need not be the innermost: a generator that is suspended in
    a `with` block of its own leaves another mode above it.
    """
    mode.__enter__()
    try:
        yield
    finally:
        lift(mode)


@contextlib.contextmanager
def _room_for_frames() -> Iterator[None]:
    """A deeper recursion limit: torch's hooks put one frame more on the stack per module.

    Without it, modules nested 200 deep would run alone and fail in a recording.
    """
    before = sys.getrecursionlimit()
    raised = min(2 * before, _LARGEST)
    sys.setrecursionlimit(raised)
    try:
        yield
    finally:
        if sys.getrecursionlimit() == raised:  # else the program has set its own
            sys.setrecursionlimit(before)


_LARGEST = 2**31 - 1
"""The largest number that Python takes for a recursion limit or a threshold."""

_OUR_SHARE = 8
"""Objects per op that the collector of cyclic garbage counts, ours and the program's, for one
that the program makes alone."""


@contextlib.contextmanager
def _collector_at_its_pace() -> Iterator[None]:
    """Cyclic garbage is looked for about as often as without the recording.

    Python does so after every 700 objects that were made and not freed. Our notes are such
    objects: it would look several times as often, which was a quarter of what a recording costs.
    The program reads and sets its own thresholds, which are those that stay.
    """
    pace = _Pace()
    asked = Replacement(gc, "get_threshold", pace.get)
    told = Replacement(gc, "set_threshold", pace.set)
    with pace, Replaced((asked, told)):
        yield


class _Pace:
    """The collector's thresholds as the program knows them, while others are in force."""

    def __init__(self) -> None:
        self._get, self._set = gc.get_threshold, gc.set_threshold
        self._own = self._in_force = self._get()
        self._over = False

    def __enter__(self) -> None:
        self._apply()

    def __exit__(self, *error: object) -> None:
        self._over = True
        if self._get() == self._in_force:  # else set past us, by a name bound before
            self._set(*self._own)

    def get(self) -> tuple[int, int, int]:
        return self._get() if self._over or self._get() != self._in_force else self._own

    def set(self, *thresholds: int) -> None:
        before = self.get()
        self._set(*thresholds)  # checks them
        if not self._over:
            first, second, third = (*thresholds, *before[len(thresholds) :])
            self._own = (first, second, third)
            self._apply()

    def _apply(self) -> None:
        self._set(min(self._own[0] * _OUR_SHARE, _LARGEST), *self._own[1:])
        self._in_force = self._get()


@contextlib.contextmanager
def recording(options: CaptureOptions | None = None, **watch: nn.Module) -> Iterator[Session]:
    """Record any code: whole training steps, several forwards and backwards.

        with inspector.recording(net=net) as session:
            loss = criterion(net(x), y)
            loss.backward()
        session.recording.ops

    Args:
        options: what to keep; `CaptureOptions()` by default.
        watch: modules by the name they shall have in the recording. Others are named after
            their class when they are called.

    Yields:
        A `Session`; its `recording` is there after the block, also when the block raised.
        The exception goes on to the caller and is the recording's `failure`.

    Raises:
        CaptureError: another recording is running in this process.
    """
    session = Session(options or CaptureOptions(), None)
    session.watch(watch)
    here = sys._getframe(2)  # past contextlib's __enter__
    with session.running((here,)):
        yield session
