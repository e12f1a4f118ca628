"""Makes TorchScript of a model by scripting or tracing, and reads it.

`torch.jit.script` and `torch.jit.trace` are deprecated in torch 2.13 but still the only way to
this IR; their own deprecation warning is dropped here, every other warning is kept on the graph.
"""

from __future__ import annotations

import copy
import functools
import types
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from inspector.errors import ScriptError
from inspector.language import sentence, sentences
from inspector.records import StaticGraph, StaticWarning
from inspector.torchscript.explain import compile_error, trace_error
from inspector.torchscript.kept import (
    attributes_kept,
    collected_warnings,
    gradients_off,
    modules_kept,
    random_state_kept,
    reached_modules,
)
from inspector.torchscript.live import FixedArguments
from inspector.torchscript.read import first_paths_of, name_of, read
from inspector.torchscript.wrapper import TensorCall, a_kind, copied, tensor_call

_HOOKS = (
    "_forward_hooks",
    "_forward_hooks_with_kwargs",
    "_forward_hooks_always_called",
    "_forward_pre_hooks",
    "_forward_pre_hooks_with_kwargs",
)


@dataclass(frozen=True, slots=True)
class Compiled:
    """What torch made of a model, and what it said meanwhile.

    `call` says what goes in and comes out of a trace; None for a script. `labels` are the
    trace's inputs by the user's names.
    """

    module: Any
    caught: list[warnings.WarningMessage]
    call: TensorCall | None = None
    notes: tuple[StaticWarning, ...] = ()


def script(model: Any) -> StaticGraph:
    """Compile a model with `torch.jit.script` and read its graph.

    Args:
        model: a module, a function, or what `torch.jit.script` has made of one. It stays as
            it is.

    Raises:
        ScriptError: TorchScript cannot compile it; `detail` has the compiler's own words.
    """
    made = compile_script(model)
    name = name_of(model)
    return read("script", name, made.module, first_paths=first_paths_of(model), caught=made.caught)


def compile_script(model: Any) -> Compiled:
    """Compile a model with `torch.jit.script`.

    Raises:
        ScriptError: TorchScript cannot compile it.
    """
    name = name_of(model)
    if not isinstance(model, torch.jit.ScriptModule | torch.jit.ScriptFunction):
        _check_scriptable(model, name)
    with collected_warnings() as caught, attributes_kept(model):
        try:
            forget_failures()
            return Compiled(torch.jit.script(model), caught)
        except Exception as error:  # the compiler raises every kind, IndentationError included
            raise compile_error(name, error) from error


