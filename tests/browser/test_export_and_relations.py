"""Pictures saved from the browser, and the saved and shared edges of a selection.

What is kept for backward follows from the formulas: d(xy) needs x and y, relu its own result,
a linear map its input and its weight.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from benchpages import Serve, served
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect

from inspector import Recording, record
from inspector.render.answers import Book
from inspector.render.theme import HEAT_STEPS, THEMES
from inspector.render.workbench import Shown, workbench_payload
from inspector.views import default_open

SVG = "{http://www.w3.org/2000/svg}"


class Net(torch.nn.Module):
    """x * y, relu, linear; y is used five times, so that it is drawn beside each use."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = torch.nn.Linear(3, 2)

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        product = x * y
        positive = product.relu()
        for _ in range(4):
            positive = positive + y
        return F.linear(positive, self.fc.weight, self.fc.bias)


@pytest.fixture(scope="module")
def run() -> Recording:
    torch.manual_seed(0)
    x, y = torch.rand(4, 3, requires_grad=True), torch.rand(4, 3, requires_grad=True)
    found = record(Net(), x, y, loss="sum")
    assert found.failure is None
    return found


@pytest.fixture
def serve(browser: Browser) -> Iterator[Serve]:
    """`serve(inline data)` or `serve(book=…)`: a page of a workbench; it must not complain."""
    yield from served(browser)


def alone(run: Recording, theme: str = "light") -> dict[str, Any]:
    """A page without a server."""
    shown = Shown(run, opened=default_open(run))
    return {**workbench_payload(shown), "theme": theme}


def panel(page: Page, pane: str = "dynamic") -> Locator:
    return page.locator(f".wb-panel[data-pane={pane}]")


def select(page: Page, name: str, pane: str = "dynamic") -> None:
    panel(page, pane).locator(f'.node[data-id="{name}"]').dispatch_event("click")
    panel(page, pane).locator(".wb-viewport").focus()


def op_of(run: Recording, name: str) -> int:
    return next(op.id for op in run.ops if op.name == name)


def saved_file(page: Page, kind: str) -> bytes:
    """What the pane's menu saves."""
    page.locator(".wb-side[data-side=left] .wb-more summary").click()
    with page.expect_download() as download:
        page.get_by_role("menuitem", name=f"Save as {kind}").click()
    assert download.value.suggested_filename == f"graph-dynamic.{kind.lower()}"
    return Path(download.value.path()).read_bytes()


def texts(root: ElementTree.Element) -> list[str]:
    return ["".join(item.itertext()) for item in root.iter(f"{SVG}text")]


# -- pictures --------------------------------------------------------------------------------------


def test_a_page_without_a_server_saves_svg_and_png_alone(serve: Serve, run: Recording) -> None:
    page = serve(alone(run))
    page.locator(".wb-side[data-side=left] .wb-more summary").click()
    names = page.get_by_role("menuitem").all_inner_texts()
    assert [name for name in names if name.startswith("Save")] == ["Save as SVG", "Save as PNG"]
    with_server = serve(book=Book(run))
    with_server.locator(".wb-side[data-side=left] .wb-more summary").click()
    names = with_server.get_by_role("menuitem").all_inner_texts()
    assert [name[8:] for name in names if name.startswith("Save")] == ["SVG", "PNG", "PDF", "DOT"]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_svg_shows_what_is_seen_and_is_complete_in_itself(
    serve: Serve, run: Recording, theme: str
) -> None:
    page = serve(alone(run, theme))
    mul = f"op:{op_of(run, 'mul')}"
    select(page, mul)
    data = saved_file(page, "SVG")
    root = ElementTree.fromstring(data)
    drawn = {item.get("data-id") for item in root.iter(f"{SVG}g")}
    shown = page.evaluate(
        "[...document.querySelectorAll('.wb-panel[data-pane=dynamic] .node')]"
        ".map(el => el.dataset.id)"
    )
    assert set(shown) <= drawn
    assert "Dynamic graph" in texts(root)
    assert {"mul", "relu"} <= set(texts(root))
    colours = THEMES[theme]
    assert root.find(f"{SVG}rect").get("fill") == colours["canvas"]
    rings = [item for item in root.iter(f"{SVG}rect") if item.get("stroke") == colours["selected"]]
    assert len(rings) == 1, "the ring around what is selected"
    text = data.decode()
    assert not re.search(r"var\(|class=|<style|href|url\((?!#)|context-stroke|@import|@font", text)


