"""Recordings as files."""

from __future__ import annotations

import gc
import io
import json
import os
import threading
import tracemalloc
import zipfile
from collections.abc import Callable
from dataclasses import MISSING, fields, replace
from pathlib import Path
from typing import Any

import numpy
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import ipc

import inspector
import sample_models
from inspector.check import self_check
from inspector.errors import FileFormatError, FutureVersionError
from inspector.outline import outline
from inspector.records import (
    Collective,
    Decision,
    Failure,
    GradNode,
    Kernel,
    LineBranch,
    ModuleCall,
    Op,
    ParameterInfo,
    ProgramWarning,
    Recording,
    Source,
    Step,
    TensorInfo,
    TensorSummary,
)
from inspector.store import load_bytes, save


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


def test_a_damaged_file_is_refused_without_the_words_of_arrow(small_bytes: bytes) -> None:
    source, target = zipfile.ZipFile(io.BytesIO(small_bytes)), io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for member in source.namelist():
            content = source.read(member)
            archive.writestr(member, content[:40] if member == "ops.arrow" else content)
    with pytest.raises(FileFormatError, match=r"copy it again in full\.$") as refused:
        load_bytes(target.getvalue(), "cut.inspect")
    assert isinstance(refused.value.__cause__, pa.ArrowException | OSError)


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


SOURCE = Source("model.py", 3, 8, "Net.forward", 4, 20)
SUMMARY = TensorSummary(9, -1.5, 2.5, 0.25, 1.0, 1, 2, 0.125, (1, 0, 5), (0.5, -0.0))


def every_field() -> Recording:
    """One record of each kind or two, with no field at its default."""
    first = TensorInfo(
        0, (2, 3), "float32", "cpu", True, True, "weight", None, 1, SUMMARY, None, 0,
        "sparse_coo", 24, SUMMARY, "h",
    )  # fmt: skip
    second = replace(first, id=1, alias_of=0, producer=0, strides=(1, 2))
    op = Op(
        0, "add_", "torch.Tensor.add_", (0,), (1,), 0, SOURCE, (SOURCE, replace(SOURCE, line=9)),
        1.5, (Kernel("aten.add_.Tensor", 0.75, 12, 24, 8),), "%0, 1", replace(SOURCE, line=7), (0,),
        "backward",
    )  # fmt: skip
    return Recording(
        ops=(op,),
        tensors={0: first, 1: second},
        module_calls=(
            ModuleCall(0, "", "Net", None, True, (0,), SOURCE),
            ModuleCall(1, "a", "Linear", 0, False, (0,), SOURCE),
        ),
        decisions=(
            Decision(0, 0, 1, True, "bool", SOURCE),
            Decision(1, None, 1, 3, "shape", SOURCE, 1, 0),
        ),
        grad_nodes=(
            GradNode(
                0, "AccumulateGrad", 0, "weight", (SUMMARY, None), (None, SUMMARY), 1, True,
                (0,), 1, 2.5, (Kernel("aten.detach.default", 0.5),), True,
                (0, 1),
            ),
        ),
        parameters=(
            ParameterInfo(
                "weight", ("weight", "tied.weight"), "parameter", (2, 3), "float32", True, 0,
                SUMMARY, True,
            ),
        ),
        steps=(
            Step(
                0, "optimizer_step", 0, 1, SOURCE, 1, "SGD", (0.1, 0.01), ("weight",), (0.125,),
                (0, 1), ("bias",),
            ),
        ),
        sources={"model.py": "x = 1\n"},
        lines={"model.py": {3: 2}},
        failure=Failure("RuntimeError", "no", 0, SOURCE, (0,), "ReluBackward0", 1, (0,), (1,)),
        meta={"torch": "2", "duration_ms": 1.5, "names": [[0, "x"]]},
        inputs=(0,),
        output=(1,),
        notes=("Lines were not counted.",),
        values={1: numpy.arange(6.0).reshape(2, 3)},
        branches=(LineBranch("model.py", 3, "if", 2, 1),),
        grads={0: numpy.ones((2, 3), numpy.float32)},
        warnings=(ProgramWarning("UserWarning", "mind the step", SOURCE, 1, 0),),
        collectives=(
            Collective(0, 0, "broadcast", "1", (0, 2), 3, ("float32[2]",), "sum", 2, 0),
        ),
    )  # fmt: skip


