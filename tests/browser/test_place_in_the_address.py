"""What is looked at stands in the address: a link shows it, the back button goes back to it."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import parse_qs, urlparse

from playwright.sync_api import Page, Route, expect

OpenPage = Callable[..., Page]
Settle = Callable[[Page], None]

LINK = "/?sample=transformer&input=no+mask&graph=script"


def asked(page: Page) -> dict[str, str]:
    return {name: values[-1] for name, values in parse_qs(urlparse(page.url).query).items()}


def test_a_box_that_is_closed_stands_in_the_address_and_a_link_closes_it(
    open_page: OpenPage, settle: Settle
) -> None:
    page = open_page(LINK)
    toggle = page.locator('.wb-panel[data-pane=dynamic] .box-toggle[data-id^="call:"]').first
    box = toggle.get_attribute("data-id")
    toggle.click()
    page.wait_for_url(re.compile("toggled="))
    assert asked(page)["toggled"] == box
    settle(page)
    node = f'.wb-panel[data-pane=dynamic] .node.box[data-id="{box}"]'
    there = page.locator(node).count()
    other = open_page(page.url.partition("//")[2].partition("/")[2].join(["/", ""]))
    expect(other.locator(node)).to_have_count(there)


def test_tab_and_selection_of_a_link_are_shown(open_page: OpenPage) -> None:
    page = open_page(f"{LINK}&select=dynamic/op:1&panes=backward:left,source:right")
    expect(page.locator('.wb-tab[data-pane=backward][aria-selected="true"]')).to_be_visible()
    expect(page.locator('.wb-tab[data-pane=source][aria-selected="true"]')).to_be_visible()
    expect(page.locator(".wb-card-head h3")).to_be_visible()


def test_the_back_button_goes_back_to_the_tab_shown_before(
    open_page: OpenPage, settle: Settle
) -> None:
    page = open_page(LINK)
    page.locator(".wb-tab[data-pane=backward]").click()
    page.wait_for_url(re.compile("panes="))
    settle(page)
    page.locator(".wb-tab[data-pane=dynamic]").click()
    page.wait_for_url(re.compile(r"panes=dynamic"))
    settle(page)
    page.go_back()
    expect(page.locator('.wb-tab[data-pane=backward][aria-selected="true"]')).to_be_visible()


def test_a_pane_moves_to_the_other_side_and_any_two_stand_side_by_side(
    open_page: OpenPage,
) -> None:
    page = open_page(LINK)
    page.locator(".wb-tab[data-pane=backward]").click()
    page.locator('.wb-side[data-side=left] [aria-label^="More"]').click()
    page.get_by_role("menuitem", name="Move to the other side").click()
    left, right = (page.locator(f".wb-side[data-side={side}]") for side in ("left", "right"))
    expect(left.locator(".wb-panel[data-pane=dynamic] svg.graph")).to_be_visible()
    expect(right.locator(".wb-panel[data-pane=backward] svg.graph")).to_be_visible()


def test_a_picture_is_saved_from_the_menu_as_it_is_seen(open_page: OpenPage) -> None:
    page = open_page(LINK)
    page.locator('.wb-side[data-side=left] [aria-label^="More"]').click()
    with page.expect_download() as download:
        page.get_by_role("menuitem", name="Save as SVG").click()
    assert download.value.suggested_filename == "graph-dynamic.svg"
    assert download.value.path().read_bytes().startswith(b"<svg")


def test_presenting_fills_the_window_with_larger_type_and_escape_ends_it(
    open_page: OpenPage,
) -> None:
    page = open_page(LINK)
    page.locator('.wb-side[data-side=left] [aria-label^="More"]').click()
    page.get_by_role("menuitem", name="Present").click()
    workbench = page.locator(".wb.wb-present")
    expect(workbench).to_be_visible()
    size, window = workbench.bounding_box(), page.viewport_size
    assert size is not None
    assert window is not None
    assert (size["x"], size["y"], size["width"]) == (0, 0, window["width"])
    page.keyboard.press("Escape")
    expect(page.locator(".wb.wb-present")).to_have_count(0)


def test_a_recording_that_the_server_forgot_is_registered_anew(
    open_page: OpenPage, settle: Settle
) -> None:
    page = open_page(LINK)
    forgotten: list[str] = []

    def forget(route: Route) -> None:
        name = route.request.url.split("/")[-2]
        if not forgotten:
            forgotten.append(name)
        if name in forgotten:
            route.fulfill(json={"error": "gone", "lost": True})
        else:
            route.continue_()

    page.route("**/inspector-data/**", forget)
    boxes = page.locator('.wb-panel[data-pane=dynamic] .box-toggle[data-id^="call:"]')
    box = boxes.first.get_attribute("data-id")
    was_open = page.locator(f'.node.box[data-id="{box}"]').count() == 0
    boxes.first.click()
    now = page.locator(f'.wb-panel[data-pane=dynamic] .node.box[data-id="{box}"]')
    expect(now).to_have_count(1 if was_open else 0)
    expect(page.locator(".wb-notice")).to_be_hidden()


def test_a_link_to_an_op_in_a_closed_box_opens_the_box(open_page: OpenPage) -> None:
    page = open_page(f"{LINK}&select=dynamic/op:16")
    chosen = page.locator('.wb-panel[data-pane=dynamic] .wb-chosen[data-id="op:16"]')
    expect(chosen).to_have_count(1)
    expect(page.locator(".wb-card-head h3")).to_be_visible()
