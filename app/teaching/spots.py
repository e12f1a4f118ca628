"""The words of a PLACE: `op mul 2`, `line y * y`, `grad MulBackward0` to a `Spot`."""

from __future__ import annotations

import re
from difflib import get_close_matches

from inspector.language import Sentence, sentence
from inspector_app.teaching.lesson import Spot

NAMED = ("op", "tensor", "module", "parameter", "grad", "ir")
"""Kinds with a name and, where there are several, a number."""

KINDS = (*NAMED, "line", "decision", "failure")

HIGHEST = 1_000_000


def read_spot(text: str, line: int = 0) -> Spot | Sentence:
    """What a PLACE says.

    Args:
        text: as it stands in the lesson.
        line: the file's line.

    Returns:
        The spot, or why the text is none.
    """
    kind, _, rest = text.strip().partition(" ")
    rest = rest.strip()
    if kind not in KINDS:
        return sentence(
            "`{text}` is no place: it starts with {kinds}. The nearest is `{near}`.",
            text=text,
            kinds=", ".join(f"`{known}`" for known in KINDS),
            near=nearest(kind, KINDS),
        )
    if kind == "line":
        if rest:
            return Spot(kind, rest, line=line)
        return sentence("After `line` stands a text of that line, as in `line y * y`.")
    if kind == "failure":
        if not rest:
            return Spot(kind, line=line)
        return sentence("`failure` stands alone: a run fails once.")
    if kind == "decision":
        number = _number(rest or "1")
        if number:
            return Spot(kind, number=number, line=line)
        return sentence("After `decision` stands which one, from 1, as in `decision 2`.")
    return _named(kind, rest, line)


def in_words(spot: Spot) -> Sentence:
    """A place for readers of a lesson, who do not know the words of its file."""
    if spot.kind == "decision":
        return sentence("decision {number}", number=spot.number)
    if spot.kind == "failure":
        return sentence("what raised the exception")
    names = {"name": spot.name, "number": spot.number}
    one, several = _WORDS[spot.kind]
    return sentence(several if spot.number > 1 else one, **names)


_WORDS = {
    "op": (sentence("the op `{name}`"), sentence("the op `{name}`, number {number}")),
    "line": (sentence("the line `{name}`"), sentence("the line `{name}`")),
    "tensor": (
        sentence("the tensor `{name}`"),
        sentence("the tensor `{name}`, number {number}"),
    ),
    "module": (
        sentence("the call of the module `{name}`"),
        sentence("call {number} of the module `{name}`"),
    ),
    "parameter": (sentence("the parameter `{name}`"), sentence("the parameter `{name}`")),
    "grad": (
        sentence("the autograd node `{name}`"),
        sentence("the autograd node `{name}`, number {number}"),
    ),
    "ir": (
        sentence("the TorchScript node `{name}`"),
        sentence("the TorchScript node `{name}`, number {number}"),
    ),
}


def _named(kind: str, rest: str, line: int) -> Spot | Sentence:
    words = rest.split()
    number = _number(words[1]) if len(words) == 2 else 1
    if len(words) not in (1, 2) or not number:
        return sentence(
            "After `{kind}` stands a name, and then which one, from 1, if there are several: "
            "`{kind} {name} 2`.",
            kind=kind,
            name=words[0] if words else "name",
        )
    return Spot(kind, words[0], number, line)


def _number(text: str) -> int:
    """A number from 1; 0 for what is none."""
    if re.fullmatch("[0-9]{1,7}", text) is None:
        return 0
    number = int(text)
    return number if number <= HIGHEST else 0


def nearest(word: str, known: tuple[str, ...]) -> str:
    """The known word that is most like this one."""
    found = get_close_matches(word, known, n=1, cutoff=0.0)
    return found[0] if found else ""
