"""What rules look things up in: indices over one recording, each made once, when first asked."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from functools import cached_property

from inspector.graph import DataFlow
from inspector.language import sentence
from inspector.records import GradNode, ModuleCall, Op, ParameterInfo, Recording, Step
from inspector.whys.words import op_words, path_of, short_words


class Evidence:
    """One recording, as rules see it.

    Args:
        recording: the recording; it is not changed.
    """

    def __init__(self, recording: Recording) -> None:
        self.recording = recording

    # -- ops ---------------------------------------------------------------------------------

    @cached_property
    def by_name(self) -> Mapping[str, Sequence[Op]]:
        """Op name ("relu") -> its ops, in order."""
        found: dict[str, list[Op]] = {}
        for op in self.recording.ops:
            known = found.get(op.name)
            if known is None:
                found[op.name] = [op]
            else:
                known.append(op)
        return found

    def named(self, *names: str) -> list[Op]:
        """The ops of these names, in the order of the run."""
        found = [op for name in names for op in self.by_name.get(name, ())]
        return sorted(found, key=lambda op: op.id) if len(names) > 1 else found

    @cached_property
    def flow(self) -> DataFlow:
        """Producers and consumers, ancestors and descendants."""
        return DataFlow(self.recording)

    @property
    def consumers(self) -> Mapping[int, tuple[int, ...]]:
        """Tensor id -> ids of the ops that take it, in order, each once."""
        return self.flow.consumers

    def maker(self, tensor: int) -> Op | None:
        """The op that made this value; None if it came from outside."""
        info = self.recording.tensors.get(tensor)
        number = None if info is None else info.producer
        return None if number is None else self.recording.ops[number]

    @cached_property
    def in_backward(self) -> Sequence[Op]:
        """Ops that ran while a backward pass was running (a custom backward, a recomputation)."""
        return [op for op in self.recording.ops if op.phase == "backward"]

    # -- tensors -----------------------------------------------------------------------------

    @cached_property
    def by_storage(self) -> Mapping[int, Sequence[int]]:
        """Storage number -> the tensor values in that memory, ascending."""
        found: dict[int, list[int]] = {}
        for info in self.recording.tensors.values():
            if info.storage is not None:
                found.setdefault(info.storage, []).append(info.id)
        return found

    @cached_property
    def writers(self) -> Sequence[Op]:
        """Ops that wrote into a tensor they were given, in order."""
        return [op for op in self.recording.ops if op.overwrites]

    @cached_property
    def writes(self) -> Mapping[int, Sequence[Op]]:
        """Storage number -> the ops that wrote into it, in order."""
        tensors = self.recording.tensors
        found: dict[int, list[Op]] = {}
        for op in self.writers:
            for storage in {tensors[old].storage for old in op.overwrites}:
                if storage is not None:
                    found.setdefault(storage, []).append(op)
        return found

    @cached_property
    def parameter_of(self) -> Mapping[int, ParameterInfo]:
        """Tensor id -> the parameter or buffer of which it is a value."""
        known = {name: info for info in self.recording.parameters for name in info.names}
        found = {}
        for tensor in self.recording.tensors.values():
            if tensor.name is not None and tensor.name in known:
                found[tensor.id] = known[tensor.name]
        return found

    # -- autograd ----------------------------------------------------------------------------

    @cached_property
    def nodes_of(self) -> Mapping[int, Sequence[GradNode]]:
        """Op id -> the autograd nodes that it made, of those that ran, in order."""
        found: dict[int, list[GradNode]] = {}
        for node in self.recording.grad_nodes:
            if node.op is not None:
                found.setdefault(node.op, []).append(node)
        return found

    @cached_property
    def passes(self) -> Mapping[int, Sequence[GradNode]]:
        """Number of the backward pass -> its autograd nodes, in order."""
        found: dict[int, list[GradNode]] = {}
        for node in self.recording.grad_nodes:
            found.setdefault(node.pass_index, []).append(node)
        return found

    @cached_property
    def saved_by(self) -> Mapping[int, Sequence[GradNode]]:
        """Tensor id -> the autograd nodes that ran and had saved that value."""
        found: dict[int, list[GradNode]] = {}
        for node in self.recording.grad_nodes:
            for tensor in node.saved:
                found.setdefault(tensor, []).append(node)
        return found

    # -- steps and calls ---------------------------------------------------------------------

    @cached_property
    def backwards(self) -> Sequence[Step]:
        """The backward passes, in order."""
        return [step for step in self.recording.steps if step.kind == "backward"]

    @cached_property
    def optimizer_steps(self) -> Sequence[Step]:
        """The optimizer steps, in order."""
        return [step for step in self.recording.steps if step.kind == "optimizer_step"]

    def step_around(self, op: int) -> Step | None:
        """The optimizer step during which an op ran."""
        starts = self._starts
        place = bisect_right(starts, op) - 1
        step = self.optimizer_steps[place] if place >= 0 else None
        return step if step is not None and op < step.last_op else None

    @cached_property
    def _starts(self) -> list[int]:
        return [step.first_op for step in self.optimizer_steps]

    def pass_step(self, number: int | None) -> Step | None:
        """The step that ran the backward pass of this number."""
        return next((step for step in self.backwards if step.pass_index == number), None)

    def call_of(self, op: Op) -> ModuleCall | None:
        """The module call in which an op ran."""
        return None if op.module_call is None else self.recording.module_calls[op.module_call]

    # -- in words ----------------------------------------------------------------------------

    def path(self, op: Op) -> str:
        """The module path of an op; "" outside of modules and in the outermost one."""
        return path_of(self.recording, op)

    def words(self, op: Op) -> str:
        """An op with its place: "relu (net.1, train.py:12)"."""
        return op_words(self.recording, op)

    def tensor_words(self, tensor: int) -> str:
        """What a tensor is called: the parameter's path, the variable's name, or who made it."""
        return short_words(self.recording, tensor)

    def shaped(self, tensor: int) -> str:
        """A tensor's name with its shape: "x (2, 7200)"."""
        shape = shape_words(self.recording.tensors[tensor].shape)
        return sentence("{name} {shape}", name=self.tensor_words(tensor), shape=shape)


MOST_NAMES = 4
"""Names that a message tells one by one."""


def some_of(names: Sequence[str]) -> str:
    """The first names, and how many more there are: "a, b, c, d and 3 more"."""
    first = ", ".join(names[:MOST_NAMES])
    more = len(names) - MOST_NAMES
    return sentence("{names} and {count} more", names=first, count=more) if more > 0 else first


def shape_words(shape: Sequence[int]) -> str:
    """As in "(2, 3)", "(5,)"; a scalar's is "(a scalar)"."""
    return str(tuple(shape)) if shape else sentence("(a scalar)")
