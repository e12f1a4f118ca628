"""Lessons on paper: complete in themselves, safe, and each picture with what its step marks."""

from __future__ import annotations

import html
import math
import re
import runpy
from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import inspector
from inspector.render.answers import Book
from inspector_app.teaching.codetext import code_html
from inspector_app.teaching.handout import handout, needed
from inspector_app.teaching.lesson import Lesson, Spot
from inspector_app.teaching.pictures import TALLEST, Ran, Wanted, width_of
from inspector_app.teaching.read import read_lesson
from inspector_app.teaching.spots import in_words, read_spot

POWER = """\
import torch

x = torch.tensor(2.0, requires_grad=True)
y = x
for trip in range(n):
    y = y * x
y.backward()
"""  # ops: 0 tensor, then one mul a trip

LESSON = f"""\
---
title: A *small* lesson
about: About & about.
---
Opening.

```python power
{POWER}```

```inputs
one: n = 1
three: n = 3
```

```question
How many `mul`?
```

```answer
Just one, the secret.
```

```teacher
Let them count.
```

## Three trips

Text with **bold** and a table:

| a | b |
|---|---|
| 1 | 2 |

```show
input: three
select: op mul 2
moment: op mul 2
```

```question
Open?
```

## The same again

```show
select: op mul 2
moment: op mul 2
```

## Beside each other

```show
compare: one
```

## Backward

```show
panes: {{left: backward}}
select: grad AccumulateGrad
```

## What it printed

```show
result: output
```
"""

VOID = {"meta", "br", "hr", "img"}


