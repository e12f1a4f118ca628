"""The ranks of a run in a browser: uploaded together, joined where they meet, one graph seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from playwright.sync_api import Page, expect

import inspector
from inspector.records import Collective

OpenPage = Callable[..., Page]
Settle = Callable[..., None]


def rank_files(folder: Path, *kinds: str) -> list[Path]:
    """One file per kind: a rank whose op after the first is a message of this kind."""

    def run(x: torch.Tensor) -> torch.Tensor:
        return (x + 1).relu().tanh()

    files = []
    for rank, kind in enumerate(kinds):
        recording = inspector.record(run, torch.ones(2))
        op = replace(recording.ops[1], name=kind)
        sent = Collective(0, 1, kind, "0", (0, 1), 0, ("float32[2]",), "sum", wait=1)
        ranked = replace(
            recording,
            ops=(recording.ops[0], op, *recording.ops[2:]),
            collectives=(sent,),
            meta={**recording.meta, "rank": rank, "world_size": len(kinds)},
        )
        files.append(folder / f"run.rank{rank}.inspect")
        ranked.save(files[-1])
    return files


def test_a_message_that_is_clicked_is_selected_in_the_graph_of_its_rank(
    open_page: OpenPage, settle: Settle, tmp_path: Path
) -> None:
    page = open_page("/open")
    files = rank_files(tmp_path, "all_reduce", "all_reduce")
    page.get_by_test_id("stFileUploaderDropzoneInput").set_input_files(files)
    settle(page)
    told = page.get_by_test_id("stCaptionContainer").first
    expect(told).to_contain_text("They fit together on all ranks.")
    messages = page.locator(".lanes button.message")
    expect(messages).to_have_count(2)
    expect(page.locator(".lanes .join")).to_have_count(1)

    messages.nth(1).click()
    settle(page)
    expect(page.locator(".lanes .rank.shown")).to_have_text("rank 1")
    expect(messages.nth(1)).to_have_class("message current")
    expect(page.locator(".wb-card")).to_contain_text("number 1 of group 0 (ranks 0, 1)")
    assert "rank=1" in page.url
    assert "select=dynamic%2Fop%3A1" in page.url

    page.locator(".lanes button.ops").first.click()
    settle(page)
    expect(page.locator(".lanes .rank.shown")).to_have_text("rank 0")
    expect(page.locator(".lanes button.ops").first).to_have_class("ops current")


def test_ranks_that_do_not_fit_are_told_with_their_lines(
    open_page: OpenPage, settle: Settle, tmp_path: Path
) -> None:
    page = open_page("/open", theme="dark")
    files = rank_files(tmp_path, "all_reduce", "broadcast")
    page.get_by_test_id("stFileUploaderDropzoneInput").set_input_files(files)
    settle(page)
    message = page.get_by_test_id("stAlertContentError")
    expect(message).to_contain_text("The ranks part at message 1 of group 0")
    expect(message).to_contain_text("rank 0: all_reduce (test_ranks_in_browser.py:")
    expect(page.locator(".lanes .column.wrong")).to_have_count(1)
