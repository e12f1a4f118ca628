"""The static graph: TorchScript IR, with what this input ran of it.

Constants, attribute reads and list building are folded away: an edge runs from where a tensor
was computed to where it is used. A branch or loop is a node with its blocks as boxes below it.
A call opens like a module box; a call that computes with a single node is drawn as that node.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Mapping

from inspector.records import IRNode, Overlay, StaticGraph
from inspector.views import words
from inspector.views.boxes import DEFAULT_VISIBLE, visible_id
from inspector.views.model import GraphView, ViewBox, ViewEdge, ViewNode

FOLDED = frozenset(
    """prim::Constant prim::GetAttr prim::ListConstruct prim::TupleConstruct prim::TupleUnpack
    prim::ListUnpack prim::unchecked_cast prim::Uninitialized prim::DictConstruct prim::SetAttr
    prim::NumToTensor prim::device prim::dtype prim::layout aten::dim aten::size aten::len
    aten::__isnot__ aten::__is__ aten::__not__ aten::__range_length aten::__contains__
    aten::format aten::warn prim::TupleIndex prim::data aten::is_grad_enabled""".split()
)
"""Kinds that only carry values from one computing node to the next."""

_CALLS = frozenset(("prim::CallMethod", "prim::CallFunction"))
_GROW = frozenset(("aten::append", "aten::extend", "aten::insert", "aten::_set_item"))
"""Kinds that put values into a list or dict; folded like list building."""

_BLOCKS = {"prim::If": ("then", "else"), "prim::Loop": ("body",)}
_TRACED = re.compile(
    r"^([A-Z][A-Za-z]+)\(([\d, ]*?)(?:, (?:strides|requires_grad)=.*|, device=.*)?\)$"
)
Block = tuple[int | None, int]


def block_id(node: int, index: int) -> str:
    """The box of a block of an IR node."""
    return f"ir:{node}/{index}"


def static_view(
    static: StaticGraph, overlay: Overlay | None, opened: frozenset[str] | None = None
) -> GraphView:
    """The picture of an IR graph.

    Args:
        static: the graph.
        overlay: what one recording ran of it; without one nothing is lit.
        opened: ids of open boxes ("ir:7/0"); None opens what fits, see `default_open_static`.
    """
    shape = _Shape(static)
    if opened is None:
        opened = _default_open(shape, DEFAULT_VISIBLE)
    return _StaticView(static, shape, overlay, opened).view()


def default_open_static(static: StaticGraph, visible: int = DEFAULT_VISIBLE) -> frozenset[str]:
    """The boxes to open at first: from the outside in, until `visible` nodes would show."""
    return _default_open(_Shape(static), visible)


class _Shape:
    """Which nodes show, and in which blocks."""

    def __init__(self, static: StaticGraph) -> None:
        self.nodes = static.nodes
        self._sources = static.sources
        self.children: dict[Block, list[int]] = {}
        for node in static.nodes:
            self.children.setdefault(node.parent or (None, 0), []).append(node.id)
        # How much shows inside each node when all is open; nodes come before their blocks.
        self.weight = [0] * len(static.nodes)
        for node in reversed(static.nodes):
            inner = sum(
                self.weight[child]
                for index in range(node.blocks)
                for child in self.children.get((node.id, index), ())
            )
            own = 0 if _is_folded(node) or (node.kind in _CALLS and node.blocks) else 1
            if node.kind in _BLOCKS and inner == 0 and not _steers_loop(node):
                own = 0  # decides about bookkeeping only
            self.weight[node.id] = own + inner

    def shown(self, node: IRNode) -> bool:
        """Whether a node is drawn when its surroundings are open."""
        return self.weight[node.id] > 0 and not (node.kind in _CALLS and node.blocks)

    def boxes_of(self, node: IRNode) -> list[int]:
        """The blocks of a node that are drawn as boxes."""
        if node.kind in _BLOCKS:
            return [i for i in range(node.blocks) if self.block_weight(node.id, i)]
        if node.kind in _CALLS and node.blocks and self.weight[node.id] > 1:
            return [0]
        return []

    def is_library(self, block: Block) -> bool:
        """Whether a block is the body of a call into code that is not the user's."""
        owner = self.nodes[block[0]] if block[0] is not None else None
        if owner is None or owner.kind not in _CALLS:
            return False
        placed = [self.nodes[i].source for i in self.children.get(block, ())]
        files = {source.file for source in placed if source is not None}
        return bool(files) and not files & set(self._sources)

    def block_weight(self, node: int, index: int) -> int:
        """How many nodes show in a block when all is open."""
        return sum(self.weight[child] for child in self.children.get((node, index), ()))

    def path(self, node: IRNode) -> list[str]:
        """Ids of the boxes around a node, outermost first."""
        path: list[str] = []
        parent = node.parent
        while parent is not None:
            owner, index = self.nodes[parent[0]], parent[1]
            if index in self.boxes_of(owner):
                path.append(block_id(owner.id, index))
            parent = owner.parent
        return path[::-1]


