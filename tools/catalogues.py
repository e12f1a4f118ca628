"""The gettext catalogues: what there is to translate, and what of it is not translated yet.

    python -m tools.catalogues update            bring all catalogues up to the sources
    python -m tools.catalogues update findings   one part of them
    python -m tools.catalogues missing           list what has no translation

Texts are found by Babel: `sentence`, `counted` and `listed` in the library, `say` and `say_count`
in the app, the LABELS tables of the workbench's JavaScript, and the texts of samples and bugs,
which import torch only and so are found by the names of their arguments.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, Any

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract
from babel.messages.jslexer import tokenize, unquote_string
from babel.messages.pofile import read_po, write_po

from inspector.language import ENGLISH, LANGUAGES

ROOT = Path(__file__).parents[1]
CATALOGUES = ROOT / "inspector" / "languages"

PARTS: dict[str, tuple[str, ...]] = {
    "app": ("app",),
    "findings": (
        "inspector/findings",
        "inspector/whys",
        "inspector/found.py",
        "inspector/why_records.py",
        "inspector/capture/probes",
        "sample_models/bugs",
    ),
    "workbench": ("inspector/render", "inspector/views", "inspector/timeline"),
    "comparison": ("inspector/compare", "inspector/census", "inspector/loops", "inspector/golden"),
    "torchscript": (
        "inspector/torchscript",
        "inspector/truthful",
        "inspector/overlay",
        "inspector/irdiff",
        "inspector/advice.py",
        "inspector/exported.py",
        "inspector/stages.py",
        "inspector/verdicts.py",
    ),
    "samples": ("sample_models",),
    "library": ("inspector",),
}
"""The name of each catalogue, and where its texts are: the first part that has a file takes it."""

KEYWORDS: dict[str, Any] = {
    "sentence": None,
    "say": None,
    "counted": (1, 2),
    "say_count": (1, 2),
    "listed": (2,),
}

SAMPLE_TEXTS = {
    "Sample": ("title", "teaches"),
    "Input": ("description",),
    "Bug": ("title", "teaches"),
    "Refused": (),
}
"""What of the records of samples a viewer reads; `Input`'s and `Refused`'s is the first argument.

Beside them the controls of an input: what is said of the arguments of `given`, and their names.
"""

Found = tuple[int, str, Any, list[str]]
"""As Babel's: line, function, one text or several, comments."""


@dataclass(frozen=True, slots=True)
class Text:
    """What is to be translated: `ids` are one text, or two where it depends on a number."""

    ids: tuple[str, ...]
    file: str
    line: int


@cache
def texts(part: str) -> list[Text]:
    """All texts of a part, in the order of the files and their lines."""
    found = []
    for path in _files(part):
        name = path.relative_to(ROOT).as_posix()
        method = _method(path, name)
        with path.open("rb") as file:
            for line, messages, _, _ in extract(method, file, keywords=KEYWORDS):
                ids = (messages,) if isinstance(messages, str) else tuple(messages)
                if all(ids):
                    found.append(Text(ids, name, line))
    return found


def catalogue(part: str, code: str) -> Catalog:
    """A part in a language as it stands; empty if there is no such file yet."""
    path = _path(part, code)
    if not path.exists():
        return Catalog(locale=code)
    with path.open("rb") as file:
        return read_po(file, locale=code)


def update(part: str, code: str) -> None:
    """Bring a catalogue up to the sources: new texts are empty, those that are gone are dropped."""
    before = catalogue(part, code)
    now = Catalog(
        locale=code, project="inspector", header_comment="", fuzzy=False, last_translator=""
    )
    for text in texts(part):
        old = before.get(text.ids[0])
        several = len(text.ids) > 1
        string: Any = ("",) * now.num_plurals if several else ""
        if old is not None and bool(old.pluralizable) == several:
            string = old.string
        now.add(text.ids if several else text.ids[0], string, locations=[(text.file, 0)])
    _path(part, code).parent.mkdir(exist_ok=True)
    with _path(part, code).open("wb") as file:
        write_po(file, now, width=100, omit_header=False, include_lineno=False, sort_by_file=True)


def missing(part: str, code: str) -> list[Text]:
    """The texts that have no translation, or only an uncertain one."""
    known = catalogue(part, code)
    return [text for text in texts(part) if not _translated(known.get(text.ids[0]), text)]


def _translated(message: Message | None, text: Text) -> bool:
    if message is None or message.fuzzy or bool(message.pluralizable) != (len(text.ids) > 1):
        return False
    strings = message.string if message.pluralizable else (message.string,)
    return all(strings)


