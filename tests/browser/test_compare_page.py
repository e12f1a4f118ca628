"""The page “Compare” as people use it, in a real Chromium."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import parse_qs, urlencode, urlparse

from playwright.sync_api import Locator, Page, expect

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


def test_where_less_motion_is_asked_for_a_click_and_no_clock_shows_the_other_run(
    open_page: OpenPage,
) -> None:
    page = opened(open_page, BRANCHING)
    page.emulate_media(reduced_motion="reduce")
    show(page, "flicker")
    settled_opacity(page, "op:5", "0.13")  # mul, of B only
    page.wait_for_timeout(1500)  # a clock would have turned by now
    settled_opacity(page, "op:5", "0.13")
    show(page, "flicker")
    settled_opacity(page, "op:3", "0.13")  # linear, of A only
    settled_opacity(page, "op:5", "1")


# Where the nodes of a pane stand, from the pane's upper left corner.
IN_PANE = """pane => {
    const root = [...document.querySelectorAll("*")]
        .find(el => el.shadowRoot?.querySelector(".wb"));
    const panel = root.shadowRoot.querySelector(`.wb-panel[data-pane="${pane}"]`);
    const from = panel.querySelector('.wb-viewport').getBoundingClientRect();
    return Object.fromEntries([...panel.querySelectorAll('.wb-stage .node')].map(el => {
        const box = el.querySelector('.outline').getBoundingClientRect();
        return [el.dataset.id, [box.x - from.x, box.y - from.y, box.width, box.height]
            .map(Math.round)];
    }));
}"""


def in_pane(page: Page, pane: str, item: str) -> Locator:
    return page.locator(f'.wb-panel[data-pane="{pane}"] .wb-stage .node[data-id="{item}"]')


def test_side_by_side_what_both_runs_share_stands_at_the_same_place_in_both(
    open_page: OpenPage, settle: Settle
) -> None:
    page = opened(open_page, BRANCHING, size=(1280, 1000))
    show(page, "sides")
    page.wait_for_url(lambda url: parse_qs(urlparse(url).query).get("runs") == ["sides"])
    expect(in_pane(page, "run-b", "op:0")).to_be_visible()
    places = page.evaluate(IN_PANE, "dynamic")
    assert {"op:0", "op:3", "op:5", "op:7"} <= set(places)
    assert page.evaluate(IN_PANE, "run-b") == places
    # What is of the other run alone is faint, and the decision says what it was in each run.
    expect(in_pane(page, "dynamic", "op:5")).to_have_css("opacity", "0.13")
    expect(in_pane(page, "run-b", "op:3")).to_have_css("opacity", "0.13")
    expect(in_pane(page, "dynamic", "op:2").locator(".title")).to_have_text("True")
    expect(in_pane(page, "run-b", "op:2").locator(".title")).to_have_text("False")

    # Moved and zoomed in B: A follows.
    box = in_pane(page, "run-b", "op:0").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] - 30, box["y"] + 5)
    page.mouse.down()
    page.mouse.move(box["x"] + 10, box["y"] + 25, steps=4)
    page.mouse.up()
    page.locator('.wb-panel[data-pane="run-b"] .wb-zoom').get_by_text("+").click()
    settle(page)
    moved = page.evaluate(IN_PANE, "dynamic")
    assert moved != places
    assert page.evaluate(IN_PANE, "run-b") == moved

    # Selected in B: its partner in A is, too.
    in_pane(page, "run-b", "op:1").click()
    wait_for_selected(page, "dynamic/op:1")
    rings = page.locator('.wb-ring-selected[data-for="op:1"]')
    expect(rings).to_have_count(2)
    expect(page.locator(".wb-card")).to_contain_text("order in B")

    # The address opens both again; one button puts them together.
    page.reload()
    expect(in_pane(page, "run-b", "op:0")).to_be_visible(timeout=60_000)
    show(page, "both")
    expect(page.locator('.wb-panel[data-pane="run-b"]')).to_have_count(0)
    expect(in_pane(page, "dynamic", "op:2").locator(".title")).to_have_text("True → False")


def test_side_by_side_a_box_is_opened_and_closed_in_both(
    open_page: OpenPage, settle: Settle
) -> None:
    page = opened(open_page, {**WORDS, "runs": "sides"}, size=(1280, 1000))
    expect(in_pane(page, "run-b", "op:1")).to_be_visible()
    before = page.evaluate(IN_PANE, "run-b")
    loop = page.locator('.wb-panel[data-pane="run-b"] .wb-stage .box.loop .box-toggle').first
    loop.dispatch_event("click")
    drawn = page.locator('.wb-panel[data-pane="run-b"] .wb-stage .node')
    expect(drawn).not_to_have_count(len(before))
    settle(page)
    after = page.evaluate(IN_PANE, "run-b")
    assert set(after) != set(before)
    assert page.evaluate(IN_PANE, "dynamic") == after


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
    drawn = page.locator('.wb-panel[data-pane="static"] .wb-stage .node', has_text="tanh").first
    expect(drawn.locator(".badge-a")).to_have_text("A ×2")
    expect(drawn.locator(".badge-b")).to_have_text("B ×5")
    page.get_by_role("tab", name="IR text").click()
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
