"""The index of a library: what its files say, in SQLite, to be searched quickly.

The files are the truth. Each row has the *stamp* of the file that it was read from (its inode,
time and size); a row whose stamp is not the file's is read anew, so an index that is old, empty
or of another day is as good as a new one. It is a cache that nobody misses.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

from inspector.errors import LibraryError
from inspector.library.entries import Entry, as_json, of_json
from inspector.library.files import Files
from inspector.library.places import locked

T = TypeVar("T")

NAME = "index.sqlite"
MEMORY = ":memory:"
VERSION = 1
BUSY_SECONDS = 10.0

_WITHOUT_DAMAGE = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_READONLY,
}
_TABLE = """
CREATE TABLE IF NOT EXISTS kept (
    id TEXT PRIMARY KEY,
    stamp TEXT NOT NULL,
    about TEXT NOT NULL,
    words TEXT NOT NULL,
    tags TEXT NOT NULL
)
"""


class Index:
    """The index of some files.

    Args:
        files: what it is brought up to before it answers.
    """

    def __init__(self, files: Files) -> None:
        self._files = files
        self._place = str(files.folder / NAME)

    def ask(self, question: Callable[[sqlite3.Connection], T]) -> T:
        """The answer to a question, as the files are now.

        Where the index is damaged it is made anew; where it can't be written, or is locked for
        too long, one in memory answers.
        """
        if self._files.folder.is_dir():
            with contextlib.suppress(sqlite3.Error, OSError):
                return self._ask_file(question)
        return self._ask_at(MEMORY, question)

    def note_down(self, entry: Entry) -> None:
        """Write the row of an entry that has changed; where that fails, whoever asks next will.

        The caller holds the library's lock, exclusively.
        """
        with contextlib.suppress(sqlite3.Error, OSError), _opened(self._place) as database:
            _put(database, entry, self._files.stamp(entry.id))

    def discard(self) -> None:
        """Throw the index away; the caller holds the library's lock, exclusively."""
        for ending in ("", "-wal", "-shm", "-journal"):
            Path(f"{self._place}{ending}").unlink(missing_ok=True)

    def _ask_file(self, question: Callable[[sqlite3.Connection], T]) -> T:
        try:
            with locked(self._files.folder, exclusive=False):
                return self._ask_at(self._place, question)
        except sqlite3.Error as error:
            if not _is_damage(error):
                raise
        with locked(self._files.folder, exclusive=True):
            self.discard()
            return self._ask_at(self._place, question)

    def _ask_at(self, place: str, question: Callable[[sqlite3.Connection], T]) -> T:
        with _opened(place) as database:
            _bring_up(database, self._files.stamps(), self._entry)
            return question(database)

    def _entry(self, id: str) -> Entry | None:
        try:
            return self._files.read(self._files.home(id))
        except LibraryError:
            return None  # `Library.problems` tells of it


def _is_damage(error: sqlite3.Error) -> bool:
    """Whether the index is to be thrown away; a full disk or a busy one is no reason."""
    code = getattr(error, "sqlite_errorcode", None)
    return code is None or code & 0xFF not in _WITHOUT_DAMAGE


@contextlib.contextmanager
def _opened(place: str) -> Iterator[sqlite3.Connection]:
    """A connection to the index; made where there is none.

    Args:
        place: a path, or `MEMORY`.

    Raises:
        sqlite3.Error: it is damaged, of another version, or can't be written.
    """
    if place != MEMORY and Path(place).is_symlink():
        raise sqlite3.DatabaseError("the index is a link")
    with contextlib.closing(
        sqlite3.connect(place, timeout=BUSY_SECONDS, isolation_level=None)
    ) as database:
        database.execute("PRAGMA trusted_schema = OFF")
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        version = database.execute("PRAGMA user_version").fetchone()[0]
        if version not in (0, VERSION):
            raise sqlite3.DatabaseError(f"the index is of version {version}")
        if version == 0:
            with _at_once(database):
                database.execute(_TABLE)
                database.execute(f"PRAGMA user_version = {VERSION}")
        yield database


def _bring_up(
    database: sqlite3.Connection, stamps: Mapping[str, str], read: Callable[[str], Entry | None]
) -> None:
    """Make the rows say what the files say.

    Args:
        database: the index.
        stamps: of the files that there are, by the ids of their entries.
        read: gives an entry from its file; None where that is refused.
    """
    known = dict(database.execute("SELECT id, stamp FROM kept"))
    gone = known.keys() - stamps.keys()
    changed = [one for one, stamp in stamps.items() if known.get(one) != stamp]
    if not gone and not changed:
        return
    with _at_once(database):
        database.executemany("DELETE FROM kept WHERE id = ?", [(one,) for one in gone])
        for one in changed:
            entry = read(one)
            if entry is None:
                database.execute("DELETE FROM kept WHERE id = ?", (one,))
            else:
                _put(database, entry, stamps[one])


def _put(database: sqlite3.Connection, entry: Entry, stamp: str) -> None:
    """Write the row of an entry."""
    row = (entry.id, stamp, as_json(entry), _words(entry), _lines(entry.tags))
    database.execute("INSERT OR REPLACE INTO kept VALUES (?, ?, ?, ?, ?)", row)


def found(database: sqlite3.Connection, search: str, tag: str) -> tuple[Entry, ...]:
    """The entries that hold every word of `search`, and the tag; pinned first, then the newest.

    Raises:
        sqlite3.Error: a row holds something that was never written there.
    """
    wanted = [("words", word) for word in search.casefold().split()]
    if tag:
        wanted.append(("tags", _lines([tag])))
    where = " AND ".join(f"instr({column}, ?)" for column, _ in wanted) or "1"
    rows = database.execute(
        f"SELECT id, about FROM kept WHERE {where}", [text for _, text in wanted]
    )
    try:
        entries = [of_json(str(one), str(about)) for one, about in rows]
    except ValueError as error:
        raise sqlite3.DatabaseError(f"a row of the index is damaged: {error}") from error
    return tuple(sorted(entries, key=lambda entry: entry.order, reverse=True))


def _words(entry: Entry) -> str:
    texts = (entry.id, entry.name, entry.note, entry.model, entry.failure)
    return "\n".join((*texts, *entry.tags, *entry.op_names)).casefold()


def _lines(tags: list[str] | tuple[str, ...]) -> str:
    """Tags each between line ends, which none of them holds: a whole one is looked for."""
    return "".join(f"\n{tag.casefold()}\n" for tag in tags)


@contextlib.contextmanager
def _at_once(database: sqlite3.Connection) -> Iterator[None]:
    """One transaction."""
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        if database.in_transaction:  # a full disk has ended it already
            database.execute("ROLLBACK")
        raise
    database.execute("COMMIT")
