"""Threads beside the recorded one: never mixed into the recording, never silently missing."""

from __future__ import annotations

import asyncio
import gc
import inspect
import queue
import re
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
import torch._dynamo.testing
from fidelity import global_state, same_bits
from torch import nn
from torch.overrides import TorchFunctionMode

import inspector
from inspector.check import self_check
from inspector.errors import CaptureError

SECONDS = 60  # a test that waits longer hangs


def in_thread(function: Callable[..., Any], *args: Any, name: str | None = None) -> Any:
    """Call it on a new thread and wait; its result, or its exception raised here."""
    answers: queue.Queue[tuple[Any, BaseException | None]] = queue.Queue()

    def run() -> None:
        try:
            answers.put((function(*args), None))
        except BaseException as error:
            answers.put((None, error))

    thread = threading.Thread(target=run, name=name)
    thread.start()
    thread.join(SECONDS)
    result, error = answers.get_nowait()
    if error is not None:
        raise error
    return result


class Worker:
    """A thread that is there already and does what it is told, one thing after the other."""

    def __init__(self) -> None:
        self._orders: queue.Queue[Callable[[], Any] | None] = queue.Queue()
        self._answers: queue.Queue[tuple[Any, BaseException | None]] = queue.Queue()
        self.thread = threading.Thread(target=self._work, name="old hand", daemon=True)
        self.thread.start()

    def _work(self) -> None:
        while (order := self._orders.get()) is not None:
            try:
                self._answers.put((order(), None))
            except BaseException as error:
                self._answers.put((None, error))

    def do(self, order: Callable[[], Any]) -> Any:
        self._orders.put(order)
        result, error = self._answers.get(timeout=SECONDS)
        if error is not None:
            raise error
        return result

    def end(self) -> None:
        self._orders.put(None)
        self.thread.join(SECONDS)


@pytest.fixture
def worker() -> Iterator[Worker]:
    found = Worker()
    yield found
    found.end()


def modes_here() -> int:
    return torch._C._len_torch_function_stack()


def names(recording: inspector.Recording) -> list[str]:
    return [op.name for op in recording.ops]


def three_calls() -> torch.Tensor:
    x = torch.ones(2)
    assert x.shape == (2,)  # looking at a shape is no op, there as here
    return (x * 2).sum()


# ---- what is told


def test_calls_on_another_thread_are_counted_with_its_name_and_the_line_that_started_it() -> None:
    def program() -> None:
        thread = threading.Thread(target=three_calls, name="worker-1")
        thread.start()  # here
        thread.join(SECONDS)
        torch.zeros(1)

    recording = inspector.record(program)
    lines, first = inspect.getsourcelines(program)
    line = first + next(i for i, text in enumerate(lines) if "# here" in text)
    assert names(recording) == ["zeros"]
    (note,) = recording.notes
    assert note.startswith(
        f"3 calls on tensors ran on the thread 'worker-1' (started at test_threads.py:{line}) "
        "and are not recorded"
    )
    assert "open the recording inside of the function that it runs" in note


def test_a_recording_inside_of_the_threads_function_records_it_as_the_note_says() -> None:
    recording = in_thread(inspector.record, three_calls)
    assert names(recording) == ["ones", "mul", "sum"]
    assert recording.notes == ()


def test_a_thread_that_touches_no_tensor_is_not_told_of() -> None:
    recording = inspector.record(lambda: in_thread(sorted, [2, 1]))
    assert recording.failure is None
    assert recording.notes == ()


def test_threads_started_by_one_line_share_a_note() -> None:
    def program() -> None:
        for name in "abcd":
            in_thread(three_calls, name=name)

    (note,) = inspector.record(program).notes
    assert note.startswith("12 calls on tensors ran on 4 threads ('a', 'b', 'c', …) (started at")


