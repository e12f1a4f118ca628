"""Two runs in one workbench: the union's picture, the code with both counts, the differences.

A `PairBook` answers the questions of a workbench as a `Book` of one run does; what it shows is
the union of two runs, with A and B told apart.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from inspector.compare.union import Union, union
from inspector.comparison import Change
from inspector.records import Failure, Op, Recording, Source
from inspector.render.answers import Book
from inspector.render.cards import Cards, Translate
from inspector.render.paircards import PairCards
from inspector.render.workbench import Shown, ir_lines, runs_of
from inspector.views import GraphView, ViewIndex, words
from inspector.views.union import A, B, sides_of, union_index, union_view

Json = dict[str, Any]


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


@dataclass(frozen=True, slots=True)
class PairShown(Shown):
    """What a workbench shows of two runs."""

    union: Union | None = None

    def views(self) -> dict[str, GraphView]:
        """The one drawing: both runs."""
        assert self.union is not None
        return {"dynamic": union_view(self.union, self.opened, self.index)}


class PairBook(Book):
    """Two runs with their IR, for one workbench.

    Args:
        a, b: the runs.
        names: what they are called, A and B.
        translate: gives a text in the page's language.

    Attributes:
        union: both runs as one recording, with the values of both.
    """

    def __init__(
        self, a: Book, b: Book, names: tuple[str, str] = ("A", "B"), translate: Translate = str
    ) -> None:
        found = union(a.recording, b.recording)
        recording = replace(
            found.recording,
            values=_values(found, a.recording, b.recording),
            failure=_failure(found, a.recording, b.recording),
        )
        super().__init__(recording, translate=translate)
        self.union = replace(found, recording=recording)
        self.sides = a, b
        self.names = names

    @cached_property
    def index(self) -> ViewIndex:
        """Boxes and edges of both runs."""
        return union_index(self.union)

    @cached_property
    def cards(self) -> Cards:
        """The cards, each with what it was in A and in B."""
        runs = self.sides[0].recording, self.sides[1].recording
        return PairCards(self.union, runs, self.translate, self.index)

    @cached_property
    def timebar(self) -> Json:
        """None: two runs have no common time."""
        return {"count": 0}

    @cached_property
    def differences(self) -> tuple[DifferenceRow, ...]:
        """All that differs, in the order of the run."""
        runs = self.sides[0].recording, self.sides[1].recording
        return tuple(sorted(_differences(self.union, *runs), key=lambda row: row.op))

    def shown(self, toggled: frozenset[str]) -> Shown:
        """What is shown when these boxes are not as they are at first."""
        opened = self.first_open ^ toggled
        return PairShown(self.recording, opened=opened, index=self.index, union=self.union)

    def payload(self, shown: Shown, draw: frozenset[str] | None) -> Json:
        """The picture, the source with both counts, the IR with both, and the differences."""
        found = super().payload(shown, draw)
        panes = {pane["id"]: pane for pane in found["panes"]}
        panes["dynamic"]["title"] = self.translate("Both runs")
        a, b = (book.recording for book in self.sides)
        source = panes["source"]
        source["files"] = [one for file in source["files"] for one in _both_hits(file, a, b)]
        shown_panes = [panes["dynamic"], self._list(), source]
        ir = self._ir()
        if ir is not None:
            shown_panes.append(ir)
            found["items"]["ir"], cards = self._ir_items(ir)
            found["cards"].update(cards)
        found["panes"] = shown_panes
        found["compare"] = {"names": list(self.names)}
        return found

    def _list(self) -> Json:
        lines = [
            {"text": _text(row), "node": f"op:{row.op}", "state": "", "sign": SIGNS[row.kind]}
            for row in self.differences
        ]
        return {
            "id": "differences",
            "side": "right",
            "title": self.translate("Differences"),
            "of": "dynamic",
            "lines": lines,
            "opens": True,
            "empty": self.translate("The two runs do not differ."),
        }

    # -- IR ------------------------------------------------------------------------------------

    def _ir(self) -> Json | None:
        """The IR's text with what each run executed; None where the runs have no common IR."""
        a, b = self.sides
        if a.static is None or b.static is None or a.static.text != b.static.text:
            return None
        if a.overlay is None or b.overlay is None:
            return None
        lines = []
        both = zip(ir_lines(a.static, a.overlay), ir_lines(b.static, b.overlay), strict=True)
        for mine, theirs in both:
            counts = mine.get("count"), theirs.get("count")
            line = {"text": mine["text"], "node": mine["node"], "state": ""}
            if None not in counts:
                line |= {"state": "executed" if any(counts) else "skipped", "sides": counts}
            lines.append(line)
        return {
            "id": "ir",
            "side": "right",
            "title": self.translate(
                "TorchScript IR (trace)" if a.static.kind == "trace" else "TorchScript IR"
            ),
            "of": "ir",
            "runs": True,
            "lines": lines,
            "empty": "",
        }

    def _ir_items(self, pane: Json) -> tuple[Json, dict[str, Json]]:
        """Items and cards of the IR's lines, with the ops of both runs."""
        items, cards = {}, {}
        ops: dict[int, list[int]] = {}
        for book, own in zip(self.sides, (self.union.of_a, self.union.of_b), strict=True):
            assert book.overlay is not None
            numbers = {number: op for op, number in enumerate(own) if number is not None}
            for op, ran in book.overlay.op_to_node.items():
                ops.setdefault(ran, []).append(numbers[op])
        static = self.sides[0].static
        assert static is not None
        for line in pane["lines"]:
            if line["node"] is None:
                continue
            number = int(line["node"].partition(":")[2])
            node, name = static.nodes[number], f"ir/{line['node']}"
            place = None if node.source is None else (node.source.file, node.source.line)
            own_ops = runs_of(sorted(set(ops.get(number, ()))))
            items[line["node"]] = {"ops": own_ops, "grads": [], "source": place, "card": name}
            card = self.sides[0].cards.card("static", line["node"])
            rows = [(self.translate("ran in A"), _times(line, 0))]
            rows.append((self.translate("ran in B"), _times(line, 1)))
            cards[name] = {**card, "rows": rows, "tensors": []}
        return items, cards


