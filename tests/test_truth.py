"""Where a static graph stops telling the truth, on programs whose parting is worked out by hand.

The oracle for results is the traced or scripted module itself, called plainly with the input.
"""

from __future__ import annotations

import copy
import warnings
from pathlib import Path

import numpy
import pytest
import torch
from torch import Tensor, nn

import inspector
from inspector import check_truth, line_marks, truth
from inspector.records import TensorInfo
from inspector.static_run import StaticValue
from inspector.torchscript.live import live_of
from inspector.truthful.values import compared
from sample_models import catalog

LINES = Path(__file__).read_text().splitlines()


def line_of(fragment: str) -> int:
    """The line of this file that holds a fragment, which must stand there once."""
    found = [n for n, line in enumerate(LINES, 1) if fragment in line and "line_of" not in line]
    assert len(found) == 1, (fragment, found)
    return found[0]


def op_named(recording, name, visit=0):
    return [op.id for op in recording.ops if op.name == name][visit]


# -- programs -----------------------------------------------------------------------------------


class MeanBranch(nn.Module):
    def __init__(self):
        super().__init__()
        self.up, self.down = nn.Linear(3, 3), nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        y = x + 1
        if x.mean() > 0:  # by the mean
            return self.up(y)
        return torch.tanh(self.down(y))


