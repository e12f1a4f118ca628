"""What is known of a kept recording, and how that stands in the JSON file beside it.

The file may come from anybody: every field is checked when it is read, and what does not fit is
refused with a message.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from inspector.errors import LibraryError
from inspector.language import sentence
from inspector.records import Recording

FORMAT = "inspector-kept-recording"
VERSION = 1
ID = re.compile(r"[0-9a-f]{12}")

LONGEST_NAME = 200
LONGEST_TAG = 40
MOST_TAGS = 32
LONGEST_NOTE = 10_000
MOST_OP_NAMES = 400
"""Of different names, kept to be searched; a model has some dozens."""

_TURNS = {*range(0x202A, 0x202F), *range(0x2066, 0x206A)}
"""Characters that turn the direction of the text after them: a name could pass for another one."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A kept recording.

    Attributes:
        id: 12 hexadecimal digits; its folder's name.
        name, tags, note: what people wrote; the note may have several lines.
        added: when it was kept, as "2026-03-01T12:30:00.000000Z".
        pinned: it is a baseline, which others are compared with.
        model: the class of the model; "" for a block of code.
        ops: how many ran.
        op_names: their different names, sorted, at most `MOST_OP_NAMES`.
        failure: the type of the exception that ended the run, or "".
        size: of the file, in bytes.
        digest: SHA-256 of the file, hexadecimal.
    """

    id: str
    name: str
    tags: tuple[str, ...]
    note: str
    added: str
    pinned: bool
    model: str
    ops: int
    op_names: tuple[str, ...]
    failure: str
    size: int
    digest: str

    @property
    def order(self) -> tuple[bool, str, str]:
        """Sorted backwards by it, the pinned come first, then the newest."""
        return self.pinned, self.added, self.id


def entry_of(
    recording: Recording, entry_id: str, size: int, digest: str, name: str, tags: Iterable[str],
    note: str,
) -> Entry:  # fmt: skip
    """What is known of a recording that is kept now.

    Args:
        recording: what the file holds.
        entry_id: of the entry.
        size, digest: of the file, see `Entry`.
        name: "" takes the model's.
        tags, note: see `Entry`.

    Raises:
        LibraryError: the name, a tag or the note is too long.
    """
    model = printable(str(recording.meta.get("model", "")))[:LONGEST_NAME]
    failure = recording.failure
    ops = sorted({printable(op.name)[:LONGEST_NAME] for op in recording.ops})
    return Entry(
        id=entry_id,
        name=checked_name(name or model or "recording"),
        tags=checked_tags(tags),
        note=checked_note(note),
        added=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        pinned=False,
        model=model,
        ops=len(recording.ops),
        op_names=tuple(ops[:MOST_OP_NAMES]),
        failure="" if failure is None else printable(failure.type)[:LONGEST_NAME],
        size=size,
        digest=digest,
    )


def checked_name(name: str) -> str:
    """A name as it is kept: one line without control characters.

    Raises:
        LibraryError: nothing is left, or it is longer than `LONGEST_NAME`.
    """
    name = printable(name)
    if not 0 < len(name) <= LONGEST_NAME:
        raise LibraryError(
            sentence(
                "A recording's name has 1 to {most} characters; this one has {count}.",
                most=LONGEST_NAME,
                count=len(name),
            )
        )
    return name


def checked_tags(tags: Iterable[str]) -> tuple[str, ...]:
    """Tags as they are kept: one line each, none twice whatever their case, in their order.

    Raises:
        LibraryError: one is longer than `LONGEST_TAG`, or there are more than `MOST_TAGS`.
    """
    found: dict[str, str] = {}
    for tag in map(printable, tags):
        if len(tag) > LONGEST_TAG:
            raise LibraryError(
                sentence(
                    "A tag has at most {most} characters; {tag} has {count}.",
                    most=LONGEST_TAG,
                    tag=repr(tag[:LONGEST_TAG] + "…"),
                    count=len(tag),
                )
            )
        if tag:
            found.setdefault(tag.casefold(), tag)
    if len(found) > MOST_TAGS:
        raise LibraryError(
            sentence(
                "A recording has at most {most} tags; these are {count}.",
                most=MOST_TAGS,
                count=len(found),
            )
        )
    return tuple(found.values())


def checked_note(note: str) -> str:
    """A note as it is kept: without control characters other than line ends.

    Raises:
        LibraryError: it is longer than `LONGEST_NOTE`.
    """
    note = "\n".join(_printable(line) for line in note.splitlines()).strip()
    if len(note) > LONGEST_NOTE:
        raise LibraryError(
            sentence(
                "A note has at most {most:,} characters; this one has {count:,}.",
                most=LONGEST_NOTE,
                count=len(note),
            )
        )
    return note


def printable(text: str) -> str:
    """A text in one line, without control characters."""
    return " ".join(_printable(" ".join(text.split())).split())


def _printable(text: str) -> str:
    """Without control characters and lone surrogates, which no terminal or file takes well."""
    return "".join(
        one
        for one in text
        if unicodedata.category(one) not in ("Cc", "Cs") and ord(one) not in _TURNS
    )


def as_json(entry: Entry) -> str:
    """What stands in the file beside the recording; its id is the folder's name."""
    fields = asdict(entry)
    del fields["id"]
    head = {"format": FORMAT, "version": VERSION}
    return json.dumps(head | fields, ensure_ascii=False, indent=1) + "\n"


