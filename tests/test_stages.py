"""Stages of optimisation, what became of each node, and the pictures of it."""

from __future__ import annotations

import contextlib
import copy
import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from handmade import assert_sound
from torch import Tensor, nn

from inspector import optimisation_stages
from inspector.errors import ScriptError
from inspector.irdiff import graph_changes
from inspector.irdiff.sides import CONSTANTS
from inspector.records import IRNode, IRValue, Source, StaticGraph
from inspector.render import layout, to_dot, to_svg
from inspector.render.figures import stages_figure
from inspector.render.stages import stage_payload
from inspector.stages import CHANGE_KINDS, NodeChange, Stage
from inspector.torchscript.copies import in_words
from inspector.views.stages import stage_view

NAMES = ["raw", "inlined", "frozen", "optimised", "executed"]


class Net(nn.Module):
    """A convolution with a batch norm, a loop of three trips, two Linears of one class, dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.first = nn.Linear(4, 4)
        self.second = nn.Linear(4, 4)
        self.drop = nn.Dropout(0.5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.conv(x)).mean((2, 3))
        for _ in range(3):
            x = torch.tanh(x)
        x = self.drop(self.first(x))
        return self.drop(self.second(x))


class Twice(nn.Module):
    """Computes the same thing twice."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.exp(x) * torch.exp(x)


def three_trips(x: Tensor) -> Tensor:
    for _ in range(3):
        x = torch.tanh(x)
    return x


def pointwise(x: Tensor) -> Tensor:
    return torch.sigmoid(torch.tanh(x) * 0.5)


