"""Switching the input on Explore: one picture of before and now, in which what stays, stays."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import Locator, Page, expect

OpenPage = Callable[..., Page]
Settle = Callable[..., None]

SPOTS = """nodes => Object.fromEntries(nodes.map(node => {
    const { x, y } = node.querySelector('.outline').getBoundingClientRect();
    return [node.dataset.id, [x, y]];
}))"""

STILL = """async panel => {
    await Promise.all(panel.getAnimations({ subtree: true }).map(one => one.finished));
}"""


def graph(page: Page) -> Locator:
    return page.locator('.wb-panel[data-pane="dynamic"]')


def nodes(page: Page, kind: str = "") -> Locator:
    return graph(page).locator(f".wb-stage .node{kind}")


def switched(page: Page, settle: Settle, name: str) -> None:
    """Another input; the address says it, and nothing glides any more."""
    page.get_by_text(name, exact=True).click()
    page.wait_for_url(re.compile("input=" + name.replace(" ", r"(\+|%20)")))
    settle(page)
    graph(page).evaluate(STILL)


def spots(page: Page) -> dict[str, list[float]]:
    found: dict[str, list[float]] = nodes(page).evaluate_all(SPOTS)
    return found


def test_after_a_switch_back_and_forth_what_both_have_has_not_moved(
    open_page: OpenPage, settle: Settle
) -> None:
    page = open_page("/?sample=branching")
    switched(page, settle, "mean below zero")
    # The way of `above` is gone, the one of `below` is new: linear and tanh, mul, linear and mul.
    expect(nodes(page, ".op.vanished")).to_have_count(2)
    expect(nodes(page, ".op.arrived")).to_have_count(3)
    expect(page.get_by_text("3 ops new")).to_be_visible()
    there = spots(page)
    switched(page, settle, "mean above zero")
    expect(nodes(page, ".op.vanished")).to_have_count(3)
    back = spots(page)
    # mean, gt, bool and the input are called the same in both runs; what was new is gone now.
    both = {name: name for name in ("op:0", "op:1", "op:2", "tensor:0")}
    both |= {"op:3": "was_op:3", "op:4": "was_op:4", "was_op:3": "op:3", "was_op:4": "op:4"}
    assert {name: there[name] for name in both} == {name: back[was] for name, was in both.items()}


def test_only_this_run_has_no_ghosts_and_keeps_the_selection(
    open_page: OpenPage, settle: Settle
) -> None:
    page = open_page("/?sample=branching")
    switched(page, settle, "mean below zero")
    nodes(page, '[data-id="op:4"]').click()
    page.wait_for_url(re.compile("op%3A4|op:4"))
    settle(page)
    expect(page.locator(".wb-card")).to_contain_text("not with “mean above zero”")
    page.get_by_text("Only this run").click()
    settle(page)
    expect(nodes(page, ".vanished")).to_have_count(0)
    expect(nodes(page, ".arrived")).to_have_count(0)
    expect(graph(page).locator('.wb-ring-selected[data-for="op:4"]')).to_have_count(1)
    page.get_by_text("Show what changed").click()
    settle(page)
    expect(nodes(page, ".op.vanished")).to_have_count(2)


def test_a_control_records_again_and_the_back_button_goes_back(
    open_page: OpenPage, settle: Settle
) -> None:
    page = open_page("/?sample=branching&input=custom")
    expect(nodes(page, '[data-id="op:3"]')).to_contain_text("linear")
    page.goto(f"{page.url}&c.shift=-0.5")
    settle(page)
    expect(nodes(page, '[data-id="op:3"]')).to_contain_text("mul")
    page.go_back()
    settle(page)
    expect(nodes(page, '[data-id="op:3"]')).to_contain_text("linear")
