"""Why an op makes a value that is not finite out of finite ones, in the words of its formula."""

from __future__ import annotations

import re

from inspector.language import sentence
from inspector.norms import nonfinite_count
from inspector.records import Op, Recording, TensorSummary

_LARGEST = {"float16": 65504.0, "bfloat16": 3.39e38, "float32": 3.40e38, "float64": 1.80e308}

_CONSTANT = re.compile(r"(?<![\w.])-?(inf|nan)\b")


def is_deliberate(op: Op) -> bool:
    """Whether the infinity is written in the call itself, as in `masked_fill(mask, -inf)`."""
    return _CONSTANT.search(op.arguments) is not None


def reason_forward(recording: Recording, op: Op) -> str:
    """Why `op` gave a value that is not finite, or "" where no formula is known here."""
    name = op.name.rstrip("_")
    taken = [recording.tensors[number].summary for number in op.inputs]
    first = taken[0] if taken else None
    if name in ("pow", "rpow", "square") and first is not None:
        return _power(recording, op, taken)
    if name in _AT_EDGES and first is not None and first.min is not None:
        return _at_edge(name, first)
    if name in ("div", "true_divide", "truediv", "rtruediv", "reciprocal", "rdiv"):
        return _divided(taken[-1] if name in ("div", "true_divide", "truediv") else first)
    if name in ("softmax", "log_softmax") and first is not None and first.inf_count:
        return sentence("{op} of a row in which everything is -inf is 0 / 0.", op=name)
    if name in ("mean", "std", "var", "nanmean", "std_mean", "var_mean"):
        return _averaged(name, first)
    if name.startswith(("empty", "new_empty")):
        return sentence("empty() hands out memory as it is: nothing has been written there yet.")
    if name in ("cross_entropy", "nll_loss"):
        return sentence("A mean over no targets at all (all of them ignored) is 0 / 0.")
    if any(map(nonfinite_count, taken)):
        return sentence("Infinities that meet (∞ - ∞, 0 · ∞) give NaN.")
    return _overflow(recording, op, taken)


def _at_edge(name: str, given: TensorSummary) -> str:
    low, high = given.min or 0.0, given.max or 0.0
    if name in ("log", "log2", "log10", "logit", "log1p", "rsqrt"):
        edge = -1.0 if name == "log1p" else 0.0
        if low < edge:
            return sentence("{op} of a number below {edge:g} is NaN.", op=name, edge=edge)
        if low == edge or given.zero_fraction:
            value = "inf" if name == "rsqrt" else "-inf"
            return sentence("{op}({edge:g}) is {value}.", op=name, edge=edge, value=value)
        return sentence("logit(1) is inf.") if name == "logit" and high >= 1 else ""
    if name == "sqrt":
        return sentence("sqrt of a negative number is NaN.") if low < 0 else ""
    if name in ("acos", "asin", "arccos", "arcsin", "atanh"):
        if low < -1 or high > 1:
            return sentence("{op} is defined between -1 and 1 only.", op=name)
        return sentence("{op}(1) is infinite.", op=name)
    return sentence(
        "{op} of numbers up to {high:.4g} is more than the dtype can hold.", op=name, high=high
    )


_AT_EDGES = frozenset(
    "log log2 log10 logit log1p rsqrt sqrt acos asin arccos arcsin atanh "
    "exp expm1 exp2 cosh sinh".split()
)


def _power(recording: Recording, op: Op, taken: list[TensorSummary | None]) -> str:
    made = recording.tensors[op.outputs[0]].summary if op.outputs else None
    if made is not None and made.nan_count:
        return sentence("A negative number to a broken power is NaN.")
    return _overflow(recording, op, taken) or sentence("0 to a negative power is infinite.")


def _divided(divisor: TensorSummary | None) -> str:
    return sentence("It divides by 0.") if divisor is not None and divisor.zero_fraction else ""


def _averaged(name: str, given: TensorSummary | None) -> str:
    if given is None or given.numel > 1:
        return sentence("{op} over no values, or over too few of them, is 0 / 0.", op=name)
    if given.numel == 0:
        return sentence("{op} of no value is 0 / 0.", op=name)
    return sentence("{op} of a single value is 0 / 0.", op=name)


def _overflow(recording: Recording, op: Op, taken: list[TensorSummary | None]) -> str:
    dtype = recording.tensors[op.outputs[0]].dtype if op.outputs else ""
    limit = _LARGEST.get(dtype)
    highest = max(
        (max(abs(one.min or 0.0), abs(one.max or 0.0)) for one in taken if one is not None),
        default=0.0,
    )
    if limit is not None and highest > limit**0.25:
        return sentence(
            "The result is beyond what {dtype} can hold (about {limit:.3g}).",
            dtype=dtype,
            limit=limit,
        )
    return ""


def reason_backward(recording: Recording, op: Op) -> str:
    """Why the derivative of `op` is not finite where it was taken, or "" where it is not known."""
    name = op.name.rstrip("_")
    given = recording.tensors[op.inputs[0]].summary if op.inputs else None
    zeros = given is not None and given.zero_fraction > 0
    if name == "sqrt" and zeros:
        return sentence("The derivative of sqrt at 0 is infinite, and 0 · ∞ is NaN.")
    if name in ("norm", "vector_norm", "linalg_vector_norm", "cdist", "dist", "pairwise_distance"):
        return sentence("The derivative of a norm at 0 is 0 / 0.")
    if name in ("std", "std_mean") or (name == "pow" and zeros):
        return sentence("The derivative of {op} is infinite where its value is 0.", op=name)
    if name in ("log", "log2", "log10", "rsqrt", "reciprocal") and zeros:
        return sentence("The derivative of {op} at 0 is infinite.", op=name)
    if name in ("acos", "asin", "arccos", "arcsin"):
        return sentence("The derivative of {op} at -1 and 1 is infinite.", op=name)
    if name in ("div", "true_divide", "truediv"):
        return sentence("It divides by 0.") if _has_zero(recording, op) else ""
    if name == "atan2":
        return sentence("The derivative of atan2 at (0, 0) is 0 / 0.")
    return ""


def _has_zero(recording: Recording, op: Op) -> bool:
    summary = recording.tensors[op.inputs[-1]].summary if op.inputs else None
    return summary is not None and summary.zero_fraction > 0
