"""The app as people use it: the real server in a real Chromium."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from playwright.sync_api import Locator, Page, expect

import inspector
import sample_models

OpenPage = Callable[..., Page]
Settle = Callable[..., None]


def pane(page: Page, name: str) -> Locator:
    """One pane of the workbench: "dynamic", "backward", "static", "irtext", "source"."""
    return page.locator(f'.wb-panel[data-pane="{name}"]')


def node(page: Page, name: str, title: str) -> Locator:
    """The nodes of a pane whose big line is exactly `title`."""
    here = page.locator("text.title").filter(has_text=title)
    return pane(page, name).locator("g.node").filter(has=here)


def line_of(sample: str, start: str) -> int:
    """The line of a sample's file that starts with `start`."""
    lines = Path(sample_models.get(sample).file).read_text().splitlines()
    return 1 + next(i for i, text in enumerate(lines) if text.strip().startswith(start))


def choose(page: Page, settle: Settle, text: str) -> None:
    """Click one of the sidebar's choices."""
    page.get_by_test_id("stSidebarUserContent").get_by_text(text, exact=True).click()
    settle(page)


def test_picking_a_sample_draws_its_graph(open_page: OpenPage, settle: Settle) -> None:
    page = open_page("/")
    page.get_by_test_id("stSidebarUserContent").get_by_role("combobox").click()
    page.get_by_role("option", name="Branching on the input").click()
    settle(page)
    expect(node(page, "dynamic", "linear")).to_have_count(1)
    expect(page.get_by_role("heading", name="Branching on the input")).to_be_visible()
    page.wait_for_url(lambda url: "sample=branching" in url)


def test_switching_the_input_lights_the_other_block_of_the_same_if(
    open_page: OpenPage, settle: Settle
) -> None:
    page = open_page("/?sample=branching")
    branch = pane(page, "static").locator("g.node.branch")
    expect(branch).to_have_count(1)
    same = branch.get_attribute("data-id")
    lit = pane(page, "static").locator("g.box.block.executed .box-title")
    faded = pane(page, "static").locator("g.box.block.skipped .box-title")
    expect(lit).to_have_text("then")
    expect(faded).to_have_text("else")
    expect(pane(page, "dynamic").locator("g.node.decision text.title")).to_have_text("True")

    choose(page, settle, "mean below zero")
    expect(lit).to_have_text("else")
    expect(faded).to_have_text("then")
    decision = pane(page, "dynamic").locator("g.node.decision text.title")
    expect(decision).to_have_text("True → False")  # what it read before, and now
    assert branch.get_attribute("data-id") == same
    expect(node(page, "dynamic", "mul")).to_have_count(2)


def test_clicking_an_op_shows_its_card_and_marks_it_everywhere(
    open_page: OpenPage, settle: Settle
) -> None:
    page = open_page("/?sample=branching&input=mean+above+zero")
    pane(page, "dynamic").get_by_role("button", name="Fit").click()  # all of it can be clicked
    node(page, "dynamic", "linear").click()
    card = page.locator(".wb-card")
    expect(card.get_by_role("heading", name="linear", exact=True)).to_be_visible()
    expect(card).to_contain_text("torch.nn.functional.linear")
    expect(card).to_contain_text(re.compile(r"2\s*×\s*features\s*3\s*float32"))
    expect(card).to_contain_text("above · Linear")
    line = line_of("branching", "return torch.tanh(self.above(x))")
    expect(card).to_contain_text(f"branching.py:{line}")

    # The gradient that plain autograd gives at the same place.
    sample = sample_models.get("branching")
    (x,) = sample.inputs["mean above zero"].make()
    model = sample.build()
    out = model.above(x)
    out.retain_grad()
    torch.tanh(out).mean().backward()
    assert out.grad is not None
    expect(card).to_contain_text(f"{out.grad.max().item():.4g}")

    expect(pane(page, "static").locator("g.node.wb-lit text.title")).to_have_text("linear")
    page.get_by_role("tab", name="Python source").click()
    marked = pane(page, "source").locator(".wb-line.wb-chosen, .wb-line.wb-lit")
    expect(marked).to_contain_text("return torch.tanh(self.above(x))")
    page.get_by_role("tab", name="Backward graph").click()
    linked = pane(page, "backward").locator("g.node.wb-lit text.title")
    expect(linked).to_have_text(["Addmm", "T"])
    settle(page)
    page.wait_for_url(lambda url: "select=dynamic" in url)


def test_a_link_opens_with_the_same_selection(open_page: OpenPage) -> None:
    page = open_page(
        "/?sample=branching&input=mean+below+zero&graph=script&select=dynamic%2Fop%3A4"
    )
    expect(page.locator(".wb-card")).to_contain_text("below · Linear")
    expect(node(page, "dynamic", "linear")).to_have_class("node op wb-chosen wb-near")


def test_a_box_opens_and_closes_where_it_stands(open_page: OpenPage, settle: Settle) -> None:
    page = open_page("/?sample=transformer")
    closed = pane(page, "dynamic").locator("g.node.box")
    closed.first.wait_for()  # the picture comes after the page
    before = closed.count()
    name = closed.first.get_attribute("data-id")
    closed.first.locator("g.box-toggle").dispatch_event("click")
    settle(page)
    opened = pane(page, "dynamic").locator(f'g.box:not(.node)[data-id="{name}"]')
    expect(opened).to_have_count(1)
    opened.locator("g.box-toggle").first.dispatch_event("click")
    settle(page)
    expect(opened).to_have_count(0)
    expect(closed).to_have_count(before)


