"""`inspector library`: the recordings that are kept, with their names, tags and notes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from inspector.commands.places import Place, stop
from inspector.commands.speaking import report, told
from inspector.language import counted

if TYPE_CHECKING:
    from inspector.library import Entry, Library

EPILOG = """
\b
ID is a recording's number as `list` prints it, or as much of its beginning as tells it from the
others.

\b
Examples:
  python -m inspector library add run.inspect --name "before the fix" --tag baseline
  python -m inspector library list relu --tag baseline
  python -m inspector library note 3f2a "the loss is NaN from step 12 on"
  python -m inspector info $(python -m inspector library path 3f2a)
"""

_SHORT = 4
"""Digits of an id are enough to name it."""


@click.group(epilog=EPILOG)
@click.option(
    "--folder",
    type=Place("dir"),
    help="Where the recordings are kept; $INSPECTOR_LIBRARY, or else in your data directory.",
)
@click.pass_context
def library(context: click.Context, folder: str | None) -> None:
    """Keep recordings: names, tags, notes, search, a trash."""
    context.obj = folder


@library.command("list")
@click.argument("words", nargs=-1)
@click.option("--tag", default="", help="Only those with this tag.")
@click.option("--trash", is_flag=True, help="What was removed.")
@click.pass_obj
def list_(folder: str | None, words: tuple[str, ...], tag: str, trash: bool) -> None:
    """List the recordings in whose name, tags, note, model and ops all WORDS occur."""
    kept = _library(folder)
    entries = kept.trash() if trash else kept.entries(" ".join(words), tag)
    for entry in entries:
        click.echo(_line(entry))
    report(counted("{count} recording", "{count} recordings", len(entries)))
    for problem in kept.problems():
        report(problem)


def _line(entry: Entry) -> str:
    pin = "*" if entry.pinned else " "
    tags = "".join(f" #{tag}" for tag in entry.tags)
    ops = told(counted("{count} op", "{count} ops", entry.ops))
    facts = ", ".join(part for part in (entry.model, ops, entry.failure, entry.added[:16]) if part)
    return f"{entry.id} {pin} {entry.name} ({facts}){tags}"


@library.command()
@click.argument("files", nargs=-1, required=True, type=Place())
@click.option("--name", default="", help="The model's by default.")
@click.option("--tag", "tags", multiple=True, help="Any number of them.")
@click.option("--note", default="")
@click.pass_obj
def add(
    folder: str | None, files: tuple[str, ...], name: str, tags: tuple[str, ...], note: str
) -> None:
    """Keep copies of the recordings FILES, and print their ids."""
    kept = _library(folder)
    for file in files:
        click.echo(kept.add(file, name, tags, note).id)


@library.command()
@click.argument("id")
@click.argument("name")
@click.pass_obj
def rename(folder: str | None, id: str, name: str) -> None:
    """Call the recording ID NAME."""
    kept = _library(folder)
    kept.rename(_one(kept.entries(), id), name)


@library.command()
@click.argument("id")
@click.argument("tags", nargs=-1, required=True)
@click.option("--off", is_flag=True, help="Take them away.")
@click.pass_obj
def tag(folder: str | None, id: str, tags: tuple[str, ...], off: bool) -> None:
    """Add TAGS to those of the recording ID."""
    kept = _library(folder)
    change = kept.untag if off else kept.tag
    change(_one(kept.entries(), id), *tags)


@library.command()
@click.argument("id")
@click.argument("text")
@click.pass_obj
def note(folder: str | None, id: str, text: str) -> None:
    """Write TEXT beside the recording ID, in the place of what stood there."""
    kept = _library(folder)
    kept.note(_one(kept.entries(), id), text)


@library.command()
@click.argument("id")
@click.option("--off", is_flag=True, help="It is one no longer.")
@click.pass_obj
def pin(folder: str | None, id: str, off: bool) -> None:
    """Make the recording ID a baseline: it comes first, and is offered to compare others with."""
    kept = _library(folder)
    kept.pin(_one(kept.entries(), id), not off)


@library.command()
@click.argument("id")
@click.pass_obj
def path(folder: str | None, id: str) -> None:
    """Print where the file of the recording ID is."""
    kept = _library(folder)
    click.echo(str(kept.path(_one(kept.entries(), id))))


@library.command()
@click.argument("ids", nargs=-1, required=True)
@click.pass_obj
def remove(folder: str | None, ids: tuple[str, ...]) -> None:
    """Put the recordings IDS into the trash; `restore` takes them out again."""
    kept = _library(folder)
    entries = kept.entries()
    for found in [_one(entries, id) for id in ids]:
        kept.remove(found)


@library.command()
@click.argument("ids", nargs=-1, required=True)
@click.pass_obj
def restore(folder: str | None, ids: tuple[str, ...]) -> None:
    """Take the recordings IDS out of the trash."""
    kept = _library(folder)
    entries = kept.trash()
    for found in [_one(entries, id) for id in ids]:
        kept.restore(found)


@library.command("empty-trash")
@click.pass_obj
def empty_trash(folder: str | None) -> None:
    """Delete for good what is in the trash."""
    count = _library(folder).empty_trash()
    report(counted("deleted {count} recording", "deleted {count} recordings", count))


@library.command()
@click.pass_obj
def rebuild(folder: str | None) -> None:
    """Make the index again from the files, and what else is missing."""
    kept = _library(folder)
    report(counted("{count} recording", "{count} recordings", kept.rebuild()))
    for problem in kept.problems():
        report(problem)


def _library(folder: str | None) -> Library:
    from inspector.library import Library
    from inspector.render.thumbnail import thumbnail

    return Library(folder, picture=thumbnail)


def _one(entries: tuple[Entry, ...], wanted: str) -> str:
    """The id that begins as wanted."""
    found = [entry.id for entry in entries if entry.id.startswith(wanted)]
    if wanted in found:
        return wanted
    if len(found) != 1 or len(wanted) < _SHORT:
        stop(
            counted(
                "{count} recording has an id that begins with {wanted}; name one, with at least "
                "{short} digits of it.",
                "{count} recordings have an id that begins with {wanted}; name one, with at least "
                "{short} digits of it.",
                len(found),
                wanted=repr(wanted),
                short=_SHORT,
            )
        )
    return found[0]
