"""`interpret` against the compiled module, bit for bit, on what torch.nn and the samples offer.

The oracle is the same compiled code run by torch's own interpreter. Its optimiser is off: it
may fuse, and then the last bits differ from the graph that is shown.
"""

from __future__ import annotations

import copy
import pickle
import warnings
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from inspector.torchscript import load_torchscript, script, trace
from inspector.torchscript.interpret import InterpretOptions, interpret
from inspector.torchscript.live import live_of
from sample_models import catalog

COUNTS_ONLY = InterpretOptions(values="none")


def normal(*shape: int) -> Tensor:
    return torch.randn(*shape)


CLASSES = torch.tensor([0, 1, 2, 0, 1])
MODULES = {
    "RNN": (lambda: nn.RNN(3, 4, nonlinearity="relu"), lambda: [normal(5, 2, 3)]),
    "LSTM": (lambda: nn.LSTM(3, 4, 2, dropout=0.5), lambda: [normal(5, 2, 3)]),
    "LSTM with a state": (
        lambda: nn.LSTM(3, 4, 2, bidirectional=True, batch_first=True),
        lambda: [normal(5, 2, 3), (normal(4, 5, 4), normal(4, 5, 4))],
    ),
    "GRU": (lambda: nn.GRU(3, 4, 2), lambda: [normal(5, 2, 3)]),
    "RNNCell": (lambda: nn.RNNCell(3, 4), lambda: [normal(5, 3)]),
    "LSTMCell": (lambda: nn.LSTMCell(3, 4), lambda: [normal(5, 3)]),
    "GRUCell": (lambda: nn.GRUCell(3, 4), lambda: [normal(5, 3)]),
    "MultiheadAttention": (
        lambda: nn.MultiheadAttention(8, 2, dropout=0.1),
        lambda: [normal(5, 2, 8), normal(5, 2, 8), normal(5, 2, 8)],
    ),
    "MultiheadAttention, own sizes, eval": (
        lambda: nn.MultiheadAttention(8, 2, batch_first=True, kdim=4, vdim=6).eval(),
        lambda: [normal(2, 5, 8), normal(2, 5, 4), normal(2, 5, 6)],
    ),
    "TransformerEncoderLayer": (
        lambda: nn.TransformerEncoderLayer(8, 2, 16),
        lambda: [normal(5, 2, 8)],
    ),
    "TransformerEncoderLayer, eval": (
        lambda: nn.TransformerEncoderLayer(8, 2, 16).eval(),
        lambda: [normal(5, 2, 8)],
    ),
    "TransformerEncoder": (
        lambda: nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2),
        lambda: [normal(5, 2, 8)],
    ),
    "TransformerEncoder, eval": (
        lambda: nn.TransformerEncoder(
            nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2
        ).eval(),
        lambda: [normal(5, 2, 8)],
    ),
    "TransformerDecoderLayer": (
        lambda: nn.TransformerDecoderLayer(8, 2, 16),
        lambda: [normal(5, 2, 8), normal(4, 2, 8)],
    ),
    "Transformer": (
        lambda: nn.Transformer(8, 2, 1, 1, 16, batch_first=True),
        lambda: [normal(5, 2, 8), normal(5, 4, 8)],
    ),
    "BatchNorm1d": (lambda: nn.BatchNorm1d(3), lambda: [normal(5, 3)]),
    "BatchNorm2d, running mean": (
        lambda: nn.BatchNorm2d(3, momentum=None),
        lambda: [normal(5, 3, 4, 4)],
    ),
    "BatchNorm2d, eval": (lambda: nn.BatchNorm2d(3).eval(), lambda: [normal(5, 3, 4, 4)]),
    "InstanceNorm2d": (
        lambda: nn.InstanceNorm2d(3, track_running_stats=True),
        lambda: [normal(5, 3, 4, 4)],
    ),
    "LayerNorm": (lambda: nn.LayerNorm(3), lambda: [normal(5, 3)]),
    "GroupNorm": (lambda: nn.GroupNorm(3, 6), lambda: [normal(5, 6, 2)]),
    "RMSNorm": (lambda: nn.RMSNorm(3), lambda: [normal(5, 3)]),
    "LocalResponseNorm": (lambda: nn.LocalResponseNorm(2), lambda: [normal(5, 6, 2, 2)]),
    "Dropout": (lambda: nn.Dropout(0.5), lambda: [normal(5, 3)]),
    "Dropout, eval": (lambda: nn.Dropout(0.5).eval(), lambda: [normal(5, 3)]),
    "Dropout2d": (lambda: nn.Dropout2d(0.5), lambda: [normal(5, 3, 2, 2)]),
    "AlphaDropout": (lambda: nn.AlphaDropout(0.5), lambda: [normal(5, 3)]),
    "Embedding with max_norm": (
        lambda: nn.Embedding(7, 3, padding_idx=0, max_norm=0.5),
        lambda: [torch.arange(6)],
    ),
    "EmbeddingBag": (
        lambda: nn.EmbeddingBag(7, 3, mode="sum"),
        lambda: [torch.arange(6), torch.tensor([0, 3])],
    ),
    "EmbeddingBag of rows": (
        lambda: nn.EmbeddingBag(7, 3),
        lambda: [torch.arange(6).reshape(2, 3)],
    ),
    "Conv1d, circular": (
        lambda: nn.Conv1d(3, 4, 3, padding_mode="circular", padding=1),
        lambda: [normal(2, 3, 6)],
    ),
    "Conv2d, same": (lambda: nn.Conv2d(3, 4, 3, padding="same"), lambda: [normal(2, 3, 6, 6)]),
    "Conv3d": (lambda: nn.Conv3d(1, 2, 2), lambda: [normal(1, 1, 3, 3, 3)]),
    "ConvTranspose2d": (lambda: nn.ConvTranspose2d(3, 4, 3), lambda: [normal(2, 3, 6, 6)]),
    "ConvTranspose1d with a size": (
        lambda: nn.ConvTranspose1d(3, 4, 3, stride=2),
        lambda: [normal(2, 3, 6), [14]],
    ),
    "MaxPool2d with indices": (
        lambda: nn.MaxPool2d(2, return_indices=True),
        lambda: [normal(2, 3, 6, 6)],
    ),
    "FractionalMaxPool2d": (
        lambda: nn.FractionalMaxPool2d(2, output_size=3),
        lambda: [normal(2, 3, 6, 6)],
    ),
    "AdaptiveMaxPool1d": (lambda: nn.AdaptiveMaxPool1d(2), lambda: [normal(2, 3, 6)]),
    "Upsample": (
        lambda: nn.Upsample(scale_factor=2, mode="bilinear"),
        lambda: [normal(2, 3, 6, 6)],
    ),
    "Fold": (lambda: nn.Fold((4, 4), 2), lambda: [normal(1, 4, 9)]),
    "paddings": (
        lambda: nn.Sequential(nn.ReflectionPad2d(1), nn.ZeroPad2d(2), nn.CircularPad2d(1)),
        lambda: [normal(1, 2, 4, 4)],
    ),
    "activations": (
        lambda: nn.Sequential(
            nn.GELU("tanh"), nn.PReLU(), nn.SELU(), nn.Softmax(-1), nn.GLU(), nn.Hardswish(),
            nn.RReLU(), nn.Threshold(0.1, 2.0), nn.Softplus(), nn.LogSigmoid(), nn.Hardtanh(),
        ),
        lambda: [normal(2, 8)],
    ),
    "Bilinear": (lambda: nn.Bilinear(2, 3, 4), lambda: [normal(5, 2), normal(5, 3)]),
    "Flatten and Unflatten": (
        lambda: nn.Sequential(nn.Flatten(), nn.Unflatten(1, (2, 3)), nn.Identity()),
        lambda: [normal(5, 2, 3)],
    ),
    "CosineSimilarity": (lambda: nn.CosineSimilarity(), lambda: [normal(5, 2), normal(5, 2)]),
    "CrossEntropyLoss": (
        lambda: nn.CrossEntropyLoss(label_smoothing=0.1),
        lambda: [normal(5, 3), CLASSES],
    ),
    "NLLLoss": (lambda: nn.NLLLoss(), lambda: [normal(5, 3), CLASSES]),
    "CTCLoss": (
        lambda: nn.CTCLoss(),
        lambda: [
            normal(6, 2, 4).log_softmax(2),
            torch.ones(2, 3, dtype=torch.long),
            torch.tensor([6, 6]),
            torch.tensor([3, 3]),
        ],
    ),
    "MSELoss": (lambda: nn.MSELoss(), lambda: [normal(5, 3), normal(5, 3)]),
    "HuberLoss": (lambda: nn.HuberLoss(), lambda: [normal(5, 3), normal(5, 3)]),
    "BCEWithLogitsLoss": (
        lambda: nn.BCEWithLogitsLoss(pos_weight=torch.ones(3)),
        lambda: [normal(5, 3), torch.ones(5, 3)],
    ),
    "KLDivLoss": (
        lambda: nn.KLDivLoss(reduction="batchmean"),
        lambda: [normal(5, 3), torch.rand(5, 3)],
    ),
    "TripletMarginLoss": (
        lambda: nn.TripletMarginLoss(),
        lambda: [normal(5, 3), normal(5, 3), normal(5, 3)],
    ),
    "CosineEmbeddingLoss": (
        lambda: nn.CosineEmbeddingLoss(),
        lambda: [normal(5, 3), normal(5, 3), torch.ones(5)],
    ),
}  # fmt: skip


