"""Lessons tried out: what their programs and places are told of, and the command for teachers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

import inspector
from inspector_app.sandbox import Isolation, Outcome, Program
from inspector_app.teaching.__main__ import main
from inspector_app.teaching.lesson import Lesson
from inspector_app.teaching.read import read_lesson
from inspector_app.teaching.trial import program_of, try_out

HEAD = "---\ntitle: T\n---\n"
CODE = "```python c\nimport torch\nx = torch.ones(2)\ny = x * n\n```\n"
INPUTS = "```inputs\ntwo: n = 2\nnone: m = 1\n```\n"  # with the second one, n has no value


def read(text: str) -> Lesson:
    return read_lesson((HEAD + text).encode(), "a.md")


def here(program: Program) -> Outcome:
    """Runs a program in this process: the sandbox has tests of its own."""
    scope: dict[str, object] = {}
    exec(program.before, scope)
    failure: Exception | None = None
    with inspector.recording() as session:
        try:
            exec(compile(program.source, program.file, "exec"), scope)
        except NameError as error:
            failure = error
    traceback = None if failure is None else failure.__traceback__
    line = None if traceback is None or traceback.tb_next is None else traceback.tb_next.tb_lineno
    ended = "done" if failure is None else "failed"
    reason = "" if failure is None else f"NameError: {failure}"
    return Outcome(session.recording, None, "out", ended, reason, Isolation(), line=line)


def test_a_lesson_whose_programs_run_and_have_all_it_shows_is_good() -> None:
    trial = try_out(
        read(CODE + INPUTS.replace("m = 1", "n = 1") + "## S\n```show\nselect: op mul\n```"), here
    )
    assert trial.problems == ()
    assert set(trial.runs) == {("c", "two"), ("c", "none")}
    assert trial.runs["c", "two"].output == "out"


def test_a_program_that_fails_is_told_with_its_line_in_the_lesson() -> None:
    trial = try_out(read(CODE + INPUTS), here)
    assert [str(problem) for problem in trial.problems] == [
        "a.md:7: With the input `none` the code did not run to its end: "
        "NameError: name 'n' is not defined"
    ]


@pytest.mark.parametrize("show", ["select: failure", "findings: true", "result: output"])
def test_a_program_may_fail_where_the_lesson_is_about_it(show: str) -> None:
    text = CODE + INPUTS + f"## S\n```show\ninput: none\n{show}\n```\n"
    problems = [problem.message for problem in try_out(read(text), here).problems]
    assert not any("did not run to its end" in message for message in problems)


def test_a_place_that_a_run_does_not_have_is_told_with_the_line_of_its_show() -> None:
    text = CODE.replace("* n", "* 2") + "## S\n```show\nselect: op exp\nmoment: op mul 2\n```\n"
    assert [str(problem) for problem in try_out(read(text), here).problems] == [
        "a.md:10: `op exp` is not in this run.",
        "a.md:10: `op mul 2` is not in this run: it has only 1 of them.",
    ]


def test_a_program_is_made_of_a_code_and_its_input() -> None:
    text = "```python c trace=f(x) full kernels\nx = 1\n```\n```inputs\na: n = 1\nb: n = 2\n```\n"
    code = read(text).codes[0]
    assert program_of(code, "b") == Program(
        "x = 1\n", "c", "n = 2", trace="f(x)", values="full", kernels=True
    )
    assert program_of(code, None, "y = 2\n").source == "y = 2\n"
    plain = read("```python c plain\n1\n```\n").codes[0]
    assert program_of(plain, None) == Program("1\n", "c", plain=True)


# -- the command -----------------------------------------------------------------------------


def test_the_command_prints_mistakes_with_file_and_line_and_fails(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.md", tmp_path / "bad.md"
    good.write_text(HEAD + CODE)
    bad.write_text(HEAD + CODE + "```show\nselct: op mul\ncode: d\n```\n")
    result = CliRunner(env={"LANG": "C", "LC_ALL": "C"}).invoke(main, [str(tmp_path)])
    assert result.exit_code == 1
    lines = result.output.splitlines()
    assert lines[0].startswith(f"{bad}:9: `code: d` names nothing")
    assert lines[1].startswith(f"{bad}:10: `show` has no `selct`; the nearest is `select`")
    assert len(lines) == 2
    assert CliRunner().invoke(main, [str(good)]).exit_code == 0
    assert CliRunner().invoke(main, [str(tmp_path / "none.md")]).exit_code == 2


def test_the_command_runs_from_a_shell(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("no front matter")
    done = subprocess.run(
        [sys.executable, "-m", "inspector_app.teaching", str(tmp_path)],
        capture_output=True, text=True, timeout=60, env={"LC_ALL": "C", "PATH": ""},
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert done.stdout.startswith(f"{tmp_path / 'a.md'}:1: A lesson starts with front matter")


@pytest.mark.slow
def test_the_command_writes_handouts_of_what_it_ran(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text(HEAD + CODE.replace("* n", "* 2"))
    out = tmp_path / "out"
    result = CliRunner().invoke(main, ["--handout", str(out), str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert "<svg" in (out / "a.en.html").read_text(encoding="utf-8")
