"""Controls read from a signature, their values as text, and the tensors made of recipes."""

from __future__ import annotations

import functools
import math
import warnings
from typing import Annotated, Any, Literal

import pytest
import torch
from hypothesis import given as generated
from hypothesis import strategies as some
from torch import Tensor, nn

from inspector.capture.given import arguments_of, inputs_of, tensor_of, tensors_of
from inspector.control_kinds import FILE, Uploaded
from inspector.controls import (
    Choice,
    Real,
    Switch,
    TensorControl,
    TensorRecipe,
    Text,
    Whole,
    read,
    spread,
)
from inspector.errors import InspectorError
from inspector.recipes import EDITABLE, MOST_NUMBERS, parse_shape

RAMP = torch.tensor([[0.0, 1.5], [-2.0, 0.1]], requires_grad=True)


def everything(
    length: Annotated[int, range(1, 13), "words before the padding"] = 5,
    even: Annotated[int, range(0, 11, 2)] = 4,
    noise: Annotated[float, (0.0, 1.0)] = 0.1,
    mask: bool = False,
    mode: Literal["train", "eval"] = "eval",
    text: str = "roses are red",
    x: Tensor = RAMP,
    y: Annotated[Tensor, (2, 3)] = torch.zeros(2, 3, dtype=torch.int64),  # noqa: B008
) -> tuple[Any, ...]:
    return length, even, noise, mask, mode, text, x, y


def named(function, example=None):
    return {control.name: control for control in read(function, example)}


# -- reading a signature ---------------------------------------------------------------------------


def test_each_kind_of_annotation_gives_its_control():
    assert read(everything)[:6] == (
        Whole("length", 5, 1, 12, 1, "words before the padding"),
        Whole("even", 4, 0, 10, 2),
        Real("noise", 0.1, 0.0, 1.0),
        Switch("mask", False),
        Choice("mode", "eval", ("train", "eval")),
        Text("text", "roses are red"),
    )


def test_a_tensor_starts_with_the_numbers_of_its_default():
    x = named(everything)["x"].start
    assert (x.shape, x.dtype, x.fill, x.requires_grad) == ((2, 2), "float32", "numbers", True)
    assert x.numbers == (0.0, 1.5, -2.0, 0.1)  # and not 0.10000000149011612
    assert named(everything)["y"].start.dtype == "int64"


def test_without_a_default_a_control_starts_at_its_lower_end():
    def bare(
        a: Annotated[int, range(3, 9)],
        b: Annotated[float, (2.0, 4.0)],
        c: bool,
        d: Literal["x", "y"],
        e: str,
        f: Annotated[Tensor, (4, 5)],
        g: int,
    ): ...

    starts = [control.start for control in read(bare)]
    assert starts[:5] == [3, 2.0, False, "x", ""]
    assert starts[5] == TensorRecipe((4, 5))
    assert starts[6] == 0


def test_a_falling_range_is_the_same_as_a_rising_one():
    def falling(n: Annotated[int, range(9, 0, -2)]): ...

    assert read(falling) == (Whole("n", 1, 1, 9, 2),)


def test_an_annotation_that_cannot_be_resolved_costs_only_its_own_control():
    def odd(n: Annotated[int, range(3)] = 1, mystery: Nowhere = 4): ...  # noqa: F821

    assert [control.name for control in read(odd)] == ["n", "mystery"]
    assert named(odd)["mystery"] == Whole("mystery", 4)  # from its default


def test_the_example_tells_shape_dtype_and_numbers_of_an_unannotated_forward():
    class Model(nn.Module):
        def forward(self, x, mask: Tensor | None = None, scale=2.0, parts=None): ...

    example = (torch.tensor([1, 2, 300]), torch.ones(2, 2, dtype=torch.bool))
    controls = named(Model(), example)
    assert list(controls) == ["x", "mask", "scale"]  # parts is None, of any kind
    assert controls["x"].start == TensorRecipe(
        (3,), "int64", "numbers", high=9.0, numbers=(1, 2, 300)
    )
    assert controls["mask"].start.numbers == (1, 1, 1, 1)
    assert list(named(Model(), example[:1])) == ["x", "scale"]


