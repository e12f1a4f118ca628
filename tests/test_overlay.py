"""The overlay against hand-counted executions, branches and trips of small programs."""

from __future__ import annotations

import importlib.util
import random
import sys
from collections import Counter
from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor, nn

from inspector.capture import CaptureOptions, record, recording
from inspector.errors import ScriptError
from inspector.overlay import overlay
from inspector.records import Overlay, Recording, StaticGraph
from inspector.torchscript import load_torchscript, script, trace
from sample_models import catalog


@dataclass
class Lit:
    """A static graph with what one run lit up; nodes are found by the text of their line."""

    static: StaticGraph
    overlay: Overlay
    recording: Recording

    def nodes(self, kind, fragment=""):
        return [
            node.id
            for node in self.static.nodes
            if node.kind == kind and fragment in self._line(node)
        ]

    def _line(self, node):
        if node.source is None or node.source.file not in self.static.sources:
            return ""
        return self.static.sources[node.source.file].splitlines()[node.source.line - 1]

    def ran(self, kind, fragment=""):
        """Executions of each node, in the order of the text; None where it is left open."""
        found = [
            self.overlay.executions.get(node) for node in self.nodes(f"aten::{kind}", fragment)
        ]
        assert found, f"no node {kind} on a line with {fragment!r}"
        return found

    def taken(self, fragment):
        return [self.overlay.taken.get(node) for node in self.nodes("prim::If", fragment)]

    def trips(self, fragment):
        return [self.overlay.trips.get(node) for node in self.nodes("prim::Loop", fragment)]

    def names(self, ops):
        return [self.recording.ops[op].name for op in ops]


def light(model, *args, static=None, **options):
    static = static or script(model)
    recorded = record(model, *args, options=CaptureOptions(values="none", **options))
    lit = Lit(static, overlay(static, recorded), recorded)
    assert_counts_agree(lit)
    return lit


def assert_counts_agree(lit):
    """All nodes of a block run equally often; an If's blocks together as often as the If."""
    executions = lit.overlay.executions
    blocks = {}
    for node in lit.static.nodes:
        if node.id in executions:
            blocks.setdefault(node.parent, set()).add(executions[node.id])
    if lit.recording.failure is None and lit.static.kind != "trace":
        assert all(len(counts) == 1 for counts in blocks.values())
    for node, taken in lit.overlay.taken.items():
        assert len(taken) == executions[node]
        for index in (0, 1):
            if lit.recording.failure is None:
                assert blocks.get((node, index), {taken.count(index)}) == {taken.count(index)}
    for node, trips in lit.overlay.trips.items():
        assert len(trips) == executions[node]
        assert blocks.get((node, 0), {sum(trips)}) == {sum(trips)}


