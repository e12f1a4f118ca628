"""A session's own code: what stands in the editor, what runs, and what the last runs gave."""

from __future__ import annotations

from dataclasses import dataclass, field

import streamlit as st

from inspector.language import sentence
from inspector.render.answers import Book
from inspector_app.classroom import started
from inspector_app.component import Place
from inspector_app.ownstarts import Start
from inspector_app.programs import PATIENCE, ProgramJob, Ran, pair_of
from inspector_app.sandbox import Program

NAMES = (sentence("the run before"), sentence("this run"))
"""Of two runs in one picture."""


@dataclass(frozen=True)
class Options:
    """How a program is run and recorded.

    Args:
        values, kernels, script, trace: as of `Program`.
    """

    values: str = "stats"
    kernels: bool = False
    script: str = ""
    trace: str = ""


@dataclass
class Seat:
    """One session's.

    Attributes:
        uploaded: name and bytes of the file that the viewer uploaded last, if a program begins
            with it.
        uploads: how many there have been.
        refused: why an uploaded file is not shown, a text of the library.
        recording: whether the file uploaded last is a recording: it is shown on its own page.
        job: the program that runs.
        ran: what came of the last run.
        drawn: the last run of which there is a graph; it stays on the page while another runs.
        before: the one with a graph before it.
        reason: why the last program could not be run at all.
        looked: what is looked at in the workbench.
        came_back: whether the browser brought its text along from a session before this one.
        chosen, given, shapes: what the editor was to begin with when the page was left: a name,
            an input of a sample, the inputs of an archive.
    """

    uploaded: tuple[str, bytes] | None = None
    uploads: int = 0
    refused: str = ""
    recording: bool = False
    job: ProgramJob | None = None
    ran: Ran | None = None
    drawn: Ran | None = None
    before: Ran | None = None
    reason: str = ""
    looked: Place = field(default_factory=Place)
    came_back: bool = False
    chosen: str = ""
    given: str = ""
    shapes: str = ""
    _program: str = ""
    _opened: str = ""
    _drafts: dict[str, str] = field(default_factory=dict)
    _bases: dict[str, str] = field(default_factory=dict)

    # -- the editor ---------------------------------------------------------------------------

    def draft(self, start: Start) -> str:
        """The text as it stands in the editor."""
        return self._drafts.get(start.key, start.source)

    def edit(self, key: str, text: str) -> None:
        """Keep what was typed into the text that began with the start of that key."""
        self._drafts[key] = text

    def base(self, start: Start) -> str:
        """The text that the editor was opened with: what is typed since is the editor's own."""
        return self._bases.get(start.key, start.source)

    def open_editor(self, start: Start, *, anew: bool) -> None:
        """Have an editor that comes onto the page begin with what was typed before.

        Args:
            start: what it began with.
            anew: the page was opened, or gone back to.
        """
        if anew or self._opened != start.key:
            self._opened = start.key
            self._bases[start.key] = self.draft(start)
        self._come_to(start)

    def reset(self, start: Start) -> None:
        """Go back to the text that it began with."""
        for texts in (self._drafts, self._bases):
            texts.pop(start.key, None)

    def upload(self, name: str, data: bytes) -> None:
        """Take a file; nothing is left of what was typed into the one before."""
        self.uploaded, self.refused, self.shapes = (name, data), "", ""
        self.uploads += 1
        for texts in (self._drafts, self._bases):
            for key in [one for one in texts if one.partition("/")[0] in ("file", "archive")]:
                del texts[key]
        self._program = self._opened = ""

    # -- runs ---------------------------------------------------------------------------------

    def run(self, start: Start, options: Options) -> None:
        """Run what stands in the editor; what ran until now is stopped.

        Raises:
            ValueError: it is too long.
        """
        program = Program(
            source=self.draft(start),
            name=start.name,
            before=start.before,
            script=options.script,
            trace=options.trace,
            values=options.values,
            kernels=options.kernels,
            attached=start.archive,
        )
        self._come_to(start)
        if self.job is not None:
            self.job.drop()
            self.job.wait(2 * PATIENCE)
        self.reason = ""
        self.job = started(ProgramJob(program))
        self.job.wait(PATIENCE)

    def stop(self) -> None:
        """Stop what runs, and wait for its end for a moment."""
        if self.job is not None:
            self.job.stop()
            self.job.wait(2 * PATIENCE)

    def take(self) -> None:
        """Keep how the program ended, if it has."""
        job = self.job
        if job is None or not job.ended:
            return
        self.job = None
        self.reason = job.reason
        self.ran = job.result
        if job.result is not None and job.result.run is not None and not is_empty(job.result):
            self.before, self.drawn = self.drawn, job.result

    def book(self, *, compared: bool) -> Book | None:
        """What is drawn: the last graph, or it and the one before it in one picture."""
        if self.drawn is None or self.drawn.run is None:
            return None
        if compared and self.before is not None:
            return pair_of(self.before, self.drawn, NAMES)
        return self.drawn.run.book

    def _come_to(self, start: Start) -> None:
        """Of another program than the one before, no graph is kept."""
        if self._program == start.name:
            return
        self._program = start.name
        if self.job is not None:
            self.job.drop()
        self.job = self.ran = self.drawn = self.before = None
        self.reason, self.looked = "", Place()


def is_empty(ran: Ran) -> bool:
    """Whether a program was recorded, and there is nothing to draw of it."""
    run = ran.run
    return run is not None and not run.recording.ops and run.static is None


def seat() -> Seat:
    """The one of this session."""
    found: Seat | None = st.session_state.get("_own_code")
    if found is None:
        found = st.session_state["_own_code"] = Seat()
    return found
