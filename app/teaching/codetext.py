"""Python as HTML: numbered lines, with a class for keywords, texts, numbers and comments."""

from __future__ import annotations

import io
import keyword
import tokenize
from collections.abc import Iterator
from html import escape

from inspector.text import split_lines

_TEXTS = frozenset(
    number
    for number, name in tokenize.tok_name.items()
    if name == "STRING" or name.startswith("FSTRING")  # the parts of an f-string from 3.12 on
)


def code_html(source: str) -> str:
    """The lines of a program, each a `span.line` with its number.

    Args:
        source: any text; from where it is no Python on it has no classes.
    """
    lines = split_lines(source.rstrip("\n"))
    marks: dict[int, list[tuple[int, int, str]]] = {}
    for line, start, end, kind in _marks("\n".join(lines) + "\n", lines):
        marks.setdefault(line, []).append((start, end, kind))
    return "".join(
        f'<span class="line"><span class="number">{number}</span>'
        f'<span class="text">{_marked(line, marks.get(number, []))}\n</span></span>'
        for number, line in enumerate(lines, 1)
    )


def _marked(line: str, marks: list[tuple[int, int, str]]) -> str:
    parts: list[str] = []
    at = 0
    for start, end, kind in marks:
        parts.append(escape(line[at:start]))
        parts.append(f'<span class="{kind}">{escape(line[start:end])}</span>')
        at = end
    return "".join([*parts, escape(line[at:])])


def _marks(source: str, lines: list[str]) -> Iterator[tuple[int, int, int, str]]:
    """(line, from column, to column, class), in order."""
    try:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            kind = _kind(token)
            if not kind:
                continue
            (first, start), (last, end) = token.start, token.end
            for line in range(first, min(last, len(lines)) + 1):
                here = start if line == first else 0
                yield line, here, end if line == last else len(lines[line - 1]), kind
    except (tokenize.TokenError, SyntaxError):
        return


def _kind(token: tokenize.TokenInfo) -> str:
    if token.type == tokenize.COMMENT:
        return "comment"
    if token.type == tokenize.NUMBER:
        return "digits"
    if token.type in _TEXTS:
        return "string"
    return "keyword" if token.type == tokenize.NAME and keyword.iskeyword(token.string) else ""
