"""Layout box by box: what stays where it is, what is drawn once, and what `dot` cannot draw."""

from __future__ import annotations

import itertools
import os
import random
import stat
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspector.errors import RenderError
from inspector.render import dotjob, drawer, pool
from inspector.render.dot import to_dot
from inspector.render.lanes import ARROW
from inspector.render.layered import layered, layers
from inspector.render.layout import Cancelled, EdgePath, Layout, Point, Rect, layout
from inspector.render.measure import title_widths
from inspector.render.memory import Memory
from inspector.render.piece import BORDER, Child, Job, Wire
from inspector.render.pool import Pool
from inspector.render.process import find_graphviz
from inspector.views.model import GraphView, ViewBox, ViewEdge, ViewNode


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("INSPECTOR_DOT", raising=False)
    drawer.MEMORY.clear()


@pytest.fixture
def drawn_texts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What Graphviz is given."""
    texts: list[str] = []
    draw = Pool.draw

    def noted(self: Pool, jobs: list[str]) -> list[pool.Answer]:
        texts.extend(jobs)
        return draw(self, jobs)

    monkeypatch.setattr(Pool, "draw", noted)
    return texts


def ops(*ids: str, box: str | None = None) -> list[ViewNode]:
    return [ViewNode(id, "op", id, box=box) for id in ids]


def graph(
    nodes: list[ViewNode], edges: list[tuple[str, str]], *boxes: ViewBox, **more: object
) -> GraphView:
    made = tuple(ViewEdge(source, target) for source, target in edges)
    return GraphView("g", tuple(nodes), made, boxes, **more)  # type: ignore[arg-type]


def chained(count: int) -> GraphView:
    names = [f"n{i}" for i in range(count)]
    return graph(ops(*names), list(itertools.pairwise(names)))


def blocks(count: int, *, opened: bool = True) -> GraphView:
    """x, then `count` equal blocks of three ops with a shortcut, one after the other."""
    nodes, edges, last = ops("x"), [], "x"
    for i in range(count):
        a, b, c = (f"{i}.{name}" for name in ("norm", "linear", "add"))
        nodes += [ViewNode(id, "op", id.partition(".")[2], box=f"block{i}") for id in (a, b, c)]
        edges += [(last, a), (a, b), (b, c), (last, c)]
        last = c
    boxes = [ViewBox(f"block{i}", "block") for i in range(count)]
    view = graph(nodes, edges, *boxes)
    return view if opened else closed(view, *(box.id for box in boxes))


def closed(view: GraphView, *boxes: str) -> GraphView:
    """The view with boxes (that have none inside) closed."""
    stands = {node.id: node.box for node in view.nodes if node.box in boxes}
    nodes = [node for node in view.nodes if node.id not in stands]
    nodes += [ViewNode(box, "box", box) for box in boxes]
    ends = dict.fromkeys(
        (stands.get(edge.source) or edge.source, stands.get(edge.target) or edge.target)
        for edge in view.edges
    )
    left = [box for box in view.boxes if box.id not in boxes]
    return graph(nodes, [(s, t) for s, t in ends if s != t], *left)


def inner(drawn: Layout, view: GraphView, box: str) -> dict[str, tuple[float, float]]:
    """Where a box's nodes are, from the box's own corner."""
    corner = drawn.boxes[box]
    return {
        node.id.partition(".")[2]: (
            round(drawn.nodes[node.id].x - corner.x, 6),
            round(drawn.nodes[node.id].y - corner.y, 6),
        )
        for node in view.nodes
        if node.box == box
    }


def overlap(a: Rect, b: Rect) -> bool:
    return (
        a.x < b.x + b.w - 0.01 and b.x < a.x + a.w - 0.01
        and a.y < b.y + b.h - 0.01 and b.y < a.y + a.h - 0.01
    )  # fmt: skip


def within(item: Rect, around: Rect, slack: float = 0.01) -> bool:
    return (
        around.x <= item.x + slack
        and around.y <= item.y + slack
        and item.x + item.w <= around.x + around.w + slack
        and item.y + item.h <= around.y + around.h + slack
    )


def on_curve(path: EdgePath) -> Iterator[Point]:
    """Points of a path, 8 to a curve (Bernstein's form)."""
    for start in range(0, len(path.points) - 1, 3):
        p = path.points[start : start + 4]
        for step in range(9):
            t = step / 8
            weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3)
            yield Point(
                sum(w * point.x for w, point in zip(weights, p, strict=True)),
                sum(w * point.y for w, point in zip(weights, p, strict=True)),
            )


