"""Findings beside the graph, and answers to why, driven as a user would.

The page is the workbench alone, with a real recording behind it, and once the app's own.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from playwright.sync_api import Browser, Locator, expect
from test_tensor_card import Bench
from torch import Tensor, nn

import inspector
from inspector.records import Recording


def broken() -> None:
    """Ops 0 to 3: ones, sqrt, add_, sum; backward then misses what sqrt had kept."""
    weight = torch.ones(3, requires_grad=True)
    root = weight.sqrt()
    root += 1
    root.sum().backward()


def averaged() -> None:
    """Ops 0 to 5; the difference of (4, 1) and (4,) is (4, 4): a warning."""
    weight = torch.ones(4, 1, requires_grad=True)
    target = torch.arange(4.0)
    (weight * 2 - target).square().mean().backward()


def logs(x: Tensor) -> Tensor:
    """Ops 0 to 3: log(0) is infinite, times 0 it is NaN."""
    return (x.log() * x).sum() * 2


def watched(program: Callable[[], Any]) -> Recording:
    with contextlib.suppress(RuntimeError), inspector.recording() as session:
        program()
    return session.recording


@pytest.fixture
def open_bench(browser: Browser) -> Iterator[Callable[..., Bench]]:
    opened: list[Bench] = []

    def open_bench(recording: Recording, selected: str | None = None) -> Bench:
        size: Any = {"width": 1280, "height": 800}
        opened.append(Bench(browser.new_page(viewport=size)))
        found = opened[-1].open(recording, selected)
        waiting = found.page.locator(".wb-findings").get_by_text("Looking for what is wrong")
        expect(waiting).to_have_count(0, timeout=20_000)
        return found

    yield open_bench
    for one in opened:
        one.page.close()
        assert one.errors == []


def tab(bench: Bench, name: str) -> Locator:
    return bench.page.get_by_role("tab", name=name, exact=True)


def chosen(bench: Bench) -> Locator:
    return bench.page.locator(".wb-panel[data-pane=dynamic] .node.wb-chosen")


def test_a_failed_run_opens_on_its_cause_with_the_way_to_it(open_bench: Any) -> None:
    bench = open_bench(watched(broken))
    expect(tab(bench, "Findings 1 error")).to_have_attribute("aria-selected", "true")
    expect(chosen(bench)).to_have_attribute("data-id", "op:2")
    row = bench.page.locator(".wb-finding.wb-current")
    expect(row).to_contain_text("for its backward (SqrtBackward0)")
    expect(row.locator(".wb-at code")).to_have_text("root += 1")
    lit = bench.page.locator(".wb-panel[data-pane=dynamic] .node.wb-path")
    expect(lit).to_have_count(2)  # sqrt, which kept it, and add_
    told = bench.page.locator(".wb-panel[data-pane=dynamic] .wb-traced")
    expect(told).to_have_text("1 op belongs to it×")
    row.locator(".wb-finding-title").focus()
    bench.page.keyboard.press("Escape")
    expect(told).to_be_hidden()
    expect(lit).to_have_count(0)
    bench.page.keyboard.press("Escape")
    expect(chosen(bench)).to_have_count(0)
    expect(row).to_have_count(0)


def test_a_link_to_an_item_of_a_failed_run_shows_that_item(open_bench: Any) -> None:
    bench = open_bench(watched(broken), "dynamic/op:1")
    expect(tab(bench, "Findings 1 error")).to_have_attribute("aria-selected", "false")
    expect(chosen(bench)).to_have_attribute("data-id", "op:1")


def test_a_warning_waits_on_its_tab_and_keys_lead_to_its_cause_and_its_line(
    open_bench: Any,
) -> None:
    bench = open_bench(watched(averaged))
    warned = tab(bench, "Findings 1 warning")
    expect(warned).to_have_attribute("aria-selected", "false")
    warned.click()
    bench.page.locator(".wb-finding-title").focus()
    bench.page.keyboard.press("ArrowDown")  # the only one: it stays
    bench.page.keyboard.press("Enter")
    expect(bench.card.locator("h3")).to_have_text("sub")
    expect(chosen(bench)).to_have_count(1)
    bench.page.locator(".wb-finding .wb-at .wb-link").click()
    expect(tab(bench, "Python source")).to_have_attribute("aria-selected", "true")
    expect(bench.page.locator(".wb-line.wb-chosen")).to_contain_text("weight * 2 - target")


def test_a_healthy_run_says_so_and_a_size_on_a_card_says_where_it_comes_from(
    open_bench: Any,
) -> None:
    model = nn.Sequential(nn.Linear(3, 7), nn.ReLU())
    bench = open_bench(inspector.record(model, torch.ones(2, 3), loss="sum"), "dynamic/op:1")
    tab(bench, "Findings").click()
    pane = bench.page.locator(".wb-panel[data-pane=findings]")
    expect(pane).to_contain_text("Nothing is wrong in this run")
    size = bench.column("output").locator(".wb-size")
    expect(size).to_have_text(["2", "7"])
    size.last.click()
    expect(pane.locator("h4")).to_have_text("Why is dimension 1 of the result of relu 7?")
    stations = pane.locator(".wb-station")
    expect(stations).to_have_count(2)  # linear makes it, relu keeps it
    stations.first.click()
    expect(chosen(bench)).to_have_attribute("data-id", "op:0")
    expect(bench.card.locator("h3")).to_have_text("linear")
    pane.get_by_role("button", name="Close the answer").click()
    expect(pane.locator("h4")).to_have_count(0)


def test_why_is_it_nan_leads_from_the_result_to_the_op_that_began_it(open_bench: Any) -> None:
    run = inspector.record(logs, torch.tensor([0.0, 1.0]))
    bench = open_bench(run, "dynamic/op:3")
    bench.column("output").get_by_role("button", name="Why is it NaN?").click()
    stations = bench.page.locator(".wb-why .wb-station")
    expect(stations.first).to_have_text("log gives 1 infinite")
    stations.first.click()
    expect(chosen(bench)).to_have_attribute("data-id", "op:0")
    expect(bench.page.locator(".wb-panel[data-pane=dynamic] .node.wb-path")).to_have_count(4)
    expect(bench.card.get_by_role("button", name="Why is it infinite?")).to_have_count(1)


def test_an_uploaded_recording_of_a_failed_run_opens_on_its_cause(
    open_page: Any, settle: Any, tmp_path: Path
) -> None:
    watched(broken).save(tmp_path / "broken.inspect")
    page = open_page("/open", theme="dark")
    upload = page.get_by_test_id("stFileUploaderDropzoneInput")
    upload.set_input_files(tmp_path / "broken.inspect")
    expect(page.locator(".wb-finding.wb-current")).to_be_visible(timeout=20_000)
    page.wait_for_url("**select=dynamic%2Fop%3A2**")
    settle(page)
