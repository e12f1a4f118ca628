"""Data for other programs: each format is read back by a reader that is not ours."""

from __future__ import annotations

import csv
import io
import json
import math
import zipfile
from collections import Counter
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import jsonschema
import pyarrow.parquet
import pytest
import torch
from handmade import NAN, Program, failed
from hypothesis import HealthCheck, given, settings
from test_store import recordings
from torch import nn

import inspector
from inspector import records
from inspector.errors import InspectorError
from inspector.formats import (
    FORMATS,
    export_data,
    schema,
    tables,
    to_json,
    to_model_explorer,
    to_trace,
)
from inspector.formats.tables import TABLES
from inspector.records import Kernel, Recording, Source

SCHEMA = Path(inspector.__file__).parent / "formats" / "recording.schema.json"
HOSTILE = ('=HYPERLINK("http://x")', "+1", "-1", "@SUM(A1)", "\t=1", "'quoted", "\ud800", 'a,b\n"c')


def program() -> Recording:
    """x, w -> linear (fc) -> relu (fc.act) -> linear (fc) -> bool; one autograd node each.

    The ops take 3, 1, 3 and 0.5 µs, the autograd nodes 2 µs; the first op has two kernels.
    """
    p = Program()
    x, w = p.tensor(shape=(2, 3)), p.tensor("fc.weight", shape=(3, 3))
    root = p.call("", type="Net")
    fc = p.call("fc", root, "Layer")
    act = p.call("fc.act", fc, "ReLU")
    kernels = (Kernel("aten.t", 0.5), Kernel("aten.mm", 2.0, flops=18))
    h = p.op("linear", x, w, call=fc, shape=(2, 3), duration_us=3.0, kernels=kernels)
    h = p.op("relu", h, call=act, shape=(2, 3), duration_us=1.0, summary=NAN)
    h = p.op("linear", h, w, call=fc, shape=(2, 3), duration_us=3.0)
    p.read(h, True, call=root)
    p.grad("MmBackward0", 2, 1, duration_us=2.0)
    p.grad("ReluBackward0", 1, 2, duration_us=2.0)
    p.grad("MmBackward0", 0, 3, duration_us=2.0)
    p.grad("AccumulateGrad", None, parameter="fc.weight", tensor=w, duration_us=2.0)
    p.step(4, 4, kind="backward")
    steps = (replace(p.steps[0], pass_index=0),)
    return p.recording(
        steps=steps, inputs=(x,), output=(h,), meta={"model": "Net", "input_names": [[0, "x"]]}
    )


def hostile() -> Recording:
    """Texts that a spreadsheet, a shell or a page could take for something else."""
    found = program()
    names = (*HOSTILE, "</script>")
    tensors = {
        number: replace(info, variable=names[number % len(names)])
        for number, info in found.tensors.items()
    }
    ops = tuple(
        replace(op, arguments=names[op.id % len(names)], source=Source(names[op.id], 1, 0, "f"))
        for op in found.ops
    )
    return replace(
        found, ops=ops, tensors=tensors, failure=failed(1, "<b>\udfff"), lines={"=x": {1: 2}}
    )


@pytest.fixture(scope="module")
def trained() -> Recording:
    """A real run: modules, a backward pass, an optimizer step, kernels."""
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with inspector.recording(inspector.CaptureOptions(kernels=True)) as session:
        for _ in range(2):
            optimizer.zero_grad()
            loss = model(torch.ones(2, 3)).pow(2).mean()
            loss.backward()
            optimizer.step()
    return session.recording


def read(recording: Recording, tmp_path: Path, format: str) -> Any:
    """A document as the standard library's reader finds it."""
    export_data(recording, tmp_path / "file", format)
    return json.loads((tmp_path / "file").read_text("ascii"), parse_constant=pytest.fail)


# -- json ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [program, hostile, lambda: Recording((), {})])
def test_the_document_fits_its_schema(make: Any, tmp_path: Path) -> None:
    document = read(make(), tmp_path, "json")
    jsonschema.Draft202012Validator.check_schema(schema())
    jsonschema.validate(document, schema(), cls=jsonschema.Draft202012Validator)


def test_the_document_of_a_real_run_fits_the_schema(trained: Recording, tmp_path: Path) -> None:
    jsonschema.validate(read(trained, tmp_path, "json"), schema())


def test_the_schema_refuses_what_no_recording_has() -> None:
    document = to_json(program())
    for broken in (
        {**document, "more": 1},
        {name: value for name, value in document.items() if name != "ops"},
        {**document, "ops": [{**document["ops"][0], "id": "0"}]},
    ):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(broken, schema())


