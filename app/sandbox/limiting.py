"""What a process may use up of the machine, as the system limits it."""

from __future__ import annotations

import contextlib
import os
import sys

from inspector_app.sandbox.orders import Limits

if sys.platform != "win32":
    import resource

MIB = 1 << 20
RESERVE_MB = 512
"""Beyond a program's memory: what it takes to write the recording when the program had it all."""


def limit(limits: Limits) -> bool:
    """Set what this process, and those that it starts, may use up; False where that is refused.

    Memory and file size have a reserve that `use_reserve` gives free. The first limit on
    processors' time interrupts the program (`clock`).
    """
    memory = memory_now() + limits.memory_mb * MIB
    largest = limits.file_mb * MIB
    seconds = limits.processor_seconds
    wanted = {
        resource.RLIMIT_CORE: (0, 0),
        resource.RLIMIT_AS: (memory, memory + RESERVE_MB * MIB),
        resource.RLIMIT_FSIZE: (largest, 2 * largest),
        resource.RLIMIT_NOFILE: (256, 256),
        resource.RLIMIT_CPU: (seconds, 2 * seconds),
    }
    if sys.platform == "linux":
        tasks = limits.processes + tasks_of_user()
        wanted[resource.RLIMIT_NPROC] = (tasks, tasks)
    held = True
    for kind, (soft, hard) in wanted.items():
        top = resource.getrlimit(kind)[1]
        if top != resource.RLIM_INFINITY:
            soft, hard = min(soft, top), min(hard, top)
        try:
            resource.setrlimit(kind, (soft, hard))
        except (OSError, ValueError):
            held = False
    return held


def go_first(proc: int) -> None:
    """Where the machine itself has no memory left, end this process before any other.

    Args:
        proc: number of an open `/proc`: a program's own can only be read, or it would undo this.
    """
    with contextlib.suppress(OSError):
        number = os.open("self/oom_score_adj", os.O_WRONLY | os.O_CLOEXEC, dir_fd=proc)
        with open(number, "w") as file:
            file.write("1000")


def use_reserve() -> None:
    """Lift the limits to what was kept for writing the recording."""
    if sys.platform == "win32":
        return
    for kind in (resource.RLIMIT_AS, resource.RLIMIT_FSIZE):
        hard = resource.getrlimit(kind)[1]
        resource.setrlimit(kind, (hard, hard))


def memory_now() -> int:
    """Bytes of address space that this process has."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[0]) * resource.getpagesize()
    except OSError:
        return 2048 * MIB


def tasks_of_user() -> int:
    """How many processes and threads this user has that count for a limit on them.

    From Linux 5.14 on they are counted for each user namespace; the processes that are seen here
    are then those of it. Of a user of its own there are none.
    """
    user, count = os.getuid(), 0
    for entry in _processes():
        with contextlib.suppress(OSError):
            if os.stat(f"/proc/{entry}").st_uid == user:
                count += len(os.listdir(f"/proc/{entry}/task"))
    return count


def _processes() -> list[int]:
    try:
        return [int(name) for name in os.listdir("/proc") if name.isdecimal()]
    except OSError:
        return []
