"""TorchScript to take away: the `.pt` file, loaded again and compared; its code; its IR."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import torch
from torch import Tensor

from inspector.errors import ScriptError
from inspector.exported import Check, Export, ExportFailure
from inspector.language import sentence
from inspector.records import StaticGraph, StaticWarning
from inspector.torchscript.exports.given import Given, given
from inspector.torchscript.exports.runs import outputs_of, same
from inspector.torchscript.kept import collected_warnings
from inspector.torchscript.make import (
    Compiled,
    compile_script,
    compile_trace,
    runnable,
    uncompiled,
    wrapped,
)
from inspector.torchscript.read import first_paths_of, name_of, read
from inspector.torchscript.remedies import static_warnings

_BREAK = "\n\n"


def save_torchscript(
    model: Any,
    args: tuple[Any, ...] | Tensor = (),
    kwargs: dict[str, Any] | None = None,
    way: str = "",
) -> Export:
    """The model as a `.pt` file of TorchScript, loaded again and compared with the model.

    Args:
        model: a module or function; it stays as it is.
        args, kwargs: what to call it with, for the trace and for the comparison; `args` is a
            tuple, `(x,)`, and a tensor alone is taken for that. Without any, only a
            script can be made, and nothing is compared.
        way: "script", "trace", or "" for the script and, where that fails, the trace.

    Returns:
        The file in `data`, which `export.save("model.pt")` writes; `failure` says why where
        there is none. Nothing is raised for what the model cannot do.

    Raises:
        InspectorError: `model` is neither a module nor a function, or `args` is no tuple.
        ValueError: there is no such way.
    """
    return _exported(model, given(model, args, kwargs), way, "torchscript file", _file)


def torchscript_code(
    model: Any,
    args: tuple[Any, ...] | Tensor = (),
    kwargs: dict[str, Any] | None = None,
    way: str = "",
) -> Export:
    """The TorchScript code of the model, its submodules and functions, as one text.

    It is what a `.pt` file holds as code. Arguments as for `save_torchscript`.
    """
    return _exported(model, given(model, args, kwargs), way, "torchscript code", _code)


def torchscript_ir(
    model: Any,
    args: tuple[Any, ...] | Tensor = (),
    kwargs: dict[str, Any] | None = None,
    way: str = "",
) -> Export:
    """The IR of the model and of each method and function that it calls, as one text.

    Arguments as for `save_torchscript`.
    """
    return _exported(model, given(model, args, kwargs), way, "ir", _ir)


def _exported(model: Any, given_: Given, way: str, kind: str, make: Any) -> Export:
    args, kwargs = given_
    name = name_of(uncompiled(model))
    try:
        way, made, notes = compile_either(model, args, kwargs, way)
    except ScriptError as error:
        return Export(kind=kind, name=name, way=way or "script", failure=script_failure(error))
    warnings = (*static_warnings(made.caught), *made.notes, *notes)
    try:
        data, file_name, checks = make(model, args, kwargs, made)
    except Exception as error:  # torch refuses to write some of what it compiles
        failure = ExportFailure(
            sentence(
                "{name} was compiled, but cannot be written: {reason}",
                name=name,
                reason=str(error).strip().splitlines()[0],
            ),
            remedy=sentence("Take another form of it, such as the IR."),
            detail=str(error),
        )
        return Export(kind=kind, name=name, way=way, warnings=warnings, failure=failure)
    labels = ("", "") if made.call is None else (made.call.labels, made.call.outputs)
    return Export(
        kind=kind,
        name=name,
        data=data,
        way=way,
        file_name=file_name,
        checks=checks,
        warnings=warnings,
        inputs=tuple(labels[0]),
        outputs=tuple(labels[1]),
    )


def compile_either(
    model: Any, args: tuple[Any, ...], kwargs: dict[str, Any], way: str
) -> tuple[str, Compiled, tuple[StaticWarning, ...]]:
    """Script, or trace where that fails or is asked for; with a note why it is the trace.

    Raises:
        ScriptError: neither works.
        ValueError: there is no such way.
    """
    if way not in ("", "script", "trace"):
        raise ValueError(f'way must be "script", "trace" or "", not {way!r}')
    inner = uncompiled(model)
    if way == "trace":
        return "trace", compile_trace(model, args, kwargs), ()
    try:
        return "script", compile_script(inner), ()
    except ScriptError as refused:
        if way == "script" or not (args or kwargs):
            raise
        reason = StaticWarning(
            "Note",
            sentence(
                "This is the trace of one call, because it does not script: {refused}",
                refused=refused,
            ),
            refused.file,
            refused.line,
        )
        return "trace", compile_trace(model, args, kwargs), (reason,)


def script_failure(error: ScriptError) -> ExportFailure:
    """A `ScriptError` as the reason why there is no export; its message has the remedy."""
    return ExportFailure(error.message, detail=error.detail, file=error.file, line=error.line)


def _file(
    model: Any, args: tuple[Any, ...], kwargs: dict[str, Any], made: Compiled
) -> tuple[bytes, str, tuple[Check, ...]]:
    data = _saved(made)
    with collected_warnings():
        loaded = torch.jit.load(io.BytesIO(data), map_location=None)
    checks = [
        Check(
            sentence("loads again"),
            True,
            sentence("{n:,} bytes were written and read back.", n=len(data)),
        )
    ]
    checks.append(_compared(model, args, kwargs, made, loaded))
    return data, f"{name_of(uncompiled(model))}.pt", tuple(checks)


def _saved(made: Compiled) -> bytes:
    buffer = io.BytesIO()
    with collected_warnings():
        torch.jit.save(made.module, buffer)
    return buffer.getvalue()


def _compared(
    model: Any, args: tuple[Any, ...], kwargs: dict[str, Any], made: Compiled, loaded: Any
) -> Check:
    """The file's answer against that of the model, both from the same random state."""
    name = sentence("gives the model's output")
    if not (args or kwargs):
        return Check(name, None, sentence("No inputs were given to compare on."))
    given: tuple[Any, ...] = ((args, kwargs),) if made.call is None else made.call.tensors
    try:
        with collected_warnings(), runnable(uncompiled(model)) as run_here:
            called = _spread(run_here) if made.call is None else wrapped(run_here, made.call)
            expected = outputs_of(called, given)
    except Exception as error:
        return Check(
            name,
            None,
            sentence(
                "The model itself raises {error}: {message}",
                error=type(error).__name__,
                message=error,
            ),
        )
    try:
        with collected_warnings():
            found = outputs_of(_spread(loaded) if made.call is None else loaded, given)
    except Exception as error:  # TorchScript's about the arguments, mostly
        return Check(
            name,
            False,
            sentence(
                "{error} on these inputs: {reason}",
                error=type(error).__name__,
                reason=_last_line(error),
            ),
        )
    return same(name, expected, found, exact=True)


