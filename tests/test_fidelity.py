"""With and without recording: the same bits, gradients, buffers, random state and exceptions."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from fidelity import ALL, QUICK, global_state, module_state, outcome, tensors_of
from torch import nn

import inspector
import sample_models
from inspector.check import self_check

CASES = [(sample, name) for sample in sample_models.catalog().values() for name in sample.inputs]
LEVELS = {"default": inspector.CaptureOptions(), "none": QUICK, "full with kernels": ALL}


def _held(model: Any, args: Any) -> dict[str, torch.Tensor | None]:
    """Everything a sample computes on: its modules' tensors and its arguments."""
    holders = [model, *vars(model).values()] if hasattr(model, "__dict__") else [model]
    holders += list(args)
    held: dict[str, torch.Tensor | None] = {}
    for number, holder in enumerate(holders):
        if isinstance(holder, nn.Module):
            held |= {f"{number}.{name}": t for name, t in module_state(holder).items()}
        elif isinstance(holder, torch.Tensor):
            held[str(number)] = holder
    return held


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(("sample", "name"), CASES, ids=[f"{s.name}-{n}" for s, n in CASES])
def test_a_sample_computes_the_same_bits_when_it_is_recorded(
    sample: sample_models.Sample, name: str, level: str
) -> None:
    def run(recorded: bool) -> Any:
        model, args = sample.build(), sample.inputs[name].make()

        def whole() -> Any:
            output = model(*args)
            if sample.loss is not None:
                loss = (
                    sample.loss(output) if callable(sample.loss) else getattr(output, sample.loss)()
                )
                loss.backward()
            return output

        around: Callable[[], Any] = contextlib.nullcontext
        if recorded:
            around = lambda: inspector.recording(LEVELS[level])  # noqa: E731
        return outcome(whole, lambda: _held(model, args), around)

    before = global_state()
    plain, recorded = run(False), run(True)
    assert recorded.differences(plain) == []
    assert global_state() == before


def _tokens() -> torch.Tensor:
    return torch.tensor([[1, 2, 3], [4, 5, 0]])


