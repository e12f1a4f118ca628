"""The page “TorchScript” as people use it: stepping, clicking lines, switching the input."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

OpenPage = Callable[..., Page]
Settle = Callable[..., None]


def rows(page: Page, number: int) -> Locator:
    """The lines of a listing: 0 is the IR, 1 the Python source."""
    return page.locator(".listing").nth(number).locator(".row")


def current(page: Page, number: int) -> Locator:
    """The current line of a listing."""
    return page.locator(".listing").nth(number).locator(".row.current .text")


def choose(page: Page, settle: Settle, text: str) -> None:
    """Click one of the sidebar's choices."""
    page.get_by_test_id("stSidebarUserContent").get_by_text(text, exact=True).first.click()
    settle(page)


def press(page: Page, settle: Settle, name: str) -> None:
    """Press a button of the page."""
    page.get_by_test_id("stMain").get_by_role("button", name=name).first.click()
    settle(page)


def test_stepping_moves_through_ir_and_source_and_nothing_jumps(
    open_page: OpenPage, settle: Settle
) -> None:
    page = open_page("/torchscript?sample=while_loop&view=steps")
    expect(current(page, 0)).to_contain_text("aten::norm")
    expect(current(page, 1)).to_have_text("        while x.norm() > 1:")
    before = page.locator(".listing").first.bounding_box()
    press(page, settle, "Next trip")
    expect(current(page, 0)).to_contain_text("aten::matmul")
    expect(current(page, 1)).to_contain_text("x = self.shrink @ x")
    page.keyboard.press("ArrowRight")
    settle(page)
    expect(current(page, 0)).to_contain_text("aten::norm")
    assert page.locator(".listing").first.bounding_box() == before
    page.wait_for_url(lambda url: "step=10" in url)

    page.reload()
    settle(page)
    expect(page.get_by_text("trip 1 of 2")).to_be_visible()

    rows(page, 0).filter(has_text="aten::matmul").click()  # its next execution: the second trip
    settle(page)
    expect(page.get_by_text("trip 2 of 2")).to_be_visible()


def test_switching_the_input_runs_the_same_ir_more_often(
    open_page: OpenPage, settle: Settle
) -> None:
    page = open_page("/torchscript?sample=while_loop&view=steps")
    matmul = rows(page, 0).filter(has_text="aten::matmul")
    expect(matmul.locator(".count")).to_have_text("×2")
    lines = rows(page, 0).count()
    choose(page, settle, "norm 20, five trips")
    expect(matmul.locator(".count")).to_have_text("×5")
    expect(rows(page, 0)).to_have_count(lines)
    choose(page, settle, "norm 0.5, no trip")
    expect(matmul).to_have_class("row skipped")


def test_the_same_trace_is_true_for_one_input_and_not_for_the_other(
    open_page: OpenPage, settle: Settle
) -> None:
    page = open_page("/torchscript?sample=branching&kind=trace&view=truth")
    expect(page.get_by_text("The trace tells the truth")).to_be_visible()
    press(page, settle, "mean below zero")
    expect(page.get_by_text("The trace kept the branch for")).to_be_visible()
    expect(page.locator(".listing .row.wrong .text")).to_have_text("        if x.mean() > 0:")
    page.wait_for_url(lambda url: "input=mean+below+zero" in url)


def test_the_static_graph_is_lit_by_the_input(open_page: OpenPage, settle: Settle) -> None:
    page = open_page("/torchscript?sample=branching")
    static = page.locator('.wb-panel[data-pane="static"]')
    expect(static.locator("g.box.block.executed .box-title")).to_have_text("then")
    choose(page, settle, "mean below zero")
    expect(static.locator("g.box.block.executed .box-title")).to_have_text("else")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [(1280, 800), (1920, 1080)])
@pytest.mark.parametrize("view", ["ran", "steps"])
def test_nothing_of_the_page_is_cut_off(
    view: str, theme: str, size: tuple[int, int], open_page: OpenPage
) -> None:
    page = open_page(f"/torchscript?sample=branching&view={view}", theme=theme, size=size)
    part = page.locator(".wb" if view == "ran" else ".listing").first
    expect(part).to_be_visible()
    box = part.bounding_box()
    assert box is not None
    assert box["x"] + box["width"] <= size[0]
    assert box["y"] + box["height"] <= size[1], "it ends below the fold"
    assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")


def test_the_back_button_shows_what_was_shown_before(open_page: OpenPage, settle: Settle) -> None:
    page = open_page("/torchscript?sample=dynamic_rnn")
    view = page.get_by_test_id("stMain").get_by_role("radio", checked=True)
    page.wait_for_url(lambda url: "view=ran" in url)
    for parameter, label in (("steps", "Step through it"), ("truth", "Does it tell the truth?")):
        page.get_by_text(label, exact=True).click()
        page.wait_for_url(re.compile(f"view={parameter}"))
        settle(page)
        expect(view).to_have_text(label)
    for parameter, label in (("steps", "Step through it"), ("ran", "What ran")):
        page.evaluate("history.back()")
        settle(page)
        expect(view).to_have_text(label)
        page.wait_for_url(re.compile(f"view={parameter}"))
    page.evaluate("history.forward()")
    settle(page)
    expect(view).to_have_text("Step through it")
    page.wait_for_url(lambda url: "view=steps" in url)


def test_the_other_pages_go_on_with_the_sample_and_input(
    open_page: OpenPage, settle: Settle
) -> None:
    page = open_page("/torchscript?sample=branching&input=mean+below+zero")
    for link, path in (
        ("Optimise and deploy", "/deploy?"),
        ("Explore a model", "/?"),
        ("TorchScript", "/torchscript?"),
    ):
        page.get_by_role("link", name=link).click()
        page.wait_for_url(re.compile(re.escape(path)))
        settle(page)
        page.wait_for_url(lambda url: "sample=branching&input=mean+below+zero" in url)
        expect(page.get_by_role("heading", name="Branching on the input")).to_be_visible()
