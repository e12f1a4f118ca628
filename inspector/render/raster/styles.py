"""The CSS of a drawing, as far as `theme.graph_css` uses it.

Selectors are lists of compounds of a tag, classes, `:not(…)` and `:is(…)`, joined by descent or
`>`. Rules for what only a page knows (`:hover`, `:focus-visible`) are left out. All properties
that matter here are handed down to what is inside.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

_NOT_DRAWN = (":hover", ":focus", ":active")
_COMMENT = re.compile(r"/\*.*?\*/", re.S)
_RULE = re.compile(r"([^{}]+)\{([^{}]*)\}")
_PART = re.compile(r":(not|is)\(([^()]*)\)|\.([\w-]+)|([a-zA-Z][\w-]*)|(\*)|(.)")

PROPERTIES = (
    "fill", "stroke", "stroke-width", "stroke-dasharray", "font-size", "font-family",
    "font-weight", "text-anchor",
)  # fmt: skip


class _Simple(NamedTuple):
    """A tag, or a class."""

    tag: str
    name: str

    def fits(self, tag: str, classes: frozenset[str]) -> bool:
        return self.tag == tag if self.tag else self.name in classes


class _Compound(NamedTuple):
    """All of `needs`, none of `without`, one of each of `choices`; `is_child` of the one before."""

    needs: tuple[_Simple, ...]
    without: tuple[_Simple, ...]
    choices: tuple[tuple[_Simple, ...], ...]
    is_child: bool

    def fits(self, one: Styled) -> bool:
        tag, classes = one.tag, one.classes
        return (
            all(simple.fits(tag, classes) for simple in self.needs)
            and not any(simple.fits(tag, classes) for simple in self.without)
            and all(any(s.fits(tag, classes) for s in choice) for choice in self.choices)
        )

    @property
    def weight(self) -> tuple[int, int]:
        """Specificity: (classes, tags)."""
        named = [*self.needs, *self.without, *(choice[0] for choice in self.choices)]
        tags = sum(bool(simple.tag) for simple in named)
        return len(named) - tags, tags


class _Rule(NamedTuple):
    weight: tuple[int, int, int]
    compounds: tuple[_Compound, ...]
    values: Mapping[str, str]


@dataclass(slots=True, eq=False)
class Styled:
    """An element as CSS sees it: its tag, its classes, what it is in, and its style."""

    tag: str
    classes: frozenset[str]
    parent: Styled | None
    style: Mapping[str, str]
    inside: dict[tuple[str, str], Styled] = field(default_factory=dict)


class StyleSheet:
    """The rules of a text of CSS."""

    def __init__(self, css: str) -> None:
        rules: list[_Rule] = []
        for heads, body in _RULE.findall(_COMMENT.sub("", css)):
            values = _declarations(body)
            for head in _split(heads):
                if values and not any(word in head for word in _NOT_DRAWN):
                    compounds = tuple(_compounds(head))
                    classes = sum(compound.weight[0] for compound in compounds)
                    tags = sum(compound.weight[1] for compound in compounds)
                    rules.append(_Rule((classes, tags, len(rules)), compounds, values))
        self._rules = sorted(rules, key=lambda rule: rule.weight)

    def style(self, tag: str, classes: str, parent: Styled | None) -> Styled:
        """The element of that tag and those classes inside of `parent`; equal ones are one."""
        if parent is not None and (tag, classes) in parent.inside:
            return parent.inside[tag, classes]
        found = Styled(tag, frozenset(classes.split()), parent, {})
        values = {} if parent is None else dict(parent.style)
        for rule in self._rules:
            if _fits(rule.compounds, found):
                values.update(rule.values)
        found.style = values
        if parent is not None:
            parent.inside[tag, classes] = found
        return found


def _fits(compounds: tuple[_Compound, ...], one: Styled) -> bool:
    """Whether a selector picks an element; the way up is tried from the innermost compound."""
    *outer, last = compounds
    if not last.fits(one):
        return False
    if not outer:
        return True
    parent = one.parent
    while parent is not None:
        if _fits(tuple(outer), parent):
            return True
        parent = None if last.is_child else parent.parent
    return False


def _declarations(body: str) -> dict[str, str]:
    pairs = (line.partition(":") for line in body.split(";"))
    return {name.strip(): value.strip() for name, _, value in pairs if name.strip() in PROPERTIES}


def _split(text: str) -> list[str]:
    """Parts of a list at commas that are in no parentheses."""
    return [part.strip() for part in re.split(r",(?![^()]*\))", text)]


def _compounds(selector: str) -> list[_Compound]:
    words = re.findall(r">|(?:\([^()]*\)|[^\s>()])+", selector)
    found: list[_Compound] = []
    for place, word in enumerate(words):
        if word != ">":
            found.append(_compound(word, is_child=place > 0 and words[place - 1] == ">"))
    return found


def _compound(word: str, *, is_child: bool) -> _Compound:
    needs: list[_Simple] = []
    without: list[_Simple] = []
    choices: list[tuple[_Simple, ...]] = []
    for pseudo, inner, name, tag, star, other in _PART.findall(word):
        if pseudo:
            listed = tuple(_simple(part) for part in _split(inner))
            without.extend(listed if pseudo == "not" else ())
            choices.extend([listed] if pseudo == "is" else ())
        elif other:
            needs.append(_Simple("", other))  # of a kind that is not known here: picks nothing
        elif not star:
            needs.append(_Simple(tag, name))
    return _Compound(tuple(needs), tuple(without), tuple(choices), is_child)


def _simple(part: str) -> _Simple:
    return _Simple("", part[1:]) if part.startswith(".") else _Simple(part, "")
