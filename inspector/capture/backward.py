"""Autograd nodes: which ran in a backward pass, in order, with their gradients.

`gates.py` calls here when the engine is about to run, whoever starts it. The graph below its
roots is walked once, each node gets a pre-hook and a hook for this pass, and all of them are
removed when the engine returns or raises. Nothing is hooked while the forward runs.

Which op made a node is known from autograd's own sequence numbers: each op remembers the
number that follows its nodes, so an op owns exactly the numbers between its predecessor's
and its own (DESIGN: `id()` of a grad_fn is reused, sequence numbers are not).
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

import torch
from torch.autograd.function import BackwardCFunction
from torch.autograd.graph import GradientEdge, Node, get_gradient_edge
from torch.overrides import TorchFunctionMode

from inspector.capture.functions import lift, mode_depth
from inspector.capture.summary import undisturbed
from inspector.capture.tape import RawGradNode, RawStep, Tape
from inspector.records import Kernel

_LEAF_SEQUENCE = 2**64 - 1
"""AccumulateGrad nodes all carry the largest number, so that they run first."""

_COMPILED = "CompiledFunctionBackward"
"""The backward of code that `torch.compile` made: opaque, like its forward."""

MAX_NODES = 20_000
"""Autograd nodes of one pass that are given Python objects; see `TensorTable`'s `_sequence`.
A chain of 30,000 could still be freed with the usual 8 MB of stack."""

Grads = tuple[torch.Tensor | None, ...]


class BackwardRecorder:
    """Records each run of the autograd engine."""

    def __init__(self, tape: Tape, mode: TorchFunctionMode) -> None:
        self._tape = tape
        self._mode = mode

    def run(
        self, engine: Callable[..., Any], args: tuple[Any, ...], kwargs: Any, frame: FrameType
    ) -> Any:
        """Call the engine as `engine(*args, **kwargs)` and record the pass it runs.

        Args:
            engine: `run_backward` of torch's engine.
            args: roots, their gradients, `retain_graph`, `create_graph`, ...
            kwargs: likewise, by name.
            frame: who calls the engine.
        """
        tape = self._tape
        if not tape.recording_here or tape.running is not None or not tape.options.backward:
            tape.elsewhere()
            return engine(*args, **kwargs)
        step = RawStep(
            "backward", len(tape.ops), len(tape.ops), tape.site(frame), tape.passes, _detail(args)
        )
        tape.steps.append(step)
        tape.passes += 1
        watch = PassWatch(tape, self._mode, tape.passes - 1, keeps_graph=_keeps_graph(args))
        watch.install(args[0])
        phase, tape.phase = tape.phase, "backward"
        try:
            with self._seeing_python():
                return engine(*args, **kwargs)
        except BaseException as error:
            if tape.raised_node is None or tape.raised_node[0] is not error:
                tape.raised_node = (error, watch.unfinished())
            raise
        finally:
            tape.phase = phase
            watch.remove()
            step.last_op = len(tape.ops)

    @contextlib.contextmanager
    def _seeing_python(self) -> Iterator[None]:
        """The mode on the stack, where the engine finds it for the Python code it runs.

        The engine gives each node the thread state of the moment at which it was started:
        hooks, backwards of custom functions and recomputations are then seen.
        """
        if mode_depth(self._mode) is not None:
            yield
            return
        torch._C._push_on_torch_function_stack(self._mode)
        try:
            yield
        finally:
            torch._C._pop_torch_function_stack()


def _detail(args: tuple[Any, ...]) -> str:
    """What was asked of the engine: its third and fourth arguments are the two flags."""
    create = bool(args[3:4] and args[3])
    return "create_graph" if create else "retain_graph" if _keeps_graph(args) else ""


def _keeps_graph(args: tuple[Any, ...]) -> bool:
    return bool(args[2:3] and args[2])


@dataclass(slots=True)
class _Watched:
    node: Node
    start_ns: int = 0
    accumulated: bool = False
    saves: bool = False  # known beforehand of custom functions only
    ran_as: int | None = None
    kernels: list[Kernel] = field(default_factory=list)


class PassWatch:
    """The hooks of one backward pass. After one that `keeps_graph` nothing was freed."""

    def __init__(
        self, tape: Tape, mode: TorchFunctionMode, pass_index: int, keeps_graph: bool
    ) -> None:
        self._tape = tape
        self._mode = mode
        self._pass = pass_index
        self._keeps_graph = keeps_graph
        self._handles: list[Any] = []
        # The Python objects of the nodes are kept here during the pass: a node has one such
        # object while it is referenced, so id() is unique among them.
        self._watched: dict[int, _Watched] = {}

    def install(self, roots: Any) -> None:
        """Hook every node that the engine can reach from `roots`."""
        with undisturbed():
            todo: list[Node] = [_node_of(root) for root in roots if _requires_grad(root)]
            while todo:
                node = todo.pop()
                if id(node) in self._watched:
                    continue
                if len(self._watched) == MAX_NODES:
                    self._tape.note(
                        f"A backward pass has more than {MAX_NODES:,} autograd nodes; no more than "
                        "that were recorded, because torch itself overflows the stack when it "
                        "frees a longer chain of nodes that Python has seen."
                    )
                    break
                self._watch(node)
                todo.extend(following for following, _ in node.next_functions if following)

    def _watch(self, node: Node) -> None:
        watched = self._watched[id(node)] = _Watched(node)

        compiled = node.name() == _COMPILED

        def before(grad_outputs: Grads) -> None:
            if compiled:
                lift(self._mode)  # for this node only: the next gets its own thread state
            variable = getattr(node, "variable", None)
            if variable is not None:
                with undisturbed():
                    watched.accumulated = variable.grad is not None
            watched.saves = _holds_tensors(node)
            self._tape.node_kernels = watched.kernels
            watched.start_ns = time.perf_counter_ns()

        def after(grad_inputs: Grads, grad_outputs: Grads) -> None:
            self._ran(watched, grad_inputs, grad_outputs, time.perf_counter_ns())

        self._handles.append(node.register_prehook(before))
        self._handles.append(node.register_hook(after))

    def _ran(self, watched: _Watched, grad_inputs: Grads, grad_outputs: Grads, end_ns: int) -> None:
        tape, node = self._tape, watched.node
        tape.node_kernels = None
        if tape.full:
            return
        with undisturbed():
            variable = getattr(node, "variable", None)
            leaf = None
            if variable is not None:
                leaf = tape.tensors.see(variable)
                if watched.accumulated and variable.grad is not None:
                    tape.tensors.engine_wrote(variable.grad)
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
                    kernels=watched.kernels,
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
        self._tape.node_kernels = None
        saving: dict[Any, bool] = {}
        for watched in self._watched.values():
            if watched.ran_as is None:
                continue
            row = self._tape.grad_nodes[watched.ran_as]
            edges = watched.node.next_functions
            row.next = tuple(
                ran
                for following, _ in edges
                if following is not None
                and (other := self._watched.get(id(following))) is not None
                and (ran := other.ran_as) is not None
            )
            if not self._keeps_graph:
                # What a built-in node saves follows from which of its inputs need a gradient,
                # and asking takes 20 us: one node of each kind is asked.
                kind = type(watched.node), tuple(following is None for following, _ in edges)
                if kind not in saving:
                    saving[kind] = _was_freed(watched.node)
                row.freed = watched.saves or saving[kind]
        self._watched.clear()


def _holds_tensors(node: Any) -> bool:
    """Whether a custom function's node has saved tensors, and has them still."""
    if not isinstance(node, BackwardCFunction):
        return False
    try:
        return bool(node._raw_saved_tensors)
    except RuntimeError:
        return False  # an earlier pass freed them


def _was_freed(node: Any) -> bool:
    """Whether a built-in node had saved tensors. To be asked when they have been freed: asking
    for a saved tensor that is still there can run hooks of the user's, one that was never saved
    is None, one that was freed is an error.
    """
    if isinstance(node, BackwardCFunction):
        return False  # told by what it held before
    for raw in (name for name in dir(node) if name.startswith("_raw_saved_")):
        try:
            getattr(node, raw.removeprefix("_raw"))
        except RuntimeError:
            return True
    return False


def _requires_grad(root: torch.Tensor | GradientEdge) -> bool:
    return isinstance(root, GradientEdge) or root.requires_grad


def _node_of(root: torch.Tensor | GradientEdge) -> Node:
    return root.node if isinstance(root, GradientEdge) else get_gradient_edge(root).node