def test_an_annotation_that_is_not_true_gives_way_to_the_example():
    def forward(x: float, limit: float = math.inf, count: Annotated[int, range(3)] = 9): ...

    controls = named(forward, (torch.ones(2),))
    assert controls["x"].start.shape == (2,)
    assert "limit" not in controls  # infinity is no number that a field could show
    assert controls["count"] == Whole("count", 9)


def test_a_large_or_unreadable_example_keeps_its_numbers_unwritten():
    def forward(x): ...

    for example in (torch.ones(EDITABLE + 1), torch.ones(2, device="meta")):
        control = read(forward, (example,))[0]
        assert control.start.fill == "given"
        assert control.fills[0] == "given"


@pytest.mark.parametrize(
    "function",
    [
        nn.Linear(2, 3),
        nn.Linear(2, 3).forward,
        lambda input: None,
        type("Callable", (), {"__call__": lambda self, input: None})(),
    ],
)
def test_modules_methods_functions_and_callables_are_read_alike(function):
    assert [control.name for control in read(function, (torch.ones(1, 2),))] == ["input"]


def test_annotations_are_resolved_where_the_function_was_written():
    class Annotated_:
        def __call__(self, length: Annotated[int, range(1, 13)] = 5): ...

    @functools.wraps(everything)
    def wrapped(*arguments, **named): ...

    expected = Whole("length", 5, 1, 12)
    assert read(Annotated_()) == (expected,)
    assert read(Annotated_().__call__) == (expected,)
    assert read(wrapped) == read(everything)
    assert "length" not in named(functools.partial(everything, 3))


def test_a_scripted_module_is_read_too():
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"`torch\.jit\.script` is deprecated")
        scripted = torch.jit.script(nn.Linear(2, 3))
    assert [control.name for control in read(scripted, (torch.ones(1, 2),))] == ["input"]


def test_a_function_with_any_number_of_arguments_has_no_controls():
    assert read(lambda *tensors, **options: None, (torch.ones(2),)) == ()


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (lambda switches: None, "no control. Annotate it"),
        (len, "`len` takes `obj`, for which there is no control"),
    ],
)
def test_a_parameter_without_control_default_and_example_is_named(function, says):
    with pytest.raises(InspectorError, match=says):
        read(function)


def test_a_start_outside_of_its_own_range_is_told_to_who_wrote_it():
    def outside(n: Annotated[int, range(3)] = 5): ...
    def wrong_type(n: Annotated[int, range(3)] = 1.5): ...  # type: ignore[assignment]
    def no_option(n: Literal["a"] = "b"): ...  # type: ignore[assignment]
    def empty(n: Annotated[int, range(0)] = 0): ...
    def boolean(n: int = True): ...

    for function, says in (
        (outside, "0 to 2, not 5. It starts there"),
        (wrong_type, "not of its type"),
        (no_option, "one of “a”, not “b”"),
        (empty, "no value to choose"),
        (boolean, "not of its type"),
    ):
        with pytest.raises(InspectorError, match=says):
            read(function)


def test_an_example_that_does_not_fit_is_told():
    with pytest.raises(InspectorError, match="too many positional arguments"):
        read(lambda x: None, (1, 2))


# -- values as text --------------------------------------------------------------------------------


def test_every_start_is_read_back_from_its_text():
    for control in read(everything):
        assert control.parse(control.written(control.start)) == control.start


@pytest.mark.parametrize(
    ("control", "good", "bad"),
    [
        (Whole("n", 1, 1, 12), {"7": 7, " +7 ": 7}, "0 13 1.0 1e1 seven ٣ 1_0 -".split()),
        (Whole("n", 0, 0, 10, 5), {"10": 10}, ["3"]),
        (Whole("n", 0), {"-99": -99}, ["9" * 30, ""]),
        (Real("x", 0.0, -1.0, 1.0), {"-1": -1.0, ".5": 0.5}, "1.01 nan inf x 1_0".split()),
        (Switch("s", True), {"on": True, "FALSE": False}, ["1", "yes", ""]),
        (Choice("c", 2, (1, 2)), {"1": 1}, ["3", "1.0", ""]),
        (Text("t", ""), {" as it is ": " as it is "}, ["x" * 2001]),
    ],
)
def test_text_is_read_strictly(control, good, bad):
    for text, value in good.items():
        assert control.parse(text) == value
        assert type(control.parse(text)) is type(value)
    for text in bad:
        with pytest.raises(InspectorError):
            control.parse(text)


