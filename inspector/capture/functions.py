"""Ops and decisions: a `TorchFunctionMode` sees each outermost call on tensors.

The function mode sees what the user wrote (`torch.nn.functional.linear`, `Tensor.__bool__`),
with outputs that already have their `grad_fn`. While a call runs the mode is off, so what
the function calls inside belongs to it and is not seen again.
"""

from __future__ import annotations

import copy
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy
import torch
from torch.overrides import TorchFunctionMode

from inspector.capture.arguments import render, tensors_in
from inspector.capture.backward import BackwardRecorder
from inspector.capture.calls import CallKind, CallTable, plain_name
from inspector.capture.steps import StepRecorder
from inspector.capture.tape import Argument, RawDecision, RawOp, Tape

_next_sequence: Callable[[], int] = torch._C._autograd._get_sequence_nr

_VALUE_TYPES = (bool, int, float, complex, str, list, numpy.ndarray)
_LIST_LIMIT = 16


class FunctionRecorder(TorchFunctionMode):
    """Notes each call on the tape. Enter it like any mode; it must be entered once only."""

    def __init__(self, tape: Tape, steps: StepRecorder) -> None:
        super().__init__()
        self._tape = tape
        self._calls = CallTable()
        self._steps = steps
        self._backward = BackwardRecorder(tape, self)

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        tape = self._tape
        kind = self._calls.kind(func)
        if not tape.recording_here:
            return func(*args, **kwargs)
        if kind is CallKind.COMPUTE or kind is CallKind.SET_DATA:
            return self._op(func, args, kwargs, sys._getframe(1))
        if kind is CallKind.BACKWARD:
            return self._backward.run(func, args, kwargs, sys._getframe(1))
        result = func(*args, **kwargs)
        if kind is CallKind.MARKER:
            self._steps.marker(args, sys._getframe(1))
        elif kind is CallKind.SET_GRAD and len(args) > 1 and args[1] is None:
            self._steps.grad_cleared(sys._getframe(1))
        elif func is torch.Tensor.requires_grad_:
            tape.tensors.refresh_flags(result)
        return result

    def _op(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], frame: Any) -> Any:
        tape = self._tape
        with torch._C.DisableTorchFunctionSubclass():
            given = [*tensors_in(args), *tensors_in(kwargs)]
            inputs = tuple(tape.tensors.see(tensor) for tensor in given)
        number = len(tape.ops)
        row = RawOp(func, inputs, (), _top(tape), tape.site(frame), tape.phase)
        row.arguments = tuple(_arguments(args, kwargs, tape))
        tape.ops.append(row)
        tape.running = row
        row.first_node = _next_sequence()
        start = time.perf_counter_ns()
        try:
            result = func(*args, **kwargs)
        except BaseException as error:
            tape.raised = (error, number)
            raise
        finally:
            row.duration_ns = time.perf_counter_ns() - start
            row.end_node = _next_sequence()
            tape.running = None
        with torch._C.DisableTorchFunctionSubclass():
            self._note_result(number, row, given, result)
        return result

    def _note_result(self, number: int, row: RawOp, given: list[torch.Tensor], result: Any) -> None:
        tape = self._tape
        written, overwrites = self._note_writes(number, row, given, result)
        outputs = [tape.tensors.made(tensor, number, row.inputs) for tensor in _results(result)]
        row.outputs = tuple(dict.fromkeys(outputs + written))
        row.overwrites = overwrites
        if row.outputs:
            if number + 1 >= tape.options.max_ops:
                tape.full = True
                tape.note(
                    f"Recording stopped after {number + 1} ops (max_ops); the program ran on."
                )
            return
        if given and isinstance(result, _VALUE_TYPES) and row.func.__name__ != "__get__":
            self._note_decision(number, row, result)
            return
        del tape.ops[number]  # neither made, wrote nor read a value: not an op

    def _note_writes(
        self, number: int, row: RawOp, given: list[torch.Tensor], result: Any
    ) -> tuple[list[int], tuple[int, ...]]:
        """New values of the tensors that the call wrote into, and the ids they replace."""
        tensors = self._tape.tensors
        silent = _writes_silently(row.func)
        new: list[int] = []
        old: list[int] = []
        storages: set[int | None] = set()
        for tensor, before in zip(given, row.inputs, strict=True):
            unversioned = tensor is result and tensor.is_inference() and silent
            replaced = tensor is given[0] and self._calls.kind(row.func) is CallKind.SET_DATA
            if before in old or not (tensors.changed(tensor, before) or unversioned or replaced):
                continue
            storage = tensors.raw[before].storage
            if storage is not None and storage in storages:
                continue  # moved along with an alias that was written: seen when next used
            storages.add(storage)
            new.append(tensors.wrote(tensor, number))
            old.append(before)
        return new, tuple(old)

    def _note_decision(self, number: int, row: RawOp, result: Any) -> None:
        kind = plain_name(row.func)
        if isinstance(result, (list, complex, numpy.ndarray)):
            value: bool | int | float | str = _listed(result)
        else:
            value = result
        tensor = row.inputs[0] if row.inputs else None
        self._tape.decisions.append(RawDecision(number, tensor, value, kind))


def _top(tape: Tape) -> int | None:
    return tape.open_calls[-1] if tape.open_calls else None


def _arguments(args: tuple[Any, ...], kwargs: dict[str, Any], tape: Tape) -> Iterator[Argument]:
    see = tape.tensors.see
    for value in args:
        yield see(value) if isinstance(value, torch.Tensor) else render(value, see)
    for name, value in kwargs.items():
        yield f"{name}={render(value, see)}"


def _results(result: Any) -> Iterator[torch.Tensor]:
    if type(result) is type(iter(())):  # Tensor.__iter__: look without using it up
        result = tuple(copy.copy(result))
    return tensors_in(result)


def _writes_silently(func: Any) -> bool:
    name: str = getattr(func, "__name__", "")
    return name.endswith("_") and not name.endswith("__")


def _listed(result: Any) -> str:
    if isinstance(result, complex):
        return repr(result)
    if isinstance(result, numpy.ndarray):
        return f"array of shape {result.shape}"
    shown = ", ".join(repr(item) for item in result[:_LIST_LIMIT])
    return f"[{shown}, …]" if len(result) > _LIST_LIMIT else f"[{shown}]"
