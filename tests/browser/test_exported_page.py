"""A saved page opened from disk, with the network off: it answers as the workbench does."""

from __future__ import annotations

import html
import re
import sys
from pathlib import Path

import pytest
import torch
from playwright.sync_api import Browser, expect
from savedpages import Open, closed, fit, node, open_file

sys.path.insert(0, str(Path(__file__).parents[1]))

from export_models import HOSTILE, Tower, branching, hostile, tower

import inspector
from inspector.records import Recording
from inspector.render.answers import Book
from inspector.render.archive import Limits
from inspector.render.embedded import embedded
from inspector.render.find import Finder
from inspector.render.findindex import Index
from inspector.render.findtable import find_table
from inspector.render.page import export_html, page
from inspector.render.workbench import script_text

__all__ = ["open_file"]  # a fixture


def text_of(recording: Recording, **limits: int) -> str:
    return page(Book(recording), limits=Limits(**limits))


@pytest.fixture(scope="module")
def branching_page() -> str:
    return text_of(branching(), closeups=2)


@pytest.fixture(scope="module")
def tower_page() -> str:
    return text_of(tower())


def test_a_click_lights_up_the_other_panes_and_fills_the_card(
    open_file: Open, branching_page: str
) -> None:
    shown = open_file(branching_page)
    node(shown, "op:2").click()  # mean, gt, bool, tanh … : op 3 is tanh, by the source below
    card = shown.locator(".wb-card")
    expect(card).to_contain_text("bool")
    node(shown, "op:3").click()
    expect(card).to_contain_text("tanh")
    line = shown.locator('.wb-panel[data-pane="source"] [aria-selected="true"]')
    expect(line).to_contain_text("torch.tanh(x)")
    shown.locator('.wb-tab[data-pane="backward"]').click()
    expect(node(shown, "grad:3", "backward")).to_have_class(re.compile(r"\bwb-lit\b"))


def test_the_run_is_stepped_through(open_file: Open, branching_page: str) -> None:
    shown = open_file(branching_page)
    bar = shown.locator(".wb-timeline")
    expect(bar).to_contain_text("The whole run")
    shown.locator(".wb-viewport").first.focus()
    for _ in range(4):
        shown.keyboard.press(".")
    expect(bar.locator(".wb-now")).to_contain_text("tanh")
    expect(shown.locator(".wb-card")).to_contain_text("tanh")
    shown.keyboard.press("t")
    expect(shown.locator(".wb-moment")).to_contain_text("Alive")


def test_findings_are_there_and_lead_to_their_cause(open_file: Open, branching_page: str) -> None:
    shown = open_file(branching_page)
    findings = shown.locator(".wb-findings")
    shown.locator('.wb-tab[data-pane="findings"]').click()
    expect(findings).to_contain_text("log")
    findings.locator(".wb-finding-title").first.click()
    expect(shown.locator(".wb-card")).to_contain_text("log")


def test_the_search_finds_what_is_in_closed_boxes(open_file: Open, tower_page: str) -> None:
    shown = open_file(tower_page)
    search = shown.locator('.wb-panel[data-pane="dynamic"] .wb-search').first
    search.fill("module:stages.20 op:linear")
    expect(shown.locator(".wb-results [data-at]").first).to_contain_text("stages.20")
    search.press("Enter")
    expect(shown.locator(".wb-card")).to_contain_text("linear")


def test_a_box_that_is_opened_is_shown_by_itself_and_leads_back(
    open_file: Open, tower_page: str
) -> None:
    shown = open_file(tower_page)
    count = closed(shown).count()
    box = closed(shown).nth(2)
    name = box.get_attribute("data-id")
    box.locator(".box-toggle").click()
    trail = shown.locator('.wb-panel[data-pane="dynamic"] .wb-trail')
    expect(trail).to_contain_text(tower().module_calls[int(str(name)[5:])].path)
    expect(node(shown, str(name))).to_have_count(0)
    frame = shown.locator(f'.wb-panel[data-pane="dynamic"] .box[data-id="{name}"]')
    expect(frame).to_have_count(1)
    ops = shown.locator('.wb-panel[data-pane="dynamic"] .node.op')
    ops.first.click()
    expect(shown.locator(".wb-card")).to_contain_text("torch")
    shown.locator('.wb-tab[data-pane="backward"]').click()
    expect(shown.locator('.wb-panel[data-pane="backward"] .node.grad').first).to_be_visible()
    shown.locator('.wb-panel[data-pane="backward"] .wb-trail button').first.click()
    expect(shown.locator(".wb-trail")).to_have_count(0)
    expect(closed(shown)).to_have_count(count)