@pytest.fixture(scope="module")
def image() -> Tensor:
    return torch.randn(2, 3, 6, 6, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def stages(image: Tensor) -> dict[str, Stage]:
    return by_name(optimisation_stages(Net().eval(), image))


def by_name(found: tuple[Stage, ...]) -> dict[str, Stage]:
    assert [stage.name for stage in found] == NAMES
    return {stage.name: stage for stage in found}


def kinds_of(graph: StaticGraph | None, numbers: tuple[int, ...]) -> list[str]:
    assert graph is not None
    return [graph.nodes[number].kind for number in numbers]


def changes(
    stages: dict[str, Stage], name: str, kind: str
) -> list[tuple[list[str], list[str], str]]:
    """(kinds before, kinds after, reason) of the changes of one kind."""
    stage = stages[name]
    assert stage.change is not None
    assert stage.compared_with is not None
    before = stages[stage.compared_with].graph
    return [
        (kinds_of(before, one.before), kinds_of(stage.graph, one.after), one.reason)
        for one in stage.change.changes
        if one.kind == kind
    ]


# -- the stages ------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning")
def test_each_stage_has_torchs_own_graph(image: Tensor) -> None:
    model = Net().eval()
    found = by_name(optimisation_stages(model, image))
    compiled = torch.jit.script(copy.deepcopy(model))
    frozen = torch.jit.freeze(torch.jit.script(copy.deepcopy(model)))
    optimised = torch.jit.optimize_for_inference(torch.jit.script(copy.deepcopy(model)))
    for name, graph in (
        ("raw", compiled.graph),
        ("inlined", compiled.inlined_graph),
        ("frozen", frozen.graph),
        ("optimised", optimised.graph),
    ):
        own = found[name].graph
        assert own is not None
        expected = Counter(node.kind() for node in every_node(graph))
        if name == "raw":  # its calls are opened: torch's graph has only the model's own nodes
            called = {node.id for node in own.nodes if node.kind == "prim::CallMethod"}
            outer = [n.kind for n in own.nodes if n.parent is None or n.parent[0] not in called]
            inner = Counter(outer) - expected
            assert not expected - Counter(outer), inner
        else:
            assert found[name].kinds == expected


def every_node(graph: Any) -> Iterator[Any]:
    """All nodes of a torch graph, those in blocks too."""
    for node in graph.nodes():
        yield node
        for block in node.blocks():
            yield from every_node(block)


def test_a_stage_says_what_it_does_and_counts_its_nodes(stages: dict[str, Stage]) -> None:
    for stage in stages.values():
        assert stage.sentence.endswith(".")
        assert stage.reason == ""
        assert stage.graph is not None
        assert sum(stage.kinds.values()) == len(stage.graph.nodes)
        assert 0 < stage.computing < len(stage.graph.nodes)


def test_each_stage_is_compared_with_the_one_before_and_the_executed_with_the_inlined(
    stages: dict[str, Stage],
) -> None:
    pairs = {stage.name: stage.compared_with for stage in stages.values()}
    assert pairs == {
        "raw": None,
        "inlined": "raw",
        "frozen": "inlined",
        "optimised": "frozen",
        "executed": "inlined",
    }


def test_the_model_its_buffers_mode_and_the_random_state_stay_as_they_are(image: Tensor) -> None:
    model = Net().train()
    before = copy.deepcopy(model.state_dict())
    attributes = [set(vars(module)) for module in model.modules()]
    given, random = image.clone(), torch.get_rng_state()
    optimisation_stages(model, image, grad=True)
    assert model.training
    assert model.drop.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert [set(vars(module)) for module in model.modules()] == attributes
    assert all(parameter.grad is None for parameter in model.parameters())
    assert torch.equal(image, given)
    assert torch.equal(torch.get_rng_state(), random)


def test_a_model_in_training_mode_is_frozen_as_a_copy_in_evaluation_mode(image: Tensor) -> None:
    found = by_name(optimisation_stages(Net().train(), image))
    assert "training mode" in found["frozen"].notes[0]
    assert found["frozen"].kinds.get("aten::dropout", 0) == 0
    assert found["inlined"].notes == ()


def test_functions_have_no_frozen_stage_and_say_why() -> None:
    found = by_name(optimisation_stages(three_trips, torch.ones(2)))
    for name in ("frozen", "optimised"):
        assert found[name].graph is None
        assert "modules" in found[name].reason
    assert found["executed"].kinds["aten::tanh"] == 3


def test_without_inputs_nothing_is_run() -> None:
    found = by_name(optimisation_stages(Net().eval()))
    assert found["executed"].graph is None
    assert "no inputs" in found["executed"].reason
    assert found["optimised"].graph is not None


class Unscriptable(nn.Module):
    def forward(self, *xs: Tensor) -> Tensor:
        return torch.tanh(xs[0])


class Failing(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        if bool(x.sum() > 0):
            raise ValueError("no such input")
        return x


def test_what_does_not_script_is_shown_by_its_trace_with_the_compilers_reason() -> None:
    found = by_name(optimisation_stages(Unscriptable(), torch.ones(2)))
    assert found["raw"].graph is not None
    assert found["raw"].graph.kind == "trace"
    assert "cannot be scripted" in found["raw"].notes[0]
    assert found["executed"].kinds["aten::tanh"] == 1


def test_what_neither_scripts_nor_traces_has_five_reasons() -> None:
    class Neither(nn.Module):
        def forward(self, *xs: Tensor) -> Tensor:
            raise ValueError("never")

    found = optimisation_stages(Neither(), torch.ones(2))
    assert [stage.graph for stage in found] == [None] * 5
    assert all(stage.reason for stage in found)


def test_a_run_that_raises_leaves_the_other_stages() -> None:
    found = by_name(optimisation_stages(Failing().eval(), torch.ones(2)))
    assert found["executed"].graph is None
    assert "no such input" in found["executed"].reason
    assert found["frozen"].graph is not None


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_a_stage_that_torch_refuses_has_its_reason_and_the_next_is_compared_with_an_earlier(
    monkeypatch: pytest.MonkeyPatch, image: Tensor
) -> None:
    def refuse(*_args: object, **_more: object) -> None:
        raise RuntimeError("Freezing is out of order today.\nmore")

    frozen = torch.jit.freeze(torch.jit.script(Net().eval()))
    monkeypatch.setattr(torch.jit, "freeze", refuse)
    monkeypatch.setattr(torch.jit, "optimize_for_inference", lambda _model: frozen)
    found = by_name(optimisation_stages(Net().eval(), image))
    assert found["frozen"].graph is None
    assert "Freezing is out of order today." in found["frozen"].reason
    assert found["optimised"].compared_with == "inlined"


def test_only_script_and_trace_can_be_asked_for() -> None:
    with pytest.raises(ValueError, match='"script" or "trace"'):
        optimisation_stages(three_trips, torch.ones(2), how="magic")


def test_the_stages_of_a_trace_carry_the_module_paths_of_its_scopes(image: Tensor) -> None:
    found = by_name(optimisation_stages(Net().eval(), image, how="trace"))
    inlined = found["inlined"].graph
    assert inlined is not None
    paths = [node.module_path for node in inlined.nodes if node.kind == "aten::linear"]
    assert paths == ["first", "second"]


def test_overloaded_forwards_run_too() -> None:
    found = by_name(optimisation_stages(nn.LSTM(3, 4).eval(), torch.ones(5, 2, 3)))
    assert found["executed"].kinds["aten::lstm"] == 1
    assert found["frozen"].graph is None  # torch wants a method called forward


# -- what became of the nodes --------------------------------------------------------------


def test_inlining_takes_calls_away_and_keeps_what_they_call(stages: dict[str, Stage]) -> None:
    gone = changes(stages, "inlined", "gone")
    calls = [reason for kinds, _, reason in gone if kinds == ["prim::CallMethod"]]
    assert len(calls) >= 6  # conv, norm, first, second and drop twice
    assert all("inlined" in reason for reason in calls)
    same = Counter(kinds[0] for kinds, _, _ in changes(stages, "inlined", "same"))
    assert same["aten::linear"] == 2
    assert same["aten::conv2d"] == same["aten::batch_norm"] == 1


def test_a_batch_norm_is_fused_into_the_convolution_before_it(stages: dict[str, Stage]) -> None:
    (one,) = changes(stages, "frozen", "fused")
    assert one[:2] == (["aten::conv2d", "aten::batch_norm"], ["aten::conv2d"])
    assert "weights of conv2d" in one[2]


def test_what_ran_before_does_not_change_the_graph_that_ran_last(image: Tensor) -> None:
    for batch in (1, 2, 3):  # the executor specialises twice, and then goes by the general graph
        optimisation_stages(Net().train(), torch.randn(batch, 3, 6, 6), grad=True)
    found = by_name(optimisation_stages(Net().eval(), image))
    assert (["aten::tanh"], ["aten::tanh"] * 3) in [
        one[:2] for one in changes(found, "executed", "unrolled")
    ]


def test_an_unrolled_loop_has_a_copy_per_trip(stages: dict[str, Stage]) -> None:
    unrolled = changes(stages, "executed", "unrolled")
    assert (["aten::tanh"], ["aten::tanh"] * 3) in [one[:2] for one in unrolled]
    (loop,) = [one for one in unrolled if one[0] == ["prim::Loop"] and not one[1]]
    assert "3 times" in loop[2]


def test_dropout_in_evaluation_mode_and_known_branches_are_gone_with_reasons(
    stages: dict[str, Stage],
) -> None:
    reasons: dict[str, set[str]] = {}
    for kinds, _, reason in changes(stages, "frozen", "gone"):
        reasons.setdefault(kinds[0], set()).add(reason)
    assert reasons["aten::dropout"] == {"dropout does nothing in evaluation mode"}
    assert any("known beforehand" in reason for reason in reasons["prim::If"])
    assert "the value became a constant of the graph" in reasons["prim::GetAttr"]


def test_linear_is_rewritten_for_inference(stages: dict[str, Stage]) -> None:
    found = [one[:2] for one in changes(stages, "optimised", "replaced")]
    assert found.count((["aten::linear"], ["aten::matmul", "aten::add"])) == 2


def test_a_computation_that_is_there_twice_is_merged() -> None:
    found = by_name(optimisation_stages(Twice(), torch.ones(2)))
    assert found["executed"].kinds["aten::exp"] == 1
    (gone,) = changes(found, "executed", "gone")
    assert gone[0] == ["aten::exp"]
    assert "already" in gone[2]


def test_nodes_of_one_class_are_told_apart_by_their_parameters(stages: dict[str, Stage]) -> None:
    stage = stages["frozen"]
    before, after = stages["inlined"].graph, stage.graph
    assert before is not None
    assert after is not None
    assert stage.change is not None
    pairs = [
        (before.nodes[one.before[0]].module_path, after.nodes[one.after[0]].module_path)
        for one in stage.change.changes
        if one.kind == "same" and kinds_of(before, one.before) == ["aten::linear"]
    ]
    assert pairs == [("first", "first"), ("second", "second")]


MODELS = {
    "net": (lambda: Net().eval(), (2, 3, 6, 6)),
    "training": (lambda: Net().train(), (2, 3, 6, 6)),
    "encoder": (lambda: nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).eval(), (2, 4, 8)),
    "gru": (lambda: nn.GRUCell(3, 3), (2, 3)),
    "shared": (lambda: nn.Sequential(*[nn.Linear(3, 3)] * 3), (2, 3)),
}


@pytest.mark.parametrize("how", ["script", "trace"])
@pytest.mark.parametrize("name", MODELS)
def test_each_node_but_constants_is_in_exactly_one_change(name: str, how: str) -> None:
    make, shape = MODELS[name]
    found = by_name(optimisation_stages(make(), torch.randn(shape), how=how))
    for stage in found.values():
        if stage.change is None:
            continue
        assert stage.compared_with is not None
        before = found[stage.compared_with].graph
        for graph, of in ((before, "before"), (stage.graph, "after")):
            assert graph is not None
            wanted = [node.id for node in graph.nodes if node.kind not in CONSTANTS]
            listed = [node for one in stage.change.changes for node in getattr(one, of)]
            assert sorted(listed) == wanted, (stage.name, of)
        assert {one.kind for one in stage.change.changes} <= set(CHANGE_KINDS)


@pytest.mark.parametrize("name", MODELS)
def test_a_graph_compared_with_itself_is_the_same(name: str) -> None:
    make, shape = MODELS[name]
    for stage in optimisation_stages(make(), torch.randn(shape)):
        if stage.graph is not None:
            found = graph_changes(stage.graph, stage.graph)
            assert {one.kind for one in found.changes} == {"same"}
            assert all(one.before == one.after for one in found.changes)


# -- graphs written by hand ----------------------------------------------------------------


def graph(*rows: tuple[str, str, str, int], **more: Any) -> StaticGraph:
    """(output, kind, inputs, line) each, the line 0 for a node without a position."""
    nodes = [
        IRNode(
            number,
            kind,
            tuple(inputs.split()),
            tuple(output.split()),
            None,
            source=Source("m.py", line, 4, "forward") if line else None,
            types=("Tensor",) * len(output.split()),
        )
        for number, (output, kind, inputs, line) in enumerate(rows)
    ]
    returned = {(None, 0): (rows[-1][0],)}
    inputs = (IRValue("%x", "x", "Tensor"),)
    return StaticGraph("hand", tuple(nodes), "", inputs=inputs, block_outputs=returned, **more)


def plain(found: Any) -> set[tuple[str, tuple[int, ...], tuple[int, ...]]]:
    return {(one.kind, one.before, one.after) for one in found.changes}


def test_of_three_nodes_at_one_place_the_one_with_other_inputs_is_gone() -> None:
    before = graph(
        ("%a", "aten::relu", "%x", 3),
        ("%b", "aten::neg", "%x", 4),
        ("%c", "aten::relu", "%b", 3),
        ("%d", "aten::abs", "%b", 5),
        ("%e", "aten::relu", "%d", 3),
        ("%f", "aten::add", "%c %e", 6),
    )
    after = graph(
        ("%1", "aten::neg", "%x", 4),
        ("%2", "aten::relu", "%1", 3),
        ("%3", "aten::abs", "%1", 5),
        ("%4", "aten::relu", "%3", 3),
        ("%5", "aten::add", "%2 %4", 6),
    )
    found = plain(graph_changes(before, after))
    assert ("gone", (0,), ()) in found
    assert ("same", (2,), (1,)) in found
    assert ("same", (4,), (3,)) in found


def test_a_new_kind_at_the_same_place_has_replaced_the_old() -> None:
    before = graph(("%a", "aten::relu", "%x", 3), ("%b", "aten::exp", "%a", 4))
    after = graph(("%a", "aten::relu_", "%x", 3), ("%b", "aten::exp", "%a", 4))
    found = graph_changes(before, after)
    assert plain(found) == {("replaced", (0,), (0,)), ("same", (1,), (1,))}
    assert found.counts == {"replaced": 1, "same": 1}


def test_what_nothing_reads_is_gone_for_that_reason() -> None:
    before = graph(("%a", "aten::relu", "%x", 3), ("%b", "aten::exp", "%x", 4))
    after = graph(("%b", "aten::exp", "%x", 4))
    (gone,) = [one for one in graph_changes(before, after).changes if one.kind == "gone"]
    assert gone == NodeChange("gone", (0,), (), "nothing reads the result")


@contextlib.contextmanager
def fusion_on_the_cpu() -> Iterator[None]:
    """TorchScript fuses pointwise ops on a CPU only when told to."""
    fuses, llvm = torch._C._jit_can_fuse_on_cpu(), torch._C._jit_get_te_must_use_llvm_cpu()
    torch._C._jit_override_can_fuse_on_cpu(True)
    torch._C._jit_set_te_must_use_llvm_cpu(False)
    try:
        yield
    finally:
        torch._C._jit_override_can_fuse_on_cpu(fuses)
        torch._C._jit_set_te_must_use_llvm_cpu(llvm)


@pytest.fixture(scope="module")
def fused() -> dict[str, Stage]:
    with fusion_on_the_cpu():
        return by_name(optimisation_stages(pointwise, torch.randn(4, 4)))


def test_a_fused_kernel_names_the_nodes_that_it_runs(fused: dict[str, Stage]) -> None:
    (one,) = changes(fused, "executed", "fused")
    ops = ["aten::tanh", "aten::mul", "aten::sigmoid"]
    assert one[0] == ops
    assert one[1] == ["prim::TensorExprGroup", *ops]
    assert one[2] == "one kernel for tanh, mul, sigmoid"
    new = {kinds[0]: reason for _, kinds, reason in changes(fused, "executed", "new")}
    assert "checks that the inputs" in new["prim::TypeCheck"]


def test_with_gradients_the_graph_that_autograd_records_as_one_node_is_opened() -> None:
    x = torch.randn(4, 4, requires_grad=True)
    found = by_name(optimisation_stages(pointwise, x, grad=True))
    executed = found["executed"].graph
    assert executed is not None
    kinds = found["executed"].kinds
    assert kinds["aten::tanh"] == kinds["aten::sigmoid"] == 1
    assert "with gradients" in found["executed"].notes[0]


# -- pictures ----------------------------------------------------------------------------


def test_nodes_are_marked_by_what_happens_to_them_and_where_they_come_from(
    stages: dict[str, Stage],
) -> None:
    change = stages["frozen"].change
    before, after = stages["inlined"].graph, stages["frozen"].graph
    assert before is not None
    assert after is not None
    left = stage_view(before, change, "before")
    right = stage_view(after, change, "after")
    for view in (left, right):
        assert_sound(view)
    flags = {node.title: set(node.flags) & set(CHANGE_KINDS) for node in left.nodes}
    assert flags["batch_norm"] == flags["conv2d"] == {"fused"}
    assert flags["dropout"] == {"gone"}
    assert flags["linear"] == set()
    (tanh,) = [node for node in left.nodes if node.title == "tanh"]
    assert tanh.badge == "×3"
    assert [node.flags for node in right.nodes if node.title == "tanh"] == [("unrolled",)] * 3


def test_nodes_of_one_change_light_up_together(stages: dict[str, Stage]) -> None:
    change = stages["frozen"].change
    before, after = stages["inlined"].graph, stages["frozen"].graph
    assert before is not None
    assert after is not None
    left = {n.title: n.ops for n in stage_view(before, change, "before").nodes}
    right = {n.title: n.ops for n in stage_view(after, change, "after").nodes}
    assert left["conv2d"] == left["batch_norm"] == right["conv2d"]
    assert left["tanh"] == right["tanh"]
    assert left["mean"] != right["tanh"]


def test_a_closed_box_counts_the_changes_inside() -> None:
    model = nn.Sequential(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))).eval()
    found = by_name(optimisation_stages(model, torch.ones(2, 3, 6, 6)))
    raw = found["raw"].graph
    assert raw is not None
    view = stage_view(raw, found["inlined"].change, "before", frozenset())
    (box,) = [node for node in view.nodes if node.kind == "box"]
    assert "gone" in box.flags
    assert "gone" in box.subtitle


