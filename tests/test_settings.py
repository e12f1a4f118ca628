"""How a server is run, and what its sessions may then do."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from inspector.errors import InspectorError
from inspector_app import classroom
from inspector_app.classroom import Quota, allowed_to_run, providers
from inspector_app.jobs import Job
from inspector_app.sandbox import Isolation
from inspector_app.settings import CLASSROOM, Settings, read, settings

ROOT = Path(__file__).parents[1]
APART = Isolation(network=True, files=True, processes=True, limits=True, calls=True)


class Idle(Job[str, str]):
    """Runs until it is told that it has ended."""

    @staticmethod
    def finished(choice: str) -> str | None:
        return None

    def progress(self) -> tuple[float, str]:
        return 0.0, ""

    def _make(self) -> str:
        return ""


def test_without_a_word_there_is_no_limit() -> None:
    assert read([], {}) == Settings(False, "on", None, None, None, None)


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [
        (["--classroom"], {}),
        ([], {"INSPECTOR_CLASSROOM": "1"}),
        ([], {"INSPECTOR_CLASSROOM": "Yes"}),
    ],
)
def test_a_classroom_has_limits_from_the_start(
    arguments: list[str], environment: dict[str, str]
) -> None:
    found = read(arguments, environment)
    assert found.classroom
    assert found.editor == "sandboxed"
    assert found.runs_per_minute is not None
    assert found.runs_at_once == 1
    assert found.upload_mb is not None


def test_what_an_upload_may_unpack_to_follows_from_its_size() -> None:
    assert Settings().most_records is None
    assert Settings(upload_mb=20).most_records == 80 * 1024 * 1024


def test_each_setting_can_be_said() -> None:
    environment = {
        "INSPECTOR_EDITOR": "off",
        "INSPECTOR_RUNS_PER_MINUTE": "3",
        "INSPECTOR_RUNS_AT_ONCE": " 2 ",
        "INSPECTOR_UPLOAD_MB": "5",
        "INSPECTOR_SESSIONS": "40",
    }
    assert read(["--classroom"], environment) == Settings(True, "off", 3, 2, 5, 40)
    assert read([], environment) == Settings(False, "off", 3, 2, 5, 40)


@pytest.mark.parametrize(
    ("arguments", "environment", "named"),
    [
        (["--clasroom"], {}, "--clasroom"),
        ([], {"INSPECTOR_CLASSROOM": "maybe"}, "INSPECTOR_CLASSROOM=maybe"),
        ([], {"INSPECTOR_EDITOR": "sandbox"}, "INSPECTOR_EDITOR=sandbox"),
        ([], {"INSPECTOR_RUNS_PER_MINUTE": "0"}, "INSPECTOR_RUNS_PER_MINUTE=0"),
        ([], {"INSPECTOR_RUNS_AT_ONCE": "-1"}, "INSPECTOR_RUNS_AT_ONCE=-1"),
        ([], {"INSPECTOR_UPLOAD_MB": "١"}, "INSPECTOR_UPLOAD_MB"),
        ([], {"INSPECTOR_UPLOAD_MB": "9" * 5000}, "INSPECTOR_UPLOAD_MB"),
    ],
)
def test_a_setting_that_cannot_be_read_is_named(
    arguments: list[str], environment: dict[str, str], named: str
) -> None:
    with pytest.raises(InspectorError, match=named) as refused:
        read(arguments, environment)
    assert len(refused.value.message) < 200


def test_a_server_with_a_misspelt_setting_does_not_start() -> None:
    command = [sys.executable, "-m", "streamlit", "run", "app/main.py", "--server.port", "0"]
    ended = subprocess.run(
        [*command, "--server.headless", "true", "--", "--clasroom"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        stdin=subprocess.DEVNULL,
    )
    assert ended.returncode != 0
    assert "“--clasroom” cannot be read" in ended.stderr + ended.stdout


def test_the_argument_counts_wherever_the_copy_of_the_app_lies_that_is_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the container `app/main.py` is run, and its modules come from where they are installed."""
    uncached = settings.__wrapped__
    monkeypatch.setattr(sys, "argv", [str(tmp_path / "app" / "main.py"), "--classroom"])
    assert uncached() == CLASSROOM
    monkeypatch.setattr(sys, "argv", ["/usr/bin/pytest", "--classroom"])
    assert uncached() == Settings()


# -- quotas ----------------------------------------------------------------------------------------


