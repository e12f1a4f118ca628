"""The last step before something is shown: its sentences become texts in the reader's language.

Views, cards and answers are made of `Sentence`s, once for all readers. What is no `Sentence` is of
the recording (names, shapes, code) and stays as it is: an op called "values" is not a word.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

from inspector.language import Sentence, Translate
from inspector.views.model import GraphView, ViewBox, ViewEdge, ViewNode

Json = TypeVar("Json", bound=dict[str, Any] | list[Any])
_Part = TypeVar("_Part", ViewNode, ViewEdge, ViewBox)

_ENGLISH = (str, str.__str__)


def is_english(translate: Translate) -> bool:
    """Whether nothing changes when it is told."""
    return translate in _ENGLISH


def told(found: Json, translate: Translate) -> Json:
    """A value as JSON knows it, with its sentences told; a new one, if anything in it is."""
    new: Json = found if is_english(translate) else _Teller(translate).told(found)
    return new


class _Teller:
    """Tells what is in a value; labels, which are there thousands of times, once."""

    def __init__(self, translate: Translate) -> None:
        self._translate = translate
        self._known: dict[str, str] = {}

    def told(self, found: Any) -> Any:
        kind = type(found)
        if kind is Sentence:
            return self._sentence(found)
        if kind is dict:
            return {name: self.told(value) for name, value in found.items()}
        if kind is list or kind is tuple:
            if found and type(found[0]) in (int, float):
                return found  # numbers, of which there may be many: no words are among them
            return [self.told(value) for value in found]
        return found

    def _sentence(self, text: Sentence) -> str:
        if text.values:
            return self._translate(text)
        if text not in self._known:
            self._known[text] = self._translate(text)
        return self._known[text]


def told_text(text: str, translate: Translate) -> str:
    """A text that may be a sentence."""
    return translate(text) if isinstance(text, Sentence) else text


def told_view(view: GraphView, translate: Translate) -> GraphView:
    """A picture's content with its sentences told, so that its nodes have room for them."""
    if is_english(translate):
        return view
    return replace(
        view,
        name=told_text(view.name, translate),
        nodes=told_parts(view.nodes, translate),
        edges=told_parts(view.edges, translate),
        boxes=told_parts(view.boxes, translate),
        hidden={told_text(reason, translate): count for reason, count in view.hidden.items()},
        room=None if view.room is None else told_view(view.room, translate),
    )


def told_parts(parts: Sequence[_Part], translate: Translate) -> tuple[_Part, ...]:
    """Nodes, edges or boxes with their sentences told."""
    return tuple(parts) if is_english(translate) else tuple(_part(one, translate) for one in parts)


def _part(part: _Part, translate: Translate) -> _Part:
    names = ("label",) if isinstance(part, ViewEdge) else ("title", "subtitle", "badge")
    texts = ((name, getattr(part, name)) for name in names)
    new: dict[str, Any] = {
        name: translate(text) for name, text in texts if isinstance(text, Sentence)
    }
    return replace(part, **new) if new else part
