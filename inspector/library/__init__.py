"""A library of recordings: a folder that keeps them with names, tags, notes and pictures.

    library = Library()
    entry = library.add("run.inspect", "before the fix", tags=["baseline"])
    library.entries(search="relu")

Each recording has a folder of its own, named by its id, which no text of a person ever is:

    3f2a90c1d4e7/
        recording.inspect    the file as it was given, never changed
        about.json           name, tags, note, and what ran (`inspector.library.entries`)
        picture.svg          a small picture, where one could be drawn
    trash/                   such folders, removed
    index.sqlite             to search quickly; made again from the files whenever it is not as they
    lock                     held while a file changes its place or its text

A folder is made beside its place and comes there by one rename, a text is replaced by one rename:
a process that dies, or a disk that is full, leaves what was there before. What two processes do
at once to one recording is done one after the other, on what the file says at that moment.
"""

from __future__ import annotations

from inspector.library.entries import Entry
from inspector.library.shelf import Library

__all__ = ["Entry", "Library"]
