"""Lessons in a browser: each to its last step in both languages; code, links, presenting."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, expect

from inspector.language import LANGUAGES
from inspector_app.teaching.folder import BUILT_IN, Entry, lessons_in
from inspector_app.teaching.lesson import Lesson, Shown, state

OpenPage = Callable[..., Page]
Settle = Callable[[Page], None]

PATIENCE_MS = 45_000
TRIAL = "/lessons?lesson=trial"
ENTRIES = lessons_in((BUILT_IN,)).entries

Tour = Callable[[str], Page]


@pytest.fixture(scope="module")
def tour(browser: Browser, server: str) -> Iterator[Tour]:
    """`tour("zh_CN")`: the one page on which all lessons are gone through in that language."""
    pages: dict[str, Page] = {}
    complaints: list[str] = []

    def on_console(message: ConsoleMessage) -> None:
        if message.type == "error" and "/_stcore/" not in message.location.get("url", ""):
            complaints.append(message.text)

    def page_of(code: str) -> Page:
        if code not in pages:
            page = pages[code] = browser.new_page(viewport={"width": 1280, "height": 800})
            page.set_default_timeout(PATIENCE_MS)
            page.on("console", on_console)
            page.on("pageerror", lambda error: complaints.append(str(error)))
            page.goto(f"{server}/lessons?lang={code}")
        return pages[code]

    yield page_of
    for page in pages.values():
        page.close()
    assert complaints == []


def button(page: Page, key: str) -> Locator:
    return page.locator(f".st-key-{key} button").first


def plain(markdown: str) -> str:
    """A title's text, as it is read."""
    return re.sub(r"[`*]|\\(?=\W)", "", markdown)


def chosen(page: Page, pane: str) -> Locator:
    return page.locator(f".wb-panel[data-pane={pane}] .wb-chosen").first


# -- every lesson, to its end ----------------------------------------------------------------------


@pytest.mark.parametrize("code", LANGUAGES)
@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_a_lesson_can_be_gone_through_to_its_last_step(entry: Entry, code: str, tour: Tour) -> None:
    page, lesson = tour(code), entry.told[code]
    if button(page, "lesson-all").count():
        button(page, "lesson-all").click()
    button(page, f"lesson-open-{entry.name}").click()
    expect(page.locator(".st-key-lesson-side h4")).to_have_text(plain(lesson.title))
    for number in range(len(lesson.steps)):
        if number:
            button(page, "lesson-next").click()
        is_shown(page, lesson, number)
    expect(button(page, "lesson-next")).to_be_disabled()


def is_shown(page: Page, lesson: Lesson, number: int) -> None:
    """The step's title is there, its graph, and what it selects; and nothing went wrong."""
    shown = state(lesson, number)
    if number:
        title = page.locator(".st-key-lesson-text h5")
        expect(title).to_have_text(plain(lesson.steps[number].title), timeout=PATIENCE_MS)
    if shown.code is not None and shown.result == "output":
        expect(page.locator(".st-key-lesson-output")).to_be_visible(timeout=PATIENCE_MS)
    elif shown.code is not None:
        expect(page.locator("svg.graph:visible, .wb-line:visible").first).to_be_visible(
            timeout=PATIENCE_MS
        )
        selection_is_shown(page, shown)
    expect(page.locator(".st-key-lesson-missing")).to_have_count(0)
    expect(page.locator("[data-testid=stException]")).to_have_count(0)


def selection_is_shown(page: Page, shown: Shown) -> None:
    """The card is that of what the step selects: of an op it says the name."""
    head = page.locator(".wb-card-head h3")
    if shown.select is None:
        return
    if shown.select.kind == "op":
        expect(head).to_contain_text(shown.select.name.rpartition(".")[2], timeout=PATIENCE_MS)
    else:
        expect(head).to_be_visible(timeout=PATIENCE_MS)


# -- one lesson, as it is used ---------------------------------------------------------------------


def test_a_link_opens_a_step_with_what_it_shows(open_page: OpenPage) -> None:
    page = open_page(f"{TRIAL}&step=2")
    expect(page.locator(".st-key-lesson-text h5")).to_have_text("The sum")
    expect(page.locator('.wb-tab[data-pane=backward][aria-selected="true"]')).to_be_visible()
    expect(page.locator(".wb-card-head h3")).to_contain_text("add")


def test_next_right_after_typing_an_answer_goes_one_step(open_page: OpenPage) -> None:
    page = open_page(f"{TRIAL}&step=1")
    page.get_by_placeholder("What do you think?").click()
    page.keyboard.type("six")
    box = button(page, "lesson-next").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.up()
    expect(page.locator(".st-key-lesson-text h5")).to_have_text("The sum")
    page.wait_for_url(re.compile("step=2"))


