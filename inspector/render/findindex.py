"""What there is to find in a recording and its IR: entries in the order of the run, by fields.

A field holds few different texts: a thousand trips of a loop have one line and one shape. Each is
kept once, and an entry holds its number. Making the index takes about 6 µs an op.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence

import numpy

from inspector.records import Overlay, Recording, Source, StaticGraph, TensorInfo, TensorSummary
from inspector.render.findwords import FIELDS, shape_text
from inspector.views.boxes import BoxTree
from inspector.views.index import ViewIndex

Entry = tuple[str, int]
"""What an entry is, and its number: ("op", 12), ("decision", 0), ("tensor", 3), ("parameter", 4),
("call", 5), ("grad", 6), ("ir", 7)."""

PANES = {"dynamic": 0, "backward": 1, "static": 2}
"""Number of each pane, as in `Index.panes`."""

_PANE_OF = {"grad": 1, "ir": 2}
_IR_KINDS = {"prim::If": "branch", "prim::Loop": "loop", "prim::Constant": "constant"}
_Texts = dict[str, str]
_Row = tuple[int, ...]


class _Column:
    """One field: its different texts, each with a number."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._known: dict[str, int] = {}

    def number(self, text: str) -> int:
        """The number of a text."""
        number = self._known.get(text)
        if number is None:
            number = self._known[text] = len(self.texts)
            self.texts.append(text.lower())
        return number


