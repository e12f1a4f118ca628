"""A recording's structure as a text that can be reviewed, and read back: the golden files.

    graph of Branching, format 1
    code Branching.forward  branching.py, line 20
        | def forward(self, x: Tensor) -> Tensor:
        |     if x.mean() > 0:
        if +1: 1 in, 0 past
    input %x  float32[2, 4]
    parameter $above.weight  float32[3, 4]
    run
      call "" Branching, training
        mean  torch.Tensor.mean(%x)  -> float32[]  @ Branching.forward+1:11-19
        ...
    returns %tanh

Values are named for the op that made them (`%linear#2`: the second `linear`), places count lines
within their function, and there are no values, times, ids, devices, folders or floats: what is
written changes when the graph does. The functions that ran are there in full, because loops are
found in the text, and lines that moved are aligned by it. Autograd nodes are not written; which
results require a gradient is.

excerpt.py  the functions in which something ran, out of whole files
write.py    a recording to text
places.py   the sections of code in a text, and frames told by them
read.py     the text to a recording that holds the structure alone
wiring.py   which ops of two aligned runs take other values
"""

from __future__ import annotations

from inspector.golden.read import read_golden
from inspector.golden.wiring import rewired
from inspector.golden.write import golden_text

__all__ = ["golden_text", "read_golden", "rewired"]
