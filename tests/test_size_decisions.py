"""Reads of sizes and types that steer are decisions; the expected ones are listed by hand."""

from __future__ import annotations

import gc
import inspect
import json
import linecache
import warnings
import weakref
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from handmade import Program, assert_sound, edges, ids, node
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.symbolic_shapes import ShapeEnv

import inspector
import sample_models
from inspector.capture.calls import CallKind, CallTable
from inspector.capture.expressions import ATTRIBUTES, METHODS
from inspector.capture.sizes import MAX_READS
from inspector.capture.steering import SteeringReads
from inspector.check import self_check
from inspector.container import VERSION
from inspector.errors import FutureVersionError
from inspector.records import Decision, Recording, Source
from inspector.render.cards import Cards
from inspector.store import load_bytes
from inspector.views import dynamic_view

Found = list[tuple[str, object, str]]


def reads(recording: Recording) -> Found:
    """(kind, value, the code that reads) of the decisions without an op."""
    return [(d.kind, d.value, written(d)) for d in recording.decisions if d.op is None]


def written(decision: Decision) -> str:
    source = decision.source
    assert source is not None
    assert source.line == source.end_line
    return linecache.getline(source.file, source.line)[source.column : source.end_column]


def found(program: Callable[..., Any], *args: Any) -> Found:
    recording = inspector.record(program, *args)
    assert recording.failure is None
    return reads(recording)


X = torch.ones(2, 3)


# -- which reads steer ---------------------------------------------------------------------


def test_a_read_in_a_test_or_an_iterator_steers() -> None:
    def program(x: Tensor) -> Tensor:
        if x.dim() == 3:
            return x
        elif x.ndim == 2 and x.size(0) == 2:
            x = x + 1
        for i in range(x.shape[1]):
            x = x * i
        while x.numel() > 6:
            x = x[:1]
        assert x.dtype == torch.float32, x.device
        match x.shape:
            case (2, _):
                x = x - 1
        return x.cos() if x.requires_grad else x.sin()

    assert found(program, X) == [
        ("dim", 2, "x.dim()"),
        ("ndim", 2, "x.ndim"),
        ("size", 2, "x.size(0)"),
        ("shape", 3, "x.shape"),
        ("numel", 6, "x.numel()"),
        ("dtype", "float32", "x.dtype"),
        ("shape", "(2, 3)", "x.shape"),
        ("requires_grad", False, "x.requires_grad"),
    ]


def test_an_early_return_by_a_size_is_read_before_the_first_op_and_at_its_end() -> None:
    def program(x: Tensor) -> Tensor:
        if x.dim() == 2:
            return x.relu()
        return x

    recording = inspector.record(program, X)
    first = program.__code__.co_firstlineno
    (decision,) = recording.decisions
    assert decision == Decision(
        0, None, recording.inputs[0], 2, "dim",
        Source(__file__, first + 1, 11, program.__qualname__, first + 1, 18), before_op=0,
    )  # fmt: skip
    alone = inspector.record(program, torch.ones(3))
    assert reads(alone) == [("dim", 1, "x.dim()")]
    assert (len(alone.ops), alone.decisions[0].before_op) == (0, 0)


def test_a_read_steers_through_local_variables() -> None:
    def program(x: Tensor, k: int) -> Tensor:
        b, t = x.shape
        for _ in range(t):
            x = x + b
        n = x.size(0)
        rows = n
        rows += 1
        while rows > k:
            rows -= 1
        if (last := x.shape[-1]) and last == 3:
            x = x * last
        flat = x.ndim == 1 and x.is_cuda is False
        pairs = [(i, j) for i in range(n) for j in range(n) if i < t]
        return x if flat else x * len(pairs)

    assert found(program, X, 1) == [
        ("shape", 3, "x.shape"),
        ("size", 2, "x.size(0)"),
        ("shape", 3, "x.shape"),
        ("ndim", 2, "x.ndim"),
    ]


