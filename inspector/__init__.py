"""See what a PyTorch model did for one input: ops, gradients, decisions, and its TorchScript.

    import inspector
    recording = inspector.record(model, x, loss="sum")
    print(recording.to_text())

Names that need torch or pyarrow are imported when first used, so that `import inspector` and
the command line's help are quick. Functions named like their module (`overlay`) are imported
at once: a later import of the module would otherwise put the module in the name's place.
(The standard library's module for looking at Python objects is `inspect`.)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from inspector.overlay import overlay

if TYPE_CHECKING:
    from inspector.capture import CaptureOptions, Session, record, recording
    from inspector.errors import InspectorError
    from inspector.records import (
        Decision,
        Divergence,
        Failure,
        GradNode,
        IRNode,
        IRValue,
        Kernel,
        LineBranch,
        ModuleCall,
        Op,
        Overlay,
        ParameterInfo,
        Recording,
        Source,
        StaticGraph,
        Step,
        TensorInfo,
        TensorSummary,
    )
    from inspector.render.picture import to_graphviz
    from inspector.store import load, save
    from inspector.text import to_text
    from inspector.torchscript import load_torchscript, script, trace

_HOME = {
    "inspector.capture": ("CaptureOptions", "Session", "record", "recording"),
    "inspector.errors": ("InspectorError",),
    "inspector.records": (
        "Decision", "Divergence", "Failure", "GradNode", "IRNode", "IRValue", "Kernel",
        "LineBranch", "ModuleCall", "Op", "Overlay", "ParameterInfo", "Recording", "Source",
        "StaticGraph", "Step", "TensorInfo", "TensorSummary",
    ),
    "inspector.render.picture": ("to_graphviz",),
    "inspector.store": ("load", "save"),
    "inspector.text": ("to_text",),
    "inspector.torchscript": ("load_torchscript", "script", "trace"),
}  # fmt: skip
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}

__all__ = [
    "CaptureOptions", "Decision", "Divergence", "Failure", "GradNode", "IRNode", "IRValue",
    "InspectorError", "Kernel", "LineBranch", "ModuleCall", "Op", "Overlay", "ParameterInfo",
    "Recording", "Session", "Source", "StaticGraph", "Step", "TensorInfo", "TensorSummary", "load",
    "load_torchscript", "overlay", "record", "recording", "save", "script", "to_graphviz",
    "to_text", "trace",
]  # fmt: skip

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    module = _MODULE_OF.get(name)
    if module is None:
        raise AttributeError(f"module 'inspector' has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(module), name)
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
