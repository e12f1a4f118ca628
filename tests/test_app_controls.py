"""The widgets of an input's controls, run by Streamlit's AppTest: values, address and refusals."""

from __future__ import annotations

import io
import math
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from inspector.control_kinds import Uploaded
from inspector.controls import read
from inspector.errors import InspectorError
from inspector.recipes import TensorControl, TensorRecipe
from inspector_app.controls import as_address, own_name
from inspector_app.screens.controls_tensor import as_rows, from_rows
from sample_models import get


def page() -> None:
    """A page with nothing but the widgets; what they give stands in the session."""
    from functools import partial

    import streamlit as st

    from inspector.capture.given import inputs_of
    from inspector.controls import read
    from inspector_app.address import Address
    from inspector_app.controls import as_address, choose_given
    from sample_models import get

    address = Address("test")
    sample = get(address.asked.get("sample", "variable_length"))
    controls = read(sample.given)
    check = partial(inputs_of, sample.given)
    values = choose_given(address, controls, sample.name, check=check)
    address.tell()
    address.write(sample=sample.name, **as_address(controls, values))
    st.session_state["values"] = values


def page_of_all_kinds() -> None:
    """A page with controls that no sample has."""
    import streamlit as st

    from inspector.controls import Choice, Real, Switch, TensorControl, TensorRecipe, Text, Whole
    from inspector_app.address import Address
    from inspector_app.controls import choose_given

    controls = (
        Whole("unbounded", -5),
        Whole("wide", 7, 0, 1_000_000),
        Whole("single", 3, 3, 3),
        Whole("from_here", 3, low=0),
        Real("any_number", 1e-9),
        Real("fine", 0.123, 0.0, 1.0),
        Real("tiny", 3e-8, 1e-8, 5e-8),
        Switch("on", True),
        Choice("many", 7, tuple(range(50))),
        Choice("one", None, (None,)),
        Text("words", "\n**not bold** <b>é</b>", "`code` & <i>markup</i>"),
        TensorControl("as_given", TensorRecipe((3, 100), fill="given")),
        TensorControl("complex", TensorRecipe((2,), "complex64")),
        TensorControl("flags", TensorRecipe((2,), "bool", "numbers", numbers=(0, 1))),
        TensorControl("empty", TensorRecipe((0, 3), fill="numbers")),
        TensorControl("single_number", TensorRecipe((), fill="numbers", numbers=(2.5,))),
    )
    st.session_state["values"] = choose_given(Address("all"), controls, "all")
    st.session_state["starts"] = {control.name: control.start for control in controls}


def start(**query: str) -> AppTest:
    app = AppTest.from_function(page, default_timeout=60)
    for name, value in query.items():
        app.query_params[name.replace("_", ".", 1) if name.startswith("c_") else name] = value
    return shown(app)


def shown(app: AppTest) -> AppTest:
    app.run()
    assert not app.exception
    return app


def values(app: AppTest) -> dict[str, Any]:
    found: dict[str, Any] = app.session_state["values"]
    return found


def parameters(app: AppTest) -> dict[str, str]:
    """The controls in the address."""
    found = dict(app.query_params.items())
    texts = {name: text if isinstance(text, str) else text[-1] for name, text in found.items()}
    return {name: text for name, text in texts.items() if name.startswith("c.")}


def errors(app: AppTest) -> str:
    return "\n".join(error.value.replace("\\", "") for error in app.error)


def test_an_address_without_values_starts_every_control_at_its_default() -> None:
    app = start()
    assert values(app) == {"text": "the cat saw a dog", "length": 6}
    assert parameters(app) == {}
    assert [slider.label for slider in app.sidebar.slider] == ["Length"]


def test_a_changed_widget_changes_the_value_and_the_address() -> None:
    app = start()
    app.slider[0].set_value(3)
    shown(app)
    assert values(app)["length"] == 3
    assert parameters(app) == {"c.length": "3"}
    app.slider[0].set_value(6)
    shown(app)
    assert parameters(app) == {}


def test_an_address_sets_the_widgets() -> None:
    app = start(c_length="9", c_text="the mat")
    assert values(app) == {"text": "the mat", "length": 9}
    assert (app.slider[0].value, app.text_input[0].value) == (9, "the mat")
    assert not app.error


def test_going_back_sets_the_widgets_again() -> None:
    app = start(c_length="9")
    app.slider[0].set_value(3)
    shown(app)
    app.query_params["c.length"] = "9"  # what the back button does
    shown(app)
    assert values(app)["length"] == 9
    assert app.slider[0].value == 9