def path_of(drawn: Layout, source: str, target: str) -> EdgePath:
    (path,) = (p for p in drawn.edges if (p.source, p.target) == (source, target))
    return path


# Once, and always the same


def test_equal_boxes_are_laid_out_once_and_look_alike(drawn_texts: list[str]) -> None:
    view = blocks(20)
    drawn = layout(view)
    assert len(drawn_texts) == 3  # a block, the last one (nothing leaves it), and the whole
    first = inner(drawn, view, "block0")
    assert len(first) == 3
    assert all(inner(drawn, view, f"block{i}") == first for i in range(19))


def test_closing_a_box_leaves_the_inside_of_all_others_as_it_was() -> None:
    view = blocks(5)
    fewer = closed(view, "block2")
    before, after = layout(view), layout(fewer)
    assert set(after.boxes) == {"block0", "block1", "block3", "block4"}
    for box in after.boxes:
        assert inner(after, fewer, box) == inner(before, view, box)
        assert (after.boxes[box].w, after.boxes[box].h) == (
            before.boxes[box].w,
            before.boxes[box].h,
        )


def test_opening_a_box_has_graphviz_draw_that_box_and_those_around_it(
    drawn_texts: list[str],
) -> None:
    view = blocks(6)
    around = tuple(replace(box, parent=f"half{int(box.id[5:]) // 3}") for box in view.boxes)
    halves = (ViewBox("half0", "half"), ViewBox("half1", "half"))
    nodes = tuple(
        replace(node, kind="decision" if node.id == "5.linear" else "op") for node in view.nodes
    )
    opened = replace(view, nodes=nodes, boxes=(*halves, *around))
    shut = replace(closed(replace(view, nodes=nodes), "block5"), boxes=(*halves, *around[:5]))
    shut_nodes = (*shut.nodes[:-1], replace(shut.nodes[-1], box="half1"))
    layout(replace(shut, nodes=shut_nodes))
    drawn_texts.clear()
    layout(opened)
    assert len(drawn_texts) == 3  # block5, which is like no other, half1 around it, the whole


def test_unconnected_pieces_are_remembered_apart(drawn_texts: list[str]) -> None:
    pairs = [graph(ops(f"a{i}", f"b{i}"), [(f"a{i}", f"b{i}")]) for i in range(9)]
    nodes = [node for pair in pairs for node in pair.nodes]
    edges = [(edge.source, edge.target) for pair in pairs for edge in pair.edges]
    layout(graph(nodes, edges))
    assert len(drawn_texts) == 1


def test_what_was_not_used_for_longest_is_forgotten_first() -> None:
    memory: Memory[str, int] = Memory(10, lambda weight: weight)
    memory.put("a", 4)
    memory.put("b", 4)
    assert memory.get("a") == 4
    memory.put("c", 4)
    assert [memory.get(key) for key in "abc"] == [4, None, 4]
    memory.put("too big alone", 99)
    assert memory.get("too big alone") == 99
    assert memory.get("a") is None


# Across borders


def test_an_edge_from_outside_goes_through_the_border_to_the_very_node() -> None:
    view = graph(
        [*ops("x"), *ops("other", box="in"), *ops("user", box="in"), *ops("end")],
        [("x", "user"), ("other", "user"), ("user", "end")],
        ViewBox("out", "out"),
        ViewBox("in", "in", "out"),
    )
    drawn = layout(view)
    x, user, end = drawn.nodes["x"], drawn.nodes["user"], drawn.nodes["end"]
    for box in ("out", "in"):
        coming, going = path_of(drawn, "x", "user"), path_of(drawn, "user", "end")
        top, bottom = drawn.boxes[box].y, drawn.boxes[box].y + drawn.boxes[box].h
        assert min(p.y for p in on_curve(coming)) < top < max(p.y for p in on_curve(coming))
        assert min(p.y for p in on_curve(going)) < bottom < max(p.y for p in on_curve(going))
    path = path_of(drawn, "x", "user")
    assert path.points[0].y == pytest.approx(x.y + x.h, abs=2)
    assert user.x <= path.points[-1].x <= user.x + user.w
    assert 2 <= user.y - path.points[-1].y <= ARROW + 2
    assert path_of(drawn, "user", "end").points[-1].y == pytest.approx(end.y - ARROW, abs=2)


