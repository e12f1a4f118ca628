"""The lessons that come with the app: all can be read, in both languages, and do what they say."""

from __future__ import annotations

from collections import Counter

import pytest

from inspector.language import ENGLISH, LANGUAGES
from inspector_app.teaching.folder import BUILT_IN, lessons_in
from inspector_app.teaching.handout import handout
from inspector_app.teaching.lesson import Lesson, state
from inspector_app.teaching.read import name_and_language
from inspector_app.teaching.trial import run_once, try_out

FILES = sorted(path.name for path in BUILT_IN.glob("*.md"))
NAMES = sorted({named[0] for file in FILES if (named := name_and_language(file)) is not None})


def told(name: str, language: str) -> Lesson:
    entry = lessons_in([BUILT_IN]).find(name)
    assert entry is not None
    return entry.told_in(language)


def test_no_built_in_lesson_has_a_mistake() -> None:
    assert [str(problem) for problem in lessons_in([BUILT_IN]).problems] == []
    assert len(NAMES) >= 15


@pytest.mark.parametrize("name", NAMES)
def test_each_lesson_is_told_in_each_language_with_the_same_steps(name: str) -> None:
    english = told(name, ENGLISH)
    for language in LANGUAGES:
        lesson = told(name, language)
        assert lesson.language == language
        assert len(lesson.steps) == len(english.steps)
        for number, (mine, theirs) in enumerate(zip(lesson.steps, english.steps, strict=True)):
            kinds = [Counter(type(part).__name__ for part in step.parts) for step in (mine, theirs)]
            assert kinds[0]["Notes"] == kinds[1]["Notes"], f"{name}, step {number}"
            answered = [[bool(one.answer) for one in step.questions] for step in (mine, theirs)]
            assert answered[0] == answered[1], f"{name}, step {number}"
            shown, original = state(lesson, number), state(english, number)
            assert shown.panes == original.panes
            assert shown.input == original.input


@pytest.mark.parametrize("name", NAMES)
def test_each_lesson_says_what_it_is_about_and_asks_something(name: str) -> None:
    for language in LANGUAGES:
        lesson = told(name, language)
        assert lesson.about
        assert lesson.minutes
        assert any(step.questions for step in lesson.steps)


def test_no_two_lessons_want_the_same_place_in_the_list() -> None:
    orders = Counter(told(name, ENGLISH).order for name in NAMES)
    assert [order for order, count in orders.items() if count > 1] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_each_program_runs_and_has_all_that_its_steps_show(name: str) -> None:
    for language in LANGUAGES:
        lesson = told(name, language)
        trial = try_out(lesson, run_once)
        assert [str(problem) for problem in trial.problems] == []
        page = handout(lesson, trial.runs, notes=True)
        has_graph = any(ran.book is not None for ran in trial.runs.values())
        assert ("<svg" in page) == has_graph
