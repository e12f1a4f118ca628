"""Ours by number of ops: is the time per op flat, what does a recording weigh, and a file?"""

from __future__ import annotations

import gc
import statistics
import tempfile
import time
import tracemalloc
from pathlib import Path
from typing import Any

from contenders import BARE, ours
from models import elementwise

import inspector

SIZES = (1_000, 10_000, 100_000)
REPETITIONS = {1_000: 15, 10_000: 5, 100_000: 1}
LEVELS: dict[str, dict[str, Any]] = {
    '`values="none", lines=False, backward=False`': BARE,
    "default": {},
}
HEADER = (
    "| options | ops | record, µs per op | vs 1,000 ops | memory, bytes per op | save, s | load, s "
    "| file, bytes per op |\n|---|--:|--:|--:|--:|--:|--:|--:|"
)


def main() -> None:
    """Print one row per level and size."""
    print(HEADER)
    for level, options in LEVELS.items():
        ours(**options)(elementwise(100), False)
        first = None
        for size in SIZES:
            per_op = _time(options, size) / size * 1e6
            first = first or per_op
            recording, weight = _weighed(options, size)
            saving, loading, length = _stored(recording)
            print(
                f"| {level} | {size:,} | {per_op:.1f} | {per_op / first - 1:+.0%} | "
                f"{weight / size:,.0f} | {saving:.2f} | {loading:.2f} | {length / size:.0f} |",
                flush=True,
            )


def _time(options: dict[str, Any], size: int) -> float:
    case = elementwise(size)
    seconds = []
    for _ in range(REPETITIONS[size]):
        gc.collect()
        start = time.process_time()
        kept = ours(**options)(case, False)
        seconds.append(time.process_time() - start)
        del kept
    return statistics.median(seconds)


def _weighed(options: dict[str, Any], size: int) -> tuple[inspector.Recording, int]:
    """A recording, and the bytes that its Python objects take."""
    case = elementwise(size)
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        recording = ours(**options)(case, False)
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return recording, after - before


def _stored(recording: inspector.Recording) -> tuple[float, float, int]:
    """CPU seconds to save, CPU seconds to load, bytes of the file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.inspect"
        start = time.process_time()
        recording.save(path)
        saved = time.process_time()
        inspector.load(path)
        loaded = time.process_time()
        return saved - start, loaded - saved, path.stat().st_size
