"""Probes: checks that run the model again, to see what one recording of one run cannot show.

    mixing.py        probe_batch_mixing   does a sample's answer depend on its neighbours?
    derivatives.py   probe_gradients      does each op's backward fit its forward?

They are asked for by name, never part of `findings(recording)`, and leave the model, its
gradients and the random state as they were. What they return can be given to
`findings(recording, probes=…)`.
"""

from __future__ import annotations

from inspector.capture.probes.derivatives import probe_gradients
from inspector.capture.probes.mixing import probe_batch_mixing

__all__ = ["probe_batch_mixing", "probe_gradients"]
