"""Autograd nodes: which ran in a backward pass, in order, with their gradients.

`gates.py` calls here when the engine is about to run, whoever starts it. `passes.py` watches
the nodes of that one pass.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from inspector.capture.arguments import tensors_in
from inspector.capture.modestack import mode_depth
from inspector.capture.otherthreads import BACKWARD
from inspector.capture.passes import PassWatch
from inspector.capture.summary import undisturbed
from inspector.capture.tape import Raised, RawStep, Tape, Token
from inspector.capture.unasked import UnaskedRecorder


class BackwardRecorder:
    """Records each run of the autograd engine."""

    def __init__(self, tape: Tape, mode: TorchFunctionMode, unasked: UnaskedRecorder) -> None:
        self._tape = tape
        self._mode = mode
        self._unasked = unasked

    def run(
        self, engine: Callable[..., Any], args: tuple[Any, ...], kwargs: Any, frame: FrameType
    ) -> Any:
        """Call the engine as `engine(*args, **kwargs)` and record the pass it runs.

        Args:
            engine: `run_backward` of torch's engine.
            args: roots, their gradients, `retain_graph`, `create_graph`, ...
            kwargs: likewise, by name.
            frame: who calls the engine.
        """
        tape = self._tape
        if not tape.recording_here or tape.running or not tape.options.backward:
            tape.elsewhere(BACKWARD)
            return engine(*args, **kwargs)
        step = RawStep(
            "backward", len(tape.ops), len(tape.ops), tape.site(frame), tape.passes, _detail(args)
        )
        tape.steps.append(step)
        tape.passes += 1
        watch = PassWatch(tape, self._mode, tape.passes - 1, keeps_graph=_keeps_graph(args))
        muted = tape.mute()
        try:
            step.roots = self._known(args[0])
            watch.install(args[0])
        finally:
            tape.unmute(muted)
        phase, tape.phase = tape.phase, "backward"
        thread = tape.thread
        try:
            with self._seeing_python(), self._unasked.during_pass(frame, watch):
                return engine(*args, **kwargs)
        except BaseException as error:
            if tape.raised_node is None or not tape.raised_node.is_in([error]):
                token = Token()
                failed = tape.failed_node = watch.failed_node(args)
                number = None if failed is None else failed.sequence
                tape.raised_node = Raised(error, number, token)
            raise
        finally:
            tape.phase = phase
            tape.thread = thread  # the engine may have gone on in one of its own
            muted = tape.mute()
            watch.remove()
            tape.unmute(muted)
            step.last_op = len(tape.ops)

    def _known(self, roots: Any) -> tuple[int, ...]:
        """The ids of the tensors among the roots of a pass, as far as they were met."""
        with undisturbed():
            found = [self._tape.tensors.find(root) for root in tensors_in(roots)]
        return tuple([known[1] for known in found if known is not None])

    @contextlib.contextmanager
    def _seeing_python(self) -> Iterator[None]:
        """The mode on the stack, where the engine finds it for the Python code it runs.

        The engine gives each node the thread state of the moment at which it was started:
        hooks, backwards of custom functions and recomputations are then seen.
        """
        if mode_depth(self._mode) is not None:
            yield
            return
        torch._C._push_on_torch_function_stack(self._mode)
        try:
            yield
        finally:
            torch._C._pop_torch_function_stack()


def _detail(args: tuple[Any, ...]) -> str:
    """What was asked of the engine: its third and fourth arguments are the two flags."""
    create = bool(args[3:4] and args[3])
    return "create_graph" if create else "retain_graph" if _keeps_graph(args) else ""


def _keeps_graph(args: tuple[Any, ...]) -> bool:
    return bool(args[2:3] and args[2])
