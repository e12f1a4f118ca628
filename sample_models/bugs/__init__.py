"""The bug gallery: what goes wrong most often in PyTorch programs, each wrong and put right.

    from sample_models.bugs import bugs

    bugs()[3].buggy()  # raises, as it would for you
    bugs()[3].fixed()

Needs only torch (and NumPy, where a bug is about it).
"""

from __future__ import annotations

import importlib
import pkgutil

from sample_models.bugs._bug import Bug

__all__ = ["Bug", "bugs"]


def bugs() -> dict[int, Bug]:
    """All bugs by number; each is a file `bug_03_inplace_after_relu.py` with a `BUG`."""
    names = sorted(
        module.name for module in pkgutil.iter_modules(__path__) if module.name.startswith("bug_")
    )
    found = [importlib.import_module(f"{__name__}.{name}").BUG for name in names]
    return {bug.number: bug for bug in found}
