"""The page “Optimise and deploy” as people use it, in a real Chromium."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from playwright.sync_api import Page, expect

import sample_models

OpenPage = Callable[..., Page]
Settle = Callable[..., None]


@pytest.mark.filterwarnings("ignore:`torch.jit.load` is deprecated")
def test_a_model_goes_from_its_stages_to_a_measurement_a_file_and_advice(
    open_page: OpenPage, settle: Settle, tmp_path: Path
) -> None:
    page = open_page("/deploy?sample=branching&stage=optimised")

    # Both graphs are drawn, and linked.
    for pane in ("before", "after"):
        expect(page.locator(f'.wb-panel[data-pane="{pane}"] g.node').first).to_be_visible()
    mean = page.locator("text.title").filter(has_text="mean")
    page.locator('.wb-panel[data-pane="before"] g.node').filter(has=mean).click()
    linked = page.locator('.wb-panel[data-pane="after"] g.node.wb-lit')
    expect(linked.filter(has=mean)).to_have_count(1)
    page.get_by_text("As compiled · ").click()
    settle(page)
    expect(page.locator('.wb-panel[data-pane="before"]')).to_have_count(0)
    page.wait_for_url(lambda url: "stage=raw" in url)

    # Measured on demand; the page says how far it is.
    page.get_by_text("Measured here").click()
    settle(page)
    expect(page.get_by_text("Nothing has been measured yet")).to_be_visible()
    page.get_by_role("button", name="Measure now").click()
    expect(page.get_by_role("button", name="Stop")).to_be_visible()
    expect(page.get_by_text("measured at")).to_be_visible(timeout=60_000)
    settle(page)
    expect(page.get_by_role("cell", name="1.00×")).to_be_visible()
    expect(page.get_by_test_id("stPlotlyChart")).to_have_count(2)

    # A file that gives the model's output when loaded elsewhere.
    page.get_by_text("Save and export").click()
    settle(page)
    page.get_by_role("button", name="Prepare", exact=True).first.click()
    settle(page)
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download").click()
    content = Path(waiting.value.path()).read_bytes()
    sample = sample_models.get("branching")
    (x,) = sample.inputs["mean above zero"].make()
    assert torch.equal(torch.jit.load(io.BytesIO(content))(x), sample.build()(x))

    # The advice knows of both.
    page.get_by_text("Which one to choose?").click()
    settle(page)
    expect(page.get_by_text("Not measured yet")).to_have_count(0)
    expect(page.get_by_text("torchscript file: written and checked.")).to_be_visible()
    expect(page.get_by_text("times as fast as").first).to_be_visible()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_is_wider_than_the_page(open_page: OpenPage, theme: str) -> None:
    for part in ("stages", "measured", "take", "advice"):
        page = open_page(f"/deploy?sample=cat_dog_cnn&part={part}", theme=theme)
        overflow = page.evaluate(
            """() => { const main = document.querySelector('[data-testid="stMain"]');
            return main.scrollWidth - main.clientWidth; }"""
        )
        assert overflow <= 0, part


def test_the_heading_stands_clear_of_the_part_selector(open_page: OpenPage) -> None:
    page = open_page("/deploy?sample=branching&part=take")
    heading = page.get_by_role("heading", name="Optimise and deploy: ").bounding_box()
    parts = page.get_by_text("Save and export", exact=True).bounding_box()
    assert heading is not None
    assert parts is not None
    # A paragraph's distance, 16 px of the theme's font, holds the text's own leading as well.
    assert parts["y"] - heading["y"] - heading["height"] >= 16
