"""Small control-flow programs run node by node, against counts worked out by hand."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
import torch
from torch import Tensor, nn

from inspector.static_run import StaticRun
from inspector.torchscript import script
from inspector.torchscript.interpret import interpret
from inspector.torchscript.live import live_of


def while_tensor(x: Tensor) -> Tensor:
    while x.sum() > 1:
        x = x / 2
    return x + 1


def for_range(x: Tensor, n: int) -> Tensor:
    for i in range(n):
        x = x + i
    return x * 2


def break_out(x: Tensor, n: int) -> Tensor:
    for i in range(n):
        if i == 3:
            break
        x = x + 1
    return x


def skip_odd(x: Tensor, n: int) -> Tensor:
    for i in range(n):
        if i % 2 == 1:
            continue
        x = x * 2
    return x


def return_inside(x: Tensor, n: int) -> Tensor:
    for _i in range(n):
        x = x + 1
        if x.sum() > 4:
            return x * 10
    return x


def nested(x: Tensor, n: int) -> Tensor:
    for i in range(n):
        for _ in range(i):
            x = x + 1
        x = x * 2
    return x


def nested_break(x: Tensor, n: int) -> Tensor:
    for i in range(n):
        for j in range(n):
            if j > i:
                break
            x = x + 1
        if i == 2:
            return x - 1
    return x


def ternary(x: Tensor) -> Tensor:
    y = x * 2 if bool(x.sum() > 0) else x - 1
    return y if bool(y.max() > 5) else -y


def both(x: Tensor) -> Tensor:
    if bool(x.sum() > 0) and bool(x.max() > 2):
        return x.exp()
    return x.abs()


def either(x: Tensor) -> Tensor:
    if bool(x.sum() > 0) or bool(x.max() > 2):
        return x.exp()
    return x.abs()


def comprehension(x: Tensor) -> Tensor:
    parts = [row * 2 for row in [x, x + 1, x + 2]]
    return torch.stack(parts)


def list_state(x: Tensor, n: int) -> list[Tensor]:
    seen: list[Tensor] = []
    for i in range(n):
        seen.append(x + i)
        if len(seen) > 2:
            seen.pop(0)
    return seen


def dict_state(x: Tensor, words: list[str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for word in words:
        if word in counts:
            counts[word] += 1
        else:
            counts[word] = 1
    return counts


def shared_list(x: Tensor) -> int:
    first: list[list[int]] = [[1], [2]]
    inner = first[0]
    inner.append(5)
    again = first
    again.append([7])
    return len(first) * 10 + len(first[0])


def optional(x: Tensor, scale: float | None = None) -> Tensor:
    if scale is not None:
        x = x * scale
    return x + 1


def while_else_counter(n: int) -> int:
    steps = 0
    while n != 1:
        if n % 2 == 0:
            n = n // 2
        else:
            n = 3 * n + 1
        steps += 1
    return steps


def helper(x: Tensor, twice: bool) -> Tensor:
    if twice:
        return x * 2
    return x + 1


def calls_function(x: Tensor) -> Tensor:
    for i in range(3):
        x = helper(x, i == 1)
    return helper(x, True)


@dataclass(frozen=True)
class Program:
    """A program with what it does: `ran` counts executions by kind, in the order of the text."""

    run: object
    args: tuple
    ran: dict = field(default_factory=dict)
    taken: list = field(default_factory=list)
    trips: list = field(default_factory=list)


ONES = torch.ones(2)
TABLE = {
    # sum 8 -> 4 -> 2 -> 1: three halvings, the fourth test fails
    "while three": Program(while_tensor, (ONES * 4,), {"div": [3], "gt": [1, 3]}, trips=[(3,)]),
    "while none": Program(while_tensor, (ONES * 0.5,), {"div": [0], "gt": [1, 0]}, trips=[(0,)]),
    "for": Program(for_range, (ONES, 4), {"add": [4], "mul": [1]}, trips=[(4,)]),
    "for none": Program(for_range, (ONES, 0), {"add": [0], "mul": [1]}, trips=[(0,)]),
    # i = 0, 1, 2 go on, 3 breaks: four trips, three additions
    "break": Program(break_out, (ONES, 9), {"add": [3]}, trips=[(4,)]),
    "break unreached": Program(break_out, (ONES, 2), {"add": [2]}, trips=[(2,)]),
    "continue": Program(skip_odd, (ONES, 5), {"mul": [3]}, [(1, 0, 1, 0, 1)], [(5,)]),
    # 2 -> 4 -> 6 > 4: returns on the second trip
    "return inside": Program(return_inside, (ONES, 9), {"add": [2], "mul": [1]}, trips=[(2,)]),
    "return not": Program(return_inside, (ONES * -9, 3), {"add": [3], "mul": [0]}, trips=[(3,)]),
    # i = 0, 1, 2: the inner loop makes 0, 1, 2 trips
    "nested": Program(nested, (ONES, 3), {"add": [3], "mul": [3]}, trips=[(3,), (0, 1, 2)]),
    # i=0: j=0 runs, j=1 breaks; i=1: j=0, 1, break at 2; i=2: j=0, 1, 2, break at 3; return
    "nested break": Program(
        nested_break, (ONES, 5), {"add": [6], "sub": [1]}, trips=[(3,), (2, 3, 4)]
    ),
    # n = 3: the last inner loop ends by itself after j = 0, 1, 2
    "nested to the end": Program(
        nested_break, (ONES, 3), {"add": [6], "sub": [1]}, trips=[(3,), (2, 3, 3)]
    ),
    "ternary, both first": Program(
        ternary, (ONES * 3,), {"mul": [1], "sub": [0], "neg": [0]}, [(0,), (0,)]
    ),
    "ternary, both second": Program(
        ternary, (-ONES,), {"mul": [0], "sub": [1], "neg": [1]}, [(1,), (1,)]
    ),
    # `and` reads its right side only when the left holds
    "and, left false": Program(both, (-ONES,), {"max": [0], "exp": [0], "abs": [1]}),
    "and, right false": Program(both, (ONES,), {"max": [1], "exp": [0], "abs": [1]}),
    "and, both": Program(both, (ONES * 3,), {"max": [1], "exp": [1], "abs": [0]}),
    "or, left": Program(either, (ONES,), {"max": [0], "exp": [1], "abs": [0]}),
    "or, neither": Program(either, (-ONES,), {"max": [1], "exp": [0], "abs": [1]}),
    "comprehension": Program(comprehension, (ONES,), {"mul": [3], "stack": [1]}, trips=[(3,)]),
    # lengths 1, 2, 3 -> pop, 3 -> pop
    "list": Program(list_state, (ONES, 4), {"append": [4], "pop": [2]}, [(1, 1, 0, 0)], [(4,)]),
    "dict": Program(
        dict_state,
        (ONES, ["a", "b", "a", "a"]),
        {"__contains__": [4], "__getitem__": [4, 2]},
        [(1, 1, 0, 0)],
        [(4,)],
    ),
    "dict, no word": Program(dict_state, (ONES, []), {"__contains__": [0]}, [()], [(0,)]),
    "lists are shared": Program(shared_list, (ONES,), {"append": [1, 1]}),
    "None": Program(optional, (ONES,), {"mul": [0], "add": [1]}, [(1,)]),
    "not None": Program(optional, (ONES, 3.0), {"mul": [1], "add": [1]}, [(0,)]),
    # 6 3 10 5 16 8 4 2 1: halved at 6, 10, 16, 8, 4, 2
    "collatz": Program(
        while_else_counter,
        (6,),
        {"floordiv": [6], "mul": [2]},
        [(0, 1, 0, 1, 0, 0, 0, 0)],
        [(8,)],
    ),
    # opened once at each call site: inside the loop helper runs 3 times, doubling at i = 1
    "function": Program(
        calls_function,
        (ONES,),
        {"mul": [1, 1], "add": [2, 0]},
        [(1, 0, 1), (0,)],
        [(3,)],
    ),
}


def ran(static, run: StaticRun, kind: str) -> list[int]:
    """Executions of the nodes of a kind; a loop's own counter, an int, is not looked at."""
    nodes = [node for node in static.nodes if node.kind == f"aten::{kind}"]
    on_tensors = [node for node in nodes if node.types == ("Tensor",)]
    return [run.executions[node.id] for node in on_tensors or nodes]