def test_a_path_is_one_chain_of_curves_without_a_gap() -> None:
    drawn = layout(blocks(3))
    for path in drawn.edges:
        assert len(path.points) % 3 == 1
        steps = itertools.pairwise(on_curve(path))
        assert all(abs(a.x - b.x) + abs(a.y - b.y) < 200 for a, b in steps)


def test_a_value_comes_into_a_box_once_and_has_its_label_once() -> None:
    users = [f"u{i}" for i in range(5)]
    edges = tuple(ViewEdge("x", user, "2×3") for user in users)
    view = GraphView("g", (*ops("x"), *ops(*users, box="b")), edges, (ViewBox("b", "b"),))
    drawn = layout(view)
    top = drawn.boxes["b"].y
    crossings = {
        round(a.x, 3)
        for path in drawn.edges
        for a, b in itertools.pairwise(on_curve(path))
        if a.y <= top < b.y
    }
    assert len(crossings) == 1
    assert sum(path.label is not None for path in drawn.edges) == 1
    assert drawn.nodes["x"].y < next(p.label for p in drawn.edges if p.label).y < top


def test_values_that_the_same_nodes_use_come_in_together_with_a_label_each() -> None:
    edges = (ViewEdge("x", "u", "2×3"), ViewEdge("y", "u", "4×5"), ViewEdge("y", "v", "4×5"))
    view = GraphView("g", (*ops("x", "y"), *ops("u", "v", box="b")), edges, (ViewBox("b", "b"),))
    drawn = layout(view)
    assert [path.label is not None for path in drawn.edges] == [True, True, False]
    only_u = GraphView("g", view.nodes, edges[:2], view.boxes)
    top = layout(only_u).boxes["b"].y
    ends = {round(next(p.x for p in on_curve(path) if p.y >= top)) for path in layout(only_u).edges}
    assert len(ends) == 1


@pytest.mark.parametrize("width", ["a", "a longer title than its content"])
def test_an_edge_that_enters_does_not_cross_the_title(width: str) -> None:
    box = ViewBox("b", width, subtitle="Block")
    view = graph(
        [*ops("x"), *ops("a", "c", "d", box="b")], [("x", "a"), ("a", "c"), ("x", "d")], box
    )
    drawn = layout(view)
    rect = drawn.boxes["b"]
    left, right = title_widths(box)
    for path in drawn.edges:
        for point in on_curve(path):
            if rect.y + 6 < point.y < rect.y + 22 and path.source == "x":
                assert rect.x + left - 1 <= point.x <= rect.x + rect.w - right + 1


# Directions and ranks


@pytest.mark.parametrize("direction", ["TB", "BT", "LR", "RL"])
def test_every_direction_keeps_boxes_around_their_nodes_and_titles_on_top(direction: str) -> None:
    view = replace(blocks(3), direction=direction)
    drawn = layout(view)
    order = [drawn.nodes[id] for id in ("x", "0.norm", "0.linear", "0.add", "1.norm")]
    along = [rect.y if direction in ("TB", "BT") else rect.x for rect in order]
    assert along == sorted(along, reverse=direction in ("BT", "RL"))
    for node in view.nodes:
        if node.box:
            assert within(drawn.nodes[node.id], drawn.boxes[node.box])
            assert drawn.nodes[node.id].y - drawn.boxes[node.box].y >= 24
    picture = Rect(0, 0, drawn.width, drawn.height)
    assert all(within(rect, picture) for rect in [*drawn.nodes.values(), *drawn.boxes.values()])
    for path in drawn.edges:
        for point in path.points:
            assert -1 <= point.x <= drawn.width + 1
            assert -1 <= point.y <= drawn.height + 1


