"""What a lesson consists of, and what each of its steps shows. Everything is frozen.

Lesson
├── steps       Step      number 0 is the opening
│   ├── parts   Text | CodeHere | Question | Notes, in the order of the file
│   └── show    Show      what the step changes of what is shown
└── codes       Code      whole small programs, by name
    └── inputs  Input     statements that run before it
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from inspector.language import Sentence

DYNAMIC, SOURCE = "dynamic", "source"
PANES = (DYNAMIC, "backward", "twins", "static", "irtext", SOURCE, "findings")
"""The workbench's panes."""

OF_ONE_RUN = ("backward", "twins", "findings")
"""Panes that a comparison of two runs does not have."""

SIDES = ("left", "right")
BOTH = "both"
START, END = "start", "end"
GRAPH, OUTPUT = "graph", "output"


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in a file: `line` counts from 1, and is 0 where it is the file's as a whole."""

    file: str
    line: int
    message: Sentence

    def __str__(self) -> str:
        return f"{self.place}: {self.message}"

    @property
    def place(self) -> str:
        """As in "lessons/graph.md:12"."""
        return f"{self.file}:{self.line}" if self.line else self.file


@dataclass(frozen=True, slots=True)
class Spot:
    """A PLACE: a part of a run in a lesson's words, to be found by `places.resolve`.

    `kind` is one of `places.KINDS`, `name` what follows it, `number` which one of several
    (from 1), `line` the file's line that says so.
    """

    kind: str
    name: str = ""
    number: int = 1
    line: int = 0

    def __str__(self) -> str:
        parts = (self.kind, self.name, str(self.number) if self.number > 1 else "")
        return " ".join(part for part in parts if part)


@dataclass(frozen=True, slots=True)
class Input:
    """One input of a code: Python statements that run before it."""

    name: str
    before: str
    line: int = 0


@dataclass(frozen=True, slots=True)
class Code:
    """A whole small program.

    Args:
        name: its file is NAME.py.
        source: its text.
        line: the file's line on which the text starts.
        script, trace: what is drawn as TorchScript after the run ("" for none).
        plain: run without recording.
        full: record all values.
        kernels: record ATen kernels too.
        inputs: the first is where the lesson starts; none for a program without.
    """

    name: str
    source: str
    line: int = 0
    script: str = ""
    trace: str = ""
    plain: bool = False
    full: bool = False
    kernels: bool = False
    inputs: tuple[Input, ...] = ()

    def before(self, name: str | None) -> str:
        """The statements of the input of this name; "" for none."""
        return next((given.before for given in self.inputs if given.name == name), "")

    @property
    def first_input(self) -> str | None:
        """The name of the first input."""
        return self.inputs[0].name if self.inputs else None


@dataclass(frozen=True, slots=True)
class Text:
    """Markdown to be shown as it is."""

    markdown: str
    line: int = 0


@dataclass(frozen=True, slots=True)
class CodeHere:
    """The place at which the code of this name stands in the text."""

    name: str
    line: int = 0


@dataclass(frozen=True, slots=True)
class Question:
    """Markdown of a question and of its answer; "" for a question that stays open."""

    question: str
    answer: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True)
class Notes:
    """Markdown for the teacher."""

    markdown: str
    line: int = 0


Part = Text | CodeHere | Question | Notes


@dataclass(frozen=True, slots=True)
class Show:
    """A `show` fence as it stands; None and empty for what it does not name.

    `panes` maps a side to a pane; `compare` is the text that `compared` reads.
    """

    line: int = 0
    code: str | None = None
    input: str | None = None
    select: Spot | None = None
    moment: Spot | str | None = None
    panes: Mapping[str, str] = field(default_factory=dict)
    wide: str | None = None
    open: tuple[Spot, ...] | None = None
    compare: str | None = None
    sides: bool = False
    findings: bool = False
    result: str | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One step: a page of the lesson. The opening has the lesson's title."""

    title: str
    line: int
    parts: tuple[Part, ...] = ()
    show: Show | None = None

    @property
    def questions(self) -> tuple[Question, ...]:
        """Its questions, in order."""
        return tuple(part for part in self.parts if isinstance(part, Question))

    @property
    def notes(self) -> tuple[Notes, ...]:
        """Its notes for the teacher, in order."""
        return tuple(part for part in self.parts if isinstance(part, Notes))

    @property
    def codes(self) -> tuple[str, ...]:
        """The names of the codes that stand in it."""
        return tuple(part.name for part in self.parts if isinstance(part, CodeHere))


