"""`inspector check`: what is wrong in a run, printed as linters print it.

Exit codes: 0 no errors were found, 1 there are errors, 2 wrong use.
"""

from __future__ import annotations

import contextlib
import os
import sys
import zipfile
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import click

from inspector import __version__
from inspector.errors import QuestionError

if TYPE_CHECKING:
    from inspector.found import Finding
    from inspector.records import Recording

FOUND_ERRORS = 1
FORMATS = ("text", "json", "sarif", "github")


def _names(context: click.Context, parameter: click.Parameter, given: tuple[str, ...]) -> list[str]:
    """Names given one by one or joined by commas."""
    return [name.strip() for part in given for name in part.split(",") if name.strip()]


@click.command(context_settings={"allow_interspersed_args": False})
@click.option("--format", "kind", type=click.Choice(FORMATS), default="text", show_default=True)
@click.option("--select", multiple=True, callback=_names, help="Check only these rules.")
@click.option("--ignore", multiple=True, callback=_names, help="Do not check these rules.")
@click.option("--notes", is_flag=True, help="Show notes too: what may be meant so.")
@click.option("--explain", metavar="RULE", help="Print a rule's page and stop.")
@click.option("--rules", "listing", is_flag=True, help="List the rules and stop.")
@click.option("-m", "module", is_flag=True, help="SCRIPT is a module, as for python -m.")
@click.argument("script", required=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def check(
    kind: str,
    select: list[str],
    ignore: list[str],
    notes: bool,
    explain: str | None,
    listing: bool,
    module: bool,
    script: str | None,
    arguments: tuple[str, ...],
) -> None:
    """Run SCRIPT with its own ARGUMENTS and say what is wrong, and why.

    SCRIPT may also be a recording. What the script prints goes to stderr; the findings alone are
    on stdout. Exit code 1 when there are errors.
    """
    if listing or explain is not None:
        click.echo(_listed() if explain is None else _explained(explain), nl=False)
        return
    if script is None:
        raise click.UsageError("Missing argument 'SCRIPT'.")
    from inspector.findings import chosen_rules, findings

    chosen_rules(select or None, ignore)  # a wrong name is told before the script runs for hours
    recording, name = _recorded(script, arguments, module)
    found = findings(recording, select=select or None, ignore=ignore)
    shown = [one for one in found if notes or one.severity != "note"]
    click.echo(_written(kind, shown, recording, name), nl=False)
    _summarise(found, shown)
    errors = any(one.severity == "error" for one in found)
    sys.exit(FOUND_ERRORS if errors else 0)


def _recorded(script: str, arguments: tuple[str, ...], module: bool) -> tuple[Recording, str]:
    """The recording, read or made, and what the findings without a line are said to be of."""
    if not module and not script.endswith(".py") and zipfile.is_zipfile(script):
        from inspector.store import load

        return load(script), script
    from inspector.capture import CaptureOptions
    from inspector.capture.script import record_script

    with _output_to_stderr():
        recording, status = record_script(script, arguments, CaptureOptions(), as_module=module)
    if status and recording.failure is None:
        click.echo(f"inspector: the script ended with exit code {status}", err=True)
    return recording, script


@contextlib.contextmanager
def _output_to_stderr() -> Iterator[None]:
    """What is printed goes to stderr, also by child processes and C code."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, 1)
        os.close(kept)


def _written(kind: str, shown: Iterable[Finding], recording: Recording, name: str) -> str:
    from inspector.findings import all_rules, formats

    if kind == "sarif":
        return formats.as_sarif(shown, recording, name, all_rules(), __version__)
    write = {"text": formats.as_text, "json": formats.as_json, "github": formats.as_github}[kind]
    return write(shown, recording, name)


def _summarise(found: Iterable[Finding], shown: list[Finding]) -> None:
    from inspector.findings.formats import counted

    hidden = len(tuple(found)) - len(shown)
    notes = f" ({hidden} note{'s'[: hidden > 1]} hidden: --notes shows them)" if hidden else ""
    click.echo(f"inspector: {counted(shown)}{notes}", err=True)


def _listed() -> str:
    from inspector.findings import all_rules

    rules = all_rules()
    width = max(len(rule.name) for rule in rules)
    return "".join(f"{rule.name:<{width}}  {rule.title}\n" for rule in rules)


def _explained(name: str) -> str:
    from inspector.findings import chosen_rules
    from inspector.findings.formats import page

    try:
        return page(chosen_rules([name])[0])
    except QuestionError as error:
        raise click.UsageError(str(error)) from error
