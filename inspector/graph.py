"""Who made a tensor, who used it, and what lies up and down from an op."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from inspector.records import Recording


class DataFlow:
    """The edges of a recording's dynamic graph.

    Args:
        recording: the recording; it is read once, in linear time.

    Attributes:
        consumers: tensor id -> ids of the ops that take it, in order, each once.
    """

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        consumers: dict[int, list[int]] = {}
        for op in recording.ops:
            for tensor in dict.fromkeys(op.inputs):
                consumers.setdefault(tensor, []).append(op.id)
        self.consumers: Mapping[int, tuple[int, ...]] = {
            tensor: tuple(ops) for tensor, ops in consumers.items()
        }

    def producer(self, tensor: int) -> int | None:
        """The op that made this value of the tensor; None if it came from outside."""
        return self._recording.tensors[tensor].producer

    def parents(self, op: int) -> tuple[int, ...]:
        """The ops whose results `op` takes, each once, in argument order."""
        makers = (self.producer(tensor) for tensor in self._recording.ops[op].inputs)
        return tuple(dict.fromkeys(maker for maker in makers if maker is not None))

    def children(self, op: int) -> tuple[int, ...]:
        """The ops that take a result of `op`, each once, in order.

        A value that `op` merely passed on (it returned its input) is not its result.
        """
        made = self._results(op)
        return tuple(sorted({user for tensor in made for user in self.consumers.get(tensor, ())}))

    def ancestors(self, op: int) -> frozenset[int]:
        """All ops that `op` depends on, without itself."""
        return self._reach(op, self.parents)

    def descendants(self, op: int) -> frozenset[int]:
        """All ops that depend on `op`, without itself."""
        return self._reach(op, self.children)

    def _results(self, op: int) -> Iterable[int]:
        return (t for t in self._recording.ops[op].outputs if self.producer(t) == op)

    def _reach(self, start: int, step: Callable[[int], Iterable[int]]) -> frozenset[int]:
        seen: set[int] = set()
        todo = [start]
        while todo:
            for other in step(todo.pop()):
                if other not in seen:
                    seen.add(other)
                    todo.append(other)
        return frozenset(seen - {start})
