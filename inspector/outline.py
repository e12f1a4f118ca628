"""What is in a recording file, told without making its records: 100,000 of them take a second."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from inspector.columns import TABLES, opened_table
from inspector.container import content, opened_path
from inspector.retold import from_json


@dataclass(frozen=True, slots=True)
class Outline:
    """What a file says of itself.

    Args:
        meta: as of the recording.
        notes: likewise.
        counts: field of the recording -> how many records it has.
        raised: the exception that ended the run ("ValueError: no such mode"); "" if none did.
    """

    meta: Mapping[str, Any]
    notes: tuple[str, ...]
    counts: Mapping[str, int]
    raised: str


def outline(path: str | os.PathLike[str]) -> Outline:
    """Read how much of what a recording holds. What its records refer to is not looked at.

    Raises:
        FileFormatError: the file is missing, unreadable, damaged or of another kind.
        FutureVersionError: it was written by a newer version.
    """
    with opened_path(path) as (archive, header):
        held = {*archive.namelist(), "ops.arrow", "tensors.arrow"}
        tables = {
            kind: opened_table(content(archive, f"{kind}.arrow"), kind)
            for kind in TABLES
            if f"{kind}.arrow" in held
        }
        failures = tables["failure"].to_pylist() if "failure" in tables else []
        return Outline(
            meta=dict(header["meta"]),
            notes=from_json([str(note) for note in header["notes"]], header.get("notes_made")),
            counts={kind: tables[kind].num_rows if kind in tables else 0 for kind in TABLES},
            raised=f"{failures[0]['type']}: {failures[0]['message']}" if failures else "",
        )