def twins(count: int) -> GraphView:
    """A chain of ops, beside each its autograd node; gradients flow upwards."""
    nodes, edges = [], []
    for i in range(count):
        nodes += [ViewNode(f"f{i}", "op", "mul"), ViewNode(f"g{i}", "grad", "Mul")]
        edges.append(ViewEdge(f"f{i}", f"g{i}", kind="control"))
        if i:
            edges.append(ViewEdge(f"f{i - 1}", f"f{i}", "2×3"))
            edges.append(ViewEdge(f"g{i - 1}", f"g{i}", "2×3", kind="grad", up=True))
    ranks = tuple((f"f{i}", f"g{i}") for i in range(count))
    return GraphView("twins", tuple(nodes), tuple(edges), ranks=ranks)


def test_twins_stand_side_by_side_and_gradients_point_upwards() -> None:
    drawn = layout(twins(5))
    middles = [rect.y + rect.h / 2 for rect in drawn.nodes.values()]
    for i in range(5):
        assert middles[2 * i] == pytest.approx(middles[2 * i + 1], abs=0.6)
    assert middles == sorted(middles)
    path = path_of(drawn, "g0", "g1")
    above, below = drawn.nodes["g0"], drawn.nodes["g1"]
    # The arrowhead is at g0: there the curve begins an arrow's length away.
    assert path.points[0].y - (above.y + above.h) == pytest.approx(ARROW, abs=2)
    assert path.points[-1].y == pytest.approx(below.y, abs=2)


def test_300_twins_are_drawn_by_graphviz_in_no_time() -> None:
    drawn = layout(twins(300))
    assert drawn.notes == ()
    assert len(drawn.nodes) == 600
    assert drawn.width < 1000


def test_a_group_of_another_box_or_of_unknown_nodes_does_no_harm() -> None:
    view = replace(blocks(2), ranks=(("0.norm", "1.norm"), ("nobody", "x"), (), ("x", "x")))
    assert layout(view).nodes == layout(blocks(2)).nodes
    assert "rank=same" not in to_dot(view)


# What dot cannot draw


def test_20000_ops_in_a_row_are_one_column() -> None:
    view = chained(20_000)
    drawn = layout(view)
    ys = [drawn.nodes[node.id].y for node in view.nodes]
    assert ys == sorted(ys)
    assert drawn.width < 200
    assert len(drawn.edges) == 19_999


def grid_of(drawn: Layout, names: list[str]) -> tuple[int, int]:
    """How many (columns, rows) nodes stand in, at most."""
    rows: dict[float, int] = {}
    for name in names:
        y = round(drawn.nodes[name].y + drawn.nodes[name].h / 2)
        rows[y] = rows.get(y, 0) + 1
    return max(rows.values()), len(rows)


def test_2000_siblings_fill_rows_in_their_order() -> None:
    names = [f"n{i}" for i in range(2000)]
    drawn = layout(graph(ops(*names), []))
    columns, rows = grid_of(drawn, names)
    assert columns * rows < 2200
    assert drawn.width < 3 * drawn.height < 9 * drawn.width
    places = [(round(drawn.nodes[n].y), drawn.nodes[n].x) for n in names]
    assert places == sorted(places)


def test_an_op_with_2000_inputs_has_them_above_it_in_rows() -> None:
    names = [f"n{i}" for i in range(2000)]
    drawn = layout(graph(ops(*names, "op"), [(name, "op") for name in names]))
    op = drawn.nodes["op"]
    assert all(drawn.nodes[name].y + drawn.nodes[name].h < op.y for name in names)
    assert drawn.width < 3000
    for path in drawn.edges:
        assert op.x <= path.points[-1].x <= op.x + op.w
        assert 2 <= op.y - path.points[-1].y <= ARROW + 2


def test_a_lane_crosses_no_node() -> None:
    names = [f"n{i}" for i in range(300)]
    drawn = layout(graph(ops(*names, "op"), [(name, "op") for name in names]))
    rects = sorted(drawn.nodes.items(), key=lambda item: item[1].y)
    for path in drawn.edges[::17]:
        for point in on_curve(path):
            for name, r in rects:
                inside = r.x < point.x < r.x + r.w and r.y + 1 < point.y < r.y + r.h - 1
                assert not inside or name in (path.source, path.target)


