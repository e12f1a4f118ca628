"""How records read in a picture: shapes, counts, places."""

from __future__ import annotations

from inspector.records import Op, Recording, Source, TensorInfo, TensorSummary

_COMMON_DTYPE = "float32"


def shape(tensor: TensorInfo) -> str:
    """As in "2×3"; "scalar" for no dimensions. Other dtypes than float32 are named."""
    size = dimensions(tensor.shape)
    return size if tensor.dtype == _COMMON_DTYPE else f"{size} {tensor.dtype}"


def carried(tensor: TensorInfo) -> str:
    """What an edge says: the shape, after the variable that the code calls the tensor by."""
    return f"{tensor.variable} {shape(tensor)}" if tensor.variable else shape(tensor)


def dimensions(shape: tuple[int, ...]) -> str:
    """As in "2×3", "[3]", "scalar": a lone number would not read as a shape."""
    if len(shape) == 1:
        return f"[{shape[0]}]"
    return "×".join(map(str, shape)) or "scalar"


def value(read: bool | int | float | str) -> str:
    """What a decision read, floats in four significant digits."""
    return f"{read:.4g}" if isinstance(read, float) else str(read)


def plural(count: int, word: str) -> str:
    """As in "1 op", "3 ops"."""
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


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
