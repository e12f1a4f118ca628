"""The page “Lessons”, run by Streamlit's AppTest: the list, the steps, the code."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from apptests import buttons, opened_page, texts, wait_for
from streamlit.testing.v1 import AppTest

from inspector.render.pairs import PairBook
from inspector_app import lessonruns, sandbox
from inspector_app.phrases import LANGUAGE
from inspector_app.sandbox import Isolation, Outcome, Program
from inspector_app.screens.lesson_handout import handout_of
from inspector_app.teaching.folder import lessons_in
from inspector_app.teaching.lesson import Lesson
from inspector_app.teaching.trial import program_of

PAGE = "from inspector_app.screens import lessons\nlessons.page()"

# The ops of `first`: 0 tensor, 1 mul, 2 add, 3 add, 4 item.
SMALL = """\
---
title: A small lesson
about: Three ops and a print.
order: 1
minutes: 3
---
Words of the opening.

```python first
import torch

x = torch.tensor(2.0, requires_grad=True)
y = x * factor
z = y + y + 1
print("z is", z.item())
```

```inputs
two: factor = 2
three: factor = 3
```

## The sum

```show
select: op add 2
```

```question
What is z?
```

```answer
It is nine.
```

```teacher
Ask them first.
```

## The other input

```show
input: three
compare: two
```

## What is not there

```show
select: op conv2d
```

## A program that fails

```python second
import torch

x = torch.ones(2)
y = x + torch.ones(3)
```

## Only printed

```python third plain
print("printed", 6 * 7)
```
"""

BROKEN = """\
---
title: Broken
---
Text.

```python code
x = 1
```

## Step

```show
selekt: op add
```
"""


@pytest.fixture(autouse=True)
def lessons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of a teacher, with one lesson; nothing is known of any run.

    Each test has programs of its own: what another one prepared for its next step may end only now.
    """
    text = SMALL.replace("import torch\n", f"import torch  # {tmp_path.name}\n")
    (tmp_path / "small.md").write_text(text, encoding="utf-8")
    monkeypatch.setenv("INSPECTOR_LESSONS", str(tmp_path))
    monkeypatch.setenv("LANGUAGE", "en")
    st.cache_resource.clear()
    yield tmp_path
    st.cache_resource.clear()


def opened(wait: str = "", **query: str) -> AppTest:
    return opened_page(PAGE, wait, {"lesson": "small"} | query)


def graph_of(app: AppTest) -> Any:
    """The book on the page, once nothing is under way any more."""
    settle(app)
    picture = app.session_state["_lesson_desk"].picture
    return None if picture is None else picture.book


def settle(app: AppTest) -> None:
    """Draw the page until no program is waited for."""
    for _ in range(200):
        job = app.session_state["_lesson_desk"].job
        if job is None:
            return
        job.wait(1)
        app.run()
        assert not app.exception
    raise AssertionError("the program does not end")


def click(app: AppTest, label: str) -> None:
    (button,) = buttons(app, label)
    button.click().run()
    assert not app.exception


def written(app: AppTest) -> dict[str, str]:
    found = {name: app.query_params[name] for name in app.query_params}
    return {name: value if isinstance(value, str) else value[-1] for name, value in found.items()}


def selected(app: AppTest) -> str | None:
    """What the workbench was told to select last."""
    settle(app)
    return app.session_state["_workbench_place"][1].selected


def small() -> Lesson:
    entry = lessons_in().find("small")
    assert entry is not None
    return entry.told_in("en")


def type_code(app: AppTest, code: str, text: str) -> None:
    """As if it was typed into the editor."""
    found = small().code(code)
    assert found is not None
    desk = app.session_state["_lesson_desk"]
    desk.edit(small(), found, text)
    desk.open_editor(small(), found)


def ended(how: Any, reason: str) -> Callable[..., Outcome]:
    def run(program: Program, **_: Any) -> Outcome:
        return Outcome(None, None, "", how, reason, Isolation())

    return run


# -- the list --------------------------------------------------------------------------------------


def test_the_list_has_a_card_for_each_lesson_in_order() -> None:
    app = opened_page(PAGE, "Lessons", {})
    said = texts(app)
    assert "A small lesson" in said
    assert "Three ops and a print." in said
    assert "5 steps · 3 minutes" in said
    assert len(buttons(app, "Open")) == len(lessons_in().entries)
    assert said.index("A small lesson") < said.index("What is a graph?")  # order 1 before 10


