"""Turns a failure of TorchScript's compiler, tracer or loader into a `ScriptError`."""

from __future__ import annotations

import os
import re
import traceback
from pathlib import Path

import torch

from inspector.errors import ScriptError
from inspector.language import Sentence, sentence
from inspector.torchscript.wrapper import NoTensorReturned

_FILE = re.compile(r'File "(?P<file>[^"]+)", line (?P<line>\d+)')
_TORCH = str(Path(torch.__file__).parent)
_PYTHON = str(Path(os.__file__).parent) + os.sep
_INSTALLED = frozenset({"site-packages", "dist-packages"})
"""Folders of packages, which may lie within that of the standard library."""

_COMPILER: tuple[tuple[str, Sentence], ...] = (
    (
        r"variable number of arguments|keyword-only arguments",
        sentence(
            "TorchScript cannot compile a function that takes *args, **kwargs or keyword-only "
            "arguments with defaults. Give the arguments names, or use the trace instead."
        ),
    ),
    (
        r"is called recursively",
        sentence(
            "TorchScript cannot compile a function that calls itself. Write it as a loop, "
            "or use the trace instead."
        ),
    ),
    (
        r"is not defined in the (true|false) branch",
        sentence(
            "TorchScript needs a variable to be set in both branches of an `if` before it is used "
            "below it. Set it before the `if`, or use the trace instead."
        ),
    ),
    (
        r"Failed to get source for <function \w+Config\.",
        sentence(
            "It keeps its configuration object as an attribute and reads it while it runs, and "
            "TorchScript cannot compile that object. Copy what is needed into plain attributes in "
            "`__init__`, or use the trace instead."
        ),
    ),
    (
        r"Can't get source|[Cc]ould not get source|source code not available|"
        r"Failed to get source|Could not get qualified name|is a built-in (class|module)",
        sentence(
            "TorchScript compiles from the source text, and there is none for this code. Put it "
            "into a .py file on disk, or use the trace instead."
        ),
    ),
    (
        r"has no attribute|nonexistent attribute",
        sentence(
            "TorchScript does not know an attribute that this code reads: it is not set in "
            "`__init__`, or has a type that TorchScript cannot hold. Annotate its type in the "
            "class body, or use the trace instead."
        ),
    ),
    (
        r"Python type cannot be used as a value|python value of type|Python builtin .* is "
        r"currently not supported|is not a supported",
        sentence(
            "TorchScript cannot use this Python object or builtin. Replace it with torch functions "
            "and annotated attributes, or use the trace instead."
        ),
    ),
    (
        r"Expected a value of type|Arguments for call are not valid|not annotated|"
        r"cannot be cast|does not match|has type .* but|Type mismatch|previously had type",
        sentence(
            "TorchScript found values whose types do not fit. A parameter without an annotation "
            "is taken for a Tensor: annotate the types, or use the trace instead."
        ),
    ),
)

_TRACER: tuple[tuple[str, Sentence], ...] = (
    (
        r"Tracer cannot (infer|get)|Only tensors|cannot be traced|outputs? .*tracer",
        sentence(
            "The tracer takes and returns only tensors and tuples, lists or dicts of tensors. "
            "Return such a value from the model."
        ),
    ),
    (
        r"don't support parameter sharing",
        sentence(
            "One module holds the same parameter or buffer under two names, which the tracer "
            "refuses. Hold it under one name and read it by that."
        ),
    ),
    (
        r"requires grad as a constant",
        sentence(
            "It uses a tensor that requires a gradient and was not passed in. Pass that tensor as "
            "an argument, or trace the module that holds it."
        ),
    ),
    (
        r"missing the required \"forward\" function",
        sentence(
            "It has no forward, so there is nothing to run. Trace the module that calls it, or one "
            "of its submodules."
        ),
    ),
    (
        r"observable data dependence with trace inputs",
        sentence(
            "What the model returns does not come from the tensors that went in, so there is "
            "nothing to trace. Pass what it computes from as an argument."
        ),
    ),
    (
        r"vmap|functorch|torch\.func",
        sentence(
            "The tracer cannot look into torch.func transforms (vmap, grad, ...). Call the "
            "function without the transform, or use the recording, which shows what ran."
        ),
    ),
)