def compiled_call(static, args):
    """What torch's own interpreter makes of the same code; on a copy of the module."""
    live = live_of(static)
    compiled = copy.deepcopy(live.compiled) if live.module is not None else live.compiled
    call = compiled if live.module is None else compiled._c._get_method(live.method.name)
    # A function that first runs unoptimised is never inlined whole again, in any model: this one
    # runs optimised first, on other copies.
    with torch.random.fork_rng():
        warm = copy.deepcopy(compiled) if live.module is not None else compiled
        first = warm if live.module is None else warm._c._get_method(live.method.name)
        first(*copy.deepcopy(args))
    with torch.jit.optimized_execution(False):
        return call(*args), compiled


def assert_equal_bits(left, right) -> None:
    assert type(left) is type(right)
    if isinstance(left, Tensor):
        assert (left.dtype, left.shape, left.stride()) == (right.dtype, right.shape, right.stride())
        assert torch.equal(left, right)
        assert left.requires_grad == right.requires_grad
    elif isinstance(left, list | tuple):
        assert len(left) == len(right)
        for one, other in zip(left, right, strict=True):
            assert_equal_bits(one, other)
    elif isinstance(left, dict):
        assert list(left) == list(right)
        for key in left:
            assert_equal_bits(left[key], right[key])
    else:
        assert left == right