class Branch(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        if x.mean() > 0:
            y = torch.tanh(x) * 0.5
        else:
            y = x - 1
        return y + y


def test_each_input_lights_the_other_block_of_the_same_if() -> None:
    above, below = light(Branch(), torch.ones(3)), light(Branch(), -torch.ones(3))
    assert (above.taken("x.mean"), below.taken("x.mean")) == ([(0,)], [(1,)])
    assert (above.ran("tanh"), above.ran("sub")) == ([1], [0])
    assert (below.ran("tanh"), below.ran("sub")) == ([0], [1])
    assert above.overlay.unmatched_ops == below.overlay.unmatched_ops == ()


def test_two_ops_at_one_column_are_told_apart_by_kind() -> None:
    lit = light(Branch(), torch.ones(3))
    named = {lit.recording.ops[op].name: node for op, node in lit.overlay.op_to_node.items()}
    assert [named["tanh"]] == lit.nodes("aten::tanh")
    assert [named["mul"]] == lit.nodes("aten::mul")


class While(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        while x.sum() > 1:
            x = x / 2
        return x + 1


@pytest.mark.parametrize(("start", "trips"), [(8.0, 3), (1.5, 1), (1.0, 0)])
def test_a_while_loop_on_a_tensor_counts_its_trips(start: float, trips: int) -> None:
    lit = light(While(), torch.tensor([start]))
    assert lit.trips("while") == [(trips,)]
    assert lit.ran("div") == [trips]
    assert lit.ran("sum") == [1, trips]  # once before the loop, and at the end of each trip
    assert lit.overlay.unmatched_ops == ()


class StopAtPad(nn.Module):
    def forward(self, x: Tensor, tokens: Tensor) -> Tensor:
        for i in range(tokens.size(0)):
            if int(tokens[i]) == 0:
                break
            x = x * 2
        return x + 1


@pytest.mark.parametrize(
    ("tokens", "trips", "taken", "doubled"),
    [
        ([3, 5, 0, 7], 3, (1, 1, 0), 2),
        ([3, 5], 2, (1, 1), 2),
        ([0, 1], 1, (0,), 0),
        ([], 0, (), 0),
    ],
)
def test_a_break_ends_the_loop_in_the_middle_of_its_trip(tokens, trips, taken, doubled) -> None:
    lit = light(StopAtPad(), torch.ones(2), torch.tensor(tokens, dtype=torch.long))
    assert lit.trips("range") == [(trips,)]
    assert lit.taken("== 0") == [taken]
    assert lit.ran("mul") == [doubled]
    assert lit.ran("Int") == [trips]


class Triangle(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        total = torch.zeros(1)
        for i in range(x.size(0)):
            for j in range(i):
                if j == 1:
                    continue
                total = total + x[i] * x[j]
        return total


def test_nested_loops_have_the_trips_of_each_visit() -> None:
    lit = light(Triangle(), torch.ones(4))
    assert lit.trips("x.size") == [(4,)]
    assert lit.trips("range(i)") == [(0, 1, 2, 3)]
    # j runs over (), (0), (0, 1), (0, 1, 2); `continue` skips j == 1 twice.
    assert lit.taken("j == 1") == [(1, 1, 0, 1, 0, 1)]
    assert lit.ran("mul") == [4]
    assert lit.overlay.unmatched_ops == ()


class NestedWhile(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        y = x
        while x.sum() > 1:
            x = x / 2
            y = x
            while y.sum() < 5:
                y = y * 2
        return y


def test_nested_whiles_on_tensors_are_followed_visit_by_visit() -> None:
    # x: 8, 4, 2, 1. From 4: 4 -> 8 (1 trip); from 2: 2, 4, 8 (2); from 1: 1, 2, 4, 8 (3).
    lit = light(NestedWhile(), torch.tensor([8.0]))
    assert lit.trips("x.sum") == [(3,)]
    assert lit.trips("y.sum") == [(1, 2, 3)]
    assert lit.ran("mul") == [6]


class Repeat(nn.Module):
    def forward(self, x: Tensor, times: int) -> Tensor:
        for _ in range(times):
            x = x + 1
            if times > 2:
                x = x * 3
        return x


@pytest.mark.parametrize("times", [0, 1, 4])
def test_a_loop_over_an_argument_is_counted_without_knowing_the_argument(times: int) -> None:
    lit = light(Repeat(), torch.ones(2), times)
    assert lit.trips("range") == [(times,)]
    assert lit.ran("add", "x + 1") == [times]
    assert lit.ran("mul") == [times if times > 2 else 0]


class Stack(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(2, 2) for _ in range(3))
        for index, layer in enumerate(self.layers):
            nn.init.constant_(layer.weight, 1.0)
            nn.init.constant_(layer.bias, 0.0 if index != 1 else -100.0)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
            if x.sum() > 0:
                x = torch.tanh(x) * 0.5
        return x


def test_copies_of_an_unrolled_loop_are_told_apart() -> None:
    lit = light(Stack(), torch.ones(1, 2))
    assert lit.taken("x.sum") == [(0,), (1,), (1,)]  # the second Linear makes it negative
    assert lit.ran("tanh") == [1, 0, 0]
    linears = lit.nodes("aten::linear")
    assert [lit.static.nodes[node].module_path for node in linears] == [
        "layers.0", "layers.1", "layers.2",
    ]  # fmt: skip
    assert [lit.overlay.executions[node] for node in linears] == [1, 1, 1]
    ops = [op.id for op in lit.recording.ops if op.name == "linear"]
    assert [lit.overlay.op_to_node[op] for op in ops] == linears


class Twice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(2, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.inner(x)
        for _ in range(3):
            x = self.inner(x)
        return self.inner(torch.relu(x))


def test_each_call_of_one_module_gets_its_own_share() -> None:
    lit = light(Twice(), torch.ones(1, 2))
    assert [lit.overlay.executions[node] for node in lit.nodes("aten::linear")] == [1, 3, 1]
    assert lit.overlay.unmatched_ops == ()


class EarlyReturn(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        if x.sum() > 10:
            return x
        for _ in range(4):
            x = x + 1
            if x.sum() > 6:
                return x * 2
        return torch.sin(x)


@pytest.mark.parametrize(
    ("start", "trips", "plus", "times", "sine"),
    [
        (11.0, [()], 0, 0, 0),  # returns at once: the loop is never reached
        (4.0, [(3,)], 3, 1, 0),  # 5, 6, 7: returns in the third trip
        (0.0, [(4,)], 4, 0, 1),  # 1, 2, 3, 4: the loop ends by itself
    ],
)
def test_what_an_early_return_skips_is_not_shown_as_run(start, trips, plus, times, sine) -> None:
    lit = light(EarlyReturn(), torch.tensor([start]))
    assert lit.trips("range(4)") == trips
    assert lit.ran("add", "x + 1") == [plus]
    assert lit.ran("mul") == [times]
    assert lit.ran("sin") == [sine]
    assert lit.overlay.unmatched_ops == ()


class Ternary(nn.Module):
    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        z = x + 1 if x.sum() > 0 else x - 1
        if x.sum() > 0 and y.sum() > 0:
            z = z * 2
        if x.sum() > 0 or y.sum() > 0:
            z = z / 2
        return z


@pytest.mark.parametrize("x", [1.0, -1.0])
@pytest.mark.parametrize("y", [1.0, -1.0])
def test_ternaries_and_short_circuits_run_what_python_runs(x: float, y: float) -> None:
    lit = light(Ternary(), torch.tensor([x]), torch.tensor([y]))
    assert (lit.ran("add"), lit.ran("sub")) == ([int(x > 0)], [int(x < 0)])
    assert lit.ran("mul") == [int(x > 0 and y > 0)]
    assert lit.ran("div") == [int(x > 0 or y > 0)]
    # One line reads y only when x is positive, the other only when it is not.
    assert sorted(lit.nodes("aten::Bool", "and ") and lit.ran("Bool", "and ")) == [int(x > 0), 1]
    assert sorted(lit.ran("Bool", "or ")) == [int(x < 0), 1]
    assert lit.overlay.unmatched_ops == ()


class Containers(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        kept: list[Tensor] = []
        for row in x:
            if row.sum() > 0:
                kept.append(row * 2)
        doubled = [item + 1 for item in kept]
        total = torch.zeros(2)
        for item in doubled:
            total += item
        if len(kept) > 2:
            total = -total
        total[0] = 5
        return total


@pytest.mark.parametrize(("signs", "kept"), [((1, -1, 1), 2), ((1, 1, 1), 3), ((-1,), 0)])
def test_lists_and_comprehensions_are_followed(signs, kept: int) -> None:
    x = torch.tensor(signs, dtype=torch.float)[:, None].expand(-1, 2).clone()
    lit = light(Containers(), x)
    assert lit.trips("in x") == [(len(signs),)]
    assert lit.ran("mul") == [kept]
    assert lit.ran("add", "item + 1") == [kept]
    assert lit.ran("add_") == [kept]
    assert lit.ran("neg") == [int(kept > 2)]
    assert lit.overlay.unmatched_ops == ()


class Flags(nn.Module):
    def forward(self, x: Tensor, flags: list[bool]) -> Tensor:
        for flag in flags:
            if flag:
                x = x + 1
        return torch.sin(x)


def test_an_order_that_nothing_tells_is_left_out_and_the_sums_are_kept() -> None:
    lit = light(Flags(), torch.ones(1), [True, False, True])
    assert lit.ran("add", "x + 1") == [2]
    assert lit.taken("if flag") == [None]
    assert lit.ran("sin") == [1]
    assert lit.overlay.unmatched_ops == ()


class Guarded(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        if x.dim() != 1:
            raise ValueError("one dimension, please")
        y = x + 1
        y = y @ torch.ones(3, 3)
        return y * 2


def test_a_raise_that_did_not_happen_counts_zero() -> None:
    lit = light(Guarded(), torch.ones(3))
    assert lit.taken("x.dim") == [(1,)]
    raises = lit.nodes("prim::RaiseException")
    assert [lit.overlay.executions[node] for node in raises] == [0]


def test_nothing_after_the_failing_op_is_shown_as_run() -> None:
    lit = light(Guarded(), torch.ones(4))
    assert lit.recording.failure is not None
    assert lit.ran("matmul") == [1]
    assert lit.ran("mul") == [0]


def test_a_raise_that_happened_is_shown() -> None:
    lit = light(Guarded(), torch.ones(2, 3))
    assert lit.recording.failure.type == "ValueError"
    assert lit.taken("x.dim") == [(0,)]
    assert lit.ran("add") == [0]


class Step(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def forward(self, x: Tensor) -> Tensor:
        self.count += 1
        if self.count > 1:
            x = x * 2
        if self.training:
            x = x + 1
        return self.helper(x)

    def helper(self, x: Tensor) -> Tensor:
        return torch.cos(x)


def test_state_mode_and_own_methods_are_followed() -> None:
    lit = light(Step().eval(), torch.ones(1))
    assert (lit.ran("mul"), lit.ran("cos")) == ([0], [1])
    assert lit.ran("add", "x + 1") == [0]
    assert light(Step(), torch.ones(1)).ran("add", "x + 1") == [1]


class Holder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.branch = Branch()

    def forward(self, x: Tensor) -> Tensor:
        return self.branch(x)


def test_a_module_called_in_several_places_of_a_training_loop_adds_up() -> None:
    model, static = Holder(), script(Holder())
    options = CaptureOptions(values="none")
    with recording(options) as session:
        for sign in (1, -1, 1):
            (model(sign * torch.ones(2)) * 3).sum()
    lit = Lit(static, overlay(static, session.recording), session.recording)
    assert lit.taken("x.mean") == [(0, 1, 0)]
    assert (lit.ran("tanh"), lit.ran("sub"), lit.ran("add")) == ([2], [1], [3])
    assert lit.overlay.unmatched_ops == ()  # the loop's own `* 3` is not the module's


def triple(x: Tensor) -> Tensor:
    return x * 3


def above_zero(x: Tensor) -> Tensor:
    if x.sum() > 0:
        return triple(x)
    return triple(-x)


def test_functions_and_the_functions_they_call_are_lit() -> None:
    lit = light(above_zero, -torch.ones(2))
    assert lit.taken("x.sum") == [(1,)]
    assert lit.ran("mul") == [0, 1]
    assert lit.overlay.unmatched_ops == ()


def test_without_lines_nothing_becomes_wrong_only_less_is_known() -> None:
    programs = [
        (Branch(), torch.ones(3)),
        (Repeat(), torch.ones(2), 4),
        (Flags(), torch.ones(1), [True, False]),
        (StopAtPad(), torch.ones(2), torch.tensor([1, 0])),
    ]
    for model, *args in programs:
        static = script(model)
        recorded = record(model, *args)
        full = overlay(static, recorded)
        less = overlay(static, replace(recorded, lines={}))
        assert less.executions.items() <= full.executions.items()
        assert less.unmatched_ops == full.unmatched_ops


def test_a_trace_of_the_same_path_has_a_node_for_every_op_it_needs() -> None:
    lit = light(Branch(), torch.ones(3), static=trace(Branch(), torch.ones(3)))
    assert lit.overlay.first_divergence is None
    assert set(lit.overlay.executions.values()) == {1}
    # The trace holds the branch as a fact: what decided it has no node.
    assert lit.names(lit.overlay.unmatched_ops) == ["mean", "gt", "bool"]


def test_a_trace_of_the_other_branch_says_where_they_part() -> None:
    lit = light(Branch(), -torch.ones(3), static=trace(Branch(), torch.ones(3)))
    parting = lit.overlay.first_divergence
    assert lit.recording.ops[parting.op].name == "sub"
    assert "`sub`" in parting.reason
    assert f"line {parting.source.line}" in parting.reason
    assert (lit.ran("tanh"), lit.ran("mul"), lit.ran("add")) == ([0], [0], [1])


def test_a_trace_of_more_trips_says_which_node_did_not_run() -> None:
    static = trace(While(), torch.tensor([8.0]))
    lit = light(While(), torch.tensor([3.0]), static=static)  # 2 trips, the trace has 3
    assert lit.ran("div") == [1, 1, 0]
    assert lit.overlay.first_divergence.node == lit.nodes("aten::div")[2]
    longer = light(While(), torch.tensor([16.0]), static=static)  # 4 trips
    assert longer.recording.ops[longer.overlay.first_divergence.op].name == "div"


def test_a_loaded_file_is_lit_like_the_script_it_was_saved_from(tmp_path) -> None:
    model = Holder()
    with pytest.warns(DeprecationWarning, match="torch.jit"):
        torch.jit.save(torch.jit.script(model), tmp_path / "model.pt")
    lit = light(model, -torch.ones(3), static=load_torchscript(tmp_path / "model.pt"))
    taken = [lit.overlay.taken[node] for node in lit.nodes("prim::If")]
    assert taken == [(1,)]
    assert lit.overlay.unmatched_ops == ()


MODULES = {
    "stack": (nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.LayerNorm(3)), (torch.ones(2, 3),)),
    "rnn cell": (nn.RNNCell(3, 3), (torch.ones(2, 3),)),
    "lstm": (nn.LSTM(3, 3), (torch.ones(2, 2, 3),)),
    "lstm, unbatched": (nn.LSTM(3, 3), (torch.ones(2, 3),)),
    "gru": (nn.GRU(3, 3), (torch.ones(2, 2, 3),)),
    "batch norm": (nn.BatchNorm1d(3), (torch.rand(4, 3),)),
    "attention": (nn.MultiheadAttention(4, 2), (torch.ones(2, 1, 4),) * 3),
    "encoder layer": (nn.TransformerEncoderLayer(8, 2, batch_first=True), (torch.ones(2, 3, 8),)),
    "embedding bag": (nn.EmbeddingBag(5, 3), (torch.tensor([[1, 2], [0, 4]]),)),
    "conv": (nn.Sequential(nn.Conv2d(1, 2, 3), nn.MaxPool2d(2)), (torch.ones(1, 1, 6, 6),)),
}


@pytest.mark.parametrize("name", MODULES)
def test_every_op_of_a_torch_module_has_a_node_in_script_and_trace(name: str) -> None:
    model, args = MODULES[name]
    lit = light(model, *args)
    assert lit.overlay.unmatched_ops == ()
    assert len(lit.overlay.op_to_node) == len(lit.recording.ops)
    ran = lit.overlay.executions
    assert all(ran[node] >= 1 for node in lit.overlay.op_to_node.values())
    traced = light(model, *args, static=trace(model, *args))
    assert traced.overlay.first_divergence is None


def test_branches_on_shapes_are_known_without_any_op_in_them() -> None:
    # LSTM.forward unsqueezes the input when it is not batched; hx (two more) is not given.
    for args, counts in (((torch.ones(2, 2, 3),), [0, 0, 0]), ((torch.ones(2, 3),), [1, 0, 0])):
        lit = light(nn.LSTM(3, 3), *args)
        assert lit.ran("unsqueeze")[:3] == counts


SAMPLES = [
    (sample, name)
    for sample in catalog().values()
    for name in (sample.inputs if sample.scriptable else ())
]


@pytest.mark.parametrize(
    ("sample", "name"), SAMPLES, ids=lambda value: getattr(value, "name", value)
)
def test_every_op_of_a_scriptable_sample_has_a_node(sample, name: str) -> None:
    model = sample.static(sample.build())
    args = sample.static_inputs(sample.inputs[name].make())
    lit = light(model, *args)
    assert lit.recording.failure is None
    assert lit.names(lit.overlay.unmatched_ops) == []
    assert set(lit.overlay.executions) == {node.id for node in lit.static.nodes}


def test_a_sample_that_does_not_script_says_so() -> None:
    for sample in catalog().values():
        if not sample.scriptable:
            with pytest.raises(ScriptError):
                script(sample.static(sample.build()))


STATEMENTS = ("x = x + 1", "x = x * 0.9", "x = x - 1", "x = torch.tanh(x) + x")


def random_block(choose: random.Random, depth: int, loop: str, indent: str) -> list[str]:
    """Lines of a random program: branches, loops, break, continue and return on x and n."""
    lines: list[str] = []
    for _ in range(choose.randint(1, 3)):
        inner = loop
        kind = choose.choice(["plain", "if", "for", "while"]) if depth else "plain"
        if kind == "plain":
            lines.append(indent + choose.choice(STATEMENTS))
            continue
        if kind == "if":
            tests = ["x.sum() > 1", "not (x.sum() > 0)", "n > 2", "x.sum() > 0 and n > 1"]
            lines.append(
                f"{indent}if {choose.choice([*tests, f'{loop} == 1'] if loop else tests)}:"
            )
            if loop and choose.random() < 0.4:
                lines.append(f"{indent}    {choose.choice(['break', 'continue', 'return x'])}")
                continue
        elif kind == "for":
            inner = f"i{depth}"
            lines.append(f"{indent}for {inner} in range({choose.choice(['n', '3', 'x.size(0)'])}):")
        else:
            inner = ""  # `continue` would skip the step that ends a while loop
            lines += [f"{indent}while x.sum() > 2:", f"{indent}    x = x - 1.5"]
        lines += random_block(choose, depth - 1, inner, indent + "    ")
    return lines


def count_lines(function, file: str, *args) -> Counter[int]:
    """The oracle: how often Python runs each line."""
    counts: Counter[int] = Counter()

    def tracer(frame, event, arg):
        if frame.f_code.co_filename != file:
            return None
        if event == "line":
            counts[frame.f_lineno] += 1
        return tracer

    before = sys.gettrace()
    sys.settrace(tracer)
    try:
        function(*args)
    finally:
        sys.settrace(before)
    return counts


@pytest.mark.parametrize("seed", range(25))
def test_random_programs_run_as_often_as_python_counts(seed: int, tmp_path) -> None:
    choose = random.Random(seed)
    body = random_block(choose, 3, "", "    ")
    lines = ["import torch", "def program(x: torch.Tensor, n: int):", *body, "    return x * 2"]
    path = tmp_path / f"program_{seed}.py"
    path.write_text("\n".join(lines) + "\n")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    static = script(module.program)
    for n in (0, 2, 4):
        x = torch.randn(3) * 2
        counted = count_lines(module.program, str(path), x, n)
        recorded = record(module.program, x, n, options=CaptureOptions(values="none"))
        for variant in (recorded, replace(recorded, lines={})):
            found = overlay(static, variant)
            assert_counts_agree(Lit(static, found, variant))
            for line, text in enumerate(lines, 1):
                if text.strip() in STATEMENTS:
                    ran = [
                        found.executions.get(node.id)
                        for node in static.nodes
                        if node.kind in ("aten::add", "aten::mul", "aten::sub")
                        and node.source
                        and node.source.line == line
                    ]
                    # An unreachable statement has no node; what follows a return may have two.
                    assert None not in ran
                    assert sum(ran) == counted[line] or not ran


class _ReckonsWithSizes(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        rows = x.shape[0] + 2
        return x.reshape(rows - 2, -1) + torch.ones(rows * 2).sum()


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
def test_arithmetic_on_sizes_is_no_divergence() -> None:
    # The trace has aten::add for `x.shape[0] + 2`; in Python that is an addition of integers.
    x = torch.ones(3, 4)
    static, recording = trace(_ReckonsWithSizes(), x), record(_ReckonsWithSizes(), x)
    assert any(node.kind == "prim::NumToTensor" for node in static.nodes)
    found = overlay(static, recording)
    assert found.first_divergence is None
    assert set(found.executions.values()) == {1}


class Shift(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.layer(x) + 1)


class Waves(nn.Module):
    def __init__(self):
        super().__init__()
        self.other = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.other(x).tanh().sin()


@pytest.mark.parametrize("make", [script, lambda model: trace(model, torch.ones(2, 3))])
def test_a_recording_of_other_code_runs_nothing_of_the_graph(make):
    static = make(Shift())
    lit = overlay(static, record(Waves(), torch.ones(2, 3)))
    assert set(lit.executions) == {node.id for node in static.nodes}
    assert set(lit.executions.values()) == {0}
    assert (lit.op_to_node, lit.unmatched_ops) == ({}, (0, 1, 2))  # linear, tanh, sin
    assert lit.first_divergence.op == 0
    assert "other code" in lit.first_divergence.reason
    assert "other code" in lit.method