def test_longer_input_makes_a_longer_graph_and_the_same_ir(
    open_page: OpenPage, settle: Settle
) -> None:
    page = open_page("/?sample=while_loop&input=norm+3%2C+two+trips")
    expect(node(page, "dynamic", "matmul")).to_have_count(2)
    expect(node(page, "static", "loop · 2 trips")).to_have_count(1)
    boxes = pane(page, "static").locator("g.node").count()
    choose(page, settle, "norm 20, five trips")
    expect(node(page, "dynamic", "matmul")).to_have_count(5)
    expect(node(page, "static", "loop · 5 trips")).to_have_count(1)
    expect(pane(page, "static").locator("g.node")).to_have_count(boxes)


def test_a_model_that_cannot_be_scripted_says_why_and_shows_the_trace(open_page: OpenPage) -> None:
    page = open_page("/?sample=detach_no_grad&input=detached")
    expect(page.get_by_text("cannot be scripted").first).to_be_visible()
    expect(page.get_by_role("tab", name="TorchScript IR (trace)")).to_be_visible()
    expect(node(page, "static", "detach")).to_have_count(1)
    page.get_by_role("button", name="Compiler's text").click()
    said = page.get_by_test_id("stPopoverBody")
    expect(said).to_contain_text("With item expression must return an object")


def test_the_ir_text_counts_what_ran(open_page: OpenPage) -> None:
    page = open_page("/?sample=branching&input=mean+above+zero")
    page.get_by_role("tab", name="IR text").click()
    text = pane(page, "irtext")
    expect(text.locator(".wb-line").filter(has_text="prim::If")).to_have_count(1)
    tanh = text.locator(".wb-line").filter(has_text="aten::tanh")
    tanh.click()
    expect(page.locator(".wb-card")).to_contain_text("aten::tanh")
    expect(node(page, "dynamic", "tanh")).to_have_class("node op wb-lit")


def test_a_recording_is_uploaded_and_a_damaged_one_leaves_it_in_place(
    open_page: OpenPage, settle: Settle, tmp_path: Path
) -> None:
    good, bad = tmp_path / "good.inspect", tmp_path / "bad.inspect"
    inspector.record(torch.nn.Linear(2, 3), torch.ones(1, 2), loss="sum").save(good)
    bad.write_bytes(good.read_bytes()[:200])
    page = open_page("/")
    page.get_by_role("link", name="Recordings").click()
    settle(page)
    upload = page.get_by_test_id("stFileUploaderDropzoneInput")
    upload.set_input_files(good)
    settle(page)
    expect(page.get_by_role("heading", name="good.inspect")).to_be_visible()
    expect(node(page, "dynamic", "linear")).to_have_count(1)
    page.get_by_role("tab", name="TorchScript IR").click()
    expect(pane(page, "static").get_by_text("A recording file holds what ran")).to_be_visible()
    upload.set_input_files(bad)
    settle(page)
    expect(page.get_by_text("bad.inspect is not a readable recording")).to_be_visible()
    expect(page.get_by_role("heading", name="good.inspect")).to_be_visible()
    expect(node(page, "dynamic", "linear")).to_have_count(1)

    # Two recordings that are no ranks of one run: the newer one is shown, and both can be chosen.
    other = tmp_path / "other.inspect"
    inspector.record(torch.nn.ReLU(), torch.ones(1, 2)).save(other)
    upload.set_input_files(other)
    settle(page)
    expect(page.get_by_role("heading", name="other.inspect")).to_be_visible()
    expect(node(page, "dynamic", "relu")).to_have_count(1)
    expect(page.get_by_text("Uploaded file", exact=True)).to_be_visible()


def test_a_saved_drawing_is_a_picture_of_the_graph(open_page: OpenPage, tmp_path: Path) -> None:
    page = open_page("/?sample=branching")
    page.get_by_role("tab", name="Save").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="SVG").first.click()
    target = tmp_path / "graph.svg"
    download.value.save_as(target)
    assert "<svg" in target.read_text()
    assert ">linear<" in target.read_text()
    with page.expect_download() as download:
        page.get_by_role("button", name="Recording (.inspect)").click()
    download.value.save_as(tmp_path / "run.inspect")
    names = [op.name for op in inspector.load(tmp_path / "run.inspect").ops]
    assert names == ["mean", "gt", "bool", "linear", "tanh", "mean"]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [(1280, 800), (1920, 1080)])
def test_nothing_is_cut_off(theme: str, size: tuple[int, int], open_page: OpenPage) -> None:
    page = open_page("/?sample=branching", theme=theme, size=size)
    workbench = page.locator(".wb")
    expect(workbench).to_have_attribute("data-theme", theme)
    box = workbench.bounding_box()
    assert box is not None
    assert box["x"] + box["width"] <= size[0]
    assert box["y"] + box["height"] <= size[1], "the card is below the fold"
    left, right = pane(page, "dynamic").bounding_box(), pane(page, "static").bounding_box()
    assert left is not None
    assert right is not None
    assert left["y"] == right["y"], "the panes stand side by side"
    overflow = page.evaluate("document.documentElement.scrollWidth > innerWidth")
    assert not overflow


@pytest.mark.slow
@pytest.mark.parametrize("name", list(sample_models.catalog()))
def test_every_sample_draws_all_its_graphs(name: str, open_page: OpenPage, settle: Settle) -> None:
    page = open_page(f"/?sample={name}")
    for input_name in sample_models.get(name).inputs:
        choose(page, settle, input_name)
        for which in ("dynamic", "backward", "static"):
            expect(pane(page, which).locator("svg.graph g.node").first).to_be_attached()
