"""ATen calls below each op and autograd node, seen by a `TorchDispatchMode`.

Optional, because it is slow. FLOPs come from the formulas of `torch.utils.flop_counter`. Memory
is told apart by storage: what a kernel's outputs hold beyond its inputs was allocated, and weak
references to storages tell when one was freed.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
import threading
import time
import weakref
from typing import Any

import torch
from torch._C import DispatchKey
from torch.utils._python_dispatch import TorchDispatchMode, _pop_mode, _push_mode
from torch.utils.flop_counter import flop_registry

from inspector.capture.arguments import tensors_in
from inspector.capture.tape import Tape
from inspector.records import Kernel

_COMPOSITE = DispatchKey.CompositeImplicitAutograd
_BACKENDS = {"cpu": DispatchKey.CPU, "cuda": DispatchKey.CUDA}
_DYNAMO = "torch._dynamo"
_PLAIN_TYPES = (torch.Tensor, torch.nn.Parameter)


class KernelRecorder(TorchDispatchMode):
    """Adds each kernel to the op or the autograd node that is running on the tape."""

    def __init__(self, tape: Tape) -> None:
        super().__init__()
        self._tape = tape
        self._memory = _Memory()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        # Below autograd no function mode hears of kernels; through these calls it would.
        with torch._C.DisableTorchFunction():
            if _splits(func, args, kwargs):
                with self:  # the kernels that it consists of come here one by one
                    return func._op_dk(_COMPOSITE, *args, **kwargs)
            held = self._memory.sizes((args, kwargs))
            start = time.perf_counter_ns()
            result = func(*args, **kwargs)
            duration_us = (time.perf_counter_ns() - start) / 1000
            tape = self._tape
            sink = tape.op_kernels if tape.running else tape.node_kernels
            if sink is not None and not tape.full:
                flops = flops_of(func, args, kwargs, result)
                allocated = self._memory.grown(held, result)
                freed = self._memory.freed()
                sink.append(Kernel(str(func), duration_us, flops, allocated, freed))
        return result


def import_dynamo() -> None:
    """Have torch import Dynamo now, as it does at a dispatch mode's first call.

    On a thread of its own: exceptions that are caught while importing stay until the garbage
    collector comes, and with them all frames further out, the program's with its tensors.
    """
    if _DYNAMO in sys.modules:
        return
    importing = threading.Thread(
        target=_import_quietly, args=(_DYNAMO,), name="import of torch._dynamo"
    )
    importing.start()
    importing.join()


def _import_quietly(name: str) -> None:
    with contextlib.suppress(Exception):  # torch says it again, where it needs it
        importlib.import_module(name)


def lift_dispatch(mode: TorchDispatchMode) -> None:
    """Take `mode` off this thread's stack of dispatch modes, at whatever depth it stands."""
    depths = range(torch._C._len_torch_dispatch_stack())
    modes = [torch._C._get_dispatch_stack_at(depth) for depth in depths]
    # Modes of torch's own (fake tensors, functionalization) have places of their own.
    stack = [other for other in modes if not other.is_infra_mode()]
    if not any(other is mode for other in stack):
        return
    above = []
    while stack.pop() is not mode:
        above.append(_pop_mode())
    mode.__exit__(None, None, None)
    for other in reversed(above):
        _push_mode(other)


def flops_of(func: Any, args: tuple[Any, ...], kwargs: Any, result: Any) -> int | None:
    """Floating-point operations of one call, a multiplication and an addition being two.

    Args:
        func: an `OpOverload`.
        args: what it was called with.
        kwargs: likewise, by name.
        result: what it returned.

    Returns:
        None where `torch.utils.flop_counter` has no formula for `func`.
    """
    formula = flop_registry.get(getattr(func, "_overloadpacket", None))
    if formula is None:
        return None
    try:
        count = formula(*args, **kwargs, out_val=result)
    except Exception:  # a formula can be stricter than its kernel; the run must not notice
        return None
    return count if isinstance(count, int) else None


def _splits(func: Any, args: tuple[Any, ...], kwargs: Any) -> bool:
    """Whether `func` is no kernel itself but made of others, as `aten.linear` is.

    In inference mode these arrive here whole; elsewhere autograd has split them before. Taken
    apart are only calls in which nobody else (a subclass, another mode) could see a difference.
    """
    if not isinstance(func, torch._ops.OpOverload) or torch._C._len_torch_dispatch_stack():
        return False
    if not torch._C._dispatch_has_kernel_for_dispatch_key(func.name(), "CompositeImplicitAutograd"):
        return False
    given = list(tensors_in((args, kwargs)))
    devices = {tensor.device.type for tensor in given}
    backend = _BACKENDS.get(devices.pop()) if len(devices) == 1 else None
    return (
        backend is not None
        and not func.has_kernel_for_dispatch_key(backend)
        and all(map(_is_plain, given))
    )


def _is_plain(tensor: torch.Tensor) -> bool:
    return (
        type(tensor) in _PLAIN_TYPES
        and tensor.layout is torch.strided
        and not tensor.is_nested
        and not tensor.is_quantized
        and not torch._C._functorch.is_functorch_wrapped_tensor(tensor)
    )


class _StorageRef(weakref.ref[torch.UntypedStorage]):
    """A weak reference that remembers how large the storage was when last seen."""

    __slots__ = ("nbytes",)
    nbytes: int


class _Memory:
    """The storages that kernels were given or made, none of them kept alive.

    Torch keeps one Python object per storage, which dies with the memory itself, also where
    only C++ held it last (a saved tensor). Memory that no storage tells of is not counted: a
    kernel's scratch space, sparse and nested tensors, tensors that stand for others.
    """

    def __init__(self) -> None:
        self._refs: dict[int, _StorageRef] = {}
        self._dead: list[Any] = []  # references that lost their storage since last asked

    def sizes(self, value: Any) -> dict[int, int]:
        """Address -> bytes of the storages of all tensors in `value`, watched from now on."""
        found: dict[int, int] = {}
        for tensor in tensors_in(value):
            storage = _storage(tensor)
            if storage is not None and storage._cdata not in found:
                found[storage._cdata] = storage.nbytes()
                self._watch(storage)
        return found

    def grown(self, before: dict[int, int], result: Any) -> int:
        """Bytes that the tensors in `result` hold and the storages of `before` did not."""
        sizes = self.sizes(result)
        return sum(max(size - before.get(key, 0), 0) for key, size in sizes.items())

    def freed(self) -> int:
        """Bytes freed since the last call."""
        dead = self._dead[:]  # storages can die at any time: take out what was looked at
        del self._dead[: len(dead)]
        return sum(ref.nbytes for ref in dead)

    def _watch(self, storage: torch.UntypedStorage) -> None:
        ref = self._refs.get(storage._cdata)
        if ref is None or ref() is None:  # the address may have been freed and reused
            ref = self._refs[storage._cdata] = _StorageRef(storage, self._dead.append)
        ref.nbytes = storage.nbytes()


def _storage(tensor: torch.Tensor) -> torch.UntypedStorage | None:
    """The memory behind `tensor`; None where there is none of its own."""
    stands_for_others = type(tensor).__torch_dispatch__ is not torch.Tensor.__torch_dispatch__
    if stands_for_others or tensor.is_meta:
        return None
    try:
        return tensor.untyped_storage()
    except (RuntimeError, NotImplementedError):
        return None  # sparse, nested and wrapped tensors
