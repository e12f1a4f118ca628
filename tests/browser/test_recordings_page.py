"""The library of recordings in a browser: what is uploaded is kept, described and deleted."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from playwright.sync_api import Page, expect

import inspector
from inspector.library import Library

OpenPage = Callable[..., Page]
Settle = Callable[..., None]


@pytest.fixture
def library() -> Iterator[Library]:
    """The one of the server that all browser tests share; left as empty as it was."""
    library = Library(os.environ["INSPECTOR_LIBRARY"])
    yield library
    for entry in library.entries():
        library.remove(entry.id)
    library.empty_trash()


def test_an_upload_is_kept_described_deleted_and_brought_back(
    open_page: OpenPage, settle: Settle, library: Library, tmp_path: Path
) -> None:
    file = tmp_path / "sent.inspect"
    inspector.record(torch.nn.Linear(2, 3), torch.ones(1, 2), loss="sum").save(file)
    page = open_page("/open", theme="dark")
    page.get_by_test_id("stFileUploaderDropzoneInput").set_input_files(file)
    settle(page)
    page.get_by_role("button", name="Keep this recording").click()
    settle(page)
    expect(page.get_by_role("heading", name="sent")).to_be_visible()
    (entry,) = library.entries()
    assert f"kept={entry.id}" in page.url
    page.get_by_role("button", name="All recordings").click()
    settle(page)
    card = page.locator(f".st-key-library-card-{entry.id}")
    picture = card.locator(".library-picture img")
    expect(picture).to_be_visible()
    assert picture.evaluate("image => image.complete && image.naturalWidth > 0")

    card.locator("[class*=st-key-library-edit] button:visible").click()
    settle(page)
    page.get_by_role("dialog").get_by_label("Name", exact=True).fill("before the fix")
    page.get_by_role("dialog").get_by_role("button", name="Save").click()
    settle(page)
    expect(card.get_by_text("before the fix")).to_be_visible()
    assert library.entry(entry.id).name == "before the fix"

    card.locator("[class*=st-key-library-delete] button:visible").click()
    settle(page)
    expect(card).to_have_count(0)
    undo = page.locator(".st-key-library-undo")
    expect(undo).to_contain_text("“before the fix” is in the trash.")
    expect(undo).to_be_in_viewport()
    undo.get_by_role("button", name="Undo").click()
    settle(page)
    expect(card).to_be_visible()

    page.get_by_label("Search").fill("nothing like it")
    page.get_by_label("Search").press("Enter")
    settle(page)
    expect(card).to_have_count(0)
    page.reload()
    settle(page)
    expect(page.get_by_text("No recording is like that.")).to_be_visible()
    page.get_by_label("Search").fill("LINEAR")
    page.get_by_label("Search").press("Enter")
    settle(page)
    card.get_by_role("button", name="Open", exact=True).click()
    settle(page)
    expect(page.get_by_role("heading", name="before the fix")).to_be_visible()
    page.go_back()
    settle(page)
    expect(card).to_be_visible()
