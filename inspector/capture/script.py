"""Run a Python script or module as `python` would, and record it."""

from __future__ import annotations

import builtins
import contextlib
import importlib.machinery
import os
import runpy
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from types import ModuleType
from typing import Any

from inspector.capture.options import CaptureOptions
from inspector.capture.session import Session
from inspector.capture.tracebacks import RUNPY, file_of, frames, strip
from inspector.errors import CaptureError, SourceError
from inspector.language import sentence
from inspector.records import Recording

INTERRUPTED = 130
"""What a shell reports for a program that Ctrl+C ended."""


def record_script(
    script: str,
    arguments: tuple[str, ...],
    options: CaptureOptions,
    *,
    as_module: bool = False,
) -> tuple[Recording, int]:
    """Run a script to its end and record it.

    The script finds `__name__`, `__file__`, `sys.argv`, `sys.path` and `sys.modules["__main__"]`
    as under `python`, so that pickle and the children of multiprocessing find its classes.

    Args:
        script: path of a Python file, or a module's name with `as_module`.
        arguments: what the script finds in `sys.argv[1:]`.
        options: what to keep.
        as_module: run like `python -m`.

    Returns:
        (recording, the script's exit code). The script's own exception is printed on stderr
        as Python would print it, without our frames.

    Raises:
        SourceError: there is no such script.
        CaptureError: another recording is running.
    """
    session = Session(options, None)
    session.meta = about(script, arguments)
    with _put_back():
        status = run_script(script, arguments, session.running(), as_module=as_module)
    if session.forked:
        sys.exit(status)  # a child of the script ends as it would alone: the parent has the rest
    return session.recording, status


def about(script: str, arguments: tuple[str, ...]) -> dict[str, Any]:
    """What a recording of a script says of itself."""
    return {"model": os.path.basename(script), "arguments": list(arguments)}


def run_script(
    script: str,
    arguments: tuple[str, ...],
    around: AbstractContextManager[object],
    within: AbstractContextManager[object] | None = None,
    *,
    as_module: bool = False,
) -> int:
    """Run a script to its end, as `record_script` does.

    `sys.argv`, `sys.path` and `sys.modules["__main__"]` stay the script's: what it has registered
    with `atexit`, and its threads, run when this process ends.

    Args:
        script, arguments, as_module: see `record_script`.
        around: entered just before the script begins, left when it has ended.
        within: entered after it and left before it, so that only the script runs in it.

    Returns:
        The script's exit code. Its own exception is printed on stderr.

    Raises:
        SourceError: there is no such script.
        CaptureError: another recording is running.
    """
    if not as_module:
        _check_file(script)
    status = 0
    _become_main(script, arguments, as_module)
    try:
        with around, within or nullcontext():
            if as_module:
                _run_module(script)
            else:
                _run_file(os.path.abspath(script))
    except SystemExit as request:
        status = _status(request)
    except KeyboardInterrupt as interrupt:
        status = _printed_own(interrupt, INTERRUPTED)
    except BaseException as error:
        if _not_started(error):
            raise
        if as_module and _is_runpys(error):
            raise SourceError(
                sentence(
                    "Cannot run the module {script}: {error}.", script=script, error=str(error)
                )
            ) from error
        status = _printed_own(error, 1)
    return status


def _check_file(script: str) -> None:
    if not os.path.isfile(script):
        if os.path.isdir(script):
            raise SourceError(
                sentence(
                    "There is no script {script}: it is a folder. Give a Python file's path.",
                    script=script,
                )
            )
        raise SourceError(
            sentence(
                "There is no script {script}: it does not exist. Give a Python file's path.",
                script=script,
            )
        )
    try:
        with open(script, "rb"):
            pass
    except OSError as error:
        raise SourceError(
            sentence(
                "Cannot read the script {script}: {strerror}.",
                script=script,
                strerror=error.strerror,
            )
        ) from error


def _run_file(path: str) -> None:
    """Execute a file as the module `__main__`.

    `runpy.run_path` would change `sys.argv[0]`, and adds its frames to every traceback.
    """
    with open(path, "rb") as file:
        text = file.read()
    code = compile(text, path, "exec", dont_inherit=True)
    exec(code, vars(sys.modules["__main__"]))


def _run_module(name: str) -> None:
    """Execute a module as `__main__`.

    `runpy.run_module` would take it away at its end, when functions of `atexit` and threads still
    need it; `pdb` finds modules as we do.
    """
    sys.argv[0] = "-m"  # while packages around it are imported
    _, spec, code = runpy._get_module_details(name)  # type: ignore[attr-defined]
    sys.argv[0] = spec.origin
    main = _main_module(spec.origin)
    vars(main).update(
        __cached__=spec.cached, __loader__=spec.loader, __package__=spec.parent, __spec__=spec
    )
    sys.modules["__main__"] = main
    exec(code, vars(main))


@contextlib.contextmanager
def _put_back() -> Iterator[None]:
    """What a script changes in `sys` is afterwards as it was."""
    argv, path, main = sys.argv, list(sys.path), sys.modules["__main__"]
    try:
        yield
    finally:
        sys.argv, sys.path[:], sys.modules["__main__"] = argv, path, main


def _become_main(script: str, arguments: tuple[str, ...], as_module: bool) -> None:
    """What a script finds in `sys`."""
    sys.argv = [script, *arguments]
    if not sys.flags.safe_path:
        # In place of the folder of `inspector`'s own start, as if the script had been started.
        folder = os.getcwd() if as_module else os.path.dirname(os.path.realpath(script))
        sys.path[:1] = [folder]
    if not as_module:
        sys.modules["__main__"] = _main_module(os.path.abspath(script))


def _main_module(path: str) -> ModuleType:
    module = ModuleType("__main__")
    vars(module).update(
        __file__=path,
        __builtins__=builtins,
        __cached__=None,
        __loader__=importlib.machinery.SourceFileLoader("__main__", path),
        __annotations__={},
    )
    return module


def _status(request: SystemExit) -> int:
    """The exit code, as Python itself reads `SystemExit.code`."""
    if request.code is None:
        return 0
    if isinstance(request.code, int):
        return request.code
    sys.stderr.write(f"{request.code}\n")
    return 1


# -- the script's exception, as Python shows it --------------------------------------------------


def _not_started(error: BaseException) -> bool:
    """Whether the recording itself could not start: the script is not even begun."""
    script = sys.modules["__main__"].__dict__
    return isinstance(error, CaptureError) and not any(
        step.tb_frame.f_globals is script or file_of(step) in RUNPY for step in frames(error)
    )


def _is_runpys(error: BaseException) -> bool:
    """Whether runpy found no such module, rather than the module failing at an import."""
    steps = frames(error)
    return isinstance(error, ImportError) and bool(steps) and file_of(steps[-1]) in RUNPY


def _printed_own(error: BaseException, status: int) -> int:
    """Print a traceback as if the script ran by itself, through its own `sys.excepthook`.

    Returns:
        `status`, or the exit code that the hook asks for.
    """
    strip(error)
    try:
        sys.excepthook(type(error), error, error.__traceback__)
    except SystemExit as request:
        return _status(request)
    except BaseException as problem:
        problem.__context__ = None
        strip(problem)
        sys.stderr.write("Error in sys.excepthook:\n")
        sys.__excepthook__(type(problem), problem, problem.__traceback__)
        sys.stderr.write("\nOriginal exception was:\n")
        sys.__excepthook__(type(error), error, error.__traceback__)
    return status