def test_a_session_may_run_so_often_in_a_minute_and_is_told_when_again() -> None:
    known, quota = Settings(runs_per_minute=2), Quota()
    quota.begun = [100.0, 130.0]
    assert "Run it again in 20 s" in quota.refusal(known, 140.0)
    assert quota.refusal(known, 161.0) == ""
    assert quota.begun == [130.0]


def test_a_run_that_has_not_ended_keeps_the_next_one_out() -> None:
    known, job = Settings(runs_at_once=1), Idle("x")
    quota = Quota(running=[job])
    assert "has not ended yet" in quota.refusal(known, 0.0)
    job.refuse("over")
    assert quota.refusal(known, 0.0) == ""
    assert quota.running == []


def test_where_the_editor_is_off_nothing_of_ones_own_runs() -> None:
    assert "not run on this server" in allowed_to_run(Quota(), Settings(editor="off"))
    assert allowed_to_run(Quota(), Settings(editor="on")) == ""


@pytest.mark.parametrize(("found", "runs"), [(APART, True), (Isolation(limits=True), False)])
def test_sandboxed_code_runs_only_where_the_sandbox_is_complete(
    found: Isolation, runs: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(classroom, "isolation", lambda: found)
    refusal = allowed_to_run(Quota(), Settings(editor="sandboxed"))
    assert (refusal == "") is runs


def test_a_refused_job_has_ended_with_the_reason_and_never_ran(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(classroom, "settings", lambda: Settings(runs_per_minute=1))
    monkeypatch.setattr(classroom.st, "session_state", {})
    first, second = classroom.started(Idle("a")), classroom.started(Idle("b"))
    assert first.wait(10)
    assert first.result == ""
    assert second.ended
    assert second.result is None
    assert "others want a turn" in second.reason


# -- at the server's start -------------------------------------------------------------------------


def test_a_classroom_has_no_library_unless_its_teacher_names_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said: dict[str, object] = {}
    monkeypatch.setattr(classroom.config, "set_option", said.__setitem__)
    monkeypatch.setattr(classroom, "settings", lambda: Settings(classroom=True, upload_mb=7))
    monkeypatch.setenv("INSPECTOR_LIBRARY", "/srv/shown")
    classroom.keep_settings()
    assert os.environ["INSPECTOR_LIBRARY"] == "/srv/shown"
    monkeypatch.delenv("INSPECTOR_LIBRARY")
    classroom.keep_settings()
    assert os.environ["INSPECTOR_LIBRARY"] == "off"
    assert said == {"server.maxUploadSize": 7, "client.showErrorDetails": "none"}


# -- signing in ------------------------------------------------------------------------------------

PAGE = (
    "import streamlit as st\n"
    "from inspector_app.classroom import signed_in_or_stop\n"
    "signed_in_or_stop()\n"
    "st.markdown('the page itself')"
)


def opened(user: dict[str, object]) -> AppTest:
    app = AppTest.from_string(PAGE, default_timeout=30)
    app.user = user
    app.secrets["auth"] = {"client_id": "x"}
    app.run()
    assert not app.exception
    return app


def said(app: AppTest) -> str:
    return " ".join(str(one.value) for one in (*app.markdown, *app.caption))


def test_without_sign_in_the_page_is_open() -> None:
    assert "the page itself" in said(opened({}))


def test_who_has_not_signed_in_sees_only_how_to() -> None:
    app = opened({"is_logged_in": False})
    assert "the page itself" not in said(app)
    assert [button.label for button in app.button] == ["Sign in"]


def test_who_has_signed_in_sees_the_page_and_can_sign_out() -> None:
    app = opened({"is_logged_in": True, "name": "A *student*"})
    assert "the page itself" in said(app)
    assert "A \\*student\\*" in said(app)
    (out,) = app.button
    out.click().run()
    assert not app.exception
    assert "the page itself" not in said(app)


def test_the_button_asks_streamlit_to_sign_in(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    monkeypatch.setattr("streamlit.login", asked.append)
    app = opened({"is_logged_in": False})
    app.button[0].click().run()
    assert not app.exception
    assert asked == [None]


@pytest.mark.parametrize(
    ("auth", "expected"),
    [
        ({}, [None]),
        ({"client_id": "x", "client_kwargs": {"prompt": "login"}}, [None]),
        ({"cookie_secret": "x", "uni": {"client_id": "x"}}, ["uni"]),
        ({"client_id": "x", "uni": {"client_id": "x"}}, [None, "uni"]),
    ],
)
def test_each_configured_service_has_a_button(
    auth: dict[str, object], expected: list[str | None]
) -> None:
    assert providers(auth) == expected
