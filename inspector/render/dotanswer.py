"""What `dot` answered to one box's job, as a `Drawing`.

Three things are made better than `dot` leaves them: a parameter moves next to its op where a tall
box shares its row, wires have less room between a border and the first row, and a curve between
ports does not swing beyond them. Wires that `dot` was not given are drawn here.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from inspector.errors import RenderError
from inspector.language import sentence
from inspector.render.lanes import ARROW, with_lanes
from inspector.render.piece import BORDER, NO_PORT, XY, Course, Drawing, Job, Wire, straight

_CLOSE = 0.6
"""Wires have less room between a border and the first row than between rows."""


def read_drawing(job: Job, answer: bytes, program: str) -> Drawing:
    """Return what Graphviz drew of a job.

    Args:
        job: what it was given, less perhaps `far_wires(job)`: those are drawn here.
        answer: in its format "json0".
        program: for the message.

    Raises:
        RenderError: the answer is no drawing.
    """
    try:
        drawing = json.loads(answer)
        return _Reader(job, drawing).drawing()
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RenderError(
            sentence(
                "Graphviz ({program}) gave an answer that is no drawing. Version 2.40 or "
                "newer is needed. ({name}: {error})",
                program=program,
                name=type(error).__name__,
                error=str(error),
            )
        ) from error


class _Reader:
    """Turns Graphviz's points (y upwards, from the bottom left) into a `Drawing`."""

    def __init__(self, job: Job, answer: Mapping[str, Any]) -> None:
        self.job = job
        self.left, _, self.right, self.top = _numbers(answer["bb"])
        places = {item["name"]: item.get("pos") for item in answer.get("objects", ())}
        self.edges = {item.get("id"): item for item in answer.get("edges", ())}
        self.ins = [self._point(places[f"i{port}"]) for port in range(job.ins)]
        self.outs = [self._point(places[f"o{port}"]) for port in range(job.outs)]
        self.centres = [self._point(places[f"n{n}"]) for n in range(len(job.children))]
        self.bottom = self.top - _numbers(answer["bb"])[1]

    def drawing(self) -> Drawing:
        row_of = self._rows()
        courses = [self._course(number, wire) for number, wire in enumerate(self.job.wires)]
        self._draw_near(row_of, courses)
        move = self._moves()
        height = move(self.outs[0][1] if self.outs else self.bottom)
        drawing = Drawing(
            w=self.right - self.left,
            h=height,
            centres=tuple((x, move(y)) for x, y in self.centres),
            ins=tuple(x for x, _ in self.ins),
            outs=tuple(x for x, _ in self.outs),
            courses=tuple(
                Course(
                    tuple((x, move(y)) for x, y in course.points),
                    (course.label[0], move(course.label[1])) if course.label else None,
                )
                for course in courses
            ),
        )
        return with_lanes(self.job, drawing, row_of)

    def _rows(self) -> list[int]:
        """The row of each child, as `dot` ranked them: its middle is the row's middle."""
        middles = sorted({round(y, 1) for _, y in self.centres})
        number = {y: place for place, y in enumerate(middles)}
        return [number[round(y, 1)] for _, y in self.centres]

    def _course(self, number: int, wire: Wire) -> Course:
        edge = self.edges.get(f"e{number}")
        if edge is None:
            return Course(())  # one of the far ones
        points = self._curve(edge.get("pos", ""))
        if len(points) < 4:
            # Graphviz now and then gives an edge up: a straight line is better than none.
            points = straight(self._middle(wire.tail, wire.tail_port, self.ins),
                              self._middle(wire.head, wire.head_port, self.outs))  # fmt: skip
        elif wire.tail_port != NO_PORT or wire.head_port != NO_PORT:
            points = _calm(points)
        if wire.label and "lp" in edge:
            return Course(points, self._point(edge["lp"]))
        return Course(points, _beside(points[0], points[-1], wire))

    def _curve(self, pos: str) -> tuple[XY, ...]:
        """Read a spline: points "x,y", after the tips "e,x,y" and "s,x,y" of arrowheads."""
        pieces = pos.partition(";")[0].split()
        return tuple(self._point(piece) for piece in pieces if piece[0] not in "es")

    def _middle(self, child: int, port: int, border: Sequence[XY]) -> XY:
        return border[port] if child == BORDER else self.centres[child]

    def _draw_near(self, row_of: Sequence[int], courses: list[Course]) -> None:
        """Move a node that has one edge only next to that edge's other end.

        `dot` puts each node in the middle of its row. Beside a tall box that is far away from
        what a parameter or a decision belongs to.
        """
        halves: dict[int, float] = defaultdict(float)
        for child, row in zip(self.job.children, row_of, strict=True):
            halves[row] = max(halves[row], child.h / 2)
        uses: dict[int, list[int]] = defaultdict(list)
        for number, wire in enumerate(self.job.wires):
            uses[wire.tail].append(number)
            uses[wire.head].append(number)
        for number, (x, y) in enumerate(self.centres):
            by = halves[row_of[number]] - self.job.children[number].h / 2
            if by < 12 or len(uses[number]) != 1:
                continue
            (only,) = uses[number]
            down = self.job.wires[only].tail == number
            moved = x, y + by if down else y - by
            rows = self._row(row_of, only)
            if rows[1] - rows[0] == 1 and courses[only].points:
                self.centres[number] = moved
                courses[only] = self._short(self.job.wires[only], number, courses[only])
                continue
            nearer = _shortened(courses[only], by, at_start=down)
            if nearer is not None:
                self.centres[number] = moved
                courses[only] = nearer

    def _row(self, row_of: Sequence[int], number: int) -> tuple[int, int]:
        """The rows in which a wire between children begins and ends; equal for all others."""
        wire = self.job.wires[number]
        if BORDER in (wire.tail, wire.head):
            return 0, 0
        return row_of[wire.tail], row_of[wire.head]

    def _short(self, wire: Wire, moved: int, old: Course) -> Course:
        """A wire to the next row, from or to a node that was moved next to it."""
        ends = []
        for child, port, side in (
            (wire.tail, wire.tail_port, 1),
            (wire.head, wire.head_port, -1),
        ):
            (x, y), size = self.centres[child], self.job.children[child]
            arrow = ARROW if wire.arrow == ("tail" if side > 0 else "head") else 0.0
            if port != NO_PORT:
                x = old.points[0 if side > 0 else -1][0]
            elif child != moved:  # on the side where the moved node is
                room = 0.0 if size.diamond else max(size.w / 2 - 12, 0.0)
                x += min(max(self.centres[moved][0] - x, -room), room)
            ends.append((x, y + side * (size.h / 2 + arrow)))
        (x0, y0), (x1, y1) = ends
        half = (y0 + y1) / 2
        label = _beside(ends[0], ends[1], wire)
        return Course(((x0, y0), (x0, half), (x1, half), (x1, y1)), label)

    def _moves(self) -> Callable[[float], float]:
        """How y becomes the drawing's: from the ports' row, and with less room beside it."""
        placed = list(zip(self.centres, self.job.children, strict=True))
        first = min(y - child.h / 2 for (_, y), child in placed)
        last = max(y + child.h / 2 for (_, y), child in placed)
        start = self.ins[0][1] if self.ins else 0.0
        end = self.outs[0][1] if self.outs else last
        above = max(first - start, 0.0) * _CLOSE if self.ins else first

        def move(y: float) -> float:
            if self.ins and y < first:
                return (y - start) * _CLOSE
            if self.outs and y > last:
                return above + (last - first) + (min(y, end) - last) * _CLOSE
            return above + y - first

        return move

    def _point(self, text: str) -> XY:
        x, y = _numbers(text)[:2]
        return x - self.left, self.top - y