class Index:
    """The entries of one recording and its IR.

    Args:
        recording: what ran.
        static: the IR beside it.
        overlay: what the recording ran of the IR: its nodes are then "executed" or "skipped".
        views: the index of the recording that views are made with, where there is one.

    Attributes:
        entries: in the order of the run; then autograd nodes, then IR nodes.
        places: entry -> its place among them.
        texts: field -> its different texts, in lower case.
        codes: field -> for each entry the number of its text.
        panes: for each entry the number of the pane that draws it.
        users: tensors that no op made -> the ops that take them, in order.
        first_ops: for each module call the first op in it, at any depth; None without ops.
        tree: the boxes of the recording.
        decisions: ops that read a value -> the number of the decision.
    """

    def __init__(
        self,
        recording: Recording,
        static: StaticGraph | None = None,
        overlay: Overlay | None = None,
        views: ViewIndex | None = None,
    ) -> None:
        self.recording, self.static, self.overlay = recording, static, overlay
        self.tree = BoxTree(recording, views)
        self.users = _users(recording)
        self.first_ops = _first_ops(recording)
        self.decisions = {d.op: d.id for d in recording.decisions if d.op is not None}
        self.input_names = recording.input_names()
        self.entries: list[Entry] = []
        self._columns = {field: _Column() for field in FIELDS}
        self._rows: list[_Row] = []
        self._known_ops: dict[Hashable, _Row] = {}
        self._failed = None if recording.failure is None else recording.failure.op
        self._texts_of: dict[str, Callable[[int], _Texts]] = {
            "call": self._call,
            "decision": self._read,
            "tensor": self._tensor,
            "parameter": self._tensor,
            "grad": self._grad,
            "ir": self._ir,
        }
        self._fill()
        self.places = {entry: place for place, entry in enumerate(self.entries)}
        self.texts = {field: column.texts for field, column in self._columns.items()}
        codes = numpy.array(self._rows, dtype=numpy.int32).reshape(-1, len(FIELDS))
        self.codes = dict(zip(FIELDS, codes.T, strict=True))
        numbers = [_PANE_OF.get(kind, 0) for kind, _ in self.entries]
        self.panes = numpy.array(numbers, dtype=numpy.int8)

    def places_of_tensor(self, number: int) -> list[int]:
        """What shows a tensor: the op that made it, else itself."""
        tensor = self.recording.tensors.get(number)
        producer = None if tensor is None else tensor.producer
        wanted = [("op", producer)] if producer is not None else []
        wanted += [("tensor", number), ("parameter", number)]
        return [self.places[one] for one in wanted if one in self.places]

    def _fill(self) -> None:
        before = self._before_ops()
        for op in range(len(self.recording.ops) + 1):
            for entry in before.get(op, ()):
                self._add(*entry)
            if op < len(self.recording.ops):
                self._add_op(op)
        for node in self.recording.grad_nodes:
            self._add("grad", node.id)
        for ir in self.static.nodes if self.static is not None else ():
            self._add("ir", ir.id)

    def _before_ops(self) -> dict[int, list[Entry]]:
        """What is no op, by the op that ran next: a tensor stands before its first use."""
        recording = self.recording
        found: dict[int, list[Entry]] = {}
        for call in recording.module_calls:
            first = self.first_ops[call.id]
            if first is not None and self.tree.is_box(call.id):
                found.setdefault(first, []).append(("call", call.id))
        for read in recording.decisions:
            if read.op is None:
                found.setdefault(read.before_op or 0, []).append(("decision", read.id))
        for tensor, users in self.users.items():
            kind = "tensor" if recording.tensors[tensor].name is None else "parameter"
            found.setdefault(users[0], []).append((kind, tensor))
        return found

    def _add(self, kind: str, number: int) -> None:
        self.entries.append((kind, number))
        self._rows.append(self._row(self._texts_of[kind](number)))

    def _add_op(self, number: int) -> None:
        """As `_add`, but without making texts for each of 100,000 ops: most are like others."""
        self.entries.append(("op", number))
        op, tensors = self.recording.ops[number], self.recording.tensors
        source, inputs = op.source, op.inputs
        key = (
            (op.name, op.function, op.module_call, op.phase),
            None if source is None else (source.file, source.line),
            (bool(op.overwrites), number in self.decisions, number == self._failed),
            tuple([_looks(tensors[i], inputs) for i in op.outputs or inputs[:1]]),
        )
        row = self._known_ops.get(key)
        if row is None:
            row = self._known_ops[key] = self._row(self._op(number))
        self._rows.append(row)

    def _row(self, texts: _Texts) -> _Row:
        return tuple([self._columns[field].number(texts.get(field, "")) for field in FIELDS])

    # -- the texts of an entry -------------------------------------------------------------

    def _op(self, number: int) -> _Texts:
        op, tensors = self.recording.ops[number], self.recording.tensors
        outputs = [tensors[i] for i in op.outputs]
        shown = outputs or [tensors[i] for i in op.inputs[:1]]  # a read makes nothing
        return {
            "op": f"{op.name} {op.function}",
            "name": _names(outputs),
            "module": self._module(op.module_call),
            "shape": shape_text([tensor.shape for tensor in shown]),
            "line": _line(op.source),
            "kind": " ".join(self._op_kinds(number, outputs)),
            "dtype": " ".join(tensor.dtype for tensor in shown),
        }

    def _op_kinds(self, number: int, outputs: Sequence[TensorInfo]) -> Iterator[str]:
        op = self.recording.ops[number]
        yield "op" if op.phase == "forward" else f"op {op.phase}"
        if number in self.decisions:
            yield "decision"
        if number == self._failed:
            yield "failed"
        if op.overwrites:
            yield "in-place inplace"
        elif any(_is_view(out, op.inputs) for out in outputs):
            yield "view"
        for out in outputs:
            yield from _badness(out.summary)

    def _module(self, call: int | None) -> str:
        if call is None:
            return ""
        record = self.recording.module_calls[call]
        return f"{record.path} {record.type}"

    def _call(self, number: int) -> _Texts:
        call = self.recording.module_calls[number]
        kind = f"module call {'train' if call.training else 'eval'}"
        module, line = self._module(number), _line(call.source)
        return {"op": call.type, "module": module, "kind": kind, "line": line}

    def _read(self, number: int) -> _Texts:
        read = self.recording.decisions[number]
        about = {} if read.tensor is None else self._tensor(read.tensor)
        module, line = self._module(read.module_call), _line(read.source)
        return {**about, "op": read.kind, "kind": "decision", "module": module, "line": line}

    def _tensor(self, number: int) -> _Texts:
        tensor = self.recording.tensors[number]
        kinds = "input tensor" if tensor.name is None else "parameter tensor"
        return {
            "name": f"{_names([tensor])} {self.input_names.get(number, '')}".strip(),
            "module": (tensor.name or "").rpartition(".")[0],
            "shape": shape_text([tensor.shape]),
            "kind": " ".join([kinds, *_badness(tensor.summary)]),
            "dtype": tensor.dtype,
        }

    def _grad(self, number: int) -> _Texts:
        node = self.recording.grad_nodes[number]
        op = None if node.op is None else self.recording.ops[node.op]
        made = op.outputs[0] if op is not None and op.outputs else None
        tensor = node.tensor if node.tensor is not None else made
        kinds = ["grad", "accumulate" if node.name == "AccumulateGrad" else "autograd"]
        kinds += ["accumulated"] if node.accumulated else []
        for summary in (*node.grad_inputs, *node.grad_outputs):
            kinds.extend(_badness(summary))
        about = {} if tensor is None else self._tensor(tensor)
        return {
            **about,
            "op": node.name if op is None else f"{node.name} {op.name}",
            "name": f"{about.get('name', '')} {node.parameter or ''}".strip(),
            "module": "" if op is None else self._module(op.module_call),
            "line": "" if op is None else _line(op.source),
            "kind": " ".join(kinds),
        }

    def _ir(self, number: int) -> _Texts:
        assert self.static is not None
        node = self.static.nodes[number]
        ran = None if self.overlay is None else self.overlay.executions.get(number)
        state = "" if ran is None else "executed" if ran else "skipped"
        return {
            "op": node.kind,
            "name": " ".join((*node.outputs, str(node.attributes.get("name", "")))).strip(),
            "module": node.module_path,
            "line": _line(node.source),
            "kind": f"{_IR_KINDS.get(node.kind, 'op')} {state}",
            "dtype": " ".join(node.types),
        }