def test_the_schema_beside_the_code_is_the_one_of_the_records() -> None:
    assert json.loads(SCHEMA.read_text("utf-8")) == schema()


def test_every_record_of_a_recording_is_described_in_the_schema() -> None:
    told = set(schema()["$defs"])
    of_recordings = {"Op", "TensorInfo", "ModuleCall", "Decision", "GradNode", "ParameterInfo"}
    assert of_recordings | {"Step", "Failure", "Source", "Kernel", "TensorSummary"} <= told
    for name in of_recordings:
        names = [field.name for field in fields(getattr(records, name))]
        assert schema()["$defs"][name]["required"] == names


def test_every_field_of_the_schema_is_described() -> None:
    found = schema()
    parts = {"Recording": found, **found["$defs"]}
    properties = [one for part in parts.values() for one in part.get("properties", {}).values()]
    assert len(properties) > 140
    assert all(one["description"].endswith((".", "…")) for one in properties)


def test_the_document_says_what_was_recorded(tmp_path: Path) -> None:
    document = read(program(), tmp_path, "json")
    assert [op["name"] for op in document["ops"]] == ["linear", "relu", "linear", "bool"]
    assert document["ops"][0]["kernels"][1] == {
        "name": "aten.mm", "duration_us": 2.0, "flops": 18, "allocated": 0, "freed": 0,
    }  # fmt: skip
    assert [tensor["id"] for tensor in document["tensors"]] == [0, 1, 2, 3, 4]
    assert document["tensors"][3]["summary"]["sample"] == [1.0, "NaN"]
    assert document["decisions"][0]["value"] is True
    assert "values" not in document


def test_half_characters_survive_in_the_document(tmp_path: Path) -> None:
    assert read(hostile(), tmp_path, "json")["failure"]["message"] == "<b>\udfff"


# -- trace ---------------------------------------------------------------------------------------


def slices(trace: Any) -> list[tuple[int, float, float, str]]:
    """(thread, start, end, name) of all slices."""
    return [
        (one["tid"], one["ts"], one["ts"] + one["dur"], one["name"])
        for one in trace["traceEvents"]
        if one["ph"] == "X"
    ]


def assert_nested(trace: Any) -> None:
    """On a thread, two slices are apart, or one lies in the other: Perfetto drops all else."""
    found = slices(trace)
    for thread in {one[0] for one in found}:
        own = sorted((start, -end) for tid, start, end, _ in found if tid == thread)
        stack: list[float] = []
        for start, end in own:
            while stack and stack[-1] <= start:
                stack.pop()
            assert not stack or -end <= stack[-1], (start, -end, stack)
            stack.append(-end)


@pytest.mark.parametrize("make", [program, hostile, lambda: Recording((), {})])
def test_slices_of_a_thread_lie_in_each_other_or_apart(make: Any, tmp_path: Path) -> None:
    assert_nested(read(make(), tmp_path, "trace"))


def test_a_real_run_is_nested_and_has_each_op_and_node_once(
    trained: Recording, tmp_path: Path
) -> None:
    trace = read(trained, tmp_path, "trace")
    assert_nested(trace)
    kinds = Counter(one.get("cat") for one in trace["traceEvents"] if one["ph"] == "X")
    assert kinds["op"] == len(trained.ops)
    assert kinds["autograd"] == len(trained.grad_nodes)
    assert kinds["kernel"] == sum(len(one.kernels) for one in (*trained.ops, *trained.grad_nodes))


def test_the_events_stand_one_after_the_other_as_long_as_they_took() -> None:
    found = {(name, thread, start, end) for thread, start, end, name in slices(to_trace(program()))}
    assert found == {
        ("linear", 0, 0.0, 3.0), ("aten.t", 0, 0.0, 0.5), ("aten.mm", 0, 0.5, 2.5),
        ("relu", 0, 3.0, 4.0), ("linear", 0, 4.0, 7.0), ("bool", 0, 7.0, 7.0),
        ("Net", 0, 0.0, 7.0), ("fc (Layer)", 0, 0.0, 7.0), ("fc.act (ReLU)", 0, 3.0, 4.0),
        ("backward", 1, 7.0, 15.0), ("MmBackward0", 1, 7.0, 9.0), ("ReluBackward0", 1, 9.0, 11.0),
        ("MmBackward0", 1, 11.0, 13.0), ("AccumulateGrad", 1, 13.0, 15.0),
    }  # fmt: skip


