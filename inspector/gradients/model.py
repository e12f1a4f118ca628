"""What is known about the gradients of a recording: the records of `gradient_report`.

    GradientReport
    ├── rounds        Round               one training step: backward passes and their update
    ├── parameters    ParameterGradients  one parameter (or leaf), with an entry per round
    ├── activations   ActivationGradient  what came back to one op's output in one pass
    ├── rectifiers    Rectifier           one op of the source whose outputs can be dead
    └── readings      Reading             what stands out, worst first

A norm is the Euclidean norm of the finite values, in the unit of the tensor itself; how many
values were not finite is counted beside it. None stands for "not known": no gradient came, or
the recording holds no values.
"""

from __future__ import annotations

from dataclasses import dataclass

from inspector.records import Source, TensorSummary


@dataclass(frozen=True, slots=True)
class Round:
    """One training step: the backward passes before an optimizer step, and the step.

    Attributes:
        id: counts from 0.
        first_op, last_op: the ops it ran, half open, those of the optimizer included.
        passes: numbers of its backward passes; more than one accumulates.
        losses: the value each of the passes began at; None where it is no single number.
        loss_sources: the line that computed each loss.
        updates: ids of its optimizer steps (`Recording.steps`); none: the gradients were
            thrown away, or the recording ends here.
    """

    id: int
    first_op: int
    last_op: int
    passes: tuple[int, ...]
    losses: tuple[float | None, ...] = ()
    loss_sources: tuple[Source | None, ...] = ()
    updates: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class RoundGradient:
    """What came to one parameter in one round.

    Attributes:
        summary: of the gradient, as the backward pass brought it (before clipping). Of several
            passes that accumulate, of their sum where the recording has it, else of the last.
        node: the AccumulateGrad node that ran last (id).
        passes: how many passes brought a gradient.
        summed: whether `summary` is of all those passes together.
    """

    summary: TensorSummary | None
    node: int
    passes: int = 1
    summed: bool = True


@dataclass(frozen=True, slots=True)
class ParameterGradients:
    """One parameter, or a leaf tensor outside of modules, over the rounds.

    Attributes:
        name: its path; a leaf's variable or "%ID".
        kind: "parameter" or "leaf".
        op: the first op that uses it, which is its place along the depth; None if none does.
        requires_grad: as at the end of the run.
        gradients: per round; None where no gradient came.
        weights: per round, its values before the update.
        updates: per round, how far the optimizer moved it (norm); None where it did not.
        uses: per round, the first op that uses it there.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    dtype: str
    op: int | None
    requires_grad: bool
    gradients: tuple[RoundGradient | None, ...]
    weights: tuple[TensorSummary | None, ...]
    updates: tuple[float | None, ...]
    uses: tuple[int | None, ...]

    @property
    def rounds(self) -> tuple[int, ...]:
        """The rounds in which it got a gradient."""
        return tuple(i for i, gradient in enumerate(self.gradients) if gradient is not None)


@dataclass(frozen=True, slots=True)
class ActivationGradient:
    """The gradient with respect to one op's outputs, in one backward pass.

    Attributes:
        op: the op.
        node: the autograd node that it came into.
        round: in which the pass was.
        norm: of all outputs together; None when not known, or nothing of it is finite.
        numel: how many values the outputs have.
        nonfinite: how many of the gradient's values are NaN or infinite.
        trip: (number of the loop's run, the trip in it, from 0), of the outermost loop that
            went around more than once within the pass; None outside of such loops.
    """

    op: int
    node: int
    round: int
    pass_index: int
    norm: float | None
    numel: int
    nonfinite: int
    trip: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Rectifier:
    """An op of the source that sets negative values to zero (ReLU and its kin), over the run.

    Its units are the channels of an image (dimension 1), else the last dimension.

    Attributes:
        name: of the op.
        path: of the module that called it.
        ops: ids of the ops recorded from it.
        zeros: share of zeros among all values of all its outputs, 0 to 1.
        by_round: likewise per round; None where it did not run.
        units: likewise per unit, over all samples and rounds; empty without recorded values.
        units_by_round: the same per round (rows) and unit; empty likewise.
        dead_since: the round from which on all of its output is zero, to the end; None where
            something comes through. It needs four values to tell.
        dead: numbers of the units that are zero in the last round, likewise.
    """

    name: str
    path: str
    source: Source | None
    ops: tuple[int, ...]
    zeros: float
    by_round: tuple[float | None, ...]
    units: tuple[float, ...] = ()
    units_by_round: tuple[tuple[float, ...] | None, ...] = ()
    dead_since: int | None = None
    dead: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class PathStep:
    """One autograd node on the way of the largest gradient.

    Attributes:
        node: its id; `name`, `op` and `parameter` are the node's own.
        arriving: norm of what came in (its `grad_outputs`).
        leaving: norm of what it sent along the edge that the path takes; None at the end.
        nonfinite: how many values of what arrived are NaN or infinite.
        edges: among how many edges the largest was chosen.
    """

    node: int
    name: str
    op: int | None
    parameter: str | None
    arriving: float | None
    leaving: float | None
    nonfinite: int = 0
    edges: int = 0


@dataclass(frozen=True, slots=True)
class ActivationRange:
    """The gradients of the first and the last activation along the depth, in one pass.

    Attributes:
        ops: the two ops.
        ends: the two norms, both above zero.
        trips: per trip of a loop, the norm at its last activation over that at its first one.
    """

    ops: tuple[int, int]
    ends: tuple[float, float]
    trips: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Reading:
    """One thing that stands out.

    Attributes:
        kind: "nonfinite", "vanishing", "shrinking", "exploding", "growing", "even", "even weights",
            "no gradient", "always zero", "zero at last", "dead", "dead units", "mostly zero",
            "still", "jumping", "normal updates", "no values" or "no backward".
        severity: "error", "warning" or "note".
        names: parameters or module paths that it is about, in forward order.
        round: where it is seen.
        value: the number behind it: a ratio, a share or a count.
        ends: the two norms that the ratio compares, first in forward order.
        node: the autograd node to look at.
        activations: of a comparison of weights, what the activations of that round say. It is
            "even" only where both agree, else "even weights".
    """

    kind: str
    severity: str
    names: tuple[str, ...] = ()
    round: int | None = None
    value: float = 0.0
    ends: tuple[float, float] | None = None
    node: int | None = None
    activations: ActivationRange | None = None


@dataclass(frozen=True, slots=True)
class GradientReport:
    """All of the above about one recording.

    Attributes:
        values: whether the recording holds statistics; without them no norm is known.
        parameters: in the order in which the forward pass uses them; those that are never
            used come last.
        activations: in the order of the rounds, then of the ops.
    """

    values: bool
    rounds: tuple[Round, ...]
    parameters: tuple[ParameterGradients, ...]
    activations: tuple[ActivationGradient, ...]
    rectifiers: tuple[Rectifier, ...]
    readings: tuple[Reading, ...] = ()