def test_a_fused_kernel_opens_like_a_box(fused: dict[str, Stage]) -> None:
    executed = fused["executed"]
    assert executed.graph is not None
    view = stage_view(executed.graph, executed.change, "after")
    assert_sound(view)
    (box,) = [box for box in view.boxes if box.title == "TensorExprGroup"]
    assert "fused" in box.flags
    inside = {node.title for node in view.nodes if node.box == box.id}
    assert inside == {"tanh", "mul", "sigmoid"}
    edges = {(edge.source, edge.target) for edge in view.edges}
    names = {node.title: node.id for node in view.nodes}
    assert (names["tanh"], names["mul"]) in edges
    assert (names["mul"], names["sigmoid"]) in edges


def test_marks_have_a_shape_and_words_besides_their_colour(stages: dict[str, Stage]) -> None:
    before = stages["inlined"].graph
    assert before is not None
    view = stage_view(before, stages["frozen"].change, "before")
    drawn = to_svg(view, layout(view), standalone=True)
    assert "<title>not in the next stage</title>" in drawn
    assert "<title>unrolled: a copy for each trip</title>" in drawn
    assert "− " in to_dot(view)
    assert "≡ " in to_dot(view)


def test_a_view_is_of_one_of_two_sides(stages: dict[str, Stage]) -> None:
    graph_ = stages["raw"].graph
    assert graph_ is not None
    with pytest.raises(ValueError, match="before"):
        stage_view(graph_, None, "middle")


