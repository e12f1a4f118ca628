"""Lessons as teachers write them: what is read, and how each mistake is told with its line."""

from __future__ import annotations

import pickle
import time
from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import inspector_app.teaching
from inspector_app.teaching.fences import FLAGS, GRAPHS
from inspector_app.teaching.heads import HEAD_KEYS
from inspector_app.teaching.lesson import (
    PANES,
    Code,
    CodeHere,
    Input,
    Lesson,
    Notes,
    Problem,
    Question,
    Spot,
    Text,
    state,
)
from inspector_app.teaching.read import LARGEST, LessonError, name_and_language, read_lesson
from inspector_app.teaching.shows import KEYS
from inspector_app.teaching.spots import KINDS, read_spot

HEAD = "---\ntitle: T\n---\n"  # the body starts at line 4

WHOLE = """\
---
title: What is a graph?
about: By hand and by machine.   # a comment
order: 10
minutes: 12
---
Opening **text**.

```python graph trace=model(x, y) full
x = 1
y = x + 2
```

```inputs
short: length = 2
long: |
  length = 7
  width = 3
```

More text.

## First step

```text
only shown
```

```show
select: op mul 2
panes: {right: source}
```

```question
Which?
```

Between.

```answer
This one.
```

```teacher
Notes.
```

## Second step

```python
only(shown)
```

```python other plain
print(1)
```
"""


def read(text: str, file: str = "a.md", original: Lesson | None = None) -> Lesson:
    return read_lesson(text.encode(), file, original)


def told(text: str, original: Lesson | None = None, file: str = "a.md") -> list[str]:
    """The messages of a lesson that is wrong, each with its line."""
    with pytest.raises(LessonError) as caught:
        read(text, file, original)
    return [f"{problem.line}: {problem.message}" for problem in caught.value.problems]


def body(text: str) -> list[str]:
    return told(HEAD + dedent(text))


# -- what a lesson is ------------------------------------------------------------------------


def test_front_matter_says_the_title_and_where_the_lesson_stands_in_the_list() -> None:
    lesson = read(WHOLE, "graph.md")
    assert (lesson.name, lesson.language, lesson.title) == ("graph", "en", "What is a graph?")
    assert (lesson.about, lesson.order, lesson.minutes) == ("By hand and by machine.", 10, 12)


def test_each_second_heading_starts_a_step_and_the_opening_is_number_0() -> None:
    lesson = read(WHOLE)
    titles = [(step.title, step.line) for step in lesson.steps]
    assert titles == [("What is a graph?", 7), ("First step", 23), ("Second step", 48)]


def test_parts_of_a_step_keep_their_order_and_their_lines() -> None:
    opening, first, second = read(WHOLE).steps
    assert opening.parts == (
        Text("Opening **text**.", 7),
        CodeHere("graph", 9),
        Text("More text.", 21),
    )
    assert first.parts == (
        Text("```text\nonly shown\n```", 25),
        Question("Which?", "This one.", 34),
        Text("Between.", 38),
        Notes("Notes.", 44),
    )
    assert second.parts == (Text("```python\nonly(shown)\n```", 50), CodeHere("other", 54))
    assert first.questions == (first.parts[1],)
    assert first.notes == (first.parts[3],)
    assert second.codes == ("other",)


def test_a_code_has_its_options_and_its_inputs_with_their_lines() -> None:
    lesson = read(WHOLE)
    inputs = Input("short", "length = 2", 15), Input("long", "length = 7\nwidth = 3\n", 17)
    assert lesson.code("graph") == Code(
        "graph", "x = 1\ny = x + 2\n", 10, trace="model(x, y)", full=True, inputs=inputs
    )
    assert lesson.code("other") == Code("other", "print(1)\n", 55, plain=True)
    assert lesson.code("none") is None


def test_a_show_is_read_into_places_and_panes() -> None:
    show = read(WHOLE).steps[1].show
    assert show is not None
    assert show.select == Spot("op", "mul", 2, line=30)
    assert show.panes == {"right": "source"}
    assert (show.code, show.moment, show.wide) == (None, None, None)


def test_texts_of_yaml_are_texts_whatever_they_look_like() -> None:
    text = HEAD + '```python c\n1\n```\n```inputs\nyes: n = 1\n1e3: n = 2\n"a: b": n = 3\n```\n'
    lesson = read(text + "## S\n```show\ninput: 1e3\n```\n")
    assert [given.name for given in lesson.codes[0].inputs] == ["yes", "1e3", "a: b"]
    assert state(lesson, 1).input == "1e3"


