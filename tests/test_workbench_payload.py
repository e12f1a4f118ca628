"""The workbench's content: JSON, drawings, cards, IR lines; for all samples and hostile runs."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any
from xml.etree import ElementTree

import pytest
import torch
from handmade import NAN, Program, assert_sound, failed
from torch import Tensor, nn
from work import assert_linear

import inspector
import sample_models
from inspector.errors import GraphvizTimeout, ScriptError
from inspector.records import Overlay, Recording, Source, StaticGraph, TensorSummary
from inspector.render.cardparts import duration_text, number_text
from inspector.render.cards import Cards
from inspector.render.figures import gradient_figure
from inspector.render.workbench import Shown, workbench_payload
from inspector.views import default_open

workbench = importlib.import_module("inspector.render.workbench")
SVG = "{http://www.w3.org/2000/svg}"
CASES = [
    (name, given) for name, sample in sample_models.catalog().items() for given in sample.inputs
]


@cache
def shown(name: str, given: str) -> Shown:
    """A sample's run with its script, or its trace where it has none."""
    sample = sample_models.get(name)
    arguments = sample.inputs[given].make()
    recording = inspector.record(sample.build(), *arguments, loss=sample.loss)
    target = sample.static(sample.build())
    try:
        static = inspector.script(target)
    except ScriptError:
        static = inspector.trace(target, *sample.static_inputs(sample.inputs[given].make()))
    overlay = inspector.overlay(static, recording)
    return Shown(recording, static, overlay, opened=default_open(recording))


def everything_open(one: Shown) -> Shown:
    calls = {f"call:{call.id}" for call in one.recording.module_calls}
    steps = {f"step:{step.id}" for step in one.recording.steps}
    assert one.static is not None
    blocks = {f"ir:{n.id}/{i}" for n in one.static.nodes for i in range(n.blocks)}
    return replace(one, opened=frozenset(calls | steps), static_opened=frozenset(blocks))


def pane(payload: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = (p for p in payload["panes"] if p["id"] == name)
    return found


def assert_whole(payload: dict[str, Any]) -> None:
    """JSON without NaN, items with cards, drawings that parse and hold exactly the items."""
    assert json.loads(json.dumps(payload, allow_nan=False)).keys() == payload.keys()
    for name, items in payload["items"].items():
        assert {item["card"] for item in items.values()} <= payload["cards"].keys()
        svg = pane(payload, name)["svg"]
        if svg is not None:
            drawn = {
                e.get("data-id")
                for e in ElementTree.fromstring(svg).iter()
                if "data-id" in e.attrib
            }
            assert drawn, "nothing is drawn"
    assert len(payload["cards"]) == sum(len(items) for items in payload["items"].values())
    assert all(card["title"] for card in payload["cards"].values())


# -- all samples ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "given"), CASES)
def test_every_view_of_every_sample_is_sound_open_and_closed(name: str, given: str) -> None:
    one = shown(name, given)
    for variant in (
        one,
        everything_open(one),
        replace(one, opened=frozenset(), static_opened=frozenset()),
    ):
        for view in variant.views().values():
            assert_sound(view)
            cards = Cards(one.recording, one.static, one.overlay)
            pane_of = {"Dynamic graph": "dynamic", "Backward graph": "backward"}
            for item in view.nodes:
                assert cards.card(pane_of.get(view.name, "static"), item.id)["title"]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "given"), CASES)
def test_the_payload_of_every_sample_is_whole(name: str, given: str) -> None:
    one = shown(name, given)
    payload = workbench_payload(one)
    assert_whole(payload)
    assert pane(payload, "dynamic")["svg"]
    assert pane(payload, "static")["svg"]
    assert bool(pane(payload, "backward")["svg"]) == bool(one.recording.grad_nodes)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted({name for name, _ in CASES}))
def test_with_all_boxes_open_every_sample_is_drawn(name: str) -> None:
    one = everything_open(shown(name, next(given for n, given in CASES if n == name)))
    payload = workbench_payload(one)
    assert_whole(payload)
    assert pane(payload, "dynamic")["svg"]
    assert pane(payload, "static")["svg"]


@pytest.mark.parametrize("name", sorted({name for name, _ in CASES}))
def test_each_line_of_ir_is_the_node_whose_text_it_is(name: str) -> None:
    one = shown(name, next(given for n, given in CASES if n == name))
    assert one.static is not None
    lines = list(workbench.ir_lines(one.static, one.overlay))
    # Each line with a call or a constant is a node; a block's head, its end and return are not.
    expected = [
        line for line in one.static.text.splitlines() if "prim::" in line or "aten::" in line
    ]
    assert sum(line["node"] is not None for line in lines) == len(expected)
    for line in lines:
        if line["node"] is not None:
            node = one.static.nodes[int(line["node"].removeprefix("ir:"))]
            assert f"{node.kind}" in line["text"]
            for output in node.outputs:
                assert f"{output} : " in line["text"]


