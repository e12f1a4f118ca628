"""What became of an IR graph's nodes from one stage of optimisation to the next.

sides.py    what has to be known of each graph alone
align.py    which node is which, in linear time
reasons.py  why a node is gone or new, in words
build.py    the `StageChange`
"""

from __future__ import annotations

from inspector.irdiff.build import graph_changes
from inspector.irdiff.sides import computes

__all__ = ["computes", "graph_changes"]
