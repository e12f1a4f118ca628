"""The page of recordings: what is kept, and what can be done with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from apptests import buttons, opened_page, texts
from chinese import english_runs
from streamlit.testing.v1 import AppTest
from test_hostile_recordings import EVIL, MARKUP, hostile, shown
from torch import nn

import inspector
from inspector.library import Entry, Library
from inspector.render.thumbnail import thumbnail
from inspector_app import phrases
from inspector_app.settings import Settings

PAGE = "from inspector_app.screens import open_recording\nopen_recording.page()"


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Library:
    """The one that the page shows."""
    monkeypatch.setenv("INSPECTOR_LIBRARY", str(tmp_path / "kept"))
    return Library(picture=thumbnail)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Linear, and the sum that is the loss."""
    path = tmp_path_factory.mktemp("recorded") / "run.inspect"
    inspector.record(nn.Linear(2, 3), torch.ones(1, 2), loss="sum").save(path)
    return path


def page(wait: str = "Open a recording", **query: str) -> AppTest:
    return opened_page(PAGE, wait, query)


def click(app: AppTest, key: str) -> None:
    app.button(key=key).click().run()
    assert not app.exception


def press(app: AppTest, label: str) -> None:
    buttons(app, label)[0].click().run()
    assert not app.exception


def asked(app: AppTest, name: str) -> str:
    """A parameter of the address."""
    found = app.query_params[name]
    return found if isinstance(found, str) else found[0]


def card(entry: Entry, app: AppTest) -> bool:
    return any(one.key == f"library/open/{entry.id}" for one in app.button)


def test_an_empty_library_says_how_to_fill_it(library: Library) -> None:
    app = page()
    assert "Nothing is kept yet" in texts(app)
    assert not library.folder.exists()


def test_a_card_says_what_is_known_and_opens_the_recording(library: Library, file: Path) -> None:
    entry = library.add(file, "before *the* fix", ["slow"], "look at op 1")
    app = page()
    said = texts(app)
    for text in ("before *the* fix", "Linear", "2 ops", entry.added[:10], "slow", "look at op 1"):
        assert text in said
    assert "data:image/svg+xml;base64," in said
    click(app, f"library/open/{entry.id}")
    assert ":gray-badge[2 ops]" in texts(app)
    assert asked(app, "kept") == entry.id
    press(app, "All recordings")
    assert card(entry, app)
    assert "kept" not in app.query_params


def test_an_address_opens_a_kept_recording_and_complains_of_one_that_is_gone(library, file) -> None:
    entry = library.add(file)
    assert ":gray-badge[2 ops]" in texts(page("badge", kept=entry.id))
    for wrong in ("0" * 12, "../../etc/passwd"):
        app = page(kept=wrong)
        assert f"This address asks for the recording “{wrong}”" in texts(app)
        assert card(entry, app)


def test_an_upload_is_kept_once(library: Library, file: Path) -> None:
    app = page()
    for _ in range(2):
        upload = app.sidebar.file_uploader[0]
        upload.set_value(("sent.inspect", file.read_bytes(), "application/octet-stream"))
        upload.run()
        press(app, "Keep this recording")
        assert ":gray-badge[2 ops]" in texts(app)
        (entry,) = library.entries()
        assert entry.name == "sent"
        assert library.path(entry.id).read_bytes() == file.read_bytes()
        assert asked(app, "kept") == entry.id


def test_a_file_of_the_command_line_is_kept(library, file, monkeypatch) -> None:
    monkeypatch.setenv("INSPECTOR_FILES", str(file))
    app = page("badge")
    press(app, "Keep this recording")
    (entry,) = library.entries()
    assert entry.name == "run"
    press(app, "All recordings")
    assert card(entry, app)
    assert asked(app, "kept") == "all"
    assert library.path(entry.id).read_bytes() == file.read_bytes()


def test_search_and_tag_choose_cards_and_stand_in_the_address(library, file) -> None:
    one, other = library.add(file, "one", ["t"]), library.add(file, "other")
    app = page(q="one")
    assert (card(one, app), card(other, app)) == (True, False)
    app.text_input(key="library/search").set_value("oth").run()
    assert (card(one, app), card(other, app)) == (False, True)
    app.text_input(key="library/search").set_value("").run()
    app.selectbox(key="library/tag").set_value("t").run()
    assert (card(one, app), card(other, app)) == (True, False)
    assert asked(app, "tag") == "t"
    app.text_input(key="library/search").set_value("zzz").run()
    assert "No recording is like that." in texts(app)


def test_what_is_deleted_comes_back_with_undo(library: Library, file: Path) -> None:
    entry = library.add(file, "mine")
    app = page()
    click(app, f"library/delete/{entry.id}")
    assert not card(entry, app)
    assert "“mine” is in the trash." in texts(app)
    assert library.trash() == (entry,)
    press(app, "Undo")
    assert card(entry, app)
    assert "in the trash" not in texts(app)


def test_the_trash_is_restored_from_and_emptied_by_hand(library: Library, file: Path) -> None:
    one, other = library.add(file, "one"), library.add(file, "other")
    for entry in (one, other):
        library.remove(entry.id)
    app = page()
    click(app, f"library/restore/{one.id}")
    assert card(one, app)
    press(app, "Delete for good")
    assert library.trash() == ()
    assert library.entries() == (one,)


