"""ATen calls below each op, seen by a `TorchDispatchMode`. Optional, because it is slow."""

from __future__ import annotations

import time
from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode

from inspector.capture.tape import Tape
from inspector.records import Kernel


class KernelRecorder(TorchDispatchMode):
    """Adds each kernel to the op that is running on the tape."""

    def __init__(self, tape: Tape) -> None:
        super().__init__()
        self._tape = tape

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        start = time.perf_counter_ns()
        result = func(*args, **(kwargs or {}))
        tape = self._tape
        if tape.recording_here and tape.running is not None:
            elapsed = (time.perf_counter_ns() - start) / 1000
            tape.running.kernels.append(Kernel(str(func), elapsed))
        return result
