"""Static graphs as JSON: nothing is lost on the way, and nothing else is believed."""

from __future__ import annotations

import copy
import dataclasses
import json
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import inspector
from inspector.errors import FileFormatError
from inspector.language import Sentence, sentence
from inspector.records import IRNode, Overlay, Source, StaticGraph, StaticWarning
from inspector.static_store import (
    overlay_from_json,
    overlay_to_json,
    static_from_json,
    static_to_json,
)


class Branching(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = torch.nn.Linear(2, 2, bias=False)
        torch.nn.init.eye_(self.inner.weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for _ in range(3):
            if bool(x.sum() > 0):
                x = self.inner(x)
        return x


@pytest.fixture(scope="module")
def graphs() -> dict[str, StaticGraph]:
    model = Branching()
    return {
        "script": inspector.script(model),
        "trace": inspector.trace(model, torch.ones(1, 2)),
    }


@pytest.mark.parametrize(("kind", "calls"), [("script", 1), ("trace", 3)])
def test_a_graph_comes_back_as_it_was(
    graphs: dict[str, StaticGraph], kind: str, calls: int
) -> None:
    static = graphs[kind]
    back = static_from_json(static_to_json(static), "here")
    assert back == static  # of all fields but `origin`
    assert [node.kind for node in back.nodes].count("aten::linear") == calls
    assert back.warnings == static.warnings


def test_a_graph_that_was_read_is_not_live(graphs: dict[str, StaticGraph]) -> None:
    back = static_from_json(static_to_json(graphs["script"]), "here")
    assert back.origin is None
    with pytest.raises(inspector.InspectorError, match="not in this process"):
        inspector.interpret(back, torch.ones(1, 2))


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.complex_numbers(allow_nan=False)
    | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.text(), VALUES, max_size=3))
def test_attributes_keep_their_kind(attributes: dict[str, Any]) -> None:
    node = IRNode(0, "aten::x", (), (), None, source=Source("a.py", 1, 2, "f"))
    static = StaticGraph("script", (dataclasses.replace(node, attributes=attributes),), "")
    back = static_from_json(static_to_json(static), "here")
    assert repr(back.nodes[0].attributes) == repr(attributes)


def test_nan_and_infinity_come_back() -> None:
    attributes = {"value": [math.nan, math.inf, -math.inf, complex(math.nan, math.inf)]}
    static = StaticGraph("script", (IRNode(0, "x", (), (), None, attributes=attributes),), "")
    back = static_from_json(static_to_json(static), "here")
    assert repr(back.nodes[0].attributes["value"]) == "[nan, inf, -inf, (nan+infj)]"


def test_a_live_object_among_the_attributes_is_refused() -> None:
    node = IRNode(0, "x", (), (), None, attributes={"value": torch.ones(1)})
    with pytest.raises(FileFormatError, match="not Tensor"):
        static_to_json(StaticGraph("script", (node,), ""))


def _set(*path: Any) -> Callable[[Any], None]:
    """Set what a path leads to, the last of it being the value."""

    def change(known: Any) -> None:
        *way, name, value = path
        for step in way:
            known = known[step]
        known[name] = value

    return change


@pytest.mark.parametrize(
    "change",
    [
        _set("format", "inspector-recording"),
        _set("version", 2),
        _set("kind", 7),
        _set("text", None),
        _set("nodes", {}),
        _set("nodes", 0, None),
        _set("nodes", 0, "kind", ["aten::add"]),
        _set("nodes", 0, "inputs", "x"),
        _set("nodes", 0, "inputs", [1]),
        _set("nodes", 0, "parent", [0, 0]),
        _set("nodes", 1, "parent", [-1, 0]),
        _set("nodes", 1, "parent", [10**9, 0]),
        _set("nodes", 0, "blocks", -1),
        _set("nodes", 0, "blocks", True),
        _set("nodes", 0, "blocks", 1.0),
        _set("nodes", 0, "source", ["a.py", "1", 0, "f", None, None]),
        _set("nodes", 0, "source", ["a.py", 1]),
        _set("nodes", 0, "attributes", {"value": {"pickle": "gASVAA=="}}),
        _set("nodes", 0, "attributes", {"value": {"float": 3}}),
        _set("nodes", 0, "attributes", {"value": {"tuple": [], "dict": {}}}),
        _set("nodes", 0, "attributes", [1]),
        _set("inputs", [["x", "x"]]),
        _set("warnings", [["a", "b", 3, None, ""]]),
        _set("block_inputs", [[None, 5, []]]),
        _set("block_outputs", [[10**6, 0, []]]),
        _set("sources", {"a.py": 1}),
        lambda known: known.pop("nodes"),
    ],
)
def test_what_does_not_hold_is_refused(
    graphs: dict[str, StaticGraph], change: Callable[[Any], None]
) -> None:
    known = json.loads(static_to_json(graphs["script"]))
    change(copy.deepcopy(known))  # that the path is there
    change(known)
    with pytest.raises(FileFormatError, match="here is not a readable static graph"):
        static_from_json(json.dumps(known).encode(), "here")