def test_a_custom_function_is_one_call_on_another_thread_as_on_the_recorded_one() -> None:
    class Twice(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
            return x + x

        @staticmethod
        def backward(ctx: Any, grad: torch.Tensor) -> torch.Tensor:
            return grad + grad

    def program() -> torch.Tensor:
        return Twice.apply(torch.ones(2))

    assert names(inspector.record(program)) == ["ones", "Twice"]
    (note,) = inspector.record(in_thread, program).notes
    assert note.startswith("2 calls on tensors ran on")


def test_passes_and_steps_of_another_thread_are_told_of() -> None:
    def train() -> None:
        layer = nn.Linear(2, 1)
        optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
        layer(torch.ones(1, 2)).sum().backward()
        optimizer.step()

    recording = inspector.record(in_thread, train)
    (note,) = recording.notes
    assert "1 backward pass and 1 optimizer step ran on the thread" in note
    assert recording.ops == ()
    assert recording.steps == ()
    assert recording.grad_nodes == ()
    assert recording.module_calls == ()


def test_a_pool_that_is_older_than_the_recording_is_counted() -> None:
    with ThreadPoolExecutor(1, thread_name_prefix="pool") as pool:
        assert pool.submit(modes_here).result(SECONDS) == 0
        for _ in range(2):  # the pool's thread lives on between two recordings
            with inspector.recording() as session:
                inside = pool.submit(modes_here).result(SECONDS)
                pool.submit(three_calls).result(SECONDS)
                pool.submit(three_calls).result(SECONDS)
            assert inside == 1
            (note,) = session.recording.notes
            assert note.startswith("6 calls on tensors ran on the thread 'pool_0' and are not")
            assert pool.submit(modes_here).result(SECONDS) == 0


def test_a_pool_that_starts_in_the_recording_is_counted_once() -> None:
    with ThreadPoolExecutor(1) as pool:
        recording = inspector.record(lambda: pool.submit(three_calls).result(SECONDS))
        (note,) = recording.notes
        assert note.startswith("3 calls on tensors ran on")
        pool.submit(three_calls).result(SECONDS)
        assert pool.submit(modes_here).result(SECONDS) == 0


def test_asyncios_threads_are_counted_and_its_tasks_are_recorded() -> None:
    class Net(nn.Module):
        async def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = x + 1
            await asyncio.sleep(0)
            return y * 2

    async def together() -> list[torch.Tensor]:
        net = Net()
        await asyncio.to_thread(three_calls)
        return await asyncio.gather(net(torch.zeros(1)), net(torch.ones(1)))

    with inspector.recording() as session:
        results = asyncio.run(together())
    assert [float(result) for result in results] == [2.0, 4.0]
    recording = session.recording
    self_check(recording)
    assert names(recording) == ["zeros", "ones", "add", "add", "mul", "mul"]
    assert any(note.startswith("3 calls on tensors ran on") for note in recording.notes)


def test_a_thread_that_was_there_before_is_told_of_where_it_passes_a_global_hook(
    worker: Worker,
) -> None:
    layer = nn.Linear(2, 1)
    with inspector.recording() as session:
        worker.do(lambda: layer(torch.ones(1, 2)).sum().backward())
    (note,) = session.recording.notes
    assert note.startswith(
        "At least 1 module call and 1 backward pass ran on the thread 'old hand' and are not"
    )


def test_a_second_recording_on_another_thread_is_a_clear_error(worker: Worker) -> None:
    with inspector.recording() as session:
        with pytest.raises(CaptureError, match="on another thread"):
            worker.do(lambda: inspector.record(three_calls))
        torch.ones(1)
    assert names(session.recording) == ["ones"]
    assert names(worker.do(lambda: inspector.record(three_calls))) == ["ones", "mul", "sum"]


# ---- nothing is mixed


class Turns(nn.Module):
    """Lets another thread into its own forward while this one is in the middle of ours."""

    def __init__(self, met: threading.Barrier) -> None:
        super().__init__()
        self.inner = nn.Linear(2, 2)
        self.met = met

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for _ in range(3):
            self.met.wait(SECONDS)
            x = self.inner(x)
            self.met.wait(SECONDS)
        return x


def test_two_threads_in_module_calls_at_once_do_not_mix() -> None:
    met = threading.Barrier(2)
    mine, theirs = Turns(met), Turns(met)
    x = torch.ones(1, 2)
    results: list[torch.Tensor] = []

    def program(x: torch.Tensor) -> torch.Tensor:
        thread = threading.Thread(target=lambda: results.append(nn.Sequential(theirs)(x)))
        thread.start()
        y = mine(x)
        thread.join(SECONDS)
        return y

    recording = inspector.record(program, x)
    self_check(recording)
    assert [call.path for call in recording.module_calls] == ["Turns"] + ["Turns.inner"] * 3
    assert [call.parent for call in recording.module_calls] == [None, 0, 0, 0]
    assert names(recording) == ["linear"] * 3
    assert [op.module_call for op in recording.ops] == [1, 2, 3]
    alone = x
    for _ in range(3):
        alone = theirs.inner(alone)
    assert same_bits(results[0], alone)


def test_a_pass_of_another_thread_through_shared_parameters_is_not_in_the_recording() -> None:
    def nodes(other_trains: bool) -> tuple[list[str], torch.Tensor | None]:
        weight = torch.ones(3, requires_grad=True)
        kept = weight * 1  # so that both passes use one AccumulateGrad node

        def program() -> None:
            def in_between(grad: torch.Tensor) -> None:
                if other_trains:
                    in_thread(lambda: (weight * 2).sum().backward())

            tripled = weight * 3
            tripled.register_hook(in_between)
            (tripled.sum() + kept.sum()).backward()

        recording = inspector.record(program)
        self_check(recording)
        return [node.name for node in recording.grad_nodes], weight.grad

    alone, alone_grad = nodes(False)
    beside, beside_grad = nodes(True)
    assert alone.count("AccumulateGrad") == 1
    assert beside == alone
    assert torch.equal(alone_grad, torch.full((3,), 4.0))
    assert torch.equal(beside_grad, torch.full((3,), 6.0))


def test_what_another_thread_trains_is_the_same_bits_beside_a_recording(worker: Worker) -> None:
    def train() -> list[torch.Tensor]:
        generator = torch.Generator().manual_seed(5)
        net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
        with torch.no_grad():
            for parameter in net.parameters():
                parameter.copy_(torch.randn(parameter.shape, generator=generator))
        optimizer = torch.optim.Adam(net.parameters())
        for _ in range(3):
            optimizer.zero_grad()
            net(torch.randn(2, 3, generator=generator)).square().sum().backward()
            optimizer.step()
        return [parameter.detach() for parameter in net.parameters()]

    plain = train()
    before = global_state()
    with inspector.recording() as session:
        torch.ones(1)
        beside = [worker.do(train), in_thread(train)]
        torch.ones(2)
    assert global_state() == before
    assert names(session.recording) == ["ones", "ones"]
    assert session.recording.steps == ()
    for trained in beside:
        assert all(map(same_bits, trained, plain))


def test_deep_passes_are_recorded_on_the_engines_own_threads() -> None:
    """Below 60 passes in one another the engine goes on in a thread that C++ started."""
    threads: set[int] = set()

    class Nested(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: torch.Tensor, depth: int) -> torch.Tensor:
            ctx.depth = depth
            ctx.save_for_backward(x.detach())
            return x * 2

        @staticmethod
        def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, None]:
            threads.add(threading.get_ident())
            if ctx.depth:
                with torch.enable_grad():
                    x = ctx.saved_tensors[0].clone().requires_grad_()
                    Nested.apply(x, ctx.depth - 1).sum().backward()
            return grad * 2, None

    known = threading.enumerate()
    start = torch.ones(1, requires_grad=True)
    recording = inspector.record(lambda: Nested.apply(start, 70).sum().backward())
    self_check(recording)
    assert len(threads) == 2  # else this torch nests deeper, and nothing was tested
    assert names(recording).count("clone") == 70
    assert len([step for step in recording.steps if step.kind == "backward"]) == 71
    assert recording.notes == ()
    assert threading.enumerate() == known


