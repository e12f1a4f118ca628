"""What a tensor's dimensions stand for, who shares its memory, what lies above and below it.

Expected names are those of PyTorch's documentation of each op; families and histories follow
from programs of a few lines, written next to them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from handmade import Program
from torch import nn

import inspector
from inspector.axes import split_arguments
from inspector.records import Recording
from inspector.tensors_about import TensorsAbout, contiguous_strides, strides_of


def about(model: Callable[..., Any], *inputs: torch.Tensor) -> TensorsAbout:
    recording = inspector.record(model, *inputs)
    assert recording.failure is None
    return TensorsAbout(recording)


def inputs_and_outputs(found: TensorsAbout, op: str) -> list[tuple[str, ...]]:
    """The names of the dimensions of all tensors of the first op of that name."""
    row = next(row for row in found.recording.ops if row.name == op)
    return [found.axes(tensor) for tensor in (*row.inputs, *row.outputs)]


# -- dimensions ------------------------------------------------------------------------------------


def test_a_convolution_names_its_pictures_and_its_weight() -> None:
    found = about(nn.Conv2d(3, 5, 2), torch.rand(2, 3, 7, 7))
    nchw = ("N", "C", "H", "W")
    assert inputs_and_outputs(found, "conv2d") == [nchw, ("out", "in", "kH", "kW"), ("out",), nchw]


def test_one_picture_without_a_batch_has_no_n() -> None:
    found = about(nn.Conv2d(3, 5, 2), torch.rand(3, 7, 7))
    assert inputs_and_outputs(found, "conv2d")[0] == ("C", "H", "W")


def test_a_transposed_convolution_has_its_weight_the_other_way_round() -> None:
    found = about(nn.ConvTranspose1d(3, 5, 2), torch.rand(2, 3, 7))
    weight = inputs_and_outputs(found, "conv_transpose1d")[1]
    assert weight == ("in", "out", "kL")


def test_arguments_given_by_name_are_told_apart() -> None:
    found = about(
        lambda x: F.conv2d(weight=torch.ones(2, 3, 1, 1), input=x), torch.rand(1, 3, 4, 4)
    )
    weight, picture, _ = inputs_and_outputs(found, "conv2d")
    assert (weight, picture) == (("out", "in", "kH", "kW"), ("N", "C", "H", "W"))


def test_a_linear_names_features_only_and_leaves_the_rest_open() -> None:
    found = about(nn.Linear(4, 2), torch.rand(7, 5, 4))
    features = ("", "", "features")
    assert inputs_and_outputs(found, "linear") == [features, ("out", "in"), ("out",), features]


def test_an_embedding_names_what_it_adds() -> None:
    found = about(nn.Embedding(10, 4), torch.tensor([[1, 2, 3]]))
    words, weight, out = inputs_and_outputs(found, "embedding")
    assert (words, weight, out) == (("", ""), ("entries", "embedding"), ("", "", "embedding"))


@pytest.mark.parametrize(("batch_first", "order"), [(True, ("N", "T")), (False, ("T", "N"))])
def test_a_recurrent_module_says_whether_the_batch_or_time_comes_first(
    batch_first: bool, order: tuple[str, str]
) -> None:
    found = about(nn.LSTM(3, 4, batch_first=batch_first), torch.rand(2, 5, 3))
    (op,) = (op for op in found.recording.ops if op.name == "lstm")
    assert found.axes(op.inputs[0]) == (*order, "features")
    assert [found.axes(out) for out in op.outputs] == [
        (*order, "H"),
        ("layers", "N", "hidden"),
        ("layers", "N", "hidden"),
    ]
    weights = {found.recording.tensors[i].name: found.axes(i) for i in op.inputs[3:]}
    assert weights == {
        "weight_ih_l0": ("4·hidden", "in"),
        "weight_hh_l0": ("4·hidden", "hidden"),
        "bias_ih_l0": ("4·hidden",),
        "bias_hh_l0": ("4·hidden",),
    }


def test_a_packed_sequence_has_batch_and_time_in_one_dimension() -> None:
    packed = nn.utils.rnn.pack_sequence([torch.rand(3, 3), torch.rand(2, 3)])
    found = about(lambda: nn.GRU(3, 4)(packed)[0].data)
    (op,) = (op for op in found.recording.ops if op.name == "gru")
    assert found.axes(op.inputs[0]) == ("packed", "features")
    assert found.axes(op.outputs[0]) == ("packed", "H")


def test_attention_written_by_hand_is_found_by_what_feeds_and_uses_its_softmax() -> None:
    def attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        scores = q @ k.transpose(-2, -1) / 2.0
        return F.dropout(torch.softmax(scores, dim=-1), 0.0) @ v

    found = about(attend, torch.rand(2, 3, 5, 4), torch.rand(2, 3, 6, 4), torch.rand(2, 3, 6, 4))
    names = ("", "", "queries", "keys")
    assert inputs_and_outputs(found, "softmax") == [names, names]
    first_product = found.recording.ops[1]
    assert (first_product.name, found.axes(first_product.outputs[0])) == ("matmul", names)


def test_a_softmax_over_classes_is_no_attention() -> None:
    found = about(lambda x: torch.softmax(x @ x.t(), dim=-1).sum(), torch.rand(4, 4))
    assert inputs_and_outputs(found, "softmax") == [("", ""), ("", "")]


def test_a_softmax_over_another_dimension_is_no_attention() -> None:
    found = about(lambda x: torch.softmax(x @ x, dim=0) @ x, torch.rand(4, 4))
    assert inputs_and_outputs(found, "softmax")[1] == ("", "")


def test_the_weights_of_multi_head_attention_are_named() -> None:
    heads = nn.MultiheadAttention(8, 2, batch_first=True)
    x = torch.rand(2, 5, 8)
    found = about(lambda x: heads(x, x, x)[1], x)
    names = inputs_and_outputs(found, "multi_head_attention_forward")
    assert names[-2:] == [("queries", "N", "features"), ("N", "queries", "keys")]


def test_elementwise_ops_hand_the_names_on_and_others_do_not() -> None:
    def model(x: torch.Tensor) -> torch.Tensor:
        picture = torch.relu(F.avg_pool2d(x, 1)) * 2 + 1
        return picture.permute(1, 0, 2, 3)

    found = about(model, torch.rand(2, 2, 2, 2))
    ops = {op.name: found.axes(op.outputs[0]) for op in found.recording.ops}
    assert ops["relu"] == ops["mul"] == ops["add"] == ("N", "C", "H", "W")
    assert ops["permute"] == ("", "", "", "")


def test_nothing_is_guessed_from_a_shape() -> None:
    found = about(lambda x: x.sum(), torch.rand(4, 3, 32, 32))
    assert inputs_and_outputs(found, "sum") == [("", "", "", ""), ()]


def test_the_names_of_a_long_elementwise_chain_are_found_without_recursion() -> None:
    program = Program()
    value = program.tensor(shape=(2, 3))
    for _ in range(5000):
        value = program.op("relu", value, shape=(2, 3))
    found = TensorsAbout(program.recording())
    assert found.axes(value) == ("", "")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", []),
        ("%0, (%1, %2), dim=(2, 3)", ["%0", "(%1, %2)", "dim=(2, 3)"]),
        ("%0, 'a, (b', [%1, {1: 2}]", ["%0", "'a, (b'", "[%1, {1: 2}]"]),
        ("%0, '\\', (', 1)", ["%0", "'\\'", "(', 1)"]),
    ],
)
def test_arguments_are_split_at_their_own_commas(text: str, parts: list[str]) -> None:
    assert split_arguments(text) == parts


# -- memory ----------------------------------------------------------------------------------------


def in_place(x: torch.Tensor) -> torch.Tensor:
    y = x.t()  # op 0: a view of x
    x.add_(1)  # op 1: writes x, and so y
    y.mul_(2)  # op 2: writes y
    return y[0]  # op 3: a view of y


def test_a_family_has_views_and_writes_in_order_with_the_ops_that_made_them() -> None:
    found = about(in_place, torch.ones(2, 2))
    returned = found.recording.output[0]
    family = found.about(returned).family
    assert [(one.how, one.op) for one in family] == [
        ("memory", None),
        ("view", 0),
        ("write", 1),  # x
        ("write", 1),  # y, which x.add_ changed too
        ("write", 2),
        ("view", 3),
    ]
    assert [one.op for one in found.about(returned).versions] == [1, 1, 2]
    assert found.family(family[0].tensor) == family


def test_a_tensor_of_its_own_is_alone_in_its_family() -> None:
    found = about(lambda x: x + 1, torch.ones(2))
    (alone,) = found.family(found.recording.output[0])
    assert (alone.how, alone.op) == ("memory", 0)


def test_relatives_are_those_around_the_tensor_and_the_others_are_counted() -> None:
    program = Program()
    first = program.tensor(storage=0)
    numbers = [first]
    for _ in range(20):
        numbers.append(program.tensor(storage=0, alias_of=numbers[-1]))
    found = TensorsAbout(program.recording())
    near, more = found.relatives(numbers[10], 6)
    assert [one.tensor for one in near] == numbers[7:13]
    assert more == 15
    assert [one.tensor for one in found.relatives(numbers[20], 6)[0]] == numbers[15:]
    assert found.relatives(first, 50) == (found.family(first), 0)


def test_strides_are_told_where_they_differ_from_those_of_rows() -> None:
    found = about(lambda x: x.t(), torch.ones(2, 3))
    (source,), (view,) = found.recording.inputs, found.recording.output
    assert (found.about(source).strides, found.about(source).contiguous) == ((3, 1), True)
    assert (found.about(view).strides, found.about(view).contiguous) == ((1, 3), False)


def test_an_expanded_view_spans_only_the_memory_it_looks_into() -> None:
    found = about(lambda x: x.expand(1000, 2), torch.ones(2))
    view = found.about(found.recording.output[0])
    assert view.tensor.nbytes == 8000
    assert view.storage_bytes == 8  # two float32


@pytest.mark.parametrize(
    ("shape", "strides"), [((), ()), ((5,), (1,)), ((2, 3, 4), (12, 4, 1)), ((2, 0, 3), (3, 3, 1))]
)
def test_contiguous_strides_are_those_of_torch(
    shape: tuple[int, ...], strides: tuple[int, ...]
) -> None:
    assert torch.empty(shape).stride() == strides
    assert contiguous_strides(shape) == strides


def test_a_sparse_tensor_has_no_strides() -> None:
    recording = inspector.record(lambda x: x.to_sparse(), torch.eye(2))
    assert strides_of(recording.tensors[recording.output[0]]) is None


# -- history ---------------------------------------------------------------------------------------


def diamond() -> Recording:
    """exp feeds sin and cos, whose sum is squared."""
    program = Program()
    x = program.tensor()
    a = program.op("exp", x)
    b, c = program.op("sin", a), program.op("cos", a)
    program.op("square", program.op("add", b, c))
    return program.recording()


def test_history_goes_up_and_down_by_distance_and_counts_each_op_once() -> None:
    found = TensorsAbout(diamond())
    total = found.recording.ops[3].outputs[0]
    up, down = found.producers(total), found.consumers(total)
    assert [(link.op, link.distance) for link in up.links] == [(3, 1), (1, 2), (2, 2), (0, 3)]
    assert [(link.op, link.distance) for link in down.links] == [(4, 1)]
    assert up.more == down.more == 0


def test_history_shows_the_nearest_ops_and_how_many_more() -> None:
    found = TensorsAbout(diamond())
    up = found.producers(found.recording.ops[4].outputs[0], links=2)
    assert [link.op for link in up.links] == [4, 3]
    assert (up.more, up.at_least) == (3, False)


def test_a_long_history_is_not_counted_to_its_end() -> None:
    program = Program()
    value = first = program.tensor()
    for _ in range(3000):
        value = program.op("relu", value)
    found = TensorsAbout(program.recording())
    up = found.producers(value)
    assert up.at_least
    assert len(up.links) == 12
    assert 900 < up.more < 3000
    assert found.producers(first).links == ()