class Page(HTMLParser):
    """Tags with their attributes; fails where they are not nested."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.words = ""
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data

    def all(self, tag: str, part: str = "") -> list[dict[str, str]]:
        """The attributes of all tags of a kind, of one class."""
        return [
            attrs
            for name, attrs in self.tags
            if name == tag and (not part or part in attrs.get("class", "").split())
        ]


def read(text: str, file: str = "small.md") -> Lesson:
    return read_lesson(text.encode(), file)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Mapping[Wanted, Ran]:
    file: Path = tmp_path_factory.mktemp("program") / "power.py"
    file.write_text(POWER)
    found: dict[Wanted, Ran] = {}
    for name, n in (("one", 1), ("three", 3)):
        with inspector.recording() as session:
            runpy.run_path(str(file), {"n": n})
        found["power", name] = Ran(Book(session.recording), f"printed <by> {name}\n")
    return found


@pytest.fixture(scope="module")
def page(runs: Mapping[Wanted, Ran]) -> Page:
    return Page(handout(read(LESSON), runs))


def test_the_runs_that_a_handout_needs_are_named_once_each() -> None:
    assert needed(read(LESSON)) == (("power", "one"), ("power", "three"))
    assert needed(read("---\ntitle: T\n---\nText\n")) == ()


def test_a_page_is_complete_in_itself(runs: Mapping[Wanted, Ran], page: Page) -> None:
    text = handout(read(LESSON), runs)
    policy = [attrs for attrs in page.all("meta") if "http-equiv" in attrs]
    assert policy[0]["content"].startswith("default-src 'none'")
    assert not page.all("script")
    assert not page.all("link")
    assert all("src" not in attrs for _, attrs in page.tags)
    assert "@import" not in text
    assert not re.search(r"url\((?!#)", text)
    assert not any(name.startswith("on") for _, attrs in page.tags for name in attrs)


def test_no_two_drawings_have_an_id_in_common_and_each_finds_its_own(page: Page) -> None:
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids)) == 4  # an arrowhead for each of four drawings
    used = {
        match[1]
        for _, attrs in page.tags
        for value in attrs.values()
        if (match := re.fullmatch(r"url\(#(.*)\)", value))
    }
    assert used == set(ids)


def test_nothing_on_paper_says_that_it_is_a_button(page: Page) -> None:
    assert not any(attrs.get("role") == "button" for _, attrs in page.tags)
    assert not any("tabindex" in attrs for _, attrs in page.tags)
    assert {attrs["role"] for attrs in page.all("svg")} == {"img"}


def test_the_selected_item_is_marked_and_what_comes_later_is_pale(page: Page) -> None:
    nodes = page.all("g", "node")
    first = [attrs for attrs in nodes if "later" in attrs["class"].split()]
    assert [attrs["data-id"] for attrs in first] == ["op:3"]  # of three mul, the second just ran
    chosen = [attrs["data-id"] for attrs in nodes if "chosen" in attrs["class"].split()]
    assert chosen == ["op:2", "grad:3"]  # AccumulateGrad comes after the three mul
    pale = [attrs["data-target"] for attrs in page.all("g", "edge") if "later" in attrs["class"]]
    assert set(pale) == {"op:3"}


def test_in_another_graph_what_belongs_to_the_selected_item_is_marked(
    runs: Mapping[Wanted, Ran],
) -> None:
    text = LESSON.replace("select: grad AccumulateGrad", "select: op mul 3")
    nodes = Page(handout(read(text), runs)).all("g", "node")
    linked = [attrs["data-id"] for attrs in nodes if "linked" in attrs["class"].split()]
    assert linked == ["grad:0"]  # the backward pass begins with the last op


def test_a_narrow_figure_begins_its_step_and_a_wide_one_comes_below_the_text(
    runs: Mapping[Wanted, Ran], monkeypatch: pytest.MonkeyPatch
) -> None:
    def before_figures(figure: str) -> list[str]:
        sections = handout(read(LESSON), runs).split("<section>")[1:]
        return [one.partition(figure)[0] for one in sections if figure in one]

    assert before_figures('<figure class="beside">')  # all are narrow
    assert not any("<p>" in before for before in before_figures('<figure class="beside">'))
    monkeypatch.setattr("inspector_app.teaching.handout.BESIDE", 10)  # none is
    assert any("<p>" in before for before in before_figures("<figure>"))


def test_what_is_taller_than_its_place_on_paper_is_narrower_there() -> None:
    def drawn(width: int, height: int) -> str:
        return f'<svg class="graph" width="{width}" height="{height}" role="img"></svg>'

    assert width_of(drawn(200, 100)) == 200
    assert width_of(drawn(200, 2 * TALLEST)) == 100  # it is drawn at half its size
    assert width_of("<p>It could not be drawn.</p>") == math.inf


def test_a_picture_that_is_there_already_is_not_drawn_again(page: Page) -> None:
    assert len(page.all("figure")) == len(page.all("svg")) == 4
    assert "The graph is that of figure 2." in page.words


def test_two_runs_are_one_picture_with_the_names_of_both(page: Page) -> None:
    assert "A is “one”, B is “three”." in page.words
    assert any("only-b" in attrs["class"].split() for attrs in page.all("g", "node"))


def test_questions_have_room_and_the_answers_stand_at_the_end(
    runs: Mapping[Wanted, Ran], page: Page
) -> None:
    assert len(page.all("div", "question")) == len(page.all("div", "room")) == 2
    assert len(page.all("div", "answer")) == 1  # the other question is open
    assert page.words.index("Open?") < page.words.index("Just one, the secret.")
    without = Page(handout(read(LESSON), runs, answers=False))
    assert "secret" not in without.words
    assert len(without.all("div", "question")) == 2


def test_notes_for_the_teacher_are_there_only_if_wanted(
    runs: Mapping[Wanted, Ran], page: Page
) -> None:
    assert "Let them count." not in page.words
    assert "Let them count." in Page(handout(read(LESSON), runs, notes=True)).words


def test_the_code_has_its_lines_with_numbers_and_its_inputs(page: Page) -> None:
    assert len(page.all("span", "line")) == 7
    assert "one: n = 1" in page.words
    assert "three: n = 3" in page.words


def test_what_a_program_prints_is_told_once_for_each_run(page: Page) -> None:
    assert page.words.count("printed <by> one") == 1
    assert page.words.count("printed <by> three") == 1


def test_the_text_is_markdown(page: Page) -> None:
    assert page.all("strong")
    assert page.all("table")
    assert page.all("em")  # in the title


def test_the_page_says_its_language_and_is_told_in_it(runs: Mapping[Wanted, Ran]) -> None:
    lesson = read(LESSON, "small.zh_CN.md")
    text = handout(lesson, runs, translate=lambda text: f"«{text}»")
    assert '<html lang="zh-CN">' in text
    assert "«Answers»" in text
    assert "«Question 0.1»" in text
    assert "«Opening" not in text  # the lesson's own words are in its language already


def test_without_runs_there_are_no_pictures_and_all_else() -> None:
    page = Page(handout(read(LESSON), {}))
    assert not page.all("svg")
    assert "Just one, the secret." in page.words


def test_why_a_run_ended_early_is_told(runs: Mapping[Wanted, Ran]) -> None:
    early = {**runs, ("power", "one"): Ran(None, "", "It took more than 20 s & was stopped.")}
    assert "It took more than 20 s & was stopped." in Page(handout(read(LESSON), early)).words


@pytest.mark.parametrize("evil", ["</pre><script>x</script>", "<img src=x onerror=y>", "&lt;<"])
def test_nothing_in_a_lesson_or_an_output_becomes_part_of_the_page(evil: str) -> None:
    quoted = evil.replace("'", "")
    text = (
        f"---\ntitle: '{quoted}'\nabout: '{quoted}'\n---\n{evil}\n\n[a](javascript:alert)\n\n"
        f"```python c\nx = '{quoted}'\n```\n```inputs\n'{quoted.replace('/', '')}': n = 1\n```\n"
        f"## {evil}\n```question\n{evil}\n```\n```answer\n{evil}\n```\n```teacher\n{evil}\n```\n"
    )
    lesson = read(text)
    ran = Ran(None, evil, evil)
    runs = dict.fromkeys(needed(lesson), ran)
    page = Page(handout(lesson, runs, notes=True))
    assert not page.all("script")
    assert not page.all("img")
    assert not any("javascript" in value for _, attrs in page.tags for value in attrs.values())
    assert page.words.count(html.unescape(evil) if "&" in evil else evil) >= 4


# -- code ------------------------------------------------------------------------------------


def kinds(source: str) -> list[tuple[str, str]]:
    found = re.findall(
        r'<span class="(keyword|string|digits|comment)">(.*?)</span>', code_html(source)
    )
    return [(kind, html.unescape(text)) for kind, text in found]


def test_keywords_texts_numbers_and_comments_are_told_apart() -> None:
    assert kinds("for i in 'ab':  # <c>\n    x = 1.5\n") == [
        ("keyword", "for"),
        ("keyword", "in"),
        ("string", "'ab'"),
        ("comment", "# <c>"),
        ("digits", "1.5"),
    ]


def test_a_text_of_several_lines_is_marked_on_each() -> None:
    assert kinds('x = """a\n  b\nc"""\n') == [
        ("string", '"""a'),
        ("string", "  b"),
        ("string", 'c"""'),
    ]