def _is_folded(node: IRNode) -> bool:
    """Whether a node only carries values, or reads a number out of a list of numbers."""
    return node.kind in FOLDED | _GROW or (node.kind == "aten::__getitem__" and node.types == ("int",))


def _steers_loop(node: IRNode) -> bool:
    return node.kind == "prim::Loop"


def _default_open(shape: _Shape, visible: int) -> frozenset[str]:
    opened: set[str] = set()
    shown = _cost(shape, (None, 0))
    queue: deque[Block] = deque(_boxes_in(shape, (None, 0)))
    while queue:
        block = queue.popleft()
        if shape.is_library(block):
            continue  # torch's own checks and branches are not what the reader wrote
        owner = shape.nodes[block[0] or 0]
        cost = _cost(shape, block) - 1
        # The blocks of a branch or loop are the subject: they open before modules do.
        if shown + cost > visible * (2 if owner.kind in _BLOCKS else 1):
            continue
        shown += cost
        opened.add(block_id(owner.id, block[1]))
        queue.extend(_boxes_in(shape, block))
    return frozenset(opened)


def _boxes_in(shape: _Shape, block: Block) -> Iterable[Block]:
    """The boxes directly inside an open block; calls that have none are looked through."""
    for child in shape.children.get(block, ()):
        node = shape.nodes[child]
        boxes = shape.boxes_of(node)
        if boxes:
            yield from ((child, index) for index in boxes)
        elif node.blocks:
            for index in range(node.blocks):
                yield from _boxes_in(shape, (child, index))


def _cost(shape: _Shape, block: Block) -> int:
    """How many nodes show in an open block whose own boxes are closed."""
    total = 0
    for child in shape.children.get(block, ()):
        node = shape.nodes[child]
        boxes = shape.boxes_of(node)
        total += (1 if shape.shown(node) else 0) + len(boxes)
        if not boxes and node.blocks and not shape.shown(node):
            total += shape.weight[child]
    return total