def visits(static, counted, kind: str) -> list[tuple[int, ...]]:
    return [counted[node.id] for node in static.nodes if node.kind == f"prim::{kind}"]


def assert_same(left: object, right: object) -> None:
    """Bit for bit, types included."""
    assert type(left) is type(right)
    if isinstance(left, Tensor):
        assert left.dtype == right.dtype
        assert torch.equal(left, right)
    elif isinstance(left, list | tuple):
        assert len(left) == len(right)
        for one, other in zip(left, right, strict=True):
            assert_same(one, other)
    else:
        assert left == right


@pytest.mark.parametrize("name", TABLE)
def test_counts_are_those_worked_out_by_hand(name: str) -> None:
    program = TABLE[name]
    static = script(program.run)
    run = interpret(static, *program.args)
    assert run.failure is None
    assert {kind: ran(static, run, kind) for kind in program.ran} == program.ran
    if program.taken:
        assert visits(static, run.taken, "If") == program.taken
    if program.trips:
        assert visits(static, run.trips, "Loop") == program.trips


@pytest.mark.parametrize("name", TABLE)
def test_the_result_is_that_of_the_python_function_and_of_the_compiled_one(name: str) -> None:
    program = TABLE[name]
    static = script(program.run)
    run = interpret(static, *program.args)
    assert_same(run.outputs, program.run(*program.args))
    assert_same(run.outputs, live_of(static).compiled(*program.args))