# -- IR text --------------------------------------------------------------------------------------


class Gate(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.up = nn.Linear(3, 3)
        self.down = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        if bool(x.mean() > 0):
            y = self.up(x)
        else:
            y = torch.tanh(x)
        return y


def gate(sign: int) -> tuple[StaticGraph, Recording, Overlay]:
    static = inspector.script(Gate())
    recording = inspector.record(Gate(), sign * torch.ones(1, 3), loss="sum")
    return static, recording, inspector.overlay(static, recording)


@pytest.mark.parametrize(("sign", "state", "count"), [(1, "skipped", 0), (-1, "executed", 1)])
def test_lines_of_ir_say_whether_they_ran(sign: int, state: str, count: int) -> None:
    static, recording, overlay = gate(sign)
    lines = pane(workbench_payload(Shown(recording, static, overlay)), "irtext")["lines"]
    (tanh,) = (line for line in lines if "aten::tanh" in line["text"])
    assert (tanh["state"], tanh["count"]) == (state, count)


def test_without_an_overlay_no_line_of_ir_is_lit() -> None:
    static, recording, _ = gate(1)
    lines = pane(workbench_payload(Shown(recording, static)), "irtext")["lines"]
    assert {line["state"] for line in lines} == {""}


def test_a_node_in_a_closed_box_is_still_linked_from_its_line() -> None:
    static, recording, overlay = gate(-1)
    payload = workbench_payload(Shown(recording, static, overlay, static_opened=frozenset()))
    (tanh,) = (node for node in static.nodes if node.kind == "aten::tanh")
    (op,) = (op for op in recording.ops if op.name == "tanh")
    assert payload["items"]["static"][f"ir:{tanh.id}"]["ops"] == [op.id]


# -- panes ----------------------------------------------------------------------------------------


def test_a_drawing_that_fails_leaves_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    real = workbench.layout

    def layout(view: Any, *more: Any) -> Any:
        if view.name == "Dynamic graph":
            raise GraphvizTimeout("too large to draw")
        return real(view, *more)

    monkeypatch.setattr(workbench, "layout", layout)
    payload = workbench_payload(Shown(inspector.record(Gate(), torch.ones(1, 3), loss="sum")))
    assert pane(payload, "dynamic")["svg"] is None
    assert pane(payload, "dynamic")["empty"] == "too large to draw"
    assert pane(payload, "backward")["svg"]
    assert payload["items"]["dynamic"]


def test_panes_without_content_say_why() -> None:
    recording = inspector.record(Gate(), torch.ones(1, 3))
    payload = workbench_payload(Shown(recording, static_reason="It cannot be scripted."))
    assert "No backward pass ran" in pane(payload, "backward")["empty"]
    assert pane(payload, "static")["empty"] == "It cannot be scripted."
    assert "irtext" not in {p["id"] for p in payload["panes"]}


def test_the_source_counts_how_often_each_line_ran_with_the_busiest_file_first() -> None:
    program = Program()
    x = program.tensor()
    program.op("relu", x, source=Source("/b/busy.py", 1, 0, "f"))
    program.op("relu", x, source=Source("/b/busy.py", 1, 0, "f"))
    program.op("relu", x, source=Source("/a/idle.py", 2, 0, "f"))
    recording = program.recording(
        sources={"/a/idle.py": "one\ntwo", "/b/busy.py": "first"},
        lines={"/b/busy.py": {1: 2}},
    )
    files = pane(workbench_payload(Shown(recording)), "source")["files"]
    assert [(f["name"], f["lines"], f["hits"]) for f in files] == [
        ("busy.py", ["first"], {"1": 2}),
        ("idle.py", ["one", "two"], {}),
    ]


def test_texts_go_through_the_translation() -> None:
    payload = workbench_payload(
        Shown(inspector.record(torch.relu, torch.ones(1))), translate=str.upper
    )
    assert pane(payload, "dynamic")["title"] == "DYNAMIC GRAPH"
    assert payload["cards"]["dynamic/op:0"]["kind"] == "OP"


def test_the_key_changes_with_the_drawing_only() -> None:
    first = inspector.record(torch.relu, torch.ones(1))
    again = inspector.record(torch.relu, torch.ones(1))
    other = inspector.record(torch.tanh, torch.ones(1))
    keys = [workbench_payload(Shown(recording))["key"] for recording in (first, again, other)]
    assert keys[0] == keys[1] != keys[2]


# -- cards ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (float("nan"), "NaN"),
        (float("inf"), "Inf"),
        (float("-inf"), "-Inf"),
        (3.0, "3"),
        (0.1, "0.1"),
        (1 / 3, "0.3333"),
        (-1e30, "-1e+30"),
        (123456.0, "123456"),
    ],
)
def test_numbers_on_cards_are_short_and_named(value: float | None, text: str) -> None:
    assert number_text(value) == text


