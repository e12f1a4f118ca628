"""Makes TorchScript of a model by scripting, tracing or loading, and reads it.

`torch.jit.script` and `torch.jit.trace` are deprecated in torch 2.13 but still the only way to
this IR; their own deprecation warning is dropped here, every other warning is kept on the graph.
"""

from __future__ import annotations

import copy
import functools
import inspect
import linecache
import os
import random
import sys
import types
import warnings
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch.utils._pytree import tree_leaves, tree_map

from inspector.errors import ScriptError
from inspector.records import IRNode, StaticGraph
from inspector.torchscript.explain import compile_error, load_error, trace_error
from inspector.torchscript.unfold import Unfolded

_TORCH = str(Path(torch.__file__).parent) + os.sep


def script(model: Any) -> StaticGraph:
    """Compile a model with `torch.jit.script` and read its graph.

    Args:
        model: a module, a function, or what `torch.jit.script` has made of one. It stays as
            it is.

    Raises:
        ScriptError: TorchScript cannot compile it; `detail` has the compiler's own words.
    """
    name = _name(model)
    if not isinstance(model, torch.jit.ScriptModule | torch.jit.ScriptFunction):
        _check_scriptable(model, name)
    with _collected_warnings() as caught, _attributes_kept(model):
        try:
            _forget_failures()
            compiled = torch.jit.script(model)
        except Exception as error:  # the compiler raises every kind, IndentationError included
            raise compile_error(name, error) from error
    return _read("script", name, compiled, _first_paths(model), caught)


def _forget_failures() -> None:
    """Take half-compiled classes out of torch's store: leftovers of attempts that failed.

    With them there, the next attempt at the same class would fail with "Can't redefine method"
    and the real reason would be lost.
    """
    store = torch.jit._recursive.concrete_type_store
    for known_types in store.type_store.values():
        known_types[:] = [known for known in known_types if known in store.methods_compiled]


def trace(model: Any, *args: Any, **kwargs: Any) -> StaticGraph:
    """Run a model once under `torch.jit.trace` and read the graph of that run.

    A copy of the module runs on copies of the tensors, and the random generators are set back,
    so that nothing of the run stays behind. Arguments that hold something else than tensors
    are fixed: the trace has their values built in.

    Args:
        model: a module or a function.
        args, kwargs: what to call it with.

    Raises:
        ScriptError: the model raised, or takes or returns what the tracer cannot follow.
    """
    name = _name(model)
    if not callable(model):
        raise ScriptError(f"{name} is not a module or function, so it cannot be traced.")
    first_paths = _first_paths(model)
    with _collected_warnings() as caught, _random_state_kept():
        try:
            traced = _trace(model, args, kwargs)
        except Exception as error:  # whatever the user's forward raises comes out here
            raise trace_error(name, error) from error
    return _read("trace", name, traced, first_paths, caught)


def load_torchscript(path: str | os.PathLike[str]) -> StaticGraph:
    """Read the graph of a file written by `torch.jit.save`; nothing of it is run on the way.

    The nodes' sources are the Python lines that the file names, for matching with a recording;
    `sources` holds the archived code ("code/__torch__/model.py"), and a node's attribute
    "archived" its line in it. Files that the archive merely names are not read: it may come
    from a stranger.

    Raises:
        ScriptError: there is no such file, or it holds no TorchScript.
    """
    shown = os.fspath(path)
    if not os.path.isfile(shown):
        raise ScriptError(f"{shown} cannot be read as TorchScript: there is no such file.")
    unit = torch._C.CompilationUnit()
    with _collected_warnings() as caught:
        try:
            module = torch._C.import_ir_module(unit, shown, torch.device("cpu"), {}, False)  # type: ignore[call-arg]
            sources = _archived_code(shown)
            loaded = torch.jit._recursive.wrap_cpp_module(module)
        except Exception as error:  # RuntimeError mostly, zipfile's own errors among others
            raise load_error(shown, error) from error
    graph = _read("loaded", loaded.original_name, loaded, {}, caught, unit.find_function)
    return StaticGraph(**{**_fields(graph), "sources": sources})


def _fields(graph: StaticGraph) -> dict[str, Any]:
    return {name: getattr(graph, name) for name in graph.__dataclass_fields__}


def _read(
    kind: str,
    name: str,
    compiled: Any,
    first_paths: Mapping[str, str],
    caught: list[warnings.WarningMessage],
    find_function: Callable[[str], Any] | None = None,
) -> StaticGraph:
    module = compiled._c if isinstance(compiled, torch.jit.ScriptModule) else None
    method = compiled if module is None else _forward(module, name)
    find = find_function or torch.jit._state._python_cu.find_function
    unfolded = Unfolded(find, first_paths)
    labels = [argument.name for argument in method.schema.arguments]
    unfolded.add_root(method.graph, module, method.name, labels)
    nodes = tuple(node for node in unfolded.nodes if node is not None)
    return StaticGraph(
        kind=kind,
        nodes=nodes,
        text=str(method.graph),
        sources=_user_sources(nodes),
        warnings=_texts(caught),
        inputs=unfolded.inputs,
        block_inputs=unfolded.block_inputs,
        block_outputs=unfolded.block_outputs,
        name=name,
    )


