"""Know when a refactoring or an upgrade changes a model's graph: golden graphs in tests.

    def test_the_graph_of_my_model_stays(same_graph):
        same_graph(inspector.record(model, x))

`same_graph` is a pytest fixture that comes with the package; `assert_same_graph` is the function
behind it, for other test runners. A golden is a text to be kept with the tests and reviewed like
code (`inspector.golden` says what it holds).

What counts as a change: other ops, another order, other wiring, other shapes, dtypes, arguments
(but floats), parameters, decisions, trips of loops, or what requires a gradient. What does not:
values, times, the device, lines that moved, a file in another folder or of another name, a helper
function around some lines, other names of variables.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from inspector.compare import compare
from inspector.compare.listing import listed
from inspector.errors import FileFormatError
from inspector.golden import golden_text, read_golden, rewired
from inspector.language import sentence
from inspector.records import Recording

UPDATE = "INSPECTOR_UPDATE_GOLDENS"
"""Environment variable: "1" writes goldens instead of failing."""

_FILE = re.compile(r"(?m)^(code .*  )(.+)(, line \d+)$")
"""A section's head in a golden; its second part is the file."""

_MOST = 20
"""Ops that a failure message lists."""


def assert_same_graph(
    recording: Recording, path: str | os.PathLike[str], *, update: bool | None = None
) -> None:
    """Fail unless a recording has the same graph as a golden file.

    Args:
        recording: of the run to check.
        path: of the golden.
        update: write the golden instead of failing, where it is missing or the graph is another
            one. None does so where the environment has `INSPECTOR_UPDATE_GOLDENS=1`. A golden
            that still holds is left as it is.

    Raises:
        AssertionError: the graph is another one (the message is the comparison's explanation), or
            there is no golden yet.
        FileFormatError: the golden cannot be read.
    """
    __tracebackhide__ = True  # pytest shows the test, not this function
    golden, text = Path(path), golden_text(recording)
    if update is None:
        update = os.environ.get(UPDATE, "") not in ("", "0")
    try:
        reason = _difference(golden, text)
    except FileFormatError:
        if not update:
            raise
        reason = "it could not be read"
    if reason is None:
        return
    if not update:
        raise AssertionError(reason)
    golden.parent.mkdir(parents=True, exist_ok=True)
    with open(golden, "w", encoding="utf-8", newline="\n") as file:
        file.write(text)


def _difference(golden: Path, text: str) -> str | None:
    """What is to be told of a run with this text; None where it has the golden's graph."""
    try:
        kept = golden.read_text(encoding="utf-8")
    except FileNotFoundError:
        return (
            f"There is no golden graph {golden} yet. Make it from this run with"
            f" `pytest --inspector-update` or {UPDATE}=1, look it over, and keep it with the tests."
        )
    except (OSError, UnicodeDecodeError) as error:
        raise FileFormatError(
            sentence(
                "The golden graph {file} cannot be read: {reason}.",
                file=str(golden),
                reason=str(error),
            )
        ) from error
    if kept == text:
        return None
    before = read_golden(_renamed(kept, text), str(golden))
    return _explained(golden, before, read_golden(text, "this run"))


def _renamed(kept: str, text: str) -> str:
    """The golden with its file called as it is now, where just one has another name."""
    files, now = ({found[2] for found in _FILE.finditer(one)} for one in (kept, text))
    gone, new = files - now, now - files
    if len(gone) != 1 or len(new) != 1:
        return kept
    names = {gone.pop(): new.pop()}
    return _FILE.sub(lambda found: f"{found[1]}{names.get(found[2], found[2])}{found[3]}", kept)


def _explained(golden: Path, before: Recording, now: Recording) -> str | None:
    """The comparison in words; None where nothing differs."""
    found = compare(before, now)
    wires = list(islice(rewired(before, now, found), _MOST + 1))
    ended = _ended(before, now)
    if found.same and not wires and not ended:
        return None
    told = [] if found.same else list(found.explanation)
    lines = [
        f"The graph of {now.meta['model']} is not the one in {golden.name}"
        " (A: the golden, B: this run).",
        *(f"  {sentence}" for sentence in (*told, *ended, *_few(wires))),
        *(f"    {line}" for line in _few(list(islice(listed(before, now, found), _MOST + 1)))),
        "If the change is meant, run the test again with `--inspector-update`"
        f" (or {UPDATE}=1) and look the new golden over.",
    ]
    return "\n".join(lines)


def _ended(before: Recording, now: Recording) -> list[str]:
    """Two runs that both failed, but otherwise: a comparison tells of one that did."""
    if before.failure is None or now.failure is None:
        return []
    kinds = before.failure.type, now.failure.type
    if kinds[0] == kinds[1] and (before.failure.op is None) == (now.failure.op is None):
        return []
    return [f"The golden ended with {kinds[0]}, this run with {kinds[1]}."]


def _few(lines: list[str]) -> Iterator[str]:
    yield from lines[:_MOST]
    if len(lines) > _MOST:
        yield "… and more."
