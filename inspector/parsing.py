"""Python text to syntax trees: the one place that calls Python's parser."""

from __future__ import annotations

import ast
import threading
import warnings
from typing import Any

_lock = threading.Lock()
"""CPython before 3.11.5 keeps the depth of its parser for all threads together: two that parse at
the same moment raise a SystemError ("AST constructor recursion depth mismatch", its issue 106905).
"""

_TRIES = 20
"""Libraries of the program parse on threads of theirs, without our lock."""


def parse(text: str) -> ast.Module | None:
    """The tree of a file's text; None where it is no plain Python (a notebook's magics)."""
    try:
        tree: ast.Module = _parsed(text, "exec")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return tree


def parse_expression(text: str) -> ast.Expression:
    """The tree of one expression.

    Raises:
        SyntaxError, ValueError, RecursionError, MemoryError: as `ast.parse` does.
    """
    tree: ast.Expression = _parsed(text, "eval")
    return tree


def _parsed(text: str, mode: str) -> Any:
    with _lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of "\\d", "1if" and the like: the user has been warned
        for _ in range(_TRIES):
            try:
                return ast.parse(text, mode=mode)
            except SystemError:  # another thread parsed meanwhile
                continue
        return ast.parse(text, mode=mode)


def syntax_error(text: str, file: str = "<text>") -> SyntaxError | None:
    """Why a file's text cannot be compiled; None where it can. Nothing of it is run."""
    try:
        with _lock, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(text, file, "exec", dont_inherit=True)
    except SyntaxError as error:
        return error
    except (ValueError, RecursionError, MemoryError) as error:  # NUL, or nested too deeply
        return SyntaxError(str(error) or type(error).__name__)
    return None
