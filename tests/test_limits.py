"""What docs/limits.md says cannot be caught: each claim, run."""

from __future__ import annotations

import io
import threading
import warnings
from collections.abc import Callable
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed
import torch.fx
from torch import nn

import inspector
from inspector.capture.frames import MAX_DEPTH
from inspector.capture.passes import MAX_NODES
from inspector.check import self_check

TEXT = (Path(__file__).parent.parent / "docs" / "limits.md").read_text()
QUICK = inspector.CaptureOptions(values="none", lines=False)


def recorded(
    program: Callable[[], Any], options: inspector.CaptureOptions | None = None
) -> inspector.Recording:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r".*torch\.jit.*")
        recording = inspector.record(program, options=options)
    self_check(recording)
    assert recording.failure is None, recording.failure
    return recording


def names(recording: inspector.Recording) -> list[str]:
    return [op.name for op in recording.ops]


def test_the_page_names_the_numbers_that_the_code_has() -> None:
    assert f"More than {MAX_NODES:,} autograd nodes" in TEXT
    assert f"Stacks deeper than {MAX_DEPTH} frames" in TEXT


def test_plain_ops_of_an_older_thread_without_hooks_are_missed_and_its_modules_are_not() -> None:
    layer = nn.Linear(2, 2)

    def plain() -> None:
        torch.ones(2) + 1

    def module() -> None:
        layer(torch.ones(1, 2))

    with ThreadPool(1) as pool:
        pool.apply(plain)
        assert recorded(lambda: pool.apply(plain)).notes == ()
        (note,) = recorded(lambda: pool.apply(module)).notes
    assert note.startswith("At least 1 module call ran on the thread")


def test_a_pool_of_multiprocessing_that_starts_in_the_recording_is_counted() -> None:
    def program() -> None:
        with ThreadPool(1) as pool:
            pool.apply(lambda: float(torch.ones(()) + 1))

    (note,) = recorded(program).notes
    assert note.startswith("3 calls on tensors ran on the thread")  # ones, +, float


@pytest.mark.parametrize(
    ("program", "op", "note"),
    [
        (lambda: torch.jit.script(nn.Tanh())(torch.ones(1)), "ScriptModule.forward", "TorchScript"),
        (lambda: torch.compile(nn.Tanh(), backend="eager")(torch.ones(1)), "compiled.Tanh", "Code"),
        (lambda: torch.func.vmap(torch.sin)(torch.ones(1)), "sin", "Tensors inside a torch.func"),
    ],
    ids=["TorchScript", "torch.compile", "torch.func"],
)
def test_what_runs_as_one_op_or_without_values_has_a_note(
    program: Callable[[], Any], op: str, note: str
) -> None:
    recording = recorded(program)
    assert names(recording) == ["ones", op]
    assert recording.notes[0].startswith(note)


def test_a_symbolic_trace_inside_is_noted_and_what_it_made_is_recorded() -> None:
    layer, x = nn.Linear(2, 2), torch.ones(1, 2)
    before = torch.fx.Tracer.trace
    plain = torch.fx.symbolic_trace(layer)
    made: list[torch.fx.GraphModule] = []
    recording = recorded(lambda: made.append(torch.fx.symbolic_trace(layer)) or made[0](x))
    assert torch.fx.Tracer.trace is before
    assert str(made[0].graph) == str(plain.graph)
    assert names(recording) == ["linear"]
    assert recording.notes == ("torch.fx ran inside: what it ran in order to trace is not shown.",)


def test_calls_where_torch_functions_are_off_are_missed() -> None:
    def program() -> torch.Tensor:
        with torch._C.DisableTorchFunction():
            x = torch.ones(2) + 1
        return x * 2

    recording = recorded(program, inspector.CaptureOptions(kernels=True))
    assert names(recording) == ["mul"]
    assert recording.tensors[recording.ops[0].inputs[0]].producer is None


def test_registered_ops_are_recorded() -> None:
    assert names(recorded(lambda: torch.ops.aten.add(torch.ones(2), 1))) == ["ones", "add"]


@pytest.mark.parametrize("how", ["NumPy", "storage"])
def test_writes_without_a_version_are_missed(how: str) -> None:
    def program() -> tuple[torch.Tensor, int]:
        x = torch.ones(2)
        if how == "NumPy":
            x.numpy()[:] = 5
        else:
            x.untyped_storage().fill_(0)
        return x * 2, x._version

    recording = recorded(program)
    assert recording.ops[-1].inputs == recording.ops[0].outputs
    assert recording.notes == ()


def test_writes_by_set_are_noted() -> None:
    def program() -> torch.Tensor:
        x = torch.ones(2)
        x.set_(torch.zeros(3))
        return x * 2

    recording = recorded(program)
    assert "written by something that can't be seen" in recording.notes[0]
    assert recording.tensors[recording.ops[-1].inputs[0]].producer is None


def test_a_loaded_tensor_has_its_value() -> None:
    file = io.BytesIO()
    torch.save(torch.full((2,), 3.0), file)
    file.seek(0)
    recording = recorded(lambda: torch.load(file) * 2)
    (summary,) = [recording.tensors[i].summary for i in recording.ops[-1].outputs]
    assert summary.max == 6.0


def test_a_collective_that_waits_is_an_op() -> None:
    def program() -> torch.Tensor:
        x = torch.ones(2) + 0
        torch.distributed.all_reduce(x)
        return x * 2

    torch.distributed.init_process_group(
        "gloo", store=torch.distributed.HashStore(), rank=0, world_size=1
    )
    try:
        recording = recorded(program)
    finally:
        torch.distributed.destroy_process_group()
    assert names(recording) == ["ones", "add", "all_reduce", "mul"]


def test_a_longer_chain_of_nodes_is_cut_with_a_note() -> None:
    def program() -> None:
        y = x = torch.ones(1, requires_grad=True)
        for _ in range(MAX_NODES + 10):
            y = y + 1
        y.backward()
        assert float(x.grad) == 1.0

    recording = recorded(program, QUICK)
    assert len(recording.grad_nodes) == MAX_NODES
    assert f"more than {MAX_NODES:,} autograd nodes" in recording.notes[0]


def test_an_async_forward_runs_outside_of_its_modules_call() -> None:
    class Net(nn.Module):
        async def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + 1

    def program() -> None:
        coroutine = Net()(torch.ones(1))
        with pytest.raises(StopIteration):
            coroutine.send(None)

    recording = recorded(program)
    assert names(recording) == ["ones", "add"]
    assert [op.module_call for op in recording.ops] == [None, None]
    assert len(recording.module_calls) == 1


def test_lines_of_other_threads_are_not_counted() -> None:
    def work() -> None:
        done.append(1)

    def program() -> None:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()

    done: list[int] = []
    lines = recorded(program).lines[__file__]
    assert done == [1]
    assert work.__code__.co_firstlineno + 1 not in lines
    assert lines[program.__code__.co_firstlineno + 1] == 1