def test_name_tags_and_note_are_changed_beside_an_open_recording(library, file) -> None:
    entry = library.add(file, "old", ["a", "b"], "n")
    app = page("badge", kept=entry.id)
    library.tag(entry.id, "from elsewhere")  # meanwhile, by another program
    sidebar: Any = app.sidebar
    sidebar.text_input[0].set_value("new")
    sidebar.multiselect[0].set_value(["b"])
    sidebar.text_area[0].set_value("m")
    press(app, "Save")
    now = library.entry(entry.id)
    assert (now.name, now.tags, now.note) == ("new", ("b", "from elsewhere"), "m")
    assert "new" in texts(app)


def test_what_the_library_refuses_is_said(library: Library, file: Path) -> None:
    entry = library.add(file, "old")
    app = page("badge", kept=entry.id)
    app.sidebar.text_input[0].set_value("   ")
    press(app, "Save")
    assert "A recording's name has 1 to 200 characters" in texts(app)
    assert library.entry(entry.id).name == "old"


def test_a_pinned_recording_comes_first_and_is_compared_with(library, file) -> None:
    first, second = library.add(file, "first"), library.add(file, "second")
    app = page()
    click(app, f"library/pin/{first.id}")
    assert [entry.name for entry in library.entries()] == ["first", "second"]
    app.checkbox(key=f"library/pick/{second.id}").set_value(True).run()
    assert "Compare with “first”" in texts(app)
    assert f"./compare?of=files&a={first.id}&b={second.id}" in texts(app)


def test_two_that_are_ticked_are_compared_the_older_as_a(library: Library, file: Path) -> None:
    first, second = library.add(file, "first"), library.add(file, "second")
    app = page()
    for entry in (second, first):
        app.checkbox(key=f"library/pick/{entry.id}").set_value(True).run()
    assert f"./compare?of=files&a={first.id}&b={second.id}" in texts(app)


def test_more_than_a_page_of_recordings_is_shown_when_asked_for(library, file) -> None:
    entries = [library.add(file, str(number)) for number in range(14)]
    app = page()
    assert sum(card(entry, app) for entry in entries) == 12
    press(app, "Show 2 more")
    assert sum(card(entry, app) for entry in entries) == 14


def test_a_recording_that_went_away_while_it_was_open_is_no_failure(library, file) -> None:
    entry, other = library.add(file, "gone"), library.add(file, "other")
    app = page("badge", kept=entry.id)
    library.remove(entry.id)
    app.run()
    assert not app.exception
    assert card(other, app)
    library.restore(entry.id)
    (library.folder / entry.id / "recording.inspect").write_bytes(b"damaged")
    app = page("not a readable recording", kept=entry.id)
    assert buttons(app, "All recordings")


def test_no_text_of_the_library_is_markup(library: Library, file: Path, tmp_path: Path) -> None:
    path = tmp_path / "evil.inspect"
    hostile().save(path)
    entry = library.add(path, EVIL, [EVIL[:35]], EVIL)
    library.pin(entry.id)
    other = library.add(file, "other")
    library.remove(library.add(path, EVIL).id)
    (library.folder / "[x](javascript:1).inspect").write_bytes(b"")
    app = page()
    app.checkbox(key=f"library/pick/{other.id}").set_value(True).run()
    said = shown(app)
    assert any("Compare with" in text for text in said)
    assert any("lies in the library" in text for text in said)
    assert not [text for text in said if MARKUP.search(text)]
    assert not [text for text in shown(page("badge", kept=entry.id)) if MARKUP.search(text)]


@pytest.mark.parametrize("how", ["off", "classroom"])
def test_a_server_may_offer_no_library(library, file, monkeypatch, how) -> None:
    library.add(file, "of somebody else")
    if how == "off":
        monkeypatch.setenv("INSPECTOR_LIBRARY", "off")
    else:
        monkeypatch.setattr("inspector_app.librarydesk.settings", lambda: Settings(classroom=True))
    app = page(kept="0" * 12)
    assert not [text for text in ("Nothing is kept", "of somebody else") if text in texts(app)]
    upload = app.sidebar.file_uploader[0]
    upload.set_value(("sent.inspect", file.read_bytes(), "application/octet-stream")).run()
    assert ":gray-badge[2 ops]" in texts(app)
    assert not buttons(app, "Keep this recording")


def test_a_run_of_too_many_nodes_has_no_picture(file, monkeypatch) -> None:
    recording = inspector.load(file)
    assert thumbnail(recording).startswith("<svg")
    monkeypatch.setattr("inspector.render.thumbnail.MOST_NODES", 1)
    assert thumbnail(recording) == ""


def test_the_page_speaks_chinese(library, file, monkeypatch) -> None:
    entry = library.add(file, "名", ["甲"], "乙")
    library.pin(entry.id)
    library.remove(library.add(file, "丙").id)
    monkeypatch.setattr(phrases, "spoken", lambda: "zh_CN")
    for app in (page("名"), page("名", kept=entry.id)):
        labels = [str(one.label) for one in (*app.button, *app.text_input, *app.selectbox)]
        assert not english_runs(texts(app))
        assert not [label for label in labels if english_runs(label)]


COMPARE = "from inspector_app.screens import compare\ncompare.page()"


def test_the_page_of_comparisons_takes_kept_recordings(library: Library, file: Path) -> None:
    first = library.add(file, "first")
    wide = inspector.record(nn.Linear(4, 3), torch.ones(1, 4))
    second = library.add(wide, "second")
    app = opened_page(COMPARE, "1 op in both", {"of": "files", "a": first.id, "b": second.id})
    assert "second" in texts(app)
    library.pin(second.id)
    app = opened_page(COMPARE, "Choose two recordings", {"of": "files"})
    chosen = [app.selectbox(key=f"compare/path/{side}").value for side in "ab"]
    assert chosen == [second.id, ""]
