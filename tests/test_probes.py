"""The probes: what they find, and that they leave everything as it was."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import inspector
from inspector import probe_batch_mixing, probe_gradients
from inspector.errors import CaptureError
from inspector.findings.rules import RULES
from inspector.found import Finding
from sample_models.bugs import bug_27_batch_mixed, bug_30_wrong_backward


def marked_line(module: Any) -> int:
    lines = Path(module.__file__).read_text().split("\n")
    (line,) = [i for i, text in enumerate(lines, 1) if text.endswith("# cause")]
    return line


def line(finding: Finding) -> int:
    assert finding.source is not None
    return finding.source.line


# -- probe_batch_mixing ----------------------------------------------------------------------------


def test_a_view_that_mixes_the_batch_is_found_at_its_line() -> None:
    module = bug_27_batch_mixed
    (finding,) = probe_batch_mixing(module.buggy_model(), *module.arguments())
    assert (finding.rule, finding.severity) == ("batch-mixed", "warning")
    assert line(finding) == marked_line(module)
    assert "(3, 2, 2) of (2, 3, 2)" in finding.message
    assert probe_batch_mixing(module.fixed_model(), *module.arguments()) == ()
    recording = inspector.record(module.buggy_model(), *module.arguments())
    assert recording.ops[finding.op or 0].name == "view"
    assert inspector.findings(recording, probes=[finding])[0] is finding


def test_a_mean_over_the_batch_is_found() -> None:
    (finding,) = probe_batch_mixing(lambda x: x - x.mean(0), torch.rand(4, 3))
    assert "mean is the first op" in finding.message


def test_attention_with_the_batch_in_the_wrong_place_is_found() -> None:
    x = torch.rand(5, 3, 8)
    for batch_first, count in ((True, 0), (False, 1)):
        layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=batch_first).eval()
        assert len(probe_batch_mixing(layer, x)) == count


def test_batch_norm_mixes_on_purpose_in_train_mode_and_not_in_eval_mode() -> None:
    net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.5))
    (finding,) = probe_batch_mixing(net, torch.rand(5, 3))
    assert finding.severity == "note"
    assert "eval()" in finding.help
    assert probe_batch_mixing(net.eval(), torch.rand(5, 3)) == ()


def test_inputs_without_gradients_are_probed_by_changing_them() -> None:
    table = nn.Embedding(10, 4)
    words = torch.tensor([[1, 2, 3, 4], [5, 6, 7, 8], [9, 0, 1, 2]])
    assert probe_batch_mixing(lambda i: table(i).mean(1), words) == ()
    (finding,) = probe_batch_mixing(lambda i: table(i).reshape(4, 3, 4).sum(0), words)
    assert "reshape" in finding.message


def test_dimensions_that_hold_the_batch_in_runs_or_in_turns_keep_samples_apart() -> None:
    net = nn.Linear(4, 2)
    for fold in (
        lambda x: net(x.flatten(0, 1)).view(3, 5, 2).sum(1),
        lambda x: net(x.transpose(0, 1).flatten(0, 1)).view(5, 3, 2).sum(0),
    ):
        assert probe_batch_mixing(fold, torch.rand(3, 5, 4)) == ()


def test_a_probe_of_mixing_leaves_all_as_it_was() -> None:
    net = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Dropout(0.5), nn.ReLU(inplace=True))
    net(torch.rand(2, 3)).sum().backward()
    before = _everything(net)
    x = torch.rand(4, 3)
    given = x.clone()
    state = torch.get_rng_state()
    probe_batch_mixing(net, x)
    assert torch.equal(state, torch.get_rng_state())
    assert torch.equal(x, given)
    assert x.grad is None
    assert _same(before, _everything(net))


@pytest.mark.parametrize(
    ("model", "x", "words"),
    [
        (nn.Linear(3, 2), torch.ones(1, 3), "at least two samples"),
        (nn.Linear(3, 2), torch.tensor(1.0), "at least two samples"),
        (lambda x: x.sum(), torch.ones(4, 3), "without its loss"),
        (nn.Linear(2, 2), torch.ones(4, 3), "could not run the model: RuntimeError"),
    ],
)
def test_what_cannot_be_probed_for_mixing_is_told(
    model: Callable[..., Any], x: torch.Tensor, words: str
) -> None:
    with pytest.raises(CaptureError, match=words):
        probe_batch_mixing(model, x)


# -- probe_gradients -------------------------------------------------------------------------------


def test_a_wrong_backward_is_found_at_the_call_of_its_function() -> None:
    module = bug_30_wrong_backward
    (finding,) = probe_gradients(module.wrong, *module.arguments())
    assert (finding.rule, finding.severity) == ("wrong-backward", "warning")
    assert line(finding) == marked_line(module)
    assert "WrongCube" in finding.message
    assert probe_gradients(module.right, *module.arguments()) == ()


def test_the_slopes_are_those_of_the_formulas() -> None:
    """Of x³ at 1 with the slope 2x: two thirds of the right one, whatever the direction."""
    (finding,) = probe_gradients(lambda x: bug_30_wrong_backward.WrongCube.apply(x), torch.ones(1))
    told, measured = map(float, re.findall(r"-?\d+\.\d+(?:e-?\d+)?", finding.message))
    assert told / measured == pytest.approx(2 / 3, rel=1e-4)


@pytest.mark.parametrize(
    "model",
    [
        nn.Sequential(nn.Linear(8, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Dropout(0.5)),
        nn.Sequential(nn.LayerNorm(8), nn.GELU(), nn.Linear(8, 3), nn.Softmax(1)),
        nn.LSTM(8, 2),
        nn.TransformerEncoderLayer(8, 2, 16),
        lambda x: torch.stack([x.max(1).values, torch.linalg.norm(x, dim=1)]).sort(0).values,
        lambda x: torch.where(x > 0, x.sqrt(), -x).cumsum(0),
    ],
)
def test_what_torch_computes_is_right(model: Callable[..., Any]) -> None:
    assert probe_gradients(model, torch.rand(5, 8) + 0.1) == ()


def test_writes_in_place_between_ops_do_not_disturb() -> None:
    def program(x: torch.Tensor) -> torch.Tensor:
        y = x * 2
        z = y.sin()
        y[0] = 0
        y.add_(1)
        return (y.exp() + z).sum()

    assert probe_gradients(program, torch.rand(3, 2)) == ()


def test_a_probe_of_gradients_leaves_all_as_it_was() -> None:
    net = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Dropout(0.5), nn.ReLU(inplace=True))
    net(torch.rand(2, 3)).sum().backward()
    before = _everything(net)
    storages = [tensor.data_ptr() for tensor in net.state_dict().values()]
    x = torch.rand(4, 3)
    given = x.clone()
    state = torch.get_rng_state()
    probe_gradients(net, x)
    assert torch.equal(state, torch.get_rng_state())
    assert torch.equal(x, given)
    assert _same(before, _everything(net))
    assert [tensor.data_ptr() for tensor in net.state_dict().values()] == storages
    assert torch.get_default_dtype() is torch.float32
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)  # and it can be trained on
    net(x).sum().backward()
    optimizer.step()


def test_a_function_that_fails_is_told() -> None:
    with pytest.raises(CaptureError, match="could not run the function: RuntimeError"):
        probe_gradients(nn.Linear(2, 2), torch.ones(4, 3))
    with pytest.raises(CaptureError, match="in float64"):
        probe_gradients(lambda x: x @ torch.ones(3, dtype=torch.float32), torch.ones(3))
    assert torch.get_default_dtype() is torch.float32


def test_each_probe_has_a_page_among_the_rules() -> None:
    pages = {rule.name for rule in RULES}
    assert {"batch-mixed", "wrong-backward"} <= pages


def _everything(net: nn.Module) -> dict[str, Any]:
    held = {name: value.clone() for name, value in net.state_dict().items()}
    grads = {
        name: None if one.grad is None else one.grad.clone() for name, one in net.named_parameters()
    }
    modes = {name: module.training for name, module in net.named_modules()}
    return {"held": held, "grads": grads, "modes": modes}


def _same(a: dict[str, Any], b: dict[str, Any]) -> bool:
    tensors = all(
        torch.equal(value, b[part][name])
        for part in ("held", "grads")
        for name, value in a[part].items()
    )
    return tensors and a["modes"] == b["modes"]