def test_a_broken_lesson_is_told_with_file_and_line_and_the_others_can_be_opened(
    lessons: Path,
) -> None:
    (lessons / "broken.md").write_text(BROKEN, encoding="utf-8")
    app = opened_page(PAGE, "cannot be used", {})
    (warning,) = app.warning
    line = BROKEN.splitlines().index("selekt: op add") + 1
    said = str(warning.value).replace("\\", "")
    assert f"{lessons / 'broken.md'}:{line}" in said
    assert "selekt" in said
    app.button(key="lesson-open-small").click().run()
    assert written(app) == {"lesson": "small", "step": "0"}
    wait_for(app, "Words of the opening.")


def test_a_lesson_in_chinese_alone_is_shown_and_says_so(lessons: Path) -> None:
    (lessons / "alone.zh_CN.md").write_text("---\ntitle: 只有中文\n---\n你好。\n", encoding="utf-8")
    app = opened_page(PAGE, "你好", {"lesson": "alone"})
    assert "This lesson is there in Simplified Chinese only." in texts(app)


def test_a_lesson_without_a_program_shows_its_text(lessons: Path) -> None:
    (lessons / "words.md").write_text("---\ntitle: Words\n---\nOnly words.\n", encoding="utf-8")
    app = opened_page(PAGE, "Only words.", {"lesson": "words"})
    assert "This lesson has no program." in texts(app)
    assert all(button.disabled for label in ("Back", "Next") for button in buttons(app, label))


def test_an_address_with_an_unknown_lesson_says_so_and_shows_the_list() -> None:
    app = opened_page(PAGE, "Lessons", {"lesson": "<no such>"})
    assert "the lesson “<no such>”" in texts(app)
    assert written(app) == {}


# -- steps -----------------------------------------------------------------------------------------


def test_an_address_opens_a_step_with_what_it_selects() -> None:
    app = opened("The sum", step="1")
    assert selected(app) == "dynamic/op:3"
    assert written(app) == {"lesson": "small", "step": "1"}


def test_an_unknown_step_is_told_and_the_opening_is_shown() -> None:
    app = opened("Words of the opening.", step="77")
    assert "the step “77”" in texts(app)
    assert written(app)["step"] == "0"


def test_next_and_back_go_through_the_steps_and_end_at_both_ends() -> None:
    app = opened("Words of the opening.")
    (back,) = buttons(app, "Back")
    assert back.disabled
    for step in range(1, 6):
        click(app, "Next")
        assert written(app)["step"] == str(step)
    (forward,) = buttons(app, "Next")
    assert forward.disabled
    click(app, "Back")
    assert written(app)["step"] == "4"


def test_another_language_keeps_the_input_and_what_was_typed(lessons: Path) -> None:
    chinese = SMALL.replace("title: A small lesson", "title: 小课")
    (lessons / "small.zh_CN.md").write_text(chinese, encoding="utf-8")
    app = opened("The sum", step="1")
    app.segmented_control(key="lesson-input-small-first").set_value("three").run()
    type_code(app, "first", "y = factor\n")
    app.session_state[LANGUAGE] = "zh_CN"
    app.run()
    wait_for(app, "小课")
    assert app.segmented_control(key="lesson-input-small-first").value == "three"
    told = lessons_in().find("small")
    assert told is not None
    lesson = told.told_in("zh_CN")
    code = lesson.code("first")
    assert code is not None
    assert app.session_state["_lesson_desk"].draft(lesson, code) == "y = factor\n"


def test_an_unknown_language_is_told_and_nothing_is_said_of_the_sidebar() -> None:
    app = opened("Words of the opening.", lang="xx")
    (error,) = app.error
    assert "the language “xx”" in str(error.value)
    assert "sidebar" not in str(error.value)


def test_back_to_the_step_commands_the_place_again() -> None:
    app = opened("The sum", step="1")
    settle(app)
    before = app.session_state["_workbench_command"]
    click(app, "Back to the step")
    assert app.session_state["_workbench_command"] == before + 1
    assert selected(app) == "dynamic/op:3"


