"""How to make a tensor, in words short enough for an address: shape, fill and seed.

    2x4~normal~0            normal numbers drawn from seed 0
    2x4~uniform~-1~1~0      evenly between -1 and 1
    6~integers~0~9~0        whole numbers from 0 to 9, both included
    3x8x8~zeros
    2x2~numbers~1_2_3_4     these, row by row; nan, inf and -inf are numbers too
    2x4~given               the example's own numbers, too many to write down

A recipe holds no tensor: `capture/given.py` makes it. Characters are those that an address and
a shell leave as they are.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

from inspector.errors import InspectorError
from inspector.language import sentence

Fill: TypeAlias = Literal["given", "numbers", "normal", "uniform", "integers", "zeros"]

EDITABLE = 64
"""Numbers of a tensor at most that are written one by one."""

MOST_NUMBERS = 10_000_000
"""Numbers of a tensor at most: 40 MB of float32, which every op on it multiplies."""

MOST_DIMENSIONS = 8

_BETWEEN, _IN = "~", "_"
_SHAPE = re.compile(r"[0-9]{1,9}(?:x[0-9]{1,9})*")
_SEED = re.compile(r"[0-9]{1,9}")
_WHOLE = re.compile(r"[+-]?[0-9]{1,19}")


@dataclass(frozen=True, slots=True)
class TensorRecipe:
    """How one tensor is made.

    Args:
        shape: of the tensor.
        dtype: by its name in torch ("float32").
        fill: where the numbers come from; "given" means the example's own.
        low, high: bounds of "uniform" and "integers".
        seed: of "normal", "uniform" and "integers", 0 to 999,999,999.
        numbers: of "numbers", row by row.
        requires_grad: whether the tensor is a leaf that gets a gradient.
    """

    shape: tuple[int, ...]
    dtype: str = "float32"
    fill: Fill = "normal"
    low: float = 0.0
    high: float = 1.0
    seed: int = 0
    numbers: tuple[float, ...] = ()
    requires_grad: bool = False

    @property
    def numel(self) -> int:
        """How many numbers the tensor has."""
        return math.prod(self.shape)

    @property
    def kind(self) -> str:
        """One of "float", "complex", "bool" and "int"."""
        if "float" in self.dtype:
            return "float"
        return next((kind for kind in ("complex", "bool") if kind in self.dtype), "int")


@dataclass(frozen=True, slots=True)
class TensorControl:
    """A tensor, made by a recipe. `start.dtype` and `start.requires_grad` hold for all of them."""

    name: str
    start: TensorRecipe
    about: str = ""

    @property
    def fills(self) -> tuple[Fill, ...]:
        """The fills that the dtype allows; "given" only where the example is that."""
        kind = self.start.kind
        drawn: tuple[Fill, ...] = ("normal",) if kind == "complex" else ("integers",)
        if kind == "float":
            drawn = ("normal", "uniform", "integers")
        given: tuple[Fill, ...] = ("given",) if self.start.fill == "given" else ()
        typed: tuple[Fill, ...] = () if kind == "complex" else ("numbers",)
        return (*given, *typed, *drawn, "zeros")

    def seeds(self, seeds: Iterable[int]) -> tuple[TensorRecipe, ...]:
        """The start with each of these seeds; drawn numbers, where it starts with others."""
        fill = self.start.fill
        if fill not in ("normal", "uniform", "integers"):
            fill = "normal" if "normal" in self.fills else "integers"
        return tuple(replace(self.start, fill=fill, seed=seed, numbers=()) for seed in seeds)

    def parse(self, text: str) -> TensorRecipe:
        """The recipe that a text says, see the top of this file.

        Raises:
            InspectorError: the text is no recipe, or one of a tensor that is too large, or one
                that this dtype cannot hold.
        """
        shape_text, _, rest = text.strip().partition(_BETWEEN)
        fill, *details = rest.split(_BETWEEN)
        if fill not in self.fills:
            raise InspectorError(
                sentence(
                    "`{name}` is a shape and how it is filled ({fills}), as in “{written}”, not "
                    "“{text}”.",
                    name=self.name,
                    fills=", ".join(self.fills),
                    written=self.written(self.start),
                    text=text[:60],
                )
            )
        recipe = replace(self.start, shape=parse_shape(shape_text), fill=fill, numbers=())
        return self.checked(_with_details(recipe, details, self.name))

    def written(self, value: Any) -> str:
        """The text that `parse` reads back."""
        parts = ["x".join(map(str, value.shape)) or "scalar", value.fill]
        if value.fill == "numbers":
            parts.append(_IN.join(_written(number) for number in value.numbers))
        if value.fill in ("uniform", "integers"):
            parts += [_written(value.low), _written(value.high)]
        if value.fill in ("normal", "uniform", "integers"):
            parts.append(str(value.seed))
        return _BETWEEN.join(parts)

    def checked(self, recipe: TensorRecipe) -> TensorRecipe:
        """The recipe, if it can be made.

        Raises:
            InspectorError: it cannot; the message says why.
        """
        _allow_shape(recipe.shape)
        if recipe.fill == "given" and recipe.shape != self.start.shape:
            raise InspectorError(
                sentence("The numbers as given have the shape {shape}.", shape=self.start.shape)
            )
        if recipe.fill == "numbers" and recipe.numel > EDITABLE:
            raise InspectorError(
                sentence(
                    "The shape {shape} has {numel:,} numbers; up to {editable} can be written one "
                    "by one. Fill it another way.",
                    shape=recipe.shape,
                    numel=recipe.numel,
                    editable=EDITABLE,
                )
            )
        if recipe.fill == "numbers" and len(recipe.numbers) != recipe.numel:
            raise InspectorError(
                sentence(
                    "The shape {shape} has {numel} numbers, not {count}.",
                    shape=recipe.shape,
                    numel=recipe.numel,
                    count=len(recipe.numbers),
                )
            )
        if recipe.fill in ("uniform", "integers"):
            _allow_bounds(recipe, self.name)
        return recipe


def parse_shape(text: str) -> tuple[int, ...]:
    """`2x4` as (2, 4), `scalar` as (); "×", commas and blanks between the sizes will do.

    Raises:
        InspectorError: it is no shape, or one with more than `MOST_NUMBERS` numbers.
    """
    plain = re.sub(r"\s*[×x*,;\s]\s*", "x", text.strip().strip("()[]").strip(" ,").lower())
    if plain in ("", "scalar"):
        return ()
    if not _SHAPE.fullmatch(plain):
        raise InspectorError(
            sentence(
                "A shape is whole numbers with an x between them, as in 2x4, not “{text}”.",
                text=text[:40],
            )
        )
    return _allow_shape(tuple(int(size) for size in plain.split("x")))


def shape_of(sizes: tuple[Any, ...]) -> tuple[int, ...]:
    """The shape that an annotation gives, as in `Annotated[Tensor, (2, 4)]`.

    Raises:
        InspectorError: the sizes are no shape.
    """
    if not all(type(size) is int and size >= 0 for size in sizes):
        raise InspectorError(
            sentence("A shape has whole numbers from 0 on, and {sizes} has others.", sizes=sizes)
        )
    return _allow_shape(sizes)


def is_tensor_type(kind: Any) -> bool:
    """Whether it is `torch.Tensor` or a kind of it, told without importing torch."""
    mro = getattr(kind, "__mro__", ()) if isinstance(kind, type) else ()
    return any(one.__name__ == "Tensor" and one.__module__ == "torch" for one in mro)


def recipe_of(example: Any) -> TensorRecipe:
    """The recipe of a tensor: its numbers where they are few, else "given".

    Numbers that cannot be read (on meta, sparse, …) are "given" too.
    """
    recipe = TensorRecipe(
        shape=tuple(int(size) for size in example.shape),
        dtype=str(example.dtype).removeprefix("torch."),
        fill="given",
        requires_grad=bool(example.requires_grad and example.is_leaf),
    )
    if recipe.kind == "int":
        recipe = replace(recipe, high=9.0)
    if recipe.numel > EDITABLE or recipe.kind == "complex":
        return recipe
    try:
        numbers = example.detach().flatten().tolist()
    except (RuntimeError, NotImplementedError):
        return recipe
    short = _plain if recipe.dtype == "float64" else _short
    return replace(recipe, fill="numbers", numbers=tuple(short(one) for one in numbers))


def number(text: str, kind: str) -> float:
    """A number of a tensor of this kind ("float", "int", "bool").

    Raises:
        InspectorError: the text is none.
    """
    text = text.strip()
    if kind != "float":
        whole = int(text) if _WHOLE.fullmatch(text) else None
        if whole is None or (kind == "bool" and whole not in (0, 1)):
            if kind == "bool":
                raise InspectorError(
                    sentence("This tensor holds 0 and 1, not “{text}”.", text=text[:40])
                )
            raise InspectorError(
                sentence("This tensor holds whole numbers, not “{text}”.", text=text[:40])
            )
        return whole
    try:
        if _IN in text:
            raise ValueError
        return _plain(float(text))
    except ValueError:
        raise InspectorError(sentence("“{text}” is no number.", text=text[:40])) from None


def _with_details(recipe: TensorRecipe, details: list[str], name: str) -> TensorRecipe:
    """The recipe with what stands behind its fill."""
    wanted = {"numbers": 1, "normal": 1, "uniform": 3, "integers": 3}.get(recipe.fill, 0)
    if len(details) != wanted:
        raise InspectorError(
            sentence(
                "`{name}`: behind “{fill}” stand {wanted} parts with a {mark} before each, not "
                "{count}.",
                name=name,
                fill=recipe.fill,
                wanted=wanted,
                mark=_BETWEEN,
                count=len(details),
            )
        )
    if recipe.fill == "numbers":
        texts = details[0].split(_IN) if details[0] else []
        if len(texts) > EDITABLE:
            raise InspectorError(
                sentence("Up to {editable} numbers can be written one by one.", editable=EDITABLE)
            )
        return replace(recipe, numbers=tuple(number(text, recipe.kind) for text in texts))
    if wanted == 3:
        kind = "float" if recipe.fill == "uniform" else "int"
        low, high = (number(text, kind) for text in details[:2])
        recipe = replace(recipe, low=low, high=high)
    if wanted:
        if not _SEED.fullmatch(details[-1]):
            raise InspectorError(
                sentence("`{name}`: a seed is a whole number from 0 to 999999999.", name=name)
            )
        recipe = replace(recipe, seed=int(details[-1]))
    return recipe


def _allow_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    if len(shape) > MOST_DIMENSIONS:
        raise InspectorError(
            sentence(
                "A shape has up to {most_dimensions} sizes here, not {count}.",
                most_dimensions=MOST_DIMENSIONS,
                count=len(shape),
            )
        )
    numel = math.prod(shape)
    # A size of 0 makes any other size harmless but for torch, which multiplies those.
    if numel > MOST_NUMBERS or math.prod(size for size in shape if size) > MOST_NUMBERS:
        raise InspectorError(
            sentence(
                "The shape {shape} has {numel:,} numbers; {most_numbers:,} are the most. Choose a "
                "smaller one.",
                shape="x".join(map(str, shape)),
                numel=numel,
                most_numbers=MOST_NUMBERS,
            )
        )
    return shape


def _allow_bounds(recipe: TensorRecipe, name: str) -> None:
    low, high = recipe.low, recipe.high
    if not (math.isfinite(low) and math.isfinite(high)) or low > high:
        raise InspectorError(
            sentence(
                "`{name}` is filled from low to high, and {low} to {high} is not.",
                name=name,
                low=low,
                high=high,
            )
        )
    if recipe.kind == "bool" and (low < 0 or high > 1):
        raise InspectorError(sentence("`{name}` holds 0 and 1 only.", name=name))
    if max(abs(low), abs(high)) > 1e15:
        raise InspectorError(
            sentence("`{name}`: numbers are drawn from up to 1e15 either way.", name=name)
        )


def _plain(value: Any) -> float:
    """A Python number; every NaN is the same object, so that equal recipes are equal."""
    if isinstance(value, bool):
        return int(value)
    return math.nan if value != value else value


def _short(value: Any) -> float:
    """The number with the fewest digits that is the same in float32: 0.1, not 0.10000000149."""
    if not isinstance(value, float) or not math.isfinite(value):
        return _plain(value)
    packed = struct.pack("f", value)
    candidates = (float(f"{value:.{digits}g}") for digits in (6, 7, 8))
    return next((one for one in candidates if struct.pack("f", one) == packed), value)


def _written(value: float) -> str:
    """1.5, but 2 for 2.0."""
    return repr(value).removesuffix(".0")
