"""Folders of lessons: which are there, in which language, and what a broken one leaves of them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from inspector_app.teaching.folder import BUILT_IN, folders, lessons_in, read_files


def write(folder: Path, name: str, title: str = "T", order: int = 1, body: str = "Text\n") -> Path:
    file = folder / name
    file.write_text(f"---\ntitle: {title}\norder: {order}\n---\n{body}", encoding="utf-8")
    return file


def test_lessons_stand_in_the_order_that_they_ask_for_then_by_name(tmp_path: Path) -> None:
    for name, order in (("c.md", 1), ("b.md", 2), ("a.md", 2)):
        write(tmp_path, name, order=order)
    shelf = lessons_in([tmp_path])
    assert [entry.name for entry in shelf.entries] == ["c", "a", "b"]
    assert shelf.problems == ()


def test_a_lesson_is_told_in_the_language_asked_for_or_in_the_one_there_is(tmp_path: Path) -> None:
    write(tmp_path, "both.md", "Both")
    write(tmp_path, "both.zh_CN.md", "都有")
    write(tmp_path, "english.md", "English")
    write(tmp_path, "chinese.zh_CN.md", "中文")
    shelf = lessons_in([tmp_path])
    told = {
        entry.name: [entry.told_in(code).title for code in ("en", "zh_CN", "fr")]
        for entry in shelf.entries
    }
    assert told == {
        "both": ["Both", "都有", "Both"],
        "english": ["English", "English", "English"],
        "chinese": ["中文", "中文", "中文"],
    }
    both = shelf.find("both")
    assert both is not None
    assert both.told_in("zh_CN").language == "zh_CN"
    assert shelf.find("other") is None


def test_a_broken_lesson_is_told_and_the_others_are_there(tmp_path: Path) -> None:
    write(tmp_path, "good.md")
    broken = write(tmp_path, "broken.md", body="```show\nselct: x\n```\n")
    write(tmp_path, "broken.zh_CN.md")
    shelf = lessons_in([tmp_path])
    assert [entry.name for entry in shelf.entries] == ["good"]
    assert {(problem.file, problem.line) for problem in shelf.problems} >= {(str(broken), 6)}
    assert not any("zh_CN" in problem.file for problem in shelf.problems)


def test_a_broken_translation_leaves_the_original(tmp_path: Path) -> None:
    write(tmp_path, "a.md", "Original", body="## One\n")
    broken = write(tmp_path, "a.zh_CN.md", "译文", body="没有步骤\n")
    shelf = lessons_in([tmp_path])
    (entry,) = shelf.entries
    assert entry.told_in("zh_CN").title == "Original"
    assert {problem.file for problem in shelf.problems} == {str(broken)}


def test_a_translation_alone_needs_no_original(tmp_path: Path) -> None:
    write(tmp_path, "a.zh_CN.md", "只有中文", body="```python c\n1\n```\n")
    (entry,) = lessons_in([tmp_path]).entries
    assert entry.told_in("en").language == "zh_CN"


def test_a_teachers_lesson_takes_the_place_of_a_built_in_one(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    write(first, "a.md", "Built in")
    write(first, "a.zh_CN.md", "内置")
    write(first, "b.md", "Other")
    write(second, "a.md", "Own", order=5)
    shelf = lessons_in([first, second])
    assert [entry.told_in("zh_CN").title for entry in shelf.entries] == ["Other", "Own"]


def test_a_broken_lesson_of_a_teacher_leaves_the_built_in_one(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    write(first, "a.md", "Built in")
    (second / "a.md").write_text("no front matter")
    shelf = lessons_in([first, second])
    assert [entry.told_in("en").title for entry in shelf.entries] == ["Built in"]
    assert [problem.line for problem in shelf.problems] == [1]


def test_other_files_in_the_folder_are_no_lessons(tmp_path: Path) -> None:
    write(tmp_path, "a.md")
    for name in ("README.md", ".hidden.md", "_draft.md", "notes.txt"):
        (tmp_path / name).write_text("anything")
    (tmp_path / "folder.md").mkdir()
    shelf = lessons_in([tmp_path])
    assert [entry.name for entry in shelf.entries] == ["a"]
    assert shelf.problems == ()


def test_a_file_whose_name_is_no_lessons_is_told(tmp_path: Path) -> None:
    write(tmp_path, "a.fr.md")
    (problem,) = lessons_in([tmp_path]).problems
    assert problem.line == 0
    assert "NAME.md or NAME.LANGUAGE.md" in problem.message


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    shelf = lessons_in([tmp_path / "none"])
    assert [str(problem) for problem in shelf.problems] == [
        f"{tmp_path / 'none'}: There is no such folder of lessons."
    ]


def test_a_link_that_leads_nowhere_is_no_lesson(tmp_path: Path) -> None:
    (tmp_path / "a.md").symlink_to(tmp_path / "none")
    assert lessons_in([tmp_path]) == lessons_in([tmp_path])
    assert lessons_in([tmp_path]).problems == ()


def test_a_changed_file_is_read_again_and_an_unchanged_one_is_not(tmp_path: Path) -> None:
    file = write(tmp_path, "a.md", "Old")
    before = lessons_in([tmp_path])
    assert lessons_in([tmp_path]) is before
    write(tmp_path, "a.md", "New")
    os.utime(file, ns=(1, 1))  # also one that is older than before
    (entry,) = lessons_in([tmp_path]).entries
    assert entry.told_in("en").title == "New"
    file.unlink()
    assert lessons_in([tmp_path]).entries == ()


def test_the_environment_names_one_more_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("INSPECTOR_LESSONS", raising=False)
    assert folders() == (BUILT_IN,)
    monkeypatch.setenv("INSPECTOR_LESSONS", str(tmp_path))
    assert folders() == (BUILT_IN, tmp_path)
    write(tmp_path, "mine.md", order=-1)
    assert lessons_in().entries[0].name == "mine"


def test_single_files_are_read_with_the_original_beside_them(tmp_path: Path) -> None:
    write(tmp_path, "a.md", body="```python c\n1\n```\n")
    chinese = write(tmp_path, "a.zh_CN.md", body="```python c\n```\n")
    shelf = read_files([chinese])
    assert shelf.problems == ()
    assert shelf.entries[0].told_in("zh_CN").codes[0].source == "1\n"


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    (problem,) = read_files([tmp_path / "a.md"]).problems
    assert problem.message.startswith("The file cannot be read")


def test_a_lesson_is_read_again_when_a_picture_of_it_comes(tmp_path: Path) -> None:
    write(tmp_path, "a.md", body="![i](p.png)\n")
    (problem,) = lessons_in([tmp_path]).problems
    assert "There is no picture `p.png` beside the lesson." in str(problem)
    (tmp_path / "p.png").write_bytes(b"PNG")
    shelf = lessons_in([tmp_path])
    assert shelf.problems == ()
    assert [entry.name for entry in shelf.entries] == ["a"]