@given(st.text(max_size=200))
def test_the_lines_of_any_text_are_there_as_they_are(text: str) -> None:
    told = code_html(text)
    lines = re.findall(r'<span class="text">(.*?)\n</span></span>', told, re.DOTALL)
    plain = [html.unescape(re.sub(r"<[^>]*>", "", line)) for line in lines]
    expected = re.split(r"\r\n?|\n", text.rstrip("\n"))
    assert [line.replace("\x00", "") for line in plain] == [
        html.unescape(html.escape(line)).replace("\x00", "") for line in expected
    ]


# -- for readers of the paper ----------------------------------------------------------------


def test_captions_are_in_words_of_the_reader_and_not_of_the_file(
    runs: Mapping[Wanted, Ran], page: Page
) -> None:
    assert "Marked: the op mul, number 2." in page.words
    assert "The run stands at the op mul, number 2; what comes later is pale." in page.words
    assert "Marked: the autograd node AccumulateGrad." in page.words
    words = Page(handout(read(LESSON, "small.zh_CN.md"), runs)).words
    assert "标出的是：第 2 个算子 mul。" in words
    assert "标出的是：自动求导节点 AccumulateGrad。" in words


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("op add", "the op `add`"),
        ("line y * y", "the line `y * y`"),
        ("tensor y 2", "the tensor `y`, number 2"),
        ("module encoder.0 2", "call 2 of the module `encoder.0`"),
        ("module encoder.0", "the call of the module `encoder.0`"),
        ("parameter weight", "the parameter `weight`"),
        ("decision 3", "decision 3"),
        ("ir aten::mul", "the TorchScript node `aten::mul`"),
        ("failure", "what raised the exception"),
    ],
)
def test_each_kind_of_place_can_be_said_in_words(place: str, words: str) -> None:
    spot = read_spot(place)
    assert isinstance(spot, Spot)
    assert in_words(spot) == words


def test_short_blocks_stay_on_one_page_and_long_ones_may_be_divided(
    runs: Mapping[Wanted, Ran], page: Page
) -> None:
    assert [attrs["class"] for attrs in page.all("div", "code")] == ["code short"]
    lines = "\n".join(f"x = {number}" for number in range(60))
    long = Page(handout(read(LESSON.replace(POWER, f"{lines}\n")), runs))
    assert [attrs["class"] for attrs in long.all("div", "code")] == ["code"]


def test_a_drawing_on_paper_is_smaller_than_on_the_page_and_keeps_its_shape(page: Page) -> None:
    for svg in page.all("svg"):
        left, top, width, height = map(float, svg["viewbox"].split())
        assert (left, top) == (0, 0)
        assert float(svg["width"]) == pytest.approx(0.8 * width, rel=1e-4)
        assert float(svg["height"]) == pytest.approx(0.8 * height, rel=1e-4)
