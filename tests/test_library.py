"""The library of recordings: files are the truth, and nothing is lost whatever ends in between."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from torch import nn

import inspector
from inspector.cli import main
from inspector.errors import FileFormatError, InspectorError, LibraryError
from inspector.languages import language
from inspector.library import Library
from inspector.library import taking as taking_module
from inspector.library.entries import of_json
from inspector.library.places import default_folder, locked

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording of two ops: linear, and the sum that is the loss."""
    path = tmp_path_factory.mktemp("recorded") / "run.inspect"
    inspector.record(nn.Linear(2, 3), torch.ones(1, 2), loss="sum").save(path)
    return path


@pytest.fixture
def library(tmp_path: Path) -> Library:
    return Library(tmp_path / "kept")


def names(library: Library, search: str = "", tag: str = "") -> set[str]:
    return {entry.name for entry in library.entries(search, tag)}


def test_a_kept_recording_is_the_file_as_it_was_given(library: Library, file: Path) -> None:
    entry = library.add(file, "first", ["a", "b", "A"], "two\nlines")
    assert library.entries() == (entry,)
    assert (entry.name, entry.tags, entry.note) == ("first", ("a", "b"), "two\nlines")
    assert (entry.model, entry.ops, entry.failure) == ("Linear", 2, "")
    assert library.path(entry.id).read_bytes() == file.read_bytes()
    assert entry.digest == hashlib.sha256(file.read_bytes()).hexdigest()
    assert entry.size == file.stat().st_size


def test_bytes_and_recordings_are_kept_too(library: Library, file: Path) -> None:
    of_bytes = library.add(file.read_bytes())
    of_recording = library.add(inspector.load(file))
    assert {of_bytes.name, of_recording.name} == {"Linear"}
    for entry in library.entries():
        assert len(inspector.load(library.path(entry.id)).ops) == 2


def test_asking_an_empty_library_makes_no_folder(library: Library) -> None:
    assert (library.entries(), library.trash(), library.problems()) == ((), (), ())
    assert library.rebuild() == library.empty_trash() == 0
    assert not library.folder.exists()


def test_search_finds_words_in_names_tags_notes_models_and_ops(
    library: Library, file: Path
) -> None:
    library.add(file, "Erste Straße", ["Vorher"], "the loss is NaN")
    library.add(file, "second", ["later"])
    assert names(library, "strasse") == names(library, "nan LOSS") == {"Erste Straße"}
    assert names(library, tag="vorher") == {"Erste Straße"}
    assert names(library, tag="vor") == set()
    assert names(library, "linear") == {"Erste Straße", "second"}  # a model and an op
    assert names(library, "linear later") == {"second"}
    assert names(library, "%") == names(library, "' OR 1 --") == set()


def test_the_pinned_come_first_then_the_newest(library: Library, file: Path) -> None:
    entries = [library.add(file, name) for name in "abc"]
    library.pin(entries[0].id)
    assert [entry.name for entry in library.entries()] == ["a", "c", "b"]
    library.pin(entries[0].id, False)
    assert [entry.name for entry in library.entries()] == ["c", "b", "a"]


def test_each_change_is_seen_by_another_library_of_the_folder(library: Library, file: Path) -> None:
    id = library.add(file, "a", ["x"]).id
    other = Library(library.folder)
    assert library.rename(id, " b \x1b[31m\n c ").name == "b [31m c"
    assert library.tag(id, "y", "X").tags == ("x", "y")
    assert library.untag(id, "X", "z").tags == ("y",)
    assert library.note(id, "n").note == "n"
    assert other.entries() == (library.entry(id),)
    assert other.entry(id).tags == ("y",)


def test_a_removed_recording_comes_back_as_it_was(library: Library, file: Path) -> None:
    entry = library.add(file, "a", ["x"], "n")
    assert library.remove(entry.id) == entry
    assert library.entries() == ()
    assert library.trash() == (entry,)
    with pytest.raises(LibraryError, match="no recording"):
        library.path(entry.id)
    assert library.restore(entry.id) == entry
    assert library.entries() == (entry,)
    assert library.path(entry.id).read_bytes() == file.read_bytes()


def test_only_emptying_the_trash_deletes(library: Library, file: Path) -> None:
    kept, removed = library.add(file, "kept"), library.add(file, "removed")
    library.remove(removed.id)
    library.rebuild()
    assert [entry.name for entry in library.trash()] == ["removed"]
    assert library.empty_trash() == 1
    assert library.trash() == ()
    assert library.entries() == (kept,)
    with pytest.raises(LibraryError, match="trash"):
        library.restore(removed.id)


