"""Calls of `torch.distributed`: one op each, and one for the wait where a call returns early.

Most functions of `torch.distributed` ask for a function mode; `barrier` and those that send Python
objects do not, and are replaced while a recording runs. Below them a process group sends messages
that write into memory without moving a version counter, so the group's methods and `Work.wait` are
replaced as well: which memory is written, and when, follows from them.

What C++ sends by itself is dealt with in `unasked.py`.
"""

from __future__ import annotations

import contextlib
import functools
import sys
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from types import FrameType, FunctionType
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from inspector.capture.calls import Opaque
from inspector.capture.messages import KINDS, RawMessage, storages
from inspector.capture.modestack import lifted_dispatch
from inspector.capture.ops import Begun, OpRecorder
from inspector.capture.tape import RawOp, Tape

_HOME = "torch.distributed"
_NO_MODE_IS_ASKED = (
    "barrier", "monitored_barrier", "all_gather_object", "broadcast_object_list", "gather_object",
    "recv_object_list", "scatter_object_list", "send_object_list",
)  # fmt: skip
_WAIT = Opaque("wait", f"{_HOME}.Work.wait")
_DisableTorchFunction: Any = torch._C.DisableTorchFunction
_next_sequence: Callable[[], int] = torch._C._autograd._get_sequence_nr


@dataclass(frozen=True, slots=True)
class Sent:
    """Messages that were sent and not waited for. Their tensors are not kept alive."""

    tensors: tuple[weakref.ref[torch.Tensor], ...]
    messages: list[RawMessage]
    work: Callable[[], Any] = lambda: None

    def alive(self) -> list[torch.Tensor]:
        """Those of the tensors that there still are."""
        return [tensor for ref in self.tensors if (tensor := ref()) is not None]