@pytest.mark.parametrize("ends", ["\r\n", "\r"])
def test_line_ends_of_other_systems_and_a_byte_order_mark_change_nothing(ends: str) -> None:
    expected = read(WHOLE)
    assert read_lesson(WHOLE.replace("\n", ends).encode("utf-8-sig"), "a.md") == expected


def test_a_lesson_can_be_put_away_and_taken_out_again() -> None:
    lesson = read(WHOLE)
    assert pickle.loads(pickle.dumps(lesson)) == lesson


def test_a_heading_with_a_line_below_it_and_other_levels_start_no_step() -> None:
    lesson = read(HEAD + "Text\n---\n\n### Three\n")
    assert len(lesson.steps) == 1


def test_a_tag_of_html_does_not_hide_the_step_below_it() -> None:
    lesson = read(HEAD + "<div>\n## Step\n")
    assert [step.title for step in lesson.steps] == ["T", "Step"]


def test_a_fence_can_be_made_of_tildes_and_contain_other_fences() -> None:
    lesson = read(HEAD + "~~~question\n```show\nno: show\n```\n~~~\n")
    assert lesson.steps[0].questions == (Question("```show\nno: show\n```", line=4),)


def test_the_example_of_the_guide_for_teachers_is_a_lesson() -> None:
    guide = (Path(inspector_app.teaching.__file__).parent / "writing-lessons.md").read_text()
    example = guide.split("`````markdown\n")[1].split("`````")[0]
    lesson = read(example)
    assert [step.title for step in lesson.steps] == [
        "A square",
        "Forward",
        "Backward",
        "Both inputs",
    ]
    assert str(state(lesson, 2).select) == "grad MulBackward0"
    shown = state(lesson, 3)
    assert (shown.input, shown.compare) == ("minus two", (lesson.codes[0], "three"))


def test_the_guide_for_teachers_names_all_keys_panes_places_and_options() -> None:
    guide = (Path(inspector_app.teaching.__file__).parent / "writing-lessons.md").read_text()
    for word in (*KEYS, *PANES, *HEAD_KEYS, *FLAGS, *(f"{graph}=model" for graph in GRAPHS)):
        assert f"`{word}" in guide, word
    for kind in KINDS:
        assert f"| `{kind}" in guide, kind


# -- what a step shows -----------------------------------------------------------------------

STEPS = """\
---
title: T
---
```python one trace=f(x)
1
```
```inputs
a: n = 1
b: n = 2
```
```python two
2
```
```inputs
b: n = 3
c: n = 4
```
## 1
```show
input: b
select: op mul
panes: {left: static, right: source}
wide: left
open: module net
compare: a
sides: true
```
## 2
## 3
```show
panes: {right: irtext}
findings: true
wide: both
moment: op add
```
## 4
```show
code: two
result: output
compare: one
```
## 5
```python three plain
3
```
## 6
```show
code: one
compare: two/c
```
"""


def test_the_first_code_is_shown_from_the_opening_on_with_its_first_input() -> None:
    shown = state(read(STEPS), 0)
    assert shown.code is not None
    assert (shown.code.name, shown.input, shown.moment) == ("one", "a", "end")


def test_what_a_step_does_not_name_stays_but_what_is_for_one_step() -> None:
    lesson = read(STEPS)
    first, second = state(lesson, 1), state(lesson, 2)
    assert (first.input, first.select) == ("b", Spot("op", "mul", line=21))
    assert (first.wide, first.sides) == ("left", True)
    assert first.panes == {"left": "static", "right": "source"}
    assert first.compare == (lesson.code("one"), "a")
    assert (second.input, second.wide, second.panes, second.open) == (
        "b",
        "left",
        {"left": "static", "right": "source"},
        (Spot("module", "net", line=24),),
    )
    assert (second.select, second.moment, second.compare, second.sides) == (
        None,
        "end",
        None,
        False,
    )


