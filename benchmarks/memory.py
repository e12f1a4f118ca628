"""How much memory the process has, and at its peak: Python objects and tensors together."""

from __future__ import annotations

import ctypes
import gc
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any


def peak_mib(run: Callable[[], Any]) -> float | None:
    """MiB that the process grew by at the peak of `run()`; None where Linux does not tell."""
    _give_back()
    try:
        Path("/proc/self/clear_refs").write_text("5")  # the peak counts from now
    except OSError:
        return None
    before = _status("VmRSS")
    kept = run()
    peak = _status("VmHWM")
    del kept
    return max(0.0, peak - before)


def resident_mib() -> float:
    """MiB of memory that the process has now, without what it can give back; 0 if not told."""
    _give_back()
    try:
        return _status("VmRSS")
    except OSError:
        return 0.0


def _give_back() -> None:
    """Hand freed memory back to the system: reusing it would not show."""
    gc.collect()
    try:
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    except (OSError, AttributeError):
        pass  # another C library: the figure is then a lower bound


def _status(field: str) -> float:
    found = re.search(rf"{field}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    if found is None:
        raise OSError(f"/proc/self/status has no {field}")
    return int(found[1]) / 1024