@pytest.mark.parametrize("steps", [100, 300])
def test_a_mask_that_feeds_every_step_takes_no_minutes(steps: int) -> None:
    """`dot` alone needs over 20 s for 100 steps."""
    view = chained(steps)
    mask = tuple(ViewEdge("mask", node.id) for node in view.nodes)
    view = replace(view, nodes=(*ops("mask"), *view.nodes), edges=(*view.edges, *mask))
    drawn = layout(view)
    assert drawn.notes == ()
    assert len(drawn.edges) == 2 * steps - 1
    ys = [drawn.nodes[node.id].y for node in view.nodes[1:]]
    assert ys == sorted(ys)
    assert drawn.width < 1500


@pytest.mark.parametrize("seed", range(3))
def test_300_ops_that_read_any_earlier_ones_are_drawn_in_time(seed: int) -> None:
    chance = random.Random(seed)
    names = [f"n{i}" for i in range(300)]
    edges = [(names[chance.randrange(i)], names[i]) for i in range(1, 300) for _ in range(2)]
    assert layout(graph(ops(*names), edges)).notes == ()


def test_a_chain_of_boxes_does_not_drift_sideways() -> None:
    drawn = layout(blocks(60))
    lefts = [drawn.boxes[f"block{i}"].x for i in range(60)]
    assert max(lefts) - min(lefts) < 20


def test_cycles_are_drawn() -> None:
    names = [f"n{i}" for i in range(1500)]  # too many for dot
    for view in (
        graph(ops("a", "b", "c"), [("a", "b"), ("b", "c"), ("c", "a"), ("b", "a")]),
        graph(ops(*names), [*itertools.pairwise(names), (names[-1], names[0])]),
    ):
        drawn = layout(view)
        assert len(drawn.edges) == len(view.edges)
        rects = list(drawn.nodes.values())
        assert not any(overlap(a, b) for a, b in itertools.pairwise(rects))


# Our own layout


def job_of(edges: list[tuple[int, int]], count: int, ins: int = 0, outs: int = 0) -> Job:
    wires = [Wire(a, -1, b, -1, "head") for a, b in edges]
    wires += [Wire(BORDER, port, port % count, -1, "head") for port in range(ins)]
    wires += [Wire(count - 1 - port % count, -1, BORDER, port) for port in range(outs)]
    sizes = itertools.cycle([(60.0, 30.0), (110.0, 45.0), (84.0, 80.0)])
    children = tuple(Child(*next(sizes)) for _ in range(count))
    return Job(children, tuple(wires), ins, outs)


jobs = st.integers(1, 14).flatmap(
    lambda count: st.builds(
        job_of,
        st.lists(
            st.tuples(st.integers(0, count - 1), st.integers(0, count - 1)).filter(
                lambda ends: ends[0] != ends[1]
            ),
            max_size=30,
        ),
        st.just(count),
        st.integers(0, 3),
        st.integers(0, 3),
    )
)


@given(jobs)
@settings(max_examples=150, deadline=None)
def test_our_own_layout_overlaps_nothing_and_leaves_nothing_out(job: Job) -> None:
    drawing = layered(job)
    rects = [
        Rect(x - child.w / 2, y - child.h / 2, child.w, child.h)
        for (x, y), child in zip(drawing.centres, job.children, strict=True)
    ]
    assert not any(overlap(a, b) for a, b in itertools.combinations(rects, 2))
    assert all(within(rect, Rect(0, 0, drawing.w, drawing.h)) for rect in rects)
    assert (len(drawing.ins), len(drawing.outs)) == (job.ins, job.outs)
    for wire, course in zip(job.wires, drawing.courses, strict=True):
        assert len(course.points) % 3 == 1 < len(course.points)
        start, end = course.points[0], course.points[-1]
        if wire.tail == BORDER:
            assert start == (drawing.ins[wire.tail_port], 0.0)
        if wire.head == BORDER:
            assert end == (drawing.outs[wire.head_port], drawing.h)
        else:
            assert rects[wire.head].y - end[1] == pytest.approx(ARROW)


