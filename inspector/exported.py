"""What leaves the static side: warnings, parts that script, files to take away.

Frozen records without live objects, like those of `inspector.records`; imports nothing but the
standard library and the errors.

    Export                one thing to take away: TorchScript file, code, IR, ONNX, torch.export
    ├── checks    Check           what was verified of it, and how that went
    ├── warnings  StaticWarning   what torch warned of, on its line, with a remedy
    ├── nodes     ExportedNode    the graph of torch.export
    └── failure   ExportFailure   why there is none
    ScriptablePart        submodules of one class: do they script on their own?
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from inspector.errors import InspectorError
from inspector.language import sentence, sentences
from inspector.writing import write_whole

if TYPE_CHECKING:
    import os

    from inspector.records import Source, StaticWarning


@dataclass(frozen=True, slots=True)
class Check:
    """Something verified of an export. `passed` is None where it could not be checked.

    `detail` says what was compared and found, or why it was not checked.
    """

    name: str
    passed: bool | None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class ExportFailure:
    """Why something could not be exported.

    `message` says it in plain words, `remedy` what to do, `detail` has torch's own text. `file`
    and `line` are the user's line where one is to blame, `op` the op ("aten.linalg_eig.default").
    """

    message: str
    remedy: str = ""
    detail: str = ""
    file: str | None = None
    line: int | None = None
    op: str = ""

    @property
    def words(self) -> str:
        """Message, place and remedy in one text."""
        message = self.message
        if self.file is not None and f"line {self.line}" not in message:
            place = f"{self.file}:{self.line}"
            message = sentence("{message} ({place})", message=message, place=place)
        if not message.endswith("."):
            message = sentence("{message}.", message=message)
        return sentences(message, self.remedy)

    def __str__(self) -> str:
        return str(self.words)


@dataclass(frozen=True, slots=True)
class ExportedNode:
    """One node of a `torch.export` graph.

    `kind` is the FX kind ("placeholder", "call_function", "output"), `target` what it calls
    ("aten.linear.default"), `inputs` the names of the nodes that it reads. `type` is what it
    makes ("float32[2, 3]"). `module_path` is the module whose code made it, `source` the
    user's innermost line in a `forward`: torch.export keeps no others, and no columns.
    """

    id: int
    kind: str
    name: str
    target: str
    inputs: tuple[str, ...] = ()
    type: str = ""
    module_path: str = ""
    source: Source | None = None


@dataclass(frozen=True, slots=True)
class Export:
    """One thing to take away, or the reason why there is none.

    `kind` is "torchscript file", "torchscript code", "ir", "onnx" or "torch.export"; `way` says
    how it was made ("script", "trace", "torch.export", ...). `data` is the file's content or
    the text, empty where `failure` says why; `file_name` a name for it. `inputs` and `outputs`
    are the labels of the tensors that go in and come out, in order, as far as they are known.
    """

    kind: str
    name: str
    data: bytes | str = b""
    way: str = ""
    file_name: str = ""
    checks: tuple[Check, ...] = ()
    warnings: tuple[StaticWarning, ...] = ()
    failure: ExportFailure | None = None
    nodes: tuple[ExportedNode, ...] = ()
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether it was made and no check failed."""
        return self.failure is None and all(check.passed is not False for check in self.checks)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write `data` to a file, whole or not at all.

        Raises:
            InspectorError: there is nothing to write, because the export failed.
            OSError: the folder is missing, full or not writable.
        """
        if self.failure is not None:
            raise InspectorError(
                sentence(
                    "There is no {kind} to save. {reason}",
                    kind=self.kind,
                    reason=self.failure.words,
                )
            )
        write_whole(path, self.data.encode() if isinstance(self.data, str) else self.data)

    def __repr__(self) -> str:
        state = f"{len(self.data)} {'bytes' if isinstance(self.data, bytes) else 'characters'}"
        if self.failure is not None:
            state = f"failed: {self.failure.message}"
        return f"<Export of {self.name}: {self.kind}, {state}>"


@dataclass(frozen=True, slots=True)
class ScriptablePart:
    """Submodules of one structure, and whether TorchScript can compile them on their own.

    `paths` are those of all such submodules ("h.0.mlp", "h.1.mlp"; "" is the model), `type` is
    their class; one of them holds `modules` modules, itself included, and `parameters` numbers.
    `reason` is empty where they script; else it says in plain words why not, with the
    compiler's line.
    """

    paths: tuple[str, ...]
    type: str
    modules: int
    parameters: int
    reason: str = ""
    file: str | None = None
    line: int | None = None

    @property
    def scripts(self) -> bool:
        """Whether `script(model.get_submodule(path))` works."""
        return not self.reason
