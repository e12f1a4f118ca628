"""The numbers and names that an op took besides tensors: the 2 in `x + 2`, the dim of a sum.

Read from `Op.arguments`, which renders tensors as `%id`. Only calls in the user's own code are
told: what a module's code passes on is the module's business. What says nothing (None, False,
private arguments, types, which the edges carry) is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from inspector.records import Op

LONGEST = 26
"""Characters that a node has room for."""

_SIGNS = {
    "add": "+", "sub": "−", "mul": "×", "div": "/", "truediv": "/", "floordiv": "//",
    "pow": "**", "mod": "%", "remainder": "%", "matmul": "@", "gt": ">", "lt": "<", "ge": "≥",
    "le": "≤", "eq": "==", "ne": "≠", "and": "&", "or": "|", "xor": "^",
}  # fmt: skip
_TENSOR = re.compile(r"%\d+")
_DULL = re.compile(r"(_\w+=.*|\w+=(None|False)|(dtype|device|layout)=.*)$")
_FLOAT = re.compile(r"-?\d+\.\d{4,}(e-?\d+)?")
_USUAL = frozenset(("p='fro'", "alpha=1", "None", "False", "rounding_mode=None"))


def constants(op: Op) -> str:
    """What an op took besides tensors, short: "> 1", "dim=-1", "[:, 0]"; "" for nothing."""
    if not op.arguments or (op.call_site is not None and op.call_site != op.source):
        return ""
    parts = list(arguments(op.arguments))
    name = op.name.rstrip("_")
    if name in ("getitem", "setitem"):
        return _index(parts)
    told = [_short(part) for part in parts if _tells(part)]
    sign = _SIGNS.get(name) or _SIGNS.get(name.removeprefix("i"))
    if sign is not None and len(told) == 1 and len(parts) == 2:
        return f"{sign} {told[0]}" if _TENSOR.match(parts[0]) else f"{told[0]} {sign}"
    turned = _SIGNS.get(name.removeprefix("r"))
    if turned is not None and name[0] == "r" and len(told) == 1 and len(parts) == 2:
        return f"{told[0]} {turned}"
    return _cut(", ".join(told))


def arguments(text: str) -> Iterator[str]:
    """The arguments in a rendered list of them: split at commas outside of brackets and quotes."""
    depth, quote, start = 0, "", 0
    for index, sign in enumerate(text):
        if quote:
            quote = "" if sign == quote and text[index - 1] != "\\" else quote
        elif sign in "'\"":
            quote = sign
        elif sign in "([{":
            depth += 1
        elif sign in ")]}":
            depth -= 1
        elif sign == "," and not depth:
            yield text[start:index].strip()
            start = index + 1
    if text[start:].strip():
        yield text[start:].strip()


def _tells(part: str) -> bool:
    return not (_TENSOR.search(part) or _DULL.match(part) or part in _USUAL or part.startswith("<"))


def _index(parts: list[str]) -> str:
    """The index of `x[...]`: "[0]", "[:, 0]"; tensors in it are dots."""
    if len(parts) < 2:
        return ""
    index = _TENSOR.sub("…", parts[1])
    if index.startswith("(") and index.endswith(")"):
        index = index[1:-1].rstrip(",")
    return "" if index == "…" else _cut(f"[{index}]")


def _short(part: str) -> str:
    return _FLOAT.sub(lambda found: f"{float(found.group()):.4g}", part)


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
