"""Which dimension of what an op took became a dimension of what it made.

Op by op, from the shapes and the arguments in the recording. Where nothing here knows the op, a
dimension of the same size is taken if there is only one; else nothing is said.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from inspector.axes import split_arguments
from inspector.language import sentence
from inspector.records import Op, Recording, TensorInfo


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a dimension comes from: the dimensions `dims` of `tensor`, an input of the op.

    Mostly it is one; `flatten` makes one of several. `phrase` says what the op did; `changes`
    whether the size is another now, or a new one.
    """

    tensor: int
    dims: tuple[int, ...]
    phrase: str
    changes: bool


@dataclass(frozen=True, slots=True)
class _Asked:
    """An op, the tensors it took, and the dimension of what it made that is asked about."""

    op: Op
    taken: tuple[TensorInfo, ...]
    made: TensorInfo
    dim: int

    @property
    def size(self) -> int:
        return self.made.shape[self.dim]

    @property
    def rank(self) -> int:
        return len(self.made.shape)


_Answer = Origin | None


def origin_of(recording: Recording, op: Op, tensor: int, dim: int) -> _Answer:
    """Where dimension `dim` of `tensor`, which `op` made, comes from; None where it began here.

    Args:
        recording: what ran.
        op: the op that made the tensor.
        tensor: its id.
        dim: the dimension, from 0.
    """
    taken = tuple(recording.tensors[number] for number in op.inputs)
    if not taken:
        return None
    asked = _Asked(op, taken, recording.tensors[tensor], dim)
    name = op.name.rstrip("_")
    rule = _RULES.get(name) or (_convolution if re.match(r"conv(_transpose)?\dd", name) else _other)
    return rule(asked)


def _kept(asked: _Asked, taken: TensorInfo, dim: int) -> Origin:
    """The op hands the dimension on, or makes it longer or shorter."""
    before, name = taken.shape[dim], asked.op.name
    if before == asked.size:
        phrase = sentence("{op} keeps it at {size}", op=name, size=before)
        return Origin(taken.id, (dim,), phrase, False)
    phrase = sentence("{op} makes {size} of {before}", op=name, size=asked.size, before=before)
    return Origin(taken.id, (dim,), phrase, True)


def _new(asked: _Asked, taken: TensorInfo, dims: tuple[int, ...], what: str) -> Origin:
    phrase = sentence("{op} gives {size}: {what}", op=asked.op.name, size=asked.size, what=what)
    return Origin(taken.id, dims, phrase, True)


# -- ops that move dimensions ----------------------------------------------------------------


def _numbers(text: str) -> list[int]:
    try:
        value = ast.literal_eval(text.rpartition("=")[2])
    except (ValueError, SyntaxError):
        return []
    items = value if isinstance(value, (tuple, list)) else (value,)
    return [item for item in items if isinstance(item, int) and not isinstance(item, bool)]


def _dims(asked: _Asked, start: int = 1) -> list[int]:
    """The whole numbers among the arguments from place `start` on."""
    return [
        number for text in split_arguments(asked.op.arguments)[start:] for number in _numbers(text)
    ]


def _transposed(asked: _Asked) -> _Answer:
    first, rank = asked.taken[0], asked.rank
    if len(first.shape) != rank:
        return None
    pair = [number % rank for number in _dims(asked)[:2]]
    if asked.op.name in ("T", "t", "mT", "H", "mH"):
        pair = [rank - 2, rank - 1] if rank > 1 else []
        if asked.op.name == "T":
            return _kept(asked, first, rank - 1 - asked.dim)
    if len(pair) != 2:
        return (
            None if asked.op.name not in ("t", "mT", "H", "mH") else _kept(asked, first, asked.dim)
        )
    other = {pair[0]: pair[1], pair[1]: pair[0]}
    return _kept(asked, first, other.get(asked.dim, asked.dim))


def _permuted(asked: _Asked) -> _Answer:
    first, dims = asked.taken[0], _dims(asked)
    if len(dims) != asked.rank or len(first.shape) != asked.rank:
        return None
    return _kept(asked, first, dims[asked.dim] % asked.rank)


