"""Two recordings, aligned by where in the program each op ran: `compare`.

sites.py    a place in the code, as a key that holds for both versions of the code
tree.py     a run as a tree of calls, loops, trips and ops, each with its key
align.py    pairs the items of two trees
causes.py   loops with other numbers of trips, and why
circumstances.py  code, modes and inputs that were not the same
changes.py  in what the ops of a pair differ
explain.py  the comparison in sentences
looptold.py the sentences about loops
readings.py what a decision read, in words
listing.py  the ops that differ, one a line
"""

from __future__ import annotations

from inspector.compare.build import compare, value_drift

__all__ = ["compare", "value_drift"]
