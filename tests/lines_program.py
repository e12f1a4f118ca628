"""Random programs that count their own lines and branches, for the tests of line recording.

Of the standard library only: other Pythons run it as well, see `test_lines.py`.
"""

from __future__ import annotations

import random
import types
from collections import Counter
from pathlib import Path

Ways = dict[tuple[int, str], tuple[int, int]]
HEAD = """
from collections import Counter
taken, past, budget = Counter(), Counter(), [0]
class Stop(Exception): pass
def go(number, value, loop=False):
    budget[0] += 1
    if budget[0] > 400: raise Stop
    (taken if value else past)[number] += 1
    return value
def trips(number, n):
    for i in range(n):
        taken[number] += 1
        yield i
    past[number] += 1
def boom(n):
    if n % 4 == 3: raise ValueError
    return n
"""


class Writer:
    """Writes one random function `program(n)`; `marks` has the line and kind of each branch."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.lines = HEAD.strip().split("\n")
        self.marks: list[tuple[int, str]] = []

    def text(self) -> str:
        """The source of the program."""
        self.lines.append("def program(n):")
        self.block(1, 4, False)
        if self.random.random() < 0.3:
            self.lines.append("    yield n")
        return "\n".join(self.lines) + "\n"

    def block(self, indent: int, depth: int, loop: bool) -> None:
        for _ in range(self.random.randint(1, 3)):
            self.statement(indent, depth, loop)

    def add(self, indent: int, text: str) -> None:
        self.lines += ("    " * indent + text).split("\n")

    def mark(self, kind: str) -> int:
        self.marks.append((len(self.lines) + 1, kind))
        return len(self.marks) - 1

    def condition(self, number: int) -> str:
        test = self.random.choice(
            ["n % 2", "n > 3", "(n + 1) % 3", "n % 5 and n % 3", "any(k > 1 for k in range(n % 4))",
             "[k for k in range(n % 3) if k]", "boom(n)", "not n % 2", "n < 2 or\n n > 4"]
        )  # fmt: skip
        return f"go({number}, bool({test}))"

    def statement(self, indent: int, depth: int, loop: bool) -> None:
        kinds = ["plain"] * 2 + ["leave"]
        if depth:
            kinds += ["if"] * 3 + ["raw if", "for", "for", "while", "forever", "try", "with"]
        getattr(self, "_" + self.random.choice(kinds).replace(" ", "_"))(indent, depth, loop)

    def _plain(self, indent: int, depth: int, loop: bool) -> None:
        self.add(indent, self.random.choice(["n += 1", "n = n + 1", "pass", "n = (n +\n 2)"]))

    def _leave(self, indent: int, depth: int, loop: bool) -> None:
        words = ["return", "raise ValueError"] + ["break", "continue", "continue"] * 2 * loop
        self.add(indent, "n += 1")
        word = self.random.choice(words)
        number = self.mark("if")
        test = f"if go({number}, n % 3 == 0):"
        if self.random.random() < 0.5:
            self.add(indent, f"{test} {word}")
            self.marks[number] = (self.marks[number][0], "inline")
        else:
            self.add(indent, test)
            self.add(indent + 1, word)

    def _if(self, indent: int, depth: int, loop: bool) -> None:
        number = self.mark("if")
        self.add(indent, f"if {self.condition(number)}:")
        self.block(indent + 1, depth - 1, loop)
        if self.random.random() < 0.4:
            number = self.mark("elif")
            self.add(indent, f"elif {self.condition(number)}:")
            self.block(indent + 1, depth - 1, loop)
        if self.random.random() < 0.4:
            self.add(indent, "else:")
            self.block(indent + 1, depth - 1, loop)

    def _raw_if(self, indent: int, depth: int, loop: bool) -> None:
        """A condition of several jumps, counted by hand in its ways."""
        self.marks.append((len(self.lines) + 1, "if"))
        number = len(self.marks) - 1
        tests = ["n % 2 and n % 3", "n < 2 or n > 5", "(n if n % 2 else n - 2) > 3", "1 < n < 5"]
        self.add(indent, f"if {self.random.choice(tests)}:")
        self.add(indent + 1, f"taken[{number}] += 1")
        self.block(indent + 1, depth - 1, loop)
        self.add(indent, "else:")
        self.add(indent + 1, f"past[{number}] += 1")

    def _for(self, indent: int, depth: int, loop: bool) -> None:
        number = self.mark("for")
        self.add(indent, f"for i in trips({number}, (n + 1) % 4):")
        self.block(indent + 1, depth - 1, True)
        if self.random.random() < 0.3:
            self.add(indent, "else:")
            self.block(indent + 1, depth - 1, loop)

    def _while(self, indent: int, depth: int, loop: bool) -> None:
        number = self.mark("while")
        self.add(indent, f"while go({number}, n % 6 < 4):")
        self.add(indent + 1, "n += 1")
        self.block(indent + 1, depth - 1, True)

    def _forever(self, indent: int, depth: int, loop: bool) -> None:
        self.add(indent, "while True:")
        if self.random.random() < 0.5:
            number = self.mark("if")
            self.add(indent + 1, f"if go({number}, n % 5 == 4):")
            self.add(indent + 2, "break")
            self.add(indent + 1, "n += 1")
        self._leave(indent + 1, depth, True)

    def _try(self, indent: int, depth: int, loop: bool) -> None:
        self.add(indent, "try:")
        self.block(indent + 1, depth - 1, loop)
        self.add(indent, "except ValueError:")
        self.block(indent + 1, depth - 1, loop)
        if self.random.random() < 0.5:
            self.add(indent, "finally:")
            self.add(indent + 1, "n += 1")

    def _with(self, indent: int, depth: int, loop: bool) -> None:
        self.add(indent, "with __import__('contextlib').suppress(ValueError):")
        self.block(indent + 1, depth - 1, loop)


class Program:
    """A written program, loaded; `run` runs it, `ways` is what it counted of itself."""

    def __init__(self, seed: int, folder: Path) -> None:
        writer = Writer(seed)
        self.text = writer.text()
        self.path = folder / f"program_{seed}.py"
        self.path.write_text(self.text)
        self.marks = writer.marks
        self.module = types.ModuleType(self.path.stem)
        exec(compile(self.text, str(self.path), "exec"), self.module.__dict__)

    def run(self) -> None:
        """Call `program` with a few arguments."""
        for n in range(4):
            self.module.budget[0] = 0
            try:
                list(self.module.program(n) or ())
            except (ValueError, self.module.Stop):
                pass

    def ways(self) -> Ways:
        """(line, kind) -> (taken, not taken), without those never reached."""
        taken: Counter[int] = self.module.taken
        past: Counter[int] = self.module.past
        return {
            mark: (taken[i], past[i]) for i, mark in enumerate(self.marks) if taken[i] + past[i]
        }


def differences(program: Program, found: dict[int, tuple[str, int, int]]) -> list[str]:
    """What was recorded otherwise than the program counted; inline ones may be left out."""
    wrong = []
    for (line, kind), ways in program.ways().items():
        if line not in found:
            if kind != "inline":
                wrong.append(f"line {line}: {kind} is missing, counted {ways}")
        elif found[line] != ("if" if kind == "inline" else kind, *ways):
            wrong.append(f"line {line}: {kind} {ways}, recorded {found[line]}")
    return wrong
