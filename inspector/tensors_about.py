"""What a recording knows of one tensor value besides its numbers.

Which tensors share its memory (views, and the versions that in-place writes made), which ops
lie above it and below it, and what its dimensions stand for. Pure: records in, records out.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from inspector.axes import AxisNames
from inspector.graph import DataFlow
from inspector.records import Op, Recording, TensorInfo

MOST_COUNTED = 1000
"""Ops counted in one direction; where there are more, the history says "at least"."""

How = Literal["memory", "view", "write", "outside"]


@dataclass(frozen=True, slots=True)
class Relative:
    """One tensor value of an alias family.

    Args:
        tensor: its id.
        op: the op that made it; None if it came from outside, or if what wrote was not seen.
        how: "memory" (the first value met in this memory), "view" (an op looked into it),
            "write" (an op wrote in place), "outside" (it changed, or was met, outside of ops).
        version: the version counter, which each in-place write moves on.
    """

    tensor: int
    op: int | None
    how: How
    version: int


@dataclass(frozen=True, slots=True)
class Link:
    """An op in the history of a tensor: `distance` ops away, in which it counts itself."""

    op: int
    distance: int


@dataclass(frozen=True, slots=True)
class History:
    """The nearest ops in one direction, nearest first, and how many more there are.

    `at_least` is true when they were not all counted.
    """

    links: tuple[Link, ...]
    more: int = 0
    at_least: bool = False


@dataclass(frozen=True, slots=True)
class TensorAbout:
    """One tensor value and its place in the run.

    Args:
        tensor: the value.
        axes: what each dimension stands for, "" where no op tells.
        strides: in elements; None where they have no meaning (a sparse tensor).
        contiguous: whether it lies in memory row by row; None as for the strides.
        storage_bytes: memory that the family is known to span, in bytes.
        family: all values in the same memory in order of the run, this one included.
        producers, consumers: the history above and below.
    """

    tensor: TensorInfo
    axes: tuple[str, ...]
    strides: tuple[int, ...] | None
    contiguous: bool | None
    storage_bytes: int
    family: tuple[Relative, ...]
    producers: History
    consumers: History

    @property
    def versions(self) -> tuple[Relative, ...]:
        """The values that in-place writes made, in order."""
        return tuple(relative for relative in self.family if relative.how == "write")


class TensorsAbout:
    """Answers about the tensors of one recording, which is read once, in linear time.

    Args:
        recording: what ran.
        flow: its producers and consumers, where they are known already.
    """

    def __init__(self, recording: Recording, flow: DataFlow | None = None) -> None:
        self.recording = recording
        self.flow = DataFlow(recording) if flow is None else flow
        self._axes = AxisNames(recording, self.flow)
        self._families: dict[int, list[int]] = {}
        for number in sorted(recording.tensors):
            storage = recording.tensors[number].storage
            if storage is not None:
                self._families.setdefault(storage, []).append(number)

    def about(self, tensor: int, links: int = 12) -> TensorAbout:
        """All that is known of a tensor; at most `links` ops of history in each direction.

        Raises:
            KeyError: the recording has no such tensor.
        """
        info = self.recording.tensors[tensor]
        family = self.family(tensor)
        strides = strides_of(info)
        return TensorAbout(
            tensor=info,
            axes=self.axes(tensor),
            strides=strides,
            contiguous=None if strides is None else strides == contiguous_strides(info.shape),
            storage_bytes=max(self._span(relative.tensor) for relative in family),
            family=family,
            producers=self.producers(tensor, links),
            consumers=self.consumers(tensor, links),
        )

    def axes(self, tensor: int) -> tuple[str, ...]:
        """What each dimension of a tensor stands for, "" where no op tells."""
        return self._axes.of(tensor)

    def family(self, tensor: int) -> tuple[Relative, ...]:
        """All values that share the tensor's memory, in order of the run, itself included."""
        return tuple(map(self._relative, self._sharing(tensor)))

    def is_alone(self, tensor: int) -> bool:
        """Whether no other value was met in the tensor's memory."""
        return len(self._sharing(tensor)) < 2

    def relatives(self, tensor: int, most: int) -> tuple[tuple[Relative, ...], int]:
        """At most that many of the family, those around the tensor, and how many are left out."""
        numbers = self._sharing(tensor)
        first = max(min(bisect_left(numbers, tensor) - most // 2, len(numbers) - most), 0)
        near = numbers[first : first + most]
        return tuple(map(self._relative, near)), len(numbers) - len(near)

    def producers(self, tensor: int, links: int = 12) -> History:
        """The ops that the value was computed from, the one that made it first."""
        maker = self.flow.producer(tensor)
        return self._history([] if maker is None else [maker], self.flow.parents, links)

    def consumers(self, tensor: int, links: int = 12) -> History:
        """The ops that take the value, then those that take what they make."""
        return self._history(self.flow.consumers.get(tensor, ()), self.flow.children, links)

    def _sharing(self, tensor: int) -> list[int]:
        storage = self.recording.tensors[tensor].storage
        return [tensor] if storage is None else self._families[storage]

    def _relative(self, number: int) -> Relative:
        info = self.recording.tensors[number]
        op = None if info.producer is None else self.recording.ops[info.producer]
        return Relative(number, info.producer, _how(info, op), info.version)

    def _history(
        self, start: Iterable[int], step: Callable[[int], Iterable[int]], links: int
    ) -> History:
        """Breadth first, so that what is nearest comes first."""
        found = [Link(op, 1) for op in start]
        seen = {link.op for link in found}
        for link in found:
            for op in step(link.op):
                if op not in seen:
                    seen.add(op)
                    found.append(Link(op, link.distance + 1))
            if len(found) > MOST_COUNTED:
                return History(tuple(found[:links]), len(found) - links, at_least=True)
        return History(tuple(found[:links]), max(len(found) - links, 0))

    def _span(self, number: int) -> int:
        """Bytes from the first to the last element of a tensor."""
        info = self.recording.tensors[number]
        numel = math.prod(info.shape)
        strides = strides_of(info)
        if strides is None or not numel:
            return info.nbytes
        reach = 1 + sum((size - 1) * step for size, step in zip(info.shape, strides, strict=True))
        return reach * (info.nbytes // numel)


def strides_of(info: TensorInfo) -> tuple[int, ...] | None:
    """A tensor's strides in elements; None where it has none (a sparse tensor).

    A recording leaves the strides of a contiguous tensor out.
    """
    if info.layout != "strided":
        return None
    return contiguous_strides(info.shape) if info.strides is None else info.strides


def contiguous_strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Strides, in elements, of a tensor that lies in memory row by row.

    >>> contiguous_strides((2, 3, 4))
    (12, 4, 1)
    """
    steps = [1]
    for size in reversed(shape[1:]):
        steps.append(steps[-1] * max(size, 1))
    return tuple(reversed(steps)) if shape else ()


def _how(info: TensorInfo, op: Op | None) -> How:
    if op is None:
        return "memory" if info.alias_of is None else "outside"
    if info.id in op.outputs and info.alias_of in op.overwrites and info.alias_of is not None:
        return "write"
    if info.alias_of is None:
        return "memory"
    return "view" if info.id in op.outputs else "write"
