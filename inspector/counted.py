"""The records of a census: which distinct graphs a model gives for many inputs.

    Census
    ├── variants     Variant        one distinct graph, how many inputs take it, an example
    │   └── decisions    VariantDecision   what separates it from the others
    ├── points       CensusPoint    one input: its variant, ops and time
    ├── tree         Split | Leaf   the decisions that part the variants, in order of the run
    ├── coverage     Coverage       which IR nodes ran for any of the inputs
    └── problems     InputProblem   inputs that could not be read or run

Variants are numbered from 0, the most common first; equally common ones in the order in which
they were met.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from inspector.records import Failure, Recording, StaticGraph

Value = bool | int | float | str


@dataclass(frozen=True, slots=True)
class DecisionSite:
    """A place in the code where a tensor, or its size, becomes a Python value.

    `kind` is that of `Decision` ("bool", "item", "shape", ...), `text` the expression as it
    stands in the code ("x.mean() > 0"), "" where the text is not known.
    """

    file: str
    line: int
    column: int
    function: str
    kind: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class VariantDecision:
    """A decision by which a variant differs from others: one branch of a `Split`.

    Attributes:
        site: where it is taken.
        visit: which time the run came by there, from 1; None where the number of times itself
            is what differs, and then the values are such numbers.
        values: what came out, for all inputs of the variants in this branch; empty where there
            are more than 64 (`low` and `high` bound them then), or where no run came by.
        low, high: the smallest and the largest of the numbers; None for other values.
        words: all of it in words, as in "x.mean() > 0 at branching.py:24 is True".
    """

    site: DecisionSite
    visit: int | None
    values: tuple[Value, ...]
    words: str
    low: float | None = None
    high: float | None = None

    @property
    def file(self) -> str:
        """The file of the site."""
        return self.site.file

    @property
    def line(self) -> int:
        """The line of the site, from 1."""
        return self.site.line

    @property
    def function(self) -> str:
        """The function around the site."""
        return self.site.function

    @property
    def kind(self) -> str:
        """How the value was read."""
        return self.site.kind

    def __str__(self) -> str:
        return self.words


@dataclass(frozen=True, slots=True)
class Leaf:
    """The end of a way through the tree.

    `variants` are the numbers of the variants that end here: more than one where nothing that
    was recorded tells them apart. `count` is how many inputs these have.
    """

    variants: tuple[int, ...]
    count: int


@dataclass(frozen=True, slots=True)
class Branch:
    """One way on from a split: the inputs with these values, and what parts them further.

    `decision` has the values, and the words for them; `words` are the answer alone ("True",
    "3 or 5", "from 0.2 to 0.7", "not reached").
    """

    decision: VariantDecision
    words: str
    count: int
    then: Split | Leaf


@dataclass(frozen=True, slots=True)
class Split:
    """A decision that parts variants; each of them lies wholly in one branch.

    `visit` is which time the run came by at the site, from 1, or None where the branches part
    by how often it came by in all. `question` says that in words.
    """

    site: DecisionSite
    visit: int | None
    question: str
    branches: tuple[Branch, ...]

    @property
    def count(self) -> int:
        """How many inputs come by here."""
        return sum(branch.count for branch in self.branches)


@dataclass(frozen=True, slots=True)
class Variant:
    """One distinct graph.

    Attributes:
        fingerprint: equal for equal structure; see `inspector.census.fingerprint`.
        count: how many inputs gave it.
        example: the position of the first input that did.
        label: the name of that input.
        decisions: what separates it from the other variants, in order of the run.
        failure: how its runs ended, if they failed; the message is the example's.
        ops: how many ops ran.
        loops: (header, file, line, trips) of each execution of a loop in the example's run.
        recording: the example's run: structure, without values.
    """

    fingerprint: str
    count: int
    example: int
    label: str
    decisions: tuple[VariantDecision, ...]
    failure: Failure | None
    ops: int
    loops: tuple[tuple[str, str, int, int], ...]
    recording: Recording = field(repr=False)


@dataclass(frozen=True, slots=True)
class CensusPoint:
    """One input that was run.

    `variant` is the number of its variant, `duration_us` the time of its run while it was
    recorded, in microseconds, and `swept` the value that was swept over, where there is one.
    """

    position: int
    label: str
    variant: int
    ops: int
    duration_us: float
    swept: float | str | None = None


@dataclass(frozen=True, slots=True)
class InputProblem:
    """An input that is not counted: `message` says why. `position` counts from 0."""

    position: int
    label: str
    message: str

    def __str__(self) -> str:
        return f"input {self.position}: {self.message}"


@dataclass(frozen=True, slots=True)
class Coverage:
    """Which nodes of the static graph ran for any of the inputs.

    Attributes:
        kind: of the static graph ("script", "trace").
        executed, total: IR nodes that ran, of those that can run and of which it is known.
        missed: ids of the nodes that no input ran.
        executions: how often each node ran, all inputs together, by node id. A node of which
            it is not known for one of the variants is left out.
        unknown: ids of those nodes.
        graph: the static graph.
    """

    kind: str
    executed: int
    total: int
    missed: tuple[int, ...]
    executions: Mapping[int, int]
    unknown: tuple[int, ...]
    graph: StaticGraph = field(repr=False)

    @property
    def percent(self) -> float:
        """`executed` of `total`, from 0 to 100; 100 where there is nothing to run."""
        return 100.0 * self.executed / self.total if self.total else 100.0

    @property
    def missed_own(self) -> tuple[int, ...]:
        """Those of `missed` that stand on the user's own lines, not in code of torch."""
        own = {n.id for n in self.graph.nodes if n.source and n.source.file in self.graph.sources}
        return tuple(node for node in self.missed if node in own)


@dataclass(frozen=True, slots=True)
class Census:
    """Which distinct graphs a model gave for a set of inputs.

    Attributes:
        variants: the distinct graphs, the most common first.
        points: one for each input that was run, in their order.
        tree: the decisions that part the variants; None where no input was run.
        coverage: of the static graph; None where there is none, and `no_coverage` says why.
        untouched_parameters: paths of the model's parameters that no input's run used.
        problems: inputs that could not be read or run, in their order.
        notes: what else is to be known.
        model: the model's name.
        engine: what ran it: "here", or the address of a scheduler.
        seconds: how long all of it took.
    """

    variants: tuple[Variant, ...] = ()
    points: tuple[CensusPoint, ...] = ()
    tree: Split | Leaf | None = None
    coverage: Coverage | None = None
    no_coverage: str = ""
    untouched_parameters: tuple[str, ...] = ()
    problems: tuple[InputProblem, ...] = ()
    notes: tuple[str, ...] = ()
    model: str = ""
    engine: str = "here"
    seconds: float = 0.0

    @property
    def failed(self) -> Iterator[Variant]:
        """The variants whose runs ended with an exception."""
        return (variant for variant in self.variants if variant.failure is not None)

    def to_text(self) -> str:
        """Readable in a terminal; see `inspector.census.text`."""
        from inspector.census.text import to_text

        return to_text(self)

    def __str__(self) -> str:
        return self.to_text()

    def __repr__(self) -> str:
        return (
            f"<Census of {self.model}: {len(self.points)} inputs, {len(self.variants)} variants, "
            f"{len(self.problems)} problems>"
        )
