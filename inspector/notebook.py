"""The cell magic `%%inspect`: records a cell of a notebook and shows the recording.

    %load_ext inspector

    %%inspect --loss loss
    y = model(x)
    loss = (y - target).pow(2).mean()

The cell runs in the notebook's own namespace, as it would without the first line. IPython is not a
dependency: it is there where this is used.
"""

from __future__ import annotations

import argparse
import ast
import shlex
from typing import TYPE_CHECKING, Any, NoReturn

from inspector.capture import CaptureOptions, recording
from inspector.capture.tracebacks import strip
from inspector.language import of_environment, sentence
from inspector.languages import language

if TYPE_CHECKING:
    from types import CodeType

NAME = "last_recording"
"""The variable that gets the recording, where none is named."""


def load_ipython_extension(shell: Any) -> None:
    """What `%load_ext inspector` calls: `%%inspect` is known from then on.

    Args:
        shell: the running `IPython.InteractiveShell`.
    """

    def inspect(line: str, cell: str) -> Any:
        __tracebackhide__ = True
        return record_cell(shell, line, cell)

    inspect.__doc__ = _parser().format_help()
    shell.register_magic_function(inspect, "cell", "inspect")


class _Parser(argparse.ArgumentParser):
    """Wrong use is one line of the cell's output, and no traceback."""

    def error(self, message: str) -> NoReturn:
        from IPython.core.error import UsageError

        raise UsageError(f"%%inspect: {message}. %%inspect? lists the options.")


def _parser() -> _Parser:
    parser = _Parser(
        prog="%%inspect",
        add_help=False,
        description="Record this cell and show the recording.",
    )
    parser.add_argument(
        "name",
        nargs="?",
        default=NAME,
        help=f"the variable that gets the recording ({NAME})",
    )
    parser.add_argument(
        "--loss",
        metavar="EXPRESSION",
        help="after the cell, call backward() on this: a name, or an expression in quotes",
    )
    parser.add_argument(
        "--values",
        choices=("stats", "none", "full"),
        default="stats",
        help="what to keep of the tensors' values (stats)",
    )
    return parser


def record_cell(shell: Any, line: str, cell: str) -> Any:
    """Run a cell and record it: what `%%inspect` does.

    Args:
        shell: the running `IPython.InteractiveShell`.
        line: the options.
        cell: the code below them.

    Returns:
        The value of the cell's last expression, None where it ends with something else.

    Raises:
        UsageError: an option is not understood.
        Exception: what the cell raises; what was recorded until then is shown before.
    """
    from IPython.display import display

    __tracebackhide__ = True  # tracebacks of IPython then show the cell's frames, not this one
    parser = _parser()
    try:
        words = shlex.split(line)
    except ValueError as error:
        parser.error(str(error))
    asked = parser.parse_args(words)
    if not asked.name.isidentifier():
        parser.error(_told(sentence("{name!r} is no name of a variable", name=asked.name)))
    number = len(shell.history_manager.input_hist_raw) - 1  # its count may be the next cell's
    body, last = _compiled(shell, cell, number)
    loss = None if asked.loss is None else compile(asked.loss, "<--loss>", "eval")
    value = None
    session = None
    try:
        with recording(CaptureOptions(values=asked.values)) as session:
            session.meta["model"] = f"In [{number}]"
            exec(body, shell.user_ns)
            if last is not None:
                value = eval(last, shell.user_ns)
            if loss is not None:
                eval(loss, shell.user_ns).backward()
    except BaseException as error:
        strip(error)
        raise
    finally:
        if session is not None and session.finished:
            shell.user_ns[asked.name] = session.recording
            display(session.recording)  # type: ignore[no-untyped-call]
    return value


def _compiled(shell: Any, cell: str, number: int) -> tuple[CodeType, CodeType | None]:
    """A cell as what is run, and what its value is: the last line, where that is an expression.

    The shell keeps the text under the name of the file, so that tracebacks and we find its lines.
    """
    text = shell.transform_cell(cell)
    name = shell.compile.cache(text, number, raw_code=cell)
    flags = shell.compile.flags  # `from __future__ import …` of the cells before
    tree = ast.parse(text, name)
    end = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    body = compile(tree, name, "exec", flags)
    if not isinstance(end, ast.Expr):
        return body, None
    return body, compile(ast.Expression(end.value), name, "eval", flags)


def _told(text: str) -> str:
    return language(of_environment())(text)
