"""The comments `# inspector: ignore[rule]` of the recorded sources."""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from inspector.found import Finding
from inspector.records import Recording

_IGNORE = re.compile(r"#\s*inspector:\s*ignore(?:\[(?P<rules>[^\]]*)\])?")


@dataclass(frozen=True, slots=True)
class Unknown:
    """A name in a comment that no rule has: the comment does not silence what it should."""

    file: str
    line: int
    name: str


class Comments:
    """Which rules are silenced at which lines; a file is read when it is first asked for.

    Args:
        recording: the run, with its sources.
    """

    def __init__(self, recording: Recording) -> None:
        self._sources = recording.sources
        self._known: dict[str, dict[int, list[str | None]]] = {}

    def silence(self, finding: Finding) -> bool:
        """Whether a comment on a line of the finding's expression silences it."""
        source = finding.source
        if source is None:
            return False
        lines = self._of(source.file)
        last = source.end_line or source.line
        return any(
            name is None or name == finding.rule
            for line, names in lines.items()
            if source.line <= line <= last
            for name in names
        )

    def unknown(self, rules: Collection[str]) -> Iterator[Unknown]:
        """The names in comments that are not among `rules`, by file and line."""
        for file in sorted(self._sources):
            for line, names in self._of(file).items():
                for name in names:
                    if name is not None and name not in rules:
                        yield Unknown(file, line, name)

    def _of(self, file: str) -> dict[int, list[str | None]]:
        """Line -> the rules that its comments name; None stands for all of them."""
        if file not in self._known:
            self._known[file] = _read(self._sources.get(file, ""))
        return self._known[file]


def _read(text: str) -> dict[int, list[str | None]]:
    found: dict[int, list[str | None]] = {}
    if not _IGNORE.search(text):
        return found
    for line, comment in _comments(text):
        for match in _IGNORE.finditer(comment):
            rules = match["rules"]
            names = [None] if rules is None else re.split(r"[,\s]+", rules.strip())
            found.setdefault(line, []).extend(name for name in names if name != "")
    return found


def _comments(text: str) -> list[tuple[int, str]]:
    """(line, comment). Of a text that is not all Python (a notebook's magic), whole lines."""
    try:
        return [
            (token.start[0], token.string)
            for token in tokenize.generate_tokens(io.StringIO(text).readline)
            if token.type == tokenize.COMMENT
        ]
    except (tokenize.TokenError, SyntaxError, ValueError):
        return list(enumerate(text.split("\n"), 1))
