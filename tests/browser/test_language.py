"""The app in Chinese, in a browser: nothing is left in English, and a switch loses nothing."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

sys.path.append(str(Path(__file__).parents[1]))
from chinese import english_runs

OpenPage = Callable[..., Page]
Settle = Callable[..., None]

VISIBLE = """skipped => {
    const found = [];
    const walk = (node) => {
        if (node.nodeType === Node.TEXT_NODE) {
            const seen = node.parentElement?.checkVisibility?.();
            if (seen && node.data.trim()) found.push(node.data.trim());
            return;
        }
        if (node.nodeType === Node.ELEMENT_NODE) {
            if (node.matches(skipped)) return;
            const inGraph = node.getRootNode() instanceof ShadowRoot;
            const names = inGraph ? ["title", "aria-label", "placeholder"] : [];
            const hints = names.map((name) => node.getAttribute(name));
            if (node.checkVisibility()) found.push(...hints.filter(Boolean));
            if (node.shadowRoot) walk(node.shadowRoot);
        }
        for (const child of node.childNodes) walk(child);
    };
    walk(document.body);
    return found;
}"""
"""The texts that are seen, and the hints of the workbench."""

SKIPPED = (
    "pre, code, script, style, option,"  # code, also that of a listing
    ".listing .rows,"
    "[data-testid=stSkipToContent], [data-testid=stFileUploader] section"  # Streamlit's own
)

PAGES = (
    "/?sample=gan",
    "/compare?sample=branching",
    "/sweep?sample=branching",
    "/torchscript?sample=while_loop",
    "/torchscript?sample=while_loop&view=steps",
    "/gradients?sample=branching&steps=3",
    "/deploy?sample=branching",
    "/deploy?sample=branching&part=advice",
    "/open",
    "/guide",
)


def english_of(page: Page) -> list[str]:
    """What of the visible text reads like English."""
    return [
        f"{run} < {text}" for text in page.evaluate(VISIBLE, SKIPPED) for run in english_runs(text)
    ]


@pytest.mark.parametrize("addresses", [PAGES[:5], PAGES[5:]], ids=["first", "rest"])
def test_pages_in_chinese_show_no_english(
    open_page: OpenPage, settle: Settle, addresses: tuple[str, ...]
) -> None:
    page = open_page("/?lang=zh_CN")
    server = page.url.partition("/?")[0]
    found = {}
    for address in addresses:
        page.goto(f"{server}{address}{'&' if '?' in address else '?'}lang=zh_CN")
        settle(page)
        expect(page.get_by_role("link", name="探索模型")).to_be_visible()
        found[address] = english_of(page)
    assert not {address: runs for address, runs in found.items() if runs}


def test_the_rule_finds_english_on_english_pages(open_page: OpenPage) -> None:
    page = open_page("/?sample=gan")
    found = english_of(page)
    assert any("to inspect it" in text for text in found)  # of the workbench
    assert any("watch the graph change" in text or "what is gone" in text for text in found)


def test_a_switch_of_the_language_keeps_what_is_shown(open_page: OpenPage, settle: Settle) -> None:
    page = open_page("/?sample=branching&input=mean+below+zero&select=dynamic%2Fop%3A1&graph=trace")
    page.get_by_role("radio", name="简体中文").click()
    page.wait_for_url(re.compile("lang=zh_CN"))
    settle(page)
    expect(page.get_by_role("heading", name="依输入而分支")).to_be_visible()
    expect(page.get_by_role("tab", name="动态图")).to_be_visible()
    for part in ("sample=branching", "input=mean+below", "op%3A1", "graph=trace"):
        assert part in page.url
    expect(page.get_by_role("radio", name="平均值小于零")).to_be_checked()
    expect(page.locator(".wb-card")).not_to_contain_text("单击节点")

    before = page.url
    for name, address, heading in (
        ("怎样看图", "guide", "怎样看图"),
        ("比较", "compare.*sample=branching", "依输入而分支"),
    ):
        link = page.get_by_test_id("stSidebarNavLink").filter(has_text=name)
        link.hover()
        expect(link).to_have_attribute("href", re.compile("lang=zh_CN"))  # for a new tab
        link.click()
        page.wait_for_url(re.compile(f"{address}.*lang=zh_CN"))
        settle(page)
        expect(page.get_by_role("heading", name=heading)).to_be_visible()

        page.go_back()  # once: the page's bare address is no entry of its own
        expect(page).to_have_url(before)
        settle(page)
        expect(page).to_have_url(before)
        expect(page.get_by_role("heading", name="依输入而分支")).to_be_visible()


def test_the_back_button_brings_the_language_back(open_page: OpenPage, settle: Settle) -> None:
    page = open_page("/?sample=branching")
    page.get_by_role("radio", name="简体中文").click()
    page.wait_for_url(re.compile("lang=zh_CN"))
    settle(page)
    page.go_back()
    page.wait_for_url(re.compile("^(?!.*lang=)"))
    settle(page)
    expect(page.get_by_role("heading", name="Branching on the input")).to_be_visible()


def test_two_viewers_of_one_recording_have_two_languages(open_page: OpenPage) -> None:
    chinese = open_page("/?sample=branching&lang=zh_CN")
    english = open_page("/?sample=branching")
    expect(chinese.get_by_role("tab", name="动态图")).to_be_visible()
    expect(english.get_by_role("tab", name="Dynamic graph")).to_be_visible()
    expect(english.get_by_role("heading", name="Branching on the input")).to_be_visible()
