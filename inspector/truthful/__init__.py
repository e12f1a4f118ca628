"""Does a static graph tell the truth about a run? `truth`, `check_truth` and `line_marks`.

build.py      truth(): walks both in order, up to where they part
events.py     something that differs, and the record of it
explain.py    why they part there
operands.py   what is built in: numbers, tensors, train and eval mode
results.py    compares what both return
reasons.py    that in words
values.py     compares two values
pairs.py      the values and operands of nodes
decisions.py  which decision of the run led elsewhere
code.py       the tests and arguments in the source text
check.py      check_truth(): makes graph, recording and interpretation first
marks.py      what to show beside the lines of the source
"""

from __future__ import annotations

from inspector.truthful.build import truth
from inspector.truthful.marks import line_marks

__all__ = ["line_marks", "truth"]
