"""Lessons tried out: what their programs and places are told of, and the command for teachers."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

import inspector
from inspector_app import teaching
from inspector_app.sandbox import Isolation, Outcome, Program
from inspector_app.teaching.__main__ import main
from inspector_app.teaching.lesson import Lesson, state
from inspector_app.teaching.pictures import scene_of
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


def test_a_program_that_does_not_end_is_tried_with_one_input_only() -> None:
    ran: list[Program] = []

    def slow(program: Program) -> Outcome:
        ran.append(program)
        return Outcome(None, None, "", "time", "It took longer.", Isolation(), line=3)

    begun: list[tuple[str, str | None]] = []
    trial = try_out(read(CODE + INPUTS), slow, begun.append)
    assert begun == [("c", "two")]
    assert [program.before for program in ran] == ["n = 2"]
    assert [str(problem) for problem in trial.problems] == [
        "a.md:7: With the input `two` the code did not run to its end: It took longer."
    ]


def test_a_graph_that_cannot_be_made_is_told_with_the_line_of_its_fence() -> None:
    def without(program: Program) -> Outcome:
        return replace(here(program), static_reason="no variable `avrage`")

    text = CODE.replace("* n", "* 2").replace("python c", "python c script=avrage")
    assert [str(problem) for problem in try_out(read(text), without).problems] == [
        "a.md:4: There is no TorchScript to show: no variable `avrage`"
    ]


def test_the_example_of_the_guide_runs_and_has_all_that_it_shows() -> None:
    guide = (Path(teaching.__file__).parent / "writing-lessons.md").read_text()
    lesson = read_lesson(guide.split("`````markdown\n")[1].split("`````")[0].encode(), "a.md")
    trial = try_out(lesson)
    assert trial.problems == ()
    shown = state(lesson, 2)
    found = scene_of(shown, trial.runs)
    assert found is not None
    assert found[0].panes == ("backward", "source") or found[0].panes == ("backward",)
    (node,) = [one.id for one in found[1].recording.grad_nodes if one.name == "MulBackward0"]
    assert found[0].look.selected == f"backward/grad:{node}"


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
def test_the_help_has_a_command_a_line() -> None:
    lines = CliRunner().invoke(main, ["--help"]).output.splitlines()
    commands = [line for line in lines if "python -m inspector_app.teaching" in line]
    assert len(commands) == 4
    assert all(line.count("python -m") == 1 for line in commands)


def test_the_command_says_what_it_runs_and_ends_quietly(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text(
        HEAD + "```python c script=avrage\naverage = abs\n```\n```inputs\none: n = 1\n```\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "inspector_app.teaching", "--run", str(tmp_path)],
        capture_output=True, text=True, timeout=120, env={"LC_ALL": "C", "PATH": ""},
    )  # fmt: skip
    file = tmp_path / "a.md"
    assert done.stderr == f"{file}: running c.py with the input \u201cone\u201d\n"
    assert done.stdout == (
        f"{file}:4: There is no TorchScript to show: The program has no variable `avrage` at its "
        "end; the nearest is `average`.\n"
    )


def test_the_command_writes_handouts_of_what_it_ran(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text(HEAD + CODE.replace("* n", "* 2"))
    out = tmp_path / "out"
    result = CliRunner().invoke(main, ["--handout", str(out), str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert "<svg" in (out / "a.en.html").read_text(encoding="utf-8")