def test_an_arrow_leads_from_each_op_to_its_autograd_node() -> None:
    events = to_trace(program())["traceEvents"]
    starts = {one["id"]: one["ts"] for one in events if one["ph"] == "s"}
    ends = {one["id"]: one["ts"] for one in events if one["ph"] == "f"}
    assert starts == {0: 4.0, 1: 3.0, 2: 0.0}
    assert ends == {0: 7.0, 1: 9.0, 2: 11.0}
    assert all(one["bp"] == "e" for one in events if one["ph"] == "f")


# -- Model Explorer --------------------------------------------------------------------------------


def test_namespaces_are_the_way_of_module_calls() -> None:
    collection = to_model_explorer(program())
    forward, backward = collection["graphs"]
    spaces = {node["id"]: node["namespace"] for node in forward["nodes"]}
    assert spaces == {
        "tensor:0": "inputs", "tensor:1": "parameters", "op:0": "fc", "op:1": "fc/act",
        "op:2": "fc", "op:3": "", "output": "",
    }  # fmt: skip
    assert [node["namespace"] for node in backward["nodes"]] == ["fc", "fc/act", "fc", "fc"]
    assert collection["label"] == "Net"


def test_edges_name_the_output_and_the_input() -> None:
    graphs = to_model_explorer(program())["graphs"]
    nodes = {node["id"]: node for graph in graphs for node in graph["nodes"]}

    def sources(name: str) -> list[tuple[str, str, str]]:
        keys = ("sourceNodeId", "sourceNodeOutputId", "targetNodeInputId")
        return [tuple(edge[key] for key in keys) for edge in nodes[name]["incomingEdges"]]

    assert sources("op:2") == [("op:1", "0", "0"), ("tensor:1", "0", "1")]
    assert sources("output") == [("op:2", "0", "0")]
    assert sources("grad:0") == []
    assert sources("grad:3") == [("grad:2", "0", "0")]
    (meta,) = nodes["op:0"]["outputsMetadata"]
    assert {"key": "tensor_shape", "value": "float32[2,3]"} in meta["attrs"]


def test_every_edge_of_a_real_run_begins_at_a_node_of_its_graph(trained: Recording) -> None:
    for graph in to_model_explorer(trained)["graphs"]:
        names = [node["id"] for node in graph["nodes"]]
        assert len(names) == len(set(names))
        edges = [edge for node in graph["nodes"] for edge in node["incomingEdges"]]
        assert edges
        assert {edge["sourceNodeId"] for edge in edges} <= set(names)


def test_a_module_that_is_called_twice_has_two_namespaces() -> None:
    p = Program()
    x = p.tensor()
    root = p.call("", type="Net")
    for _ in range(2):
        x = p.op("relu", x, call=p.call("a/b.act", root))
    nodes = to_model_explorer(p.recording())["graphs"][0]["nodes"]
    assert [node["namespace"] for node in nodes[1:]] == ["a∕b/act", "a∕b/act (2)"]


# -- tables --------------------------------------------------------------------------------------


def zipped(recording: Recording, tmp_path: Path, format: str) -> dict[str, bytes]:
    export_data(recording, tmp_path / "all.zip", format)
    with zipfile.ZipFile(tmp_path / "all.zip") as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def rows(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode("utf-8"), newline="")))


def test_csv_has_a_table_for_each_kind_of_record(tmp_path: Path) -> None:
    files = zipped(program(), tmp_path, "csv")
    assert set(files) == {f"{name}.csv" for name in (*TABLES, "lines")}
    ops = rows(files["ops.csv"])
    assert [op["name"] for op in ops] == ["linear", "relu", "linear", "bool"]
    assert [json.loads(op["inputs"]) for op in ops] == [[0, 1], [2], [3, 1], [4]]
    assert ops[0]["source.file"] == "model.py"
    assert json.loads(ops[0]["kernels"])[1]["name"] == "aten.mm"
    assert rows(files["tensors.csv"])[3]["summary.nan_count"] == "1"
    assert rows(files["tensors.csv"])[0]["summary.nan_count"] == ""
    assert rows(files["decisions.csv"])[0]["value"] == "true"


def test_nothing_in_csv_is_a_formula_and_texts_come_back(tmp_path: Path) -> None:
    recording = hostile()
    files = zipped(recording, tmp_path, "csv")
    for name, data in files.items():
        for row in csv.reader(io.StringIO(data.decode("utf-8"), newline="")):
            for cell in row:
                number = cell.replace("-", "").replace(".", "").replace("e", "").isdigit()
                assert number or not cell.startswith(("=", "+", "-", "@", "\t", "\r")), (name, cell)
    told = [row["arguments"].removeprefix("'") for row in rows(files["ops.csv"])]
    assert told == [op.arguments for op in recording.ops]


