"""The widgets of one tensor: its shape, what fills it, and a table where its numbers are few."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import streamlit as st

from inspector.errors import InspectorError
from inspector.language import Sentence, sentence
from inspector.recipes import (
    EDITABLE,
    Fill,
    TensorControl,
    TensorRecipe,
    number,
    parse_shape,
    recipe_of,
)
from inspector_app.address import acted
from inspector_app.phrases import prose, reason_of, say, told

FILLS: dict[Fill, str] = {
    "given": sentence("Its numbers as given"),
    "numbers": sentence("Numbers in a table"),
    "normal": sentence("Normal numbers"),
    "uniform": sentence("Numbers between two"),
    "integers": sentence("Whole numbers"),
    "zeros": sentence("Zeros"),
}
_SAID: dict[Fill, Sentence] = {
    "given": sentence("{shape} as given"),
    "numbers": sentence("{shape} table"),
    "normal": sentence("{shape} normal, seed {seed}"),
    "uniform": sentence("{shape} from {low:g} to {high:g}, seed {seed}"),
    "integers": sentence("{shape} whole from {low:g} to {high:g}, seed {seed}"),
    "zeros": sentence("{shape} zeros"),
}
_SEED_MOST = 999_999_999


def choose_tensor(
    control: TensorControl, key: str, before: TensorRecipe, *, anew: bool
) -> tuple[TensorRecipe, str]:
    """(recipe, what is wrong with it); then the recipe is the one used last.

    Args:
        control: whose widgets these are.
        key: of the widgets.
        before: the recipe used last, or the one to set the widgets to.
        anew: whether to set them.
    """
    _set(control, key, before, anew)
    name = told(control.name.replace("_", " ").capitalize())
    with st.container(border=True, gap="small"):
        st.markdown(f"**{prose(name)}**", help=prose(control.about) or None)
        fill: Fill = st.selectbox(
            say("Filled with"),
            control.fills,
            key=f"{key}/fill",
            on_change=acted,
            format_func=lambda one: told(FILLS[one]),
        )
        shape = st.text_input(
            say("Shape"),
            key=f"{key}/shape",
            on_change=acted,
            disabled=fill == "given",
            help=say("Sizes with an x between them, as in 2x4; `scalar` for a single number."),
        )
        try:
            return _recipe(control, key, fill, shape, before), ""
        except InspectorError as error:
            st.error(prose(reason_of(error)), icon=":material/error:")
            return before, reason_of(error)


def _set(control: TensorControl, key: str, recipe: TensorRecipe, anew: bool) -> None:
    """Set the widgets to a recipe, where the address is to choose, or nothing has yet."""
    if not anew and f"{key}/fill" in st.session_state:
        return
    st.session_state[f"{key}/fill"] = recipe.fill
    st.session_state[f"{key}/shape"] = _shape_text(recipe.shape)
    for name in ("uniform/low", "uniform/high", "integers/low", "integers/high", "seed"):
        st.session_state.pop(f"{key}/{name}", None)
    _new_table(key, recipe if recipe.fill == "numbers" else None)


def _shape_text(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "scalar"


def said_recipe(recipe: TensorRecipe) -> str:
    """A recipe in a few words of the library, as in "2×4 table"."""
    shape = "×".join(map(str, recipe.shape)) or sentence("scalar")
    said = {"shape": shape, "low": recipe.low, "high": recipe.high, "seed": recipe.seed}
    return Sentence(_SAID[recipe.fill].templates, said)


def _recipe(
    control: TensorControl, key: str, fill: Fill, shape_text: str, before: TensorRecipe
) -> TensorRecipe:
    """The recipe that the widgets say.

    Raises:
        InspectorError: they say none.
    """
    recipe = replace(control.start, fill=fill, numbers=())
    if fill != "given":
        recipe = replace(recipe, shape=parse_shape(shape_text))
    if fill == "numbers":
        return control.checked(_typed(control.name, key, recipe, before))
    st.session_state[f"{key}/table"] = None  # a later table begins with what is shown then
    if fill in ("uniform", "integers"):
        kind = int if fill == "integers" else float
        left, right = st.columns(2)
        with left:
            recipe = replace(
                recipe, low=_number(say("From"), f"{key}/{fill}/low", kind(before.low))
            )
        with right:
            recipe = replace(
                recipe, high=_number(say("To"), f"{key}/{fill}/high", kind(before.high))
            )
    if fill in ("normal", "uniform", "integers"):
        seed = _number(say("Seed"), f"{key}/seed", before.seed, least=0, most=_SEED_MOST)
        recipe = replace(recipe, seed=int(seed))
    return control.checked(recipe)


def _number(
    label: str, key: str, start: float, least: float | None = None, most: float | None = None
) -> float:
    """A field for a number; one that was not shown for a while starts anew."""
    if key not in st.session_state:
        st.session_state[key] = start
    shown = "%d" if isinstance(start, int) else "%g"
    return float(st.number_input(label, least, most, format=shown, key=key, on_change=acted))


# -- the table -------------------------------------------------------------------------------------


def _new_table(key: str, recipe: TensorRecipe | None) -> None:
    """Note what the table shows before anything is typed into it.

    A table keeps what was typed as changes of what it was made with, by its key: so that one
    stays, and a table with other numbers gets another key.
    """
    st.session_state[f"{key}/table"] = recipe
    st.session_state[f"{key}/tables"] = st.session_state.get(f"{key}/tables", 0) + 1


def _typed(name: str, key: str, recipe: TensorRecipe, before: TensorRecipe) -> TensorRecipe:
    """The recipe with the numbers that stand in the table."""
    if recipe.numel > EDITABLE:
        return recipe  # refused by `checked`, in words
    shown: TensorRecipe | None = st.session_state.get(f"{key}/table")
    if shown is None or shown.shape != recipe.shape:
        shown = replace(recipe, numbers=_first_numbers(before, recipe))
        _new_table(key, shown)
    rows = as_rows(shown)
    if not rows:
        st.caption(say("A tensor of this shape has no numbers."))
        return recipe
    edited = st.data_editor(
        rows,
        key=f"{key}/table/{st.session_state[f'{key}/tables']}",
        on_change=acted,
        hide_index=True,
        column_config={column: st.column_config.TextColumn(width=48) for column in rows[0]},
        alt=say("The numbers of {name}, row by row", name=name),
    )
    return replace(recipe, numbers=from_rows(edited, recipe))


def _first_numbers(before: TensorRecipe, wanted: TensorRecipe) -> tuple[float, ...]:
    """What a table of another shape begins with: the numbers so far, and zeros behind them."""
    from inspector.capture.given import tensor_of

    numbers: tuple[float, ...] = before.numbers
    if before.fill not in ("numbers", "given") and before.numel <= EDITABLE:
        numbers = recipe_of(tensor_of(before)).numbers
    filled = (*numbers, *[0.0] * wanted.numel)[: wanted.numel]
    return tuple(number(_text(one), wanted.kind) for one in filled)


def as_rows(recipe: TensorRecipe) -> list[dict[str, str]]:
    """The numbers as rows of texts: the last dimension goes across, all others down."""
    if not recipe.numbers:
        return []
    width = recipe.shape[-1] if recipe.shape else 1
    texts = [_text(one) for one in recipe.numbers]
    return [
        {str(column): texts[at + column] for column in range(width)}
        for at in range(0, len(texts), width)
    ]


def from_rows(rows: Sequence[dict[str, Any]], recipe: TensorRecipe) -> tuple[float, ...]:
    """The numbers in the rows of a table.

    Raises:
        InspectorError: a cell is empty, or holds no number of this dtype.
    """
    found = []
    for at, row in enumerate(rows):
        for name, text in row.items():
            where = sentence("Row {row}, column {column}", row=at, column=name)
            if not text:
                raise InspectorError(sentence("{where} is empty.", where=where))
            try:
                found.append(number(text, recipe.kind))
            except InspectorError as error:
                raise InspectorError(
                    sentence("{where}: {reason}", where=where, reason=reason_of(error))
                ) from error
    return tuple(found)


def _text(value: float) -> str:
    return repr(value).removesuffix(".0")