def assert_run_is_the_compiled_one(static, args, *, options=None, taken=None) -> None:
    """Result, written inputs, buffers and random numbers drawn: all the same."""
    args, others = list(args), copy.deepcopy(list(args))
    torch.manual_seed(3)
    expected, compiled = compiled_call(static, others if taken is None else taken(others))
    state = torch.get_rng_state()
    torch.manual_seed(3)
    run = interpret(static, *args, options=options)
    assert run.failure is None
    assert_equal_bits(run.outputs, expected)
    assert_equal_bits(args, others)
    assert torch.equal(torch.get_rng_state(), state)
    if live_of(static).module is not None:
        mine, its = live_of(static).compiled.state_dict(), compiled.state_dict()
        for name in its:
            assert torch.equal(mine[name], its[name]), name


def only_tensors(args):
    return [value for value in args if not isinstance(value, list)]


@pytest.mark.parametrize("name", MODULES)
def test_a_scripted_module_of_torch_runs_bit_for_bit(name: str) -> None:
    make, inputs = MODULES[name]
    static = script(make())
    args = inputs()
    for _ in range(2):  # buffers have moved the second time
        assert_run_is_the_compiled_one(static, args)
    assert_run_is_the_compiled_one(static, args, options=COUNTS_ONLY)


@pytest.mark.parametrize("name", MODULES)
def test_a_traced_module_of_torch_runs_bit_for_bit(name: str) -> None:
    make, inputs = MODULES[name]
    args = inputs()
    static = trace(make(), *args)
    assert_run_is_the_compiled_one(static, args, taken=only_tensors)


@pytest.mark.parametrize("name", ["LSTM with a state", "BatchNorm1d", "TransformerEncoder, eval"])
def test_a_module_loaded_from_a_file_runs_bit_for_bit(name: str, tmp_path: Path) -> None:
    make, inputs = MODULES[name]
    model = make()
    live = live_of(script(Held(model) if name.startswith("LSTM") else model))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"`torch\.jit\.save` is deprecated")
        torch.jit.save(live.compiled, tmp_path / "model.pt")
    static = load_torchscript(tmp_path / "model.pt")
    args = inputs()[:1]
    assert_run_is_the_compiled_one(static, args)


class Held(nn.Module):
    """An LSTM has no plain `forward` to save."""

    def __init__(self, lstm: nn.LSTM) -> None:
        super().__init__()
        self.lstm = lstm

    def forward(self, x: Tensor) -> Tensor:
        return self.lstm(x)[0]


SAMPLES = [
    pytest.param(name, given, id=f"{name}, {given}")
    for name, sample in catalog().items()
    for given in sample.inputs
]


SCRIPTABLE = [case for case in SAMPLES if catalog()[case.values[0]].scriptable]


@pytest.mark.parametrize(("name", "given"), SCRIPTABLE)
def test_every_scriptable_sample_runs_bit_for_bit_on_every_input(name: str, given: str) -> None:
    sample = catalog()[name]
    static = script(sample.static(sample.build()))
    assert_run_is_the_compiled_one(static, sample.static_inputs(sample.inputs[given].make()))


@pytest.mark.parametrize(("name", "given"), SAMPLES)
def test_the_trace_of_every_sample_runs_as_python_does(name: str, given: str) -> None:
    sample = catalog()[name]
    model = sample.static(sample.build())
    make = sample.inputs[given].make
    static = trace(model, *sample.static_inputs(make()))
    torch.manual_seed(3)
    expected = copy.deepcopy(model)(*sample.static_inputs(make()))
    torch.manual_seed(3)
    run = interpret(static, *sample.static_inputs(make()))
    assert run.failure is None
    assert run.notes == ()
    assert_equal_bits(run.outputs, expected)


def test_gradients_flow_through_the_result_as_through_the_module() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1))
    x = normal(5, 3)
    interpret(script(model), x).outputs.sum().backward()
    mine = [parameter.grad.clone() for parameter in model.parameters()]
    model.zero_grad()
    model(x).sum().backward()
    for grad, parameter in zip(mine, model.parameters(), strict=True):
        assert torch.equal(grad, parameter.grad)


def test_a_run_without_grad_builds_no_graph() -> None:
    with torch.no_grad():
        assert not interpret(script(nn.Linear(2, 2)), normal(1, 2)).outputs.requires_grad


def test_a_static_graph_can_still_be_pickled() -> None:
    static = script(nn.Linear(2, 2))
    assert pickle.loads(pickle.dumps(static)) == static
