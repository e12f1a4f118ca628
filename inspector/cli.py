"""The command line: record a script as it is, look at recordings.

Exit codes: 0 done; 1 `diff` found a difference, `check` an error; 2 wrong use, an unreadable
file, a drawing that failed; `record` ends with the script's own exit code. torch, streamlit and
pyarrow are imported only by the commands that need them, so that `--help` is quick.
"""

from __future__ import annotations

import errno
import importlib.util
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from inspector import __version__
from inspector.commands.census import census
from inspector.commands.check import check
from inspector.commands.completion import completion
from inspector.commands.export import export
from inspector.commands.library import library
from inspector.commands.places import Place, stop
from inspector.commands.record import record
from inspector.commands.speaking import report, told
from inspector.errors import InspectorError
from inspector.language import sentence

if TYPE_CHECKING:
    from inspector.records import Recording

EPILOG = """
\b
Examples:
  python -m inspector record -o run.inspect train.py --epochs 1
  python -m inspector info run.inspect
  python -m inspector view run.inspect
  python -m inspector check train.py --epochs 1
  python -m inspector diff before.inspect after.inspect
  python -m inspector export run.inspect --format svg -o run.svg
  python -m inspector export run.inspect --format html
"""


class _Group(click.Group):
    """Shows an `InspectorError` as one message on stderr, exit code 2."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except InspectorError as error:
            stop(error.message)
        except OSError as error:
            if error.filename is not None or error.errno == errno.EPIPE:  # click ends quietly
                raise
            stop(
                sentence("cannot write the output: {reason}.", reason=error.strerror or str(error))
            )


@click.group(cls=_Group, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="inspector")
def main() -> None:
    """See what a PyTorch program did: ops, shapes, gradients, decisions."""


@main.command()
@click.argument("file", type=Place())
@click.option("--text", is_flag=True, help="Every op, one a line.")
def info(file: str, text: bool) -> None:
    """Say what is in the recording FILE."""
    if text:
        from inspector.store import load

        click.echo(load(file).to_text(), nl=False)
        return
    from inspector.outline import outline
    from inspector.ranks import rank_of

    found = outline(file)
    model = found.meta.get("model")
    click.echo(f"{file}: {told(sentence('a block of code')) if model is None else model}")
    known = rank_of(found.meta)
    if known is not None:
        of_rank = sentence("rank {rank} of {size}", rank=known[0], size=known[1])
        click.echo(f"  {told(of_rank)}")
    for line in _counts(found.counts):
        click.echo(f"  {told(line)}")
    for note in found.notes:
        click.echo(f"  {told(sentence('note: {text}', text=note))}")
    if found.raised:
        click.echo(f"  {told(sentence('failed: {error}', error=found.raised))}")


def _counts(counts: Mapping[str, int]) -> tuple[str, ...]:
    """How many of each kind of record there are, one a line."""
    return (
        sentence("{count:>8,} ops", count=counts["ops"]),
        sentence("{count:>8,} tensors", count=counts["tensors"]),
        sentence("{count:>8,} module calls", count=counts["module_calls"]),
        sentence("{count:>8,} decisions", count=counts["decisions"]),
        sentence("{count:>8,} autograd nodes", count=counts["grad_nodes"]),
        sentence("{count:>8,} parameters", count=counts["parameters"]),
        sentence("{count:>8,} steps", count=counts["steps"]),
        sentence("{count:>8,} messages between ranks", count=counts["collectives"]),
    )


@main.command()
@click.argument("a", type=Place())
@click.argument("b", type=Place())
@click.option(
    "--tolerance",
    type=click.FloatRange(min=0),
    help="Values further apart than this, relatively, count as a difference.",
)
@click.option("--ops", is_flag=True, help="Also list every op that differs, one a line.")
def diff(a: str, b: str, tolerance: float | None, ops: bool) -> None:
    """Compare the recordings A and B: where they part, and why.

    Exit code 0 when nothing differs, 1 when something does.
    """
    from inspector.compare import compare
    from inspector.compare.listing import listed
    from inspector.store import load

    one, other = load(a), load(b)
    found = compare(one, other, tolerance=tolerance)
    for line in found.explanation:
        click.echo(told(line))
    if ops:
        for line in listed(one, other, found):
            click.echo(told(line))
    sys.exit(0 if found.same else 1)


@main.command()
@click.argument("files", nargs=-1, type=Place())
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    default=8501,
    show_default=True,
    help="Where the page is served.",
)
def view(files: tuple[str, ...], port: int) -> None:
    """Open the recordings FILES in the browser (without FILES: the sample models)."""
    recordings = []
    if files:
        from inspector.store import load

        for name in files:
            recordings.append(load(name))  # what can't be read is said before a server starts
            if os.pathsep in os.path.abspath(name):
                stop(
                    sentence(
                        "cannot hand {file} to the page: rename it without {sign}.",
                        file=name,
                        sign=repr(os.pathsep),
                    )
                )
    app = importlib.util.find_spec("inspector_app")
    if app is None or app.origin is None:
        stop(sentence("the app is not installed: run `pip install .` in the project's folder."))
    main_file = Path(app.origin).with_name("main.py")
    environment = dict(os.environ)
    environment["INSPECTOR_FILES"] = os.pathsep.join(os.path.abspath(name) for name in files)
    environment["INSPECTOR_RANKS"] = str(int(_are_ranks(recordings)))
    command = [sys.executable, "-m", "streamlit", "run", str(main_file)]
    command += ["--server.port", str(port), "--server.headless", str(not _has_desktop()).lower()]
    page = "open" if files else ""
    address = f"http://localhost:{port}/{page}"
    report(sentence("open {address} (Ctrl+C stops it)", address=address))
    _become(command, environment)


def _are_ranks(recordings: list[Recording]) -> bool:
    """Whether these are the ranks of one run, which are shown side by side."""
    from inspector.errors import RanksError
    from inspector.lanes import lanes

    try:
        lanes(recordings)
    except RanksError:
        return False
    return True


def _become(command: list[str], environment: dict[str, str]) -> NoReturn:
    """Go on as another program: whoever ends this process ends the server."""
    sys.stderr.flush()
    if os.name == "posix":
        os.execve(command[0], command, environment)
    sys.exit(subprocess.run(command, env=environment, check=False).returncode)


def _has_desktop() -> bool:
    return sys.platform in ("darwin", "win32") or bool(
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    )


main.add_command(census)
main.add_command(check)
main.add_command(completion)
main.add_command(record)
main.add_command(export)
main.add_command(library)