@pytest.mark.parametrize("id", ["", "..", "../../etc", "0" * 12, "a/b", "A" * 12, "trash"])
def test_no_id_leads_out_of_the_folder(library: Library, file: Path, id: str) -> None:
    library.add(file)
    for method in (library.entry, library.path, library.picture, library.remove, library.restore):
        with pytest.raises(LibraryError, match="no recording"):
            method(id)


def test_names_of_people_are_in_no_path(library: Library, file: Path) -> None:
    library.add(file, "../../evil", ["../evil"], "/evil")
    assert not [path for path in library.folder.rglob("*") if "evil" in path.name]
    assert sorted(path.name for path in library.folder.parent.iterdir()) == ["kept"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda library, id: library.rename(id, " \n "), "1 to 200"),
        (lambda library, id: library.rename(id, "a" * 201), "201"),
        (lambda library, id: library.tag(id, "a" * 41), "at most 40"),
        (lambda library, id: library.tag(id, *map(str, range(33))), "at most 32"),
        (lambda library, id: library.note(id, "a" * 10_001), "10,001"),
    ],
)
def test_a_text_that_is_too_long_changes_nothing(library, file, change, reason) -> None:
    entry = library.add(file, "a")
    with pytest.raises(LibraryError, match=reason):
        change(library, entry.id)
    assert library.entries() == (entry,)


