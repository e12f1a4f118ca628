"""Python text to syntax trees: the one place that calls `ast.parse`."""

from __future__ import annotations

import ast
import threading
import warnings

_lock = threading.Lock()
"""CPython 3.11 keeps the depth of its parser for all threads together: two that parse at the same
moment raise a SystemError ("AST constructor recursion depth mismatch", its issue 106905)."""


def parse(text: str) -> ast.Module | None:
    """The tree of a file's text; None where it is no plain Python (a notebook's magics)."""
    try:
        with _lock, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "\\d" and the like: the user has been warned
            return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def parse_expression(text: str) -> ast.Expression:
    """The tree of one expression.

    Raises:
        SyntaxError, ValueError, RecursionError, MemoryError: as `ast.parse` does.
    """
    with _lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of "1if" and the like, meant for programmers
        return ast.parse(text, mode="eval")
