"""What each sample lets its viewer change, and what comes of it: counts are worked out by hand."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest
import torch
from torch.overrides import TorchFunctionMode

import inspector
from inspector.capture.given import inputs_of
from inspector.capture.uploads import read_tensors
from inspector.control_kinds import FILE, Uploaded
from inspector.controls import Choice, Real, Switch, TensorControl, Text, Whole, read
from inspector.errors import InspectorError
from sample_models import catalog

SAMPLES = catalog()


class Calls(TorchFunctionMode):
    """Counts the torch functions called, by name."""

    def __init__(self):
        super().__init__()
        self.count = Counter()

    def __torch_function__(self, func, types, args=(), kwargs=None):
        self.count[func.__name__] += 1
        return func(*args, **(kwargs or {}))


def calls(name, **values) -> Counter:
    sample = SAMPLES[name]
    model, arguments = sample.build(), inputs_of(sample.given, values)
    with Calls() as counted:
        model(*arguments)
    return counted.count


def ends(control):
    """Both ends of a control's range."""
    if isinstance(control, Whole | Real):
        return [control.low, control.high]
    if isinstance(control, Switch):
        return [False, True]
    return list(control.options) if isinstance(control, Choice) else [control.start]


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_runs_from_one_end_of_all_its_ranges_to_the_other(name):
    sample = SAMPLES[name]
    controls = read(sample.given)
    assert 1 <= len(controls) <= 4
    every = itertools.product(*(ends(control) for control in controls))
    for values in [tuple(control.start for control in controls), *every]:
        chosen = dict(zip((control.name for control in controls), values, strict=True))
        arguments = inputs_of(sample.given, chosen)
        recording = inspector.record(sample.build(), *arguments, loss=sample.loss)
        assert recording.failure is None, chosen
        assert recording.ops


@pytest.mark.parametrize("name", SAMPLES)
def test_a_declaration_gives_equal_inputs_each_time_and_leaves_the_global_generator_alone(name):
    before = torch.get_rng_state()
    first, second = SAMPLES[name].given(), SAMPLES[name].given()
    assert torch.equal(torch.get_rng_state(), before)
    for a, b in zip(first, second, strict=True):
        assert torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b


@pytest.mark.parametrize("name", SAMPLES)
def test_all_controls_say_what_they_are_about(name):
    assert all(control.about for control in read(SAMPLES[name].given))


def test_the_shift_decides_the_branch_and_at_zero_the_mean_is_not_above_it():
    for shift, above in ((-1.0, 0), (-0.02, 0), (0.0, 0), (0.02, 1), (1.0, 1)):
        assert calls("branching", shift=shift)["tanh"] == above


def test_a_norm_is_halved_until_it_is_at_most_one():
    # 40, 20, 10, 5, 2.5, 1.25, 0.625 are six trips
    for norm, trips in ((0.0, 0), (0.5, 0), (1.5, 1), (3.0, 2), (20.0, 5), (40.0, 6)):
        assert calls("while_loop", norm=norm)["matmul"] == trips


@pytest.mark.parametrize(
    ("text", "length", "trips"),
    [
        ("the cat saw a dog", 6, 5),
        ("the cat saw a dog", 12, 5),
        ("the cat saw a dog", 3, 3),
        ("the cat pad a dog", 6, 2),
        ("THE  Cat", 1, 1),
        ("pad", 6, 0),
        ("", 6, 0),
    ],
)
def test_a_text_is_read_up_to_its_padding(text, length, trips):
    assert calls("variable_length", text=text, length=length)["embedding"] == trips


def test_words_that_a_sample_does_not_know_are_refused_with_those_it_knows():
    with pytest.raises(InspectorError, match=r"does not know “fish”.*the, a, cat"):
        inputs_of(SAMPLES["variable_length"].given, {"text": "the fish"})
    for word in ("violets", "END", "", "roses are"):
        with pytest.raises(InspectorError, match="one of these words: roses, are"):
            inputs_of(SAMPLES["poem_lstm"].given, {"word": word})


