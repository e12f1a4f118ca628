"""Files from strangers: whatever is in one, reading it gives a recording or an `InspectorError`.

Bytes at random are refused at the first look, so most of what is tried is a good file with
something wrong deep inside: its parts are damaged and packed anew with right checksums.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import resource
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import ipc
from torch import Tensor, nn

import inspector
from inspector import container
from inspector.check import self_check
from inspector.errors import FileFormatError, InspectorError
from inspector.language import counted, listed, sentence
from inspector.records import StaticGraph
from inspector.retold import as_json, from_json
from inspector.static_store import static_from_json, static_to_json
from inspector.store import load_bytes

ARRAYS = ("values.arrow", "grads.arrow")

MOST_MEMORY = 256 * 2**20
"""Bytes by which a test may raise the process's memory: its files are smaller than 100 kB."""

FUZZ = settings(max_examples=int(os.environ.get("FUZZ_EXAMPLES", "100")), deadline=10_000)
"""With FUZZ_EXAMPLES=20000 they look for an hour. The deadline is of one file, in ms."""


@pytest.fixture(scope="module", autouse=True)
def little_memory(parts: dict[str, bytes]) -> Iterator[None]:
    """Reading all these files takes little memory: the highest it has been is looked at."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    assert grown < MOST_MEMORY, f"{grown:,} bytes"


class Gated(nn.Module):
    """Has all that a recording has a table for, but no failure."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(2, 2)

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(2):
            if x.sum() > 0:
                x = self.inner(x).relu()
        return x


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The members of a good file."""
    options = inspector.CaptureOptions(values="full")
    found = inspector.record(Gated(), torch.ones(1, 2), loss="sum", options=options)
    path = tmp_path_factory.mktemp("fuzz") / "run.inspect"
    found.save(path)
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(parts: dict[str, bytes]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            member = zipfile.ZipInfo(name)  # of no date: the same bytes each time
            archive.writestr(member, content, zipfile.ZIP_DEFLATED)
    return target.getvalue()


def read(data: bytes) -> None:
    """Load it; anything else than a recording that holds, or our error, fails the test."""
    with contextlib.suppress(InspectorError):
        self_check(load_bytes(data, "stranger.inspect"))


def damaged(data: st.DataObject, content: bytes) -> bytes:
    """The bytes with a few of them changed, cut out, put in twice, or in another place."""
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content)))
        length = data.draw(st.integers(0, 16))
        kind = data.draw(st.sampled_from(["flip", "put", "cut", "insert", "double", "end"]))
        before, here, after = content[:at], content[at : at + length], content[at + length :]
        if kind == "flip":
            bit = 1 << data.draw(st.integers(0, 7))
            content = (
                before + bytes(byte ^ bit for byte in content[at : at + 1]) + content[at + 1 :]
            )
        elif kind == "put":  # a number where lengths and offsets may stand
            number = data.draw(st.sampled_from([0, 1, -1, 2**31 - 1, -(2**31), 2**40, 2**62]))
            at -= at % 8
            content = content[:at] + struct.pack("<q", number) + content[at + 8 :]
        elif kind == "insert":
            content = before + data.draw(st.binary(max_size=16)) + here + after
        else:
            content = before + {"cut": b"", "double": 2 * here, "end": b""}[kind] + after
            content = before if kind == "end" else content
    return content


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([-1, 2**63, 2**200, "", "-1", "0", "\ud800"])
    | st.floats()
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


def replaced(data: st.DataObject, known: Any) -> Any:
    """JSON with one value in it, at any depth, replaced, taken out or renamed."""
    holders: list[tuple[Any, Any]] = []
    waiting = [known]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict | list):
            keys = list(item) if isinstance(item, dict) else range(len(item))
            holders += [(item, key) for key in keys]
            waiting += [item[key] for key in keys]
    holder, key = data.draw(st.sampled_from(holders))
    what = data.draw(st.sampled_from(["replace", "replace", "take", "rename"]))
    if what == "replace":
        holder[key] = data.draw(JSON)
    elif what == "rename" and isinstance(holder, dict):
        holder[data.draw(st.text(max_size=6))] = holder.pop(key)
    else:
        del holder[key]
    return known


@given(content=st.binary(max_size=600), zipped=st.booleans())
@FUZZ
def test_any_bytes_are_a_recording_or_an_error_in_words(content: bytes, zipped: bool) -> None:
    read(b"PK\x03\x04" + content if zipped else content)


@given(data=st.data())
@FUZZ
def test_a_damaged_file_is_read_or_refused(parts: dict[str, bytes], data: st.DataObject) -> None:
    read(damaged(data, packed(parts)))


@given(data=st.data())
@FUZZ
def test_a_damaged_part_with_a_right_checksum_is_read_or_refused(
    parts: dict[str, bytes], data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from(sorted(parts)))
    read(packed({**parts, name: damaged(data, parts[name])}))


@given(data=st.data())
@FUZZ
def test_parts_that_are_missing_swapped_or_files_themselves_are_read_or_refused(
    parts: dict[str, bytes], data: st.DataObject
) -> None:
    changed = dict(parts)
    one, other = (data.draw(st.sampled_from(sorted(parts))) for _ in range(2))
    kind = data.draw(st.sampled_from(["swap", "drop", "empty", "nest", "path"]))
    if kind == "swap":
        changed[one], changed[other] = parts[other], parts[one]
    elif kind == "drop":
        del changed[one]
    elif kind == "path":
        changed[f"../../{one}"] = changed["/etc/passwd"] = parts[other]
    else:
        changed[one] = b"" if kind == "empty" else packed(parts)
    read(packed(changed))


@given(data=st.data())
@FUZZ
def test_a_header_of_anything_is_read_or_refused(
    parts: dict[str, bytes], data: st.DataObject
) -> None:
    header = json.loads(parts["header.json"])
    for _ in range(data.draw(st.integers(1, 3))):
        header = replaced(data, header)
    read(packed({**parts, "header.json": json.dumps(header).encode()}))


def _other_column(data: st.DataObject, old: pa.ChunkedArray) -> pa.Array:
    """As many values of the same type, any at all: ids that lead nowhere, sizes beyond sense."""
    numbers = st.sampled_from([-(2**63), -1, 0, 1, 2, 7, 2**31, 2**62, 2**63 - 1])
    texts = st.sampled_from(["", "x", "<f4", "|O", "f4,f4", "(2,)f4", "[", "{}", "\0", "‮"])
    of_type = {
        pa.int64(): numbers,
        pa.float64(): st.floats(),
        pa.bool_(): st.booleans(),
        pa.string(): texts,
        pa.large_binary(): st.binary(max_size=9),
    }
    is_list = pa.types.is_list(old.type)
    plain = of_type[old.type.value_type if is_list else old.type]
    one = st.lists(plain, max_size=3) if is_list else plain
    rows = data.draw(st.lists(one | st.none(), min_size=len(old), max_size=len(old)))
    return pa.array(rows, old.type)


@given(data=st.data())
@FUZZ
def test_a_table_of_any_numbers_and_texts_is_read_or_refused(
    parts: dict[str, bytes], data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from(sorted(set(parts) - {"header.json"})))
    table = ipc.open_stream(parts[name]).read_all()
    for _ in range(data.draw(st.integers(1, 2))):
        at = data.draw(st.integers(0, table.num_columns - 1))
        table = table.set_column(at, table.column_names[at], _other_column(data, table.column(at)))
    table = table.slice(0, data.draw(st.integers(0, table.num_rows) | st.just(table.num_rows)))
    sink = io.BytesIO()
    with ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    read(packed({**parts, name: sink.getvalue()}))


@given(field=st.sampled_from([6, 8, 10, 16, 20, 24, 28, 30, 42]), number=st.integers(0, 2**32 - 1))
@FUZZ
def test_a_directory_that_lies_is_read_or_refused(
    parts: dict[str, bytes], field: int, number: int
) -> None:
    """Of the first entry: version, flags, packing, checksum, sizes, lengths and the place."""
    content = bytearray(packed(parts))
    at = content.index(b"PK\x01\x02") + field
    wide = 4 if field in (16, 20, 24, 42) else 2
    content[at : at + wide] = number.to_bytes(4, "little")[:wide]
    read(bytes(content))


# -- made to fill the memory -----------------------------------------------------------------------


@pytest.mark.parametrize("inside", [b"[],", b"{},", b"0,"])
def test_a_header_of_millions_of_values_is_refused_unread(
    parts: dict[str, bytes], inside: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Python objects, they would take more than twenty times as much."""
    monkeypatch.setattr(container, "MAX_HEADER", 2**20)
    header = b'{"meta": [' + inside * (2**20 // len(inside)) + b"0]}"
    with pytest.raises(FileFormatError, match=r"not opened: .* a header of 1,048,5"):
        load_bytes(packed({**parts, "header.json": header}), "stranger.inspect")


def test_records_of_more_than_a_gibibyte_are_refused_unread(
    parts: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = packed({**parts, "more.arrow": bytes(2**20)})
    load_bytes(data, "stranger.inspect")
    monkeypatch.setattr(container, "MAX_RECORDS", 2**20)
    with pytest.raises(FileFormatError, match=r"not opened: it claims 1,\d+,\d+ bytes of records"):
        load_bytes(data, "stranger.inspect")


def test_arrays_do_not_count_as_records(
    parts: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(parts["values.arrow"]) > 0
    records = sum(len(content) for name, content in parts.items() if name not in ARRAYS)
    monkeypatch.setattr(container, "MAX_RECORDS", records)
    load_bytes(packed(parts), "stranger.inspect")


def test_what_would_not_be_opened_is_not_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = inspector.record(Gated(), torch.ones(1, 2))
    monkeypatch.setattr(container, "MAX_HEADER", 100)
    with pytest.raises(FileFormatError, match="texts of the recording"):
        found.save(tmp_path / "run.inspect")
    assert list(tmp_path.iterdir()) == []


def test_a_table_that_claims_millions_of_rows_without_columns_is_refused(
    parts: dict[str, bytes],
) -> None:
    nothing = pa.table({"mood": pa.nulls(2**24)})  # takes no bytes in the file
    sink = io.BytesIO()
    with ipc.new_stream(sink, nothing.schema) as writer:
        writer.write_table(nothing)
    for name in sorted(set(parts) - {"header.json"}):
        with pytest.raises(FileFormatError, match="claims 16,777,216 rows"):
            load_bytes(packed({**parts, name: sink.getvalue()}), "stranger.inspect")


# -- what else is read: static graphs and how sentences were made ----------------------------------


@pytest.fixture(scope="module")
def drawn() -> bytes:
    return static_to_json(inspector.script(Gated()))


def read_static(text: bytes) -> None:
    with contextlib.suppress(InspectorError):
        assert isinstance(static_from_json(text, "stranger"), StaticGraph)


@given(data=st.data())
@FUZZ
def test_a_static_graph_of_anything_is_read_or_refused(drawn: bytes, data: st.DataObject) -> None:
    known = json.loads(drawn)
    for _ in range(data.draw(st.integers(1, 3))):
        known = replaced(data, known)
    read_static(json.dumps(known).encode())


@given(data=st.data())
@FUZZ
def test_a_damaged_static_graph_is_read_or_refused(drawn: bytes, data: st.DataObject) -> None:
    read_static(damaged(data, drawn))


TEXTS = (
    sentence("{op} gave {count:,} zeros.", op="relu", count=3),
    counted("{count} op", "{count} ops", 3),
    listed([sentence("{a} and {b}", a=1.5, b="x"), "c"]),
)


@given(data=st.data())
@FUZZ
def test_texts_stay_what_they_were_whatever_a_file_says_of_how_they_were_made(
    data: st.DataObject,
) -> None:
    made = replaced(data, [json.loads(json.dumps(as_json(TEXTS)))])
    texts = [str(text) for text in TEXTS]
    assert list(from_json(texts, made[0] if made else None)) == texts
