"""Which distinct graphs a model gives for many inputs: `census`, `fingerprint`.

fingerprint.py  equal for runs of equal structure
tally.py        inputs counted by fingerprint; what several processes counted, merged
domains.py      what came out at one decision, and which variants it parts
tree.py         the decisions that part the variants
words.py        sites and branches in words
coverage.py     which IR nodes ran for any input
build.py        from inputs to records
counting.py     what each process does with its inputs
on_dask.py      many processes, by dask.distributed
text.py         for a terminal
as_json.py      for other programs
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Literal

from inspector.census.as_json import as_json
from inspector.census.fingerprint import fingerprint
from inspector.counted import Census

if TYPE_CHECKING:
    from inspector.capture import CaptureOptions
    from inspector.records import StaticGraph

__all__ = ["as_json", "census", "fingerprint"]


def census(
    model: Callable[..., Any],
    inputs: Any,
    engine: str | None = None,
    *,
    static: Literal["script", "trace"] | StaticGraph | None = "script",
    labels: Iterable[str] | None = None,
    swept: Iterable[float | str | None] | None = None,
    options: CaptureOptions | None = None,
    workers: int = 2,
) -> Census:
    """Run a model on many inputs and tell which distinct graphs they give.

    Each input sees the model and the random states as they are now; what a run changes in the
    model is put back. An input that raises is a variant of its own. One that cannot be read, at
    item 37 of a dataset, is told in `Census.problems`, and the others are counted.

    Args:
        model: a module, a function or any callable, in the mode (train or eval) that it is in.
            For another engine it must be possible to pickle it.
        inputs: an iterable, a dataset or a mapping from labels to inputs. An input is a tuple or
            list of arguments, a dict of arguments by name, or else the only argument. They are
            read one by one as they are needed: a generator can count them, or end early.
        engine: None runs everything here. "dask" starts a cluster of processes on this machine,
            "tcp://host:port" is the address of a scheduler; the `dask.distributed` package is
            needed for both. The census is the same.
        static: what coverage is told of: TorchScript made by "script" or "trace" (of the first
            input that did not fail), a graph that is there already, or None.
        labels: names of the inputs, in their order.
        swept: the value that each input stands for, in their order.
        options: what to keep of each run; by default the structure alone.
        workers: processes of the cluster that "dask" starts.

    Raises:
        CaptureError: `model` cannot be called, or a recording is running.
        InspectorError: there is no input at all, `inputs` is no collection, the engine cannot be
            reached, or the model cannot be sent to it.
    """
    from inspector.census.build import take_census  # needs torch

    return take_census(model, inputs, engine, static, labels, swept, options, workers)
