"""The samples: healthy, deterministic, scriptable, and as dynamic as they claim to be.

Expected counts are worked out by hand from each model's text; values come from a second way
to compute the same thing (plain Python, a PyTorch module that does it in one call).
"""

from __future__ import annotations

import ast
import sys
import warnings
from collections import Counter
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.overrides import TorchFunctionMode

import sample_models
from sample_models import (
    UnknownSample,
    catalog,
    detach_no_grad,
    gan,
    get,
    poem_lstm,
    style_transfer,
    transformer,
)

SAMPLES = catalog()
CASES = [(name, given) for name, sample in SAMPLES.items() for given in sample.inputs]
TRAINING = ("linear_regression", "grad_accumulation", "gan")


class FunctionCalls(TorchFunctionMode):
    """Counts the torch functions called by name and keeps the outputs of relu."""

    def __init__(self):
        super().__init__()
        self.count = Counter()
        self.relu_outputs = []

    def __torch_function__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        self.count[func.__name__] += 1
        if func.__name__ == "relu":
            self.relu_outputs.append(out.detach())
        return out


def run(name, given):
    """A fresh model, its output for a named input, and the calls that made it."""
    model = SAMPLES[name].build()
    arguments = SAMPLES[name].inputs[given].make()
    with FunctionCalls() as calls:
        output = model(*arguments)
    return model, arguments, output, calls


def tensors_in(output):
    return [output] if isinstance(output, torch.Tensor) else list(output)


def loss_of(sample, output):
    reduce = {"sum": torch.sum, "mean": torch.mean}.get(sample.loss, sample.loss)
    return reduce(output)


def script(thing):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"`torch\.jit\.script` is deprecated")
        return torch.jit.script(thing)


def parameters_of(name, model, arguments):
    if name == "autograd_basics":
        return {"x": arguments[0]}
    if name == "gan":
        return dict(nn.ModuleList([model.generator, model.discriminator]).named_parameters())
    return dict(SAMPLES[name].static(model).named_parameters())


@pytest.mark.parametrize(("name", "given"), CASES)
def test_every_input_gives_finite_outputs_in_few_calls(name, given):
    _, _, output, calls = run(name, given)
    assert all(torch.isfinite(tensor).all() for tensor in tensors_in(output))
    assert calls.count.total() < 400


