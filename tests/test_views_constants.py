"""What an op says of the numbers that it took, by hand and recorded."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import inspector
from inspector.records import Op, Source
from inspector.views import dynamic_view
from inspector.views.constants import LONGEST, arguments, constants


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("add", "%0, 2", "+ 2"),
        ("radd", "%0, 2", "2 +"),
        ("rsub", "%0, 1", "1 −"),
        ("mul_", "%0, 0.30000000000000004", "× 0.3"),
        ("add", "%0, %1", ""),
        ("add", "%0, %1, alpha=2", "alpha=2"),
        ("matmul", "%0, %1", ""),
        ("sum", "%0, dim=1, keepdim=True", "dim=1, keepdim=True"),
        ("norm", "%0, p='fro', dim=None, keepdim=False, dtype=None", ""),
        ("softmax", "%0, dim=-1, _stacklevel=3, dtype=None", "dim=-1"),
        ("view", "%0, 2, -1", "2, -1"),
        ("getitem", "%0, (:, 0)", "[:, 0]"),
        ("getitem", "%0, (:, %3)", "[:, …]"),
        ("getitem", "%0, %3", ""),
        ("cat", "[%0, %1], dim=1", "dim=1"),
        ("foo", "%0, 'a, b', (1, 2)", "'a, b', (1, 2)"),
        ("foo", "", ""),
        ("foo", "%0, <Thing>", ""),
    ],
)
def test_constants_are_short(name: str, text: str, told: str) -> None:
    assert constants(Op(0, name, name, (), (), arguments=text)) == told


def test_long_constants_are_cut() -> None:
    found = constants(Op(0, "foo", "foo", (), (), arguments=", ".join(["123456"] * 50)))
    assert len(found) == LONGEST
    assert found.endswith("…")


@pytest.mark.parametrize("text", ["(1, 2", "'a", "]]]", ",,,", "{'a': (1, [2"])
def test_broken_texts_of_arguments_raise_nothing(text: str) -> None:
    list(arguments(text))
    constants(Op(0, "foo", "foo", (), (), arguments=text))


def test_what_a_library_passes_on_is_not_told() -> None:
    source, inside = Source("model.py", 1, 0, "f"), Source("linear.py", 9, 0, "forward")
    op = Op(0, "conv2d", "conv2d", (), (), source=source, call_site=inside, arguments="%0, 1, 1")
    assert constants(op) == ""


def test_ops_of_a_model_show_what_the_code_says() -> None:
    class Model(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            y = 1 - x * 3
            return y[:, 0].sum(dim=0) / 4 + y.mean()

    recording = inspector.record(Model(), torch.ones(2, 2))
    view = dynamic_view(recording, frozenset())
    told = {n.title: n.subtitle for n in view.nodes if n.kind == "op"}
    assert told["mul"] == "× 3"
    assert told["rsub"] == "1 −"
    assert told["getitem"] == "[:, 0]"
    assert told["sum"] == "dim=0"
    assert told["div"] == "/ 4"
    assert told["mean"] == ""
