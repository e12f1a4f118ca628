"""`inspector check`: what is wrong in a run, printed as linters print it.

Exit codes: 0 no errors were found, 1 there are errors (the script's own exit code, where it is not
0, is one), 2 wrong use or an unreadable recording. A script that os._exit() ends takes this process
with it, and nothing is printed.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import click

from inspector import __version__
from inspector.commands.places import Place
from inspector.commands.speaking import encodable, report, told
from inspector.errors import QuestionError
from inspector.language import counted, sentence

if TYPE_CHECKING:
    from inspector.found import Finding
    from inspector.records import Recording

FOUND_ERRORS = 1
FORMATS = ("text", "json", "sarif", "github")
ZIP_STARTS = (b"PK\x03\x04", b"PK\x05\x06")
"""How a recording's file begins."""


def _names(context: click.Context, parameter: click.Parameter, given: tuple[str, ...]) -> list[str]:
    """Names given one by one or joined by commas."""
    names = [name.strip() for part in given for name in part.split(",") if name.strip()]
    if given and not names and parameter.name == "select":
        raise click.BadParameter(
            sentence("It names no rule. `inspector check --rules` lists them.")
        )
    return names


@click.command(context_settings={"allow_interspersed_args": False})
@click.option("--format", "kind", type=click.Choice(FORMATS), default="text", show_default=True)
@click.option("--select", multiple=True, callback=_names, help="Check only these rules.")
@click.option("--ignore", multiple=True, callback=_names, help="Do not check these rules.")
@click.option("--notes", is_flag=True, help="Show notes too: what may be meant so.")
@click.option("--explain", metavar="RULE", help="Print a rule's page and stop.")
@click.option("--rules", "listing", is_flag=True, help="List the rules and stop.")
@click.option("-m", "module", is_flag=True, help="SCRIPT is a module, as for python -m.")
@click.argument("script", required=False, type=Place())
@click.argument("arguments", nargs=-1, type=Place())
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
    on stdout. Exit code 1 when there are errors, or when the script ends with another exit code
    than 0.
    """
    if listing or explain is not None:
        _echo(_listed() if explain is None else _explained(explain))
        return
    if script is None:
        raise click.UsageError(sentence("Missing argument 'SCRIPT'."))
    from inspector.findings import chosen_rules, findings

    chosen_rules(select or None, ignore)  # a wrong name is told before the script runs for hours
    recording, status = _recorded(script, arguments, module)
    found = findings(recording, select=select or None, ignore=ignore)
    shown = [one for one in found if notes or one.severity != "note"]
    _echo(_written(kind, shown, recording, script))
    _mistyped(recording)
    errors = any(one.severity == "error" for one in found)
    if status and (recording.failure is None or not errors):  # else its failure has been told
        report(sentence("the script ended with exit code {status}", status=status))
    _summarise(found, shown)
    sys.exit(FOUND_ERRORS if errors or status else 0)


def _recorded(script: str, arguments: tuple[str, ...], module: bool) -> tuple[Recording, int]:
    """The recording, read or made, and the script's exit code (that of a recording is 0)."""
    if not module and _is_recording(script):
        from inspector.store import load

        return load(script), 0
    from inspector.capture import CaptureOptions
    from inspector.capture.script import record_script

    with _output_to_stderr():
        return record_script(script, arguments, CaptureOptions(), as_module=module)


def _is_recording(path: str) -> bool:
    """Whether a file begins as recordings do, whatever its name; or has their name and is missing,
    or damaged from its first bytes on.
    """
    try:
        with open(path, "rb") as file:
            start = file.read(4)
    except OSError:
        start = b""
    return start in ZIP_STARTS or path.endswith(".inspect")


def _echo(text: str) -> None:
    """Print on stdout."""
    click.echo(encodable(text, sys.stdout), nl=False)


def _mistyped(recording: Recording) -> None:
    """Tell of comments that are to silence a rule that is not there."""
    from inspector.findings import all_rules
    from inspector.findings.comments import Comments
    from inspector.findings.formats import printable

    for one in Comments(recording).unknown([rule.name for rule in all_rules()]):
        where = f"{os.path.basename(one.file)}:{one.line}"
        text = sentence(
            "{where}: there is no rule {name}, so the comment does not silence it",
            where=where,
            name=repr(one.name),
        )
        report(printable(told(text)))


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
    if kind == "text":
        return formats.as_text(shown, recording, name, told)
    write = {"json": formats.as_json, "github": formats.as_github}[kind]
    return write(shown, recording, name)


def _summarise(found: Iterable[Finding], shown: list[Finding]) -> None:
    from inspector.findings.formats import totals

    summary: str = totals(shown)
    hidden = len(tuple(found)) - len(shown)
    if hidden:
        summary = counted(
            "{found} ({count} note hidden: --notes shows them)",
            "{found} ({count} notes hidden: --notes shows them)",
            hidden,
            found=summary,
        )
    report(summary)


def _listed() -> str:
    from inspector.findings import all_rules

    rules = all_rules()
    width = max(len(rule.name) for rule in rules)
    return "".join(f"{rule.name:<{width}}  {told(rule.title)}\n" for rule in rules)


def _explained(name: str) -> str:
    from inspector.findings import chosen_rules
    from inspector.findings.formats import page

    try:
        return page(chosen_rules([name])[0], told)
    except QuestionError as error:
        raise click.UsageError(told(error.message)) from error
