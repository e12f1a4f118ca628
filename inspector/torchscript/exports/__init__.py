"""A model as something to take away; nothing is handed out unchecked.

given.py        the arguments, in the form that all take
archive.py      TorchScript: the `.pt` file, its code, its IR
program.py      torch.export
onnx_file.py    ONNX
onnx_checks.py  what an ONNX file says against what the model says
runs.py         running the model without leaving a trace of it
"""