def test_an_error_says_what_a_control_takes():
    with pytest.raises(InspectorError, match="`n` is 1 to 12, not 13"):
        Whole("n", 1, 1, 12).parse("13")
    with pytest.raises(InspectorError, match="one of 0, 5, 10 and so on, not 3"):
        Whole("n", 0, 0, 20, 5).parse("3")
    with pytest.raises(InspectorError, match="at least 2, not 1"):
        Whole("n", 2, low=2).parse("1")


FLOATS = TensorControl("x", TensorRecipe((2, 2)))


@pytest.mark.parametrize(
    ("text", "recipe"),
    [
        ("2x4~normal~3", TensorRecipe((2, 4), seed=3)),
        ("2~uniform~-1~1.5~3", TensorRecipe((2,), fill="uniform", low=-1.0, high=1.5, seed=3)),
        ("2~integers~-1~9~3", TensorRecipe((2,), fill="integers", low=-1, high=9, seed=3)),
        ("scalar~zeros", TensorRecipe((), fill="zeros")),
        ("0x3~numbers~", TensorRecipe((0, 3), fill="numbers")),
        ("2~numbers~1_nan", TensorRecipe((2,), fill="numbers", numbers=(1.0, math.nan))),
    ],
)
def test_a_recipe_is_written_and_read_back(text, recipe):
    assert FLOATS.parse(text) == recipe
    assert FLOATS.written(recipe) == text


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "a shape and how it is filled"),
        ("2x2", "a shape and how it is filled"),
        ("2x2~given", "a shape and how it is filled"),
        ("2xx2~zeros", "with an x between them"),
        ("-2~zeros", "with an x between them"),
        ("99999x99999~zeros", "9,999,800,001 numbers; 10,000,000 are the most"),
        ("0x99999x99999~zeros", "are the most"),
        ("1x1x1x1x1x1x1x1x1~zeros", "up to 8 sizes"),
        ("2~normal", "1 parts"),
        ("2~normal~-1", "a seed is a whole number"),
        ("2~normal~9999999999", "a seed is a whole number"),
        ("2~uniform~1~0~0", "from low to high"),
        ("2~uniform~0~nan~0", "from low to high"),
        ("2~integers~0.5~3~0", "whole numbers"),
        ("2~numbers~1", "has 2 numbers, not 1"),
        ("2~numbers~1_x", "“x” is no number"),
        ("65~numbers~1", "up to 64 can be written"),
    ],
)
def test_a_text_that_is_no_recipe_says_why(text, says):
    with pytest.raises(InspectorError, match=says):
        FLOATS.parse(text)


def test_what_a_dtype_cannot_hold_is_refused():
    booleans = TensorControl("m", TensorRecipe((2,), "bool", "zeros"))
    assert booleans.parse("2~numbers~0_1").numbers == (0, 1)
    assert "normal" not in booleans.fills
    for text in ("2~numbers~0_2", "2~integers~0~2~0", "2~normal~0"):
        with pytest.raises(InspectorError):
            booleans.parse(text)
    complex_ = TensorControl("c", TensorRecipe((2,), "complex64"))
    assert complex_.fills == ("normal", "zeros")


@pytest.mark.parametrize("text", ["2x4", " 2 × 4 ", "(2, 4)", "[2,4]", "2 4", "2*4"])
def test_shapes_are_read_as_people_write_them(text):
    assert parse_shape(text) == (2, 4)


@generated(
    some.lists(some.integers(0, 4), max_size=3),
    some.sampled_from(["normal", "uniform", "integers", "zeros", "numbers"]),
    some.integers(0, 999_999_999),
    some.lists(some.floats(width=32), min_size=64, max_size=64),
)
def test_any_recipe_survives_the_way_through_text(shape, fill, seed, numbers):
    size = math.prod(shape)
    start = TensorRecipe(tuple(shape))
    recipe = TensorRecipe(tuple(shape), fill=fill)
    if fill in ("normal", "uniform", "integers"):
        recipe = TensorRecipe(tuple(shape), fill=fill, seed=seed)
    if fill == "numbers":
        plain = tuple(math.nan if x != x else x for x in numbers[:size])
        recipe = TensorRecipe(tuple(shape), fill=fill, numbers=plain)
    control = TensorControl("x", start)
    assert control.parse(control.written(recipe)) == recipe


