"""Courses for edges that `dot` was not given: short ones direct, long ones in lanes.

A lane is a line beside all rows. An edge that passes more than a row goes sideways in the gap below
its row, down its lane, and back in the gap above the row where it ends, so that it crosses no node.
The edges of a value that is used in many places share a lane, like a bus.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from inspector.render.piece import BORDER, NO_PORT, XY, Course, Drawing, Job, Wire, rounded

ARROW = 8.0
"""Length of an arrowhead in px: an edge's curve ends this far before the node."""

_GAP = 7.0
_LANES = 100
"""Beyond so many, lanes are shared by edges that have nothing in common."""

Row = tuple[float, float]
"""The upper and lower end of a row of nodes."""


def with_lanes(job: Job, drawing: Drawing, row_of: Sequence[int]) -> Drawing:
    """Return the drawing with a course for each wire of which it has none (or an empty one).

    Args:
        job: what is laid out.
        drawing: with the places of everything. Missing courses are empty.
        row_of: the row of each child; rows do not overlap and are counted from above.
    """
    return _Lanes(job, drawing, row_of).routed()


class _Lanes:
    def __init__(self, job: Job, drawing: Drawing, row_of: Sequence[int]) -> None:
        self.job, self.drawing, self.row_of = job, drawing, row_of
        self.last = max(row_of, default=-1) + 1
        self.spans: dict[int, Row] = {-1: (0.0, 0.0), self.last: (drawing.h, drawing.h)}
        for child, row in enumerate(row_of):
            y, half = drawing.centres[child][1], job.children[child].h / 2
            top, bottom = self.spans.get(row, (y - half, y + half))
            self.spans[row] = min(top, y - half), max(bottom, y + half)
        self.lanes = 0

    def routed(self) -> Drawing:
        old = self.drawing.courses or (Course(()),) * len(self.job.wires)
        courses = list(old)
        missing = [number for number, course in enumerate(old) if not course.points]
        far = []
        for number in missing:
            wire = self.job.wires[number]
            if self._rows(wire)[1] - self._rows(wire)[0] == 1:
                courses[number] = self._near(wire)
            else:
                far.append(number)
        for number, lane in self._share(far).items():
            courses[number] = self._far(self.job.wires[number], lane)
        width = self.drawing.w + (self.lanes + 1) * _GAP * bool(self.lanes)
        return self.drawing._replace(w=width, courses=tuple(courses))

    def _rows(self, wire: Wire) -> tuple[int, int]:
        tail = -1 if wire.tail == BORDER else self.row_of[wire.tail]
        return tail, self.last if wire.head == BORDER else self.row_of[wire.head]

    def _share(self, far: Sequence[int]) -> dict[int, float]:
        """The x of the lane of each wire: one for all wires of a busy end, reused further down."""
        wires = self.job.wires
        busy: Counter[tuple[str, int, int]] = Counter()
        for number in far:
            busy[_ends(wires[number])[0]] += 1
            busy[_ends(wires[number])[1]] += 1
        groups: dict[tuple[str, int, int], list[int]] = defaultdict(list)
        for number in far:
            groups[max(_ends(wires[number]), key=busy.__getitem__)].append(number)
        extent = {}
        for key, group in groups.items():
            rows = [row for number in group for row in self._rows(wires[number])]
            extent[key] = min(rows), max(rows)
        ends: list[int] = []  # of each lane: the lowest row in use
        lane_of: dict[int, float] = {}
        for number, key in enumerate(sorted(extent, key=extent.__getitem__)):
            top, bottom = extent[key]
            lane = next((i for i, end in enumerate(ends) if end < top), len(ends))
            if lane == _LANES:
                lane = number % _LANES
            ends[lane : lane + 1] = [bottom]
            x = self.drawing.w + (lane + 1) * _GAP
            lane_of.update(dict.fromkeys(groups[key], x))
        self.lanes = len(ends)
        return lane_of

    def _start(self, wire: Wire) -> XY:
        if wire.tail == BORDER:
            return self.drawing.ins[wire.tail_port], 0.0
        (x, y), child = self.drawing.centres[wire.tail], self.job.children[wire.tail]
        return x + aside(child.w, child.outs, wire.tail_port), y + child.h / 2

    def _end(self, wire: Wire) -> XY:
        if wire.head == BORDER:
            return self.drawing.outs[wire.head_port], self.drawing.h
        (x, y), child = self.drawing.centres[wire.head], self.job.children[wire.head]
        return x + aside(child.w, child.ins, wire.head_port), y - child.h / 2

    def _near(self, wire: Wire) -> Course:
        (x0, y0), (x1, y1) = self._tips(wire)
        half = (y1 - y0) / 2
        label = ((x0 + x1) / 2 + wire.label[0] / 2, (y0 + y1) / 2) if wire.label else None
        return Course(((x0, y0), (x0, y0 + half), (x1, y1 - half), (x1, y1)), label)

    def _tips(self, wire: Wire) -> tuple[XY, XY]:
        (x0, y0), (x1, y1) = self._start(wire), self._end(wire)
        return (x0, y0 + ARROW * (wire.arrow == "tail")), (x1, y1 - ARROW * (wire.arrow == "head"))

    def _far(self, wire: Wire, lane: float) -> Course:
        (x0, y0), (x1, y1) = self._tips(wire)
        # Beside the middle, where the edge from or to the next row is.
        x0 += self._beside(wire.tail, wire.tail_port)
        x1 += self._beside(wire.head, wire.head_port)
        from_row, to_row = self._rows(wire)
        out = self.spans[from_row][1] + ARROW + 3
        back = self.spans[to_row][0] - ARROW - 5
        corners = [(x0, y0), (x0, out), (lane, out), (lane, back), (x1, back), (x1, y1)]
        label = (x1 + wire.label[0] / 2 + 3, back - 2) if wire.label else None
        return Course(rounded(corners, 6), label)

    def _beside(self, child: int, port: int) -> float:
        if port != NO_PORT or self.job.children[child].diamond:
            return 0.0
        return min(9.0, self.job.children[child].w / 4)


def aside(width: float, ports: Sequence[int], port: int) -> float:
    """How far from a child's middle a port is; without ports 0."""
    return ports[port] - width / 2 if 0 <= port < len(ports) else 0.0


def _ends(wire: Wire) -> tuple[tuple[str, int, int], tuple[str, int, int]]:
    return ("tail", wire.tail, wire.tail_port), ("head", wire.head, wire.head_port)