def _x(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


MODULES: dict[str, tuple[Callable[[], nn.Module], Callable[[], tuple[Any, ...]]]] = {
    "Linear": (lambda: nn.Linear(3, 2), lambda: (_x(4, 3),)),
    "Bilinear": (lambda: nn.Bilinear(3, 2, 4), lambda: (_x(5, 3), _x(5, 2))),
    "Conv1d": (lambda: nn.Conv1d(2, 3, 2), lambda: (_x(1, 2, 5),)),
    "Conv2d": (lambda: nn.Conv2d(2, 3, 3, padding=1), lambda: (_x(1, 2, 5, 5),)),
    "Conv2d reflect": (
        lambda: nn.Conv2d(2, 3, 3, padding=1, padding_mode="reflect"),
        lambda: (_x(1, 2, 5, 5),),
    ),
    "ConvTranspose2d": (lambda: nn.ConvTranspose2d(2, 3, 2, stride=2), lambda: (_x(1, 2, 3, 3),)),
    "MaxPool2d indices": (
        lambda: nn.MaxPool2d(2, return_indices=True),
        lambda: (_x(1, 2, 4, 4).requires_grad_(),),
    ),
    "AdaptiveAvgPool2d": (
        lambda: nn.AdaptiveAvgPool2d(2),
        lambda: (_x(1, 2, 5, 5).requires_grad_(),),
    ),
    "FractionalMaxPool2d": (
        lambda: nn.FractionalMaxPool2d(2, output_size=2),
        lambda: (_x(1, 2, 5, 5).requires_grad_(),),
    ),
    "RNN": (lambda: nn.RNN(3, 4, 2), lambda: (_x(5, 2, 3),)),
    "LSTM": (
        lambda: nn.LSTM(3, 4, 2, bidirectional=True, dropout=0.5, batch_first=True),
        lambda: (_x(2, 5, 3),),
    ),
    "GRU": (lambda: nn.GRU(3, 4), lambda: (_x(5, 2, 3),)),
    "GRU packed": (
        lambda: nn.GRU(3, 4),
        lambda: (nn.utils.rnn.pack_padded_sequence(_x(5, 2, 3), torch.tensor([5, 3])),),
    ),
    "LSTMCell": (lambda: nn.LSTMCell(3, 4), lambda: (_x(2, 3),)),
    "BatchNorm1d": (lambda: nn.BatchNorm1d(3), lambda: (_x(4, 3),)),
    "BatchNorm2d eval": (lambda: nn.BatchNorm2d(3).eval(), lambda: (_x(2, 3, 4, 4),)),
    "LayerNorm": (lambda: nn.LayerNorm(3), lambda: (_x(4, 3),)),
    "GroupNorm": (lambda: nn.GroupNorm(2, 4), lambda: (_x(2, 4, 3),)),
    "InstanceNorm1d": (
        lambda: nn.InstanceNorm1d(4, affine=True, track_running_stats=True),
        lambda: (_x(2, 4, 3),),
    ),
    "RMSNorm": (lambda: nn.RMSNorm(3), lambda: (_x(4, 3),)),
    "Dropout": (lambda: nn.Sequential(nn.Linear(3, 9), nn.Dropout(0.5)), lambda: (_x(4, 3),)),
    "AlphaDropout": (
        lambda: nn.Sequential(nn.Linear(3, 9), nn.AlphaDropout(0.3)),
        lambda: (_x(4, 3),),
    ),
    "RReLU": (lambda: nn.Sequential(nn.Linear(3, 9), nn.RReLU()), lambda: (_x(4, 3),)),
    "PReLU": (lambda: nn.PReLU(), lambda: (_x(4, 3),)),
    "Embedding": (lambda: nn.Embedding(6, 3, padding_idx=0), lambda: (_tokens(),)),
    "Embedding max_norm": (lambda: nn.Embedding(6, 3, max_norm=0.5), lambda: (_tokens(),)),
    "Embedding sparse": (lambda: nn.Embedding(6, 3, sparse=True), lambda: (_tokens(),)),
    "EmbeddingBag": (lambda: nn.EmbeddingBag(6, 3, mode="mean"), lambda: (_tokens(),)),
    "MultiheadAttention": (
        lambda: nn.MultiheadAttention(4, 2, dropout=0.2),
        lambda: (_x(3, 2, 4),) * 3,
    ),
    "MultiheadAttention eval": (
        lambda: nn.MultiheadAttention(4, 2, batch_first=True).eval(),
        lambda: (_x(2, 3, 4),) * 3,
    ),
    "TransformerEncoderLayer": (
        lambda: nn.TransformerEncoderLayer(4, 2, 8),
        lambda: (_x(3, 2, 4),),
    ),
    "TransformerEncoderLayer eval": (
        lambda: nn.TransformerEncoderLayer(4, 2, 8, batch_first=True).eval(),
        lambda: (_x(2, 3, 4),),
    ),
    "TransformerDecoderLayer": (
        lambda: nn.TransformerDecoderLayer(4, 2, 8),
        lambda: (_x(3, 2, 4), _x(5, 2, 4)),
    ),
    "Transformer": (
        lambda: nn.Transformer(4, 2, 1, 1, 8, batch_first=True),
        lambda: (_x(2, 3, 4), _x(2, 2, 4)),
    ),
    "Upsample": (lambda: nn.Upsample(scale_factor=2), lambda: (_x(1, 2, 3, 3).requires_grad_(),)),
    "CrossEntropyLoss": (
        lambda: nn.CrossEntropyLoss(label_smoothing=0.1),
        lambda: (_x(4, 3).requires_grad_(), torch.tensor([0, 2, 1, 1])),
    ),
    "CTCLoss": (
        lambda: nn.CTCLoss(),
        lambda: (
            _x(6, 2, 4).requires_grad_().log_softmax(-1),
            torch.tensor([[1, 2], [3, 1]]),
            torch.tensor([6, 6]),
            torch.tensor([2, 2]),
        ),
    ),
    "AdaptiveLogSoftmaxWithLoss": (
        lambda: nn.AdaptiveLogSoftmaxWithLoss(8, 10, [3, 6], div_value=2.0),
        lambda: (_x(5, 8), torch.tensor([0, 4, 9, 2, 7])),
    ),
    "spectral_norm": (
        lambda: nn.utils.parametrizations.spectral_norm(nn.Linear(3, 4)),
        lambda: (_x(2, 3),),
    ),
    "weight_norm": (
        lambda: nn.utils.parametrizations.weight_norm(nn.Linear(3, 4)),
        lambda: (_x(2, 3),),
    ),
    "orthogonal": (
        lambda: nn.utils.parametrizations.orthogonal(nn.Linear(3, 3)),
        lambda: (_x(2, 3),),
    ),
    "LazyLinear": (lambda: nn.LazyLinear(2), lambda: (_x(4, 3),)),
    "DataParallel": (lambda: nn.DataParallel(nn.Linear(3, 2)), lambda: (_x(4, 3),)),
    "ParameterList": (lambda: _Parameters(), lambda: (_x(4, 3),)),
}


class _Parameters(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scales = nn.ParameterList([torch.ones(3), torch.full((3,), 2.0)])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for scale in self.scales:
            x = x * scale
        return x


@pytest.mark.parametrize("name", MODULES)
@pytest.mark.parametrize("grad", ["training", "without grad"])
def test_a_module_computes_the_same_bits_when_it_is_recorded(name: str, grad: str) -> None:
    build, make = MODULES[name]

    def run(options: inspector.CaptureOptions | None) -> Any:
        torch.manual_seed(3)
        module, args = build(), make()
        session: list[inspector.Session] = []

        def whole() -> Any:
            with torch.set_grad_enabled(grad == "training"):
                output = module(*args)
                first = next(tensors_of(output))
                if first.requires_grad:
                    first.square().sum().backward()
            return output

        @contextlib.contextmanager
        def around() -> Any:
            if options is None:
                yield
                return
            with inspector.recording(options) as running:
                session.append(running)
                yield

        found = outcome(whole, lambda: module_state(module), around)
        for each in session:
            self_check(each.recording)
        return found

    before = global_state()
    plain = run(None)
    assert plain.error is None
    for options in LEVELS.values():
        assert run(options).differences(plain) == []
    assert global_state() == before


def test_an_encoder_layer_takes_its_fast_kernel_as_without_recording() -> None:
    layer = nn.TransformerEncoderLayer(4, 2, 8, batch_first=True).eval()
    with torch.no_grad():
        recording = inspector.record(layer, _x(2, 3, 4))
    assert [op.name for op in recording.ops] == ["_transformer_encoder_layer_fwd"]


def test_an_encoder_layer_takes_the_slow_path_under_a_mode_of_the_user() -> None:
    class Counting(torch.overrides.TorchFunctionMode):
        def __torch_function__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            return func(*args, **(kwargs or {}))

    layer = nn.TransformerEncoderLayer(4, 2, 8, batch_first=True).eval()
    with torch.no_grad(), inspector.recording() as session, Counting():
        layer(_x(2, 3, 4))
    assert "linear" in {op.name for op in session.recording.ops}


ERRORS: dict[str, Callable[[], Any]] = {
    "an op's": lambda: torch.ones(2) @ torch.ones(3),
    "Python's": lambda: torch.ones(3)[5],
    "in backward": lambda: (torch.ones(2, requires_grad=True) * 2).backward(),
    "StopIteration": lambda: next(iter(())),
    "no shape": lambda: torch.ones(2).size(7),
    "a property": lambda: torch.ones(2, 3, 4).requires_grad_("no"),
    "functional": lambda: F.linear(torch.ones(2, 3), torch.ones(2, 2)),
}


@pytest.mark.parametrize("kind", ERRORS)
def test_an_exception_is_the_same_when_it_is_recorded(kind: str) -> None:
    before = global_state()
    plain = outcome(ERRORS[kind])
    assert plain.error is not None
    assert outcome(ERRORS[kind], around=inspector.recording).differences(plain) == []
    assert global_state() == before


def test_the_garbage_collectors_thresholds_are_put_back_unless_the_program_sets_its_own() -> None:
    before = gc.get_threshold()
    try:
        gc.set_threshold(600, 9, 11)
        with inspector.recording():
            torch.ones(2) + 1
        assert gc.get_threshold() == (600, 9, 11)
        with contextlib.suppress(ZeroDivisionError), inspector.recording():
            gc.set_threshold(500)
            _ = 1 / 0
        assert gc.get_threshold()[0] == 500
    finally:
        gc.set_threshold(*before)