@pytest.mark.parametrize("name", TABLE)
def test_a_block_runs_as_often_as_it_is_entered(name: str) -> None:
    """All nodes of a block run equally often: as taken, trips or calls say."""
    program = TABLE[name]
    static = script(program.run)
    run = interpret(static, *program.args)
    for node in static.nodes:
        if node.parent is None:
            expected = 1
        else:
            owner, index = static.nodes[node.parent[0]], node.parent[1]
            if owner.kind == "prim::If":
                expected = run.taken[owner.id].count(index)
            elif owner.kind == "prim::Loop":
                expected = sum(run.trips[owner.id])
            else:
                expected = run.executions[owner.id]
        assert run.executions[node.id] == expected, node.text


@pytest.mark.parametrize("name", TABLE)
def test_steps_and_values_say_the_same_as_the_counts(name: str) -> None:
    program = TABLE[name]
    static = script(program.run)
    run = interpret(static, *program.args)
    assert len(set(run.steps)) == len(run.steps) == sum(run.executions.values())
    for node in static.nodes:
        own = [step for step in run.steps if step.node == node.id]
        assert len(own) == run.executions[node.id]
        assert own == sorted(own)
        made = run.values.get(node.id, ())
        assert len(made) == (len(own) if node.outputs else 0)
        assert all(len(row) == len(node.outputs) for row in made)


class Steps(nn.Module):
    """A branch per index of a ModuleList, whose loop TorchScript unrolls."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(2, 2) for _ in range(4)])

    def forward(self, x: Tensor) -> Tensor:
        for i, layer in enumerate(self.layers):
            if i % 2 == 0:
                x = layer(x)
            else:
                x = layer(x) * 0.5
        return x


def test_each_module_of_a_list_is_counted_on_its_own() -> None:
    static = script(Steps())
    run = interpret(static, torch.ones(1, 2))
    by_path = {
        node.module_path: run.executions[node.id]
        for node in static.nodes
        if node.kind == "aten::linear"
    }
    assert by_path == {f"layers.{index}": 1 for index in range(4)}
    muls = [run.executions[node.id] for node in static.nodes if node.kind == "aten::mul"]
    assert sum(muls) == 2


class Again(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.step = nn.Linear(2, 2)

    def forward(self, x: Tensor, n: int) -> Tensor:
        for _ in range(n):
            x = self.step(x)
        return self.step(self.step(x))


def test_a_module_called_several_times_is_counted_at_each_of_its_calls() -> None:
    model = Again()
    static = script(model)
    run = interpret(static, torch.ones(1, 2), 3)
    assert ran(static, run, "linear") == [3, 1, 1]
    assert torch.equal(run.outputs, model(torch.ones(1, 2), 3))


def test_the_order_of_execution_says_the_trip_of_each_loop_around() -> None:
    static = script(nested)
    run = interpret(static, ONES, 3)
    add = next(node.id for node in static.nodes if node.kind == "aten::add")
    assert [step.trips for step in run.steps if step.node == add] == [(1, 0), (2, 0), (2, 1)]
    mul = next(node.id for node in static.nodes if node.kind == "aten::mul")
    assert [step.trips for step in run.steps if step.node == mul] == [(0,), (1,), (2,)]
    first = run.steps[0]
    assert static.nodes[first.node].parent is None
    assert first.trips == ()


def test_each_trip_keeps_its_own_value() -> None:
    static = script(for_range)
    run = interpret(static, torch.tensor([1.0, 5.0]), 4)
    add = next(node.id for node in static.nodes if node.kind == "aten::add")
    made = [row[0].array.tolist() for row in run.values[add]]
    assert made == [[1, 5], [2, 6], [4, 8], [7, 11]]  # + 0, + 1, + 2, + 3
    assert [row[0].summary.mean for row in run.values[add]] == [3, 4, 6, 9]


def test_integers_wrap_at_64_bits_as_in_the_compiled_code() -> None:
    static = script(wraps)
    for start in (2**62, -(2**62), 3):
        assert interpret(static, start).outputs == live_of(static).compiled(start)


def wraps(start: int) -> int:
    return (start * 4 + start) * 3 - start