@given(jobs)
@settings(max_examples=150, deadline=None)
def test_layers_are_longest_paths_where_there_is_no_cycle(job: Job) -> None:
    acyclic = [w for w in job.wires if w.tail == BORDER or w.head == BORDER or w.tail < w.head]
    job = job._replace(wires=tuple(acyclic))
    found = layers(job)
    longest = [0] * len(job.children)  # children are in topological order: by hand
    for child in range(len(job.children)):
        above = [w.tail for w in acyclic if w.head == child and w.tail != BORDER]
        longest[child] = max((longest[other] + 1 for other in above), default=0)
        if above:
            assert found[child] == longest[child]
    for wire in acyclic:
        if BORDER not in (wire.tail, wire.head):
            assert found[wire.tail] < found[wire.head]


@given(jobs)
@settings(max_examples=40, deadline=None)
def test_graphviz_and_we_agree_on_what_a_drawing_is(job: Job) -> None:
    with Pool(find_graphviz(), 20.0) as graphviz:
        (drawing,) = drawer.Drawer(graphviz).draw([job]).values()
    assert len(drawing.centres) == len(job.children)
    assert all(len(course.points) >= 4 for course in drawing.courses)
    for (x, y), child in zip(drawing.centres, job.children, strict=True):
        rect = Rect(x - child.w / 2, y - child.h / 2, child.w, child.h)
        assert within(rect, Rect(0, 0, drawing.w, drawing.h), 1.5)


# Trouble


@pytest.fixture
def picky_dot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Make INSPECTOR_DOT a program that draws, but does `act` where a node is 300 px wide."""

    def make(act: str) -> None:
        script = tmp_path / "picky dot"
        script.write_text(
            f"""#!{sys.executable}
import os, signal, sys, time, pygraphviz
for text in sys.stdin.read().split("digraph {{")[1:]:
    if "width=4.1667" in text:
        {act}
    drawn = pygraphviz.AGraph(string="digraph {{" + text).draw(format="json0", prog="dot")
    sys.stdout.buffer.write(drawn)
    sys.stdout.buffer.flush()