@dataclass(frozen=True, slots=True)
class Lesson:
    """One lesson in one language.

    Args:
        name: of the file, without endings.
        language: "en", "zh_CN".
        title, about: Markdown of one line each; `about` may be "".
        steps: number 0 is the opening.
        codes: in the order of the file.
        order: its place in the list.
        minutes: how long it takes; None where the file does not say.
        file: where it was read from.
    """

    name: str
    language: str
    title: str
    steps: tuple[Step, ...]
    about: str = ""
    codes: tuple[Code, ...] = ()
    order: float = 1000
    minutes: int | None = None
    file: str = ""

    def code(self, name: str) -> Code | None:
        """The code of this name."""
        return next((code for code in self.codes if code.name == name), None)


@dataclass(frozen=True, slots=True)
class Shown:
    """What a step shows.

    Args:
        code: the program; None in a lesson without one.
        input: of its inputs, by name; None for a program without.
        select: what is selected.
        moment: the time at which the workbench stands: a `Spot`, "start", or "end".
        panes: side -> pane, of the sides for which the lesson says so.
        wide: the side that is alone, "" for both.
        open: boxes that are not as they are at first.
        compare: (code, input) of the run that is shown beside it; None for one run.
        sides: the two runs side by side, not in one picture.
        result: what is in front: "graph" or "output".
    """

    code: Code | None = None
    input: str | None = None
    select: Spot | None = None
    moment: Spot | str = END
    panes: Mapping[str, str] = field(default_factory=dict)
    wide: str = ""
    open: tuple[Spot, ...] = ()
    compare: tuple[Code, str | None] | None = None
    sides: bool = False
    result: str = GRAPH


def state(lesson: Lesson, step: int) -> Shown:
    """What a step shows: all `show` fences up to it, one laid over the other.

    The first code is there from the opening on; a code that stands in a step is shown from that
    step on (of several, the first), and `code` switches to another. Another program is shown with
    the input of the same name, or else its first, with its boxes as they are at first, and with
    its graph in front of its output.

    Args:
        lesson: as read without an error.
        step: from 0; one beyond the last counts as the last, one below 0 as the opening.
    """
    wanted = min(max(step, 0), len(lesson.steps) - 1)
    return next(shown for number, shown in enumerate(states(lesson)) if number == wanted)


def states(lesson: Lesson) -> Iterator[Shown]:
    """What each step shows, in order; see `state`."""
    shown = Shown()
    if lesson.codes:
        shown = _switched(shown, lesson.codes[0])
    for step in lesson.steps:
        shown = _lasting(lesson, shown, step)
        yield _passing(lesson, shown, step.show or Show())


def compared(lesson: Lesson, code: Code | None, wanted: str) -> tuple[Code, str | None] | None:
    """The code and the input that `compare` names; None where there is no such.

    Args:
        lesson: of whose codes.
        code: what the step shows.
        wanted: as in "long" (an input of that code, or a code), "fixed/long".
    """
    name, slash, given = wanted.partition("/")
    if slash:
        code = lesson.code(name.strip())
        given = given.strip()
    elif code is not None and wanted in (one.name for one in code.inputs):
        given = wanted
    else:
        code = lesson.code(wanted)
        given = "" if code is None else code.first_input or ""
    if code is None or (given and given not in (one.name for one in code.inputs)):
        return None
    return code, given or code.first_input


def _lasting(lesson: Lesson, shown: Shown, step: Step) -> Shown:
    """With what holds from a step on."""
    show = step.show or Show()
    name = show.code or (step.codes[0] if step.codes else None)
    code = None if name is None else lesson.code(name)
    if code is not None and code != shown.code:
        shown = _switched(shown, code)
    wide = shown.wide if show.wide is None else show.wide
    return replace(
        shown,
        input=show.input or shown.input,
        panes={**shown.panes, **show.panes},
        wide="" if wide == BOTH else wide,
        open=shown.open if show.open is None else show.open,
        result=show.result or shown.result,
    )


def _passing(lesson: Lesson, shown: Shown, show: Show) -> Shown:
    """With what holds for one step."""
    panes = {**shown.panes, "right": "findings"} if show.findings else shown.panes
    return replace(
        shown,
        select=show.select,
        moment=show.moment or END,
        panes=dict(panes),
        compare=None if show.compare is None else compared(lesson, shown.code, show.compare),
        sides=show.sides,
    )


def _switched(shown: Shown, code: Code) -> Shown:
    known = any(given.name == shown.input for given in code.inputs)
    return replace(
        shown,
        code=code,
        input=shown.input if known else code.first_input,
        open=(),
        result=OUTPUT if code.plain else GRAPH,
    )
