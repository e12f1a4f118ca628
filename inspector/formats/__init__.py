"""A recording in formats that other programs read; see docs/formats.md.

Recording ─┬─ json            document.py       one document, with a JSON Schema
           ├─ trace           chrometrace.py    Perfetto and chrome://tracing
           ├─ model-explorer  modelexplorer.py  Google's Model Explorer
           └─ csv, parquet    tables.py         a table for each kind of record
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from inspector.errors import InspectorError
from inspector.formats.chrometrace import to_trace
from inspector.formats.document import schema, text_of, to_json
from inspector.formats.modelexplorer import to_model_explorer
from inspector.formats.tables import FORMATS as TABLE_FORMATS
from inspector.formats.tables import tables, write_tables
from inspector.language import sentence
from inspector.records import Recording
from inspector.writing import write_whole

__all__ = [
    "FORMATS",
    "export_data",
    "schema",
    "tables",
    "to_json",
    "to_model_explorer",
    "to_trace",
    "write_tables",
]

_DOCUMENTS: dict[str, Callable[[Recording], Any]] = {
    "json": to_json,
    "trace": to_trace,
    "model-explorer": to_model_explorer,
}

FORMATS = (*_DOCUMENTS, *TABLE_FORMATS)


def export_data(recording: Recording, path: str | os.PathLike[str], format: str = "json") -> None:
    """Write what was recorded for another program, whole or not at all.

    Args:
        recording: what ran.
        path: the file; for tables a file that ends with ".zip", or a new folder.
        format: "json" (all of it, but for arrays of values), "trace" (for Perfetto),
            "model-explorer", "csv" or "parquet" (a table for each kind of record).

    Raises:
        InspectorError: there is no such format, or the folder is there already.
        OSError: it cannot be written there.
    """
    if format not in FORMATS:
        known = ", ".join(FORMATS)
        raise InspectorError(
            sentence("There is no format {format!r}. Known: {known}.", format=format, known=known)
        )
    if format in TABLE_FORMATS:
        write_tables(recording, path, format)
    else:
        write_whole(path, text_of(_DOCUMENTS[format](recording)).encode("ascii"))