def test_findings_are_in_front_for_one_step_only() -> None:
    lesson = read(STEPS)
    assert state(lesson, 3).panes["right"] == "findings"
    assert state(lesson, 3).wide == ""
    assert state(lesson, 3).moment == Spot("op", "add", line=34)
    assert state(lesson, 4).panes["right"] == "irtext"
    assert state(lesson, 4).moment == "end"
    assert state(lesson, 6).compare == (lesson.code("two"), "c")


def test_another_code_keeps_an_input_of_the_same_name_and_closes_the_boxes() -> None:
    lesson = read(STEPS)
    shown = state(lesson, 4)
    assert (shown.code, shown.input, shown.open) == (lesson.code("two"), "b", ())
    assert shown.result == "output"
    assert shown.compare == (lesson.code("one"), "a")


def test_a_code_is_shown_from_the_step_on_in_which_it_stands() -> None:
    lesson = read(STEPS)
    fifth, sixth = state(lesson, 5), state(lesson, 6)
    assert (fifth.code, fifth.input, fifth.result) == (lesson.code("three"), None, "output")
    assert (sixth.code, sixth.input, sixth.result) == (lesson.code("one"), "a", "graph")


def test_a_link_to_a_step_that_is_not_there_opens_the_nearest() -> None:
    lesson = read(STEPS)
    assert state(lesson, 99) == state(lesson, 6)
    assert state(lesson, -3) == state(lesson, 0)


def test_a_lesson_without_code_shows_nothing() -> None:
    assert state(read(HEAD + "Text\n## S\n"), 1).code is None