def test_where_a_program_fails_the_buttons_stay_in_the_window(open_page: OpenPage) -> None:
    page = open_page("/lessons?lesson=in-place&step=3")
    expect(page.locator(".st-key-lesson-code [role=alert]")).to_be_visible(timeout=PATIENCE_MS)
    expect(button(page, "lesson-next")).to_be_in_viewport(ratio=1)


def test_edited_code_runs_and_is_reset_and_a_mistake_is_marked_on_its_line(
    open_page: OpenPage, settle: Settle
) -> None:
    page = open_page(f"{TRIAL}&step=1")
    nodes = page.locator(".wb-panel[data-pane=dynamic] .node")
    expect(nodes).to_have_count(3)
    write(page, "import torch\nx = torch.tensor(2.0)\ny = x.exp().log().sin()\n")
    page.keyboard.press("Control+Enter")
    expect(nodes).to_have_count(4, timeout=PATIENCE_MS)
    settle(page)
    write(page, "import torch\nx = torch.ones(2)\ny = x @ torch.ones(3)\n")
    button(page, "lesson-run").click()
    expect(page.get_by_text("Line 3: RuntimeError")).to_be_visible(timeout=PATIENCE_MS)
    expect(page.locator(".st-key-lesson-code .ace_gutter-cell.ace_error")).to_have_text("3")
    settle(page)
    button(page, "lesson-reset").click()
    expect(nodes).to_have_count(3, timeout=PATIENCE_MS)
    expect(page.locator(".wb-card-head h3")).to_contain_text("mul")


def write(page: Page, code: str) -> None:
    page.locator(".st-key-lesson-code .ace_content").click()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(code)


def test_the_graph_can_be_clicked_and_the_step_be_restored(
    open_page: OpenPage, settle: Settle
) -> None:
    page = open_page(f"{TRIAL}&step=1")
    page.locator('.wb-panel[data-pane=dynamic] .node[data-id="op:0"]').click()
    head = page.locator(".wb-card-head h3")
    expect(head).to_contain_text("tensor")
    settle(page)
    button(page, "lesson-restore").click()
    expect(head).to_contain_text("mul")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_presentation_has_the_lesson_alone_and_is_driven_by_keys(
    open_page: OpenPage, settle: Settle, theme: str
) -> None:
    page = open_page(TRIAL, theme=theme)
    node = page.locator(".st-key-lesson-graph .node").first
    usual = node.evaluate("(node) => node.getBoundingClientRect().height")
    page.locator(".st-key-lesson-present button").first.click()
    page.wait_for_url(re.compile("present=1"))
    expect(page.locator("[data-testid=stSidebar]")).to_be_hidden()
    settle(page)
    page.wait_for_function(  # the graph is read from the back of the room, too
        "([bench, usual]) =>"
        " bench.querySelector('.node').getBoundingClientRect().height > 1.15 * usual",
        arg=[page.locator(".st-key-lesson-graph .wb").element_handle(), usual],
    )
    for key, step in (("ArrowRight", 1), ("PageDown", 2), ("ArrowLeft", 1)):
        page.keyboard.press(key)
        page.wait_for_url(re.compile(f"step={step}"))
        settle(page)
    page.get_by_placeholder("What do you think?").focus()
    page.keyboard.press("ArrowRight")  # moves in the field
    settle(page)
    assert "step=1" in page.url
    page.locator(".st-key-lesson-text h5").click()
    page.keyboard.press("Escape")
    page.wait_for_url(re.compile(r"^((?!present).)*$"))
    expect(page.locator("[data-testid=stSidebar]")).to_be_visible()


def test_notes_are_seen_where_a_link_asks_for_them_and_answers_where_the_reader_does(
    open_page: OpenPage, settle: Settle
) -> None:
    page = open_page(f"{TRIAL}&step=1&notes=1")
    expect(page.get_by_text("Let them guess.")).to_be_visible()
    expect(page.get_by_text("It is six.")).to_have_count(0)
    page.get_by_role("button", name="Show the answer").click()
    expect(page.get_by_text("It is six.")).to_be_visible()
    settle(page)
    page.locator("[data-testid=stSidebar]").get_by_text("Notes for the teacher").click()
    expect(page.get_by_text("Let them guess.")).to_have_count(0)
    page.wait_for_url(re.compile(r"^((?!notes).)*$"))


def test_the_list_tells_of_a_broken_lesson_with_file_and_line(open_page: OpenPage) -> None:
    page = open_page("/lessons")
    problems = page.locator(".st-key-lesson-problems")
    expect(problems).to_contain_text("broken.md:9")
    expect(problems).to_contain_text("selekt")
    expect(button(page, "lesson-open-trial")).to_be_visible()


def test_a_hand_out_is_downloaded(open_page: OpenPage) -> None:
    page = open_page(TRIAL)
    page.get_by_role("button", name="Hand-out").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()
    assert download.value.suggested_filename == "trial.html"
    made = download.value.path().read_text(encoding="utf-8")
    assert "It is six." in made
    assert "<svg" in made