class CollectiveRecorder:
    """Notes what is sent and waited for on the tape."""

    def __init__(self, tape: Tape, ops: OpRecorder) -> None:
        self.tape = tape
        self.ops = ops
        self.dispatch: Sequence[TorchDispatchMode] = ()
        """The recording's dispatch modes, from the innermost."""
        self._names: dict[Callable[..., Any], Opaque] = {}
        self._sent: dict[int, Sent] = {}  # by the id() of the `Work`

    def run(
        self,
        func: Callable[..., Any],
        call: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        frame: FrameType | None,
    ) -> Any:
        """`call(*args, **kwargs)`, noted as an op that is named after `func`, if it sends."""
        shown = {name: _readable(value) for name, value in kwargs.items() if value is not None}

        def send(*_: Any, **__: Any) -> Any:
            return call(*args, **kwargs)

        return self.ops.run(self._named(func), send, args, shown, frame, end=self._end)

    def _named(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """A function of torch's by its public name."""
        if isinstance(func, Opaque):
            return func
        name = func.__name__
        return self._names.setdefault(func, Opaque(name, f"{_HOME}.{name}"))

    def gates(self) -> Iterator[tuple[Any, str, Any]]:
        """Owner, name and what stands there while recording; see `gates.py`."""
        home = sys.modules.get(_HOME)
        for name in _NO_MODE_IS_ASKED:
            if (real := getattr(home, name, None)) is not None:
                yield home, name, self.gate(real, Opaque(name, f"{_HOME}.{name}"))
        group = getattr(home, "ProcessGroup", None)
        for name in KINDS:
            if (real := getattr(group, name, None)) is not None:
                yield group, name, _called(name, self._method(name, real))
        work = getattr(home, "Work", None)
        if work is not None:
            yield work, "wait", _called("wait", self._wait(work.wait))

    def gate(self, real: Callable[..., Any], func: Opaque) -> Callable[..., Any]:
        """`real`, with each call of it an op if it sends anything."""

        @functools.wraps(real)
        def collective(*args: Any, **kwargs: Any) -> Any:
            frame = sys._getframe(1)
            if not self.tape.takes(frame):
                return real(*args, **kwargs)
            return self.run(func, real, args, kwargs, frame)

        return collective

    def send(self, method: str, group: Any, args: tuple[Any, ...]) -> None:
        """Note a message of the running op. An error of ours ends the recording, not the run."""
        tape = self.tape
        try:
            with _DisableTorchFunction():
                tape.messages.note(len(tape.ops), method, group, args)
        except Exception as error:
            tape.broken(error)

    def _method(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        func = Opaque(KINDS[name][0], f"{_HOME}.ProcessGroup.{name}")

        def method(group: Any, *args: Any, **kwargs: Any) -> Any:
            if self.tape.running and self.tape.recording_here:
                self.send(name, group, (*args, *kwargs.values()))
                # Below a dispatch mode Gloo's `all_gather` moves no version counter.
                with contextlib.ExitStack() as stack:
                    for mode in self.dispatch:
                        stack.enter_context(lifted_dispatch(mode))
                    return real(group, *args, **kwargs)
            frame = sys._getframe(1)
            if not self.tape.takes(frame):
                return real(group, *args, **kwargs)
            return self.run(func, method, (group, *args), kwargs, frame)  # comes here again

        return method

    def _wait(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def wait(work: Any, *args: Any, **kwargs: Any) -> Any:
            sent = self._sent.get(id(work))
            frame = sys._getframe(1)
            if sent is None or sent.work() is not work or not self.tape.takes(frame):
                return real(work, *args, **kwargs)
            del self._sent[id(work)]
            return self.waited([sent], lambda *_: real(work, *args, **kwargs), frame)

        return wait

    def waited(self, sent: list[Sent], call: Callable[..., Any], frame: FrameType | None) -> Any:
        """`call()`, noted as an op after which the tensors that were sent are written."""
        messages = [message for one in sent for message in one.messages]
        held = tuple({id(tensor): tensor for one in sent for tensor in one.alive()}.values())
        table = self.tape.tensors

        def end(begun: Begun, result: Any, duration: int) -> None:
            self.noted(begun, _written(messages), messages, duration)

        with _DisableTorchFunction():
            lent = [tensor for tensor in held if table.take_back(tensor)]
        try:
            return self.ops.run(_WAIT, call, held, {}, frame, end=end)
        except BaseException:
            for tensor in lent:
                table.lend(tensor)
            raise

    def _end(self, begun: Begun, result: Any, duration: int) -> None:
        messages = self.tape.messages.of_op(len(self.tape.ops))
        if not messages:
            self.ops.end(begun, result, duration)
        elif _is_work(result):
            sent = self.sent(begun, messages, duration, weakref.ref(result))
            self._sent[id(result)] = sent
        else:
            self.noted(begun, _written(messages), messages, duration)

    def sent(
        self,
        begun: Begun,
        messages: list[RawMessage],
        duration: int,
        work: Callable[[], Any] = lambda: None,
    ) -> Sent:
        """Note an op whose messages are under way when it ends."""
        tensors = tuple(weakref.ref(tensor) for tensor in begun[0])
        written = _written(messages)
        self.noted(begun, set(), [], duration)
        lent: set[int] = set()
        with _DisableTorchFunction():
            for tensor in begun[0]:
                keys = set(storages(tensor)) & written - lent
                if keys:
                    self.tape.tensors.lend(tensor)
                    lent |= keys
        return Sent(tensors, messages, work)

    def noted(
        self, begun: Begun, written: set[int], messages: list[RawMessage], duration: int
    ) -> None:
        """Note an op that has written into this memory, and has waited for these messages."""
        tape = self.tape
        given, row = begun
        number = len(tape.ops)
        try:
            with _DisableTorchFunction():
                new, old = self._writes(zip(given, row[1], strict=True), written)
            tape.ops.append(RawOp(*row, new, old, duration, _next_sequence()))
        except Exception as error:  # ours; see `OpRecorder`
            tape.broken(error)
            return
        for message in messages:
            message.wait = number
        if number + 1 >= tape.max_ops:
            tape.reached_max_ops()

    def _writes(
        self, given: Iterable[tuple[torch.Tensor, int]], written: set[int]
    ) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """New values of the tensors in this memory, or of another version, and what they replace.

        One per storage: an alias is seen when it is next used.
        """
        table, number = self.tape.tensors, len(self.tape.ops)
        new: list[int] = []
        old: list[int] = []
        done: set[int] = set()
        for tensor, before in given:
            keys = set(storages(tensor))
            if not (keys & written or table.changed(tensor, before)):
                continue
            if before in old or keys & done:
                continue
            done |= keys
            new.append(table.wrote(tensor, number))
            old.append(before)
        return tuple(new), tuple(old)


def _readable(value: Any) -> Any:
    """An argument as it is shown: `ReduceOp.SUM` says its name only when it is printed."""
    name = str(value) if type(value).__name__ == "RedOpType" else ""
    return Opaque(name.replace("RedOpType", "ReduceOp"), "") if name else value


def _written(messages: list[RawMessage]) -> set[int]:
    return {key for message in messages for key in message.written}


def _is_work(result: Any) -> bool:
    work = getattr(sys.modules.get(_HOME), "Work", None)
    return work is not None and isinstance(result, work)


def _called(name: str, function: Any) -> FunctionType:
    """`function`, its code called `name`.

    Where a class of Python's own extends one of C++, pybind11 looks there for a method to call and
    knows by the code's name that it is being called by it already.
    """
    made: FunctionType = function
    made.__code__ = made.__code__.replace(co_name=name)
    made.__name__ = name
    return made