def test_only_the_sizes_that_steer_are_a_decisions_value() -> None:
    def program(x: Tensor) -> Tensor:
        rows, columns = x.shape[-2:]
        *batch, last = x.shape
        height, width = x.shape[2], x.shape[3]
        both = x.shape[1:3]
        if rows > columns:
            return x
        if len(batch) > 5 or height == 0 or both[1] == 9 or x.stride()[0] == 7:
            return x
        return x * last * width

    assert found(program, torch.ones(1, 2, 3, 4)) == [
        ("shape", "(1, 2, 3, 4)", "x.shape"),  # rows and columns
        ("shape", "(1, 2, 3, 4)", "x.shape"),  # batch
        ("shape", 3, "x.shape"),  # height; width steers nothing
        ("shape", 3, "x.shape"),  # both[1]
        ("stride", 24, "x.stride()"),
    ]


def test_sizes_that_only_go_into_tensors_steer_nothing() -> None:
    def program(x: Tensor) -> Tensor:
        y = x.view(x.shape[0], -1) + torch.zeros(x.shape) + torch.ones(x.size(0), x.size(1))
        y = y[: x.shape[0]] / x.numel()
        mean = y.sum() / x.shape[1]
        if mean > 0:
            y = y * 2
        if (y / x.shape[0]).sum() > 0:
            y = y * 2
        count = int(x.shape[0])
        return y * count

    assert found(program, X) == []


