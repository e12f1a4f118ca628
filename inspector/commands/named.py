"""Objects by their names on the command line: `net.py:Net`, `package.models:build`."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from inspector.errors import SourceError
from inspector.language import sentence


def is_named(text: str) -> bool:
    """Whether a text has the form of such a name."""
    where, found, name = text.rpartition(":")
    return bool(found and where) and all(part.isidentifier() for part in name.split("."))


def named(text: str) -> Any:
    """The object `name` of "file.py:name" or "package.module:name".

    The file's folder, or else the present one, can be imported from while it runs and after.

    Raises:
        SourceError: there is no such file, module or name, or its code raises.
    """
    where, _, name = text.rpartition(":")
    module = _file(where) if where.endswith(".py") else _module(where)
    found: Any = module
    for part in name.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise SourceError(
                sentence("There is no `{name}` in {where}.", name=name, where=where)
            ) from None
    return found


def called(found: Any) -> Any:
    """What a class or a function without parameters makes; anything else as it is."""
    takes = _parameters(found)
    if isinstance(found, type) or (inspect.isfunction(found) and takes == 0):
        try:
            return found()
        except Exception as error:  # whatever the user's code raises
            name = getattr(found, "__qualname__", str(found))
            raise SourceError(
                sentence(
                    "`{name}()` failed: {type}: {error}. Name something that can be called without "
                    "arguments, or an object that is made already.",
                    name=name,
                    type=type(error).__name__,
                    error=str(error),
                )
            ) from error
    return found


def _parameters(found: Any) -> int | None:
    try:
        return len(inspect.signature(found).parameters)
    except (TypeError, ValueError):
        return None


def _file(where: str) -> ModuleType:
    path = Path(where)
    if not path.is_file():
        raise SourceError(sentence("There is no file {where}.", where=where))
    name = path.stem
    if not name.isidentifier() or name in sys.modules:
        name = f"census_of_{name}".replace("-", "_").replace(".", "_")
    _importable(str(path.parent.absolute()))
    spec = importlib.util.spec_from_file_location(name, path.absolute())
    if spec is None or spec.loader is None:
        raise SourceError(sentence("{where} cannot be imported.", where=where))
    module, load = importlib.util.module_from_spec(spec), spec.loader.exec_module
    sys.modules[name] = module
    _run(lambda: load(module), where)
    return module


def _module(where: str) -> ModuleType:
    _importable(os.getcwd())
    found: list[ModuleType] = []
    _run(lambda: found.append(importlib.import_module(where)), where)
    return found[0]


def _importable(folder: str) -> None:
    if folder not in sys.path:
        sys.path.insert(0, folder)


def _run(work: Callable[[], Any], where: str) -> None:
    try:
        work()
    except ModuleNotFoundError as error:
        if error.name and (where == error.name or where.startswith(f"{error.name}.")):
            raise SourceError(sentence("There is no module {where}.", where=where)) from error
        raise SourceError(
            sentence("{where} cannot be imported: {error}.", where=where, error=str(error))
        ) from error
    except (Exception, SystemExit) as error:  # whatever the user's code raises
        raise SourceError(
            sentence(
                "{where} cannot be imported: {type}: {error}.",
                where=where,
                type=type(error).__name__,
                error=str(error),
            )
        ) from error
