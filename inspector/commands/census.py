"""`python -m inspector census`: which distinct graphs a model gives for many inputs.

Exit codes: 0 every input ran; 1 some input failed, or could not be read; 2 wrong use.
torch is imported when the command runs, so that `--help` is quick.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from inspector.commands.speaking import report
from inspector.errors import InspectorError
from inspector.language import sentence

if TYPE_CHECKING:
    from inspector.counted import Census

EPILOG = """
\b
MODEL is the name of a sample, or file.py:name, or package.module:name of
  a module, or a function to run;
  a class, or a function without parameters, that makes one.

\b
INPUTS is one of
  a folder         of .npy, .npz, .pt, image or CSV files: one input a file
  file.py:name     an iterable, a dataset, or a function that gives one
  name=start:stop  a control of the model, from start to stop; or start:stop:step;
                   or name= for all its values
Left out, a sample runs with all its named inputs.

\b
Examples:
  python -m inspector census while_loop
  python -m inspector census while_loop --inputs norm=0:40:0.5
  python -m inspector census net.py:Net --inputs data.py:validation --engine dask
"""


@click.command(epilog=EPILOG)
@click.argument("model")
@click.option("--inputs", help="What to run it on; see below.")
@click.option("--engine", help='"dask", or the address of a scheduler. This process by default.')
@click.option(
    "--workers",
    type=click.IntRange(1, 1024),
    default=2,
    show_default=True,
    help="Processes that --engine dask starts.",
)
@click.option(
    "--static",
    type=click.Choice(["script", "trace", "none"]),
    default="script",
    show_default=True,
    help="The TorchScript graph that coverage is told of.",
)
@click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True
)
@click.option("-o", "--output", type=click.Path(dir_okay=False), help="Where to write.")
def census(
    model: str,
    inputs: str | None,
    engine: str | None,
    workers: int,
    static: str,
    form: str,
    output: str | None,
) -> None:
    """Run MODEL on many inputs: which graphs they give, and which decisions part them.

    Exit code 0 when every input ran, 1 when some failed or could not be read.
    """
    if output is not None and not Path(output).absolute().parent.is_dir():
        raise InspectorError(
            sentence("Cannot write {output}: there is no such folder.", output=output)
        )
    from inspector.census import as_json
    from inspector.census import census as take
    from inspector.commands.census_inputs import subject_of

    subject = subject_of(model, inputs, static)
    found = take(
        subject.model,
        subject.inputs,
        engine,
        static=subject.static,
        labels=subject.labels,
        swept=subject.swept,
        workers=workers,
    )
    text = found.to_text() if form == "text" else as_json(found)
    if output is None:
        click.echo(text, nl=False)
    else:
        _write(output, text)
    sys.exit(0 if _all_ran(found) else 1)


def _write(output: str, text: str) -> None:
    try:
        Path(output).write_text(text, encoding="utf-8")
    except OSError as error:
        raise InspectorError(
            sentence(
                "Cannot write {output}: {reason}.",
                output=output,
                reason=str(error.strerror or error),
            )
        ) from error
    report(sentence("wrote {file}", file=output))


def _all_ran(found: Census) -> bool:
    return not found.problems and not any(found.failed)
