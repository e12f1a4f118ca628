"""Reads what TorchScript compiled, traced or loaded as a `StaticGraph`."""

from __future__ import annotations

import linecache
import os
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from inspector.errors import ScriptError
from inspector.language import sentence
from inspector.records import IRNode, StaticGraph, StaticWarning
from inspector.torchscript.live import FixedArguments, Live, remember
from inspector.torchscript.remedies import static_warnings
from inspector.torchscript.unfold import Unfolded

_TORCH = str(Path(torch.__file__).parent) + os.sep


def read(
    kind: str,
    name: str,
    compiled: Any,
    *,
    first_paths: Mapping[str, str],
    caught: list[warnings.WarningMessage],
    notes: Sequence[StaticWarning] = (),
    labels: Sequence[str] | None = None,
    find_function: Callable[[str], Any] | None = None,
    fixed: FixedArguments | None = None,
) -> StaticGraph:
    """The graph of a ScriptModule or ScriptFunction with all that it calls.

    Args:
        kind: "script", "trace" or "loaded".
        name: of the model.
        compiled: what torch made.
        first_paths: see `first_paths_of`.
        caught: the warnings that torch gave meanwhile.
        notes: more to be said, put behind the warnings.
        labels: names of the inputs, where the compiled code does not know them.
        find_function: qualified name -> ScriptFunction or None.
        fixed: the arguments that a trace has built in.

    Raises:
        ScriptError: a module without `forward`.
    """
    module = compiled._c if isinstance(compiled, torch.jit.ScriptModule) else None
    method = compiled if module is None else forward_of(module, name)
    find = find_function or torch.jit._state._python_cu.find_function
    unfolded = Unfolded(find, first_paths)
    known = [argument.name for argument in method.schema.arguments]
    inputs = known if labels is None else [*([] if module is None else known[:1]), *labels]
    unfolded.add_root(method.graph, module, method.name, inputs)
    nodes = tuple(node for node in unfolded.nodes if node is not None)
    return StaticGraph(
        kind=kind,
        nodes=nodes,
        text=str(method.graph),
        sources=_user_sources(nodes),
        warnings=(*static_warnings(caught), *notes),
        inputs=unfolded.inputs,
        block_inputs=unfolded.block_inputs,
        block_outputs=unfolded.block_outputs,
        name=name,
        origin=remember(
            Live(compiled, method, module, unfolded.live, unfolded.graphs, find, fixed)
        ),
    )


def forward_of(module: Any, name: str) -> Any:
    """A module's `forward`; of an overloaded one (LSTM) the first, which takes a tensor."""
    for method in ("forward", "forward__0"):
        if module._has_method(method):
            return module._get_method(method)
    raise ScriptError(
        sentence(
            "{name} has no forward method, so it has no graph. Give it one, or script "
            "the submodule that you want to see.",
            name=name,
        )
    )


def name_of(model: Any) -> str:
    """The class of a module, the name of a function."""
    if isinstance(model, torch.jit.ScriptModule):
        return str(model.original_name)
    if isinstance(model, torch.nn.Module):
        return type(model).__name__
    return str(getattr(model, "name", None) or getattr(model, "__name__", type(model).__name__))


def first_paths_of(model: Any) -> dict[str, str]:
    """Each path of a shared submodule -> the path that `named_modules` gives it."""
    if not isinstance(model, torch.nn.Module) or isinstance(model, torch.jit.ScriptModule):
        return {}
    first = {id(module): path for path, module in model.named_modules()}
    every = model.named_modules(remove_duplicate=False)
    return {path: first[id(module)] for path, module in every if first[id(module)] != path}


def _user_sources(nodes: Iterable[IRNode]) -> dict[str, str]:
    """The text of each file that a node comes from, torch's own files left out."""
    files = {node.source.file for node in nodes if node.source}
    files |= {
        frame.rsplit(":", 2)[0] for node in nodes for frame in node.attributes.get("stack", ())
    }
    wanted = sorted(file for file in files if not file.startswith(_TORCH))
    # linecache also knows code without a file, such as a notebook's cells.
    texts = {file: "".join(linecache.getlines(file)) for file in wanted}
    return {file: text for file, text in texts.items() if text}