def _forward(module: Any, name: str) -> Any:
    """A module's `forward`; of an overloaded one (LSTM) the first, which takes a tensor."""
    for method in ("forward", "forward__0"):
        if module._has_method(method):
            return module._get_method(method)
    raise ScriptError(
        f"{name} has no forward method, so it has no graph. Give it one, or script the "
        "submodule that you want to see."
    )


def _name(model: Any) -> str:
    if isinstance(model, torch.jit.ScriptModule):
        return str(model.original_name)
    if isinstance(model, torch.nn.Module):
        return type(model).__name__
    return str(getattr(model, "name", None) or getattr(model, "__name__", type(model).__name__))


def _check_scriptable(model: Any, name: str) -> None:
    if name == "<lambda>":
        raise ScriptError(
            "A lambda cannot be scripted: TorchScript needs a `def`. Write it as a function in "
            "a .py file, or use the trace instead.",
            file=model.__code__.co_filename,
            line=model.__code__.co_firstlineno,
        )
    if not isinstance(model, torch.nn.Module | types.FunctionType):
        raise ScriptError(
            f"{name} is neither a module nor a function, so it cannot be scripted. Pass an "
            "instance of torch.nn.Module or a function."
        )


def _first_paths(model: Any) -> dict[str, str]:
    """Each path of a shared submodule -> the path that `named_modules` gives it."""
    if not isinstance(model, torch.nn.Module) or isinstance(model, torch.jit.ScriptModule):
        return {}
    first = {id(module): path for path, module in model.named_modules()}
    every = model.named_modules(remove_duplicate=False)
    return {path: first[id(module)] for path, module in every if first[id(module)] != path}


def _trace(model: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    args, kwargs = tree_map(_copied, (args, kwargs))
    if isinstance(model, torch.nn.Module) and not isinstance(model, torch.jit.ScriptModule):
        # A run may change buffers and attributes: those of the copy.
        model = copy.deepcopy(model)
    if kwargs or not all(map(_is_traceable, args)):
        model, args = _with_fixed_arguments(model, args, kwargs)
    return torch.jit.trace(model, args, check_trace=False, strict=False)


def _copied(value: Any) -> Any:
    if not isinstance(value, torch.Tensor):
        return value
    return value.detach().clone().requires_grad_(value.requires_grad)


def _is_traceable(value: Any) -> bool:
    leaves = tree_leaves(value)
    return bool(leaves) and all(isinstance(leaf, torch.Tensor) for leaf in leaves)


def _with_fixed_arguments(
    model: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[Any, tuple[Any, ...]]:
    """The model as a function of its traceable arguments alone, and those arguments."""
    called = model.forward if isinstance(model, torch.nn.Module) else model
    bound = inspect.signature(called).bind(*args, **kwargs)
    slots: list[Any] = [*range(len(bound.args)), *bound.kwargs]
    values = [*bound.args, *bound.kwargs.values()]
    free = [slot for slot, value in zip(slots, values, strict=True) if _is_traceable(value)]
    traced = tuple(value for value in values if _is_traceable(value))

    @functools.wraps(called)
    def call(*tensors: Any) -> Any:
        given = dict(zip(slots, values, strict=True)) | dict(zip(free, tensors, strict=True))
        positional = [value for slot, value in given.items() if isinstance(slot, int)]
        return called(*positional, **{k: v for k, v in given.items() if isinstance(k, str)})

    if not isinstance(model, torch.nn.Module):
        return call, traced
    # On the copy's instance: the class, and so the module's type in the graph, stay the same.
    model.forward = call
    return model, traced


@contextmanager
def _collected_warnings() -> Iterator[list[warnings.WarningMessage]]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield caught


def _texts(caught: list[warnings.WarningMessage]) -> tuple[str, ...]:
    """Each warning once: a loop warns again on every iteration."""
    return tuple(
        dict.fromkeys(
            f"{item.category.__name__}: {item.message} ({item.filename}:{item.lineno})"
            for item in caught
            if not _is_deprecation(item)
        )
    )


def _is_deprecation(item: warnings.WarningMessage) -> bool:
    return issubclass(item.category, DeprecationWarning | FutureWarning) and "torch.jit" in str(
        item.message
    )


@contextmanager
def _attributes_kept(model: Any) -> Iterator[None]:
    """Take away what the compiler leaves on the modules (`__overloads__`)."""
    modules = list(model.modules()) if isinstance(model, torch.nn.Module) else []
    before = [set(vars(module)) for module in modules]
    try:
        yield
    finally:
        for module, names in zip(modules, before, strict=True):
            for name in set(vars(module)) - names:
                del module.__dict__[name]


@contextmanager
def _random_state_kept() -> Iterator[None]:
    """Set the random generators of Python, NumPy (where it is loaded) and torch back after."""
    numpy = sys.modules.get("numpy")
    python_state, numpy_state = random.getstate(), numpy and numpy.random.get_state()
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()
    with torch.random.fork_rng(devices=devices):
        try:
            yield
        finally:
            random.setstate(python_state)
            if numpy is not None:
                numpy.random.set_state(numpy_state)


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


def _archived_code(path: str) -> dict[str, str]:
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if name.endswith(".py") and "/code/" in name]
        return {
            name.split("/", 1)[1]: archive.read(name).decode("utf-8", "replace") for name in names
        }
