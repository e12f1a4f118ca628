"""Runs programs of people that nobody knows, apart from the server.

orders.py    what is run, within which limits, and what comes of it
running.py   `run`: one program, from the server's side
listening.py what a program prints and how it ends, while it runs
endings.py   how a program ended, in words
zygotes.py   the process that runs are forked from, from the server's side
zygote.py    that process: Python with torch, ready to be forked
keeper.py    the process that keeps a program behind walls and ends all that it began
watching.py  waits for a program's end, and brings it about at its limits
walls.py     what Linux offers to keep a process apart: namespaces, another user
landlock.py  and what it offers where it refuses those
calls.py     what a process may not ask of the kernel
limiting.py  what a process may use up, by the kernel
usage.py     what all processes of a program use together
work.py      the program's own process: runs it under a recording
clock.py     ends it when its time is over, or it is to stop
failures.py  the exception that ended it
lit.py       what its calls of a TorchScript archive ran of the archive's graph
results.py   what comes back: plain data, checked before it is believed
alone.py     a program where the system is not Linux
"""

from __future__ import annotations

from inspector_app.sandbox.orders import Isolation, Limits, Outcome, Program
from inspector_app.sandbox.running import prepare, run

__all__ = ["Isolation", "Limits", "Outcome", "Program", "prepare", "run"]
