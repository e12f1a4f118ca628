"""A recording as tables, one for each kind of record: CSV or Parquet, in a folder or a zip file.

A record in a field (a source, statistics) is columns of its own: `source.file`, `summary.mean`.
Numbers and texts in a row are a list in Parquet, JSON in CSV; all else is JSON in both.
Spreadsheets run what looks like a formula, so in CSV a text that begins like one gets an
apostrophe before it.
"""

from __future__ import annotations

import csv
import io
import json
import os
import secrets
import shutil
import types
import typing
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet

from inspector import records
from inspector.columns import TABLES
from inspector.errors import InspectorError
from inspector.formats.document import plain
from inspector.language import sentence
from inspector.records import Recording, Source, TensorSummary
from inspector.writing import write_whole

FORMATS = ("csv", "parquet")

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "'", "＝", "＋", "－", "＠")
"""Texts that begin with one of these get an apostrophe in CSV; reading takes it away again."""

_JSON = "json"
_PLAIN = {
    bool: pyarrow.bool_(),
    int: pyarrow.int64(),
    float: pyarrow.float64(),
    str: pyarrow.string(),
}
_NESTED = (Source, TensorSummary)
_TOO_LARGE = 2**63
_SAME_TIME = (1980, 1, 1, 0, 0, 0)
"""Of each file in a zip: the same recording gives the same bytes."""

_Column = tuple[str, Any, Callable[[Any], Any]]
"""Name, Arrow type or `_JSON`, and the value in a record."""


def tables(recording: Recording) -> dict[str, pyarrow.Table]:
    """The tables of a recording by name: those of `columns.TABLES`, and how often lines ran."""
    found = {
        name: _table(_rows(getattr(recording, name)), record_type)
        for name, record_type in TABLES.items()
    }
    lines = [
        (file, line, count)
        for file, counts in sorted(recording.lines.items())
        for line, count in sorted(counts.items())
    ]
    columns = list(zip(*lines, strict=True)) or [(), (), ()]
    kinds = (pyarrow.string(), pyarrow.int64(), pyarrow.int64())
    arrays = [
        pyarrow.array([_clean(one) for one in column], kind)
        for column, kind in zip(columns, kinds, strict=True)
    ]
    found["lines"] = pyarrow.table(arrays, names=["file", "line", "count"])
    return found


def _rows(held: Any) -> Iterable[Any]:
    """The records of a field: in a row, by id, or one or none."""
    if isinstance(held, Mapping):
        return [held[number] for number in sorted(held)]
    return held if isinstance(held, tuple) else [] if held is None else [held]


def write_tables(recording: Recording, path: str | os.PathLike[str], format: str) -> None:
    """Write the tables of a recording.

    Args:
        recording: what ran.
        path: a zip file, where it ends with ".zip"; else a new folder.
        format: "csv" or "parquet".

    Raises:
        InspectorError: there is something at the folder's place already, or no such format.
        OSError: it cannot be written there.
    """
    if format not in FORMATS:
        known = ", ".join(FORMATS)
        raise InspectorError(
            sentence("Tables are written as {known}, not {format!r}.", known=known, format=format)
        )
    files = {
        f"{name}.{format}": _csv(table) if format == "csv" else _parquet(table)
        for name, table in tables(recording).items()
    }
    target = Path(path)
    if target.suffix.lower() == ".zip":
        write_whole(target, _zip(files))
        return
    if target.exists():
        raise InspectorError(
            sentence(
                "{folder} is there already: name a new folder, or a file that ends with .zip.",
                folder=str(target),
            )
        )
    _write_folder(target, files)


def _write_folder(target: Path, files: dict[str, bytes]) -> None:
    """All files or none."""
    beside = target.with_name(f".{secrets.token_hex(8)}.part")
    beside.mkdir()
    try:
        for name, data in files.items():
            (beside / name).write_bytes(data)
        os.rename(beside, target)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise


def _zip(files: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            about = zipfile.ZipInfo(name, _SAME_TIME)
            about.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(about, data)
    return made.getvalue()


# -- columns -------------------------------------------------------------------------------------


def _table(rows: Iterable[Any], record_type: type[Any]) -> pyarrow.Table:
    rows = list(rows)
    arrays, names = [], []
    for name, kind, value in _columns(record_type):
        column = [value(row) for row in rows]
        if kind == _JSON:
            column = [None if one is None else json.dumps(plain(one)) for one in column]
            kind = pyarrow.string()
        arrays.append(pyarrow.array([_clean(one) for one in column], kind))
        names.append(name)
    return pyarrow.table(arrays, names=names)


def _columns(record_type: type[Any]) -> Iterator[_Column]:
    hints = typing.get_type_hints(record_type, vars(records))
    for field in fields(record_type):
        hint = _given(hints[field.name])
        get = _getter(field.name)
        if hint in _NESTED:
            for name, kind, value in _columns(hint):
                yield f"{field.name}.{name}", kind, _inside(get, value)
        else:
            yield field.name, _kind(hint), get


def _getter(name: str) -> Callable[[Any], Any]:
    return lambda record: getattr(record, name)


def _inside(outer: Callable[[Any], Any], inner: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def get(record: Any) -> Any:
        found = outer(record)
        return None if found is None else inner(found)

    return get


def _given(hint: Any) -> Any:
    """A type without its None."""
    inner = [one for one in typing.get_args(hint) if one is not type(None)]
    optional = typing.get_origin(hint) in (typing.Union, types.UnionType)
    return inner[0] if optional and len(inner) == 1 else hint


def _kind(hint: Any) -> Any:
    if hint in _PLAIN:
        return _PLAIN[hint]
    inner = typing.get_args(hint)
    if typing.get_origin(hint) is tuple and inner[0] in _PLAIN:
        return pyarrow.list_(_PLAIN[inner[0]])
    return _JSON


def _clean(value: Any) -> Any:
    """A value that both formats can hold: no half characters, no number of more than 64 bits."""
    if isinstance(value, str):
        return str(value).encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, int) and abs(value) >= _TOO_LARGE:
        return None
    if isinstance(value, tuple):
        return [_clean(one) for one in value]
    return value


# -- files ---------------------------------------------------------------------------------------


def _parquet(table: pyarrow.Table) -> bytes:
    made = io.BytesIO()
    pyarrow.parquet.write_table(table, made)
    return made.getvalue()


def _csv(table: pyarrow.Table) -> bytes:
    made = io.StringIO(newline="")
    writer = csv.writer(made, lineterminator="\r\n")
    writer.writerow(table.column_names)
    columns = [column.to_pylist() for column in table.columns]
    writer.writerows([_cell(value) for value in row] for row in zip(*columns, strict=True))
    return made.getvalue().encode("utf-8")


def _cell(value: Any) -> str:
    """A value as CSV has it; None is an empty cell, an empty text an apostrophe."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return "NaN" if value != value else repr(value)  # polars knows no "nan"
    text = value if isinstance(value, str) else json.dumps(plain(value))
    return f"'{text}" if not text or text.startswith(FORMULA) else text
