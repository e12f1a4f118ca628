"""Python text to syntax trees, also while other threads parse."""

from __future__ import annotations

import ast
import warnings
from typing import Any

import pytest

from inspector.parsing import parse, parse_expression


def test_a_parser_that_another_thread_disturbed_is_asked_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real, disturbed = ast.parse, [SystemError("AST constructor recursion depth mismatch")]

    def once(*args: Any, **kwargs: Any) -> Any:
        if disturbed:
            raise disturbed.pop()
        return real(*args, **kwargs)

    monkeypatch.setattr(ast, "parse", once)
    tree = parse("x = 1")
    assert tree is not None
    assert ast.unparse(tree) == "x = 1"
    disturbed.append(SystemError("AST constructor recursion depth mismatch"))
    assert ast.unparse(parse_expression("x + 1")) == "x + 1"


def test_parsing_neither_warns_nor_has_shown_warnings_shown_again() -> None:
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("default")
        for text in ('x = "\\d"', "y = 1if x else 2"):
            warnings.warn("mind the step", stacklevel=1)
            assert parse(text) is not None
    assert [str(one.message) for one in shown] == ["mind the step"]


def test_what_is_no_python_has_no_tree() -> None:
    assert parse("%matplotlib inline") is None
    with pytest.raises(SyntaxError):
        parse_expression("x +")