@pytest.mark.parametrize(
    "text",
    [b"", b"null", b"[]", b"{}", b"\xff", b"[" * 100_000, b'{"format": NaN}', b'{"a":' * 100_000],
)
def test_other_bytes_are_refused(text: bytes) -> None:
    with pytest.raises(FileFormatError):
        static_from_json(text, "here")


def test_values_nested_without_end_are_refused() -> None:
    known = json.loads(static_to_json(StaticGraph("script", (), "")))
    value: Any = 1
    for _ in range(200):
        value = [value]
    node = static_to_json(StaticGraph("script", (IRNode(0, "x", (), (), None),), ""))
    known["nodes"] = json.loads(node)["nodes"]
    known["nodes"][0]["attributes"] = {"value": value}
    with pytest.raises(FileFormatError, match="deep"):
        static_from_json(json.dumps(known).encode(), "here")


@given(st.binary(max_size=200))
def test_any_bytes_give_a_graph_or_an_error_in_words(text: bytes) -> None:
    with pytest.raises(FileFormatError):
        static_from_json(text, "here")


# -- what ran of a graph ------------------------------------------------------------------------


def test_what_ran_comes_back_as_counts_branches_and_trips(graphs: dict[str, StaticGraph]) -> None:
    static = graphs["script"]
    run = inspector.interpret(static, torch.ones(1, 2))
    ran = Overlay(run.executions, run.taken, run.trips, {})
    back = overlay_from_json(overlay_to_json(ran, static), static, "here")
    (loop,) = (node.id for node in static.nodes if node.kind == "prim::Loop")
    (branch,) = (node.id for node in static.nodes if node.kind == "prim::If")
    assert back.trips == {loop: (3,)}
    assert back.taken == {branch: (0, 0, 0)}
    assert back.executions == run.executions
    assert sum(back.executions[n.id] for n in static.nodes if n.kind == "aten::linear") == 3


@pytest.mark.parametrize(
    "change",
    [
        _set("executions", []),
        _set("executions", 0, -1),
        _set("executions", 0, 1 << 40),
        _set("taken", 0, 0, 0),  # no branch
        _set("taken", 0, 0, 10_000),
        _set("taken", 0, 1, 0, 2),  # of two blocks
        _set("trips", 0, 1, 0, "three"),
        lambda known: known.pop("trips"),
    ],
)
def test_counts_of_another_graph_are_refused(
    graphs: dict[str, StaticGraph], change: Callable[[Any], None]
) -> None:
    static = graphs["script"]
    run = inspector.interpret(static, torch.ones(1, 2))
    known = json.loads(overlay_to_json(Overlay(run.executions, run.taken, run.trips, {}), static))
    change(known)
    with pytest.raises(FileFormatError, match="here is not readable"):
        overlay_from_json(json.dumps(known).encode(), static, "here")


def test_warnings_can_be_told_in_another_language() -> None:
    warning = StaticWarning("Note", sentence("{name} ran.", name="x"), remedy=sentence("Look."))
    static = StaticGraph("script", (), "", warnings=(warning,))
    back = static_from_json(static_to_json(static), "here").warnings[0]
    assert back == warning
    assert isinstance(back.message, Sentence)
    assert (back.message.templates, back.message.values) == (("{name} ran.",), {"name": "x"})
    assert isinstance(back.remedy, Sentence)
