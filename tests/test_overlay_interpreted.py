"""The overlay with an interpretation of the graph: exact counts, checked against the recording."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

import inspector
from inspector.overlay import overlay
from inspector.torchscript import script, trace
from inspector.torchscript.interpret import InterpretOptions, interpret
from sample_models import catalog

COUNTS_ONLY = InterpretOptions(values="none")
BARE = inspector.CaptureOptions(values="none", lines=False)


def both(model, *args):
    """The graph, a recording and an interpretation of the same call, neither changing it."""
    static = script(copy.deepcopy(model))
    torch.manual_seed(5)
    recorded = inspector.record(copy.deepcopy(model), *copy.deepcopy(args), options=BARE)
    torch.manual_seed(5)
    run = interpret(static, *copy.deepcopy(args), options=COUNTS_ONLY)
    return static, recorded, run


SAMPLES = [
    pytest.param(name, given, id=f"{name}, {given}")
    for name, sample in catalog().items()
    if sample.scriptable
    for given in sample.inputs
]


@pytest.mark.parametrize(("name", "given"), SAMPLES)
def test_interpretation_and_recording_of_every_sample_agree(name: str, given: str) -> None:
    sample = catalog()[name]
    model = sample.static(sample.build())
    static, recorded, run = both(model, *sample.static_inputs(sample.inputs[given].make()))
    found = overlay(static, recorded, run)
    assert found.disagreements == ()
    assert (found.executions, found.taken, found.trips) == (run.executions, run.taken, run.trips)
    assert found.unmatched_ops == ()
    assert found.method == "interpretation of the graph, cross-checked with the recording"


class Silent(nn.Module):
    """Branches that leave no op behind, and loops that ops alone cannot count."""

    def forward(self, x: Tensor, n: int) -> Tensor:
        steps = 0
        while n != 1:
            if n % 2 == 0:
                n = n // 2
            else:
                n = 3 * n + 1
            steps += 1
            if steps > 100:
                break
        for i in range(steps):
            if i % 3 == 1:
                continue
            x = x + i
            for _ in range(i):
                if bool(x.sum() > 60):
                    break
                x = x * 1.5
        return x


def test_what_ops_do_not_tell_comes_from_the_interpretation() -> None:
    static, recorded, run = both(Silent(), torch.ones(2), 6)
    found = overlay(static, recorded, run)
    assert found.unmatched_ops == ()
    assert found.disagreements == ()
    loops = [node.id for node in static.nodes if node.kind == "prim::Loop"]
    assert found.trips[loops[0]] == (8,)  # 6 3 10 5 16 8 4 2 1
    assert found.trips[loops[1]] == (8,)
    assert set(found.trips) == set(loops)
    muls = [node.id for node in static.nodes if node.kind == "aten::mul"]
    in_python = sum(op.name == "mul" for op in recorded.ops)
    tensor_muls = [node for node in muls if static.nodes[node].types == ("Tensor",)]
    assert sum(found.executions[node] for node in tensor_muls) == in_python


class Branch(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        if x.sum() > 0:
            y = torch.tanh(x) * 2
        else:
            y = x - 1
        return y + y


def test_another_input_is_named_as_a_disagreement_at_the_branch() -> None:
    static, recorded, _ = both(Branch(), torch.ones(3))
    run = interpret(static, -torch.ones(3))
    (found,) = overlay(static, recorded, run).disagreements
    (branch,) = [node for node in static.nodes if node.kind == "prim::If"]
    assert (found.node, found.what) == (branch.id, "taken")
    assert (found.interpreted, found.recorded) == ((1,), (0,))
    assert found.source == branch.source
    assert f"`prim::If` at line {branch.source.line} took blocks 1" in found.reason


def test_the_counts_of_several_calls_are_added_up() -> None:
    model = Branch()
    static = script(model)
    inputs = [torch.ones(3), -torch.ones(3), torch.ones(3)]
    with inspector.recording() as session:
        for x in inputs:
            model(x)
    runs = [interpret(static, x) for x in inputs]
    found = overlay(static, session.recording, runs)
    (branch,) = [node.id for node in static.nodes if node.kind == "prim::If"]
    assert found.taken[branch] == (0, 1, 0)
    assert found.executions[branch] == 3
    assert found.disagreements == ()
    one = overlay(static, session.recording, runs[0])
    assert "runs of the code in the recording: 3, interpretations given: 1" in one.method
    assert one.taken[branch] == (0, 1, 0)  # as the recording alone tells


def test_a_trace_interpreted_on_an_input_that_went_elsewhere_disagrees() -> None:
    static = trace(Branch(), torch.ones(3))
    recorded = inspector.record(Branch(), -torch.ones(3))
    found = overlay(static, recorded, interpret(static, -torch.ones(3)))
    (tanh,) = [node.id for node in static.nodes if node.kind == "aten::tanh"]
    assert found.executions[tanh] == 1
    assert tanh in {each.node for each in found.disagreements}
    assert found.first_divergence is not None


def test_without_an_interpretation_the_overlay_is_as_before() -> None:
    static, recorded, _ = both(Branch(), torch.ones(3))
    found = overlay(static, recorded)
    assert found.disagreements == ()
    assert found.method == "source positions, replayed with the values that were read"


class Fails(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(3, 2)

    def forward(self, x: Tensor, n: int) -> Tensor:
        for _ in range(n):
            x = torch.cat([x, x], 1)
        return self.inner(x).relu()


def test_a_run_that_fails_agrees_with_the_recording_that_fails() -> None:
    static, recorded, run = both(Fails(), torch.ones(1, 3), 2)
    assert recorded.failure is not None
    assert run.failure is not None
    found = overlay(static, recorded, run)
    assert found.disagreements == ()
    (cat,) = [node.id for node in static.nodes if node.kind == "aten::cat"]
    (relu,) = [node.id for node in static.nodes if node.kind == "aten::relu"]
    assert (found.executions[cat], found.executions[relu]) == (2, 0)


def test_a_graph_of_one_of_several_equal_modules_is_lit_by_its_own_calls_alone() -> None:
    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(3, 3)

        def forward(self, x: Tensor) -> Tensor:
            x = self.linear(x)
            if bool(x.sum() > 0):
                return x * 2
            return x

    class Stack(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.blocks = nn.ModuleList(Block() for _ in range(3))
            self.unused = Block()

        def forward(self, x: Tensor) -> Tensor:
            for index in (0, 1, 1, 2):
                x = self.blocks[index](x)
            return x

    model = Stack()
    recording = inspector.record(model, torch.ones(2, 3))
    static = script(model.blocks[1])
    (linear,) = [node for node in static.nodes if node.kind == "aten::linear"]
    counts = {
        path: overlay(static, recording, path=path).executions.get(linear.id)
        for path in (None, "blocks.0", "blocks.1", "unused")
    }
    assert counts == {None: 4, "blocks.0": 1, "blocks.1": 2, "unused": 0}
    assert overlay(static, recording, path="blocks.1").unmatched_ops == ()