def test_a_step_that_compares_shows_both_runs_and_the_viewer_may_switch_the_input() -> None:
    app = opened("The other input", step="2")
    book = graph_of(app)
    assert isinstance(book, PairBook)
    assert book.names == ("two", "three")
    assert "compared with two" in texts(app)
    choice = app.segmented_control(key="lesson-input-small-first")
    assert choice.value == "three"
    choice.set_value("two").run()
    assert not isinstance(graph_of(app), PairBook)  # it would be compared with itself
    click(app, "Back to the step")
    assert isinstance(graph_of(app), PairBook)


def test_what_a_step_wants_to_show_and_is_not_there_is_told_and_nothing_is_selected() -> None:
    app = opened("What is not there", step="3")
    assert selected(app) is None
    app.run()
    assert "conv2d" in texts(app)


def test_a_plain_program_shows_its_output_in_place_of_a_graph() -> None:
    app = opened("Only printed", step="5")
    settle(app)
    assert "printed 42" in "\n".join(str(one.value) for one in app.code)


def test_an_answer_is_revealed_and_stays_and_a_thought_is_kept() -> None:
    app = opened("What is z?", step="1")
    assert "It is nine." not in texts(app)
    app.text_area[0].set_value("seven").run()
    click(app, "Show the answer")
    assert "It is nine." in texts(app)
    click(app, "Next")
    click(app, "Back")
    assert "It is nine." in texts(app)
    assert app.text_area[0].value == "seven"


def test_notes_for_the_teacher_are_seen_when_they_are_switched_on_and_in_the_address() -> None:
    app = opened("What is z?", step="1")
    assert "Ask them first." not in texts(app)
    app.toggle(key="lessons/notes").set_value(True).run()
    assert "Ask them first." in texts(app)
    assert written(app) == {"lesson": "small", "step": "1", "notes": "1"}
    linked = opened("Ask them first.", step="1", notes="1")
    assert linked.toggle(key="lessons/notes").value


def test_a_presentation_stands_in_the_address_and_can_be_left() -> None:
    app = opened("The sum", step="1", present="1")
    assert any("stSidebar" in str(one.value) for one in app.html)
    (leave,) = [one for one in app.button if one.key == "lesson-leave"]
    leave.click().run()
    assert written(app) == {"lesson": "small", "step": "1"}
    assert not any("stSidebar" in str(one.value) for one in app.html)


# -- programs --------------------------------------------------------------------------------------


def test_an_edited_program_runs_for_its_session_alone_and_is_reset() -> None:
    app = opened("The sum", step="1")
    settle(app)
    type_code(app, "first", "import torch\nx = torch.tensor(1.0)\ny = x.exp() + factor\n")
    app.run()
    click(app, "Run")
    names = [op.name for op in graph_of(app).recording.ops]
    assert names == ["tensor", "exp", "add"]
    code = small().code("first")
    assert code is not None
    program = app.session_state["_lesson_desk"].program(small(), code, "two")
    assert "exp" in program.source
    assert lessonruns.known(program) is None
    assert selected(app) is None  # it has one add, and the step wants the second
    click(app, "Reset")
    assert [op.name for op in graph_of(app).recording.ops] == "tensor mul add add item".split()


def test_a_program_that_fails_tells_its_line_and_shows_what_ran() -> None:
    app = opened("A program that fails", step="4")
    recording = graph_of(app).recording
    assert recording.failure is not None
    app.run()
    (error,) = app.error
    assert "Line 4: RuntimeError" in str(error.value).replace("\\", "")
    assert "The graph shows what ran until then." in str(error.value)


def test_a_message_and_what_is_printed_are_shown_letter_by_letter(lessons: Path) -> None:
    text = """---
title: A :red[title] of $a$
---
Words.

```python odd
print("\\x1b[31mred\\x1b[0m \\u202eback")
raise ValueError(":red[x] `a` $b$ \\x1b[1mbold")
```
"""
    (lessons / "odd.md").write_text(text, encoding="utf-8")
    app = opened_page(PAGE, "ValueError", {"lesson": "odd"})
    (error,) = app.error
    assert r"\:red\[x\] \`a\` \$b\$ bold" in str(error.value)
    assert any(r"A \:red\[title\] of \$a\$" in str(one.value) for one in app.markdown)
    (printed,) = [str(one.value) for one in app.code if "back" in str(one.value)]
    assert printed.startswith("red back\n")