def test_closing_the_box_that_is_shown_leads_back_too(open_file: Open, tower_page: str) -> None:
    shown = open_file(tower_page)
    count = closed(shown).count()
    name = closed(shown).first.get_attribute("data-id")
    closed(shown).first.locator(".box-toggle").click()
    frame = shown.locator(f'.wb-panel[data-pane="dynamic"] .box[data-id="{name}"]')
    frame.locator(".box-toggle").first.click()
    expect(closed(shown)).to_have_count(count)


def test_every_box_of_a_run_can_be_opened(open_file: Open, tower_page: str) -> None:
    shown = open_file(tower_page)
    names = [one.get_attribute("data-id") for one in closed(shown).all()]
    assert len(names) >= 15
    for name in names:
        node(shown, str(name)).locator(".box-toggle").dispatch_event("click")
        expect(shown.locator('.wb-panel[data-pane="dynamic"] .wb-trail')).to_have_count(1)
        assert shown.locator('.wb-panel[data-pane="dynamic"] .node.op').count() >= 2
        shown.locator('.wb-panel[data-pane="dynamic"] .wb-trail button').first.click()
        expect(shown.locator(".wb-trail")).to_have_count(0)


def test_stepping_leaves_a_box_where_the_run_goes_on(open_file: Open, tower_page: str) -> None:
    shown = open_file(tower_page)
    closed(shown).nth(8).locator(".box-toggle").dispatch_event("click")
    expect(shown.locator('.wb-panel[data-pane="dynamic"] .wb-trail')).to_have_count(1)
    shown.locator(".wb-track").focus()
    shown.keyboard.press("Home")  # the first op, of the first stage
    expect(shown.locator(".wb-trail")).to_have_count(0)


def test_a_box_that_there_was_no_room_for_says_so(open_file: Open) -> None:
    shown = open_file(text_of(tower(), closeups=1))
    last = closed(shown).last
    name = str(last.get_attribute("data-id"))
    last.locator(".box-toggle").dispatch_event("click")
    expect(shown.locator(".wb-notice")).to_contain_text("There was no room")
    expect(node(shown, name)).to_have_count(1)


def test_a_box_of_the_ir_leaves_the_other_graphs_as_they_are(
    open_file: Open, tmp_path: Path
) -> None:
    model = Tower(24)
    recording = inspector.record(model, torch.ones(2, 8))
    export_html(recording, tmp_path / "ir.html", static=inspector.script(model))
    shown = open_file((tmp_path / "ir.html").read_text("utf-8"))
    count = closed(shown).count()
    boxes = shown.locator('.wb-panel[data-pane="static"] .node.box')
    boxes.first.locator(".box-toggle").dispatch_event("click")
    expect(shown.locator('.wb-panel[data-pane="static"] .wb-trail')).to_have_count(1)
    expect(shown.locator(".wb-trail")).to_have_count(1)
    expect(closed(shown)).to_have_count(count)


def test_nodes_are_coloured_by_a_measure(open_file: Open, branching_page: str) -> None:
    shown = open_file(branching_page)
    shown.locator('.wb-panel[data-pane="dynamic"] .wb-heat-by').select_option("time")
    expect(shown.locator('.wb-panel[data-pane="dynamic"] .wb-heat-scale')).to_contain_text("µs")


