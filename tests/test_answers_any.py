"""Whatever JSON a browser sends, only an `InspectorError` comes out: no traceback, no 500."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import inspector
import sample_models
from inspector.errors import InspectorError, QuestionError
from inspector.render.answers import QUESTIONS, Book, answer, drawn_file
from inspector.render.asked import text_of, texts_of, whole, whole_of

FIELDS = (
    "at", "by", "back", "client", "columns", "draw", "first", "from", "id", "kind", "limit",
    "measure", "move", "number", "offset", "over", "pane", "q", "ref", "rows", "side", "tensor",
    "theme", "toggled", "value", "what",
)  # fmt: skip
"""All that some question reads."""

TEXTS = (
    "", "dynamic", "backward", "op:1", "grad:0", "dynamic/op:2", "dynamic/op:" + "9" * 5000,
    "time", "visits", "value", "grad", "expression", "op == 'relu'", "step", "out", "heatmap",
    "dark", "9" * 5000, "-1", "1e999", "\ud800", "call:0", "line:3", "shape", "%1", "²",
)  # fmt: skip

LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-3, 40)
    | st.sampled_from([10**30, -(10**30), 2**53 + 1, 10**4000])
    | st.floats()
    | st.sampled_from(TEXTS)
    | st.text(max_size=6)
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["0", "1", "x", "-9", "9" * 5000]), inner, max_size=2)
    ),
    max_leaves=6,
)
ASKED = st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=6)


DEEP: list[Any] = []
"""A list in a list in a list ..., deeper than Python's stack."""
for _ in range(5_000):
    DEEP = [DEEP]


def book_of(name: str) -> Book:
    sample = sample_models.get(name)
    torch.manual_seed(0)
    made = next(iter(sample.inputs.values())).make()
    return Book(inspector.record(sample.build(), *made, loss=sample.loss))


@pytest.fixture(scope="module", params=["branching", "dynamic_rnn"])
def book(request: pytest.FixtureRequest) -> Book:
    return book_of(request.param)


def refused_or_answered(ask: Callable[[], object]) -> None:
    """An answer is JSON, or a file."""
    with contextlib.suppress(InspectorError):
        json.dumps(ask(), allow_nan=False, default=len)


@pytest.mark.parametrize("question", sorted(QUESTIONS))
def test_any_json_is_answered_or_refused(book: Book, question: str) -> None:
    @settings(
        max_examples=20, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(ASKED)
    def check(asked: dict[str, Any]) -> None:
        refused_or_answered(lambda: answer(book, question, asked))

    check()


@settings(max_examples=20, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(
    ASKED, st.sampled_from(["svg", "dot", "", 3, None]), st.sampled_from(["dynamic", "backward", 1])
)
def test_any_json_is_saved_or_refused(
    book: Book, asked: dict[str, Any], kind: object, pane: object
) -> None:
    refused_or_answered(lambda: drawn_file(book, {**asked, "kind": kind, "pane": pane}))


@pytest.mark.parametrize("question", sorted(QUESTIONS))
def test_a_list_without_end_is_answered_or_refused(book: Book, question: str) -> None:
    read_by_pictures = ("draw", "toggled", "client", "number")
    for field in read_by_pictures if question == "picture" else FIELDS:
        refused_or_answered(lambda asked=field: answer(book, question, {asked: DEEP}))


@pytest.mark.parametrize("field", ["pane", "kind", "theme"])
def test_a_list_without_end_is_no_file(book: Book, field: str) -> None:
    with pytest.raises(QuestionError):
        drawn_file(book, {"pane": "dynamic", "kind": "dot", field: DEEP})


@pytest.mark.parametrize(
    ("question", "asked"),
    [
        ("moment", {"at": 2, "move": []}),
        ("moment", {"at": float("inf")}),
        ("find", {"q": "x", "limit": float("inf")}),
        ("find", {"q": "x", "offset": float("inf")}),
        ("find", {"q": "x", "offset": 10**30}),
        ("picture", {"draw": 3}),
        ("picture", {"draw": True}),
        ("picture", {"draw": ["dynamic"] * 17}),
        ("drawing", {"draw": 3}),
        ("drawing", {"draw": True}),
        ("card", {"id": "op:" + "9" * 5000}),
        ("card", {"id": {}}),
        ("values", {"tensor": 10**5000}),
        ("until", {"from": 0, "what": [], "value": "x"}),
        ("heat", {"pane": {}}),
    ],
)
def test_what_makes_no_sense_is_refused(book: Book, question: str, asked: dict[str, Any]) -> None:
    with pytest.raises(QuestionError):
        answer(book, question, asked)


def test_an_op_with_too_many_digits_has_no_way(book: Book) -> None:
    assert answer(book, "way", {"ref": "dynamic/op:" + "9" * 5000}) == {"boxes": []}


def test_no_draw_is_all_panes_for_a_picture_and_none_for_a_drawing(book: Book) -> None:
    whole_picture = answer(book, "picture", {})
    assert answer(book, "picture", {"draw": None}) == whole_picture
    assert answer(book, "drawing", {"draw": None})["panes"] == {}


def test_what_is_read_of_a_question() -> None:
    asked = {"a": "x", "b": 3, "c": None, "d": [], "e": ["y", 7, "y"], "f": "12", "g": ""}
    assert [text_of(asked, name) for name in "abcz"] == ["x", "3", "", ""]
    assert [whole_of(asked, name) for name in "bfcgz"] == [3, 12, None, None, None]
    assert [texts_of(asked, name, 3) for name in "edz"] == [{"y"}, frozenset(), frozenset()]
    assert whole(2.9) == 2
    for name in "ab":
        with pytest.raises(QuestionError, match=f"`{name}`"):
            texts_of(asked, name, 3)
    with pytest.raises(QuestionError, match="at most 2"):
        texts_of(asked, "e", 2)
    with pytest.raises(QuestionError, match="`d`"):
        text_of(asked, "d")
    with pytest.raises(QuestionError, match="not a list"):
        whole_of(asked, "d")
