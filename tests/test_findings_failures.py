"""Bugs of the gallery that raise, or that have to do with saved tensors and modes.

The line of the cause is marked in each program; the ops and sizes were worked out from its text.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

import inspector
import sample_models.bugs
from inspector.found import Finding
from inspector.records import Recording, Source
from sample_models.bugs import bugs

NUMBERS = (1, 3, 4, 5, 6, 7, 8, 9, 10, 16, 17, 18, 19, 25, 28, 29, 31, 32)
SILENT = {10: "warning", 16: "warning", 25: "warning"}  # torch raises at all others


def watched(program: Callable[[], Any], **options: Any) -> Recording:
    with warnings.catch_warnings(record=True), contextlib.suppress(Exception):
        warnings.simplefilter("default")  # as a script has them: shown, and not made errors
        with inspector.recording(inspector.CaptureOptions(**options)) as session:
            program()
    return session.recording


def loud(recording: Recording) -> list[Finding]:
    return [one for one in inspector.findings(recording) if one.severity != "note"]


def found(program: Callable[[], Any], rule: str) -> tuple[Finding, Recording]:
    """The one finding of a program that is no note."""
    recording = watched(program)
    (finding,) = loud(recording)
    assert finding.rule == rule, finding
    return finding, recording


def bug(number: int) -> tuple[Finding, Recording]:
    return found(bugs()[number].buggy, bugs()[number].rules[0])


def names(recording: Recording, finding: Finding) -> set[str]:
    return {recording.ops[op].name for op in finding.related}


def place(source: Source | None) -> tuple[str, int]:
    assert source is not None
    return Path(source.file).name, source.line


def marked_line(number: int) -> tuple[str, int]:
    """(file, line) of the comment `# cause`."""
    folder = Path(sample_models.bugs.__file__).parent
    (path,) = folder.glob(f"bug_{number:02}_*.py")
    lines = path.read_text().split("\n")
    (line,) = [i for i, text in enumerate(lines, 1) if text.endswith("# cause")]
    return path.name, line


@pytest.mark.parametrize("number", NUMBERS)
def test_the_bug_is_found_at_the_line_of_its_cause(number: int) -> None:
    one = bugs()[number]
    recording = watched(one.buggy, **one.options)
    (finding,) = loud(recording)
    assert finding.rule in one.rules
    assert finding.severity == SILENT.get(number, "error")
    assert place(finding.source) == marked_line(number)
    assert finding.help
    if finding.op is not None and number not in (7, 29):  # there the call of backward is the place
        assert recording.ops[finding.op].source == finding.source


@pytest.mark.parametrize("number", NUMBERS)
def test_the_fixed_program_gives_no_finding_above_a_note(number: int) -> None:
    recording = watched(bugs()[number].fixed, **bugs()[number].options)
    assert recording.failure is None
    assert loud(recording) == []


@pytest.mark.parametrize("number", NUMBERS)
def test_the_finding_survives_the_file(number: int, tmp_path: Path) -> None:
    recording = watched(bugs()[number].buggy, **bugs()[number].options)
    recording.save(tmp_path / "run.inspect")
    loaded = inspector.load(tmp_path / "run.inspect")
    assert inspector.findings(loaded) == inspector.findings(recording)


# -- what the findings say ---------------------------------------------------------------------


def test_a_shape_that_does_not_fit_is_told_with_the_ops_that_made_it() -> None:
    finding, recording = bug(1)
    assert "x (2, 7200), Classifier.head.weight (10, 6272)" in finding.message
    assert "Dimension 1 of x is 7200 and should be 6272" in finding.message
    assert "32 · 15 · 15 = 7200" in finding.message
    assert "flatten" in names(recording, finding)


def test_two_operands_that_do_not_broadcast_are_told_apart() -> None:
    finding, _ = found(lambda: torch.ones(2, 3) + torch.ones(4), "shapes-do-not-fit")
    assert "is 4 and should be 3" in finding.message


def test_channels_that_a_convolution_does_not_expect_are_named() -> None:
    program = lambda: nn.Conv2d(4, 8, 3)(torch.ones(1, 3, 8, 8))  # noqa: E731
    finding, _ = found(program, "shapes-do-not-fit")
    assert "Dimension 1" in finding.message
    assert "is 3 and should be 4" in finding.message


def test_a_batched_product_names_the_inner_dimensions() -> None:
    finding, _ = found(lambda: torch.ones(2, 3, 4) @ torch.ones(2, 5, 6), "shapes-do-not-fit")
    assert "is 4 and should be 5" in finding.message


def test_an_overwritten_tensor_has_the_op_that_saved_it_and_the_one_that_wrote() -> None:
    finding, recording = bug(3)
    assert recording.ops[finding.op or 0].name == "add_"
    assert names(recording, finding) == {"relu"}
    assert "h (2, 4)" in finding.message
    assert "ReluBackward0" in finding.message


def test_an_optimizer_step_is_named_with_the_parameter_it_changed() -> None:
    finding, recording = bug(4)
    assert finding.parameter == "Sequential.2.weight"
    assert "a step of the optimizer SGD" in finding.message
    assert names(recording, finding) == {"linear"}


def test_a_write_through_a_view_is_told_with_the_view() -> None:
    def program() -> None:
        x = torch.ones(4, requires_grad=True)
        h = x.exp()
        part = h[:2]
        part.mul_(2)
        h.sum().backward()

    finding, recording = found(program, "saved-tensor-overwritten")
    assert recording.ops[finding.op or 0].name == "mul_"
    assert "through part" in finding.message


def test_a_leaf_is_named_by_its_parameter() -> None:
    def program() -> None:
        net = nn.Linear(2, 1)
        net(torch.ones(1, 2)).sum().backward()
        net.weight.add_(net.weight.grad, alpha=-0.1)

    finding, _ = found(program, "leaf-overwritten")
    assert finding.parameter == "Linear.weight"


def test_a_view_of_a_leaf_leads_to_the_leaf() -> None:
    def program() -> None:
        weight = torch.zeros(3, requires_grad=True)
        weight[0].fill_(1.0)

    finding, _ = found(program, "leaf-overwritten")
    assert "weight (3,)" in finding.message
    assert "view" in finding.message


def test_the_family_of_a_view_is_named() -> None:
    finding, recording = bug(6)
    assert "forget, one of 2 views" in finding.message
    assert "write (2, 4)" in finding.message
    assert names(recording, finding) == {"split"}


def test_a_second_backward_names_both_losses_and_what_was_freed() -> None:
    finding, recording = bug(7)
    assert "loss_left.backward() at line" in finding.message
    assert "loss_right.backward() at line" in finding.message
    assert names(recording, finding) | {recording.ops[finding.op or 0].name} == {"tanh", "linear"}


def test_the_same_loss_twice_is_the_same_graph_again() -> None:
    def program() -> None:
        loss = torch.ones(2, requires_grad=True).exp().sum()
        loss.backward()
        loss.backward()

    finding, _ = found(program, "graph-used-twice")
    assert "runs the same graph again" in finding.message


def test_features_computed_once_and_used_in_each_step_are_taken_along() -> None:
    def program() -> None:
        encoder, head = nn.Linear(2, 2), nn.Linear(2, 1)
        code = torch.tanh(encoder(torch.ones(1, 2)))
        for _ in range(2):
            head(code).sum().backward()

    finding, recording = found(program, "graph-kept-across-steps")
    assert recording.ops[finding.op or 0].name == "linear"
    assert "code (1, 2)" in finding.message


def test_a_hidden_state_is_named_with_the_op_that_made_it() -> None:
    finding, recording = bug(8)
    assert "hidden (2, 3)" in finding.message
    assert "tanh" in names(recording, finding)
    assert "backward pass 1" in finding.message.lower()


@pytest.mark.parametrize(
    ("cut", "op", "said"),
    [
        (lambda x: x.detach().sum(), "detach", "history"),
        (lambda x: torch.tensor(x.sum().item()), "item", "Python number"),
        (lambda x: (x > 0).float().sum(), "gt", "no derivative"),
        (lambda x: torch.from_numpy(x.detach().numpy()).sum(), "detach", "history"),
    ],
)
def test_a_loss_that_is_cut_off_names_the_cut(
    cut: Callable[[torch.Tensor], torch.Tensor], op: str, said: str
) -> None:
    finding, recording = found(
        lambda: cut(torch.ones(3, requires_grad=True) * 2).backward(), "loss-without-graph"
    )
    assert recording.ops[finding.op or 0].name == op
    assert said in finding.message


def test_a_loss_under_no_grad_is_told_so() -> None:
    def program() -> None:
        with torch.no_grad():
            loss = nn.Linear(2, 1)(torch.ones(1, 2)).sum()
        loss.backward()

    finding, recording = found(program, "loss-without-graph")
    assert recording.ops[finding.op or 0].name == "linear"
    assert "no_grad" in finding.message


def test_a_frozen_model_is_told_with_its_parameters() -> None:
    def program() -> None:
        net = nn.Linear(2, 1).requires_grad_(False)
        net(torch.ones(1, 2)).sum().backward()

    finding, _ = found(program, "loss-without-graph")
    assert "Frozen parameters: Linear.weight, Linear.bias" in finding.message


def test_the_reading_of_grad_is_told_with_its_line() -> None:
    finding, _ = bug(10)
    assert "returned" in finding.message
    assert ".grad of weight is read at line 16" in finding.message


def test_a_frozen_decision_tells_what_was_decided_elsewhere() -> None:
    finding, recording = bug(16)
    assert finding.op is not None
    assert recording.ops[finding.op].name == "bool"
    assert "Outside of the trace this run decided here: False" in finding.message
    assert "called once afterwards" in finding.message


def test_what_the_compiler_refused_is_told_in_plain_words() -> None:
    finding, _ = bug(17)
    assert "Give the arguments names" in finding.help
    assert finding.op is None


def test_each_operand_is_told_with_where_it_got_its_device() -> None:
    finding, recording = bug(18)
    assert recording.ops[finding.op or 0].name == "arange"
    assert "positions has device cpu (since arange" in finding.message
    assert "has device meta" in finding.message


def test_the_dtype_is_followed_up_to_where_it_began() -> None:
    finding, recording = bug(19)
    assert recording.ops[finding.op or 0].name == "tensor"
    assert names(recording, finding) == {"linear"}
    assert "Linear.weight has dtype float32 (a parameter)" in finding.message


@pytest.mark.parametrize(
    ("program", "said"),
    [
        (
            lambda: nn.functional.cross_entropy(torch.ones(2, 3), torch.tensor([0.0, 1.0])),
            "expected target dtype to be Long",
        ),
        (lambda: nn.Embedding(3, 2)(torch.tensor([0.0, 1.0])), "scalar types: Long, Int"),
        (lambda: torch.ones(3)[torch.tensor([0.0, 1.0])], "tensors used as indices must be long"),
    ],
)
def test_a_dtype_that_an_op_does_not_take_is_followed_up_too(
    program: Callable[[], Any], said: str
) -> None:
    finding, recording = found(program, "dtype-mismatch")
    assert recording.ops[finding.op or 0].name == "tensor"
    assert said in finding.message


def test_a_write_through_data_has_the_node_that_used_it() -> None:
    finding, recording = bug(25)
    assert finding.grad_node is not None
    assert recording.grad_nodes[finding.grad_node].name == "MulBackward0"
    assert names(recording, finding) == {"mul"}


def test_a_write_through_data_after_backward_is_nothing() -> None:
    def program() -> None:
        weight = torch.ones(2, requires_grad=True)
        for _ in range(2):
            (weight * weight).sum().backward()
            weight.data.sub_(0.1)

    assert loud(watched(program)) == []


@pytest.mark.parametrize("half", [slice(0, 2), slice(2, 4)])
def test_a_write_through_data_into_a_part_may_not_have_met_what_was_kept(half: slice) -> None:
    def program() -> None:
        base = torch.ones(4, requires_grad=True) * 1
        part = base[:2]
        loss = (part * part).sum()
        base.data[half] = 7.0
        loss.backward()

    recording = watched(program)
    assert loud(recording) == []
    (note,) = inspector.findings(recording, select=["write-hidden-from-autograd"])
    assert "if the write met what was kept" in note.message


def test_a_recomputation_has_both_ops_where_it_parts() -> None:
    finding, recording = bug(28)
    assert recording.ops[finding.op or 0].name == "mul"
    assert names(recording, finding) == {"sin"}
    assert "where the forward ran mul" in finding.message


def test_the_second_of_two_checkpoints_is_compared_with_its_own_forward() -> None:
    flags = iter([True, True, False, False])

    def block(x: torch.Tensor) -> torch.Tensor:
        x = torch.cos(x)
        if next(flags):
            x = torch.exp(x)
        return torch.sin(x)

    def program() -> None:
        x = torch.ones(2, requires_grad=True)
        x = checkpoint(block, x, use_reentrant=False)
        x = checkpoint(block, x, use_reentrant=False)
        x.sum().backward()

    finding, recording = found(program, "recomputation-differs")
    assert recording.ops[finding.op or 0].name == "exp"
    assert finding.op == 5  # ones; cos, exp, sin; cos, exp: the second block goes back first


def test_a_loss_that_is_no_scalar_has_its_shape() -> None:
    finding, _ = bug(29)
    assert "loss (4,), the result of pow" in finding.message


def test_an_index_is_told_with_the_size_of_the_table() -> None:
    finding, _ = bug(31)
    assert "run from 1 to 10" in finding.message
    assert "Embedding.weight (10, 4) knows the indices 0 to 9" in finding.message


def test_a_class_number_is_compared_with_the_scores() -> None:
    finding, _ = found(
        lambda: nn.functional.cross_entropy(torch.ones(2, 3), torch.tensor([0, 3])),
        "index-out-of-range",
    )
    assert "run from 0 to 3" in finding.message
    assert "There are 3 classes, 0 to 2: the result of ones (2, 3)." in finding.message


def test_a_number_that_is_no_index_is_told_with_the_size() -> None:
    finding, _ = found(lambda: torch.ones(3, 4)[:, 5], "index-out-of-range")
    assert "Dimension 1 has the size 4, and index 5 was asked for" in finding.message


def test_an_error_in_a_backward_is_not_blamed_on_the_forwards_shapes() -> None:
    class Halved(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
            return x * 2

        @staticmethod
        def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
            return gradient[:1]

    x = torch.ones(4, requires_grad=True)
    finding, recording = found(lambda: Halved.apply(x).sum().backward(), "run-failed")
    assert recording.ops[finding.op or 0].name == "Halved"
    assert "in HalvedBackward, the backward of Halved" in finding.message


def test_an_exception_that_no_rule_knows_is_told_with_its_op() -> None:
    finding, _ = found(lambda: torch.ones(2, 2).cholesky_solve(torch.ones(3)), "run-failed")
    assert finding.op is not None


def test_an_exception_of_the_program_itself_is_told_with_its_line() -> None:
    def program() -> None:
        raise KeyError("mode")

    finding, _ = found(program, "run-failed")
    assert finding.message == "KeyError: 'mode'"
    assert place(finding.source)[0] == Path(__file__).name


# -- what a loss or an update by hand was given ---------------------------------------------------


def test_labels_that_are_counted_from_1_are_told_what_to_subtract() -> None:
    def program() -> None:
        labels = torch.tensor([1, 2, 3])
        nn.functional.cross_entropy(torch.zeros(3, 3), labels)

    finding, _ = found(program, "index-out-of-range")
    assert "labels, run from 1 to 3." in finding.message
    assert "There are 3 classes, 0 to 2: the result of zeros (3, 3)." in finding.message
    assert finding.help == "Count classes from 0: subtract 1 from labels."


def test_labels_that_are_too_large_otherwise_ask_for_more_outputs() -> None:
    def program() -> None:
        nn.functional.cross_entropy(torch.zeros(2, 3), torch.tensor([0, 7]))

    finding, _ = found(program, "index-out-of-range")
    assert "run from 0 to 7." in finding.message
    assert "as many outputs as the largest class number plus one" in finding.help


def test_class_numbers_in_a_column_are_shapes_that_do_not_fit() -> None:
    def program() -> None:
        target = torch.zeros(6, 1, dtype=torch.int64)
        nn.functional.cross_entropy(torch.zeros(6, 3), target)

    finding, _ = found(program, "shapes-do-not-fit")
    assert "(6, 3)" in finding.message
    assert "target (6, 1)" in finding.message
    assert "target.squeeze(-1)" in finding.help


@pytest.mark.parametrize(
    ("program", "shapes"),
    [
        (lambda: _meta(2, 3) @ _meta(4, 5), ("(2, 3)", "(4, 5)")),
        (lambda: _meta(2, 3) + _meta(2, 4), ("(2, 3)", "(2, 4)")),
        (
            lambda: nn.functional.conv2d(_meta(1, 3, 8, 8), _meta(4, 2, 3, 3)),
            ("(1, 3, 8, 8)", "(4, 2, 3, 3)"),
        ),
    ],
)
def test_the_shapes_of_meta_tensors_are_told_too(
    program: Callable[[], Any], shapes: tuple[str, ...]
) -> None:
    finding, _ = found(program, "shapes-do-not-fit")
    for shape in shapes:
        assert shape in finding.message


def _meta(*shape: int) -> torch.Tensor:
    return torch.empty(*shape, device="meta")


def test_an_update_by_hand_that_makes_a_new_tensor_is_the_cause_of_the_failure() -> None:
    def program() -> None:
        w = torch.ones(3, requires_grad=True)
        for _ in range(2):
            (w * 2).sum().backward()
            w = w - 0.1 * w.grad

    finding, recording = found(program, "grad-of-non-leaf")
    assert finding.severity == "error"
    assert recording.ops[finding.op or 0].name == "sub"
    assert "with torch.no_grad(): w -= …" in finding.help


def test_a_failure_without_an_op_has_no_help_about_one() -> None:
    def program() -> None:
        torch.ones(2)
        raise KeyError("no such column")

    finding, _ = found(program, "run-failed")
    assert "at this op" not in finding.help
    assert "traceback" in finding.help


def test_a_run_that_somebody_stopped_gets_a_note() -> None:
    def program() -> None:
        x = torch.ones(2) * 3
        raise KeyboardInterrupt if x.sum() > 5 else AssertionError

    with contextlib.suppress(KeyboardInterrupt), inspector.recording() as session:
        program()
    (finding,) = inspector.findings(session.recording)
    assert (finding.rule, finding.severity) == ("run-failed", "note")
    assert finding.source is not None
    assert finding.source.line == program.__code__.co_firstlineno + 2
