"""Many people at once: nobody's session is lost, and each gets the answers of its own sample.

How long they wait is for `benchmarks/load.py` to say; here are the same visitors, without a clock.
"""

from __future__ import annotations

import asyncio
import importlib.util
import random
import sys
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]

SAMPLES = ("linear_regression", "branching", "while_loop", "transformer")


def visitors() -> ModuleType:
    """`benchmarks/load_visitor.py`, which is no package's."""
    place = ROOT / "benchmarks" / "load_visitor.py"
    spec = importlib.util.spec_from_file_location("load_visitor", place)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look there
    spec.loader.exec_module(module)
    return module


def test_twelve_people_open_samples_and_click_and_nobody_is_lost(server: str) -> None:
    make = visitors().Visitor

    async def visit(number: int) -> int:
        visitor, chance, clicks = make(server), random.Random(number), 0
        try:
            for turn in range(2):
                await visitor.open(SAMPLES[(number + turn) % len(SAMPLES)])
                for _ in range(3):
                    await visitor.click(chance)
                    clicks += 1
        finally:
            await visitor.leave()
        return clicks

    async def all_at_once() -> list[int]:
        return await asyncio.gather(*(visit(number) for number in range(12)))

    assert asyncio.run(all_at_once()) == [6] * 12
