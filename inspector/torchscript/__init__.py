"""TorchScript's view of a model: its IR as a `StaticGraph`.

make.py      script, trace or load a model
template.py  one torch._C.Graph as plain values
unfold.py    the graphs that it calls nested inside it
explain.py   torch's failures in plain words
"""

from __future__ import annotations

from inspector.torchscript.make import load_torchscript, script, trace

__all__ = ["load_torchscript", "script", "trace"]