class Halve(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        while x.sum() > 1:  # until small
            x = x / 2
        return x + 1


def rows_of_four(x: Tensor) -> Tensor:
    rows = int(x.shape[0])  # read as a number
    return x.reshape(rows, -1).sum(0) * 2  # reshaped


def zeros_for(x: Tensor) -> Tensor:
    return torch.zeros(int(x.shape[0])) + 1  # zeros by number


def zeros_by_size(x: Tensor) -> Tensor:
    return torch.zeros(x.shape[0]) + 1


def by_its_largest(x: Tensor) -> Tensor:
    largest = x.max().item()  # read the largest
    return x * largest  # times the largest


class Dropped(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.drop = nn.Linear(4, 4), nn.Dropout(0.5)

    def forward(self, x: Tensor) -> Tensor:
        return self.drop(self.first(x)) + 1  # dropped


class Normed(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm1d(3)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x) * 2  # normed


class Counter(nn.Module):
    """A list and a dict as state."""

    def __init__(self):
        super().__init__()
        self.seen: list[int] = []
        self.scales = {"a": 2.0}

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(1)
        return x * len(self.seen) + self.scales["a"]  # seen so far


class Scaled(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = torch.tensor([1.0, 2.0])

    def forward(self, x: Tensor) -> Tensor:
        return (x + 1) * self.scale  # scaled


FACTOR = 2.0


def by_a_global(x: Tensor) -> Tensor:
    return (x + 1) * FACTOR  # by the global


class Factor(nn.Module):
    def __init__(self):
        super().__init__()
        self.factor = 2.0

    def forward(self, x: Tensor) -> Tensor:
        return (x + 1) * self.factor  # by the factor


def checked(x: Tensor) -> Tensor:
    if x.sum() < 0:  # must not be negative
        raise ValueError("negative")
    return x.sqrt()


def pairs(x: Tensor) -> Tensor:
    first, second = x.unbind(0)  # in two
    return first + second


class Twice(nn.Module):
    """One module called twice, a write in place, and a loop over a list."""

    def __init__(self):
        super().__init__()
        self.layer, self.blocks = nn.Linear(3, 3), nn.ModuleList([nn.Tanh(), nn.ReLU()])

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer(self.layer(x))
        x = x.clone()
        x[0] = x[0] + x[1]
        x += 1
        for block in self.blocks:
            x = block(x)
        return x[:, 0]


# -- traces that part -----------------------------------------------------------------------------


def test_the_branch_that_a_trace_kept_is_named_with_its_condition_and_both_values() -> None:
    found = check_truth(MeanBranch(), torch.ones(2, 3), -torch.ones(2, 3))
    parting = found.parting
    line = line_of("# by the mean")
    assert parting.kind == "branch"
    assert parting.reason == (
        f"The trace kept the branch for `x.mean() > 0` (line {line}); this input took the other."
    )
    assert (parting.dynamic.value, parting.static.value) == (False, True)
    assert parting.source.line == line
    assert "torch.where" in parting.remedy
    # add, mean, gt, bool, and then linear in the module that the trace does not have
    assert parting.op == 4
    assert found.compared == {"bits": 1}
    assert found.same_output is False


def test_the_branch_is_named_too_where_the_traced_run_was_not_recorded() -> None:
    model, x = MeanBranch(), -torch.ones(2, 3)
    static = inspector.trace(model, -x)
    found = truth(static, inspector.record(model, x), inspector.interpret(static, x))
    assert found.parting.kind == "branch"
    assert "`x.mean() > 0`" in found.parting.reason
    assert (found.parting.dynamic.value, found.parting.static.value) == (False, True)


@pytest.mark.parametrize(
    ("traced", "given", "trips", "op"),
    [
        # Ops are sum, gt, bool, div for each trip; 3.0 takes 2 trips, 20.0 takes 5, 0.5 none.
        (3.0, 20.0, ("2 times", 5), 11),
        (20.0, 3.0, ("5 times", 2), None),
        (3.0, 0.5, ("2 times", 0), None),
        (0.5, 1.5, ("0 times", 1), 3),
        (1.5, 3.0, ("once", 2), 7),
    ],
)
def test_the_loop_that_a_trace_unrolled_is_named_with_both_numbers_of_trips(
    traced, given, trips, op
) -> None:
    found = check_truth(Halve(), torch.tensor([traced]), torch.tensor([given]))
    line = line_of("# until small")
    assert found.parting.kind == "loop"
    assert found.parting.op == op
    assert found.parting.reason == (
        f"The trace always runs the loop `while x.sum() > 1` (line {line}) {trips[0]}; this input "
        f"needed {trips[1]}."
    )


def test_a_shape_that_was_made_a_number_is_named_with_both_numbers() -> None:
    found = check_truth(rows_of_four, torch.ones(3, 2), torch.ones(6, 2))
    parting = found.parting
    assert (parting.kind, parting.dynamic.value, parting.static.value) == ("constant", 6, 3)
    read, used = line_of("# read as a number"), line_of("# reshaped")
    assert parting.reason == (
        f"The trace has the number 3 where this run had `rows` = 6, at `reshape` (line {used}), "
        f"made a Python number at line {read}."
    )
    assert (parting.op, parting.source.line) == (0, used)


def test_a_tensor_made_by_a_number_has_the_traced_size() -> None:
    found = check_truth(zeros_for, torch.ones(7), torch.ones(9))
    parting = found.parting
    assert (parting.kind, parting.dynamic.value, parting.static.value) == ("constant", 9, 7)
    assert "`int(x.shape[0])` = 9" in parting.reason
    assert parting.dynamic.shape is None
    assert found.outputs[0].dynamic.shape == (9,)
    assert found.outputs[0].static.shape == (7,)


def test_a_size_that_stays_a_size_is_followed() -> None:
    assert check_truth(zeros_by_size, torch.ones(7), torch.ones(9)).agrees


def test_a_number_read_from_a_tensor_is_named_with_the_decision_that_read_it() -> None:
    x = torch.tensor([1.0, 2.0])
    found = check_truth(by_its_largest, x, x * 2)
    parting = found.parting
    assert (parting.kind, parting.dynamic.value, parting.static.value) == ("constant", 4.0, 2.0)
    assert parting.source.line == line_of("# times the largest")
    assert f"at line {line_of('# read the largest')}" in parting.reason
    assert parting.decision == 0
    assert parting.op == 2  # max, item, mul


def test_dropout_in_training_agrees_from_the_same_random_state() -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    found = check_truth(Dropped(), torch.ones(2, 4), -torch.ones(2, 4))
    assert found.agrees
    assert found.compared == {"bits": 3}
    torch.set_rng_state(before)


def test_dropout_from_other_random_states_is_named_as_random() -> None:
    model, x = Dropped(), torch.ones(50, 4)
    static = inspector.trace(model, x)
    torch.manual_seed(1)
    recording = inspector.record(model, x)
    torch.manual_seed(2)
    found = truth(static, recording, inspector.interpret(static, x))
    assert found.parting.kind == "random"
    assert found.parting.op == 1
    assert "seed" in found.parting.reason


@pytest.mark.parametrize("make", [Dropped, Normed])
@pytest.mark.parametrize("training", [False, True])
def test_train_and_eval_mode_that_a_trace_built_in_are_named(make, training) -> None:
    torch.manual_seed(0)
    x = torch.randn(5, 4 if make is Dropped else 3)
    model = make().train(not training)
    static = inspector.trace(model, x)
    model.train(training)
    recording = inspector.record(model, x)
    found = truth(static, recording, inspector.interpret(static, x), same_seed=True)
    parting = found.parting
    mine, theirs = ("training", "eval") if training else ("eval", "training")
    name = "dropout" if make is Dropped else "batch_norm"
    assert parting.kind == "mode"
    assert f"{mine} mode in this run, {theirs} mode in the trace" in parting.reason
    assert parting.op == op_named(recording, name)
    assert (parting.dynamic.value, parting.static.value) == (training, not training)


def test_batch_norm_does_not_part_because_tracing_counted_a_batch() -> None:
    model = Normed()
    before = copy.deepcopy(model.state_dict())
    assert check_truth(model, torch.randn(5, 3), torch.randn(5, 3)).agrees
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_python_state_that_moved_on_is_a_number_built_in() -> None:
    model, x = Counter(), torch.ones(2)
    static = inspector.trace(model, x)
    model.seen += [1, 1]
    found = truth(static, inspector.record(model, x), inspector.interpret(static, x))
    assert found.parting.kind == "constant"
    assert (found.parting.dynamic.value, found.parting.static.value) == (3, 1)
    assert "`len(self.seen)` = 3" in found.parting.reason


def test_a_dict_that_changed_is_a_number_built_in() -> None:
    model, x = Counter(), torch.ones(2)
    static = inspector.trace(model, x)
    model.scales["a"] = 5.0
    found = truth(static, inspector.record(model, x), inspector.interpret(static, x))
    assert (found.parting.dynamic.value, found.parting.static.value) == (5.0, 2.0)
    assert found.parting.op == 1  # mul, add


def test_a_tensor_that_is_no_parameter_is_built_in_as_it_was() -> None:
    model, x = Scaled(), torch.ones(2)
    static = inspector.trace(model, x)
    model.scale = torch.tensor([1.0, 5.0])
    found = truth(static, inspector.record(model, x), inspector.interpret(static, x))
    assert found.parting.kind == "constant"
    assert found.parting.op == 1
    assert "built in" in found.parting.reason
    assert found.parting.dynamic.summary.max == 5.0
    assert found.parting.static.summary.max == 2.0


def test_a_global_that_changed_since_is_named(monkeypatch) -> None:
    x = torch.ones(2)
    static = inspector.trace(by_a_global, x)
    monkeypatch.setitem(globals(), "FACTOR", 3.0)
    found = truth(static, inspector.record(by_a_global, x), inspector.interpret(static, x))
    parting = found.parting
    assert (parting.kind, parting.dynamic.value, parting.static.value) == ("constant", 3.0, 2.0)
    assert parting.reason == (
        f"The trace has the number 2 where this run had `FACTOR` = 3, at `mul` "
        f"(line {line_of('# by the global')})."
    )


def test_an_attribute_that_changed_since_a_model_was_scripted_is_named() -> None:
    model, x = Factor(), torch.ones(2)
    static = inspector.script(model)
    model.factor = 3.0
    found = truth(static, inspector.record(model, x), inspector.interpret(static, x))
    assert (found.parting.kind, found.parting.op) == ("constant", 1)
    assert found.parting.reason == (
        f"The script has the number 2 where this run had `self.factor` = 3, at `mul` "
        f"(line {line_of('# by the factor')})."
    )


def test_a_check_that_a_trace_does_not_have_is_named() -> None:
    found = check_truth(checked, torch.ones(2), -torch.ones(2))
    assert found.parting.kind == "runs on"
    assert "ValueError" in found.parting.reason
    assert found.same_output is False
    assert found.dynamic_failure.type == "ValueError"


def test_a_graph_that_raises_alone_is_the_parting_with_node_and_line() -> None:
    found = check_truth(pairs, torch.ones(2, 3), torch.ones(2, 3))
    assert found.agrees

    def halves(x: Tensor) -> Tensor:
        return x.view(int(x.shape[0]), 2, -1) + 1  # viewed

    found = check_truth(halves, torch.ones(2, 4), torch.ones(3, 6))
    assert found.parting.kind == "raises"
    assert found.parting.source.line == line_of("# viewed")
    assert found.static_failure.node == found.parting.node
    assert found.static_failure.kind == "aten::view"
    assert "the number 2 where this run had `int(x.shape[0])` = 3" in found.parting.reason
    assert found.parting.dynamic.shape == (3, 2, 3)


def plus_one(module, given, output):
    return output + 1  # by the hook


def hooked():
    model = nn.Sequential(nn.Linear(3, 3), nn.ReLU())
    model[0].register_forward_hook(plus_one)
    return model


def test_an_op_of_a_forward_hook_has_its_node_in_the_block_of_the_caller() -> None:
    x = torch.randn(2, 3)
    found = check_truth(hooked(), (x,), (x,))
    assert found.parting is None
    assert found.compared == {"bits": 3}  # linear, add, relu
    assert found.notes == ()
    model = hooked()
    lit = inspector.overlay(inspector.trace(model, x), inspector.record(model, x))
    assert lit.unmatched_ops == ()
    assert lit.first_divergence is None
    assert sorted(lit.op_to_node) == [0, 1, 2]


def test_a_hook_that_was_added_after_the_trace_is_still_a_parting() -> None:
    model, x = nn.Sequential(nn.Linear(3, 3), nn.ReLU()), torch.randn(2, 3)
    static = inspector.trace(model, x)
    model[0].register_forward_hook(plus_one)
    found = truth(static, inspector.record(model, x), inspector.interpret(static, x))
    assert (found.parting.kind, found.parting.op) == ("missing", 1)
    assert found.parting.source.line == line_of("# by the hook")


def test_the_traced_input_with_equal_results_is_no_structural_parting(monkeypatch) -> None:
    """Without the search in the caller's block the hook's op has no node: that is a note then."""
    from inspector.overlay.traced import _Follower

    monkeypatch.setattr(_Follower, "_of_caller", lambda self, op, path: None)
    x = torch.randn(2, 3)
    found = check_truth(hooked(), (x,), (x,))
    assert found.parting is None
    assert found.notes == (
        f"`add` at line {line_of('# by the hook')} has no node of its own, without consequence "
        "for the result.",
    )


class Cache:
    def __init__(self, key):
        self.key = key


class Cached(nn.Module):
    """A result with a tensor inside an object, which a recording does not look into."""

    def forward(self, x: Tensor):
        return {"value": x + 1, "cache": Cache(x * 2)}


def test_tensors_in_an_object_that_a_model_returns_are_compared_too() -> None:
    found = check_truth(Cached(), torch.ones(2), torch.tensor([3.0, 4.0]))
    assert [each.agreement for each in found.outputs] == ["bits", "bits"]
    assert found.outputs[1].dynamic.summary.max == 8.0
    assert found.same_output is True
    assert not Cached()._forward_hooks


def test_results_that_cannot_be_compared_are_said_to_be_that() -> None:
    model, x = Cached(), torch.ones(2)
    static = inspector.trace(model, x)
    found = truth(static, inspector.record(model, x), inspector.interpret(static, x))
    assert found.outputs == ()
    assert found.notes[0] == (
        "The results were not compared: the graph returns 2 tensors, the recording has 1 of the "
        "run's."
    )


def test_an_input_that_the_model_itself_refuses_is_no_parting() -> None:
    found = check_truth(MeanBranch(), torch.ones(2, 3), ())
    assert found.parting is None
    assert (found.dynamic_failure.type, found.static_failure.type) == (
        "TypeError",
        "InterpretError",
    )
    assert found.summary == (
        "The model itself refuses this input (TypeError: MeanBranch.forward() missing 1 required "
        "positional argument: 'x'), and so does the trace."
    )


@pytest.mark.parametrize("compare", [inspector.overlay, truth])
def test_arguments_in_the_wrong_places_are_refused_in_words(compare) -> None:
    model, x = MeanBranch(), torch.ones(2, 3)
    static, recording = inspector.trace(model, x), inspector.record(model, x)
    refused = inspector.InspectorError
    with pytest.raises(refused, match="the other way round"):
        compare(recording, static)
    with pytest.raises(refused, match=r"must be a static graph.*of the class `str`"):
        compare("a", "b")
    with pytest.raises(refused, match=r"must be a recording.*this is None"):
        compare(static, None)
    with pytest.raises(refused, match=r"`run` must be.*of the class `str`"):
        compare(static, recording, "c")


def test_an_input_that_the_trace_cannot_take_is_said_to_be_that() -> None:
    def either(x: Tensor, y: Tensor | None = None) -> Tensor:
        return x if y is None else x + y

    found = check_truth(either, (torch.ones(2), torch.ones(2)), (torch.ones(2),))
    assert found.parting.reason.startswith("The trace cannot take this input")


# -- runs that agree -----------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["trace", "script"])
def test_equal_runs_agree_bit_for_bit_and_say_so_with_counts(how) -> None:
    found = check_truth(Twice(), torch.randn(2, 3), torch.randn(2, 3), how)
    assert found.parting is None
    assert found.agrees
    # linear, linear, clone, getitem, getitem, add, add_, tanh, relu, getitem; the setitem writes
    # into a view of what it returns, so that there is nothing of its own to compare.
    assert found.compared == {"bits": 10, "unknown": 1}
    assert found.summary == (
        f"The {how} tells the truth: 10 of 11 ops were compared, and agree bit for bit; 1 could "
        "not be: values were not kept, or come from other random numbers."
    )
    assert [match.agreement for match in found.outputs] == ["bits"]


def test_without_an_interpretation_only_the_way_is_compared() -> None:
    model, x = MeanBranch(), torch.ones(2, 3)
    static = inspector.trace(model, x)
    same = truth(static, inspector.record(model, x))
    assert same.parting is None
    assert "no values were compared" in same.summary
    assert truth(static, inspector.record(model, -x)).parting.kind == "branch"


def test_the_model_and_the_random_state_stay_as_they_are() -> None:
    model, x = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Dropout()), torch.randn(4, 3)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    given = x.clone()
    torch.manual_seed(5)
    state = torch.get_rng_state()
    for how in ("trace", "script"):
        assert check_truth(model, x, x * 2, how).agrees
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(x, given)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_script_that_leaves_out_a_write_differs_at_the_op_that_wrote() -> None:
    # Python's embedding renormalises rows longer than max_norm; torch.jit.script drops that call.
    model = nn.Embedding(3, 2, max_norm=0.5)
    with torch.no_grad():
        model.weight.fill_(3.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scripted = torch.jit.script(copy.deepcopy(model))
    tokens = torch.tensor([0, 1])
    assert not torch.allclose(scripted(tokens), copy.deepcopy(model)(tokens))
    found = check_truth(model, None, (tokens,), "script")
    assert (found.parting.kind, found.parting.op) == ("value", 0)
    # (3, 3) has length 4.243; scaled to 0.5 its values are 0.35355.
    assert found.parting.dynamic.summary.max == pytest.approx(0.35355, abs=1e-4)
    assert found.parting.static.summary.max == 3.0
    assert found.parting.difference == pytest.approx(3 - 0.35355, abs=1e-4)


# -- all samples ---------------------------------------------------------------------------------


def cases():
    for name, sample in catalog().items():
        for traced in sample.inputs:
            for given in sample.inputs:
                yield pytest.param(name, traced, given, id=f"{name}, {traced}, {given}")


def same(a, b) -> bool:
    if isinstance(a, Tensor):
        return a.shape == b.shape and a.dtype == b.dtype and torch.allclose(a, b, rtol=1e-5)
    if isinstance(a, tuple | list):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


def plainly_equal(model, traced, given) -> bool:
    """Whether the traced module itself returns what the model returns; the oracle."""
    static = inspector.trace(model, *traced)
    expected = copy.deepcopy(model)(*copy.deepcopy(given))
    tensors = [value for value in given if isinstance(value, Tensor)]
    try:
        with torch.jit.optimized_execution(False):
            return same(live_of(static).compiled(*copy.deepcopy(tensors)), expected)
    except (RuntimeError, IndexError):
        return False


@pytest.mark.parametrize(("name", "traced", "given"), list(cases()))
def test_a_trace_of_a_sample_is_true_exactly_where_its_results_are(name, traced, given) -> None:
    sample = catalog()[name]
    model = sample.static(sample.build())
    inputs = {key: sample.static_inputs(value.make()) for key, value in sample.inputs.items()}
    found = check_truth(model, inputs[traced], inputs[given])
    assert found.same_output == plainly_equal(model, inputs[traced], inputs[given])
    if traced == given:
        assert found.parting is None
        assert found.agrees
    if not found.same_output:
        assert found.parting is not None


@pytest.mark.parametrize(
    ("name", "given"),
    [(name, given) for name, s in catalog().items() if s.scriptable for given in s.inputs],
)
def test_the_script_of_a_sample_tells_the_truth_for_every_input(name, given) -> None:
    sample = catalog()[name]
    arguments = sample.static_inputs(sample.inputs[given].make())
    found = check_truth(sample.static(sample.build()), None, arguments, "script")
    assert found.agrees
    assert found.same_output is True
    assert set(found.compared) <= {"bits", "unknown"}


EXPECTED = {
    # sample, traced, given: kind, first op, line, a part of the reason. Ops are counted by hand.
    # mean, gt, bool, then mul
    ("branching", "mean above zero", "mean below zero"): (
        "branch", 3, 21, "`x.mean() > 0`",
    ),
    # norm, gt, bool, matmul per trip: the third matmul is op 11
    ("while_loop", "norm 3, two trips", "norm 20, five trips"): (
        "loop", 11, 28, "2 times; this input needed 5",
    ),
    ("while_loop", "norm 20, five trips", "norm 3, two trips"): (
        "loop", None, 28, "5 times; this input needed 2",
    ),
    # unbind, then int, linear, embedding, add, tanh a word: the third word's linear is op 12
    ("variable_length", "two words", "five words"): (
        "branch", 12, 31, "`int(token)` was 0 when it was made, and is 1 here",
    ),
    # Python values decide: layer_norm, linear, tanh, add of the first block, then the second
    ("dynamic_structure", "middle off", "all on"): ("branch", 4, 34, "switches[index]"),
    # new_zeros, unbind; the trace unpacks two rows
    ("dynamic_rnn", "two time steps", "five time steps"): (
        "raises", 2, 24, "the loop over `sequence` (line 24) 2 times; this input needed 5",
    ),
    # linear, softmax, max, zeros_like; then the first expert, whom nobody chose, was not traced
    ("mixture_of_experts", "one expert does it all", "all experts busy"): (
        "branch", 4, 33, "`chosen.any()`",
    ),
    # zeros_like, unbind, getitem, int, getitem, int, then nodes[source]
    ("graph_network", "a chain", "a star"): (
        "constant", 6, 27, "the number 0 where this run had `int(edge[0])` = 1",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", EXPECTED, ids=", ".join)
def test_the_parting_of_a_sample_is_the_one_worked_out_by_hand(case) -> None:
    name, traced, given = case
    sample = catalog()[name]
    model = sample.static(sample.build())
    inputs = [sample.static_inputs(sample.inputs[key].make()) for key in (traced, given)]
    parting = check_truth(model, *inputs).parting
    kind, op, line, part = EXPECTED[case]
    assert (parting.kind, parting.op, parting.source.line) == (kind, op, line)
    assert part in parting.reason


def test_a_graph_may_run_more_than_the_model_with_the_same_result() -> None:
    sample = catalog()["mixture_of_experts"]
    inputs = [sample.inputs[key].make() for key in ("all experts busy", "one expert idle")]
    found = check_truth(sample.build(), *inputs)
    assert found.parting.kind == "branch"
    assert found.parting.op is None  # the graph runs the idle expert, on no tokens
    assert found.same_output is True
    assert found.summary.endswith("The result is the same.")


# -- values --------------------------------------------------------------------------------------


def value_and_info(a, b, dtype="float32"):
    a, b = numpy.asarray(a), numpy.asarray(b)
    static = StaticValue("Tensor", "", a.shape, dtype, array=a)
    return static, TensorInfo(0, b.shape, dtype, "cpu", False, True), b


@pytest.mark.parametrize(
    ("a", "b", "agreement"),
    [
        ([1.0, float("nan")], [1.0, float("nan")], "bits"),
        ([1.0, 100.0], [1.0005, 100.0], "rounding"),  # 5e-4 of 100
        ([1.0, 2.0], [1.0005, 2.0], "differs"),
        ([1.0, float("inf")], [1.0, 2.0], "differs"),
        ([1.0], [1.0, 1.0], "differs"),
    ],
)
def test_values_compare_by_their_bits_then_by_the_rounding_of_the_largest(a, b, agreement) -> None:
    static, info, array = value_and_info(a, b)
    assert compared(static, info, array, lambda live: None).agreement == agreement


def test_whole_numbers_have_no_rounding_and_dtypes_have_to_be_equal() -> None:
    static, info, array = value_and_info([1000000], [1000001], "int64")
    assert compared(static, info, array, lambda live: None).what == "value"
    other = StaticValue("Tensor", "", (1,), "int32")
    assert compared(other, info, array, lambda live: None).what == "dtype"


# -- marks in the margin ---------------------------------------------------------------------------


def test_a_tracer_warning_stands_on_its_line_and_comes_true_where_the_input_parts() -> None:
    model, x = MeanBranch(), torch.ones(2, 3)
    static = inspector.trace(model, x)
    line = line_of("# by the mean")
    (mark,) = line_marks(static)
    assert (mark.file, mark.line, mark.severity, mark.kind) == (
        __file__, line, "warning", "TracerWarning",
    )  # fmt: skip
    assert mark.remedy
    marks = line_marks(static, truth=check_truth(model, x, -x))
    assert [(each.line, each.severity, each.kind) for each in marks] == [
        (line, "error", "parting"),
        (line, "warning", "TracerWarning"),
    ]
    assert marks[1].message.endswith("With this input it came true.")


def test_the_overlay_alone_marks_where_a_trace_and_a_run_part() -> None:
    model, x = MeanBranch(), torch.ones(2, 3)
    static = inspector.trace(model, x)
    marks = line_marks(static, inspector.overlay(static, inspector.record(model, -x)))
    assert [each.severity for each in marks] == ["warning", "error"]
    assert marks[1].line == line_of("self.down(y)")


def test_what_the_compiler_refuses_stands_on_its_line() -> None:
    def yields(x: Tensor) -> Tensor:
        return sum(part for part in x)  # refused

    with pytest.raises(inspector.InspectorError) as caught:
        inspector.script(yields)
    (mark,) = line_marks(None, error=caught.value)
    assert (mark.line, mark.severity, mark.kind) == (line_of("# refused"), "error", "compiler")


def test_wrong_words_for_the_graph_are_refused() -> None:
    with pytest.raises(ValueError, match="trace"):
        check_truth(MeanBranch(), None, torch.ones(2, 3), how="onnx")


@pytest.mark.slow
def test_ten_thousand_ops_are_compared_in_a_second() -> None:
    import time

    def loop(x: Tensor, n: int) -> Tensor:
        for _ in range(n):
            x = torch.tanh(x * 0.9)
        return x

    x = torch.randn(4, 4)
    static = inspector.trace(loop, x, 5000)
    recording = inspector.record(loop, x, 5000)
    run = inspector.interpret(static, x, 5000)
    start = time.process_time()
    found = truth(static, recording, run)
    assert time.process_time() - start < 1.0
    assert found.agrees
    assert sum(found.compared.values()) == 10_000