# -- mistakes --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "1: A lesson starts with front matter"),
        ("Text", "1: A lesson starts with front matter"),
        ("---\ntitle: T\n", "1: A lesson starts with front matter"),
        ("---\nabout: x\n---\n", "1: The lesson has no title"),
        ("---\ntitle:\n---\n", "2: After `title:` stands one text."),
        (
            "---\ntitle: T\ntilte: U\n---\n",
            "3: Front matter has no `tilte`; the nearest is `title`",
        ),
        ("---\ntitle: T\norder: soon\n---\n", "3: `order` is a number"),
        ("---\ntitle: T\norder: .nan\n---\n", "3: `order` is a number"),
        ("---\ntitle: T\nminutes: -3\n---\n", "3: `minutes` is a number"),
        ("---\ntitle: T\nabout: [a, b]\n---\n", "3: After `about:` stands one text."),
        ("---\ntitle: T\ntitle: U\n---\n", "3: `title` stands here twice."),
        ("---\ntitle: A: b\n---\n", "2: This is no YAML"),
        ("---\ntitle: T\n- a\n---\n", "3: This is no YAML"),
        ("---\n- a\n---\n", "2: Here stand lines of the form `key: value`"),
        ("---\ntitle: &a [x]\nabout: *a\n---\n", "3: YAML's aliases (`*name`) are not read"),
        ("---\ntitle: T\nabout: " + "[" * 30 + "]" * 30 + "\n---\n", "3: These lists and keys are"),
        ("---\ntitle: " + "x" * 50_000 + "\n---\n", "2: This is too long: at most 40,000"),
        ('---\ntitle: "\\U99999999"\n---\n', "2: This is no YAML"),
    ],
)
def test_a_mistake_in_front_matter_is_told_with_its_line(text: str, expected: str) -> None:
    assert any(one.startswith(expected) for one in told(text)), told(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "```show\nselect: op mul",
            "4: This fence is not closed: end it with a line of ```",
        ),
        ("~~~~text\n~~~\n", "4: This fence is not closed"),
        ("```shwo\nselect: op x\n```", "4: `shwo` is no kind of fence: is `show` meant?"),
        ("```Question\nx\n```", "4: `Question` is no kind of fence: is `question` meant?"),
        ("```question 2\nx\n```", "4: After `question` stands nothing more."),
        ("- ```show\n  select: op x\n  ```", "4: A lesson's own fence starts at the beginning"),
        ("> ```python c\n> 1\n> ```", "4: A lesson's own fence starts at the beginning"),
        ("x\n\n    ```show\n    ```", "6: A lesson's own fence starts at the beginning"),
        ("##\n", "4: This step has no title"),
        ("```answer\nx\n```", "4: This answer has no question"),
        ("# Title\n", "4: A step starts with `##`"),
        (
            "```question\nx\n````\n```\n\n```show\n```",
            "6: The fence ends here with ```` and started with ```",
        ),
        ("```\n\n```show\nselect: op a\n```", "4: This fence has the `show` of line 6 in it"),
        ("![i](http://a.org/i.png)", "4: The picture `http://a.org/i.png` is not shown"),
        ("a\n\n![i](//a.org/i.png)", "6: The picture `//a.org/i.png` is not shown"),
        ("![i][r]\n\n[r]: https://a.org/i.png", "4: The picture `https://a.org/i.png` is not"),
        ("![i](../i.png)", "4: The picture `../i.png` is not shown"),
        ("![i](file:///i.png)", "4: The picture `file:///i.png` is not shown"),
        ("```teacher\n![i](http://a.org/i.png)\n```", "5: The picture `http://a.org/i.png` is"),
        ("<img src='http://a.org/i.png'>", "4: HTML is not read here"),
        ("a <link href=//a.org/x.css> b", "4: HTML is not read here"),
        ("```question\nx\n```\n## S\n```answer\nx\n```", "8: This answer has no question"),
        ("```question\n\n```", "4: This `question` is empty"),
        ("```python c\n1\n```\n```show\n```\n```show\n```", "9: A step has one `show`"),
        ("```inputs\na: n = 1\n```", "4: These inputs have no code"),
        ("```python c\n```", "4: The code `c` is empty."),
        ("```python c\n1\n```\n```python c\n2\n```", "7: There is a code `c` already, in line 4"),
        ("```python a/b\n1\n```", "4: `a/b` cannot be a code's name"),
        ("```python plain\n1\n```", "4: `plain` cannot be a code's name"),
        ("```python c ful\n1\n```", "4: A code has no option `ful`; the nearest is `full`"),
        (
            "```python c scirpt=m\n1\n```",
            "4: A code has no option `scirpt=m`; the nearest is `script`",
        ),
        ("```python c script=f(x)\n1\n```", "4: After `script=` stands a variable"),
        ("```python c trace=model\n1\n```", "4: After `trace=` stands a call with names only"),
        ("```python c trace=m(x+1)\n1\n```", "4: After `trace=` stands a call with names only"),
        ("```python c trace=m(x) script=m\n1\n```", "4: Name one of `script=` and `trace=`"),
        ("```python c plain full\n1\n```", "4: `plain` stands alone"),
        ("```python c\nx = 1\ny = (\n```", "6: Python cannot compile this"),
        ("```python c\nreturn 1\n```", "5: Python cannot compile this: 'return' outside function"),
        ("```python c\n1\n```\n```inputs\na: n = = 1\n```", "8: Python cannot compile this"),
        (
            "```python c\n1\n```\n```inputs\na: |\n  n = 1\n  m = =\n```",
            "10: Python cannot compile",
        ),
        ("```python c\n1\n```\n```inputs\na:\n```", "8: The input `a` needs Python statements"),
        ("```python c\n1\n```\n```inputs\na/b: n = 1\n```", "8: `a/b` cannot be an input's name"),
        ("```python c\n1\n```\n```inputs\n```", "7: There is no input here"),
        ("```python c\n1\n```\n```inputs\n# a: 1\n```", "7: There is no input here"),
        (
            "```python c\n1\n```\n```inputs\na: n = 1\n```\n```inputs\na: n = 1\n```",
            "10: The code `c` has inputs already.",
        ),
    ],
)
def test_a_mistake_in_a_fence_is_told_with_its_line(text: str, expected: str) -> None:
    assert any(one.startswith(expected) for one in body(text)), body(text)