def _spread(called: Any) -> Any:
    return lambda both: called(*both[0], **both[1])


def _last_line(error: Exception) -> str:
    """TorchScript puts its own call stack before the reason."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines or [sentence("no reason given")])[-1]


def _code(
    model: Any, args: tuple[Any, ...], kwargs: dict[str, Any], made: Compiled
) -> tuple[str, str, tuple[Check, ...]]:
    with zipfile.ZipFile(io.BytesIO(_saved(made))) as archive:
        names = [name for name in archive.namelist() if name.endswith(".py") and "/code/" in name]
        texts = [
            f"# {name.split('/code/', 1)[1]}\n{archive.read(name).decode().rstrip()}"
            for name in sorted(names, key=lambda name: (name.count("/"), name))
        ]
    return _BREAK.join(texts) + "\n", f"{name_of(uncompiled(model))}.torchscript.py", ()


def _ir(
    model: Any, args: tuple[Any, ...], kwargs: dict[str, Any], made: Compiled
) -> tuple[str, str, tuple[Check, ...]]:
    inner = uncompiled(model)
    static = read(
        "script" if made.call is None else "trace",
        name_of(inner),
        made.module,
        first_paths=first_paths_of(inner),
        caught=[],
        labels=None if made.call is None else made.call.labels,
    )
    parts = [f"# {static.name}\n{static.text.rstrip()}"]
    parts += [f"# {title}\n{text}" for title, text in _called(made.module, static).items()]
    return _BREAK.join(parts) + "\n", f"{static.name}.ir.txt", ()


def _called(compiled: Any, static: StaticGraph) -> dict[str, str]:
    """The graphs of the methods and functions called, each class and function once."""
    found: dict[str, str] = {}
    modules = dict(compiled.named_modules()) if isinstance(compiled, torch.nn.Module) else {}
    for node in static.nodes:
        if node.kind == "prim::CallFunction":
            name = str(node.attributes.get("function", ""))
            function: Any = torch.jit._state._python_cu.find_function(name)
            if function is not None:
                found.setdefault(name, str(function.graph).rstrip())
        elif node.kind == "prim::CallMethod" and node.blocks:
            inside = static.nodes[node.id + 1 : node.id + 2]
            path = inside[0].module_path if inside else node.module_path
            module, method = modules.get(path), str(node.attributes["name"])
            if module is not None and module._c._has_method(method):
                title = f"{path or static.name} ({module.original_name}).{method}"
                text = str(module._c._get_method(method).graph).rstrip()
                if text not in found.values():
                    found[title] = text
    return found