class _StaticView:
    def __init__(
        self,
        static: StaticGraph,
        shape: _Shape,
        overlay: Overlay | None,
        opened: frozenset[str],
    ) -> None:
        self._static = static
        self._shape = shape
        self._overlay = overlay
        self._opened = opened
        self._ops = _ops_by_node(overlay)
        self._nodes: dict[str, ViewNode] = {}
        self._boxes: dict[str, ViewBox] = {}
        self._edges: dict[tuple[str, str, str], str] = {}
        self._where = [visible_id(f"ir:{n.id}", shape.path(n), opened) for n in static.nodes]
        self._folded: dict[str, list[IRNode]] = {}
        self._flow = _ValueFlow(static, self._stands_for)

    def view(self) -> GraphView:
        for value in self._static.inputs:
            own = f"value:{value.name}"
            self._nodes[own] = ViewNode(own, "input", value.label, _short_type(value.type))
        for node in self._static.nodes:
            self._add(node)
        self._fold()
        for node in self._static.nodes:
            self._connect(node)
        self._add_outputs()
        hidden = sum(map(_is_folded, self._static.nodes))
        return GraphView(
            name="TorchScript IR",
            nodes=tuple(self._nodes.values()),
            edges=tuple(
                ViewEdge(source, target, label, kind)
                for (source, target, kind), label in self._edges.items()
                if source in self._nodes and target in self._nodes
            ),
            boxes=tuple(self._boxes.values()),
            hidden={"constants and bookkeeping nodes are not drawn": hidden} if hidden else {},
        )

    # -- nodes and boxes -------------------------------------------------------------------

    def _add(self, node: IRNode) -> None:
        drawn, box = self._where[node.id]
        if drawn != f"ir:{node.id}":
            if self._shape.shown(node):
                self._folded.setdefault(drawn, []).append(node)
                self._nodes.setdefault(drawn, ViewNode(drawn, "box", drawn, box=box))
            return
        for index in self._shape.boxes_of(node):
            self._add_box(node, index, box)
        if not self._shape.shown(node):
            return
        self._nodes[drawn] = ViewNode(
            id=drawn,
            kind=_view_kind(node),
            title=self._title(node),
            subtitle=self._subtitle(node),
            badge=self._badge(node),
            box=box,
            flags=self._flags(node),
            ops=tuple(self._ops.get(node.id, ())),
            source=None if node.source is None else (node.source.file, node.source.line),
        )

    def _add_box(self, node: IRNode, index: int, parent: str | None) -> None:
        own = block_id(node.id, index)
        if own not in self._opened:
            return
        title = _block_title(node, index, self._callee_path(node))
        kind = "call" if node.kind in _CALLS else "block"
        subtitle = self._block_count(node, index) if kind == "block" else ""
        flags = self._block_flags(node, index)
        self._boxes[own] = ViewBox(own, title, parent, kind, subtitle, flags)

    def _fold(self) -> None:
        for box, nodes in self._folded.items():
            number, index = (int(part) for part in box.removeprefix("ir:").split("/"))
            owner = self._static.nodes[number]
            ops = tuple(op for node in nodes for op in self._ops.get(node.id, ()))
            self._nodes[box] = ViewNode(
                id=box,
                kind="box",
                title=_block_title(owner, index, self._callee_path(owner)),
                subtitle=words.plural(len(nodes), "node"),
                box=self._nodes[box].box,
                flags=self._block_flags(owner, index),
                ops=ops,
                source=None if owner.source is None else (owner.source.file, owner.source.line),
            )

    def _callee_path(self, node: IRNode) -> str:
        """The path of the module that a call runs, if it is not the caller's own."""
        inside = self._shape.children.get((node.id, 0), ())
        path = self._static.nodes[inside[0]].module_path if inside else ""
        return path if path != node.module_path else ""

    def _title(self, node: IRNode) -> str:
        if node.kind == "prim::If":
            return "if"
        if node.kind == "prim::Loop":
            trips = self._overlay.trips.get(node.id) if self._overlay else None
            return "loop" if not trips else "loop · " + _trip_words(trips)
        if node.kind == "prim::RaiseException":
            return "raise"
        name = node.kind.partition("::")[2] or node.kind
        if node.kind in _CALLS:
            return str(node.attributes.get("function") or node.attributes.get("name") or name)
        return name

    def _subtitle(self, node: IRNode) -> str:
        module = node.module_path if self._alone_in_call(node) else ""
        line = "" if node.source is None or not _is_block(node) else f"line {node.source.line}"
        types = ", ".join(_short_type(t) for t in node.types[:2]) if not _is_block(node) else ""
        return " · ".join(part for part in (module, types, line) if part)

    def _alone_in_call(self, node: IRNode) -> bool:
        """Whether the node is drawn in place of a call's box, and so must name the module."""
        if node.parent is None:
            return False
        owner = self._static.nodes[node.parent[0]]
        return owner.kind in _CALLS and not self._shape.boxes_of(owner)

    def _badge(self, node: IRNode) -> str:
        count = self._overlay.executions.get(node.id) if self._overlay else None
        return f"×{count}" if count is not None and count > 1 else ""

    def _flags(self, node: IRNode) -> tuple[str, ...]:
        flags = []
        count = self._overlay.executions.get(node.id) if self._overlay else None
        if count is not None:
            flags.append("executed" if count else "skipped")
        name = node.kind.partition("::")[2]
        if name.endswith("_") and not name.endswith("__"):
            flags.append("inplace")
        return tuple(flags)

    def _block_flags(self, node: IRNode, index: int) -> tuple[str, ...]:
        count = self._block_visits(node, index)
        return () if count is None else ("executed" if count else "skipped",)

    def _block_visits(self, node: IRNode, index: int) -> int | None:
        """How often a block ran, where the overlay knows."""
        overlay = self._overlay
        if overlay is None:
            return None
        if node.kind == "prim::If":
            taken = overlay.taken.get(node.id)
            if taken is None:
                return 0 if overlay.executions.get(node.id) == 0 else None
            return sum(1 for block in taken if block == index)
        if node.kind == "prim::Loop":
            trips = overlay.trips.get(node.id)
            return None if trips is None else sum(trips)
        return overlay.executions.get(node.id)

    def _block_count(self, node: IRNode, index: int) -> str:
        count = self._block_visits(node, index)
        if count is None:
            return ""
        return "did not run" if count == 0 else "ran" if count == 1 else f"ran ×{count}"

    # -- edges -----------------------------------------------------------------------------

    def _stands_for(self, node: IRNode) -> str | None:
        """The id drawn for a computing node; None for a node that is looked through."""
        drawn = self._where[node.id][0]
        if drawn != f"ir:{node.id}":
            return drawn
        if node.kind in _BLOCKS or not self._shape.shown(node):
            return None
        return drawn

    def _connect(self, node: IRNode) -> None:
        drawn = self._where[node.id][0]
        target = self._stands_for(node) or (drawn if node.kind in _BLOCKS else None)
        if target is None or target not in self._nodes:
            return
        inputs = node.inputs
        if node.kind == "prim::Loop":
            inputs = inputs[:2]  # the trip count and the condition; the rest is carried
        for value in inputs:
            for source in self._flow.sources(value):
                self._add_data(source, target, node)
        if node.kind in _BLOCKS and drawn == f"ir:{node.id}":
            self._add_control(node, drawn)

    def _add_data(self, source: str, target: str, node: IRNode) -> None:
        """An edge; one that runs backwards carries a value to a loop's next trip."""
        label = ""
        maker = _owner_of(source)
        if maker is not None and maker >= node.id:
            if not self._loops_around(maker) & self._loops_around(node.id):
                return  # the list was written to only later
            label = "next trip"
        if source != target:
            self._edges.setdefault((source, target, "data"), label)

    def _loops_around(self, node: int) -> set[int]:
        found: set[int] = set()
        parent = self._static.nodes[node].parent
        while parent is not None:
            owner = self._static.nodes[parent[0]]
            if owner.kind == "prim::Loop":
                found.add(owner.id)
            parent = owner.parent
        return found

    def _add_control(self, node: IRNode, drawn: str) -> None:
        """From a branch or loop to what starts each of its blocks."""
        for index in range(node.blocks):
            label = {"then": "true", "else": "false"}.get(_BLOCKS[node.kind][index], "")
            first = next((n for n in self._inside(node.id, index) if self._shape.shown(n)), None)
            if first is not None:
                self._edges.setdefault((drawn, self._where[first.id][0], "control"), label)

    def _inside(self, node: int, index: int) -> Iterable[IRNode]:
        for child in self._shape.children.get((node, index), ()):
            record = self._static.nodes[child]
            yield record
            if not self._shape.shown(record):
                for block in range(record.blocks):
                    yield from self._inside(child, block)

    def _add_outputs(self) -> None:
        for number, value in enumerate(self._static.block_outputs.get((None, 0), ())):
            own = f"return:{number}"
            self._nodes[own] = ViewNode(own, "output", "return")
            for source in self._flow.sources(value):
                self._edges.setdefault((source, own, "data"), "")


