"""What classes keep where a Module does not see it: in a plain list or dict, as a plain tensor.

Read from the source text alone, nothing is run:

    self.stages = [nn.Linear(3, 3), nn.Linear(3, 1)]      a list of modules
    self.scales = []
    self.scales.append(nn.Parameter(torch.ones(3)))       a list of parameters
    self.heads["a"] = nn.Linear(8, 2)                     a dict, where `self.heads = {}`
    self.w = torch.ones(3, requires_grad=True)            a tensor that learns, but no Parameter
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from inspector.parsing import parse
from inspector.records import Source

Makes = Callable[[ast.Call], bool]
"""Whether a call makes what is looked for."""

_KINDS = {
    ast.List: "list", ast.ListComp: "list", ast.Tuple: "tuple", ast.Set: "set",
    ast.SetComp: "set", ast.Dict: "dict", ast.DictComp: "dict",
}  # fmt: skip
_ADDERS = frozenset(("append", "insert", "extend", "add", "update"))


@dataclass(frozen=True, slots=True)
class Holder:
    """An attribute ("self.stages") of a class; `kind` is "list", "tuple", "set", "dict" or
    "tensor", and `source` the line that puts something in.
    """

    owner: str
    attribute: str
    kind: str
    source: Source


@dataclass(frozen=True, slots=True)
class _Put:
    """`self.name = value`, `self.name[…] = value` or `self.name.append(value)`."""

    name: str
    value: ast.expr
    node: ast.expr | ast.stmt
    whole: bool


def holders(file: str, text: str, makes: Makes) -> Iterator[Holder]:
    """The attributes that hide what `makes` tells, class by class.

    Args:
        file: its path.
        text: its source; in one that is no plain Python there are none.
        makes: `makes_a_module` or `makes_a_parameter`.
    """
    tree = parse(text)
    for owner in ast.walk(tree) if tree is not None else ():
        if not isinstance(owner, ast.ClassDef):
            continue
        puts = [put for node in ast.walk(owner) if (put := _put(node)) is not None]
        plain = {put.name: kind for put in puts if put.whole and (kind := _kind(put.value))}
        for put in puts:
            kind = plain.get(put.name, "")
            if not kind and put.whole and makes is makes_a_parameter and _learns(put.value):
                kind = "tensor"
            elif not any(isinstance(n, ast.Call) and makes(n) for n in ast.walk(put.value)):
                continue
            if kind:
                at = put.node
                place = Source(
                    file, at.lineno, at.col_offset, owner.name, at.end_lineno, at.end_col_offset
                )
                yield Holder(owner.name, f"self.{put.name}", kind, place)


def makes_a_module(call: ast.Call) -> bool:
    """Whether a call reads like that of a class of modules: `nn.Linear(3, 3)`, `Block(8)`."""
    return _called(call)[:1].isupper() and _called(call) != "Parameter"


def makes_a_parameter(call: ast.Call) -> bool:
    """Whether a call makes a parameter, or another tensor that requires grad."""
    return _called(call) == "Parameter" or _learns(call)


def _put(node: ast.AST) -> _Put | None:
    if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
        target = node.targets[0] if isinstance(node, ast.Assign) else node.target
        item = isinstance(target, ast.Subscript)
        name = _own(target.value if isinstance(target, ast.Subscript) else target)
        return None if name is None else _Put(name, node.value, node, whole=not item)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
        name = _own(node.func.value) if node.func.attr in _ADDERS else None
        return None if name is None else _Put(name, node.args[-1], node, whole=False)
    return None


def _own(node: ast.expr) -> str | None:
    """The name in `self.name`."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return node.attr if node.value.id == "self" else None
    return None


def _kind(value: ast.expr) -> str:
    """Which plain container an expression makes; "" for none."""
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Name):
        return value.func.id if value.func.id in _KINDS.values() else ""
    return _KINDS.get(type(value), "")


def _learns(value: ast.expr) -> bool:
    """Whether an expression makes a tensor that requires grad, and is no Parameter."""
    if not isinstance(value, ast.Call) or _called(value)[:1].isupper():
        return False
    return _called(value) == "requires_grad_" or any(
        one.arg == "requires_grad" and isinstance(one.value, ast.Constant) and one.value.value
        for one in value.keywords
    )


def _called(call: ast.Call) -> str:
    """The last part of what is called: "Linear" of `torch.nn.Linear(…)`."""
    if isinstance(call.func, ast.Attribute):
        return call.func.attr
    return call.func.id if isinstance(call.func, ast.Name) else ""
