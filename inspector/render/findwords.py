"""What the words of a search mean: which field each looks at, and which texts it fits.

    op:linear     name of the op, autograd node or IR node
    name:logits   variable, parameter or input; value of the IR
    module:enc.0  path or class of the module: where one is called just that, it and what is in it
    shape:2x3     these sizes in a row; (2, 3) or [2, 3]: this shape and no other
    line:27       also net.py:27, :27, net.py
    kind:view     op, decision, view, in-place, failed, nan, inf, parameter, loop, ...
    dtype:float16
    trip:317      this trip of a loop, also as "trip 317"; beside other words, what ran in it

A word without a prefix looks at all fields; kinds then count as whole words only, so that "an"
does not find each "nan". "%12" is the tensor with that number.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

FIELDS = ("op", "name", "module", "shape", "line", "kind", "dtype")
TRIP = "trip"
"""A prefix that is no field of an entry."""

_TERM = re.compile(
    rf'(?:({"|".join((*FIELDS, TRIP))}):(?!:))?("[^"]*"?|[(\[][\d\s,]*[)\]]|\S+)?', re.IGNORECASE
)
_TRIP_WORDS = re.compile(r"(?<![^\s])(?:trip (\d+)|第 ?(\d+) ?轮)(?![^\s])")
"""A trip as it is called in a picture, in any language."""

_IN_A_ROW = re.compile(r"\d+(?:[x×,*]\d+)*[x×,*]?")
_WHOLE = re.compile(r"[(\[]([\d\s,]*)[)\]]")
_PLACE = re.compile(r"(.*):(\d+)")


@dataclass(frozen=True, slots=True)
class Term:
    """One word of a query, in lower case; `field` is "" for a word that looks everywhere.

    `tensor` is the number in a word like "%12".
    """

    word: str
    field: str = ""
    tensor: int | None = None


def terms(query: str) -> list[Term]:
    """The words of a query. Quotes hold a word with spaces together, and so do brackets."""
    found: list[Term] = []
    asked = _TRIP_WORDS.sub(lambda said: f"{TRIP}:{said[1] or said[2]}", query.lower())
    for match in _TERM.finditer(asked):
        field, word = match[1] or "", (match[2] or "").strip('"').strip()
        number = re.fullmatch(r"%(\d{1,15})", word)
        if number and not field:
            found.append(Term(word, "", int(number[1])))
        elif word:
            found.append(Term(word, field))
    return found


def matches(field: str, term: Term, texts: Sequence[str]) -> list[int]:
    """The numbers of the texts of a field that a term fits."""
    test = _TESTS.get(field, _within)(term)
    found = [number for number, text in enumerate(texts) if test(text)] if test else []
    if field != "module" or not found:
        return found
    exactly = [number for number in found if _is_in_module(term.word, texts[number])]
    return exactly or found


def shape_text(shapes: Sequence[tuple[int, ...]]) -> str:
    """Shapes as they are searched: "|2×3|[4]|"; the bars are where a shape ends."""
    return "".join(f"|{'×'.join(map(str, shape)) or 'scalar'}" for shape in shapes) + "|"


Test = Callable[[str], bool]


def _within(term: Term) -> Test | None:
    return lambda text: term.word in text


def _shape(term: Term) -> Test | None:
    whole = _WHOLE.fullmatch(term.word)
    if whole:
        sizes = re.findall(r"\d+", whole[1])
        wanted = f"|{'×'.join(sizes) or 'scalar'}|"
        return lambda text: wanted in text
    if _IN_A_ROW.fullmatch(term.word):
        row = re.sub("[x,*]", "×", term.word)
        end = "" if row.endswith("×") else r"(?!\d)"
        return re.compile(rf"(?<!\d){row}{end}").search  # type: ignore[return-value]
    return _within(term)


def _line(term: Term) -> Test | None:
    if term.word.isdecimal():
        return lambda text: text.endswith(f":{term.word}")
    place = _PLACE.fullmatch(term.word)
    if place:
        ends = (f"/{term.word}", f"\\{term.word}") if place[1] else (term.word,)
        return lambda text: text.endswith(ends)
    if "/" in term.word or "\\" in term.word:
        return lambda text: term.word in text
    # The folders of a project would find everything in it.
    return lambda text: term.word in re.split(r"[/\\]", text)[-1].rpartition(":")[0]


def _kind(term: Term) -> Test | None:
    if term.field:
        return lambda text: any(part.startswith(term.word) for part in text.split())
    return lambda text: term.word in text.split()


_TESTS = {"shape": _shape, "line": _line, "kind": _kind}


def _is_in_module(word: str, text: str) -> bool:
    """Whether a module's path is `word` at its end or inside ("layers.1" in "enc.layers.1.fc")."""
    return f".{word}." in f".{text.partition(' ')[0]}."