"""
        )
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("INSPECTOR_DOT", str(script))

    return make


def difficult(monkeypatch: pytest.MonkeyPatch) -> GraphView:
    """Three boxes of two ops; the second has a node 300 px wide."""
    boxes = [ViewBox(f"b{i}", "b" * (i + 1)) for i in range(3)]
    nodes = [node for i in range(3) for node in ops(f"{i}.a", f"{i}.b" + "b" * i, box=f"b{i}")]
    real = drawer.dot_text

    def widened(job: Job, without: frozenset[int]) -> str:
        text = real(job, without)
        return text.replace("width=0.8333", "width=4.1667", 1) if job in second else text

    second: list[Job] = []
    layer = drawer.split

    def noted(job: Job) -> list[object]:
        if len(job.children) == 2 and not job.outs and job.ins:
            second.append(job)
        return layer(job)  # type: ignore[return-value]

    monkeypatch.setattr(drawer, "dot_text", widened)
    monkeypatch.setattr(drawer, "split", noted)
    edges = [(a.id, b.id) for a, b in itertools.pairwise(nodes)]
    return graph(nodes, edges, *boxes)


@pytest.mark.parametrize(
    ("act", "word"),
    [("time.sleep(60)", "took too long"), ("os.kill(os.getpid(), signal.SIGSEGV)", "crashed")],
)
def test_a_box_that_graphviz_cannot_draw_costs_that_box_only(
    picky_dot: Callable[[str], None], monkeypatch: pytest.MonkeyPatch, act: str, word: str
) -> None:
    monkeypatch.setattr(pool, "JOB_SECONDS", 2.0)
    view = difficult(monkeypatch)
    good = layout(view)
    drawer.MEMORY.clear()
    picky_dot(act)
    drawn = layout(view)
    assert set(drawn.nodes) == {node.id for node in view.nodes}
    (note,) = drawn.notes
    assert note.startswith("1 part of this picture is laid out more simply")
    assert word in note
    for box in ("b0", "b1"):
        assert inner(drawn, view, box) == inner(good, view, box)
    assert layout(view).notes == (), "what could not be drawn is not tried again and again"


def test_a_picture_that_nobody_waits_for_any_more_ends(
    picky_dot: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    picky_dot("time.sleep(60)")
    view = difficult(monkeypatch)
    asked: list[int] = []

    def cancelled() -> bool:
        asked.append(1)
        return len(asked) > 8

    with pytest.raises(Cancelled) as caught:
        layout(view, 50.0, cancelled)
    assert isinstance(caught.value, RenderError)
    assert len(asked) == 9


def test_no_process_of_a_layout_is_left_behind() -> None:
    layout(blocks(3))
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children")
    if not children.exists():
        pytest.skip("Linux tells a process's children")
    names = [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in children.read_text().split()]
    assert not [name for name in names if b"graphviz_worker" in name]


def test_no_time_at_all_gives_a_simple_picture_and_another_try_a_good_one() -> None:
    view = blocks(2)
    simple = layout(view, timeout=0.0)
    assert set(simple.nodes) == {node.id for node in view.nodes}
    assert "took too long" in simple.notes[0]
    assert layout(view).notes == ()


def test_jobs_for_dot_hold_no_text_of_the_view() -> None:
    job = Job((Child(60, 30), Child(84, 40, True, (10, 40), (20,))), ())
    text = dotjob.dot_text(job._replace(wires=(Wire(0, -1, 1, 0, "head", (20.0, 14.0)),)))
    assert set(text) <= set("digraph {}[]<>=\"/;:,._-" + "abcdefghijklmnopqrstuvwxyz"
                            "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789\n")  # fmt: skip
    assert "n0 -> n1:i0:n [id=e0, label=<" in text


# DOT as a file


def test_the_dot_file_has_the_same_ranks_arrows_and_loops() -> None:
    box = ViewBox("l", "for x in xs", kind="loop", badge="×12")
    view = twins(2)
    nodes = tuple(replace(node, box="l") for node in view.nodes)
    text = to_dot(replace(view, nodes=nodes, boxes=(box,)))
    cluster = text[text.index("subgraph") :]
    assert '{ rank=same; "f0"; "g0" }' in cluster
    assert "↻ for x in xs ×12" in text
    (gradient,) = (line for line in text.splitlines() if line.startswith('"g0" -> "g1"'))
    assert "dir=back" in gradient
    (data,) = (line for line in text.splitlines() if line.startswith('"f0" -> "f1"'))
    assert "dir=back" not in data


def test_what_goes_to_the_next_trip_does_not_rank() -> None:
    nodes = tuple(ViewNode(name, "op", name) for name in ("a", "b", "add", "last"))
    data = [ViewEdge(*pair) for pair in (("a", "add"), ("b", "add"), ("add", "last"))]
    again = ViewEdge("last", "b", "next trip", "carried")
    drawn = layout(GraphView("g", nodes, (*data, again)))
    a, b, add, last = (drawn.nodes[name].y for name in ("a", "b", "add", "last"))
    assert a == b < add < last
    (path,) = (edge for edge in drawn.edges if edge.source == "last")
    assert path.target == "b"
    assert path.points[0].y > path.points[-1].y  # from "last", below, up to "b"


def test_what_goes_to_the_next_trip_of_boxes_does_not_rank_the_boxes() -> None:
    boxes = tuple(ViewBox(name, name, None, "module") for name in ("upper", "lower"))
    nodes = (ViewNode("a", "op", "a", box="upper"), ViewNode("b", "op", "b", box="lower"))
    edges = (ViewEdge("b", "a", "next trip", "carried"), ViewEdge("a", "b"))
    drawn = layout(GraphView("g", nodes, edges, boxes))
    assert drawn.boxes["upper"].y < drawn.boxes["lower"].y


def test_a_long_chain_beside_its_inputs_is_a_column() -> None:
    nodes = [ViewNode(f"{kind}{i}", "op", "trip") for kind in "xt" for i in range(20)]
    edges = [ViewEdge(f"x{i}", f"t{i}") for i in range(20)]
    edges += [ViewEdge(f"t{i}", f"t{i + 1}") for i in range(19)]
    drawn = layout(GraphView("g", tuple(nodes), tuple(edges)))
    assert drawn.width < 4 * drawn.nodes["t0"].w + 2 * 24
