"""Code that TorchScript's compiler refused."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from inspector.errors import ScriptError
from inspector.findings.evidence import Evidence
from inspector.findings.rule import Rule
from inspector.found import Finding
from inspector.language import Sentence, sentence, sentences
from inspector.records import Failure, Source

NAME = "script-cannot-compile"

_TYPES = ("NotSupportedError", "UnsupportedNodeError", "FrontendError", "FrontendTypeError")
_HERE = re.compile(r"^(?P<before>[ \t]*)~+ *<--- HERE", re.MULTILINE)


def check(evidence: Evidence) -> Iterator[Finding]:
    """Looks at the failure's text, in which the compiler quotes the line."""
    failure = evidence.recording.failure
    if failure is None or failure.op is not None or not _is_compilers(failure):
        return
    from inspector.torchscript.explain import compile_error

    told = compile_error("The code", RuntimeError(failure.message))
    source = failure.source
    if told.file is not None and told.line is not None:
        marked = _HERE.search(failure.message)
        column = 0 if marked is None else len(marked["before"])
        source = Source(told.file, told.line, column, "")
    first = failure.message.strip().splitlines()[0].rstrip(" :.")
    message = sentences(_where(told), sentence("The compiler says: {text}.", text=first))
    yield Finding(NAME, "error", message, source=source, help=_remedy(told.message))


def _where(told: ScriptError) -> str:
    if told.file is None:
        return sentence("The code cannot be scripted.")
    file = os.path.basename(told.file)
    return sentence("The code cannot be scripted ({file}, line {line}).", file=file, line=told.line)


def _remedy(message: str) -> str:
    """What the error says after its first sentence, which `_where` says here."""
    words = message.values.get("words") if isinstance(message, Sentence) else None
    return str(message).partition(". ")[2] if words is None else words


def _is_compilers(failure: Failure) -> bool:
    return failure.type in _TYPES or _HERE.search(failure.message) is not None


RULE = Rule(
    name=NAME,
    title=sentence("TorchScript cannot compile this"),
    what=sentence(
        "torch.jit.script raised. Names the construct's line, and says what to write instead."
    ),
    why=sentence(
        "TorchScript knows a part of Python only, and its messages are those of a compiler."
    ),
    example="@torch.jit.script\ndef f(x: Tensor, **options: float):\n    ...",
    instead="@torch.jit.script\ndef f(x: Tensor, factor: float):\n    ...",
    check=check,
)
