"""A lesson on paper: one HTML file with its text, codes, pictures, questions and answers.

It is complete in itself: no script, and nothing is fetched. It prints on A4 and on Letter.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from html import escape
from pathlib import Path

from markdown_it import MarkdownIt

from inspector.language import Sentence, Translate, sentence, sentences
from inspector.languages import language
from inspector.render.answers import Book
from inspector.render.told import told_text
from inspector.render.workbench import theme_css
from inspector_app.teaching.codetext import code_html
from inspector_app.teaching.lesson import (
    OUTPUT,
    Code,
    CodeHere,
    Lesson,
    Notes,
    Question,
    Shown,
    Spot,
    Step,
    Text,
    states,
)
from inspector_app.teaching.pictures import (
    IR_TEXT,
    Ran,
    Scene,
    Wanted,
    drawing,
    names_of,
    scene_of,
    width_of,
)
from inspector_app.teaching.spots import in_words

SHORT = 24
"""Lines of a code or an output that is not divided between pages."""

ROOM = 4
"""Lines to write an answer on."""

BESIDE, BETWEEN = 300, 32
"""px: a figure of at most that width (8 cm of 18) stands at the right of its step's text; and
between two drawings.
"""

_NARROW = '<figure class="beside">'
_CSP = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_STYLE = Path(__file__).with_name("handout.css")


def needed(lesson: Lesson) -> tuple[Wanted, ...]:
    """The runs that a handout shows: names of codes, each with that of its input, once each."""
    found: dict[Wanted, None] = {}
    for shown in states(lesson):
        if shown.code is not None:
            found[shown.code.name, shown.input] = None
        if shown.compare is not None:
            found[shown.compare[0].name, shown.compare[1]] = None
    return tuple(found)


def handout(
    lesson: Lesson,
    runs: Mapping[Wanted, Ran],
    *,
    answers: bool = True,
    notes: bool = False,
    translate: Translate | None = None,
) -> str:
    """A lesson as one HTML page to print.

    Args:
        lesson: in the language of the reader.
        runs: what came of `needed(lesson)`; where one is missing there is no picture.
        answers: put the answers at the end.
        notes: show the notes for the teacher.
        translate: tells the page's own texts; those of the lesson's language by default.
    """
    page = _Page(lesson, runs, answers, notes, translate or language(lesson.language))
    body = "\n".join(page.parts())
    return (
        f'<!doctype html>\n<html lang="{lesson.language.replace("_", "-")}">\n<head>\n'
        f'<meta charset="utf-8">\n<meta http-equiv="Content-Security-Policy" content="{_CSP}">\n'
        '<meta name="viewport" content="width=device-width">\n'
        f"<title>{escape(_plain(lesson.title))}</title>\n"
        f"<style>\n{theme_css()}\n{_STYLE.read_text(encoding='utf-8')}</style>\n</head>\n"
        f'<body data-theme="light">\n{body}\n</body>\n</html>\n'
    )


class _Page:
    """The parts of one page, in order. Figures and questions are counted as they come."""

    def __init__(
        self,
        lesson: Lesson,
        runs: Mapping[Wanted, Ran],
        answers: bool,
        notes: bool,
        translate: Translate,
    ) -> None:
        self._lesson = lesson
        self._runs = runs
        self._answers = answers
        self._notes = notes
        self._t = translate
        self._markdown = MarkdownIt("commonmark", {"html": False}).enable(
            ["table", "strikethrough"]
        )
        self._figures: dict[Scene, int] = {}
        self._drawings = 0
        self._printed: set[Wanted] = set()
        self._questions: list[tuple[str, Question]] = []

    def parts(self) -> Iterator[str]:
        """Title, steps, answers."""
        lesson = self._lesson
        yield f"<h1>{self._inline(lesson.title)}</h1>"
        yield f'<p class="about">{self._inline(lesson.about)}</p>' if lesson.about else ""
        for number, (step, shown) in enumerate(zip(lesson.steps, states(lesson), strict=True)):
            yield "<section>"
            if number:
                yield f"<h2>{number}. {self._inline(step.title)}</h2>"
            yield from self._step(step, shown, number)
            yield "</section>"
        if self._answers and any(one.answer for _, one in self._questions):
            yield from self._all_answers()

    def _step(self, step: Step, shown: Shown, number: int) -> Iterator[str]:
        """Text and codes as they stand, then what is shown, then what is asked about it.

        A narrow figure comes first: the text stands at its left.
        """
        count = 0
        asked: list[str] = []
        scene = None if shown.result == OUTPUT else scene_of(shown, self._runs)
        figure = "" if scene is None else self._figure(shown, *scene)
        beside = figure.startswith(_NARROW)
        yield figure if beside else ""
        for part in step.parts:
            if isinstance(part, Text):
                yield self._markdown.render(part.markdown)
            elif isinstance(part, CodeHere):
                code = self._lesson.code(part.name)
                yield "" if code is None else self._code(code)
            elif isinstance(part, Question):
                count += 1
                name = f"{number}.{count}"
                self._questions.append((name, part))
                asked.append(self._question(name, part))
            elif isinstance(part, Notes) and self._notes:
                label = self._label(sentence("For the teacher"))
                asked.append(
                    f'<div class="notes">{label}{self._markdown.render(part.markdown)}</div>'
                )
        yield "" if beside else figure
        yield from self._printed_by(shown)
        if "findings" in shown.panes.values() and scene is not None:
            yield self._findings(scene[1])
        yield from asked

    # -- code ----------------------------------------------------------------------------------

    def _code(self, code: Code) -> str:
        name = self._label(sentence("{name}.py", name=code.name))
        lines = f"<pre>{code_html(code.source)}</pre>"
        parts = [f'<div class="code{_short(code.source)}">{name}{lines}</div>']
        if code.inputs:
            rows = "".join(
                f"<li>{escape(one.name)}: <code>{escape(one.before.strip())}</code></li>"
                for one in code.inputs
            )
            label = self._label(sentence("Inputs, of which one runs before the code"))
            parts.append(f'{label}<ul class="inputs">{rows}</ul>')
        return "\n".join(parts)

    # -- what is shown -------------------------------------------------------------------------

    def _printed_by(self, shown: Shown) -> Iterator[str]:
        """What the program printed, where that was not on paper yet."""
        if shown.code is None:
            return
        run = shown.code.name, shown.input
        ran = self._runs.get(run, Ran())
        if run not in self._printed and (ran.output.strip() or ran.reason):
            self._printed.add(run)
            label = self._label(sentence("What it prints"))
            output = ran.output.rstrip()
            yield f'{label}<pre class="output{_short(output)}">{escape(output)}</pre>'
            if ran.reason:
                yield f"<p>{self._told(ran.reason)}</p>"

    def _figure(self, shown: Shown, scene: Scene, book: Book) -> str:
        """The graphs of a scene, or where they are on paper already."""
        if scene in self._figures:
            again = sentence("The graph is that of figure {number}.", number=self._figures[scene])
            return f'<p class="label">{self._told(again)}</p>'
        drawn = [self._drawing(scene, pane, book) for pane in scene.panes]
        if not drawn:
            return ""
        number = self._figures[scene] = len(self._figures) + 1
        caption = self._told(self._caption(shown, scene, number))
        drawings = f'<div class="drawings">{"".join(drawn)}</div>'
        width = sum(map(width_of, drawn)) + BETWEEN * (len(drawn) - 1)
        start = _NARROW if width <= BESIDE else "<figure>"
        return f"{start}{drawings}<figcaption>{caption}</figcaption></figure>"

    def _drawing(self, scene: Scene, pane: str, book: Book) -> str:
        if pane == IR_TEXT and book.static is not None:
            return f"<pre>{escape(book.static.text.rstrip())}</pre>"
        self._drawings += 1
        drawn = drawing(scene, pane, book, self._drawings, self._t)
        return f"<p>{self._told(drawn)}</p>" if isinstance(drawn, Sentence) else drawn

    def _caption(self, shown: Shown, scene: Scene, number: int) -> Sentence:
        name, given = scene.run
        run = sentence("Figure {number}: {name}.py.", number=number, name=name)
        if given is not None:
            run = sentence(
                "Figure {number}: {name}.py with the input “{given}”.",
                number=number,
                name=name,
                given=given,
            )
        parts: list[str] = [run]
        if scene.beside is not None and shown.compare is not None and shown.code is not None:
            a, b = names_of(shown.compare, (shown.code, shown.input))
            parts.append(sentence("A is “{a}”, B is “{b}”.", a=a, b=b))
        if shown.select is not None and scene.look.selected is not None:
            parts.append(sentence("Marked: {place}.", place=in_words(shown.select)))
        if isinstance(shown.moment, Spot) and scene.look.moment is not None:
            parts.append(
                sentence(
                    "The run stands at {place}; what comes later is pale.",
                    place=in_words(shown.moment),
                )
            )
        return sentences(*parts)

    def _findings(self, book: Book) -> str:
        rows = []
        for one in book.findings:
            line = "" if one.source is None else f"{Path(one.source.file).name}:{one.source.line}: "
            told = " ".join(self._told(text) for text in (one.message, one.help) if text)
            rows.append(f"<li>{escape(line)}{told}</li>")
        label = self._label(sentence("Findings"))
        empty = self._told(sentence("Nothing was found."))
        return label + (f'<ul class="findings">{"".join(rows)}</ul>' if rows else f"<p>{empty}</p>")

    # -- questions and answers -----------------------------------------------------------------

    def _question(self, name: str, part: Question) -> str:
        label = self._label(sentence("Question {number}", number=name))
        room = "<div></div>" * ROOM
        text = self._markdown.render(part.question)
        return f'<div class="question">{label}{text}<div class="room">{room}</div></div>'

    def _all_answers(self) -> Iterator[str]:
        yield f'<section class="answers"><h2>{self._told(sentence("Answers"))}</h2>'
        for name, one in self._questions:
            if one.answer:
                label = self._label(sentence("Question {number}", number=name))
                yield f'<div class="answer">{label}{self._markdown.render(one.answer)}</div>'
        yield "</section>"

    # -- words ---------------------------------------------------------------------------------

    def _label(self, text: Sentence) -> str:
        return f'<p class="label">{self._told(text)}</p>'

    def _told(self, text: str) -> str:
        """A text of ours as HTML: what is in backticks is code."""
        return re.sub("`([^`]+)`", r"<code>\1</code>", escape(told_text(text, self._t)))

    def _inline(self, markdown: str) -> str:
        return self._markdown.renderInline(markdown)


def _short(text: str) -> str:
    """The class of a block that is on one page: it leaves no large gap before it."""
    return " short" if text.count("\n") < SHORT else ""


def _plain(markdown: str) -> str:
    """A line of Markdown without its marks, as a title needs it."""
    (line,) = MarkdownIt("commonmark").parseInline(markdown)
    return "".join(token.content for token in line.children or ())
