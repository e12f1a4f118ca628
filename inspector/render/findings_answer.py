"""The findings of a run as a workbench lists them: each with its line, its remedy, and its way."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from inspector.findings import Rule
from inspector.found import Finding
from inspector.records import Recording, Source
from inspector.views.index import ViewIndex

Json = dict[str, Any]

WAY = 100
"""Ops that belong to a finding, of those that are marked in the graph."""

LISTED = 500
"""Findings of one list at most: of a run in which everything is wrong, the worst."""


def findings_answer(
    found: Sequence[Finding], rules: Sequence[Rule], recording: Recording, index: ViewIndex
) -> Json:
    """All findings, the worst first.

    Args:
        found: what was found, in its order.
        rules: all rules that were checked.
        recording: the run.
        index: of the recording.

    Returns:
        `findings`: of each its `rule`, `severity`, `message`, `help`, `place` (or None), the `op`
        or `grad` to go to (or None), and the `related` ops in the order of the run. `rules`: by
        name the documentation of those that found something. `checked` counts all rules, `more`
        the findings that are left out.
    """
    named = {rule.name: rule for rule in rules}
    listed = found[:LISTED]
    used = dict.fromkeys(one.rule for one in listed)
    return {
        "findings": [_finding(one, recording, index) for one in listed],
        "more": len(found) - len(listed),
        "rules": {name: _about(named[name]) for name in used if name in named},
        "checked": len(rules),
    }


def place_json(recording: Recording, source: Source | None) -> Json | None:
    """A line of the user's code; None where it, or the text of its file, is not known."""
    if source is None or source.file not in recording.sources:
        return None
    lines = recording.sources[source.file].split("\n")
    text = lines[source.line - 1].strip() if 0 < source.line <= len(lines) else ""
    file = os.path.basename(source.file)
    return {"file": file, "path": source.file, "line": source.line, "text": text}


def _finding(one: Finding, recording: Recording, index: ViewIndex) -> Json:
    op = _op_of(one, recording, index.flow.consumers)
    return {
        "rule": one.rule,
        "severity": one.severity,
        "message": one.message,
        "help": one.help,
        "place": place_json(recording, one.source),
        "op": op,
        "grad": one.grad_node if op is None else None,
        "related": list(one.related[:WAY]),
    }


def _op_of(
    one: Finding, recording: Recording, consumers: Mapping[int, Sequence[int]]
) -> int | None:
    """The op at which a finding is shown: its cause, else one that made or takes its tensor."""
    if one.op is not None or one.grad_node is not None:
        return one.op
    known = [] if one.tensor is None else [one.tensor]
    known += [
        info.tensor
        for info in recording.parameters
        if one.parameter in info.names and info.tensor is not None
    ]
    for number in known:
        made_by = recording.tensors[number].producer
        if made_by is not None:
            return made_by
        if consumers.get(number):
            return consumers[number][0]
    return None


def _about(rule: Rule) -> Json:
    return {
        "title": rule.title,
        "what": rule.what,
        "why": rule.why,
        "example": rule.example,
        "instead": rule.instead,
    }
