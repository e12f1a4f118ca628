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
archive.py   to take away: the .pt file, the code, the IR
program.py   to take away: the graph of torch.export
onnx_file.py to take away: ONNX (onnx_checks.py: checked and compared)
runs.py      runs on copies, compared
rehearsal.py graph and model run on one input, for `inspector.truthful`
stages.py    one graph at five stages of optimisation
flat.py      a graph whose calls are inlined already
timing.py    how long the variants of a model take: variants.py, race.py, overhead.py, sweep.py
copies.py    copies of models and arguments, to run in their place
"""

from __future__ import annotations

from inspector.torchscript.archive import save_torchscript, torchscript_code, torchscript_ir
from inspector.torchscript.load import load_torchscript
from inspector.torchscript.make import script, trace
from inspector.torchscript.onnx_file import export_onnx
from inspector.torchscript.parts import scriptable_parts
from inspector.torchscript.program import export_program

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
