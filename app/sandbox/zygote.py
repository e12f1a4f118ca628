"""The process that programs are forked from: Python with torch, in 0.02 s instead of 2 s.

    python -c BOOT NUMBER      NUMBER: of the socket to the server

It runs nothing of anybody's itself, has no secrets in its environment, and ends with the server.
"""

from __future__ import annotations

import contextlib
import gc
import os
import select
import shutil
import signal
import socket
import sys

from inspector.capture import CaptureOptions, Session
from inspector_app.sandbox import walls
from inspector_app.sandbox.keeper import Channels, keep
from inspector_app.sandbox.orders import Order
from inspector_app.sandbox.usage import Tree
from inspector_app.sandbox.work import Work
from inspector_app.sandbox.zygote_boot import CHANNELS

_FIRST = "import torch\nx = torch.ones(2, requires_grad=True)\ny = (x * 2).sum()\n"
_REAP_MS = 200
_IDLE_MS = 1000


def serve() -> Work:
    """Fork a process for each order. Returns in those processes alone."""
    server = socket.socket(fileno=int(sys.argv[1]))
    home = os.getcwd()  # asked for now: the server may have removed it when this process ends
    sys.argv = [""]
    # A word to stop a program that has not begun yet waits until it can hear it.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    walls.hide_memory()
    walls.adopt_orphans()
    proc = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    tree = Tree(proc, apart=False)
    _warm_up()
    keepers: set[int] = set()
    warm = False
    poll = select.poll()
    poll.register(server, select.POLLIN)
    while True:
        idle = not keepers
        heard = poll.poll(_IDLE_MS if idle else _REAP_MS)
        _reap(keepers, tree)
        if not heard:
            if idle and not warm:
                _warm_up_more()
                warm = True
            continue
        try:
            message, numbers, _, _ = socket.recv_fds(server, 16, CHANNELS)
        except OSError:
            message = b""
        if not message:  # the server has ended, and may not have tidied up
            shutil.rmtree(home, ignore_errors=True)
            os._exit(0)
        work = _forked(server, numbers, keepers, proc)
        if work is not None:
            return work


def _forked(server: socket.socket, numbers: list[int], keepers: set[int], proc: int) -> Work | None:
    """Fork for one order: the program's work in its process, None in this one."""
    given, output, result, status = numbers
    channels = Channels(output, result, socket.socket(fileno=status))
    with open(given, "rb") as file:
        file.seek(0)
        order = Order.from_json(file.read())
    zygote = os.getpid()
    child = os.fork()
    if child:
        keepers.add(child)
        channels.close()
        return None
    try:
        server.close()
        keep(order, channels, zygote, proc)
    except BaseException as error:
        channels.tell(over="trouble", reason=f"{type(error).__name__}: {error}")
        os._exit(1)
    return Work(order.program, order.limits)


def _reap(keepers: set[int], tree: Tree) -> None:
    """Let go of keepers that ended, and end what was left behind by one that was killed."""
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG)[0]) != 0:
            keepers.discard(ended)
    if keepers:
        return
    for pid in tree.processes():
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)


def _warm_up() -> None:
    """Import what programs use, and record a first one: much is done then and never again.

    Without a backward pass: after one, torch refuses those of forked processes.
    """
    import inspector.torchscript

    assert inspector.torchscript
    session = Session(CaptureOptions(), None)
    with session.running():
        exec(_FIRST, {})
    session.recording.save("first.inspect")
    os.unlink("first.inspect")
    _settled()


def _warm_up_more() -> None:
    """Import what only programs with kernels or fake tensors need, while nothing else is to do."""
    from inspector.capture.kernels import import_dynamo

    import_dynamo()
    _settled()


def _settled() -> None:
    gc.collect()
    gc.freeze()  # the collector would write to every object, and so copy its page
