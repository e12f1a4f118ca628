"""The autograd nodes of one backward pass: which ran, in order, with their gradients.

The graph below the roots is walked once, each node gets a hook for this pass, and all of them
are removed when the engine returns or raises. Nothing is hooked while the forward runs.

Which op made a node is known from autograd's own sequence numbers: each op remembers the
number that follows its nodes, so an op owns exactly the numbers between its predecessor's
and its own (DESIGN: `id()` of a grad_fn is reused, sequence numbers are not).
"""

from __future__ import annotations

import sys
import time
import weakref
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from functools import cached_property
from operator import attrgetter
from threading import get_ident
from typing import Any

import torch
from torch.autograd.function import BackwardCFunction
from torch.autograd.graph import GradientEdge, Node, get_gradient_edge
from torch.overrides import TorchFunctionMode

from inspector.capture.modestack import lift, mode_depth
from inspector.capture.saved import SavedReader
from inspector.capture.summary import undisturbed
from inspector.capture.tape import FailedNode, RawGradNode, Tape
from inspector.capture.tensors import version_of
from inspector.language import sentence
from inspector.making import uncollected
from inspector.records import Kernel

_DisableTorchFunction: Any = torch._C.DisableTorchFunction

_LEAF_SEQUENCE = 2**64 - 1
"""AccumulateGrad nodes all carry the largest number, so that they run first."""

_COMPILED = "CompiledFunctionBackward"
"""The backward of code that `torch.compile` made: opaque, like its forward."""

MAX_NODES = 20_000
"""Autograd nodes of one pass that are given Python objects; see `MOST_ASKED` of `tensors.py`.
A chain of 30,000 could still be freed with the usual 8 MB of stack."""

_first_node = attrgetter("first_node")

_RECENT = 256  # gradients that are known again when they come by again

Grads = tuple[torch.Tensor | None, ...]


class _Watched:
    """One node of the pass, and the hook on it."""

    __slots__ = (
        "accumulated", "compiled", "custom", "edges", "hooks", "is_leaf", "kernels",
        "key", "name", "node", "ran_as", "saved", "saves", "sequence", "start", "watch",
    )  # fmt: skip

    def __init__(self, watch: PassWatch, node: Node) -> None:
        self.watch: PassWatch | None = watch
        self.node: Any = node
        self.name = node.name()
        self.sequence = node._sequence_nr()
        self.edges: tuple[int | None, ...] = ()  # id() of the nodes that follow
        self.is_leaf = self.sequence == _LEAF_SEQUENCE
        self.custom = isinstance(node, BackwardCFunction)
        self.compiled = self.name == _COMPILED
        self.accumulated = False
        # Read now: the backward of an op frees them. The node must live as long as its
        # `SavedTensor`s, which point into it.
        self.saves, self.saved = watch.saved.read(node)
        self.kernels: list[Kernel] | None = None
        self.ran_as: int | None = None
        self.start = 0
        # Not the handle itself: thousands of them are work for the garbage collector.
        handle = self.node.register_hook(self)
        self.hooks: Any = handle.hooks_dict_ref()
        self.key: int = handle.id

    def before(self, grad_outputs: Grads) -> None:
        """What has to be known of some nodes before they run."""
        if self.watch is not None:
            self.watch.starts(self)

    def __call__(self, grad_inputs: Grads, grad_outputs: Grads) -> None:
        """The node has run."""
        end = time.perf_counter_ns()
        watch = self.watch
        if watch is None:
            return
        trace = watch.tape.trace  # put aside while our code runs; see `Tape`
        if trace is None or sys.gettrace() is not trace:
            watch.ran(self, grad_inputs, grad_outputs, end)
            return
        sys.settrace(None)
        try:
            watch.ran(self, grad_inputs, grad_outputs, end)
        finally:
            sys.settrace(trace)


