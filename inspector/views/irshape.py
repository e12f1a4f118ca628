"""Which nodes of an IR graph show in a picture, and in which boxes."""

from __future__ import annotations

from collections.abc import Iterable

from inspector.records import IRNode, StaticGraph
from inspector.views.boxes import DEFAULT_VISIBLE

FOLDED = frozenset(
    """prim::Constant prim::GetAttr prim::ListConstruct prim::TupleConstruct prim::TupleUnpack
    prim::ListUnpack prim::unchecked_cast prim::Uninitialized prim::DictConstruct prim::SetAttr
    prim::NumToTensor prim::device prim::dtype prim::layout aten::dim aten::size aten::len
    aten::__isnot__ aten::__is__ aten::__not__ aten::__range_length aten::__contains__
    aten::format aten::warn prim::TupleIndex prim::data aten::is_grad_enabled""".split()
)
"""Kinds that only carry values from one computing node to the next."""

CALLS = frozenset(("prim::CallMethod", "prim::CallFunction"))
GROW = frozenset(("aten::append", "aten::extend", "aten::insert", "aten::_set_item"))
"""Kinds that put values into a list or dict; folded like list building."""

_CARRIERS = FOLDED | GROW

BLOCKS = {"prim::If": ("then", "else"), "prim::Loop": ("body",)}
Block = tuple[int | None, int]


def block_id(node: int, index: int) -> str:
    """The box of a block of an IR node."""
    return f"ir:{node}/{index}"


def default_open_static(static: StaticGraph, visible: int = DEFAULT_VISIBLE) -> frozenset[str]:
    """The boxes to open at first: level by level, while about `visible` nodes would show.

    Blocks of branches and loops are the subject: they open before modules do, up to twice
    that number. Calls into code that is not the user's stay closed.
    """
    return default_open_of(Shape(static), visible)


def default_open_of(shape: Shape, visible: int = DEFAULT_VISIBLE) -> frozenset[str]:
    """`default_open_static` of a graph whose shape is known already."""
    opened: set[str] = set()
    shown = _cost(shape, (None, 0))
    level = list(_boxes_in(shape, (None, 0)))
    while level:
        steering = [block for block in level if shape.nodes[block[0] or 0].kind in BLOCKS]
        other = [block for block in level if shape.nodes[block[0] or 0].kind not in BLOCKS]
        calls = [block for block in other if not shape.is_library(block)]
        level = []
        for blocks, limit in ((steering, 2 * visible), (calls, visible)):
            cost = sum(_cost(shape, block) - 1 for block in blocks)
            if blocks and shown + cost <= limit:
                shown += cost
                opened.update(block_id(block[0] or 0, block[1]) for block in blocks)
                level += [inner for block in blocks for inner in _boxes_in(shape, block)]
    return frozenset(opened)


class Shape:
    """Which nodes show, and in which blocks."""

    def __init__(self, static: StaticGraph) -> None:
        self.nodes = static.nodes
        self._sources = static.sources
        self.children: dict[Block, list[int]] = {}
        for node in static.nodes:
            self.children.setdefault(node.parent or (None, 0), []).append(node.id)
        # How much shows inside each node and block when all is open; nodes come before theirs.
        self.weight = [0] * len(static.nodes)
        self._block_weights: dict[Block, int] = {}
        inside = [0] * len(static.nodes)
        for node in reversed(static.nodes):
            inner = inside[node.id]
            own = 0 if is_folded(node) or (node.kind in CALLS and node.blocks) else 1
            if node.kind in BLOCKS and inner == 0 and node.kind != "prim::Loop":
                own = 0  # decides about bookkeeping only
            weight = self.weight[node.id] = own + inner
            if node.parent is not None:
                inside[node.parent[0]] += weight
                self._block_weights[node.parent] = self._block_weights.get(node.parent, 0) + weight
        self._paths: dict[Block | None, list[str]] = {None: []}

    def shown(self, node: IRNode) -> bool:
        """Whether a node is drawn when its surroundings are open."""
        return self.weight[node.id] > 0 and not (node.kind in CALLS and node.blocks)

    def boxes_of(self, node: IRNode) -> list[int]:
        """The blocks of a node that are drawn as boxes."""
        if node.kind in BLOCKS:
            return [i for i in range(node.blocks) if self.block_weight(node.id, i)]
        if node.kind in CALLS and node.blocks and self.weight[node.id] > 1:
            return [0]
        return []

    def is_library(self, block: Block) -> bool:
        """Whether a block is the body of a call into code that is not the user's."""
        owner = self.nodes[block[0]] if block[0] is not None else None
        if owner is None or owner.kind not in CALLS:
            return False
        placed = [self.nodes[i].source for i in self.children.get(block, ())]
        files = {source.file for source in placed if source is not None}
        return bool(files) and not files & set(self._sources)

    def block_weight(self, node: int, index: int) -> int:
        """How many nodes show in a block when all is open."""
        return self._block_weights.get((node, index), 0)

    def path(self, node: IRNode) -> list[str]:
        """Ids of the boxes around a node, outermost first; one list for all nodes of a block."""
        missing: list[tuple[int, int]] = []
        block = node.parent
        while block is not None and block not in self._paths:
            missing.append(block)
            block = self.nodes[block[0]].parent
        for inner in reversed(missing):
            owner, index = self.nodes[inner[0]], inner[1]
            around = self._paths[owner.parent]
            own = [block_id(owner.id, index)] if index in self.boxes_of(owner) else []
            self._paths[inner] = around + own
        return self._paths[node.parent]


def is_folded(node: IRNode) -> bool:
    """Whether a node only carries values, or reads a number out of a list of numbers."""
    return node.kind in _CARRIERS or (node.kind == "aten::__getitem__" and node.types == ("int",))


def _boxes_in(shape: Shape, block: Block) -> Iterable[Block]:
    """The boxes directly inside an open block; calls that have none are looked through."""
    for child in shape.children.get(block, ()):
        node = shape.nodes[child]
        boxes = shape.boxes_of(node)
        if boxes:
            yield from ((child, index) for index in boxes)
        elif node.blocks:
            for index in range(node.blocks):
                yield from _boxes_in(shape, (child, index))


def _cost(shape: Shape, block: Block) -> int:
    """How many nodes show in an open block whose own boxes are closed."""
    total = 0
    for child in shape.children.get(block, ()):
        node = shape.nodes[child]
        boxes = shape.boxes_of(node)
        total += (1 if shape.shown(node) else 0) + len(boxes)
        if not boxes and node.blocks and not shape.shown(node):
            total += shape.weight[child]
    return total
