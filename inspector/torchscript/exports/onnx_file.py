"""ONNX: the file, checked by ONNX's own checker and run against the model; or why there is none.

torch has two exporters. The one on top of `torch.export` is the current one and is tried first.
It has no way to say "if" or "loop" for a value that depends on the data. The older one on top of
TorchScript has, when it is given a *scripted* module: it writes ONNX's `If` and `Loop`. So it is
tried next where the model scripts. It is never given a trace: that would write the way of these
inputs into the file as if it were the only one.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from inspector.errors import ScriptError
from inspector.exported import Export, ExportFailure
from inspector.language import sentence
from inspector.records import Source, StaticWarning
from inspector.torchscript.exports.archive import script_failure
from inspector.torchscript.exports.given import given
from inspector.torchscript.exports.onnx_checks import gives_outputs, well_formed
from inspector.torchscript.exports.program import (
    Program,
    exported_program,
    first_line,
    place_in,
    quiet,
    source_of,
)
from inspector.torchscript.exports.runs import draws_random_numbers
from inspector.torchscript.kept import collected_warnings, random_state_kept
from inspector.torchscript.make import compile_script, runnable, uncompiled
from inspector.torchscript.read import name_of
from inspector.torchscript.remedies import static_warnings
from inspector.torchscript.wrapper import copied

MAX_BYTES = 2_000_000_000
"""One protobuf message, and so one ONNX file without side files, holds 2 GiB."""

_NO_FUNCTION = re.compile(r"No ONNX function found for <OpOverload\(op='(?P<op>[^']+)', "
                          r"overload='(?P<overload>[^']+)'\)>")  # fmt: skip
_NO_SYMBOL = re.compile(r"operator '(?P<op>[^']+)' to ONNX|(?P<plain>(?:aten|prim)::\w+)")


def export_onnx(
    model: Any, args: tuple[Any, ...] | Tensor = (), kwargs: dict[str, Any] | None = None
) -> Export:
    """The model as an ONNX file, checked and compared with the model.

    The model and the random generators stay as they are. It is exported in the mode that it is
    in: call `eval()` first for use, and expect no equal outputs from a model with dropout on.

    Args:
        model: a module or function.
        args, kwargs: what to call it with; the file is for inputs of these shapes. A tensor as
            `args` stands for `(x,)`.

    Returns:
        The file in `data`, which `export.save("model.onnx")` writes, its inputs and outputs by
        name; `failure` says why there is none. Nothing is raised for what the model cannot do.

    Raises:
        InspectorError: `model` is neither a module nor a function, or `args` is no tuple.
    """
    inner = uncompiled(model)
    args, kwargs = given(model, args, kwargs)
    refused = Export(kind="onnx", name=name_of(inner), way="torch.export")
    hindrance = _hindrance(inner)
    if hindrance is not None:
        return replace(refused, failure=hindrance)
    # A file is for inference. With gradients on, torch 2.13 lays attention out in one way when
    # it exports and in another when it decomposes, and then fails on its own `view`.
    with torch.no_grad():
        made = exported_program(inner, args, kwargs)
        done = _from_program(inner, made) if made.failure is None else None
    if done is None:
        done = replace(
            refused, failure=made.failure, warnings=(*_mode(inner), *static_warnings(made.caught))
        )
    if done.failure is None or not made.expected:
        return done
    return _from_script(inner, args, kwargs, made, done)


def _hindrance(model: Any) -> ExportFailure | None:
    missing = [name for name in ("onnx", "onnxscript") if importlib.util.find_spec(name) is None]
    if missing:
        return ExportFailure(
            sentence(
                "ONNX files are written with packages that are not installed: {names}.",
                names=", ".join(missing),
            ),
            remedy=sentence("Install them: pip install {names}", names=" ".join(missing)),
        )
    held = 0
    if isinstance(model, nn.Module):
        held = sum(tensor.nbytes for tensor in (*model.parameters(), *model.buffers()))
    if held > MAX_BYTES:
        return ExportFailure(
            sentence(
                "The parameters take {value:.1f} GB, and one ONNX file holds 2 GB.",
                value=held / 1000000000.0,
            ),
            remedy=sentence(
                "Export it with torch.onnx.export(..., external_data=True) to a folder."
            ),
        )
    return None


def _mode(model: Any) -> tuple[StaticWarning, ...]:
    if not (isinstance(model, nn.Module) and model.training):
        return ()
    return (
        StaticWarning(
            "Note",
            sentence("The model is in training mode, and is exported in it."),
            remedy=sentence(
                "Call model.eval() first, unless dropout and batch statistics are to be in "
                "the file as training uses them."
            ),
        ),
    )


def _from_program(model: Any, made: Program) -> Export:
    warnings = (*_mode(model), *static_warnings(made.caught))
    export = Export(kind="onnx", name=name_of(model), way="torch.export", warnings=warnings)
    names = list(made.call.signature.parameters)
    try:
        with collected_warnings(), quiet(), random_state_kept():
            written: Any = torch.onnx.export(
                made.program,
                (),
                dynamo=True,
                verbose=False,
                input_names=names,
                output_names=_unique(made.call.outputs),
            )
            proto = written.model_proto
    except Exception as error:  # the exporter's own classes, and those of what it calls
        return replace(export, failure=_conversion_failure(error, made.program))
    feeds = dict(zip(names, made.call.tensors, strict=True))
    return _finished(export, proto, feeds, model, made)


def _unique(labels: tuple[str, ...]) -> list[str]:
    """ONNX wants every name once."""
    return [
        label if label not in labels[:place] else f"{label}_{place}"
        for place, label in enumerate(labels)
    ]


def _from_script(
    model: Any, args: tuple[Any, ...], kwargs: dict[str, Any], made: Program, failed: Export
) -> Export:
    """The older exporter on a script of a copy; where that fails too, the first failure."""
    fallback = replace(failed, way="script", failure=None, warnings=_mode(model))
    buffer: Any = io.BytesIO()
    with collected_warnings() as caught:
        try:
            with quiet(), _no_graph_printed(), random_state_kept(), runnable(model) as run_here:
                scripted = compile_script(run_here).module
                torch.onnx.export(
                    scripted,
                    copied(args),
                    buffer,
                    kwargs=copied(kwargs) or None,
                    dynamo=False,
                    input_names=list(made.call.labels),
                    output_names=_unique(made.call.outputs),
                    training=torch.onnx.TrainingMode.PRESERVE,
                    do_constant_folding=not getattr(model, "training", False),
                )
        except ScriptError as refused:
            return replace(failed, warnings=(*failed.warnings, _also(script_failure(refused))))
        except Exception as error:  # RuntimeError of the C++ exporter, mostly
            return replace(failed, warnings=(*failed.warnings, _also(_legacy_failure(error))))
    import onnx

    assert failed.failure is not None
    note = StaticWarning(
        "Note",
        sentence(
            "Written from the script by torch's older exporter, which is deprecated: the "
            "current one could not. {message}.",
            message=failed.failure.message,
        ),
        failed.failure.file,
        failed.failure.line,
    )
    export = replace(fallback, warnings=(*fallback.warnings, *static_warnings(caught), note))
    proto = onnx.load_model_from_string(buffer.getvalue())
    names = [item.name for item in proto.graph.input]
    feeds = dict(zip(made.call.labels, made.call.tensors, strict=True))
    feeds = {name: feeds[name] for name in names if name in feeds}
    return _finished(export, proto, feeds, model, made)


@contextlib.contextmanager
def _no_graph_printed() -> Iterator[None]:
    """The older exporter writes the graph that it failed on straight to the terminal.

    It also switches its log on whatever it was before, so the log itself is taken away.
    """
    log, before = torch._C._jit_onnx_log, torch._C._jit_is_onnx_log_enabled()
    torch._C._jit_onnx_log = lambda *_: None
    try:
        yield
    finally:
        torch._C._jit_onnx_log = log
        torch._C._jit_set_onnx_log_enabled(before)


def _also(failure: ExportFailure) -> StaticWarning:
    return StaticWarning(
        "Note",
        sentence(
            "torch's older exporter, which can write `if` and loops, did not help: {message}",
            message=failure.message,
        ),
        failure.file,
        failure.line,
        failure.remedy,
    )


def _finished(
    export: Export, proto: Any, feeds: dict[str, Tensor], model: Any, made: Program
) -> Export:
    """The file with its checks."""
    data = proto.SerializeToString()
    compared = gives_outputs(proto, feeds, made.expected)
    if compared.passed is False and draws_random_numbers(model, made.call, made.expected):
        compared = replace(
            compared,
            passed=None,
            detail=sentence(
                "Not comparable: the model draws random numbers (dropout in training mode?), "
                "and ONNX draws others."
            ),
        )
    elif compared.passed is False and getattr(model, "training", False):
        # torch writes batch norm with the running statistics whatever the mode.
        text = sentence(
            "{detail} In training mode that is to be expected: call eval() first.",
            detail=compared.detail,
        )
        compared = replace(compared, detail=text)
    return replace(
        export,
        data=data,
        file_name=f"{export.name}.onnx",
        checks=(well_formed(proto), compared),
        inputs=tuple(item.name for item in proto.graph.input),
        outputs=tuple(item.name for item in proto.graph.output),
    )


def _conversion_failure(error: Exception, program: Any) -> ExportFailure:
    """An op that ONNX has no counterpart for, on the user's line."""
    detail = _whole_text(error)
    match = _NO_FUNCTION.search(detail)
    if match is None:
        root = _root(error)
        place = place_in(str(root))
        return ExportFailure(
            sentence(
                "The ONNX exporter fails: {kind}: {reason}",
                kind=type(root).__name__,
                reason=first_line(str(root)),
            ),
            remedy=sentence("Take the TorchScript file instead."),
            detail=detail,
            file=place[0] if place else None,
            line=place[1] if place else None,
        )
    op = f"{match['op']}.{match['overload']}"
    source = _source_of_op(program, op)
    return ExportFailure(
        sentence("ONNX has no counterpart for `{op}`", op=op),
        remedy=sentence(
            "Replace it by ops that ONNX has, or give torch.onnx.export a translation of "
            "it (custom_translation_table). TorchScript and torch.export do keep it."
        ),
        detail=detail,
        file=source.file if source else None,
        line=source.line if source else None,
        op=op,
    )


def _source_of_op(program: Any, op: str) -> Source | None:
    """The user's line that an op comes from, also where it is part of a decomposed one."""
    for graph in (lambda: program.graph, lambda: program.run_decompositions().graph):
        with collected_warnings(), quiet():
            for node in graph().nodes:
                if str(node.target) == op:
                    return source_of(node)
    return None


def _legacy_failure(error: Exception) -> ExportFailure:
    detail = str(error).strip()
    match = _NO_SYMBOL.search(detail)
    op = "" if match is None else (match["op"] or match["plain"])
    if "INTERNAL ASSERT" in detail or not op:
        words = sentence("it cannot write this control flow or these types")
    else:
        words = sentence("it has no counterpart for `{op}`", op=op)
    return ExportFailure(words, detail=detail, op=op)


def _root(error: BaseException) -> BaseException:
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def _whole_text(error: BaseException) -> str:
    parts: list[str] = []
    cause: BaseException | None = error
    while cause is not None:
        parts.append(str(cause).strip())
        cause = cause.__cause__
    return "\n".join(parts)
