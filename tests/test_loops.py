"""Trips of loops, told from positions; the programs count their own (see loop_programs.py)."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import loop_programs as programs
import pytest
import torch
from handmade import Program
from torch import Tensor, nn

import inspector
from inspector.loops import Loops, find_loops
from inspector.records import Recording, Source

X = torch.ones(2, 2)


def trips(loops: Loops, recording: Recording) -> list[tuple[int | None, ...]]:
    return [tuple(place.trip for place in loops.around(op.id)) for op in recording.ops]


def recorded(program: Callable[..., object]) -> Recording:
    programs.COUNTED.clear()
    recording = inspector.record(program, X)
    assert recording.failure is None
    return recording


@pytest.mark.parametrize("program", programs.PROGRAMS, ids=lambda program: program.__name__)
def test_each_op_is_in_the_trips_that_the_program_counts(program: Callable[..., object]) -> None:
    recording = recorded(program)
    order = list(programs.COUNTED)
    if program is programs.two_ops_on_one_line:
        order = [counted for i in range(3) for counted in [(i,)] * 5]
    assert trips(find_loops(recording), recording) == order


@pytest.mark.parametrize("model", programs.MODULES)
def test_trips_are_told_apart_inside_of_module_calls(model: type[nn.Module]) -> None:
    recording = recorded(model())
    assert trips(find_loops(recording), recording) == programs.COUNTED


def test_a_library_function_that_runs_many_ops_is_in_one_trip() -> None:
    recording = recorded(programs.a_library_function_of_many_ops)
    found = trips(find_loops(recording), recording)
    in_loop = [place for place in found if place]
    assert [place[0] for place in in_loop] == sorted(place[0] for place in in_loop)
    assert {place[0] for place in in_loop} == {0, 1, 2}
    each = [in_loop.count((trip,)) for trip in range(3)]
    assert len(set(each)) == 1
    assert each[0] > 2


def test_the_samples_of_a_batch_are_in_the_trip_of_the_batch() -> None:
    recording = recorded(programs.a_data_loader)
    found = trips(find_loops(recording), recording)
    names = [op.name for op in recording.ops]
    of_batch = [
        [name for name, place in zip(names, found, strict=True) if place == (trip,)]
        for trip in range(3)
    ]
    assert all(batch.count("mul") == 2 for batch in of_batch)
    assert all(batch[-3:] == ["stack", "sum", "add"] for batch in of_batch)


def test_what_a_generator_runs_is_in_the_trip_that_asks_for_it() -> None:
    recording = recorded(programs.a_generator_that_runs_ops)
    loops = find_loops(recording)
    consumer = [loops.around(op.id)[0] for op in recording.ops]
    assert [place.trip for place in consumer] == [0, 0, 1, 1, 2, 2]
    assert loops.runs[consumer[0].run].statement.header == "for i, row in enumerate(rows())"


def test_a_training_loop_has_the_step_and_the_backward_pass_in_its_trips() -> None:
    model = nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with inspector.recording() as session:
        for _ in range(3):
            optimizer.zero_grad()
            model(X).sum().backward()
            optimizer.step()
    recording = session.recording
    loops = find_loops(recording)
    assert [loop.trips for loop in loops.runs] == [3]
    steps = [step for step in recording.steps if step.kind == "optimizer_step"]
    assert [loops.around(step.first_op)[0].trip for step in steps] == [0, 1, 2]
    per_trip = len(recording.ops) // 3
    assert trips(loops, recording) == [(trip,) for trip in range(3) for _ in range(per_trip)]


def test_what_a_while_tests_belongs_to_the_trip_that_follows() -> None:
    def shrink(x: Tensor) -> Tensor:
        while x.norm() > 1:
            x = x / 2
        return x

    recording = inspector.record(shrink, torch.tensor([4.0]))
    found = trips(find_loops(recording), recording)
    each = ["norm", "gt", "bool", "div"]
    assert [op.name for op in recording.ops] == [*each, *each, "norm", "gt", "bool"]
    assert found == [(0,)] * 4 + [(1,)] * 4 + [(None,)] * 3


def test_tests_joined_by_and_belong_to_one_trip() -> None:
    def run(x: Tensor, go: Tensor) -> Tensor:
        n = 0
        while go[n:].any() and x.sum() > -1:
            x = torch.relu(x)
            n += 1
        return x

    recording = inspector.record(run, X, torch.tensor([True, True, False]))
    found = trips(find_loops(recording), recording)
    names = [op.name for op in recording.ops]
    each = ["getitem", "any", "bool", "sum", "gt", "bool", "relu"]
    assert names == [*each, *each, "getitem", "any", "bool"]
    assert found == [(0,)] * 7 + [(1,)] * 7 + [(None,)] * 3


def test_an_if_that_calls_what_it_tests_does_not_end_the_trip() -> None:
    def run(x: Tensor) -> Tensor:
        for row in x:
            if row.any():
                x = x + row
        return x

    recording = inspector.record(run, X)
    found = trips(find_loops(recording), recording)
    assert [op.name for op in recording.ops] == ["unbind", *["any", "bool", "add"] * 2]
    assert found == [(), *[(0,)] * 3, *[(1,)] * 3]


def test_a_loop_says_where_it_is_and_how_it_reads() -> None:
    recording = recorded(programs.while_loops)
    loops = find_loops(recording)
    outer, *inner = loops.runs
    assert outer.statement.header == "while n < 3"
    assert (outer.statement.kind, outer.trips, outer.outer) == ("while", 3, None)
    assert [loop.statement.header for loop in inner] == ["while m < 2"] * 3
    assert [loops.places[loop.outer].trip for loop in inner if loop.outer is not None] == [0, 1, 2]
    text = recording.sources[outer.statement.file].splitlines()
    assert text[outer.statement.line - 1].strip() == "while n < 3:"


def test_counts_of_lines_confirm_the_trips() -> None:
    recording = recorded(programs.with_break_and_else)
    loops = find_loops(recording)
    counted = {branch.line: branch.taken for branch in recording.branches if branch.kind == "for"}
    found: dict[int, int] = {}
    for run in loops.runs:
        found[run.statement.line] = found.get(run.statement.line, 0) + run.trips
    assert found == counted
    assert all(run.exact for run in loops.runs)


def test_trips_that_only_the_counts_of_lines_tell_apart_are_marked() -> None:
    exact = {run.exact for run in find_loops(recorded(programs.nothing_but_counts_tells)).runs}
    assert exact == {False, True}  # the inner loop's split is assumed, the outer is confirmed


def only_a_loop(x: Tensor, trips: int) -> Tensor:
    for _ in range(trips):
        x = x.sin()
    return x


def test_a_loop_that_is_all_of_the_run_and_made_one_trip_is_part_of_the_run() -> None:
    recording = inspector.record(only_a_loop, torch.ones(2), 1)
    (run,) = find_loops(recording).runs
    assert (run.statement.header, run.trips) == ("for _ in range(trips)", 1)


def test_loops_around_the_recorded_block_are_not_part_of_the_run() -> None:
    for _ in range(1):
        with inspector.recording() as session:
            x = X
            for _ in range(2):
                x = torch.relu(x)
    recording = session.recording
    assert trips(find_loops(recording), recording) == [(0,), (1,)]


def test_without_the_text_there_are_no_loops() -> None:
    recording = replace(recorded(programs.one_loop), sources={})
    assert find_loops(recording).runs == ()
    assert trips(find_loops(recording), recording) == [()] * len(recording.ops)


@pytest.mark.parametrize("text", ["for x in", "while True\n", "\0for", "(" * 5000 + "for"])
def test_a_text_that_python_cannot_read_has_no_loops(text: str) -> None:
    recording = recorded(programs.one_loop)
    broken = replace(recording, sources=dict.fromkeys(recording.sources, text))
    assert find_loops(broken).runs == ()


def test_positions_without_columns_find_the_statement_of_their_line() -> None:
    text = "for i in range(3):\n    x = f(g(x))\n"
    program = Program()
    x = program.tensor()
    for _ in range(3):
        source = Source("model.py", 2, 0, "run")
        for name in ("g", "f"):
            x = program.op(name, x, source=source, stack=(source,))
    loops = find_loops(program.recording(sources={"model.py": text}))
    assert [loops.around(op)[0].trip for op in range(6)] == [0, 0, 1, 1, 2, 2]


def test_a_saved_recording_has_the_same_loops(tmp_path: object) -> None:
    recording = recorded(programs.recursion)
    path = f"{tmp_path}/run.inspect"
    recording.save(path)
    loaded = inspector.load(path)
    assert find_loops(loaded).runs == find_loops(recording).runs
    assert trips(find_loops(loaded), loaded) == programs.COUNTED


def test_a_hundred_thousand_trips_take_seconds_at_most() -> None:
    text = "for i in range(n):\n    x = f(x)\n"
    program = Program()
    x = program.tensor()
    source = Source("model.py", 2, 8, "run", 2, 12)
    stack = (source,)
    for _ in range(100_000):
        x = program.op("relu", x, source=source, stack=stack)
    recording = program.recording(sources={"model.py": text})
    start = time.process_time()
    loops = find_loops(recording)
    assert time.process_time() - start < 10
    assert [run.trips for run in loops.runs] == [100_000]


def test_a_chain_of_elifs_and_a_long_expression_need_no_recursion() -> None:
    # The two branches exclude each other; the last line runs after either.
    branches = "".join(f"    elif x == {i}:\n        y = f({i})\n" for i in range(300))
    text = f"for x in xs:\n    if x:\n        y = f(0)\n{branches}    z = {'+'.join(['a'] * 900)}\n"
    program = Program()
    x = program.tensor()
    for line in (3, 5, 604, 604):
        source = Source("model.py", line, 12, "run", line, 16 + (line > 20) * 2)
        x = program.op("relu", x, source=source, stack=(source,))
    loops = find_loops(program.recording(sources={"model.py": text}))
    assert [loops.around(op)[0].trip for op in range(4)] == [0, 1, 1, 2]