def _users(recording: Recording) -> dict[int, list[int]]:
    outside = {number for number, info in recording.tensors.items() if info.producer is None}
    found: dict[int, list[int]] = {}
    for op in recording.ops:
        for number in op.inputs:
            if number in outside:
                users = found.setdefault(number, [])
                if not users or users[-1] != op.id:
                    users.append(op.id)
    return found


def _first_ops(recording: Recording) -> list[int | None]:
    found = [min(call.ops, default=None) for call in recording.module_calls]
    for call in reversed(recording.module_calls):
        own = found[call.id]
        if call.parent is not None and own is not None:
            outer = found[call.parent]
            found[call.parent] = own if outer is None else min(own, outer)
    return found


def _line(source: Source | None) -> str:
    """The whole path, after a "/", so that "net.py:3" is a line of net.py and of no subnet.py."""
    return "" if source is None else f"/{source.file}:{source.line}"


def _names(tensors: Sequence[TensorInfo]) -> str:
    names = [name for tensor in tensors for name in (tensor.variable, tensor.name) if name]
    return " ".join(dict.fromkeys(names))


def _is_view(tensor: TensorInfo, inputs: tuple[int, ...]) -> bool:
    return tensor.alias_of in inputs and tensor.id not in inputs


def _looks(tensor: TensorInfo, inputs: tuple[int, ...]) -> Hashable:
    """All that the texts of an op say of one of its tensors."""
    summary = tensor.summary
    bad = summary is not None and (summary.nan_count > 0, summary.inf_count > 0)
    view = tensor.alias_of is not None and _is_view(tensor, inputs)
    return tensor.variable, tensor.name, tensor.shape, tensor.dtype, view, bad


def _badness(summary: TensorSummary | None) -> Iterator[str]:
    if summary is None:
        return
    if summary.nan_count:
        yield "nan"
    if summary.inf_count:
        yield "inf"
    if summary.nan_count or summary.inf_count:
        yield "nonfinite"