def test_the_poet_goes_on_from_any_word_it_knows():
    assert calls("poem_lstm", word="roses")["lstm_cell"] == 3  # are red END
    assert calls("poem_lstm", word="sugar")["lstm_cell"] == 7  # is sweet and so are you END
    for word in ("are", "sweet", "you"):
        assert 1 <= calls("poem_lstm", word=word)["lstm_cell"] <= 12


def test_one_norm_runs_for_each_block_that_is_on():
    for switches in itertools.product([False, True], repeat=3):
        values = dict(zip(("first", "second", "third"), switches, strict=True))
        assert calls("dynamic_structure", **values)["layer_norm"] == sum(switches)


@pytest.mark.parametrize("length", [0, 1, 12])
def test_two_cells_run_for_each_time_step(length):
    assert calls("dynamic_rnn", length=length)["rnn_tanh_cell"] == 2 * length


def test_an_expert_runs_where_a_token_is_for_it():
    for expert in "012":
        assert calls("mixture_of_experts", expert=expert, tokens=5)["masked_scatter"] == 1
    for seed in range(5):
        (tokens,) = SAMPLES["mixture_of_experts"].given(tokens=4, seed=seed)
        busy = len(set(tokens.argmax(dim=1).tolist()))
        assert calls("mixture_of_experts", tokens=4, seed=seed)["masked_scatter"] == busy


@pytest.mark.parametrize(
    ("edges", "nodes", "messages"),
    [("chain", 5, 4), ("ring", 5, 5), ("star", 5, 4), ("chain", 1, 0), ("ring", 1, 1)],
)
def test_one_message_an_edge_and_round(edges, nodes, messages):
    # two rounds; in each one cat an edge and one for the update
    assert calls("graph_network", edges=edges, nodes=nodes)["cat"] == 2 * (messages + 1)


def test_an_odd_size_is_cropped_whichever_side_has_it():
    for height, width in itertools.product((3, 4, 31, 32), repeat=2):
        cropped = calls("style_transfer", height=height, width=width)["__getitem__"]
        assert cropped == (1 if height % 2 or width % 2 else 0)


def test_the_mask_adds_one_fill_a_block():
    for length in (1, 6):
        assert calls("transformer", length=length, mask=True)["masked_fill"] == 2
        assert calls("transformer", length=length, mask=False)["masked_fill"] == 0


def test_other_samples_repeat_what_their_controls_say():
    assert calls("gan", discriminator_turns=0)["backward"] == 1
    assert calls("gan", discriminator_turns=5)["backward"] == 6
    assert calls("grad_accumulation", parts=8, each=1)["backward"] == 8
    assert calls("linear_regression", scripted=False)["matmul"] == 3
    assert calls("linear_regression", scripted=True)["matmul"] == 0
    assert calls("cat_dog_cnn", mirrored_vote=True)["conv2d"] == 12
    assert calls("detach_no_grad", backbone="detached")["detach"] == 1


def test_a_training_loop_fits_the_line_it_was_given():
    x, y, _ = SAMPLES["linear_regression"].given(count=3, slope=2.0)
    assert x.flatten().tolist() == [-1, 0, 1]
    assert y.flatten().tolist() == [-3, -1, 1]


def test_each_kind_of_control_is_shown_by_some_sample():
    kinds = {type(control) for sample in SAMPLES.values() for control in read(sample.given)}
    assert kinds == {Whole, Real, Switch, Choice, Text, TensorControl}


def test_a_file_is_run_in_the_place_of_the_input_and_a_wrong_shape_is_a_failure():
    sample = SAMPLES["branching"]
    for table, failed in (("1,2,3,4\n5,6,7,8", False), ("1,2,3\n4,5,6", True)):
        file = Uploaded("x.csv", table.encode())
        assert read_tensors(file.data, file.name)[0].dtype == torch.int64
        recording = inspector.record(sample.build(), *inputs_of(sample.given, {FILE: file}))
        assert (recording.failure is not None) == failed
