"""What Linux offers to keep a process apart: namespaces, a root of its own, another user.

All of it is asked of the C library, since Python 3.11 has none of it. Each wall is tried by itself:
inside of containers some are refused, and then the others still stand.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import site
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from importlib.util import find_spec

NAMESPACES, USER, LANDLOCK, CALLS = "namespaces", "user", "landlock", "calls"
WALLS = (NAMESPACES, USER, LANDLOCK, CALLS)
"""What an order can name."""

FIRST_USER, USERS = 60_000, 5_000
"""Numbers of users that nobody is given by default."""

SCRATCH = "/scratch"
OWN_FOLDERS = (SCRATCH, "/dev/shm")
"""Under a program's own root: the only places where it can write."""

_NEW_NS, _NEW_UTS, _NEW_IPC = 0x0002_0000, 0x0400_0000, 0x0800_0000
_NEW_USER, _NEW_PID, _NEW_NET = 0x1000_0000, 0x2000_0000, 0x4000_0000
_APART = _NEW_NS | _NEW_UTS | _NEW_IPC | _NEW_PID | _NEW_NET
_NOSUID, _NODEV, _REMOUNT, _RDONLY, _BIND, _REC, _PRIVATE = 2, 4, 32, 1, 4096, 16384, 1 << 18
_DETACH = 2
_SYS_MOUNT_SETATTR = 442
_AT_FDCWD, _AT_RECURSIVE = -100, 0x8000
_PDEATHSIG, _DUMPABLE, _CAPBSET_DROP, _SUBREAPER, _NO_NEW_PRIVS = 1, 4, 24, 36, 38
_KILL = 9

_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def _call(name: str, *arguments: int | bytes | None) -> int:
    """Call a function of the C library; an OSError where it fails."""
    assert _libc is not None
    given = [
        ctypes.c_ulong(value & (2**64 - 1)) if isinstance(value, int) else value
        for value in arguments
    ]
    result: int = getattr(_libc, name)(*given)
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
    return result


# -- namespaces ----------------------------------------------------------------------------------


def leave_namespaces() -> bool:
    """Go to new namespaces for network, files, processes (from the next child on) and names.

    Returns:
        Whether that was possible: as root, else in a user namespace of one's own.
    """
    user, group = os.geteuid(), os.getegid()
    with contextlib.suppress(OSError):
        _call("unshare", _APART)
        return True
    try:
        _call("unshare", _APART | _NEW_USER)
    except OSError:
        return False
    show_memory()  # the maps of a process that hides it are root's
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"{user} {user} 1")
    _write("/proc/self/gid_map", f"{group} {group} 1")
    hide_memory()
    return True


def _write(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)


# -- files ---------------------------------------------------------------------------------------


def change_root(root: str, file_mb: int, user: int) -> bool:
    """See nothing but Python, a few devices, and an empty folder `SCRATCH` in memory.

    Args:
        root: an empty folder, over which the new root is mounted for this process alone.
        file_mb: the size of `SCRATCH`, and of the shared memory.
        user: number of the user whose name and home are told.

    Returns:
        Whether that was possible. If not, all is as before.
    """
    try:
        _mount(None, "/", None, _REC | _PRIVATE)
        _mount("tmpfs", root, "tmpfs", _NOSUID | _NODEV, "size=1m,mode=755")
    except OSError:
        return False
    try:
        _furnish(root, file_mb, user)
        os.mkdir(f"{root}/old")
        _call("pivot_root", os.fsencode(root), os.fsencode(f"{root}/old"))
    except OSError:
        with contextlib.suppress(OSError):
            _call("umount2", os.fsencode(root), _DETACH)
        return False
    os.chdir("/")
    _call("umount2", b"/old", _DETACH)
    os.rmdir("/old")
    _mount(None, "/", None, _REMOUNT | _RDONLY | _NOSUID | _NODEV)
    return True


def _furnish(root: str, file_mb: int, user: int) -> None:
    for path in shown():
        _show(root, path)
    if not os.path.lexists(f"{root}/tmp"):
        os.symlink(SCRATCH, f"{root}/tmp")
    for path in ("/proc", "/dev", "/dev/shm", SCRATCH):
        os.makedirs(root + path, exist_ok=True)
    with contextlib.suppress(OSError):  # refused in containers that hide parts of it
        _mount("proc", f"{root}/proc", "proc", _RDONLY | _NOSUID | _NODEV)
    for name in ("null", "zero", "full", "random", "urandom"):
        with open(f"{root}/dev/{name}", "w"):
            pass
        _mount(f"/dev/{name}", f"{root}/dev/{name}", None, _BIND)
    os.symlink("/proc/self/fd", f"{root}/dev/fd")
    for path in OWN_FOLDERS:
        data = f"size={file_mb}m,nr_inodes=4096,mode=700"
        _mount("tmpfs", root + path, "tmpfs", _NOSUID | _NODEV, data)
    os.makedirs(f"{root}/etc", exist_ok=True)
    _write(f"{root}/etc/passwd", f"learner:x:{user}:{user}::{SCRATCH}:/bin/sh\n")
    _write(f"{root}/etc/group", f"learner:x:{user}:\n")


