"""How fast the variants of a model are, here and now.

timing.py    the variants on one input: `measure`
sweep.py     the variants over batch sizes: `sweep_batch`
variants.py  eager, no_grad, script, trace, frozen, ...: how each is made
race.py      runs in turns, so that a busy moment hits all alike
overhead.py  the share of the time that is not spent in ops
machine.py   what the figures were taken on
"""