def test_parquet_keeps_types_and_lists(tmp_path: Path) -> None:
    files = zipped(program(), tmp_path, "parquet")
    ops = pyarrow.parquet.read_table(io.BytesIO(files["ops.parquet"]))
    assert ops["inputs"].to_pylist() == [[0, 1], [2], [3, 1], [4]]
    assert ops["duration_us"].to_pylist() == [3.0, 1.0, 3.0, 0.0]
    assert ops["module_call"].to_pylist() == [1, 2, 1, 0]
    tensors = pyarrow.parquet.read_table(io.BytesIO(files["tensors.parquet"]))
    sample = tensors["summary.sample"].to_pylist()
    assert sample[:3] == [None, None, None]
    assert sample[3][0] == 1.0
    assert math.isnan(sample[3][1])


@pytest.mark.parametrize("make", [hostile, lambda: Recording((), {})])
def test_odd_recordings_are_parquet_too(make: Any, tmp_path: Path) -> None:
    recording = make()
    files = zipped(recording, tmp_path, "parquet")
    read_back = {name: pyarrow.parquet.read_table(io.BytesIO(data)) for name, data in files.items()}
    assert read_back["ops.parquet"].num_rows == len(recording.ops)
    assert read_back["lines.parquet"].column_names == ["file", "line", "count"]


def test_both_kinds_of_tables_say_the_same(trained: Recording) -> None:
    for name, table in tables(trained).items():
        if name in TABLES:
            held = getattr(trained, name)
            assert table.num_rows == (0 if held is None else len(held)), name


def test_nan_is_spelled_so_that_every_reader_takes_it_for_a_number(tmp_path: Path) -> None:
    """pandas, polars and DuckDB all read "NaN"; polars takes "nan" for a text."""
    p = Program()
    p.op("relu", p.tensor(), duration_us=math.nan)
    (op,) = rows(zipped(p.recording(), tmp_path, "csv")["ops.csv"])
    assert op["duration_us"] == "NaN"


def test_how_a_run_failed_is_a_table_of_one_row() -> None:
    with pytest.raises(RuntimeError), inspector.recording() as session:
        torch.ones(2, 3) @ torch.ones(2, 3)
    (row,) = tables(session.recording)["failure"].to_pylist()
    assert row["type"] == "RuntimeError"
    assert "cannot be multiplied" in row["message"]


def test_an_autograd_node_that_no_op_made_lies_with_what_gives_to_it() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.ReLU(), torch.nn.Linear(2, 2))
    recording = inspector.record(model, torch.ones(1, 2), loss="sum")
    nodes = {node["id"]: node for node in to_model_explorer(recording)["graphs"][1]["nodes"]}
    for grad in recording.grad_nodes:
        if grad.parameter:
            assert nodes[f"grad:{grad.id}"]["namespace"] == grad.parameter.partition(".")[0]


def test_the_same_recording_gives_the_same_bytes(tmp_path: Path) -> None:
    for format in FORMATS:
        for name in ("a.zip", "b.zip"):
            export_data(program(), tmp_path / name, format)
        assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes(), format


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(recordings())
def test_whatever_a_file_says_is_exported(tmp_path_factory: Any, recording: Recording) -> None:
    folder = tmp_path_factory.mktemp("any")
    jsonschema.Draft202012Validator(schema()).validate(read(recording, folder, "json"))
    assert_nested(read(recording, folder, "trace"))
    read(recording, folder, "model-explorer")
    for format in ("csv", "parquet"):
        assert set(zipped(recording, folder, format)) == {
            f"{name}.{format}" for name in (*TABLES, "lines")
        }


# -- where it is written ---------------------------------------------------------------------------


def test_tables_go_to_a_new_folder(tmp_path: Path) -> None:
    export_data(program(), tmp_path / "run", "csv")
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert names == {f"{name}.csv" for name in (*TABLES, "lines")}
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_folder_that_is_there_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with pytest.raises(InspectorError, match="is there already"):
        export_data(program(), tmp_path / "run", "parquet")
    assert list((tmp_path / "run").iterdir()) == []


@pytest.mark.parametrize("format", FORMATS)
def test_nothing_is_left_where_it_cannot_be_written(
    format: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    (tmp_path / "old.zip").write_text("old")
    monkeypatch.setattr("os.replace", full)
    with pytest.raises(OSError, match="No space"):
        export_data(program(), tmp_path / "old.zip", format)
    assert (tmp_path / "old.zip").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["old.zip"]


def test_an_unknown_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InspectorError, match="There is no format 'xml'"):
        export_data(program(), tmp_path / "x", "xml")
