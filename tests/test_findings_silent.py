"""Bugs of the gallery about which PyTorch says nothing, and the bounds of their rules.

The line of the cause is marked in each program; shapes and counts were worked out from its text.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import inspector
import sample_models.bugs
from inspector.found import Finding
from inspector.records import Recording
from sample_models.bugs import bugs

SEVERITY = {
    2: "warning", 11: "warning", 12: "warning", 13: "note", 14: "error", 15: "error",
    20: "warning", 21: "warning", 22: "warning", 23: "warning", 24: "warning", 26: "warning",
}  # fmt: skip


def watched(program: Callable[[], Any]) -> Recording:
    with warnings.catch_warnings(record=True), contextlib.suppress(Exception):
        warnings.simplefilter("default")
        with inspector.recording() as session:
            program()
    return session.recording


def loud(recording: Recording) -> list[Finding]:
    return [one for one in inspector.findings(recording) if one.severity != "note"]


def told(program: Callable[[], Any], rule: str) -> list[Finding]:
    return list(inspector.findings(watched(program), select=[rule]))


def only(program: Callable[[], Any], rule: str) -> Finding:
    (finding,) = told(program, rule)
    return finding


def marked_line(number: int) -> tuple[str, int]:
    """(file, line) of the comment `# cause`."""
    folder = Path(sample_models.bugs.__file__).parent
    (path,) = folder.glob(f"bug_{number:02}_*.py")
    (line,) = [
        i for i, text in enumerate(path.read_text().split("\n"), 1) if text.endswith("# cause")
    ]
    return path.name, line


@pytest.mark.parametrize("number", list(SEVERITY))
def test_the_bug_is_found_at_the_op_and_line_of_its_cause(number: int) -> None:
    bug = bugs()[number]
    recording = watched(bug.buggy)
    (finding,) = [one for one in inspector.findings(recording) if one.rule in bug.rules]
    assert finding.severity == SEVERITY[number]
    assert finding.source is not None
    assert (Path(finding.source.file).name, finding.source.line) == marked_line(number)
    assert finding.help
    assert finding.op is not None
    if number not in (12, 13):  # a backward pass, and a decision on what the op made
        op = recording.ops[finding.op].source
        assert op is not None
        assert op.line == finding.source.line
    assert [one.rule for one in loud(recording)] == (
        [] if SEVERITY[number] == "note" else list(bug.rules)
    )


@pytest.mark.parametrize("number", [*SEVERITY, 27, 30])
def test_the_program_put_right_gives_nothing_above_a_note(number: int) -> None:
    recording = watched(bugs()[number].fixed)
    assert recording.failure is None
    assert loud(recording) == []
    assert [one for one in inspector.findings(recording) if one.rule in bugs()[number].rules] == []


@pytest.mark.parametrize("number", [27, 30])
def test_what_takes_a_probe_is_not_found_in_one_run(number: int) -> None:
    assert loud(watched(bugs()[number].buggy)) == []


# -- broadcast-to-square ---------------------------------------------------------------------------


def test_a_square_has_both_shapes_and_the_third() -> None:
    finding = only(bugs()[2].buggy, "broadcast-to-square")
    assert "prediction (4, 1)" in finding.message
    assert "(4, 4)" in finding.message


def test_a_square_that_is_no_loss_is_a_note_and_a_column_made_on_the_spot_is_meant() -> None:
    column, row = torch.ones(3, 1, requires_grad=True), torch.ones(3)
    assert only(lambda: column - row, "broadcast-to-square").severity == "note"
    assert told(lambda: (row[:, None] - row).square().mean(), "broadcast-to-square") == []
    assert told(lambda: row.unsqueeze(1) - torch.ones(3), "broadcast-to-square") == []
    assert told(lambda: column - torch.ones(1), "broadcast-to-square") == []


def test_a_loss_function_given_a_column_and_a_row_is_found() -> None:
    def program() -> None:
        F.mse_loss(torch.ones(3, 1, requires_grad=True), torch.zeros(3)).backward()

    assert only(program, "broadcast-to-square").severity == "warning"


# -- gradient-cut ----------------------------------------------------------------------------------


def test_all_parameters_behind_one_detach_are_one_finding() -> None:
    finding = only(bugs()[11].buggy, "gradient-cut")
    assert "Autoencoder.encoder.weight, Autoencoder.encoder.bias" in finding.message
    assert "detach" in finding.message


class Halves(nn.Module):
    def __init__(self, cut: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.first, self.second, self.cut = nn.Linear(2, 2), nn.Linear(2, 1), cut

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.second(self.cut(self.first(x)))


def step(net: nn.Module) -> None:
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    net(torch.ones(3, 2)).sum().backward()
    optimizer.step()


def test_a_class_number_in_the_middle_cuts_the_gradient() -> None:
    net = Halves(lambda h: F.one_hot(h.argmax(1), 2).float())
    finding = only(lambda: step(net), "gradient-cut")
    assert finding.severity == "warning"
    assert "argmax gives int64" in finding.message


def test_a_part_under_no_grad_may_be_frozen_and_is_a_note() -> None:
    class Frozen(Halves):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            with torch.no_grad():
                h = self.first(x)
            return self.second(h)

    finding = only(lambda: step(Frozen(lambda h: h)), "gradient-cut")
    assert finding.severity == "note"
    assert "no_grad" in finding.message


def test_a_part_that_no_optimizer_holds_may_be_detached() -> None:
    net = Halves(torch.detach)

    def program() -> None:
        optimizer = torch.optim.SGD(net.second.parameters(), lr=0.1)
        net(torch.ones(3, 2)).sum().backward()
        optimizer.step()

    assert [one.severity for one in told(program, "gradient-cut")] == ["note"]


def test_the_generator_is_left_alone_while_the_discriminator_learns() -> None:
    generator, discriminator = nn.Linear(2, 2), nn.Linear(2, 1)

    def program() -> None:
        optimizer = torch.optim.SGD(discriminator.parameters(), lr=0.1)
        discriminator(generator(torch.ones(3, 2)).detach()).sum().backward()
        optimizer.step()

    assert [one.severity for one in told(program, "gradient-cut")] == ["note"]


# -- stale-gradient --------------------------------------------------------------------------------


def test_stale_gradients_are_counted_by_steps() -> None:
    finding = only(bugs()[12].buggy, "stale-gradient")
    assert finding.grad_node is not None
    assert "Backward pass 2 added" in finding.message
    assert "in 2 steps of 3" in finding.message


@pytest.mark.parametrize("to_none", [True, False])
def test_accumulation_on_purpose_is_fine_also_with_gradients_set_to_zero(to_none: bool) -> None:
    net = nn.Linear(2, 1)

    def program() -> None:
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        for _ in range(3):
            for _ in range(2):
                net(torch.ones(1, 2)).sum().backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=to_none)

    assert told(program, "stale-gradient") == []


def test_gradients_of_another_loss_that_are_cleared_before_the_step_are_fine() -> None:
    """As in a GAN: the generator's loss leaves gradients in the discriminator."""
    g, d = nn.Linear(2, 2), nn.Linear(2, 1)

    def program() -> None:
        of_g, of_d = (torch.optim.SGD(net.parameters(), lr=0.1) for net in (g, d))
        for _ in range(3):
            of_d.zero_grad()
            d(g(torch.ones(1, 2)).detach()).sum().backward()
            of_d.step()
            of_g.zero_grad()
            d(g(torch.ones(1, 2))).sum().backward()
            of_g.step()

    assert told(program, "stale-gradient") == []


