"""What the nodes of a picture can be coloured by: a number for each node that is drawn.

    time        µs: an op's, an autograd node's; the sum of those in a closed box
    memory      bytes of what a node made; of an autograd node what its kernels allocated
    gradient    Euclidean norm of the gradient with respect to what a node made
    zeros       fraction of zeros among the values that a node made
    nonfinite   how many NaN and infinities are among them
    visits      how often the node's source line ran; the IR node itself, where it is one

A node that says nothing of a measure (the values were not kept, no gradient came) has no number,
and a measure that no node has is left out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from inspector.language import sentence
from inspector.norms import norm_of
from inspector.records import (
    GradNode,
    Op,
    Overlay,
    Recording,
    TensorInfo,
    TensorSummary,
)
from inspector.views.model import GraphView, ViewNode

BACKWARD = sentence("Backward graph")
"""Name of the view whose closed boxes stand for their autograd nodes, not for their ops."""

SCALES: Mapping[str, tuple[str, str]] = {
    "time": ("µs", "log"),
    "memory": ("B", "log"),
    "gradient": ("", "log"),
    "zeros": ("%", "linear"),
    "nonfinite": ("", "log"),
    "visits": ("×", "log"),
}
"""Measure -> its unit and its scale. What differs by orders of magnitude is read as a logarithm;
fractions of zeros go from 0 to 100 %."""


@dataclass(frozen=True, slots=True)
class Heat:
    """One measure of the nodes of a view.

    `values` are in `unit` (fractions, for "%"), by node id. `low` and `high` are the ends of the
    scale: of a "log" scale the smallest value above 0, as 0 has no place on it.
    """

    measure: str
    unit: str
    scale: str
    low: float
    high: float
    values: Mapping[str, float] = field(default_factory=dict)

    def place(self, value: float) -> float | None:
        """Where on the scale a value is, from 0 to 1; None for 0 on a "log" scale.

        Where all values are equal nothing stands out: they are in the middle.
        """
        if self.scale == "log" and value <= 0:
            return None
        if self.high <= self.low:
            return 0.5
        if self.scale == "log":
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)


def heat(
    view: GraphView,
    recording: Recording,
    overlay: Overlay | None = None,
    measures: Iterable[str] = tuple(SCALES),
) -> tuple[Heat, ...]:
    """The measures that the nodes of a view have.

    Args:
        view: what is drawn of the recording or of its IR.
        recording: what ran.
        overlay: what the recording ran of the IR: its nodes have their own counts then.
        measures: only these of `SCALES`; unknown ones are left out.
    """
    nodes = _Nodes(recording, overlay, backward=view.name == BACKWARD)
    of: dict[str, Callable[[ViewNode], float | None]] = {
        "time": nodes.time,
        "memory": nodes.memory,
        "gradient": nodes.gradient,
        "zeros": nodes.zeros,
        "nonfinite": nodes.nonfinite,
        "visits": nodes.visits,
    }
    found = []
    for measure in (one for one in measures if one in of):
        told = of[measure]
        values = {node.id: value for node in view.nodes if (value := told(node)) is not None}
        if values:
            found.append(_scaled(measure, values))
    return tuple(found)


def _scaled(measure: str, values: Mapping[str, float]) -> Heat:
    unit, scale = SCALES[measure]
    if unit == "%":
        return Heat(measure, unit, scale, 0.0, 1.0, values)
    above = [value for value in values.values() if value > 0]
    low, high = (min(above), max(above)) if above else (0.0, 0.0)
    return Heat(measure, unit, scale, low, high, values)


def norm(summary: TensorSummary) -> float | None:
    """The Euclidean norm of a tensor's finite values; None where there are none, as in `norm_of`.

    An empty tensor has no colour: its norm is None here, too.
    """
    return norm_of(summary) if summary.numel else None


class _Nodes:
    """Each method gives one measure of a drawn node; None where it says nothing of it."""

    def __init__(self, recording: Recording, overlay: Overlay | None, *, backward: bool) -> None:
        self._recording = recording
        self._overlay = overlay
        self._backward = backward

    # -- the measures ----------------------------------------------------------------------

    def time(self, node: ViewNode) -> float | None:
        timed: list[GradNode] | list[Op] = self._grads(node) or self._ops(node)
        return sum(one.duration_us for one in timed) if timed else None

    def memory(self, node: ViewNode) -> float | None:
        grads = self._grads(node)
        if grads:
            kernels = [kernel for grad in grads for kernel in grad.kernels]
            return sum(kernel.allocated for kernel in kernels) if kernels else None
        made = self._made(node)
        return sum(tensor.nbytes for tensor in made) if made else None

    def gradient(self, node: ViewNode) -> float | None:
        """Of a closed box the largest in it: a sum over many tensors compares with nothing."""
        grads = self._grads(node)
        if grads:
            return max((n for grad in grads if (n := _total(grad.grad_outputs)) is not None),
                       default=None)  # fmt: skip
        norms = [norm(tensor.grad) for tensor in self._made(node) if tensor.grad is not None]
        return max((found for found in norms if found is not None), default=None)

    def zeros(self, node: ViewNode) -> float | None:
        found = list(self._summaries(node))
        values = sum(summary.numel for summary in found)
        if not values:
            return None
        return sum(summary.zero_fraction * summary.numel for summary in found) / values

    def nonfinite(self, node: ViewNode) -> float | None:
        found = list(self._summaries(node))
        return sum(one.nan_count + one.inf_count for one in found) if found else None

    def visits(self, node: ViewNode) -> float | None:
        if node.id.startswith("ir:") and self._overlay is not None:
            return self._ir_visits(node.id.removeprefix("ir:"))
        if node.source is None or not self._is_work(node):
            return None
        file, line = node.source
        return self._recording.lines.get(file, {}).get(line)

    def _ir_visits(self, rest: str) -> float | None:
        """How often an IR node ran, or the block that a closed box ("7/0") stands for."""
        assert self._overlay is not None
        number, _, block = rest.partition("@")[0].partition("/")
        if not number.isdecimal():
            return None
        owner = int(number)
        if block.isdecimal() and owner in self._overlay.taken:
            return self._overlay.taken[owner].count(int(block))
        if block.isdecimal() and owner in self._overlay.trips:
            return sum(self._overlay.trips[owner])
        return self._overlay.executions.get(owner)

    # -- what a node stands for ------------------------------------------------------------

    def _is_work(self, node: ViewNode) -> bool:
        """Whether a node computes: parameters, inputs and outputs stand beside those that do."""
        return node.kind not in ("input", "output", "parameter", "constant")

    def _grads(self, node: ViewNode) -> list[GradNode]:
        """Those of an autograd node; in the backward graph those in a closed box."""
        if node.kind not in ("grad", "accumulate", *(("box",) if self._backward else ())):
            return []
        return [self._recording.grad_nodes[number] for number in node.grads]

    def _ops(self, node: ViewNode) -> list[Op]:
        if not self._is_work(node):
            return []
        return [self._recording.ops[number] for number in node.ops]

    def _made(self, node: ViewNode) -> list[TensorInfo]:
        """The tensors that a node stands for; what is passed on or viewed counts at its maker."""
        tensors = self._recording.tensors
        kind, _, rest = node.id.partition(":")
        number = rest.partition("@")[0]
        if kind in ("tensor", "output") and number.isdecimal():
            return [tensors[int(number)]]
        if node.kind == "parameter" and kind == "parameters" and number.isdecimal():
            inputs = dict.fromkeys(self._recording.ops[int(number)].inputs)
            taken = [tensors[i] for i in inputs]
            return [one for one in taken if one.name is not None and one.producer is None]
        return [tensors[i] for op in self._ops(node) for i in op.outputs
                if tensors[i].producer == op.id]  # fmt: skip

    def _summaries(self, node: ViewNode) -> Iterable[TensorSummary]:
        grads = self._grads(node)
        for grad in grads:
            passed_on = any(grad.grad_inputs)  # an AccumulateGrad passes nothing on
            kept = grad.grad_inputs if passed_on else grad.grad_outputs
            yield from (summary for summary in kept if summary is not None)
        if not grads:
            made = (tensor.summary for tensor in self._made(node))
            yield from (summary for summary in made if summary is not None)


def _total(summaries: Iterable[TensorSummary | None]) -> float | None:
    """The norm of several tensors together."""
    norms = [norm(summary) for summary in summaries if summary is not None]
    known = [found for found in norms if found is not None]
    return math.hypot(*known) if known else None
