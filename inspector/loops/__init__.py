"""Which trip of which loop each op ran in, told from where the ops are in the source text.

    loops = find_loops(recording)
    for place in loops.around(op):               # outermost loop first
        run = loops.runs[place.run]
        print(run.statement.header, place.trip)  # "for x in xs", 2

Nothing is run and no model is needed: the positions in the stacks, the text and the counts of
lines are enough. `inspector.loops.syntax` says what can follow on what in the text,
`inspector.loops.follow` goes through a run with it. All of it takes linear time.
"""

from __future__ import annotations

from inspector.loops.find import LoopPlace, LoopRun, Loops, find_loops
from inspector.loops.syntax import LoopStatement

__all__ = ["LoopPlace", "LoopRun", "LoopStatement", "Loops", "find_loops"]