def forget_failures() -> None:
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
    so that nothing of the run stays behind; modules that a function reaches, and those that
    will not be copied, run themselves and are set back. Arguments that are no tensors are
    fixed: the trace has their values built in. What holds tensors inside (a batch, a cache)
    has each of them as an input of its own, and so has the output (`ModelOutput`, dataclasses,
    None inside); what was done is said in `warnings`.

    Args:
        model: a module or a function.
        args, kwargs: what to call it with.

    Raises:
        ScriptError: the model raised, or there is no tensor in what it returns.
    """
    made = compile_trace(model, args, kwargs)
    call = made.call
    assert call is not None
    fixed = None
    if call.bound is not None:
        fixed = FixedArguments(call.bound.signature, call.fixed)
    return read(
        "trace",
        name_of(uncompiled(model)),
        made.module,
        first_paths=first_paths_of(uncompiled(model)),
        caught=made.caught,
        notes=made.notes,
        labels=call.labels,
        fixed=fixed,
    )


def compile_trace(model: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Compiled:
    """Run a model once under `torch.jit.trace`; see `trace`.

    Raises:
        ScriptError: the model raised, or there is no tensor in what it returns.
    """
    name = name_of(model)
    misfit = no_model(model)
    if misfit:
        raise ScriptError(sentence("{name} cannot be traced. {misfit}", name=name, misfit=misfit))
    inner = uncompiled(model)
    notes = []
    if inner is not model:
        text = sentence(
            "The model is compiled with torch.compile; what it was compiled from is traced."
        )
        notes.append(StaticWarning("Note", text))
    with collected_warnings() as caught, random_state_kept():
        try:
            with runnable(inner) as run_here:
                call = tensor_call(called_of(inner), args, kwargs)
                traced = _traced(run_here, call)
            if call.doubtful:
                traced = _traced_again(inner, call, traced)
        except Exception as error:  # whatever the user's forward raises comes out here
            raise trace_error(name_of(inner), error) from error
    return Compiled(traced, caught, call, (*notes, *call.notes))


def no_model(model: Any) -> str:
    """Why this cannot be run as a model, and what to pass; "" where it may be one."""
    if isinstance(model, type):
        return sentence("{name} is a class: pass an instance of it.", name=model.__name__)
    if not callable(model):
        return sentence("The model is {kind}: pass a module or a function.", kind=a_kind(model))
    return ""


def uncompiled(model: Any) -> Any:
    """What `torch.compile` was given: neither a tracer nor an exporter gets past compiled code."""
    if type(model).__name__ == "OptimizedModule" and hasattr(model, "_orig_mod"):
        return model._orig_mod
    return getattr(model, "_torchdynamo_orig_callable", model)


def called_of(model: Any) -> Callable[..., Any]:
    """What has the parameters of a call of the model."""
    return model.forward if isinstance(model, nn.Module) else model


@contextmanager
def runnable(model: Any) -> Iterator[Any]:
    """What to run in place of a model: a copy, or itself where that cannot be made.

    Whatever is done to it, the model is as before afterwards.
    """
    copied = _copy_of(model) if isinstance(model, nn.Module) else None
    if copied is not None:
        yield copied
        return
    modules = reached_modules(model)
    # A module's own parameters are inputs of its trace; those that a function reaches are built in.
    reached = [] if isinstance(model, nn.Module) else modules
    with modules_kept(modules), gradients_off(reached):
        yield model


def _copy_of(model: nn.Module) -> nn.Module | None:
    try:
        return copy.deepcopy(model)
    except Exception:  # holds a tensor with a history, a lock, an open file, ...
        return None


def wrapped(model: Any, call: TensorCall) -> Any:
    """A model from `runnable` as a module or function of the call's tensors alone.

    A module gets another `forward` on the instance: its class and the paths of its submodules,
    and so the graph's names, stay the same.
    """
    inner = called_of(model)
    if isinstance(model, nn.Module):
        for module in model.modules():
            # Of no use in a forward run, and the tracer refuses modules that have any.
            vars(module).update(_backward_hooks=OrderedDict(), _backward_pre_hooks=OrderedDict())
        inner = _with_hooks(model, inner)

    def run(*tensors: Any) -> Any:
        args, kwargs = call.filled(tensors)
        return call.flattened(inner(*args, **kwargs))

    if not isinstance(model, nn.Module):
        functools.update_wrapper(run, model)
    vars(run)["__signature__"] = call.signature
    if not isinstance(model, nn.Module):
        return run
    vars(model)["forward"] = run
    return model


def _with_hooks(model: nn.Module, forward: Callable[..., Any]) -> Callable[..., Any]:
    """`forward` with the outermost module's hooks, which thereby get the user's arguments."""
    hooks = {name: vars(model)[name] for name in _HOOKS}
    if not any(hooks.values()):
        return forward
    none: dict[str, Any] = {name: OrderedDict() for name in _HOOKS}
    vars(model).update(none)

    def called(*args: Any, **kwargs: Any) -> Any:
        outer = vars(model)["forward"]
        vars(model).update(hooks, forward=forward)
        try:
            return model(*args, **kwargs)
        finally:
            vars(model).update(none, forward=outer)

    return called


def _traced(model: Any, call: TensorCall) -> Any:
    target = model
    if not isinstance(model, torch.jit.ScriptModule):
        target = wrapped(model, call)
    return torch.jit.trace(target, copied(call.tensors), check_trace=False, strict=False)


def _traced_again(model: Any, call: TensorCall, first: Any) -> Any:
    """The trace without outputs that are tensors only because the tracer makes sizes tensors.

    A plain run tells which those are: a cache may count the tokens that it has seen.
    """
    everything = call.outputs
    with runnable(model) as run_here:
        wrapped(run_here, call)(*copied(call.tensors))
    if call.outputs == everything:
        return first
    call.wanted = frozenset(call.outputs)
    call.notes.clear()
    with runnable(model) as run_here:
        return _traced(run_here, call)


def _check_scriptable(model: Any, name: str) -> None:
    if name == "<lambda>":
        raise ScriptError(
            sentence(
                "A lambda cannot be scripted: TorchScript needs a `def`. Write it as a "
                "function in a .py file, or use the trace instead."
            ),
            file=model.__code__.co_filename,
            line=model.__code__.co_firstlineno,
        )
    if isinstance(model, types.MethodType):
        raise ScriptError(
            sentence(
                "{name} is a method: TorchScript compiles a whole module or a function. Pass "
                "the module, or use the trace instead.",
                name=name,
            ),
            file=model.__func__.__code__.co_filename,
            line=model.__func__.__code__.co_firstlineno,
        )
    if isinstance(model, type):
        raise ScriptError(
            sentence("{name} cannot be scripted. {misfit}", name=name, misfit=no_model(model))
        )
    if not isinstance(model, nn.Module | types.FunctionType):
        told = sentence(
            "{name} is neither a module nor a function, so it cannot be scripted. Pass an "
            "instance of torch.nn.Module or a function.",
            name=name,
        )
        if callable(model):
            fallback = sentence("Use the trace instead, which takes whatever can be called.")
            told = sentences(told, fallback)
        raise ScriptError(told)