@pytest.mark.parametrize(
    ("microseconds", "text"), [(12.4, "12 µs"), (3400.0, "3.4 ms"), (2.5e6, "2.5 s")]
)
def test_durations_have_a_unit(microseconds: float, text: str) -> None:
    assert duration_text(microseconds) == text


def test_a_tensor_with_nan_says_so_on_its_card() -> None:
    program = Program()
    program.op("log", program.tensor(), summary=NAN)
    card = Cards(program.recording()).card("dynamic", "op:0")
    output = card["tensors"][0]
    assert ("NaN", "1") in output["stats"]
    assert output["sample"] == "1, NaN"
    assert output["warn"] is True


def test_statistics_that_are_not_finite_themselves_are_shown() -> None:
    summary = TensorSummary(2, -1e308, 1e308, float("inf"), float("nan"), 0, 0, 0.0)
    program = Program()
    program.op("mul", program.tensor(), summary=summary)
    payload = workbench_payload(Shown(program.recording()))
    json.dumps(payload, allow_nan=False)
    stats = dict(payload["cards"]["dynamic/op:0"]["tensors"][0]["stats"])
    assert (stats["mean"], stats["std"]) == ("Inf", "NaN")


def test_the_card_of_a_failed_op_has_the_error() -> None:
    program = Program()
    program.many("matmul", program.tensor(), results=0)
    card = Cards(program.recording(failure=failed(0, "shapes differ"))).card("dynamic", "op:0")
    assert card["note"] == "RuntimeError: shapes differ"


def test_the_card_of_a_call_sums_up_everything_in_it() -> None:
    program = Program()
    outer = program.call("net")
    inner = program.call("net.0", outer)
    a = program.op("relu", program.tensor(), call=outer, duration_us=10.0)
    b = program.op("exp", a, call=inner, duration_us=20.0)
    program.op("log", b, call=inner, duration_us=30.0, shape=(7, 5))
    cards = Cards(program.recording())
    assert dict(cards.card("dynamic", "call:0")["rows"])["ops"] == "3"
    assert dict(cards.card("dynamic", "call:0")["rows"])["duration"] == "60 µs"
    assert dict(cards.card("dynamic", "call:1")["rows"])["duration"] == "50 µs"
    assert cards.card("dynamic", "call:0")["tensors"][0]["shape"] == "7×5"


def test_a_card_shows_some_tensors_and_says_how_many_more() -> None:
    program = Program()
    program.op("cat", *(program.tensor() for _ in range(2000)))
    tensors = Cards(program.recording()).card("dynamic", "op:0")["tensors"]
    assert len(tensors) == 7
    assert tensors[-1]["name"] == "+1995"  # 2,001 tensors, six shown


def test_the_card_of_a_copy_is_that_of_the_node_it_copies() -> None:
    program = Program()
    program.op("relu", program.tensor())
    program.op("exp", 1)
    cards = Cards(program.recording())
    assert cards.card("dynamic", "op:0@op:1") == cards.card("dynamic", "op:0")
    assert cards.card("dynamic", "op:1@from:op:0") == cards.card("dynamic", "op:1")
    assert cards.card("dynamic", "tensor:0@op:1") == cards.card("dynamic", "tensor:0")
    assert cards.card("static", "value:x.1@ir:3")["title"] == "x.1"


# -- hostile --------------------------------------------------------------------------------------

NAMES = (
    '"quoted" \\',
    "<script>alert(1)</script>",
    "two\nlines",
    "👩‍🔬",
    "a&b;",
    "nul\x00",
    "%d{}",
)


@pytest.mark.parametrize("name", NAMES)
def test_any_name_is_drawn_as_text(name: str) -> None:
    program = Program()
    root = program.call("", type=name)
    block = program.call(name, root, type=name)
    a = program.op(name, program.tensor(), program.tensor(name), call=block)
    b = program.op(name, a, call=block)
    program.read(b, name, "item", call=root)
    program.grad(name, 1)
    program.grad("AccumulateGrad", None, parameter=name)
    recording = program.recording(inputs=(0,), sources={name: name}, failure=failed(2, name))
    for opened in (frozenset[str](), frozenset({"call:1"})):
        payload = workbench_payload(Shown(recording, opened=opened, static_reason=name))
        assert_whole(payload)
        assert "<script>" not in pane(payload, "dynamic")["svg"]


