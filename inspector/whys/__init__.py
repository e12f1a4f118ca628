"""Why something in a recording is as it is: from what was seen back to where it began.

    nonfinite.py    why_nonfinite     where a NaN or an infinity comes from
    gradient.py     why_no_gradient   where the way of the gradient ends
    overwrites.py   who_overwrote     who wrote into a tensor's memory
    shapes.py       why_this_shape    where a dimension got its size

Pure functions: records in, a `Why` out.
"""

from __future__ import annotations

from inspector.whys.gradient import why_no_gradient
from inspector.whys.nonfinite import why_nonfinite
from inspector.whys.overwrites import who_overwrote
from inspector.whys.shapes import why_this_shape

__all__ = ["who_overwrote", "why_no_gradient", "why_nonfinite", "why_this_shape"]
