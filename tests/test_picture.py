"""`to_graphviz`: DOT of all three graphs."""

from __future__ import annotations

import re

import graphviz
import pytest

import inspector
import sample_models
from inspector.errors import RenderError


def _branching(name: str) -> tuple[inspector.Recording, inspector.StaticGraph]:
    sample = sample_models.get("branching")
    model, arguments = sample.build(), sample.inputs[name].make()
    return inspector.record(model, *arguments, loss="sum"), inspector.script(model)


def test_each_of_the_three_graphs_is_dot_with_the_names_of_its_nodes() -> None:
    recording, static = _branching("mean above zero")
    overlay = inspector.overlay(static, recording)
    pictures = {
        "dynamic": inspector.to_graphviz(recording),
        "backward": inspector.to_graphviz(recording, "backward"),
        "static": inspector.to_graphviz(static, overlay=overlay),
    }
    wanted = {
        "dynamic": {"mean", "gt", "True", "linear", "tanh"},
        "backward": {"Sum", "Tanh", "Addmm", "T", "above.weight", "above.bias"},
        "static": {"mean", "gt", "Bool", "if", "linear", "tanh", "mul"},
    }
    for graph, picture in pictures.items():
        assert isinstance(picture, graphviz.Source)
        titles = set(re.findall(r">([A-Za-z.]+)<", picture.source))
        assert wanted[graph] <= titles, graph


def test_what_cannot_be_drawn_is_said() -> None:
    forward_only = inspector.record(abs, -1)
    with pytest.raises(RenderError, match="record with a loss"):
        inspector.to_graphviz(forward_only, "backward")
    with pytest.raises(RenderError, match="dynamic"):
        inspector.to_graphviz(forward_only, "sideways")


def test_both_inputs_light_the_other_block_of_the_same_if() -> None:
    taken = {}
    for name in ("mean above zero", "mean below zero"):
        recording, static = _branching(name)
        taken[name] = dict(inspector.overlay(static, recording).taken)
    (above,), (below,) = taken["mean above zero"].items(), taken["mean below zero"].items()
    assert above[0] == below[0], "the same prim::If"
    assert (above[1], below[1]) == ((0,), (1,))
