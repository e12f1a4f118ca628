"""The controls of an input on Explore: what is set stands in the address, and files are run."""

from __future__ import annotations

import io
import re

import numpy as np
from playwright.sync_api import Locator, Page, expect

LOOP = "/?sample=variable_length&input=custom&c.length=5"
BRANCH = "/?sample=branching&input=custom"


def test_a_slider_moved_by_keyboard_changes_the_run_and_the_back_button_moves_it_back(
    open_page, settle
):
    page: Page = open_page(LOOP)
    slider = page.get_by_role("slider", name="Length")
    # Two calls a word, and two more: of the model and its head.
    expect(badge(page, "12 module calls")).to_be_visible()
    slider.focus()
    page.keyboard.press("ArrowLeft")
    page.wait_for_url(re.compile("c.length=4"))
    settle(page)
    expect(badge(page, "10 module calls")).to_be_visible()
    page.go_back()
    page.wait_for_url(re.compile("c.length=5"))
    settle(page)
    expect(badge(page, "12 module calls")).to_be_visible()


def test_a_number_typed_into_the_table_of_a_tensor_is_run(open_page, settle):
    page: Page = open_page(f"{BRANCH}&c.shift=0")
    expect(badge(page, "7 ops")).to_be_visible()  # the mean is not above zero
    table = page.get_by_test_id("stSidebarContent").get_by_test_id("stDataFrame")
    table.scroll_into_view_if_needed()
    settle(page)
    place = table.bounding_box()
    assert place is not None
    # The cells are drawn on a canvas, below elements that take the events.
    page.mouse.dblclick(place["x"] + 20, place["y"] + 50)
    cell = page.locator(".gdg-input")
    expect(cell).to_be_focused()
    cell.fill("8")
    cell.press("Enter")
    page.wait_for_url(re.compile(r"2x4~numbers~8_-0\.25_"))
    settle(page)
    expect(badge(page, "6 ops")).to_be_visible()  # it is: one multiplication less


def test_an_uploaded_file_is_run_and_one_of_a_wrong_shape_shows_where_it_failed(open_page, settle):
    page: Page = open_page(BRANCH)
    page.get_by_text("Inputs from a file").click()
    upload(page, settle, "right.npy", -np.ones((5, 4)))
    page.wait_for_url(re.compile("right.npy"))
    settle(page)
    expect(page.get_by_text("right.npy: float64 (5, 4)")).to_be_visible()
    expect(badge(page, "7 ops")).to_be_visible()  # the mean is below zero
    upload(page, settle, "wrong.npy", np.ones((5, 3)))
    page.wait_for_url(re.compile("wrong.npy"))
    settle(page)
    failed = page.get_by_test_id("stAlert")
    expect(failed).to_contain_text("mat1 and mat2 shapes cannot be multiplied")


def badge(page: Page, says: str) -> Locator:
    return page.locator(".stMarkdownBadge", has_text=says)


def upload(page: Page, settle, name: str, array: np.ndarray) -> None:
    stream = io.BytesIO()
    np.save(stream, array)
    file = {"name": name, "mimeType": "application/octet-stream", "buffer": stream.getvalue()}
    page.locator("input[type=file]").set_input_files(file)
    settle(page)
