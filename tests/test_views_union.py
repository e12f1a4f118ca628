"""The picture of two runs: which nodes, boxes and edges are of A, of B, of both."""

from __future__ import annotations

import torch
from torch import Tensor, nn

import inspector
import sample_models
from inspector.compare.union import Union, union
from inspector.render import to_bytes
from inspector.views.model import GraphView
from inspector.views.union import A, B, changed_ops, sides_of, union_index, union_view

SIDES = {"only-a", "only-b"}


def of_sample(name: str, a: str, b: str) -> Union:
    sample = sample_models.get(name)
    runs = [
        inspector.record(sample.build(), *sample.inputs[each].make(), loss=sample.loss)
        for each in (a, b)
    ]
    return union(*runs)


def branches() -> Union:
    return of_sample("branching", "mean above zero", "mean below zero")


def trips() -> Union:
    return of_sample("while_loop", "norm 3, two trips", "norm 20, five trips")


def flags(view: GraphView) -> dict[str, set[str]]:
    return {node.id: set(node.flags) for node in view.nodes}


def edges(view: GraphView, kind: str = "data") -> dict[tuple[str, str], tuple[str, ...]]:
    return {(e.source, e.target): e.flags for e in view.edges if e.kind == kind}


# mean, gt, bool; linear, tanh of A; mul, linear, mul of B; mean of the loss.


def test_ops_of_one_branch_are_of_the_run_that_took_it() -> None:
    found = branches()
    assert sides_of(found) == (3, 3, 3, A, A, B, B, B, 3)
    shown = flags(union_view(found, frozenset()))
    only_a = {"op:3", "op:4", "parameters:3"}
    only_b = {"op:5", "op:6", "op:7", "parameters:6"}
    assert all("only-a" in shown[each] for each in only_a)
    assert all("only-b" in shown[each] for each in only_b)
    assert not any(SIDES & shown[each] for each in ("op:0", "op:1", "op:2", "op:8", "tensor:0"))


def test_the_output_of_each_run_is_its_own_node() -> None:
    shown = flags(union_view(branches(), frozenset()))
    outputs = [shown[each] & SIDES for each in shown if each.startswith("output:")]
    assert sorted(map(sorted, outputs)) == [["only-a"], ["only-b"]]


def test_edges_are_of_the_run_in_which_the_tensor_went_that_way() -> None:
    shown = edges(union_view(branches(), frozenset()))
    assert shown["op:0", "op:1"] == ()
    assert shown["tensor:0", "op:0"] == ()
    assert shown["tensor:0", "op:3"] == shown["op:4", "op:8"] == ("only-a",)
    assert shown["tensor:0", "op:5"] == shown["op:7", "op:8"] == ("only-b",)


def test_an_edge_between_two_ops_of_both_is_of_a_alone_when_b_took_a_longer_way() -> None:
    found = trips()
    everything = union_index(found)
    opened = frozenset(everything.by_id)
    shown = edges(union_view(found, opened, everything))
    # A ends after the second matmul [7], B after the fifth [19]; the head is [23].
    assert shown["op:7", "op:23"] == ("only-a",)
    assert shown["op:19", "op:23"] == ("only-b",)
    assert shown["op:3", "op:7"] == ()


def test_a_decision_points_at_what_ran_next_in_each_run() -> None:
    found = branches()
    assert changed_ops(found) == {2}
    view = union_view(found, frozenset())
    assert "changed" in flags(view)["op:2"]
    control = edges(view, "control")
    assert control == {("op:2", "op:3"): ("only-a",), ("op:2", "op:5"): ("only-b",)}


def test_the_last_test_of_a_loop_leads_out_in_a_and_on_in_b() -> None:
    found = trips()
    index = union_index(found)
    control = edges(union_view(found, frozenset(index.by_id), index), "control")
    assert control["op:10", "op:11"] == ("only-b",)
    assert control["op:10", "op:23"] == ("only-a",)
    assert control["op:22", "op:23"] == ("only-b",)


def test_equal_trips_are_drawn_as_one_only_if_they_are_of_the_same_runs() -> None:
    view = union_view(trips(), frozenset())
    nodes = {node.id: node for node in view.nodes}
    # Trips 1 and 2 ran in both, the test of trip 3 came out differently, 4 and 5 are of B.
    assert nodes["trip:0/0"].badge == "×2"
    assert not SIDES & set(nodes["trip:0/0"].flags)
    assert nodes["trip:0/2"].badge == "+1 B"
    assert nodes["trip:0/2"].flags == ("changed",)
    assert nodes["trip:0/3"].badge == "×2"
    assert nodes["trip:0/3"].flags == ("only-b",)


def test_an_open_box_of_one_run_says_so() -> None:
    found = trips()
    index = union_index(found)
    boxes = {box.id: box for box in union_view(found, frozenset(index.by_id), index).boxes}
    assert boxes["trip:0/3"].flags == ("only-b",)
    assert boxes["trip:0/3"].badge == "only B"
    assert boxes["trip:0/0"].flags == boxes["loop:0"].flags == ()


class Skips(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
        self.more = nn.Sequential(nn.Linear(2, 2), nn.Tanh())

    def forward(self, x: Tensor, more: bool) -> Tensor:
        x = self.first(x)
        return self.more(x) if more else x


def test_a_closed_module_that_only_b_called_is_of_b() -> None:
    model, x = Skips(), torch.ones(1, 2)
    found = union(inspector.record(model, x, False), inspector.record(model, x, True))
    shown = {node.title: set(node.flags) for node in union_view(found, frozenset()).nodes}
    assert "only-b" in shown["more"]
    assert not SIDES & shown["first"]


def test_the_same_run_twice_has_no_flag() -> None:
    run = inspector.record(Skips(), torch.ones(1, 2), True)
    view = union_view(union(run, run), frozenset())
    assert not any(SIDES & set(node.flags) or "changed" in node.flags for node in view.nodes)
    assert not any(edge.flags for edge in view.edges)


def test_each_side_has_a_letter_and_a_line_of_its_own_in_both_themes() -> None:
    view = union_view(branches(), frozenset())
    for theme in ("light", "dark"):
        drawn = to_bytes(view, "svg", theme=theme).decode()
        assert drawn.count('class="mark mark-only-a"') == 4  # linear, tanh, parameters, output
        assert drawn.count('class="mark mark-only-b"') == 5
        assert drawn.count('class="mark mark-changed"') == 1
        assert "<title>only in A</title>" in drawn
