"""Free conditions on a moment: a small part of Python's expressions, parsed and never run by it.

    op == "linear" and shape[0] > 64
    grad_norm < 1e-6 and like(module, "encoder.*")

`ast` reads the text; each node of the few kinds known here becomes a closure. There are no
attributes but the dotted fields, no calls but `FUNCTIONS`, arithmetic is for numbers only, and
text and nesting are bounded: a condition costs at most some microseconds a moment.

A missing value (None) makes every comparison false except `==`, `!=` and `in`, and arithmetic
on it is missing too.
"""

from __future__ import annotations

import ast
import difflib
import operator
import re
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from typing import Any, NoReturn

from inspector.errors import QuestionError
from inspector.language import sentence, sentences
from inspector.parsing import parse_expression
from inspector.timeline.fields import FIELDS, Reader, Row, Value

MAX_LENGTH = 400
"""Characters of a condition."""

MAX_DEPTH = 20
"""Nesting of a condition."""

MAX_NUMBER = 10**30
"""Larger results of arithmetic are missing: products of products cost ever more."""


def parse(text: str) -> Reader:
    """The value of an expression, as a function of a moment.

    Raises:
        QuestionError: says what is not understood, at which column, and what is.
    """
    if len(text) > MAX_LENGTH:
        raise QuestionError(
            sentence(
                "A condition has at most {max_length} characters; this: {count}.",
                max_length=MAX_LENGTH,
                count=len(text),
            )
        )
    stripped = text.strip()
    if not stripped:
        raise QuestionError(sentence("Write a condition, such as: {example}", example=EXAMPLE))
    start = len(text) - len(text.lstrip())
    try:
        tree = parse_expression(stripped)
    except SyntaxError as error:
        _refuse_single_equals(stripped, start)
        column = start + (error.offset or len(stripped) + 1)  # 0 at the end of the text
        raise QuestionError(
            sentence(
                "Column {column}: this is not an expression ({msg}).", column=column, msg=error.msg
            )
        ) from None
    except (ValueError, MemoryError, RecursionError):
        raise QuestionError(sentence("Column 1: this is not an expression.")) from None
    return _Compiler(stripped, start).reader(tree.body)


EXAMPLE = 'op == "linear" and shape[0] > 64'

_QUOTED = re.compile(r"""'[^']*'|"[^"]*\"""")
_SINGLE_EQUALS = re.compile(r"(?<![=!<>:])=(?!=)")


def _refuse_single_equals(text: str, start: int) -> None:
    """Say so where one "=" stands for a comparison; those in quotes do not count."""
    bare = _QUOTED.sub(lambda quoted: "x" * len(quoted[0]), text)
    found = _SINGLE_EQUALS.search(bare)
    if found is not None:
        raise QuestionError(
            sentence(
                "Column {column}: one “=” compares nothing. Did you mean “==”?",
                column=start + found.start() + 1,
            )
        )


def _like(text: Value, pattern: Value) -> Value:
    if text is None:
        return False
    if not isinstance(text, str) or not isinstance(pattern, str):
        raise TypeError("like(text, pattern) compares text with a pattern such as 'encoder.*'")
    return fnmatchcase(text, pattern)


def _sized(function: Callable[[tuple[Value, ...]], Value]) -> Callable[..., Value]:
    """A function of one tuple, or of several values; missing for an empty one."""

    def call(*given: Value) -> Value:
        values = given[0] if len(given) == 1 and isinstance(given[0], tuple) else given
        return function(values) if values and None not in values else None

    return call


def _length(value: Value) -> Value:
    if value is None:
        return None
    if not isinstance(value, (str, tuple)):
        raise TypeError("len(...) is of a shape or a text")
    return len(value)


FUNCTIONS: Mapping[str, tuple[str, str, Callable[..., Value]]] = {
    "abs": ("abs(x)", sentence("without the sign"), lambda x: None if x is None else abs(x)),
    "len": ("len(shape)", sentence("number of dimensions"), _length),
    "min": ("min(shape)", sentence("the smallest"), _sized(lambda values: min(values))),  # type: ignore[type-var]
    "max": ("max(a, b)", sentence("the largest"), _sized(lambda values: max(values))),  # type: ignore[type-var]
    "any": ("any(...)", sentence("whether one of them holds"), _sized(any)),
    "all": ("all(...)", sentence("whether all of them hold"), _sized(all)),
    "like": (
        'like(module, "encoder.*")',
        sentence("whether it fits a pattern with * and ?"),
        _like,
    ),
}
"""Name -> (how to write it, what it does, the function)."""

