"""Which reads in a source text steer: their value reaches a test or an iterator.

    if x.dim() == 2: ...                     in the test itself
    b, t = x.shape                           through variables: the second size steers,
    for i in range(t): ...                   the first one doesn't
    y = x.view(x.shape[0], -1)               does not steer, nor does a test of `y`

Tests are those of `if`, `elif`, `while`, the conditional expression, `assert` and `match`, and the
conditions of comprehensions; iterators those of `for` and of comprehensions. A variable stands for
everything that its function, or one around it, assigns to it. Values kept in attributes
(`self.n = x.shape[0]`) and those that functions return are not followed.

Pure, and told from the text alone; whether a read is one of a tensor shows when it runs.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterable, Iterator, Mapping

from inspector.capture.expressions import ExpressionReader, Item, Use, Value
from inspector.capture.names import Position
from inspector.parsing import parse

_ROUNDS = 8
"""Variables are followed through this many assignments that stand in the wrong order."""

_Function = ast.FunctionDef | ast.AsyncFunctionDef


class SteeringReads:
    """The steering reads of one source text.

    Args:
        text: Python source. One that cannot be parsed (a notebook's magics) has no reads.
    """

    def __init__(self, text: str) -> None:
        self._tree = parse(text) or ast.Module([], [])
        self._functions = list(_outermost_functions(self._tree))
        self._found: dict[int, Mapping[Position, frozenset[Item]]] = {}

    def around(self, line: int) -> Mapping[Position, frozenset[Item]]:
        """Position of a read -> what of it steers, in the function around `line`.

        Nested functions belong to the outermost one; all code outside of functions is one.
        """
        body: ast.AST = self._tree
        for function in self._functions:
            if _first_line(function) <= line <= (function.end_lineno or 0):
                body = function
        found = self._found.get(id(body))  # the tree lives as long as `self`
        if found is None:
            found = self._found[id(body)] = _steering(body)
        return found


@functools.lru_cache(maxsize=64)
def steering_reads(text: str) -> SteeringReads:
    """`SteeringReads(text)`, made once."""
    return SteeringReads(text)


def _outermost_functions(node: ast.AST) -> Iterator[_Function]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, _Function):
            yield child
        elif isinstance(child, (ast.stmt, ast.ExceptHandler, ast.match_case)):
            yield from _outermost_functions(child)


def _first_line(function: _Function) -> int:
    return min([function.lineno, *(part.lineno for part in function.decorator_list)])


def _steering(body: ast.AST) -> dict[Position, frozenset[Item]]:
    # Outside of functions, functions are not looked into: they have their own turn.
    scope = _Scope(body, None, inner=not isinstance(body, ast.Module))
    scope.solve()
    found: dict[Position, frozenset[Item]] = {}
    for place, item in scope.steering():
        found[place] = found.get(place, frozenset()) | {item}
    return found


class _Scope:
    """A function, a lambda, a class or a module: its variables, its tests and its iterators.

    Args:
        node: the definition.
        outer: the scope around it.
        inner: whether to look into the functions inside.
    """

    def __init__(self, node: ast.AST, outer: _Scope | None, *, inner: bool) -> None:
        self._outer = outer
        self._look_inside = inner
        # Names that get values otherwise than by assignment: arguments, targets of loops.
        self._given: set[str] = set()
        # Names that attributes are read of, here or inside.
        self._objects: set[str] = set()
        self._assigned: dict[str, Value] = {}
        self._bindings: list[tuple[ast.expr, ast.expr]] = []  # (target, value)
        self._tests: list[ast.expr] = []
        self._iterators: list[ast.expr] = []
        self._inner: list[_Scope] = []
        self._reader = ExpressionReader(self.lookup)
        arguments = getattr(node, "args", None)
        if isinstance(arguments, ast.arguments):
            self._given = {part.arg for part in ast.walk(arguments) if isinstance(part, ast.arg)}
        for child in _own_nodes(node):
            self._read(child)

    def _read(self, node: ast.AST) -> None:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            self._given.add(node.name)
        if isinstance(node, (ast.ClassDef, ast.Lambda)) or (
            isinstance(node, _Function) and self._look_inside
        ):
            self._inner.append(_Scope(node, self, inner=self._look_inside))
        elif not isinstance(node, _Function):
            self._note_bindings(node)
            self._note_steering(node)
            for child in _own_nodes(node):
                self._read(child)

    def _note_bindings(self, node: ast.AST) -> None:
        match node:
            case ast.Assign():
                self._bindings += [(target, node.value) for target in node.targets]
            case ast.AnnAssign(value=ast.expr() as value) | ast.NamedExpr(value=value):
                self._bindings.append((node.target, value))
            case ast.AugAssign(target=ast.Name() as target):
                changed = ast.BinOp(ast.Name(target.id), node.op, node.value)
                self._bindings.append((target, changed))
            case ast.For() | ast.AsyncFor() | ast.comprehension():
                self._give(node.target)
            case ast.withitem(optional_vars=ast.expr() as target):
                self._give(target)
            case ast.Attribute(value=ast.Name(id=name)):
                scope: _Scope | None = self
                while scope is not None:
                    scope._objects.add(name)
                    scope = scope._outer

    def _note_steering(self, node: ast.AST) -> None:
        match node:
            case ast.If() | ast.While() | ast.IfExp() | ast.Assert():
                self._tests.append(node.test)
            case ast.Match():
                self._tests.append(node.subject)
            case ast.match_case(guard=ast.expr() as guard):
                self._tests.append(guard)
            case ast.For() | ast.AsyncFor():
                self._iterators.append(node.iter)
            case ast.comprehension():
                self._iterators.append(node.iter)
                self._tests += node.ifs

    def _give(self, target: ast.expr) -> None:
        self._given |= {part.id for part in ast.walk(target) if isinstance(part, ast.Name)}

    # -- variables -------------------------------------------------------------------------

    def solve(self) -> None:
        """Find what the variables hold."""
        for _ in range(_ROUNDS):
            before = dict(self._assigned)
            for target, value in self._bindings:
                self._bind(target, value)
            if self._assigned == before:
                break
        for scope in self._inner:
            scope.solve()

    def _bind(self, target: ast.expr, value: ast.expr) -> None:
        row = (ast.Tuple, ast.List)
        if (
            isinstance(target, row)
            and isinstance(value, row)
            and len(target.elts) == len(value.elts)
            and not any(isinstance(part, ast.Starred) for part in (*target.elts, *value.elts))
        ):
            for part, held in zip(target.elts, value.elts, strict=True):
                self._bind(part, held)
        else:
            self._assign(target, self._reader.value(value))

    def _assign(self, target: ast.expr, value: Value) -> None:
        if isinstance(target, ast.Name):
            self._assigned[target.id] = self._assigned.get(target.id, Value()) | value
        elif isinstance(target, (ast.Tuple, ast.List)):
            count, rest = len(target.elts), False
            for number, part in enumerate(target.elts):
                if isinstance(part, ast.Starred):
                    rest = True
                    self._assign(part.value, value.part(number, cut=number < count - 1))
                else:
                    self._assign(part, value.element(number - count if rest else number))

    def lookup(self, name: str) -> Value:
        """What the variable holds: a value of this function, or of one around it."""
        scope: _Scope | None = self
        while scope is not None:
            if name in scope._assigned or name in scope._given:
                value = scope._assigned.get(name, Value())
                unknown = name in scope._given and name in scope._objects
                # What may be a tensor holds no sizes.
                return Value(opaque=True) if value.opaque or unknown else value
            scope = scope._outer
        return Value(opaque=name in self._objects)

    # -- what steers -----------------------------------------------------------------------

    def steering(self) -> Iterator[Use]:
        """The reads that reach a test or an iterator, here and in inner functions."""
        for test in self._tests:
            yield from self._reader.value(test).uses
        for iterator in self._iterators:
            yield from self._reader.iterated(iterator).uses
        for scope in self._inner:
            yield from scope.steering()


def _own_nodes(node: ast.AST) -> Iterable[ast.AST]:
    """The children that run in the node's own scope."""
    if isinstance(node, ast.Lambda):
        return [node.body]
    return node.body if isinstance(node, _Function) else ast.iter_child_nodes(node)
