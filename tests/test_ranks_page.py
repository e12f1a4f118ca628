"""The page of recordings with the ranks of one run: named, kept, uploaded, and hostile ones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from apptests import buttons, opened_page, texts
from click.testing import CliRunner
from streamlit.testing.v1 import AppTest
from test_hostile_recordings import EVIL, MARKUP
from test_lanes import CAST, REDUCE, rank

from inspector import cli
from inspector.library import Library
from inspector.records import Failure, Recording
from inspector.render.thumbnail import thumbnail

PAGE = "from inspector_app.screens import open_recording\nopen_recording.page()"


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Library:
    """The one that the page shows."""
    monkeypatch.setenv("INSPECTOR_LIBRARY", str(tmp_path / "kept"))
    return Library(picture=thumbnail)


def saved(folder: Path, *recordings: Recording) -> list[Path]:
    """One file per rank."""
    files = []
    for recording in recordings:
        files.append(folder / f"run.rank{recording.meta['rank']}.inspect")
        recording.save(files[-1])
    return files


def page(wait: str, **query: str) -> AppTest:
    return opened_page(PAGE, wait, query)


def named(monkeypatch: pytest.MonkeyPatch, files: list[Path]) -> None:
    """As `python -m inspector view` hands them on."""
    monkeypatch.setenv("INSPECTOR_FILES", ":".join(map(str, files)))
    monkeypatch.setenv("INSPECTOR_RANKS", "1")


def test_named_ranks_are_shown_side_by_side_and_one_by_one(tmp_path, library, monkeypatch) -> None:
    named(monkeypatch, saved(tmp_path, rank(0, REDUCE), rank(1, REDUCE)))
    app = page("2 of 2 ranks")
    assert "1 message between 2 of 2 ranks. They fit together on all ranks." in texts(app)
    assert app.query_params["ranks"] in ("1", ["1"])
    app.sidebar.toggle[0].set_value(False).run()
    assert not app.exception
    assert "2 of 2 ranks" not in texts(app)
    assert "run.rank0.inspect" in texts(app)


def test_a_mismatch_is_told_with_what_to_do(tmp_path, library, monkeypatch) -> None:
    named(monkeypatch, saved(tmp_path, rank(0, REDUCE), rank(1, CAST)))
    (error,) = page("The ranks part").error
    told = error.value.replace("\\", "")
    assert "rank 0: all_reduce (train.py:1), rank 1: broadcast (train.py:1)" in told
    assert "same order" in error.value


def test_an_address_opens_the_graph_of_a_rank(tmp_path, library, monkeypatch) -> None:
    named(monkeypatch, saved(tmp_path, rank(0, REDUCE), rank(1, REDUCE)))
    for asked, shown in (("1", "1"), ("7", "0"), ("x", "0")):
        app = page("2 of 2 ranks", ranks="1", rank=asked)
        assert app.query_params["rank"] in (shown, [shown])


def test_ranks_are_kept_together_and_found_by_their_names(tmp_path, library, monkeypatch) -> None:
    files = saved(tmp_path, rank(0, REDUCE), rank(1, REDUCE))
    named(monkeypatch, files)
    app = page("2 of 2 ranks")
    buttons(app, "Keep these recordings")[0].click().run()
    assert not app.exception
    assert [entry.name for entry in sorted(library.entries(), key=lambda one: one.name)] == [
        "run.rank0",
        "run.rank1",
    ]
    monkeypatch.delenv("INSPECTOR_FILES")
    monkeypatch.delenv("INSPECTOR_RANKS")
    kept = library.entries()[0].id
    assert "2 of 2 ranks" in texts(page("2 of 2 ranks", kept=kept, ranks="1"))
    app = page("badge", kept=kept)
    assert "2 of 2 ranks" not in texts(app)
    assert app.sidebar.toggle[0].label == "Ranks side by side"


def test_files_that_are_no_ranks_of_one_run_are_told_apart(tmp_path, library, monkeypatch) -> None:
    files = saved(tmp_path, rank(0, REDUCE), rank(1, REDUCE, size=3))
    named(monkeypatch, files)
    assert "one had 2 ranks, another 3" in texts(page("different runs"))


def test_what_a_stranger_wrote_into_a_file_is_text(tmp_path, library, monkeypatch) -> None:
    evil = rank(0, (EVIL, EVIL), REDUCE)
    failed = rank(1, (EVIL, EVIL), failure=Failure(EVIL, EVIL, None, None))
    other = replace(
        failed, collectives=tuple(replace(one, group="0") for one in failed.collectives)
    )
    named(monkeypatch, saved(tmp_path, evil, other))
    (error,) = [one for one in page("Not all ranks").error if "Not all ranks" in one.value]
    assert EVIL in error.value.replace("\\", "")
    assert MARKUP.search(error.value) is None


def test_the_command_line_says_the_rank_and_knows_ranks_of_one_run(tmp_path: Path) -> None:
    both = rank(0, REDUCE), rank(1, REDUCE)
    files = saved(tmp_path, *both)
    told = CliRunner().invoke(cli.main, ["info", str(files[1])]).output
    assert "rank 1 of 2" in told
    assert "1 messages between ranks" in told
    assert cli._are_ranks(list(both))
    assert not cli._are_ranks([both[0], Recording((), {})])
    assert not cli._are_ranks([])
