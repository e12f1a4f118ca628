"""Statistics of many tensors: small ones are copied first and summarised together.

NumPy needs some 60 µs for the ten calls that one summary takes, whatever the tensor's size.
Copying a small tensor's memory takes one, and the calls are then made for hundreds at once.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from itertools import repeat
from typing import Any

import numpy
import torch

from inspector.capture.summary import (
    BINS,
    SAMPLE,
    as_numbers,
    once_each,
    readable,
    summarise,
    summarise_array,
    undisturbed,
)
from inspector.making import records_of
from inspector.records import TensorSummary

SMALL = 1 << 10
"""Elements up to which a tensor waits for others of its size."""

_BATCH = 1 << 15  # elements that are summarised together: what fits into the cache
_LEAST = 1e-300  # a span whose inverse is still finite
_WAITING = 1 << 23  # bytes that wait at most

_NUMPY = {
    torch.bool: "?", torch.uint8: "u1", torch.int8: "i1", torch.int16: "i2", torch.int32: "i4",
    torch.int64: "i8", torch.float16: "f2", torch.float32: "f4", torch.float64: "f8",
    torch.bfloat16: "u2", torch.complex64: "c8", torch.complex128: "c16",
}  # fmt: skip
_dispatch_keys: Callable[[torch.Tensor], Any] = torch._C._dispatch_keys
_tracing: Callable[[], Any] = torch._C._get_tracing_state

Key = tuple[torch.dtype, int]


class Summaries:
    """Numbers each summary when it is asked for; `finish` has them all, by number."""

    def __init__(self) -> None:
        self._found: list[TensorSummary | None] = []
        self._waiting: dict[Key, list[tuple[int, bytes]]] = {}
        self._batches: list[tuple[list[int], Columns]] = []  # made into records at the end
        self._bytes = 0
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
        if numel > SMALL:
            # As it lies there: a NumPy array made of the tensor costs 10 µs more.
            memory = (ctypes.c_char * size).from_address(tensor.data_ptr())
            self._found.append(summarise_array(_values(memory, dtype)))
            return number
        self._found.append(None)
        waiting = self._waiting.setdefault((dtype, numel), [])
        waiting.append((number, ctypes.string_at(tensor.data_ptr(), size)))
        self._bytes += size
        if len(waiting) * numel >= _BATCH:
            self._summarise((dtype, numel))
        elif self._bytes >= _WAITING:
            self._summarise_all()
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
        self._summarise_all()
        for numbers, columns in self._batches:
            for number, summary in zip(numbers, columns.summaries(), strict=True):
                self._found[number] = summary
        self._batches.clear()
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

    def _summarise_all(self) -> None:
        for key in list(self._waiting):
            self._summarise(key)

    def _summarise(self, key: Key) -> None:
        dtype, numel = key
        waiting = self._waiting.pop(key)
        data = b"".join([part for _, part in waiting])
        self._bytes -= len(data)
        rows = _values(data, dtype).reshape(len(waiting), numel)
        self._batches.append(([number for number, _ in waiting], Columns(rows)))


def _values(memory: Any, dtype: torch.dtype) -> numpy.ndarray:
    """The numbers in a piece of memory; low-precision floats become float32."""
    values = numpy.frombuffer(memory, _NUMPY[dtype])
    if dtype is torch.bfloat16:  # the upper half of a float32
        return (values.astype(numpy.uint32) << 16).view(numpy.float32)
    return values.astype(numpy.float32) if dtype is torch.float16 else values


class Columns:
    """What `summarise_array` says of each row, for all rows at once.

    Args:
        rows: (tensors, elements), no less than one element.
    """

    def __init__(self, rows: numpy.ndarray) -> None:
        numbers = as_numbers(rows)
        size = numbers.shape[1]
        self._size = size
        self._zeros = (numbers == 0).sum(axis=1) / size
        with numpy.errstate(all="ignore"):
            wide = numbers.astype(numpy.float64)
            self._low, self._high = wide.min(axis=1), wide.max(axis=1)
            self._mean = wide.mean(axis=1)
            span = self._high - self._low
            self._bins = _histograms(wide, self._low, span)
            self._sample = wide[:, :SAMPLE].copy()
            wide -= self._mean[:, None]
            self._std = numpy.sqrt(numpy.vecdot(wide, wide) / size)
        self._even = span == 0
        usual = self._even | (span > _LEAST) & numpy.isfinite(span)
        # Of the others (NaN, infinities, sums or inverses of no use) the rows are kept.
        self._others = {
            i: rows[i].copy() for i in numpy.flatnonzero(~(numpy.isfinite(self._std) & usual))
        }

    def summaries(self) -> list[TensorSummary]:
        """One summary per row."""
        count = len(self._low)
        found = records_of(
            TensorSummary,
            count,
            numel=repeat(self._size),
            min=self._low.tolist(),
            max=self._high.tolist(),
            mean=self._mean.tolist(),
            std=self._std.tolist(),
            nan_count=repeat(0),
            inf_count=repeat(0),
            zero_fraction=self._zeros.tolist(),
            histogram=[
                (self._size,) if even else tuple(counts)
                for even, counts in zip(self._even.tolist(), self._bins.tolist(), strict=True)
            ],
            sample=map(tuple, self._sample.tolist()),
        )
        for i, row in self._others.items():
            found[i] = summarise_array(row)
        return found


def _histograms(wide: numpy.ndarray, low: numpy.ndarray, span: numpy.ndarray) -> numpy.ndarray:
    """Counts in `BINS` equal bins between each row's ends; not to be used where it has no span."""
    scale = BINS / span  # a span that is not in range makes no sense, and is not used
    places = (wide - low[:, None]) * scale[:, None]
    if not numpy.isfinite(scale).all():
        places[~numpy.isfinite(places)] = 0.0
    numbers = places.astype(numpy.int64)
    numpy.clip(numbers, 0, BINS - 1, out=numbers)
    numbers += (numpy.arange(len(wide)) * BINS)[:, None]
    counted = numpy.bincount(numbers.reshape(-1), minlength=len(wide) * BINS)
    return counted.reshape(-1, BINS).astype(numpy.int32)