def test_parameters_without_a_path_are_told_of_too() -> None:
    w = torch.ones(2, requires_grad=True)

    def program() -> None:
        optimizer = torch.optim.SGD([w], lr=0.1)
        for _ in range(2):
            (w * w).sum().backward()
            optimizer.step()

    assert only(program, "stale-gradient").severity == "warning"


# -- unused-in-a-step ------------------------------------------------------------------------------


def test_the_decision_that_skipped_parameters_has_both_values() -> None:
    finding = only(bugs()[13].buggy, "unused-in-a-step")
    assert "where it was True, OneOfTwo.high.bias, OneOfTwo.high.weight" in finding.message
    assert "where it was False, OneOfTwo.low.bias, OneOfTwo.low.weight" in finding.message


# -- nonfinite-value, nonfinite-gradient -----------------------------------------------------------


def test_the_first_value_that_is_not_finite_is_told_with_the_range_before_it() -> None:
    finding = only(bugs()[14].buggy, "nonfinite-value")
    assert "p was between 0 and 1" in finding.message
    assert "log(0) is -inf" in finding.message


def test_a_mask_of_minus_infinity_is_fine() -> None:
    x = torch.ones(2, 3, requires_grad=True)
    mask = torch.tensor([[True, False, False], [False, False, True]])

    def program() -> None:
        torch.softmax(x.masked_fill(mask, float("-inf")), 1).square().sum().backward()

    assert inspector.findings(watched(program)) == ()


