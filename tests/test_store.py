"""Recordings as files."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import inspector
import sample_models
from inspector.check import self_check
from inspector.errors import FileFormatError, FutureVersionError
from inspector.records import Recording
from inspector.store import load_bytes


@pytest.fixture(scope="module")
def small() -> Recording:
    sample = sample_models.get("branching")
    arguments = next(iter(sample.inputs.values())).make()
    return inspector.record(sample.build(), *arguments, loss=sample.loss)


@pytest.fixture(scope="module")
def small_bytes(small: Recording, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("store") / "small.inspect"
    small.save(path)
    return path.read_bytes()


@pytest.mark.parametrize("name", list(sample_models.catalog()))
def test_a_saved_recording_loads_as_an_equal_one(name: str, tmp_path: Path) -> None:
    sample = sample_models.get(name)
    for choice in sample.inputs.values():
        recording = inspector.record(sample.build(), *choice.make(), loss=sample.loss)
        recording.save(tmp_path / "run.inspect")
        loaded = inspector.load(tmp_path / "run.inspect")
        # JSON has lists only: meta's tuples are the one thing that may differ in type.
        meta = json.loads(json.dumps(recording.meta))
        assert loaded == replace(recording, meta=meta)
        self_check(loaded)


def test_full_values_survive_bit_by_bit(tmp_path: Path) -> None:
    x = torch.tensor([1.0, float("nan"), float("inf"), -0.0])
    options = inspector.CaptureOptions(values="full")
    recording = inspector.record(torch.neg, x, options=options)
    recording.save(tmp_path / "run.inspect")
    loaded = inspector.load(tmp_path / "run.inspect")
    kept = loaded.values[recording.ops[0].outputs[0]]
    assert kept.tobytes() == numpy.array([-1.0, numpy.nan, -numpy.inf, 0.0], "f4").tobytes() or (
        numpy.array_equal(kept, (-x).numpy(), equal_nan=True)
    )
    assert set(loaded.values) == set(recording.values)


def test_a_failed_run_and_its_failure_survive(tmp_path: Path) -> None:
    recording = inspector.record(torch.matmul, torch.ones(2, 3), torch.ones(2, 3))
    recording.save(tmp_path / "run.inspect")
    assert inspector.load(tmp_path / "run.inspect").failure == recording.failure
    assert recording.failure is not None


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match=r"nothing\.inspect.*No such file"):
        inspector.load(tmp_path / "nothing.inspect")


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_refused(share: float, small_bytes: bytes) -> None:
    with pytest.raises(FileFormatError, match="not a readable recording"):
        load_bytes(small_bytes[: int(len(small_bytes) * share)], "cut.inspect")


def test_a_file_of_another_kind_is_refused() -> None:
    with pytest.raises(FileFormatError, match=r"other\.inspect is not a readable recording"):
        load_bytes(b"\x89PNG\r\n", "other.inspect")


def _with_header(data: bytes, **changes: object) -> bytes:
    source, target = zipfile.ZipFile(io.BytesIO(data)), io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for member in source.namelist():
            content = source.read(member)
            if member == "header.json":
                content = json.dumps({**json.loads(content), **changes}).encode()
            archive.writestr(member, content)
    return target.getvalue()


def test_a_future_version_says_to_update(small_bytes: bytes) -> None:
    with pytest.raises(FutureVersionError, match="Update torch-graph-inspector"):
        load_bytes(_with_header(small_bytes, version=99), "new.inspect")


def test_another_programs_zip_is_refused(small_bytes: bytes) -> None:
    with pytest.raises(FileFormatError, match="something-else"):
        load_bytes(_with_header(small_bytes, format="something-else"), "other.inspect")


def test_ids_that_point_nowhere_are_refused(small_bytes: bytes) -> None:
    with pytest.raises(FileFormatError, match="the output refers to number 10000"):
        load_bytes(_with_header(small_bytes, output=[10_000]), "odd.inspect")


@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_a_flipped_byte_gives_a_recording_or_our_error(
    small_bytes: bytes, data: st.DataObject
) -> None:
    position = data.draw(st.integers(0, len(small_bytes) - 1))
    value = data.draw(st.integers(0, 255))
    changed = small_bytes[:position] + bytes([value]) + small_bytes[position + 1 :]
    try:
        self_check(load_bytes(changed, "flipped.inspect"))
    except FileFormatError:
        pass


@given(content=st.binary(max_size=400))
@settings(max_examples=100, deadline=None)
def test_any_bytes_give_our_error(content: bytes) -> None:
    with pytest.raises(FileFormatError):
        load_bytes(content, "noise.inspect")


def test_a_failed_write_leaves_the_old_file(
    small: Recording, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "run.inspect"
    small.save(target)
    before = target.read_bytes()

    def full_disk(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("inspector.store.os.fsync", full_disk)
    with pytest.raises(OSError, match="No space"):
        small.save(target)
    assert target.read_bytes() == before
    assert [item.name for item in tmp_path.iterdir()] == ["run.inspect"]


def test_no_part_of_the_file_is_a_pickle(small_bytes: bytes) -> None:
    names = zipfile.ZipFile(io.BytesIO(small_bytes)).namelist()
    assert {Path(name).suffix for name in names} == {".json", ".arrow"}
