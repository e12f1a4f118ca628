"""Findings as a linter prints them, as JSON, as SARIF 2.1.0, as GitHub's workflow commands."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from inspector.findings.rule import Rule
from inspector.found import SEVERITIES, Finding
from inspector.language import Translate, counted, listed, sentence
from inspector.records import Recording, Source

SARIF_SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
MOST_RELATED = 20
"""Related ops that SARIF names for a finding."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a finding is, as editors count: lines and columns from 1, columns in characters."""

    file: str
    line: int
    column: int
    end_line: int | None
    end_column: int | None


class Places:
    """Places of one recording, files relative to the current folder where they lie in it."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._here = os.getcwd()
        self._lines: dict[str, list[str]] = {}

    def of(self, source: Source | None) -> Place | None:
        """The place of a source; None without one."""
        if source is None:
            return None
        return Place(
            self._file(source.file),
            source.line,
            self._column(source.file, source.line, source.column),
            source.end_line,
            self._column(source.file, source.end_line, source.end_column),
        )

    def _file(self, file: str) -> str:
        inside = file.startswith(os.path.join(self._here, ""))
        return os.path.relpath(file, self._here) if inside else file

    def _column(self, file: str, line: int | None, column: int | None) -> Any:
        """From Python's bytes, counted from 0, to characters from 1."""
        if line is None or column is None:
            return None
        if file not in self._lines:
            self._lines[file] = self._recording.sources.get(file, "").split("\n")
        lines = self._lines[file]
        text = lines[line - 1] if 1 <= line <= len(lines) else ""
        if text.isascii():
            return column + 1
        before = text.encode(errors="surrogatepass")[:column]
        return len(before.decode(errors="ignore")) + 1


def printable(text: str) -> str:
    r"""A text that every terminal and every encoding of Unicode takes: control characters and
    lone surrogates as Python escapes them (`\x1b`, `\udc80`).
    """
    if text.isprintable():
        return text
    return "".join(
        sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text
    )


def as_text(
    found: Iterable[Finding], recording: Recording, name: str, tell: Translate = str
) -> str:
    """`file:line:col: severity rule message`, with the remedy on an indented line below.

    Args:
        found: the findings.
        recording: of which they are.
        name: what stands in place of the file for one without a line.
        tell: puts messages and remedies into the reader's language; severities stay English, for
            the editors and scripts that look for them.
    """
    places = Places(recording)
    lines = []
    for finding in found:
        place = places.of(finding.source)
        where = name if place is None else f"{place.file}:{place.line}:{place.column}"
        lines.append(f"{where}: {finding.severity} {finding.rule} {tell(finding.message)}")
        if finding.help:
            lines.append(f"    {tell(sentence('help: {remedy}', remedy=finding.help))}")
    return "".join(f"{printable(_in_one_line(line))}\n" for line in lines)


def _in_one_line(line: str) -> str:
    """Runs of blanks and line ends as one blank each; those at the beginning stay."""
    text = line.lstrip(" ")
    return f"{line[: len(line) - len(text)]}{' '.join(text.split())}"


def as_json(found: Iterable[Finding], recording: Recording, name: str) -> str:
    """One object with a list of `findings`; ids (op, tensor, …) are those of the recording."""
    places = Places(recording)
    rows = []
    for finding in found:
        place = places.of(finding.source)
        rows.append(
            {
                "rule": finding.rule,
                "severity": finding.severity,
                "message": finding.message,
                "help": finding.help,
                "file": None if place is None else place.file,
                "line": None if place is None else place.line,
                "column": None if place is None else place.column,
                "end_line": None if place is None else place.end_line,
                "end_column": None if place is None else place.end_column,
                "op": finding.op,
                "tensor": finding.tensor,
                "parameter": finding.parameter,
                "grad_node": finding.grad_node,
                "related": list(finding.related),
            }
        )
    return _dumped({"target": name, "findings": rows})


def as_github(found: Iterable[Finding], recording: Recording, name: str) -> str:
    """Workflow commands, which GitHub shows at the lines of a pull request."""
    places = Places(recording)
    lines = []
    for finding in found:
        kind = "notice" if finding.severity == "note" else finding.severity
        place = places.of(finding.source)
        told = {"file": name, "title": finding.rule}
        if place is not None:
            told = {"file": place.file, "line": str(place.line), "col": str(place.column), **told}
            told["file"] = place.file
        properties = ",".join(f"{key}={_escaped(value, ':,')}" for key, value in told.items())
        message = f"{finding.message} {finding.help}".strip()
        lines.append(f"::{kind} {properties}::{_escaped(message)}")
    return "".join(f"{line}\n" for line in lines)


