"""Finds English that was left in what is said in Chinese.

Names stay as they are: of ops, modules and files, code in backticks, what torch says. So a run of
words counts only if it reads like English: three or more in a row, all in small letters but the
first.
"""

from __future__ import annotations

import re

RUN = re.compile(r"(?<![\w.`/“\"'{:-])[A-Za-z][a-z']*(?: [a-z][a-z']*){2,}(?![\w(`/_=])")
CODE = re.compile(r"```.*?```|`[^`\n]*`|https?:\S+|:material/\w+:", re.DOTALL)


def english_runs(text: str) -> list[str]:
    """The runs of three or more English words in a text.

    >>> english_runs("第 3 步：the run of `relu` has ended here")
    ['the run of', 'has ended here']
    """
    return [found.group() for found in RUN.finditer(CODE.sub("\n", text))]
