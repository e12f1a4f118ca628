"""An uploaded notebook as one program: the code of its cells, in their order."""

from __future__ import annotations

import json
from typing import Any

from inspector.language import sentence
from inspector_app.ownstarts import Start, StartError, of_text
from inspector_app.sandbox.orders import LARGEST_ATTACHED

_NOT_PYTHON = ("%", "!", "?")
"""What lines begin with that only a notebook understands: they become comments."""


def of_notebook(name: str, data: bytes) -> Start:
    """An uploaded `.ipynb` file.

    Args:
        name: of the file.
        data: its bytes.

    Raises:
        StartError: it is too large, no notebook, or one without code.
    """
    if len(data) > LARGEST_ATTACHED:
        raise StartError(
            sentence(
                "{name} is larger than {most:,} MiB. Clear its outputs, save it, and upload it "
                "again.",
                name=name,
                most=LARGEST_ATTACHED >> 20,
            )
        )
    try:
        cells = json.loads(data)["cells"]
        texts = [_text(cell) for cell in cells if cell["cell_type"] == "code"]
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise StartError(
            sentence("{name} is no Jupyter notebook, or it is damaged.", name=name)
        ) from error
    texts = [text for text in texts if text.strip()]
    if not texts:
        raise StartError(sentence("There is no code in {name}.", name=name))
    return of_text(name, "\n\n".join(texts).encode("utf-8", "replace") + b"\n")


def _text(cell: Any) -> str:
    source = cell["source"]
    text = source if isinstance(source, str) else "".join(source)
    if text.lstrip().startswith("%%"):  # all of the cell is in another language, or for a magic
        return "\n".join(f"# {line}" for line in text.splitlines())
    return "\n".join(_line(line) for line in text.splitlines())


def _line(line: str) -> str:
    return f"# {line}" if line.lstrip().startswith(_NOT_PYTHON) else line
