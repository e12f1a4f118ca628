"""Whether a static graph tells the truth about a run: the data model of `truth`.

    Truth                 a static graph against one recording
    ├── parting  Parting      the first op at which the two run part, and why
    │   └── dynamic, static  Side    what each of them had there
    └── outputs  OutputMatch  the results of both, tensor by tensor
    LineMark              something to show beside one line of the source

Holds no live object.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from inspector.language import counted, listed, sentence, sentences
from inspector.records import Failure, Source, TensorSummary
from inspector.static_run import RunFailure

Agreement = Literal["bits", "statistics", "rounding", "differs", "unknown"]
"""How two values compare.

- "bits": every value was looked at, and all are equal bit for bit (NaN in the same places).
- "statistics": shape, dtype and every statistic that was kept are equal; not every value was seen.
- "rounding": the largest difference is within the rounding of the dtype, see `Truth.tolerance`.
- "differs": shape, dtype or values differ.
- "unknown": one side kept nothing that could be compared.
"""


@dataclass(frozen=True, slots=True)
class Side:
    """What one of the two had where they part.

    `text` says it in words. `value` is a Python value (a decision, a number), `shape`, `dtype`
    and `summary` are those of a tensor; None where there is no such thing.
    """

    text: str
    value: bool | int | float | str | None = None
    shape: tuple[int, ...] | None = None
    dtype: str | None = None
    summary: TensorSummary | None = None


@dataclass(frozen=True, slots=True)
class Parting:
    """The first op at which the static graph and the run part.

    Attributes:
        kind: "branch", "loop" (the graph has another number of trips), "constant" (a number
            or tensor is built in), "state" (a parameter or buffer has other values), "mode"
            (train or eval is built in), "number" (the graph computes another Python number),
            "random", "shape", "dtype", "value", "raises" (the graph raises, the run does not),
            "runs on" (the other way round), "missing" (an op without a node), "extra" (a node
            that the run did not get to).
        reason: a sentence that says it in words, with the line.
        remedy: what to do about it; "" where nothing is known.
        source: the line to look at: of the decision where one is to blame, else of the op.
        op: the first op of the recording that the graph runs otherwise or not at all; None
            where the graph runs something that the recording does not.
        node: the node that stands for the op, or that the run did not get to.
        visit: which execution of the node, from 0.
        decision: the decision of the recording that made the difference, by id.
        dynamic, static: what each of them had.
        difference: the largest difference of values; None where it was none of values.
    """

    kind: str
    reason: str
    remedy: str = ""
    source: Source | None = None
    op: int | None = None
    node: int | None = None
    visit: int = 0
    decision: int | None = None
    dynamic: Side = Side("")
    static: Side = Side("")
    difference: float | None = None


@dataclass(frozen=True, slots=True)
class OutputMatch:
    """One tensor of the result: its number in order, and how the two compare."""

    index: int
    agreement: Agreement
    dynamic: Side
    static: Side
    difference: float | None = None


@dataclass(frozen=True, slots=True)
class Truth:
    """What came of comparing a static graph with a recording.

    Attributes:
        name, kind: of the static graph.
        ops: how many ops of the recording count: forward ops of the graph's own code.
        compared: of these, up to the parting, how many compare how; ops without a node or
            without a result (a tensor read into Python) are not among them.
        parting: the first op at which the two part; None where they agree.
        outputs: the results; empty where one side has none or they were not kept.
        rounding: the first op whose values are equal only up to rounding.
        dynamic_failure, static_failure: the exceptions that ended the two.
        tolerance: what counts as rounding, in words.
        notes: what could not be compared, and what differs without consequence.
    """

    name: str
    kind: str
    ops: int
    compared: Mapping[Agreement, int] = field(default_factory=dict)
    parting: Parting | None = None
    outputs: tuple[OutputMatch, ...] = ()
    rounding: int | None = None
    dynamic_failure: Failure | None = None
    static_failure: RunFailure | None = None
    tolerance: str = ""
    notes: tuple[str, ...] = ()

    @property
    def same_output(self) -> bool | None:
        """Whether the results are equal, up to rounding; None where that is not known."""
        if self.dynamic_failure is not None and self.static_failure is not None:
            return True
        if self.dynamic_failure is not None or self.static_failure is not None:
            return False
        found = {each.agreement for each in self.outputs}
        if "differs" in found:
            return False
        return None if not found or "unknown" in found else True

    @property
    def agrees(self) -> bool:
        """Whether nothing parts: the graph ran what the run ran, with the same values."""
        return self.parting is None and self.same_output is not False

    @property
    def summary(self) -> str:
        """The verdict in one or two sentences."""
        if self._both_refuse:
            assert self.dynamic_failure is not None
            failure = self.dynamic_failure
            return sentence(
                "The model itself refuses this input ({error}: {message}), and so does the "
                "{graph}.",
                error=failure.type,
                message=failure.message,
                graph=self._graph,
            )
        said = self._agreement() if self.parting is None else self.parting.reason
        return sentences(said, self._result())

    @property
    def _graph(self) -> str:
        return sentence("trace") if self.kind == "trace" else sentence("script")

    @property
    def _both_refuse(self) -> bool:
        """Whether neither model nor graph took the input: not one op ran."""
        both = self.dynamic_failure is not None and self.static_failure is not None
        return both and self.parting is None and self.ops == 0

    def _agreement(self) -> str:
        counts = {level: count for level, count in self.compared.items() if count}
        seen = sum(counts.values()) - counts.get("unknown", 0)
        if not seen:
            return sentence(
                "The {graph} and the run go the same way; no values were compared.",
                graph=self._graph,
            )
        equal = [(counts[level], word) for level, word in _EQUAL.items() if level in counts]
        how: str = equal[0][1]
        if len(equal) > 1:
            how = listed(sentence("{n:,} {how}", n=n, how=word) for n, word in equal)
        left = counts.get("unknown", 0)
        if not left:
            return counted(
                "The {graph} tells the truth: the one op agrees {how}.",
                "The {graph} tells the truth: all {count} ops agree {how}.",
                seen,
                graph=self._graph,
                how=how,
            )
        return counted(
            "The {graph} tells the truth: {count} of {all:,} ops was compared, and agrees {how}; "
            "{left:,} could not be: values were not kept, or come from other random numbers.",
            "The {graph} tells the truth: {count} of {all:,} ops were compared, and agree {how}; "
            "{left:,} could not be: values were not kept, or come from other random numbers.",
            seen,
            graph=self._graph,
            all=seen + left,
            how=how,
            left=left,
        )

    def _result(self) -> str:
        if self.dynamic_failure is not None and self.static_failure is not None:
            return sentence("Both end with {error}.", error=self.dynamic_failure.type)
        if self.parting is not None and self.parting.kind in ("raises", "runs on"):
            return ""
        if self.static_failure is not None:
            return sentence(
                "The {graph} ends with {error}.", graph=self._graph, error=self.static_failure.type
            )
        if self.dynamic_failure is not None:
            return sentence("The run ends with {error}.", error=self.dynamic_failure.type)
        if self.same_output is None:
            return ""
        if self.same_output:
            return sentence("The result is the same.") if self.parting else ""
        largest = [each.difference for each in self.outputs if each.difference is not None]
        if not largest:
            return sentence("The result differs.")
        return sentence("The result differs, by {most:.3g} at most.", most=max(largest))


_EQUAL = {
    "bits": sentence("bit for bit"),
    "statistics": sentence("in every statistic"),
    "rounding": sentence("up to rounding"),
}


@dataclass(frozen=True, slots=True)
class LineMark:
    """Something to show beside a line of the source.

    `severity` is "error" (here the two part, or this cannot be compiled), "warning" or "note",
    `kind` says what it is of: "parting", "compiler", or the class of a warning
    ("TracerWarning"). `remedy` may be empty.
    """

    file: str
    line: int
    severity: Literal["error", "warning", "note"]
    kind: str
    message: str
    remedy: str = ""