def _escaped(text: str, also: str = "") -> str:
    """As the commands ask for it: percent signs, line ends, and in properties also `:` and `,`."""
    for sign in ("%", "\r", "\n", *also):
        text = text.replace(sign, f"%{ord(sign):02X}")
    return printable(text)


def as_sarif(
    found: Iterable[Finding], recording: Recording, name: str, rules: Sequence[Rule], version: str
) -> str:
    """A SARIF 2.1.0 log with one run.

    Args:
        found: the findings.
        recording: of which they are.
        name: a URI or path of what was checked.
        rules: all rules that were checked.
        version: of this package.
    """
    places = Places(recording)
    index = {rule.name: i for i, rule in enumerate(rules)}
    driver = {
        "name": "inspector",
        "semanticVersion": version,
        "rules": [_described(rule) for rule in rules],
    }
    whole = {"physicalLocation": {"artifactLocation": {"uri": _uri(name)}}}
    results = [_result(finding, places, recording, index, whole) for finding in found]
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "artifacts": [{"location": {"uri": _uri(name)}}],
        "results": results,
    }
    return _dumped({"$schema": SARIF_SCHEMA, "version": "2.1.0", "runs": [run]})


def _described(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.name,
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": f"{rule.what} {rule.why}"},
        "help": {"text": page(rule)},
    }


def _result(
    finding: Finding,
    places: Places,
    recording: Recording,
    index: dict[str, int],
    whole: dict[str, Any],
) -> dict[str, Any]:
    """One result. `whole` is the location of one without a line: GitHub takes none without."""
    message = f"{finding.message} {finding.help}".strip()
    result: dict[str, Any] = {
        "ruleId": finding.rule,
        "level": finding.severity,
        "message": {"text": message},
    }
    if finding.rule in index:
        result["ruleIndex"] = index[finding.rule]
    place = places.of(finding.source)
    result["locations"] = [whole if place is None else _location(place)]
    related = []
    for number in finding.related[:MOST_RELATED]:
        op = recording.ops[number]
        there = places.of(op.source)
        if there is not None:
            text = {"text": f"{op.name} (op {op.id})"}
            related.append({"id": number, **_location(there), "message": text})
    if related:
        result["relatedLocations"] = related
    return result


def _location(place: Place) -> dict[str, Any]:
    region = {"startLine": place.line, "startColumn": place.column}
    if place.end_line is not None and place.end_column is not None:
        region |= {"endLine": place.end_line, "endColumn": place.end_column}
    return {
        "physicalLocation": {"artifactLocation": {"uri": _uri(place.file)}, "region": region},
    }


def _uri(file: str) -> str:
    file = file.encode(errors="backslashreplace").decode()
    return Path(file).as_uri() if os.path.isabs(file) else quote(Path(file).as_posix())


def _dumped(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=2) + "\n"  # in ASCII: whatever encoding stdout has


def page(rule: Rule, tell: Translate = str) -> str:
    """A rule's page of documentation, as plain text.

    Args:
        rule: the rule.
        tell: puts it into the reader's language; code stays as it is.
    """
    parts = (
        (sentence("Why it is bad"), tell(rule.why)),
        (sentence("Example"), rule.example),
        (sentence("Instead"), tell(rule.instead)),
        (sentence("To silence it on a line"), f"# inspector: ignore[{rule.name}]"),
    )
    below = "".join(f"\n{tell(heading)}\n{_indented(text)}\n" for heading, text in parts)
    return f"{rule.name}: {tell(rule.title)}\n\n{tell(rule.what)}\n{below}"


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" if line else "" for line in text.split("\n"))


def totals(found: Iterable[Finding]) -> str:
    """As in "1 error, 2 warnings"; "nothing found"."""
    counts = Counter(finding.severity for finding in found)
    told = {
        "error": counted("{count} error", "{count} errors", counts["error"]),
        "warning": counted("{count} warning", "{count} warnings", counts["warning"]),
        "note": counted("{count} note", "{count} notes", counts["note"]),
    }
    parts = [told[severity] for severity in SEVERITIES if counts[severity]]
    return listed(parts) if parts else sentence("nothing found")
