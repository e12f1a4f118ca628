"""Ops and decisions: what is noted of one call on tensors, whoever noticed the call."""

from __future__ import annotations

import copy
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from types import FrameType
from typing import Any

import numpy
import torch

from inspector.capture.arguments import render, tensors_in
from inspector.capture.calls import CallKind, CallTable, plain_name
from inspector.capture.frames import Site
from inspector.capture.tape import Argument, Raised, RawDecision, RawOp, Tape, Token
from inspector.records import Kernel

_DisableTorchFunction: Any = torch._C.DisableTorchFunction
_Tensor = torch.Tensor
_clock = time.perf_counter_ns
_row: Callable[..., Any] = tuple.__new__  # see `tensors.py`
_next_sequence: Callable[[], int] = torch._C._autograd._get_sequence_nr

_VALUE_TYPES = (bool, int, float, complex, str, list, numpy.ndarray)
_NUMBERS = frozenset((bool, int, float, type(None)))
_AS_THEY_ARE = _NUMBERS - {int}  # an int among an op's arguments is a tensor's id
_LIST_LIMIT = 16
_INPLACE_OPERATORS = frozenset(
    f"__i{name}__"
    for name in "add sub mul matmul truediv floordiv mod pow and or xor lshift rshift".split()
)


Row = tuple[
    Callable[..., Any], tuple[int, ...], tuple[Argument, ...], int | None, Site, str, int,
    list[Kernel] | None,
]  # fmt: skip
"""The fields of a `RawOp` that are known before the call."""

Begun = tuple[list[torch.Tensor], Row]
"""A call that has not returned: the tensors that it was given, and the row begun."""


