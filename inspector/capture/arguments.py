"""A call's arguments: which tensors are in them, and how they read.

Rendering happens while the program runs (an argument may change afterwards), so it touches
only built-in types: the `repr` of a user's object could run any code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch

TEXT_LIMIT = 60
ITEM_LIMIT = 8

_ATOMS = (bool, int, float, complex, str, bytes, type(None), type(Ellipsis))
_TORCH_ATOMS = (torch.dtype, torch.device, torch.layout, torch.memory_format)


def tensors_in(value: Any) -> Iterator[torch.Tensor]:
    """The tensors in nested tuples, lists and dicts, in order."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from tensors_in(item)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from tensors_in(item)


def render(value: Any, name_of: Callable[[torch.Tensor], int]) -> str:
    """`value` as short text, tensors as "%id"."""
    if isinstance(value, torch.Tensor):
        return f"%{name_of(value)}"
    if isinstance(value, _TORCH_ATOMS):
        return str(value).removeprefix("torch.")
    if isinstance(value, _ATOMS):
        return _short(repr(value) if value is not Ellipsis else "...")
    if isinstance(value, slice):
        return _slice(value, name_of)
    if isinstance(value, (tuple, list)):
        return _sequence(value, name_of)
    if isinstance(value, Mapping):
        pairs = list(value.items())[:ITEM_LIMIT]
        body = ", ".join(f"{render(k, name_of)}: {render(v, name_of)}" for k, v in pairs)
        return _short("{" + body + (", ..." if len(value) > ITEM_LIMIT else "") + "}")
    return getattr(value, "__name__", None) or f"<{type(value).__name__}>"


def _sequence(value: tuple[Any, ...] | list[Any], name_of: Callable[[torch.Tensor], int]) -> str:
    body = ", ".join(render(item, name_of) for item in value[:ITEM_LIMIT])
    if len(value) > ITEM_LIMIT:
        body += ", ..."
    elif len(value) == 1 and isinstance(value, tuple):
        body += ","
    return f"({body})" if isinstance(value, tuple) else f"[{body}]"


def _slice(value: slice, name_of: Callable[[torch.Tensor], int]) -> str:
    parts = [value.start, value.stop] + ([] if value.step is None else [value.step])
    return ":".join("" if part is None else render(part, name_of) for part in parts)


def _short(text: str) -> str:
    return text if len(text) <= TEXT_LIMIT else text[: TEXT_LIMIT - 1] + "…"
