"""Jobs in the background, and the pages that wait for them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
import streamlit as st
from apptests import buttons, opened_page, texts, wait_for
from streamlit.testing.v1 import AppTest

from inspector.errors import InspectorError
from inspector_app import awaiting
from inspector_app.jobs import Job
from inspector_app.runs import one_at_a_time

SOON = 20.0
"""Seconds; on a busy machine a short job may take some of them."""


class Length(Job[str, int]):
    """The length of a word; `made` are those that were measured."""

    stopped_words = "It was stopped."
    failed_words = "It failed: {error}"
    kept: ClassVar[dict[str, int]] = {}
    made: ClassVar[list[str]] = []

    @staticmethod
    def finished(choice: str) -> int | None:
        return Length.kept.get(choice)

    def progress(self) -> tuple[float, str]:
        return 0.5, "Measuring"

    def _make(self) -> int:
        self.made.append(self.choice)
        if "?" in self.choice:
            raise InspectorError("`?` is in no *word*.")
        if "!" in self.choice:
            raise ValueError("too loud")
        return len(self.choice)


@pytest.fixture(autouse=True)
def fresh_caches() -> None:
    st.cache_resource.clear()
    Length.kept.clear()
    Length.made.clear()


# -- a job -----------------------------------------------------------------------------------------


def ended(choice: str) -> Length:
    job = Length(choice).start()
    assert job.wait(SOON)
    assert job.ended
    return job


def test_a_job_ends_with_its_result() -> None:
    job = ended("recording")
    assert (job.result, job.reason, job.waiting) == (9, "", False)


def test_an_error_in_the_users_words_is_the_reason_as_it_is() -> None:
    job = ended("what?")
    assert (job.result, job.reason) == (None, "`?` is in no *word*.")


def test_any_other_error_stands_in_the_jobs_own_sentence() -> None:
    job = ended("what!")
    assert (job.result, job.reason) == (None, "It failed: too loud")
    assert not one_at_a_time.locked()


def test_what_somebody_else_has_finished_is_not_made_again() -> None:
    Length.kept["recording"] = -1
    assert ended("recording").result == -1
    assert Length.made == []


def test_a_job_waits_for_its_turn_and_what_is_stopped_meanwhile_does_not_begin() -> None:
    with one_at_a_time:
        job = Length("recording").start()
        assert not job.wait(0.1)
        assert job.waiting
        job.stop()
    assert job.wait(SOON)
    assert (job.result, job.reason, Length.made) == (None, "It was stopped.", [])


# -- a page that waits for it ----------------------------------------------------------------------

PAGE = """
import streamlit as st
from inspector_app.awaiting import Words, awaited
from test_jobs import Length

word = st.text_input("Word", "" if "word" not in st.query_params else st.query_params["word"])
length = awaited(word, Length, Words("Beginning", "Stop", "It ends", "Again"), "length")
if length is not None:
    st.markdown(f"“{word}” has {length}")
"""


def use(app: AppTest, word: str, wait: str) -> None:
    app.text_input[0].set_value(word).run()
    wait_for(app, wait)


def test_a_result_that_is_no_number_to_speak_of_is_one() -> None:
    opened_page(PAGE, "“” has 0", {})
    assert Length.made == [""]


def test_how_the_last_one_ended_is_kept_for_the_session() -> None:
    app = opened_page(PAGE, "“a” has 1", {"word": "a"})
    Length.kept["known"] = 5
    use(app, "known", "“known” has 5")
    use(app, "a", "“a” has 1")
    assert Length.made == ["a"]
    use(app, "ab", "“ab” has 2")
    use(app, "a", "“a” has 1")
    assert Length.made == ["a", "ab", "a"]


def test_a_reason_is_shown_as_text_and_the_button_tries_again() -> None:
    app = opened_page(PAGE, "in no *word*", {"word": "what?"})
    assert app.warning[0].value == r"`?` is in no \*word\*\."
    app.run()
    assert Length.made == ["what?"]
    (again,) = buttons(app, "Again")
    again.click().run()
    wait_for(app, "in no *word*")
    assert Length.made == ["what?"] * 2


def test_a_page_says_that_its_job_waits_and_can_stop_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(awaiting, "PATIENCE", 0.1)
    with one_at_a_time:
        app = opened_page(PAGE, "", {"word": "recording"})
        assert "Waiting: another recording runs" in app.get("progress")[0].proto.text
        (stop,) = buttons(app, "Stop")
        stop.click().run()
    wait_for(app, "It was stopped.")
    assert buttons(app, "Again")
    assert not buttons(app, "Stop")


def test_another_choice_gives_up_the_job_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(awaiting, "PATIENCE", 0.1)
    with one_at_a_time:
        app = opened_page(PAGE, "", {"word": "recording"})
        app.text_input[0].set_value("next").run()
    wait_for(app, "“next” has 4")
    assert Length.made == ["next"]


# -- what a browser may not have seen --------------------------------------------------------------


@pytest.fixture
def ends_unseen(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Jobs that wait when the page is drawn first, and end while it is drawn for the second time.

    In a browser a fragment is what is drawn then; the page has to be drawn anew by itself.
    """
    progress = awaiting._progress
    drawn = []

    def ended_by_then(job: Job[Any, Any], *others: Any) -> None:
        drawn.append(job)
        if len(drawn) == 2:
            one_at_a_time.release()
            assert job.wait(SOON)
        progress(job, *others)

    monkeypatch.setattr(awaiting, "PATIENCE", 0.0)
    monkeypatch.setattr(awaiting, "_progress", ended_by_then)
    one_at_a_time.acquire()
    yield
    if len(drawn) < 2:
        one_at_a_time.release()


def told(app: AppTest) -> set[str]:
    """Keys of the widgets whose setting the page tells the browser."""
    kinds = ("selectbox", "radio", "number_input", "segmented_control", "button_group")
    return {one.key for kind in kinds for one in app.get(kind) if one.proto.set_value}


def test_a_sweep_that_ends_unseen_tells_the_browser_again_what_the_address_set(
    ends_unseen: None,
) -> None:
    script = "from inspector_app.screens import sweep\nsweep.page()"
    query = {"sample": "branching", "over": "control", "control": "shift"}
    app = opened_page(script, "", {**query, "view": "against", "step": "0.5"})
    app.run()
    assert "distinct graph" in texts(app)
    common = "sweep/branching/shift"
    wanted = {"sweep/sample", "choice/over", "sweep/control/branching", "sweep/view"}
    wanted |= {f"{common}/start", f"{common}/stop", f"{common}/step"}
    assert told(app) >= wanted
    app.run()
    assert not told(app) & wanted


def test_a_training_that_ends_unseen_does_so_too(ends_unseen: None) -> None:
    script = "from inspector_app.screens import gradients\ngradients.page()"
    app = opened_page(script, "", {"sample": "branching", "steps": "3"})
    app.run()
    assert "3 training steps" in texts(app)
    wanted = {"sample", "steps", "rate", "optimizer", "view", "input/branching"}
    wanted = {f"gradients/{name}" for name in wanted}
    assert told(app) >= wanted
    app.run()
    assert not told(app) & wanted