# -- sweeping --------------------------------------------------------------------------------------


def test_a_sweep_includes_its_stop():
    length = Whole("length", 5, 1, 12)
    assert spread(length) == tuple(range(1, 13))
    assert spread(length, "2", "8", "3") == (2, 5, 8)
    assert spread(length, "2", "9", "3") == (2, 5, 8)


def test_a_sweep_over_decimals_has_the_decimals_that_were_asked_for():
    assert spread(Real("x", 0.0, 0.0, 1.0), "0", "0.3", "0.1") == (0.0, 0.1, 0.2, 0.3)
    assert len(spread(Real("x", 0.0, 0.0, 1.0))) == 101


def test_switches_and_choices_give_all_values_and_tensors_all_seeds():
    assert spread(Switch("s", True)) == (False, True)
    assert spread(Choice("c", "a", ("a", "b"))) == ("a", "b")
    start = TensorRecipe((2,), fill="numbers", numbers=(1.0, 2.0))
    assert spread(TensorControl("x", start), "0", "1") == (
        TensorRecipe((2,), seed=0),
        TensorRecipe((2,), seed=1),
    )


@pytest.mark.parametrize(
    ("control", "texts", "says"),
    [
        (Text("t", ""), (), "no range to sweep over"),
        (Switch("s", True), ("0", "1"), "give no range"),
        (Whole("n", 0), (), "no bounds: say where"),
        (Whole("n", 0, 0, 9), ("5", "2"), "stops at 2, before 5"),
        (Whole("n", 0, 0, 9), ("0", "20"), "0 to 9, not 20"),
        (Whole("n", 0, 0, 9), ("0", "9", "0"), "above zero"),
        (Whole("n", 0, 0, 9), ("0", "9", "0.5"), "whole number"),
        (Whole("n", 0), ("0", "9999999"), "100,000 are the most"),
    ],
)
def test_a_sweep_that_makes_no_sense_says_why(control, texts, says):
    with pytest.raises(InspectorError, match=says):
        spread(control, *texts)


# -- tensors of recipes ----------------------------------------------------------------------------


def test_equal_recipes_give_equal_tensors_and_the_global_generator_does_not_move():
    before = torch.get_rng_state()
    for fill in ("normal", "uniform", "integers", "zeros"):
        recipe = TensorRecipe((3, 4), fill=fill, seed=7)
        assert torch.equal(tensor_of(recipe), tensor_of(recipe))
    assert torch.equal(torch.get_rng_state(), before)
    assert not torch.equal(tensor_of(TensorRecipe((3,))), tensor_of(TensorRecipe((3,), seed=1)))


def test_normal_numbers_are_those_of_torch_for_that_seed():
    expected = torch.randn(3, 4, generator=torch.Generator().manual_seed(7))
    assert torch.equal(tensor_of(TensorRecipe((3, 4), seed=7)), expected)


@pytest.mark.parametrize(
    "dtype", "float64 float32 float16 bfloat16 complex64 int64 uint8 bool float8_e5m2".split()
)
def test_each_dtype_is_filled_within_its_bounds(dtype):
    control = TensorControl("x", TensorRecipe((50,), dtype, "zeros"))
    for fill in control.fills:
        if fill in ("numbers", "given"):
            continue
        recipe = TensorRecipe((50,), dtype, fill, low=0, high=1)
        tensor = tensor_of(recipe)
        assert (tensor.shape, tensor.dtype) == ((50,), getattr(torch, dtype))
        if fill in ("uniform", "integers"):
            assert tensor.double().min() >= 0
            assert tensor.double().max() <= 1


def test_whole_numbers_include_both_ends():
    drawn = tensor_of(TensorRecipe((200,), "int64", "integers", low=-1, high=1))
    assert sorted(set(drawn.tolist())) == [-1, 0, 1]


def test_a_recipe_that_a_dtype_cannot_hold_says_so():
    with pytest.raises(InspectorError, match="0 to 255, not 0 to 300"):
        tensor_of(TensorRecipe((2,), "uint8", "integers", high=300))
    with pytest.raises(InspectorError, match="no dtype called float7"):
        tensor_of(TensorRecipe((2,), "float7"))
    with pytest.raises(InspectorError, match="no example"):
        tensor_of(TensorRecipe((2,), fill="given"))


