"""Says in words why a static graph and a run part, and what to do about it."""

from __future__ import annotations

from typing import Any

from inspector.overlay.positions import plain
from inspector.records import IRNode, Op, Source
from inspector.truthful.code import Statement, shortened
from inspector.truthful.decisions import Cause
from inspector.truthful.pairs import Number

REMEDIES = {
    "branch": "Script the function that decides, or decide on tensors with torch.where or "
    "torch.cond.",
    "loop": "Script the function with the loop: a script keeps it as a loop.",
    "constant": "Compute with the size or tensor itself, without int(), .item() or .tolist(), or "
    "script this function.",
    "state": "Make the graph again, or load the model's present state into it.",
    "mode": "Make the graph in the mode in which it is to run: call train() or eval() first.",
    "random": "Compare with the same seed, or in eval() mode.",
    "number": "TorchScript reckons with typed numbers. Convert with int() or float() where the "
    "type matters.",
    "runs on": "A trace holds no checks. Check before calling it, or script the function.",
}
"""What to do about each kind of parting."""


def at_line(source: Source | None) -> str:
    """The line as an aside, with a space before it; or nothing."""
    return "" if source is None else f" (line {source.line})"


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
    place = f"`{statement.text}` (line {statement.line})"
    if statement.is_loop:
        return "loop", _loop_reason(graph, statement, cause.trips or counts)
    if cause.decision is None:
        return "branch", (
            f"The {graph} kept the way that {place} went when it was made; this input took the "
            "other. A plain Python value decides there, which torch does not warn of."
        )
    if type(cause.decision.value) is bool:
        return "branch", f"The {graph} kept the branch for {place}; this input took the other."
    read = cause.text or "the value read there"
    then = "" if cause.other is None else f" was {shown(cause.other)} when it was made, and"
    return "branch", (
        f"The {graph} kept the branch for {place}; this input took another: {read}{then} is "
        f"{shown(cause.decision.value)} here."
    )


def _loop_reason(graph: str, statement: Statement, trips: tuple[int, int] | None) -> str:
    loop = f"`{statement.kind} {statement.text}` (line {statement.line})"
    if statement.kind == "for":
        loop = f"over `{statement.text}` (line {statement.line})"
    if trips is None or trips[0] == trips[1]:
        return f"The {graph} has another number of trips through the loop {loop} than this input."
    there, here = trips
    return f"The {graph} always runs the loop {loop} {_times(there)}; this input needed {here}."


def _times(count: int) -> str:
    return {0: "0 times", 1: "once"}.get(count, f"{count} times")


def _loose_reason(graph: str, cause: Cause) -> str:
    decision = cause.decision
    assert decision is not None
    read = cause.text or "a value"
    then = "" if cause.other is None else f": {shown(cause.other)} when it was made,"
    return (
        f"The {graph} goes the way that {read}{at_line(decision.source)} decided{then}"
        f"{' and' if then else ':'} {shown(decision.value)} here."
    )


def number_reason(
    graph: str, op: Op, dynamic: Number, static: Number, text: str, read_at: int | None
) -> tuple[str, str]:
    """Kind and reason where the op got another number than the node has."""
    had = f"`{text}` = {shown(dynamic.value)}" if text else shown(dynamic.value)
    where = f"at `{op.name}`{at_line(op.source)}"
    if static.built_in:
        read = f", made a Python number at line {read_at}" if read_at is not None else ""
        what = "number" if not isinstance(static.value, str | bool) else "value"
        return "constant", (
            f"The {graph} has the {what} {shown(static.value)} where this run had {had}, {where}"
            f"{read}."
        )
    return "number", (
        f"The {graph} computes {shown(static.value)} where this run had {had}, {where}."
    )


def mode_reason(graph: str, op: Op, training: bool) -> str:
    """Where train or eval mode is built in. `training` is that of the run."""
    mine, theirs = ("training", "eval") if training else ("eval", "training")
    return (
        f"`{op.name}`{at_line(op.source)}: {mine} mode in this run, {theirs} mode in the {graph}."
    )


def tensor_reason(graph: str, op: Op, name: str, state: bool) -> tuple[str, str]:
    """Kind and reason where a tensor of the graph has other values than in this run.

    Args:
        graph: "trace" or "script".
        op: what takes the tensor.
        name: of the tensor, "" where it has none.
        state: it is a parameter or buffer, not a constant.
    """
    what = f"`{name}`" if name else "a tensor"
    place = f"`{op.name}`{at_line(op.source)}"
    if state:
        return "state", f"In the {graph}, {what} of {place} has other values than in this run."
    return "constant", f"The {graph} has {what} of {place} built in as a constant."


def random_reason(graph: str, op: Op) -> str:
    """Where both drew random numbers from states of their own."""
    return (
        f"`{op.name}`{at_line(op.source)} draws random numbers: run and {graph} differ there "
        "unless both start from the same seed."
    )


def value_reason(op: Op, what: str, dynamic: str, static: str, difference: float | None) -> str:
    """The plain statement that two values differ."""
    place = f"`{op.name}`{at_line(op.source)}"
    if what in ("shape", "dtype"):
        return f"The {what} first differs at {place}: {dynamic} in this run, {static} in the graph."
    by = "" if difference is None else f", largest difference {difference:.3g}"
    return f"The value first differs at {place}: {dynamic} in this run, {static} in the graph{by}."


def missing_reason(graph: str, op: Op) -> str:
    """An op without a node, and nothing known of why."""
    return (
        f"The {graph} has no node for `{op.name}`{at_line(op.source)}: this input took a path that "
        f"the {graph} does not have."
    )


def extra_reason(graph: str, node: IRNode) -> str:
    """A node that the run did not get to, and nothing known of why."""
    return (
        f"The {graph} always runs `{kind_name(node)}`{at_line(node.source)}; this input did not "
        "get there (again)."
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
