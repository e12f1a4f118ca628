"""What the value of an expression tells of the reads of metadata (`x.shape`, `x.dim()`) in it.

    x.shape[1] // 2            of the second size of that read
    max(n, x.size(0))          of that read, and of what the variable `n` holds
    x.view(x.shape[0], -1)     of none: it is a tensor, or any other object

Told from the text alone: a tensor is guessed by what is done to it. What may be one is `opaque`:
its reads count where it stands in a test itself (`if x.sum() / x.shape[0] > 1`), and are not
followed any further.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from inspector.capture.names import Position, places

ATTRIBUTES = frozenset(
    "_version device dtype is_cpu is_cuda is_ipu is_leaf is_maia is_meta is_mkldnn is_mps is_mtia "
    "is_nested is_quantized is_sparse is_sparse_csr is_vulkan is_xla is_xpu itemsize layout name "
    "names nbytes ndim output_nr requires_grad retains_grad shape".split()
)
"""Attributes of tensors that are numbers, flags, sizes or the like: never a tensor."""

METHODS = frozenset(
    "_is_view _is_zerotensor can_cast data_ptr dense_dim dim dim_order element_size get_device "
    "has_names is_coalesced is_complex is_conj is_contiguous is_distributed is_floating_point "
    "is_inference is_neg is_pinned is_same_size is_set_to is_shared is_signed is_storage is_tensor "
    "ndimension nelement numel q_scale q_zero_point qscheme result_type size sparse_dim "
    "storage_offset storage_type stride".split()
)
"""Methods, and functions of torch, with such results."""

_TENSOR_ATTRIBUTES = frozenset(("H", "T", "data", "grad", "imag", "mH", "mT", "real"))

_PLAIN_BUILTINS = frozenset(
    "abs all any bool dict divmod enumerate filter float frozenset int isinstance iter len list "
    "map max min next pow range repr reversed round set slice sorted str sum tuple type zip".split()
)
"""Builtins whose result tells of their arguments."""

_PLAIN_MODULES = frozenset(("functools", "itertools", "math", "np", "numpy", "operator"))


class Part(NamedTuple):
    """The elements of a sequence from `start` on; `cut` where its end may be missing."""

    start: int = 0
    cut: bool = False


Item = int | Part | None
"""What of a read is used: one element, a part of the sequence as it is, or all in some way."""

Use = tuple[Position, Item]


@dataclass(frozen=True, slots=True)
class Value:
    """The reads that a value tells of. `opaque`: it may be a tensor or any other object."""

    uses: frozenset[Use] = frozenset()
    opaque: bool = False

    def __or__(self, other: Value) -> Value:
        return Value(self.uses | other.uses, self.opaque or other.opaque)

    def computed(self) -> Value:
        """Something computed from the value."""
        return self._each(lambda item: item if isinstance(item, int) else None)

    def element(self, number: int) -> Value:
        """`value[number]`."""
        return self._each(lambda item: _element(item, number))

    def part(self, start: int, cut: bool) -> Value:
        """`value[start:]`, or less."""
        return self._each(lambda item: _part(item, start, cut))

    def _each(self, change: Callable[[Item], Item]) -> Value:
        return Value(frozenset((place, change(item)) for place, item in self.uses), self.opaque)


def _element(item: Item, number: int) -> Item:
    if not isinstance(item, Part):
        return item
    if number < 0:
        return None if item.cut else number
    found = item.start + number
    return found if item.start >= 0 or found < 0 else None


def _part(item: Item, start: int, cut: bool) -> Item:
    if not isinstance(item, Part):
        return item
    known = item.start == 0 and not (item.cut and start < 0)
    return Part(start, item.cut or cut) if known else None


@dataclass(frozen=True, slots=True)
class ExpressionReader:
    """Reads expressions; `lookup` says what the variable of that name holds."""

    lookup: Callable[[str], Value]

    def value(self, node: ast.expr) -> Value:
        """What the value of an expression tells."""
        match node:
            case ast.Name():
                return self.lookup(node.id)
            case ast.Attribute():
                return self._attribute(node)
            case ast.Call():
                return self._call(node)
            case ast.Subscript():
                return self._subscript(node)
            case ast.NamedExpr():
                return self.value(node.value)
            case ast.IfExp():
                return self.value(node.body) | self.value(node.orelse)
            case ast.Lambda():
                return Value()
            case ast.Await() | ast.Yield() | ast.YieldFrom():
                return Value(opaque=True)
        inside = self._all(
            part for part in ast.iter_child_nodes(node) if isinstance(part, ast.expr)
        )
        return Value(inside.uses) if _is_flag(node) else inside

    def iterated(self, node: ast.expr) -> Value:
        """What the number of elements tells: of a call's arguments, and of a slice's ends."""
        found = self.value(node)
        if isinstance(node, ast.Call):
            nested = isinstance(node.func, ast.Name) and node.func.id in _PLAIN_BUILTINS
            inside = self.iterated if nested else self.value
            found |= _union(map(inside, _arguments(node)))
        elif isinstance(node, ast.Subscript):
            found |= self.value(node.slice)
        return found.computed() if isinstance(node, ast.Call) else found

    def _all(self, parts: Iterable[ast.expr]) -> Value:
        return _union(map(self.value, parts)).computed()

    def _attribute(self, node: ast.Attribute) -> Value:
        uses = self._carried(node.value)
        if node.attr in ATTRIBUTES:
            uses |= _own(node)
        return Value(uses, opaque=node.attr in _TENSOR_ATTRIBUTES)

    def _call(self, node: ast.Call) -> Value:
        given = self._all(_arguments(node)).uses
        called = node.func
        if isinstance(called, ast.Name):
            return Value(given, opaque=called.id not in _PLAIN_BUILTINS)
        if not isinstance(called, ast.Attribute):
            return Value(opaque=True)
        whose = called.value.id if isinstance(called.value, ast.Name) else ""
        if whose in _PLAIN_MODULES:
            return Value(given)
        if called.attr in METHODS:
            return Value(_own(node) | self._carried(called.value))
        carried = self._carried(called.value)
        if carried:  # a method of a size or a dtype, `x.shape.count(1)`
            return Value(carried)
        return Value(given if whose in ("self", "cls") else frozenset(), opaque=True)

    def _subscript(self, node: ast.Subscript) -> Value:
        base, index = self.value(node.value), node.slice
        number = _number(index)
        if number is not None:
            return base.element(number)
        if isinstance(index, ast.Slice):
            start = 0 if index.lower is None else _number(index.lower)
            if start is None or index.step is not None:
                return base.computed()
            return base.part(start, cut=index.upper is not None)
        if any(isinstance(part, ast.Slice) for part in ast.walk(index)):
            return base.computed()  # a part of a tensor, `x[:, :n]`
        return Value(base.computed().uses | self.value(index).computed().uses, opaque=True)

    def _carried(self, node: ast.expr) -> frozenset[Use]:
        """What an attribute or method of the value still tells: nothing if it may be a tensor."""
        value = self.value(node)
        return frozenset() if value.opaque else value.computed().uses


def _own(node: ast.Attribute | ast.Call) -> frozenset[Use]:
    return frozenset((place, Part()) for place in places(node))


def _is_flag(node: ast.expr) -> bool:
    """Whether the value is a bool or a text, whatever its operands are."""
    if isinstance(node, ast.Compare):
        asks = (ast.Is, ast.IsNot, ast.In, ast.NotIn)
        return all(isinstance(operator, asks) for operator in node.ops)
    negated = isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)
    return negated or isinstance(node, ast.JoinedStr)


def _arguments(node: ast.Call) -> list[ast.expr]:
    return [*node.args, *(keyword.value for keyword in node.keywords)]


def _union(values: Iterable[Value]) -> Value:
    return functools.reduce(Value.__or__, values, Value())


def _number(node: ast.expr) -> int | None:
    """The value of a literal integer."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        inner = _number(node.operand)
        return None if inner is None else -inner
    value = node.value if isinstance(node, ast.Constant) else None
    return value if type(value) is int else None
