"""From moment to moment, forwards and backwards: step, step over, step out.

All of them take the number of a moment, or -1 for "before the first" and the number of moments
for "after the last", and give the moment to go to; None where the run ends that way.
"""

from __future__ import annotations

import numpy

from inspector.timeline.model import Timeline

FORWARD, BACKWARD = 1, -1


def step(timeline: Timeline, moment: int, direction: int = FORWARD) -> int | None:
    """The moment right after this one, or right before it."""
    to = moment + direction
    return to if 0 <= to < len(timeline) else None


def step_over(timeline: Timeline, moment: int, direction: int = FORWARD) -> int | None:
    """The next moment that lies no deeper: past all that runs inside of this one."""
    return _next_at(timeline, moment, direction, 0)


def step_out(timeline: Timeline, moment: int, direction: int = FORWARD) -> int | None:
    """The next moment that lies less deep: out of the call, function or pass this one is in."""
    return _next_at(timeline, moment, direction, 1)


MOVES = {"step": step, "over": step_over, "out": step_out}
"""The moves by the names under which a page asks for them."""


def _next_at(timeline: Timeline, moment: int, direction: int, less: int) -> int | None:
    if not 0 <= moment < len(timeline):
        return step(timeline, moment, direction)
    depths = timeline.depths
    limit = depths[moment] - less
    rest = depths[moment + 1 :] if direction > 0 else depths[:moment][::-1]
    shallow = rest <= limit
    at = int(numpy.argmax(shallow)) if len(shallow) else 0
    if not len(shallow) or not shallow[at]:
        return None
    return moment + direction * (at + 1)
