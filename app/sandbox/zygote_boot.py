"""How the zygote is started and told what to do; known to the server, which has no torch."""

from __future__ import annotations

import os
from pathlib import Path

import inspector

BOOT = """\
from inspector_app.sandbox.zygote import serve
work = serve()
if work.ready():
    with work, work.recorder:
        exec(work.code, work.names)
work.finish()
"""
"""Run with `python -c`: what calls a program is then no file, and so in no recorded stack."""

RUN = b"run"
"""The message for one order; with it come four open files."""

CHANNELS = 4

_PASSED_ON = ("LD_LIBRARY_PATH", "PATH", "PYTHONPATH", "SYSTEMROOT", "TZ")
"""Of the server's environment: what Python needs to be found and to find its libraries."""


def environment(home: str) -> dict[str, str]:
    """What a process for programs is told: where Python is, and nothing of the server's."""
    kept = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    root = str(Path(inspector.__file__).parents[1])
    paths = [*kept.get("PYTHONPATH", "").split(os.pathsep), root]
    return {
        **kept,
        "PYTHONPATH": os.pathsep.join(os.path.abspath(path) for path in paths if path),
        "HOME": home,
        "TMPDIR": home,
        "LANG": "C.UTF-8",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "ARROW_DEFAULT_MEMORY_POOL": "system",
        "CUDA_VISIBLE_DEVICES": "",
        # torch.compile would fill a program's folder with them, for one kernel.
        "TORCHINDUCTOR_CPP_CACHE_PRECOMPILE_HEADERS": "0",
    }