# ---- nothing changes for the other thread, and nothing is left on it


def test_profilers_and_tracers_of_new_threads_are_as_without_recording() -> None:
    def look() -> tuple[Any, Any]:
        return sys.getprofile(), sys.gettrace()

    def profiler(frame: Any, event: str, arg: Any) -> None:
        seen.append(frame.f_code.co_name)

    def tracer(frame: Any, event: str, arg: Any) -> None:
        return None

    def program() -> tuple[list[str], Any]:
        seen.clear()
        found = in_thread(look)
        return seen[: seen.index("_bootstrap")], found  # all of the thread that is Python's

    seen: list[str] = []
    before = threading.getprofile(), threading.gettrace()
    threading.setprofile(profiler)
    threading.settrace(tracer)
    try:
        plain = program()
        with inspector.recording():
            recorded = program()
        after = threading.getprofile(), threading.gettrace()
    finally:
        threading.setprofile(before[0])
        threading.settrace(before[1])  # type: ignore[arg-type]
    assert recorded == plain
    assert plain[1] == (profiler, tracer)
    assert after == (profiler, tracer)


def test_a_thread_that_outlives_the_recording_gets_rid_of_the_counter_at_its_next_op() -> None:
    workers: list[Worker] = []
    with inspector.recording() as session:
        workers.append(Worker())
        workers[0].do(three_calls)
        assert workers[0].do(modes_here) == 1
    (worker,) = workers
    try:
        assert "3 calls on tensors" in session.recording.notes[0]
        assert worker.do(three_calls) == 4
        assert worker.do(modes_here) == 0
        assert worker.do(sys.getprofile) is None
        other = inspector.record(lambda: worker.do(three_calls))
        assert other.notes == ()  # it is one that was there before now
    finally:
        worker.end()