def of_json(entry_id: str, text: str) -> Entry:
    """Read what `as_json` wrote.

    Raises:
        ValueError: it is something else; the text says what does not fit.
    """
    try:
        found = json.loads(text)
    except (RecursionError, ValueError) as error:  # deeply nested, or a number of 5,000 digits
        raise ValueError(sentence("it is not JSON, or none that can be read")) from error
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise ValueError(sentence("its format is not {format}", format=repr(FORMAT)))
    version = _number(found, "version")
    if version > VERSION:
        raise ValueError(
            sentence("a newer inspector wrote it, in version {version}", version=version)
        )
    try:
        return Entry(
            id=entry_id,
            name=checked_name(_text(found, "name")),
            tags=checked_tags(_texts(found, "tags", MOST_TAGS)),
            note=checked_note(_text(found, "note", LONGEST_NOTE)),
            added=_moment(found),
            pinned=found.get("pinned") is True,
            model=printable(_text(found, "model")),
            ops=_number(found, "ops"),
            op_names=tuple(map(printable, _texts(found, "op_names", MOST_OP_NAMES))),
            failure=printable(_text(found, "failure")),
            size=_number(found, "size"),
            digest=_digest(found),
        )
    except LibraryError as error:
        raise ValueError(error.message) from error


def _text(found: dict[str, Any], field: str, longest: int = LONGEST_NAME) -> str:
    value = found.get(field)
    if not isinstance(value, str) or len(value) > longest:
        raise ValueError(
            sentence(
                "`{field}` is not a text of at most {most} characters", field=field, most=longest
            )
        )
    return value


def _texts(found: dict[str, Any], field: str, most: int) -> list[str]:
    values = found.get(field)
    if not isinstance(values, list) or len(values) > most:
        raise ValueError(
            sentence("`{field}` is not a list of at most {most} texts", field=field, most=most)
        )
    return [_text({field: value}, field) for value in values]


def _number(found: dict[str, Any], field: str) -> int:
    value = found.get(field)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**53:
        raise ValueError(sentence("`{field}` is not a whole number from 0", field=field))
    return value


def _moment(found: dict[str, Any]) -> str:
    value = _text(found, "added")
    try:
        datetime.strptime(value, "%Y-%m-%dT%H:%M:%S.%fZ")
    except ValueError as error:
        raise ValueError(sentence("`added` is not a time in UTC")) from error
    return value


def _digest(found: dict[str, Any]) -> str:
    value = _text(found, "digest")
    if not re.fullmatch(r"[0-9a-f]{64}", value):
        raise ValueError(sentence("`digest` is not a SHA-256"))
    return value