class PassWatch:
    """The hooks of one backward pass. After one that `keeps_graph` nothing was freed."""

    def __init__(
        self, tape: Tape, mode: TorchFunctionMode, pass_index: int, keeps_graph: bool
    ) -> None:
        self.tape = tape
        self.saved = SavedReader(tape.tensors)
        self._mode = mode
        self._pass = pass_index
        self._keeps_graph = keeps_graph
        self._reads = tape.options.values != "none"
        self._read_before: dict[int, tuple[weakref.ref[torch.Tensor], int, int]] = {}
        self._prehandles: list[Any] = []
        self._task: int | None = None
        self._clock = 0  # when the node before had ended, our notes on it included
        # The Python objects of the nodes are kept here during the pass: a node has one such
        # object while it is referenced, so id() is unique among them.
        self._watched: dict[int, _Watched] = {}

    def install(self, roots: Any) -> None:
        """Hook every node that the engine can reach from `roots`."""
        watched = self._watched
        with undisturbed(), uncollected():
            todo: list[Node] = [_node_of(root) for root in roots if _requires_grad(root)]
            passed_over: dict[int, Node] = {}
            while todo:
                node = todo.pop()
                if id(node) in watched or id(node) in passed_over:
                    continue
                if self.tape.filtered and not self._is_of_an_op(node):
                    passed_over[id(node)] = node
                    todo += [edge for edge, _ in node.next_functions if edge is not None]
                    continue
                if len(watched) == MAX_NODES:
                    self.tape.note(
                        sentence(
                            "A backward pass has more than {max_nodes:,} autograd nodes; no more "
                            "than that were recorded, because torch itself overflows the stack "
                            "when it frees a longer chain of nodes that Python has seen.",
                            max_nodes=MAX_NODES,
                        )
                    )
                    break
                entry = watched[id(node)] = _Watched(self, node)
                if self.tape.options.kernels or entry.is_leaf or entry.custom or entry.compiled:
                    self._prehandles.append(node.register_prehook(entry.before))
                following = [edge for edge, _ in node.next_functions]
                entry.edges = tuple([None if edge is None else id(edge) for edge in following])
                todo += [edge for edge in following if edge is not None]
        self._clock = time.perf_counter_ns()

    @property
    def runs_compiled(self) -> bool:
        """Whether code that `torch.compile` made is part of the pass."""
        return any(watched.compiled for watched in self._watched.values())

    def gradients(self) -> Iterator[torch.Tensor]:
        """The gradients that the pass has left in leaves."""
        for watched in self._watched.values():
            if watched.is_leaf and watched.ran_as is not None:
                grad = _variable(watched.node).grad
                if grad is not None:
                    yield grad

    def _is_of_an_op(self, node: Node) -> bool:
        """Whether a recorded op made or used a node: with `only` most did not."""
        ops, sequence = self.tape.ops, node._sequence_nr()
        if sequence == _LEAF_SEQUENCE:
            found = self.tape.tensors.find(_variable(node))
            return found is not None and found[0] in self._given
        place = bisect_right(ops, sequence, key=_first_node) - 1
        return sequence in self.tape.node_ops or (place >= 0 and sequence < ops[place].end_node)

    @cached_property
    def _given(self) -> set[int]:
        """The tensor objects that the recorded ops were given."""
        raw = self.tape.tensors.raw
        return {raw[tensor].object for op in self.tape.ops for tensor in op.inputs}

    def _is_running(self) -> bool:
        """Whether it is this pass that runs a node, and not another through the same one.

        Passes of other threads meet in the AccumulateGrad nodes of parameters that they share,
        and a hook can start a pass inside of a pass.
        """
        task = torch._C._current_graph_task_id()
        if self._task is None and mode_depth(self._mode) is not None:
            self._task = task
        return task == self._task

    def starts(self, watched: _Watched) -> None:
        """A node is about to run."""
        if not self._is_running():
            return
        self.tape.joins()
        if watched.compiled:
            lift(self._mode)  # for this node only: the next gets its own thread state
        with undisturbed():
            if watched.is_leaf:
                watched.accumulated = _variable(watched.node).grad is not None
        if self.tape.options.kernels:
            watched.kernels = self.tape.node_kernels = []
        watched.start = time.perf_counter_ns()

    def ran(self, watched: _Watched, grad_inputs: Grads, grad_outputs: Grads, end: int) -> None:
        """A node has run, and ended at `end` of the clock.

        One that was not seen starting took the time since the one before it ended.
        """
        if torch._C._current_graph_task_id() != self._task and not self._is_running():
            return
        tape = self.tape
        if get_ident() != tape.thread:
            tape.joins()
        tape.node_kernels = None
        if tape.full:
            return
        nodes = tape.grad_nodes
        with _DisableTorchFunction():
            leaf = self._leaf(watched) if watched.is_leaf else None
            watched.ran_as = len(nodes)
            nodes.append(
                RawGradNode(
                    watched.name.rpartition("::")[2],
                    None if watched.is_leaf else watched.sequence,
                    self._pass,
                    leaf,
                    watched.accumulated,
                    self._read(grad_inputs),
                    self._read(grad_outputs),
                    end - (watched.start or self._clock),
                    watched.kernels,
                    freed=watched.saves and not self._keeps_graph,
                    saved=watched.saved,
                )
            )
        self._clock = time.perf_counter_ns()

    def _leaf(self, watched: _Watched) -> int:
        tensors = self.tape.tensors
        variable = _variable(watched.node)
        if watched.accumulated and variable.grad is not None:
            tensors.engine_wrote(variable.grad)
        return tensors.see(variable)

    def _read(self, grads: Grads) -> tuple[int | None, ...]:
        """The numbers of gradients' summaries.

        What one node gives the next gets as it is: each gradient is read once.
        """
        if not self._reads:
            return (None,) * len(grads)
        before = self._read_before
        if len(before) > _RECENT:  # what is handed on is handed on soon
            before.clear()
        numbers: list[int | None] = []
        for grad in grads:
            number = None
            if grad is not None:
                version = version_of(grad)
                known = before.get(id(grad))
                if known is not None and known[0]() is grad and known[1] == version:
                    number = known[2]
                else:
                    number = self.tape.summaries.add(grad)
                    self.tape.tensors.keep_gradient(number, grad)
                    before[id(grad)] = weakref.ref(grad), version, number
            numbers.append(number)
        return tuple(numbers)

    def failed_node(self, args: tuple[Any, ...]) -> FailedNode | None:
        """The node at which the engine stopped.

        The engine runs, of the nodes that have all their gradients and that lead to what was
        asked for, the one that was made last.

        Args:
            args: what the engine was called with.
        """
        needed = self._leading_to(args[4]) if args[4:5] and args[4] else self._watched
        waiting: set[int] = set()  # nodes that a gradient is still missing for
        for watched in self._watched.values():
            if watched.ran_as is None and id(watched.node) in needed:
                waiting.update(edge for edge in watched.edges if edge is not None)
        ready = [
            self._watched[number]
            for number in needed
            if number not in waiting and self._watched[number].ran_as is None
        ]
        if not ready:
            return None
        node = max(ready, key=lambda watched: watched.sequence)
        name = node.name.rpartition("::")[2]
        return FailedNode(name, node.sequence, self._pass, node.saved)

    def _leading_to(self, inputs: Iterable[Any]) -> set[int]:
        """Nodes that the engine runs if it is asked for the gradients of `inputs` only."""
        with undisturbed():
            targets = {id(_node_of(item)) for item in inputs if _requires_grad(item)}
        before: dict[int | None, list[int]] = {}
        for number, watched in self._watched.items():
            for edge in watched.edges:
                before.setdefault(edge, []).append(number)
        found: set[int] = set()
        todo: list[int | None] = list(targets)
        while todo:
            for number in before.get(todo.pop(), ()):
                if number not in found:
                    found.add(number)
                    todo.append(number)
        return found | {number for number in targets if self._is_leaf(number)}

    def _is_leaf(self, number: int) -> bool:
        return number in self._watched and self._watched[number].is_leaf

    def remove(self) -> None:
        """Take all hooks away and note the edges between the nodes that ran."""
        for handle in self._prehandles:
            handle.remove()
        self.tape.node_kernels = None
        watched_by_id = self._watched
        for watched in watched_by_id.values():
            watched.hooks.pop(watched.key, None)
            if watched.ran_as is None:
                continue
            row = self.tape.grad_nodes[watched.ran_as]
            following = [watched_by_id.get(edge or 0) for edge in watched.edges]
            row.next = tuple(
                [other.ran_as for other in following if other and other.ran_as is not None]
            )
        # The hooks hold the nodes: taken apart here, not by the garbage collector some day.
        for watched in watched_by_id.values():
            watched.node = watched.watch = watched.hooks = None
        watched_by_id.clear()
        self._read_before.clear()


def _variable(node: Any) -> torch.Tensor:
    """The leaf that an AccumulateGrad adds to."""
    variable: torch.Tensor = node.variable
    return variable


def _requires_grad(root: torch.Tensor | GradientEdge) -> bool:
    return isinstance(root, GradientEdge) or root.requires_grad


def _node_of(root: torch.Tensor | GradientEdge) -> Node:
    return root.node if isinstance(root, GradientEdge) else get_gradient_edge(root).node
