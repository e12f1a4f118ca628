"""`interpret`: side effects, classes and calls, failures, arguments, and what is kept of values."""

# Without `from __future__ import annotations`: TorchScript reads the annotations of classes and
# of ignored functions as objects.
import copy
import gc
import warnings
import weakref
from dataclasses import replace
from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn

import inspector
from inspector.errors import InspectorError, InterpretError, UnsupportedNode
from inspector.records import StaticGraph
from inspector.torchscript import load_torchscript, script, trace, unfold
from inspector.torchscript.interpret import InterpretOptions, interpret
from inspector.torchscript.live import live_of


def compiled(static):
    return live_of(static).compiled


def saved(static, path):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"`torch\.jit\.save` is deprecated")
        torch.jit.save(compiled(static), path)
    return load_torchscript(path)


def nodes(static, kind):
    return [node.id for node in static.nodes if node.kind == kind]


# -- side effects ----------------------------------------------------------------------------


class Counting(nn.Module):
    history: list[Tensor]
    seen: dict[str, int]
    last: Tensor | None

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0
        self.history = []
        self.seen = {"x": 0}
        self.register_buffer("total", torch.zeros(2))
        self.last = None

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        self.history.append(x)
        self.seen["x"] += 2
        self.total += x
        self.last = x * 2
        return self.total * self.calls + len(self.history)


def test_attributes_lists_dicts_and_buffers_of_the_module_change_as_in_the_compiled_one(
    tmp_path,
) -> None:
    for static in (script(Counting()), saved(script(Counting()), tmp_path / "model.pt")):
        other = copy.deepcopy(compiled(static))
        for _ in range(3):
            run = interpret(static, torch.ones(2))
            assert torch.equal(run.outputs, other(torch.ones(2)))
        mine = compiled(static)
        assert (mine.calls, mine.seen) == (other.calls, other.seen) == (3, {"x": 6})
        assert len(mine.history) == len(other.history) == 3
        assert torch.equal(mine.total, torch.full((2,), 3.0))
        assert torch.equal(mine.last, torch.full((2,), 2.0))


def test_tensors_in_a_list_of_the_module_stay_the_modules_own() -> None:
    model = Reading()
    static = script(model)
    run = interpret(static, torch.full((2,), 3.0))
    assert run.outputs.tolist() == [6, 6]
    assert compiled(static).weights[1] is model.weights[1]
    assert model.weights[1].tolist() == [2, 2]


class Reading(nn.Module):
    weights: list[Tensor]

    def __init__(self) -> None:
        super().__init__()
        self.weights = [torch.ones(2), torch.full((2,), 2.0)]

    def forward(self, x: Tensor) -> Tensor:
        for weight in self.weights:
            x = x * weight
        return x


def write_in_place(x: Tensor, rows: list[Tensor]) -> Tensor:
    x[0] = 7.0
    x.add_(1)
    rows.append(x)
    rows[0].zero_()
    return x * 2


def test_tensors_passed_in_are_written_to_and_lists_passed_in_are_not() -> None:
    static = script(write_in_place)
    x, rows = torch.zeros(3), [torch.ones(2)]
    run = interpret(static, x, rows)
    assert x.tolist() == [8, 1, 1]
    assert len(rows) == 1
    assert rows[0].tolist() == [0, 0]
    assert run.outputs.tolist() == [16, 2, 2]


# -- types -----------------------------------------------------------------------------------


class Pair(NamedTuple):
    value: Tensor
    count: int


@torch.jit.ignore
def outside(x: Tensor, n: int) -> Tensor:
    return x * n


class Stack:
    def __init__(self, limit: int) -> None:
        self.items: list[Tensor] = []
        self.limit = limit

    def push(self, x: Tensor) -> int:
        if len(self.items) < self.limit:
            self.items.append(x)
        return len(self.items)

    def total(self) -> Tensor:
        result = torch.zeros(2)
        for item in self.items:
            result = result + item
        return result


def with_class(x: Tensor, n: int) -> tuple[Tensor, int]:
    stack = Stack(2)
    size = 0
    for _ in range(n):
        size = stack.push(x)
    alias = stack.items
    alias.append(x)
    return stack.total(), size


def with_named_tuple(x: Tensor) -> Pair:
    pair = Pair(x, 3)
    value, count = pair
    return Pair(value * pair.count, count + 1)


