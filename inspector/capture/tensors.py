"""Which tensor is which: live tensors to ids, without keeping any alive.

A tensor object is known by `id()` together with a weak reference, so an address that is
reused for another tensor is noticed. One object gets a new tensor id each time its version
counter moves, so that an in-place write shows as a new value with its own producer.
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy
import torch
from torch.nn.parameter import is_lazy

from inspector.capture.batches import Summaries
from inspector.capture.options import CaptureOptions
from inspector.capture.summary import to_array

MOST_ASKED = 20_000
"""Tensors whose `grad_fn` is asked for, to know the number of the autograd node that made them.

Mostly it follows from the op's own numbers. Asking gives the node a Python object, and torch
frees a chain of such nodes by recursion: from some 30,000 ops on that overflows the C stack and
ends the program.
"""

NO_VERSION = -1
"""Stands for the version of inference tensors, which have none."""

_row: Callable[..., Any] = tuple.__new__
"""Makes a named tuple in a fifth of the time that calling its class takes."""

_PLAIN = frozenset((torch.Tensor, torch.nn.Parameter))
"""Types that say their size as it is; lazy parameters are of types of their own."""


class RawTensor(NamedTuple):
    """What is noted of one tensor value while the program runs."""

    object: int
    shape: tuple[int, ...]
    dtype: torch.dtype
    device: torch.device
    requires_grad: bool
    is_leaf: bool
    version: int
    storage: int | None
    alias_of: int | None
    producer: int | None
    layout: torch.layout
    nbytes: int
    summary: int | None  # its number in `Summaries`
    sequence: int | None
    output_nr: int
    strides: tuple[int, ...] | None  # where they are not those of a contiguous tensor


@dataclass(slots=True)
class _Storage:
    """Memory behind tensors. `writes` counts the recorded writes, also those that no version
    counter tells of: into inference tensors and through `.data`. `witness` is the `id()` of the
    tensor object that was last found to use it, `tensor` the newest value.
    """

    number: int
    witness: int
    tensor: int
    writer: int | None = None
    writes: int = 0


class _Live(weakref.ref[torch.Tensor]):
    """A tensor object that was met: a reference to it, with what is known of it.

    One object instead of two: the garbage collector's work grows with the number of objects.
    """

    __slots__ = ("object", "storage", "tensor", "version", "writes")
    object: int
    tensor: int  # the newest value
    version: int
    storage: _Storage | None
    writes: int  # those of its storage that are known to be in `tensor`


def version_of(tensor: torch.Tensor) -> int:
    """The version counter; `NO_VERSION` for inference tensors, which keep none."""
    try:
        return tensor._version
    except RuntimeError:
        return NO_VERSION


class TensorTable:
    """All tensor values met in one recording; `raw[i]` is the value with id i."""

    def __init__(self, options: CaptureOptions, summaries: Summaries) -> None:
        self.raw: list[RawTensor] = []
        self._summaries = summaries
        self.values: dict[int, numpy.ndarray] = {}
        self.gradients: dict[int, numpy.ndarray] = {}  # by the number of the summary
        self._options = options
        self._reads = options.values != "none"
        self._backward = options.backward
        self._budget = options.value_budget_mb * 2**20
        self._live: dict[int, _Live] = {}
        self._storages: dict[int | None, _Storage] = {}
        self._objects = 0
        self._storage_count = 0
        self.budget_spent = False
        self.met_wrapped = False
        self.unseen_writes = False
        self._asked = 0
        self._shapes: dict[tuple[int, ...], tuple[int, ...]] = {}  # equal ones are one object

    def see(self, tensor: torch.Tensor) -> int:
        """The id of the value that `tensor` holds now."""
        live = self._live.get(id(tensor))
        if live is None or live() is not tensor:
            return self._register(tensor, None, (), None)
        storage = live.storage
        written = storage is not None and storage.writes != live.writes
        try:
            version = tensor._version
        except RuntimeError:
            version = NO_VERSION
        if not written and live.version == version:
            return live.tensor
        if not written and NO_VERSION < version < live.version and self._is_where_it_was(live):
            # DistributedDataParallel sets the counter back after it has written buffers.
            live.version = version
            self.raw[live.tensor] = self.raw[live.tensor]._replace(version=version)
            return live.tensor
        # Written through an alias: the value changed although no op returned this object.
        if storage is not None and not written:
            self.unseen_writes = True
        return self._new_value(tensor, live, storage.writer if written and storage else None)

    def _is_where_it_was(self, live: _Live) -> bool:
        """Whether a tensor still uses the memory that it used before."""
        tensor = live()
        return tensor is not None and self._storages.get(_storage_key(tensor)) is live.storage

    @contextlib.contextmanager
    def unread(self) -> Iterator[None]:
        """For tensors that are not there yet: their values are not read."""
        reads, self._reads = self._reads, False
        try:
            yield
        finally:
            self._reads = reads

    def lend(self, tensor: torch.Tensor) -> None:
        """Note that somebody else may write into `tensor` from now on: its next use is read anew,
        and has no producer.
        """
        live = self._live.get(id(tensor))
        if live is not None and live() is tensor and live.storage is not None:
            live.storage.writer = None
            live.storage.writes += 1

    def take_back(self, tensor: torch.Tensor) -> bool:
        """Undo `lend`, unless the tensor was used meanwhile; whether that was so."""
        live = self._live.get(id(tensor))
        if live is None or live() is not tensor or live.storage is None:
            return False
        if live.storage.writes != live.writes + 1:
            return False
        live.storage.writes = live.writes
        return True

    def engine_wrote(self, tensor: torch.Tensor) -> None:
        """Note that the autograd engine added to `tensor`, a gradient, in place."""
        live = self._live.get(id(tensor))
        if live is not None and live() is tensor and live.version != version_of(tensor):
            if live.storage is not None:
                live.storage.writer = None
                live.storage.writes += 1
            self._new_value(tensor, live, None)

    def find(self, tensor: torch.Tensor) -> tuple[int, int] | None:
        """(object number, newest id) of a tensor already met, else None."""
        live = self._live.get(id(tensor))
        return (live.object, live.tensor) if live and live() is tensor else None

    def known(self, tensor: torch.Tensor) -> int | tuple[int, tuple[int, ...]] | None:
        """The number of a tensor object that was met; else that of its storage, and its shape."""
        live = self._live.get(id(tensor))
        if live is not None and live() is tensor:
            return live.object
        storage = self._storages.get(_storage_key(tensor))
        return None if storage is None else (storage.number, tuple(tensor.shape))

    def changed(self, tensor: torch.Tensor, before: int) -> bool:
        """Whether the value known as `before` was written since."""
        return self.raw[before].version != version_of(tensor)

    def wrote(self, tensor: torch.Tensor, op: int) -> int:
        """Note that `op` wrote into `tensor`; returns the id of the new value."""
        live = self._live[id(tensor)]
        if live.storage is not None:
            live.storage.writer = op
            live.storage.writes += 1
        return self._new_value(tensor, live, op)

    def made(
        self, tensor: torch.Tensor, op: int, inputs: tuple[int, ...], sequence: int | None
    ) -> int:
        """The id of an output of `op`: a new value, unless `op` returned an input as it was.

        Args:
            tensor: the output.
            op: number of the op.
            inputs: ids of what it was given.
            sequence: number of the autograd node that it made, if that was one and no more.
        """
        live = self._live.get(id(tensor))
        if live is not None and live() is tensor:
            return live.tensor
        return self._register(tensor, op, inputs, sequence)

    def refresh(self, tensor: torch.Tensor) -> None:
        """Take what autograd knows of `tensor` anew, after `requires_grad_()` and the like."""
        found = self.find(tensor)
        if found is not None:
            self.raw[found[1]] = self.raw[found[1]]._replace(
                requires_grad=tensor.requires_grad,
                is_leaf=tensor.is_leaf,
                sequence=_sequence_of(tensor),
                output_nr=tensor.output_nr,
            )

    def _register(
        self,
        tensor: torch.Tensor,
        producer: int | None,
        inputs: tuple[int, ...],
        sequence: int | None,
    ) -> int:
        number = len(self.raw)
        name = id(tensor)
        try:
            version = tensor._version
        except RuntimeError:
            version = NO_VERSION
        storage, alias = self._link_storage(tensor, number, inputs)
        self._live[name] = live = _Live(tensor)
        live.object = objects = self._objects
        live.tensor = number
        live.version = version
        live.storage = storage
        live.writes = 0 if storage is None else storage.writes
        self._objects = objects + 1
        self._append(tensor, objects, storage, alias, producer, version, sequence)
        return number

    def _new_value(self, tensor: torch.Tensor, live: _Live, producer: int | None) -> int:
        number = len(self.raw)
        storage = live.storage
        if storage is None or self._storages.get(_storage_key(tensor)) is not storage:
            # `set_`, `.data = ` and growing `resize_` give a tensor other memory.
            storage, _ = self._link_storage(tensor, number, ())
        if storage is not None:
            storage.tensor = number
        version = version_of(tensor)
        self._append(tensor, live.object, storage, live.tensor, producer, version, None)
        live.tensor, live.version = number, version
        live.storage, live.writes = storage, storage.writes if storage else 0
        return number

    def _append(
        self,
        tensor: torch.Tensor,
        object_number: int,
        storage: _Storage | None,
        alias: int | None,
        producer: int | None,
        version: int,
        sequence: int | None,
    ) -> None:
        shape: tuple[int, ...] = ()
        strides: tuple[int, ...] | None = None
        nbytes = 0
        if type(tensor) not in _PLAIN:
            shape, nbytes = _size_of(tensor)
        else:
            try:
                shape = tensor.shape
            except RuntimeError:
                pass  # a nested tensor has no one shape
            else:
                known = self._shapes.get(shape)
                shape = self._keep_shape(shape) if known is None else known
                nbytes = tensor.element_size() * tensor.numel()
        if storage is not None and not tensor.is_contiguous():
            strides = tuple(map(int, tensor.stride()))
        requires_grad = tensor.requires_grad
        output_nr = 0
        if not (requires_grad and self._backward):
            sequence = None
        else:
            output_nr = tensor.output_nr
            if sequence is None:
                self._asked += 1
                sequence = _sequence_of(tensor) if self._asked <= MOST_ASKED else None
        self.raw.append(
            _row(
                RawTensor,
                (
                    object_number, shape, tensor.dtype, tensor.device,
                    requires_grad, not requires_grad or _is_leaf(tensor), version,
                    None if storage is None else storage.number, alias, producer, tensor.layout,
                    nbytes, self._read(tensor, len(self.raw)) if self._reads else None,
                    sequence, output_nr, strides,
                ),
            )
        )  # fmt: skip

    def _keep_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """A shape met for the first time; of symbols, or of tensors inside torch.jit.trace, as
        numbers.
        """
        plain = tuple(map(int, shape))
        return self._shapes.setdefault(plain, plain)

    def _read(self, tensor: torch.Tensor, number: int) -> int | None:
        if self._options.values == "stats":
            return self._summaries.add(tensor)
        array = to_array(tensor)
        if array is None:
            return None
        self._keep(self.values, number, array)
        return self._summaries.add_array(array)

    def keep_gradient(self, number: int, gradient: torch.Tensor) -> None:
        """Keep a gradient's values by the number of its summary, if values are kept in full.

        To be called with torch functions disabled.
        """
        array = to_array(gradient) if self._options.values == "full" else None
        if array is not None:
            self._keep(self.gradients, number, array)

    def _keep(self, kept: dict[int, numpy.ndarray], number: int, array: numpy.ndarray) -> None:
        """Copy an array, while the budget lasts."""
        if array.nbytes <= self._budget:
            self._budget -= array.nbytes
            kept[number] = array.copy()
        else:
            self.budget_spent = True

    def _link_storage(
        self, tensor: torch.Tensor, number: int, inputs: tuple[int, ...]
    ) -> tuple[_Storage | None, int | None]:
        """(storage, id of the aliased tensor) of a tensor met for the first time."""
        key = _storage_key(tensor)
        if key is None:
            if torch._C._functorch.is_functorch_wrapped_tensor(tensor):
                self.met_wrapped = True
            return None, None
        known = self._storages.get(key)
        if known is not None:
            # The address may have been freed and reused: an alias needs a living witness,
            # or to be made by an op that got a tensor of that storage.
            raw, storage = self.raw, known.number
            sharing = [i for i in inputs if raw[i].storage == storage]
            if sharing or self._has_witness(known, key):
                known.witness = id(tensor)
                return known, sharing[0] if sharing else known.tensor
        fresh = self._storages[key] = _Storage(self._storage_count, id(tensor), number)
        self._storage_count += 1
        return fresh, None

    def _has_witness(self, storage: _Storage, key: int) -> bool:
        """Whether a tensor object that was found to use this memory is alive, and still does.

        `torch.load` makes a tensor and gives it other memory by a call that no mode sees.
        """
        live = self._live.get(storage.witness)
        if live is None or live.storage is not storage:
            return False
        tensor = live()
        return tensor is not None and _storage_key(tensor) == key


def _size_of(tensor: torch.Tensor) -> tuple[tuple[int, ...], int]:
    """Shape and bytes of a subclass; nested tensors have no one shape, lazy parameters none yet."""
    if tensor.is_nested or is_lazy(tensor):
        return (), 0
    return tuple(map(int, tensor.shape)), tensor.element_size() * tensor.numel()


def _is_leaf(tensor: torch.Tensor) -> bool:
    """Whether no op made `tensor`, as autograd sees it."""
    try:
        return tensor.is_leaf
    except RuntimeError:
        return False  # likewise a view that torch refuses to speak of; see `_sequence_of`


def _sequence_of(tensor: torch.Tensor) -> int | None:
    """Number of the autograd node that made `tensor`."""
    try:
        grad_fn = tensor.grad_fn if tensor.requires_grad else None
    except RuntimeError:
        return None  # a view made without grad whose base was then written: torch refuses to say
    return None if grad_fn is None else grad_fn._sequence_nr()


def _storage_key(tensor: torch.Tensor) -> int | None:
    try:
        key: int = tensor.untyped_storage()._cdata
        return key
    except (RuntimeError, NotImplementedError):
        return None  # sparse, nested and wrapped tensors have no storage of their own
