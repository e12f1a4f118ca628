"""The first lines of fences: ```` ```python NAME script=model ```` and the others.

Of a fence that is not a lesson's own (```` ```text ````, ```` ```python ```` alone) nothing is
asked: it is shown as it stands.
"""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from difflib import get_close_matches
from typing import Any

from inspector.language import sentence
from inspector.parsing import parse_expression, syntax_error
from inspector_app.teaching.fields import Report, Scalar, read_fields
from inspector_app.teaching.lesson import Code, Input
from inspector_app.teaching.spots import nearest

SHOW, QUESTION, ANSWER, TEACHER, INPUTS, PYTHON = (
    "show",
    "question",
    "answer",
    "teacher",
    "inputs",
    "python",
)
OWN = (SHOW, QUESTION, ANSWER, TEACHER, INPUTS)
"""First words of fences that are a lesson's own; `python` with a name is one, too."""

FLAGS = ("plain", "full", "kernels")
GRAPHS = ("script", "trace")
NAME = re.compile(r"[^\W_][\w-]{0,39}")
NAMED = re.compile(r"(?=.*\w)[^\s/`]([^/`\n]{0,78}[^\s/`])?")
"""An input's name, as it stands in a choice on the page and in an address."""


def kind_of(info: str, line: int, report: Report) -> str:
    """What a fence is: one of `OWN`, "python" for a code, "" for one that is only shown.

    A first word that is nearly one of these is reported: a typing mistake would go unseen.
    """
    first, *rest = info.split() or [""]
    if first == PYTHON:
        return PYTHON if rest else ""
    if first in OWN:
        if rest:
            report(line, sentence("After `{kind}` stands nothing more.", kind=first))
        return first
    near = get_close_matches(first.lower(), (*OWN, PYTHON), n=1, cutoff=0.75)
    if near:
        report(
            line,
            sentence("`{word}` is no kind of fence: is `{near}` meant?", word=first, near=near[0]),
        )
    return ""


def read_code(info: str, source: str, line: int, report: Report) -> Code:
    """A code from its fence; an empty one is left to the caller.

    Args:
        info: what stands after the backticks.
        source: the body.
        line: the file's line of the backticks; the source starts one below.
        report: hears of each mistake.
    """
    _, name, *words = _words(info)
    if NAME.fullmatch(name) is None or name in FLAGS or "=" in name:
        report(
            line,
            sentence(
                "`{name}` cannot be a code's name: after `python` stands a name of letters, "
                "digits, _ and -, and then its options.",
                name=name,
            ),
        )
    options: dict[str, Any] = {}
    for word in words:
        options |= _option(word, line, report)
    code = Code(name, source, line + 1, **options)
    if code.plain and (code.full or code.kernels or code.script or code.trace):
        report(line, sentence("`plain` stands alone: such a code runs without being recorded."))
    if code.script and code.trace:
        report(line, sentence("Name one of `script=` and `trace=`: one graph is drawn beside."))
    if source.strip():
        report_syntax(source, line + 1, report)
    return code


def read_inputs(body: str, line: int, report: Report) -> tuple[Input, ...]:
    """The inputs of a code from their fence (`line` is that of the backticks)."""
    found: list[Input] = []
    for field in read_fields(body, line + 1, report):
        value = field.value
        if not isinstance(value, Scalar) or not value.text.strip():
            report(
                field.line,
                sentence(
                    "The input `{name}` needs Python statements, as in `{name}: length = 2`; "
                    "several lines go below a `|`.",
                    name=field.key,
                ),
            )
            continue
        if not NAMED.fullmatch(field.key):
            report(
                field.line,
                sentence(
                    "`{name}` cannot be an input's name: write a few words without `/`, as in "
                    "`long: length = 7`.",
                    name=field.key,
                ),
            )
        report_syntax(value.text, value.line, report)
        found.append(Input(field.key, value.text, value.line))
    return tuple(found)


def report_syntax(source: str, line: int, report: Report) -> None:
    """Report that Python cannot compile a text whose first line is the file's `line`."""
    error = syntax_error(source)
    if error is not None:
        report(
            line + max(error.lineno or 1, 1) - 1,
            sentence("Python cannot compile this: {reason}.", reason=error.msg or "?"),
        )


def same_words(one: Code, other: Code) -> bool:
    """Whether two codes differ in nothing but their text, their place and their inputs."""
    return replace(one, source="", line=0, inputs=()) == replace(
        other, source="", line=0, inputs=()
    )


def _option(word: str, line: int, report: Report) -> dict[str, Any]:
    """What a word after a code's name says of it; nothing for one that is reported."""
    if word in FLAGS:
        return {word: True}
    key, equals, value = word.partition("=")
    if key in GRAPHS and equals:
        if not _is_subject(key, value):
            report(line, _SUBJECTS[key])
        return {key: value}
    report(
        line,
        sentence(
            "A code has no option `{word}`; the nearest is `{near}`. There are `plain`, `full`, "
            "`kernels`, `script=model` and `trace=model(x)`.",
            word=word,
            near=nearest(key, (*FLAGS, *GRAPHS)),
        ),
    )
    return {}


_SUBJECTS = {
    "script": sentence("After `script=` stands a variable of the code, as in `script=model`."),
    "trace": sentence("After `trace=` stands a call with names only, as in `trace=model(x)`."),
}


def _is_subject(key: str, value: str) -> bool:
    try:
        body = parse_expression(value).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    if key == "script":
        return isinstance(body, ast.Name)
    return isinstance(body, ast.Call) and all(
        isinstance(part, ast.Name) for part in (body.func, *body.args, *body.keywords)
    )


def _words(text: str) -> list[str]:
    """Split at blanks that are in no parentheses: `trace=model(x, y)` is one word."""
    words, depth = [""], 0
    for sign in text:
        depth += (sign in "([{") - (sign in ")]}")
        if sign.isspace() and depth <= 0:
            words.append("")
        else:
            words[-1] += sign
    return [word for word in words if word]
