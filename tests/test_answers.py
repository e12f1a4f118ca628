"""What the browser asks about a recording: boxes, drawings, files; and over HTTP."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request
from torch import Tensor, nn

import inspector
from inspector.errors import QuestionError
from inspector.records import Recording
from inspector.render.answers import Book, answer, drawn_file
from inspector.render.turns import CLIENTS, Turns
from inspector.render.workbench import runs_of
from inspector_app import served
from inspector_app.component import Place


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.fc(x)) + x


class Two(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = Block(), Block()

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.first(x))


def recorded() -> Recording:
    return inspector.record(Two(), torch.ones(2, 3), loss="sum")


@pytest.fixture(scope="module")
def book() -> Book:
    return Book(recorded())


def nodes(found: dict[str, Any], pane: str = "dynamic") -> set[str]:
    return set(found["items"][pane])


# -- questions ------------------------------------------------------------------------------------


def test_a_toggled_box_is_closed_and_toggled_again_it_is_as_at_first(book: Book) -> None:
    # Calls: 0 the model, 1 first, 2 first.fc, 3 second, 4 second.fc. Both blocks fit: both open.
    first = answer(book, "picture", {})
    assert first["opened"] == ["call:1", "call:3"]
    closed = answer(book, "picture", {"toggled": ["call:1"]})
    assert closed["opened"] == ["call:3"]
    assert "call:1" in nodes(closed)
    assert "call:1" not in nodes(first)
    assert nodes(answer(book, "picture", {"toggled": []})) == nodes(first)


def test_a_closed_box_stands_for_its_ops_and_autograd_nodes(book: Book) -> None:
    closed = answer(book, "picture", {"toggled": ["call:1"]})
    # linear, relu, add of the first block are ops 0 to 2.
    assert closed["items"]["dynamic"]["call:1"]["ops"] == [[0, 2]]
    assert closed["items"]["backward"]["call:1"]["ops"]


def test_only_the_panes_asked_for_are_drawn_and_the_others_can_be_asked_for_later(
    book: Book,
) -> None:
    found = answer(book, "picture", {"draw": ["dynamic"]})
    panes = {pane["id"]: pane for pane in found["panes"]}
    assert panes["dynamic"]["svg"].startswith("<svg")
    assert panes["backward"]["waits"]
    assert panes["backward"]["svg"] is None
    assert set(found["items"]) == {"dynamic"}
    later = answer(book, "drawing", {"draw": ["backward"]})
    assert set(later["panes"]) == set(later["items"]) == {"backward"}
    everything = answer(book, "picture", {})
    whole = {pane["id"]: pane for pane in everything["panes"]}
    assert later["panes"]["backward"]["svg"] == whole["backward"]["svg"]
    assert later["items"]["backward"] == everything["items"]["backward"]
    of_backward = {item["card"] for item in everything["items"]["backward"].values()}
    assert set(later["cards"]) == of_backward


def test_a_picture_is_called_off_by_the_same_browsers_next_one_and_by_cancel(book: Book) -> None:
    def asked(client: str, number: int) -> bool:
        return "cancelled" in answer(book, "picture", {"client": client, "number": number})

    assert not asked("one", 1)
    over = book.turns.begin({"client": "one", "number": 2})
    assert not over()
    assert not asked("another", 9)  # another browser's questions are its own affair
    assert not over()
    assert not asked("one", 3)
    assert over()
    assert asked("one", 2)  # comes late: nobody waits for it any more
    answer(book, "cancel", {"client": "one", "number": 4})
    assert asked("one", 4)
    assert not asked("one", 5)
    later = {"client": "one", "number": 5, "draw": ["backward"]}
    answer(book, "cancel", later)
    assert answer(book, "drawing", later) == {"cancelled": True}


@pytest.mark.parametrize(
    "asked", [{}, {"client": "", "number": 1}, {"client": 7, "number": 1}, {"client": "a"}]
)
def test_a_question_of_no_known_browser_cannot_be_called_off(
    book: Book, asked: dict[str, Any]
) -> None:
    answer(book, "cancel", asked)
    assert answer(book, "picture", asked)["panes"]


def test_only_the_browsers_that_asked_last_are_remembered() -> None:
    turns = Turns()
    over = turns.begin({"client": "first", "number": 1})
    for number in range(CLIENTS):
        turns.begin({"client": f"other {number}", "number": 1})
    turns.cancel({"client": "first", "number": 1})
    assert over()
    assert len(turns) == CLIENTS


@pytest.mark.parametrize(
    ("question", "asked"),
    [("nonsense", {}), ("picture", {"toggled": "call:1"}), ("picture", {"toggled": {"a": 1}})],
)
def test_a_question_that_makes_no_sense_is_refused_in_words(
    book: Book, question: str, asked: dict[str, Any]
) -> None:
    with pytest.raises(QuestionError):
        answer(book, question, asked)


def test_boxes_that_are_not_there_change_nothing(book: Book) -> None:
    odd = answer(book, "picture", {"toggled": ["call:999", "<script>", "call:-1", "", 7]})
    assert nodes(odd) == nodes(answer(book, "picture", {}))


@pytest.mark.parametrize(
    ("kind", "begins"),
    [("svg", b"<svg"), ("dot", b"digraph"), ("png", b"\x89PNG"), ("pdf", b"%PDF")],
)
def test_a_pane_is_saved_as_it_is_seen(book: Book, kind: str, begins: bytes) -> None:
    closed, _ = drawn_file(book, {"pane": "dynamic", "kind": kind, "toggled": ["call:1", "call:3"]})
    opened, _ = drawn_file(book, {"pane": "dynamic", "kind": kind})
    assert closed.startswith(begins)
    assert opened != closed
    if kind == "svg":
        assert b"relu" in opened
        assert b"relu" not in closed


def test_a_file_of_no_pane_or_kind_is_refused(book: Book) -> None:
    for asked in ({"pane": "nowhere"}, {"pane": "dynamic", "kind": "exe"}, {}):
        with pytest.raises(QuestionError):
            drawn_file(book, asked)


def test_runs_of_numbers_are_told_by_their_ends() -> None:
    assert runs_of([]) == []
    assert runs_of([4]) == [4]
    assert runs_of([1, 2, 5, 6, 7, 8, 10]) == [1, 2, [5, 8], 10]
    assert runs_of(range(100_000)) == [[0, 99_999]]


def test_runs_in_steps_are_told_by_their_ends_and_the_step() -> None:
    assert runs_of([42, 31, 20]) == [[20, 42, 11]]  # an op of each trip of a loop
    assert runs_of([5, 6, 7, 9, 11]) == [[5, 7], 9, 11]
    assert runs_of([1, 3, 4, 7, 7]) == [1, 3, 4, 7]


@given(st.sets(st.integers(0, 40)))
def test_runs_of_numbers_stand_for_just_these_numbers(numbers: set[int]) -> None:
    told: list[int] = []
    for run in runs_of(list(numbers)):
        told += [run] if isinstance(run, int) else range(run[0], run[1] + 1, *run[2:])
    assert told == sorted(numbers)


# -- over HTTP ------------------------------------------------------------------------------------


def post(path: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
    """What the app's routes answer, asked as an ASGI server asks."""
    sent: list[dict[str, Any]] = []
    scope = {
        "type": "http", "method": "POST", "path": path, "raw_path": path.encode(),
        "query_string": b"", "headers": [], "http_version": "1.1", "scheme": "http",
        "server": ("127.0.0.1", 80), "client": ("127.0.0.1", 1), "root_path": "",
    }  # fmt: skip

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(Starlette(routes=list(served.routes()))(scope, receive, send))
    headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], headers, b"".join(part.get("body", b"") for part in sent[1:])


