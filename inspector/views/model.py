"""What a picture shows, before anyone decides where it goes or what colour it has.

A `GraphView` is a graph of nodes in nested boxes. Nodes carry field names (`kind`, `flags`),
never colours or coordinates: `inspector.render` turns them into DOT, a layout and SVG.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

NODE_KINDS = (
    "op",  # one op of the dynamic graph, or an IR node that computes
    "input",  # a tensor that came from outside
    "output",  # a tensor that was returned
    "parameter",  # a parameter or buffer (drawn once per use)
    "decision",  # a tensor became a Python value; carries the value
    "constant",  # a constant of the IR
    "grad",  # an autograd node
    "accumulate",  # an AccumulateGrad node
    "branch",  # prim::If
    "loop",  # prim::Loop
    "box",  # a closed box standing for what is inside
)
"""Kinds known today. The set is open: an unknown kind is drawn like "op"."""

NODE_FLAGS = (
    "failed",  # this op raised
    "inplace",  # writes into an existing tensor
    "view",  # the output shares memory with an input
    "nonfinite",  # NaN or Inf appeared here
    "executed",  # IR: ran for this input
    "skipped",  # IR: did not run for this input
    "accumulated",  # gradient was added onto an old one
    "new",  # IR, between two stages: not there before
    "gone",  # IR: not there in the next stage
    "fused",  # IR: one kernel for several nodes
    "unrolled",  # IR: one node and its copies
    "replaced",  # IR: the same computation by other nodes
    "only-a",  # two runs: in the first one only
    "only-b",  # two runs: in the second one only
    "changed",  # two runs: in both, and not the same
    "arrived",  # a run beside the one before it: new
    "vanished",  # a run beside the one before it: not in it any more
    "altered",  # a run beside the one before it: not the same as before
)


@dataclass(frozen=True, slots=True)
class ViewNode:
    """One node. `id` is unique in its view and stable over re-rendering ("op:12").

    `title` is the big line, `subtitle` the small one below it (may be empty); `badge` a short
    mark at the corner ("×3"). `ops` are the recorded op ids that the node stands for: nodes
    of other views with a common op light up together; `grads` are the ids of the autograd
    nodes that it stands for. `box` is the id of the owning box. `source` is (file, line) of
    the user's code. `badges` is the badge in two parts, of run A and of run B, each drawn in its
    own colour; `badge` then has both, for where there are no colours.
    """

    id: str
    kind: str
    title: str
    subtitle: str = ""
    badge: str = ""
    box: str | None = None
    flags: tuple[str, ...] = ()
    ops: tuple[int, ...] = ()
    source: tuple[str, int] | None = None
    grads: tuple[int, ...] = ()
    badges: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ViewEdge:
    """One edge between node ids.

    `kind` is "data", "control", "grad", "write" or "carried": to the next trip of a loop whose
    equal trips are drawn as one (such an edge may lead back up).

    `up` is true where what flows goes from `target` to `source`: a gradient beside the forward
    graph. Such an edge is ranked as it stands and drawn with its arrowhead at `source`
    (`dir=back`). `flags` are "only-a" or "only-b", as for nodes.
    """

    source: str
    target: str
    label: str = ""
    kind: str = "data"
    up: bool = False
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ViewBox:
    """An open box around nodes: a module call, an IR block, a step, a loop.

    `kind` is "module", "block", "call", "step", "loop" (one execution of a loop statement),
    "trip" (one trip of it, or equal trips in a row), "repeat" (equal module calls in a row),
    "expression" (what one ran beside the model: a constructor, a data loader) or "range" (a part
    of too many children); `flags` as for nodes ("executed", "skipped"),
    `badge` too ("×12"). `is_folded`: of equal trips or calls it shows only one, though it is not
    among the open boxes; opening it shows all.
    """

    id: str
    title: str
    parent: str | None = None
    kind: str = "module"
    subtitle: str = ""
    flags: tuple[str, ...] = ()
    badge: str = ""
    is_folded: bool = False


@dataclass(frozen=True, slots=True)
class GraphView:
    """A picture's content. `direction` is "TB" (top to bottom) or "BT".

    `hidden` counts what was left out or folded, by a word for it ("ops in closed boxes").
    `ranks` are groups of node ids to be drawn side by side, on one rank; the nodes of a group
    lie in one box. `room` is the same picture with other texts, by which the places are chosen:
    pictures with an equal one have everything at the same places.
    """

    name: str
    nodes: tuple[ViewNode, ...]
    edges: tuple[ViewEdge, ...]
    boxes: tuple[ViewBox, ...] = ()
    direction: str = "TB"
    hidden: Mapping[str, int] = field(default_factory=dict)
    ranks: tuple[tuple[str, ...], ...] = ()
    room: GraphView | None = None