def test_the_svg_has_the_heats_colours_their_scale_and_the_numbers(
    serve: Serve, run: Recording
) -> None:
    data = alone(run)
    ops = [f"op:{op.id}" for op in run.ops]
    values = {name: [at / (len(ops) - 1), f"{at} µs"] for at, name in enumerate(ops)}
    time = {"id": "time", "label": "time", "scale": "log", "low": "1 µs", "high": "9 µs"}
    data["heat"] = {"dynamic": [{**time, "values": values}]}
    page = serve(data)
    panel(page).locator(".wb-heat-by").select_option("time")
    root = ElementTree.fromstring(saved_file(page, "SVG"))
    fills = [item.get("fill") for item in root.iter()]
    for step in HEAT_STEPS:
        assert THEMES["light"][f"heat-{step}"] in fills, step
    assert {"time", "1 µs", "9 µs", "logarithmic", "0 µs"} <= set(texts(root))


def test_a_trace_is_in_the_picture_and_named_in_its_title(serve: Serve, run: Recording) -> None:
    page = serve(alone(run))
    select(page, f"op:{op_of(run, 'relu')}")
    page.keyboard.press("p")
    root = ElementTree.fromstring(saved_file(page, "SVG"))
    assert any("producers of relu" in text for text in texts(root))


def test_names_stay_text_in_a_saved_picture(serve: Serve, run: Recording) -> None:
    hostile = "</text><script>x</script> & \"<b>'"
    data = alone(run)
    for pane in data["panes"]:
        if pane["id"] == "dynamic":
            pane["title"] = hostile
    root = ElementTree.fromstring(saved_file(serve(data), "SVG"))
    assert hostile in texts(root)
    assert not [item for item in root.iter() if item.tag.endswith("script")]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_png_is_the_svg_in_two_pixels_for_each_of_its_own(
    serve: Serve, run: Recording, theme: str
) -> None:
    page = serve(alone(run, theme))
    select(page, f"op:{op_of(run, 'mul')}")
    root = ElementTree.fromstring(saved_file(page, "SVG"))
    image = Image.open(io.BytesIO(saved_file(page, "PNG")))
    width, height = float(root.get("width")), float(root.get("height"))
    assert image.size == (round(2 * width), round(2 * height))
    pixels = np.asarray(image.convert("RGB")).reshape(-1, 3)
    canvas = [int(THEMES[theme]["canvas"][i : i + 2], 16) for i in (1, 3, 5)]
    assert np.abs(pixels[0].astype(int) - canvas).max() <= 2  # a browser may manage colours
    other = (np.abs(pixels.astype(int) - canvas).sum(axis=1) > 60).mean()
    assert 0.02 < other < 0.8


def test_a_picture_that_is_too_large_is_made_smaller_and_that_is_said(
    serve: Serve, run: Recording
) -> None:
    data = alone(run)
    for pane in data["panes"]:
        if pane["id"] == "dynamic":
            pane["svg"] = re.sub(
                r'viewBox="0 0 \S+ \S+" width="\S+" height="\S+"',
                'viewBox="0 0 20000 500" width="20000" height="500"',
                pane["svg"],
                count=1,
            )
    page = serve(data)
    image = Image.open(io.BytesIO(saved_file(page, "PNG")))
    assert image.size[0] == 16_000
    # 16,000 pixels for 20,000 px and the border of 16 px at each side: 0.7987 of a px each, not 2.
    expect(page.locator(".wb-notice")).to_contain_text("40 %")


# -- saved and shared ------------------------------------------------------------------------------


def listed(page: Page, pane: str = "dynamic") -> list[str]:
    found = panel(page, pane).locator(".wb-relations")
    expect(found).to_be_visible()
    if not found.evaluate("el => el.open"):
        found.locator("summary").click()
    return [" ".join(text.split()) for text in found.locator("li").all_inner_texts()]


def lines(page: Page, pane: str = "dynamic") -> int:
    return panel(page, pane).locator(".wb-relation-lines .wb-relation").count()


def test_an_op_shows_what_its_backward_keeps_and_who_keeps_what_it_made(
    serve: Serve, run: Recording
) -> None:
    page = serve(book=Book(run))
    select(page, f"op:{op_of(run, 'mul')}")
    # x and y, for d(xy); what it made is kept by nobody: relu keeps its own result.
    rows = listed(page)
    assert len(rows) == 2
    assert all(row.startswith("saved for its backward") for row in rows)
    assert [row.rsplit(" ", 1)[1] for row in rows] == ["x", "y"]
    assert lines(page) == 2
    expect(panel(page).locator(".wb-relations summary")).to_have_text(
        "mul: 2 saved or shared · keeps 96 B"
    )
    select(page, f"op:{op_of(run, 'linear')}")
    expect(panel(page).locator(".wb-relations li")).to_have_count(2)
    rows = listed(page)
    assert any("weight 2×3" in row and "24 B" in row for row in rows)
    assert any("positive 4×3" in row and "48 B" in row and "from add" in row for row in rows)
    select(page, f"op:{op_of(run, 'relu')}")
    expect(panel(page).locator(".wb-relations li")).to_have_count(1)
    assert "its own result" in listed(page)[0]
    assert lines(page) == 0


