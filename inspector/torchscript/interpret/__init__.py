"""Runs the TorchScript IR of a static graph in Python, node by node: `interpret`.

run.py         interpret(): arguments in, the record of the run out
arguments.py   what the compiled module makes of the arguments and returns
compile.py     a StaticGraph as a Program: per node a function and the places of its values
program.py     Program, and the loop that executes it
control.py     nodes that steer or reach the module: If, Loop, calls, attributes, `with`
functions.py   nodes that only compute, by hand: tuples, casts, raise
containers.py  lists and dicts, which TorchScript shares by reference
scalars.py     arithmetic on numbers, where Python's own gives the same
operators.py   everything with a schema, through torch's own operators
single.py      a node that has to be run by torch, as a graph of its own
objects.py     instances of TorchScript classes, and the attributes of modules
watch.py       keeps the values
describe.py    one value as a record
"""

from __future__ import annotations

from inspector.torchscript.interpret.run import interpret
from inspector.torchscript.interpret.watch import InterpretOptions

__all__ = ["InterpretOptions", "interpret"]
