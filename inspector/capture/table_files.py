"""A table of numbers as text: CSV with commas, semicolons or tabs."""

from __future__ import annotations

import csv
import io
import re

from inspector.errors import InspectorError
from inspector.language import counted, sentence, sentences

_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")


def numbers_of_table(data: bytes, most: int) -> tuple[list[list[float]], bool]:
    """The rows of a table, and whether all cells are whole numbers.

    A first row without a single number is taken for the names of the columns, one for each.
    Empty lines do not count. Cells may be `nan` and `inf`.

    Args:
        data: the file, in UTF-8 (or UTF-16 with a byte order mark).
        most: numbers at most.

    Raises:
        InspectorError: a cell is no number, a row is longer or shorter than the first, or than
            the names; rows and columns are counted from 1, rows as lines of the file.
    """
    rows = _rows(_text(data))
    if len(rows) > 1 and all(_number(cell) is None for cell in rows[0][1]):
        rows = _below_names(rows)
    if not rows:
        raise InspectorError(sentence("there is no row of numbers in it."))
    width = len(rows[0][1])
    if width * len(rows) > most:
        raise InspectorError(
            sentence(
                "it has {width:,} numbers, and {most:,} are the most.",
                width=width * len(rows),
                most=most,
            )
        )
    for line, cells in rows:
        if len(cells) != width:
            raise InspectorError(
                sentence(
                    "row {line} has {count} cells, and row {first} has {width}.",
                    line=line,
                    count=len(cells),
                    first=rows[0][0],
                    width=width,
                )
            )
    numbers = [
        [_cell(text, line, column) for column, text in enumerate(cells, 1)] for line, cells in rows
    ]
    return numbers, all(_WHOLE.fullmatch(cell.strip()) for _, cells in rows for cell in cells)


def _below_names(rows: list[tuple[int, list[str]]]) -> list[tuple[int, list[str]]]:
    """The rows below the names of the columns, which have to be as many as the numbers."""
    (line, names), (first, cells) = rows[:2]
    if len(names) != len(cells):
        raise InspectorError(
            sentence(
                "row {line} names {columns}, and row {first} has {cells}.",
                line=line,
                columns=counted("{count} column", "{count} columns", len(names)),
                first=first,
                cells=counted("{count} cell", "{count} cells", len(cells)),
            )
        )
    return rows[1:]


def _text(data: bytes) -> str:
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        raise InspectorError(
            sentence("it is no text in UTF-8. Save it as a CSV file in UTF-8.")
        ) from None


def _rows(text: str) -> list[tuple[int, list[str]]]:
    """(line of the file, cells) of each row that is not empty."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    delimiter = next((mark for mark in "\t;," if mark in first), ",")
    reader = csv.reader(io.StringIO(text), delimiter=delimiter)
    try:
        return [(reader.line_num, cells) for cells in reader if any(map(str.strip, cells))]
    except csv.Error as error:
        raise InspectorError(
            sentence(
                "row {line_num} is no row of a CSV file ({error}).",
                line_num=reader.line_num,
                error=str(error),
            )
        ) from error


def _number(text: str) -> float | None:
    text = text.strip()
    if _WHOLE.fullmatch(text):
        return int(text)
    try:
        return None if "_" in text else float(text)
    except ValueError:
        return None


def _cell(text: str, line: int, column: int) -> float:
    value = _number(text)
    if value is None:
        raise InspectorError(_no_number(text, line, column))
    return value


def _no_number(text: str, line: int, column: int) -> str:
    if not text.strip():
        return sentence("row {line}, column {column} is empty.", line=line, column=column)
    told = sentence(
        "row {line}, column {column} is “{text}”, which is no number.",
        line=line,
        column=column,
        text=text.strip()[:40],
    )
    return sentences(told, sentence("Decimals have a point.")) if "," in text else told