def saved(recording: Recording, folder: Path) -> bytes:
    path = folder / "run.inspect"
    recording.save(path)
    return path.read_bytes()


def values_apart(recording: Recording) -> tuple[Recording, list[dict[int, Any]]]:
    """Arrays have no truth value when compared: the rest, and what is to know of each."""
    about = [
        {i: (a.dtype, a.shape, a.tobytes()) for i, a in arrays.items()}
        for arrays in (recording.values, recording.grads)
    ]
    return replace(recording, values={}, grads={}), about


def test_every_field_of_every_record_survives(tmp_path: Path) -> None:
    recording = every_field()
    last = {
        type(rows[-1]): rows[-1]
        for rows in (
            recording.ops, list(recording.tensors.values()), recording.module_calls,
            recording.decisions, recording.grad_nodes, recording.parameters, recording.steps,
            (recording.failure,), recording.ops[0].kernels, (SOURCE,), (SUMMARY,),
            recording.branches, recording.warnings,
        )
    }  # fmt: skip
    for kind, record in last.items():
        for field in fields(kind):
            default = field.default
            assert default is MISSING or getattr(record, field.name) != default, (kind, field.name)
    empty = Recording(ops=(), tensors={})
    for field in fields(Recording):
        assert getattr(recording, field.name) != getattr(empty, field.name), field.name
    loaded = load_bytes(saved(recording, tmp_path), "run.inspect")
    assert values_apart(loaded) == values_apart(recording)


def test_the_types_of_a_decisions_value_are_told_apart(tmp_path: Path) -> None:
    told = (True, 1, 1.0, "1", 10**300, float("inf"), "\ud800")
    decisions = tuple(Decision(i, 0, 0, value, "item") for i, value in enumerate(told))
    recording = replace(every_field(), decisions=decisions)
    loaded = load_bytes(saved(recording, tmp_path), "run.inspect")
    assert [repr(decision.value) for decision in loaded.decisions] == list(map(repr, told))


def test_an_empty_recording_survives(tmp_path: Path) -> None:
    recording = Recording(ops=(), tensors={})
    assert load_bytes(saved(recording, tmp_path), "run.inspect") == recording


def test_what_was_one_object_is_one_object_again(tmp_path: Path) -> None:
    stack = (SOURCE, replace(SOURCE, line=30))
    tensors = {
        i: TensorInfo(i, (4, 4), "float32", "cpu", False, False, summary=SUMMARY) for i in range(2)
    }
    ops = tuple(
        Op(i, "relu", "torch.relu", (), (i,), None, stack[0], stack, call_site=stack[1])
        for i in range(2)
    )
    loaded = load_bytes(saved(Recording(ops, tensors), tmp_path), "run.inspect")
    first, second = loaded.ops
    assert first.stack is second.stack
    assert first.source is first.stack[0]
    assert second.call_site is second.stack[1]
    assert first.function is second.function
    assert loaded.tensors[0].summary is loaded.tensors[1].summary
    assert loaded.tensors[0].shape is loaded.tensors[1].shape


def test_two_thousand_small_ops_take_at_most_300_bytes_each(tmp_path: Path) -> None:
    def grow(x: torch.Tensor) -> torch.Tensor:
        for _ in range(2000):
            x = x * 1.0001
        return x

    recording = inspector.record(grow, torch.linspace(0, 1, 64))
    assert len(saved(recording, tmp_path)) <= 300 * 2000


INTEGERS = st.integers(-(2**63), 2**63 - 1)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
FLOATS = st.floats()
SOURCES = st.builds(Source, TEXTS, INTEGERS, INTEGERS, TEXTS, st.none() | INTEGERS)
MAYBE_SOURCES = st.none() | SOURCES
SUMMARIES = st.builds(
    TensorSummary,
    INTEGERS, *[st.none() | FLOATS] * 4, INTEGERS, INTEGERS, FLOATS,
    histogram=st.lists(INTEGERS, max_size=4).map(tuple),
    sample=st.lists(FLOATS, max_size=4).map(tuple),
)  # fmt: skip
MAYBE_SUMMARIES = st.none() | SUMMARIES
KERNELS = st.lists(
    st.builds(Kernel, TEXTS, FLOATS, st.none() | INTEGERS, INTEGERS, INTEGERS), max_size=2
).map(tuple)


