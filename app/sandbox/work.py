"""The program's own process: runs it under a recording, and writes what comes of it."""

from __future__ import annotations

import ast
import builtins
import contextlib
import importlib.machinery
import linecache
import multiprocessing.process
import os
import random
import sys
import tempfile
from difflib import get_close_matches
from types import CodeType, ModuleType
from typing import Any, Literal, Self

import inspector
from inspector.errors import InspectorError, ScriptError
from inspector.language import sentence
from inspector.records import StaticGraph
from inspector.torchscript.loaded_calls import LoadedCalls
from inspector_app.sandbox import results
from inspector_app.sandbox.clock import Clock
from inspector_app.sandbox.failures import Over, Stopped, told_of, traceback_of
from inspector_app.sandbox.limiting import use_reserve
from inspector_app.sandbox.lit import lit
from inspector_app.sandbox.orders import Limits, Program

MAX_OPS = 20_000
INPUTS = "<inputs>"
UNFINISHED = 97
"""The exit code where the results could not be written."""

_NO_TIME = sentence("There was no time left to make TorchScript of it.")


class Work:
    """One program: `ready()`, then its `code` is run in `names` within this and `recorder`.

    Whoever does that is in no file (see `zygote.BOOT`): only the program's own frames are around
    its ops then.
    """

    def __init__(self, program: Program, limits: Limits) -> None:
        self._program = program
        self._limits = limits
        self._process = os.getpid()
        self._folder = os.getcwd()
        self._error: BaseException | None = None
        self._clock = Clock(limits.seconds)
        self._session: inspector.Session | None = None
        self._calls: LoadedCalls | None = None
        self.code: CodeType = compile("", program.file, "exec")
        self.names: dict[str, Any] = {}
        self.recorder: contextlib.AbstractContextManager[Any] = contextlib.nullcontext()

    def ready(self) -> bool:
        """Compile the program and run what comes before it; False where that fails."""
        program = self._program
        self.names = vars(_main_module(program.file))
        _move_to(self._folder)
        _known(program.file, program.source)
        _known(INPUTS, program.before)
        _seed()
        self._clock.start(self.names)
        try:
            with open(program.file, "w", encoding="utf-8") as file:
                file.write(program.source)
            if program.attached:
                with open(program.attached_file, "wb") as attached:
                    attached.write(program.attached)
            self.code = compile(program.source, program.file, "exec", dont_inherit=True)
            if program.before:
                exec(compile(program.before, INPUTS, "exec", dont_inherit=True), self.names)
        except BaseException as error:
            self._error = error
            return False
        if not program.plain:
            options = inspector.CaptureOptions(
                values=program.values,  # type: ignore[arg-type]  # CaptureOptions checks it
                kernels=program.kernels,
                max_ops=MAX_OPS,
                value_budget_mb=self._limits.file_mb / 2,
            )
            self._session = inspector.Session(options, None)
            self._session.meta = {"model": program.file}
            self.recorder = self._session.running()
            archive = self.names.get(program.script)
            if isinstance(archive, StaticGraph) and archive.kind == "loaded":
                self._calls = LoadedCalls(archive)
                self._calls.watch()
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, place: object
    ) -> Literal[True]:
        if os.getpid() != self._process:  # a copy that the program made of its own process
            if error is not None and not isinstance(error, SystemExit):
                self._print(error)
            _flush()
            os._exit(0 if error is None else 1)
        self._error = error
        return True

    def finish(self) -> None:
        """Write the results and end the process."""
        try:
            self._finish()
        finally:
            os._exit(UNFINISHED)

    def _finish(self) -> None:
        use_reserve()
        error = self._error
        if error is None:
            error = self._clock.join_threads()
        else:
            self._print(error)
        static, overlay, reason = None, None, ""
        if self._program.script or self._program.trace:
            static, reason = self._static()
        if self._calls is not None:
            self._calls.end()
            if static is not None:
                with self._clock.waiting():
                    overlay, reason = lit(self._calls)
        self._clock.stop()
        told = results.Told(**told_of(error, self._program.file), static_missing=reason)
        _flush()
        self.names.clear()
        recording = self._session.recording if self._session is not None else None
        results.write(results.Results(told, recording, static, overlay), self._folder)
        os._exit(0)

    # -- TorchScript ---------------------------------------------------------------------------

    def _static(self) -> tuple[StaticGraph | None, str]:
        """The TorchScript that was asked for, or why there is none."""
        try:
            with self._clock.waiting():
                return self._compiled(), ""
        except InspectorError as error:
            return None, error.message
        except SyntaxError as error:
            return None, str(error)
        except Over:
            return None, _NO_TIME
        except BaseException as error:
            return None, f"{type(error).__name__}: {error}"

    def _compiled(self) -> StaticGraph:
        call = ast.parse(self._program.script or self._program.trace, mode="eval").body
        if self._program.script:
            held = self._held(call)
            return held if isinstance(held, StaticGraph) else inspector.script(held)
        if not isinstance(call, ast.Call) or call.keywords:
            raise ScriptError(
                sentence("`trace=` takes a call with names only, such as `model(x)`.")
            )
        return inspector.trace(*map(self._held, (call.func, *call.args)))

    def _held(self, name: ast.expr) -> Any:
        if not isinstance(name, ast.Name):
            raise ScriptError(sentence("`script=` and `trace=` take names only, no expressions."))
        if name.id not in self.names:
            own = [known for known in self.names if not known.startswith("__")]
            near = get_close_matches(name.id, own, n=1, cutoff=0.0)
            if not near:
                raise ScriptError(
                    sentence("The program has no variable `{name}` at its end.", name=name.id)
                )
            raise ScriptError(
                sentence(
                    "The program has no variable `{name}` at its end; the nearest is `{near}`.",
                    name=name.id,
                    near=near[0],
                )
            )
        return self.names[name.id]

    # -- what is printed -----------------------------------------------------------------------

    def _print(self, error: BaseException) -> None:
        if isinstance(error, SystemExit):
            if error.code is not None and not isinstance(error.code, int):
                _say(f"{error.code}\n")
            return
        if isinstance(error, Stopped):
            return  # who stopped it knows
        _say(traceback_of(error, (self._program.file, INPUTS)))


def _say(text: str) -> None:
    with contextlib.suppress(Exception):
        sys.stderr.write(text)


def speak() -> None:
    """Have what is printed go out line by line, in UTF-8."""
    sys.stdout = open(1, "w", 1, "utf-8", "backslashreplace", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", 1, "utf-8", "backslashreplace", closefd=False)  # noqa: SIM115


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()


def _main_module(file: str) -> ModuleType:
    """A new `__main__`, under which the program's functions and classes are found."""
    module = sys.modules["__main__"] = ModuleType("__main__")
    vars(module).update(
        __file__=file,
        __builtins__=builtins,
        __loader__=importlib.machinery.SourceFileLoader("__main__", file),
        __annotations__={},
    )
    sys.argv = [file]
    return module


def _move_to(folder: str) -> None:
    """Have modules that were imported elsewhere find the program, and room for their files."""
    vars(multiprocessing.process)["ORIGINAL_DIR"] = folder
    tempfile.tempdir = folder


def _known(file: str, text: str) -> None:
    """Have tracebacks and `inspect.getsource` find a text, wherever the program goes."""
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)


def _seed() -> None:
    """Other random numbers in every run, as in a process of its own."""
    random.seed()
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()