def test_the_workbench_shows_two_stages_with_texts_source_and_cards(
    stages: dict[str, Stage],
) -> None:
    payload = json.loads(json.dumps(stage_payload(stages["inlined"], stages["frozen"])))
    panes = {pane["id"]: pane for pane in payload["panes"]}
    assert list(panes) == ["before", "before-text", "after", "after-text", "source"]
    assert panes["before"]["svg"].startswith("<svg")
    assert panes["after-text"]["of"] == "after"
    signs = {line["text"][:1] for line in panes["before-text"]["lines"]}
    assert {" ", "−", "»", "≡"} <= signs
    items = payload["items"]["before"]
    assert all(item["card"] in payload["cards"] for item in items.values())
    notes = [card.get("note", "") for card in payload["cards"].values()]
    assert any("batch norm became part" in note for note in notes)
    lines = {line["node"] for line in panes["before-text"]["lines"] if line["node"]}
    assert lines <= set(items)


def test_a_stage_without_a_graph_shows_its_reason() -> None:
    found = by_name(optimisation_stages(three_trips, torch.ones(2)))
    payload = stage_payload(found["inlined"], found["frozen"])
    (pane,) = [pane for pane in payload["panes"] if pane["id"] == "after"]
    assert pane["svg"] is None
    assert "modules" in pane["empty"]


