"""PLACEs of lessons, found in runs of small programs; ids are worked out by hand.

Each program's ops count from 0 in the order in which they run.
"""

from __future__ import annotations

import runpy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from textwrap import dedent

import pytest
import torch

import inspector
from inspector.records import StaticGraph
from inspector.render.answers import Book
from inspector.timeline import Kind
from inspector_app.teaching.finding import Found
from inspector_app.teaching.lesson import START, Code, Shown, Spot
from inspector_app.teaching.places import boxes_of, look, moment_of, resolve
from inspector_app.teaching.spots import read_spot

GRAPH = """\
import torch

x = torch.tensor(2.0, requires_grad=True)
y = x + 2
z = y * y * 3
z.backward()
"""  # ops: 0 tensor, 1 add, 2 mul, 3 mul; nodes: 0 Mul, 1 Mul, 2 Add, 3 AccumulateGrad

MODEL = """\
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(2, 2)
        self.blocks = nn.ModuleList([nn.Sequential(nn.Linear(2, 2), nn.ReLU()) for _ in range(2)])

    def forward(self, x):
        x = self.first(x)
        for trip in range(2):
            for block in self.blocks:
                x = block(x)
        if x.sum() > 1e9:
            x = x * 0  # never
        return x

torch.manual_seed(0)
net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
x = torch.ones(1, 2)
net(x).sum().backward()
optimizer.step()
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Book]:
    """Runs a program as NAME.py under a recording."""

    def record(source: str, static: StaticGraph | None = None) -> Book:
        file: Path = tmp_path_factory.mktemp("program") / "program.py"
        file.write_text(dedent(source))
        session = None
        try:
            with inspector.recording() as session:
                runpy.run_path(str(file))
        except RuntimeError:
            pass
        assert session is not None
        recording = session.recording  # its frames are also those of this test
        text = {str(file): recording.sources[str(file)]} if str(file) in recording.sources else {}
        return Book(replace(recording, sources=text), static)

    return record


@pytest.fixture(scope="module")
def graph(run: Callable[..., Book]) -> Book:
    return run(GRAPH)


@pytest.fixture(scope="module")
def model(run: Callable[..., Book]) -> Book:
    return run(MODEL)


def spot(text: str) -> Spot:
    found = read_spot(text)
    assert isinstance(found, Spot)
    return found


def item(text: str, book: Book) -> str | None:
    found = resolve(spot(text), book)
    assert isinstance(found, Found), found
    return found.item


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("op tensor", "dynamic/op:0"),
        ("op add", "dynamic/op:1"),
        ("op mul", "dynamic/op:2"),
        ("op mul 2", "dynamic/op:3"),
        ("op torch.Tensor.add", "dynamic/op:1"),
        ("line y * y", "dynamic/op:2"),
        ("line torch.tensor", "dynamic/op:0"),
        ("tensor x", "dynamic/op:0"),
        ("tensor y", "dynamic/op:1"),
        ("tensor z", "dynamic/op:3"),
        ("grad MulBackward0", "backward/grad:0"),
        ("grad Mul 2", "backward/grad:1"),
        ("grad AddBackward0", "backward/grad:2"),
        ("grad AccumulateGrad", "backward/grad:3"),
    ],
)
def test_ops_lines_tensors_and_autograd_nodes_are_found(
    place: str, expected: str, graph: Book
) -> None:
    assert item(place, graph) == expected


def test_a_line_without_ops_is_selected_in_the_source(graph: Book, model: Book) -> None:
    (file,) = graph.recording.sources
    assert item("line import torch", graph) == f"source/{file}:1"
    (file,) = model.recording.sources
    assert item("line # never", model) == f"source/{file}:16"


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("op exp", "`op exp` is not in this run."),
        ("op mul 3", "`op mul 3` is not in this run: it has only 2 of them."),
        ("line q * q", "No line of the program contains `q * q`."),
        ("tensor q", "`tensor q` is not in this run."),
        ("module net", "`module net` is not in this run."),
        ("parameter weight", "`parameter weight` is not in this run."),
        ("decision", "`decision` is not in this run."),
        ("grad ReluBackward0", "`grad ReluBackward0` is not in this run."),
        ("ir aten::mul", "`ir aten::mul` is not there: no TorchScript was made of this run."),
        ("failure", "This run did not fail."),
    ],
)
def test_what_an_edited_program_does_not_have_is_told_gently(
    place: str, words: str, graph: Book
) -> None:
    assert resolve(spot(place), graph) == words


def test_a_module_is_found_by_its_path_with_or_without_the_class_before_it(model: Book) -> None:
    calls = {call.id: call.path for call in model.recording.module_calls}
    first = next(number for number, path in calls.items() if path == "Net.first")
    blocks = [number for number, path in calls.items() if path == "Net.blocks.0"]
    assert len(blocks) == 2  # once in each trip
    assert item("module blocks.0", model) == f"dynamic/call:{blocks[0]}"
    assert item("module Net.blocks.0 2", model) == f"dynamic/call:{blocks[1]}"
    (op,) = model.recording.module_calls[first].ops
    assert item("module first", model) == f"dynamic/op:{op}"  # a call of one op is drawn as it
    assert resolve(spot("module blocks.0 3"), model) == (
        "`module blocks.0 3` is not in this run: it has only 2 of them."
    )


def test_the_only_outermost_module_is_the_whole_picture_and_no_item(
    run: Callable[..., Book],
) -> None:
    net = "import torch\nnet = torch.nn.Sequential(torch.nn.ReLU(), torch.nn.Tanh())\n"
    assert item("module Sequential", run(net + "net(torch.ones(2))\n")) is None
    twice = run(net + "net(torch.ones(2))\nnet(torch.ones(3))\n")
    calls = [call.id for call in twice.recording.module_calls if call.path == "Sequential"]
    assert item("module Sequential 2", twice) == f"dynamic/call:{calls[1]}"
    relu = run("import torch\nnet = torch.nn.ReLU()\nnet(torch.ones(2))\nnet(torch.ones(2))\n")
    assert item("module ReLU 2", relu) == "dynamic/op:3"  # 0 ones, 1 relu, 2 ones, 3 relu


def test_a_parameter_is_found_beside_the_first_op_that_takes_it() -> None:
    net = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 2))
    with inspector.recording() as session:
        net(torch.ones(1, 2))  # ops: 0 ones, 1 and 2 linear
    book = Book(session.recording)
    assert item("parameter 0.weight", book) == "dynamic/parameters:1"
    assert item("parameter Sequential.1.bias", book) == "dynamic/parameters:2"


def test_a_parameter_made_in_the_run_is_found_where_its_value_was_made(model: Book) -> None:
    made = [op.id for op in model.recording.ops if op.name == "kaiming_uniform_"]
    assert item("parameter first.weight", model) == f"dynamic/op:{made[0]}"
    assert item("parameter blocks.1.0.weight", model) == f"dynamic/op:{made[2]}"


def test_an_input_of_a_model_is_found_by_its_name() -> None:
    net = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.ReLU())
    book = Book(inspector.record(net, torch.ones(1, 2)))
    (number,) = book.recording.inputs
    assert item("tensor input", book) == f"dynamic/tensor:{number}"


def test_an_input_that_is_drawn_beside_each_use_is_found_beside_the_first() -> None:
    def add_up(x: torch.Tensor) -> torch.Tensor:
        return x.sin() + x.cos() + x.tan() + x.exp()

    book = Book(inspector.record(add_up, torch.ones(2)))
    (number,) = book.recording.inputs
    assert item("tensor x", book) == f"dynamic/tensor:{number}@op:0"
    drawn = {node.id for node in book.shown(frozenset()).views()["dynamic"].nodes}
    assert f"tensor:{number}@op:0" in drawn


def test_items_are_drawn_when_their_boxes_are_open(model: Book, graph: Book) -> None:
    places = {
        graph: ["op mul 2", "tensor y", "grad Mul 2", "grad AccumulateGrad"],
        model: [
            "op linear 2", "op relu 4", "parameter first.weight", "module blocks.1",
            "decision", "line self.first(x)", "grad AddmmBackward0", "line optimizer.step",
        ],
    }  # fmt: skip
    for book, texts in places.items():
        for text in texts:
            found = resolve(spot(text), book)
            assert isinstance(found, Found), found
            pane, _, own = str(found.item).partition("/")
            opened = frozenset(found.boxes) ^ book.first_open | (book.first_open & set(found.boxes))
            view = book.shown(frozenset(opened ^ book.first_open)).views()[pane]
            ids = {node.id for node in view.nodes} | {box.id for box in view.boxes}
            assert own in ids, text


def test_a_decision_counts_from_1(model: Book, run: Callable[..., Book]) -> None:
    first = model.recording.decisions[0]
    assert item("decision", model) == f"dynamic/op:{first.op}"
    book = run("""\
        import torch
        x = torch.ones(3)
        if x.shape[0] > 2:
            x = x + 1
        if x.sum() > 0:
            x = x + 2
        """)
    assert [read.kind for read in book.recording.decisions] == ["shape", "bool"]
    assert item("decision", book) == "dynamic/decision:0"
    assert item("decision 2", book) == f"dynamic/op:{book.recording.decisions[1].op}"
    assert resolve(spot("decision 3"), book) == (
        "`decision 3` is not in this run: it has only 2 of them."
    )


def test_a_failure_is_the_op_that_raised_or_the_line(run: Callable[..., Book]) -> None:
    of_op = run("import torch\nx = torch.ones(2, 3)\ny = x + 1\nz = x @ y\n")
    assert item("failure", of_op) == "dynamic/op:2"
    of_line = run("import torch\nx = torch.ones(2)\nraise RuntimeError('no')\n")
    (file,) = of_line.recording.sources
    assert item("failure", of_line) == f"source/{file}:3"


def test_a_node_of_the_ir_is_found_by_its_kind(run: Callable[..., Book]) -> None:
    def compute(x: torch.Tensor, n: int) -> torch.Tensor:
        for _ in range(n):
            x = x * x
        return x * 3

    static = inspector.script(compute)
    book = Book(run(GRAPH).recording, static)
    kinds = [node.kind for node in static.nodes]
    first = kinds.index("aten::mul")
    second = kinds.index("aten::mul", first + 1)
    assert item("ir aten::mul", book) == f"static/ir:{first}"
    assert item("ir mul 2", book) == f"static/ir:{second}"
    loop = kinds.index("prim::Loop")
    assert boxes_of(spot("ir prim::Loop"), book) == (f"ir:{loop}/0",)
    found = resolve(spot("ir aten::mul"), book)
    assert isinstance(found, Found)
    assert found.boxes == (f"ir:{loop}/0",)
    assert moment_of(spot("ir mul"), book) == "`ir mul` is no moment of the run."


# -- boxes and moments -----------------------------------------------------------------------


def test_modules_and_loops_are_boxes_and_ops_are_not(model: Book) -> None:
    calls = [call.id for call in model.recording.module_calls if call.path == "Net.blocks.1"]
    assert boxes_of(spot("module blocks.1 2"), model) == (f"call:{calls[1]}",)
    loops = {run.statement.header: run.id for run in model.index.loops.runs if run.outer is None}
    assert boxes_of(spot("line for trip in"), model) == (f"loop:{loops['for trip in range(2)']}",)
    steps = [step.id for step in model.recording.steps if step.kind == "optimizer_step"]
    assert boxes_of(spot("line optimizer.step"), model) == (f"step:{steps[0]}",)
    found = boxes_of(spot("op linear"), model)
    assert str(found).startswith("`op linear` is no box")
    assert boxes_of(spot("module nothing"), model) == "`module nothing` is not in this run."


def test_moments_are_those_of_the_timeline(graph: Book) -> None:
    entries = list(graph.timeline.entries)
    assert moment_of(spot("op mul"), graph) == entries.index((Kind.OP, 2))
    assert moment_of(spot("grad Add"), graph) == entries.index((Kind.GRAD, 2))
    assert moment_of(spot("line y * y"), graph) == entries.index((Kind.OP, 2))


def test_a_look_has_all_that_a_step_asks_for(graph: Book) -> None:
    shown = Shown(select=spot("op mul 2"), moment=spot("op add"))
    found = look(shown, graph)
    assert (found.selected, found.moment, found.missing) == ("dynamic/op:3", 1, ())
    assert look(Shown(moment=START), graph).moment == 0
    assert look(Shown(), graph).moment is None


def test_what_is_not_there_is_told_once_and_the_rest_is_shown(graph: Book) -> None:
    gone = spot("op exp")
    found = look(Shown(select=gone, moment=gone, open=(gone, spot("op mul"))), graph)
    assert (found.selected, found.moment, found.toggled) == (None, None, ())
    assert len(found.missing) == 2  # of `op exp` once, and that `op mul` is no box


def test_boxes_to_open_are_told_as_a_difference_to_those_that_are_open(model: Book) -> None:
    block = spot("module blocks.0")
    (box,) = boxes_of(block, model)
    assert look(Shown(open=(block,)), model).toggled == (box,)
    assert look(Shown(open=(block, block)), model).toggled == ()
    inside = look(Shown(select=spot("op relu 4")), model)
    opened = model.first_open ^ set(inside.toggled)
    found = resolve(spot("op relu 4"), model)
    assert isinstance(found, Found)
    assert set(found.boxes) <= opened
    assert model.first_open <= opened


def test_a_run_in_which_nothing_ran_has_no_moment(run: Callable[..., Book]) -> None:
    book = run("x = 1\n")
    assert look(Shown(moment=START, select=spot("op add")), book).moment is None


def test_in_the_picture_of_both_an_autograd_node_is_selected_in_that_picture(graph: Book) -> None:
    place = spot("grad AccumulateGrad")
    (own,) = [node.id for node in graph.recording.grad_nodes if "Accumulate" in node.name]
    found = look(Shown(select=place, panes={"left": "twins"}), graph)
    assert found.selected == f"twins/grad:{own}"
    drawn = graph.views(graph.shown(frozenset()))["twins"]
    assert f"grad:{own}" in {node.id for node in drawn.nodes}
    assert look(Shown(select=place, panes={"left": "backward"}), graph).selected == (
        f"backward/grad:{own}"
    )


def test_of_two_runs_the_op_of_an_autograd_node_is_selected_and_what_is_not_drawn_is_told(
    graph: Book, model: Book
) -> None:
    beside = (Code("c", "1"), None)
    last = max(op.id for op in graph.recording.ops if op.name == "mul")
    found = look(Shown(select=spot("grad MulBackward0"), compare=beside), graph)
    assert (found.selected, found.missing) == (f"dynamic/op:{last}", ())
    found = look(Shown(select=spot("op add"), compare=beside), graph)
    assert (found.selected, found.missing) == ("dynamic/op:1", ())
    for place, book in (("grad AccumulateGrad", graph), ("module blocks.0", model)):
        found = look(Shown(select=spot(place), compare=beside), book)
        assert found.selected is None
        assert [str(one) for one in found.missing] == [
            f"`{place}` is not in the picture of two runs: "
            "select an op or a line of the code there."
        ]
