"""The floor and ours by the depth of the stack: the floor walks all of it, ours does not."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import TypeVar

from contenders import OURS, Contender, floor
from models import Case, elementwise

T = TypeVar("T")

OPS = 2_000
DEPTHS = (0, 20, 35)
"""Frames around an op: as few as it takes here, in a program of some size, in a test or a
notebook (the stacks of pytest, Jupyter and Streamlit have 30 to 45)."""
ROUNDS = 15
HEADER = (
    "| frames deep | eager, µs per op | floor's extra | ours, extra | ours ÷ floor |\n"
    "|--:|--:|--:|--:|--:|"
)


def main() -> None:
    """Print one row per depth: the least of some rounds, in which all take turns."""
    case, small = elementwise(OPS), elementwise(100)
    alone, bare_floor, ours = OURS[:3]
    own = max(map(len, deeper(0, lambda: floor(small, False).chains)))
    for contender in (alone, bare_floor, ours):
        seconds(contender, small, 0)
    least: dict[tuple[int, str], float] = {}
    for _ in range(ROUNDS):
        for depth in DEPTHS:
            for contender in (alone, bare_floor, ours):
                taken = seconds(contender, case, depth - own)
                key = depth, contender.name
                least[key] = min(taken, least.get(key, taken))
    print(f"### Elementwise ops by depth of the stack: forward ({ours.name})\n\n{HEADER}")
    for depth in DEPTHS:
        eager, walked, kept = (
            least[depth, contender.name] / OPS * 1e6 for contender in (alone, bare_floor, ours)
        )
        print(
            f"| {max(depth, own)} | {eager:.1f} | {walked - eager:.1f} | {kept - eager:.1f} "
            f"| {(kept - eager) / (walked - eager):.1f} |"
        )
    print(flush=True)


def seconds(contender: Contender, case: Case, frames: int) -> float:
    """CPU seconds of one forward, called `frames` frames further in."""
    gc.collect()
    start = time.process_time()
    kept = deeper(frames, lambda: contender.run(case, False))
    taken = time.process_time() - start
    del kept
    return taken


def deeper(frames: int, call: Callable[[], T]) -> T:
    """`call()`, called `frames` frames further in."""
    return call() if frames <= 0 else deeper(frames - 1, call)
