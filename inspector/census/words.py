"""Sites, branches and decisions in words."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

from inspector.census.domains import NOT_REACHED, Values
from inspector.census.tally import ARGUMENT, Site, site_of
from inspector.counted import DecisionSite, Value
from inspector.records import Recording, Source

_LISTED = 4
_LONGEST = 60
_STATEMENT = re.compile(r"^(?:if|elif|while|assert|return)\s+(.*?):?$")
_LOOP = re.compile(r"^(?:async\s+)?for\s+.+?\s+in\s+(.*?):?$")


def site_words(recording: Recording, site: Site) -> DecisionSite | None:
    """A site with the text of its expression; None where the recording did not come by."""
    for decision in recording.decisions:
        source = decision.source
        if source is not None and site_of(decision) == site:
            text = _expression(source, recording.sources.get(source.file, ""), decision.kind)
            return DecisionSite(
                source.file, source.line, source.column, source.function, decision.kind, text
            )
    return None


def _expression(source: Source, text: str, kind: str) -> str:
    """What stands at a place, on one line: of a statement its test, of a loop what it goes over."""
    lines = text.splitlines()
    if not 0 < source.line <= len(lines):
        return ""
    line = lines[source.line - 1].encode()  # columns count bytes
    several = source.end_line is not None and source.end_line > source.line
    end = len(line) if several or source.end_column is None else source.end_column
    found = line[source.column : end].decode(errors="replace").strip()
    loop = _LOOP.match(found)
    if loop and kind == "iter":
        return _short(f"the number of rows of {loop.group(1)}")
    statement = _STATEMENT.match(found)
    return _short(statement.group(1) if statement else found)


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def place_words(site: DecisionSite) -> str:
    """As in "x.mean() > 0 at branching.py:24"; of what came in, "the shape of x"."""
    if not site.line:
        return (
            f"the {site.kind} {site.text}" if site.kind == ARGUMENT else f"{site.kind} {site.text}"
        )
    what = site.text or f"the {site.kind} that was read"
    return f"{what} at {os.path.basename(site.file)}:{site.line}"


def question_words(site: DecisionSite, visit: int | None) -> str:
    """What a split asks."""
    if visit is None:
        return f"how often was {place_words(site)} read"
    return place_words(site) + ("" if visit == 1 else f", the {ordinal(visit)} time")


def decision_words(site: DecisionSite, visit: int | None, answer: str) -> str:
    """A question and its answer as one statement."""
    if visit is None:
        return f"{place_words(site)} was read {_times(answer)}"
    time = "" if visit == 1 else f" the {ordinal(visit)} time"
    return f"{place_words(site)} is {answer}{time}"


def _times(answer: str) -> str:
    if answer.startswith(NOT_REACHED):
        return "never"
    return {"1": "once", "2": "twice"}.get(answer, f"{answer} times")


def ordinal(number: int) -> str:
    """As in "3rd"."""
    if number % 100 in (11, 12, 13):
        return f"{number}th"
    return f"{number}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th') }"


def branch_words(values: Values, siblings: Sequence[Values], count: int) -> str:
    """The values of one branch, told apart from those of its siblings.

    `count` is how many inputs the branch has: where fewer came by, "not reached" is one of its
    values.
    """
    absent = [NOT_REACHED] if values.met < count else []
    if not values.met:
        return NOT_REACHED
    if values.complete and len(values.known) <= _LISTED:
        return _either([*map(_value, values.in_order), *absent])
    if values.numeric and _lies_apart(values, siblings):
        return _either([_between(values, siblings), *absent])
    some = ", ".join(map(_value, values.in_order[:_LISTED]))
    number = f"{len(values.known)}" if values.complete else f"more than {len(values.known)}"
    return _either([f"one of {number} values ({some}, …)", *absent])


def _lies_apart(values: Values, siblings: Sequence[Values]) -> bool:
    """Whether the numbers from the smallest to the largest are this branch's alone."""
    others = [other for other in siblings if other is not values and other.met]
    return all(
        other.numeric and (other.high < values.low or other.low > values.high) for other in others
    )


def _between(values: Values, siblings: Sequence[Values]) -> str:
    others = [other for other in siblings if other is not values and other.met]
    low, high = _value(values.low), _value(values.high)
    if others and all(other.low > values.high for other in others):
        return f"at most {high}"
    if others and all(other.high < values.low for other in others):
        return f"at least {low}"
    return f"from {low} to {high}"


def _value(value: Value) -> str:
    return format(value, ".6g") if isinstance(value, float) else str(value)


def _either(parts: Sequence[str]) -> str:
    """As in "1, 2 or 4"."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} or {parts[-1]}"
