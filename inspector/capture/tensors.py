"""Which tensor is which: live tensors to ids, without keeping any alive.

A tensor object is known by `id()` together with a weak reference, so an address that is
reused for another tensor is noticed. One object gets a new tensor id each time its version
counter moves, so that an in-place write shows as a new value with its own producer.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass

import numpy
import torch
from torch.nn.parameter import is_lazy

from inspector.capture.batches import Summaries
from inspector.capture.options import CaptureOptions
from inspector.capture.summary import to_array

MOST_ASKED = 20_000
"""Tensors whose `grad_fn` is asked for; see `TensorTable._sequence`."""

NO_VERSION = -1
"""Stands for the version of inference tensors, which have none."""


@dataclass(slots=True)
class RawTensor:
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


@dataclass(slots=True)
class _Storage:
    """Memory behind tensors. `writes` counts the recorded writes, also those that no version
    counter tells of: into inference tensors and through `.data`.
    """

    number: int
    ref: weakref.ref[torch.Tensor]
    tensor: int
    writer: int | None = None
    writes: int = 0


@dataclass(slots=True)
class _Live:
    ref: weakref.ref[torch.Tensor]
    object: int
    tensor: int
    version: int
    storage: _Storage | None
    writes: int


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
        self._options = options
        self._reads = options.values != "none"
        self._budget = options.value_budget_mb * 2**20
        self._live: dict[int, _Live] = {}
        self._storages: dict[int | None, _Storage] = {}
        self._objects = 0
        self._storage_count = 0
        self.budget_spent = False
        self.met_wrapped = False
        self.unseen_writes = False
        self._asked = 0
        self.new_nodes: tuple[int, int] | None = None  # of the op whose results are noted now

    def see(self, tensor: torch.Tensor) -> int:
        """The id of the value that `tensor` holds now."""
        live = self._live.get(id(tensor))
        if live is None or live.ref() is not tensor:
            return self._register(tensor, None, ())
        storage = live.storage
        written = storage is not None and storage.writes != live.writes
        try:
            version = tensor._version
        except RuntimeError:
            version = NO_VERSION
        if not written and live.version == version:
            return live.tensor
        # Written through an alias: the value changed although no op returned this object.
        if storage is not None and not written:
            self.unseen_writes = True
        return self._new_value(tensor, live, storage.writer if written and storage else None)

    def engine_wrote(self, tensor: torch.Tensor) -> None:
        """Note that the autograd engine added to `tensor`, a gradient, in place."""
        live = self._live.get(id(tensor))
        if live is not None and live.ref() is tensor and live.version != version_of(tensor):
            if live.storage is not None:
                live.storage.writer = None
                live.storage.writes += 1
            self._new_value(tensor, live, None)

    def find(self, tensor: torch.Tensor) -> tuple[int, int] | None:
        """(object number, newest id) of a tensor already met, else None."""
        live = self._live.get(id(tensor))
        return (live.object, live.tensor) if live and live.ref() is tensor else None

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

    def made(self, tensor: torch.Tensor, op: int, inputs: tuple[int, ...]) -> int:
        """The id of an output of `op`: a new value, unless `op` returned an input as it was."""
        live = self._live.get(id(tensor))
        if live is not None and live.ref() is tensor:
            return live.tensor
        return self._register(tensor, op, inputs)

    def refresh(self, tensor: torch.Tensor) -> None:
        """Take what autograd knows of `tensor` anew, after `requires_grad_()` and the like."""
        found = self.find(tensor)
        if found is not None:
            raw = self.raw[found[1]]
            raw.requires_grad, raw.is_leaf = tensor.requires_grad, tensor.is_leaf
            raw.sequence, raw.output_nr = _sequence_of(tensor), tensor.output_nr

    def _register(self, tensor: torch.Tensor, producer: int | None, inputs: tuple[int, ...]) -> int:
        ref = weakref.ref(tensor)
        number = len(self.raw)
        version = version_of(tensor)
        storage, alias = self._link_storage(tensor, ref, number, inputs)
        self._live[id(tensor)] = _Live(
            ref, self._objects, number, version, storage, 0 if storage is None else storage.writes
        )
        self._append(tensor, self._objects, storage, alias, producer, version)
        self._objects += 1
        return number

    def _new_value(self, tensor: torch.Tensor, live: _Live, producer: int | None) -> int:
        number = len(self.raw)
        storage = live.storage
        if storage is None or self._storages.get(_storage_key(tensor)) is not storage:
            # `set_`, `.data = ` and growing `resize_` give a tensor other memory.
            storage, _ = self._link_storage(tensor, live.ref, number, ())
        if storage is not None:
            storage.tensor = number
        version = version_of(tensor)
        self._append(tensor, live.object, storage, live.tensor, producer, version)
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
    ) -> None:
        # Nested tensors have no one shape, uninitialized parameters none yet.
        shape: tuple[int, ...] = ()
        nbytes = 0
        plain = type(tensor) is torch.Tensor
        if not tensor.is_nested and (plain or not is_lazy(tensor)):
            shape = tuple(tensor.shape)
            if not plain or (shape and type(shape[0]) is not int):
                shape = tuple(map(int, shape))  # symbols, or tensors inside torch.jit.trace
            nbytes = tensor.element_size() * tensor.numel()
        requires_grad = tensor.requires_grad
        self.raw.append(
            RawTensor(
                object_number, shape, tensor.dtype, tensor.device,
                requires_grad, tensor.is_leaf, version,
                None if storage is None else storage.number, alias, producer,
                tensor.layout, nbytes, self._read(tensor, len(self.raw)) if self._reads else None,
                self._sequence(tensor, producer) if requires_grad else None,
                tensor.output_nr if requires_grad else 0,
            )
        )  # fmt: skip

    def _sequence(self, tensor: torch.Tensor, producer: int | None) -> int | None:
        """Number of the autograd node that made `tensor`.

        Taken from the op's own numbers where it made one node. Asking for `grad_fn` gives the
        node a Python object, and torch frees a chain of such nodes by recursion: from some
        30,000 ops on that overflows the C stack and ends the program.
        """
        nodes = self.new_nodes
        if producer is not None and nodes is not None and nodes[1] - nodes[0] == 1:
            return nodes[0]
        self._asked += 1
        return _sequence_of(tensor) if self._asked <= MOST_ASKED else None

    def _read(self, tensor: torch.Tensor, number: int) -> int | None:
        if self._options.values == "stats":
            return self._summaries.add(tensor)
        array = to_array(tensor)
        if array is None:
            return None
        if array.nbytes <= self._budget:
            self._budget -= array.nbytes
            self.values[number] = array.copy()
        else:
            self.budget_spent = True
        return self._summaries.add_array(array)

    def _link_storage(
        self,
        tensor: torch.Tensor,
        ref: weakref.ref[torch.Tensor],
        number: int,
        inputs: tuple[int, ...],
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
            sharing = [i for i in inputs if self.raw[i].storage == known.number]
            if sharing or known.ref() is not None:
                known.ref = ref
                return known, sharing[0] if sharing else known.tensor
        fresh = self._storages[key] = _Storage(self._storage_count, ref, number)
        self._storage_count += 1
        return fresh, None


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
