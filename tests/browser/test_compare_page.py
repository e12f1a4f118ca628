"""The page “Compare” as people use it, in a real Chromium."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import parse_qs, urlencode, urlparse

from playwright.sync_api import Page, expect

OpenPage = Callable[..., Page]
Settle = Callable[..., None]

BRANCHING = {"sample": "branching", "a": "mean above zero", "b": "mean below zero"}
WORDS = {"sample": "variable_length", "a": "two words", "b": "five words"}

PLACES = """() => Object.fromEntries([...document.querySelectorAll('*')]
    .flatMap(el => el.shadowRoot ? [...el.shadowRoot.querySelectorAll('.wb-stage .node')] : [])
    .map(el => { const box = el.querySelector('.outline').getBoundingClientRect();
                 return [el.dataset.id, [box.x, box.y, box.width, box.height]]; }))"""


def opened(open_page: OpenPage, query: dict[str, str], **more: object) -> Page:
    page = open_page(f"/compare?{urlencode(query)}", **more)
    expect(page.locator(".wb-stage .node").first).to_be_visible(timeout=60_000)
    return page


def node(page: Page, item: str) -> object:
    return page.locator(f'.wb-stage .node[data-id="{item}"]')


def opacity(page: Page, item: str) -> float:
    return float(node(page, item).evaluate("el => getComputedStyle(el).opacity"))


def settled_opacity(page: Page, item: str, wanted: str) -> None:
    expect(node(page, item)).to_have_css("opacity", wanted)


def show(page: Page, run: str) -> None:
    page.locator(f'.wb-runs [data-runs="{run}"]').click()


def address(page: Page) -> dict[str, str]:
    return {name: found[-1] for name, found in parse_qs(urlparse(page.url).query).items()}


def wait_for_selected(page: Page, item: str) -> None:
    """The page tells the server of a selection, which writes it into the address."""
    page.wait_for_url(lambda url: parse_qs(urlparse(url).query).get("select") == [item])


def test_what_both_runs_share_stays_where_it_is_when_either_is_shown(
    open_page: OpenPage, settle: Settle
) -> None:
    page = opened(open_page, BRANCHING)
    both = page.evaluate(PLACES)
    assert {"op:0", "op:3", "op:7"} <= set(both)
    show(page, "a")
    settled_opacity(page, "op:5", "0.13")  # mul, of B only
    assert opacity(page, "op:0") == opacity(page, "op:3") == 1
    assert page.evaluate(PLACES) == both
    show(page, "b")
    settled_opacity(page, "op:3", "0.13")  # linear, of A only
    settled_opacity(page, "op:5", "1")
    assert page.evaluate(PLACES) == both
    show(page, "both")
    settled_opacity(page, "op:3", "1")
    assert page.evaluate(PLACES) == both


def test_flicker_shows_a_and_b_in_turn_until_another_view_is_chosen(
    open_page: OpenPage, settle: Settle
) -> None:
    page = opened(open_page, BRANCHING)
    show(page, "flicker")
    stage = page.locator(".wb-stage.wb-see-a")
    expect(stage).to_have_count(1)
    expect(page.locator(".wb-stage.wb-see-b")).to_have_count(1, timeout=3_000)
    expect(page.locator(".wb-stage.wb-see-a")).to_have_count(1, timeout=3_000)
    show(page, "b")
    page.wait_for_timeout(1_200)
    expect(page.locator(".wb-stage.wb-see-b")).to_have_count(1)


def test_a_difference_is_selected_from_the_list_and_by_the_link_to_the_first(
    open_page: OpenPage, settle: Settle
) -> None:
    page = opened(open_page, WORDS)
    page.get_by_role("button", name="First difference").click()
    # The int that read 0 in A and 1 in B is the twelfth op of both.
    wait_for_selected(page, "dynamic/op:11")
    expect(page.locator(".wb-card")).to_contain_text("0 → 1")
    page.locator(".wb-line", has_text="embedding embedding").first.click()
    wait_for_selected(page, "dynamic/op:13")
    expect(page.locator(".wb-card")).to_contain_text("only in B")
    assert address(page)["b"] == "five words"


def test_a_row_of_the_table_selects_its_op_in_the_graph(
    open_page: OpenPage, settle: Settle
) -> None:
    page = opened(open_page, BRANCHING)
    table = page.get_by_test_id("stDataFrame")
    table.scroll_into_view_if_needed()
    box = table.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 17, box["y"] + 35 + 35 * 4 + 17)  # the fifth row: `below`
    wait_for_selected(page, "dynamic/op:6")
    expect(page.locator(".wb-card")).to_contain_text("below")


def test_the_source_and_the_ir_have_the_counts_of_both_runs(
    open_page: OpenPage, settle: Settle
) -> None:
    page = opened(open_page, WORDS, theme="dark", size=(1920, 1080))
    page.get_by_role("tab", name="Python source").click()
    line = page.locator(".wb-line:visible", has_text="self.recurrent(state)")
    expect(line.locator(".wb-run-counts")).to_have_text("25")  # two trips, five trips
    page.get_by_role("tab", name="TorchScript IR").click()
    tanh = page.locator(".wb-line:visible", has_text="aten::tanh")
    expect(tanh.locator(".wb-run-counts")).to_have_text("25")


def test_a_and_b_are_swapped_and_the_address_says_so(open_page: OpenPage, settle: Settle) -> None:
    page = opened(open_page, BRANCHING)
    page.get_by_role("button", name="Swap A and B").click()
    settle(page)
    assert address(page)["a"] == "mean below zero"
    assert address(page)["b"] == "mean above zero"
    expect(page.locator('.wb-stage .node.only-a[data-id="op:3"]')).to_contain_text("mul")


def test_switching_the_input_on_the_first_page_offers_the_comparison(
    open_page: OpenPage, settle: Settle
) -> None:
    page = open_page("/?sample=branching")
    page.get_by_text("mean below zero", exact=True).click()
    settle(page)
    link = page.get_by_role("link", name="Compare with “mean above zero”")
    asked = parse_qs(urlparse(link.get_attribute("href") or "").query)
    assert asked == {name: [value] for name, value in BRANCHING.items()}
    page.goto(page.url.split("?")[0].rstrip("/") + "/" + (link.get_attribute("href") or ""))
    settle(page)
    expect(page.locator(".wb-stage .node.only-b").first).to_be_visible()
