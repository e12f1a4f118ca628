"""Loads the graph of a file written by `torch.jit.save`, and says what other files are."""

from __future__ import annotations

import os
import zipfile
from dataclasses import replace

import torch

from inspector.errors import ScriptError
from inspector.language import sentence
from inspector.records import StaticGraph
from inspector.torchscript.explain import load_error
from inspector.torchscript.kept import collected_warnings
from inspector.torchscript.read import read

_MAKE_ONE = sentence("Make one with torch.jit.save(torch.jit.script(model), path).")
_DAMAGED = sentence("the file is damaged or cut short. Save or copy it again.")


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
    objection = _objection(shown)
    if objection:
        raise ScriptError(
            sentence(
                "{shown} cannot be read as TorchScript: {objection}",
                shown=shown,
                objection=objection,
            )
        )
    unit = torch._C.CompilationUnit()
    with collected_warnings() as caught:
        try:
            module = torch._C.import_ir_module(unit, shown, torch.device("cpu"), {}, False)  # type: ignore[call-arg]
            sources = _archived_code(shown)
            loaded = torch.jit._recursive.wrap_cpp_module(module)
        except Exception as error:  # RuntimeError mostly, zipfile's own errors among others
            raise load_error(shown, error) from error
    graph = read(
        "loaded",
        loaded.original_name,
        loaded,
        first_paths={},
        caught=caught,
        find_function=unit.find_function,
    )
    return replace(graph, sources=sources)


def _objection(path: str) -> str:
    """Why a file is no TorchScript file, judged without torch; "" if it may be one."""
    if os.path.isdir(path):
        return sentence("it is a folder. Give the file's own path.")
    if not os.path.isfile(path):
        return sentence("there is no such file.")
    try:
        with open(path, "rb") as file:
            start = file.read(16)
        if not start:
            return sentence("the file is empty. Save or copy it again.")
        if not start.startswith(b"PK"):
            return _no_archive(start)
        with zipfile.ZipFile(path) as archive:
            names = [name.partition("/")[2] for name in archive.namelist()]
            damaged = archive.testzip() is not None
    except zipfile.BadZipFile:
        return _DAMAGED
    except OSError as error:
        return sentence("it cannot be opened ({strerror}).", strerror=error.strerror)
    return _DAMAGED if damaged else _wrong_archive(names)


def _no_archive(start: bytes) -> str:
    if start.startswith(b"\x80"):
        return sentence(
            "it is a pickle (an old state_dict, or a pickled model), which holds no "
            "code. Load it into a model first. {how}",
            how=_MAKE_ONE,
        )
    return sentence("it is no TorchScript file. {how}", how=_MAKE_ONE)


def _wrong_archive(names: list[str]) -> str:
    if "archive_format" in names or any(name.startswith("models/") for name in names):
        return sentence(
            "it is a program of torch.export. Read it with torch.export.load. {how}",
            how=_MAKE_ONE,
        )
    if "constants.pkl" in names and "data.pkl" in names:
        has_code = any(name.startswith("code/") for name in names)
        return (
            ""
            if has_code
            else sentence("its code is missing from the archive. {how}", how=_MAKE_ONE)
        )
    if any(name.startswith("code/") for name in names):
        return _DAMAGED
    if "data.pkl" in names:
        return sentence(
            "it holds no TorchScript code: it is a state_dict or a pickled model, "
            "written by torch.save. Load it into a model first. {how}",
            how=_MAKE_ONE,
        )
    return sentence("it is an archive with no TorchScript code in it. {how}", how=_MAKE_ONE)


def _archived_code(path: str) -> dict[str, str]:
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if name.endswith(".py") and "/code/" in name]
        return {
            name.split("/", 1)[1]: archive.read(name).decode("utf-8", "replace") for name in names
        }
