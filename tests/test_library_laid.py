"""Recordings laid into the library's folder by hand are taken in, and none is lost."""

from __future__ import annotations

import multiprocessing
import os
import shutil
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from torch import nn

import inspector
from inspector.cli import main
from inspector.library import Library
from inspector.library import laid as laid_module
from inspector.library.files import Files


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording of one op."""
    path = tmp_path_factory.mktemp("recorded") / "run.inspect"
    inspector.record(nn.Linear(2, 3), torch.ones(1, 2)).save(path)
    return path


@pytest.fixture
def library(tmp_path: Path, file: Path) -> Library:
    """One in which something is kept."""
    library = Library(tmp_path / "kept", picture=lambda recording: "<svg></svg>")
    library.add(file, "kept before")
    return library


def test_a_file_laid_into_the_folder_becomes_an_entry_of_its_name(
    library: Library, file: Path
) -> None:
    shutil.copy(file, library.folder / "before the fix.inspect")
    entry = next(one for one in library.entries() if one.name == "before the fix")
    assert entry.model == "Linear"
    assert library.path(entry.id).read_bytes() == file.read_bytes()
    assert library.picture(entry.id) == "<svg></svg>"
    assert not (library.folder / "before the fix.inspect").exists()
    assert (len(library.entries()), library.problems()) == (2, ())


def test_a_file_that_is_being_copied_waits_until_it_is_whole(library: Library, file: Path) -> None:
    growing, data = library.folder / "growing.inspect", file.read_bytes()
    with growing.open("wb") as half:
        half.write(data[: len(data) // 2])
        half.flush()
        assert len(library.entries()) == 1
        [problem] = library.problems()
        assert "growing.inspect" in problem
        assert "is taken in when it can be" in problem
        half.write(data[len(data) // 2 :])
    assert {entry.name for entry in library.entries()} == {"kept before", "growing"}
    assert library.problems() == ()


def test_a_file_that_is_no_recording_stays_and_is_read_once(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    (library.folder / "notes.inspect").write_bytes(b"my notes")
    reads: list[Path] = []
    load = laid_module.load
    monkeypatch.setattr(laid_module, "load", lambda path: (reads.append(path), load(path))[1])
    assert [len(library.problems()), len(library.problems())] == [1, 1]
    assert (library.folder / "notes.inspect").read_bytes() == b"my notes"
    assert len(reads) == 1


def test_hidden_files_links_and_folders_are_not_taken(library: Library, file: Path) -> None:
    shutil.copy(file, library.folder / ".copying.inspect")
    (library.folder / "link.inspect").symlink_to(file)
    (library.folder / "folder.inspect").mkdir()
    assert len(library.entries()) == 1
    [problem] = library.problems()
    assert "link.inspect was refused: it is a link" in problem
    assert (library.folder / ".copying.inspect").exists()


def test_a_folder_with_recordings_that_is_no_entrys_is_told_of(
    library: Library, file: Path
) -> None:
    [entry] = library.entries()
    conflict = library.folder / f"{entry.id} (conflicted copy)"
    shutil.copytree(library.folder / entry.id, conflict)
    assert library.entries() == (entry,)
    assert [str(conflict) in problem for problem in library.problems()] == [True]


def test_files_of_a_folder_in_which_nothing_was_kept_are_moved_only_when_asked(
    tmp_path: Path, file: Path
) -> None:
    mine = tmp_path / "runs"
    mine.mkdir()
    shutil.copy(file, mine / "run.inspect")
    library = Library(mine)
    assert library.entries() == ()
    assert ["library rebuild" in problem for problem in library.problems()] == [True]
    assert (mine / "run.inspect").exists()
    result = CliRunner().invoke(main, ["library", "--folder", str(mine), "rebuild"])
    assert (result.exit_code, "1 recording" in result.stderr) == (0, True)
    assert [entry.name for entry in library.entries()] == ["run"]


def test_a_process_that_dies_before_it_takes_the_file_away_makes_no_second_entry(
    library: Library, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = library.folder / "mine.inspect"
    shutil.copy(file, path)

    def dies(self: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", dies)
        with pytest.raises(KeyboardInterrupt):
            library.entries()
    assert path.exists()
    assert sorted(entry.name for entry in library.entries()) == ["kept before", "mine"]
    assert not path.exists()


def test_a_file_system_without_links_gets_a_copy(
    library: Library, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    shutil.copy(file, library.folder / "mine.inspect")
    entry = next(one for one in library.entries() if one.name == "mine")
    assert library.path(entry.id).read_bytes() == file.read_bytes()


def test_a_folder_that_cannot_be_written_keeps_what_lies_there(
    library: Library, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise PermissionError(13, "Permission denied")

    path = library.folder / "mine.inspect"
    shutil.copy(file, path)
    with monkeypatch.context() as patched:
        patched.setattr(Path, "mkdir", refuse)
        assert ["Permission denied" in problem for problem in library.problems()] == [True]
    assert path.read_bytes() == file.read_bytes()
    assert library.problems() == ()  # it can be written again


def _look(folder: Path, ready: object) -> None:
    ready.wait()  # type: ignore[attr-defined]
    Library(folder).entries()


def test_of_two_processes_that_find_a_file_one_takes_it(library: Library, file: Path) -> None:
    laid = {f"run {number}" for number in range(8)}
    for name in laid:
        shutil.copy(file, library.folder / f"{name}.inspect")
    context = multiprocessing.get_context("spawn")
    ready = context.Barrier(2)
    both = [context.Process(target=_look, args=(library.folder, ready)) for _ in range(2)]
    for process in both:
        process.start()
    for process in both:
        process.join()
    assert [process.exitcode for process in both] == [0, 0]
    names = [entry.name for entry in library.entries()]
    assert sorted(names) == sorted([*laid, "kept before"])
    assert list(library.folder.glob(".*.part")) == []
    assert len(list(Files(library.folder).homes())) == 9
