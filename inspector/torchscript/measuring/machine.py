"""The machine that something is measured on, and what is given to the model there."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from inspector.stages import Machine
from inspector.torchscript.copies import tensors_in


def machine(args: tuple[Any, ...] = ()) -> Machine:
    """The machine that this runs on, and the device that the arguments are on."""
    devices = {str(tensor.device) for tensor in tensors_in(args)}
    return Machine(
        cpu=_cpu(),
        threads=torch.get_num_threads(),
        torch=str(torch.__version__),
        python=platform.python_version(),
        device=", ".join(sorted(devices)) or "cpu",
    )


def _cpu() -> str:
    """The model of the CPU as the system calls it, and how many cores this process may use."""
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if sys.platform == "linux" and info.exists():
        lines = info.read_text(errors="replace").splitlines()
        found = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
        name = next(found, name)
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity is not None else os.cpu_count()
    return f"{name}, {cores} cores"


def waiting(args: tuple[Any, ...]) -> Callable[[], None]:
    """What waits for the device: kernels on a GPU run on after the call has returned."""
    if any(tensor.is_cuda for tensor in tensors_in(args)):
        return torch.cuda.synchronize
    return lambda: None


def described(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[str, ...]:
    """Shapes and dtypes of all tensors in the arguments: "2×3 float32"."""
    return tuple(
        f"{'×'.join(map(str, tensor.shape)) or 'scalar'} {str(tensor.dtype).removeprefix('torch.')}"
        for tensor in tensors_in((args, kwargs))
    )
