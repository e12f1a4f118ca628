"""The page “Your own code” as people use it, in a real Chromium."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from playwright.sync_api import Locator, Page, expect

import inspector

OpenPage = Callable[..., Page]
Settle = Callable[..., None]

PATIENCE_MS = 60_000


def button(page: Page, key: str) -> Locator:
    return page.locator(f".st-key-{key} button").first


def nodes(page: Page, name: str) -> Locator:
    return page.locator(".wb-panel[data-pane=dynamic] .wb-stage .node").filter(has_text=name)


def archive() -> bytes:
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(torch.nn.Linear(3, 2)), file)
    return file.getvalue()


def test_code_is_written_run_stopped_compared_and_taken_home(
    open_page: OpenPage, settle: Settle, tmp_path: Path
) -> None:
    page = open_page("/code")
    button(page, "code-run").click()
    expect(nodes(page, "mse_loss")).to_be_visible(timeout=PATIENCE_MS)
    expect(page.locator(".st-key-code-printed")).to_contain_text("loss ")
    settle(page)

    # Its line is marked, and what ran before it is there beside the run before.
    page.locator(".st-key-code-side .ace_content").click()
    page.keyboard.press("Control+End")
    page.keyboard.type("torch.ones(2) + torch.ones(3)")
    page.keyboard.press("Control+Enter")
    expect(page.locator(".ace_gutter-cell.ace_error")).to_have_count(1, timeout=PATIENCE_MS)
    expect(page.locator(".st-key-code-side")).to_contain_text("Line 23: RuntimeError")
    settle(page)
    page.get_by_text("Compare with the run before").click()
    expect(page.locator(".wb")).to_contain_text("Both runs", timeout=PATIENCE_MS)
    settle(page)

    with page.expect_download() as saved:
        button(page, "code-download").click()
    assert saved.value.suggested_filename == "my_model.py"
    saved.value.save_as(tmp_path / "saved.py")
    assert (tmp_path / "saved.py").read_text().endswith("torch.ones(2) + torch.ones(3)")

    # An endless loop prints while it runs; the graph of before stays.
    page.locator(".st-key-code-side .ace_content").click()
    page.keyboard.press("Control+A")
    page.keyboard.type("import time\nprint('it runs')\nwhile True: time.sleep(0.1)")
    page.keyboard.press("Control+Enter")
    expect(page.locator(".st-key-code-printed")).to_contain_text("it runs", timeout=PATIENCE_MS)
    expect(page.locator(".wb-stage .node").first).to_be_visible()
    button(page, "code-stop").click()
    expect(page.locator(".st-key-code-side")).to_contain_text(
        "It was stopped.", timeout=PATIENCE_MS
    )


def test_an_archive_is_shown_and_run_by_the_shapes_of_its_inputs(
    open_page: OpenPage, settle: Settle
) -> None:
    page = open_page("/code", theme="dark")
    upload = page.get_by_test_id("stFileUploaderDropzoneInput")
    upload.set_input_files(
        {"name": "net.pt", "mimeType": "application/octet-stream", "buffer": archive()}
    )
    drawn = page.locator(".wb-panel[data-pane=static] .wb-stage .node")
    expect(drawn.filter(has_text="linear")).to_be_visible(timeout=PATIENCE_MS)
    settle(page)
    page.get_by_placeholder("2×3 float32; 4 int64").fill("5x3")
    page.keyboard.press("Enter")
    expect(page.locator(".st-key-code-side .ace_content")).to_contain_text("torch.rand(5, 3)")
    expect(page.locator(".st-key-code-side .ace_content")).to_have_count(1)
    settle(page)
    button(page, "code-run").click()
    expect(page.get_by_text("Recording (.inspect)")).to_be_visible(timeout=PATIENCE_MS)
    settle(page)

    upload.set_input_files(
        {"name": "old.pt", "mimeType": "application/octet-stream", "buffer": b"\x80\x02."}
    )
    expect(page.get_by_text("no pickle is opened here")).to_be_visible(timeout=PATIENCE_MS)


def test_nothing_that_is_typed_is_lost_whatever_happens_meanwhile(
    open_page: OpenPage, settle: Settle
) -> None:
    page = open_page("/code")
    field = page.locator(".st-key-code-side textarea.ace_text-input")
    text = page.locator(".st-key-code-side .ace_text-layer")
    field.focus()
    page.keyboard.press("Control+A")
    page.keyboard.insert_text("import time\nfor i in range(5):\n    time.sleep(0.2)\n")
    page.keyboard.press("Control+Enter")
    page.keyboard.type("# typed while it runs and ends: all of it stays", delay=40)
    settle(page)
    expect(text).to_contain_text("# typed while it runs and ends: all of it stays")

    # The pages are left at once; what was typed last is there again after one press of Back.
    page.keyboard.type("!!")
    page.get_by_test_id("stSidebarNavLink").filter(has_text="How to read it").click()
    expect(page.get_by_role("heading", name="How to read it")).to_be_visible(timeout=PATIENCE_MS)
    settle(page)
    page.go_back()
    expect(text).to_contain_text("all of it stays!!", timeout=PATIENCE_MS)
    settle(page)

    # A message above the editor moves it: it goes on with what stood in it.
    upload = page.get_by_test_id("stFileUploaderDropzoneInput")
    upload.set_input_files({"name": "odd.pt", "mimeType": "x/y", "buffer": b"\x80\x02."})
    expect(page.get_by_text("no pickle is opened here")).to_be_visible(timeout=PATIENCE_MS)
    settle(page)
    expect(text).to_contain_text("all of it stays!!")


def test_a_sample_is_opened_from_its_graph_and_a_recording_goes_on_to_its_own_page(
    open_page: OpenPage, settle: Settle, tmp_path: Path
) -> None:
    explore = open_page("/?sample=branching&input=mean+below+zero&lang=zh_CN")
    address = explore.locator("a[href^='./code?']").get_attribute("href")
    assert address is not None
    page = open_page(address.removeprefix("./"))
    expect(page.locator(".st-key-code-side .ace_content")).to_contain_text("class Branching")
    expect(page.get_by_role("heading", name="你的代码")).to_be_visible()
    assert "input=mean+below+zero" in page.url

    inspector.record(torch.nn.Linear(3, 2), torch.ones(1, 3)).save(tmp_path / "mine.inspect")
    page.get_by_test_id("stFileUploaderDropzoneInput").set_input_files(tmp_path / "mine.inspect")
    expect(page.get_by_role("heading", name="mine.inspect")).to_be_visible(timeout=PATIENCE_MS)
    settle(page)
    expect(nodes(page, "linear")).to_be_visible(timeout=PATIENCE_MS)
    assert "/open" in page.url
    assert "lang=zh_CN" in page.url


def test_what_was_typed_outlives_a_lost_message_and_a_reload(
    open_page: OpenPage, settle: Settle
) -> None:
    page = open_page("/code")
    text = page.locator(".st-key-code-side .ace_text-layer")
    page.locator(".st-key-code-side textarea.ace_text-input").focus()
    page.keyboard.press("Control+A")
    page.keyboard.insert_text("print('typed last')\n")
    # The text and the way to another page reach the server in one moment: Streamlit drops the text.
    page.evaluate(
        """() => {
            const native = Object.getPrototypeOf(window.WebSocket.prototype);
            const send = native.send, held = [];
            native.send = function (message) { held.push([this, message]); };
            setTimeout(() => {
                native.send = send;
                held.forEach(([socket, message]) => socket.send(message));
            }, 1000);
        }"""
    )
    page.get_by_test_id("stSidebarNavLink").filter(has_text="How to read it").click()
    expect(page.get_by_role("heading", name="How to read it")).to_be_visible(timeout=PATIENCE_MS)
    settle(page)
    page.go_back()
    expect(text).to_contain_text("typed last", timeout=PATIENCE_MS)
    settle(page)
    button(page, "code-run").click()
    expect(page.locator(".st-key-code-printed")).to_contain_text("typed last", timeout=PATIENCE_MS)

    settle(page)
    page.reload()
    expect(text).to_contain_text("typed last", timeout=PATIENCE_MS)
    settle(page)
    button(page, "code-reset").click()
    expect(text).not_to_contain_text("typed last", timeout=PATIENCE_MS)
    settle(page)
    page.reload()
    expect(page.locator(".st-key-code-side .ace_content")).to_have_count(1, timeout=PATIENCE_MS)
    settle(page)
    expect(text).to_contain_text("import torch")
    expect(text).not_to_contain_text("typed last")
