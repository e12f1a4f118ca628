"""Says in words why a static graph and a run part, and what to do about it."""

from __future__ import annotations

from typing import Any

from inspector.language import counted, sentence
from inspector.overlay.positions import plain
from inspector.records import IRNode, Op, Source
from inspector.truthful.code import Statement, shortened
from inspector.truthful.decisions import Cause
from inspector.truthful.pairs import Number

REMEDIES = {
    "branch": sentence(
        "Script the function that decides, or decide on tensors with torch.where or torch.cond."
    ),
    "loop": sentence("Script the function with the loop: a script keeps it as a loop."),
    "constant": sentence(
        "Compute with the size or tensor itself, without int(), .item() or .tolist(), or "
        "script this function."
    ),
    "state": sentence("Make the graph again, or load the model's present state into it."),
    "mode": sentence(
        "Make the graph in the mode in which it is to run: call train() or eval() first."
    ),
    "random": sentence("Compare with the same seed, or in eval() mode."),
    "number": sentence(
        "TorchScript reckons with typed numbers. Convert with int() or float() where the "
        "type matters."
    ),
    "runs on": sentence(
        "A trace holds no checks. Check before calling it, or script the function."
    ),
}
"""What to do about each kind of parting."""


def at_line(source: Source | None) -> str:
    """The line as an aside, with a space before it; or nothing."""
    return "" if source is None else sentence(" (line {line})", line=source.line)


def kind_name(node: IRNode) -> str:
    """The plain name of a node's kind: "linear"."""
    return node.kind.rpartition("::")[2]


def steering_reason(graph: str, cause: Cause, counts: tuple[int, int] | None) -> tuple[str, str]:
    """Kind and reason of a parting that a decision, or a plain Python value, brought about.

    Args:
        graph: "trace" or "script".
        cause: what decided.
        counts: how often the op at which they part is in the graph, and how often it ran.
    """
    statement = cause.statement
    if statement is None:
        return "branch", _loose_reason(graph, cause)
    place = sentence("`{code}` (line {line})", code=statement.text, line=statement.line)
    if statement.is_loop:
        return "loop", _loop_reason(graph, statement, cause.trips or counts)
    if cause.decision is None:
        return "branch", sentence(
            "The {graph} kept the way that {place} went when it was made; this input took the "
            "other. A plain Python value decides there, which torch does not warn of.",
            graph=graph,
            place=place,
        )
    if type(cause.decision.value) is bool:
        return "branch", sentence(
            "The {graph} kept the branch for {place}; this input took the other.",
            graph=graph,
            place=place,
        )
    read = cause.text or sentence("the value read there")
    here = shown(cause.decision.value)
    if cause.other is None:
        return "branch", sentence(
            "The {graph} kept the branch for {place}; this input took another: {read} is {here} "
            "here.",
            graph=graph,
            place=place,
            read=read,
            here=here,
        )
    return "branch", sentence(
        "The {graph} kept the branch for {place}; this input took another: {read} was {there} "
        "when it was made, and is {here} here.",
        graph=graph,
        place=place,
        read=read,
        there=shown(cause.other),
        here=here,
    )


def _loop_reason(graph: str, statement: Statement, trips: tuple[int, int] | None) -> str:
    code = f"{statement.kind} {statement.text}"
    loop = sentence("the loop `{code}` (line {line})", code=code, line=statement.line)
    if statement.kind == "for":
        loop = sentence(
            "the loop over `{code}` (line {line})", code=statement.text, line=statement.line
        )
    if trips is None or trips[0] == trips[1]:
        return sentence(
            "The {graph} has another number of trips through {loop} than this input.",
            graph=graph,
            loop=loop,
        )
    there, here = trips
    return counted(
        "The {graph} always runs {loop} once; this input needed {here}.",
        "The {graph} always runs {loop} {there} times; this input needed {here}.",
        there,
        graph=graph,
        loop=loop,
        there=there,
        here=here,
    )


def _loose_reason(graph: str, cause: Cause) -> str:
    decision = cause.decision
    assert decision is not None
    places = {
        "graph": graph,
        "read": cause.text or sentence("a value"),
        "where": at_line(decision.source),
        "here": shown(decision.value),
    }
    if cause.other is None:
        return sentence(
            "The {graph} goes the way that {read}{where} decided: {here} here.", **places
        )
    return sentence(
        "The {graph} goes the way that {read}{where} decided: {there} when it was made, and {here} "
        "here.",
        there=shown(cause.other),
        **places,
    )


