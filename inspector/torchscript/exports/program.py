"""`torch.export`: the model as one ATen graph, or the reason why it refuses, on its line."""

from __future__ import annotations

import contextlib
import io
import linecache
import logging
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from inspector.exported import Check, Export, ExportedNode, ExportFailure
from inspector.language import Sentence, sentence
from inspector.records import Source
from inspector.torchscript.explain import is_users, raised_at, without_tensor
from inspector.torchscript.exports.given import given
from inspector.torchscript.exports.runs import eager_outputs, flat_call, outputs_of, same
from inspector.torchscript.kept import collected_warnings, random_state_kept
from inspector.torchscript.make import runnable, uncompiled, wrapped
from inspector.torchscript.read import name_of
from inspector.torchscript.remedies import static_warnings
from inspector.torchscript.wrapper import NoTensorReturned, TensorCall

_FRAME = re.compile(r'File "(?P<file>[^"]+)", line (?P<line>\d+), in (?P<function>\S+)')

_REASONS: tuple[tuple[str, Sentence, Sentence], ...] = (
    (
        r"Could not guard on data-dependent|Data-dependent branching|data-dependent jump",
        sentence(
            "Which way the program goes here depends on a value that only a run has, and "
            "torch.export keeps one graph for all inputs"
        ),
        sentence(
            "Write it with torch.cond (both ways in the graph), torch.where (both "
            "computed, one chosen), or decide before the model is called. TorchScript's "
            "`script` keeps such an `if`."
        ),
    ),
    (
        r"Could not extract specialized (integer|float)|_local_scalar_dense|DataDependentOutput",
        sentence(
            "A number is read out of a tensor here and used as a Python number, and "
            "torch.export has no value for it"
        ),
        sentence(
            "Keep computing with the tensor; or, for a size or an index, state its range "
            "with torch._check and export with strict=True."
        ),
    ),
    (
        r"\.numpy\(\) is not supported|numpy|from_numpy",
        sentence("The tensor leaves for NumPy here, where torch.export cannot follow"),
        sentence("Use the torch function that does the same."),
    ),
    (
        r"attribute .* was assigned during export|must be registered as buffers",
        sentence(
            "The model assigns a tensor to an attribute while it runs, and a graph has "
            "no attributes"
        ),
        sentence("Register it with self.register_buffer in `__init__`, or return it."),
    ),
    (
        r"no fake impl|Operator does not support running with fake|UnsupportedOperator",
        sentence("This op does not say which shape its result has, so torch.export cannot pass it"),
        sentence("Register a fake implementation with torch.library.register_fake."),
    ),
    (
        r"ScriptModule is not supported|ScriptFunction|ScriptMethod",
        sentence("torch.export takes Python modules, and this one is TorchScript already"),
        sentence("Pass the Python module that it was made of."),
    ),
    (
        r"data_ptr|storage|is not supported for tensor subclasses",
        sentence(
            "The code reads the memory behind a tensor, and while torch.export runs it "
            "there is none"
        ),
        sentence("Use torch functions on the tensor itself."),
    ),
)


@dataclass(frozen=True, slots=True)
class Program:
    """What `torch.export` made, or why not; `expected` is what the model itself returned."""

    call: TensorCall
    program: Any
    expected: list[Tensor]
    failure: ExportFailure | None
    caught: list[warnings.WarningMessage]


class _Function(nn.Module):
    """Holds a function: torch.export takes modules only."""

    def __init__(self, function: Any) -> None:
        super().__init__()
        self.forward = function


def export_program(
    model: Any,
    args: tuple[Any, ...] | Tensor = (),
    kwargs: dict[str, Any] | None = None,
    strict: bool = False,
) -> Export:
    """The model as `torch.export` sees it: one graph of ATen ops.

    Arguments and outputs that are no tensors, and those that hold tensors inside, are dealt
    with as in `trace`. The model and the random generators stay as they are.

    Args:
        model: a module or function.
        args, kwargs: what to call it with; a tensor as `args` stands for `(x,)`.
        strict: let Dynamo read the code instead of running it on stand-ins for tensors.

    Returns:
        `data` is the graph as text with the user's lines, `nodes` are its nodes. `failure` says
        why there is none; nothing is raised for what the model cannot do.

    Raises:
        InspectorError: `model` is neither a module nor a function, or `args` is no tuple.
    """
    inner = uncompiled(model)
    made = exported_program(inner, *given(model, args, kwargs), strict)
    way = "torch.export, strict" if strict else "torch.export"
    if made.failure is not None:
        return Export(
            kind="torch.export",
            name=name_of(inner),
            way=way,
            failure=made.failure,
            warnings=static_warnings(made.caught),
        )
    return Export(
        kind="torch.export",
        name=name_of(inner),
        data=str(made.program).strip() + "\n",
        way=way,
        file_name=f"{name_of(inner)}.export.txt",
        checks=(_checked(made),),
        warnings=(*static_warnings(made.caught), *dict.fromkeys(made.call.notes)),
        nodes=nodes_of(made.program),
        inputs=made.call.labels,
        outputs=made.call.outputs,
    )


