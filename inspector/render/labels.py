"""The texts of the workbench's JavaScript in the reader's language.

The LABELS tables in `assets/` are English. A page gets the translations beside its data, by the
English text: whatever has none there stays as it is.
"""

from __future__ import annotations

import json
import re
from functools import cache
from importlib import resources

from inspector.language import ENGLISH
from inspector.languages import language

_TEXT = re.compile(r'"(?:[^"\\\n]|\\.)+"')


@cache
def labels(code: str) -> dict[str, str]:
    """English text -> the text in a language, of what the workbench itself says.

    Each text in double quotes is looked up: which of them are labels, the catalogue knows.

    Args:
        code: of the language; English, and what is not known, has none.
    """
    tell = language(code)
    if code == ENGLISH:
        return {}
    texts = {str(json.loads(found)) for found in _TEXT.findall(_script())}
    return {text: told for text in sorted(texts) if (told := tell(text)) != text}


@cache
def _script() -> str:
    folder = resources.files("inspector.render") / "assets"
    names = sorted(item.name for item in folder.iterdir() if item.name.endswith(".js"))
    return "\n".join((folder / name).read_text(encoding="utf-8") for name in names)
