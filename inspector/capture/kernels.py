"""ATen calls below each op and autograd node, seen by a `TorchDispatchMode`.

Optional, because it is slow.
"""

from __future__ import annotations

import time
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from inspector.capture.tape import Tape
from inspector.records import Kernel


class KernelRecorder(TorchDispatchMode):
    """Adds each kernel to the op or the autograd node that is running on the tape."""

    def __init__(self, tape: Tape) -> None:
        super().__init__()
        self._tape = tape

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        start = time.perf_counter_ns()
        # Below autograd no function mode hears of kernels; through this call it would.
        with torch._C.DisableTorchFunction():
            result = func(*args, **(kwargs or {}))
        tape = self._tape
        if not tape.full:
            sink = tape.node_kernels if tape.running is None else tape.running.kernels
            if sink is not None:
                sink.append(Kernel(str(func), (time.perf_counter_ns() - start) / 1000))
        return result
