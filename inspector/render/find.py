"""Search over everything that was recorded, whether it is drawn or not.

    Finder(recording, static).find("module:encoder shape:2x3 nan")

All words of a query must match; `findwords` says what they mean. Results come in the order of the
run. The index is made once; a query then reads each different text once and compares numbers, so
that 50,000 ops take a few ms.
"""

from __future__ import annotations

import os
from functools import cached_property
from typing import Any

import numpy

from inspector.errors import QuestionError
from inspector.language import sentence
from inspector.records import Overlay, Recording, Source, StaticGraph, TensorInfo
from inspector.render.asked import Asked, text_of, whole_of
from inspector.render.findindex import PANES, Index
from inspector.render.findtrips import Trips
from inspector.render.findwords import FIELDS, TRIP, Term, matches, terms
from inspector.views import words
from inspector.views.boxes import call_id
from inspector.views.hubs import SHARED
from inspector.views.index import ViewIndex
from inspector.views.irshape import Shape

Json = dict[str, Any]

LIMIT = 100
"""So many results are told where nobody asks for another number."""
MOST = 1000
"""More are never told at once."""
LONGEST = 1000
"""Characters of a query from a browser."""


def find(recording: Recording, static: StaticGraph | None, query: str, limit: int = LIMIT) -> Json:
    """What matches a query, in one go; see `Finder.find`, which is for many queries."""
    return Finder(recording, static).find(query, limit)


def find_answer(finder: Finder, asked: Asked) -> Json:
    """`Finder.find` for a browser: `asked` has `q`, and may have `pane`, `limit` and `offset`.

    Raises:
        QuestionError: the query is longer than `LONGEST`, or a number is none.
    """
    query, pane = text_of(asked, "q"), text_of(asked, "pane")
    if len(query) > LONGEST:
        raise QuestionError(
            sentence(
                "A search can have {longest} characters; this has {count:,}.",
                longest=LONGEST,
                count=len(query),
            )
        )
    limit, offset = whole_of(asked, "limit"), whole_of(asked, "offset") or 0
    return finder.find(query, LIMIT if limit is None else limit, offset, pane or None)


class Finder:
    """Answers queries about one recording and its IR.

    Args:
        recording: what ran.
        static: the IR beside it.
        overlay: what the recording ran of the IR: its nodes are then "executed" or "skipped".
        views: the index of the recording that views are made with, where there is one.
    """

    def __init__(
        self,
        recording: Recording,
        static: StaticGraph | None = None,
        overlay: Overlay | None = None,
        views: ViewIndex | None = None,
    ) -> None:
        self._index = Index(recording, static, overlay, views)
        self._results = Results(self._index)

    def find(
        self, query: str, limit: int = LIMIT, offset: int = 0, pane: str | None = None
    ) -> Json:
        """What matches a query.

        Args:
            query: words. Without any, nothing is found.
            limit: so many results at most (and `MOST` at most).
            offset: so many results are left out before them.
            pane: "dynamic", "backward" or "static": only what that pane can draw.

        Returns:
            `query`; `total`, the number of all matches; `offset`; and `results`, each with
            `kind` ("op", "trip", …), `title`, `name`, `shape`, `module`, `line` (all texts), the
            ids `op` and `grad` (or None), `ref` ("dynamic/op:12") and `boxes`: the ids of the
            boxes that must be open to see it, outermost first.
        """
        asked = terms(query)
        trips = [term.word for term in asked if term.field == TRIP]
        if trips and len(trips) == len(asked) and pane not in ("backward", "static"):
            return self._find_trips(query, trips, limit, offset)
        asked = [term for term in asked if term.field != TRIP]
        keep = numpy.full(len(self._index.entries), bool(asked))
        if pane in PANES:
            keep &= self._index.panes == PANES[pane]
        for term in asked:
            keep &= self._mask(term)
        if trips:
            keep &= self._mask_of_trips(trips)
        found, start = numpy.flatnonzero(keep), max(0, offset)
        shown = found[start : start + min(max(0, limit), MOST)].tolist()
        results = [self._results.result(*self._index.entries[place]) for place in shown]
        return {"query": query, "total": len(found), "offset": start, "results": results}

    def _find_trips(self, query: str, numbers: list[str], limit: int, offset: int) -> Json:
        """`find` for a query of trips and nothing else."""
        found, start = self._results.trips.entries(numbers), max(0, offset)
        shown = found[start : start + min(max(0, limit), MOST)]
        results = [self._results.result(*entry) for entry in shown]
        return {"query": query, "total": len(found), "offset": start, "results": results}

    def _mask(self, term: Term) -> Any:
        """For each entry whether it matches one word."""
        index = self._index
        mask = numpy.zeros(len(index.entries), dtype=bool)
        if term.tensor is not None:
            mask[self._index.places_of_tensor(term.tensor)] = True
            return mask
        for field in (term.field,) if term.field else FIELDS:
            hits = matches(field, term, index.texts[field])
            if hits:
                table = numpy.zeros(len(index.texts[field]), dtype=bool)
                table[hits] = True
                mask |= table[index.codes[field]]
        return mask

    def _mask_of_trips(self, numbers: list[str]) -> Any:
        """For each entry whether it is an op that ran in such a trip."""
        mask = numpy.zeros(len(self._index.entries), dtype=bool)
        mask[[self._index.places["op", op] for op in self._results.trips.ops(numbers)]] = True
        return mask