def test_a_row_that_is_masked_as_a_whole_is_told_at_its_softmax() -> None:
    x = torch.ones(2, 3, requires_grad=True)

    def program() -> None:
        scores = x.masked_fill(torch.tensor([[True] * 3, [False] * 3]), float("-inf"))
        torch.softmax(scores, 1).sum().backward()

    recording = watched(program)
    (finding,) = inspector.findings(recording, select=["nonfinite-value"])
    assert finding.severity == "error"
    assert recording.ops[finding.op or 0].name == "softmax"


def test_nan_in_data_is_told_as_such() -> None:
    x = torch.tensor([1.0, float("nan")])
    recording = inspector.record(nn.Linear(2, 1), x, loss="sum")
    (finding,) = loud(recording)
    assert finding.rule == "nonfinite-value"
    assert "came in from outside" in finding.message


def test_nan_in_a_result_that_no_loss_uses_is_a_note() -> None:
    finding = only(lambda: torch.sqrt(torch.tensor([-1.0])), "nonfinite-value")
    assert finding.severity == "note"
    assert "sqrt of a negative number" in finding.message


def test_a_loss_that_grows_out_of_range_is_told_once_and_not_in_every_step() -> None:
    net = nn.Linear(4, 4, bias=False)

    def program() -> None:
        optimizer = torch.optim.SGD(net.parameters(), lr=1e6)
        for _ in range(12):
            optimizer.zero_grad()
            loss = net(torch.ones(2, 4)).square().mean()
            loss.backward()
            optimizer.step()

    found = told(program, "nonfinite-value")
    assert len({one.source for one in found}) == len(found) <= 2
    assert "beyond what float32 can hold" in found[0].message


def test_a_finite_loss_with_a_nan_gradient_names_the_derivative() -> None:
    finding = only(bugs()[15].buggy, "nonfinite-gradient")
    assert "SqrtBackward0" in finding.message
    assert finding.grad_node is not None


def test_weights_that_a_step_made_nan_do_not_make_findings_of_their_own() -> None:
    net = nn.Linear(2, 1)

    def program() -> None:
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        for _ in range(3):
            optimizer.zero_grad()
            torch.sqrt(net(torch.zeros(1, 2)) * 0).sum().backward()
            optimizer.step()

    assert [one.rule for one in loud(watched(program))] == ["nonfinite-gradient"]


# -- modes -----------------------------------------------------------------------------------------


def test_batch_norm_of_one_sample_in_train_mode_is_the_failed_op() -> None:
    recording = inspector.record(nn.BatchNorm1d(3), torch.ones(1, 3))
    found = [one for one in loud(recording) if one.rule == "inference-in-train-mode"]
    assert [one.op for one in found] == [recording.failure.op if recording.failure else None]
    assert "(1, 3)" in found[0].message