def _beside(start: XY, end: XY, wire: Wire) -> XY | None:
    """Where a label stands that `dot` did not place: right of the middle."""
    if wire.label is None:
        return None
    return (start[0] + end[0]) / 2 + wire.label[0] / 2 + 2, (start[1] + end[1]) / 2


def _calm(points: tuple[XY, ...]) -> tuple[XY, ...]:
    """A curve between ports that swings beyond its own ends, as a plain S between them."""
    (x0, y0), (x1, y1) = points[0], points[-1]
    ys = [y for _, y in points]
    if y1 - y0 < 8 or (min(ys) >= y0 - 1 and max(ys) <= y1 + 1):
        return points
    half = (y0 + y1) / 2
    return (x0, y0), (x0, half), (x1, half), (x1, y1)


def _shortened(course: Course, by: float, *, at_start: bool) -> Course | None:
    """A course whose first or last point is `by` px nearer to its other end, if it is that long."""
    if not course.points:
        return None
    start, end = course.points[0][1], course.points[-1][1]
    fixed, length = (end, end - start) if at_start else (start, end - start)
    if length <= by + 4:
        return None
    scale = (length - by) / length
    points = tuple((x, fixed + (y - fixed) * scale) for x, y in course.points)
    label = course.label and (course.label[0], fixed + (course.label[1] - fixed) * scale)
    return Course(points, label)


def _numbers(text: str) -> list[float]:
    return [float(number) for number in text.split(",")]
