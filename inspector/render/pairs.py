"""Two runs in one workbench: the union's picture, the code with both counts, the differences.

A `PairBook` answers the questions of a workbench as a `Book` of one run does; what it shows is
the union of two runs, with A and B told apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from inspector.compare.union import Union, union
from inspector.language import Translate, sentence
from inspector.records import Failure, Recording
from inspector.render.answers import Book
from inspector.render.cards import Cards
from inspector.render.measure import label_of, subtitle_of, title_of
from inspector.render.once import once
from inspector.render.paircards import PairCards
from inspector.render.pairrows import (
    SIGNS,
    DifferenceRow,
    difference_rows,
    numbers_in_both,
    row_text,
)
from inspector.render.told import told, told_parts
from inspector.render.workbench import Shown, Views, ir_lines
from inspector.views import GraphView, ViewIndex
from inspector.views.staticpair import IRPair, static_pair_view
from inspector.views.union import union_index, union_view
from inspector.views.unionsides import SideTexts, side_texts

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class PairShown(Shown):
    """What a workbench shows of two runs."""

    union: Union | None = None
    ir: IRPair | None = None

    def views(self) -> Mapping[str, GraphView]:
        """The drawings: both runs, and the IR that they have in common."""
        union, ir = self.union, self.ir
        assert union is not None
        makers = {"dynamic": lambda: union_view(union, self.opened, self.index)}
        if ir is not None:
            makers["static"] = lambda: static_pair_view(ir, self.static_opened)
        return Views(makers)


class PairBook(Book):
    """Two runs with their IR, for one workbench.

    Args:
        a, b: the runs.
        names: what they are called, A and B.

    Attributes:
        union: both runs as one recording, with the values of both.
    """

    def __init__(self, a: Book, b: Book, names: tuple[str, str] = ("A", "B")) -> None:
        found = union(a.recording, b.recording)
        recording = replace(
            found.recording,
            values=_values(found, a.recording, b.recording),
            failure=_failure(found, a.recording, b.recording),
        )
        self.union = replace(found, recording=recording)
        self.sides = a, b
        self.names = names
        self.ir = _common_ir(self.union, a, b)
        reason = "" if a.static is None or b.static is None else NO_COMMON_IR
        static = None if self.ir is None else self.ir.static
        super().__init__(recording, static, static_reason=reason)

    @once
    def index(self) -> ViewIndex:
        """Boxes and edges of both runs."""
        return union_index(self.union)

    @once
    def cards(self) -> Cards:
        """The cards, each with what it was in A and in B."""
        runs = self.sides[0].recording, self.sides[1].recording
        of_ir = None if self.ir is None else (self.sides[0].cards, self.sides[1].cards)
        return PairCards(self.union, runs, self.index, self.ir, of_ir)

    @once
    def timebar(self) -> Json:
        """None: two runs have no common time."""
        return {"count": 0}

    @once
    def differences(self) -> tuple[DifferenceRow, ...]:
        """All that differs, in the order of the run."""
        runs = self.sides[0].recording, self.sides[1].recording
        return difference_rows(self.union, *runs)

    def shown(self, toggled: frozenset[str]) -> Shown:
        """What is shown when these boxes are not as they are at first."""
        plain = super().shown(toggled)
        return PairShown(
            self.recording,
            self.static,
            static_reason=self.static_reason,
            opened=plain.opened,
            static_opened=plain.static_opened,
            index=self.index,
            union=self.union,
            ir=self.ir,
        )

    def payload(self, shown: Shown, draw: frozenset[str] | None) -> Json:
        """The picture, the source with both counts, the IR with both, and the differences."""
        found = super().payload(shown, draw)
        panes = {pane["id"]: pane for pane in found["panes"]}
        panes["dynamic"]["title"] = self.translate(_BOTH)
        a, b = (book.recording for book in self.sides)
        source = panes["source"]
        source["files"] = [one for file in source["files"] for one in _both_hits(file, a, b)]
        shown_panes = [panes["dynamic"], told(self._list(), self.translate), source]
        if self.ir is not None:
            text = {**panes["irtext"], "runs": True, "lines": list(self._ir_lines(self.ir))}
            shown_panes += [panes["static"], text]
        elif self.static_reason:
            shown_panes.append(panes["static"])
        found["panes"] = shown_panes
        found["compare"] = self.compare(self.views(shown)["dynamic"], shown.opened)
        return found

    def compare(self, view: GraphView, opened: frozenset[str]) -> Json:
        """What a picture with these boxes open says otherwise of A alone, and of B alone."""
        runs = self.sides[0].recording, self.sides[1].recording
        both = side_texts(self.union, runs, view, opened, self.index)
        texts = {
            name: _drawn_texts(one, self.translate) for name, one in zip("ab", both, strict=True)
        }
        return {"names": list(self.names), "texts": texts}

    def _list(self) -> Json:
        lines = [
            {"text": row_text(row), "node": f"op:{row.op}", "state": "", "sign": SIGNS[row.kind]}
            for row in self.differences
        ]
        return {
            "id": "differences",
            "side": "right",
            "title": sentence("Differences"),
            "of": "dynamic",
            "lines": lines,
            "opens": True,
            "empty": sentence("The two runs do not differ."),
        }

    def _ir_lines(self, ir: IRPair) -> Iterator[Json]:
        """The IR's text with what each run executed."""
        both = zip(*(ir_lines(ir.static, overlay) for overlay in ir.overlays), strict=True)
        for mine, theirs in both:
            counts = mine.get("count"), theirs.get("count")
            line = {"text": mine["text"], "node": mine["node"], "state": ""}
            if None not in counts:
                line |= {"state": "executed" if any(counts) else "skipped", "sides": counts}
            yield line


NO_COMMON_IR = sentence(
    "The two runs have no TorchScript IR in common: their code is not the same one."
)
_BOTH = sentence("Both runs")


def _common_ir(found: Union, a: Book, b: Book) -> IRPair | None:
    """The IR that both runs ran of; None where they have none in common."""
    if a.static is None or b.static is None or a.static.text != b.static.text:
        return None
    if a.overlay is None or b.overlay is None:
        return None
    return IRPair(
        a.static, (a.overlay, b.overlay), (numbers_in_both(found.of_a), numbers_in_both(found.of_b))
    )


def _drawn_texts(texts: SideTexts, t: Translate) -> Json:
    """As a drawing has them: cut to the room of a node."""
    nodes, edges = told_parts(texts.nodes, t), told_parts(texts.edges, t)
    return {
        "nodes": {node.id: [title_of(node), subtitle_of(node)] for node in nodes},
        "edges": [[edge.source, edge.target, edge.kind, label_of(edge.label)] for edge in edges],
    }


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
            message = sentence("{message} (in {run})", message=failure.message, run=name)
            return replace(failure, message=message, op=op, inputs=(), saved=(), roots=())
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