def test_a_forward_in_train_mode_is_a_note_and_in_eval_mode_nothing() -> None:
    net = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5))
    found = inspector.findings(inspector.record(net, torch.ones(1, 2)))
    assert [(one.rule, one.severity) for one in found] == [("inference-in-train-mode", "note")]
    assert inspector.findings(inspector.record(net.eval(), torch.ones(1, 2))) == ()


def test_a_generator_that_runs_without_gradients_for_a_discriminator_is_fine() -> None:
    generator = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    discriminator = nn.Linear(2, 1)

    def program() -> None:
        optimizer = torch.optim.SGD([*generator.parameters(), *discriminator.parameters()], lr=0.1)
        for _ in range(2):
            optimizer.zero_grad()
            with torch.no_grad():
                fake = generator(torch.rand(4, 2))
            discriminator(fake).sum().backward()
            discriminator(generator(torch.rand(4, 2))).sum().backward()
            optimizer.step()

    assert told(program, "inference-in-train-mode") == []


def test_functional_dropout_in_eval_mode_is_a_note() -> None:
    class Net(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return F.dropout(F.dropout(x, 0.0), 0.5)

    recording = inspector.record(Net().eval(), torch.ones(3))
    (finding,) = inspector.findings(recording)
    assert (finding.rule, finding.severity, finding.op) == ("dropout-always-on", "note", 1)


# -- graphs-kept-alive -----------------------------------------------------------------------------


def test_the_nodes_that_a_sum_keeps_alive_are_counted() -> None:
    finding = only(bugs()[21].buggy, "graphs-kept-alive")
    # Mean, Pow, Addmm, T and two AccumulateGrad of each pass, and an addition each.
    assert "4 backward passes" in finding.message
    assert "28 autograd nodes" in finding.message


@pytest.mark.parametrize(
    "add",
    [
        lambda total, loss: total + loss * 3,
        lambda total, loss: total + loss / 4,
        lambda total, loss: 0.9 * total + 0.1 * loss,
    ],
)
def test_a_sum_of_scaled_losses_is_found_however_it_is_written(
    add: Callable[[Any, torch.Tensor], torch.Tensor],
) -> None:
    w = torch.ones(2, requires_grad=True)

    def program(detached: bool = False) -> None:
        total: Any = 0.0
        for _ in range(3):
            loss = (w * 2).sum()
            loss.backward()
            total = add(total, loss.detach() if detached else loss)

    assert "3 backward passes" in only(program, "graphs-kept-alive").message
    assert told(lambda: program(detached=True), "graphs-kept-alive") == []


def test_a_sum_that_backward_goes_through_is_fine() -> None:
    w = torch.ones(2, requires_grad=True)

    def program() -> None:
        total = torch.zeros(())
        for _ in range(3):
            total = total + (w * 2).sum()
        total.backward()

    assert told(program, "graphs-kept-alive") == []


# -- dead-relu, vanishing, exploding ---------------------------------------------------------------


def test_a_dead_relu_has_the_number_of_its_values() -> None:
    assert "all its 384 values are 0" in only(bugs()[22].buggy, "dead-relu").message  # 3 · 8 · 16


def test_a_dead_relu_of_few_values_or_one_pass_is_no_warning() -> None:
    few = torch.full((3,), -1.0, requires_grad=True)
    many = torch.full((200,), -1.0, requires_grad=True)
    assert told(lambda: torch.relu(few).sum().backward(), "dead-relu") == []
    assert only(lambda: torch.relu(many).sum().backward(), "dead-relu").severity == "note"


def test_the_line_that_shrinks_the_gradient_most_is_told_with_its_calls() -> None:
    recording = watched(bugs()[23].buggy)
    (finding,) = inspector.findings(recording, select=["vanishing-gradient"])
    assert {recording.ops[op].name for op in (finding.op or 0, *finding.related)} == {"sigmoid"}
    assert "in 12 calls" in finding.message


def test_a_gradient_that_explodes_is_told_at_its_product() -> None:
    class Steep(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.ModuleList(nn.Linear(4, 4, bias=False) for _ in range(10))
            for layer in self.layers:
                nn.init.constant_(layer.weight, 2.0)  # each makes 8 of 1

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            for number, layer in enumerate(self.layers):
                x = layer(x) if number < 9 else 1e-9 * layer(x)
            return x

    net = Steep()
    # All gradients of weights are equal in size there: input times what comes back is constant.
    assert told(lambda: net(torch.ones(1, 4)).sum().backward(), "exploding-gradient") == []

    def saturating() -> None:
        x = torch.ones(1, 4)
        for layer in net.layers:
            x = layer(x.detach() * 0 + 1) + (x - x.detach()) * 8.0
        x.sum().backward()

    assert only(saturating, "exploding-gradient").parameter == "Linear.weight"


@pytest.mark.parametrize(("rule", "factor"), [("vanishing", 0.01), ("exploding", 100.0)])
def test_many_ops_side_by_side_are_told_by_what_each_of_them_does(rule: str, factor: float) -> None:
    first, second, third = (nn.Linear(1, 1, bias=False) for _ in range(3))
    for layer in (first, second, third):
        nn.init.ones_(layer.weight)

    def run() -> None:
        x = first(torch.ones(1, 1))
        # 0 with a gradient; 0.01 ** 400 is no number any more, 100.0 ** 400 is too large for one.
        x = sum((x - x.detach()) * factor for _ in range(400))
        x = second(1 + x * min(1.0, factor**2))  # second and third get a gradient of 1
        third(x).sum().backward()

    said = only(run, f"{rule}-gradient").message
    assert "in 400 calls by a factor of 100 each" in said


# -- softmax-twice ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("loss", "severity"),
    [
        (lambda x, y: F.cross_entropy(torch.softmax(x, 1).reshape(2, 3), y), "warning"),
        (lambda x, y: F.nll_loss(torch.softmax(x, 1), y), "warning"),
        (
            lambda x, y: F.binary_cross_entropy_with_logits(
                torch.sigmoid(x), F.one_hot(y, 3).float()
            ),
            "warning",
        ),
        (lambda x, y: torch.softmax(torch.softmax(x, 1), 0)[0, 0], "note"),
    ],
)
def test_what_is_applied_twice_is_found(loss: Callable[..., torch.Tensor], severity: str) -> None:
    x, y = torch.rand(2, 3, requires_grad=True), torch.tensor([0, 2])
    assert only(lambda: loss(x, y).backward(), "softmax-twice").severity == severity


def test_soft_targets_and_log_softmax_are_fine() -> None:
    x, teacher = torch.rand(2, 3, requires_grad=True), torch.rand(2, 3)

    def program() -> None:
        F.cross_entropy(x, torch.softmax(teacher, 1)).backward()
        F.cross_entropy(torch.log_softmax(x, 1), torch.tensor([0, 1])).backward()
        F.nll_loss(torch.log_softmax(x, 1), torch.tensor([0, 1])).backward()

    assert told(program, "softmax-twice") == []


# -- unregistered-module ---------------------------------------------------------------------------


def test_modules_in_a_list_are_named_with_what_the_optimizer_moved() -> None:
    finding = only(bugs()[26].buggy, "unregistered-module")
    for name in ("Linear.weight", "Linear.bias", "Linear_2.weight", "Linear_2.bias"):
        assert name in finding.message
    assert "moved 2 other parameters" in finding.message


def test_parameters_that_were_given_to_the_optimizer_by_hand_are_fine() -> None:
    class Held(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.held = [nn.Linear(2, 1)]

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.held[0](x)

    net = Held()

    def program() -> None:
        optimizer = torch.optim.SGD(net.held[0].parameters(), lr=0.1)
        net(torch.ones(1, 2)).sum().backward()
        optimizer.step()

    assert told(program, "unregistered-module") == []
    without = told(lambda: net(torch.ones(1, 2)).sum().backward(), "unregistered-module")
    assert [one.severity for one in without] == ["note"]