_LOADER: tuple[tuple[str, Sentence], ...] = (
    (
        r"failed finding central directory|failed reading file|failed locating file|"
        r"corrupted|decompress",
        sentence("the file is damaged or cut short. Save or copy it again."),
    ),
    (
        r"maximum supported version|too old, please upgrade",
        sentence(
            "it was written by a newer PyTorch than this one ({version}). Upgrade PyTorch, or save "
            "it again with this one.",
            version=str(torch.__version__),
        ),
    ),
    (
        r"not a ZIP archive",
        sentence(
            "it is no TorchScript file. Make one with torch.jit.save(torch.jit.script(model), "
            "path)."
        ),
    ),
    (
        r"constants\.pkl|hasRecord|archive does not contain|not in a subdirectory",
        sentence(
            "it holds no TorchScript code (perhaps a state_dict or a pickled model). Make one with "
            "torch.jit.save(torch.jit.script(model), path)."
        ),
    ),
    (
        r"torch\.classes|custom class|Class .* is not registered",
        sentence(
            "it uses a class of a C++ extension that is not loaded here. Load that extension first "
            "(import its package, or torch.classes.load_library)."
        ),
    ),
    (
        r"Unknown builtin op|not defined on builtin|torch\.ops|No such operator",
        sentence(
            "it uses an op of an extension that is not loaded here. Load that extension first "
            "(import its package, or torch.ops.load_library)."
        ),
    ),
    (
        r"Unknown type name",
        sentence(
            "its code uses a class that the archive does not define: the file is incomplete, or "
            "needs an extension that is not loaded here."
        ),
    ),
    (
        r"Unexpected token|Expected .* here|expected .* but found",
        sentence(
            "the code inside is no TorchScript: the file was changed after it was saved. Save it "
            "again."
        ),
    ),
)


def compile_error(name: str, error: Exception) -> ScriptError:
    """What `torch.jit.script` raised for the model called `name`, in plain words."""
    detail = str(error).strip()
    words = _lookup(_COMPILER, detail)
    if words is None:
        words = sentence(
            "TorchScript cannot compile this: {reason} Use the trace instead, which records one "
            "run and needs no compiling.",
            reason=_first_line(detail),
        )
    place = _place(detail)
    said = sentence(
        "{name} cannot be scripted{where}. {words}", name=name, where=_where(place), words=words
    )
    return _error(said, detail, place)


def trace_error(name: str, error: Exception) -> ScriptError:
    """What `torch.jit.trace` raised for the model called `name`, in plain words."""
    detail = str(error).strip()
    words = _lookup(_TRACER, detail)
    if isinstance(error, NoTensorReturned):
        words = sentence(
            "It returns {what}, and a graph has to end in tensors. Return what it computed.",
            what=without_tensor(error),
        )
    elif words is None:
        words = sentence(
            "It raised {error} when the tracer ran it: {reason} Check that the model runs on these "
            "inputs.",
            error=type(error).__name__,
            reason=_first_line(detail),
        )
    place = _place(detail) or raised_at(error)
    said = sentence(
        "{name} cannot be traced{where}. {words}", name=name, where=_where(place), words=words
    )
    return _error(said, detail, place)


def without_tensor(error: NoTensorReturned) -> str:
    """What the model returned: "a float without a tensor in it"; "None" needs no such word."""
    returned = str(error)
    if returned == "None":
        return returned
    return sentence("{value} without a tensor in it", value=returned)


def load_error(path: str, error: Exception) -> ScriptError:
    """What the loader raised for the file at `path`, in plain words."""
    detail = str(error).strip()
    words = _lookup(_LOADER, detail)
    if words is None:
        words = sentence("torch says: {reason}", reason=_first_line(detail))
    said = sentence("{file} cannot be read as TorchScript: {reason}", file=path, reason=words)
    return ScriptError(said, detail=detail)


def _lookup(table: tuple[tuple[str, Sentence], ...], detail: str) -> Sentence | None:
    return next((words for pattern, words in table if re.search(pattern, detail)), None)


def _error(message: str, detail: str, place: tuple[str, int] | None) -> ScriptError:
    return ScriptError(
        message,
        detail=detail,
        file=place[0] if place else None,
        line=place[1] if place else None,
    )


def _where(place: tuple[str, int] | None) -> str:
    """The line as an aside, with a space before it; or nothing."""
    if place is None:
        return ""
    return sentence(" ({file}, line {line})", file=Path(place[0]).name, line=place[1])


def _first_line(detail: str) -> str:
    line = next((row.strip() for row in detail.splitlines() if row.strip()), None)
    if line is None:
        return sentence("no reason given.")
    return line.rstrip(" :.") + "."


def _place(detail: str) -> tuple[str, int] | None:
    match = _FILE.search(detail)
    return (match["file"], int(match["line"])) if match else None


def raised_at(error: BaseException) -> tuple[str, int] | None:
    """The innermost of the user's lines on the way to an exception."""
    frames = traceback.extract_tb(error.__traceback__)
    for frame in reversed(frames):
        if is_users(frame.filename) and frame.lineno:
            return frame.filename, frame.lineno
    return None


def is_users(file: str) -> bool:
    """Whether a line of this file is the user's, and not Python's own, torch's or ours."""
    if file.startswith((_TORCH, str(Path(__file__).parent), "<frozen", "<string>")):
        return False
    return not file.startswith(_PYTHON) or bool(_INSTALLED.intersection(Path(file).parts))
