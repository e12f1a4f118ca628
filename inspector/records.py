"""The data model: what a recording, a static graph and an overlay consist of.

Everything here is frozen and holds no live tensor, module or grad_fn: a record can be saved,
compared and drawn long after the run. Ids count from 0 in execution order and are the index
of the record in its tuple. This module imports nothing but the standard library.

    Recording
    ├── ops            Op            one outermost call on tensors, in order
    ├── tensors        TensorInfo    one *value* of a tensor: an in-place write makes a new one
    ├── module_calls   ModuleCall    one call of an nn.Module
    ├── decisions      Decision      a tensor, or its size, became a Python value
    ├── grad_nodes     GradNode      one autograd node that ran in a backward pass
    ├── parameters     ParameterInfo one parameter or buffer
    ├── steps          Step          backward, optimizer.step, zero_grad
    ├── branches       LineBranch    which way an if, while or for went
    ├── warnings       ProgramWarning  what Python's warnings said
    ├── collectives    Collective    what was sent between processes
    └── failure        Failure       the exception that ended the run
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import os

    import numpy


@dataclass(frozen=True, slots=True)
class Source:
    """A place in Python code. Lines count from 1, columns from 0 as in `ast`."""

    file: str
    line: int
    column: int
    function: str
    end_line: int | None = None
    end_column: int | None = None

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class TensorSummary:
    """Statistics of one tensor's values.

    `min`, `max`, `mean`, `std` are over the finite values (None when there are none; `std` is
    the population standard deviation). `zero_fraction` is zeros / numel, 0.0 for an empty
    tensor. `histogram` counts the finite values in equal bins between `min` and `max`; of a
    large tensor (more than 4,096 values) those of evenly strided runs of 16.
    `sample` holds the first few values in memory order of a contiguous copy, as Python floats
    (NaN and infinities included). For complex tensors the statistics are of the magnitude.
    """

    numel: int
    min: float | None
    max: float | None
    mean: float | None
    std: float | None
    nan_count: int
    inf_count: int
    zero_fraction: float
    histogram: tuple[int, ...] = ()
    sample: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """One value of a tensor.

    An in-place write makes a new `TensorInfo` whose `alias_of` is the value it replaced and
    whose `version` is higher; a view's `alias_of` is the tensor it looks into. `storage`
    numbers the memory behind the tensor: equal numbers share memory. `variable` is what the
    user's code assigned it to ("h", "self.state"), as far as the source tells. `strides` (in
    elements) are there for strided tensors that are not contiguous; None for all others.
    """

    id: int
    shape: tuple[int, ...]
    dtype: str
    device: str
    requires_grad: bool
    is_leaf: bool
    name: str | None = None
    alias_of: int | None = None
    version: int = 0
    summary: TensorSummary | None = None
    producer: int | None = None
    storage: int | None = None
    layout: str = "strided"
    nbytes: int = 0
    grad: TensorSummary | None = None
    variable: str | None = None
    strides: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Kernel:
    """One ATen call below an op or an autograd node ("aten.addmm.default").

    `flops` counts a multiplication and an addition as two; None where no formula is known.
    `allocated` are the bytes of memory that its outputs hold and its inputs did not (0 for
    views and in-place writes), `freed` those of tensors that went away between the end of the
    kernel before it and its own: by Python, or by autograd.
    """

    name: str
    duration_us: float
    flops: int | None = None
    allocated: int = 0
    freed: int = 0


@dataclass(frozen=True, slots=True)
class Op:
    """One outermost call of a function on tensors.

    `name` is the plain name ("linear", "add", "getitem"); `function` the qualified one.
    `inputs` and `outputs` are tensor ids in the order of the call; an in-place op has the new
    value among its `outputs` and the replaced ones in `overwrites`. `arguments` renders the
    call's arguments, tensors as `%id`. `source` is the user's own line, `call_site` the
    innermost Python line (inside `torch.nn` for a module's own code), `stack` the user's
    frames, innermost first. `phase` is "forward" or "backward" (ran while a backward pass
    was running: a custom backward, a hook, a recomputation).
    """

    id: int
    name: str
    function: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    module_call: int | None = None
    source: Source | None = None
    stack: tuple[Source, ...] = ()
    duration_us: float = 0.0
    kernels: tuple[Kernel, ...] = ()
    arguments: str = ""
    call_site: Source | None = None
    overwrites: tuple[int, ...] = ()
    phase: str = "forward"


@dataclass(frozen=True, slots=True)
class ModuleCall:
    """One call of a module. The same module called twice is two calls.

    `path` is the name from the outermost recorded module ("encoder.layers.0", "" for that
    module itself). Modules called from a plain function start at their class name
    ("Generator", "Generator.net.0"). `ops` are the ops run directly in this call, not those
    of the calls inside it.
    """

    id: int
    path: str
    type: str
    parent: int | None
    training: bool
    ops: tuple[int, ...] = ()
    source: Source | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """A tensor became a Python value, and so could steer the program.

    `op` is the reading op, `tensor` the tensor read, `kind` names the read ("bool", "item",
    "int", "float", "len", "tolist", ...).

    Reads of sizes and types (`kind` is "shape", "size", "dim", "ndim", "numel", "dtype", ...)
    run no op: `op` is None. They are there if the value reaches a test or an iterator. Of a
    shape, `value` is the one size that does so, where the code tells which ("x.shape[0]": 3),
    else all of them as text ("(3, 4)"). `before_op` is how many ops had run at the time: the
    id of the next one; `module_call` the call in which it was. Both are None if there is an op.
    """

    id: int
    op: int | None
    tensor: int | None
    value: bool | int | float | str
    kind: str
    source: Source | None = None
    before_op: int | None = None
    module_call: int | None = None


@dataclass(frozen=True, slots=True)
class GradNode:
    """One autograd node that ran, in the order of execution.

    `op` is the forward op that created it, `parameter` the path of the leaf that an
    AccumulateGrad adds to. `grad_outputs` came in (gradients of the forward op's outputs),
    `grad_inputs` went out. `accumulated` is true when a gradient was added onto an old one.
    `next` lists the nodes (ids in this recording) that the outgoing gradients went to, one
    per graph edge, in argument order; edges to nodes that did not run are left out. `freed`
    is true when the pass freed the tensors that the node had saved (no `retain_graph`): a
    second pass through it fails. `saved` are the tensor values that the node kept for its
    backward, ascending: of what its op was given or made; what the op made inside is not told.
    """

    id: int
    name: str
    op: int | None
    parameter: str | None
    grad_inputs: tuple[TensorSummary | None, ...]
    grad_outputs: tuple[TensorSummary | None, ...]
    pass_index: int
    accumulated: bool = False
    next: tuple[int, ...] = ()
    tensor: int | None = None
    duration_us: float = 0.0
    kernels: tuple[Kernel, ...] = ()
    freed: bool = False
    saved: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class ParameterInfo:
    """A parameter or buffer of a recorded module; `names` are all its paths (shared ones).

    `has_grad` tells whether a gradient was there at the end, also where `grad` was not kept.
    """

    name: str
    names: tuple[str, ...]
    kind: str
    shape: tuple[int, ...]
    dtype: str
    requires_grad: bool
    tensor: int | None = None
    grad: TensorSummary | None = None
    has_grad: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """An event of training: `kind` is "backward", "optimizer_step" or "zero_grad".

    `first_op` and `last_op` bound the ops it ran (half open, both equal when it ran none).
    `pass_index` is the backward pass's number. `detail` names the optimizer's class, and
    `learning_rates` has one entry per parameter group. `updated` names the parameters that
    an optimizer step moved, `update_norms` how far each (Euclidean norm; empty with
    `values="none"`); `detail` of a backward pass is "retain_graph", "create_graph" or "",
    and `roots` are the tensors (ids) that it started from. `without_gradient` names the parameters
    that an optimizer step passed over because they had no gradient, as far as they were met.
    """

    id: int
    kind: str
    first_op: int
    last_op: int
    source: Source | None = None
    pass_index: int | None = None
    detail: str = ""
    learning_rates: tuple[float, ...] = ()
    updated: tuple[str, ...] = ()
    update_norms: tuple[float, ...] = ()
    roots: tuple[int, ...] = ()
    without_gradient: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Failure:
    """The exception that ended the run; `op` is the op that raised it, if one did.

    Where it came from a backward pass, `op` is the op that made the failed autograd node, `node`
    names that node ("ReluBackward0"), `pass_index` is the pass's number and `saved` are the tensor
    values that the node kept, as in `GradNode`. `roots` are the tensors that backward was called
    on, also if it refused them before a pass began.
    """

    type: str
    message: str
    op: int | None
    source: Source | None
    inputs: tuple[int, ...] = ()
    node: str | None = None
    pass_index: int | None = None
    saved: tuple[int, ...] = ()
    roots: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class ProgramWarning:
    """A Python warning of the run: equal ones at one place are one record.

    `category` is the warning's class ("UserWarning"), `before_op` how many ops had run, `tensor`
    the first argument of the torch function that warned, where it is a known tensor. Warnings
    that the program's filters suppress are not there.
    """

    category: str
    message: str
    source: Source | None
    before_op: int = 0
    tensor: int | None = None


@dataclass(frozen=True, slots=True)
class Collective:
    """What this process had to do with a message of `torch.distributed`, in the order of sending.

    `kind` is torch's name of it: "all_reduce", "broadcast", "send", "barrier". `op` is the op that
    sent it; one op can send several (`all_gather_object` does). `wait` is the op that waited for
    it, after which its tensors are written: `op` itself where the call waited, None where nobody
    was seen waiting. `group` names the process group, `ranks` are its members, as ranks in the
    whole program. `number` counts the group's messages in this recording from 0: those of all its
    members, and on their own those from one member to another. `tensors` say what this process
    gave or gets ("float32[2, 3]"), one entry per tensor; `reduction` is "sum", "max", ... where
    it is known. `peer` is the rank sent to or received from, or the one that a broadcast, scatter,
    gather or reduce has as its source or destination.
    """

    id: int
    op: int
    kind: str
    group: str
    ranks: tuple[int, ...]
    number: int
    tensors: tuple[str, ...] = ()
    reduction: str = ""
    peer: int | None = None
    wait: int | None = None


@dataclass(frozen=True, slots=True)
class LineBranch:
    """How often an `if`, `elif`, `while` or `for` of the user's went which way (`kind`).

    `line` is where the statement begins. `taken` counts how often the run went into its body
    (a loop: trips), `not_taken` how often past it (a loop: how often it ended by its condition
    or because nothing was left, not by `break`, `return` or an exception). An exception in the
    condition counts as neither. Statements that were not reached, and those where the way
    cannot be told, have no record.
    """

    file: str
    line: int
    kind: str
    taken: int
    not_taken: int


@dataclass(frozen=True, slots=True)
class Recording:
    """One recorded run.

    `output` and `inputs` are the ids of the tensors returned and passed in. `sources` maps
    each file that appears in a `source` to its text at the time of the run, `lines` each of
    the user's files to how often each line ran. `values` holds arrays when they were asked
    for, `grads` those of the gradients that reached the tensors (of the last pass that brought
    one, as `TensorInfo.grad`), by the same ids.
    `notes` says what could not be recorded. `meta` is JSON-like.
    """

    ops: tuple[Op, ...]
    tensors: Mapping[int, TensorInfo]
    module_calls: tuple[ModuleCall, ...] = ()
    decisions: tuple[Decision, ...] = ()
    grad_nodes: tuple[GradNode, ...] = ()
    parameters: tuple[ParameterInfo, ...] = ()
    steps: tuple[Step, ...] = ()
    sources: Mapping[str, str] = field(default_factory=dict)
    lines: Mapping[str, Mapping[int, int]] = field(default_factory=dict)
    failure: Failure | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)
    inputs: tuple[int, ...] = ()
    output: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()
    values: Mapping[int, numpy.ndarray] = field(default_factory=dict)
    branches: tuple[LineBranch, ...] = ()
    grads: Mapping[int, numpy.ndarray] = field(default_factory=dict)
    warnings: tuple[ProgramWarning, ...] = ()
    collectives: tuple[Collective, ...] = ()

    def __repr__(self) -> str:
        failed = "" if self.failure is None else f", failed with {self.failure.type}"
        return (
            f"<Recording of {self.meta.get('model', 'a block of code')}: {len(self.ops)} ops, "
            f"{len(self.module_calls)} module calls, {len(self.grad_nodes)} autograd nodes{failed}>"
        )

    def _repr_html_(self) -> str:
        """What a notebook shows: an interactive page; see `inspector.render.embedded`."""
        from inspector.render.embedded import embedded

        return embedded(self)

    def input_names(self) -> dict[int, str]:
        """Id of a tensor that was passed in -> by which parameter, as in "x" or "batch[ids]"."""
        return {int(number): str(name) for number, name in self.meta.get("input_names", ())}

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the recording to one file; see `inspector.store`."""
        from inspector.store import save

        save(self, path)

    def to_text(self) -> str:
        """One line per op; see `inspector.text`."""
        from inspector.text import to_text

        return to_text(self)


@dataclass(frozen=True, slots=True)
class IRNode:
    """One node of a TorchScript graph.

    `inputs` and `outputs` are value names, unique in the whole `StaticGraph`. `parent` is
    (node id, block index) of the owning block, None at the top. A `prim::CallMethod` or
    `prim::CallFunction` that was opened owns its callee's nodes as block 0. `module_path`
    is the path of the module whose code the node belongs to ("" at the top). `types` are the
    types of the outputs as TorchScript prints them. `text` is the node's own line of IR.
    """

    id: int
    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    parent: tuple[int, int] | None
    module_path: str = ""
    source: Source | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    types: tuple[str, ...] = ()
    text: str = ""
    blocks: int = 0


@dataclass(frozen=True, slots=True)
class IRValue:
    """An input of a static graph (`name` is the value's name, `label` what the user wrote)."""

    name: str
    label: str
    type: str


class Origin:
    """Marks which live module or function a static graph was read from; holds nothing itself.

    The floor that imports torch keeps a weak table from these marks to the live objects, so
    that the graph can be run. A copy made by `dataclasses.replace` keeps the mark.
    """

    __slots__ = ("__weakref__",)


@dataclass(frozen=True, slots=True)
class StaticWarning:
    """One warning of the compiler, the tracer or an exporter.

    `category` is the warning's class ("TracerWarning"), or "Note" for what we have to say.
    `message` is torch's own text, `remedy` what to do about it ("" where nothing helps). Its
    `str` is the text with its place: "TracerWarning: ... (model.py:12)".
    """

    category: str
    message: str
    file: str | None = None
    line: int | None = None
    remedy: str = ""

    def __str__(self) -> str:
        place = "" if self.file is None else f" ({self.file}:{self.line})"
        return f"{self.category}: {self.message}{place}"


@dataclass(frozen=True, slots=True)
class StaticGraph:
    """TorchScript IR: `nodes` of all blocks in order of their text, `text` as torch prints it.

    `block_outputs` maps (node id, block index) to the values that the block returns, `None`
    as node id standing for the whole graph; `block_inputs` likewise (a loop's counter and
    carried values, a callee's arguments). `origin` marks a graph that `interpret` can run.
    """

    kind: str
    nodes: tuple[IRNode, ...]
    text: str
    sources: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[StaticWarning, ...] = ()
    inputs: tuple[IRValue, ...] = ()
    block_inputs: Mapping[tuple[int | None, int], tuple[str, ...]] = field(default_factory=dict)
    block_outputs: Mapping[tuple[int | None, int], tuple[str, ...]] = field(default_factory=dict)
    name: str = ""
    origin: Origin | None = field(default=None, repr=False, compare=False)

    def __repr__(self) -> str:
        return f"<StaticGraph of {self.name}: {self.kind}, {len(self.nodes)} nodes>"


@dataclass(frozen=True, slots=True)
class Overlay:
    """What one recording executed of a static graph.

    `executions` counts per node id, `taken` lists the block index per visit of each
    `prim::If`, `trips` the trips per visit of each `prim::Loop`. `op_to_node` maps op ids to
    node ids; `unmatched_ops` are ops with no node. `first_divergence` is the first op at
    which the static graph cannot have run what was recorded, with the reason in words.
    `method` says how the counts were found. Where they come from an interpretation of the
    graph, `disagreements` are the places where the recording tells something else.
    """

    executions: Mapping[int, int]
    taken: Mapping[int, tuple[int, ...]]
    trips: Mapping[int, tuple[int, ...]]
    op_to_node: Mapping[int, int]
    unmatched_ops: tuple[int, ...] = ()
    first_divergence: Divergence | None = None
    method: str = "source positions"
    disagreements: tuple[Disagreement, ...] = ()


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Where an interpretation of a static graph and a recording tell different counts.

    `what` is "executions" (a number each), "taken" or "trips" (one per visit each), of one
    node. Of the nodes inside of a block that ran differently often only the block's owner is
    named. `reason` says it in words.
    """

    node: int
    what: str
    interpreted: int | tuple[int, ...]
    recorded: int | tuple[int, ...]
    source: Source | None
    reason: str


@dataclass(frozen=True, slots=True)
class Divergence:
    """Where static graph and recording part: the op, the node, and why, in plain words."""

    op: int | None
    node: int | None
    source: Source | None
    reason: str
