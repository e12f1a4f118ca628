"""How much a program and all that it started take of the machine, as the kernel tells it.

A limit of the system is one for each process, and there are many places for memory that is no
process's own. So all of it is looked at together, twenty times a second:

    pages of its own    of all processes, those that two of them share once; swapped out ones too
    shared mappings     by their size: their pages stay when they are mapped nowhere at the moment
    sockets             each by what can wait in it

What is not here cannot be had (`calls`), or is bounded by itself: files in memory by the size of
their folders, pipes for each user.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator

_BUFFER = "sys/net/core/wmem_default"
"""Tells how many bytes can wait in a socket; `calls` lets no program ask for more."""


class Tree:
    """All processes that come from one, seen through a `/proc` that was opened earlier.

    Args:
        proc: number of the open folder. It shows the processes of the namespace that it was
            opened in, whatever the process that looks can see now: a container may refuse it a
            `/proc` of its own.
        apart: whether the tree has namespaces of its own: the sockets of this process's network
            are then those of the tree alone.
    """

    def __init__(self, proc: int, *, apart: bool) -> None:
        self.proc = proc
        self.apart = apart
        self._buffer = int("".join(self._rows(_BUFFER)) or 1 << 18)

    def processes(self) -> list[int]:
        """Those that come from this one, by the numbers that `/proc` gives them."""
        children: dict[int, list[int]] = {}
        with contextlib.suppress(OSError):
            for name in filter(str.isdecimal, os.listdir(self.proc)):
                fields = "".join(self._rows(f"{name}/stat")).rpartition(")")[2].split()
                if fields:
                    children.setdefault(int(fields[1]), []).append(int(name))
        found, todo = [], [self.here()]
        while todo:
            below = children.get(todo.pop(), [])
            found += below
            todo += below
        return found

    def here(self) -> int:
        """This process's number.

        Raises:
            OSError: `/proc` is not what it should be.
        """
        return int(os.readlink("self", dir_fd=self.proc))

    def number_here(self, pid: int) -> int | None:
        """A process's number as this one knows it, which may be in another namespace."""
        ours, known = (self._numbers(one) for one in ("self", pid))
        return int(known[len(ours) - 1]) if 0 < len(ours) <= len(known) else None

    def own_memory(self) -> int:
        """Bytes of this process's own pages, those that it was forked with included."""
        return self._pages("self")

    def memory(self, processes: Iterable[int], enough: int) -> int:
        """Bytes that processes take together.

        Args:
            processes: by their numbers.
            enough: what is less need not be told exactly, and may be told as more than it is:
                pages that several processes share are then counted for each of them.
        """
        pids = list(processes)
        other = self._shared(pids) + self._waiting()
        rough = sum(map(self._pages, pids)) + other
        return rough if rough <= enough else sum(map(self._portion, pids)) + other

    def _pages(self, pid: int | str) -> int:
        """Bytes of a process's own pages, each counted in full."""
        return self._sum(f"{pid}/status", "RssAnon:", "VmSwap:")

    def _portion(self, pid: int) -> int:
        """The same, but of pages that n processes have, one n-th of each. Takes milliseconds."""
        told = self._sum(f"{pid}/smaps_rollup", "Pss_Anon:", "SwapPss:")
        return told or self._pages(pid)

    def _shared(self, pids: Iterable[int]) -> int:
        """Bytes of memory that processes map to share it, each piece counted once.

        One that hides what it maps, as it can from others of the same user, may share all of it.
        """
        sizes: dict[tuple[str, str], int] = {}
        hidden = 0
        for pid in pids:
            rows = list(self._rows(f"{pid}/maps"))
            if not rows:
                hidden += self._sum(f"{pid}/status", "VmSize:")
            for row in rows:
                # 7f00-7f10 rw-s 00000000 00:01 123  /dev/zero (deleted)
                if " 00:" not in row or row.partition(" ")[2][3:4] != "s":
                    continue
                place, _, offset, device, number = row.split(maxsplit=5)[:5]
                start, _, end = place.partition("-")
                size = int(offset, 16) + int(end, 16) - int(start, 16)
                sizes[device, number] = max(sizes.get((device, number), 0), size)
        return sum(sizes.values()) + hidden

    def _waiting(self) -> int:
        """Bytes that can wait in sockets. Where others' are seen too, they are not counted."""
        for row in self._rows("self/net/sockstat") if self.apart else ():
            if row.startswith("sockets: used "):
                return int(row.split()[2]) * 2 * self._buffer  # the last message may overrun it
        return 0

    def _numbers(self, pid: int | str) -> list[str]:
        """Its numbers in all namespaces of processes that it is in, from the outermost on."""
        rows = (row.split()[1:] for row in self._rows(f"{pid}/status") if row.startswith("NSpid:"))
        return next(rows, [])

    def _sum(self, path: str, *names: str) -> int:
        rows = (row.split() for row in self._rows(path) if row.startswith(names))
        return sum(int(row[1]) for row in rows) * 1024

    def _rows(self, path: str) -> Iterator[str]:
        """The rows of a file; none where it cannot be read."""
        with contextlib.suppress(OSError, UnicodeDecodeError):
            number = os.open(path, os.O_RDONLY | os.O_CLOEXEC, dir_fd=self.proc)
            with open(number, encoding="utf-8", errors="replace") as file:
                yield from file


def size_of(folder: str) -> int:
    """Bytes of all files in a folder."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(place, name)).st_blocks * 512
    return total