def exported_program(
    model: Any, args: tuple[Any, ...], kwargs: dict[str, Any], strict: bool = False
) -> Program:
    """Run a model, and export it for the same inputs; what goes wrong is in `failure`."""
    call = TensorCall({}, None, flat=True)
    expected: list[Tensor] = []
    try:
        call = flat_call(model, args, kwargs)
        expected = eager_outputs(model, call)
    except Exception as error:  # whatever the user's forward raises
        return Program(call, None, expected, _run_failure(error), [])
    call.notes.clear()
    with collected_warnings() as caught:
        try:
            with quiet(), random_state_kept(), runnable(model) as run_here:
                target = wrapped(run_here, call)
                module = target if isinstance(target, nn.Module) else _Function(target)
                program = torch.export.export(module, call.tensors, strict=strict)
        except Exception as error:  # torch.export raises every kind
            return Program(call, None, expected, export_failure(error), caught)
    return Program(call, program, expected, None, caught)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Exporters print half-made graphs and log what they skip; none of it is for the user."""
    before = logging.root.manager.disable
    logging.disable(max(before, logging.WARNING))
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        logging.disable(before)


def _checked(made: Program) -> Check:
    name = sentence("gives the model's output")
    try:
        with collected_warnings():
            found = outputs_of(made.program.module(), made.call.tensors)
    except Exception as error:
        return Check(name, False, f"{type(error).__name__}: {str(error).strip()}")
    return same(name, made.expected, found, exact=False)


def _run_failure(error: Exception) -> ExportFailure:
    """The model itself raised, before there was anything to export."""
    place = raised_at(error) or (None, None)
    words = sentence(
        "The model raises {error} on these inputs: {reason}",
        error=type(error).__name__,
        reason=first_line(str(error)),
    )
    remedy = sentence("Call it with inputs that it runs on.")
    if isinstance(error, NoTensorReturned):
        words = sentence(
            "The model returns {what}, and a graph has to end in tensors",
            what=without_tensor(error),
        )
        remedy = sentence("Return what it computed.")
    return ExportFailure(
        words,
        remedy=remedy,
        detail=str(error),
        file=place[0],
        line=place[1],
    )


def export_failure(error: Exception) -> ExportFailure:
    """What `torch.export` raised, in plain words and on the user's line."""
    detail = str(error).strip()
    kind = type(error).__name__
    file, line = _line_of(error, detail)
    code = linecache.getline(file, line).strip() if file and line else ""
    words = sentence(
        "torch.export refuses ({kind}): {reason}", kind=kind, reason=first_line(detail)
    )
    remedy = sentence("Use TorchScript (`script` or `trace`) to take the model away instead.")
    for pattern, reason, what_to_do in _REASONS:
        if re.search(pattern, f"{kind} {detail}"):
            words, remedy = reason, what_to_do
            break
    if code:
        words = sentence("{words}: `{code}`", words=words, code=code)
    return ExportFailure(words, remedy, detail, file, line)


def _line_of(error: BaseException, detail: str) -> tuple[str | None, int | None]:
    cause: BaseException | None = error
    while cause is not None:
        place = raised_at(cause)
        if place is not None:
            return place
        cause = cause.__cause__
    return place_in(detail) or (None, None)


def place_in(text: str) -> tuple[str, int] | None:
    """The innermost of the user's lines in a text that quotes a stack."""
    frames = [match for match in _FRAME.finditer(text) if is_users(match["file"])]
    return (frames[-1]["file"], int(frames[-1]["line"])) if frames else None


def first_line(detail: str) -> str:
    """The first line that says something, without its full stop."""
    line = next(
        (row.strip() for row in detail.splitlines() if row.strip()), sentence("no reason given")
    )
    return line.rstrip(" .:")


def nodes_of(program: Any) -> tuple[ExportedNode, ...]:
    """The nodes of an exported program's graph, in order."""
    return tuple(
        ExportedNode(
            id=number,
            kind=str(node.op),
            name=str(node.name),
            target=str(node.target) if isinstance(node.target, str) else _called(node.target),
            inputs=tuple(str(given.name) for given in node.all_input_nodes),
            type=_type(node.meta.get("val")),
            module_path=_module_path(node),
            source=source_of(node),
        )
        for number, node in enumerate(program.graph.nodes)
    )


def _called(target: Any) -> str:
    return str(target) if isinstance(target, torch._ops.OpOverload) else str(target.__name__)


def source_of(node: Any) -> Source | None:
    """The innermost of the user's lines that made a node."""
    frames = [
        match
        for match in _FRAME.finditer(str(node.meta.get("stack_trace") or ""))
        if is_users(match["file"])
    ]
    if not frames:
        return None
    frame = frames[-1]
    return Source(frame["file"], int(frame["line"]), 0, frame["function"])


def _module_path(node: Any) -> str:
    stack = node.meta.get("nn_module_stack") or {}
    path = next((str(entry[0]) for entry in reversed(list(stack.values()))), "")
    return path.removeprefix("L['self'].").removeprefix("L['self']")


def _type(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"{str(value.dtype).removeprefix('torch.')}{list(value.shape)}"
    if isinstance(value, tuple | list):
        return f"({', '.join(map(_type, value))})"
    return "" if value is None else str(value)
