"""The bug gallery as people use it, in a real Chromium."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import parse_qs, urlparse

from playwright.sync_api import Page, expect

OpenPage = Callable[..., Page]
Settle = Callable[..., None]


def has(name: str, value: str) -> Callable[[str], bool]:
    """Whether an address has a parameter with this value."""
    return lambda url: parse_qs(urlparse(url).query).get(name) == [value]


def test_a_bug_is_seen_in_code_and_graph_and_the_next_one_is_chosen_from_the_list(
    open_page: OpenPage, settle: Settle
) -> None:
    page = open_page("/bugs?bug=inplace_after_relu&show=both")
    # Both programs: the line of the cause, and what stands there in the fixed one.
    expect(page.locator(".listing .row.wrong .text")).to_have_text(re.compile(r"h \+= 1"))
    expect(page.locator(".listing .row.right .text")).to_have_text(re.compile(r"h = h \+ 1"))
    # Both runs in one picture: `add_` is A's alone, `relu` is both's; the cause is selected.
    nodes = page.locator(".wb-stage .node")
    expect(nodes.first).to_be_visible(timeout=60_000)
    expect(nodes.filter(has_text="add_")).to_have_count(1)
    expect(nodes.filter(has_text="relu")).to_have_count(1)
    page.wait_for_url(has("select", "dynamic/op:7"))

    page.get_by_role("radio", name="Buggy").click()
    page.wait_for_url(has("show", "buggy"))
    settle(page)
    expect(page.locator(".listing .row.right")).to_have_count(0)
    expect(page.locator(".wb")).to_contain_text("A saved tensor was overwritten")

    page.get_by_text("The loss is NaN").click()
    page.wait_for_url(has("bug", "nan_in_forward"))
    settle(page)
    expect(page.get_by_role("heading", name=re.compile("The loss is NaN"))).to_be_visible()
    page.wait_for_url(has("select", "dynamic/op:7"))  # log, the first that is not finite
