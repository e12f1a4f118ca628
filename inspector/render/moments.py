"""One moment of a run as JSON, and the answers to what the timeline bar asks while it is used."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from inspector.errors import QuestionError
from inspector.language import sentence
from inspector.records import GradNode, Op, Source, Step, TensorSummary
from inspector.render.asked import Asked, text_of, whole_of
from inspector.render.cardparts import bytes_text, number_text
from inspector.render.cards import mode_of
from inspector.render.timebar import kind_name, title
from inspector.text import place
from inspector.timeline import (
    BACKWARD,
    CONDITIONS,
    FORWARD,
    MOVES,
    Alive,
    Condition,
    Loop,
    Moment,
    Piece,
    Timeline,
    moment,
    until,
)
from inspector.timeline.fields import gradient_norm
from inspector.timeline.until import count_beyond
from inspector.views import words

Json = dict[str, Any]

DONE = ("op", "grad", "read")
"""What is counted that had run by a moment."""

TENSORS = 12
"""Inputs and outputs that are named; more are counted."""


def moment_json(timeline: Timeline, index: int) -> Json:
    """One moment in detail: plain texts, and the places to jump to.

    Raises:
        QuestionError: there is no such moment.
    """
    return _Detail(timeline, moment(timeline, index)).json()


class _Detail:
    """The words for one moment."""

    def __init__(self, timeline: Timeline, found: Moment) -> None:
        self._timeline = timeline
        self._recording = timeline.recording
        self._found = found

    def json(self) -> Json:
        found = self._found
        record = found.record
        return {
            "at": found.index,
            "count": len(self._timeline),
            "kind": kind_name(record),
            "id": record.id,
            "op": None if found.op is None else found.op.id,
            "title": title(record),
            "subtitle": self._subtitle(),
            "phase": found.phase,
            "depth": found.depth,
            "done": dict(
                zip(("op", "grad", "read"), self._timeline.done(found.index), strict=True)
            ),
            "value": None if found.decision is None else words.value(found.decision.value),
            "failed": self._failure(),
            "inputs": self._tensors(found.inputs) or self._gradients("grad_outputs"),
            "outputs": self._tensors(found.outputs) or self._gradients("grad_inputs"),
            "source": None if found.source is None else self._place(found.source),
            "stack": [self._place(frame) for frame in found.stack],
            "modules": [
                {
                    "path": call.path,
                    "type": call.type,
                    "mode": mode_of(call),
                }
                for call in found.modules
            ],
            "inside": list(self._inside()),
            "loops": [self._loop(loop) for loop in found.loops],
            "alive": self._alive(found.alive),
        }

    def _subtitle(self) -> str:
        record = self._found.record
        if isinstance(record, Op):
            return record.function
        if isinstance(record, GradNode) and record.parameter is not None:
            return record.parameter
        if isinstance(record, Step) and record.pass_index is not None:
            return sentence("pass {number}", number=record.pass_index)
        return ""

    def _failure(self) -> str:
        failure = self._recording.failure
        if not self._found.failed or failure is None:
            return ""
        return f"{failure.type}: {failure.message}"

    def _inside(self) -> Iterable[str]:
        """In plain words which pass, step and visit this is."""
        found = self._found
        if found.visits > 1:
            yield sentence(
                "time {visit} of {visits} at this place in the code",
                visit=found.visit,
                visits=found.visits,
            )
        for step in found.steps:
            if step.kind == "backward":
                where = "" if step.source is None else f"({place(step.source)})"
                number = step.pass_index
                yield words.spaced((sentence("in backward pass {number}", number=number), where))
        own = isinstance(found.record, Step) and found.record.kind == "optimizer_step"
        if found.iteration < found.iterations:
            inside = own or any(step.kind == "optimizer_step" for step in found.steps)
            counts = {"n": found.iteration + 1, "all": found.iterations}
            if inside:
                yield sentence("optimizer step {n} of {all}", **counts)
            else:
                yield sentence("before optimizer step {n} of {all}", **counts)

    def _tensors(self, numbers: tuple[int, ...]) -> list[str]:
        tensors = [self._recording.tensors[number] for number in numbers[:TENSORS]]
        found = [
            words.spaced((tensor.name or tensor.variable or f"%{tensor.id}", words.shape(tensor)))
            for tensor in tensors
        ]
        more = len(numbers) - len(found)
        return [*found, sentence("{n} more", n=more)] if more > 0 else found

    def _gradients(self, field: str) -> list[str]:
        """Gradients of a node; the norm is that of the largest that came in."""
        record = self._found.record
        if not isinstance(record, GradNode):
            return []
        gradients: tuple[TensorSummary | None, ...] = getattr(record, field)
        sizes = [words.values(g.numel) for g in gradients if g is not None][:TENSORS]
        norm = gradient_norm(record) if field == "grad_outputs" else None
        if norm is not None:
            sizes.append(sentence("norm {norm}", norm=number_text(norm)))
        return sizes

    def _place(self, source: Source) -> Json:
        return {
            "file": os.path.basename(source.file),
            "path": source.file,
            "line": source.line,
            "function": source.function,
            "text": self._timeline.line(source),
        }

    def _loop(self, loop: Loop) -> Json:
        file = os.path.basename(loop.file)
        text, trip = loop.text, loop.trip
        if trip is not None and loop.exact:
            text = sentence(
                "{loop}, trip {trip} of {trips}", loop=text, trip=trip + 1, trips=loop.trips
            )
        elif trip is not None:
            text = sentence("{loop}, trip {trip}", loop=text, trip=trip + 1)
        return {"file": file, "path": loop.file, "line": loop.line, "text": text}

    def _alive(self, alive: Alive) -> Json:
        return {
            "bytes": alive.nbytes,
            "text": bytes_text(alive.nbytes),
            "count": alive.count,
            "by": [self._share(*share) for share in alive.by_kind],
            "largest": [self._piece(piece) for piece in alive.largest],
            "more": max(alive.count - len(alive.largest), 0),
        }

    def _share(self, kind: str, nbytes: int, count: int) -> Json:
        about = {"kind": kind, "title": ALIVE_TITLES[kind]}
        return {**about, "bytes": nbytes, "text": bytes_text(nbytes), "count": count}

    def _piece(self, piece: Piece) -> Json:
        return {
            "tensor": piece.tensor,
            "name": piece.name or ("" if piece.tensor is None else f"%{piece.tensor}"),
            "shape": self._shape(piece.tensor),
            "kind": ALIVE_TITLES[piece.kind],
            "text": bytes_text(piece.nbytes),
            "made": piece.made,
            "last": piece.last_use,
        }

    def _shape(self, tensor: int | None) -> str:
        return "" if tensor is None else words.shape(self._recording.tensors[tensor])


ALIVE_TITLES: Mapping[str, str] = {
    "parameter": sentence("parameters"),
    "buffer": sentence("buffers"),
    "input": sentence("inputs"),
    "result": sentence("results still used"),
    "saved": sentence("for backward at most"),
    "outside": sentence("from elsewhere"),
}
"""What the kinds of memory are called."""


# -- answers to the browser ----------------------------------------------------------------


def moment_answer(timeline: Timeline, asked: Asked) -> Json:
    """The moment `at`, or the one to which `move` ("step", "over", "out") leads from there.

    With `back` the move goes backwards. `at` may be -1 for a move from before the first moment.
    The answer to a move that leads nowhere is {"at": None}.

    Raises:
        QuestionError: there is no such moment or move.
    """
    at = _number(asked, "at")
    if asked.get("move") is not None:
        move = text_of(asked, "move")
        if move not in MOVES:
            raise QuestionError(
                sentence(
                    "There is no move {move!r}. Known: {known}.", move=move, known=", ".join(MOVES)
                )
            )
        to = MOVES[move](timeline, at, BACKWARD if asked.get("back") else FORWARD)
        if to is None:
            return {"at": None}
        at = to
    return moment_json(timeline, at)


def until_answer(timeline: Timeline, asked: Asked) -> Json:
    """The next moment `from` some moment on at which a condition holds: {"at", "message"}.

    `what` and `value` are the condition, `by` is 1, or -1 for backwards. `at` is None where
    there is none, and `message` says so.

    Raises:
        QuestionError: the condition is not understood.
    """
    start, by = _number(asked, "from"), _number(asked, "by", 1)
    condition = Condition(text_of(asked, "what"), text_of(asked, "value"))
    found = until(timeline, start, condition, BACKWARD if by < 0 else FORWARD)
    if found is not None:
        return {"at": found, "message": ""}
    others = count_beyond(timeline, start, condition, FORWARD if by < 0 else BACKWARD)
    tell = NONE_THERE[(by < 0, min(others, 2))]
    about = words.spaced((CONDITIONS[condition.what].title, condition.value.strip()))
    return {"at": None, "message": tell(about, f"{others:,}")}


NONE_THERE: Mapping[tuple[bool, int], Callable[[str, str], str]] = {
    (False, 0): lambda what, n: sentence("No later moment, and no earlier one: {what}.", what=what),
    (False, 1): lambda what, n: sentence(
        "No later moment: {what}. There is 1 earlier one.", what=what
    ),
    (False, 2): lambda what, n: sentence(
        "No later moment: {what}. There are {n} earlier ones.", what=what, n=n
    ),
    (True, 0): lambda what, n: sentence("No earlier moment, and no later one: {what}.", what=what),
    (True, 1): lambda what, n: sentence(
        "No earlier moment: {what}. There is 1 later one.", what=what
    ),
    (True, 2): lambda what, n: sentence(
        "No earlier moment: {what}. There are {n} later ones.", what=what, n=n
    ),
}
"""What is said where a search backwards (True) or forwards ends, by the hits the other way."""


def _number(asked: Asked, name: str, default: int | None = None) -> int:
    found = whole_of(asked, name)
    found = default if found is None else found
    if found is None:
        raise QuestionError(sentence("{name!r} is a number of a moment.", name=name))
    return found