class OpRecorder:
    """Calls functions and notes each as one op on the tape."""

    def __init__(self, tape: Tape) -> None:
        self._tape = tape
        self.calls = CallTable()

    def run(
        self,
        func: Callable[..., Any],
        call: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        frame: FrameType | None,
        held: Sequence[torch.Tensor] = (),
        end: Callable[[Begun, Any, int], None] | None = None,
    ) -> Any:
        """`call(*args, **kwargs)`, noted as an op that is named after `func`.

        What the call runs inside belongs to it and is not noted again. `held` are tensors that
        it uses without being given them: the parameters of a scripted module. `end` notes how it
        ended, in place of our own `end`.
        """
        noted = end or self.end
        tape = self._tape
        trace = tape.trace  # put aside as by `tape.mute()`, whose call alone would be traced
        muted = trace is not None and sys.gettrace() is trace
        if muted:
            sys.settrace(None)
        try:
            begun = self.begin(func, args, kwargs, frame, held)
        except Exception as error:  # ours, not the program's: it must not become its failure
            tape.broken(error)
            return call(*args, **kwargs)
        finally:
            if muted:
                sys.settrace(trace)
        start = _clock()
        try:
            result = call(*args, **kwargs)
        except BaseException as error:
            duration = _clock() - start
            tape.running = False
            token = Token()
            self.failed(begun, error, duration, token)
            raise
        duration = _clock() - start
        tape.running = False
        if muted and sys.gettrace() is trace:
            sys.settrace(None)
            try:
                noted(begun, result, duration)
            finally:
                sys.settrace(trace)
        else:
            noted(begun, result, duration)
        return result

    def begin(
        self,
        func: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        frame: FrameType | None,
        held: Sequence[torch.Tensor] = (),
    ) -> Begun:
        """Note what an op is given; from now on it is the one that runs.

        What reads of `.shape` and the like this makes, reach neither a subclass nor a mode.
        """
        tape = self._tape
        top = tape.open_call(frame) if tape.leaving else tape.top
        see = tape.tensors.see
        given: list[torch.Tensor] = []
        inputs: list[int] = []
        texts: list[Argument] = []
        with _DisableTorchFunction():
            for value in args:
                kind = type(value)
                if kind in _AS_THEY_ARE:
                    texts.append(value)
                elif kind is int:
                    texts.append(repr(value))
                elif isinstance(value, _Tensor):
                    number = see(value)
                    given.append(value)
                    inputs.append(number)
                    texts.append(number)
                else:
                    _take(value, see, given, inputs)
                    texts.append(render(value, see))
            for name, value in kwargs.items():
                if type(value) not in _NUMBERS:
                    _take(value, see, given, inputs)
                texts.append(f"{name}={render(value, see)}")
            if held:
                _take(held, see, given, inputs)
        site = tape.positions.site(frame, tape.base)
        kernels = tape.op_kernels = [] if tape.options.kernels else None
        tape.running = True
        row = (
            func, tuple(inputs), tuple(texts), top, site, tape.phase, _next_sequence(), kernels,
        )  # fmt: skip
        return given, row

    def failed(
        self, begun: Begun, error: BaseException, duration: int, token: Token | None = None
    ) -> None:
        """The call has raised `error` after `duration` nanoseconds; for `token` see `Raised`."""
        ops = self._tape.ops
        self._tape.raised = Raised(error, len(ops), token)
        ops.append(RawOp(*begun[1], (), (), duration, _next_sequence()))

    def end(self, begun: Begun, result: Any, duration: int) -> None:
        """The call has returned after `duration` nanoseconds: note the op, with what it wrote,
        made and told; if it did nothing of that, it is none.
        """
        given, row = begun
        func, inputs, _, _, _, _, first, _ = row
        end = _next_sequence()
        sequence = first if end - first == 1 else None
        tape = self._tape
        ops = tape.ops
        tensors = tape.tensors
        outputs: tuple[int, ...]
        overwrites: tuple[int, ...] = ()
        written: list[int] = []
        number = len(ops)
        try:
            with _DisableTorchFunction():
                if not self._wrote_nothing(func, given, inputs):
                    written, overwrites = self._note_writes(number, row, given, result)
                if type(result) is _Tensor and not written:
                    outputs = (tensors.made(result, number, inputs, sequence),)
                else:
                    made = [tensors.made(t, number, inputs, sequence) for t in _results(result)]
                    outputs = tuple(dict.fromkeys(made + written))
                if not outputs and not self._tells(number, func, given, inputs, result):
                    return  # neither made, wrote nor read a value: not an op
                ops.append(_row(RawOp, (*row, outputs, overwrites, duration, end)))
                if outputs and number + 1 >= tape.max_ops:
                    tape.reached_max_ops()
        except Exception as error:  # as above
            tape.broken(error)

    def _tells(
        self,
        number: int,
        func: Callable[..., Any],
        given: list[torch.Tensor],
        inputs: tuple[int, ...],
        result: Any,
    ) -> bool:
        """Whether a call that made no tensor read a value, which is then a decision."""
        if not given or not isinstance(result, _VALUE_TYPES) or func.__name__ == "__get__":
            return False
        if isinstance(result, (list, complex, numpy.ndarray)):
            value: bool | int | float | str = _listed(result)
        else:
            value = result
        tensor = inputs[0] if inputs else None
        self._tape.decisions.append(RawDecision(number, tensor, value, plain_name(func)))
        return True

    def _wrote_nothing(
        self, func: Callable[..., Any], given: list[torch.Tensor], inputs: tuple[int, ...]
    ) -> bool:
        """Whether all version counters stand where they stood, and tell of every write."""
        raw = self._tape.tensors.raw
        try:
            for tensor, before in zip(given, inputs, strict=True):
                if tensor._version != raw[before].version:
                    return False
        except RuntimeError:  # an inference tensor, which has none
            return False
        return self.calls.kinds.get(func) is not CallKind.SET_DATA

    def _note_writes(
        self, number: int, row: Row, given: list[torch.Tensor], result: Any
    ) -> tuple[list[int], tuple[int, ...]]:
        """New values of the tensors that the call wrote into, and the ids they replace."""
        tensors = self._tape.tensors
        new: list[int] = []
        old: list[int] = []
        storages: set[int | None] = set()
        for position, (tensor, before) in enumerate(zip(given, row[1], strict=True)):
            if before in old or not (
                tensors.changed(tensor, before) or self._silent(row, position, tensor, result)
            ):
                continue
            storage = tensors.raw[before].storage
            if storage is not None and storage in storages:
                continue  # moved along with an alias that was written: seen when next used
            storages.add(storage)
            new.append(tensors.wrote(tensor, number))
            old.append(before)
        return new, tuple(old)

    def _silent(self, row: Row, position: int, tensor: torch.Tensor, result: Any) -> bool:
        """Whether the op wrote into its argument `tensor` without moving a version counter.

        Inference tensors have none, and `.data = ` leaves it alone; there the function's
        name has to tell.
        """
        func, _, arguments = row[:3]
        if self.calls.kind(func) is CallKind.SET_DATA:
            return position == 0
        if not tensor.is_inference():
            return False
        name: str = getattr(func, "__name__", "")
        if name == "__setitem__" or name in _INPLACE_OPERATORS:
            return position == 0
        if name.endswith("_") and not name.endswith("__"):
            # x.add_(1) returns what it wrote, _foreach_add_([x, y], 1) may return nothing.
            return result is None or any(tensor is item for item in tensors_in(result))
        given_out = any(isinstance(part, str) and part.startswith("out=") for part in arguments)
        return given_out and any(tensor is item for item in tensors_in(result))


def _take(
    value: Any,
    see: Callable[[torch.Tensor], int],
    given: list[torch.Tensor],
    inputs: list[int],
) -> None:
    """Add the tensors in one argument."""
    for tensor in tensors_in(value):
        given.append(tensor)
        inputs.append(see(tensor))


def _results(result: Any) -> Iterator[torch.Tensor]:
    if type(result) is type(iter(())):  # Tensor.__iter__: look without using it up
        result = tuple(copy.copy(result))
    return tensors_in(result)


def _listed(result: Any) -> str:
    if isinstance(result, complex):
        return repr(result)
    if isinstance(result, numpy.ndarray):
        return f"array of shape {result.shape}"
    shown = ", ".join(repr(item) for item in result[:_LIST_LIMIT])
    return f"[{shown}, …]" if len(result) > _LIST_LIMIT else f"[{shown}]"
