"""Remembers the live module or function that each static graph was read from.

`StaticGraph` is a record: it holds only a mark (`origin`). The table here goes from marks to
live objects with weak keys, so that a module is let go with the last graph of it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from inspector.errors import InterpretError
from inspector.language import sentence
from inspector.records import Origin, StaticGraph


@dataclass(frozen=True, slots=True)
class FixedArguments:
    """The arguments that a trace has built in, because they hold no tensor.

    `signature` is that of the traced function, whose other arguments are the trace's inputs;
    `values` are the fixed arguments by label.
    """

    signature: inspect.Signature
    values: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Live:
    """What is behind a static graph.

    `compiled` is the ScriptModule or ScriptFunction, `method` the method of it that the graph
    is of, `module` the `torch._C.ScriptModule` (None for a function). `nodes` are the
    `torch._C.Node`s by node id, valid as long as their `graphs` are held. `find_function`
    gives the function of a qualified name, or None. `fixed` says how a trace was called.
    """

    compiled: Any
    method: Any
    module: Any
    nodes: Sequence[Any]
    graphs: Sequence[Any]
    find_function: Callable[[str], Any]
    fixed: FixedArguments | None = None


_LIVE: WeakKeyDictionary[Origin, Live] = WeakKeyDictionary()


def remember(live: Live) -> Origin:
    """A new mark for what is behind a static graph."""
    origin = Origin()
    _LIVE[origin] = live
    return origin


def live_of(static: StaticGraph) -> Live:
    """What is behind a static graph.

    Raises:
        InterpretError: the graph was not read from a live object of this process.
    """
    live = None if static.origin is None else _LIVE.get(static.origin)
    if live is None:
        raise InterpretError(
            sentence(
                "The graph of {name} cannot be run: the module or function that it was read "
                "from is not in this process. Make the graph again with inspector.script, "
                "inspector.trace or inspector.load_torchscript.",
                name=static.name or "this model",
            )
        )
    return live
