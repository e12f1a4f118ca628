"""Two inputs of each dynamic sample, worked by hand from the few lines of its source.

A pair is written down as one program: what both runs did, "-" before what only A did, "+" before
what only B did. `n * "…"` are n trips.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

import inspector
import sample_models
from inspector.compare.union import Union, union
from inspector.records import Recording


def only(sign: str, ops: str) -> str:
    return " ".join(sign + op for op in ops.split()) + " "


@dataclass(frozen=True)
class Worked:
    """What a pair of runs must give.

    `ops` is the program of both. `decisions` are those with a value in both runs that differ:
    what stands in the line, the value in A, the value in B. `trips` are the loops that went round
    another number of times: how the header begins, trips of A, trips of B. `first` is where the
    runs part: the kind of difference, the op.
    """

    sample: str
    a: str
    b: str
    ops: str
    first: tuple[str, str]
    decisions: list[tuple[str, Any, Any]] = field(default_factory=list)
    trips: list[tuple[str, int, int]] = field(default_factory=list)


# while_loop: a test before each trip, and the one that ends the loop.
TEST = "norm gt bool "
# variable_length: what a word costs after its `int`.
WORD = "linear embedding add tanh "
# dynamic_structure, dynamic_rnn: a block, a time step with its two cells.
BLOCK = "layer_norm linear tanh add "
TIME = "rnn_tanh_cell rnn_tanh_cell "
# poem_lstm: after `int(word)`, one word.
VERSE = "embedding lstm_cell linear log_softmax max "
# mixture_of_experts: the test of an expert, and its answer put in place.
CHOSEN = "eq any bool "
EXPERT = "getitem linear tanh linear getitem unsqueeze mul unsqueeze masked_scatter "
# graph_network: both ends of an edge read, the message, the write; what closes a round.
EDGE = "getitem int getitem int getitem getitem cat getitem linear tanh add setitem "
ROUND = "zeros_like unbind "
UPDATE = "cat linear tanh "
# cat_dog_cnn: batch norm counts its batches (add_) before it runs; the second block's way around
# is a convolution, that of the first is the identity.
NORMED = "conv2d add_ batch_norm "
STRAIGHT = f"{NORMED} relu {NORMED} add relu "
AROUND = f"{NORMED} relu {NORMED} conv2d add relu "
CLASSIFY = f"{NORMED} relu {STRAIGHT} {AROUND} mean linear "
# style_transfer: convolution and norm; two residual blocks.
STYLED = "conv2d instance_norm "
PAINTED = f"{STYLED} relu " + 2 * f"{STYLED} relu {STYLED} add " + "interpolate "
STYLE_LOSS = "flatten transpose matmul div eye div sub square mean "
# transformer: three projections split into heads, the scores; the weighted sum and the MLP.
SCORES = "layer_norm " + 3 * "linear unflatten transpose " + "transpose matmul div "
MIXED = "softmax matmul transpose flatten linear add layer_norm linear gelu linear add "
SENTENCE = "embedding getitem add "
NEXT = "layer_norm linear log_softmax getitem mean neg "
# grad_accumulation: one part; one step of SGD whose momentum begins as a copy of the gradient.
PART = "linear tanh linear mse_loss div detach "
MOMENTUM = 4 * "detach clone add_ "
# gan: the state of Adam for four parameters, and their update; forged points; a turn.
STATE = 4 * "tensor zeros_like zeros_like "
ADAM = 4 * "add_ lerp_ mul_ addcmul_ item sqrt div add_ addcdiv_ "
FORGED = "linear tanh linear "
VERDICT = "linear leaky_relu linear "
CROSS = "binary_cross_entropy_with_logits "
JUDGED = f"{FORGED} detach {VERDICT} {VERDICT} ones_like {CROSS} zeros_like {CROSS} add "
FORGER = f"{FORGED} {VERDICT} ones_like {CROSS} "

WORKED = [
    Worked(
        "branching", "mean above zero", "mean below zero",
        "mean gt bool -linear -tanh +mul +linear +mul mean",
        ("decision", "bool"),
        [("if x.mean() > 0", True, False)],
    ),
    Worked(
        "while_loop", "norm 3, two trips", "norm 20, five trips",
        # The third test ends A; B goes on for three trips and their tests.
        2 * f"{TEST} matmul " + TEST + 3 * only("+", f"matmul {TEST}") + "linear mean",
        ("decision", "bool"),
        [("while x.norm() > 1", False, True)],
        [("while x.norm() > 1", 2, 5)],
    ),
    Worked(
        "while_loop", "norm 3, two trips", "norm 0.5, no trip",
        TEST + 2 * only("-", f"matmul {TEST}") + "linear mean",
        ("decision", "bool"),
        [("while x.norm() > 1", True, False)],
        [("while x.norm() > 1", 2, 0)],
    ),
    Worked(
        "variable_length", "two words", "five words",
        # Tokens 3 7 0 … and 3 7 1 9 2 0: in the third place a pad in A, a word in B.
        "unbind " + 2 * f"int {WORD}" + "int " + only("+", f"{WORD} int {WORD} int {WORD} int")
        + "linear mean",
        ("decision", "int"),
        [("int(token) == self.pad", 0, 1)],
        [("for token in tokens", 3, 6)],
    ),
    Worked(
        "variable_length", "two words", "no padding",
        "unbind " + 2 * f"int {WORD}" + "int " + only("+", WORD + 3 * f"int {WORD}")
        + "linear mean",
        ("decision", "int"),
        [("int(token) == self.pad", 0, 1)],
        [("for token in tokens", 3, 6)],
    ),
    Worked(
        "variable_length", "five words", "no padding",
        # Both go round six times: the last place is a pad in A and the word 5 in B.
        "unbind " + 5 * f"int {WORD}" + "int " + only("+", WORD) + "linear mean",
        ("decision", "int"),
        [("int(token) == self.pad", 0, 5)],
    ),
    Worked(
        "dynamic_structure", "all on", "middle off",
        BLOCK + only("-", BLOCK) + BLOCK + "linear mean",
        ("only_a", "layer_norm"),
    ),
    Worked(
        "dynamic_structure", "middle off", "all off",
        2 * only("-", BLOCK) + "linear mean",
        ("only_a", "layer_norm"),
    ),
    Worked(
        "dynamic_rnn", "two time steps", "five time steps",
        "new_zeros unbind " + 2 * TIME + 3 * only("+", TIME) + "linear mean",
        ("decision", "unbind"),
        [("for x in sequence", 2, 5)],
        [("for x in sequence", 2, 5)],
    ),
    Worked(
        "poem_lstm", "roses", "sugar",
        # roses are red END; sugar is sweet and so are you END. By number, in the order of
        # `roses are red END sugar is sweet and so you`: 0 1 2 3 and 4 5 6 7 8 1 9 3.
        "new_zeros " + 3 * f"int {VERSE}" + "int " + 4 * only("+", f"{VERSE} int")
        + "cat cat mean neg",
        ("decision", "int"),
        [("while int(word)", 0, 4), ("while int(word)", 1, 5), ("while int(word)", 2, 6),
         ("while int(word)", 3, 7)],
        [("while int(word)", 3, 7)],
    ),
    Worked(
        "mixture_of_experts", "all experts busy", "one expert idle",
        # Expert 1 gets no token.
        "linear softmax max zeros_like " + CHOSEN + EXPERT + CHOSEN + only("-", EXPERT)
        + CHOSEN + EXPERT + "mean",
        ("decision", "bool"),
        [("if chosen.any()", True, False)],
    ),
    Worked(
        "mixture_of_experts", "all experts busy", "one expert does it all",
        # Expert 1 gets all four.
        "linear softmax max zeros_like " + CHOSEN + only("-", EXPERT) + CHOSEN + EXPERT
        + CHOSEN + only("-", EXPERT) + "mean",
        ("decision", "bool"),
        2 * [("if chosen.any()", True, False)],
    ),
    Worked(
        "graph_network", "a chain", "a ring",
        # Both have 0 to 1 and 1 to 2; the ring's third edge comes once a round.
        2 * (ROUND + 2 * EDGE + only("+", EDGE) + UPDATE) + "mean linear sum",
        ("decision", "unbind"),
        2 * [("for edge in edges", 2, 3)],
        2 * [("for edge in edges", 2, 3)],
    ),
    Worked(
        "graph_network", "a chain", "a star",
        # 0 to 1, 1 to 2 against 1 to 0, 2 to 0, 3 to 0, 4 to 0; and five nodes for three.
        2 * (ROUND + 2 * EDGE + 2 * only("+", EDGE) + UPDATE) + "mean linear sum",
        ("changed", "zeros_like"),
        2 * [("for edge in edges", 2, 4),
             ("int(edge[0])", 0, 1), ("int(edge[1])", 1, 0),
             ("int(edge[0])", 1, 2), ("int(edge[1])", 2, 0)],
        2 * [("for edge in edges", 2, 4)],
    ),
    Worked(
        "cat_dog_cnn", "four photos", "with a mirrored vote",
        CLASSIFY + only("+", f"flip {CLASSIFY} add div") + "tensor cross_entropy",
        ("only_b", "flip"),
    ),
    Worked(
        "style_transfer", "even size", "odd size",
        # 9 pixels come back as 10, so they are cropped; the second half of the `or` is read in A
        # only, which is no difference of two values.
        PAINTED + "+getitem conv2d sigmoid " + STYLE_LOSS,
        ("changed", "conv2d"),
        [("photo.shape[2]", 8, 9), ("photo.shape[3]", 8, 9), ("x.shape[2] != height", 8, 10)],
    ),
    Worked(
        "transformer", "no mask", "causal mask",
        SENTENCE + 2 * f"{SCORES} +masked_fill {MIXED}" + NEXT,
        ("only_b", "masked_fill"),
    ),
    Worked(
        "transformer", "no mask", "shorter, with mask",
        SENTENCE + 2 * f"{SCORES} +masked_fill {MIXED}" + NEXT,
        ("changed", "embedding"),
    ),
    Worked(
        "detach_no_grad", "trained", "detached",
        "linear tanh +detach linear mean",
        ("only_b", "detach"),
    ),
    Worked(
        "linear_regression", "eager", "scripted",
        3 * "-matmul -add +ScriptModule.forward sub mul mean add_ add_ detach " + "stack",
        ("only_a", "matmul"),
    ),
    Worked(
        "grad_accumulation", "one batch of four", "four parts of one",
        "chunk chunk " + PART + 3 * only("+", PART) + MOMENTUM + "stack",
        ("changed", "chunk"),
        trips=[("for part_x, part_y in zip", 1, 4)],
    ),
    Worked(
        "gan", "one turn each", "two discriminator turns",
        # Adam makes its state in its first step only.
        f"{JUDGED} {STATE} {ADAM} detach " + only("+", f"{JUDGED} {ADAM} detach")
        + f"{FORGER} {STATE} {ADAM} detach stack",
        ("only_b", "linear"),
        trips=[("for _ in range(discriminator_turns)", 1, 2)],
    ),
]  # fmt: skip

IDS = [f"{one.sample}: {one.a} | {one.b}" for one in WORKED]


def run(name: str, given: str) -> Recording:
    sample = sample_models.get(name)
    return inspector.record(sample.build(), *sample.inputs[given].make(), loss=sample.loss)


def program(found: Union) -> list[str]:
    """The ops of both runs as they are written above."""
    signs = [
        "+" if a is None else "-" if b is None else ""
        for a, b in zip(found.of_a, found.of_b, strict=True)
    ]
    return [sign + op.name for sign, op in zip(signs, found.recording.ops, strict=True)]


def line(recording: Recording, source: inspector.Source) -> str:
    return recording.sources[source.file].splitlines()[source.line - 1]


@pytest.mark.parametrize("worked", WORKED, ids=IDS)
def test_a_pair_of_inputs_gives_what_was_worked_out_by_hand(worked: Worked) -> None:
    a, b = run(worked.sample, worked.a), run(worked.sample, worked.b)
    found = union(a, b)
    comparison = found.comparison
    assert program(found) == worked.ops.split()

    read = [one for one in comparison.decisions if one.a is not None and one.b is not None]
    assert [(one.value_a, one.value_b) for one in read] == [each[1:] for each in worked.decisions]
    for one, (text, _, _) in zip(read, worked.decisions, strict=True):
        assert one.source_a is not None
        assert text in line(a, one.source_a)

    assert [(one.trips_a, one.trips_b) for one in comparison.loops] == [
        each[1:] for each in worked.trips
    ]
    for loop, (header, _, _) in zip(comparison.loops, worked.trips, strict=True):
        assert loop.header.startswith(header)

    first = comparison.first_difference
    assert first is not None
    name = a.ops[first.a].name if first.a is not None else b.ops[first.b or 0].name
    assert (first.kind, name) == worked.first


@pytest.mark.parametrize("worked", WORKED, ids=IDS)
def test_the_other_way_round_it_is_the_same_program_with_the_signs_exchanged(
    worked: Worked,
) -> None:
    a, b = run(worked.sample, worked.a), run(worked.sample, worked.b)
    there, back = program(union(a, b)), program(union(b, a))
    signs = str.maketrans("+-", "-+")
    assert sorted(each.translate(signs) for each in there) == sorted(back)


@pytest.mark.parametrize(
    ("name", "a", "b", "sentence"),
    [
        (
            "variable_length", "two words", "five words",
            "ran 6 times in B instead of 3 times, because `int(token)` on line {line} was 0 at"
            " trip 3 in A (1 in B), and only at trip 6 in B.",
        ),
        (
            "variable_length", "two words", "no padding",
            "because `int(token)` on line {line} was 0 at trip 3 in A (1 in B), and never in B.",
        ),
        (
            "while_loop", "norm 3, two trips", "norm 20, five trips",
            "ran 5 times in B instead of twice, because `x.norm() > 1` was False after 2 trips in"
            " A (True in B), and only after 5 trips in B.",
        ),
        (
            "dynamic_rnn", "two time steps", "five time steps",
            "because the length of sequence was 5 in B and 2 in A.",
        ),
        ("poem_lstm", "roses", "sugar", "`int(word)` was 3 after 3 trips in A (7 in B)"),
        ("mixture_of_experts", "all experts busy", "one expert idle",
         "`chosen.any()` (mixture_of_experts.py:{line}) was True in A and False in B."),
    ],
)  # fmt: skip
def test_the_cause_is_named_with_its_values_and_its_trip(
    name: str, a: str, b: str, sentence: str
) -> None:
    found = inspector.compare(run(name, a), run(name, b))
    decision = next(one for one in found.decisions if one.source_a is not None)
    if name == "variable_length":
        decision = found.decisions[0]
    assert decision.source_a is not None
    assert sentence.format(line=decision.source_a.line) in str(found)