# -- arguments of a run ----------------------------------------------------------------------------


def test_a_declaration_gets_tensors_for_recipes_and_all_else_as_it_is():
    values = {"length": 3, "x": TensorRecipe((2,), fill="zeros"), "text": "hello"}
    made = inputs_of(everything, values)
    assert (made[0], made[5]) == (3, "hello")
    assert torch.equal(made[6], torch.zeros(2))


def test_a_declaration_refuses_in_its_own_words():
    def picky(word: str) -> tuple[str]:
        raise ValueError("One word, please.")

    def broken(word: str) -> tuple[str]:
        raise IndexError("list index out of range")

    def no_tuple(word: str) -> str:
        return word

    with pytest.raises(InspectorError, match=r"^One word, please\.$"):
        inputs_of(picky, {"word": ""})
    with pytest.raises(InspectorError, match="IndexError: list index"):
        inputs_of(broken, {"word": ""})
    with pytest.raises(InspectorError, match="has to return a tuple"):
        inputs_of(no_tuple, {"word": ""})


def test_an_examples_arguments_are_kept_where_no_value_is_given():
    def forward(x, flags, scale=2.0): ...

    example = (torch.ones(100), [True, False])
    starts = {control.name: control.start for control in read(forward, example)}
    same = arguments_of(forward, example, starts)
    assert torch.equal(same[0], example[0])
    assert same[0] is not example[0]
    assert same[1:] == ([True, False], 2.0)
    changed = arguments_of(forward, example, {"x": TensorRecipe((3,), fill="zeros"), "scale": 1.0})
    assert torch.equal(changed[0], torch.zeros(3))
    assert changed[2] == 1.0


def test_a_files_tensors_take_the_place_of_the_tensors_made():
    def declared() -> tuple[Any, ...]:
        return torch.ones(2), True, torch.ones(2)

    one = inputs_of(declared, {FILE: csv("5,6")})
    assert torch.equal(one[0], torch.tensor([5.0, 6.0]))  # whole numbers, taken as float32
    assert one[1] is True
    assert torch.equal(one[2], torch.ones(2))


def test_a_files_tensors_are_made_afresh_each_time():
    (first,) = tensors_of(csv("5.5,6"))
    first.zero_()
    assert tensors_of(csv("5.5,6"))[0].tolist() == [[5.5, 6]]


def test_a_table_of_one_row_is_a_list_only_where_the_model_takes_a_list():
    def rows() -> tuple[Any, ...]:
        return (torch.ones(3, 2),)

    def numbers() -> tuple[Any, ...]:
        return (torch.ones(2),)

    for table, shape in (("5,6", (1, 2)), ("5\n6", (2, 1)), ("5,6\n7,8", (2, 2))):
        assert inputs_of(rows, {FILE: csv(table)})[0].shape == shape
    assert inputs_of(numbers, {FILE: csv("5,6")})[0].tolist() == [5, 6]
    assert inputs_of(numbers, {FILE: csv("5\n6")})[0].tolist() == [5, 6]
    assert inputs_of(numbers, {FILE: csv("5,6\n7,8")})[0].shape == (2, 2)


def test_fractions_in_a_file_never_become_whole_numbers():
    def declared() -> tuple[Any, ...]:
        return (torch.ones(2, dtype=torch.int64),)

    assert inputs_of(declared, {FILE: csv("5.0,6.0")})[0].dtype == torch.int64
    assert torch.equal(inputs_of(declared, {FILE: csv("5.5,6")})[0], torch.tensor([5.5, 6.0]))


def csv(text: str) -> Uploaded:
    return Uploaded("numbers.csv", text.encode())


def test_uploads_are_told_apart_by_their_content():
    assert csv("1,2") == csv("1,2")
    assert csv("1,2") != csv("1,3")
    assert "1,2" not in repr(csv("1,2"))
    assert csv("1,2").written.endswith("~numbers.csv")


def test_the_largest_tensor_allowed_is_as_documented():
    assert parse_shape(str(MOST_NUMBERS)) == (MOST_NUMBERS,)
    with pytest.raises(InspectorError):
        parse_shape(str(MOST_NUMBERS + 1))