def with_nested_values(x: Tensor) -> tuple[dict[str, list[Tensor]], int | None, str]:
    found: dict[str, list[Tensor]] = {"a": [x], "b": []}
    found["b"].append(x + 1)
    found["a"].extend(found["b"])
    for key, values in found.items():
        values.append(x * len(key))
    name = "{} of {}".format("size", x.size(0))
    return found, None, name.upper() + str(len(found))


def with_lists(n: int) -> tuple[list[int], list[int], int, bool]:
    numbers = [n, 3, 1, 2]
    numbers.insert(1, 9)
    numbers.remove(3)
    numbers.sort()
    numbers.reverse()
    part = numbers[1:3] + [n] * 2
    part[-1] = -5
    del part[0]
    return numbers, part, numbers.index(9) + part.count(n), 9 in numbers


def with_dicts(n: int) -> tuple[list[str], list[int], int, int | None]:
    table = {"a": 1, "b": n}
    table.update({"c": 4})
    first = table.pop("a")
    table.setdefault("d", 6)
    missing = table.get("zz")
    del table["b"]
    return list(table.keys()), list(table.values()), first + table.get("c", 0), missing


def with_dtypes(x: Tensor) -> tuple[Tensor, int, bool, torch.device]:
    y = torch.zeros(x.shape, dtype=torch.int64, device=x.device).to(x.dtype)
    z = torch.tensor([[1.5, 2.0], [3.0, 4.0]])
    return y + z.sum() + torch.arange(2), x.dtype, isinstance(x, Tensor), x.device


def with_ignored(x: Tensor) -> Tensor:
    return outside(x, 3) + 1


def with_no_grad(x: Tensor) -> Tensor:
    y = x * 2
    with torch.no_grad():
        return y * 3


TYPES = {
    "class": (with_class, (torch.ones(2), 4)),
    "named tuple": (with_named_tuple, (torch.ones(2),)),
    "nested": (with_nested_values, (torch.ones(2),)),
    "lists": (with_lists, (7,)),
    "dicts": (with_dicts, (7,)),
    "dtypes": (with_dtypes, (torch.ones(2),)),
    "ignored": (with_ignored, (torch.ones(2),)),
    "no_grad": (with_no_grad, (torch.ones(2, requires_grad=True),)),
}


@pytest.mark.parametrize("name", TYPES)
def test_values_of_every_type_come_out_as_from_the_compiled_function(name: str) -> None:
    function, args = TYPES[name]
    static = script(function)
    run = interpret(static, *args)
    expected = compiled(static)(*args)
    assert run.failure is None
    assert type(run.outputs).__mro__[1:] == type(expected).__mro__[1:]  # each Pair has its class
    assert str(run.outputs) == str(expected)


def test_methods_of_a_class_are_opened_and_counted() -> None:
    static = script(with_class)
    run = interpret(static, torch.ones(2), 4)
    appends = {
        tuple(run.executions[node] for node in nodes(static, "aten::append")),
    }
    assert appends == {(2, 1)}  # push: 2 of 4 within the limit; then the alias
    assert run.outputs[0].tolist() == [3, 3]


class Outer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scale = 2

    @torch.jit.ignore
    def python_side(self, x: Tensor, names: list[str]) -> Tensor:
        return x * self.scale + len(names)

    @torch.jit.export
    def exported(self, x: Tensor) -> Tensor:
        return x - self.scale

    def forward(self, x: Tensor) -> Tensor:
        return self.exported(self.python_side(x, ["a", "b"]))


def test_ignored_methods_run_as_python_and_exported_ones_as_ir() -> None:
    static = script(Outer())
    run = interpret(static, torch.ones(2))
    assert run.outputs.tolist() == [2, 2]  # 1 * 2 + 2 names - 2
    assert [run.executions[node] for node in nodes(static, "aten::sub")] == [1]