class _ValueFlow:
    """Where a value was computed, looking through folded nodes, blocks and calls."""

    def __init__(self, static: StaticGraph, stands_for: Callable[[IRNode], str | None]) -> None:
        self._static = static
        self._stands_for = stands_for
        self._known: dict[str, tuple[str, ...]] = {}
        self._origins: dict[str, list[str]] = {}
        self._makers: dict[str, str] = {}
        for value in static.inputs:
            self._makers[value.name] = f"value:{value.name}"
        for node in static.nodes:
            self._register(node)

    def _register(self, node: IRNode) -> None:
        """Note for each output either its node or the values it is made of."""
        drawn = self._stands_for(node)
        for position, output in enumerate(node.outputs):
            if isinstance(drawn, str):
                self._makers[output] = drawn
            else:
                self._origins[output] = list(self._parts(node, position))
        if node.kind in _GROW:
            # The list that is written to is made of what was put into it, too.
            self._origins.setdefault(node.inputs[0], []).extend(node.inputs[1:])
        self._link_block_inputs(node)

    def _parts(self, node: IRNode, position: int) -> Iterable[str]:
        outputs = self._static.block_outputs
        if node.kind == "prim::Loop":
            yield node.inputs[2 + position]  # what it is after no trip at all
            yield outputs[node.id, 0][1 + position]
        elif node.blocks:
            for index in range(node.blocks):
                values = outputs.get((node.id, index), ())
                if position < len(values):
                    yield values[position]
        else:
            yield from node.inputs

    def _link_block_inputs(self, node: IRNode) -> None:
        inner = self._static.block_inputs.get((node.id, 0), ())
        if node.kind == "prim::Loop":
            # The counter comes first; carried values are the initial ones or the last trip's.
            carried = self._static.block_outputs[node.id, 0][1:]
            for value, start, again in zip(inner[1:], node.inputs[2:], carried, strict=True):
                self._origins[value] = [start, again]
        elif node.kind in _CALLS and inner:
            given = node.inputs[len(node.inputs) - len(inner) :]
            for value, outer in zip(inner, given, strict=True):
                self._origins[value] = [outer]

    def sources(self, value: str) -> tuple[str, ...]:
        """Ids of the drawn nodes that compute `value`, each once."""
        known = self._known.get(value)
        if known is None:
            found: dict[str, None] = {}
            seen = {value}
            todo = [value]
            while todo:
                current = todo.pop()
                maker = self._makers.get(current)
                if maker is not None:
                    found[maker] = None
                    continue
                for origin in reversed(self._origins.get(current, [])):
                    if origin not in seen:
                        seen.add(origin)
                        todo.append(origin)
            known = self._known[value] = tuple(found)
        return known


