"""Python text to syntax trees: the one place that calls Python's parser."""

from __future__ import annotations

import ast
import contextlib
import threading
import warnings
from collections.abc import Iterator
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
    with _lock, _unwarned():
        for _ in range(_TRIES):
            try:
                return ast.parse(text, mode=mode)
            except SystemError:  # another thread parsed meanwhile
                continue
        return ast.parse(text, mode=mode)


def syntax_error(text: str, file: str = "<text>") -> SyntaxError | None:
    """Why a file's text cannot be compiled; None where it can. Nothing of it is run."""
    try:
        with _lock, _unwarned():
            compile(text, file, "exec", dont_inherit=True)
    except SyntaxError as error:
        return error
    except (ValueError, RecursionError, MemoryError) as error:  # NUL, or nested too deeply
        return SyntaxError(str(error) or type(error).__name__)
    return None


@contextlib.contextmanager
def _unwarned() -> Iterator[None]:
    """No warnings of what is wrong in a text: the user has had them.

    `warnings.catch_warnings` would have Python forget which warnings it has shown, and those of the
    program that is being recorded be shown again.
    """
    filters: list[Any] = warnings.filters  # type: ignore[assignment]
    ignore = ("ignore", None, Warning, None, 0)
    filters.insert(0, ignore)
    try:
        yield
    finally:
        filters.remove(ignore)