def _cut_anew(asked: _Asked) -> _Answer:
    """view, reshape, flatten: which group of dimensions became which."""
    first = asked.taken[0]
    for before, after in _groups(first.shape, asked.made.shape):
        if asked.dim not in after:
            continue
        if not before:
            return None
        if len(before) == len(after) == 1:
            return _kept(asked, first, before[0])
        product = " · ".join(str(first.shape[dim]) for dim in before)
        what = f"{product} = {math.prod(first.shape[dim] for dim in before)}"
        if len(after) > 1:
            into = ", ".join(str(asked.made.shape[dim]) for dim in after)
            what = sentence("of {product} it makes ({sizes})", product=product, sizes=into)
        return _new(asked, first, tuple(before), what)
    return None


def _groups(before: Sequence[int], after: Sequence[int]) -> list[tuple[list[int], list[int]]]:
    """Dimensions of both shapes, in the smallest groups of equal products.

    >>> _groups((2, 3, 4), (6, 4))
    [([0, 1], [0]), ([2], [1])]
    """
    old = [dim for dim, size in enumerate(before) if size != 1]
    new = [dim for dim, size in enumerate(after) if size != 1]
    found: list[tuple[list[int], list[int]]] = []
    while old and new:
        left, right = [old.pop(0)], [new.pop(0)]
        while (a := math.prod(before[d] for d in left)) != (
            b := math.prod(after[d] for d in right)
        ):
            side, into = (old, left) if a < b else (new, right)
            if not side:
                break
            into.append(side.pop(0))
        found.append((left, right))
    return found


def _expanded(asked: _Asked) -> _Answer:
    first = asked.taken[0]
    dim = asked.dim - (asked.rank - len(first.shape))
    if dim < 0:
        return None
    return _kept(asked, first, dim)


# -- products --------------------------------------------------------------------------------


def _linear(asked: _Asked) -> _Answer:
    if asked.dim == asked.rank - 1 and len(asked.taken) > 1:
        weight = asked.taken[1]
        what = sentence("its weight is {shape} (out, in)", shape=weight.shape)
        return _new(asked, weight, (0,), what)
    return _kept(asked, asked.taken[0], asked.dim)


def _matmul(asked: _Asked) -> _Answer:
    a, b = asked.taken[-2:] if len(asked.taken) > 1 else asked.taken * 2
    if asked.op.name in ("rmatmul",):
        a, b = b, a
    from_end = asked.rank - asked.dim
    if from_end == 1 and len(b.shape) > 1:
        what = sentence("the columns of {shape}", shape=b.shape)
        return _new(asked, b, (len(b.shape) - 1,), what)
    row = from_end == 2 or (from_end == 1 and len(b.shape) == 1)
    if row and len(a.shape) > 1:
        return _kept(asked, a, len(a.shape) - 2)
    return _aligned(asked)


def _convolution(asked: _Asked) -> _Answer:
    if len(asked.taken) < 2:
        return None
    picture, weight = asked.taken[:2]
    if len(picture.shape) != asked.rank:
        return None
    places = len(weight.shape) - 2
    if asked.dim == asked.rank - places - 1:
        back = "transpose" in asked.op.name
        what = sentence("its weight is {shape}", shape=weight.shape)
        return _new(asked, weight, (1 if back else 0,), what)
    return _kept(asked, picture, asked.dim)


def _embedding(asked: _Asked) -> _Answer:
    if asked.dim == asked.rank - 1:
        table = max(asked.taken, key=lambda info: info.dtype.startswith(("float", "bfloat")))
        what = sentence("the width of its table {shape}", shape=table.shape)
        return _new(asked, table, (len(table.shape) - 1,), what)
    numbers = next((info for info in asked.taken if "int" in info.dtype), None)
    return None if numbers is None else _kept(asked, numbers, asked.dim)


# -- several into one, one into several ------------------------------------------------------


