"""Where one is in a saved page: the trail over a graph, the browser's Back, links, ranks, keys."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path

import torch
from playwright.sync_api import Page, expect
from savedpages import Open, closed, node, open_file
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[1]))

from export_models import tower

import inspector
from inspector.records import Collective, Recording
from inspector.render.answers import Book
from inspector.render.page import export_html, page

__all__ = ["open_file"]  # a fixture

TRAIL = '.wb-panel[data-pane="dynamic"] .wb-trail'


def equal_blocks() -> Recording:
    """Equal blocks in a row are one box; it holds each of them, which hold ops."""

    def block() -> nn.Module:
        return nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4), nn.Tanh())

    return inspector.record(nn.Sequential(*(block() for _ in range(12))), torch.ones(2, 4))


def toggle(shown: Page, name: str) -> None:
    box = shown.locator(f'.wb-panel[data-pane="dynamic"] [data-id="{name}"] .box-toggle')
    box.first.dispatch_event("click")


def test_the_trail_names_each_box_around_and_the_browser_goes_back_along_it(
    open_file: Open,
) -> None:
    shown = open_file(page(Book(equal_blocks())))
    start = shown.url
    row = shown.locator('.wb-panel[data-pane="dynamic"] .box.repeat').first
    toggle(shown, str(row.get_attribute("data-id")))
    expect(shown.locator(TRAIL)).to_have_text("Whole picture › 0 … 11")
    third = closed(shown).nth(2)
    toggle(shown, str(third.get_attribute("data-id")))
    expect(shown.locator(TRAIL)).to_have_text("Whole picture › 0 … 11 › 3")
    expect(shown.locator(f"{TRAIL} button")).to_have_text(["Whole picture", "0 … 11"])
    shown.go_back()
    expect(shown.locator(TRAIL)).to_have_text("Whole picture › 0 … 11")
    shown.go_back()
    expect(shown.locator(TRAIL)).to_have_count(0)
    assert shown.url == start
    shown.go_forward()
    expect(shown.locator(TRAIL)).to_have_text("Whole picture › 0 … 11")


def test_an_address_leads_to_what_was_seen(open_file: Open) -> None:
    shown = open_file(page(Book(tower())))
    name = str(closed(shown).nth(3).get_attribute("data-id"))
    toggle(shown, name)
    expect(shown.locator(TRAIL)).to_have_count(1)
    trail = shown.locator(TRAIL).inner_text()
    shown.locator('.wb-panel[data-pane="dynamic"] .node.op').nth(1).click()
    expect(shown).to_have_url(re.compile("select="))
    title = shown.locator(".wb-card").inner_text()
    shown.reload()
    expect(shown.locator(TRAIL)).to_have_count(1, timeout=30_000)
    assert shown.locator(TRAIL).inner_text() == trail
    expect(shown.locator(".wb-card")).to_have_text(title, use_inner_text=True)


def test_an_address_that_names_nothing_shows_the_whole_picture(open_file: Open) -> None:
    shown = open_file(page(Book(tower())))
    for address in ("#open=__proto__&select=constructor/x&at=1e9", "#%E0%A4%A&left=<b>&at=-1"):
        shown.evaluate("address => { location.hash = address; }", address)
        expect(closed(shown).first).to_be_visible()
        expect(shown.locator(".wb-trail")).to_have_count(0)


def test_keys_open_a_box_and_lead_back_without_losing_the_graph(open_file: Open) -> None:
    shown = open_file(page(Book(tower())))
    viewport = shown.locator('.wb-panel[data-pane="dynamic"] .wb-viewport')
    closed(shown).nth(2).focus()
    shown.keyboard.press("Space")
    expect(shown.locator(TRAIL)).to_have_count(1)
    expect(viewport).to_be_focused()
    shown.keyboard.press("Escape")
    expect(shown.locator(TRAIL)).to_have_count(0)
    expect(viewport).to_be_focused()


# -- ranks ----------------------------------------------------------------------------------------


def ranks(*kinds: str) -> list[Recording]:
    """For each kind a rank whose second op is a message of this kind."""
    found = []
    for rank, kind in enumerate(kinds):
        run = inspector.record(lambda x: (x + 1).relu().tanh(), torch.ones(2))
        sent = Collective(0, 1, kind, "0", (0, 1), 0, ("float32[2]",), "sum", wait=1)
        ops = (run.ops[0], replace(run.ops[1], name=kind), *run.ops[2:])
        meta = {**run.meta, "rank": rank, "world_size": len(kinds)}
        found.append(replace(run, ops=ops, collectives=(sent,), meta=meta))
    return found


def test_a_message_leads_to_the_graph_of_its_rank_and_back(open_file: Open, tmp_path: Path) -> None:
    export_html(inspector.lanes(ranks("all_reduce", "all_reduce")), tmp_path / "ranks.html")
    shown = open_file((tmp_path / "ranks.html").read_text("utf-8"))
    expect(shown.locator("header")).to_contain_text("They fit together on all ranks.")
    messages = shown.locator("#ranks button.message")
    expect(messages).to_have_count(2)
    messages.nth(1).click()
    expect(shown.locator("#ranks .rank.shown")).to_have_text("rank 1")
    expect(shown.locator(".wb-card")).to_contain_text("number 1 of group 0 (ranks 0, 1)")
    expect(messages.nth(1)).to_have_class("message current")
    node(shown, "op:2").click()  # what is selected in the graph is marked in the rows
    expect(shown.locator("#ranks .current")).to_have_text("1 op")
    assert "rank=1" in shown.url
    shown.go_back()
    expect(shown.locator("#ranks .rank.shown")).to_have_text("rank 0")
    expect(shown.locator("#ranks .current")).to_have_count(0)


def test_ranks_that_part_are_told_above_their_rows(open_file: Open, tmp_path: Path) -> None:
    export_html(inspector.lanes(ranks("all_reduce", "broadcast")), tmp_path / "ranks.html")
    shown = open_file((tmp_path / "ranks.html").read_text("utf-8"), theme="dark")
    expect(shown.locator("#ranks .mismatch")).to_contain_text("The ranks part at message 1")
    expect(shown.locator("#ranks .column.wrong")).to_have_count(1)
