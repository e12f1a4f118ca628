"""Finds each kind of PLACE in a run: one function a kind."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from inspector.language import Sentence, sentence
from inspector.records import ParameterInfo, Recording
from inspector.render.answers import Book
from inspector.text import split_lines
from inspector.timeline import Kind
from inspector.views.gradnodes import short_name
from inspector.views.hubs import SHARED
from inspector.views.index import ViewIndex
from inspector.views.irshape import Shape, block_id
from inspector.views.tree import call_id, only_root, step_id
from inspector_app.teaching.lesson import Spot

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Found:
    """Where a place is.

    Args:
        item: as the workbench names it ("dynamic/op:3"); None for a whole run, which is no item.
        boxes: what must be open to see it, outermost first.
        own: the boxes that it is itself: those that `open` is about.
        entry: its moment, as in `Timeline.entries`; None for what has none.
    """

    item: str | None
    boxes: tuple[str, ...] = ()
    own: tuple[str, ...] = ()
    entry: tuple[Kind, int] | None = None


def _op(spot: Spot, book: Book) -> Found | Sentence:
    wanted = [op for op in book.recording.ops if spot.name in (op.name, op.function)]
    return _nth(spot, wanted, lambda op: _at_op(op.id, book))


def _at_op(op: int, book: Book) -> Found:
    return Found(f"dynamic/op:{op}", book.index.way_to(op), entry=(Kind.OP, op))


def _tensor(spot: Spot, book: Book) -> Found | Sentence:
    recording = book.recording
    given = recording.input_names()
    wanted = [
        tensor.id
        for tensor in sorted(recording.tensors.values(), key=lambda tensor: tensor.id)
        if spot.name in (tensor.variable, tensor.name, given.get(tensor.id))
    ]
    return _nth(spot, wanted, lambda tensor: _at_tensor(tensor, spot, book))


def _at_tensor(number: int, spot: Spot, book: Book) -> Found | Sentence:
    """At the op that made it; what came from outside is drawn beside what takes it."""
    tensor = book.recording.tensors[number]
    if tensor.producer is not None:
        return _at_op(tensor.producer, book)
    uses = book.index.flow.consumers.get(number, ())
    if not uses:
        return _not_drawn(spot)
    first = uses[0]
    if tensor.name is not None:
        return Found(
            f"dynamic/parameters:{first}", book.index.way_to(first), entry=(Kind.OP, first)
        )
    shared = len(uses) > SHARED
    item = f"dynamic/tensor:{number}@op:{first}" if shared else f"dynamic/tensor:{number}"
    return Found(item, book.index.way_to(first) if shared else (), entry=(Kind.OP, first))


def _parameter(spot: Spot, book: Book) -> Found | Sentence:
    """By its path in the model, or in the run, where the model's class stands before it."""
    recording = book.recording
    known = [(name, info) for info in recording.parameters for name in info.names]
    wanted = [
        tensor
        for _, info in _by_path(known, spot.name, lambda one: one[0])
        if (tensor := _used_value(info, recording)) is not None
    ]
    return _nth(spot, wanted, lambda tensor: _at_tensor(tensor, spot, book))


def _used_value(info: ParameterInfo, recording: Recording) -> int | None:
    """The first value of a parameter that a module computes with."""
    values = {tensor.id for tensor in recording.tensors.values() if tensor.name in info.names}
    taken = (
        number
        for op in recording.ops
        if op.module_call is not None
        for number in op.inputs
        if number in values and number not in op.overwrites
    )
    return next(taken, info.tensor)


def _module(spot: Spot, book: Book) -> Found | Sentence:
    calls = _by_path(book.recording.module_calls, spot.name, lambda call: call.path)
    return _nth(spot, calls, lambda call: _at_call(call.id, spot, book))


def _at_call(call: int, spot: Spot, book: Book) -> Found | Sentence:
    """A box; a call of a single op is drawn as that op, the outermost call is the whole picture."""
    index, number = book.index, book.index.by_id.get(call_id(call))
    first = _first_op_in(call, book.recording)
    entry = None if first is None else (Kind.OP, first)
    if number is not None:
        around = tuple(index.boxes[box].id for box in index.around(index.boxes[number].parent))
        return Found(f"dynamic/{call_id(call)}", around, (call_id(call),), entry)
    if first is None:
        return _not_drawn(spot)
    if call == only_root(book.recording):
        return Found(None, entry=entry)
    return _at_op(first, book)


def _first_op_in(call: int, recording: Recording) -> int | None:
    """The first op in a call or in the calls inside it."""
    parents = [inner.parent for inner in recording.module_calls]
    inside = {call}
    for number, parent in enumerate(parents):  # a call comes after the one that it is in
        if parent in inside:
            inside.add(number)
    return min((op for one in inside for op in recording.module_calls[one].ops), default=None)


