"""Statistics of many tensors: small ones are copied first and summarised together.

NumPy needs some 60 µs for the ten calls that one summary takes, whatever the tensor's size.
Copying a small tensor's memory takes one, and the calls are then made for hundreds at once.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import fields
from itertools import repeat
from typing import Any

import numpy
import torch

from inspector.capture.summary import (
    BINS,
    SAMPLE,
    as_numbers,
    measured,
    once_each,
    readable,
    summarise,
    summarise_array,
    undisturbed,
)
from inspector.making import records_of
from inspector.records import TensorSummary

SMALL = 1 << 10
"""Elements up to which a tensor waits for others of its dtype."""

_BATCH = 1 << 15  # elements that are summarised together: what fits into the cache
_LEAST = 1e-300  # a span whose inverse is still finite
_FIELDS = tuple(field.name for field in fields(TensorSummary))

_NUMPY = {
    torch.bool: "?", torch.uint8: "u1", torch.int8: "i1", torch.int16: "i2", torch.int32: "i4",
    torch.int64: "i8", torch.float16: "f2", torch.float32: "f4", torch.float64: "f8",
    torch.bfloat16: "u2", torch.complex64: "c8", torch.complex128: "c16",
}  # fmt: skip
_dispatch_keys: Callable[[torch.Tensor], Any] = torch._C._dispatch_keys
_tracing: Callable[[], Any] = torch._C._get_tracing_state


class _Waiting:
    """Copies of small tensors of one dtype, to be summarised together."""

    __slots__ = ("elements", "tensors")

    def __init__(self) -> None:
        self.tensors: list[tuple[int, int, bytes]] = []  # (number, elements, memory)
        self.elements = 0


class Summaries:
    """Numbers each summary when it is asked for; `finish` has them all, by number."""

    def __init__(self) -> None:
        self._found: list[TensorSummary | None] = []
        self._waiting: dict[torch.dtype, _Waiting] = {}
        # Made into records at the end:
        self._batches: list[tuple[tuple[int, ...], Batch]] = []
        self._large: list[tuple[int, tuple[Any, ...]]] = []
        self._dense: dict[tuple[type, int], bool] = {}

    def add(self, tensor: torch.Tensor) -> int:
        """Read `tensor` now; the number of its summary.

        To be called with torch functions disabled.
        """
        number = len(self._found)
        dtype, numel = tensor.dtype, tensor.numel()
        if not numel or dtype not in _NUMPY or not self._is_dense(tensor):
            self._found.append(summarise(tensor))
            return number
        if not tensor.is_contiguous():
            with undisturbed():
                if numel > SMALL and once_each(tensor) is not tensor:
                    return self._add_expanded(tensor)
                tensor = tensor.contiguous()
        size = numel * tensor.element_size()
        self._found.append(None)
        if numel > SMALL:
            # As it lies there: a NumPy array made of the tensor costs 10 µs more.
            memory = (ctypes.c_char * size).from_address(tensor.data_ptr())
            self._large.append((number, measured(_values(memory, dtype))))
            return number
        waiting = self._waiting.get(dtype)
        if waiting is None:
            waiting = self._waiting[dtype] = _Waiting()
        # At once: reading may raise (recursion, memory), and Ctrl-C comes between two steps.
        waiting.tensors.append((number, numel, ctypes.string_at(tensor.data_ptr(), size)))
        waiting.elements += numel
        if waiting.elements >= _BATCH:
            self._summarise(dtype)
        return number

    def _add_expanded(self, tensor: torch.Tensor) -> int:
        once = once_each(tensor).contiguous()
        size = once.numel() * once.element_size()
        memory = (ctypes.c_char * size).from_address(once.data_ptr())
        values = _values(memory, tensor.dtype).reshape(tuple(once.shape))
        return self.add_array(numpy.broadcast_to(values, tuple(tensor.shape)))

    def add_array(self, array: numpy.ndarray) -> int:
        """The number of the summary of an array."""
        self._found.append(summarise_array(array))
        return len(self._found) - 1

    def finish(self) -> list[TensorSummary | None]:
        """All summaries; None where values could not be read."""
        for dtype in list(self._waiting):
            self._summarise(dtype)
        made = [(numbers, batch.summaries()) for numbers, batch in self._batches]
        if self._large:
            numbers, rows = zip(*self._large, strict=True)
            columns = dict(zip(_FIELDS, zip(*rows, strict=True), strict=True))
            made.append((numbers, records_of(TensorSummary, len(rows), **columns)))
        for numbers, summaries in made:
            for number, summary in zip(numbers, summaries, strict=True):
                self._found[number] = summary
        self._batches, self._large = [], []
        return self._found

    def _is_dense(self, tensor: torch.Tensor) -> bool:
        """Whether the tensor's values lie in the CPU's memory as they are.

        The dispatch keys tell all of it (device, layout, conjugation, quantization, transforms,
        tensors that compute elsewhere), except that tracing would trace our reading.
        """
        key = type(tensor), _dispatch_keys(tensor).raw_repr()
        known = self._dense.get(key)
        if known is None:
            if _tracing() is not None:
                return False
            lazy = tensor.is_conj() or tensor.is_neg() or tensor.is_quantized
            known = self._dense[key] = readable(tensor) and tensor.is_cpu and not lazy
        return known and _tracing() is None

    def _summarise(self, dtype: torch.dtype) -> None:
        tensors = self._waiting.pop(dtype).tensors
        if tensors:  # else reading the first one failed
            numbers, sizes, parts = zip(*tensors, strict=True)
            self._batches.append((numbers, Batch(_values(b"".join(parts), dtype), sizes)))


def _values(memory: Any, dtype: torch.dtype) -> numpy.ndarray:
    """The numbers in a piece of memory; low-precision floats become float32."""
    values = numpy.frombuffer(memory, _NUMPY[dtype])
    if dtype is torch.bfloat16:  # the upper half of a float32
        return (values.astype(numpy.uint32) << 16).view(numpy.float32)
    return values.astype(numpy.float32) if dtype is torch.float16 else values


class Batch:
    """What `summarise_array` says of each of many short arrays, for all of them at once.

    Args:
        values: one array after the other.
        sizes: their lengths, none of them 0.
    """

    def __init__(self, values: numpy.ndarray, sizes: tuple[int, ...]) -> None:
        numbers = as_numbers(values)
        lengths = numpy.array(sizes)
        ends = numpy.cumsum(lengths)
        starts = ends - lengths
        self._sizes = sizes
        self._zeros = numpy.add.reduceat(numbers == 0, starts, dtype=numpy.intp) / lengths
        with numpy.errstate(all="ignore"):
            wide = numbers.astype(numpy.float64)
            self._low = numpy.minimum.reduceat(wide, starts)
            self._high = numpy.maximum.reduceat(wide, starts)
            self._mean = numpy.add.reduceat(wide, starts) / lengths
            span = self._high - self._low
            self._bins = _histograms(wide, self._low, span, lengths)
            first = starts[:, None] + numpy.arange(SAMPLE)
            self._sample = wide[numpy.minimum(first, ends[:, None] - 1)]
            wide -= numpy.repeat(self._mean, lengths)
            wide *= wide
            self._std = numpy.sqrt(numpy.add.reduceat(wide, starts) / lengths)
        self._even = span == 0
        usual = self._even | (span > _LEAST) & numpy.isfinite(span)
        # Of the others (NaN, infinities, sums or inverses of no use) the values are kept.
        self._others = {
            i: values[starts[i] : ends[i]].copy()
            for i in numpy.flatnonzero(~(numpy.isfinite(self._std) & usual))
        }

    def summaries(self) -> list[TensorSummary]:
        """One summary per array."""
        sizes = self._sizes
        found = records_of(
            TensorSummary,
            len(sizes),
            numel=sizes,
            min=self._low.tolist(),
            max=self._high.tolist(),
            mean=self._mean.tolist(),
            std=self._std.tolist(),
            nan_count=repeat(0),
            inf_count=repeat(0),
            zero_fraction=self._zeros.tolist(),
            histogram=[
                (size,) if even else tuple(counts)
                for size, even, counts in zip(
                    sizes, self._even.tolist(), self._bins.tolist(), strict=True
                )
            ],
            sample=[
                tuple(row) if size >= SAMPLE else tuple(row[:size])
                for size, row in zip(sizes, self._sample.tolist(), strict=True)
            ],
        )
        for i, values in self._others.items():
            found[i] = summarise_array(values)
        return found


def _histograms(
    wide: numpy.ndarray, low: numpy.ndarray, span: numpy.ndarray, lengths: numpy.ndarray
) -> numpy.ndarray:
    """Counts in `BINS` equal bins between each array's ends; of no use where it has no span."""
    scale = BINS / span  # a span that is not in range makes no sense, and is not used
    places = wide - numpy.repeat(low, lengths)
    places *= numpy.repeat(scale, lengths)
    if not numpy.isfinite(scale).all():
        places[~numpy.isfinite(places)] = 0.0
    numbers = places.astype(numpy.int64)
    numpy.clip(numbers, 0, BINS - 1, out=numbers)
    numbers += numpy.repeat(numpy.arange(0, len(span) * BINS, BINS), lengths)
    counted = numpy.bincount(numbers, minlength=len(span) * BINS)
    return counted.reshape(-1, BINS).astype(numpy.int32)