@pytest.mark.parametrize(
    ("show", "expected"),
    [
        ("selct: op mul", "8: `show` has no `selct`; the nearest is `select`"),
        ("select:", "8: After `select:` stands one text."),
        ("select: [op mul]", "8: After `select:` stands one text."),
        ("select: opp mul", "8: `opp mul` is no place: it starts with `op`"),
        ("select: op", "8: After `op` stands a name"),
        ("select: op mul two", "8: After `op` stands a name"),
        ("select: op mul 0", "8: After `op` stands a name"),
        ("select: line", "8: After `line` stands a text of that line"),
        ("select: decision first", "8: After `decision` stands which one"),
        ("select: failure 2", "8: `failure` stands alone"),
        ("moment: begin", "8: `begin` is no place"),
        ("code: d", "7: `code: d` names nothing; the nearest is `c`. There are `c`."),
        ("input: x", "7: `input: x` names nothing: there is none here."),
        ("compare: x/a", "7: `compare: x/a` names nothing"),
        ("compare: c\npanes: {left: backward}", "7: A comparison has no `backward`"),
        ("compare: c\nfindings: true", "7: A comparison has no `findings`"),
        ("compare: c\nmoment: start", "7: Two runs have no common time"),
        ("sides: true", "7: `sides` goes with `compare`"),
        ("sides: maybe\ncompare: a", "8: `sides` is `true` or `false`."),
        ("panes: dynamic", "8: `panes` names a pane for a side"),
        ("panes: {left: dynamik}", "8: `left` cannot be `dynamik`; the nearest is `dynamic`"),
        ("panes: {top: dynamic}", "8: `panes` cannot be `top`; the nearest is"),
        ("panes: {left: source, right: source}", "8: One pane cannot be on both sides."),
        ("panes: {left: static}", "7: The code `c` has no TorchScript to show"),
        ("select: ir aten::mul", "7: The code `c` has no TorchScript to show"),
        ("wide: middle", "8: `wide` cannot be `middle`; the nearest is"),
        ("result: outptu", "8: `result` cannot be `outptu`; the nearest is `output`"),
        ("open: [module a, mod b]", "8: `mod b` is no place"),
        ("open: {a: b}", "8: `open` is a list of places"),
        ("open:\n- module a\n- nothing", "10: `nothing` is no place"),
        ("select: op a\nselect: op b", "9: `select` stands here twice."),
        ("? [a]\n: b", "8: A key is one word."),
    ],
)
def test_a_mistake_in_a_show_is_told_with_its_line(show: str, expected: str) -> None:
    text = f"```python c\n1\n```\n```show\n{show}\n```\n"
    assert any(one.startswith(expected) for one in body(text)), body(text)


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        ("one n = 1\ntwo: n = 2", "8: Here stand lines of the form `key: value`"),
        ("one: n = 1\ntwo n = 2", "9: Here stand lines of the form `key: value`"),
        ("one:n = 1", "8: Here stand lines of the form `key: value`"),
        ("one: n = 1\na/b: n = 2", "9: `a/b` cannot be an input's name"),
        ('one: n = 1\n"": n = 2', "9: `` cannot be an input's name"),
    ],
)
def test_inputs_that_cannot_be_read_are_told_once_and_not_by_each_step(
    inputs: str, expected: str
) -> None:
    text = f"```python c\n1\n```\n```inputs\n{inputs}\n```\n"
    (problem,) = body(text + "## S\n```show\ninput: two\n```\n## T\n```show\ncompare: one\n```")
    assert problem.startswith(expected)


def test_a_picture_that_is_part_of_the_text_or_lies_beside_the_lesson_is_shown(
    tmp_path: Path,
) -> None:
    (tmp_path / "a b.png").write_bytes(b"PNG")
    data = "data:image/png;base64,UE5H"  # base64 of "PNG"
    text = f"![i](a%20b.png) [link](http://a.org) ![j]({data})\n\n![k][r]\n\n[r]: a%20b.png"
    lesson = read_lesson((HEAD + text).encode(), "a.md", folder=tmp_path)
    (part,) = lesson.steps[0].parts
    assert isinstance(part, Text)
    assert part.markdown == (
        f"![i]({data}) [link](http://a.org) ![j]({data})\n\n![k][r]\n\n[r]: {data}"
    )
    with pytest.raises(LessonError, match=r"a\.md:5: There is no picture `c\.png` beside"):
        read_lesson((HEAD + "\n![i](c.png)").encode(), "a.md", folder=tmp_path)


def test_an_input_that_the_code_does_not_have_is_told_with_those_it_has() -> None:
    text = "```python c\n1\n```\n```inputs\nlong: n = 1\nshort: n = 2\n```\n"
    (problem,) = body(text + "```show\ninput: lomg\n```")
    assert problem == (
        "11: `input: lomg` names nothing; the nearest is `long`. There are `long`, `short`."
    )


def test_a_plain_code_has_no_graph_to_select_in() -> None:
    (problem,) = body("```python c plain\n1\n```\n```show\nselect: op mul\n```")
    assert problem == "7: The code `c` is `plain`: it has no graph to show."