def test_an_empty_recording_is_an_empty_workbench() -> None:
    payload = workbench_payload(Shown(Program().recording()))
    json.dumps(payload, allow_nan=False)
    assert payload["cards"] == {}


@pytest.mark.parametrize(("deep", "opened"), [(500, 0), (500, 5), (40, 40)])
def test_deeply_nested_modules_are_drawn(deep: int, opened: int) -> None:
    program = Program()
    x, call = program.tensor(), None
    for depth in range(deep):
        call = program.call(".".join(["m"] * depth), call)
        x = program.op("relu", x, call=call)
    boxes = frozenset(f"call:{i}" for i in range(opened))
    payload = workbench_payload(Shown(program.recording(inputs=(0,)), opened=boxes))
    assert_whole(payload)
    assert pane(payload, "dynamic")["svg"]


def calls_in_a_loop(count: int) -> Recording:
    """Each call runs four ops and uses one of ten modules with two parameters."""
    program = Program()
    x = program.tensor()
    weights = [program.tensor(f"{i}.weight") for i in range(10)]
    for number in range(count):
        call = program.call(f"Block.{number % 10}")
        x = program.op("linear", x, weights[number % 10], call=call)
        for name in ("relu", "exp", "add"):
            x = program.op(name, x, call=call)
    for number in range(count):
        following = (number + 1,) if number + 1 < count else ()
        leaf = count + (count - 1 - number) % 10
        program.grad("AddmmBackward0", 4 * (count - 1 - number), *following, leaf)
    for number in range(10):
        program.grad("AccumulateGrad", None, parameter=f"{number}.weight")
    return program.recording(inputs=(0,))


@pytest.mark.slow
@pytest.mark.parametrize("opened", ["closed", "open"])
def test_the_work_for_all_cards_of_a_loop_of_modules_grows_with_the_calls(opened: str) -> None:
    def all_cards(count: int) -> Callable[[], None]:
        recording = calls_in_a_loop(count)
        boxes = {f"call:{i}" for i in range(count)} if opened == "open" else set()

        def make() -> None:
            views = Shown(recording, opened=frozenset(boxes)).views()
            cards = Cards(recording)
            for name, view in views.items():
                for node in view.nodes:
                    cards.card(name, node.id)

        return make

    assert_linear(all_cards, 300)


@pytest.mark.slow
def test_five_thousand_ops_in_a_loop_of_modules_are_drawn() -> None:
    payload = workbench_payload(Shown(calls_in_a_loop(1250)))
    assert pane(payload, "dynamic")["svg"]
    assert pane(payload, "backward")["svg"]


@pytest.mark.parametrize("hub", ["mask", "stack"])
def test_a_hub_among_hundreds_of_steps_is_laid_out(hub: str) -> None:
    program = Program()
    x = program.tensor()
    mask, results = program.op("tril", x), []
    for _ in range(300):
        x = program.op("mul", x, mask) if hub == "mask" else program.op("tanh", x)
        results.append(x)
    if hub == "stack":
        x = program.op("stack", *results)
    program.op("relu", x)
    assert pane(workbench_payload(Shown(program.recording(inputs=(0,)))), "dynamic")["svg"]


# -- charts ---------------------------------------------------------------------------------------


def test_the_largest_gradient_of_each_parameter_is_a_bar() -> None:
    model = nn.Linear(2, 1, bias=False)
    figure = gradient_figure(inspector.record(model, torch.tensor([[3.0, -7.0]]), loss="sum"))
    assert figure is not None
    assert list(figure.data[0].x) == ["weight"]
    assert list(figure.data[0].y) == [7.0]  # d sum(w·x) / dw = x


def test_without_gradients_there_is_no_chart() -> None:
    assert gradient_figure(inspector.record(nn.Linear(2, 1), torch.ones(1, 2))) is None


def test_the_users_own_files_come_before_those_of_packages() -> None:
    def script(x: Tensor) -> Tensor:
        return nn.TransformerEncoderLayer(4, 2, batch_first=True)(x) + 1

    payload = workbench_payload(Shown(inspector.record(script, torch.ones(1, 2, 4))))
    names = [file["name"] for file in pane(payload, "source")["files"]]
    assert names[0] == "test_workbench_payload.py"
