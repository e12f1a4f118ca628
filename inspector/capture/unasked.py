"""What C++ sends by itself: `DistributedDataParallel`'s gradients, buffers and checks.

These messages pass torch's dispatcher, so a dispatch mode sees them. It is there only where they
can come up: during backward passes in a program that has process groups, and while one of the
functions of C++ runs that send. It hands everything on as it is.

It is put aside for messages that Python sends. Below a dispatch mode some of them (`all_gather` of
Gloo) would not move the version counters that they move else.
"""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from inspector.capture.arguments import tensors_in
from inspector.capture.calls import Opaque
from inspector.capture.collectives import CollectiveRecorder, Sent
from inspector.capture.kernels import import_dynamo, lift_dispatch
from inspector.capture.messages import ALIASES, KINDS
from inspector.capture.ops import Begun
from inspector.capture.passes import PassWatch
from inspector.language import sentence

_HOME = "torch.distributed"
_SENDERS = ("_broadcast_coalesced", "_verify_params_across_processes")
"""Functions of C++ that DistributedDataParallel calls and that send."""

_COMPILED = sentence(
    "Code made by torch.compile ran in a backward pass: what torch.distributed sent by itself in "
    "it (gradients of DistributedDataParallel) is not shown."
)
_DisableTorchFunction: Any = torch._C.DisableTorchFunction


class UnaskedRecorder(TorchDispatchMode):
    """Notes the messages that nobody asked for in Python."""

    def __init__(self, collectives: CollectiveRecorder) -> None:
        super().__init__()
        self._collectives = collectives
        self._tape = collectives.tape
        self._sent: list[Sent] = []

    @contextlib.contextmanager
    def during_pass(self, frame: FrameType, watch: PassWatch) -> Iterator[None]:
        """While the autograd engine runs: where it is done, all that was sent is there.

        Args:
            frame: who calls the engine.
            watch: of the pass. Code that torch.compile made would run in another way below a
                dispatch mode.
        """
        if not _has_groups():
            yield
            return
        if watch.runs_compiled:
            self._tape.note(_COMPILED)
            yield
            return
        with self._there():
            yield
        sent, self._sent = self._sent, []
        if sent and self._tape.recording_here:
            self._collectives.waited(sent, lambda *_: None, frame)
            with _DisableTorchFunction():
                for grad in watch.gradients():
                    self._tape.tensors.engine_wrote(grad)  # copied there out of a bucket

    @contextlib.contextmanager
    def _there(self) -> Iterator[None]:
        import_dynamo()
        self.__enter__()
        try:
            yield
        finally:
            lift_dispatch(self)

    def gates(self) -> Iterator[tuple[Any, str, Any]]:
        """Owner, name and what stands there while recording; see `gates.py`."""
        home = sys.modules.get(_HOME)
        for name in _SENDERS:
            if (real := getattr(home, name, None)) is not None:
                yield home, name, self._sending(name.lstrip("_"), real)
        reducer = getattr(home, "Reducer", None)
        if reducer is not None:
            yield (
                reducer,
                "_rebuild_buckets",
                self._sending("rebuild_buckets", reducer._rebuild_buckets),
            )

    def _sending(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(real)
        def seen(*args: Any, **kwargs: Any) -> Any:
            with self._there():
                return real(*args, **kwargs)

        func = Opaque(name, f"{_HOME}.{real.__name__}")

        @functools.wraps(real)
        def send(*args: Any, **kwargs: Any) -> Any:
            frame = sys._getframe(1)
            if not self._tape.takes(frame):
                return real(*args, **kwargs)
            return self._collectives.run(func, seen, args, kwargs, frame)

        return send

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if func.namespace != "c10d" or not self._notes_here():
            return func(*args, **kwargs)
        name = func._opname.removesuffix("_")
        method = ALIASES.get(name, name)
        group = next((part for part in map(_group, args) if part is not None), None)
        if method not in KINDS or group is None:
            return func(*args, **kwargs)
        plain = tuple(part for part in args if _group(part) is None)
        if self._tape.running:
            self._collectives.send(method, group, plain)
            return func(*args, **kwargs)
        return self._own_op(method, group, plain, lambda *_: func(*args, **kwargs))

    def _notes_here(self) -> bool:
        tape = self._tape
        return tape.recording_here or (tape.phase == "backward" and tape.joins())

    def _own_op(
        self, method: str, group: Any, plain: tuple[Any, ...], call: Callable[..., Any]
    ) -> Any:
        tape, recorder = self._tape, self._collectives
        tensors = list(tensors_in(plain))
        with _DisableTorchFunction():
            for tensor in tensors:
                tape.tensors.engine_wrote(tensor)  # a bucket, which C++ has filled

        def sending(*args: Any) -> Any:
            recorder.send(method, group, plain)
            return call()

        def end(begun: Begun, result: Any, duration: int) -> None:
            messages = tape.messages.of_op(len(tape.ops))
            self._sent.append(recorder.sent(begun, messages, duration))

        func = Opaque(KINDS[method][0], f"c10d.{method}")
        return recorder.ops.run(func, sending, (tensors,), {}, sys._getframe(2), end=end)


def _group(part: Any) -> Any:
    """The process group that the dispatcher hands on, as Python knows it; None for all else."""
    if not isinstance(part, torch.ScriptObject) or "ProcessGroup" not in str(part._type()):
        return None
    return sys.modules[_HOME].ProcessGroup.unbox(part)


def _has_groups() -> bool:
    home = sys.modules.get(_HOME)
    return home is not None and home.is_available() and bool(home.is_initialized())