def number_reason(
    graph: str, op: Op, dynamic: Number, static: Number, text: str, read_at: int | None
) -> tuple[str, str]:
    """Kind and reason where the op got another number than the node has."""
    places = {
        "graph": graph,
        "value": shown(static.value),
        "had": f"`{text}` = {shown(dynamic.value)}" if text else shown(dynamic.value),
        "op": op.name,
        "where": at_line(op.source),
    }
    if not static.built_in:
        return "number", sentence(
            "The {graph} computes {value} where this run had {had}, at `{op}`{where}.", **places
        )
    if isinstance(static.value, str | bool):
        return "constant", sentence(
            "The {graph} has the value {value} where this run had {had}, at `{op}`{where}.",
            **places,
        )
    if read_at is None:
        return "constant", sentence(
            "The {graph} has the number {value} where this run had {had}, at `{op}`{where}.",
            **places,
        )
    return "constant", sentence(
        "The {graph} has the number {value} where this run had {had}, at `{op}`{where}, made a "
        "Python number at line {line}.",
        line=read_at,
        **places,
    )


def mode_reason(graph: str, op: Op, training: bool) -> str:
    """Where train or eval mode is built in. `training` is that of the run."""
    places = {"op": op.name, "where": at_line(op.source), "graph": graph}
    if training:
        return sentence(
            "`{op}`{where}: training mode in this run, eval mode in the {graph}.", **places
        )
    return sentence("`{op}`{where}: eval mode in this run, training mode in the {graph}.", **places)


def tensor_reason(graph: str, op: Op, name: str, state: bool) -> tuple[str, str]:
    """Kind and reason where a tensor of the graph has other values than in this run.

    Args:
        graph: "trace" or "script".
        op: what takes the tensor.
        name: of the tensor, "" where it has none.
        state: it is a parameter or buffer, not a constant.
    """
    places = {
        "graph": graph,
        "what": f"`{name}`" if name else sentence("a tensor"),
        "op": op.name,
        "where": at_line(op.source),
    }
    if state:
        return "state", sentence(
            "In the {graph}, {what} of `{op}`{where} has other values than in this run.", **places
        )
    return "constant", sentence(
        "The {graph} has {what} of `{op}`{where} built in as a constant.", **places
    )


def random_reason(graph: str, op: Op) -> str:
    """Where both drew random numbers from states of their own."""
    return sentence(
        "`{op}`{where} draws random numbers: run and {graph} differ there unless both start from "
        "the same seed.",
        op=op.name,
        where=at_line(op.source),
        graph=graph,
    )


def value_reason(op: Op, what: str, dynamic: str, static: str, difference: float | None) -> str:
    """The plain statement that two values differ."""
    places = {
        "op": op.name,
        "where": at_line(op.source),
        "dynamic": dynamic,
        "static": static,
    }
    if what == "shape":
        return sentence(
            "The shape first differs at `{op}`{where}: {dynamic} in this run, {static} in the "
            "graph.",
            **places,
        )
    if what == "dtype":
        return sentence(
            "The dtype first differs at `{op}`{where}: {dynamic} in this run, {static} in the "
            "graph.",
            **places,
        )
    if difference is None:
        return sentence(
            "The value first differs at `{op}`{where}: {dynamic} in this run, {static} in the "
            "graph.",
            **places,
        )
    return sentence(
        "The value first differs at `{op}`{where}: {dynamic} in this run, {static} in the graph, "
        "largest difference {difference:.3g}.",
        difference=difference,
        **places,
    )


def missing_reason(graph: str, op: Op) -> str:
    """An op without a node, and nothing known of why."""
    return sentence(
        "The {graph} has no node for `{op}`{where}: this input took a path that the {graph} does "
        "not have.",
        graph=graph,
        op=op.name,
        where=at_line(op.source),
    )


def extra_reason(graph: str, node: IRNode) -> str:
    """A node that the run did not get to, and nothing known of why."""
    return sentence(
        "The {graph} always runs `{op}`{where}; this input did not get there (again).",
        graph=graph,
        op=kind_name(node),
        where=at_line(node.source),
    )


def shown(value: Any) -> str:
    """A Python value as it reads in a sentence."""
    if isinstance(value, float):
        return f"{value:.7g}"
    return shortened(repr(value))


_RANDOM = frozenset(
    "dropout feature_dropout alpha_dropout feature_alpha_dropout native_dropout dropout1d dropout2d"
    " dropout3d rand randn randint randperm rand_like randn_like randint_like bernoulli normal"
    " uniform multinomial poisson exponential cauchy geometric log_normal random rrelu"
    " gumbel_softmax binomial kaiming_uniform kaiming_normal xavier_uniform xavier_normal"
    " rrelu_with_noise fractional_max_pool2d fractional_max_pool3d".split()
)

_MODES = {
    "dropout": 2,
    "feature_dropout": 2,
    "alpha_dropout": 2,
    "feature_alpha_dropout": 2,
    "rrelu": 3,
    "batch_norm": 5,
    "instance_norm": 5,
    "lstm": 6,
    "gru": 6,
    "rnn_tanh": 6,
    "rnn_relu": 6,
}
"""Which operand of a node says whether it trains."""


def is_random(node: IRNode) -> bool:
    """Whether a node can draw random numbers."""
    return plain(node.kind) in _RANDOM or ("dropout" in str(node.attributes.get("function", "")))


def mode_operand(node: IRNode) -> int | None:
    """Which operand of a node says whether it trains; None where none does."""
    return _MODES.get(plain(node.kind))