def test_a_thread_that_outlives_the_recording_keeps_its_profiler() -> None:
    def profiler(frame: Any, event: str, arg: Any) -> None:
        return None

    workers: list[Worker] = []
    with inspector.recording():
        workers.append(Worker())
        workers[0].do(lambda: sys.setprofile(profiler))
    (worker,) = workers
    try:
        worker.do(three_calls)
        assert worker.do(sys.getprofile) is profiler
        worker.do(lambda: sys.setprofile(None))
        worker.do(three_calls)
        assert worker.do(modes_here) == 0
    finally:
        worker.end()


def test_a_thread_that_outlives_the_recording_keeps_nothing_of_it_alive() -> None:
    workers: list[Worker] = []
    with inspector.recording() as session:
        tensor = torch.ones(3)
        workers.append(Worker())
        workers[0].do(three_calls)
        tape = weakref.ref(session._tape)
        thrown = weakref.ref(tensor)
    try:
        del tensor, session
        gc.collect()
        assert thrown() is None
        assert tape() is None
    finally:
        workers[0].end()


def test_a_thread_ends_with_the_modes_that_its_function_left() -> None:
    class Left(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None):
            return func(*args, **(kwargs or {}))

    def program() -> torch.Tensor:
        Left().__enter__()
        return three_calls()

    recording = inspector.record(lambda: float(in_thread(program)))
    assert recording.failure is None


def test_an_encoder_layer_on_another_thread_takes_its_fast_kernel(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real, calls = torch._transformer_encoder_layer_fwd, []
    monkeypatch.setattr(
        torch, "_transformer_encoder_layer_fwd", lambda *args: calls.append(1) or real(*args)
    )
    layer, x = nn.TransformerEncoderLayer(4, 2, 8, batch_first=True).eval(), torch.ones(1, 3, 4)

    def infer() -> torch.Tensor:
        with torch.no_grad():
            return layer(x)

    plain = in_thread(infer)
    with inspector.recording():
        recorded = in_thread(infer)
    assert len(calls) == 2
    assert same_bits(plain, recorded)


@pytest.mark.parametrize("kind", ["function", "module", "function that calls a module"])
def test_code_compiled_on_another_thread_is_what_it_is_without_recording(kind: str) -> None:
    """Dynamo would compile our modes and hooks as well, and fail at them with `fullgraph`."""
    module = nn.Sequential(nn.Tanh(), nn.ReLU())
    compilable: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
        "function": lambda x: x.sin() * 2,
        "module": module,
        "function that calls a module": lambda x: module(x) * 2,
    }

    def compiled_on_a_thread() -> tuple[int, int, torch.Tensor]:
        torch._dynamo.reset()
        counter = torch._dynamo.testing.CompileCounter()

        def program() -> torch.Tensor:
            compiled = torch.compile(compilable[kind], backend=counter, fullgraph=True)
            return compiled(torch.ones(3)) + compiled(torch.ones(3))

        result = in_thread(program)
        return counter.frame_count, counter.op_count, result

    plain = compiled_on_a_thread()
    before = global_state()
    with inspector.recording() as session:
        recorded = compiled_on_a_thread()
        nn.Tanh()(torch.ones(1))
    assert global_state() == before
    torch._dynamo.reset()
    assert recorded[:2] == plain[:2]
    assert plain[0] == 1
    assert same_bits(recorded[2], plain[2])
    assert [call.path for call in session.recording.module_calls] == ["Tanh"]
    # Twice a tensor of ones, two compiled calls and their sum: five calls.
    counted, hidden = sorted(session.recording.notes)
    assert counted.startswith("5 calls on tensors")
    assert "Our module hooks, which are global, were off meanwhile" in hidden


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_a_trace_on_another_thread_is_the_one_that_it_is_without_recording() -> None:
    module, x = nn.Sequential(nn.Tanh(), nn.ReLU()), torch.ones(3)

    def traced() -> list[str]:
        graph = in_thread(torch.jit.trace, module, (x,)).inlined_graph
        # Without positions, and without the numbers that tell types of one name apart.
        return [re.sub(r"___torch_mangle_\d+\.|#.*", "", line) for line in str(graph).splitlines()]

    plain = traced()
    with inspector.recording():
        assert traced() == plain