def test_hostile_names_are_told_and_not_run(open_file: Open) -> None:
    shown = open_file(page(Book(hostile()), title=HOSTILE, limits=Limits(closeups=0)))
    expect(shown.locator("h1")).to_have_text(HOSTILE)
    fit(shown)
    node(shown, "op:0").click()
    expect(shown.locator(".wb-card")).to_contain_text("</script>")
    assert shown.evaluate("window.broken") is None
    assert shown.locator("img").count() == 0


def test_a_script_from_elsewhere_does_not_run(browser: Browser, tmp_path: Path) -> None:
    """Whatever were to get into a saved page: the policy lets only its own script run."""
    text = text_of(branching(), closeups=0).replace(
        "<header>",
        '<script>window.broken = 1</script><img src=x onerror="window.broken = 1"><header>',
    )
    (tmp_path / "page.html").write_text(text, "utf-8")
    context = browser.new_context(offline=True)
    shown = context.new_page()
    shown.goto((tmp_path / "page.html").as_uri())
    expect(shown.locator(".wb .node").first).to_be_visible()
    assert shown.evaluate("window.broken") is None
    context.close()


def test_the_page_follows_the_systems_theme(open_file: Open, branching_page: str) -> None:
    for theme in ("light", "dark"):
        shown = open_file(branching_page, theme=theme)
        expect(shown.locator(".wb")).to_have_attribute("data-theme", theme)
    shown.locator("#theme").click()
    expect(shown.locator(".wb")).to_have_attribute("data-theme", "light")


def test_two_runs_are_switched_between(open_file: Open, tmp_path: Path) -> None:
    export_html((tower(3), tower(4)), tmp_path / "pair.html", title="Two", language="zh_CN")
    shown = open_file((tmp_path / "pair.html").read_text("utf-8"))
    expect(shown.locator('.wb-tab[data-pane="differences"]')).to_contain_text("差异")
    shown.locator('[data-runs="b"]').click()
    expect(shown.locator('[data-runs="b"]')).to_have_attribute("aria-pressed", "true")


def test_a_notebooks_frame_shows_the_page_with_nothing_around_it(open_file: Open) -> None:
    """As a saved notebook has it: the HTML of the output, in a page without anything else."""
    shown = open_file(f"<!doctype html><body>{embedded(branching())}", ready="iframe")
    inside = shown.frame_locator("iframe")
    expect(inside.locator(".wb .node").first).to_be_visible(timeout=30_000)
    fit(inside)
    inside.locator('.wb-panel[data-pane="dynamic"] .node[data-id="op:3"]').click()
    expect(inside.locator(".wb-card")).to_contain_text("tanh")
    frame = shown.locator("iframe").get_attribute("srcdoc")
    assert html.unescape(html.escape(frame)) == frame


QUERIES = (
    "linear", "op:linear module:stages.3", "module:3", "shape:2x8", "(2, 8)", "2×", "8",
    "kind:decision", "kind:par", "view", "nan", "%12", "dtype:float32 tanh",
    "line:export_models.py", "export_models.py:36", ":36", "36", 'module:"stages.1"', "backward",
    "weight", "zzz", "", "  ",
)  # fmt: skip


@pytest.mark.parametrize("pane", ["", "dynamic", "backward"])
def test_a_page_finds_what_the_server_finds(open_file: Open, pane: str) -> None:
    recording = tower(6)
    shown = open_file("<!doctype html><body>", ready="")
    found = shown.evaluate(
        """async ([js, table, queries, pane]) => {
          const text = js + "\\nexport { FileFinder };";
          const url = URL.createObjectURL(new Blob([text], {type: "text/javascript"}));
          const { FileFinder } = await import(url);
          const finder = new FileFinder(table);
          return queries.map((query) => {
            const { total, results } = finder.find(query, pane, 1000, 0);
            return [total, results.map((one) => one.ref)];
          });
        }""",
        [script_text(), find_table(Index(recording)), list(QUERIES), pane],
    )
    finder = Finder(recording)
    for query, (total, refs) in zip(QUERIES, found, strict=True):
        told = finder.find(query, 1000, pane=pane or None)
        assert (total, refs) == (told["total"], [one["ref"] for one in told["results"]]), query
