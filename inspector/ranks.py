"""Which of several processes this is, where `torchrun` has started them: each has its own file."""

from __future__ import annotations

import os
from pathlib import Path


def of_rank(path: str | os.PathLike[str]) -> str:
    """`path` for this process: "run.rank1.inspect" in the second of several, else as it is.

    `torchrun` says so in the environment (RANK, WORLD_SIZE).
    """
    rank = os.environ.get("RANK", "")
    alone = os.environ.get("WORLD_SIZE", "1") == "1"
    return os.fspath(path) if alone or not rank.isdecimal() else with_part(path, f"rank{rank}")


def with_part(path: str | os.PathLike[str], part: str) -> str:
    """`path` with a word before its ending.

    >>> with_part("runs/run.inspect", "before")
    'runs/run.before.inspect'
    """
    place = Path(path)
    return str(place.with_name(f"{place.stem}.{part}{place.suffix}"))
