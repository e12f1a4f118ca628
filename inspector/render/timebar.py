"""The timeline bar as JSON: all moments of a run in few bytes.

The browser steps by itself: for each moment it has the number of a *site* (what ran, where, how
deep, whether it failed or gave NaN), and a run of 100,000 moments has few sites. Where it would
be too much, only an overview is sent, and the browser asks for each step.
"""

from __future__ import annotations

import base64
from typing import Any

import numpy

from inspector.making import uncollected
from inspector.records import Decision, GradNode, Op, Source, Step
from inspector.timeline import (
    CONDITIONS,
    FIELDS,
    FUNCTIONS,
    MEANING,
    PHASES,
    Kind,
    Timeline,
)
from inspector.timeline.moments import call_of, op_of, stack_of
from inspector.views import words

Json = dict[str, Any]

MAX_BYTES = 1_400_000
"""A timeline is sent without its moments where they would take more than about this."""

BUCKETS = 600
"""The bar is drawn from at most this many parts."""

DECISION, NONFINITE, FAILED = 1, 2, 4
"""Flags of a site."""


def timeline_json(timeline: Timeline) -> Json:
    """All that the timeline bar needs, as JSON knows it.

    `sites` has rows of [kind, name, module path, module class, stack, depth, phase, flags], with
    numbers into `words`, `stacks` and `phases`; `at` is the site of each moment, packed as
    little-endian numbers (see `packed`). `reads` and `steps` are the ids of those records in
    order: ops and autograd nodes count up from 0 along the moments. `at` is None for a run that
    is too long; then moments come from the server only. `overview` draws the bar.
    """
    recording = timeline.recording
    sites = _Sites(timeline)
    flags = sites.flags()
    whole = sites.size() <= MAX_BYTES
    failure = recording.failure
    return {
        "count": len(timeline),
        "counts": {"op": len(recording.ops), "grad": len(recording.grad_nodes)},
        "phases": list(PHASES),
        "words": sites.words if whole else [],
        "sites": sites.rows if whole else [],
        "stacks": sites.stacks if whole else [],
        "frames": sites.frames if whole else [],
        "at": packed(sites.at) if whole else None,
        "reads": packed(_ids(timeline, Kind.READ)) if whole else None,
        "steps": packed(_ids(timeline, Kind.STEP)) if whole else None,
        "overview": _overview(timeline, flags),
        "failure": None if failure is None else f"{failure.type}: {failure.message}",
        "conditions": [
            {
                "what": what,
                "title": about.title,
                "asks": about.asks,
                "example": about.example,
            }
            for what, about in CONDITIONS.items()
        ],
        "fields": [[name, field.about] for name, field in FIELDS.items()],
        "functions": [[use, about] for use, about, _ in FUNCTIONS.values()],
        "meaning": MEANING,
    }