@pytest.mark.parametrize(("name", "given"), CASES)
def test_two_fresh_builds_are_bit_equal(name, given):
    _, _, first, _ = run(name, given)
    _, _, second, _ = run(name, given)
    for a, b in zip(tensors_in(first), tensors_in(second), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize(("name", "given"), [case for case in CASES if case[0] not in TRAINING])
def test_a_second_call_gives_what_the_first_gave(name, given):
    model, arguments, first, _ = run(name, given)
    for a, b in zip(tensors_in(first), tensors_in(model(*arguments)), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("name", SAMPLES)
def test_building_and_making_inputs_leave_the_global_rng_alone(name):
    before = torch.get_rng_state()
    SAMPLES[name].build()
    for given in SAMPLES[name].inputs.values():
        given.make()
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("name", SAMPLES)
def test_the_global_seed_does_not_reach_a_sample(name):
    given = next(iter(SAMPLES[name].inputs))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        _, _, first, _ = run(name, given)
        torch.manual_seed(2)
        _, _, second, _ = run(name, given)
    assert torch.equal(tensors_in(first)[-1], tensors_in(second)[-1])


@pytest.mark.parametrize("name", SAMPLES)
def test_gradients_reach_every_parameter_that_some_input_uses(name):
    sample = SAMPLES[name]
    reached = set()
    for given in sample.inputs:
        model, arguments, output, _ = run(name, given)
        if sample.loss is not None:
            loss = loss_of(sample, output)
            assert loss.shape == ()
            loss.backward()
        parameters = parameters_of(name, model, arguments)
        for path, parameter in parameters.items():
            if parameter.grad is not None:
                assert torch.isfinite(parameter.grad).all(), (given, path)
                assert parameter.grad.abs().max() > 1e-6, (given, path)
                reached.add(path)
    assert reached == set(parameters)


@pytest.mark.parametrize("name", TRAINING)
def test_a_training_sample_moves_every_parameter(name):
    for given in SAMPLES[name].inputs:
        before = parameters_of(name, SAMPLES[name].build(), ())
        model, _, _, _ = run(name, given)
        for path, parameter in parameters_of(name, model, ()).items():
            assert not torch.equal(parameter, before[path]), path


@pytest.mark.parametrize("name", ["cat_dog_cnn", "style_transfer"])
def test_no_relu_channel_is_dead(name):
    for given in SAMPLES[name].inputs:
        _, _, _, calls = run(name, given)
        assert calls.relu_outputs
        for out in calls.relu_outputs:
            assert (out > 0).any(dim=3).any(dim=2).any(dim=0).all()


@pytest.mark.parametrize(("name", "given"), [c for c in CASES if SAMPLES[c[0]].scriptable])
def test_a_scripted_sample_gives_the_outputs_of_the_eager_one(name, given):
    sample = SAMPLES[name]
    arguments = sample.static_inputs(sample.inputs[given].make())
    eager = sample.static(sample.build())(*arguments)
    scripted = script(sample.static(sample.build()))
    for _ in range(3):  # TorchScript profiles the first runs and rewrites the graph after them
        torch.testing.assert_close(scripted(*arguments), eager)


@pytest.mark.parametrize("name", [name for name in SAMPLES if not SAMPLES[name].scriptable])
def test_a_sample_called_unscriptable_is_refused_by_the_compiler(name):
    with pytest.raises(RuntimeError):
        script(SAMPLES[name].static(SAMPLES[name].build()))


def test_exactly_one_sample_cannot_be_scripted():
    assert [name for name in SAMPLES if not SAMPLES[name].scriptable] == ["detach_no_grad"]


HAND_COUNTS = {
    # one function whose calls tell the inputs apart: calls of it for each input
    "detach_no_grad": ("detach", {"trained": 0, "detached": 1, "no_grad": 0}),
    # three steps, one matmul each; a scripted network shows none
    "linear_regression": ("matmul", {"eager": 3, "scripted": 0}),
    "grad_accumulation": (
        "backward",
        {"one batch of four": 1, "two parts of two": 2, "four parts of one": 4},
    ),
    "branching": ("tanh", {"mean above zero": 1, "mean below zero": 0}),
    # 3, 1.5, 0.75; 20, 10, 5, 2.5, 1.25, 0.625; 0.5
    "while_loop": (
        "matmul",
        {"norm 3, two trips": 2, "norm 20, five trips": 5, "norm 0.5, no trip": 0},
    ),
    "variable_length": ("embedding", {"two words": 2, "five words": 5, "no padding": 6}),
    # one layer norm a block
    "dynamic_structure": ("layer_norm", {"all on": 3, "middle off": 2, "all off": 0}),
    # two cells a time step
    "dynamic_rnn": ("rnn_tanh_cell", {"two time steps": 4, "five time steps": 10}),
    # "are red END", "is sweet and so are you END"
    "poem_lstm": ("lstm_cell", {"roses": 3, "sugar": 7}),
    "mixture_of_experts": (
        "masked_scatter",
        {"all experts busy": 3, "one expert idle": 2, "one expert does it all": 1},
    ),
    # two rounds; in each, one cat an edge and one for the update
    "graph_network": ("cat", {"a chain": 6, "a ring": 8, "a star": 10}),
    # stem 1, blocks 2 and 2, shortcut 1; twice with the mirror
    "cat_dog_cnn": ("conv2d", {"four photos": 6, "with a mirrored vote": 12}),
    "style_transfer": ("__getitem__", {"even size": 0, "odd size": 1}),
    "transformer": ("masked_fill", {"no mask": 0, "causal mask": 2, "shorter, with mask": 2}),
    "gan": ("backward", {"one turn each": 2, "two discriminator turns": 3}),
}


@pytest.mark.parametrize("name", HAND_COUNTS)
def test_inputs_differ_by_the_calls_counted_by_hand(name):
    function, expected = HAND_COUNTS[name]
    assert {
        given: run(name, given)[3].count[function] for given in SAMPLES[name].inputs
    } == expected


def test_every_sample_but_the_static_first_has_hand_worked_counts():
    assert set(HAND_COUNTS) == set(SAMPLES) - {"autograd_basics"}


@pytest.mark.parametrize(
    ("name", "given", "read", "times"),
    [
        ("branching", "mean above zero", "__bool__", 1),
        ("while_loop", "norm 20, five trips", "__bool__", 6),  # five True, one False
        ("variable_length", "two words", "__int__", 3),  # two words and the pad
        ("variable_length", "no padding", "__int__", 6),
        ("dynamic_structure", "middle off", "__bool__", 0),  # Python bools, no tensor asked
        ("poem_lstm", "roses", "__int__", 4),  # roses, are, red, END
        ("mixture_of_experts", "one expert does it all", "__bool__", 3),  # one an expert
        ("graph_network", "a ring", "__int__", 12),  # 2 rounds, 3 edges, 2 ends
    ],
)
def test_tensors_become_python_values_as_often_as_the_text_says(name, given, read, times):
    assert run(name, given)[3].count[read] == times


def test_the_gradients_of_the_basics_are_the_derivative():
    for given, gradient in (("ones", [[4.5, 4.5], [4.5, 4.5]]), ("a ramp", [[3, 4.5], [6, 7.5]])):
        _, (x,), out, _ = run("autograd_basics", given)
        out.backward()
        assert x.grad.tolist() == gradient


@pytest.mark.parametrize("given", ["eager", "scripted"])
def test_the_regression_is_gradient_descent_as_plain_python_does_it(given):
    weight, bias, losses = 0.0, 0.0, []
    points = [(x, 3 * x - 1) for x in (-1.0, 0.0, 1.0, 2.0)]
    for _ in range(3):
        errors = [(x, weight * x + bias - y) for x, y in points]
        losses.append(sum(error**2 for _, error in errors) / 4)
        weight -= 0.1 * sum(2 * error * x for x, error in errors) / 4
        bias -= 0.1 * sum(2 * error for _, error in errors) / 4
    train, _, recorded, _ = run("linear_regression", given)
    assert recorded.tolist() == pytest.approx(losses)
    assert (train.eager.weight.item(), train.eager.bias.item()) == pytest.approx((weight, bias))


def test_accumulated_parts_step_to_the_weights_of_the_whole_batch():
    whole, *parts = [
        run("grad_accumulation", given)[0] for given in SAMPLES["grad_accumulation"].inputs
    ]
    for train in parts:
        torch.testing.assert_close(train.net.state_dict(), whole.net.state_dict())


def test_detach_and_no_grad_change_only_where_the_gradient_ends():
    gradients = {}
    for given in detach_no_grad.SAMPLE.inputs:
        model, _, output, _ = run("detach_no_grad", given)
        output.mean().backward()
        gradients[given] = (output.detach(), model.head.weight.grad, model.backbone.weight.grad)
    for output, head, _ in gradients.values():
        assert torch.equal(output, gradients["trained"][0])
        assert torch.equal(head, gradients["trained"][1])
    assert gradients["trained"][2] is not None
    assert gradients["detached"][2] is None
    assert gradients["no_grad"][2] is None


def test_only_the_branch_that_ran_gets_gradients():
    for given, used, unused in (
        ("mean above zero", "above", "below"),
        ("mean below zero", "below", "above"),
    ):
        model, _, output, _ = run("branching", given)
        output.mean().backward()
        assert getattr(model, used).weight.grad is not None
        assert getattr(model, unused).weight.grad is None


def test_tokens_after_the_first_pad_are_not_read():
    reader = SAMPLES["variable_length"].build()
    assert torch.equal(reader(torch.tensor([3, 7, 0, 9, 9])), reader(torch.tensor([3, 7])))


def test_blocks_switched_off_leave_the_head():
    model, (x, _), output, _ = run("dynamic_structure", "all off")
    assert torch.equal(output, model.head(x))


@pytest.mark.parametrize("given", ["two time steps", "five time steps"])
def test_the_stack_of_cells_is_a_two_layer_rnn(given):
    model, (sequence,), output, _ = run("dynamic_rnn", given)
    rnn = nn.RNN(3, 4, num_layers=2)
    with torch.no_grad():
        for level, cell in enumerate(model.cells):
            for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
                getattr(rnn, f"{kind}_l{level}").copy_(getattr(cell, kind))
    torch.testing.assert_close(output, model.head(rnn(sequence)[0][-1]))


@pytest.mark.parametrize(
    ("first", "rest"), [("roses", "are red END"), ("sugar", "is sweet and so are you END")]
)
def test_the_poet_knows_both_poems_and_stops(first, rest):
    _, _, (words, chances), _ = run("poem_lstm", first)
    assert poem_lstm.line(words) == rest
    assert (chances > torch.log(torch.tensor(0.5))).all()  # no word was a close call


def test_each_token_is_answered_by_the_expert_of_its_largest_feature():
    for given in SAMPLES["mixture_of_experts"].inputs:
        model, (tokens,), output, _ = run("mixture_of_experts", given)
        for token, answer in zip(tokens, output, strict=True):
            trust = torch.softmax(token, dim=0).max()  # the router starts as the identity
            expected = model.experts[int(token.argmax())](token) * trust
            torch.testing.assert_close(answer, expected)


def test_messages_by_edge_are_the_messages_of_all_edges_at_once():
    for given in SAMPLES["graph_network"].inputs:
        model, (nodes, edges), output, _ = run("graph_network", given)
        source, target = edges.unbind(1)
        for _ in range(2):
            messages = torch.tanh(model.message(torch.cat([nodes[source], nodes[target]], 1)))
            inbox = torch.zeros_like(nodes).index_add(0, target, messages)
            nodes = torch.tanh(model.update(torch.cat([nodes, inbox], 1)))
        torch.testing.assert_close(output, model.head(nodes.mean(0)))


def test_the_written_out_attention_is_pytorchs_own():
    model, (tokens, mask), _, _ = run("transformer", "causal mask")
    attention, x = model.blocks[0].attention, model.embedding(tokens)
    query, key, value = (
        linear(x).view(2, 5, 2, 4).transpose(1, 2)
        for linear in (attention.query, attention.key, attention.value)
    )
    mixed = F.scaled_dot_product_attention(query, key, value, is_causal=True)
    expected = attention.out(mixed.transpose(1, 2).reshape(2, 5, 8))
    torch.testing.assert_close(attention(x, mask), expected)


def test_with_the_causal_mask_a_later_word_changes_no_earlier_guess():
    model = transformer.SAMPLE.build()
    tokens = torch.tensor([[3, 1, 4]])
    other = torch.tensor([[3, 1, 5]])
    mask = transformer.causal_mask(3)
    assert torch.equal(model(tokens, mask)[:, :2], model(other, mask)[:, :2])
    assert not torch.equal(model(tokens)[:, :2], model(other)[:, :2])


def test_the_styled_image_has_the_size_of_the_photo():
    for given in style_transfer.SAMPLE.inputs:
        _, (photo,), image, _ = run("style_transfer", given)
        assert image.shape == photo.shape


def test_a_mirrored_vote_does_not_care_which_photo_is_the_mirror_image():
    model, (photos, vote), logits, _ = run("cat_dog_cnn", "with a mirrored vote")
    torch.testing.assert_close(model(photos.flip(-1), vote), logits)


def test_the_discriminators_turn_leaves_the_generator_without_gradients():
    train = gan.SAMPLE.build()
    latent, real, _ = gan.SAMPLE.inputs["one turn each"].make()
    train.discriminator_turn(latent, real)
    assert all(parameter.grad is None for parameter in train.generator.parameters())
    train.generator_turn(latent)
    assert all(parameter.grad is not None for parameter in train.generator.parameters())


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_introduces_itself(name):
    sample = SAMPLES[name]
    assert sample.name == name
    assert Path(sample.file).name == f"{name}.py"
    assert Path(sample.file).is_file()
    assert sample.title
    assert sample.teaches.endswith(".")
    assert len(sample.inputs) >= 2
    assert all(given.description.endswith(".") for given in sample.inputs.values())


def test_there_is_one_sample_for_each_public_file():
    folder = Path(sample_models.__file__).parent
    files = {path.stem for path in folder.glob("*.py") if not path.stem.startswith("_")}
    assert files == set(SAMPLES)


def test_the_catalog_is_the_callers_own_dict():
    catalog().clear()
    assert list(catalog()) == list(SAMPLES)
    assert catalog()["gan"] is SAMPLES["gan"]


def test_get_finds_a_sample_by_name():
    assert get("branching") is SAMPLES["branching"]


def test_an_unknown_name_is_told_its_close_matches_and_all_names():
    with pytest.raises(UnknownSample) as caught:
        get("brancing")
    message = str(caught.value)
    assert isinstance(caught.value, KeyError)
    assert "No sample is called 'brancing'. Did you mean branching?" in message
    assert all(name in message for name in SAMPLES)
    with pytest.raises(UnknownSample, match=r"No sample is called 'zzz'\. There are: autograd"):
        get("zzz")


def test_samples_import_only_torch_and_the_standard_library():
    allowed = {"torch", "sample_models", *sys.stdlib_module_names}
    for path in Path(sample_models.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                roots = {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0
                roots = {node.module.split(".")[0]}
            else:
                continue
            assert roots <= allowed, path.name
