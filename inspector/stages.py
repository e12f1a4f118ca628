"""The records of the static side: optimisation stages, their differences, timings, advice.

    Stage             one graph on the way from the source to what runs
    └── StageChange   what became of the nodes of the stage before
        └── NodeChange    one node or a few: same, gone, new, fused, unrolled, replaced
    Timing            how long the variants of a model took, for one input on one machine
    └── Measurement   one variant: eager, script, trace, frozen, ...
    BatchTiming       the same for several batch sizes
    └── BatchPoint    one variant at one size
    ModelFacts        what else was found out about the model
    Advice            dynamic or static, for one use, with the evidence

Frozen and without live objects, like `inspector.records`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from inspector.exported import Export
from inspector.records import Source, StaticGraph

CHANGE_KINDS = ("same", "gone", "new", "fused", "unrolled", "replaced")
"""What can become of nodes from one stage to the next."""


@dataclass(frozen=True, slots=True)
class NodeChange:
    """What became of one node, or of a few that changed together.

    `before` and `after` are node ids in the two graphs. `kind` is one of

        same       one node before, one after
        gone       only before: folded into a constant, inlined, not needed any more
        new        only after: a guard, a change of layout
        fused      several before in one after (a fused kernel, a batch norm in a convolution)
        unrolled   one before, a copy after for each trip; the loop itself has no `after`
        replaced   the same computation by other nodes

    `reason` is in plain words, "" where torch does not let one know.
    """

    kind: str
    before: tuple[int, ...]
    after: tuple[int, ...]
    reason: str = ""


@dataclass(frozen=True, slots=True)
class StageChange:
    """All changes between two graphs. Each node but constants is in exactly one of them.

    `counts` has the number of changes by kind, of nodes that compute: attribute reads and list
    building are in `changes`, but not counted.
    """

    changes: tuple[NodeChange, ...]
    counts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of optimisation.

    `name` is "raw", "inlined", "frozen", "optimised" or "executed"; `sentence` says what the
    stage does. Where torch refused it, `graph` is None and `reason` says why. `kinds` counts
    all nodes by kind; `computing` those that are neither constants nor bookkeeping.
    `compared_with` names the stage that `change` starts from (None for the first). `notes` are
    sentences about this model ("a copy in evaluation mode was frozen, because ...").
    """

    name: str
    title: str
    sentence: str
    graph: StaticGraph | None = None
    kinds: Mapping[str, int] = field(default_factory=dict)
    computing: int = 0
    change: StageChange | None = None
    compared_with: str | None = None
    reason: str = ""
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        if self.graph is None:
            return f"<Stage {self.name}: no graph. {self.reason}>"
        nodes = len(self.graph.nodes)
        return f"<Stage {self.name} of {self.graph.name}: {nodes} nodes, {self.computing} compute>"


@dataclass(frozen=True, slots=True)
class Measurement:
    """How long one variant took. Times are microseconds of wall-clock time per call.

    Args:
        variant: "eager", "no_grad", "script", "trace", "frozen", "optimised" or "compile".
        title: the same for people.
        samples: the time of each timed call, in the order of the calls.
        median, first_quartile, third_quartile, fastest: of `samples`; None when there are none.
        warmup: calls before the first timed one.
        prepare_ms: milliseconds that making the variant took (scripting, tracing, freezing; for
            "compile" the compilation itself, its first call included).
        grad: whether autograd recorded (gradients were on).
        training: whether the model was in training mode.
        difference: largest absolute difference to what the model itself returns, in the same
            mode; None where it cannot be told.
        equal: whether the outputs agree within the tolerance (1e-5 absolute and relative, more
            for lower precision); None where it cannot be told.
        outside_share: estimated share (0 to 1) of the time that was spent outside of ATen ops:
            in Python, or in the interpreter of TorchScript; how it is found says
            `inspector.torchscript.measuring.overhead`.
        share_reason: why there is no share.
        reason: why there is no time; "" when all is well.
    """

    variant: str
    title: str
    samples: tuple[float, ...] = ()
    median: float | None = None
    first_quartile: float | None = None
    third_quartile: float | None = None
    fastest: float | None = None
    warmup: int = 0
    prepare_ms: float | None = None
    grad: bool = False
    training: bool = False
    difference: float | None = None
    equal: bool | None = None
    outside_share: float | None = None
    share_reason: str = ""
    reason: str = ""

    @property
    def runs(self) -> int:
        """How many calls were timed."""
        return len(self.samples)

    def __repr__(self) -> str:
        calls = "1 call" if self.runs == 1 else f"{self.runs} calls"
        said = self.reason or f"{_time(self.median)}, {calls}"
        return f"<Measurement of {self.variant}: {said}>"


@dataclass(frozen=True, slots=True)
class Machine:
    """Where it was measured: without this, a time says little."""

    cpu: str
    threads: int
    torch: str
    python: str
    device: str = "cpu"


