"""Search over everything that was recorded: words, prefixes, places, order, speed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from handmade import NAN, Program, failed

from inspector.errors import QuestionError
from inspector.records import (
    Decision,
    IRNode,
    Op,
    Overlay,
    Recording,
    Source,
    StaticGraph,
    TensorInfo,
)
from inspector.render.find import LONGEST, MOST, Finder, find, find_answer

LINE = Source("/home/ada/project/net.py", 27, 8, "forward")


def program() -> Recording:
    """x -> two blocks of (linear, relu) -> sum -> bool; the second relu makes a NaN.

    op 0 linear (block 0), op 1 relu (block 0), op 2 linear (block 1), op 3 relu (block 1),
    op 4 sum, op 5 bool.
    """
    p = Program()
    x = p.tensor(shape=(2, 3))
    weights = [p.tensor(f"blocks.{i}.fc.weight", shape=(3, 3)) for i in range(2)]
    root = p.call("", type="Net")
    for i in range(2):
        block = p.call(f"blocks.{i}", root, "Block")
        h = p.op("linear", x, weights[i], call=block, shape=(2, 3), source=LINE)
        x = p.op("relu", h, call=block, shape=(2, 3), summary=NAN if i else None)
    total = p.op("sum", x, call=root, shape=())
    p.read(total, True, call=root)
    p.grad("SumBackward0", 4, 1)
    p.grad("ReluBackward0", 3, 2)
    p.grad("AccumulateGrad", None, parameter="blocks.1.fc.weight", tensor=weights[1])
    return p.recording(meta={"input_names": [[0, "images"]]}, inputs=(0,))


def titles(recording: Recording, query: str, **more: Any) -> list[str]:
    return [f"{one['kind']} {one['title']}" for one in found(recording, query, **more)]


def found(recording: Recording, query: str, **more: Any) -> list[dict[str, Any]]:
    results: list[dict[str, Any]] = Finder(recording).find(query, **more)["results"]
    return results


def ops(recording: Recording, query: str) -> list[int]:
    """The ops that a query finds in the dynamic graph, by their ids."""
    results = found(recording, query, pane="dynamic")
    return [one["op"] for one in results if one["ref"].startswith("dynamic/op:")]


@pytest.fixture(scope="module")
def run() -> Recording:
    return program()


def test_results_come_in_the_order_of_the_run_with_inputs_before_their_first_use(
    run: Recording,
) -> None:
    assert titles(run, "2x3", pane="dynamic") == [
        "tensor images",
        "op linear",
        "op relu",
        "op linear",
        "op relu",
    ]


def test_all_words_must_match(run: Recording) -> None:
    assert ops(run, "relu") == [1, 3]
    assert ops(run, "relu blocks.1") == [3]
    assert ops(run, "RELU  Block") == [1, 3]
    assert ops(run, "relu blocks.1 sum") == []


def test_an_empty_query_finds_nothing(run: Recording) -> None:
    for query in ("", "   ", "op:", '""'):
        assert Finder(run).find(query)["total"] == 0


@pytest.mark.parametrize("query", ["3×3", "3x3", "(3, 3)", "(3,3)", "[3, 3]", "shape:3x3", "3X3"])
def test_a_shape_can_be_written_in_every_usual_way(run: Recording, query: str) -> None:
    assert titles(run, query, pane="dynamic") == [
        "parameter blocks.0.fc.weight",
        "parameter blocks.1.fc.weight",
    ]


def shaped(*shapes: tuple[int, ...]) -> Recording:
    p = Program()
    for shape in shapes:
        p.op("f", shape=shape)
    return p.recording()


def test_brackets_mean_the_whole_shape_and_a_cross_sizes_in_a_row() -> None:
    run = shaped((2, 3), (4, 2, 3), (12, 3), (2, 31), (3,), (), (2, 3, 5))
    assert ops(run, "(2, 3)") == [0]
    assert ops(run, "2x3") == [0, 1, 6]
    assert ops(run, "2x") == [0, 1, 3, 6]
    assert ops(run, "(3,)") == ops(run, "[3]") == [4]
    assert ops(run, "()") == ops(run, "scalar") == [5]
    assert ops(run, "shape:3") == [0, 1, 2, 4, 6]


def test_a_line_is_found_by_its_number_with_or_without_its_file(run: Recording) -> None:
    for query in (":27", "line:27", "net.py:27", "line:net.py:27", "project/net.py:27"):
        assert ops(run, query) == [0, 2], query
    for query in ("line:7", ":7", "t.py:27", "other.py:27"):
        assert ops(run, query) == [], query


def test_the_folders_of_a_file_do_not_match_a_plain_word(run: Recording) -> None:
    assert found(run, "project") == []
    assert ops(run, "net.py") == [0, 2]


def test_kinds_are_found_as_whole_words() -> None:
    p = Program()
    x = p.tensor()
    y = p.op("view", x, alias_of=x)
    z = p.op("relu_", y, overwrites=(y,))
    p.op("log", z, summary=NAN)
    p.read(z, False)
    p.op("crash", z)
    run = p.recording(failure=failed(4))
    assert ops(run, "kind:view") == [0]
    assert ops(run, "in-place") == ops(run, "inplace") == ops(run, "kind:in-place") == [1]
    assert ops(run, "nan") == ops(run, "kind:nan") == [2]
    assert ops(run, "kind:dec") == ops(run, "decision") == [3]
    assert ops(run, "failed") == [4]
    assert ops(run, "na") == []
    assert ops(run, "kind:op") == [0, 1, 2, 3, 4]


def test_a_prefix_looks_at_one_field_only() -> None:
    p = Program()
    root = p.call("", type="Net")
    inner = p.call("linear", root, "Sum")
    p.op("relu", call=inner)
    p.op("linear", call=root)
    run = p.recording()
    assert ops(run, "linear") == [0, 1]
    assert ops(run, "op:linear") == [1]
    assert ops(run, "module:linear") == [0]
    assert ops(run, "module:sum") == [0]
    assert ops(run, "name:linear") == []


def test_a_word_with_two_colons_is_no_prefix() -> None:
    nodes = (
        IRNode(0, "aten::linear", (), ("y",), None),
        IRNode(1, "op::linear", ("y",), ("z",), None),
    )
    static = StaticGraph("script", nodes, "")
    finder = Finder(Recording((), {}), static)
    assert [one["ref"] for one in finder.find("op::linear")["results"]] == ["static/ir:1"]
    assert [one["ref"] for one in finder.find("aten::")["results"]] == ["static/ir:0"]


def test_a_module_named_as_a_whole_leaves_those_out_that_only_begin_like_it() -> None:
    p = Program()
    root = p.call("", type="Net")
    for i in (1, 10, 11):
        p.op("relu", call=p.call(f"layers.{i}", root))
    run = p.recording()
    assert ops(run, "module:layers.1") == [0]
    assert ops(run, "module:layers.") == [0, 1, 2]
    assert ops(run, "layers.10") == [1]


def test_a_tensor_is_found_by_its_number(run: Recording) -> None:
    by_number = {tensor: titles(run, f"%{tensor}") for tensor in run.tensors}
    assert by_number[0] == ["tensor images"]
    assert by_number[1] == ["parameter blocks.0.fc.weight"]
    assert by_number[3] == ["op linear"]
    assert found(run, "%99") == []


def test_names_are_those_of_variables_inputs_and_parameters() -> None:
    p = Program()
    x = p.tensor()
    y = p.op("relu", x)
    p.tensors[y] = TensorInfo(**{**_fields(p.tensors[y]), "variable": "logits"})
    p.op("exp", y)
    run = p.recording(inputs=(0,), meta={"input_names": [[0, "pixels"]]})
    assert ops(run, "name:logits") == ops(run, "logits") == [0]
    assert titles(run, "pixels") == ["tensor pixels"]


def _fields(tensor: TensorInfo) -> dict[str, Any]:
    return {name: getattr(tensor, name) for name in tensor.__slots__}


def test_a_result_says_where_it_is_drawn_and_which_boxes_are_around_it(run: Recording) -> None:
    (relu,) = (one for one in found(run, "relu blocks.1") if one["ref"] == "dynamic/op:3")
    assert relu["boxes"] == ["call:2"]
    assert (relu["shape"], relu["module"], relu["grad"]) == ("2×3", "blocks.1", None)
    grads = found(run, "relu", pane="backward")
    assert [(one["ref"], one["boxes"], one["grad"]) for one in grads] == [
        ("backward/grad:1", ["call:2"], 1)
    ]


def test_a_parameter_is_shown_at_its_first_use(run: Recording) -> None:
    (weight,) = found(run, "blocks.1.fc.weight", pane="dynamic")
    assert weight["ref"] == "dynamic/parameters:2"
    assert weight["boxes"] == ["call:2"]


def test_an_accumulated_gradient_lies_in_the_boxes_of_the_op_that_uses_the_leaf(
    run: Recording,
) -> None:
    (leaf,) = found(run, "kind:accumulate")
    assert leaf["name"] == "blocks.1.fc.weight"
    assert leaf["boxes"] == ["call:2"]


def test_an_input_that_is_used_often_is_shown_beside_its_first_use() -> None:
    p = Program()
    x = p.tensor()
    for _ in range(4):
        p.op("relu", x)
    (tensor,) = found(p.recording(inputs=(0,)), "kind:input")
    assert tensor["ref"] == "dynamic/tensor:0@op:0"


def test_the_nodes_of_a_block_of_the_ir_name_its_box() -> None:
    nodes = (
        IRNode(0, "prim::If", ("c",), ("y",), None, blocks=2),
        IRNode(1, "aten::relu", ("x",), ("a",), (0, 0), module_path="act"),
        IRNode(2, "aten::tanh", ("x",), ("b",), (0, 1)),
    )
    static = StaticGraph("script", nodes, "")
    overlay = Overlay({0: 1, 1: 1, 2: 0}, {0: (0,)}, {}, {})
    finder = Finder(Recording((), {}), static, overlay)
    (relu,) = finder.find("module:act")["results"]
    assert (relu["ref"], relu["boxes"]) == ("static/ir:1", ["ir:0/0"])
    assert [one["ref"] for one in finder.find("kind:skipped")["results"]] == ["static/ir:2"]
    assert [one["ref"] for one in finder.find("kind:branch")["results"]] == ["static/ir:0"]


def test_a_size_that_was_read_is_found_between_the_ops() -> None:
    p = Program()
    x = p.tensor(shape=(7, 2))
    p.op("relu", x)
    p.decisions.append(Decision(0, None, x, 7, "shape", LINE, before_op=1))
    p.op("exp", x)
    run = p.recording(inputs=(0,))
    assert titles(run, "kind:decision") == ["decision shape = 7"]
    everything = [one["ref"] for one in found(run, "kind:", pane="dynamic")]
    assert everything == []
    refs = [one["ref"] for one in found(run, "py", pane="dynamic")]
    assert refs == ["dynamic/op:0", "dynamic/decision:0", "dynamic/op:1"]


def test_pages_of_results_together_are_all_results() -> None:
    run = shaped(*[(2,)] * 25)
    finder = Finder(run)
    pages = [finder.find("[2]", limit=10, offset=start) for start in (0, 10, 20, 30)]
    assert [page["total"] for page in pages] == [25] * 4
    assert [one["op"] for page in pages for one in page["results"]] == list(range(25))
    assert len(finder.find("[2]", limit=10**9)["results"]) <= MOST
    assert find(run, None, "[2]", 3)["results"] == pages[0]["results"][:3]


@pytest.mark.parametrize("query", ['<script>"', "a'b", "🙂", "(", "[2", "*", "\\", "%", "x" * 900])
def test_no_query_can_break_the_search(run: Recording, query: str) -> None:
    assert Finder(run).find(query)["results"] == []


def test_what_a_browser_asks_is_checked(run: Recording) -> None:
    finder = Finder(run)
    assert find_answer(finder, {"q": "relu", "pane": "dynamic", "limit": "1"})["total"] == 2
    assert find_answer(finder, {})["total"] == 0
    with pytest.raises(QuestionError, match="1,001"):
        find_answer(finder, {"q": "x" * (LONGEST + 1)})
    with pytest.raises(QuestionError, match="whole number"):
        find_answer(finder, {"q": "x", "limit": "many"})


def test_every_op_is_found_by_its_own_name_shape_line_and_module() -> None:
    """An oracle: the fields that a result shows find it again, and nothing that lacks them."""
    run = program()
    finder = Finder(run)
    for op in run.ops:
        (shape, line) = (run.tensors[(op.outputs or op.inputs)[0]].shape, op.source)
        assert line is not None
        query = f"op:{op.name} shape:({', '.join(map(str, shape))}) line:{line.line}"
        expected = [
            other.id
            for other in run.ops
            if op.name in f"{other.name} {other.function}"
            and run.tensors[(other.outputs or other.inputs)[0]].shape == shape
            and other.source is not None
            and other.source.line == line.line
        ]
        results = finder.find(query, pane="dynamic")["results"]
        assert [one["op"] for one in results] == expected


def many(count: int) -> Iterator[Op]:
    for number in range(count):
        source = Source("model.py", number % 40, 0, "forward")
        yield Op(number, f"op{number % 9}", "torch.f", (number,), (number + 1,), source=source)


def test_100000_ops_are_indexed_and_searched_quickly() -> None:
    count = 100_000
    about = {"dtype": "float32", "device": "cpu", "requires_grad": False, "is_leaf": False}
    tensors = {
        number: TensorInfo(
            number, (2, number % 7), producer=number - 1 if number else None, **about
        )  # type: ignore[arg-type]
        for number in range(count + 1)
    }
    run = Recording(tuple(many(count)), tensors)
    start = time.process_time()
    finder = Finder(run)
    built = time.process_time() - start
    finder.find("op:op1")  # the first one also learns where ops are drawn
    start = time.process_time()
    total = finder.find("op:op3 2x4 line:3")["total"]
    asked = time.process_time() - start
    expected = sum(
        op.name == "op3" and tensors[op.outputs[0]].shape == (2, 4) and op.id % 40 == 3
        for op in run.ops
    )
    assert total == expected > 0
    assert built < 3.0  # 0.6 s on a free machine
    assert asked < 0.15  # 3 ms on a free machine


LOOP = "for i in range(n):\n    x = g(f(x))\n"


def looped(ops: int) -> Recording:
    """Twelve trips of so many ops."""
    p = Program()
    x = p.tensor()
    for _ in range(12):
        for column in range(ops):
            place = Source("net.py", 2, (10, 8)[column], "run", 2, (14, 15)[column])
            x = p.op(("exp", "log")[column], x, source=place, stack=(place,))
    return p.recording(inputs=(0,), sources={"net.py": LOOP})


@pytest.mark.parametrize("query", ["trip 7", "trip:7"])
def test_a_trip_is_found_by_its_number(query: str) -> None:
    (one,) = found(looped(2), query)
    assert (one["kind"], one["title"], one["name"]) == ("trip", "trip 7", "for i in range(n)")
    assert (one["line"], one["ref"]) == ("net.py:1 · 2 ops", "dynamic/trip:0/6")
    assert one["boxes"] == ["loop:0"]


def test_words_beside_a_trip_find_what_ran_in_it() -> None:
    (one,) = found(looped(2), "trip 7 log")
    assert (one["op"], one["line"]) == (13, "net.py:2 · trip 7 · op 13")  # 6 × 2 ops before, exp


def test_a_trip_of_one_op_is_that_op() -> None:
    assert ops(looped(1), "trip:7") == [6]
    assert found(looped(1), "trip:13") == found(looped(1), "trip:x") == []
    assert found(looped(1), "trip:7", pane="backward") == []


def test_equal_ops_of_a_loop_are_told_apart() -> None:
    lines = [one["line"] for one in found(looped(2), "op:exp", limit=2)]
    assert lines == ["net.py:2 · trip 1 · op 0", "net.py:2 · trip 2 · op 2"]
