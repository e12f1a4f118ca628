"""The code editor's side in Python: which text counts, and which files are handed out."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.requests import Request

from inspector_app import editor


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A session without a page: `sent` is what the browser was given, `told` what it answers."""
    held: dict[str, Any] = {"told": None}

    class Result:
        text = property(lambda self: held["told"])

    state: dict[str, Any] = {}

    def mount(**given: Any) -> Result:
        held["sent"], held["heard"] = given["data"], given["on_text_change"]
        state[given["key"]] = Result()
        return state[given["key"]]

    monkeypatch.setattr(editor, "_mount", mount)
    monkeypatch.setattr(editor.st, "session_state", state)
    monkeypatch.setattr(editor, "say", lambda text, **values: text.format(**values))
    return held


def test_the_code_counts_until_something_is_typed(session: dict[str, Any]) -> None:
    assert editor.editor("x = 1", key="e") == "x = 1"
    session["told"] = {"version": session["sent"]["version"], "text": "x = 2"}
    assert editor.editor("x = 1", key="e") == "x = 2"
    assert session["sent"]["code"] == "x = 1", "what was typed is not sent back"


def test_another_code_or_a_new_start_drops_what_was_typed(session: dict[str, Any]) -> None:
    editor.editor("x = 1", key="e")
    session["told"] = {"version": session["sent"]["version"], "text": "x = 2"}
    assert editor.editor("y = 1", key="e") == "y = 1"
    editor.start_anew("e")
    assert editor.editor("x = 1", key="e") == "x = 1"


def test_what_comes_late_is_of_the_document_that_the_browser_had(session: dict[str, Any]) -> None:
    heard: list[tuple[str, str]] = []

    def draw(document: str) -> str:
        given: Any = {"on_edit": lambda *what: heard.append(what), "document": document}
        return editor.editor("x = 1", key="e", **given)

    draw("first")
    session["told"] = {"version": session["sent"]["version"], "text": "typed into the first"}
    assert draw("second") == "x = 1", "the same code, but another document"
    session["heard"]()
    assert heard == [("first", "typed into the first")]
    editor.start_anew("e")
    session["heard"]()
    assert len(heard) == 1, "nothing of what was thrown away"


def test_what_can_only_be_read_is_not_typed_by_a_browser(session: dict[str, Any]) -> None:
    editor.editor("x = 1", key="e", read_only=True)
    assert session["sent"]["readOnly"] is True
    session["told"] = {"version": session["sent"]["version"], "text": "x = 2"}
    assert editor.editor("x = 1", key="e", read_only=True) == "x = 1"


def test_errors_come_in_the_order_of_their_lines(session: dict[str, Any]) -> None:
    editor.editor("x", key="e", errors={7: "b", 2: "a"})
    assert session["sent"]["errors"] == [[2, "a"], [7, "b"]]


@pytest.mark.parametrize(
    ("name", "status"),
    [("ace.js", 200), ("mode-python.js", 200), ("worker-php.js", 404), ("../ace.js", 404)],
)
def test_only_the_files_that_are_needed_are_handed_out(name: str, status: int) -> None:
    request = Request({"type": "http", "path_params": {"version": "1", "name": name}})
    assert asyncio.run(editor._file(request)).status_code == status


def test_every_file_is_in_the_installed_package() -> None:
    folder = editor.ace_folder()
    assert folder is not None
    assert all((folder / name).is_file() for name in editor.FILES)
