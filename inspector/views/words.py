"""How records read in a picture: shapes, counts, places."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from inspector.language import Sentence, counted, sentence
from inspector.records import Op, Recording, Source, TensorInfo, TensorSummary

_COMMON_DTYPE = "float32"
_SCALAR = sentence("scalar")


def shape(tensor: TensorInfo) -> str:
    """As in "2×3"; "scalar" for no dimensions. Other dtypes than float32 are named."""
    size = dimensions(tensor.shape)
    return size if tensor.dtype == _COMMON_DTYPE else spaced((size, tensor.dtype))


def carried(tensor: TensorInfo) -> str:
    """What an edge says: the shape, after the variable that the code calls the tensor by."""
    return spaced((tensor.variable or "", shape(tensor)))


def dimensions(shape: tuple[int, ...]) -> str:
    """As in "2×3", "[3]", "scalar": a lone number would not read as a shape."""
    if len(shape) == 1:
        return f"[{shape[0]}]"
    return "×".join(map(str, shape)) or _SCALAR


def dotted(parts: Iterable[str]) -> str:
    """As in "Linear · 3 trips": what is there of some parts, each told by itself."""
    return joined(parts, " · ")


def spaced(parts: Iterable[str]) -> str:
    """As in "×3 only A": likewise."""
    return joined(parts, " ")


def commas(parts: Iterable[str]) -> str:
    """As in "2×3, scalar": likewise."""
    return joined(parts, ", ")


def joined(parts: Iterable[str], between: str) -> str:
    """What is there of some parts, with the same between them in all languages."""
    found = [part for part in parts if part]
    if len(found) == 1:
        return found[0]
    if not any(isinstance(part, Sentence) for part in found):
        return between.join(found)
    names = [f"part{number}" for number in range(len(found))]
    # The same in all languages: a template of its own, that no catalogue has.
    template = between.join(f"{{{name}}}" for name in names)
    return Sentence((template,), dict(zip(names, found, strict=True)))


def replaced(text: str, part: str, by: str) -> str:
    """A text with another one in place of a text that it was made of."""
    if text == part:
        return by
    if not isinstance(text, Sentence):
        return text
    values: Mapping[str, Any] = {
        name: replaced(value, part, by) if isinstance(value, str) else value
        for name, value in text.values.items()
    }
    return Sentence(text.templates, values, text.number)


def value(read: bool | int | float | str) -> str:
    """What a decision read, floats in four significant digits."""
    return f"{read:.4g}" if isinstance(read, float) else str(read)


def ops(count: int) -> str:
    """As in "1 op", "3 ops"."""
    return counted("{count} op", "{count} ops", count)


def values(count: int) -> str:
    """As in "1 value", "3 values"."""
    return counted("{count} value", "{count} values", count)


def is_nonfinite(summary: TensorSummary | None) -> bool:
    """Whether NaN or infinities were counted."""
    return summary is not None and bool(summary.nan_count or summary.inf_count)


def op_line(op: Op) -> tuple[str, int] | None:
    """(file, line) of an op's source."""
    return line(op.source)


def line(source: Source | None) -> tuple[str, int] | None:
    """(file, line) of a place."""
    return None if source is None else (source.file, source.line)


def op_module(recording: Recording, op: Op) -> str:
    """The path of the module whose call ran the op; "" outside of modules and in the root."""
    return "" if op.module_call is None else recording.module_calls[op.module_call].path
