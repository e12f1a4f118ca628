"""What a session does in its lessons: what it edited and wrote, which programs it waits for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import streamlit as st

from inspector.language import sentence
from inspector.render.answers import Book
from inspector_app.lessonruns import LessonJob, begin, known
from inspector_app.programs import PATIENCE, Ran
from inspector_app.sandbox import Program
from inspector_app.teaching.lesson import GRAPH, OUTPUT, Code, Lesson, Shown, Step, state
from inspector_app.teaching.trial import program_of

_OWN = 16
"""Programs of which a session keeps for itself what came of them."""

Question = tuple[str, int, int]
"""A lesson's name, the step's number, and which of its questions."""

Wanted = tuple[Code, str | None]
"""A code and the name of its input."""

_CodeKey = tuple[str, str]
"""The names of a lesson and a code: what was typed is the same in all languages."""


@dataclass(frozen=True)
class Picture:
    """A graph on the page.

    Attributes:
        book: what the workbench asks: of the run, or of it and the one beside it.
        ran: the run that the step is about.
        lesson, code: the names of what it is of.
    """

    book: Book
    ran: Ran
    lesson: str
    code: str


@dataclass(frozen=True)
class Chosen:
    """What the viewer chose otherwise than the step says; None for what the step says."""

    code: str | None = None
    input: str | None = None
    view: str | None = None


@dataclass(frozen=True)
class Now:
    """A step, and what is shown at it: what the step says, or what the viewer chose.

    Attributes:
        lesson: in the language that it is told in.
        number: of the step, from 0.
        shown: what the step says.
        code, input: the program, None where the lesson has none.
        beside: code and input of the run that is compared with.
        view: GRAPH or OUTPUT.
        notes, presents: whether the teacher's notes are seen, and nothing but the lesson.
    """

    lesson: Lesson
    number: int
    shown: Shown
    code: Code | None
    input: str | None
    beside: Wanted | None
    view: str
    notes: bool = False
    presents: bool = False

    @property
    def step(self) -> Step:
        """The step itself."""
        return self.lesson.steps[self.number]

    @property
    def wanted(self) -> list[Wanted]:
        """What has to be run: the program, and the one beside it."""
        return runs_of(self.code, self.input, self.beside)

    @property
    def last(self) -> int:
        """The number of the last step."""
        return len(self.lesson.steps) - 1


@dataclass
class Desk:
    """One session's.

    Attributes:
        thoughts: what was written below the questions.
        revealed: the questions whose answer is shown.
        chosen: what the viewer chose at the step that is looked at.
        visit: counts up when the workbench is to show what the step says.
        job: the program that is waited for.
        picture: the graph that is on the page, shown while another one is waited for.
        reasons: why a program could not be run at all.
        editor: tells the editor that is on the page from the one before.
    """

    thoughts: dict[Question, str] = field(default_factory=dict)
    revealed: set[Question] = field(default_factory=set)
    chosen: Chosen = field(default_factory=Chosen)
    visit: int = 0
    job: LessonJob | None = None
    picture: Picture | None = None
    reasons: dict[Program, str] = field(default_factory=dict)
    editor: tuple[str, str, str, bool] | None = None
    _at: tuple[str, int] | None = None
    _drafts: dict[_CodeKey, str] = field(default_factory=dict)
    _texts: dict[_CodeKey, str] = field(default_factory=dict)
    _bases: dict[_CodeKey, str] = field(default_factory=dict)
    _own: dict[Program, Ran] = field(default_factory=dict)

    def now(self, lesson: Lesson, number: int) -> Now:
        """What is shown at a step; another step than before starts with what it says."""
        at = lesson.name, number
        if at != self._at:
            self._at = at
            self.restore()
        shown, chosen = state(lesson, number), self.chosen
        code, given, beside = shown.code, shown.input, shown.compare
        if chosen.code is not None and lesson.code(chosen.code) is not None:
            code, beside = lesson.code(chosen.code), None
            given = None if code is None else code.first_input
        if code is not None and chosen.input in [one.name for one in code.inputs]:
            given = chosen.input
        if code is not None and beside == (code, given):
            beside = None
        front = shown.result if code is shown.code else _front(code)
        return Now(lesson, number, shown, code, given, beside, chosen.view or front)

    def restore(self) -> None:
        """Show what the step says again."""
        self.chosen = Chosen()
        self.visit += 1

    def choose(
        self, *, code: str | None = None, input: str | None = None, view: str | None = None
    ) -> None:
        """Show something else than the step says; another code begins with its first input."""
        if code is not None:
            self.chosen = Chosen(code=code)
        else:
            self.chosen = replace(
                self.chosen, input=input or self.chosen.input, view=view or self.chosen.view
            )

    # -- code -------------------------------------------------------------------------------------

    def draft(self, lesson: Lesson, code: Code) -> str:
        """The text of a code as it stands in the editor."""
        return self._drafts.get(_key(lesson, code), code.source)

    def is_edited(self, lesson: Lesson, code: Code) -> bool:
        """Whether another text than the lesson's runs."""
        return _key(lesson, code) in self._texts

    def edit(self, lesson: Lesson, code: Code, text: str) -> None:
        """Keep what was typed."""
        if text == code.source:
            self._drafts.pop(_key(lesson, code), None)
        else:
            self._drafts[_key(lesson, code)] = text

    def base(self, lesson: Lesson, code: Code) -> str:
        """The text that the editor was opened with: what is typed since is the editor's own."""
        return self._bases.get(_key(lesson, code), code.source)

    def open_editor(self, lesson: Lesson, code: Code) -> None:
        """Have the editor begin with what was typed before."""
        self._bases[_key(lesson, code)] = self.draft(lesson, code)

    def reset(self, lesson: Lesson, code: Code) -> None:
        """Go back to the lesson's text."""
        for texts in (self._drafts, self._texts, self._bases):
            texts.pop(_key(lesson, code), None)

    def program(self, lesson: Lesson, code: Code, given: str | None) -> Program:
        """What is run of a code with one of its inputs.

        Raises:
            ValueError: its text is too long.
        """
        return program_of(code, given, self._texts.get(_key(lesson, code)))

    def programs(self, lesson: Lesson, wanted: Sequence[Wanted]) -> list[Program]:
        """What is run of several codes, each with its input."""
        return [self.program(lesson, code, given) for code, given in wanted]

    def run(self, lesson: Lesson, code: Code, given: str | None) -> None:
        """Run what stands in the editor, although it may have been run before.

        Raises:
            ValueError: its text is too long.
        """
        key, text = _key(lesson, code), self.draft(lesson, code)
        program_of(code, given, text)
        if text == code.source:
            self._texts.pop(key, None)
        else:
            self._texts[key] = text
        self.reasons.clear()
        self._give_up()
        self.job = begin(self.program(lesson, code, given), shared=False)

    # -- runs -------------------------------------------------------------------------------------

    def ran(self, program: Program) -> Ran | None:
        """What came of a program, if it is known: in this session, else in any."""
        return self._own.get(program) or known(program)

    def ask(self, programs: Sequence[Program], is_own: Sequence[bool]) -> None:
        """See that programs are run, one after the other, and give each a moment.

        Args:
            programs: what is to be shown. What was asked for before and is not among them is
                given up.
            is_own: of each whether it is as the lesson has it, the same for all sessions.
        """
        for _ in range(len(programs) + 1):
            self._begin(programs, is_own)
            if self.job is None or not self.job.wait(PATIENCE):
                return
            self._take(self.job)

    def stop(self) -> None:
        """Stop what is waited for; where others wait for it, too, it is only given up here."""
        job = self.job
        if job is None:
            return
        job.give_up(keep=True)
        if not job.wait(2 * PATIENCE):
            self.reasons[job.choice] = sentence("It was stopped.")
            self.job = None

    def _begin(self, programs: Sequence[Program], is_own: Sequence[bool]) -> None:
        if self.job is not None and self.job.choice not in programs:
            self._give_up()
        if self.job is not None:
            return
        for program, shared in zip(programs, is_own, strict=True):
            if self.ran(program) is None and program not in self.reasons:
                self.job = begin(program, shared=shared)
                return

    def _give_up(self) -> None:
        if self.job is not None:
            self.job.give_up()
            self.job = None

    def _take(self, job: LessonJob) -> None:
        """Keep how a job ended."""
        self.job = None
        if job.result is None:
            self.reasons[job.choice] = job.reason
        elif known(job.choice) is not job.result:
            self._own.pop(job.choice, None)
            self._own[job.choice] = job.result
            while len(self._own) > _OWN:
                del self._own[next(iter(self._own))]


def runs_of(code: Code | None, given: str | None, beside: Wanted | None) -> list[Wanted]:
    """The programs behind a step: none, its own, or its own and the one beside it."""
    if code is None:
        return []
    return [(code, given)] if beside is None else [(code, given), beside]


def desk() -> Desk:
    """The one of this session."""
    found: Desk | None = st.session_state.get("_lesson_desk")
    if found is None:
        found = st.session_state["_lesson_desk"] = Desk()
    return found


def _front(code: Code | None) -> str:
    """What is seen of a code that the step does not show."""
    return OUTPUT if code is not None and code.plain else GRAPH


def _key(lesson: Lesson, code: Code) -> _CodeKey:
    return lesson.name, code.name
