"""One value as a record: a tensor with its statistics, anything else as a bounded text."""

from __future__ import annotations

from typing import Any

import torch

from inspector.capture.summary import summarise, to_array
from inspector.static_run import StaticValue
from inspector.torchscript.interpret.objects import fields_of

SMALL = 64
"""Up to this many elements a tensor's values are kept."""

TEXT = 160
"""Characters of a text; longer ones are cut."""

_ITEMS = 8
_DEPTH = 3
_PLAIN = (bool, int, float)


def describe(value: Any, type_: str, live: bool = False) -> StaticValue:
    """The record of a value.

    Args:
        value: what a node made.
        type_: its type as TorchScript prints it; of a tensor just "Tensor" is kept.
        live: keep the value itself too.
    """
    if isinstance(value, torch.Tensor):
        return _tensor(value, live)
    keeps = isinstance(value, _PLAIN) or (isinstance(value, str) and len(value) <= TEXT)
    return StaticValue(
        type=type_,
        text=text_of(value),
        plain=value if keeps else None,
        live=value if live else None,
    )


def _tensor(tensor: torch.Tensor, live: bool) -> StaticValue:
    array = None
    if not tensor.is_nested and tensor.numel() <= SMALL:
        array = to_array(tensor)
        array = None if array is None else array.copy()
    return StaticValue(
        type="Tensor",
        text=text_of(tensor),
        shape=None if tensor.is_nested else tuple(tensor.shape),
        dtype=str(tensor.dtype).removeprefix("torch."),
        device=str(tensor.device),
        summary=None if tensor.is_nested else summarise(tensor),
        array=array,
        live=tensor if live else None,
    )


def text_of(value: Any, depth: int = 0) -> str:
    """A readable text of at most `TEXT` characters."""
    text = _text(value, depth)
    return text if len(text) <= TEXT else text[: TEXT - 1] + "…"


def _text(value: Any, depth: int) -> str:
    if isinstance(value, torch.Tensor):
        dtype = str(value.dtype).removeprefix("torch.")
        shape = "nested" if value.is_nested else "x".join(map(str, value.shape)) or "scalar"
        return f"Tensor({shape} {dtype})"
    if isinstance(value, str):
        return repr(value[: TEXT + 1])
    if type(value) is torch._C.ScriptModule:
        return f"module {value._type().annotation_str.rpartition('.')[2]}"
    if depth >= _DEPTH:
        return "…"
    if isinstance(value, list | tuple):
        inner = _joined([text_of(each, depth + 1) for each in value[:_ITEMS]], len(value))
        comma = "," if isinstance(value, tuple) and len(value) == 1 else ""
        return f"[{inner}]" if isinstance(value, list) else f"({inner}{comma})"
    if isinstance(value, dict):
        items = list(value.items())[:_ITEMS]
        pairs = [f"{text_of(key, depth + 1)}: {text_of(each, depth + 1)}" for key, each in items]
        return "{" + _joined(pairs, len(value)) + "}"
    fields = fields_of(value)
    if fields:
        name = getattr(value, "_type_name", type(value).__name__).rpartition(".")[2]
        pairs = [f"{key}={text_of(each, depth + 1)}" for key, each in [*fields.items()][:_ITEMS]]
        return f"{name}({_joined(pairs, len(fields))})"
    return repr(value)


def _joined(items: list[str], count: int) -> str:
    more = [f"… {count - len(items)} more"] if count > len(items) else []
    return ", ".join([*items, *more])
