"""What memory is alive at each moment, as far as the recording shows.

A tensor's memory counts from the moment that made it to the last that uses it: an op, a read
of its size, or the autograd node of an op that took or made it (the node may have saved it;
the recording does not say which it did save). What the run returned counts to the end,
parameters, buffers and inputs count throughout. Tensors that came from elsewhere (gradients
that an optimizer reads, constants) count from their first to their last use. Tensors that
share memory count once, with the size of the largest. References that Python holds are not
known, and gradients on their way through a backward pass are no tensors of the recording.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from math import prod

import numpy

from inspector.language import sentence
from inspector.records import ParameterInfo, Recording
from inspector.timeline.order import Entry, Kind

Ints = numpy.ndarray[tuple[int], numpy.dtype[numpy.int64]]

KINDS = ("parameter", "buffer", "input", "result", "saved", "outside")
"""Why memory is alive: a parameter or buffer of a module, an input of the run, a result that
is used again or returned ("result"), one that only the backward pass may still need ("saved"),
a tensor that came from elsewhere ("outside")."""

_NUMBER = {kind: number for number, kind in enumerate(KINDS)}
_THROUGHOUT = tuple(_NUMBER[kind] for kind in ("parameter", "buffer", "input"))

MEANING = sentence("Alive as far as the recording shows: made, and used now or later.")
"""What to write beside these numbers."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Memory that is alive at some moment.

    `tensor` is the newest value in it by then, None for a parameter that the run did not use.
    `made` and `last_use` are moments; `made` is None if it was there before.
    """

    tensor: int | None
    name: str
    kind: str
    nbytes: int
    made: int | None
    last_use: int


@dataclass(frozen=True, slots=True)
class Alive:
    """What is alive at one moment: bytes and pieces of memory, in all and by kind.

    `by_kind` has (kind, bytes, pieces) of each kind that is there; `largest` comes first.
    """

    nbytes: int
    count: int
    by_kind: tuple[tuple[str, int, int], ...]
    largest: tuple[Piece, ...]


class Lifetimes:
    """From when to when each piece of memory is alive; worked out once for a recording.

    Args:
        recording: the recording.
        entries: its moments in order.

    Attributes:
        nbytes: bytes alive at each moment.
    """

    def __init__(self, recording: Recording, entries: Sequence[Entry]) -> None:
        self._recording = recording
        self._tensors = list(recording.tensors.values())
        self._unused = [info for info in recording.parameters if info.tensor is None]
        self._length = max(len(entries), 1)
        self._gather(_Uses(recording, entries))
        self._bytes = self._totals(self._size)
        self._counts = self._totals(numpy.ones_like(self._size))
        self.nbytes: Ints = self._bytes.sum(axis=0)

    def at(self, moment: int, largest: int = 20) -> Alive:
        """What is alive at a moment, with the `largest` pieces of it."""
        now = (self._made <= moment) & (moment <= numpy.maximum(self._used, self._held))
        shown = numpy.flatnonzero(now)[:largest]
        shares = tuple(
            (kind, int(self._bytes[number, moment]), int(self._counts[number, moment]))
            for number, kind in enumerate(KINDS)
            if self._counts[number, moment]
        )
        return Alive(
            int(self.nbytes[moment]),
            sum(count for _, _, count in shares),
            shares,
            tuple(self._piece(int(number), moment) for number in shown),
        )

    def _piece(self, row: int, moment: int) -> Piece:
        number = int(self._group[row])
        last = int(max(self._used[row], self._held[row]))
        kind = KINDS[self._kind[row]]
        made = None if kind != "result" else int(self._made[row])
        if number >= len(self._starts) - 1:  # a parameter that the run did not use
            info = self._unused[number - len(self._starts) + 1]
            return Piece(None, info.name, kind, int(self._size[row]), made, last)
        members = self._members[self._starts[number] : self._starts[number + 1]]
        newest = int(members[0])
        for member in members[1:]:
            if self._births[member] <= moment:
                newest = int(member)
        if self._kind[row] not in _THROUGHOUT and moment > self._used[row]:
            kind = "saved"
        tensor = self._tensors[newest]
        name = tensor.name or tensor.variable or ""
        return Piece(newest, name, kind, int(self._size[row]), made, last)

    def _gather(self, uses: _Uses) -> None:
        """The columns of all pieces, the largest first. Tensors that share memory are one."""
        tensors, end = self._tensors, self._length - 1
        # Numbered anew: a file can name any storage, and a number beyond int64 comes of one more.
        known = sorted({t.storage for t in tensors if t.storage is not None})
        number = {storage: at for at, storage in enumerate(known)}
        storages = [
            len(known) + at if t.storage is None else number[t.storage]
            for at, t in enumerate(tensors)
        ]
        found, group = numpy.unique(numpy.array(storages, numpy.int64), return_inverse=True)
        self._members = numpy.argsort(group, kind="stable")
        self._starts = numpy.searchsorted(group[self._members], numpy.arange(len(found) + 1))
        self._births = uses.made
        count, more = len(found), len(self._unused)
        size = numpy.zeros(count, numpy.int64)
        made, used, held = (numpy.full(count, fill) for fill in (self._length, -1, -1))
        kind = numpy.full(count, len(KINDS))
        numpy.maximum.at(size, group, numpy.array([t.nbytes for t in tensors], numpy.int64))
        numpy.minimum.at(made, group, uses.made)
        numpy.maximum.at(used, group, uses.used)
        numpy.maximum.at(held, group, uses.held)
        numpy.minimum.at(kind, group, uses.kind)
        # Of results and tensors from elsewhere in one memory the first says which it is.
        first = self._members[self._starts[:-1]]
        kind = numpy.where(kind < _NUMBER["result"], kind, uses.kind[first])
        throughout = numpy.isin(kind, _THROUGHOUT)
        made[throughout], used[throughout] = 0, end
        unused = [_NUMBER.get(info.kind, 0) for info in self._unused]
        unused_size = numpy.array([_nbytes(info) for info in self._unused], numpy.int64)
        size = numpy.append(size, unused_size)
        made = numpy.append(made, numpy.zeros(more, numpy.int64))
        order = numpy.argsort(-size, kind="stable")
        order = order[made[order] <= end]  # the others were met, but neither made nor used
        self._size: Ints = size[order]
        self._group = order
        self._kind = numpy.append(kind, unused).astype(numpy.int64)[order]
        self._made = made[order]
        self._used = numpy.append(used, numpy.full(more, end))[order]
        self._held = numpy.append(held, numpy.full(more, -1))[order]

    def _totals(self, weights: Ints) -> numpy.ndarray:
        """The sum of `weights` alive: a row for each kind, a column for each moment."""
        found = numpy.zeros((len(KINDS), self._length + 1), numpy.int64)
        for number in range(len(KINDS)):
            mine = self._kind == number
            numpy.add.at(found[number], self._made[mine], weights[mine])
            numpy.add.at(found[number], self._used[mine] + 1, -weights[mine])
        late = self._held > self._used
        numpy.add.at(found[_NUMBER["saved"]], self._used[late] + 1, weights[late])
        numpy.add.at(found[_NUMBER["saved"]], self._held[late] + 1, -weights[late])
        return found.cumsum(axis=1)[:, :-1]


_MOST = 2**50
"""Bytes; more than any machine has, and a thousand of them can be added up."""


class _Uses:
    """When each tensor was made and last used (-1 for never), and what kind of memory it is."""

    def __init__(self, recording: Recording, entries: Sequence[Entry]) -> None:
        ops, count = recording.ops, len(recording.tensors)
        when = numpy.zeros(len(ops), numpy.int64)
        ran = numpy.full(len(ops), -1)  # the last autograd node of each op
        self.used = numpy.full(count, -1)
        self.held = numpy.full(count, -1)
        first = numpy.full(count, len(entries))
        for moment, (kind, number) in enumerate(entries):
            if kind is Kind.OP:
                when[number] = moment
            elif kind is Kind.GRAD and (op := recording.grad_nodes[number].op) is not None:
                ran[op] = moment
        taken, taker = _pairs([op.inputs for op in ops])
        given, giver = _pairs([op.outputs for op in ops])
        for tensors, moments in (
            (taken, when[taker]),
            (given, when[giver]),
            _reads(recording, entries),
        ):
            numpy.minimum.at(first, tensors, moments)
            numpy.maximum.at(self.used, tensors, moments)
        for tensors, owner in ((taken, taker), (given, giver)):
            numpy.maximum.at(self.held, tensors, ran[owner])
        self.used[list(recording.output)] = max(len(entries) - 1, 0)
        makers = [t.producer for t in recording.tensors.values()]
        made_by = numpy.array([-1 if maker is None else maker for maker in makers], numpy.int64)
        self.made = numpy.where(made_by < 0, first, when[made_by] if len(ops) else 0)
        self.kind = _kinds(recording, made_by)


def _pairs(rows: list[tuple[int, ...]]) -> tuple[Ints, Ints]:
    """(all numbers in all rows, the row of each)."""
    lengths = numpy.fromiter(map(len, rows), numpy.int64, len(rows))
    flat = numpy.fromiter(chain.from_iterable(rows), numpy.int64, int(lengths.sum()))
    return flat, numpy.repeat(numpy.arange(len(rows)), lengths)


def _reads(recording: Recording, entries: Sequence[Entry]) -> tuple[Ints, Ints]:
    """(tensor, moment) of the size reads."""
    found = [
        (tensor, moment)
        for moment, (kind, number) in enumerate(entries)
        if kind is Kind.READ and (tensor := recording.decisions[number].tensor) is not None
    ]
    columns = numpy.array(found, numpy.int64).reshape(-1, 2)
    return columns[:, 0], columns[:, 1]


def _kinds(recording: Recording, made_by: Ints) -> Ints:
    kinds = numpy.where(made_by < 0, _NUMBER["outside"], _NUMBER["result"])
    kinds[list(recording.inputs)] = _NUMBER["input"]
    known = {
        name: _NUMBER.get(info.kind, 0) for info in recording.parameters for name in info.names
    }
    for tensor in recording.tensors.values():
        if tensor.name in known:
            kinds[tensor.id] = known[tensor.name]
    for info in recording.parameters:
        if info.tensor is not None:
            kinds[info.tensor] = _NUMBER.get(info.kind, 0)
    return kinds


def _nbytes(info: ParameterInfo) -> int:
    """Bytes of a parameter that the run did not use: "float32" holds 4 a value."""
    bits = re.search(r"\d{1,4}", info.dtype)
    found = prod(info.shape) * (1 if bits is None else max(int(bits.group()) // 8, 1))
    return min(max(found, 0), _MOST)  # a file can name any shape