def _joined(asked: _Asked) -> _Answer:
    dims = _dims(asked)
    if asked.op.name == "stack":
        dim = (dims[0] if dims else 0) % asked.rank
        if asked.dim == dim:
            return None
        return _kept(asked, asked.taken[0], asked.dim - (asked.dim > dim))
    dim = (dims[0] if dims else 0) % asked.rank
    whole = [info for info in asked.taken if len(info.shape) == asked.rank]
    if not whole:
        return None
    if asked.dim != dim:
        return _kept(asked, whole[0], asked.dim)
    sizes = " + ".join(str(info.shape[dim]) for info in whole[:8])
    longest = max(whole, key=lambda info: info.shape[dim])
    return _new(asked, longest, (dim,), sizes + (" + …" if len(whole) > 8 else ""))


def _indexed(asked: _Asked) -> _Answer:
    """x[:, 0, None]: which dimension of x is still there, and where."""
    first = asked.taken[0]
    parts = split_arguments(asked.op.arguments)
    if len(parts) != 2 or len(asked.taken) > 1:
        return _other(asked)
    text = parts[1]
    items = split_arguments(text[1:-1]) if text.startswith("(") else [text]
    rest = len(first.shape) - sum(item not in ("None", "...") for item in items)
    items = [piece for item in items for piece in ([":"] * rest if item == "..." else [item])]
    items += [":"] * (len(first.shape) - sum(item != "None" for item in items))
    at, place = 0, 0
    for item in items:
        if item == "None":
            place += 1
        elif ":" in item:
            if place == asked.dim:
                return _kept(asked, first, at)
            at, place = at + 1, place + 1
        else:
            at += 1
    return None


def _reduced(asked: _Asked) -> _Answer:
    """sum, mean, max, … over some dimensions, which are gone."""
    first = asked.taken[0]
    rank = len(first.shape)
    if rank == asked.rank:
        return _kept(asked, first, asked.dim)
    gone = {number % rank for number in _dims(asked) if -rank <= number < rank}
    left = [dim for dim in range(rank) if dim not in gone]
    return _kept(asked, first, left[asked.dim]) if len(left) == asked.rank else _other(asked)


# -- all the others --------------------------------------------------------------------------


def _aligned(asked: _Asked) -> _Answer:
    """Broadcasting lines dimensions up from the right; the one that is not 1 decides."""
    for info in asked.taken:
        dim = asked.dim - (asked.rank - len(info.shape))
        if dim >= 0 and info.shape[dim] == asked.size:
            return _kept(asked, info, dim)
    return None


def _other(asked: _Asked) -> _Answer:
    first = asked.taken[0]
    aligned = _aligned(asked)
    if aligned is not None and (asked.rank == len(first.shape) or len(asked.taken) > 1):
        return aligned
    if asked.rank == len(first.shape):
        return _kept(asked, first, asked.dim)
    equal = [dim for dim, size in enumerate(first.shape) if size == asked.size]
    return _kept(asked, first, equal[0]) if len(equal) == 1 else None


def _table() -> dict[str, Callable[[_Asked], _Answer]]:
    rules: dict[str, Callable[[_Asked], _Answer]] = {"permute": _permuted, "linear": _linear}
    named: tuple[tuple[Callable[[_Asked], _Answer], str], ...] = (
        (_transposed, "transpose swapaxes swapdims T t mT H mH"),
        (_cut_anew, "view reshape flatten unflatten view_as reshape_as squeeze unsqueeze ravel"),
        (_expanded, "expand expand_as broadcast_to repeat tile"),
        (_matmul, "matmul rmatmul bmm mm addmm baddbmm"),
        (_embedding, "embedding"),
        (_joined, "cat concat concatenate stack"),
        (_indexed, "getitem"),
        (_reduced, "sum mean amax amin max min prod std var argmax argmin any all logsumexp "
                   "norm vector_norm select unbind median"),
    )  # fmt: skip
    for rule, names in named:
        rules |= dict.fromkeys(names.split(), rule)
    return rules


_RULES = _table()
