"""What an expression ran beside the model is one box: a constructor, a data loader, a helper."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from handmade import Program, assert_sound, edges, ids, node
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

import inspector
from inspector.records import Recording, Source
from inspector.views import ViewIndex, default_open, dynamic_view
from inspector.views.names import describe

CLOSED: frozenset[str] = frozenset()
TEXT = "net = build(3)\nloss = net(x)\nné = clip(loss, 1)  # last\n"
BUILD = Source("train.py", 1, 6, "<module>", 1, 14)
LOSS = Source("train.py", 2, 7, "<module>", 2, 13)
CLIP = Source("train.py", 3, 6, "<module>", 3, 19)  # "é" takes two bytes
LIBRARY = Source("library.py", 40, 4, "helper")


def run(program: Program, *names: str, where: Source, of: Source | None = LIBRARY) -> int:
    """Ops on a new tensor, one after the other, at one place of the user's code."""
    tensor = program.tensor()
    for name in names:
        tensor = program.op(name, tensor, source=where, stack=(where,), call_site=of or where)
    return tensor


def recording(program: Program) -> Recording:
    return program.recording(sources={"train.py": TEXT})


def test_ops_that_one_expression_ran_in_code_of_others_are_one_box() -> None:
    program = Program()
    run(program, "empty", "uniform_", "empty", where=BUILD)
    program.op("linear", 3, source=LOSS, stack=(LOSS,), call_site=LOSS)
    run(program, "norm", "mul", "clamp", where=CLIP)
    made = recording(program)
    view = dynamic_view(made, default_open(made))
    assert_sound(view)
    assert [n for n in ids(view) if not n.startswith("tensor")] == [
        "expression:0",
        "op:3",
        "expression:4",
    ]
    assert node(view, "expression:0").title == "build(3)"
    assert node(view, "expression:0").subtitle == "line 1 · 3 ops"
    assert node(view, "expression:4").title == "clip(loss, 1)"
    assert ("expression:0", "op:3") in edges(view)
    opened = dynamic_view(made, frozenset({"expression:0"}))
    assert_sound(opened)
    assert [n for n in ids(opened) if n.startswith("op")] == ["op:0", "op:1", "op:2", "op:3"]
    assert [(box.id, box.kind) for box in opened.boxes] == [("expression:0", "expression")]
    assert ViewIndex(made).way_to(1) == ("expression:0",)


@pytest.mark.parametrize(
    ("names", "of"),
    [(("norm", "mul"), LIBRARY), (("norm", "mul", "clamp"), None)],
    ids=["two ops", "the user's own ops"],
)
def test_a_few_ops_and_those_of_the_users_own_line_stay_as_they_are(
    names: tuple[str, ...], of: Source | None
) -> None:
    program = Program()
    run(program, *names, where=CLIP, of=of)
    program.op("exp", 0, source=LOSS, stack=(LOSS,), call_site=LOSS)
    assert not [n for n in ids(dynamic_view(recording(program), CLOSED)) if "expression" in n]


def test_an_expression_that_ran_everything_is_not_hidden_in_a_box() -> None:
    program = Program()
    run(program, "norm", "mul", "clamp", where=CLIP)
    assert "op:2" in ids(dynamic_view(recording(program), CLOSED))


def test_ops_of_a_model_keep_their_places() -> None:
    program = Program()
    root = program.call("", type="Net")
    tensor = program.tensor()
    for name in ("norm", "mul", "clamp", "exp"):
        tensor = program.op(name, tensor, call=root, source=CLIP, stack=(CLIP,), call_site=LIBRARY)
    assert len([n for n in ids(dynamic_view(recording(program), CLOSED)) if "op:" in n]) == 4


def test_without_its_text_an_expression_is_called_by_its_line() -> None:
    program = Program()
    run(program, "norm", "mul", "clamp", where=CLIP)
    run(program, "exp", where=LOSS, of=None)
    made = program.recording()
    about = describe(ViewIndex(made), "expression:0")
    assert about is not None
    assert (about.title, about.subtitle, about.size) == ("line 3", "", 3)


class Rows(Dataset[Tensor]):
    def __len__(self) -> int:
        return 4

    def __getitem__(self, at: int) -> Tensor:
        return torch.full((3,), float(at))


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x)


class Deep(nn.Module):
    def __init__(self, depth: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList()
        for _ in range(depth):
            self.layers.append(nn.Linear(3, 3))
        self.head = nn.Linear(3, 1)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = torch.relu(layer(x))
        return self.head(x)


def test_a_loop_in_a_constructor_is_part_of_the_expression_that_called_it() -> None:
    def run(x: Tensor) -> Tensor:
        return Deep(4)(x)

    made = inspector.record(run, torch.ones(2, 3))
    (box,) = [n for n in dynamic_view(made, CLOSED).nodes if n.id.startswith("expression")]
    assert box.title == "Deep(4)"
    assert {made.ops[op].name for op in box.ops} == {"empty", "kaiming_uniform_", "uniform_"}
    assert len(box.ops) == 5 * 4  # weight, bias, and the first values of both


def test_the_gradients_that_a_closed_step_takes_are_no_inputs_of_the_picture() -> None:
    net = nn.Linear(2, 1)

    def train(x: Tensor) -> None:
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        for _ in range(2):
            optimizer.zero_grad()
            net(x).sum().backward()
            optimizer.step()

    made = inspector.record(train, torch.ones(3, 2))
    closed = dynamic_view(made, default_open(made))
    assert_sound(closed)
    assert {n.title for n in closed.nodes if n.kind == "input"} == {"x"}
    steps = frozenset(n.id for n in closed.nodes if n.id.startswith("step:"))
    assert len(steps) == 2
    opened = dynamic_view(made, default_open(made) | steps)
    assert [n.subtitle for n in opened.nodes if n.kind == "input" and n.title == "tensor"]


def test_a_line_that_asks_all_parameters_the_same_asks_once() -> None:
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))

    def run(x: Tensor) -> Tensor:
        trained = [p for p in net.parameters() if p.requires_grad]
        return net(x) * len(trained)

    view = dynamic_view(inspector.record(run, torch.ones(1, 2)), CLOSED)
    (read,) = [n for n in view.nodes if n.kind == "decision"]
    assert (read.title, read.subtitle, read.badge) == ("True", "requires_grad", "×4")
    assert not [source for source, target in edges(view, "data") if target == read.id]


def test_a_training_script_shows_its_steps_and_what_prepares_them_closed() -> None:
    def train() -> None:
        net = Net()
        for batch in DataLoader(Rows(), batch_size=2):
            net(batch).sum().backward()

    made = inspector.record(train)
    view = dynamic_view(made, default_open(made))
    assert_sound(view)
    titles = [n.title for n in view.nodes if n.kind == "box" and n.id.startswith("expression")]
    assert titles[0] == "Net()"
    assert set(titles[1:]) == {"for batch in DataLoader(Rows(), batch_size=2)"}
    inside = {op for n in view.nodes if n.kind == "box" for op in n.ops}
    assert {made.ops[op].name for op in inside} >= {"empty", "uniform_", "full", "stack"}
    shown = [made.ops[op].name for n in view.nodes if n.kind == "op" for op in n.ops]
    assert set(shown) == {"linear", "sum"}
    assert Path(made.ops[0].source.file if made.ops[0].source else "").name == Path(__file__).name