def _line(spot: Spot, book: Book) -> Found | Sentence:
    """The first op of the first line with this text that ran one; else the line itself."""
    places = [
        (file, number)
        for file, text in _files(book.recording)
        for number, line in enumerate(split_lines(text), 1)
        if spot.name in line
    ]
    if not places:
        return sentence("No line of the program contains `{text}`.", text=spot.name)
    first: dict[tuple[str, int], int] = {}
    for op in book.recording.ops:
        if op.source is not None:
            first.setdefault((op.source.file, op.source.line), op.id)
    for place in places:
        own = _boxes_on(place, book.index)
        if place in first:
            found = _at_op(first[place], book)
            return Found(found.item, found.boxes, own, found.entry)
        if own:
            return _at_box(own[0], own, book.index)
    file, number = places[0]
    return Found(f"source/{file}:{number}")


def _files(recording: Recording) -> Iterable[tuple[str, str]]:
    """The user's own files before those of packages."""
    is_library = re.compile(r"[/\\](site|dist)-packages[/\\]")
    return sorted(recording.sources.items(), key=lambda one: bool(is_library.search(one[0])))


def _boxes_on(place: tuple[str, int], index: ViewIndex) -> tuple[str, ...]:
    """The first loop, and the first optimizer step, that begin on a line."""
    loops = [
        f"loop:{run.id}"
        for run in index.loops.runs
        if (run.statement.file, run.statement.line) == place
    ]
    steps = [
        step_id(step.id)
        for step in index.recording.steps
        if step.source is not None and (step.source.file, step.source.line) == place
    ]
    return tuple(box for box in (*loops, *steps) if box in index.by_id)[:1]


def _at_box(box: str, own: tuple[str, ...], index: ViewIndex) -> Found:
    record = index.boxes[index.by_id[box]]
    around = tuple(index.boxes[outer].id for outer in index.around(record.parent))
    return Found(f"dynamic/{box}", around, own, (Kind.OP, record.first))


def _decision(spot: Spot, book: Book) -> Found | Sentence:
    wanted = book.recording.decisions
    if spot.number > len(wanted):
        return _too_few(spot, len(wanted))
    read = wanted[spot.number - 1]
    if read.op is not None:
        return _at_op(read.op, book)
    boxes = book.index.way_to_read(read)
    return Found(f"dynamic/decision:{read.id}", boxes, entry=(Kind.READ, read.id))


def _grad(spot: Spot, book: Book) -> Found | Sentence:
    wanted = [
        node
        for node in book.recording.grad_nodes
        if spot.name in (node.name, short_name(node.name))
    ]

    def at(node: int) -> Found:
        owner = book.index.grads.owners[node]
        boxes = () if owner is None else book.index.way_to(owner)
        return Found(f"backward/grad:{node}", boxes, entry=(Kind.GRAD, node))

    return _nth(spot, wanted, lambda node: at(node.id))


def _ir(spot: Spot, book: Book) -> Found | Sentence:
    static = book.static
    if static is None:
        return sentence(
            "`{place}` is not there: no TorchScript was made of this run.", place=str(spot)
        )
    shape = Shape(static)
    wanted = [
        node for node in static.nodes if spot.name in (node.kind, node.kind.rpartition("::")[2])
    ]
    return _nth(
        spot,
        wanted,
        lambda node: Found(
            f"static/ir:{node.id}",
            tuple(shape.path(node)),
            tuple(block_id(node.id, block) for block in shape.boxes_of(node)),
        ),
    )


def _failure(spot: Spot, book: Book) -> Found | Sentence:
    failure = book.recording.failure
    if failure is None:
        return sentence("This run did not fail.")
    if failure.op is not None:
        return _at_op(failure.op, book)
    if failure.source is not None:
        return Found(f"source/{failure.source.file}:{failure.source.line}")
    return _not_drawn(spot)


FINDERS: dict[str, Callable[[Spot, Book], Found | Sentence]] = {
    "op": _op,
    "tensor": _tensor,
    "module": _module,
    "parameter": _parameter,
    "line": _line,
    "decision": _decision,
    "grad": _grad,
    "ir": _ir,
    "failure": _failure,
}


def _by_path(rows: Iterable[_T], path: str, name_of: Callable[[_T], str]) -> list[_T]:
    """The rows with this path, or with one that ends in it where there are none.

    In a recorded block of code the paths start at the class of the outermost module.
    """
    known = list(rows)
    exact = [row for row in known if name_of(row) == path]
    return exact or [row for row in known if name_of(row).endswith(f".{path}")]


def _nth(
    spot: Spot, wanted: Sequence[_T], at: Callable[[_T], Found | Sentence]
) -> Found | Sentence:
    if spot.number > len(wanted):
        return _too_few(spot, len(wanted))
    return at(wanted[spot.number - 1])


def _too_few(spot: Spot, count: int) -> Sentence:
    if count:
        return sentence(
            "`{place}` is not in this run: it has only {count} of them.",
            place=str(spot),
            count=count,
        )
    return sentence("`{place}` is not in this run.", place=str(spot))


def _not_drawn(spot: Spot) -> Sentence:
    return sentence("`{place}` is not in the graph: no op of this run uses it.", place=str(spot))
