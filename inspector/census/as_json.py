"""A census as JSON: all of its records but recordings and graphs."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from inspector.counted import Census, Coverage
from inspector.records import Recording, StaticGraph

_LEFT_OUT = (Recording, StaticGraph)


def as_json(census: Census) -> str:
    """One JSON object, indented; its names are those of the records' fields.

    Numbers that JSON has no form for (NaN, infinities) are written as texts.
    """
    return json.dumps(_plain(census), indent=2, allow_nan=False, ensure_ascii=False) + "\n"


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        found = {
            field.name: _plain(getattr(value, field.name))
            for field in fields(value)
            if not isinstance(getattr(value, field.name), _LEFT_OUT)
        }
        if isinstance(value, Coverage):
            found["percent"] = round(value.percent, 2)
            found["missed_lines"] = _missed(value)
        return found
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def _missed(coverage: Coverage) -> list[str]:
    """The user's own lines that have a node that did not run, as "file:line"."""
    own = frozenset(coverage.missed_own)
    places = (node.source for node in coverage.graph.nodes if node.id in own and node.source)
    return list(dict.fromkeys(f"{place.file}:{place.line}" for place in places))
