"""The moments of a run: their order, depths, navigation, details, and what is alive.

Small programs are written down by hand; their order, depths and bytes are worked out on paper.
Real runs are checked against what the program itself wrote down while it ran.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch
from handmade import Program, failed
from torch import nn
from torch.utils.checkpoint import checkpoint
from work import assert_linear, lines_run

from inspector import record, recording
from inspector.errors import QuestionError
from inspector.records import Decision, ModuleCall, Recording, Source, Step
from inspector.timeline import (
    BACKWARD,
    Kind,
    Timeline,
    moment,
    step,
    step_out,
    step_over,
    timeline,
)

HERE = Source("model.py", 1, 0, "forward")


def names(time: Timeline) -> list[str]:
    """Each moment in a word: op names, node names, kinds of reads and steps."""
    records = [time.record(i) for i in range(len(time))]
    return [getattr(r, "name", None) or r.kind for r in records]  # type: ignore[union-attr]


def backward(program: Program, first: int, last: int, number: int) -> None:
    program.steps.append(Step(len(program.steps), "backward", first, last, pass_index=number))


def size_read(program: Program, tensor: int, before: int, call: int | None = None) -> None:
    number = len(program.decisions)
    about = {"source": HERE, "before_op": before, "module_call": call}
    program.decisions.append(Decision(number, None, tensor, 3, "shape", **about))


def trained() -> Recording:
    """relu(x @ w).sum(), backward, one step of an optimizer that runs one op."""
    p = Program()
    x, w = p.tensor(), p.tensor("w")
    call = p.call("net")
    a = p.op("matmul", x, w, call=call)
    b = p.op("relu", a, call=call)
    p.op("sum", b)
    p.grad("SumBackward0", 2, 1)
    p.grad("ReluBackward0", 1, 2)
    p.grad("MmBackward0", 0, 3)
    p.grad("AccumulateGrad", None, parameter="w", tensor=w)
    backward(p, 3, 3, 0)
    p.step(3, 4)
    p.many("add_", w, results=1)
    return p.recording(inputs=(x,))


# -- order ---------------------------------------------------------------------------------------


def test_a_backward_pass_lies_between_the_forward_and_the_optimizers_step() -> None:
    assert names(timeline(trained())) == [
        *("matmul", "relu", "sum", "backward"),
        *("SumBackward0", "ReluBackward0", "MmBackward0", "AccumulateGrad"),
        *("optimizer_step", "add_"),
    ]


def test_each_record_is_exactly_one_moment() -> None:
    time = timeline(trained())
    assert sorted(time.entries) == [
        *[(Kind.OP, i) for i in range(4)],
        *[(Kind.GRAD, i) for i in range(4)],
        *[(Kind.STEP, i) for i in range(2)],
    ]


def test_a_decision_with_an_op_is_that_ops_moment_and_a_size_read_is_its_own() -> None:
    p = Program()
    x = p.tensor()
    size_read(p, x, 0)
    p.op("relu", x)
    p.read(x, True)
    size_read(p, x, 2)
    assert names(timeline(p.recording())) == ["shape", "relu", "bool", "shape"]


def test_a_read_in_a_module_call_that_begins_comes_after_the_step_before_it() -> None:
    p = Program()
    x = p.tensor()
    first, second = p.call("net"), p.call("net")
    p.op("relu", x, call=first)
    p.step(1, 1, "zero_grad")
    size_read(p, x, 1, call=second)
    p.op("relu", x, call=second)
    assert names(timeline(p.recording())) == ["relu", "zero_grad", "shape", "relu"]


def test_a_read_in_a_module_call_that_goes_on_comes_before_the_step_after_it() -> None:
    p = Program()
    x = p.tensor()
    call = p.call("net")
    p.op("relu", x, call=call)
    size_read(p, x, 1, call=call)
    p.step(1, 1, "zero_grad")
    assert names(timeline(p.recording())) == ["relu", "shape", "zero_grad"]


def test_two_passes_one_right_after_the_other_stay_apart() -> None:
    p = Program()
    x = p.tensor()
    p.op("sum", x)
    backward(p, 1, 1, 0)
    backward(p, 1, 1, 1)
    p.grad("A", 0)
    p.grad("B", 0, in_pass=1)
    assert names(timeline(p.recording())) == ["sum", "backward", "A", "backward", "B"]


def test_a_pass_inside_of_a_pass_lies_between_its_nodes() -> None:
    p = Program()
    x = p.tensor()
    p.op("sum", x)
    backward(p, 1, 2, 0)
    p.op("again", x, phase="backward")
    backward(p, 2, 2, 1)
    p.grad("Outer1", 0)
    p.grad("Inner", 1, in_pass=1)
    p.grad("Outer2", None)
    time = timeline(p.recording())
    assert names(time) == ["sum", "backward", "Outer1", "again", "backward", "Inner", "Outer2"]
    assert [step.id for step in moment(time, 5).steps] == [1, 0]


def test_nodes_whose_pass_has_no_step_come_after_their_ops() -> None:
    p = Program()
    x = p.tensor()
    p.op("relu", x)
    p.op("sum", x)
    p.grad("SumBackward0", 1)
    p.grad("ReluBackward0", 0)
    assert names(timeline(p.recording())) == ["relu", "sum", "SumBackward0", "ReluBackward0"]


def test_empty_recordings_and_recordings_of_reads_only_have_timelines() -> None:
    assert len(timeline(Recording((), {}))) == 0
    p = Program()
    size_read(p, p.tensor(), 0)
    time = timeline(p.recording())
    assert names(time) == ["shape"]
    assert moment(time, 0).op is None


class _Doubling(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        return x * 2

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> torch.Tensor:
        a = grad + 1
        return a * 2


def test_ops_of_a_custom_backward_come_right_before_their_node() -> None:
    with recording() as session:
        x = torch.ones(3, requires_grad=True)
        y = _Doubling.apply(torch.sin(_Doubling.apply(x)))
        y.sum().backward()
    found = names(timeline(session.recording))
    assert found[found.index("SumBackward0") :] == [
        *("SumBackward0", "add", "mul", "_DoublingBackward", "SinBackward0"),
        *("add", "mul", "_DoublingBackward", "AccumulateGrad"),
    ]


def test_a_recomputation_comes_before_the_nodes_that_need_it() -> None:
    def block(x: torch.Tensor) -> torch.Tensor:
        return torch.tanh(torch.sin(x))

    with recording() as session:
        x = torch.ones(3, requires_grad=True)
        y = checkpoint(block, x, use_reentrant=False)
        checkpoint(block, y, use_reentrant=False).sum().backward()
    found = names(timeline(session.recording))
    again = found[found.index("SumBackward0") + 1 :]
    once = ["sin", "tanh", "TanhBackward0", "SinBackward0"]
    assert again == [*once, *once, "AccumulateGrad"]


def test_the_order_is_the_one_that_the_program_wrote_down() -> None:
    told: list[str] = []

    def hook(grad: torch.Tensor) -> None:
        told.append("grad of y")

    with recording() as session:
        w = torch.ones(2, requires_grad=True)
        optimizer = torch.optim.SGD([w], lr=0.1)
        for _ in range(2):
            optimizer.zero_grad()
            told.append("zero_grad")
            y = w * 3
            told.append("mul")
            y.register_hook(hook)
            y.sum().backward()
            optimizer.step()
            told.append("optimizer_step")
    relevant = {"zero_grad": "zero_grad", "mul": "mul", "SumBackward0": "grad of y"}
    relevant["optimizer_step"] = "optimizer_step"
    found = [relevant[name] for name in names(timeline(session.recording)) if name in relevant]
    assert found == told


def test_a_closure_runs_inside_of_the_optimizers_step() -> None:
    w = nn.Parameter(torch.ones(2))
    optimizer = torch.optim.LBFGS([w], max_iter=2)

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = ((w - 3) ** 2).sum()
        loss.backward()
        return loss

    with recording() as session:
        optimizer.step(closure)
    time = timeline(session.recording)
    first = moment(time, 0)
    assert isinstance(first.record, Step)
    assert first.record.kind == "optimizer_step"
    assert step_over(time, 0) is None  # everything else is inside of it
    phases = {name: moment(time, i).phase for i, name in enumerate(names(time))}
    assert phases["sub"] == "forward"  # of the closure
    assert phases["cat"] == "optimizer"  # LBFGS gathers the gradients
    assert phases["SumBackward0"] == "backward"


# -- depths and moves ----------------------------------------------------------------------------


def nested() -> Recording:
    """outer: linear, [inner: relu, tanh], add; then sum outside."""
    p = Program()
    x = p.tensor()
    outer = p.call("net")
    inner = p.call("net.act", outer)
    p.op("linear", x, call=outer)
    p.op("relu", x, call=inner)
    p.op("tanh", x, call=inner)
    p.op("add", x, call=outer)
    p.op("sum", x)
    return p.recording()


def test_moves_step_over_and_out_of_module_calls_in_both_directions() -> None:
    time = timeline(nested())
    assert [step(time, i) for i in range(5)] == [1, 2, 3, 4, None]
    assert [step(time, i, BACKWARD) for i in range(5)] == [None, 0, 1, 2, 3]
    assert [step_over(time, i) for i in range(5)] == [3, 2, 3, 4, None]
    assert [step_over(time, i, BACKWARD) for i in range(5)] == [None, 0, 1, 0, None]
    assert [step_out(time, i) for i in range(5)] == [4, 3, 3, 4, None]
    assert [step_out(time, i, BACKWARD) for i in range(5)] == [None, 0, 0, None, None]


def test_moves_begin_before_the_first_and_after_the_last_moment() -> None:
    time = timeline(nested())
    assert step(time, -1) == step_over(time, -1) == step_out(time, -1) == 0
    assert step(time, 5, BACKWARD) == step_over(time, 5, BACKWARD) == 4
    assert step(time, 4) is None
    assert step(timeline(Recording((), {})), -1) is None


def test_stepping_over_the_line_that_calls_backward_goes_past_the_whole_pass() -> None:
    time = timeline(trained())
    found = names(time)
    assert step_over(time, found.index("backward")) == found.index("optimizer_step")
    assert step_over(time, found.index("optimizer_step")) is None
    assert step_out(time, found.index("add_"), BACKWARD) == found.index("optimizer_step")


def test_a_frame_of_the_users_code_is_a_level_deeper() -> None:
    def inner(x: torch.Tensor) -> torch.Tensor:
        return x.relu()

    def outer(x: torch.Tensor) -> torch.Tensor:
        y = inner(x + 1)
        return y * 2

    time = timeline(record(outer, torch.ones(2)))
    assert names(time) == ["add", "relu", "mul"]
    assert step_over(time, 0) == 2
    assert step_out(time, 1) == 2


# -- a moment ------------------------------------------------------------------------------------


def test_a_moment_tells_line_stack_modules_and_loops() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.ModuleList([nn.ReLU(), nn.ReLU()])

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            for layer in self.layers:
                x = layer(x)
            return x

    net = Net()
    net.layers[1].eval()
    time = timeline(record(net, torch.ones(2)))
    second = moment(time, 1)
    assert [(call.path, call.training) for call in second.modules] == [
        ("layers.1", False),
        ("", True),
    ]
    assert [(loop.text, loop.trip, loop.trips) for loop in second.loops] == [
        ("for layer in self.layers", 1, 2)
    ]
    assert second.stack[0].function.endswith("Net.forward")
    assert time.line(second.stack[0]) == "x = layer(x)"
    assert (second.visit, second.visits) == (2, 2)


def test_a_moment_is_in_a_trip_of_each_loop_around_it_the_innermost_first() -> None:
    def program(x: torch.Tensor) -> torch.Tensor:
        for _ in range(2):
            while x.sum() > 1:
                x = x / 2
            x = x + 4
        return x

    # 4 2 1: two trips of the inner loop, and the test that ends it; then 5 2.5 1.25 0.625: three.
    time = timeline(record(program, torch.tensor([4.0])))
    halves = [at for at, name in enumerate(names(time)) if name == "div"]
    inside = [[(loop.trip, loop.trips) for loop in moment(time, at).loops] for at in halves]
    assert inside == [[(0, 2), (0, 2)], [(1, 2), (0, 2)]] + [
        [(trip, 3), (1, 2)] for trip in range(3)
    ]
    last_test = moment(time, halves[1] + 1)
    assert [loop.trip for loop in last_test.loops] == [None, 0]


def test_a_size_read_is_in_the_loop_around_its_line() -> None:
    def program(x: torch.Tensor) -> torch.Tensor:
        for _ in range(2):
            x = x.sin()
            if x.shape[0] > 1:
                x = x.cos()
        return x

    time = timeline(record(program, torch.ones(2)))
    reads = [at for at in range(len(time)) if isinstance(time.record(at), Decision)]
    inside = [[(loop.trip, loop.trips) for loop in moment(time, at).loops] for at in reads]
    assert inside == [[(0, 2)], [(1, 2)]]


def test_an_autograd_node_has_the_line_of_its_forward_op_or_of_the_pass() -> None:
    with recording() as session:
        x = torch.ones(2, requires_grad=True)
        y = x.exp()
        y.sum().backward()
    time = timeline(session.recording)
    found = names(time)
    assert time.line(moment(time, found.index("ExpBackward0")).stack[0]) == "y = x.exp()"
    leaf = moment(time, found.index("AccumulateGrad"))
    assert time.line(leaf.stack[0]) == "y.sum().backward()"


def test_the_number_of_the_optimizer_step_counts_from_the_first() -> None:
    p = Program()
    w = p.tensor("w")
    for start in (0, 2):
        p.op("mul", w)
        p.step(start + 1, start + 2)
        p.many("add_", w)
    time = timeline(p.recording())
    assert names(time) == ["mul", "optimizer_step", "add_"] * 2
    assert [moment(time, i).iteration for i in range(6)] == [0, 0, 0, 1, 1, 1]
    assert moment(time, 0).iterations == 2


def test_the_op_that_failed_says_so() -> None:
    p = Program()
    x = p.tensor()
    p.op("relu", x)
    p.many("matmul", x, results=0)
    time = timeline(p.recording(failure=failed(1, "shapes do not fit")))
    assert [moment(time, i).failed for i in range(2)] == [False, True]


def test_a_number_that_no_moment_has_is_refused_with_those_there_are() -> None:
    with pytest.raises(QuestionError, match="count from 0 to 4"):
        moment(timeline(nested()), 5)
    with pytest.raises(QuestionError, match="there are none"):
        moment(timeline(Recording((), {})), 0)


# -- alive ---------------------------------------------------------------------------------------


def alive(recording: Recording) -> list[int]:
    time = timeline(recording)
    return [moment(time, i).alive.nbytes for i in range(len(time))]


def test_bytes_alive_are_those_counted_by_hand() -> None:
    p = Program()
    x = p.tensor(nbytes=100)  # an input: alive throughout
    w = p.tensor("w", nbytes=1000)  # came from elsewhere: from its first use, at op 1, to its last
    a = p.op("relu", x)  # 1: used by op 1 only
    p.tensors[a] = _sized(p, a, 10)
    b = p.op("mul", a, w)  # used by op 2
    p.tensors[b] = _sized(p, b, 20)
    c = p.op("neg", x)  # never used: alive only while it is made
    p.tensors[c] = _sized(p, c, 5)
    d = p.op("sum", b)  # returned
    p.tensors[d] = _sized(p, d, 4)
    p.op("empty", x)
    found = alive(p.recording(inputs=(x,), output=(d,)))
    assert found == [
        100 + 10,  # relu: x, a
        100 + 1000 + 10 + 20,  # mul: x, w, a, b
        100 + 20 + 5,  # neg: x, b, c
        100 + 20 + 4,  # sum: x, b, d
        100 + 4,  # empty: x, d (its own result has 0 bytes)
    ]


def _sized(program: Program, tensor: int, nbytes: int, **more: Any) -> Any:
    return replace(program.tensors[tensor], nbytes=nbytes, **more)


def test_what_the_backward_pass_may_need_is_kept_until_its_node_has_run() -> None:
    p = Program()
    x = p.tensor(nbytes=1)
    a = p.op("exp", x)
    p.tensors[a] = _sized(p, a, 10)
    b = p.op("sum", a)
    p.tensors[b] = _sized(p, b, 4)
    backward(p, 2, 2, 0)
    p.grad("SumBackward0", 1)
    p.grad("ExpBackward0", 0)
    p.grad("AccumulateGrad", None, tensor=x)
    time = timeline(p.recording(inputs=(x,)))
    assert names(time)[2:] == ["backward", "SumBackward0", "ExpBackward0", "AccumulateGrad"]
    shares = [moment(time, i).alive.by_kind for i in range(6)]
    assert shares[1] == (("input", 1, 1), ("result", 14, 2))
    assert shares[2] == shares[3] == (("input", 1, 1), ("saved", 14, 2))
    assert shares[4] == (("input", 1, 1), ("saved", 10, 1))
    assert shares[5] == (("input", 1, 1),)


def test_tensors_that_share_memory_count_once_with_the_largest_size() -> None:
    p = Program()
    x = p.tensor(nbytes=100, storage=0)
    a = p.op("view", x)
    p.tensors[a] = _sized(p, a, 40, storage=0)
    b = p.op("relu", a)
    p.tensors[b] = _sized(p, b, 40, storage=1)
    c = p.op("add_", b)  # in place: the same memory
    p.tensors[c] = _sized(p, c, 40, storage=1)
    p.op("sum", c)
    found = alive(p.recording(inputs=(x,)))
    assert found == [100, 140, 140, 140]


def test_parameters_count_throughout_also_those_that_the_run_did_not_use() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.used = nn.Linear(2, 3)  # 6 + 3 floats
            self.unused = nn.Linear(4, 5, dtype=torch.float64)  # 20 + 5 doubles
            self.register_buffer("mask", torch.ones(7, dtype=torch.bool))  # 7 bytes

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.used(x)

    time = timeline(record(Net(), torch.ones(1, 2)))
    shares = {kind: (nbytes, count) for kind, nbytes, count in moment(time, 0).alive.by_kind}
    assert shares["parameter"] == (9 * 4 + 25 * 8, 4)
    assert shares["buffer"] == (7, 1)
    assert shares["input"] == (2 * 4, 1)
    assert shares["result"] == (3 * 4, 1)


def test_the_largest_pieces_come_first_with_their_newest_value() -> None:
    p = Program()
    x = p.tensor("x", nbytes=8, storage=0)
    a = p.op("add_", x)
    p.tensors[a] = _sized(p, a, 8, storage=0)
    b = p.op("cat", a)
    p.tensors[b] = _sized(p, b, 64, variable="big")
    p.op("sum", a, b)
    largest = moment(timeline(p.recording()), 1, largest=1).alive.largest
    assert [(piece.name, piece.nbytes, piece.made, piece.last_use) for piece in largest] == [
        ("big", 64, 1, 2)
    ]
    found = moment(timeline(p.recording()), 1).alive.largest
    assert [piece.tensor for piece in found] == [b, a]


def test_bytes_alive_agree_with_a_plain_count_over_a_real_run() -> None:
    """A slow and simple oracle: for each moment, all memory with a use at or after it."""
    model = nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2))
    made = record(model, torch.ones(4, 3), loss="sum")
    time = timeline(made)
    params = {info.tensor for info in made.parameters}
    expected = []
    for now in range(len(time)):
        memory: dict[int, int] = {}
        for tensor in made.tensors.values():
            uses = []
            for i in range(len(time)):
                kind, number = time.entries[i]
                if kind is Kind.GRAD:
                    number = made.grad_nodes[number].op  # type: ignore[assignment]
                if kind in (Kind.OP, Kind.GRAD) and number is not None:
                    op = made.ops[number]
                    uses += [i] * (tensor.id in (*op.inputs, *op.outputs))
            always = tensor.id in params or tensor.id in made.inputs
            if not always and tensor.id in made.output:
                uses.append(len(time) - 1)
            if always or (uses and min(uses) <= now <= max(uses)):
                key = tensor.storage if tensor.storage is not None else -1 - tensor.id
                memory[key] = max(memory.get(key, 0), tensor.nbytes)
        expected.append(sum(memory.values()))
    assert [moment(time, i).alive.nbytes for i in range(len(time))] == expected


# -- size ----------------------------------------------------------------------------------------


def long_run(count: int) -> Recording:
    p = Program()
    x = p.tensor()
    call = p.call("net")
    stack = (HERE,)
    p.op("relu", x, call=call, source=HERE, stack=stack)
    first, tensor = p.ops[0], p.tensors[1]
    ops = tuple(replace(first, id=i, outputs=(i + 1,), inputs=(i,)) for i in range(count))
    tensors = {i + 1: replace(tensor, id=i + 1, producer=i, nbytes=8) for i in range(count)}
    calls = (ModuleCall(0, "net", "Block", None, True, tuple(range(count))),)
    return Recording(ops, {0: p.tensors[0], **tensors}, module_calls=calls)


def test_the_work_for_a_timeline_grows_with_the_ops_and_that_for_a_moment_does_not() -> None:
    assert_linear(lambda ops: partial(timeline, long_run(ops)), 5_000)

    def work_for_a_moment(ops: int) -> int:
        made = timeline(long_run(ops))
        moment(made, 0)
        return lines_run(lambda: moment(made, ops // 2))

    assert work_for_a_moment(20_000) == work_for_a_moment(5_000)