def test_the_number_of_parts_and_the_answer_of_a_helper_steer() -> None:
    class Net(nn.Module):
        def long(self, size: int) -> bool:
            return size > 1

        def forward(self, x: Tensor) -> Tensor:
            parts = [part.sum() for part in x.split(x.shape[1] // 2, dim=1)]
            for i, _ in enumerate(x[: x.size(0)]):
                x = x + i
            if self.long(x.shape[0]):
                x = x + parts[0]
            return x

    assert found(Net(), X) == [("shape", 3, "x.shape"), ("size", 2, "x.size(0)"),
                               ("shape", 2, "x.shape")]  # fmt: skip


def test_inner_functions_lambdas_and_comprehensions_use_the_sizes_around_them() -> None:
    def program(x: Tensor) -> Tensor:
        n, m = x.shape

        def inner(y: Tensor) -> Tensor:
            return y if n == 2 else -y

        pick = lambda y: y if y.dim() > 1 else -y  # noqa: E731
        big = any(part.shape[0] > m for part in (x, x))
        return pick(inner(x)) if big else inner(x)

    # `m` steers too (it is compared in `big`), so all of the shape does.
    assert found(program, X) == [
        ("shape", "(2, 3)", "x.shape"),
        ("shape", 2, "part.shape"),
        ("shape", 2, "part.shape"),
    ]
    assert found(lambda x: x + 1 if x.size(1) == 3 else x, X) == [("size", 3, "x.size(1)")]


def test_a_read_in_a_chain_over_several_lines_is_found() -> None:
    def program(x: Tensor) -> Tensor:
        if x.contiguous().size(0) == 2:
            return x * 2
        return x  # fmt: skip

    recording = inspector.record(program, X)
    (decision,) = recording.decisions
    assert (decision.kind, decision.value, decision.before_op) == ("size", 2, 1)


def test_len_and_reads_of_values_stay_ops() -> None:
    def program(x: Tensor) -> Tensor:
        return x * 2 if len(x) > 1 and x.sum() > x.shape[0] else x

    recording = inspector.record(program, X)
    assert [(d.kind, d.value, d.op is None) for d in recording.decisions] == [
        ("len", 2, False),
        ("shape", 2, True),
        ("bool", True, False),
    ]


def test_code_without_source_text_has_no_such_decisions() -> None:
    space: dict[str, Any] = {}
    exec("def program(x):\n    return x + 1 if x.dim() == 2 else x", space)
    assert found(space["program"], X) == []


def test_what_torchs_own_modules_read_is_not_the_users() -> None:
    attention = nn.MultiheadAttention(4, 2, batch_first=True).eval()  # asks for query.dim()
    x = torch.ones(1, 3, 4)
    assert found(lambda x: attention(x, x, x)[0], x) == []
    assert found(nn.LSTM(4, 2), x) == []


def test_text_that_is_no_python_has_no_steering_reads() -> None:
    assert SteeringReads("%matplotlib inline\nif x.dim(): pass").around(2) == {}
    assert set(SteeringReads("if x.dim(): pass").around(1)) == {(1, 3, 1, 10)}


def test_every_plain_attribute_and_method_of_tensors_is_known() -> None:
    kinds, plain = CallTable(), (bool, int, str, torch.Size, torch.dtype, torch.device)
    for name in dir(Tensor):
        attribute = inspect.getattr_static(Tensor, name)
        if not name.startswith("_") and hasattr(type(attribute), "__set__"):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                value = None if name == "imag" else getattr(X, name, None)
            if isinstance(value, plain) and name not in ("volatile", "grad_dtype"):
                assert name in ATTRIBUTES, name
    for name in METHODS & set(dir(Tensor)):
        assert kinds.kind(getattr(Tensor, name)) is CallKind.METADATA, name


# -- where and when ------------------------------------------------------------------------


class Halves(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(4, 4), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        x = self.inner(x)
        if x.shape[0] > 1:
            x = x[:1]
        return x


def test_a_read_knows_its_tensor_its_module_call_and_the_op_that_ran_next() -> None:
    recording = inspector.record(Halves(), torch.ones(2, 4))
    (decision,) = recording.decisions
    made = recording.tensors[decision.tensor or 0]
    assert recording.ops[made.producer or 0].name == "relu"
    assert decision.module_call == 0
    assert recording.ops[decision.before_op or 0].name == "getitem"
    first = inspect.getsourcelines(Halves.forward)[1]
    lines = recording.to_text().splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("in inner.1"))
    assert lines[start + 2] == "in (root) Halves call 0"
    assert lines[start + 3] == f"  [-] shape(%{made.id}) -> 2  test_size_decisions.py:{first + 2}"
    assert lines[start + 4].startswith("  [2] getitem(")


def test_decisions_are_numbered_in_the_order_of_the_run() -> None:
    def program(x: Tensor) -> Tensor:
        while x.sum() > x.numel():
            x = x - 1
        return x if x.dim() == 2 else x.sum()

    decisions = inspector.record(program, X * 2).decisions
    assert [d.id for d in decisions] == [0, 1, 2, 3, 4]
    assert [d.kind for d in decisions] == ["numel", "bool", "numel", "bool", "dim"]


def test_an_exception_keeps_the_reads_before_it() -> None:
    def program(x: Tensor) -> Tensor:
        if x.dim() != 3:
            raise ValueError("a batch of matrices, please")
        return x

    recording = inspector.record(program, X)
    assert recording.failure is not None
    assert reads(recording) == [("dim", 2, "x.dim()")]


def test_a_place_that_reads_without_end_is_cut_with_a_note() -> None:
    def program(x: Tensor) -> Tensor:
        i = 0
        while i < x.shape[0]:
            i += 1
        return x + i

    recording = inspector.record(program, torch.ones(MAX_READS + 7))
    assert len(recording.decisions) == MAX_READS
    line = program.__code__.co_firstlineno + 2
    assert recording.notes == (
        f"Of the size reads in {program.__qualname__}, line {line}, only the first 1,000 were "
        "recorded.",
    )


def test_two_recordings_of_one_program_count_for_themselves() -> None:
    def program(x: Tensor) -> Tensor:
        return x * 2 if x.dim() == 2 else x

    assert found(program, X) == found(program, X) == [("dim", 2, "x.dim()")]


@pytest.mark.parametrize("sample", sample_models.catalog().values(), ids=lambda s: s.name)
def test_of_the_samples_only_style_transfer_asks_for_sizes(sample: sample_models.Sample) -> None:
    expected: dict[str, Found] = {}
    if sample.name == "style_transfer":
        photo = [("shape", size, "photo.shape") for size in (8, 8)]
        odd = [("shape", size, "photo.shape") for size in (9, 9)]
        expected["even size"] = [*photo, ("shape", 8, "x.shape"), ("shape", 8, "x.shape")]
        expected["odd size"] = [*odd, ("shape", 10, "x.shape")]  # 10 != 9: no need to ask more
    for name, given in sample.inputs.items():
        recording = inspector.record(sample.build(), *given.make(), loss=sample.loss)
        assert reads(recording) == expected.get(name, [])


# -- the run is as it was ------------------------------------------------------------------


def test_to_be_asked_for_a_flag_does_not_make_a_parameter_used() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.used = nn.Parameter(torch.ones(3))
            self.idle = nn.Parameter(torch.ones(3))

        def forward(self, x: Tensor) -> Tensor:
            for p in (self.used, self.idle):
                if p.requires_grad:
                    x = x + 1
            return x * self.used

    recording = inspector.record(Net(), X)
    used, idle = recording.parameters
    assert idle.tensor is None
    assert [d.tensor for d in recording.decisions] == [used.tensor, None]


def test_no_tensor_is_kept_alive_by_a_read() -> None:
    def program() -> list[weakref.ref[Tensor]]:
        x, p = torch.ones(2, 3), nn.Parameter(torch.ones(3))
        if x.dim() == 2 and p.dim() == 1:
            return [weakref.ref(x), weakref.ref(p)]
        return []

    with inspector.recording() as session:
        refs = program()
        gc.collect()
        assert [ref() for ref in refs] == [None, None]
    assert [d.value for d in session.recording.decisions] == [2, 1]


def rows(x: Tensor) -> Tensor:
    if x.shape[0] == 2 and x.dim() == 2:
        return x * 2
    return x


@pytest.mark.parametrize(
    "make",
    [
        lambda: torch.ones(2, 3, device="meta"),
        lambda: torch.ones(2, 3).to_sparse(),
        lambda: torch.ones(2, 3, dtype=torch.complex64),
        lambda: torch.ones(2, 3).as_subclass(type("Mine", (Tensor,), {})),
        lambda: nn.Parameter(torch.ones(2, 3)),
    ],
    ids=["meta", "sparse", "complex", "subclass", "parameter"],
)
def test_special_tensors_are_asked_as_usual(make: Callable[[], Tensor]) -> None:
    recording = inspector.record(rows, make())
    assert recording.failure is None
    assert reads(recording) == [("shape", 2, "x.shape"), ("dim", 2, "x.dim()")]
    assert [d.tensor for d in recording.decisions] == [0, 0]
    assert len(recording.ops) == 1


def test_reads_inside_vmap_see_one_example() -> None:
    given = torch.arange(12.0).view(2, 2, 3)
    with inspector.recording() as session:
        result = torch.vmap(rows)(given)
    assert torch.equal(result, given * 2)
    assert reads(session.recording) == [("shape", 2, "x.shape"), ("dim", 2, "x.dim()")]


def test_symbolic_sizes_are_passed_through_and_kept_as_text() -> None:
    shapes: list[object] = []

    def program(x: Tensor) -> Tensor:
        shapes.append(x.shape[0])
        if x.shape[1] == 3 or x.size(0) == 5:
            return x * 2
        return x

    mode = FakeTensorMode(shape_env=ShapeEnv())
    fake = mode.from_tensor(torch.ones(4, 3))
    with inspector.recording(inspector.CaptureOptions(values="none")) as session:
        program(fake)
    (size,) = shapes
    assert isinstance(size, torch.SymInt)
    (decision,) = [d for d in session.recording.decisions if d.kind == "shape"]
    assert isinstance(decision.value, (int, str))
    assert not isinstance(decision.value, torch.SymInt)


# -- files ---------------------------------------------------------------------------------


def test_size_reads_survive_in_a_file(tmp_path: Path) -> None:
    recording = inspector.record(Halves(), torch.ones(2, 4))
    recording.save(tmp_path / "run.inspect")
    loaded = inspector.load(tmp_path / "run.inspect")
    assert loaded.decisions == recording.decisions
    assert loaded.to_text() == recording.to_text()


def renumbered(path: Path, version: int) -> bytes:
    """The file as if it said another format version."""
    copy = path.with_suffix(".other")
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(copy, "w") as other:
        for name in archive.namelist():
            data = archive.read(name)
            if name == "header.json":
                data = json.dumps({**json.loads(data), "version": version}).encode()
            other.writestr(name, data)
    return copy.read_bytes()


def test_files_of_version_1_are_read_and_those_to_come_refused(tmp_path: Path) -> None:
    program = Program()
    program.read(program.tensor(), True)
    old = program.recording()
    old.save(tmp_path / "run.inspect")
    assert load_bytes(renumbered(tmp_path / "run.inspect", 1), "old").decisions == old.decisions
    with pytest.raises(FutureVersionError, match=f"format {VERSION + 1}"):
        load_bytes(renumbered(tmp_path / "run.inspect", VERSION + 1), "new")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [({"before_op": 2}, "lies before op 2"), ({"module_call": 0}, "refers to number 0 of 0")],
)
def test_a_read_at_a_place_that_is_not_there_is_refused(
    wrong: dict[str, int], message: str
) -> None:
    recording = with_reads(one_op(), Decision(0, None, 0, 2, "dim", **wrong))
    with pytest.raises(ValueError, match=message):
        self_check(recording)


# -- pictures ------------------------------------------------------------------------------


def one_op() -> Program:
    program = Program()
    program.op("relu", program.tensor(shape=(2, 3)))
    return program


def with_reads(program: Program, *decisions: Decision) -> Recording:
    return replace(program.recording(inputs=(0,)), decisions=decisions)


def test_a_size_read_hangs_on_its_tensor_and_points_at_what_ran_next() -> None:
    place = Source("model.py", 7, 3, "forward")
    recording = with_reads(
        one_op(),
        Decision(0, None, 0, 3, "shape", place, before_op=0),
        Decision(1, None, 1, "float32", "dtype", place, before_op=1),
    )
    view = dynamic_view(recording, frozenset())
    assert_sound(view)
    first, last = node(view, "decision:0"), node(view, "decision:1")
    assert (first.kind, first.title, first.subtitle) == ("decision", "3", "shape")
    assert (first.source, first.ops, first.badge) == (("model.py", 7), (), "")
    assert (last.title, last.subtitle) == ("float32", "dtype")
    assert edges(view, "control") == {("decision:0", "op:0")}
    assert edges(view, "data") == {
        ("tensor:0", "op:0"), ("tensor:0", "decision:0"), ("op:0", "decision:1")
    }  # fmt: skip


def test_equal_reads_between_two_ops_are_one_diamond_with_their_count() -> None:
    recording = with_reads(
        one_op(), *(Decision(i, None, 0, 3, "size", None, before_op=0) for i in range(5))
    )
    view = dynamic_view(recording, frozenset())
    assert [n.id for n in view.nodes if n.kind == "decision"] == ["decision:0"]
    assert node(view, "decision:0").badge == "×5"


def test_reads_lie_in_the_box_of_their_module_call_and_go_with_it() -> None:
    program = Program()
    root = program.call("", type="Net")
    block = program.call("block", parent=root)
    x = program.tensor()
    y = program.op("relu", x, call=block)
    program.op("tanh", y, call=block)
    recording = with_reads(program, Decision(0, None, y, 1, "dim", before_op=1, module_call=block))
    opened = dynamic_view(recording, frozenset(("call:1",)))
    assert node(opened, "decision:0").box == "call:1"
    assert ("op:0", "decision:0") in edges(opened, "data")
    assert "decision:0" not in ids(dynamic_view(recording, frozenset()))


def test_the_card_of_a_size_read_names_value_tensor_and_place() -> None:
    recording = inspector.record(Halves(), torch.ones(2, 4))
    card = Cards(recording).card("dynamic", "decision:0")
    assert (card["title"], card["kind"], card["subtitle"]) == ("shape", "decision", "x 2×4")
    assert dict(card["rows"]) == {
        "value": "2",
        "read": "shape",
        "module": "(the model itself) · Halves",
        "before op": "3 / 3",
    }
    assert [tensor["shape"] for tensor in card["tensors"]] == ["2×4"]
    assert card["source"]["text"] == "if x.shape[0] > 1:"
