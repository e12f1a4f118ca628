"""Lights up a static graph with what one recording ran: `overlay`.

positions.py  which nodes an op can be
structure.py  the graph's blocks, and which nodes certainly run an op
values.py     numbers, lists and shapes, as far as they are known
replay.py     walks through a script's graph, ops and values read taken from the recording
guide.py      what an interpretation found: branches, trips, and where the recording disagrees
lines.py      how often lines ran, for what leaves no op behind
sums.py       counts where the walk lost its way
traced.py     a trace: no branches, but the run may have gone elsewhere
indexing.py   the nodes that an index becomes
queues.py     nodes waiting for their ops
"""

from __future__ import annotations

from inspector.overlay.build import overlay

__all__ = ["overlay"]
