"""Autograd nodes: which ran in a backward pass, in order, with their gradients.

A call that starts the engine is seen by the function mode. The graph below its roots is
walked once, each node gets a pre-hook and a hook for this pass, and all of them are removed
when the call returns or raises. Nothing is hooked while the forward runs.

Which op made a node is known from autograd's own sequence numbers: each op remembers the
number that follows its nodes, so an op owns exactly the numbers between its predecessor's
and its own (DESIGN: `id()` of a grad_fn is reused, sequence numbers are not).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import Any

import torch
from torch.autograd.graph import Node, get_gradient_edge
from torch.overrides import TorchFunctionMode

from inspector.capture.arguments import tensors_in
from inspector.capture.summary import undisturbed
from inspector.capture.tape import RawGradNode, RawStep, Tape

_LEAF_SEQUENCE = 2**64 - 1
"""AccumulateGrad nodes all carry the largest number, so that they run first."""

Grads = tuple[torch.Tensor | None, ...]


class BackwardRecorder:
    """Records each call of `Tensor.backward`, `autograd.backward` and `autograd.grad`."""

    def __init__(self, tape: Tape, mode: TorchFunctionMode) -> None:
        self._tape = tape
        self._mode = mode

    def run(
        self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: Any, frame: FrameType
    ) -> Any:
        """Call `func(*args, **kwargs)` and record the pass it runs."""
        tape = self._tape
        if not tape.options.backward:
            return func(*args, **kwargs)
        step = RawStep("backward", len(tape.ops), len(tape.ops), tape.site(frame), tape.passes)
        tape.steps.append(step)
        tape.passes += 1
        watch = PassWatch(tape, self._mode, tape.passes - 1)
        roots = args[0] if args else kwargs.get("tensors", kwargs.get("outputs"))
        watch.install(roots)
        phase, tape.phase = tape.phase, "backward"
        try:
            return func(*args, **kwargs)
        except BaseException as error:
            tape.raised_node = (error, watch.unfinished())
            raise
        finally:
            tape.phase = phase
            watch.remove()
            step.last_op = len(tape.ops)


@dataclass(slots=True)
class _Watched:
    node: Node
    start_ns: int = 0
    accumulated: bool = False
    ran_as: int | None = None


class PassWatch:
    """The hooks of one backward pass."""

    def __init__(self, tape: Tape, mode: TorchFunctionMode, pass_index: int) -> None:
        self._tape = tape
        self._mode = mode
        self._pass = pass_index
        self._handles: list[Any] = []
        # The Python objects of the nodes are kept here during the pass: a node has one such
        # object while it is referenced, so id() is unique among them.
        self._watched: dict[int, _Watched] = {}
        self._modes_before = torch._C._len_torch_function_stack()
        self._pushed = False

    def install(self, roots: Any) -> None:
        """Hook every node that the engine can reach from `roots`."""
        with undisturbed():
            todo: list[Node] = [
                get_gradient_edge(root).node for root in tensors_in(roots) if root.requires_grad
            ]
            while todo:
                node = todo.pop()
                if id(node) in self._watched:
                    continue
                self._watch(node)
                todo.extend(following for following, _ in node.next_functions if following)

    def _watch(self, node: Node) -> None:
        watched = self._watched[id(node)] = _Watched(node)

        def before(grad_outputs: Grads) -> None:
            self._enter_backward()
            variable = getattr(node, "variable", None)
            if variable is not None:
                with undisturbed():
                    watched.accumulated = variable.grad is not None
            watched.start_ns = time.perf_counter_ns()

        def after(grad_inputs: Grads, grad_outputs: Grads) -> None:
            self._ran(watched, grad_inputs, grad_outputs, time.perf_counter_ns())

        self._handles.append(node.register_prehook(before))
        self._handles.append(node.register_hook(after))

    def _enter_backward(self) -> None:
        """Let the function mode see Python code that the engine runs (hooks, custom nodes)."""
        if not self._pushed and threading.get_ident() == self._tape.thread:
            torch._C._push_on_torch_function_stack(self._mode)
            self._pushed = True

    def _ran(self, watched: _Watched, grad_inputs: Grads, grad_outputs: Grads, end_ns: int) -> None:
        tape, node = self._tape, watched.node
        if tape.full:
            return
        with undisturbed():
            variable = getattr(node, "variable", None)
            leaf = None if variable is None else tape.tensors.see(variable)
            sequence = node._sequence_nr()
            watched.ran_as = len(tape.grad_nodes)
            tape.grad_nodes.append(
                RawGradNode(
                    name=node.name().rpartition("::")[2],
                    sequence=None if sequence == _LEAF_SEQUENCE else sequence,
                    pass_index=self._pass,
                    leaf=leaf,
                    accumulated=watched.accumulated,
                    grad_inputs=tuple(tape.summary(grad) for grad in grad_inputs),
                    grad_outputs=tuple(tape.summary(grad) for grad in grad_outputs),
                    duration_ns=end_ns - watched.start_ns,
                )
            )

    def unfinished(self) -> int | None:
        """The sequence number of the node that started last and did not finish."""
        started = [w for w in self._watched.values() if w.start_ns and w.ran_as is None]
        if not started:
            return None
        return max(started, key=lambda w: w.start_ns).node._sequence_nr()

    def remove(self) -> None:
        """Take all hooks away and note the edges between the nodes that ran."""
        for handle in self._handles:
            handle.remove()
        if self._pushed:
            while torch._C._len_torch_function_stack() > self._modes_before:
                torch._C._pop_torch_function_stack()
        for watched in self._watched.values():
            if watched.ran_as is not None:
                self._tape.grad_nodes[watched.ran_as].next = tuple(
                    ran
                    for following, _ in watched.node.next_functions
                    if following is not None
                    and (ran := self._watched[id(following)].ran_as) is not None
                )
        self._watched.clear()