def many(items: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(items, max_size=3).map(tuple)


@st.composite
def recordings(draw: Callable[..., Any]) -> Recording:
    """Recordings whose references hold; everything else is anything."""
    counts = [draw(st.integers(0, 3)) for _ in range(4)]
    n_ops, n_tensors, n_calls, n_nodes = counts

    def below(count: int) -> st.SearchStrategy[Any]:
        return st.none() | st.integers(0, count - 1) if count else st.none()

    def some(count: int) -> st.SearchStrategy[tuple[int, ...]]:
        return many(st.integers(0, count - 1)) if count else st.just(())

    def rows(count: int, build: Callable[[int], st.SearchStrategy[Any]]) -> tuple[Any, ...]:
        return tuple(draw(build(number)) for number in range(count))

    ops, tensors = below(n_ops), below(n_tensors)
    return Recording(
        ops=rows(n_ops, lambda i: st.builds(
            Op, st.just(i), TEXTS, TEXTS, some(n_tensors), some(n_tensors), below(n_calls),
            MAYBE_SOURCES, many(SOURCES), FLOATS, KERNELS, TEXTS, MAYBE_SOURCES, some(n_tensors),
            TEXTS,
        )),
        tensors=dict(enumerate(rows(n_tensors, lambda i: st.builds(
            TensorInfo, st.just(i), many(INTEGERS), TEXTS, TEXTS, st.booleans(), st.booleans(),
            st.none() | TEXTS, below(i), INTEGERS, MAYBE_SUMMARIES, ops, st.none() | INTEGERS,
            TEXTS, INTEGERS, MAYBE_SUMMARIES, st.none() | TEXTS,
        )))),
        module_calls=rows(n_calls, lambda i: st.builds(
            ModuleCall, st.just(i), TEXTS, TEXTS, below(i), st.booleans(), some(n_ops),
            MAYBE_SOURCES,
        )),
        decisions=rows(n_ops, lambda i: st.builds(
            Decision, st.just(i), ops, tensors,
            st.booleans() | st.integers() | FLOATS | st.text(max_size=5), TEXTS, MAYBE_SOURCES,
            st.integers(0, n_ops), below(n_calls),
        )),
        grad_nodes=rows(n_nodes, lambda i: st.builds(
            GradNode, st.just(i), TEXTS, ops, st.none() | TEXTS, many(MAYBE_SUMMARIES),
            many(MAYBE_SUMMARIES), INTEGERS, st.booleans(), some(n_nodes), tensors, FLOATS,
            KERNELS, st.booleans(),
        )),
        parameters=rows(n_tensors, lambda i: st.builds(
            ParameterInfo, TEXTS, many(TEXTS), TEXTS, many(INTEGERS), TEXTS, st.booleans(),
            tensors, MAYBE_SUMMARIES, st.booleans(),
        )),
        steps=rows(n_nodes, lambda i: st.builds(
            Step, st.just(i), TEXTS, st.just(0), st.just(n_ops), MAYBE_SOURCES,
            st.none() | INTEGERS, TEXTS, many(FLOATS), many(TEXTS), many(FLOATS),
        )),
        failure=draw(st.none() | st.builds(
            Failure, TEXTS, TEXTS, ops, MAYBE_SOURCES, some(n_tensors)
        )),
        sources=draw(st.dictionaries(TEXTS, TEXTS, max_size=2)),
        lines=draw(st.dictionaries(
            TEXTS, st.dictionaries(st.integers(), st.integers(), max_size=2), max_size=2
        )),
        meta=draw(st.dictionaries(TEXTS, st.none() | FLOATS | TEXTS, max_size=2)),
        inputs=draw(some(n_tensors)),
        output=draw(some(n_tensors)),
        notes=draw(many(TEXTS)),
        branches=draw(many(st.builds(LineBranch, TEXTS, INTEGERS, TEXTS, INTEGERS, INTEGERS))),
        warnings=draw(many(st.builds(ProgramWarning, TEXTS, TEXTS, SOURCES, INTEGERS))),
        collectives=rows(n_ops, lambda i: st.builds(
            Collective, st.just(i), st.just(i), TEXTS, TEXTS, many(INTEGERS), INTEGERS,
            many(TEXTS), TEXTS, st.none() | INTEGERS, st.none() | st.just(i),
        )),
    )  # fmt: skip


@given(recording=recordings())
@settings(max_examples=60, deadline=None)
def test_any_recording_survives(
    tmp_path_factory: pytest.TempPathFactory, recording: Recording
) -> None:
    self_check(recording)
    path = tmp_path_factory.getbasetemp() / "any.inspect"
    recording.save(path)
    # By their text: NaN does not equal NaN, and -0.0 equals 0.0.
    assert repr(inspector.load(path)) == repr(recording)


@pytest.mark.parametrize(
    "array",
    [
        numpy.float32(1.5).reshape(()),
        numpy.empty((0, 3)),
        numpy.arange(6).reshape(2, 3).T,
        numpy.array([1, 2], ">i4"),
        numpy.array([1 + 2j, -0.0j], "c8"),
        numpy.array([True, False]),
        numpy.array([1.0, float("nan")], "f2"),
    ],
    ids=["no axis", "empty", "transposed", "big endian", "complex", "bool", "half"],
)
def test_arrays_of_any_layout_survive(array: numpy.ndarray, tmp_path: Path) -> None:
    recording = replace(every_field(), values={0: array})
    kept = load_bytes(saved(recording, tmp_path), "run.inspect").values[0]
    assert (kept.dtype, kept.shape) == (array.dtype, array.shape)
    assert kept.tobytes() == array.tobytes()


def test_values_of_more_than_one_batch_survive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inspector.store.BATCH_BYTES", 10)
    values = {i: numpy.full(2, i) for i in range(2)}
    loaded = load_bytes(saved(replace(every_field(), values=values), tmp_path), "run.inspect")
    assert {i: array.tolist() for i, array in loaded.values.items()} == {0: [0, 0], 1: [1, 1]}


def test_an_object_array_is_not_saved(tmp_path: Path) -> None:
    recording = replace(every_field(), values={0: numpy.array([print], object)})
    with pytest.raises(FileFormatError, match="tensor 0 is an array of object"):
        recording.save(tmp_path / "run.inspect")
    assert list(tmp_path.iterdir()) == []


def test_text_that_utf8_cannot_hold_is_replaced_everywhere_alike(tmp_path: Path) -> None:
    source = replace(SOURCE, file="caf\udce9.py")
    recording = replace(
        every_field(),
        failure=Failure("OSError", "\ud800", None, source),
        sources={source.file: "x = '\udce9\U0001f600'"},
    )
    loaded = load_bytes(saved(recording, tmp_path), "run.inspect")
    assert loaded.failure == Failure(
        "OSError", "\ufffd", None, replace(source, file="caf\ufffd.py")
    )
    assert loaded.sources == {"caf\ufffd.py": "x = '\ufffd\U0001f600'"}


def test_an_integer_beyond_64_bits_is_saved_as_the_largest(tmp_path: Path) -> None:
    recording = every_field()
    tensors = {
        0: replace(recording.tensors[0], nbytes=2**70, version=-(2**70)),
        1: replace(recording.tensors[1], nbytes=7),
    }
    loaded = load_bytes(saved(replace(recording, tensors=tensors), tmp_path), "run.inspect")
    assert (loaded.tensors[0].nbytes, loaded.tensors[1].nbytes) == (2**63 - 1, 7)
    assert loaded.tensors[0].version == -(2**63)
    assert loaded.tensors[1].producer == 0


def with_table(
    data: bytes, name: str, change: Callable[[pa.Table], pa.Table], compression: str | None = None
) -> bytes:
    """The file with one table changed, written by Arrow alone."""
    source, target = zipfile.ZipFile(io.BytesIO(data)), io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for member in source.namelist():
            content = source.read(member)
            if member == f"{name}.arrow":
                table, sink = change(ipc.open_stream(content).read_all()), io.BytesIO()
                options = ipc.IpcWriteOptions(compression=compression)
                with ipc.new_stream(sink, table.schema, options=options) as writer:
                    writer.write_table(table)
                content = sink.getvalue()
            archive.writestr(member, content)
    return target.getvalue()


def test_a_column_that_this_version_does_not_know_is_skipped(tmp_path: Path) -> None:
    data = saved(every_field(), tmp_path)
    newer = with_table(data, "ops", lambda t: t.append_column("mood", pa.array([{"a": [None]}])))
    assert load_bytes(newer, "newer.inspect").ops == every_field().ops


def test_a_missing_column_takes_the_fields_default(tmp_path: Path) -> None:
    data = saved(every_field(), tmp_path)
    older = with_table(data, "ops", lambda t: t.drop_columns(["phase", "stack"]))
    (op,) = load_bytes(older, "older.inspect").ops
    assert op == replace(every_field().ops[0], phase="forward", stack=())


def test_a_missing_table_is_empty(tmp_path: Path) -> None:
    source, target = zipfile.ZipFile(io.BytesIO(saved(every_field(), tmp_path))), io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for member in source.namelist():
            if member not in ("branches.arrow", "values.arrow", "grads.arrow"):
                archive.writestr(member, source.read(member))
    loaded = load_bytes(target.getvalue(), "older.inspect")
    assert loaded == replace(every_field(), branches=(), values={}, grads={})


BROKEN: dict[str, tuple[str, Callable[[pa.Table], pa.Table], str]] = {
    "a needed column is missing": ("ops", lambda t: t.drop_columns(["inputs"]), "inputs"),
    "a column has another type": (
        "ops",
        lambda t: t.set_column(0, "id", pa.array(["0"])),
        "column id holds string, not int64",
    ),
    "a needed value is missing": (
        "ops",
        lambda t: t.set_column(1, "name", pa.array([None], pa.string())),
        "column name has gaps",
    ),
    "an id is missing": (
        "ops",
        lambda t: t.set_column(3, "inputs", pa.array([[None]], pa.list_(pa.int64()))),
        "column inputs has gaps",
    ),
    "a reference points nowhere": (
        "ops",
        lambda t: t.set_column(7, "stack", pa.array([-1])),
        "rows -1 to -1 of a table of 1",
    ),
    "a value is an array of objects": (
        "values",
        lambda t: t.set_column(1, "dtype", pa.array(["|O"])),
        "tensor 1 is an array of object",
    ),
    "a value is shorter than its shape": (
        "values",
        lambda t: t.set_column(2, "shape", pa.array([[2, 4]])),
        "cannot reshape",
    ),
    "a table has a dictionary": (
        "ops",
        lambda t: t.append_column("mood", pa.array(["a"]).dictionary_encode()),
        "table ops is compressed inside",
    ),
}


@pytest.mark.parametrize("case", list(BROKEN))
def test_a_table_is_refused_when(case: str, tmp_path: Path) -> None:
    table, change, message = BROKEN[case]
    data = with_table(saved(every_field(), tmp_path), table, change)
    with pytest.raises(FileFormatError, match=message):
        load_bytes(data, "odd.inspect")


@pytest.mark.parametrize("codec", ["zstd", "lz4"])
def test_a_table_that_would_grow_inside_arrow_is_refused(codec: str, tmp_path: Path) -> None:
    def bloated(table: pa.Table) -> pa.Table:
        return table.append_column("mood", pa.array([" " * 2**20]))

    data = with_table(saved(every_field(), tmp_path), "ops", bloated, compression=codec)
    assert len(data) < 2**17
    with pytest.raises(FileFormatError, match="table ops is compressed inside"):
        load_bytes(data, "bomb.inspect")


def test_a_part_that_claims_gigabytes_is_refused_before_unpacking(small_bytes: bytes) -> None:
    target = io.BytesIO(small_bytes)
    with zipfile.ZipFile(target, "a") as archive:
        archive.writestr("more.arrow", b"")
        archive.getinfo("ops.arrow").file_size = 5 * 2**30
    with pytest.raises(FileFormatError, match=r"bomb\.inspect was not opened: it claims 17 parts"):
        load_bytes(target.getvalue(), "bomb.inspect")


def test_thousands_of_parts_are_refused(small_bytes: bytes) -> None:
    target = io.BytesIO(small_bytes)
    with zipfile.ZipFile(target, "a") as archive:
        for number in range(2000):
            archive.writestr(str(number), b"")
    with pytest.raises(FileFormatError, match="it claims 2016 parts"):
        load_bytes(target.getvalue(), "bomb.inspect")


def test_a_server_may_open_less_than_any_recording_may_have(small_bytes: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(small_bytes)) as archive:
        most = sum(one.file_size for one in archive.infolist())
    assert load_bytes(small_bytes, "run.inspect", most) == load_bytes(small_bytes, "run.inspect")
    with pytest.raises(FileFormatError, match="that is opened here has at most"):
        load_bytes(small_bytes, "bomb.inspect", 1000)


def test_a_recording_too_large_to_be_opened_is_not_saved(
    small: Recording, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inspector.container.MAX_BYTES", 2**10)
    with pytest.raises(FileFormatError, match="smaller value_budget_mb or max_ops"):
        small.save(tmp_path / "run.inspect")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_not_a_recording(small: Recording, tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match=r"Cannot open .*: Is a directory"):
        inspector.load(tmp_path)
    (tmp_path / "taken").mkdir()
    with pytest.raises(IsADirectoryError):
        small.save(tmp_path / "taken")
    assert [item.name for item in tmp_path.iterdir()] == ["taken"]


def test_a_file_that_may_not_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(path: Any, mode: str) -> None:  # root may read everything, so a real file won't do
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr("inspector.container.open", denied, raising=False)
    with pytest.raises(FileFormatError, match=r"Cannot open .*run\.inspect: Permission denied"):
        inspector.load(tmp_path / "run.inspect")


def test_a_folder_that_may_not_be_written_gives_the_systems_error(
    small: Recording, tmp_path: Path
) -> None:
    with pytest.raises(FileNotFoundError):
        small.save(tmp_path / "missing" / "run.inspect")


def test_others_may_read_the_file_as_the_umask_says(small: Recording, tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        small.save(tmp_path / "run.inspect")
    finally:
        os.umask(before)
    assert (tmp_path / "run.inspect").stat().st_mode & 0o777 == 0o644


def test_saves_at_the_same_time_leave_one_whole_file(tmp_path: Path) -> None:
    target = tmp_path / "run.inspect"
    plain = replace(every_field(), values={}, grads={})
    runs = [replace(plain, notes=(str(i),) * 500) for i in range(8)]
    threads = [threading.Thread(target=save, args=(run, target)) for run in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert inspector.load(target) in runs
    assert [item.name for item in tmp_path.iterdir()] == ["run.inspect"]


@pytest.mark.parametrize("collecting", [True, False])
def test_loading_leaves_the_garbage_collector_as_it_was(
    collecting: bool, small_bytes: bytes
) -> None:
    before = gc.isenabled()
    (gc.enable if collecting else gc.disable)()
    try:
        load_bytes(small_bytes, "run.inspect")
        assert gc.isenabled() is collecting
        with pytest.raises(FileFormatError):
            load_bytes(small_bytes[:100], "cut.inspect")
        assert gc.isenabled() is collecting
    finally:
        (gc.enable if before else gc.disable)()


def test_a_part_that_holds_more_than_it_says_is_not_unpacked_to_its_end() -> None:
    """50 MB of zeros behind a header that says 2 bytes: as much memory as it says, and no more."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("header.json", b"{}" + bytes(50_000_000))
    data = target.getvalue()
    size = (50_000_002).to_bytes(4, "little")
    assert size in data
    data = data.replace(size, (2).to_bytes(4, "little"))
    tracemalloc.start()
    try:
        with pytest.raises(FileFormatError):
            load_bytes(data, "liar.inspect")
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


def test_a_part_packed_in_a_way_that_no_recording_is_is_refused() -> None:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("header.json", b"{}")
    with pytest.raises(FileFormatError, match="packed in a way"):
        load_bytes(target.getvalue(), "packed.inspect")


def test_an_outline_counts_what_the_file_holds_without_making_records(tmp_path: Path) -> None:
    recording = every_field()
    path = tmp_path / "run.inspect"
    recording.save(path)
    found = outline(path)
    loaded = inspector.load(path)
    for name, count in found.counts.items():
        rows = getattr(loaded, name)
        assert count == ((rows is not None) if name == "failure" else len(rows)), name
    assert (found.meta, found.notes) == (loaded.meta, loaded.notes)
    assert loaded.failure is not None
    assert found.raised == f"{loaded.failure.type}: {loaded.failure.message}"


def test_an_outline_of_a_damaged_file_is_refused(small_bytes: bytes, tmp_path: Path) -> None:
    path = tmp_path / "cut.inspect"
    path.write_bytes(small_bytes[: len(small_bytes) // 2])
    with pytest.raises(FileFormatError, match="not a readable recording"):
        outline(path)
    with pytest.raises(FileFormatError, match="Cannot open"):
        outline(tmp_path / "none.inspect")
