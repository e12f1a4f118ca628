"""The ranks of a run in one HTML file: what each has in it, how much, and from the command line."""

from __future__ import annotations

import base64
import gzip
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from test_lanes import CAST, REDUCE, rank

import inspector
from inspector.cli import main
from inspector.errors import RenderError
from inspector.ranks import without_rank
from inspector.records import Recording
from inspector.render import ranks_page
from inspector.render.page import export_html

HOSTILE = "</script><script>window.broken = 1</script>\u2028<!--"


def exported(folder: Path, *recordings: Recording, language: str = "en") -> str:
    path = folder / "ranks.html"
    export_html(inspector.lanes(recordings), path, language=language)
    return path.read_text("utf-8")


def pieces(text: str) -> dict[str, Any]:
    """What was packed into a page, unpacked by the standard library."""
    found = re.findall(r'data-piece="([\w/-]+)">([^<]*)<', text)
    return {
        name: json.loads(gzip.decompress(base64.b64decode(data)))
        for name, data in found
        if name not in ("script", "style")
    }


def test_each_rank_has_its_picture_and_all_stand_in_the_rows(tmp_path: Path) -> None:
    found = pieces(exported(tmp_path, rank(1, REDUCE, CAST), rank(0, REDUCE, CAST, between=5)))
    rows = found["lanes"]["rows"]
    assert [lane["name"] for lane in rows["lanes"]] == ["rank 0", "rank 1"]
    texts = [[cell and cell["text"] for cell in column["cells"]] for column in rows["columns"]]
    assert texts[:2] == [["all_reduce", "all_reduce"], ["broadcast", "broadcast"]]
    assert found["lanes"]["ranks"] == [0, 1]
    assert found["lanes"]["mismatches"] == []
    for lane, ops in enumerate((12, 6)):  # `between` ops before each of two messages, and these
        items = found[f"{lane}/first"]["dynamic"]["items"]
        assert {f"op:{op}" for op in range(ops)} <= set(items)
        assert f"op:{ops}" not in items


def test_ranks_that_part_are_told_in_the_pages_language(tmp_path: Path) -> None:
    text = exported(tmp_path, rank(0, REDUCE), rank(1, CAST), language="zh_CN")
    [[message, help]] = pieces(text)["lanes"]["mismatches"]
    assert 'lang="zh-CN"' in text
    assert re.search("[一-鿿]", message)
    assert re.search("[一-鿿]", help)


def test_nothing_of_a_rank_is_markup(tmp_path: Path) -> None:
    runs = [rank(0, (HOSTILE, HOSTILE)), rank(1, (HOSTILE, HOSTILE))]
    runs = [replace(run, meta={**run.meta, "model": HOSTILE}) for run in runs]
    text = exported(tmp_path, *runs)
    assert "window.broken = 1</script>" not in text
    assert pieces(text)["lanes"]["rows"]["columns"][0]["cells"][0]["text"] == HOSTILE


def test_of_very_many_messages_those_around_the_first_that_does_not_fit_are_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranks_page, "MOST_COLUMNS", 10)
    sent = [REDUCE] * 40
    other = [*sent[:30], ("all_reduce", "float32[5]"), *sent[31:]]
    text = exported(tmp_path, rank(0, *sent), rank(1, *other))
    columns = pieces(text)["lanes"]["rows"]["columns"]
    assert [column["wrong"] for column in columns] == [False] * 5 + [True] + [False] * 4
    assert "Of 41 columns with messages 10 are drawn" in text  # the last one is what ran after them


def test_the_room_of_a_page_is_shared_between_the_ranks(tmp_path: Path) -> None:
    runs = [rank(number, *[REDUCE] * 100, size=8) for number in range(8)]
    assert len(exported(tmp_path, *runs)) < 2_000_000


def test_more_ranks_than_a_page_shows_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranks_page, "MOST_RANKS", 2)
    with pytest.raises(RenderError, match="at most 2 ranks; these are 3"):
        exported(tmp_path, *(rank(number, REDUCE, size=3) for number in range(3)))
    assert list(tmp_path.iterdir()) == []


# -- the command line ------------------------------------------------------------------------------


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.chdir(tmp_path)
    for number in range(2):
        rank(number, REDUCE).save(f"run.rank{number}.inspect")
    return ["run.rank0.inspect", "run.rank1.inspect"]


def test_files_of_ranks_are_exported_as_one_page(files: list[str]) -> None:
    done = CliRunner().invoke(main, ["export", *files, "--format", "html"])
    assert done.exit_code == 0, done.output
    assert "lanes" in pieces(Path("run.html").read_text("utf-8"))


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--format", "svg"], "add --format html"),
        (["--format", "html", "--against", "run.rank0.inspect"], "without --against"),
        (["run.rank0.inspect", "--format", "html"], "Two of the recordings are of rank 0"),
    ],
)
def test_what_no_page_of_ranks_shows_is_a_message(
    files: list[str], more: list[str], said: str
) -> None:
    done = CliRunner().invoke(main, ["export", *files, *more])
    assert done.exit_code == 2
    assert said in " ".join(done.output.split())
    assert not Path("run.html").exists()


def test_a_name_is_found_without_its_rank() -> None:
    assert without_rank("runs/run.rank1.inspect") == str(Path("runs/run.inspect"))
    assert without_rank("rank1.inspect") == "rank1.inspect"
