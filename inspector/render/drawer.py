"""Jobs to drawings: from memory, by our own layout, or by Graphviz, whichever is right for each."""

from __future__ import annotations

from collections.abc import Iterable

from inspector.errors import RenderError
from inspector.language import counted
from inspector.render.dotanswer import read_drawing
from inspector.render.dotjob import dot_text, far_wires, fits_dot
from inspector.render.layered import layered, simple
from inspector.render.memory import Memory
from inspector.render.packing import Part, joined, split
from inspector.render.piece import Drawing, Job
from inspector.render.pool import GraphvizCrash, Pool

MEMORY: Memory[Job, Drawing] = Memory(400_000, lambda drawing: drawing.weight)
"""Graphviz's drawings, for all views and threads: up to 400,000 points, about 60 MB."""


class Drawer:
    """Draws the jobs of one view.

    Args:
        pool: Graphviz.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._simpler: list[bool] = []

    def draw(self, jobs: Iterable[Job]) -> dict[Job, Drawing]:
        """Return the drawing of each job; all that Graphviz has to draw, it is given at once."""
        parts = {job: split(job) for job in dict.fromkeys(jobs)}
        drawn = self._draw_parts(part for own in parts.values() for part in own)
        return {
            job: joined(job, own, [drawn[part.job] for part in own]) for job, own in parts.items()
        }

    def _draw_parts(self, parts: Iterable[Part]) -> dict[Job, Drawing]:
        found: dict[Job, Drawing] = {}
        texts: dict[Job, str] = {}
        for job in dict.fromkeys(part.job for part in parts):
            known = MEMORY.get(job) or simple(job)
            if known is None and not fits_dot(job):
                known = layered(job)
                MEMORY.put(job, known)
            if known is None:
                texts[job] = dot_text(job, far_wires(job))
            else:
                found[job] = known
        for job, answer in zip(texts, self._pool.draw(list(texts.values())), strict=True):
            found[job] = self._read(job, answer)
        return found

    def _read(self, job: Job, answer: bytes | RenderError) -> Drawing:
        if isinstance(answer, bytes):
            drawing = read_drawing(job, answer, self._pool.program)
        else:
            crashed = isinstance(answer, GraphvizCrash)
            self._simpler.append(crashed)
            drawing = layered(job)
            if not crashed and self._pool.time_left <= 0:
                return drawing  # another time, Graphviz may have more time for it
        MEMORY.put(job, drawing)
        return drawing

    def notes(self) -> tuple[str, ...]:
        """What was drawn more simply, in words."""
        return tuple(
            _crashed(self._simpler.count(True)) if crashed else _late(self._simpler.count(False))
            for crashed in dict.fromkeys(self._simpler)
        )


def _crashed(count: int) -> str:
    return counted(
        "{count} part of this picture is laid out more simply: Graphviz crashed on it.",
        "{count} parts of this picture are laid out more simply: Graphviz crashed on them.",
        count,
    )


def _late(count: int) -> str:
    return counted(
        "{count} part of this picture is laid out more simply: Graphviz took too long for it.",
        "{count} parts of this picture are laid out more simply: Graphviz took too long for them.",
        count,
    )
