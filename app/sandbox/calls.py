"""What a program may ask of the Linux kernel: a filter of its own (seccomp), which needs no rights.

Whatever is not named here stays allowed. What is refused reaches beyond the program, opens parts of
the kernel that no model needs, or holds memory in places where nobody counts it.
"""

from __future__ import annotations

import ctypes
import errno
import platform
import sys
from collections.abc import Iterator, Sequence

_X86, _ARM = "x86_64", "aarch64"
_AUDIT = {_X86: 0xC000_003E, _ARM: 0xC000_00B7}
"""How the kernel names the instruction sets whose calls have these numbers."""

_REFUSED = {
    # Memory and handles of other processes.
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "kcmp": (312, 272),
    "pidfd_getfd": (438, 438),
    "move_pages": (279, 239),
    "migrate_pages": (256, 238),
    # Programs within the kernel, and its doors that were often broken.
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "io_setup": (206, 0),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "modify_ldt": (154, None),
    "iopl": (172, None),
    "ioperm": (173, None),
    # The machine itself.
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "acct": (163, 89),
    "syslog": (103, 116),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "adjtimex": (159, 171),
    "clock_adjtime": (305, 266),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "vhangup": (153, 58),
    "fanotify_init": (300, 262),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    # Namespaces and mounts of its own: in them it would be root, with memory as large as it likes.
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    # Memory that is no process's, and so is not counted: files without a place, System V's, pipes.
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "shmget": (29, 194),
    "msgget": (68, 186),
    "semget": (64, 190),
    "mq_open": (240, 180),
    "vmsplice": (278, 75),
}
"""Numbers of calls on x86_64 and on aarch64; None where there is none."""

_SOCKETS = {"socket": (41, 198), "socketpair": (53, 199)}
_CLONE, _CLONE3 = (56, 220), 435
_UNIX = 1
_SET_OPTION, _BUFFER = (54, 208), 7
"""`setsockopt`, and its option for how much can wait in a socket."""
_NAMESPACES = 0x7E02_0000
"""Flags of `clone` for a new namespace of any kind."""

_KNOWN = 463
"""Calls with this number and above are younger than this list."""

_OTHER_ABI = 0x4000_0000
"""Above it are the same calls once more, on x86_64: those of x32."""

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _FIRST, _THIRD = 0, 4, 16, 32
"""Where these stand in what a filter sees; of an argument, the lower half, which comes first."""
_KILL, _ERROR, _ALLOW = 0x8000_0000, 0x0005_0000, 0x7FFF_0000

_SET_SECCOMP, _MODE_FILTER = 22, 2

Step = tuple[int, int, int, int]
"""One instruction: what it does, how far it jumps if so and if not, and its number."""


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("steps", ctypes.c_void_p))


def refuse_calls() -> bool:
    """Refuse these calls to this process and all that it starts, for good.

    It can gain no privileges any more (`walls.drop_privileges`), else only root may do this.

    Returns:
        Whether that was possible.
    """
    if platform.machine() not in _AUDIT or sys.byteorder != "little":
        return False
    steps = filter_for(platform.machine())
    packed = (ctypes.c_uint64 * len(steps))(*map(_packed, steps))
    program = _Program(len(steps), ctypes.addressof(packed))
    libc = ctypes.CDLL(None, use_errno=True)
    place = ctypes.c_ulong(ctypes.addressof(program))
    mode, none = ctypes.c_ulong(_MODE_FILTER), ctypes.c_ulong(0)
    return bool(libc.prctl(ctypes.c_int(_SET_SECCOMP), mode, place, none, none) == 0)


def filter_for(machine: str) -> list[Step]:
    """The filter for a kind of machine, as instructions of the kernel's (classic BPF).

    Args:
        machine: as `platform.machine` names it, "x86_64" or "aarch64".
    """
    column = (_X86, _ARM).index(machine)
    steps = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 1, 0, _AUDIT[machine]),
        (_RETURN, 0, 0, _KILL),  # calls of another instruction set have other numbers
        (_LOAD, 0, 0, _NUMBER),
        *_if(_AT_LEAST, _OTHER_ABI, _refusal(errno.EPERM)),
        # Told to be unknown: what asks for it does without it then.
        *_if(_AT_LEAST, _KNOWN, _refusal(errno.ENOSYS)),
        *_if(_EQUAL, _CLONE3, _refusal(errno.ENOSYS)),
    ]
    for numbers in _REFUSED.values():
        if numbers[column] is not None:
            steps += _if(_EQUAL, numbers[column], _refusal(errno.EPERM))
    closed, denied = _refusal(errno.ENETUNREACH), _refusal(errno.EPERM)
    for numbers in _SOCKETS.values():
        steps += _if_argument(numbers[column], _FIRST, [(_EQUAL, 1, 0, _UNIX), *closed])
    steps += _if_argument(_CLONE[column], _FIRST, [(_ANY_BIT, 0, 1, _NAMESPACES), *denied])
    # A larger buffer: 0 is no error, so who asks for one goes on with that which it has.
    steps += _if_argument(_SET_OPTION[column], _THIRD, [(_EQUAL, 0, 1, _BUFFER), *_refusal(0)])
    return [*steps, (_RETURN, 0, 0, _ALLOW)]


def _if(test: int, number: int | None, then: Sequence[Step]) -> Iterator[Step]:
    """Do something where what was loaded passes a test, else go on after it."""
    assert number is not None
    yield test, 0, len(then), number
    yield from then


def _if_argument(number: int, place: int, then: Sequence[Step]) -> Iterator[Step]:
    """Look at an argument of a call, and allow it where `then` does not refuse it."""
    looked = ((_LOAD, 0, 0, place), *then, (_RETURN, 0, 0, _ALLOW))
    return _if(_EQUAL, number, looked)


def _refusal(number: int) -> tuple[Step]:
    return ((_RETURN, 0, 0, _ERROR | number),)


def _packed(step: Step) -> int:
    """An instruction as the kernel reads it: 16 bits, twice 8 and 32."""
    code, so, otherwise, number = step
    return code | so << 16 | otherwise << 24 | number << 32