def _ops_by_node(overlay: Overlay | None) -> Mapping[int, list[int]]:
    found: dict[int, list[int]] = {}
    if overlay is not None:
        for op, node in overlay.op_to_node.items():
            found.setdefault(node, []).append(op)
    return found


def _owner_of(drawn: str) -> int | None:
    """The IR node that a drawn id belongs to; None for inputs."""
    kind, _, rest = drawn.partition(":")
    return int(rest.partition("/")[0]) if kind == "ir" else None


def _is_block(node: IRNode) -> bool:
    return node.kind in _BLOCKS


def _view_kind(node: IRNode) -> str:
    if node.kind == "prim::If":
        return "branch"
    if node.kind == "prim::Loop":
        return "loop"
    if node.kind in ("aten::Bool", "aten::Int", "aten::Float", "aten::item"):
        return "decision"
    return "op"


def _block_title(node: IRNode, index: int, callee_path: str) -> str:
    if node.kind in _BLOCKS:
        word = _BLOCKS[node.kind][index]
        line = "" if node.source is None else f" · line {node.source.line}"
        return word if node.kind == "prim::If" else f"loop body{line}"
    name = str(node.attributes.get("function") or "").rpartition(".")[2]
    return name or callee_path or str(node.attributes.get("name") or "call")


def _trip_words(trips: tuple[int, ...]) -> str:
    if len(trips) == 1:
        return words.plural(trips[0], "trip")
    return " + ".join(map(str, trips[:4])) + ("…" if len(trips) > 4 else "") + " trips"


def _short_type(text: str) -> str:
    """A type without its namespaces; a traced tensor's type as its shape."""
    traced = _TRACED.match(text)
    if traced is not None:
        kind, sizes = traced.groups()
        shape = words.dimensions(tuple(int(size) for size in sizes.split(",") if size.strip()))
        return shape if kind == "Float" else f"{shape} {kind.lower()}"
    return text if len(text) <= 24 else text.rpartition(".")[2][:24]
