"""The text below a lesson's front matter to steps, with the fences in them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from markdown_it import MarkdownIt
from markdown_it.token import Token

from inspector.language import Sentence, sentence
from inspector_app.teaching import fences
from inspector_app.teaching.fields import Report
from inspector_app.teaching.lesson import (
    Code,
    CodeHere,
    Lesson,
    Notes,
    Part,
    Question,
    Show,
    Step,
    Text,
)
from inspector_app.teaching.shows import read_show


@dataclass
class _Draft:
    """A step while it is read."""

    title: str
    line: int
    parts: list[Part] = field(default_factory=list)
    show: Show | None = None
    code: str | None = None  # the last one that stands in it

    def finished(self) -> Step:
        return Step(self.title, self.line, tuple(self.parts), self.show)


class Body:
    """The steps and codes of the text below the front matter."""

    def __init__(
        self, lines: list[str], first: int, title: str, original: Lesson | None, report: Report
    ) -> None:
        self._lines = lines
        self._original = original
        self._report = report
        self._drafts = [_Draft(title, first + 1)]
        self.codes: dict[str, Code] = {}
        self.unread: set[str] = set()
        """Codes of whose inputs some cannot be read."""
        self._inputs_of: set[str] = set()
        self._read(first)
        self.steps = tuple(draft.finished() for draft in self._drafts)

    def _read(self, first: int) -> None:
        tokens = _tokens("\n" * first + "\n".join(self._lines[first:]))
        at = first  # lines before it are used
        for number, token in enumerate(tokens):
            start, end = token.map or (0, 0)
            if token.type == "heading_open" and token.markup == "##" and token.level == 0:
                self._add_text(at, start)
                self._start_step(tokens[number + 1].content.strip(), start + 1)
                at = end
            elif token.type == "heading_open" and token.markup == "#" and token.level == 0:
                self._report(start + 1, _ONE_TITLE)
            elif token.type == "fence" and self._is_own(token):
                self._add_text(at, start)
                self._add_fence(token, start + 1)
                at = end
            elif token.type == "code_block":
                self._check_indented(token)
        self._add_text(at, len(self._lines))

    def _start_step(self, title: str, line: int) -> None:
        if not title:
            self._report(line, sentence("This step has no title: write one after `##`."))
        self._drafts.append(_Draft(title, line))

    def _add_text(self, start: int, end: int) -> None:
        while start < end and not self._lines[start].strip():
            start += 1
        text = "\n".join(self._lines[start:end]).rstrip()
        if text:
            self._drafts[-1].parts.append(Text(text, start + 1))

    # -- fences --------------------------------------------------------------------------------

    def _is_own(self, token: Token) -> bool:
        """Whether a fence is the lesson's own; one in a list or a quote would be lost."""
        start, end = token.map or (0, 0)
        last = self._lines[end - 1].strip() if end - 1 > start else ""
        if not (token.level or (last.startswith(token.markup) and not last.strip(token.markup[0]))):
            self._report(
                start + 1,
                sentence(
                    "This fence is not closed: end it with a line of {marks}", marks=token.markup
                ),
            )
        kind = fences.kind_of(token.info.strip(), start + 1, self._report)
        if kind and not token.level and last.startswith(token.markup) and last != token.markup:
            self._report(end, _other_end(last, token.markup))
        if not kind:
            self._check_swallowed(token)
        if kind and token.level:
            self._report(start + 1, _NOT_INSIDE)
        return bool(kind) and not token.level

    def _check_swallowed(self, token: Token) -> None:
        """A line of marks too many makes a fence of the text up to the next: a step's are in it."""
        marks = re.escape(token.markup)
        for number, line in enumerate(token.content.split("\n")):
            found = re.match(rf"{marks}+\s*(\w+)\s*$", line)
            if found is not None and found[1] in fences.OWN:
                first = (token.map or (0, 0))[0] + 1
                self._report(
                    first,
                    sentence(
                        "This fence has the `{kind}` of line {line} in it: is the line {marks} "
                        "here one too many?",
                        kind=found[1],
                        line=first + number + 1,
                        marks=token.markup,
                    ),
                )
                return

    def _check_indented(self, token: Token) -> None:
        """A fence that is indented by four signs and more is no fence."""
        for number, line in enumerate(token.content.split("\n")):
            found = re.match(r"\s*(?:```+|~~~+)\s*(\w+)", line)
            if found is not None and found[1] in fences.OWN:
                self._report((token.map or (0, 0))[0] + number + 1, _NOT_INSIDE)

    def _add_fence(self, token: Token, line: int) -> None:
        info = token.info.strip()
        kind, body, draft = info.split()[0], token.content, self._drafts[-1]
        adding: dict[str, Callable[[], None]] = {
            fences.PYTHON: lambda: self._add_code(info, body, line),
            fences.INPUTS: lambda: self._add_inputs(body, line),
            fences.SHOW: lambda: self._add_show(body, line),
            fences.ANSWER: lambda: self._add_answer(body, line),
            fences.QUESTION: lambda: draft.parts.append(Question(body.strip(), line=line)),
            fences.TEACHER: lambda: draft.parts.append(Notes(body.strip(), line)),
        }
        if kind in (fences.QUESTION, fences.ANSWER, fences.TEACHER) and not body.strip():
            self._report(line, sentence("This `{kind}` is empty: write a text.", kind=kind))
        adding[kind]()

    def _add_show(self, body: str, line: int) -> None:
        draft = self._drafts[-1]
        if draft.show is not None:
            self._report(line, sentence("A step has one `show`: put its keys into the first."))
        show = Show(line=line) if not body.strip() else read_show(body, line, self._report)
        draft.show = draft.show or show

    def _add_answer(self, body: str, line: int) -> None:
        parts = self._drafts[-1].parts
        open_ones = [
            at for at, part in enumerate(parts) if isinstance(part, Question) and not part.answer
        ]
        if not open_ones:
            self._report(
                line, sentence("This answer has no question: write a `question` before it.")
            )
            return
        asked = parts[open_ones[-1]]
        assert isinstance(asked, Question)
        parts[open_ones[-1]] = Question(asked.question, body.strip(), asked.line)

    def _add_code(self, info: str, body: str, line: int) -> None:
        code = fences.read_code(info, body, line, self._report)
        if not body.strip() and self._original is None:
            self._report(line, sentence("The code `{name}` is empty.", name=code.name))
        if code.name in self.codes:
            self._report(
                line,
                sentence(
                    "There is a code `{name}` already, in line {line}: give this one another name.",
                    name=code.name,
                    line=self.codes[code.name].line - 1,
                ),
            )
            return
        self.codes[code.name] = code
        draft = self._drafts[-1]
        draft.code = code.name
        draft.parts.append(CodeHere(code.name, line))

    def _add_inputs(self, body: str, line: int) -> None:
        name = self._drafts[-1].code
        if name is None:
            self._report(
                line, sentence("These inputs have no code: they stand below one, in its step.")
            )
            return
        if name in self._inputs_of:
            self._report(line, sentence("The code `{name}` has inputs already.", name=name))
            return
        self._inputs_of.add(name)
        said = [row for row in body.split("\n") if row.strip() and not row.lstrip().startswith("#")]
        if not said and self._original is None:
            self._report(line, sentence("There is no input here: write `name: statements`."))
        code = self.codes[name]

        def report(line: int, message: Sentence) -> None:
            self.unread.add(name)
            self._report(line, message)

        inputs = fences.read_inputs(body, line, report)
        self.codes[name] = replace(code, inputs=inputs)


_ONE_TITLE = sentence(
    "A step starts with `##`; the lesson's title stands as `title: …` between the first `---`. "
    "Smaller headings in a step start with `###`."
)


def _other_end(last: str, marks: str) -> Sentence:
    return sentence(
        "The fence ends here with {last} and started with {marks}: write the same at both ends.",
        last=last,
        marks=marks,
    )


_NOT_INSIDE = sentence(
    "A lesson's own fence starts at the beginning of its line, and not in a list or a quote."
)


def _tokens(text: str) -> list[Token]:
    """The blocks of a Markdown text; what is in a line is left alone."""
    parser = MarkdownIt("commonmark", {"html": False})  # a tag would hide the headings below it
    parser.core.ruler.enableOnly(["normalize", "block"])
    return parser.parse(text)
