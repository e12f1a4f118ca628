"""Run a Python script or module as `python` would, and record it."""

from __future__ import annotations

import contextlib
import os
import runpy
import sys
import traceback
from collections.abc import Iterator

from inspector.capture.options import CaptureOptions
from inspector.capture.session import Session
from inspector.errors import SourceError
from inspector.records import Recording

INTERRUPTED = 130


def record_script(
    script: str,
    arguments: tuple[str, ...],
    options: CaptureOptions,
    *,
    as_module: bool = False,
) -> tuple[Recording, int]:
    """Run a script to its end and record it.

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
    if not as_module and not os.path.isfile(script):
        raise SourceError(f"There is no script {script}. Give the path of a Python file.")
    session = Session(options, None)
    session.meta = {"model": os.path.basename(script), "arguments": list(arguments)}
    status = 0
    with _as_main(script, arguments, as_module):
        try:
            with session.running():
                if as_module:
                    runpy.run_module(script, run_name="__main__", alter_sys=True)
                else:
                    runpy.run_path(script, run_name="__main__")
        except SystemExit as request:
            status = _status(request)
        except KeyboardInterrupt:
            status = INTERRUPTED
        except Exception as error:
            if as_module and _is_missing(error, script):
                raise SourceError(f"There is no module {script} to run.") from error
            _print_own(error)
            status = 1
    return session.recording, status


@contextlib.contextmanager
def _as_main(script: str, arguments: tuple[str, ...], as_module: bool) -> Iterator[None]:
    argv, path = sys.argv, list(sys.path)
    sys.argv = [script, *arguments]
    sys.path.insert(0, os.getcwd() if as_module else os.path.dirname(os.path.abspath(script)))
    try:
        yield
    finally:
        sys.argv, sys.path[:] = argv, path


def _status(request: SystemExit) -> int:
    """The exit code, as Python itself reads `SystemExit.code`."""
    if request.code is None:
        return 0
    if isinstance(request.code, int):
        return request.code
    sys.stderr.write(f"{request.code}\n")
    return 1


def _is_missing(error: Exception, module: str) -> bool:
    return isinstance(error, ImportError) and (error.name in (None, module))


def _print_own(error: BaseException) -> None:
    """The traceback as Python prints it when the script runs by itself: without our frames."""
    told = traceback.TracebackException.from_exception(error)
    ours = (os.path.dirname(__file__), "<frozen runpy>", contextlib.__file__)
    told.stack = traceback.StackSummary.from_list(
        frame for frame in told.stack if not frame.filename.startswith(ours)
    )
    sys.stderr.write("".join(told.format()))