def test_beside_the_forward_graph_the_line_goes_to_the_autograd_node(
    serve: Serve, run: Recording
) -> None:
    page = serve(book=Book(run))
    page.get_by_role("tab", name="Both").click()
    page.wait_for_selector(".wb-panel[data-pane=twins] .node")
    node = next(node for node in run.grad_nodes if node.name == "ReluBackward0")
    select(page, f"grad:{node.id}", "twins")
    rows = listed(page, "twins")
    assert len(rows) == 1
    assert "from relu" in rows[0]
    assert lines(page, "twins") == 1
    line = panel(page, "twins").locator(".wb-relation-lines .wb-relation-line").get_attribute("d")
    numbers = [float(one) for one in re.findall(r"-?[\d.]+", line or "")]
    relu = rect(page, f"op:{op_of(run, 'relu')}", "twins")
    own = rect(page, f"grad:{node.id}", "twins")
    assert touches(relu, numbers[:2])
    assert touches(own, numbers[-2:])


def rect(page: Page, name: str, pane: str) -> tuple[float, float, float, float]:
    element = panel(page, pane).locator(f'.node[data-id="{name}"]')
    x, y = re.findall(r"-?[\d.]+", element.get_attribute("transform") or "")[:2]
    w, h = (element.get_attribute("data-size") or "").split()
    return float(x), float(y), float(w), float(h)


def touches(rect: tuple[float, float, float, float], point: list[float]) -> bool:
    x, y, w, h = rect
    return x - 1 <= point[0] <= x + w + 1 and y - 1 <= point[1] <= y + h + 1


def test_a_copy_beside_a_use_is_joined_to_all_others(serve: Serve, run: Recording) -> None:
    page = serve(book=Book(run))
    y = run.inputs[1]
    select(page, f"tensor:{y}@op:{op_of(run, 'mul')}")
    # y is used by mul and four adds: five copies, of which one is selected. mul keeps it.
    rows = listed(page)
    assert rows.count("the same as y beside add") == 4
    assert len(rows) == 5
    expect(panel(page).locator(".wb-relation-lines .wb-shared")).to_have_count(4)
    expect(panel(page).locator(".wb-relation-lines .wb-saved")).to_have_count(1)


def test_s_hides_them_for_good_and_shows_them_again(serve: Serve, run: Recording) -> None:
    page = serve(book=Book(run))
    select(page, f"op:{op_of(run, 'mul')}")
    expect(panel(page).locator(".wb-relation-lines .wb-relation")).to_have_count(2)
    page.keyboard.press("s")
    expect(panel(page).locator(".wb-relations")).to_be_hidden()
    assert lines(page) == 0
    select(page, f"op:{op_of(run, 'linear')}")
    page.wait_for_timeout(200)
    assert lines(page) == 0
    page.keyboard.press("s")
    expect(panel(page).locator(".wb-relation-lines .wb-relation")).to_have_count(2)


def test_the_list_leads_to_the_other_end(serve: Serve, run: Recording) -> None:
    page = serve(book=Book(run))
    select(page, f"op:{op_of(run, 'linear')}")
    listed(page)
    panel(page).locator(".wb-relations").get_by_role("button", name="from add").click()
    assert page.locator(".wb-live").inner_text().startswith("Selected: add")


def test_the_card_says_what_is_saved_for_backward(serve: Serve, run: Recording) -> None:
    page = serve(book=Book(run))
    select(page, f"op:{op_of(run, 'linear')}")
    card = page.locator(".wb-card")
    expect(card).to_contain_text("saved for backward")
    expect(card).to_contain_text("weight 2×3")


def test_a_page_without_a_server_has_no_such_edges_and_no_button(
    serve: Serve, run: Recording
) -> None:
    page = serve(alone(run))
    select(page, f"op:{op_of(run, 'mul')}")
    page.keyboard.press("s")
    expect(panel(page).locator(".wb-relations")).to_be_hidden()
    expect(panel(page).get_by_role("button", name="Saved and shared")).to_have_count(0)


def test_they_are_in_the_saved_picture_and_in_the_legend(serve: Serve, run: Recording) -> None:
    page = serve(book=Book(run))
    select(page, f"op:{op_of(run, 'mul')}")
    expect(panel(page).locator(".wb-relations")).to_be_visible()
    panel(page).locator(".wb-legend summary").click()
    expect(panel(page).locator(".wb-legend")).to_contain_text("saved for backward")
    root = ElementTree.fromstring(saved_file(page, "SVG"))
    dotted = [one for one in root.iter(f"{SVG}path") if one.get("stroke-dasharray") == "0.5, 5"]
    assert len(dotted) == 2