def test_after_a_syntax_error_the_last_graph_stays() -> None:
    app = opened("The sum", step="1")
    before = graph_of(app)
    type_code(app, "first", "import torch\nx = (\n")
    app.run()
    click(app, "Run")
    assert graph_of(app) is before
    app.run()
    (error,) = app.error
    assert "SyntaxError" in str(error.value)


def test_a_program_that_is_ended_says_what_to_do_and_is_not_kept_for_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sandbox, "run", ended("time", "It took longer than 20 s and was ended."))
    app = opened("Look for a loop that does not end", step="1")
    assert "It took longer than 20 s" in texts(app)
    code = small().code("first")
    assert code is not None
    assert lessonruns.known(program_of(code, "two")) is None


def test_where_no_process_can_be_started_the_text_can_still_be_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(program: Program, **_: Any) -> Outcome:
        raise OSError("no more processes")

    nothing = lessonruns._Kept()  # what a test before this one had prepared may come any moment
    monkeypatch.setattr(lessonruns, "_kept", lambda: nothing)
    monkeypatch.setattr(sandbox, "run", broken)
    app = opened("no more processes", step="1")
    assert "What is z?" in texts(app)
    click(app, "Next")
    assert written(app)["step"] == "2"


def test_a_program_that_waits_can_be_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(
        program: Program, stop: threading.Event, heard: Callable[[str], None], **_: Any
    ) -> Outcome:
        heard("half way\n")
        stop.wait(60)
        return Outcome(None, None, "half way\n", "stopped", "It was stopped.", Isolation())

    monkeypatch.setattr(sandbox, "run", slow)
    app = opened("Running", step="1")
    assert "half way" in "\n".join(str(one.value) for one in app.code)
    click(app, "Stop")
    settle(app)
    app.run()
    assert "It was stopped." in texts(app)


def test_sessions_that_open_the_same_step_share_one_run(
    lessons: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[Program] = []
    real = sandbox.run

    def counted(program: Program, **given: Any) -> Outcome:
        ran.append(program)
        return real(program, **given)

    monkeypatch.setattr(sandbox, "run", counted)
    first, second = opened("The sum", step="1"), opened("The sum", step="1")
    assert graph_of(first) is graph_of(second)
    own = [one for one in ran if lessons.name in one.source]
    assert sum("x * factor" in one.source and one.before == "factor = 2" for one in own) == 1


def test_a_program_that_runs_for_one_session_is_waited_for_by_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    go = threading.Event()

    def held(program: Program, stop: threading.Event, **_: Any) -> Outcome:
        assert go.wait(30)
        return Outcome(None, None, "", "stopped" if stop.is_set() else "done", "", Isolation())

    monkeypatch.setattr(sandbox, "run", held)
    program = Program("x = 1", "one")
    mine, theirs = (lessonruns.begin(program, shared=True) for _ in range(2))
    assert mine is theirs
    mine.give_up()  # the other still waits
    go.set()
    assert theirs.wait(30)
    assert theirs.result is not None
    assert theirs.result.outcome.ended == "done"


def test_a_job_that_nobody_waits_for_any_more_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    def held(program: Program, stop: threading.Event, **_: Any) -> Outcome:
        assert stop.wait(30)
        return Outcome(None, None, "", "stopped", "", Isolation())

    monkeypatch.setattr(sandbox, "run", held)
    program = Program("x = 1", "one")
    first, second = (lessonruns.begin(program, shared=True) for _ in range(2))
    first.give_up()
    second.give_up()
    assert first.wait(30)
    assert lessonruns.begin(program, shared=True) is not first


# -- hand-out --------------------------------------------------------------------------------------


def test_a_hand_out_has_the_graphs_and_the_answers_that_are_wanted() -> None:
    with_answers = handout_of(small(), answers=True, notes=False)
    without = handout_of(small(), answers=False, notes=True)
    assert "It is nine." in with_answers
    assert "Ask them first." not in with_answers
    assert "It is nine." not in without
    assert "Ask them first." in without
    assert with_answers.count("<svg") >= 2