def test_what_an_address_asks_for_in_vain_is_said_once_for_all() -> None:
    app = start(c_length="99", c_foo="1")
    assert values(app) == {"text": "the cat saw a dog", "length": 6}
    (error,) = app.error
    assert "“99” for Length" in errors(app)
    assert "the control “c.foo”" in errors(app)
    assert error.value
    assert parameters(app) == {}


def test_a_refused_value_is_told_beside_the_widgets_and_the_last_good_one_stays() -> None:
    app = start()
    app.text_input[0].set_value("the dog")
    shown(app)
    app.text_input[0].set_value("the fish")
    shown(app)
    assert "does not know “fish”" in errors(app)
    assert values(app)["text"] == "the dog"
    assert app.text_input[0].value == "the fish"  # not taken away from who typed it
    assert parameters(app) == {"c.text": "the dog"}
    app.text_input[0].set_value("a mat")
    shown(app)
    assert not app.error
    assert values(app)["text"] == "a mat"


def test_an_address_with_a_refused_value_opens_with_the_defaults() -> None:
    app = start(c_text="the fish", c_length="3")
    assert "does not know “fish”" in errors(app)
    assert values(app) == {"text": "the cat saw a dog", "length": 6}


@pytest.mark.parametrize(
    ("sample", "parameter", "value"),
    [
        ("while_loop", {"c_norm": "20.5"}, {"norm": 20.5}),
        ("transformer", {"c_mask": "off"}, {"mask": False}),
        ("graph_network", {"c_edges": "star"}, {"edges": "star"}),
        ("detach_no_grad", {"c_backbone": "no_grad"}, {"backbone": "no_grad"}),
    ],
)
def test_each_kind_of_widget_is_set_by_its_text(
    sample: str, parameter: dict[str, str], value: dict[str, Any]
) -> None:
    app = start(sample=sample, **parameter)
    assert values(app).items() >= value.items()
    assert not app.error


def test_a_slider_of_decimals_gives_the_decimals_it_shows() -> None:
    app = start(sample="branching")
    app.slider[0].set_value(0.1 + 0.1 + 0.1)
    shown(app)
    assert values(app)["shift"] == 0.3
    assert parameters(app) == {"c.shift": "0.3"}


def test_a_tensor_is_filled_another_way() -> None:
    app = start(sample="branching")
    app.selectbox[0].set_value("normal")
    shown(app)
    app.number_input[0].set_value(7)
    app.text_input[0].set_value("3 × 4")
    shown(app)
    assert values(app)["x"] == TensorRecipe((3, 4), seed=7)
    assert parameters(app) == {"c.x": "3x4~normal~7"}


@pytest.mark.parametrize(
    ("text", "says"),
    [("3 by 4", "with an x between"), ("99999x9999", "are the most"), ("3x40", "up to 64")],
)
def test_a_wrong_shape_is_told_and_the_last_tensor_stays(text: str, says: str) -> None:
    app = start(sample="branching")
    before = values(app)["x"]
    app.text_input[0].set_value(text)
    shown(app)
    assert says in errors(app)
    assert values(app)["x"] == before


def test_an_address_sets_all_widgets_of_a_tensor() -> None:
    app = start(sample="branching", c_x="5x4~uniform~-1~2.5~8")
    assert values(app)["x"].shape == (5, 4)
    assert app.text_input[0].value == "5x4"
    assert [field.value for field in app.number_input] == [-1.0, 2.5, 8]
    app.selectbox[0].set_value("zeros")
    shown(app)
    app.selectbox[0].set_value("integers")
    shown(app)
    assert not app.error


def test_a_table_begins_with_the_numbers_shown_before() -> None:
    app = start(sample="branching", c_x="2x4~integers~3~3~0")
    app.selectbox[0].set_value("numbers")
    shown(app)
    assert values(app)["x"].numbers == (3.0,) * 8
    app.text_input[0].set_value("2x5")
    shown(app)
    assert values(app)["x"].numbers == (3.0,) * 8 + (0.0, 0.0)


def test_a_file_that_this_session_does_not_have_is_asked_for() -> None:
    app = start(**{"c.file": "0123456789abcdef~photo.png"})
    assert "the uploaded file “photo.png”, which has to be chosen again" in errors(app)
    assert "file" not in values(app)