@pytest.fixture
def address(book: Book) -> str:
    return served.address_of(served.shelf().put(book))


def test_a_question_over_http_has_the_same_answer(book: Book, address: str) -> None:
    status, headers, body = post(f"{address}/picture", b'{"toggled": ["call:1"]}')
    assert (status, headers["content-type"]) == (200, "application/json")
    assert json.loads(body)["opened"] == ["call:3"]


def test_a_file_over_http_has_a_name(address: str) -> None:
    status, headers, body = post(f"{address}/file", b'{"pane": "dynamic", "kind": "dot"}')
    assert status == 200
    assert headers["content-disposition"] == 'attachment; filename="graph-dynamic.dot"'
    assert body.startswith(b"digraph")


@pytest.mark.parametrize(
    ("question", "body", "expected"),
    [
        ("picture", b"not json", 400),
        ("picture", b"[1, 2]", 400),
        ("picture", b"\xff\xfe", 400),
        ("nonsense", b"{}", 200),
        ("picture", b'{"toggled": 3}', 200),
        ("file", b'{"pane": "../../etc/passwd"}', 200),
        ("picture", b" " * (served.LARGEST_QUESTION + 1), 413),
        ("picture", b"[" * 100_000, 400),
        ("picture", b'{"toggled": [' + b"[" * 100_000, 400),
        ("moment", b'{"at": 0, "move": "\\ud800"}', 200),
        ("find", b'{"limit": 1e999}', 200),
        ("file", b'{"pane": {}, "kind": []}', 200),
    ],
)
def test_a_bad_question_gets_a_reason_and_no_traceback(
    address: str, question: str, body: bytes, expected: int
) -> None:
    status, _, said = post(f"{address}/{question}", body)
    assert status == expected
    assert "Traceback" not in json.loads(said)["error"]


