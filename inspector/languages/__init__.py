"""Tells sentences in other languages.

    tell = language("zh_CN")
    tell(finding.message)

Templates and their translations are gettext catalogues, `*/*.po` in this folder, one for each part
of the program; `tools/catalogues.py` keeps them up to date.
"""

from __future__ import annotations

import gettext
import io
import re
from functools import cache
from pathlib import Path

from inspector.language import ENGLISH, LANGUAGES, Sentence, Translate

_FOLDER = Path(__file__).parent


@cache
def language(code: str) -> Translate:
    """What tells a text in a language.

    Args:
        code: one of `LANGUAGES`. Any other gives English.

    Returns:
        A function of a text. A `Sentence` is told by its template; any other text is looked up as
        it is; what has no translation stays English. The result is a plain `str`.
    """
    if code == ENGLISH or code not in LANGUAGES:
        return str.__str__
    catalogue = _catalogue(code)

    def tell(text: str) -> str:
        if not isinstance(text, Sentence):
            return catalogue.gettext(text) if text else text
        if not text:
            return ""
        values = {
            name: f"{_OPEN}{tell(value)}{_CLOSE}" if isinstance(value, Sentence) else value
            for name, value in text.values.items()
        }
        if text.number is None:
            template = catalogue.gettext(text.templates[0])
        else:
            template = catalogue.ngettext(text.templates[0], text.templates[-1], text.number)
        return _joined(template.format(**values)) if values else template

    return tell


_OPEN, _CLOSE = "\ue000", "\ue001"
"""Around what was told by itself, until it stands in its place; of Unicode's private use area."""

_HAN = "\u3000-\u303f\u3400-\u9fff\uff00-\uffef"
_NEEDLESS = re.compile(f"(?<=[{_HAN}]) (?={_OPEN}[{_HAN}])|(?<=[{_HAN}]{_CLOSE}) (?=[{_HAN}])")


def _joined(text: str) -> str:
    """A text without the marks, and without a space between two Chinese words.

    A template has one beside a place that mostly takes a Latin name.
    """
    return _NEEDLESS.sub("", text).replace(_OPEN, "").replace(_CLOSE, "")


@cache
def _catalogue(code: str) -> gettext.GNUTranslations:
    """All parts of a language's catalogue as one. Compiled in memory: no file is made."""
    from babel.messages.catalog import Catalog
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po

    whole = Catalog(locale=code)
    for path in sorted((_FOLDER / code).glob("*.po")):
        with path.open("rb") as file:
            for message in read_po(file, locale=code):
                if message.id and message.string and not message.fuzzy:
                    whole[message.id] = message
    compiled = io.BytesIO()
    write_mo(compiled, whole)
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)
