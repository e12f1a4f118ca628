"""What boxes are called: as frames, and as the nodes that stand for them while closed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from inspector.language import counted, listed, sentence
from inspector.records import Op, Recording
from inspector.views import words
from inspector.views.expressions import expression_of, title_of_expression
from inspector.views.folds import trips_in
from inspector.views.index import ViewIndex
from inspector.views.model import ViewBox
from inspector.views.tree import EXPRESSION, LOOP, MODULE, RANGE, REPEAT, STEP, TRIP, Box, title
from inspector.views.visible import Frame


def title_of(index: ViewIndex, box: Box, count: int = 1) -> str:
    """A box's title; `count` equal trips are drawn as this one."""
    recording = index.recording
    if box.kind == STEP:
        return recording.steps[box.number].detail + ".step"
    if box.kind == LOOP:
        return index.loops.runs[box.number].statement.header
    if box.kind == TRIP:
        return _trips(box.trip, box.trip + count - 1)
    if box.kind == RANGE:
        trips = trips_in(index.boxes, box)
        if trips is not None:
            return _trips(*trips)
        return sentence("ops {first:,}–{last:,}", first=box.first, last=box.last)
    if box.kind == EXPRESSION:
        return _expression(index, box) or _line_of(recording.ops[box.first])
    call = recording.module_calls[box.number]
    if box.kind == REPEAT:
        last = index.boxes[~box.whole[-1]]
        return f"{title(call)} … {title(recording.module_calls[last.number])}"
    return title(call)


def _trips(first: int, last: int) -> str:
    """As in "trip 3" and "trips 3–12", for trips that count from 0."""
    if first == last:
        return sentence("trip {number}", number=first + 1)
    return sentence("trips {first}–{last}", first=first + 1, last=last + 1)


def trips_told(count: int) -> str:
    """As in "3 trips"."""
    return counted("{count} trip", "{count} trips", count)


def subtitle_of(index: ViewIndex, box: Box) -> str:
    """What is said below a box's title: the class, the number of trips, the lines."""
    if box.kind == MODULE:
        return index.recording.module_calls[box.number].type
    if box.kind == LOOP:
        return trips_told(index.loops.runs[box.number].trips)
    if box.kind == REPEAT:
        return f"{box.members} × {index.recording.module_calls[box.number].type}"
    if box.kind == EXPRESSION:
        return _line_of(index.recording.ops[box.first]) if _expression(index, box) else ""
    return _lines(index.recording, box) if box.kind == RANGE else ""


def frame(index: ViewIndex, of: Frame) -> ViewBox:
    """The record of an open box."""
    box = index.boxes[of.box]
    parts = [subtitle_of(index, box)]
    badge = f"×{of.count}" if of.count > 1 else ""
    if of.is_folded:
        parts.append(shape_change(index, box))
        badge = badge or (f"×{box.members}" if of.shows_bare else "")
    parent = index.boxes[of.parent].id or None
    subtitle = words.dotted(parts)
    return ViewBox(
        box.id, title_of(index, box, of.count), parent, box.kind, subtitle, (), badge, of.is_folded
    )


@dataclass(frozen=True, slots=True)
class BoxFacts:
    """What there is to say about a box, by its id.

    `kind` is that of `ViewBox`. `first` and `last` bound its ops, of which there are `size`.
    `trips` counts those of a loop or the equal calls of a repeat, `same` those of them that are
    drawn as one; `exact` is false where the trips are assumed (see `inspector.loops`). `source`
    is (file, line) of the loop, or of the first op.
    """

    title: str
    subtitle: str
    kind: str
    first: int
    last: int
    size: int
    trips: int
    same: int
    exact: bool
    source: tuple[str, int] | None


def describe(index: ViewIndex, box_id: str) -> BoxFacts | None:
    """The facts about a box; None if there is none with this id (a "@" and more may follow)."""
    number = index.by_id.get(box_id.partition("@")[0])
    if not number:
        return None
    box = index.boxes[number]
    source = words.op_line(index.recording.ops[box.first])
    exact = True
    if box.kind in (LOOP, TRIP):
        run = index.loops.runs[box.number]
        source, exact = (run.statement.file, run.statement.line), run.exact
    return BoxFacts(
        title=title_of(index, box),
        subtitle=subtitle_of(index, box),
        kind=box.kind,
        first=box.first,
        last=box.last,
        size=box.size,
        trips=box.members,
        same=max((count for _, count in box.runs), default=0),
        exact=exact,
        source=source,
    )


def shape_change(index: ViewIndex, box: Box) -> str:
    """How a shape differs between the first and the last of equal members, if one does."""
    for first, count in box.runs:
        if count < 2:
            continue
        one, other = (_first_op(index, box.whole[i]) for i in (first, first + count - 1))
        size = _size(index, box.whole[first])
        found = _difference(index, one, other, size)
        if found:
            return sentence("shapes change: {change}", change=found)
    return ""


def _difference(index: ViewIndex, one: int, other: int, size: int) -> str:
    ops, tensors = index.recording.ops, index.recording.tensors
    differ = index.shapes[one : one + size] != index.shapes[other : other + size]
    for offset in np.flatnonzero(differ).tolist():
        mine, theirs = ops[one + offset].outputs, ops[other + offset].outputs
        for a, b in zip(mine, theirs, strict=False):
            if tensors[a].shape != tensors[b].shape:
                shapes = (words.dimensions(tensors[i].shape) for i in (a, b))
                return listed(shapes, "{first} → {then}")
    return ""


def _first_op(index: ViewIndex, member: int) -> int:
    return member if member >= 0 else index.boxes[~member].first


def _size(index: ViewIndex, member: int) -> int:
    return 1 if member >= 0 else index.boxes[~member].size


def _expression(index: ViewIndex, box: Box) -> str:
    return title_of_expression(index.recording.sources, index.recording.ops[box.first])


def _line_of(op: Op) -> str:
    """The line of the expression that ran an op."""
    place = expression_of(op)
    return "" if place is None else sentence("line {line}", line=place.line)


def _lines(recording: Recording, box: Box) -> str:
    """The lines of a range's first and last op, if they are in one file."""
    ends = [recording.ops[i].source for i in (box.first, box.last)]
    first, last = ends
    if first is None or last is None or first.file != last.file:
        return ""
    if first.line == last.line:
        return sentence("line {line}", line=first.line)
    low, high = sorted((first.line, last.line))
    return sentence("lines {first}–{last}", first=low, last=high)
