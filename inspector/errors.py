"""The errors that `inspector` raises on purpose.

    InspectorError
    ├── CaptureError          a recording could not be started
    ├── FileFormatError       a file is not a readable recording
    │   └── FutureVersionError    ... because a newer inspector wrote it
    ├── ScriptError           TorchScript could not be made or read
    ├── InterpretError        a static graph could not be run
    │   └── UnsupportedNode       ... because of a node of a kind that nothing here can run
    ├── TimingError           a variant of a model cannot be timed
    ├── SourceError           a script given on the command line could not be found or read
    ├── LibraryError          the library of recordings refused something, or can't be written
    ├── RanksError            recordings are not those of the ranks of one run
    ├── QuestionError         a workbench asked for something that is not there
    └── RenderError           a picture could not be drawn
        ├── GraphvizMissing       no `dot` on PATH and no pygraphviz
        └── GraphvizTimeout       the layout took longer than allowed

Each message says what failed, where, and what to do next; it is meant to be shown to the
user as it stands.
"""

from __future__ import annotations


class InspectorError(Exception):
    """Base of all errors of this package."""

    @property
    def message(self) -> str:
        """What `str()` gives, as it was made: a `Sentence` can be told in another language."""
        return self.args[0] if self.args and isinstance(self.args[0], str) else str(self)


class CaptureError(InspectorError):
    """A recording could not be started (for example inside another recording)."""


class FileFormatError(InspectorError):
    """A file is not a recording, or is damaged."""


class FutureVersionError(FileFormatError):
    """A recording was written by a newer format than this package reads."""


class ScriptError(InspectorError):
    """TorchScript could not compile, trace or load a model.

    Args:
        message: what failed and what to do, in plain words.
        detail: the compiler's own text, unchanged.
        file, line: the user's line that the compiler names, where it names one.
    """

    def __init__(
        self, message: str, *, detail: str = "", file: str | None = None, line: int | None = None
    ) -> None:
        super().__init__(message)
        self.detail = detail
        self.file = file
        self.line = line


class InterpretError(InspectorError):
    """A static graph cannot be run: nothing live is behind it, or the arguments do not fit."""


class UnsupportedNode(InterpretError):
    """The run reached a node of a kind that neither this package nor torch can run.

    Args:
        message: names the kind, the node and its line.
        kind: the node's kind ("prim::fork").
        node: its id in the static graph; None inside code that the graph does not show.
        file, line: where it comes from, if known.
    """

    def __init__(
        self,
        message: str,
        *,
        kind: str,
        node: int | None = None,
        file: str | None = None,
        line: int | None = None,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.node = node
        self.file = file
        self.line = line


class TimingError(InspectorError):
    """A variant of a model cannot be timed, or there is no such variant."""


class SourceError(InspectorError):
    """A script or module named on the command line could not be found or read."""


class RenderError(InspectorError):
    """A picture could not be drawn."""


class GraphvizMissing(RenderError):
    """Neither a `dot` program nor the pygraphviz package is there."""


class GraphvizTimeout(RenderError):
    """Graphviz did not finish within the time limit."""


class LibraryError(InspectorError):
    """The library of recordings has no such recording, refused something, or can't be written."""


class RanksError(InspectorError):
    """Recordings cannot be laid side by side as the ranks of one run."""


class QuestionError(InspectorError):
    """A question that there is no answer to; the message says what was wrong with it."""
