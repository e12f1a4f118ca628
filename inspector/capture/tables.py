"""Torch's own tables of functions, which are made once per process and must not learn our gates.

`torch.overrides` and Dynamo look functions up by name the first time that they are asked about
any, and keep what they found. What stands there while a recording runs may be one of ours.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import torch

_CLOSED = ("get_ignored_functions", "_get_overridable_functions")
"""Of `torch.overrides`: 30 ms, once per process, before anything of ours is in place."""

_OPEN = (
    ("torch._dynamo.trace_rules", "get_torch_obj_rule_map"),
    ("torch._dynamo.variables.torch", "TorchInGraphFunctionVariable._get_handlers"),
)
"""Module and name of those that come with Dynamo, which takes seconds to import."""


def fill_tables() -> None:
    """Have `torch.overrides` make its tables now."""
    for name in _CLOSED:
        table = getattr(torch.overrides, name, None)
        if table is not None:
            table()


def forget(stand_in: Any, original: Any) -> None:
    """In Dynamo's tables, `original` where `stand_in` was found in its place."""
    for table in _open_tables():
        if stand_in in table:
            table.setdefault(original, table[stand_in])
            del table[stand_in]


def _open_tables() -> Iterator[dict[Any, Any]]:
    for home, path in _OPEN:
        found: Any = sys.modules.get(home)
        for name in path.split("."):
            found = getattr(found, name, None)
        info = getattr(found, "cache_info", None)
        if info is not None and info().currsize:
            table = found()
            if isinstance(table, dict):
                yield table
