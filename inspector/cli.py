"""The command line: record a script as it is, look at recordings.

Exit codes: 0 done; 1 `diff` found a difference, `check` an error; 2 wrong use, an unreadable
file, a drawing that failed; `record` ends with the script's own exit code. torch, streamlit and
pyarrow are imported only by the commands that need them, so that `--help` is quick.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import click

from inspector import __version__
from inspector.commands.census import census
from inspector.commands.check import check
from inspector.errors import InspectorError

EPILOG = """
\b
Examples:
  python -m inspector record -o run.inspect train.py --epochs 1
  python -m inspector info run.inspect
  python -m inspector view run.inspect
  python -m inspector check train.py --epochs 1
  python -m inspector diff before.inspect after.inspect
  python -m inspector export run.inspect --format svg -o run.svg
"""
WRONG_USE = 2
PICTURES = ("svg", "dot", "png", "pdf")


class _Group(click.Group):
    """Shows an `InspectorError` as one message on stderr, exit code 2."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except InspectorError as error:
            _stop(str(error))


def _stop(message: str) -> NoReturn:
    click.echo(f"inspector: {message}", err=True)
    sys.exit(WRONG_USE)


@click.group(cls=_Group, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="inspector")
def main() -> None:
    """See what a PyTorch program did: ops, shapes, gradients, decisions."""


def _target(path: str | Path) -> Path:
    """Where to write, made absolute; stops at once if nothing can be written there."""
    target = Path(path).absolute()
    if target.is_dir():
        _cannot_write(path, "it is a folder")
    if not target.parent.is_dir():
        _cannot_write(path, f"there is no folder {target.parent}")
    if not os.access(target if target.exists() else target.parent, os.W_OK):
        _cannot_write(path, "it is not allowed here")
    return target


def _cannot_write(path: str | Path, reason: str) -> NoReturn:
    _stop(f"cannot write {path}: {reason}. Choose another place with -o.")


@main.command(context_settings={"allow_interspersed_args": False})
@click.option("-o", "--output", default="run.inspect", show_default=True, help="Where to write.")
@click.option(
    "--values",
    type=click.Choice(["stats", "none", "full"]),
    default="stats",
    show_default=True,
    help="What to keep of the tensors' values.",
)
@click.option("--kernels", is_flag=True, help="Record ATen calls below each op (slower).")
@click.option("--max-ops", default=200_000, show_default=True, help="Stop recording after.")
@click.option("-m", "module", is_flag=True, help="SCRIPT is a module, as for python -m.")
@click.argument("script")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def record(
    output: str,
    values: str,
    kernels: bool,
    max_ops: int,
    module: bool,
    script: str,
    arguments: tuple[str, ...],
) -> None:
    """Run SCRIPT with its own ARGUMENTS and record it, without a change to its code.

    Ends with the script's own exit code. An exception, sys.exit or Ctrl-C still writes the
    recording.
    """
    target = _target(output)  # before a run of hours, and before the script changes folder
    from inspector.capture import CaptureOptions
    from inspector.capture.script import record_script

    options = CaptureOptions(
        values=values,  # type: ignore[arg-type]  # click.Choice has checked it
        kernels=kernels,
        max_ops=max_ops,
    )
    recording, status = record_script(script, arguments, options, as_module=module)
    try:
        recording.save(target)
    except OSError as error:
        _cannot_write(output, error.strerror or str(error))
    click.echo(f"inspector: {len(recording.ops)} ops recorded in {output}", err=True)
    sys.exit(status)


@main.command()
@click.argument("file")
@click.option("--text", is_flag=True, help="Every op, one a line.")
def info(file: str, text: bool) -> None:
    """Say what is in the recording FILE."""
    from inspector.store import load

    recording = load(file)
    if text:
        click.echo(recording.to_text(), nl=False)
        return
    counts = {
        "ops": recording.ops,
        "tensors": recording.tensors,
        "module calls": recording.module_calls,
        "decisions": recording.decisions,
        "autograd nodes": recording.grad_nodes,
        "parameters": recording.parameters,
        "steps": recording.steps,
    }
    click.echo(f"{file}: {recording.meta.get('model', 'a block of code')}")
    for name, rows in counts.items():
        click.echo(f"  {len(rows):>8,} {name}")
    for note in recording.notes:
        click.echo(f"  note: {note}")
    if recording.failure is not None:
        click.echo(f"  failed: {recording.failure.type}: {recording.failure.message}")


@main.command()
@click.argument("a")
@click.argument("b")
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
    for sentence in found.explanation:
        click.echo(sentence)
    if ops:
        for line in listed(one, other, found):
            click.echo(line)
    sys.exit(0 if found.same else 1)


@main.command()
@click.argument("file")
@click.option(
    "--format",
    "kind",
    type=click.Choice([*PICTURES, "text"]),
    default="svg",
    show_default=True,
)
@click.option(
    "--graph",
    type=click.Choice(["dynamic", "backward"]),
    default="dynamic",
    show_default=True,
)
@click.option("--theme", type=click.Choice(["light", "dark"]), default="light", show_default=True)
@click.option("-o", "--output", help="Where to write; FILE with another ending by default.")
def export(file: str, kind: str, graph: str, theme: str, output: str | None) -> None:
    """Draw the recording FILE, or write it as text."""
    from inspector.render.export import to_bytes
    from inspector.render.workbench import Shown
    from inspector.store import load
    from inspector.views import default_open

    recording = load(file)
    if kind == "text":
        data = recording.to_text().encode()
    else:
        views = Shown(recording, opened=default_open(recording)).views()
        if graph not in views:
            _stop(f"{file} holds no backward pass: record with a loss, or choose --graph dynamic.")
        data = to_bytes(views[graph], kind, theme)
    name = output or str(Path(file).with_suffix(f".{'txt' if kind == 'text' else kind}"))
    target = _target(name)
    if target == Path(file).absolute():
        _cannot_write(name, "it is the recording itself")
    try:
        target.write_bytes(data)
    except OSError as error:
        _cannot_write(name, error.strerror or str(error))
    click.echo(f"inspector: wrote {name}", err=True)


@main.command()
@click.argument("files", nargs=-1)
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    default=8501,
    show_default=True,
    help="Where the page is served.",
)
def view(files: tuple[str, ...], port: int) -> None:
    """Open the recordings FILES in the browser (without FILES: the sample models)."""
    if files:
        from inspector.store import load

        for name in files:
            load(name)  # a file that can't be read is said here, before a server starts
            if os.pathsep in os.path.abspath(name):
                _stop(f"cannot hand {name} to the page: rename it without {os.pathsep!r}.")
    app = importlib.util.find_spec("inspector_app")
    if app is None or app.origin is None:
        _stop("the app is not installed: run `pip install .` in the project's folder.")
    main_file = Path(app.origin).with_name("main.py")
    environment = dict(os.environ)
    environment["INSPECTOR_FILES"] = os.pathsep.join(os.path.abspath(name) for name in files)
    command = [sys.executable, "-m", "streamlit", "run", str(main_file)]
    command += ["--server.port", str(port), "--server.headless", str(not _has_desktop()).lower()]
    page = "open" if files else ""
    click.echo(f"inspector: open http://localhost:{port}/{page} (Ctrl+C stops it)", err=True)
    _become(command, environment)


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