def test_what_is_no_recording_is_refused_by_its_own_name(library: Library, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.inspect"
    wrong.write_bytes(b"no zip")
    pipe = tmp_path / "pipe.inspect"
    os.mkfifo(pipe)
    with pytest.raises(FileFormatError, match=r"wrong\.inspect is not a readable"):
        library.add(wrong)
    with pytest.raises(FileFormatError, match="sent is not a readable"):
        library.add(b"no zip", "sent")
    with pytest.raises(LibraryError, match="plain file"):
        library.add(pipe)
    with pytest.raises(LibraryError, match="No such file"):
        library.add(tmp_path / "missing.inspect")
    assert list(library.folder.iterdir()) == []


def test_a_file_that_is_too_large_is_refused(library, file, monkeypatch) -> None:
    monkeypatch.setattr(taking_module, "MAX_BYTES", 100)
    for source in (file, file.read_bytes()):
        with pytest.raises(LibraryError, match="larger than the 100 bytes"):
            library.add(source)
    assert list(library.folder.iterdir()) == []


@pytest.mark.parametrize("at", ["recording.inspect", "about.json", "picture.svg"])
def test_a_full_disk_loses_nothing_that_was_there(library, file, monkeypatch, at) -> None:
    before = library.add(file, "before")
    library = Library(library.folder, picture=lambda recording: "<svg/>")
    real = os.fsync

    def fsync(handle: int) -> None:
        """Where data reach the disk a full one says so at the latest."""
        folder = Path(os.readlink(f"/proc/self/fd/{handle}")).parent
        written = {"about.json": 3, "picture.svg": 2, "recording.inspect": 1}[at]
        if folder.suffix == ".part":
            seen.append(handle)
            if len(seen) == written:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(handle)

    seen: list[int] = []
    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(LibraryError, match="No space left"):
        library.add(file, "after")
    monkeypatch.undo()
    assert library.entries() == (before,)
    assert not list(library.folder.glob(".*.part"))


def test_a_full_disk_leaves_a_text_as_it_was(library, file, monkeypatch) -> None:
    entry = library.add(file, "before")

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(LibraryError, match="No space left"):
        library.rename(entry.id, "after")
    monkeypatch.undo()
    assert library.entries() == (entry,)
    assert not list((library.folder / entry.id).glob(".*.part"))


def test_an_index_that_cannot_be_written_is_missed_by_nobody(library, file, monkeypatch) -> None:
    library.add(file, "a")
    (library.folder / "index.sqlite").unlink()
    real = sqlite3.connect

    def full(place: str, **options: object) -> sqlite3.Connection:
        if place != ":memory:":
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorcode = sqlite3.SQLITE_FULL
            raise error
        return real(place, **options)

    monkeypatch.setattr(sqlite3, "connect", full)
    library.add(file, "b")
    assert names(library) == {"a", "b"}
    monkeypatch.undo()
    assert names(library) == {"a", "b"}


def overwritten(path: Path) -> None:
    path.write_bytes(b"\0" * 50 + os.urandom(8000))


def torn(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def of_a_later_version(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()


def a_link(path: Path) -> None:
    path.unlink()
    target = path.parent.parent / "elsewhere.sqlite"
    target.write_bytes(b"")
    path.symlink_to(target)


def with_wrong_rows(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("UPDATE kept SET about = '{}'")
    database.close()


@pytest.mark.parametrize(
    "damage", [Path.unlink, overwritten, torn, of_a_later_version, a_link, with_wrong_rows]
)
def test_a_damaged_index_is_made_again_from_the_files(library, file, damage) -> None:
    kept = [library.add(file, name, ["t"]) for name in "abc"]
    index = library.folder / "index.sqlite"
    with sqlite3.connect(index) as database:  # what stands in the log is put into the file
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    damage(index)
    assert set(library.entries()) == set(kept)
    assert names(library, "linear", "t") == {"a", "b", "c"}
    assert not index.is_symlink()
    with sqlite3.connect(index) as database:
        assert database.execute("SELECT count(*) FROM kept").fetchone() == (3,)
    database.close()


def test_a_link_in_the_place_of_the_index_is_not_written_to(library: Library, file: Path) -> None:
    library.add(file)
    a_link(library.folder / "index.sqlite")
    library.add(file)
    assert len(library.entries()) == 2
    assert (library.folder.parent / "elsewhere.sqlite").read_bytes() == b""


def test_an_index_older_than_the_files_follows_them(library: Library, file: Path) -> None:
    one, other, third = (library.add(file, name) for name in "abc")
    about = library.folder / one.id / "about.json"
    about.write_text(about.read_text().replace('"a"', '"by hand"'))
    shutil.rmtree(library.folder / other.id)
    (library.folder / third.id).rename(library.folder / "0123456789ab")
    assert {(entry.id, entry.name) for entry in library.entries()} == {
        (one.id, "by hand"),
        ("0123456789ab", "c"),
    }


def test_a_folder_that_is_not_ours_to_write_can_be_read(library, file, monkeypatch) -> None:
    library.add(file, "a")

    def denied(path: object, *rest: object, **options: object) -> int:
        if str(path).endswith("lock"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return real(path, *rest, **options)

    real = os.open
    monkeypatch.setattr(os, "open", denied)
    assert names(library) == {"a"}
    with pytest.raises(LibraryError, match="Permission denied"):
        library.add(file, "b")


def test_a_lock_that_is_never_given_back_is_waited_for_in_vain(library, file, tmp_path) -> None:
    library.add(file)
    with (
        locked(library.folder, exclusive=True),
        pytest.raises(TimeoutError),
        locked(library.folder, exclusive=False, seconds=0.05),
    ):
        pass
    with locked(library.folder, exclusive=False), locked(library.folder, exclusive=False):
        pass


FIELDS = {
    "format": "inspector-kept-recording",
    "version": 1,
    "name": "a",
    "tags": [],
    "note": "",
    "added": "2026-03-01T12:30:00.000000Z",
    "pinned": False,
    "model": "M",
    "ops": 1,
    "op_names": ["relu"],
    "failure": "",
    "size": 1,
    "digest": "0" * 64,
}


@pytest.mark.parametrize(
    "hostile",
    [
        "",
        "[]",
        "[" * 100_000,
        "9" * 10_000,
        json.dumps(FIELDS | {"format": "other"}),
        json.dumps(FIELDS | {"version": 2}),
        json.dumps(FIELDS | {"name": {"a": 1}}),
        json.dumps(FIELDS | {"name": ""}),
        json.dumps(FIELDS | {"name": "a" * 1000}),
        json.dumps(FIELDS | {"tags": "abc"}),
        json.dumps(FIELDS | {"tags": [1]}),
        json.dumps(FIELDS | {"ops": -1}),
        json.dumps(FIELDS | {"ops": 2**70}),
        json.dumps(FIELDS | {"ops": True}),
        json.dumps(FIELDS | {"added": "yesterday"}),
        json.dumps(FIELDS | {"digest": "../x"}),
        json.dumps({"format": "inspector-kept-recording", "version": 1}),
        " " * 600_000,
    ],
    ids=lambda text: text[:30],
)
def test_a_hostile_text_is_refused_and_the_others_are_listed(library, file, hostile) -> None:
    good, bad = library.add(file, "good"), library.add(file, "bad")
    about = library.folder / bad.id / "about.json"
    about.write_text(hostile)
    assert library.entries() == (good,)
    assert [bad.id in problem for problem in library.problems()] == [True]
    with pytest.raises(LibraryError, match=r"about\.json was refused"):
        library.rename(bad.id, "x")
    assert about.read_text() == hostile


@given(some.text() | some.recursive(some.none() | some.text(), some.lists).map(json.dumps))
@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=50)
def test_any_text_gives_an_entry_or_a_reason(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        of_json("0" * 12, text)


def test_the_fields_of_the_hostile_texts_are_fine_otherwise() -> None:
    assert of_json("0" * 12, json.dumps(FIELDS)).op_names == ("relu",)


def test_links_in_the_folder_are_not_followed(library, file, tmp_path) -> None:
    one, other = library.add(file, "one"), library.add(file, "other")
    secret = tmp_path / "secret"
    secret.mkdir()
    for path in (library.folder / one.id).iterdir():
        shutil.copy(path, secret)
    (library.folder / "0123456789ab").symlink_to(secret)
    home = library.folder / other.id
    for name in ("recording.inspect", "about.json"):
        (home / name).unlink()
        (home / name).symlink_to(secret / name)
    (home / "picture.svg").symlink_to(secret / "about.json")
    assert library.entries() == (one,)
    assert library.picture(other.id) == ""
    with pytest.raises(LibraryError, match="link"):
        library.path(other.id)
    (library.folder / "trash").symlink_to(secret)
    with pytest.raises(LibraryError, match="link"):
        library.remove(one.id)
    assert library.trash() == ()
    assert library.empty_trash() == 0
    assert len(list(secret.iterdir())) == 2
    library.rebuild()
    assert (secret / "about.json").read_bytes()  # not written through the link either
    assert library.entries() == (one,)


def test_a_lost_text_is_made_again_from_the_recording(library: Library, file: Path) -> None:
    lost, wrong, fine = (library.add(file, name, [name]) for name in ("lost", "wrong", "fine"))
    (library.folder / lost.id / "about.json").unlink()
    (library.folder / wrong.id / "about.json").write_text("{")
    assert library.rebuild() == 3
    assert {(entry.id, entry.name, entry.tags) for entry in library.entries()} == {
        (lost.id, "Linear", ()),
        (wrong.id, "Linear", ()),
        (fine.id, "fine", ("fine",)),
    }
    assert (library.folder / wrong.id / "about.refused").read_text() == "{"
    assert library.problems() == ()


def test_what_a_dead_process_left_over_is_not_listed_and_goes_in_the_end(library, file) -> None:
    kept = library.add(file, "a")
    half = library.folder / ".0123456789ab.part"
    half.mkdir()
    (half / "recording.inspect").write_bytes(file.read_bytes()[:50])
    part = library.folder / kept.id / ".0123456789abcdef.part"
    part.write_text("{")
    assert library.entries() == (kept,)
    library.rebuild()
    assert half.exists()  # somebody may be writing it just now
    long_ago = time.time() - 4000
    for path in (half / "recording.inspect", half, part):
        os.utime(path, (long_ago, long_ago))
    library.add(file, "b")
    assert not half.exists()
    library.rebuild()
    assert not part.exists()
    assert names(library) == {"a", "b"}


def test_a_picture_is_drawn_once_and_again_only_if_it_is_missing(library, file) -> None:
    drawn = []

    def picture(recording: inspector.Recording) -> str:
        drawn.append(len(recording.ops))
        return "<svg/>"

    without = library.add(file)
    library = Library(library.folder, picture)
    entry = library.add(file)
    assert (library.picture(entry.id), library.picture(without.id)) == ("<svg/>", "")
    library.rebuild()
    library.rebuild()
    assert (library.picture(without.id), drawn) == ("<svg/>", [2, 2])


def test_a_recording_that_cannot_be_drawn_is_kept_without_a_picture(library, file) -> None:
    def failing(recording: inspector.Recording) -> str:
        raise InspectorError("no")

    for picture in (failing, lambda recording: "", lambda recording: "x" * 2**20):
        library = Library(library.folder, picture)
        assert library.picture(library.add(file).id) == ""


def test_the_folder_is_the_one_of_the_environment_or_of_the_users_data(monkeypatch) -> None:
    monkeypatch.delenv("INSPECTOR_LIBRARY", raising=False)
    monkeypatch.setenv("HOME", "/home/ada")
    monkeypatch.setenv("XDG_DATA_HOME", "relative")
    under = Path("torch-graph-inspector/recordings")
    assert default_folder() == Path("/home/ada/.local/share") / under
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert default_folder() == Path("/data") / under
    monkeypatch.setenv("INSPECTOR_LIBRARY", "off")  # for the app; the command line has a library
    assert default_folder() == Path("/data") / under
    monkeypatch.setenv("INSPECTOR_LIBRARY", "~/mine")
    assert default_folder() == Path("/home/ada/mine")


WRITER = """
import sys
from inspector.library import Library
folder, file, who, count, shared = sys.argv[1:]
library = Library(folder)
data = open(file, "rb").read()
for number in range(int(count)):
    id = library.add(data, "new").id
    library.rename(id, f"{who}-{number}")
    library.tag(id, f"of {who}")
    if number < 16:
        library.tag(shared, f"{who}{number}")
    library.entries()
    print(number, flush=True)
"""


def writer(library: Library, file: Path, who: str, count: int, shared: str) -> subprocess.Popen:
    command = [sys.executable, "-c", WRITER, library.folder, file, who, str(count), shared]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def test_two_processes_that_write_at_once_lose_nothing(library: Library, file: Path) -> None:
    shared = library.add(file, "shared").id
    processes = [writer(library, file, who, 50, shared) for who in "xy"]
    assert [process.communicate() and process.wait() for process in processes] == [0, 0]
    expected = {f"{who}-{number}" for who in "xy" for number in range(50)} | {"shared"}
    assert names(library) == expected
    for who in "xy":
        assert len(library.entries(tag=f"of {who}")) == 50
    expected = {f"{who}{number}" for who in "xy" for number in range(16)}
    assert set(library.entry(shared).tags) == expected
    assert library.problems() == ()


def test_a_process_killed_in_the_middle_leaves_what_it_had_done(library, file) -> None:
    shared = library.add(file, "shared").id
    victim, other = (
        writer(library, file, "x", 10_000, shared),
        writer(library, file, "y", 15, shared),
    )
    assert victim.stdout is not None
    done = 0
    for line in victim.stdout:
        done = int(line) + 1
        if done == 12:
            os.kill(victim.pid, signal.SIGKILL)
            break
    rest = victim.communicate()[0].split()
    done += len(rest)
    assert victim.returncode == -signal.SIGKILL
    other.communicate()
    assert other.returncode == 0
    found = names(library)
    assert {f"x-{number}" for number in range(done)} <= found
    assert {f"y-{number}" for number in range(15)} <= found
    assert len(found - {"new"}) <= done + 15 + 2  # and at most the one that it was at
    assert library.problems() == ()
    assert library.add(file, "after").name in names(library)


def command(library: Library, *words: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(main, ["library", "--folder", str(library.folder), *words])
    return result.exit_code, result.stdout, result.stderr


def test_the_command_line_keeps_finds_and_removes(library: Library, file: Path) -> None:
    code, out, _ = command(library, "add", str(file), "--name", "mine", "--tag", "t", "--note", "n")
    id = out.strip()
    assert code == 0
    assert library.picture(id).startswith("<svg")
    for words in (
        ["rename", id[:6], "other"],
        ["tag", id, "u", "v"],
        ["tag", id, "t", "--off"],
        ["note", id, "m"],
        ["pin", id],
    ):
        assert command(library, *words)[0] == 0
    code, out, errors = command(library, "list", "OTHER", "--tag", "u")
    assert out.startswith(f"{id} * other (Linear, 2 ops, 20")
    assert out.endswith(" #u #v\n")
    assert "1 recording" in errors
    assert command(library, "path", id)[1].strip() == str(library.path(id))
    assert command(library, "remove", id)[0] == 0
    assert command(library, "list")[1] == ""
    assert id in command(library, "list", "--trash")[1]
    assert command(library, "restore", id)[0] == 0
    assert id in command(library, "list")[1]
    assert "1 recording" in command(library, "rebuild")[2]
    command(library, "remove", id)
    assert "deleted 1 recording" in command(library, "empty-trash")[2]


def test_the_command_line_refuses_what_it_cannot_tell_apart(library: Library, file: Path) -> None:
    library.add(file)
    for wanted in ("", "zzzz", "0"):
        code, _, errors = command(library, "remove", wanted)
        assert code == 2
        assert "begins with" in errors
    code, _, errors = command(library, "add", str(file.parent / "missing.inspect"))
    assert code == 2
    assert "was refused: No such file" in errors
    assert len(library.entries()) == 1


def test_a_refusal_is_told_in_chinese(library: Library) -> None:
    with pytest.raises(LibraryError) as refused:
        library.rename("0" * 12, "")
    told = language("zh_CN")(refused.value.message)
    assert "名称" in told
    assert "200" in told
