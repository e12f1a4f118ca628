"""The page “Sweep” as people use it, in a real Chromium."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy
import pytest
from playwright.sync_api import Page, expect

OpenPage = Callable[..., Page]
Settle = Callable[..., None]

OVERFLOW = """() => { const main = document.querySelector('[data-testid="stMain"]');
return main.scrollWidth - main.clientWidth; }"""


def opened(open_page: OpenPage, settle: Settle, query: str, **more: object) -> Page:
    """The page once its sweep has ended."""
    page = open_page(f"/sweep?{query}", **more)
    expect(page.get_by_text("distinct graph", exact=False).first).to_be_visible(timeout=90_000)
    settle(page)
    return page


def file(name: str, sign: int) -> dict[str, object]:
    data = io.BytesIO()
    numpy.save(data, sign * numpy.ones((2, 4), numpy.float32))
    return {"name": name, "mimeType": "application/octet-stream", "buffer": data.getvalue()}


def test_a_control_is_swept_and_its_graphs_lead_to_the_example(
    open_page: OpenPage, settle: Settle
) -> None:
    page = opened(open_page, settle, "sample=branching&over=control&control=shift")
    expect(page.get_by_text("21 inputs", exact=True)).to_be_visible()
    expect(page.get_by_text("2 distinct graphs", exact=True)).to_be_visible()
    picture = page.get_by_role("img", name="The graph of variant 1")
    expect(picture).to_be_visible()
    assert picture.evaluate("image => image.naturalWidth") > 0

    link = page.get_by_role("link", name="Explore this input").nth(1)
    assert "input=custom&c.shift=0.1" in (link.get_attribute("href") or "")

    page.get_by_role("button", name="Compare with variant 0").click()
    settle(page)
    page.wait_for_url(lambda url: "view=against" in url and "variant=1" in url)
    expect(page.get_by_text("was False in A and True in B", exact=False)).to_be_visible()
    expect(page.get_by_text("Both runs", exact=True)).to_be_visible()

    page.go_back()
    settle(page)
    expect(page.get_by_text("Variant 0", exact=True)).to_be_visible()
    page.locator("button", has_text="What decides").focus()
    page.keyboard.press("Enter")
    settle(page)
    page.wait_for_url(lambda url: "view=decisions" in url)
    expect(page.get_by_text("x.mean() > 0 at branching.py", exact=False)).to_be_visible()


def test_files_of_ones_own_are_swept(open_page: OpenPage, settle: Settle) -> None:
    page = open_page("/sweep?sample=branching&over=files")
    expect(page.get_by_text("Choose files in the sidebar", exact=False)).to_be_visible()
    page.locator('input[type="file"]').set_input_files(
        [file("above.npy", 1), file("below.npy", -1), file("far below.npy", -9)]
    )
    expect(page.get_by_text("3 inputs", exact=True)).to_be_visible(timeout=60_000)
    settle(page)
    expect(page.get_by_text("2 distinct graphs", exact=True)).to_be_visible()
    expect(page.get_by_text("as for “below.npy”", exact=False)).to_be_visible()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_view_is_wider_than_the_page(open_page: OpenPage, settle: Settle, theme: str) -> None:
    page = opened(open_page, settle, "sample=variable_length&over=control", theme=theme)
    for view in (
        "Two in one picture",
        "What decides",
        "Ops and time",
        "Never run",
        "Distinct graphs",
    ):
        page.get_by_text(view, exact=True).click()
        settle(page)
        assert page.evaluate(OVERFLOW) <= 0, view
