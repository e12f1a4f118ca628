"""Statistics of a live tensor, taken without disturbing the run.

The reading happens with grad mode off and the user's own modes out of the way, draws no
random numbers, creates no autograd nodes and changes no version counter.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy
import torch
from torch.nn.parameter import is_lazy
from torch.utils._python_dispatch import _disable_current_modes

from inspector.records import TensorSummary

BINS = 16
SAMPLE = 8
_BLOCK = 4096
_PIECE = 1 << 18
_RUN = 16
_SQUARABLE = 1e15
"""The squares of a block of numbers up to this add up within float32's range."""
_ONES = {kind.itemsize: numpy.ones(_BLOCK, kind) for kind in map(numpy.dtype, ("f4", "f8"))}

_lowest, _highest = numpy.minimum.reduce, numpy.maximum.reduce  # `min()` is a call more

HISTOGRAM_LIMIT = 1 << 12
"""Above this many elements the histogram counts runs of them, evenly strided."""

_PLAIN = (torch.Tensor, torch.nn.Parameter, torch.nn.Buffer)
_FLOATS = (torch.float32, torch.float64)
_CODES = {
    torch.bool: "|b1", torch.uint8: "|u1", torch.int8: "|i1",
    torch.int16: "=i2", torch.int32: "=i4", torch.int64: "=i8",
    torch.uint16: "=u2", torch.uint32: "=u4", torch.uint64: "=u8",
    torch.float32: "=f4", torch.float64: "=f8",
    torch.complex64: "=c8", torch.complex128: "=c16",
}  # fmt: skip
"""The names that NumPy gives to torch's dtypes."""


class undisturbed:
    """A context in which our own tensor reads are invisible to autograd and to modes.

    A plain class, entered for each tensor: an ExitStack of contexts costs five times as much.
    """

    __slots__ = ("_function", "_grad", "_modes")

    def __enter__(self) -> None:
        self._function = torch._C.DisableTorchFunction()
        self._function.__enter__()
        self._grad = torch.is_grad_enabled()
        torch._C._set_grad_enabled(False)
        self._modes: Any = None
        if torch._C._len_torch_dispatch_stack():
            self._modes = _disable_current_modes()
            self._modes.__enter__()

    def __exit__(self, *error: object) -> None:
        if self._modes is not None:
            self._modes.__exit__(*error)
        torch._C._set_grad_enabled(self._grad)
        self._function.__exit__(None, None, None)


def readable(tensor: torch.Tensor) -> bool:
    """Whether the values can be read: not meta, fake, sparse, nested or inside `vmap`."""
    kind = type(tensor)
    if kind not in _PLAIN and (
        kind.__torch_dispatch__ is not torch._C._disabled_torch_dispatch_impl
    ):
        return False  # a subclass that computes elsewhere (FakeTensor, DTensor, ...)
    return (
        tensor.layout is torch.strided
        and tensor.device.type != "meta"
        and not torch._C._functorch.is_functorch_wrapped_tensor(tensor)
        and not tensor.is_nested
        and not is_lazy(tensor)
        and torch._C._get_tracing_state() is None  # torch.jit.trace would trace our reading
    )


def to_array(tensor: torch.Tensor) -> numpy.ndarray | None:
    """A NumPy view or copy of the values on the CPU; None where they can't be read.

    Low-precision floats become float32 (NumPy has no bfloat16); quantized tensors are
    dequantized.
    """
    if not readable(tensor):
        return None
    with undisturbed():
        try:
            once = once_each(tensor)
            array = numpy.asarray(_Memory(_plain(once)))
        except (RuntimeError, TypeError, KeyError):
            return None  # a dtype or backend without a NumPy form: shape and dtype remain
    return array if once is tensor else numpy.broadcast_to(array, tuple(tensor.shape))


def once_each(tensor: torch.Tensor) -> torch.Tensor:
    """`tensor` with length 1 where it was expanded: each value in memory once.

    To be called undisturbed.
    """
    if tensor.is_contiguous() or tensor.is_quantized:
        return tensor
    for dim, (size, step) in enumerate(zip(tensor.shape, tensor.stride(), strict=True)):
        if step == 0 and size > 1:
            tensor = tensor.narrow(dim, 0, 1)
    return tensor


def _plain(tensor: torch.Tensor) -> torch.Tensor:
    """The values on the CPU, of a dtype that NumPy knows, without lazy bits."""
    plain = tensor.detach()
    if plain.is_quantized:
        plain = plain.dequantize()
    if plain.is_floating_point() and plain.dtype not in _FLOATS:
        plain = plain.float()
    return plain.resolve_conj().resolve_neg().cpu()


class _Memory:
    """A tensor's memory as NumPy sees it.

    `Tensor.numpy()` would forbid the program to resize the tensor ever after.
    """

    def __init__(self, tensor: torch.Tensor) -> None:
        self._tensor = tensor  # the array holds this object, and so the memory
        size = tensor.element_size()
        self.__array_interface__ = {
            "version": 3,
            "data": (tensor.data_ptr(), True),
            "shape": tuple(tensor.shape),
            "strides": tuple(step * size for step in tensor.stride()),
            "typestr": numpy.dtype(_CODES[tensor.dtype]).str,
        }


def summarise(tensor: torch.Tensor) -> TensorSummary | None:
    """Statistics of `tensor`, or None where its values can't be read."""
    array = to_array(tensor)
    return None if array is None else summarise_array(array)


