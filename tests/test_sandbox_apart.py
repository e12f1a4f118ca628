"""A run that demands walls is not begun where one is missing, and one that does not is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from inspector_app import classroom, sandbox
from inspector_app.programs import ProgramJob
from inspector_app.sandbox import Isolation, Outcome, Program, run, running, walls
from inspector_app.settings import Settings

pytestmark = pytest.mark.xdist_group("sandbox")

HELLO = Program("print('ran')", "hello", plain=True)


@pytest.fixture(scope="module")
def all_walls() -> None:
    if not run(HELLO).isolation.complete:
        pytest.skip("this system does not offer all walls")


@pytest.mark.usefixtures("all_walls")
def test_with_all_walls_it_runs() -> None:
    found = run(HELLO, apart=True)
    assert (found.ended, found.output) == ("done", "ran\n")
    assert found.isolation.complete


@pytest.mark.usefixtures("all_walls")
@pytest.mark.parametrize("missing", [walls.NAMESPACES, walls.CALLS])
def test_without_one_of_them_nothing_of_it_runs(
    missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "WALLS", tuple(set(running.WALLS) - {missing}))
    found = run(HELLO, apart=True)
    assert (found.ended, found.output, found.recording) == ("refused", "", None)
    assert "kept apart well enough" in found.reason
    assert not found.isolation.complete, "what there was is told"
    if missing == walls.CALLS:
        assert run(HELLO).output == "ran\n"


def test_where_nothing_keeps_programs_apart_it_is_not_begun(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(running, "FORKS", False)
    begun: list[object] = []
    monkeypatch.setattr(subprocess, "Popen", lambda *given, **more: begun.append(given))
    found = run(HELLO, apart=True)
    assert (found.ended, found.output, begun) == ("refused", "", [])


RUNS_OUT = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
ids = os.geteuid(), os.getegid()
if libc.unshare(0x10000000):
    sys.exit("no user namespaces")
most = "/proc/sys/user/max_net_namespaces"
try:
    for name, text in (("setgroups", "deny"), ("uid_map", f"0 {ids[0]} 1"),
                       ("gid_map", f"0 {ids[1]} 1")):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)
    before = open(most).read()
except OSError:
    sys.exit("no user namespaces")
from inspector_app.sandbox import Program, run
for number in (before, "0", before):
    with open(most, "w") as file:
        file.write(number)
    print(run(Program("print('ran')", "hello", plain=True), apart=True).ended)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="of Linux")
@pytest.mark.usefixtures("all_walls")
def test_a_machine_that_runs_out_of_namespaces_is_noticed_in_that_run() -> None:
    done = subprocess.run(
        [sys.executable, "-c", RUNS_OUT], capture_output=True, text=True, timeout=200, check=False
    )
    if "no user namespaces" in done.stderr:
        pytest.skip("this system has no user namespaces")
    found = done.stdout.split()
    if found[:1] == ["refused"]:
        pytest.skip("this system has no namespaces within a user namespace")
    assert found == ["done", "refused", "done"], done.stderr


@pytest.mark.parametrize("editor", ["on", "sandboxed"])
def test_a_sessions_own_run_demands_walls_in_a_classroom_alone(
    editor: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    demanded: list[bool] = []

    def noted(program: Program, *, apart: bool, **_: object) -> Outcome:
        demanded.append(apart)
        return Outcome(None, None, "", "done", "", Isolation())

    monkeypatch.setattr(sandbox, "run", noted)
    monkeypatch.setattr(classroom, "settings", lambda: Settings(editor=editor))  # type: ignore[arg-type]
    monkeypatch.setattr(classroom, "allowed_to_run", lambda quota: "")
    monkeypatch.setattr(classroom, "_quota", classroom.Quota)
    job = classroom.started(ProgramJob(HELLO))
    assert job.wait(30)
    assert demanded == [editor == "sandboxed"]