def _path(part: str, code: str) -> Path:
    return CATALOGUES / code / f"{part}.po"


def _files(part: str) -> Iterator[Path]:
    taken: list[Path] = []
    for name, places in PARTS.items():
        if name == part:
            break
        taken += [ROOT / place for place in places]
    for place in PARTS[part]:
        root = ROOT / place
        for path in [root] if root.is_file() else sorted(root.rglob("*")):
            if path.suffix in (".py", ".js") and not _within(path, taken):
                yield path


def _within(path: Path, taken: Collection[Path]) -> bool:
    return any(path == place or place in path.parents for place in taken)


def _method(path: Path, name: str) -> Any:
    if path.suffix == ".js":
        return labels
    return sample_texts if name.startswith("sample_models/") else calls


def calls(file: IO[bytes], keywords: Any, comment_tags: Any, options: Any) -> Iterator[Found]:
    """Calls of the keywords, as an extraction method of Babel's.

    Babel's own goes by tokens, and before Python 3.12 an f-string with calls in it is one token.
    """
    found: list[tuple[int, str, tuple[str | None, ...], list[str]]] = []
    for node in ast.walk(ast.parse(file.read())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
            name = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
            if name in keywords and node.args:
                found.append((node.lineno, name, tuple(map(_literal, node.args)), []))
    yield from sorted(found, key=lambda one: one[0])


def _literal(node: ast.expr) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    return None


def labels(file: IO[bytes], keywords: Any, comment_tags: Any, options: Any) -> Iterator[Found]:
    """The values of the LABELS tables of a JavaScript file, as an extraction method of Babel's."""
    tokens = [
        token
        for token in tokenize(file.read().decode("utf-8"))
        if token.type not in ("comment", "linecomment", "multilinecomment")
    ]
    depth, at = 0, 0
    while at < len(tokens):
        value = tokens[at].value
        opens = [token.value for token in tokens[at : at + 3]]
        if not depth and opens[0] == "LABELS" and opens[1] in (",", "=") and opens[2] == "{":
            depth, at = 1, at + 3
            continue
        if depth:
            depth += {"{": 1, "}": -1}.get(value, 0)
            if value == ":" and tokens[at + 1].type in ("string", "template_string"):
                line, text = tokens[at + 1].lineno, unquote_string(tokens[at + 1].value)
                while tokens[at + 2].value == "+" and tokens[at + 3].type == "string":
                    text += unquote_string(tokens[at + 3].value)
                    at += 2
                yield line, "", text, []
        at += 1


def sample_texts(
    file: IO[bytes], keywords: Any, comment_tags: Any, options: Any
) -> Iterator[Found]:
    """What a viewer reads of a sample or a bug, as an extraction method of Babel's."""
    for node in ast.walk(ast.parse(file.read())):
        if isinstance(node, ast.FunctionDef) and node.name == "given":
            yield from _controls(node)
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
            continue
        wanted = SAMPLE_TEXTS.get(node.func.id)
        if wanted is None:
            continue
        given = [word.value for word in node.keywords if word.arg in wanted]
        for word in node.keywords:  # the names of its inputs
            if word.arg == "inputs" and isinstance(word.value, ast.Dict):
                given += [key for key in word.value.keys if key is not None]
        given += node.args[:1] if node.func.id in ("Input", "Refused") else []
        for value in given:
            yield value.lineno, "", ast.literal_eval(value), []


def _controls(given: ast.FunctionDef) -> Iterator[Found]:
    """The name of each argument as its widget shows it, and what its annotation says of it."""
    for argument in given.args.args:
        yield argument.lineno, "", argument.arg.replace("_", " ").capitalize(), []
        annotation = argument.annotation
        if isinstance(annotation, ast.Subscript) and isinstance(annotation.slice, ast.Tuple):
            for node in annotation.slice.elts:
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield node.lineno, "", node.value, []


def main(arguments: list[str]) -> int:
    """The program. Returns its exit code: 1 if something is missing."""
    what, *parts = arguments or ["missing"]
    lacking = 0
    for code in LANGUAGES:
        for part in (parts or PARTS) if code != ENGLISH else ():
            if what == "update":
                update(part, code)
            lacks = missing(part, code)
            lacking += len(lacks)
            print(f"{code}/{part}.po: {len(texts(part))} texts, {len(lacks)} not translated")
            for text in lacks if what == "missing" else ():
                print(f"  {text.file}:{text.line}: {text.ids[0]!r}")
    return 1 if lacking else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
