"""The code editor in a page without the app: Ace from the installed package, nothing else.

Python's side of it (which text counts, start anew) is tested in test_editor_python.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from inspector_app import editor

ASSETS = Path(editor.__file__).parent / "assets"
CODE = "import torch\n\n\ndef double(x):\n    return x * 2\n"

PAGE = """<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,">
<style>:root { --st-background-color: %s; --st-text-color: %s; --st-border-color: gray;
  --st-primary-color: blue; --st-red-color: red; --st-red-background-color: mistyrose; }
body { background: var(--st-background-color) }</style>
<button>before</button><div id="host"></div><button>after</button>
<script type="module">
import mount from "/editor.js";
const root = document.getElementById("host").attachShadow({ mode: "open" });
root.innerHTML = '<link rel="stylesheet" href="/editor.css"><div></div>';
window.told = []; window.runs = 0;
window.draw = (data) => window.end = mount({
  data, parentElement: root.lastChild,
  setStateValue: (name, value) => told.push(value), setTriggerValue: () => { runs += 1; },
});
window.ready = true;
</script>"""

OpenEditor = Callable[..., Page]


@pytest.fixture
def open_editor(browser: Browser) -> Iterator[OpenEditor]:
    """`open_editor(dark=…, ace=…)`: a page with an editor of CODE; none may complain."""
    complaints: list[str] = []
    pages: list[Page] = []

    def open_page(dark: bool = False, ace: bool = True) -> Page:
        page = browser.new_page(viewport={"width": 900, "height": 500})
        pages.append(page)
        page.set_default_timeout(15_000)
        page.on("pageerror", lambda error: complaints.append(str(error)))

        def answer(route: Route) -> None:
            name = route.request.url.rpartition("/")[2]
            if name in ("editor.js", "editor.css"):
                route.fulfill(path=ASSETS / name)
            elif name in editor.FILES and ace:
                route.fulfill(path=str(editor.ace_folder() / name))
            elif name == "":
                colours = ("black", "white") if dark else ("white", "black")
                route.fulfill(body=PAGE % colours, content_type="text/html")
            else:
                if ace:
                    complaints.append(route.request.url)
                route.abort()

        page.route("**/*", answer)
        page.goto("http://editor.test/")
        page.wait_for_function("window.ready")
        draw(page)
        return page

    yield open_page
    for page in pages:
        page.close()
    assert complaints == []


def draw(page: Page, **changes: Any) -> None:
    """What a run of Python sends."""
    data = {
        "code": CODE, "typed": CODE, "version": "1", "height": "300px", "errors": [],
        "readOnly": False, "files": "/ace",
        "label": "Your code", "messages": {},
    }  # fmt: skip
    page.evaluate("data => draw(data)", data | changes)


def typed(page: Page) -> str:
    """The last text that Python was told of."""
    page.wait_for_function("told.length > 0")
    return str(page.evaluate("told[told.length - 1].text"))


def test_python_is_coloured_numbered_and_told_of_what_is_typed(open_editor: OpenEditor) -> None:
    page = open_editor()
    expect(page.locator(".ace_keyword").first).to_have_text("import")
    expect(page.locator(".ace_gutter-cell")).to_have_count(6)
    page.locator(".ace_content").click()
    page.keyboard.press("Control+End")
    page.keyboard.type("if 1:\nprint(2)")
    page.keyboard.insert_text("  # 你好")
    draw(page)  # a run of the page in between takes nothing away
    assert typed(page).endswith("if 1:\n    print(2)  # 你好")
    page.keyboard.press("Control+Enter")
    page.wait_for_function("runs === 1")
    page.keyboard.type("0")
    page.get_by_role("button", name="after").click()
    page.wait_for_function("told[told.length - 1].text.endsWith('你好0')")
    assert page.evaluate("told[told.length - 1].version") == "1"


def test_another_version_replaces_what_was_typed(open_editor: OpenEditor) -> None:
    page = open_editor()
    page.locator(".ace_content").click()
    page.keyboard.type("mine")
    draw(page, code="x = 1", version="2")
    expect(page.locator(".ace_text-layer")).to_have_text("x = 1")
    page.wait_for_timeout(1000)  # longer than the typing has to rest
    assert page.evaluate("told.filter(one => one.version === '2')") == []


def test_what_was_typed_last_into_the_text_before_is_told(open_editor: OpenEditor) -> None:
    page = open_editor()
    page.locator(".ace_content").click()
    page.keyboard.type("mine")
    draw(page, code="x = 1", typed="x = 1", version="2")
    page.wait_for_function("told.length === 1")
    told = page.evaluate("told[0]")
    assert (told["version"], "mine" in told["text"]) == ("1", True)


def test_an_editor_that_is_made_anew_goes_on_with_what_was_typed(open_editor: OpenEditor) -> None:
    page = open_editor()
    expect(page.locator(".ace_content")).to_have_count(1)
    page.evaluate("""() => {
        const root = document.getElementById("host").shadowRoot;
        root.lastChild.replaceWith(document.createElement("div"));
        end();
    }""")
    draw(page, typed="x = 2")
    expect(page.locator(".ace_text-layer")).to_have_text("x = 2")
    page.wait_for_timeout(1000)  # longer than the typing has to rest
    assert page.evaluate("told.length") == 0, "Python knows it"


def test_the_end_of_a_call_that_was_overtaken_ends_nothing(open_editor: OpenEditor) -> None:
    page = open_editor()
    page.locator(".ace_content").click()
    page.keyboard.type("typed ")
    page.evaluate("end()")  # what Streamlit does when data came twice in a moment
    draw(page)
    page.wait_for_timeout(200)
    expect(page.locator(".ace_content")).to_have_count(1)
    expect(page.locator(".ace_text-layer")).to_contain_text("typed")


def test_what_can_only_be_read_takes_no_keys(open_editor: OpenEditor) -> None:
    page = open_editor()
    draw(page, readOnly=True)
    page.locator(".ace_content").click()
    page.keyboard.type("mine")
    page.keyboard.press("Control+Enter")
    page.wait_for_timeout(1000)  # longer than the typing has to rest
    expect(page.locator(".ace_text-layer")).not_to_contain_text("mine")
    assert page.evaluate("[told.length, runs]") == [0, 0]


def test_errors_stand_on_their_lines_until_something_is_typed(open_editor: OpenEditor) -> None:
    page = open_editor()
    draw(page, errors=[[5, "RuntimeError: no"], [99, "past the end"]])
    mark = page.locator(".ace_gutter-cell.ace_error")
    expect(mark).to_have_count(1)
    expect(mark).to_contain_text("5")
    expect(page.locator(".wrong")).to_have_count(1)
    page.locator(".ace_content").click()
    page.keyboard.type("x")
    expect(page.locator(".wrong")).to_have_count(0)


def test_the_keyboard_gets_in_and_out(open_editor: OpenEditor) -> None:
    page = open_editor()
    expect(page.locator(".ace_keyword").first).to_be_visible()
    page.get_by_role("button", name="before").focus()
    for _ in range(2):  # the line numbers, then the text
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.keyboard.type("typed")
    page.keyboard.press("Escape")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="after")).to_be_focused()
    assert "typed" in typed(page)


@pytest.mark.parametrize("dark", [False, True])
def test_the_colours_follow_the_page(open_editor: OpenEditor, dark: bool) -> None:
    page = open_editor(dark=dark)
    keyword = page.locator(".ace_keyword").first
    expect(keyword).to_be_visible()
    rest = page.locator(".ace.ace_editor")
    expect(rest).to_have_css("background-color", "rgb(0, 0, 0)" if dark else "rgb(255, 255, 255)")
    page.wait_for_function(
        """dark => {
            const root = document.getElementById("host").shadowRoot;
            const colour = getComputedStyle(root.querySelector(".ace_editor")).color;
            const bright = colour.match(/\\d+/g).slice(0, 3).every((part) => part > 128);
            return bright === dark;
        }""",
        arg=dark,
    )


def test_without_ace_there_is_a_plain_field(open_editor: OpenEditor) -> None:
    page = open_editor(ace=False)
    field = page.get_by_role("textbox", name="Your code")
    expect(field).to_have_value(CODE)
    draw(page, errors=[[5, "RuntimeError: no"]])
    expect(page.locator(".note")).to_have_text("5: RuntimeError: no")
    field.fill("x = 2")
    field.press("Control+Enter")
    page.wait_for_function("runs === 1")
    assert typed(page) == "x = 2"
