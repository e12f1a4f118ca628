"""Sites, branches and decisions in words."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

from inspector.census.domains import NOT_REACHED, Values
from inspector.census.tally import ARGUMENT, Site, site_of
from inspector.counted import DecisionSite, Value
from inspector.language import listed, sentence
from inspector.quoted import code_at
from inspector.records import Recording

_LISTED = 4
_LONGEST = 60
_STATEMENT = re.compile(r"^(?:if|elif|while|assert|return)\s+(.*?):?$")
_LOOP = re.compile(r"^(?:async\s+)?for\s+.+?\s+in\s+(.*?):?$")


def site_words(recording: Recording, site: Site) -> DecisionSite | None:
    """A site with the text of its expression; None where the recording did not come by."""
    for decision in recording.decisions:
        source = decision.source
        if source is not None and site_of(decision) == site:
            text = _expression(code_at(recording.sources, source), decision.kind)
            return DecisionSite(
                source.file, source.line, source.column, source.function, decision.kind, text
            )
    return None


def _expression(found: str, kind: str) -> str:
    """What was read at a place: of a statement its test, of a loop what it goes over."""
    loop = _LOOP.match(found)
    if loop and kind == "iter":
        what = loop.group(1)
        whole = sentence("the number of rows of {what}", what=what)
        return whole if len(whole) <= _LONGEST else _short(whole)
    statement = _STATEMENT.match(found)
    return _short(statement.group(1) if statement else found)


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def place_words(site: DecisionSite) -> str:
    """As in "x.mean() > 0 at branching.py:24"; of what came in, "the shape of x"."""
    if not site.line:
        if site.kind == ARGUMENT:
            return sentence("the argument {name}", name=site.text)
        return sentence("the shape of {name}", name=site.text)
    what = site.text or sentence("the {kind} that was read", kind=site.kind)
    place = f"{os.path.basename(site.file)}:{site.line}"
    return sentence("{what} at {place}", what=what, place=place)


def question_words(site: DecisionSite, visit: int | None) -> str:
    """What a split asks."""
    if visit is None:
        return sentence("how often was {what} read", what=place_words(site))
    if visit == 1:
        return place_words(site)
    return sentence("{what}, the {nth} time", what=place_words(site), nth=ordinal(visit))


def decision_words(site: DecisionSite, visit: int | None, answer: str) -> str:
    """A question and its answer as one statement."""
    if visit is None:
        return sentence("{what} was read {times}", what=place_words(site), times=_times(answer))
    told = {"what": place_words(site), "answer": answer}
    if visit == 1:
        return sentence("{what} is {answer}", **told)
    return sentence("{what} is {answer} the {nth} time", nth=ordinal(visit), **told)


def _times(answer: str) -> str:
    if answer.startswith(NOT_REACHED):
        return sentence("never")
    if answer in ("1", "2"):
        return sentence("once") if answer == "1" else sentence("twice")
    return sentence("{count} times", count=answer)


def ordinal(number: int) -> str:
    """As in "3rd"."""
    last = 0 if number % 100 in (11, 12, 13) else number % 10
    if last == 1:
        return sentence("{number}st", number=number)
    if last == 2:
        return sentence("{number}nd", number=number)
    if last == 3:
        return sentence("{number}rd", number=number)
    return sentence("{number}th", number=number)


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
    count = len(values.known)
    one = sentence("one of {count} values ({some}, …)", count=count, some=some)
    if not values.complete:
        one = sentence("one of more than {count} values ({some}, …)", count=count, some=some)
    return _either([one, *absent])


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
        return sentence("at most {high}", high=high)
    if others and all(other.high < values.low for other in others):
        return sentence("at least {low}", low=low)
    return sentence("from {low} to {high}", low=low, high=high)


def _value(value: Value) -> str:
    return format(value, ".6g") if isinstance(value, float) else str(value)


def _either(parts: Sequence[str]) -> str:
    """As in "1, 2 or 4"."""
    if len(parts) == 1:
        return parts[0]
    return sentence("{rest} or {last}", rest=listed(parts[:-1]), last=parts[-1])
