"""`inspector export`: a recording as a picture, a page, or data for another program."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from inspector.commands.places import Place, cannot_write, stop, target
from inspector.commands.speaking import report
from inspector.language import sentence

if TYPE_CHECKING:
    from inspector.records import Recording

PICTURES = ("svg", "dot", "png", "pdf")
ENDINGS = {
    "html": ".html",
    "text": ".txt",
    "json": ".json",
    "trace": ".trace.json",
    "model-explorer": ".model-explorer.json",
    "csv": ".csv.zip",
    "parquet": ".parquet.zip",
}
"""Of the file that is written where none is named; a picture's is its format."""

EPILOG = """
\b
Examples:
  python -m inspector export run.inspect --format html
  python -m inspector export new.inspect --against old.inspect --format html -o both.html
  python -m inspector export run.rank0.inspect run.rank1.inspect --format html
  python -m inspector export run.inspect --format trace       (open it in ui.perfetto.dev)
  python -m inspector export run.inspect --format parquet -o tables/
"""


@click.command(epilog=EPILOG)
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=Place())
@click.option(
    "--format",
    "kind",
    type=click.Choice([*PICTURES, *ENDINGS]),
    default="svg",
    show_default=True,
)
@click.option(
    "--graph",
    type=click.Choice(["dynamic", "backward"]),
    default="dynamic",
    show_default=True,
    help="Of a picture.",
)
@click.option(
    "--theme",
    type=click.Choice(["light", "dark"]),
    default="light",
    show_default=True,
    help="Of a picture; a page is as the reader's system.",
)
@click.option(
    "--against",
    type=Place(),
    metavar="OTHER",
    help="Another recording: the page shows OTHER and FILE.",
)
@click.option("--title", default="", help="Of a page.")
@click.option(
    "-o",
    "--output",
    type=Place(),
    help="Where to write; FILE with another ending by default. Tables go to a new folder, unless "
    "it ends with .zip.",
)
def export(
    files: tuple[str, ...],
    kind: str,
    graph: str,
    theme: str,
    against: str | None,
    title: str,
    output: str | None,
) -> None:
    """Write the recording FILE as a picture, as one page that works from disk, or as data.

    Several FILEs are the ranks of one run: the page shows them side by side.
    """
    from inspector.ranks import without_rank
    from inspector.store import load

    several = len(files) > 1
    if against is not None and kind != "html":
        stop(sentence("--against is for pages: add --format html."))
    if several and (kind != "html" or against is not None):
        stop(
            sentence(
                "Several FILEs are the ranks of one run, side by side on a page: add --format "
                "html, without --against."
            )
        )
    recordings = [load(file) for file in files]
    stem = without_rank(files[0]) if several else files[0]
    name = output or str(Path(stem).with_suffix(ENDINGS.get(kind, f".{kind}")))
    place = target(name)
    for source in (*files, against):
        if source is not None and place == Path(source).absolute():
            cannot_write(name, sentence("it is the recording itself"))
    if kind == "html":
        write = _page(recordings, None if against is None else load(against), title)
    else:
        write = _writer(files[0], recordings[0], kind, graph, theme)
    try:
        write(place)
    except OSError as error:
        cannot_write(name, error.strerror or str(error))
    report(sentence("wrote {file}", file=name))


def _page(
    recordings: list[Recording], against: Recording | None, title: str
) -> Callable[[Path], None]:
    """What writes a page to a path."""
    from inspector.lanes import lanes
    from inspector.render.page import export_html

    if len(recordings) > 1:
        together = lanes(recordings)
        return lambda path: export_html(together, path, title=title)
    subject = recordings[0] if against is None else (against, recordings[0])
    return lambda path: export_html(subject, path, title=title)


def _writer(
    file: str, recording: Recording, kind: str, graph: str, theme: str
) -> Callable[[Path], None]:
    """What writes a picture or data to a path; what can go wrong before is told here."""
    if kind in PICTURES or kind == "text":
        from inspector.writing import write_whole

        if kind == "text":
            data = recording.to_text().encode()
        else:
            data = _picture(file, recording, kind, graph, theme)
        return lambda path: write_whole(path, data)

    from inspector.formats import export_data

    return lambda path: export_data(recording, path, kind)


def _picture(file: str, recording: Recording, kind: str, graph: str, theme: str) -> bytes:
    from inspector.render.export import to_bytes
    from inspector.render.workbench import Shown
    from inspector.views import default_open

    views = Shown(recording, opened=default_open(recording)).views()
    if graph not in views:
        stop(
            sentence(
                "{file} holds no backward pass: record with a loss, or choose --graph dynamic.",
                file=file,
            )
        )
    return to_bytes(views[graph], kind, theme)
