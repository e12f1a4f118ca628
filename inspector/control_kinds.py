"""The kinds of controls: what each holds, and how it reads and writes its values as text.

An `Uploaded` file is no control: it may stand beside the values of all controls, under the name
`FILE`, and then its tensors replace those that the controls would make.
"""

from __future__ import annotations

import hashlib
import math
import re
from dataclasses import dataclass, field
from typing import Any

from inspector.errors import InspectorError
from inspector.language import sentence

LONGEST_TEXT = 2_000
"""Characters of a `Text`: it has to fit into an address."""

FILE = "file"
"""Name of the `Uploaded` among the values of controls; no control is called so."""

_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")
_SWITCH = {"on": True, "off": False, "true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number, `low` to `high` (both included, None: no bound) in steps from `low`."""

    name: str
    start: int
    low: int | None = None
    high: int | None = None
    step: int = 1
    about: str = ""

    def parse(self, text: str) -> int:
        """The number that a text says.

        Raises:
            InspectorError: it is no whole number, or not one of this control's.
        """
        if not _WHOLE.fullmatch(text.strip()):
            raise InspectorError(
                sentence(
                    "`{name}` is a whole number, and {text} is none.",
                    name=self.name,
                    text=_quoted(text),
                )
            )
        value = int(text)
        _within(self, value)
        if (value - (self.low or 0)) % self.step:
            low = self.low or 0
            near = sentence(
                "{values} and so on",
                values=", ".join(str(low + place * self.step) for place in range(3)),
            )
            raise InspectorError(
                sentence(
                    "`{name}` is one of {values}, not {given}.",
                    name=self.name,
                    values=near,
                    given=value,
                )
            )
        return value

    def written(self, value: Any) -> str:
        """The text that `parse` reads back."""
        return str(value)


@dataclass(frozen=True, slots=True)
class Real:
    """A finite number, `low` to `high` (None: no bound)."""

    name: str
    start: float
    low: float | None = None
    high: float | None = None
    about: str = ""

    @property
    def step(self) -> float:
        """A step of 1, 2 or 5 times a power of ten, about a hundredth of the range."""
        if self.low is None or self.high is None or self.high <= self.low:
            return 0.1
        rough = (self.high - self.low) / 100
        power = 10.0 ** math.floor(math.log10(rough))
        step = min((power * factor for factor in (1, 2, 5, 10)), key=lambda one: abs(one - rough))
        return float(f"{step:.1g}")

    def parse(self, text: str) -> float:
        """The number that a text says.

        Raises:
            InspectorError: it is no number, not finite, or not in this control's range.
        """
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value) or "_" in text:
            raise InspectorError(
                sentence(
                    "`{name}` is a number, and {text} is none.", name=self.name, text=_quoted(text)
                )
            )
        _within(self, value)
        return value

    def written(self, value: Any) -> str:
        """The text that `parse` reads back: 1.5, but 2 for 2.0."""
        return repr(value).removesuffix(".0")


@dataclass(frozen=True, slots=True)
class Switch:
    """On or off."""

    name: str
    start: bool
    about: str = ""

    def parse(self, text: str) -> bool:
        """True for "on" and "true", False for "off" and "false".

        Raises:
            InspectorError: it is something else.
        """
        value = _SWITCH.get(text.strip().lower())
        if value is None:
            raise InspectorError(
                sentence(
                    "`{name}` is “on” or “off”, not {text}.", name=self.name, text=_quoted(text)
                )
            )
        return value

    def written(self, value: Any) -> str:
        """The text that `parse` reads back."""
        return "on" if value else "off"


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few values."""

    name: str
    start: Any
    options: tuple[Any, ...]
    about: str = ""

    def parse(self, text: str) -> Any:
        """The option that a text names.

        Raises:
            InspectorError: none is called so.
        """
        for option in self.options:
            if self.written(option) == text.strip():
                return option
        names = ", ".join(_quoted(self.written(option)) for option in self.options)
        raise InspectorError(
            sentence(
                "`{name}` is one of {values}, not {given}.",
                name=self.name,
                values=names,
                given=_quoted(text),
            )
        )

    def written(self, value: Any) -> str:
        """The text that `parse` reads back."""
        return str(value)


@dataclass(frozen=True, slots=True)
class Text:
    """Any text; what it means, the function knows."""

    name: str
    start: str
    about: str = ""

    def parse(self, text: str) -> str:
        """The text itself.

        Raises:
            InspectorError: it is longer than `LONGEST_TEXT`.
        """
        if len(text) > LONGEST_TEXT:
            raise InspectorError(
                sentence(
                    "`{name}` takes {longest_text:,} characters, and this text has {count:,}.",
                    name=self.name,
                    longest_text=LONGEST_TEXT,
                    count=len(text),
                )
            )
        return text

    def written(self, value: Any) -> str:
        """The text that `parse` reads back."""
        return str(value)


@dataclass(frozen=True, slots=True)
class Uploaded:
    """A file of tensors. Two are equal where name and content are."""

    name: str
    data: bytes = field(repr=False, compare=False)
    digest: str = field(init=False)

    def __post_init__(self) -> None:
        digest = hashlib.sha256(self.data).hexdigest()[:16]
        object.__setattr__(self, "digest", digest)

    @property
    def written(self) -> str:
        """What an address calls it; only who has the file can open that."""
        return f"{self.digest}~{self.name}"


def _within(control: Whole | Real, value: float) -> None:
    low, high = control.low, control.high
    below = low is not None and value < low
    if below or (high is not None and value > high):
        raise InspectorError(
            sentence(
                "`{name}` is {bounds}, not {value}.",
                name=control.name,
                bounds=_bounds_words(low, high),
                value=value,
            )
        )


def _bounds_words(low: float | None, high: float | None) -> str:
    if high is None:
        return sentence("at least {low}", low=low)
    if low is None:
        return sentence("at most {high}", high=high)
    return sentence("{low} to {high}", low=low, high=high)


def _quoted(text: str) -> str:
    return f"“{text}”" if len(text) <= 40 else f"“{text[:40]}…”"
