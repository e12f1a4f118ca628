"""What a browser's question says: texts, whole numbers and lists of texts out of any JSON.

Whatever stands there instead is refused as a `QuestionError`; nothing is made into text that could
be too deep or too long for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from inspector.errors import QuestionError
from inspector.language import sentence

Asked = Mapping[str, Any]

LARGEST = 2**53
"""JavaScript's whole numbers end here."""

SHOWN = 40
"""Characters of what was asked that an error repeats."""


def text_of(asked: Asked, name: str, default: str = "") -> str:
    """The text under a name; `default` where there is none. A number counts as its digits.

    Raises:
        QuestionError: something else stands there.
    """
    found = asked.get(name)
    if found is None:
        return default
    if isinstance(found, str):
        return found
    if isinstance(found, float) or (isinstance(found, int) and abs(found) <= LARGEST):
        return str(found)
    raise QuestionError(sentence("`{name}` of a question is a text.", name=name))


def whole_of(asked: Asked, name: str) -> int | None:
    """The whole number under a name; None where there is none.

    Raises:
        QuestionError: as `whole`.
    """
    found = asked.get(name)
    return None if found is None or found == "" else whole(found)


def whole(found: Any) -> int:
    """A whole number, also out of its digits.

    Raises:
        QuestionError: it is none, or larger than `LARGEST`.
    """
    try:
        value = int(found)
    except (TypeError, ValueError, OverflowError):
        said = repr(found[:SHOWN]) if isinstance(found, str) else f"a {type(found).__name__}"
        raise QuestionError(
            sentence("A whole number was expected, not {said}.", said=said)
        ) from None
    if abs(value) > LARGEST:
        raise QuestionError(sentence("This number is too large."))
    return value


def texts_of(asked: Asked, name: str, most: int) -> frozenset[str]:
    """The texts in the list under a name; none where there is no list. All else in it is left out.

    Raises:
        QuestionError: something else stands there, or there are more than `most`.
    """
    found = asked.get(name)
    if found is None:
        return frozenset()
    if not isinstance(found, (list, tuple)) or len(found) > most:
        raise QuestionError(
            sentence(
                "`{name}` of a question is a list of at most {most:,} names.", name=name, most=most
            )
        )
    return frozenset(each for each in found if isinstance(each, str))
