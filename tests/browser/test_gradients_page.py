"""The page “Gradients” as people use it, in a real Chromium."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

OpenPage = Callable[..., Page]
Settle = Callable[..., None]


def opened(open_page: OpenPage, settle: Settle, query: str, **more: object) -> Page:
    """The page once its training has ended."""
    page = open_page(f"/gradients?{query}", **more)
    expect(page.get_by_text("training step", exact=False).first).to_be_visible(timeout=90_000)
    settle(page)
    return page


def test_a_gradient_is_found_along_the_depth_in_the_table_and_in_the_graph(
    open_page: OpenPage, settle: Settle, tmp_path: Path
) -> None:
    page = opened(open_page, settle, "sample=branching&steps=4")
    expect(page.get_by_text("never got a gradient")).to_be_visible()

    # A mark of the chart leads to the node in the graph.
    marks = page.locator(".js-plotly-plot .scatterlayer .trace .points path")
    box = marks.nth(1).bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    link = page.get_by_role("link", name="Show it in the graph")
    expect(link).to_be_visible()
    assert "select=backward%2Fgrad%3A" in (link.get_attribute("href") or "")

    # The slider's step stays while the view changes, and is in the address.
    page.get_by_role("slider").focus()
    page.keyboard.press("ArrowLeft")
    settle(page)
    page.wait_for_url(lambda url: "step=3" in url)
    page.get_by_text("Parameters", exact=True).click()
    settle(page)
    page.wait_for_url(lambda url: "view=parameters" in url)
    page.wait_for_url(lambda url: "step=3" in url)
    expect(page.get_by_test_id("stPlotlyChart")).to_have_count(2)
    with page.expect_download() as waiting:
        page.get_by_role("button", name="CSV, all steps").click()
    rows = list(csv.DictReader(Path(waiting.value.path()).read_text().splitlines()))
    assert len(rows) == 4 * 4  # steps times parameters

    page.go_back()
    settle(page)
    page.wait_for_url(lambda url: "view=depth" in url)
    expect(page.get_by_text("Gradient norm along the depth")).to_be_visible()


def test_the_link_opens_the_graph_at_the_node(open_page: OpenPage, settle: Settle) -> None:
    page = opened(open_page, settle, "sample=branching&steps=2&view=parameters")
    with page.expect_popup() as waiting:
        page.get_by_role("link", name="Show it in the graph").click()
    graph = waiting.value
    settle(graph)
    expect(graph.get_by_text("Branching on the input").first).to_be_visible()
    assert "select=backward" in graph.url


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_view_is_wider_than_the_page(open_page: OpenPage, settle: Settle, theme: str) -> None:
    page = opened(open_page, settle, "sample=cat_dog_cnn&steps=3", theme=theme)
    for view in ("Loss and updates", "Dead units", "Parameters", "Largest path"):
        page.get_by_text(view, exact=True).click()
        settle(page)
        overflow = page.evaluate(
            """() => { const main = document.querySelector('[data-testid="stMain"]');
            return main.scrollWidth - main.clientWidth; }"""
        )
        assert overflow <= 0, view