def test_the_chart_of_node_counts_adds_up(stages: dict[str, Stage]) -> None:
    figure = stages_figure(tuple(stages.values()))
    assert figure is not None
    computing, carrying = figure.data
    assert list(computing.x) == [stage.title for stage in stages.values()]
    totals = [a + b for a, b in zip(computing.y, carrying.y, strict=True)]
    assert totals == [len(s.graph.nodes) for s in stages.values() if s.graph is not None]
    assert stages_figure(()) is None


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_an_error_of_an_op_is_told_by_its_last_line_without_the_interpreters_stack() -> None:
    compiled = torch.jit.trace(lambda x: x.view(2, 3), torch.ones(6))
    with pytest.raises(RuntimeError) as caught:
        compiled(torch.ones(5))
    assert in_words(caught.value).startswith("RuntimeError: shape '[2, 3]' is invalid")


def test_a_stage_is_short_when_printed() -> None:
    raw = optimisation_stages(three_trips, torch.ones(2))[0]
    assert raw.graph is not None
    nodes = len(raw.graph.nodes)
    assert repr(raw) == f"<Stage raw of three_trips: {nodes} nodes, {raw.computing} compute>"
    refused = Stage("frozen", "Frozen", "", reason="It refuses.")
    assert repr(refused) == "<Stage frozen: no graph. It refuses.>"


def test_stages_of_what_is_no_model_are_refused() -> None:
    with pytest.raises(ScriptError, match=r"no stages to show\. The model is a str: pass"):
        optimisation_stages("abc", torch.ones(2))
