"""Which of several processes this is, where `torchrun` has started them: each has its own file."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def process() -> tuple[int, int] | None:
    """The rank of this process and how many there are, where `torchrun` has started several.

    It says so in the environment (RANK, WORLD_SIZE).
    """
    rank, size = os.environ.get("RANK", ""), os.environ.get("WORLD_SIZE", "1")
    several = rank.isdecimal() and size.isdecimal() and size != "1"
    return (int(rank), int(size)) if several else None


def rank_of(meta: Mapping[str, Any]) -> tuple[int, int] | None:
    """The rank that was recorded, and how many there were; None for a process on its own.

    Args:
        meta: of the recording.
    """
    rank, size = meta.get("rank"), meta.get("world_size")
    known = isinstance(rank, int) and isinstance(size, int) and 0 <= rank < size
    return (int(rank), int(size)) if known else None  # type: ignore[arg-type]


def of_rank(path: str | os.PathLike[str]) -> str:
    """`path` for this process: "run.rank1.inspect" in the second of several, else as it is."""
    known = process()
    return os.fspath(path) if known is None else with_part(path, f"rank{known[0]}")


def with_part(path: str | os.PathLike[str], part: str) -> str:
    """`path` with a word before its ending.

    >>> with_part("runs/run.inspect", "before")
    'runs/run.before.inspect'
    """
    place = Path(path)
    return str(place.with_name(f"{place.stem}.{part}{place.suffix}"))


def without_rank(path: str | os.PathLike[str]) -> str:
    """`path` without the rank in its name, where there is one.

    >>> without_rank("runs/run.rank1.inspect")
    'runs/run.inspect'
    """
    place = Path(path)
    return str(place.with_name(re.sub(r"\.rank\d+(?=\.)", "", place.name, count=1)))
