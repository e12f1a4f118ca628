"""TorchScript's view of a model: its IR as a `StaticGraph`.

make.py      script or trace a model
wrapper.py   a call as a function of tensors alone, for tracer and exporters
kept.py      nothing stays behind: warnings, random state, modules
load.py      a file of torch.jit.save
read.py      what torch made as a StaticGraph
template.py  one torch._C.Graph as plain values
unfold.py    the graphs that it calls nested inside it
explain.py   torch's failures in plain words
remedies.py  torch's warnings, and what to do about them
parts.py     which submodules script on their own
rehearsal.py graph and model run on one input, for `inspector.truthful`
stages.py    one graph at five stages of optimisation
flat.py      a graph whose calls are inlined already
copies.py    models and inputs copied
live.py      what is alive behind a StaticGraph
interpret/   runs a graph node by node
exports/     .pt, ONNX and torch.export, each checked
measuring/   how long the variants of a model take
"""

from __future__ import annotations

from inspector.torchscript.exports.archive import save_torchscript, torchscript_code, torchscript_ir
from inspector.torchscript.exports.onnx_file import export_onnx
from inspector.torchscript.exports.program import export_program
from inspector.torchscript.load import load_torchscript
from inspector.torchscript.make import script, trace
from inspector.torchscript.parts import scriptable_parts

__all__ = [
    "export_onnx",
    "export_program",
    "load_torchscript",
    "save_torchscript",
    "script",
    "scriptable_parts",
    "torchscript_code",
    "torchscript_ir",
    "trace",
]