SIGNS = {"decision": "≠", "loop": "↻", "only A": "A", "only B": "B", "changed": "≠"}
"""What stands before a difference in the list."""


def _times(line: Mapping[str, Any], side: int) -> str:
    counts = line.get("sides")
    return "not known" if counts is None else f"×{counts[side]}"


def _values(found: Union, a: Recording, b: Recording) -> dict[int, Any]:
    """The values of both runs, of a tensor of both those of A."""
    theirs = {found.tensors_b[number]: value for number, value in b.values.items()}
    return theirs | {found.tensors_a[number]: value for number, value in a.values.items()}


def _failure(found: Union, a: Recording, b: Recording) -> Failure | None:
    """How the first run that failed ended, at its op in the numbers of both."""
    for name, run, own in (("A", a, found.of_a), ("B", b, found.of_b)):
        failure = run.failure
        if failure is not None:
            op = None if failure.op is None else own.index(failure.op)
            return replace(failure, message=f"{failure.message} (in {name})", op=op, inputs=())
    return None


# -- source -------------------------------------------------------------------------------------


def _both_hits(file: Json, a: Recording, b: Recording) -> Iterator[Json]:
    """A source file with how often each run came by its lines; two, where the code differs."""
    path = file["path"]
    mine, theirs = a.lines.get(path, {}), b.lines.get(path, {})
    if path in a.sources and path in b.sources and a.sources[path] != b.sources[path]:
        yield file | _hits(mine, {}) | {"name": f"{file['name']} (A)"}
        lines = b.sources[path].splitlines()
        other = {"path": f"{path} (B)", "name": f"{file['name']} (B)", "lines": lines}
        yield file | other | _hits({}, theirs)
    else:
        yield file | _hits(mine, theirs)


def _hits(mine: Mapping[int, int], theirs: Mapping[int, int]) -> Json:
    lines = sorted({*mine, *theirs})
    sides = {str(line): [mine.get(line, 0), theirs.get(line, 0)] for line in lines}
    return {"hits": {line: max(counts) for line, counts in sides.items()}, "sides": sides}


# -- differences --------------------------------------------------------------------------------


def _differences(found: Union, a: Recording, b: Recording) -> Iterable[DifferenceRow]:
    comparison = found.comparison
    own_a = {number: op for op, number in enumerate(found.of_a) if number is not None}
    own_b = {number: op for op, number in enumerate(found.of_b) if number is not None}
    for decision in comparison.decisions:
        if decision.a is None or decision.b is None:
            continue  # its op is in one run only
        mine = a.decisions[decision.a]
        op = mine.op if mine.op is not None else mine.before_op
        if op in own_a:
            values = words.value(mine.value), words.value(b.decisions[decision.b].value)
            yield _row(found, "decision", own_a[op], *values, name=mine.kind)
    for loop in comparison.loops:
        trips = words.plural(loop.trips_a, "trip"), words.plural(loop.trips_b, "trip")
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
    parts = [detail.partition(" → ") for detail in change.details]
    return "; ".join(part[0] for part in parts), "; ".join(part[2] for part in parts if part[2])


def _result(recording: Recording, op: Op) -> str:
    return ", ".join(words.shape(recording.tensors[number]) for number in op.outputs)


def _text(row: DifferenceRow) -> str:
    """A row of the table as one line."""
    told = f"{row.a} → {row.b}" if row.a and row.b else row.a or row.b
    module = f" {row.module}" if row.module else ""
    return f"{row.name}{module}: {told}  # {row.place}" if told else f"{row.name}{module}"
