"""Time travel over a recording: its moments in order, one in detail, from one to another.

time = timeline(recording)
at = until(time, -1, Condition("nonfinite"))     the first NaN or Inf
moment(time, at).alive.nbytes                    memory alive then
step_over(time, at, BACKWARD)                    back, past what ran inside
"""

from inspector.timeline.alive import KINDS, MEANING, Alive, Piece
from inspector.timeline.expression import FUNCTIONS
from inspector.timeline.fields import FIELDS
from inspector.timeline.loops import Loop
from inspector.timeline.model import PHASES, Timeline, timeline
from inspector.timeline.moments import Moment, moment
from inspector.timeline.order import Kind
from inspector.timeline.until import CONDITIONS, Condition, until
from inspector.timeline.walk import BACKWARD, FORWARD, MOVES, step, step_out, step_over

__all__ = [
    "BACKWARD",
    "CONDITIONS",
    "FIELDS",
    "FORWARD",
    "FUNCTIONS",
    "KINDS",
    "MEANING",
    "MOVES",
    "PHASES",
    "Alive",
    "Condition",
    "Kind",
    "Loop",
    "Moment",
    "Piece",
    "Timeline",
    "moment",
    "step",
    "step_out",
    "step_over",
    "timeline",
    "until",
]
