"""Which ops a recording holds, with their tensors, arguments, decisions and sources."""

from __future__ import annotations

import inspect
import io
from collections.abc import Callable, Iterator
from typing import Any

import numpy
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import inspector
from inspector.check import self_check


def ops_of(function: Callable[..., Any], *args: Any, **options: Any) -> inspector.Recording:
    recording = inspector.record(function, *args, options=inspector.CaptureOptions(**options))
    self_check(recording)
    assert recording.failure is None, recording.failure
    return recording


def names(recording: inspector.Recording) -> list[str]:
    return [op.name for op in recording.ops]


class Straight(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 8)
        self.norm = nn.LayerNorm(8)
        self.last = nn.Linear(8, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = F.gelu(self.norm(self.first(x)))
        h = torch.cat([h, h.flip(0)], dim=0).view(-1, 8)
        return self.last(h).softmax(-1).sum(0)


def test_the_ops_of_straight_line_code_are_those_that_torch_fx_traces() -> None:
    class Leafless(torch.fx.Tracer):
        def is_leaf_module(self, module: nn.Module, path: str) -> bool:
            return False

    model = Straight()
    graph = Leafless().trace(model)
    traced = [
        node.target if node.op == "call_method" else node.target.__name__
        for node in graph.nodes
        if node.op in ("call_function", "call_method")
    ]
    assert names(ops_of(model, torch.randn(3, 4))) == traced


def test_the_shapes_of_ops_are_those_that_fx_propagates() -> None:
    from torch.fx.passes.shape_prop import ShapeProp

    model, x = Straight(), torch.randn(3, 4)
    traced = torch.fx.symbolic_trace(model)
    ShapeProp(traced).propagate(x)
    expected = [
        tuple(node.meta["tensor_meta"].shape)
        for node in traced.graph.nodes
        if node.op not in ("placeholder", "output")
    ]
    recording = ops_of(model, x)
    assert [recording.tensors[op.outputs[0]].shape for op in recording.ops] == expected


def test_every_op_says_the_line_and_column_of_its_expression() -> None:
    def program(x: torch.Tensor) -> torch.Tensor:
        y, z = x.exp(), torch.tanh(x) * 0.5
        return y + z

    first = inspect.getsourcelines(program)[1]
    recording = ops_of(program, torch.ones(2))
    line = inspect.getsource(program).splitlines()[1]
    found = [
        (op.name, op.source.line - first, op.source.column) for op in recording.ops if op.source
    ]
    assert found == [
        ("exp", 1, line.index("x.exp")),
        ("tanh", 1, line.index("torch.tanh")),
        ("mul", 1, line.index("torch.tanh")),
        ("add", 2, 15),
    ]
    assert all(op.source and op.source.file == __file__ for op in recording.ops)
    assert __file__ in recording.sources


def test_operators_and_indexing_go_by_their_plain_names() -> None:
    def program(x: torch.Tensor) -> None:
        _ = -x + 1 - x * 2 / 3
        _ = x[0], x[:, None], x @ x, x**2, x > 0, x.T
        x[0, 0] = 5.0

    assert names(ops_of(program, torch.ones(2, 2))) == [
        "neg", "add", "mul", "div", "sub",
        "getitem", "getitem", "matmul", "pow", "gt", "T", "setitem",
    ]  # fmt: skip


def test_arguments_are_rendered_with_tensors_as_their_ids() -> None:
    def program(x: torch.Tensor) -> None:
        torch.cat([x, x], dim=1)
        x[:, 0:2, None]
        x.to(torch.float64)

    recording = ops_of(program, torch.ones(2, 2))
    assert [op.arguments for op in recording.ops] == [
        "[%0, %0], dim=1",
        "%0, (:, 0:2, None)",
        "%0, float64",
    ]


def test_shapes_and_flags_are_no_ops() -> None:
    def program(x: torch.Tensor) -> None:
        _ = x.shape, x.dtype, x.size(0), x.dim(), x.is_contiguous(), x.requires_grad, x.device
        repr(x), x.stride(), x.numel(), x.grad, x.data_ptr()

    assert names(ops_of(program, torch.ones(2, 2))) == []


def test_a_write_through_a_view_makes_new_values_of_view_and_base() -> None:
    def program(x: torch.Tensor) -> torch.Tensor:
        base = x.clone()
        base[0] += 1
        return base * 2

    recording = ops_of(program, torch.zeros(3))
    clone, getitem, add, setitem, mul = recording.ops
    (base,), (view,) = clone.outputs, getitem.outputs
    assert recording.tensors[view].alias_of == base
    assert add.overwrites == (view,)
    assert recording.tensors[add.outputs[0]].alias_of == view
    assert recording.tensors[add.outputs[0]].storage == recording.tensors[base].storage
    (written,) = setitem.outputs
    assert mul.inputs == (written,)
    assert recording.tensors[written].version == 2  # add_ and setitem each count one
    # What setitem replaces is the base as add_ left it through the view.
    (between,) = setitem.overwrites
    assert recording.tensors[between].alias_of == base
    assert recording.tensors[between].producer == add.id
    assert recording.tensors[between].summary.max == 1.0


def test_memory_that_loading_took_over_makes_no_alias() -> None:
    """`torch.load` makes empty tensors, and gives them the file's memory behind our back."""

    def load() -> torch.Tensor:
        file = io.BytesIO()
        torch.save({"w": torch.ones(3), "v": torch.ones(2, 2)}, file)
        file.seek(0)
        loaded = torch.load(file, weights_only=True)
        fresh = [torch.empty(3), torch.empty(0), torch.empty(2)]
        return loaded["w"] + fresh[0]

    recording = inspector.record(load)
    made = [op.outputs[0] for op in recording.ops if op.name == "empty"]
    assert len(made) >= 3
    assert [recording.tensors[number].alias_of for number in made] == [None] * len(made)


@pytest.mark.parametrize("inference", [False, True], ids=["grad mode", "inference mode"])
def test_in_place_ops_and_out_are_seen_with_and_without_version_counters(inference: bool) -> None:
    def program() -> None:
        with torch.inference_mode(inference):
            x = torch.zeros(3)
            x.add_(1)
            x[0] = 5.0
            y = x[1:]
            y.mul_(2)
            z = x + 0
            torch.add(x, 1, out=z)
            torch._foreach_add_([x, z], 1.0)
            _ = x + z

    recording = ops_of(program)
    by_name = {op.name: op for op in recording.ops}
    assert names(recording) == [
        "zeros", "add_", "setitem", "getitem", "mul_", "add", "add", "_foreach_add_", "add",
    ]  # fmt: skip
    for name in ("add_", "setitem", "mul_", "_foreach_add_"):
        assert by_name[name].overwrites, name
    assert recording.ops[6].overwrites == recording.ops[5].outputs
    final = [recording.tensors[i].summary.sample for i in by_name["add"].inputs]
    assert final == [(6.0, 3.0, 3.0), (7.0, 4.0, 4.0)]


def test_data_writes_and_set_data_make_new_values_although_versions_stand_still() -> None:
    def program(x: torch.Tensor) -> torch.Tensor:
        x.data.mul_(3)
        y = x + 1
        x.data = torch.zeros(2)
        return x + y[:2]

    recording = ops_of(program, torch.ones(3))
    data, mul_, add, _, set_data, _, last = recording.ops
    assert (data.name, mul_.name, set_data.name) == ("data", "mul_", "set_data")
    seen = recording.tensors[add.inputs[0]]
    assert (seen.producer, seen.version, seen.summary.max) == (mul_.id, 0, 3.0)
    assert last.inputs[0] == set_data.outputs[0]
    assert recording.tensors[last.inputs[0]].shape == (2,)


def test_a_write_that_cannot_be_seen_is_noted() -> None:
    def program(x: torch.Tensor) -> torch.Tensor:
        y = x + 1
        y.set_(torch.ones(2))
        return y * 2

    recording = ops_of(program, torch.ones(3))
    assert recording.tensors[recording.ops[-1].inputs[0]].shape == (2,)
    assert any("Tensor.set_" in note for note in recording.notes)


def test_gradients_that_the_engine_accumulates_are_no_unseen_writes() -> None:
    x = torch.ones(2, requires_grad=True)

    def program() -> torch.Tensor:
        (x * 2).sum().backward()
        _ = x.grad + 1
        (x * 3).sum().backward()
        return x.grad + 1

    recording = ops_of(program)
    assert recording.notes == ()
    before, after = (op for op in recording.ops if op.name == "add")
    assert recording.tensors[after.inputs[0]].alias_of == before.inputs[0]


def test_growing_resize_is_a_write() -> None:
    recording = ops_of(lambda: torch.zeros(2).resize_(4) + 0)
    assert names(recording) == ["zeros", "resize_", "add"]
    assert recording.tensors[recording.ops[2].inputs[0]].shape == (4,)


def test_a_tensor_made_before_the_recording_is_an_input_without_producer() -> None:
    outside = torch.ones(2)
    recording = ops_of(lambda: outside + 1)
    assert recording.tensors[recording.ops[0].inputs[0]].producer is None


def test_decisions_hold_value_kind_and_line() -> None:
    def program(x: torch.Tensor) -> None:
        if x.sum() > 3:
            x.tolist()
        len(x), int(x[0]), float(x[1]), x[0].item(), 2.0 in x
        [10, 20, 30][torch.tensor(1)]
        x.numpy()

    recording = ops_of(program, torch.tensor([4.0, 2.0]))
    first = inspect.getsourcelines(program)[1]
    found = [(d.kind, d.value, d.source.line - first) for d in recording.decisions if d.source]
    assert found == [
        ("bool", True, 1),
        ("tolist", "[4.0, 2.0]", 2),
        ("len", 2, 3),
        ("int", 4, 3),
        ("float", 2.0, 3),
        ("item", 4.0, 3),
        ("contains", True, 3),
        ("index", 1, 4),
        ("numpy", "array of shape (2,)", 5),
    ]
    assert all(recording.tensors[d.tensor].shape in ((), (2,)) for d in recording.decisions)


def test_iterating_over_a_tensor_is_a_decision_on_the_number_of_rows() -> None:
    def program(x: torch.Tensor) -> torch.Tensor:
        total = torch.zeros(2)
        for row in x:
            total = total + row
        return total

    recording = ops_of(program, torch.ones(3, 2))
    (decision,) = recording.decisions
    assert (decision.kind, decision.value) == ("iter", 3)
    unbind = recording.ops[decision.op]
    assert (unbind.name, len(unbind.outputs)) == ("unbind", 3)
    assert [op.inputs[1] for op in recording.ops[2:]] == list(unbind.outputs)


def test_empty_and_rank_zero_tensors_and_bools_have_summaries() -> None:
    recording = ops_of(lambda: (torch.zeros(0, 3), torch.tensor(2.5), torch.tensor([True, False])))
    empty, scalar, flags = (recording.tensors[i].summary for i in recording.output)
    assert (empty.numel, empty.min, empty.zero_fraction) == (0, None, 0.0)
    assert (scalar.numel, scalar.min, scalar.std) == (1, 2.5, 0.0)
    assert (flags.numel, flags.max, flags.zero_fraction) == (2, 1.0, 0.5)


def test_two_thousand_inputs_of_one_op_are_all_kept() -> None:
    parts = [torch.full((1,), float(i)) for i in range(2000)]
    recording = ops_of(torch.cat, parts)
    assert len(recording.ops[0].inputs) == 2000
    assert len(recording.ops[0].arguments) < 200


def test_foreach_ops_have_all_their_inputs_and_outputs() -> None:
    recording = ops_of(lambda: torch._foreach_mul([torch.ones(1), torch.ones(2)], 2.0))
    assert len(recording.ops[2].outputs) == 2


def test_deep_recursion_neither_fails_nor_grows_without_bound() -> None:
    def down(x: torch.Tensor, depth: int) -> torch.Tensor:
        return x + 1 if depth == 0 else down(x, depth - 1)

    recording = ops_of(down, torch.ones(1), 500)
    assert recording.ops[0].source is not None
    assert len(recording.ops[0].stack) <= 64


def test_a_user_object_in_the_arguments_is_not_asked_for_its_repr() -> None:
    class Shy:
        def __repr__(self) -> str:
            raise AssertionError("asked")

        def __index__(self) -> int:
            return 1

    recording = ops_of(lambda x: x[Shy()], torch.ones(3))
    assert recording.ops[0].arguments == "%0, <Shy>"


SPECIAL: dict[str, tuple[Callable[[], torch.Tensor], str, tuple[int, ...]]] = {
    "complex": (lambda: torch.tensor([3 + 4j]), "complex64", (1,)),
    "meta": (lambda: torch.ones(2, device="meta"), "float32", (2,)),
    "sparse": (lambda: torch.eye(2).to_sparse(), "float32", (2, 2)),
    "bfloat16": (lambda: torch.ones(2, dtype=torch.bfloat16), "bfloat16", (2,)),
    "float8": (lambda: torch.ones(2).to(torch.float8_e4m3fn).to(torch.float32), "float32", (2,)),
    "int": (lambda: torch.arange(3), "int64", (3,)),
}


@pytest.mark.parametrize("kind", SPECIAL)
def test_special_tensors_are_recorded(kind: str) -> None:
    make, dtype, shape = SPECIAL[kind]
    x = make()
    recording = ops_of(lambda: (x * 2).sum())
    info = recording.tensors[recording.ops[0].outputs[0]]
    assert (info.dtype, info.shape) == (dtype, shape)
    assert (info.summary is None) == (kind in ("meta", "sparse"))
    if kind == "complex":
        assert info.summary.max == 10.0  # the magnitude of 6 + 8j


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
@pytest.mark.parametrize("layout", [torch.strided, torch.jagged])
def test_nested_tensors_are_recorded_without_a_shape(layout: torch.layout) -> None:
    nested = torch.nested.nested_tensor([torch.ones(2), torch.ones(3)], layout=layout)
    recording = ops_of(lambda: (nested * 2).unbind())
    assert recording.tensors[recording.ops[0].outputs[0]].summary is None
    assert [recording.tensors[i].shape for i in recording.output] == [(2,), (3,)]


@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor")
def test_quantized_tensors_are_read_dequantized() -> None:
    def program(x: torch.Tensor) -> torch.Tensor:
        return torch.quantize_per_tensor(x, 0.5, 0, torch.quint8).dequantize()

    recording = ops_of(program, torch.tensor([1.0, 2.0]))
    info = recording.tensors[recording.ops[0].outputs[0]]
    assert (info.dtype, info.summary.max) == ("quint8", 2.0)


def test_fake_tensors_are_recorded_without_values() -> None:
    from torch._subclasses import FakeTensorMode

    def program() -> torch.Tensor:
        with FakeTensorMode():
            return (torch.ones(3) * 2).sum()

    recording = ops_of(program)
    assert names(recording) == ["ones", "mul", "sum"]
    assert all(info.summary is None for info in recording.tensors.values())


def test_a_subclass_with_its_own_torch_function_is_called_as_without_recording() -> None:
    calls: list[str] = []

    class Noisy(torch.Tensor):
        @classmethod
        def __torch_function__(
            cls, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            calls.append(func.__name__)
            return super().__torch_function__(func, types, args, kwargs or {})

    x = torch.ones(2).as_subclass(Noisy)
    (x * 2).sum()
    plain, calls[:] = list(calls), []
    recording = ops_of(lambda: (x * 2).sum())
    assert calls == plain
    assert names(recording) == ["mul", "sum"]


def test_a_function_mode_of_the_user_hears_the_same_calls_as_without_recording() -> None:
    class Counting(torch.overrides.TorchFunctionMode):
        def __init__(self) -> None:
            super().__init__()
            self.calls: list[str] = []

        def __torch_function__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            self.calls.append(func.__name__)
            return func(*args, **(kwargs or {}))

    def program() -> None:
        x = torch.ones(3, requires_grad=True)
        (x * 2).sum().backward()
        _ = x.grad + x[0]

    with Counting() as plain:
        program()
    with Counting() as outside, inspector.recording() as session:
        program()
    assert outside.calls == plain.calls
    with inspector.recording() as other, Counting() as inside:
        program()
    assert inside.calls == plain.calls
    expected = ["ones", "mul", "sum", "getitem", "add"]
    assert names(session.recording) == expected
    assert names(other.recording) == expected


def test_dispatch_modes_of_the_user_count_the_same_with_recording() -> None:
    from torch.utils.flop_counter import FlopCounterMode

    model, x = nn.Linear(4, 3), torch.ones(2, 4)
    with FlopCounterMode(display=False) as plain:
        model(x).sum().backward()
    with FlopCounterMode(display=False) as outside, inspector.recording() as session:
        model(x).sum().backward()
    with inspector.recording(), FlopCounterMode(display=False) as inside:
        model(x).sum().backward()
    assert plain.get_total_flops() == outside.get_total_flops() == inside.get_total_flops() > 0
    assert names(session.recording) == ["linear", "sum"]


def test_max_ops_stops_the_recording_and_not_the_program() -> None:
    ran: list[int] = []

    def program(x: torch.Tensor) -> torch.Tensor:
        for i in range(10):
            x = x + 1
            ran.append(i)
        return x

    recording = ops_of(program, torch.ones(1), max_ops=4)
    assert len(ran) == 10
    assert names(recording) == ["add"] * 4
    assert any("max_ops" in note for note in recording.notes)


def test_values_none_reads_nothing_and_full_keeps_arrays_within_the_budget() -> None:
    def program(x: torch.Tensor) -> torch.Tensor:
        return (x + 1) * 2

    x = torch.arange(4.0)
    none = ops_of(program, x, values="none")
    assert all(info.summary is None for info in none.tensors.values())
    full = ops_of(program, x, values="full")
    (last,) = full.output
    assert numpy.array_equal(full.values[last], [2, 4, 6, 8])
    short = ops_of(program, x, values="full", value_budget_mb=20 / 2**20)  # one array: 16 bytes
    assert list(short.values) == [0]
    assert any("value_budget_mb" in note for note in short.notes)
    assert short.tensors[last].summary.max == 8.0


def test_non_finite_values_are_counted_and_left_out_of_the_statistics() -> None:
    x = torch.tensor([1.0, float("nan"), float("inf"), -float("inf"), 3.0, 0.0])
    summary = ops_of(lambda: x + 0).tensors[1].summary
    assert (summary.nan_count, summary.inf_count) == (1, 2)
    assert (summary.min, summary.max, summary.mean) == (0.0, 3.0, pytest.approx(4 / 3))
    assert summary.zero_fraction == pytest.approx(1 / 6)
    assert sum(summary.histogram) == 3


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("values", [[1e-45, 3e-45], [-3e38, 3e38], [1e-320, 2e-320]])
def test_extreme_values_give_no_warning(values: list[float]) -> None:
    for dtype in (torch.float32, torch.float64, torch.float16):
        summary = ops_of(lambda d=dtype: torch.tensor(values, dtype=d) + 0).tensors[0].summary
        assert summary.numel == 2


def test_kernels_are_listed_below_each_op() -> None:
    x, weight = torch.ones(2, 3), torch.ones(4, 3)
    recording = ops_of(lambda: F.linear(x, weight).relu(), kernels=True)
    found = [[kernel.name for kernel in op.kernels] for op in recording.ops]
    assert found == [["aten.t.default", "aten.mm.default"], ["aten.relu.default"]]


def test_an_error_of_the_recorder_does_not_reach_the_program(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fails(self: object, tensor: torch.Tensor) -> int:
        raise ZeroDivisionError("ours")

    monkeypatch.setattr("inspector.capture.batches.Summaries.add", fails)
    output: list[torch.Tensor] = []
    recording = ops_of(lambda: output.append(torch.ones(2) + 1))
    assert output[0].tolist() == [2.0, 2.0]
    assert any("ZeroDivisionError: ours" in note for note in recording.notes)


def test_generators_run_as_without_recording() -> None:
    class Lazy(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(2, 2)

        def forward(self, x: torch.Tensor) -> Iterator[torch.Tensor]:
            for _ in range(3):
                x = self.layer(x)
                yield x

    model = Lazy()
    recording = ops_of(lambda x: list(model(x)), torch.ones(1, 2))
    assert names(recording) == ["linear"] * 3
    assert [call.path for call in recording.module_calls] == ["Lazy"] + ["Lazy.layer"] * 3
