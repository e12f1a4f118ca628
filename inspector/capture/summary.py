"""Statistics of a live tensor, taken without disturbing the run.

The reading happens with grad mode off and the user's own modes out of the way, draws no
random numbers, creates no autograd nodes and changes no version counter.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator

import numpy
import torch
from torch.nn.parameter import is_lazy
from torch.utils._python_dispatch import _disable_current_modes

from inspector.records import TensorSummary

BINS = 16
SAMPLE = 8
HISTOGRAM_LIMIT = 1 << 18
"""Above this many elements the histogram counts an evenly strided subset."""

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


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """A context in which our own tensor reads are invisible to autograd and to modes."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(torch._C.DisableTorchFunction())
        stack.enter_context(torch.no_grad())
        if torch._C._len_torch_dispatch_stack():
            stack.enter_context(_disable_current_modes())
        yield


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
            plain = tensor.detach()
            if plain.is_quantized:
                plain = plain.dequantize()
            if plain.is_floating_point() and plain.dtype not in _FLOATS:
                plain = plain.float()
            return numpy.asarray(_Memory(plain.resolve_conj().resolve_neg().cpu()))
        except (RuntimeError, TypeError, KeyError):
            return None  # a dtype or backend without a NumPy form: shape and dtype remain


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
    """Statistics of an array of numbers or booleans of any shape."""
    flat = array.reshape(-1)
    if flat.dtype.kind == "c":
        flat = numpy.abs(flat)
    elif flat.dtype.kind == "b":
        flat = flat.view(numpy.uint8)
    size = flat.size
    if size == 0:
        return TensorSummary(0, None, None, None, None, 0, 0, 0.0)
    zeros = size - int(numpy.count_nonzero(flat))
    finite, nans, infs = flat, 0, 0
    low, high = flat.min(), flat.max()
    # min and max pass NaN and infinities on, so two finite ends prove the rest finite.
    if flat.dtype.kind == "f" and not (math.isfinite(low) and math.isfinite(high)):
        nans = int(numpy.isnan(flat).sum())
        finite = flat[numpy.isfinite(flat)]
        infs = size - nans - finite.size
        if finite.size:
            low, high = finite.min(), finite.max()
    sample = tuple(float(value) for value in flat[:SAMPLE])
    if finite.size == 0:
        return TensorSummary(size, None, None, None, None, nans, infs, zeros / size, (), sample)
    with numpy.errstate(over="ignore", invalid="ignore"):
        mean = float(finite.mean(dtype=numpy.float64))
        std = float(finite.std(dtype=numpy.float64))
    bins = _histogram(finite, float(low), float(high))
    return TensorSummary(
        size, float(low), float(high), mean, std, nans, infs, zeros / size, bins, sample
    )


def _histogram(finite: numpy.ndarray, low: float, high: float) -> tuple[int, ...]:
    if finite.size > HISTOGRAM_LIMIT:
        finite = finite[:: finite.size // HISTOGRAM_LIMIT]
    span = high - low
    if not 0 < span < math.inf:
        return (int(finite.size),)
    # In double precision: a difference of float16 values can exceed float16, and dividing
    # (rather than multiplying by an inverse) holds for subnormal spans.
    places = ((finite.astype(numpy.float64) - low) / span * BINS).astype(numpy.int64)
    numpy.clip(places, 0, BINS - 1, out=places)
    return tuple(numpy.bincount(places, minlength=BINS).tolist())
