"""What differs between two runs, one row each: for the list beside the graph and the table."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, replace

from inspector.compare.union import Union
from inspector.comparison import Change
from inspector.language import Sentence
from inspector.records import Op, Recording, Source
from inspector.views import words
from inspector.views.names import trips_told
from inspector.views.union import A, B, sides_of


@dataclass(frozen=True, slots=True)
class DifferenceRow:
    """One difference, as a table has it.

    `kind` is "decision", "loop", "only A", "only B" or "changed". `op` is a number of the union's
    recording. `a` and `b` say what it was in each run, "" where it is not in that run.
    """

    kind: str
    op: int
    name: str
    module: str
    source: Source | None
    a: str
    b: str

    @property
    def place(self) -> str:
        """As in "model.py:12"."""
        if self.source is None:
            return ""
        return f"{os.path.basename(self.source.file)}:{self.source.line}"


SIGNS = {"decision": "≠", "loop": "↻", "only A": "A", "only B": "B", "changed": "≠"}
"""What stands before a difference in the list."""


def numbers_in_both(own: Iterable[int | None]) -> dict[int, int]:
    """Number of an op in a run -> its number in both."""
    return {number: op for op, number in enumerate(own) if number is not None}


def difference_rows(found: Union, a: Recording, b: Recording) -> tuple[DifferenceRow, ...]:
    """All that differs between the runs of a union, in the order of the run."""
    return tuple(sorted(_rows(found, a, b), key=lambda row: row.op))


def _rows(found: Union, a: Recording, b: Recording) -> Iterable[DifferenceRow]:
    comparison = found.comparison
    own_a, own_b = numbers_in_both(found.of_a), numbers_in_both(found.of_b)
    for decision in comparison.decisions:
        if decision.a is None or decision.b is None:
            continue  # its op is in one run only
        mine = a.decisions[decision.a]
        op = mine.op if mine.op is not None else mine.before_op
        if op in own_a:
            values = words.value(mine.value), words.value(b.decisions[decision.b].value)
            yield _row(found, "decision", own_a[op], *values, name=mine.kind)
    for loop in comparison.loops:
        trips = trips_told(loop.trips_a), trips_told(loop.trips_b)
        first = own_a.get(loop.first_a, own_b.get(loop.first_b))
        if first is not None:
            row = _row(found, "loop", first, *trips, name=loop.header)
            yield replace(row, source=Source(loop.file, loop.line, 0, ""))
    for change in comparison.changes:
        yield _row(found, "changed", own_a[change.a], *_before_after(change))
    read = {d.op: words.value(d.value) for d in found.recording.decisions if d.op is not None}
    for op, side in enumerate(sides_of(found)):
        result = _result(found.recording, found.recording.ops[op]) or read.get(op, "")
        if side == A:
            yield _row(found, "only A", op, result, "")
        elif side == B:
            yield _row(found, "only B", op, "", result)


def _row(found: Union, kind: str, op: int, a: str, b: str, name: str = "") -> DifferenceRow:
    record = found.recording.ops[op]
    module = words.op_module(found.recording, record)
    return DifferenceRow(kind, op, name or record.name, module, record.source, a, b)


def _before_after(change: Change) -> tuple[str, str]:
    """What it was in A and in B; of what has no two sides, all in the first."""
    parts = [_sides(detail) for detail in change.details]
    return words.joined((a for a, _ in parts), "; "), words.joined((b for _, b in parts), "; ")


def _sides(detail: str) -> tuple[str, str]:
    """What stands before an arrow and what behind it; of a sentence with what belongs there."""
    template = detail.templates[0] if isinstance(detail, Sentence) else detail
    before, arrow, after = template.partition(" → ")
    if not arrow or not isinstance(detail, Sentence):
        return detail if not arrow else before, after
    return Sentence((before,), detail.values), Sentence((after,), detail.values)


def _result(recording: Recording, op: Op) -> str:
    return words.commas(words.shape(recording.tensors[number]) for number in op.outputs)


def row_text(row: DifferenceRow) -> str:
    """A row of the table as one line."""
    told = words.joined((row.a, row.b), " → ")
    name = words.spaced((row.name, row.module))
    if not told:
        return name
    return words.joined(
        (words.joined((name, told), ": "), f"# {row.place}" if row.place else ""), "  "
    )
