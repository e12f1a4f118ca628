"""Check lessons, and make handouts of them.

    python -m inspector_app.teaching                       the app's lessons, and INSPECTOR_LESSONS
    python -m inspector_app.teaching my/folder a.md        these
    python -m inspector_app.teaching --run a.md            run their programs, too
    python -m inspector_app.teaching --handout out a.md    write each as HTML into the folder out

Mistakes are printed as FILE:LINE: MESSAGE; the exit code is 1 if there are any.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

import click

from inspector.language import Translate, of_environment, sentence
from inspector.languages import language
from inspector_app.teaching.folder import Shelf, lessons_in, read_files
from inspector_app.teaching.lesson import Lesson, Problem

_HELP = (__doc__ or "").replace("\n\n    ", "\n\n\b\n    ")
"""With click's mark for lines that stay as they are."""


@click.command(help=_HELP, context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("paths", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option("--run", "runs", is_flag=True, help="Run each code with each of its inputs.")
@click.option(
    "--handout",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write each lesson as a printable HTML file into this folder (runs the codes).",
)
@click.option("--notes", is_flag=True, help="Handouts with the notes for the teacher.")
@click.option("--answers/--no-answers", default=True, help="Handouts with the answers.")
def main(
    paths: tuple[Path, ...], runs: bool, handout: Path | None, notes: bool, answers: bool
) -> None:
    """Check lessons; see the module's text."""
    tell = language(of_environment())
    shelves = list(_shelves(paths))
    count = _print(tell, (problem for shelf in shelves for problem in shelf.problems))
    lessons = [
        lesson for shelf in shelves for entry in shelf.entries for lesson in entry.told.values()
    ]
    if runs or handout is not None:
        for lesson in lessons:
            count += _print(tell, _try_out(lesson, tell, handout, notes, answers))
    sys.exit(1 if count else 0)


def _print(tell: Translate, problems: Iterable[Problem]) -> int:
    """Print problems as soon as they are known; how many there are."""
    told = [f"{problem.place}: {tell(problem.message)}" for problem in problems]
    for line in told:
        click.echo(line)
    return len(told)


def _shelves(paths: Iterable[Path]) -> Iterable[Shelf]:
    """What is read, one shelf for each folder, so that no lesson takes another one's place."""
    given = tuple(paths)
    if not given:
        yield lessons_in()
        return
    files = [path for path in given if not path.is_dir()]
    if files:
        yield read_files(files)
    for folder in given:
        if folder.is_dir():
            yield lessons_in([folder])


def _try_out(
    lesson: Lesson, tell: Translate, folder: Path | None, notes: bool, answers: bool
) -> tuple[Problem, ...]:
    """Run a lesson's programs, and write its handout if there is a folder for it."""
    from inspector_app.teaching.handout import handout
    from inspector_app.teaching.trial import run_once, try_out

    def begins(wanted: tuple[str, str | None]) -> None:
        code, given = wanted
        told = sentence("running {name}.py", name=code)
        if given is not None:
            told = sentence("running {name}.py with the input “{given}”", name=code, given=given)
        click.echo(f"{lesson.file}: {tell(told)}", err=True)

    trial = try_out(lesson, run_once, begins)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / f"{lesson.name}.{lesson.language}.html"
        file.write_text(handout(lesson, trial.runs, answers=answers, notes=notes), encoding="utf-8")
    return trial.problems


if __name__ == "__main__":
    main(prog_name="python -m inspector_app.teaching")