class Results:
    """Says where an entry is drawn and how it is told from others."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self.trips = Trips(index.tree)
        self._recording, self._tree = index.recording, index.tree
        self._shape = None if index.static is None else Shape(index.static)
        self._make = {
            "op": self._op,
            "trip": self._trip,
            "call": self._call,
            "decision": self._read,
            "tensor": self._tensor,
            "parameter": self._parameter,
            "grad": self._grad,
            "ir": self._ir,
        }

    def result(self, kind: str, number: int) -> Json:
        """One result, as `Finder.find` describes it."""
        empty = {"name": "", "shape": "", "module": "", "line": "", "op": None, "grad": None}
        return {"kind": kind, **empty, **self._make[kind](number)}

    def _op(self, number: int) -> Json:
        op = self._recording.ops[number]
        decision = self._index.decisions.get(number)
        tensors = self._recording.tensors
        shown = [tensors[i] for i in op.outputs or op.inputs[:1]]
        title = op.name
        if decision is not None:
            title = f"{op.name} = {words.value(self._recording.decisions[decision].value)}"
        return {
            "kind": "op" if decision is None else "decision",
            "title": title,
            "name": ", ".join(filter(None, map(_name, shown if op.outputs else ()))),
            "shape": words.commas(map(words.shape, shown[:3])),
            "module": words.op_module(self._recording, op),
            "line": words.dotted((_line(op.source), *self._trip_of(number))),
            "op": number,
            "ref": f"dynamic/op:{number}",
            "boxes": list(self._tree.of_op(number)),
        }

    def _trip_of(self, op: int) -> tuple[str, ...]:
        """What tells an op of a loop from the same one in other trips."""
        trip = self.trips.of_op(op)
        return (trip, sentence("op {number:,}", number=op)) if trip else ()

    def _trip(self, number: int) -> Json:
        views = self._tree.index
        box = views.boxes[number]
        statement = views.loops.runs[box.number].statement
        return {
            "title": sentence("trip {number:,}", number=box.trip + 1),
            "name": statement.header,
            "line": words.dotted(
                (f"{os.path.basename(statement.file)}:{statement.line}", words.ops(box.size))
            ),
            "ref": f"dynamic/{box.id}",
            "boxes": [views.boxes[one].id for one in views.around(box.parent)],
        }

    def _call(self, number: int) -> Json:
        call = self._recording.module_calls[number]
        first_op, own = self._index.first_ops[number], call_id(number)
        first = [] if first_op is None else self._tree.of_op(first_op)
        around = first[: first.index(own)] if own in first else []
        return {
            "title": call.path or call.type,
            "name": call.type if call.path else "",
            "module": "",
            "line": _line(call.source),
            "ref": f"dynamic/{own}",
            "boxes": list(around),
        }

    def _read(self, number: int) -> Json:
        read = self._recording.decisions[number]
        calls = self._recording.module_calls
        tensor = None if read.tensor is None else self._recording.tensors[read.tensor]
        return {
            "title": f"{read.kind} = {words.value(read.value)}",
            "name": "" if tensor is None else _name(tensor),
            "shape": "" if tensor is None else words.shape(tensor),
            "module": "" if read.module_call is None else calls[read.module_call].path,
            "line": _line(read.source),
            "ref": f"dynamic/decision:{number}",
            "boxes": list(self._tree.of_read(read)),
        }

    def _tensor(self, number: int) -> Json:
        """An input: drawn once, or beside each use where there are many."""
        tensor, users = self._recording.tensors[number], self._index.users[number]
        shared, own = len(users) > SHARED, f"tensor:{number}"
        return {
            "title": self._index.input_names.get(number) or _name(tensor) or f"%{number}",
            "shape": words.shape(tensor),
            "op": users[0],
            "ref": f"dynamic/{own}@op:{users[0]}" if shared else f"dynamic/{own}",
            "boxes": list(self._tree.of_op(users[0])) if shared else [],
        }

    def _parameter(self, number: int) -> Json:
        tensor, first = self._recording.tensors[number], self._index.users[number][0]
        return {
            "title": tensor.name,
            "shape": words.shape(tensor),
            "module": (tensor.name or "").rpartition(".")[0],
            "op": first,
            "ref": f"dynamic/parameters:{first}",
            "boxes": list(self._tree.of_op(first)),
        }

    def _grad(self, number: int) -> Json:
        node = self._recording.grad_nodes[number]
        op = None if node.op is None else self._recording.ops[node.op]
        tensor = None if node.tensor is None else self._recording.tensors[node.tensor]
        if tensor is None and op is not None and op.outputs:
            tensor = self._recording.tensors[op.outputs[0]]
        return {
            "title": node.name,
            "name": node.parameter or ("" if tensor is None else _name(tensor)),
            "shape": "" if tensor is None else words.shape(tensor),
            "module": "" if op is None else words.op_module(self._recording, op),
            "line": "" if op is None else _line(op.source),
            "grad": number,
            "op": node.op,
            "ref": f"backward/grad:{number}",
            "boxes": self._boxes_of_grad(number),
        }

    def _boxes_of_grad(self, number: int) -> list[str]:
        """Those of its forward op; a leaf's AccumulateGrad lies with an op that uses the leaf."""
        owner = self._owners[number]
        return [] if owner is None else list(self._tree.of_op(owner))

    @cached_property
    def _owners(self) -> list[int | None]:
        nodes = self._recording.grad_nodes
        owners = [node.op for node in nodes]
        for node in nodes:
            for following in node.next:
                if owners[following] is None:
                    owners[following] = owners[node.id]
        return owners

    def _ir(self, number: int) -> Json:
        assert self._index.static is not None
        assert self._shape is not None
        node = self._index.static.nodes[number]
        return {
            "title": node.kind,
            "name": ", ".join(f"%{value}" for value in node.outputs[:3]),
            "shape": ", ".join(node.types[:3]),
            "module": node.module_path,
            "line": _line(node.source),
            "ref": f"static/ir:{number}",
            "boxes": list(self._shape.path(node)),
        }


def _name(tensor: TensorInfo) -> str:
    return tensor.variable or tensor.name or ""


def _line(source: Source | None) -> str:
    return "" if source is None else f"{os.path.basename(source.file)}:{source.line}"