def test_no_more_is_read_of_a_question_than_may_be_asked(address: str) -> None:
    read = 0

    async def parts() -> dict[str, Any]:
        nonlocal read
        read += 1
        return {"type": "http.request", "body": b" " * 300_000, "more_body": True}

    # 4 parts of 300,000 bytes are the first that are more than 1,000,000.
    scope = {
        "type": "http", "method": "POST", "headers": [],
        "path_params": {"name": address.rpartition("/")[2], "question": "picture"},
    }  # fmt: skip
    refused = asyncio.run(served._answer(Request(scope, parts)))
    assert (refused.status_code, read) == (413, 4)


def test_an_error_of_our_own_says_nothing_of_its_inside(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("/home/somebody/secret")

    monkeypatch.setattr(served, "answer", broken)
    status, _, said = post(f"{address}/picture", b"{}")
    assert status == 500
    assert b"secret" not in said


def test_who_does_not_know_the_name_gets_nothing(address: str) -> None:
    status, _, said = post(f"/{served.PREFIX}/guessed/picture", b"{}")
    assert status == 200
    assert json.loads(said)["lost"] is True
    assert set(json.loads(said)) == {"error", "lost"}


def test_names_cannot_be_guessed_and_the_oldest_is_forgotten() -> None:
    shelf = served.Shelf(kept=2)
    books = [Book(Recording((), {})) for _ in range(3)]
    names = [shelf.put(book) for book in books]
    assert len(set(names)) == 3
    assert min(map(len, names)) >= 24
    assert shelf.get(names[0]) is None
    assert shelf.get(names[2]) is books[2]


def test_a_book_that_was_forgotten_gets_another_name() -> None:
    shelf, book = served.Shelf(), Book(Recording((), {}))
    name = shelf.put(book)
    shelf.forget(name)
    shelf.forget("no such name")
    assert shelf.get(name) is None
    assert shelf.put(book) != name


def test_the_same_recording_keeps_its_name_and_another_one_gets_its_own() -> None:
    shelf = served.Shelf()
    one, other = Recording((), {}), Recording((), {})
    name = shelf.put(Book(one))
    assert shelf.put(Book(one)) == name
    assert shelf.put(Book(other)) != name


# -- the place in the address ---------------------------------------------------------------------


def test_a_place_goes_through_the_address_and_comes_back() -> None:
    place = Place("dynamic/op:3", ("call:3", "ir:7/0"), {"backward": "left"}, "left", 12)
    parameters = {name: value for name, value in place.as_address().items() if value is not None}
    assert parameters == {
        "select": "dynamic/op:3",
        "toggled": "call:3,ir:7/0",
        "panes": "backward:left",
        "wide": "left",
        "at": "12",
    }
    assert Place.of_address(parameters) == place


def test_a_plain_place_needs_no_address() -> None:
    assert set(Place().as_address().values()) == {None}
    assert Place.of_address({}) == Place()


def test_nonsense_in_the_address_is_left_out() -> None:
    asked = {"panes": "a,b:up,:,x:left", "wide": "up", "at": "-3", "toggled": ",,"}
    assert Place.of_address(asked) == Place(panes={"x": "left"})
    assert Place.of_address({"at": "9" * 400}) == Place()


def test_what_the_browser_tells_is_what_it_can_be_commanded_to() -> None:
    told = {
        "seq": 3, "selected": "static/ir:4", "toggled": ["call:2", "call:1"], "maximised": None,
        "tabs": {"left": "backward", "right": "source"}, "sides": {"irtext": "left"}, "moment": 5,
    }  # fmt: skip
    command = Place.of_browser(told).as_command()
    assert command["tabs"] == {"left": "backward", "right": "source"}
    assert command["sides"]["irtext"] == "left"
    assert command["toggled"] == ["call:1", "call:2"]
    assert (command["selected"], command["moment"]) == ("static/ir:4", 5)
