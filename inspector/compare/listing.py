"""The ops of a comparison that differ, one a line, in the order of the run.

- [3] linear above (branching.py:22)
+ [3] mul (branching.py:23)
~ [5] sum: 2×3 → 4×3
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from inspector.comparison import Comparison
from inspector.records import Recording


def listed(a: Recording, b: Recording, found: Comparison) -> Iterator[str]:
    """Each op of one run only (-: of A, +: of B) and each changed pair (~), as the runs went."""
    changes = {change.a: change for change in found.changes}
    only_a, only_b = set(found.only_a), list(reversed(found.only_b))
    partner = dict(found.common)
    for op in a.ops:
        other = partner.get(op.id)
        while other is not None and only_b and only_b[-1] < other:
            yield f"+ {_line(b, only_b.pop())}"
        if op.id in only_a:
            yield f"- {_line(a, op.id)}"
        elif op.id in changes:
            yield f"~ {_line(a, op.id)}: {changes[op.id].detail}"
    for number in reversed(only_b):
        yield f"+ {_line(b, number)}"


def _line(recording: Recording, number: int) -> str:
    op = recording.ops[number]
    call = None if op.module_call is None else recording.module_calls[op.module_call]
    module = f" {call.path}" if call is not None and call.path else ""
    place = op.source
    where = "" if place is None else f" ({os.path.basename(place.file)}:{place.line})"
    return f"[{number}] {op.name}{module}{where}"