def test_a_lesson_without_code_has_nothing_to_show() -> None:
    (problem,) = body("```show\nselect: op mul\n```")
    assert problem.startswith("4: This lesson has no code")


def test_all_mistakes_of_a_file_are_told_at_once_in_order_of_their_lines() -> None:
    text = "---\ntilte: T\n---\n```show\nselct: a\nmoment: b\n```\n```python c\n(\n```\n"
    lines = [int(one.partition(":")[0]) for one in told(text)]
    assert lines == sorted(lines)
    assert lines == [1, 2, 5, 6, 9]


def test_a_mistake_names_its_file_as_it_was_given() -> None:
    with pytest.raises(LessonError) as caught:
        read_lesson(b"", "a.md", shown_as="folder/a.md")
    assert str(caught.value).startswith("folder/a.md:1: A lesson starts with front matter")


def test_what_is_not_utf8_is_told_with_its_line() -> None:
    with pytest.raises(LessonError) as caught:
        read_lesson(HEAD.encode() + "é".encode("latin-1"), "a.md")
    assert str(caught.value) == "a.md:4: This is not UTF-8. Save the file in this encoding."


def test_a_huge_file_is_refused_without_being_read() -> None:
    with pytest.raises(LessonError, match="too large"):
        read_lesson(b"#" * (LARGEST + 1), "a.md")


@pytest.mark.parametrize("file", ["a.txt", "a b.md", ".md", "a.fr.md", "a.b.c.md", "../a.md", ""])
def test_a_file_with_another_name_is_no_lesson(file: str) -> None:
    assert name_and_language(file) is None
    with pytest.raises(LessonError, match=r"NAME\.md or NAME\.LANGUAGE\.md"):
        read(WHOLE, file)


def test_names_may_have_letters_of_any_language() -> None:
    assert name_and_language("图-1.zh_CN.md") == ("图-1", "zh_CN")
    assert name_and_language("graph_2.md") == ("graph_2", "en")


# -- translations ----------------------------------------------------------------------------

CHINESE = """\
---
title: 什么是图？
---
开场。

```python graph
```

```inputs
```

## 第一步

```show
```

```question
哪个？
```

## 第二步

```python other
```
"""


def translated(text: str) -> Lesson:
    return read(text, "graph.zh_CN.md", read(WHOLE, "graph.md"))


def wrongly(text: str) -> list[str]:
    return told(text, read(WHOLE, "graph.md"), "graph.zh_CN.md")


def test_a_translation_takes_what_it_leaves_empty_from_the_original() -> None:
    original, lesson = read(WHOLE, "graph.md"), translated(CHINESE)
    assert (lesson.language, lesson.title) == ("zh_CN", "什么是图？")
    assert (lesson.order, lesson.minutes) == (10, 12)
    assert lesson.codes == original.codes
    assert state(lesson, 1).select == state(original, 1).select
    assert lesson.steps[1].questions[0].question == "哪个？"


def test_a_translation_may_leave_out_inputs_and_show_and_have_a_code_of_its_own() -> None:
    text = CHINESE.replace("```inputs\n```\n", "").replace("```show\n```\n", "")
    lesson = translated(
        text.replace("```python other\n", "```python other plain\nprint(2)  # 二\n")
    )
    original = read(WHOLE, "graph.md")
    assert lesson.codes[0].inputs == original.codes[0].inputs
    assert state(lesson, 1).select == state(original, 1).select
    assert lesson.codes[1].source == "print(2)  # 二\n"
    assert lesson.codes[1].plain


def test_a_translation_may_show_something_else() -> None:
    lesson = translated(CHINESE.replace("```show\n", "```show\nselect: line 二\n"))
    assert state(lesson, 1).select == Spot("line", "二", line=15)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("## 第二步", "第二步", "12: a.md has 2 steps (`##`) and this translation has 1"),
        (
            "## 第二步",
            "## 新\n\n## 第二步",
            "23: a.md has 2 steps (`##`) and this translation has 3",
        ),
        ("```python other\n```\n", "", "21: This step has the codes `other` in a.md"),
        ("python other", "python othre", "23: a.md has no code `othre`; the nearest is `other`"),
        ("python graph", "python graph kernels", "6: After the name `graph` stands what stands"),
        ("```inputs\n", "```inputs\n短: length = 2\n", "10: The inputs of `graph` are called"),
        ("```question\n哪个？\n```\n", "", "12: This step has 1 questions in a.md, and 0 here."),
    ],
)
def test_a_translation_that_differs_from_its_original_is_told(
    old: str, new: str, expected: str
) -> None:
    assert old in CHINESE
    expected = expected.replace("a.md", "graph.md")
    found = wrongly(CHINESE.replace(old, new))
    assert any(one.startswith(expected) for one in found), found