class Step(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        pass


with warnings.catch_warnings():
    warnings.filterwarnings("ignore", message=r"`torch\.jit\.interface` is deprecated")
    Step = torch.jit.interface(Step)


class Double(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * 2


class ByInterface(nn.Module):
    step: Step

    def __init__(self) -> None:
        super().__init__()
        self.step = Double()

    def forward(self, x: Tensor) -> Tensor:
        return self.step.forward(x) + 1


def test_a_module_behind_an_interface_runs() -> None:
    run = interpret(script(ByInterface()), torch.ones(2))
    assert run.outputs.tolist() == [3, 3]


@pytest.mark.parametrize("name", TYPES)
def test_calls_that_the_graph_leaves_closed_run_all_the_same(name: str, monkeypatch) -> None:
    monkeypatch.setattr(unfold, "MAX_NODES", 3)
    function, args = TYPES[name]
    static = script(function)
    assert str(interpret(static, *args).outputs) == str(compiled(static)(*args))


def calls_closed(x: Tensor, n: int) -> list[Tensor]:
    found: list[Tensor] = []
    for _ in range(n):
        grow(found, x)
    return found


def grow(found: list[Tensor], x: Tensor) -> None:
    found.append(x + len(found))


def test_a_closed_call_changes_the_callers_list(monkeypatch) -> None:
    monkeypatch.setattr(unfold, "MAX_NODES", 3)
    static = script(calls_closed)
    (call,) = nodes(static, "prim::CallFunction")
    assert static.nodes[call].blocks == 0
    run = interpret(static, torch.ones(1), 3)
    assert [item.item() for item in run.outputs] == [1, 2, 3]
    assert run.executions[call] == 3


def forked(x: Tensor) -> Tensor:
    future = torch.jit.fork(doubled, x)
    return torch.jit.wait(future) + 1


def doubled(x: Tensor) -> Tensor:
    return x * 2


def test_a_fork_is_waited_for() -> None:
    assert interpret(script(forked), torch.ones(2)).outputs.tolist() == [3, 3]


def test_print_prints(capfd) -> None:
    interpret(script(says), torch.ones(2))
    assert "hello 2" in capfd.readouterr().out


def says(x: Tensor) -> Tensor:
    print("hello", x.size(0))
    return x


# -- failures --------------------------------------------------------------------------------


def raises(x: Tensor, n: int) -> Tensor:
    for i in range(n):
        if i == 2:
            raise ValueError(f"too many: {i}")
        x = x + 1
    return x


def test_an_exception_of_the_program_is_the_runs_failure() -> None:
    static = script(raises)
    run = interpret(static, torch.ones(2), 5)
    with pytest.raises(torch.jit.Error, match=r"builtins\.ValueError: too many: 2"):
        compiled(static)(torch.ones(2), 5)
    assert run.outputs is None
    assert (run.failure.type, run.failure.message) == ("ValueError", "too many: 2")
    assert run.failure.raised_as == "torch.jit.Error"
    assert (run.failure.kind, run.failure.trips) == ("prim::RaiseException", (2,))
    line = static.sources[run.failure.source.file].splitlines()[run.failure.source.line - 1]
    assert line.strip().startswith("raise ValueError")
    (loop,) = nodes(static, "prim::Loop")
    (add,) = [n for n in nodes(static, "aten::add") if static.nodes[n].types == ("Tensor",)]
    assert run.trips[loop] == (3,)  # the third was begun
    assert run.executions[add] == 2


class Mismatch(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        y = x * 2
        return self.inner(y)


def test_a_failing_op_is_reported_with_its_node_and_the_run_so_far() -> None:
    static = script(Mismatch())
    run = interpret(static, torch.ones(1, 4))
    (linear,) = nodes(static, "aten::linear")
    assert run.failure.node == linear
    assert run.failure.type == run.failure.raised_as == "RuntimeError"
    with pytest.raises(RuntimeError) as caught:
        compiled(static)(torch.ones(1, 4))
    assert str(caught.value).rstrip().endswith(run.failure.message)
    (mul,) = nodes(static, "aten::mul")
    assert run.values[mul][0][0].shape == (1, 4)
    assert linear not in run.values
    assert run.executions[linear] == 1


@pytest.mark.parametrize(
    ("key", "place", "message"),
    [("zz", 0, "KeyError: zz"), ("a", 4, "list index out of range"), ("a", -1, "division by 0")],
)
def test_failures_of_lists_dicts_and_numbers_have_the_compiled_codes_words(
    key: str, place: int, message: str
) -> None:
    static = script(fails)
    run = interpret(static, key, place)
    assert run.failure.message == message
    with pytest.raises(RuntimeError, match=message):
        compiled(static)(key, place)


def fails(key: str, place: int) -> int:
    table = {"a": [1, 2, 0]}
    return 6 // table[key][place]


def ragged(rows: list[list[float]]) -> Tensor:
    return torch.tensor(rows)


def test_a_failure_inside_of_torchs_own_interpreter_has_its_last_words() -> None:
    static = script(ragged)
    run = interpret(static, [[1.0], [2.0, 3.0]])
    assert run.failure.kind == "aten::tensor"
    with pytest.raises(RuntimeError) as caught:
        compiled(static)([[1.0], [2.0, 3.0]])
    assert str(caught.value).rstrip().endswith(run.failure.message)
    assert "\n" not in run.failure.message


def in_no_grad(x: Tensor) -> Tensor:
    with torch.no_grad():
        return x.view(7)


def test_a_failure_inside_no_grad_leaves_grad_mode_as_it_was() -> None:
    run = interpret(script(in_no_grad), torch.ones(3))
    assert run.failure is not None
    assert torch.is_grad_enabled()


# -- what cannot be run ----------------------------------------------------------------------


def test_a_graph_with_nothing_live_behind_it_says_to_make_it_again() -> None:
    static = StaticGraph(kind="script", nodes=(), text="", name="Lost")
    with pytest.raises(InterpretError, match=r"Lost cannot be run.*inspector\.script"):
        interpret(static)


def test_a_node_of_an_unknown_kind_is_named_with_its_line() -> None:
    static = script(doubled)
    (mul,) = nodes(static, "aten::mul")
    changed = list(static.nodes)
    changed[mul] = replace(changed[mul], kind="foo::twice")
    with pytest.raises(UnsupportedNode, match=rf"foo::twice \(node {mul}, .*, line ") as caught:
        interpret(replace(static, nodes=tuple(changed)), torch.ones(2))
    assert isinstance(caught.value, InspectorError)
    assert (caught.value.kind, caught.value.node) == ("foo::twice", mul)
    assert caught.value.line == static.nodes[mul].source.line
    assert interpret(static, torch.ones(2)).outputs.tolist() == [2, 2]


def test_the_module_is_let_go_with_the_last_graph_of_it() -> None:
    model = nn.Linear(2, 2)
    gone = weakref.ref(model.weight)
    static = script(model)
    interpret(static, torch.ones(1, 2))
    del model
    assert gone() is not None
    del static
    gc.collect()
    assert gone() is None


# -- arguments -------------------------------------------------------------------------------


def scaled(x: Tensor, factor: float = 2.0, *, extra: int = 1) -> Tensor:
    return x * factor + extra


def scaled_plain(x: Tensor, factor: float = 2.0, extra: int = 1) -> Tensor:
    return x * factor + extra


def test_arguments_come_by_place_by_name_and_by_default() -> None:
    static = script(scaled_plain)
    x = torch.ones(1)
    for args, kwargs in [((x,), {}), ((x, 3), {}), ((), {"extra": 5, "x": x})]:
        assert torch.equal(
            interpret(static, *args, **kwargs).outputs, scaled_plain(*args, **kwargs)
        )
    (factor,) = [item.name for item in static.inputs if item.label == "factor"]
    assert interpret(static, x, 3).inputs[factor].plain == 3.0


@pytest.mark.parametrize(
    ("args", "kwargs", "words"),
    [
        ((), {}, "needs the argument 'x'"),
        ((torch.ones(1), 1.0, 2, 3), {}, "got 4 arguments"),
        ((torch.ones(1),), {"y": 2}, "no parameter 'y'"),
        ((torch.ones(1),), {"x": torch.ones(1)}, "'x' twice"),
        ((torch.ones(1), "two"), {}, "takes a float as 'factor', and got a str"),
    ],
)
def test_arguments_that_do_not_fit_are_named(args, kwargs, words) -> None:
    with pytest.raises(InterpretError, match=words):
        interpret(script(scaled_plain), *args, **kwargs)


def test_a_trace_takes_what_it_was_traced_with_and_notes_what_is_built_in() -> None:
    static = trace(scaled, torch.ones(2), factor=3.0)
    same = interpret(static, torch.ones(2), factor=3.0)
    assert (same.outputs.tolist(), same.notes) == ([4, 4], ())
    other = interpret(static, torch.ones(2), factor=5.0)
    assert other.outputs.tolist() == [4, 4]
    assert "factor=3.0 built in" in other.notes[0]
    assert interpret(static, torch.ones(2)).outputs.tolist() == [4, 4]


def test_a_trace_of_containers_takes_them_whole() -> None:
    static = trace(adds_all, {"a": torch.ones(2), "b": torch.ones(2)}, (torch.ones(2),))
    given = {"a": torch.ones(2), "b": torch.zeros(2)}
    assert interpret(static, given, (torch.ones(2),)).outputs.tolist() == [2, 2]


def adds_all(parts: dict[str, Tensor], more: tuple[Tensor]) -> Tensor:
    return parts["a"] + parts["b"] + more[0]


# -- values ----------------------------------------------------------------------------------


def looped(x: Tensor, n: int) -> Tensor:
    for _ in range(n):
        x = x * 2
    return x + 1


def test_a_tensor_is_summarised_as_in_a_recording() -> None:
    x = torch.tensor([[1.0, -2.0], [float("nan"), 0.0]])
    static = script(looped)
    run = interpret(static, x, 1)
    recorded = inspector.record(looped, x, 1)
    (mul,) = nodes(static, "aten::mul")
    (op,) = [op for op in recorded.ops if op.name == "mul"]
    value, info = run.values[mul][0][0], recorded.tensors[op.outputs[0]]
    assert (value.shape, value.dtype, value.device) == (info.shape, info.dtype, info.device)
    # A NaN in the sample is equal to nothing.
    assert replace(value.summary, sample=()) == replace(info.summary, sample=())
    assert value.array[0].tolist() == [2, -4]


def test_other_values_have_a_bounded_text() -> None:
    static = script(long_values)
    run = interpret(static, torch.ones(2, 3))
    texts = [row[0].text for rows in run.values.values() for row in rows]
    assert all(len(text) <= 160 for text in texts)
    assert any(text.startswith("[0, 1, 2, 3, 4, 5, 6, 7, … 492 more]") for text in texts)
    assert any(text.startswith("[Tensor(2x3 float32), Tensor(2x3 float32)") for text in texts)


def long_values(x: Tensor) -> tuple[list[int], list[Tensor]]:
    numbers = list(range(500))
    return numbers[:], [x, x, x]


def test_values_can_be_switched_off_and_kept_live() -> None:
    static = script(looped)
    x = torch.ones(2)
    none = interpret(static, x, 3, options=InterpretOptions(values="none"))
    assert (none.values, none.inputs) == ({}, {})
    assert none.outputs.tolist() == [9, 9]
    live = interpret(static, x, 3, options=InterpretOptions(values="live"))
    (mul,) = nodes(static, "aten::mul")
    assert [row[0].live.tolist() for row in live.values[mul]] == [[2, 2], [4, 4], [8, 8]]
    assert interpret(static, x, 3).values[mul][0][0].live is None


def test_what_is_kept_is_bounded_with_a_note_and_the_result_stays_whole() -> None:
    static = script(looped)
    options = InterpretOptions(max_visits=2, max_steps=5)
    run = interpret(static, torch.ones(2), 6, options=options)
    (mul,) = nodes(static, "aten::mul")
    assert run.executions[mul] == 6
    assert len(run.values[mul]) == 2
    assert len(run.steps) == 5
    assert run.outputs.tolist() == [65, 65]
    assert len(run.notes) == 2
    few = interpret(static, torch.ones(2), 6, options=InterpretOptions(max_values=3))
    assert sum(map(len, few.values.values())) == 3


def test_live_values_stay_within_their_budget() -> None:
    static = script(looped)
    options = InterpretOptions(values="live", value_budget_mb=1.5)
    run = interpret(static, torch.ones(2**18), 3, options=options)  # 1 MiB each
    (mul,) = nodes(static, "aten::mul")
    assert sum(row[0].live is not None for row in run.values[mul]) == 0  # the input took it
    assert all(row[0].summary is not None for row in run.values[mul])
    assert any("beyond 1.5 MiB" in note for note in run.notes)


def test_options_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="values must be"):
        InterpretOptions(values="all")
    with pytest.raises(ValueError, match="max_steps must not be negative"):
        InterpretOptions(max_steps=-1)


def test_values_of_a_run_are_let_go_while_it_goes_on() -> None:
    """As in the compiled code: what no node needs any more is freed."""
    alive = []

    class Probe(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            result = func(*args, **(kwargs or {}))
            if isinstance(result, Tensor) and result.numel() == 1000:
                alive.append(weakref.ref(result))
                counts.append(sum(ref() is not None for ref in alive))
            return result

    counts = []
    static = script(looped)
    with torch.no_grad(), Probe():
        interpret(static, torch.ones(1000), 20, options=InterpretOptions(values="none"))
    assert len(counts) >= 20
    assert max(counts) <= 3


def test_reading_values_changes_neither_result_nor_random_numbers() -> None:
    static = script(nn.Sequential(nn.Dropout(0.5), nn.Linear(4, 2)))
    x = torch.randn(3, 4)
    found = []
    for values in ("none", "stats", "live"):
        torch.manual_seed(1)
        run = interpret(static, x, options=InterpretOptions(values=values))
        found.append((run.outputs, torch.get_rng_state()))
    assert all(torch.equal(found[0][0], output) for output, _ in found)
    assert all(torch.equal(found[0][1], state) for _, state in found)