_COMPARE: Mapping[type[ast.cmpop], tuple[str, Callable[[Any, Any], object]]] = {
    ast.Eq: ("==", operator.eq),
    ast.NotEq: ("!=", operator.ne),
    ast.Lt: ("<", operator.lt),
    ast.LtE: ("<=", operator.le),
    ast.Gt: (">", operator.gt),
    ast.GtE: (">=", operator.ge),
    ast.In: ("in", lambda a, b: operator.contains(b, a)),
    ast.NotIn: ("not in", lambda a, b: not operator.contains(b, a)),
}
_EVEN_MISSING = ("==", "!=", "in", "not in")

_ARITHMETIC: Mapping[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}


class _Compiler:
    """Turns the tree of a text into closures; `start` is how far the text was indented."""

    def __init__(self, text: str, start: int) -> None:
        self._bytes = text.encode()
        self._start = start
        self._depth = 0

    def reader(self, node: ast.expr) -> Reader:
        """The closure of one node."""
        make = _MAKERS.get(type(node))
        if make is None:
            self._refuse(node, _ALLOWED)
        self._depth += 1
        if self._depth > MAX_DEPTH:
            self._refuse(
                node,
                sentence("A condition is nested at most {max_depth} deep.", max_depth=MAX_DEPTH),
            )
        made = make(self, node)
        self._depth -= 1
        return made

    def constant(self, node: ast.Constant) -> Reader:
        value = node.value
        if value is not None and not isinstance(value, (bool, int, float, str)):
            self._refuse(node, _ALLOWED)
        if isinstance(value, int) and value > MAX_NUMBER:
            self._refuse(node, sentence("Such a large number is not understood."))
        found: Value = value
        return lambda row: found

    def name(self, node: ast.Name) -> Reader:
        return self._field(node, node.id)

    def attribute(self, node: ast.Attribute) -> Reader:
        if not isinstance(node.value, ast.Name):
            self._refuse(node, _ALLOWED)
        return self._field(node, f"{node.value.id}.{node.attr}")

    def _field(self, node: ast.expr, name: str) -> Reader:
        field = FIELDS.get(name)
        if field is None:
            close = difflib.get_close_matches(name, FIELDS, 1)
            hint = sentence("Did you mean “{name}”?", name=close[0]) if close else ""
            there = sentence("There is no field “{name}”.", name=name)
            self._refuse(node, sentences(there, hint, _SEE_LIST))
        return field.read

    def group(self, node: ast.Tuple | ast.List) -> Reader:
        parts = [self.reader(part) for part in node.elts]
        return lambda row: tuple([part(row) for part in parts])

    def subscript(self, node: ast.Subscript) -> Reader:
        of, number = self.reader(node.value), node.slice
        if isinstance(number, ast.Slice):
            self._refuse(number, sentence("One number goes in the brackets: shape[0], shape[-1]."))
        index = self.reader(number)

        def read(row: Row) -> Value:
            values, at = of(row), index(row)
            if values is None or at is None:
                return None
            if not isinstance(values, tuple) or not isinstance(at, int):
                self._refuse(
                    node, sentence("Brackets take one size of a shape: shape[0], shape[-1].")
                )
            return values[at] if -len(values) <= at < len(values) else None

        return read

    def both(self, node: ast.BoolOp) -> Reader:
        parts = [self.reader(part) for part in node.values]
        if isinstance(node.op, ast.And):
            return lambda row: all(part(row) for part in parts)
        return lambda row: any(part(row) for part in parts)

    def unary(self, node: ast.UnaryOp) -> Reader:
        of = self.reader(node.operand)
        if isinstance(node.op, ast.Not):
            return lambda row: not of(row)
        if not isinstance(node.op, (ast.USub, ast.UAdd)):
            self._refuse(node, _ALLOWED)
        sign = -1 if isinstance(node.op, ast.USub) else 1
        return lambda row: self._calculate(node, operator.mul, sign, of(row))

    def binary(self, node: ast.BinOp) -> Reader:
        calculate = _ARITHMETIC.get(type(node.op))
        if calculate is None:
            self._refuse(node, sentence("Arithmetic is + - * / // %."))
        left, right = self.reader(node.left), self.reader(node.right)
        return lambda row: self._calculate(node, calculate, left(row), right(row))

    def _calculate(
        self, node: ast.expr, function: Callable[[float, float], float], a: Value, b: Value
    ) -> Value:
        if a is None or b is None:
            return None
        if not isinstance(a, (int, float)) or not isinstance(b, (int, float)):
            self._refuse(
                node,
                sentence(
                    "Arithmetic is for numbers; here: {kind}, {kind2}.",
                    kind=_kind_of(a),
                    kind2=_kind_of(b),
                ),
            )
        try:
            found = function(a, b)
        except (ZeroDivisionError, OverflowError):
            return None
        return None if isinstance(found, int) and abs(found) > MAX_NUMBER else found

    def compare(self, node: ast.Compare) -> Reader:
        first = self.reader(node.left)
        rest = [self.reader(part) for part in node.comparators]
        tests = []
        for kind in node.ops:
            if type(kind) not in _COMPARE:
                self._refuse(node, sentence("Compare with == != < <= > >= or in."))
            tests.append(_COMPARE[type(kind)])

        def read(row: Row) -> Value:
            left = first(row)
            for (sign, test), reader in zip(tests, rest, strict=True):
                right = reader(row)
                if not self._holds(node, sign, test, left, right):
                    return False
                left = right
            return True

        return read

    def _holds(
        self,
        node: ast.expr,
        sign: str,
        test: Callable[[Any, Any], object],
        left: Value,
        right: Value,
    ) -> bool:
        if (left is None or right is None) and sign not in _EVEN_MISSING:
            return False
        if right is None and sign in ("in", "not in"):
            return sign == "not in"
        if left is None and isinstance(right, str) and sign in ("in", "not in"):
            return sign == "not in"
        try:
            return bool(test(left, right))
        except TypeError:
            self._refuse(
                node,
                sentence(
                    "Cannot say {left} {sign} {right}.",
                    left=_kind_of(left),
                    sign=sign,
                    right=_kind_of(right),
                ),
            )

    def call(self, node: ast.Call) -> Reader:
        known = FUNCTIONS.get(node.func.id) if isinstance(node.func, ast.Name) else None
        if known is None:
            what = f"“{node.func.id}”" if isinstance(node.func, ast.Name) else sentence("This")
            names = ", ".join(FUNCTIONS)
            self._refuse(
                node,
                sentence(
                    "{what} cannot be called here. What can be: {names}.", what=what, names=names
                ),
            )
        use, about, function = known
        if node.keywords:
            self._refuse(node, sentence("Use it as in {use}: {about}.", use=use, about=about))
        given = [self.reader(part) for part in node.args]

        def read(row: Row) -> Value:
            try:
                return function(*[part(row) for part in given])
            except TypeError:
                self._refuse(node, sentence("Use it as in {use}: {about}.", use=use, about=about))

        return read

    def _refuse(self, node: ast.expr, why: str) -> NoReturn:
        before = self._bytes[: node.col_offset].decode(errors="replace")  # `ast` counts bytes
        column = self._start + len(before) + 1
        raise QuestionError(sentence("Column {column}: {why}", column=column, why=why))


_MAKERS: Mapping[type[ast.expr], Callable[..., Reader]] = {
    ast.Constant: _Compiler.constant,
    ast.Name: _Compiler.name,
    ast.Attribute: _Compiler.attribute,
    ast.Tuple: _Compiler.group,
    ast.List: _Compiler.group,
    ast.Subscript: _Compiler.subscript,
    ast.BoolOp: _Compiler.both,
    ast.UnaryOp: _Compiler.unary,
    ast.BinOp: _Compiler.binary,
    ast.Compare: _Compiler.compare,
    ast.Call: _Compiler.call,
}

_SEE_LIST = sentence("All fields are listed under “What can be asked”.")

_ALLOWED = sentences(
    sentence(
        "This is not allowed here. A condition is made of fields, numbers, texts in quotes, "
        "comparisons, and, or, not, in, + - * / // %, and the functions {names}.",
        names=", ".join(FUNCTIONS),
    ),
    _SEE_LIST,
)


def _kind_of(value: Value) -> str:
    if value is None:
        return sentence("a missing value")
    if isinstance(value, tuple):
        return sentence("a list")
    return sentence("a text") if isinstance(value, str) else sentence("a number")
