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
from inspector.capture.tape import Argument, RawDecision, RawOp, Tape

_DisableTorchFunction: Any = torch._C.DisableTorchFunction
_next_sequence: Callable[[], int] = torch._C._autograd._get_sequence_nr

_VALUE_TYPES = (bool, int, float, complex, str, list, numpy.ndarray)
_NUMBERS = frozenset((bool, int, float, type(None)))
_LIST_LIMIT = 16
_INPLACE_OPERATORS = frozenset(
    f"__i{name}__"
    for name in "add sub mul matmul truediv floordiv mod pow and or xor lshift rshift".split()
)


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
    ) -> Any:
        """`call(*args, **kwargs)`, noted as an op that is named after `func`.

        What the call runs inside belongs to it and is not noted again. `held` are tensors that
        it uses without being given them: the parameters of a scripted module.
        """
        tape = self._tape
        trace = tape.trace  # put aside as by `tape.mute()`, whose call alone would be traced
        muted = trace is not None and sys.gettrace() is trace
        if muted:
            sys.settrace(None)
        try:
            number, row, given = self.begin(func, args, kwargs, frame, held)
        except Exception as error:  # ours, not the program's: it must not become its failure
            tape.broken(error)
            return call(*args, **kwargs)
        finally:
            if muted:
                sys.settrace(trace)
        start = time.perf_counter_ns()
        try:
            result = call(*args, **kwargs)
        except BaseException as error:
            tape.raised = (error, number)
            raise
        finally:
            row.duration_ns = time.perf_counter_ns() - start
            self.finish(row)
        if muted and sys.gettrace() is trace:
            sys.settrace(None)
            try:
                self.end(number, row, given, result)
            finally:
                sys.settrace(trace)
        else:
            self.end(number, row, given, result)
        return result

    def begin(
        self,
        func: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        frame: FrameType | None,
        held: Sequence[torch.Tensor] = (),
    ) -> tuple[int, RawOp, list[torch.Tensor]]:
        """Put a new op on the tape: (its number, its row, the tensors it was given).

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
                if isinstance(value, torch.Tensor):
                    number = see(value)
                    given.append(value)
                    inputs.append(number)
                    texts.append(number)
                elif type(value) in _NUMBERS:
                    texts.append(repr(value))
                else:
                    _take(value, see, given, inputs)
                    texts.append(render(value, see))
            for name, value in kwargs.items():
                if type(value) not in _NUMBERS:
                    _take(value, see, given, inputs)
                texts.append(f"{name}={render(value, see)}")
            if held:
                _take(held, see, given, inputs)
        site = tape.positions.site(frame)
        row = RawOp(func, tuple(inputs), tuple(texts), top, site, tape.phase)
        if tape.options.kernels:
            row.kernels = []
        ops = tape.ops
        ops.append(row)
        tape.running = row
        row.first_node = _next_sequence()
        return len(ops) - 1, row, given

    def finish(self, row: RawOp) -> None:
        """The call has returned or raised."""
        row.end_node = _next_sequence()
        self._tape.running = None

    def end(self, number: int, row: RawOp, given: list[torch.Tensor], result: Any) -> None:
        """Note what the op wrote, made and told; take it back if it did nothing of that."""
        tape = self._tape
        tensors = tape.tensors
        tensors.new_nodes = row.first_node, row.end_node
        try:
            with _DisableTorchFunction():
                if self._wrote_nothing(row, given):
                    written: list[int] = []
                else:
                    written, row.overwrites = self._note_writes(number, row, given, result)
                if type(result) is torch.Tensor and not written:
                    row.outputs = (tensors.made(result, number, row.inputs),)
                else:
                    outputs = [tensors.made(t, number, row.inputs) for t in _results(result)]
                    row.outputs = tuple(dict.fromkeys(outputs + written))
                if not row.outputs:
                    self._note_read(number, row, given, result)
                elif number + 1 >= tape.max_ops:
                    tape.reached_max_ops()
        except Exception as error:  # as above
            tape.broken(error)
        finally:
            tensors.new_nodes = None

    def _note_read(self, number: int, row: RawOp, given: list[torch.Tensor], result: Any) -> None:
        if given and isinstance(result, _VALUE_TYPES) and row.func.__name__ != "__get__":
            self._note_decision(number, row, result)
        else:
            del self._tape.ops[number]  # neither made, wrote nor read a value: not an op

    def _wrote_nothing(self, row: RawOp, given: list[torch.Tensor]) -> bool:
        """Whether all version counters stand where they stood, and tell of every write."""
        raw = self._tape.tensors.raw
        try:
            for tensor, before in zip(given, row.inputs, strict=True):
                if tensor._version != raw[before].version:
                    return False
        except RuntimeError:  # an inference tensor, which has none
            return False
        return self.calls.kind(row.func) is not CallKind.SET_DATA

    def _note_writes(
        self, number: int, row: RawOp, given: list[torch.Tensor], result: Any
    ) -> tuple[list[int], tuple[int, ...]]:
        """New values of the tensors that the call wrote into, and the ids they replace."""
        tensors = self._tape.tensors
        new: list[int] = []
        old: list[int] = []
        storages: set[int | None] = set()
        for position, (tensor, before) in enumerate(zip(given, row.inputs, strict=True)):
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

    def _silent(self, row: RawOp, position: int, tensor: torch.Tensor, result: Any) -> bool:
        """Whether the op wrote into its argument `tensor` without moving a version counter.

        Inference tensors have none, and `.data = ` leaves it alone; there the function's
        name has to tell.
        """
        func = row.func
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
        given_out = any(isinstance(part, str) and part.startswith("out=") for part in row.arguments)
        return given_out and any(tensor is item for item in tensors_in(result))

    def _note_decision(self, number: int, row: RawOp, result: Any) -> None:
        kind = plain_name(row.func)
        if isinstance(result, (list, complex, numpy.ndarray)):
            value: bool | int | float | str = _listed(result)
        else:
            value = result
        tensor = row.inputs[0] if row.inputs else None
        self._tape.decisions.append(RawDecision(number, tensor, value, kind))


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