def test_modules_that_run_in_parallel_on_threads_are_told_of() -> None:
    net = nn.Linear(2, 2)
    inputs = [torch.ones(1, 2), torch.zeros(1, 2)]

    def program() -> list[torch.Tensor]:
        results: list[Any] = [None, None]

        def run(i: int) -> None:
            results[i] = net(inputs[i])

        threads = [threading.Thread(target=run, args=(i,)) for i in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(SECONDS)
        return results

    recording = inspector.record(program)
    assert recording.notes[0].startswith("2 calls on tensors ran on 2 threads")
    assert [recording.tensors[i].shape for i in recording.output] == [(1, 2), (1, 2)]


# ---- generators


def doubling(x: torch.Tensor) -> Iterator[torch.Tensor]:
    for _ in range(3):
        x = x * 2
        yield x


class Stream(nn.Module):
    def forward(self, x: torch.Tensor) -> Iterator[torch.Tensor]:
        yield from doubling(x)


def test_a_recording_may_end_while_a_modules_generator_is_suspended() -> None:
    before = global_state()
    with inspector.recording() as session:
        stream = Stream()(torch.ones(1))
        first = next(stream)
    assert global_state() == before
    assert [float(first), *map(float, stream)] == [2.0, 4.0, 8.0]
    self_check(session.recording)
    assert names(session.recording) == ["ones", "mul"]


class Passing(TorchFunctionMode):
    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return func(*args, **(kwargs or {}))


def suspended_in(mode: TorchFunctionMode) -> Iterator[int]:
    with mode:
        yield 1


def test_a_recording_may_end_while_a_generator_is_suspended_in_a_mode_of_its_own() -> None:
    theirs = Passing()
    generator = suspended_in(theirs)
    with inspector.recording() as session:
        next(generator)
        torch.ones(1)
    assert modes_here() == 1
    assert torch._C._get_function_stack_at(0) is theirs
    assert list(generator) == []
    assert modes_here() == 0
    assert names(session.recording) == ["ones"]
    assert session.recording.notes == ()


def test_a_mode_begun_before_and_ended_in_the_recording_is_told_of() -> None:
    generator = suspended_in(Passing())
    next(generator)
    with inspector.recording() as session:
        torch.ones(1)
        list(generator)
    assert "ended a torch function mode" in session.recording.notes[0]
    while modes_here():
        torch._C._pop_torch_function_stack()


def test_a_recording_that_is_ended_on_another_thread_leaves_the_first_alone(
    worker: Worker,
) -> None:
    sessions: list[inspector.Session] = []

    def program() -> Iterator[int]:
        with inspector.recording() as session:
            sessions.append(session)
            torch.ones(1)
            yield 1

    generator = program()
    before = global_state()
    worker.do(lambda: next(generator))
    assert list(generator) == []
    after = global_state()
    assert after == before
    assert names(sessions[0].recording) == ["ones"]
    assert "another thread" in sessions[0].recording.notes[0]
    assert worker.do(three_calls) == 4
    assert worker.do(modes_here) == 0
    assert worker.do(sys.gettrace) is None
    assert worker.do(sys.getprofile) is None
    assert names(inspector.record(three_calls)) == ["ones", "mul", "sum"]
