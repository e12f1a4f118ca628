"""Size reads that steer: `if x.dim() == 2`, `for i in range(x.shape[0])`.

A read of a tensor's metadata runs no op. Those whose value reaches a test or an iterator of the
user's code (`steering.py` tells from the source text) are decisions all the same. While the
program runs a read costs one look into a table by its place in the code; that is told once per
function, when it reads for the first time. Functions without source text have no such decisions.
"""

from __future__ import annotations

import linecache
import sys
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from heapq import merge
from types import CodeType, FrameType
from typing import Any

import torch
from torch import nn

from inspector.capture.calls import plain_name
from inspector.capture.expressions import Item
from inspector.capture.steering import steering_reads
from inspector.capture.tape import RawSizeRead, SteeringPlace, Tape
from inspector.language import sentence
from inspector.records import Decision, Source

MAX_READS = 1_000
"""Reads noted at one place of the code."""

_DisableTorchFunction: Any = torch._C.DisableTorchFunction
_INTEGERS = frozenset((int,))
_NUMBERS = frozenset((bool, int, float, str))
_NAMED = (torch.dtype, torch.device, torch.layout, torch.memory_format, torch.qscheme)
_SYMBOLS = (torch.SymInt, torch.SymBool, torch.SymFloat)


class SizeReads:
    """Notes the steering reads of one recording.

    Attributes:
        places: id of a code object -> `f_lasti` of a call in it -> the place, if it steers.
            A code object that is not there has not been looked at.
    """

    def __init__(self, tape: Tape) -> None:
        self._tape = tape
        self._codes: list[CodeType] = []  # kept alive, so that no id() is used again
        self.places: dict[int, Mapping[int, SteeringPlace]] = {}

    def note(
        self, func: Callable[..., Any], args: tuple[Any, ...], result: Any, frame: FrameType
    ) -> None:
        """Note that `func(*args)`, called from `frame`, gave `result`, if that steers."""
        tape = self._tape
        trace = tape.trace
        muted = trace is not None and sys.gettrace() is trace
        if muted:
            sys.settrace(None)
        try:
            places = self.places.get(id(frame.f_code))
            if places is None:
                places = self._look_at(frame.f_code)
            place = places.get(frame.f_lasti)
            value = None if place is None else _plain(result)
            if place is not None and value is not None and self._has_room(place):
                top = tape.open_call(frame) if tape.leaving else tape.top
                tensor = self._number(args[0] if args else None)
                row = RawSizeRead(func, tensor, value, place, len(tape.ops), top)
                tape.size_reads.append(row)
        except Exception as error:  # ours, not the program's
            tape.broken(error)
        finally:
            if muted:
                sys.settrace(trace)

    def _has_room(self, place: SteeringPlace) -> bool:
        place.noted += 1
        if place.noted <= MAX_READS:
            return True
        self._tape.note(
            sentence(
                "Of the size reads in {function}, line {line}, only the first {max_reads:,} were "
                "recorded.",
                function=place.source.function,
                line=place.source.line,
                max_reads=MAX_READS,
            )
        )
        return False

    def _number(self, tensor: Any) -> int | weakref.ref[torch.Tensor] | None:
        """The tensor's id. To be asked for its size is no use of a parameter: a reference waits
        for an op that uses it.
        """
        tensors = self._tape.tensors
        with _DisableTorchFunction():
            if type(tensor) is torch.Tensor:
                return tensors.see(tensor)
            if not isinstance(tensor, torch.Tensor):
                return None
            if isinstance(tensor, nn.Parameter):
                found = tensors.find(tensor)
                return weakref.ref(tensor) if found is None else found[1]
            return tensors.see(tensor)

    def _look_at(self, code: CodeType) -> Mapping[int, SteeringPlace]:
        self._codes.append(code)
        found: Mapping[int, SteeringPlace] = {}
        if self._tape.positions.is_user(code):
            try:
                found = dict(_steering_places(code))
            except RecursionError:  # the program is at the limit already
                found = {}
        self.places[id(code)] = found
        return found


def _steering_places(code: CodeType) -> Iterator[tuple[int, SteeringPlace]]:
    text = "".join(linecache.getlines(code.co_filename))
    if not text:
        return
    reads = steering_reads(text).around(code.co_firstlineno)
    known: dict[Source, SteeringPlace] = {}  # Python has the test of a `while` in code twice
    for index, (line, end_line, column, end_column) in enumerate(code.co_positions()):
        if line is None or column is None:
            continue
        items = reads.get((line, column, end_line, end_column))
        if items is not None:
            source = Source(code.co_filename, line, column, code.co_qualname, end_line, end_column)
            yield 2 * index, known.setdefault(source, SteeringPlace(source, items))


def _plain(result: Any) -> bool | int | float | str | tuple[int, ...] | None:
    """What was read, without a live object; None for what is no number, size or name."""
    if type(result) in _NUMBERS:
        return result  # type: ignore[no-any-return]
    if isinstance(result, tuple):
        if _INTEGERS.issuperset(map(type, result)):
            return tuple(result)
        known = all(part is None or isinstance(part, (int, str, *_SYMBOLS)) for part in result)
        return f"({', '.join(map(str, result))})" if known else None
    if isinstance(result, _NAMED):
        return str(result).removeprefix("torch.")
    return str(result) if isinstance(result, _SYMBOLS) else None


# -- assembling ----------------------------------------------------------------------------


def with_size_reads(
    decisions: Iterable[Decision], tape: Tape, first_values: Mapping[int, int]
) -> Iterator[Decision]:
    """The decisions of ops and those of size reads, numbered in the order of the run.

    Args:
        decisions: those of ops, in order.
        tape: the notes of a finished run.
        first_values: number of a tensor object -> the id of its first value.
    """
    if not tape.size_reads:
        yield from decisions
        return
    reads = (_decision(row, tape, first_values) for row in tape.size_reads)
    for number, decision in enumerate(merge(decisions, reads, key=_when)):
        yield replace(decision, id=number)


def _when(decision: Decision) -> tuple[int, int]:
    return (decision.before_op or 0, 0) if decision.op is None else (decision.op, 1)


def _decision(row: RawSizeRead, tape: Tape, first_values: Mapping[int, int]) -> Decision:
    tensor = row.tensor
    if isinstance(tensor, weakref.ref):
        alive = tensor()
        found = None if alive is None else tape.tensors.find(alive)
        tensor = None if found is None else first_values[found[0]]
    return Decision(
        id=0,
        op=None,
        tensor=tensor,
        value=_steering_value(row.value, row.place.items),
        kind=plain_name(row.func),
        source=row.place.source,
        before_op=row.before_op,
        module_call=row.module_call,
    )


def _steering_value(
    value: bool | int | float | str | tuple[int, ...], items: frozenset[Item]
) -> bool | int | float | str:
    """The one size that steers, where the code says which it is; else all of them, as text."""
    if not isinstance(value, tuple):
        return value
    item = next(iter(items)) if len(items) == 1 else None
    if isinstance(item, int) and -len(value) <= item < len(value):
        return value[item]
    return str(value)
