"""Run until: each condition on programs whose hits are known by hand, and what is refused."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from handmade import NAN, Program, failed
from hypothesis import given
from hypothesis import strategies as st

from inspector.errors import QuestionError
from inspector.records import Recording, Source, TensorSummary
from inspector.timeline import CONDITIONS, FIELDS, Condition, Timeline, timeline, until
from inspector.timeline.expression import MAX_LENGTH, parse


def summary(*values: float) -> TensorSummary:
    """Statistics of a few finite values, by their definitions."""
    mean = sum(values) / len(values)
    std = math.sqrt(sum((value - mean) ** 2 for value in values) / len(values))
    zeros = sum(value == 0 for value in values) / len(values)
    return TensorSummary(len(values), min(values), max(values), mean, std, 0, 0, zeros)


def program() -> Recording:
    """Seven ops, three autograd nodes; moments 0 to 9 in this order.

    0 linear in enc.0, [4, 8]     4 linear in head, [4, 2], float16     7 grad of 6, norm 5
    1 relu in enc, [4, 8]         5 bool -> True                        8 grad of 4, norm 0.01
    2 log, gives NaN, [4, 8]      6 sum, []                             9 grad of 0, NaN
    3 item -> 3
    """
    p = Program()
    x = p.tensor(shape=(4, 16))
    enc = p.call("enc", type="Sequential")
    first = p.call("enc.0", enc, type="Linear")
    head = p.call("head", type="Linear")

    def at(line: int, function: str = "Net.forward") -> dict[str, Any]:
        source = Source("/code/net.py", line, 0, function)
        return {"source": source, "stack": (source, Source("/code/train.py", 7, 0, "main"))}

    a = p.op("linear", x, call=first, shape=(4, 8), summary=summary(1, -1), **at(11))
    b = p.op("relu", a, call=enc, shape=(4, 8), summary=summary(1, 0), duration_us=50.0, **at(12))
    c = p.op("log", b, shape=(4, 8), summary=NAN, **at(13))
    p.read(c, 3, "item")
    d = p.op("linear", c, call=head, shape=(4, 2), **at(14))
    p.read(d, True)
    p.op("sum", d, shape=(), **at(15))
    p.grad("SumBackward0", 6, 1, grad_outputs=(summary(3, 4),), grad_inputs=(summary(1),))
    p.grad("AddmmBackward0", 4, 2, grad_outputs=(summary(0.006, 0.008),), grad_inputs=(None,))
    p.grad("AddmmBackward0", 0, grad_outputs=(NAN,), grad_inputs=(None,))
    p.tensors[d] = replace(p.tensors[d], dtype="float16", requires_grad=True, variable="out")
    return p.recording(failure=failed(6))


@pytest.fixture(scope="module")
def run() -> Timeline:
    return timeline(program())


def hits(run: Timeline, what: str, value: str = "", direction: int = 1) -> list[int]:
    """All hits, as one gets them by asking again and again."""
    found: list[int] = []
    at: int | None = -1 if direction > 0 else len(run)
    while at is not None:
        at = until(run, at, Condition(what, value), direction)
        if at is not None:
            found.append(at)
    return found


@pytest.mark.parametrize(
    ("what", "value", "expected"),
    [
        ("nonfinite", "", [2, 9]),
        ("failure", "", [6]),
        ("op", "linear", [0, 4]),
        ("op", "LIN*", [0, 4]),
        ("op", "torch.relu", [1]),
        ("op", "AddmmBackward0", [8, 9]),
        ("op", "nosuch", []),
        ("module", "enc.*", [0, 9]),
        ("module", "enc", [0, 1, 9]),
        ("module", "Linear", [0, 4, 8, 9]),
        ("module", "Sequential", [0, 1, 9]),
        ("line", "net.py:13", [2]),
        ("line", "13", [2]),
        ("line", "/code/net.py:11", [0, 9]),
        ("line", "code/train.py:7", [0, 1, 2, 4, 6, 7, 8, 9]),
        ("line", "et.py:13", []),
        ("decision", "", [3, 5]),
        ("decision", "true", [5]),
        ("decision", "3", [3]),
        ("decision", "3.0", [3]),
        ("decision", "1", []),
        ("shape", "4, 8", [0, 1, 2]),
        ("shape", "(4, 8)", [0, 1, 2]),
        ("shape", "4x2", [4]),
        ("shape", "4×*", [0, 1, 2, 4]),
        ("shape", "...", [0, 1, 2, 4, 6]),
        ("shape", "[... 2]", [4]),
        ("shape", "4 8 1", []),
        ("dtype", "float16", [4]),
        ("dtype", "torch.Float16", [4]),
        ("grad_above", "4.9", [7]),
        ("grad_below", "0.011", [8]),
        ("grad_below", "0.009", []),
        ("expression", "shape == (4, 8) and op == 'relu'", [1]),
        ("expression", "shape[0] > 3 and shape[-1] * 2 <= 4", [4]),
        ("expression", "grad_norm < 1 or nan > 0", [2, 8, 9]),
        ("expression", "kind == 'grad' and not nan", [7, 8]),
        ("expression", 'like(module, "enc*") and phase == "forward"', [0, 1]),
        ("expression", '"lin" in name', [0, 4]),
        ("expression", "op in ('relu', 'log')", [1, 2]),
        ("expression", "value == 3", [3]),
        ("expression", "value is None", None),
        ("expression", "line == 12", [1]),
        ("expression", "0 < zeros < 1", [1]),
        ("expression", "duration_us // 10 == 5", [1]),
        ("expression", "max(shape) == 8 and min(inputs[0]) == 4 and len(shape) == 2", [0, 1, 2]),
        ("expression", "abs(min) == 1 and max == 1", [0, 2, 9]),
        ("expression", "variable == 'out' and requires_grad", [4]),
        ("expression", "input.variable == 'out'", [5, 6]),
        ("expression", "index % 4 == 0", [0, 4, 8]),
        ("expression", "numel / 0 > 1", []),
        ("expression", "shape[9] == 1", []),
        ("expression", "any([nan, inf]) and op == 'log'", [2]),
        ("expression", "file == 'net.py' and line > 13", [4, 6, 7, 8]),
        ("expression", "type == 'Linear' and training", [0, 4, 8, 9]),
    ],
)
def test_each_condition_holds_where_it_was_worked_out_to(
    run: Timeline, what: str, value: str, expected: list[int] | None
) -> None:
    if expected is None:
        with pytest.raises(QuestionError, match="Compare with"):
            hits(run, what, value)
        return
    assert hits(run, what, value) == expected
    assert hits(run, what, value, -1) == expected[::-1]


def test_the_moment_that_one_starts_from_is_not_looked_at(run: Timeline) -> None:
    linear = Condition("op", "linear")
    assert until(run, 0, linear) == 4
    assert until(run, 4, linear, -1) == 0
    assert until(run, 4, linear) is None
    assert until(run, -50, linear) == 0
    assert until(run, 10**9, linear, -1) == 4


def test_nothing_is_found_in_an_empty_run() -> None:
    empty = timeline(Recording((), {}))
    for what, about in CONDITIONS.items():
        assert until(empty, -1, Condition(what, about.example)) is None


def test_the_example_of_every_condition_is_understood(run: Timeline) -> None:
    for what, about in CONDITIONS.items():
        until(run, -1, Condition(what, about.example))


def test_every_field_can_be_read_of_every_moment(run: Timeline) -> None:
    for name in FIELDS:
        assert until(run, -1, Condition("expression", f"{name} == 'no such value'")) is None


@pytest.mark.parametrize(
    ("what", "value", "complaint"),
    [
        ("nosuch", "", "no condition 'nosuch'"),
        ("op", " ", "such as: softmax"),
        ("shape", "4, a", "not a shape"),
        ("shape", "... ...", "once"),
        ("line", "net.py", "net.py:12|not a line"),
        ("line", "net.py:x", "not a line"),
        ("grad_below", "small", "not a number"),
        ("op", "x" * 401, "At most 400"),
        ("expression", "op ==", "Column 6"),
        ("expression", "op == 'relu' and modul == 'x'", "Column 18: There is no field “modul”"),
        ("expression", "modul == 'x'", "Did you mean “module”"),
        ("expression", "shape > 3", "Column 1: Cannot say a list > a number"),
        ("expression", "op + 1 > 2", "Arithmetic is for numbers"),
        ("expression", "'a' * 9 == 'b'", "Arithmetic is for numbers"),
        ("expression", "2 ** 9 > 1", "Arithmetic is"),
        ("expression", "shape[0:2] == 1", "One number"),
        ("expression", "op[0] == 'r'", "Brackets take one size"),
        ("expression", "abs(op) > 1", "abs"),
        ("expression", "like(line, 'x')", "like"),
        ("expression", "  op.x == 1", "Column 3: There is no field “op.x”"),
        ("expression", "trip > 3", "There is no field “trip”. "),
        ("expression", 'op = "a=b"', "Column 4: one “=” compares nothing. Did you mean “==”"),
        ("expression", "open('x')", "Column 1: “open” cannot be called here"),
        ("expression", "abs(x=line) > 1", "Use it as in abs"),
    ],
)
def test_what_is_not_understood_is_refused_in_plain_words(
    run: Timeline, what: str, value: str, complaint: str
) -> None:
    with pytest.raises(QuestionError, match=complaint):
        hits(run, what, value)


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        "().__class__",
        "op.__class__.__bases__",
        "(lambda: 1)()",
        "[x for x in shape]",
        "any(x > 3 for x in shape)",
        "f'{op}'",
        "open('x')",
        "exec('1')",
        "abs.__self__",
        "op if line else name",
        "(y := 3)",
        "b'x' == op",
        "... == op",
        "1j == 1",
        "{1: 2}",
        "~line",
        "line << 9999999999",
        "max(*shape)",
        "max(shape, key=len)",
        "await op",
        "yield op",
        "op; name",
        "import os",
        "9" * 300 + " > 1",
        "\0",
    ],
)
def test_nothing_else_of_python_is_understood(text: str) -> None:
    with pytest.raises(QuestionError):
        parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "(" * 150 + "1" + ")" * 150,
        "not " * 90 + "line",
        "-" * 300 + "1",
        "1" + "+1" * 150,
        "x" * (MAX_LENGTH + 1),
    ],
)
def test_size_and_nesting_are_bounded(text: str) -> None:
    try:
        parse(text)
    except QuestionError as error:
        assert len(str(error)) < 1000  # noqa: PT017  # parentheses alone nest nothing


def test_products_of_products_do_not_grow_without_end(run: Timeline) -> None:
    text = "*".join(["999999999999"] * 15)
    assert hits(run, "expression", f"{text} > 0") == []  # too large: missing


RUN = timeline(program())


def outcome(text: str) -> int | str | None:
    """The first hit, or the words with which an expression is refused."""
    try:
        return until(RUN, -1, Condition("expression", text))
    except QuestionError as error:
        return str(error)


@given(st.text(max_size=60))
def test_any_text_is_an_expression_or_is_refused(text: str) -> None:
    assert outcome(text) != ""


FIELD_TEXT = st.sampled_from(sorted(FIELDS))
NUMBER_TEXT = st.integers(-5, 70).map(str)


@given(FIELD_TEXT, st.sampled_from(["==", "!=", "<", ">=", "in"]), NUMBER_TEXT | FIELD_TEXT)
def test_any_comparison_holds_somewhere_nowhere_or_is_refused(a: str, sign: str, b: str) -> None:
    found = outcome(f"{a} {sign} {b}")
    assert found is None or found in range(10) or "Column 1: Cannot say" in str(found)
