"""The two programs of a bug as texts of their own, `buggy` and `fixed`, and where they differ.

Both stand in one file. Each text has what its program needs, directly or through others, and both
call it `program`: so two runs of them can be compared as two versions of one file.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

PROGRAMS = ("buggy", "fixed")
ENTRY = "program"
"""What both are called in their own texts; `buggy_model` is `program_model`."""

CAUSE, CHANGED = "cause", "changed"

_CAUSE_COMMENT = re.compile(r"\s*# cause$")
_COMMENT = re.compile(r"\s*# (cause$|noqa).*")
_OWN_NAME = re.compile(r"\b(buggy|fixed)(?=\b|_)")


@dataclass(frozen=True, slots=True)
class Program:
    """One program of a bug.

    Attributes:
        text: of the program, without docstrings: the page says what the bug is about.
        marks: line -> `CAUSE`, or `CHANGED` where the other program has no such line.
    """

    text: str
    marks: Mapping[int, str]


def both_programs(source: str) -> tuple[Program, Program]:
    """The programs of a bug, buggy and fixed.

    Args:
        source: the text of the bug's file; the line of the cause ends in `# cause`.
    """
    buggy, fixed = (_lines(source, name) for name in PROGRAMS)
    causes = {at: CAUSE for at, line in enumerate(buggy, 1) if _CAUSE_COMMENT.search(line)}
    texts = [[_COMMENT.sub("", line) for line in lines] for lines in (buggy, fixed)]
    changed_a, changed_b = _differences(*texts)
    return _program(texts[0], changed_a | causes), _program(texts[1], changed_b)


def _program(lines: Sequence[str], marks: Mapping[int, str]) -> Program:
    return Program("\n".join(lines) + "\n", marks)


def _differences(a: list[str], b: list[str]) -> tuple[dict[int, str], dict[int, str]]:
    found: tuple[dict[int, str], dict[int, str]] = ({}, {})
    matcher = SequenceMatcher(None, a, b, autojunk=False)
    for kind, *ends in matcher.get_opcodes():
        if kind != "equal":
            for marks, lines, first, last in zip(found, (a, b), ends[::2], ends[1::2], strict=True):
                marks.update({at + 1: CHANGED for at in range(first, last) if lines[at].strip()})
    return found


# -- one program out of the file ------------------------------------------------------------------


def _lines(source: str, name: str) -> list[str]:
    """The lines of a program: its imports, then its definitions, a blank line between them."""
    tree, lines = ast.parse(source), source.split("\n")
    needed = _needed(tree, name)
    used = {one.id for node in needed for one in ast.walk(node) if isinstance(one, ast.Name)}
    found = [
        line
        for node in tree.body
        if isinstance(node, ast.Import | ast.ImportFrom) and used.intersection(_bound_by(node))
        for line in lines[node.lineno - 1 : node.end_lineno]
    ]
    for node in needed:
        hidden = _docstring_lines(node)
        own = range(_first_line(node), (node.end_lineno or node.lineno) + 1)
        found += ["", *(lines[at - 1].rstrip() for at in own if at not in hidden)]
    return [_OWN_NAME.sub(ENTRY, line) for line in found]


def _needed(tree: ast.Module, name: str) -> list[ast.stmt]:
    """The definitions that a program needs, in the order of the file."""
    defined = {one: node for node in tree.body for one in _defined_by(node)}
    needed, to_read = {name}, [name]
    while to_read:
        for node in ast.walk(defined[to_read.pop()]):
            if isinstance(node, ast.Name) and node.id in defined and node.id not in needed:
                needed.add(node.id)
                to_read.append(node.id)
    return [node for node in tree.body if needed.intersection(_defined_by(node))]


def _defined_by(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.Assign):
        yield from (one.id for one in node.targets if isinstance(one, ast.Name))


def _bound_by(node: ast.Import | ast.ImportFrom) -> set[str]:
    return {one.asname or one.name.partition(".")[0] for one in node.names}


def _first_line(node: ast.stmt) -> int:
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min([node.lineno, *(one.lineno for one in decorators)])


def _docstring_lines(node: ast.stmt) -> set[int]:
    """The lines of all docstrings within a definition; of a class also the blank ones after it."""
    found: set[int] = set()
    for one in ast.walk(node):
        if isinstance(one, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(one) is not None:
            text, *rest = one.body
            after = (text.end_lineno or text.lineno) + 1
            if isinstance(one, ast.ClassDef) and rest:
                after = _first_line(rest[0])
            found.update(range(text.lineno, after))
    return found