def test_a_lesson_in_chinese_only_needs_its_own_codes() -> None:
    text = WHOLE.replace("What is a graph?", "图")
    assert read(text, "graph.zh_CN.md").language == "zh_CN"
    assert any("The code `graph` is empty" in one for one in told(CHINESE, file="graph.zh_CN.md"))


# -- places ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "spot"),
    [
        ("op mul", Spot("op", "mul")),
        ("  op   mul   2 ", Spot("op", "mul", 2)),
        ("line y * y 2", Spot("line", "y * y 2")),
        ("tensor self.state", Spot("tensor", "self.state")),
        ("module encoder.0 2", Spot("module", "encoder.0", 2)),
        ("parameter weight", Spot("parameter", "weight")),
        ("decision", Spot("decision")),
        ("decision 3", Spot("decision", number=3)),
        ("grad MulBackward0 2", Spot("grad", "MulBackward0", 2)),
        ("ir aten::mul 2", Spot("ir", "aten::mul", 2)),
        ("failure", Spot("failure")),
    ],
)
def test_the_words_of_a_place_are_read(text: str, spot: Spot) -> None:
    assert read_spot(text) == spot


@given(
    st.builds(
        Spot,
        st.sampled_from(("op", "grad", "ir")),
        st.from_regex(r"[a-z:]+", fullmatch=True),
        st.integers(1, 1_000_000),
    )
)
def test_a_place_says_itself(spot: Spot) -> None:
    assert read_spot(str(spot)) == spot


# -- anything else ---------------------------------------------------------------------------

PIECES = st.sampled_from(
    [
        *("---\n", "title: T\n", "order: 1\n", "## Step\n", "##\n", "\n", "text\n", "- ", "> "),
        *("```\n", "~~~\n", "```show\n", "```python\n", "```python a\n", "```python b plain\n"),
        *("```inputs\n", "```question\n", "```answer\n", "```teacher\n", "    ```show\n", "\t"),
        *("select: op mul\n", "code: a\n", "input: x\n", "x: n = 1\n", "x: |\n", "  n = 1\n"),
        *("open: [module a]\n", "panes: {left: static}\n", "compare: a/x\n", "&a ", "*a", "{", "]"),
        *("x = 1\n", "%YAML 9.9\n", "\r", "\x00", "\ufeff", "\u2028", "\ud7ff", '"', "'", ": "),
        *("? ", "!!python/object:os.system ", "|", ">", "`", "<b>", "[a]: b\n", "\\U99999999"),
    ]
)


@settings(max_examples=400, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=300),
        st.lists(PIECES, max_size=40).map("".join).map(str.encode),
        st.lists(PIECES, max_size=40).map(lambda parts: (HEAD + "".join(parts)).encode()),
    )
)
def test_any_content_is_a_lesson_or_a_told_mistake(content: bytes) -> None:
    for original in (None, read(WHOLE)):
        wrong: list[Problem] = []
        try:
            lesson = read_lesson(content, "a.md", original)
        except LessonError as error:
            lines = content.count(b"\n") + content.count(b"\r") + 1
            wrong = [one for one in error.problems if not 0 <= one.line <= lines]
        else:
            for step in range(len(lesson.steps)):
                state(lesson, step)
        assert wrong == []


@given(st.text(max_size=40))
def test_any_text_is_a_place_or_a_sentence(text: str) -> None:
    spot = read_spot(text)
    assert isinstance(spot, str) or spot.kind in KINDS


@pytest.mark.parametrize(
    "unit", ["[", "> ", "- ", "*a", "`", "<", "![", "\\", "&#", "|-", "## x\n", "```show\n```\n"]
)
def test_a_file_made_to_take_long_does_not(unit: str) -> None:
    content = (HEAD + unit * (200_000 // len(unit))).encode()
    before = time.process_time()
    try:
        read_lesson(content, "a.md")
    except LessonError:
        pass
    assert time.process_time() - before < 20