def shown() -> list[str]:
    """The system's programs and libraries, Python's and its packages'; no folder twice."""
    system = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc/alternatives"]
    system += ["/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/localtime"]
    python = [sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix]
    python += [sysconfig.get_path(key) for key in ("stdlib", "platstdlib", "purelib", "platlib")]
    python += [*site.getsitepackages(), site.getusersitepackages() or ""]
    for package in ("inspector", "sample_models"):
        spec = find_spec(package)
        python += (spec.submodule_search_locations or []) if spec is not None else []
    wanted = [path for path in (*system, *map(os.path.abspath, python)) if os.path.lexists(path)]
    return list(_outermost(wanted))


def _outermost(paths: Iterable[str]) -> Iterator[str]:
    last = None
    for path in sorted(set(paths)):
        if path != "/" and (last is None or not path.startswith(f"{last}/")):
            last = path
            yield path


def _show(root: str, path: str) -> None:
    """The same folder, file or link under the new root, to be read only."""
    place = root + path
    os.makedirs(os.path.dirname(place), exist_ok=True)
    if os.path.islink(path):
        os.symlink(os.readlink(path), place)
        return
    if os.path.isdir(path):
        os.makedirs(place, exist_ok=True)
    else:
        with open(place, "w"):
            pass
    _mount(path, place, None, _BIND | _REC)
    _read_only(place)


def _read_only(path: str) -> None:
    attributes = (ctypes.c_uint64 * 4)(_RDONLY | _NOSUID | _NODEV, 0, 0, 0)
    assert _libc is not None
    result = _libc.syscall(
        ctypes.c_long(_SYS_MOUNT_SETATTR),
        ctypes.c_int(_AT_FDCWD),
        os.fsencode(path),
        ctypes.c_uint(_AT_RECURSIVE),
        ctypes.byref(attributes),
        ctypes.c_size_t(32),
    )
    if result < 0:
        raise OSError(ctypes.get_errno(), "mount_setattr")


def _mount(
    what: str | None, where: str, kind: str | None, flags: int, data: str | None = None
) -> None:
    texts = [None if text is None else text.encode() for text in (what, where, kind, data)]
    _call("mount", texts[0], texts[1], texts[2], flags, texts[3])


# -- user and privileges -------------------------------------------------------------------------


def user_of_its_own() -> int | None:
    """A user for one program, where this process can become another one."""
    return FIRST_USER + os.getpid() % USERS if os.geteuid() == 0 else None


def can_read_python(user: int) -> bool:
    """Whether a user can read what Python needs: it may lie in root's own folder."""
    import inspector

    needed = (inspector.__file__, os.__file__, sys.executable)
    try:
        os.seteuid(user)
    except OSError:
        return False
    readable = all(os.access(path, os.R_OK, effective_ids=True) for path in needed)
    os.seteuid(0)
    return readable


def become(user: int) -> None:
    """Become a user that owns nothing, for good.

    Raises:
        OSError: that is refused.
    """
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)
    show_memory()  # its own /proc/self is its own


def drop_privileges() -> None:
    """Have no capability, and gain none by starting programs.

    Raises:
        OSError: they could not be given up.
    """
    _prctl(_NO_NEW_PRIVS, 1)
    for capability in range(64):
        with contextlib.suppress(OSError):
            _prctl(_CAPBSET_DROP, capability)
    header = (ctypes.c_uint32 * 2)(0x2008_0522, 0)
    none = (ctypes.c_uint32 * 6)()
    assert _libc is not None
    if _libc.capset(ctypes.byref(header), ctypes.byref(none)) < 0:
        raise OSError(ctypes.get_errno(), "capset")


def die_with_parent(parent: int) -> None:
    """Be killed when the parent ends, or now where it has."""
    _prctl(_PDEATHSIG, _KILL)
    if os.getppid() != parent:
        os._exit(1)


def adopt_orphans() -> None:
    """Become the parent of descendants whose own parents end."""
    _prctl(_SUBREAPER, 1)


def hide_memory() -> None:
    """Let no other process of the same user read this one's memory and environment."""
    _prctl(_DUMPABLE, 0)


def show_memory() -> None:
    """Let who keeps this process count its memory."""
    _prctl(_DUMPABLE, 1)


def _prctl(option: int, value: int) -> None:
    _call("prctl", option, value, 0, 0, 0)