def summarise_array(array: numpy.ndarray) -> TensorSummary:
    """Statistics of an array of numbers or booleans of any shape.

    What `expand()` repeats is read once, and counted as often as it is there.
    """
    repeated = [i for i, step in enumerate(array.strides) if step == 0 and array.shape[i] > 1]
    if not repeated or not array.size:
        return TensorSummary(*measured(array))
    short = tuple(slice(1) if i in repeated else slice(None) for i in range(array.ndim))
    times = math.prod(array.shape[i] for i in repeated)
    once = TensorSummary(*measured(array[short]))
    return replace(
        once,
        numel=once.numel * times,
        nan_count=once.nan_count * times,
        inf_count=once.inf_count * times,
        histogram=tuple(count * times for count in once.histogram),
        sample=tuple(map(float, as_numbers(array.flat[:SAMPLE]).tolist())),
    )


@numpy.errstate(all="ignore")  # the program may have asked NumPy to raise
def measured(array: numpy.ndarray) -> tuple[Any, ...]:
    """The statistics of an array in which nothing is repeated, in the order of the fields of
    `TensorSummary`: making many records at once is quicker.
    """
    flat = as_numbers(array.reshape(-1))
    size = flat.size
    if size == 0:
        return 0, None, None, None, None, 0, 0, 0.0, (), ()
    finite, nans, infs = flat, 0, 0
    low, high = _lowest(flat).item(), _highest(flat).item()
    # Not a pass over all values where the ends tell: NaN compares as neither.
    zeros = 0 if low > 0 or high < 0 else _zero_count(flat)
    # min and max pass NaN and infinities on, so two finite ends prove the rest finite.
    if flat.dtype.kind == "f" and not (math.isfinite(low) and math.isfinite(high)):
        nans = int(numpy.isnan(flat).sum())
        finite = flat[numpy.isfinite(flat)]
        infs = size - nans - finite.size
        if finite.size:
            low, high = finite.min().item(), finite.max().item()
    sample = tuple(map(float, flat[:SAMPLE].tolist()))
    if finite.size == 0:
        return size, None, None, None, None, nans, infs, zeros / size, (), sample
    low, high = float(low), float(high)
    mean, std = _moments(finite, max(-low, high))
    bins = _histogram(finite, low, high)
    return size, low, high, mean, std, nans, infs, zeros / size, bins, sample


def as_numbers(array: numpy.ndarray) -> numpy.ndarray:
    """What the statistics are of: magnitudes of complex numbers, 0 and 1 for booleans."""
    numbers: numpy.ndarray = array
    if array.dtype.kind == "c":
        numbers = numpy.abs(array)
    elif array.dtype.kind == "b":
        numbers = array.view(numpy.uint8)
    return numbers


def _moments(finite: numpy.ndarray, largest: float) -> tuple[float, float]:
    """Mean and population standard deviation of numbers whose magnitude is at most `largest`.

    In the array's own precision, block by block, with the blocks added in double precision:
    a fifth of the time that a conversion takes. Where that loses digits (a mean far larger
    than the deviation, sums out of range) everything is done in double precision.
    """
    plain = finite.dtype.char in "fd" and finite.flags.c_contiguous
    if plain and finite.size >= _BLOCK and largest <= _SQUARABLE:
        mean, squares = _block_sums(finite)
        variance = squares - mean * mean
        if squares > 1e-30 and variance > 0.1 * mean * mean:
            return mean, math.sqrt(variance)
    wide = finite.astype(numpy.float64)
    mean = float(numpy.add.reduce(wide)) / wide.size
    if not math.isfinite(mean):  # the sum is out of range, the mean is not
        return float((wide / wide.size).sum()), math.inf
    wide -= mean
    return mean, math.sqrt(float(numpy.dot(wide, wide)) / wide.size)


def _zero_count(flat: numpy.ndarray) -> int:
    """How many values are 0, by pieces: the system hands out large memory page by page, which
    takes as long as the counting.
    """
    found = numpy.empty(min(flat.size, _PIECE), bool)
    count = 0
    for start in range(0, flat.size, _PIECE):
        part = flat[start : start + _PIECE]
        count += int(numpy.count_nonzero(numpy.equal(part, 0, out=found[: part.size])))
    return count


def _block_sums(finite: numpy.ndarray) -> tuple[float, float]:
    """Mean of the values and of their squares."""
    size = finite.size
    whole = size - size % _BLOCK
    blocks, ones = finite[:whole].reshape(-1, _BLOCK), _ONES[finite.itemsize]
    # As a product of matrix and vector the first takes a third longer.
    sums = sum(numpy.vecdot(blocks, ones).tolist())  # Python adds in double precision
    squares = sum(numpy.vecdot(blocks, blocks).tolist())
    if whole < size:
        rest = finite[whole:]
        sums += float(numpy.vecdot(rest, ones[: rest.size]))
        squares += float(numpy.vecdot(rest, rest))
    return sums / size, squares / size


def _histogram(finite: numpy.ndarray, low: float, high: float) -> tuple[int, ...]:
    if finite.size > HISTOGRAM_LIMIT:
        # Runs of values, not single ones: each would be fetched from memory by itself.
        runs = finite[: finite.size - finite.size % _RUN].reshape(-1, _RUN)
        finite = runs[:: finite.size // HISTOGRAM_LIMIT].reshape(-1)
    span = high - low
    if not 0 < span < math.inf:
        return (int(finite.size),)
    if finite.dtype.kind == "f" and 1e-30 < span < 1e30:
        places = finite - low
        places *= BINS / span
    else:  # out of float32's range, or integers; dividing holds for subnormal spans
        places = (finite.astype(numpy.float64) - low) / span * BINS
    counts = numpy.bincount(places.astype(numpy.intp), minlength=BINS + 1).tolist()
    return (*counts[: BINS - 1], sum(counts[BINS - 1 :]))  # the highest value is in the last bin
