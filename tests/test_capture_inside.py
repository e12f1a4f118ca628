"""What runs inside a recording and is not plain eager code on one thread."""

from __future__ import annotations

import contextlib
import inspect
import sys
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

import inspector
from inspector.check import self_check
from inspector.errors import CaptureError


def run(function: Any, *args: Any, **kwargs: Any) -> inspector.Recording:
    recording = inspector.record(function, *args, **kwargs)
    self_check(recording)
    assert recording.failure is None, recording.failure
    return recording


def names(recording: inspector.Recording) -> list[str]:
    return [op.name for op in recording.ops]


@pytest.fixture
def quiet_jit() -> Iterator[None]:
    """torch.jit says at every use that it is deprecated."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r".*torch\.jit.*")
        yield


def doubled(x: torch.Tensor) -> torch.Tensor:
    return x * 2 + 1


class Mixed(nn.Module):
    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.first = nn.Linear(2, 2)
        self.inner = inner

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner(self.first(x)).sum()


@pytest.mark.usefixtures("quiet_jit")
@pytest.mark.parametrize("make", [torch.jit.script, lambda m: torch.jit.trace(m, torch.ones(1, 2))])
def test_a_script_module_is_one_op_in_its_module_call(make: Any) -> None:
    inner = make(nn.Sequential(nn.Linear(2, 2), nn.Tanh()))
    recording = run(Mixed(inner), torch.ones(1, 2), loss="sum")
    assert names(recording) == ["linear", "ScriptModule.forward", "sum", "sum"]
    op = recording.ops[1]
    # It is given a tensor and holds two: the parameters of the scripted module.
    assert op.inputs[:1] == recording.ops[0].outputs
    held = [recording.tensors[i].name for i in op.inputs[1:]]
    assert held == ["inner.0.weight", "inner.0.bias"]
    assert recording.ops[2].inputs == op.outputs
    assert recording.module_calls[op.module_call].path == "inner"
    assert op.duration_us > 0
    assert op.source.function == "Mixed.forward"
    owners = {node.name: node.op for node in recording.grad_nodes}
    assert owners["TanhBackward0"] == 1
    assert any("TorchScript" in note for note in recording.notes)
    assert "inner.0.weight" in {n.parameter for n in recording.grad_nodes}


@pytest.mark.usefixtures("quiet_jit")
def test_a_script_function_is_one_op() -> None:
    scripted = torch.jit.script(doubled)
    recording = run(lambda x: scripted(x.exp()), torch.ones(2))
    assert names(recording) == ["exp", "ScriptFunction.doubled"]
    assert recording.ops[1].inputs == recording.ops[0].outputs


@pytest.mark.usefixtures("quiet_jit")
def test_tracing_inside_a_recording_gives_the_same_graph() -> None:
    def trace() -> str:
        return str(torch.jit.trace(doubled, torch.ones(2)).graph)

    plain = trace()
    with inspector.recording():
        recorded = trace()
    strip = [line.split(" #")[0] for line in plain.splitlines()]
    assert [line.split(" #")[0] for line in recorded.splitlines()] == strip


# Dynamo gives this warning with and without recording.
non_leaf = pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")


@pytest.mark.slow
@non_leaf
@pytest.mark.parametrize("options", [{}, {"kernels": True}, {"values": "none", "lines": False}])
@pytest.mark.parametrize("warm", [False, True])
def test_compiled_functions_are_compiled_as_without_recording(warm: bool, options: Any) -> None:
    from torch._dynamo.testing import CompileCounter

    torch._dynamo.reset()
    counter = CompileCounter()
    compiled = torch.compile(doubled, backend=counter, fullgraph=True)
    x = torch.ones(2, requires_grad=True)
    if warm:
        compiled(x)
    recording = run(
        lambda: compiled(x.exp()).sum().backward(), options=inspector.CaptureOptions(**options)
    )
    compiled(x)
    assert (counter.frame_count, counter.op_count) == (1, 2)  # compiled once: a mul and an add
    assert names(recording) == ["exp", "compiled.doubled", "sum"]
    assert recording.ops[1].inputs == recording.ops[0].outputs
    assert {n.op for n in recording.grad_nodes if n.name in ("MulBackward0", "AddBackward0")} == {1}
    assert any("torch.compile" in note for note in recording.notes)


@pytest.mark.slow
@non_leaf
@pytest.mark.parametrize("how", ["torch.compile", "module.compile"])
def test_a_compiled_module_is_one_op_and_gives_no_warning(how: str) -> None:
    inner = nn.Linear(2, 2)
    if how == "module.compile":
        inner.compile(backend="aot_eager")
    else:
        inner = torch.compile(inner, backend="aot_eager")
    recording = run(Mixed(inner), torch.ones(1, 2), loss="sum")
    assert names(recording) == ["linear", "compiled.Linear", "sum", "sum"]
    if how == "torch.compile":  # AOT leaves one node; Dynamo does not touch a bare nn.Linear
        node = next(n for n in recording.grad_nodes if n.name == "CompiledFunctionBackward")
        assert node.op == 1
    assert not [op for op in recording.ops if op.phase == "backward"]


@pytest.mark.slow
def test_compiling_inside_a_recording_works_too() -> None:
    recording = run(lambda x: torch.compile(doubled, backend="eager")(x.exp()), torch.ones(2))
    assert names(recording) == ["exp", "compiled.doubled"]


def test_autocast_no_grad_and_inference_mode_are_recorded() -> None:
    def program(x: torch.Tensor, w: torch.Tensor) -> None:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            x @ w
        with torch.no_grad():
            x * 2
        with torch.inference_mode():
            x + 1

    recording = run(program, torch.ones(2, 2, requires_grad=True), torch.ones(2, 2))
    outputs = [recording.tensors[op.outputs[0]] for op in recording.ops]
    assert [info.dtype for info in outputs] == ["bfloat16", "float32", "float32"]
    assert [info.requires_grad for info in outputs] == [True, False, False]


@pytest.mark.usefixtures("quiet_jit")  # forward-mode AD scripts its decompositions
@pytest.mark.parametrize("transform", ["vmap", "grad", "jacrev", "hessian", "jvp"])
def test_torch_func_transforms_run_and_what_is_not_shown_is_noted(transform: str) -> None:
    def f(x: torch.Tensor) -> torch.Tensor:
        return x.sin() if transform == "vmap" else (x.sin() * x).sum()

    def program(x: torch.Tensor) -> Any:
        if transform == "jvp":
            return torch.func.jvp(f, (x,), (torch.ones_like(x),))
        return getattr(torch.func, transform)(f)(x)

    x = torch.arange(3.0)
    expected = program(x)
    kept: list[Any] = []
    recording = run(lambda: kept.append(program(x)))
    for mine, theirs in zip(
        torch.utils._pytree.tree_leaves(kept[0]),
        torch.utils._pytree.tree_leaves(expected),
        strict=True,
    ):
        assert torch.equal(mine, theirs)
    assert "sin" in names(recording)
    assert any("torch.func" in note for note in recording.notes)


def test_modules_called_on_another_thread_are_noted() -> None:
    layer = nn.Linear(2, 2)

    def program(x: torch.Tensor) -> torch.Tensor:
        thread = threading.Thread(target=layer, args=(x,))
        thread.start()
        thread.join()
        return x + 1

    recording = run(program, torch.ones(1, 2))
    assert names(recording) == ["add"]
    assert recording.module_calls == ()
    assert any("thread" in note for note in recording.notes)


class Rows(Dataset):
    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> torch.Tensor:
        return torch.full((2,), float(index)) + 0


@pytest.mark.parametrize("workers", [0, 2])
def test_a_loop_over_a_data_loader_is_recorded(workers: int) -> None:
    layer = nn.Linear(2, 1)
    loader = DataLoader(Rows(), batch_size=2, num_workers=workers)
    with inspector.recording(layer=layer) as session:
        total = sum(layer(batch).sum() for batch in loader)
    expected = sum(layer(batch).sum() for batch in loader)
    assert torch.equal(total, expected)
    recording = session.recording
    self_check(recording)
    assert names(recording).count("linear") == 2
    # With workers the rows are made in other processes, which are not part of the run.
    assert names(recording).count("full") == (4 if workers == 0 else 0)


def test_recordings_cannot_be_nested_and_say_so() -> None:
    with inspector.recording() as session:
        torch.ones(1)
        with pytest.raises(CaptureError, match="cannot be nested"):
            inspector.record(torch.ones, 2)
        with pytest.raises(CaptureError, match="cannot be nested"), inspector.recording():
            raise AssertionError("never entered")
        torch.ones(2)
    assert names(session.recording) == ["ones", "ones"]
    assert inspector.record(torch.ones, 2).failure is None


def test_a_model_that_records_itself_fails_inside_with_a_clear_error() -> None:
    recording = inspector.record(lambda: inspector.record(torch.ones, 2))
    assert recording.failure.type == "CaptureError"
    assert "nested" in recording.failure.message


def test_lines_of_the_users_functions_are_counted() -> None:
    def program(n: int) -> int:
        total = 0
        for i in range(n):
            if i % 2:
                total += i
        return total

    first = inspect.getsourcelines(program)[1]
    lines = run(program, 5).lines[__file__]
    counted = {line - first: count for line, count in lines.items() if 0 <= line - first < 7}
    assert counted == {1: 1, 2: 6, 3: 5, 4: 2, 5: 1}


def test_another_tracer_is_kept_and_lines_are_counted_all_the_same() -> None:
    seen: list[str] = []

    def tracer(frame: Any, event: str, arg: Any) -> Any:
        seen.append(frame.f_code.co_name)
        return None

    def program() -> torch.Tensor:
        return torch.ones(1) + 1

    before = sys.gettrace()
    sys.settrace(tracer)
    try:
        recording = inspector.record(program)
        kept = sys.gettrace()
    finally:
        sys.settrace(before)
    assert kept is tracer
    assert "program" in seen
    assert names(recording) == ["ones", "add"]
    first = inspect.getsourcelines(program)[1]
    assert recording.lines[__file__][first + 1] == 1
    assert recording.notes == ()


def test_an_exception_keeps_everything_before_it_and_goes_on() -> None:
    def program() -> None:
        x = torch.ones(2) * 3
        x @ torch.ones(4)

    with pytest.raises(RuntimeError, match="size"), inspector.recording() as session:
        program()
    recording = session.recording
    self_check(recording)
    assert names(recording) == ["ones", "mul", "ones", "matmul"]
    failure = recording.failure
    assert recording.ops[failure.op].name == "matmul"
    assert failure.inputs == (1, 2)
    line = inspect.getsourcelines(test_an_exception_keeps_everything_before_it_and_goes_on)
    assert line[0][failure.source.line - line[1]].strip() == "x @ torch.ones(4)"


def test_an_exception_outside_of_ops_has_a_source_and_no_op() -> None:
    def program(x: torch.Tensor) -> None:
        x + 1
        raise KeyError("mine")

    failure = inspector.record(program, torch.ones(1)).failure
    assert (failure.type, failure.op, failure.source.function.rpartition(".")[2]) == (
        "KeyError", None, "program",
    )  # fmt: skip


def test_a_recording_around_a_generator_sees_what_runs_inside_the_block() -> None:
    def batches() -> Iterator[torch.Tensor]:
        x = torch.zeros(1)
        while True:
            yield x
            x = x + 1

    stream = batches()
    next(stream)
    with inspector.recording() as session:
        next(stream), next(stream)
    next(stream)
    assert names(session.recording) == ["add", "add"]


def test_a_context_manager_can_be_left_by_return_and_break() -> None:
    def early() -> int:
        with inspector.recording() as session:
            torch.ones(1)
            sessions.append(session)
            return 1

    sessions: list[inspector.Session] = []
    assert early() == 1
    assert names(sessions[0].recording) == ["ones"]
    with contextlib.suppress(CaptureError):
        assert names(sessions[0].recording)