@dataclass(frozen=True, slots=True)
class Timing:
    """The variants of one model for one input, timed in turns.

    `inputs` describes the arguments ("2×3 float32"), `seconds` is the wall-clock time that the
    timed calls took together, `budget` how much was allowed.
    """

    model: str
    rows: tuple[Measurement, ...]
    machine: Machine
    inputs: tuple[str, ...] = ()
    seconds: float = 0.0
    budget: float = 0.0
    notes: tuple[str, ...] = ()

    def row(self, variant: str) -> Measurement | None:
        """The measurement of a variant, if it was asked for."""
        return next((row for row in self.rows if row.variant == variant), None)

    def __repr__(self) -> str:
        timed = sum(row.median is not None for row in self.rows)
        return f"<Timing of {self.model}: {timed} of {len(self.rows)} variants timed>"

    def __str__(self) -> str:
        """A table: median and quartiles per call, and how many times as fast as eager."""
        eager = self.row("eager")
        head = ("variant", "median", "quartiles", "speed", "same result", "")
        rows = [
            (
                row.title,
                _time(row.median),
                _range(row.first_quartile, row.third_quartile),
                _speed(eager.median if eager else None, row.median),
                _SAME[row.equal],
                row.reason,
            )
            for row in self.rows
        ]
        given = f", {', '.join(self.inputs)}" if self.inputs else ""
        title = f"{self.model}{given}, {_where(self.machine)}"
        return "\n".join([title, *_table([head, *rows]), *self.notes])


@dataclass(frozen=True, slots=True)
class BatchPoint:
    """One variant at one batch size. Times are microseconds per call; `reason` explains a gap."""

    variant: str
    title: str
    size: int
    median: float | None = None
    first_quartile: float | None = None
    third_quartile: float | None = None
    runs: int = 0
    equal: bool | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class BatchTiming:
    """A sweep over batch sizes. `batched` are the positions of the arguments that grow."""

    model: str
    points: tuple[BatchPoint, ...]
    sizes: tuple[int, ...]
    machine: Machine
    batched: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        timed = sum(point.median is not None for point in self.points)
        return f"<BatchTiming of {self.model}: {timed} of {len(self.points)} points timed>"

    def __str__(self) -> str:
        """A table: variants and batch sizes, with median and quartiles per call."""
        head = ("variant", "batch", "median", "quartiles", "same result", "")
        rows = [
            (
                point.title,
                str(point.size),
                _time(point.median),
                _range(point.first_quartile, point.third_quartile),
                _SAME[point.equal],
                point.reason,
            )
            for point in self.points
        ]
        title = f"{self.model}, {_where(self.machine)}"
        return "\n".join([title, *_table([head, *rows]), *self.notes])


_SAME: Mapping[bool | None, str] = {True: "yes", False: "no", None: "–"}


def _time(microseconds: float | None) -> str:
    if microseconds is None:
        return "–"
    for factor, unit in ((1e6, "s"), (1e3, "ms")):
        if microseconds >= factor:
            return f"{microseconds / factor:.2f} {unit}"
    return f"{microseconds:.1f} µs"


def _range(low: float | None, high: float | None) -> str:
    return "–" if low is None or high is None else f"{_time(low)} to {_time(high)}"


def _speed(eager: float | None, own: float | None) -> str:
    return f"{eager / own:.2f}×" if eager and own else "–"


def _where(machine: Machine) -> str:
    threads = f"{machine.threads} thread{'' if machine.threads == 1 else 's'}"
    return f"{machine.device}, {threads}, torch {machine.torch}"


def _table(rows: list[tuple[str, ...]]) -> list[str]:
    """Rows as lines with aligned columns; of a reason with several lines the first."""
    rows = [tuple((cell.splitlines() or [""])[0] for cell in row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What was found out about a model, as far as it was tried (None: not tried).

    Args:
        model: its name.
        scripts, traces: whether torch could script and trace it; `script_reason` and
            `trace_reason` say why not.
        ops: ops of the recorded run.
        decisions: where a tensor's value steered the recorded run; a trace keeps one way.
        divergence: in words, where the static graph and a run parted; `divergence_source` where.
        exports: what was tried to be taken away.
    """

    model: str
    scripts: bool | None = None
    script_reason: str = ""
    traces: bool | None = None
    trace_reason: str = ""
    ops: int | None = None
    decisions: tuple[Source, ...] | None = None
    divergence: str = ""
    divergence_source: Source | None = None
    exports: tuple[Export, ...] = ()


@dataclass(frozen=True, slots=True)
class Advice:
    """What to choose for one use of the model, and from what that follows.

    `use` is "research", "deployment", "serving" or "interactive"; `choice` is "dynamic",
    "static" or "either"; `text` is a sentence or two, `evidence` the findings, each with its
    figure or line.
    """

    use: str
    title: str
    choice: str
    text: str
    evidence: tuple[str, ...] = ()
