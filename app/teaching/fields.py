"""YAML as far as lessons need it: keys with texts, lists and keys below, each with its line.

Values are texts as they stand: `input: yes` is the input "yes", and nothing is constructed from
what the text says. Aliases are refused, so that a short text cannot become a large one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import yaml

from inspector.language import Sentence, sentence

DEEPEST = 8
"""Lists and keys in each other."""

LONGEST = 40_000
"""Characters of one piece of YAML: PyYAML reads a few hundred thousand a second."""

Report = Callable[[int, Sentence], None]
"""Notes a mistake: the file's line, and what to do."""


@dataclass(frozen=True, slots=True)
class Scalar:
    """A text; `line` is that of its first character, of a `|` block that of its first line."""

    text: str
    line: int


@dataclass(frozen=True, slots=True)
class Items:
    """A list."""

    values: tuple[Value, ...]
    line: int


@dataclass(frozen=True, slots=True)
class Table:
    """Keys with values, in their order."""

    fields: tuple[Field, ...]
    line: int


Value = Scalar | Items | Table


@dataclass(frozen=True, slots=True)
class Field:
    """One key with its value; `line` is that of the key."""

    key: str
    value: Value
    line: int


def read_fields(text: str, line: int, report: Report) -> tuple[Field, ...]:
    """The keys of a piece of YAML; of none where it cannot be read, which is reported.

    Args:
        text: the piece.
        line: the file's line on which it starts.
        report: hears of each mistake.
    """
    if len(text) > LONGEST:
        most = f"{LONGEST:,}"
        report(line, sentence("This is too long: at most {most} characters.", most=most))
        return ()
    try:
        node = _composed(text, line, report)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        bare = _without_colon(text.split("\n")[: _line_of(mark) + 1])
        if bare is None:
            _unreadable(line + _line_of(mark), error.problem or "?", report)
        else:
            report(line + bare, _NO_COLON)
        return ()
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        # "%YAML 1.999..." and "\U99999999" are ValueErrors of PyYAML's own.
        _unreadable(line, str(error).partition("\n")[0], report)
        return ()
    if node is None:
        return ()
    if not isinstance(node, yaml.MappingNode):
        report(line + _line_of(node.start_mark), _NO_COLON)
        return ()
    return _table(node, line, report).fields


def _composed(text: str, line: int, report: Report) -> yaml.Node | None:
    """PyYAML's tree; None for an empty text and for one that it is not safe to build."""
    depth = 0
    for event in yaml.parse(text, yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            report(
                line + _line_of(event.start_mark),
                sentence("YAML's aliases (`*name`) are not read here: write the value itself."),
            )
            return None
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > DEEPEST:
            report(
                line + _line_of(event.start_mark),
                sentence("These lists and keys are nested too deeply."),
            )
            return None
    return yaml.compose(text, yaml.SafeLoader)


_NO_COLON = sentence(
    "Here stand lines of the form `key: value`, one key a line: is a colon with a space missing?"
)


def _without_colon(lines: list[str]) -> int | None:
    """The number of the first line that should be a key with a value and has no colon."""
    for number, line in enumerate(lines):
        if re.match(r"\w", line) and not re.search(r":(\s|$)", line):
            return number
    return None


def _unreadable(line: int, problem: str, report: Report) -> None:
    report(
        line,
        sentence(
            "This is no YAML ({problem}). A text with a colon, a # or a leading sign goes in "
            "quotes, and keys of one level start in the same column.",
            problem=problem,
        ),
    )


def _line_of(mark: Any) -> int:
    """PyYAML's marks count lines from 0; its types say that one may be missing."""
    return 0 if mark is None else int(mark.line)


def _table(node: yaml.MappingNode, first: int, report: Report) -> Table:
    fields: list[Field] = []
    seen: set[str] = set()
    for key, value in node.value:
        line = first + _line_of(key.start_mark)
        if not isinstance(key, yaml.ScalarNode):
            report(line, sentence("A key is one word."))
            continue
        if key.value in seen:
            report(line, sentence("`{key}` stands here twice.", key=key.value))
            continue
        seen.add(key.value)
        fields.append(Field(key.value, _value(value, first, report), line))
    return Table(tuple(fields), first + _line_of(node.start_mark))


def _value(node: yaml.Node, first: int, report: Report) -> Value:
    line = first + _line_of(node.start_mark)
    if isinstance(node, yaml.MappingNode):
        return _table(node, first, report)
    if isinstance(node, yaml.SequenceNode):
        return Items(tuple(_value(item, first, report) for item in node.value), line)
    is_block = getattr(node, "style", None) in ("|", ">")
    return Scalar(str(node.value), line + 1 if is_block else line)