class _Sites:
    """Moments that look the same in the bar are one site.

    Attributes:
        at: for each moment the row of its site.
        rows, words, stacks, frames: as in the JSON.
    """

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self.words: list[str] = []
        self.rows: list[tuple[int, ...]] = []
        self.stacks: list[list[int]] = []
        self.frames: list[tuple[int, int, int]] = []
        self._numbers: dict[Any, int] = {}
        self._stack_of: dict[int, int] = {}
        with uncollected():
            self.at = [self._site(index) for index in range(len(timeline))]

    def flags(self) -> numpy.ndarray:
        """The flags of each moment."""
        own = numpy.array([row[-1] for row in self.rows], numpy.uint8)
        return own[numpy.array(self.at, numpy.int64)] if self.at else own

    def size(self) -> int:
        """About how many bytes of JSON all of it takes."""
        width = 2.7 if len(self.rows) < 2**16 else 5.4
        texts = sum(len(word) + 3 for word in self.words)
        frames = sum(6 * len(stack) + 4 for stack in self.stacks) + 18 * len(self.frames)
        return int(width * len(self.at)) + 32 * len(self.rows) + texts + frames

    def _site(self, index: int) -> int:
        timeline = self._timeline
        record = timeline.record(index)
        op = op_of(timeline.recording, record)
        call = call_of(op, record)
        module = None if call is None else timeline.recording.module_calls[call]
        row = (
            self._word(kind_name(record)),
            self._word(title(record)),
            -1 if module is None else self._word(module.path),
            -1 if module is None else self._word(module.type),
            self._stack(op, record),
            int(timeline.depths[index]),
            int(timeline.phases[index]),
            self._flags(record),
        )
        number = self._numbers.get(row)
        if number is None:
            number = self._numbers[row] = len(self.rows)
            self.rows.append(row)
        return number

    def _flags(self, record: Op | Decision | GradNode | Step) -> int:
        if isinstance(record, GradNode):
            gradients = (*record.grad_inputs, *record.grad_outputs)
            return NONFINITE if any(map(words.is_nonfinite, gradients)) else 0
        if isinstance(record, Decision):
            return DECISION
        if isinstance(record, Step):
            return 0
        recording, timeline = self._timeline.recording, self._timeline
        found = DECISION if record.id in timeline.decisions else 0
        if any(words.is_nonfinite(recording.tensors[i].summary) for i in record.outputs):
            found |= NONFINITE
        failure = recording.failure
        return found | FAILED if failure is not None and failure.op == record.id else found

    def _word(self, text: str) -> int:
        number = self._numbers.get(text)
        if number is None:
            number = self._numbers[text] = len(self.words)
            self.words.append(text)
        return number

    def _stack(self, op: Op | None, record: Op | Decision | GradNode | Step) -> int:
        frames = stack_of(self._timeline, op, record)
        if not frames:
            return -1
        known = self._stack_of.get(id(frames)) if op is not None else None
        if known is not None:
            return known  # ops that share a stack share the object, and the recording keeps it
        number = self._numbers.get(frames)
        if number is None:
            number = self._numbers[frames] = len(self.stacks)
            self.stacks.append([self._frame(frame) for frame in frames])
        if op is not None and frames is op.stack:
            self._stack_of[id(frames)] = number
        return number

    def _frame(self, source: Source) -> int:
        row = (self._word(source.file), source.line, self._word(source.function))
        key = ("frame", row)
        if key not in self._numbers:
            self._numbers[key] = len(self.frames)
            self.frames.append(row)
        return self._numbers[key]


def packed(numbers: list[int]) -> Json:
    """Numbers in base64: little-endian, unsigned, 16 or 32 bits each."""
    bits = 16 if max(numbers, default=0) < 2**16 else 32
    data = numpy.array(numbers, f"<u{bits // 8}").tobytes()
    return {"bits": bits, "data": base64.b64encode(data).decode("ascii")}


def _ids(timeline: Timeline, kind: Kind) -> list[int]:
    found: list[int] = timeline.records[timeline.kinds == kind].tolist()
    return found


def _overview(timeline: Timeline, flags: numpy.ndarray) -> Json:
    """The bar in at most `BUCKETS` parts of equal length.

    `lanes` has bit 1 << phase for each phase that is in a part, `alive` the most bytes alive in
    it; `marks` names the first moment of each part that decides, fails or gives NaN.
    """
    count = len(timeline)
    if not count:
        return {"lanes": [], "alive": [], "peak": None, "marks": {}}
    parts = min(count, BUCKETS)
    edges = numpy.linspace(0, count, parts, endpoint=False).astype(numpy.int64)
    bits = numpy.left_shift(1, timeline.phases.astype(numpy.int64))
    alive = timeline.lifetimes.nbytes[:count]
    peak = int(numpy.argmax(alive))
    marks = {}
    for name, flag in (("decision", DECISION), ("nonfinite", NONFINITE), ("failed", FAILED)):
        having = numpy.flatnonzero(flags & flag)
        _, first = numpy.unique(numpy.searchsorted(edges, having, "right"), return_index=True)
        marks[name] = having[first].tolist()
    if timeline.recording.failure is not None and not marks["failed"]:
        marks["failed"] = [count - 1]  # it failed in no op: after the last moment
    return {
        "lanes": numpy.bitwise_or.reduceat(bits, edges).tolist(),
        "alive": numpy.maximum.reduceat(alive, edges).tolist(),
        "peak": {"bytes": int(alive[peak]), "at": peak},
        "marks": marks,
    }


def kind_name(record: Op | Decision | GradNode | Step) -> str:
    """As in "op", "read", "grad"; of a training step its own kind."""
    if isinstance(record, Step):
        return record.kind
    return {Op: "op", Decision: "read", GradNode: "grad"}[type(record)]


def title(record: Op | Decision | GradNode | Step) -> str:
    """What a moment is called: "linear", "AddmmBackward0", "SGD.step"."""
    if isinstance(record, (Op, GradNode)):
        return record.name
    if isinstance(record, Decision):
        return record.kind
    if record.kind == "backward":
        return record.kind
    method = "step" if record.kind == "optimizer_step" else record.kind
    return f"{record.detail}.{method}" if record.detail.isidentifier() else method