def upload(app: AppTest, name: str, data: bytes) -> None:
    app.sidebar.file_uploader[0].set_value((name, data, "application/octet-stream"))
    shown(app)


def npy(array: np.ndarray[Any, Any]) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def test_a_file_stays_in_use_until_another_one_is_read() -> None:
    app = start(sample="branching")
    upload(app, "first.npy", npy(np.ones((2, 4))))
    assert values(app)["file"].name == "first.npy"
    assert "first.npy: float64 (2, 4)" in app.sidebar.caption[-1].value.replace("\\", "")
    assert app.sidebar.file_uploader[0].value is None  # what takes its place comes alone
    upload(app, "broken.npy", b"no array")
    assert values(app)["file"].name == "first.npy"
    assert "first.npy stays in use" in errors(app)
    assert not app.sidebar.expander[0].error  # said where it is seen, too, when that is folded
    assert app.sidebar.expander[0].proto.expanded
    app.sidebar.file_uploader[0].set_value(None)
    shown(app)
    assert values(app)["file"].name == "first.npy"
    assert not app.error
    upload(app, "second.npy", npy(np.zeros((3, 4))))
    assert values(app)["file"].name == "second.npy"
    app.sidebar.button[0].click()
    shown(app)
    assert "file" not in values(app)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({}, "your own (nothing changed)"),
        ({"shift": -0.5}, "your own (shift -0.5)"),
        (
            {"x": TensorRecipe((2, 4), fill="numbers", numbers=(1.0,) * 8)},
            "your own (x 2×4 table)",
        ),
        ({"x": TensorRecipe((3, 4), seed=7)}, "your own (x 3×4 normal, seed 7)"),
        ({"shift": -0.5, "file": Uploaded("photo.png", b"")}, "photo.png"),
    ],
)
def test_an_input_made_by_controls_is_called_by_what_was_changed(
    changed: dict[str, Any], told: str
) -> None:
    given = get("branching").given
    assert given is not None
    controls = read(given)
    starts = {control.name: control.start for control in controls}
    assert own_name(controls, {**starts, **changed}) == told


def test_every_kind_of_control_draws_and_gives_its_start() -> None:
    app = shown(AppTest.from_function(page_of_all_kinds, default_timeout=60))
    assert not app.error
    assert values(app) == app.session_state["starts"]
    shown(app)
    assert values(app) == app.session_state["starts"]


# -- without a page --------------------------------------------------------------------------------


def test_the_address_says_what_differs_from_the_start() -> None:
    given = get("branching").given
    assert given is not None
    controls = read(given)
    changed = {"shift": -0.25, "x": TensorRecipe((2, 4), seed=3)}
    assert as_address(controls, changed) == {"c.shift": "-0.25", "c.x": "2x4~normal~3"}
    starts = {control.name: control.start for control in controls}
    assert as_address(controls, starts) == {}


def test_a_files_name_stands_in_the_address() -> None:
    file = Uploaded("x y.npy", b"abc")
    assert as_address([], {"file": file}) == {"c.file": "ba7816bf8f01cfea~x y.npy"}  # sha256


def test_rows_of_a_table_are_the_last_dimension() -> None:
    numbers = tuple(float(n) for n in np.arange(12))
    rows = as_rows(TensorRecipe((2, 2, 3), fill="numbers", numbers=numbers))
    assert rows[3] == {"0": "9", "1": "10", "2": "11"}
    assert as_rows(TensorRecipe((), fill="numbers", numbers=(1.5,))) == [{"0": "1.5"}]
    assert as_rows(TensorRecipe((0, 3), fill="numbers")) == []


def test_cells_are_numbers_of_the_dtype_or_named() -> None:
    floats, whole = TensorRecipe((2,)), TensorRecipe((2,), "int64")
    assert from_rows([{"0": "1.5", "1": "nan"}], floats)[0] == 1.5
    assert math.isnan(from_rows([{"0": "nan"}], floats)[0])
    for row, recipe, says in (
        ({"0": "1", "1": None}, floats, "Row 0, column 1 is empty"),
        ({"0": "1.5"}, whole, "Row 0, column 0: This tensor holds whole numbers"),
    ):
        with pytest.raises(InspectorError, match=says):
            from_rows([row], recipe)


def test_a_tensor_too_large_for_a_table_can_be_filled() -> None:
    control = TensorControl("x", TensorRecipe((100, 100)))
    assert as_address([control], {"x": control.parse("200x200~zeros")}) == {"c.x": "200x200~zeros"}
