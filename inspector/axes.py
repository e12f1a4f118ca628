"""What the dimensions of a tensor stand for, as far as an op that made or takes it says so.

`conv2d` reads and writes (N, C, H, W), the weight of `linear` is (out, in), the last dimension
of what `embedding` gives is the embedding. Ops that compute each element by itself hand the
names on between tensors of one shape. Where no op tells, a dimension has no name: nothing is
guessed from a size. The tables are in `axis_rules`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from inspector.axis_rules import (
    ELEMENTWISE,
    GATES,
    PARAMETERS,
    PRODUCTS,
    REST,
    RULES,
    WORDS,
    Pattern,
)
from inspector.graph import DataFlow
from inspector.records import Op, Recording, TensorInfo

MOST_VISITED = 20
"""Tensors looked at for the names of one."""


class AxisNames:
    """The names of the dimensions of a recording's tensors.

    Args:
        recording: what ran.
        flow: its producers and consumers.
    """

    def __init__(self, recording: Recording, flow: DataFlow) -> None:
        self._recording = recording
        self._flow = flow
        self._found: dict[int, tuple[str, ...]] = {}
        self._own: dict[int, tuple[str, ...]] = {}

    def of(self, tensor: int) -> tuple[str, ...]:
        """One name per dimension of the tensor, "" where it is not known.

        >>> AxisNames(recording, flow).of(0)  # the input of a conv2d
        ('N', 'C', 'H', 'W')
        """
        if tensor not in self._found:
            self._found[tensor] = self._search(tensor)
        return self._found[tensor]

    def _search(self, start: int) -> tuple[str, ...]:
        """The tensor's own names, and those of the nearest tensors that it shares them with."""
        shape = self._recording.tensors[start].shape
        names: tuple[str, ...] = ("",) * len(shape)
        seen, todo = {start}, [start]
        for tensor in todo:
            told = self._told(tensor)
            names = _filled(names, told) if told else names
            if all(names) or len(seen) > MOST_VISITED:
                break
            for other in self._sharing(tensor):
                if other not in seen and self._recording.tensors[other].shape == shape:
                    seen.add(other)
                    todo.append(other)
        return tuple(WORDS.get(name, name) for name in names)

    def _sharing(self, tensor: int) -> Iterator[int]:
        """Tensors one elementwise op away, the maker's side first."""
        ops = self._recording.ops
        producer = self._flow.producer(tensor)
        if producer is not None and _plain(ops[producer]) in ELEMENTWISE:
            yield from ops[producer].inputs
        for user in self._flow.consumers.get(tensor, ())[:MOST_VISITED]:
            if _plain(ops[user]) in ELEMENTWISE:
                yield from ops[user].outputs

    def _told(self, tensor: int) -> tuple[str, ...]:
        """What the ops that made and take the tensor say, the maker first; () if nothing."""
        if tensor not in self._own:
            names: tuple[str, ...] = ()
            for said in self._sayings(self._recording.tensors[tensor]):
                names = _filled(names, said) if names else said
            self._own[tensor] = names
        return self._own[tensor]

    def _sayings(self, tensor: TensorInfo) -> Iterator[tuple[str, ...]]:
        ops = self._recording.ops
        rank = len(tensor.shape)
        if not rank:
            return
        if tensor.producer is not None:
            op = ops[tensor.producer]
            yield from self._made(op, tensor, rank)
        for user in self._flow.consumers.get(tensor.id, ())[:MOST_VISITED]:
            op = ops[user]
            if _plain(op) in GATES:
                yield from _recurrent_input(op, tensor, rank)
            rule = RULES.get(op.name)
            if rule is not None:
                for role, operand in operands(op):
                    if operand == tensor.id:
                        yield from _fitting(rule.get(role, ()), rank)

    def _made(self, op: Op, tensor: TensorInfo, rank: int) -> Iterator[tuple[str, ...]]:
        place = op.outputs.index(tensor.id) if tensor.id in op.outputs else 0
        if op.name in GATES:
            yield from _recurrent_output(op, place, rank)
        if op.name == "softmax" and self._is_attention(op, rank):
            yield from _fitting(((REST, "queries", "keys"),), rank)
        role = "output" if place == 0 else f"output{place}"
        yield from _fitting(RULES.get(op.name, {}).get(role, ()), rank)

    def _is_attention(self, softmax: Op, rank: int) -> bool:
        """Whether the softmax weighs by the product of queries and keys what a product mixes."""
        dim = re.search(r"^%\d+, (?:dim=)?(-?\d+)", softmax.arguments)
        if dim is None or int(dim[1]) not in (-1, rank - 1) or rank < 2:
            return False
        ops = self._recording.ops
        above = self._first_other(softmax.inputs[0], down=False)
        below = self._first_other(softmax.outputs[0], down=True)
        return (
            above is not None
            and ops[above].name in PRODUCTS
            and below is not None
            and ops[below].name in PRODUCTS
        )

    def _first_other(self, tensor: int, *, down: bool) -> int | None:
        """The nearest op above or below the tensor that is not elementwise."""
        seen: set[int] = set()  # an op may return its input itself, and so be above and below it
        for _ in range(6):
            ops = self._flow.consumers.get(tensor, ()) if down else (self._flow.producer(tensor),)
            op = next((op for op in ops if op is not None and op not in seen), None)
            if op is None or _plain(self._recording.ops[op]) not in ELEMENTWISE:
                return op
            seen.add(op)
            row = self._recording.ops[op]
            following = row.outputs if down else row.inputs
            if not following:
                return None
            tensor = following[0]
        return None


def _filled(names: Iterable[str], others: Iterable[str]) -> tuple[str, ...]:
    """The names, with those of `others` where there is none."""
    return tuple(own or other for own, other in zip(names, others, strict=True))


def _plain(op: Op) -> str:
    """The op's name; in-place variants go by that of the plain op."""
    return op.name if op.name in ELEMENTWISE else op.name.removesuffix("_")


def _fitting(patterns: Iterable[Pattern], rank: int) -> Iterator[tuple[str, ...]]:
    """The names of `rank` dimensions by the first pattern that has as many."""
    for pattern in patterns:
        known = len(pattern) - (REST in pattern)
        if known == rank or (REST in pattern and known < rank):
            gap = ("",) * (rank - known)
            at = pattern.index(REST) if REST in pattern else rank
            yield (*pattern[:at], *gap, *pattern[at + 1 :])
            return


def operands(op: Op) -> Iterator[tuple[str, int]]:
    """(role, tensor id) of the tensors that stand as arguments of their own in a call."""
    parameters = PARAMETERS.get(op.name, ("input", "weight", "bias"))
    for place, text in enumerate(split_arguments(op.arguments)):
        keyword, _, value = text.rpartition("=")
        role = keyword or (parameters[place] if place < len(parameters) else "")
        if role == "hx":
            states = re.findall(r"%(\d+)", value)[:2]
            yield from zip(("hidden", "memory")[: len(states)], map(int, states), strict=True)
        elif re.fullmatch(r"%\d+", value) and role:
            yield role, int(value[1:])


def split_arguments(text: str) -> list[str]:
    """The arguments of a call as `Op.arguments` renders it, one by one.

    >>> split_arguments("%0, (%1, %2), dim=(2, 3)")
    ['%0', '(%1, %2)', 'dim=(2, 3)']
    """
    parts = [""]
    depth, quote = 0, ""
    for letter in text:
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        else:
            depth += (letter in "([{") - (letter in ")]}")
        if letter == "," and depth <= 0 and not quote:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts if part.strip()]


def _layout(op: Op) -> tuple[str, ...] | None:
    """The first dimensions of a recurrent op's input: packed, batch first or time first.

    `torch.lstm(input, hx, params, has_biases, num_layers, dropout, train, bidirectional,
    batch_first)`; of a packed sequence `(data, batch_sizes, hx, params, …)`.
    """
    arguments = split_arguments(op.arguments)
    lists = [place for place, text in enumerate(arguments) if text.startswith("[")]
    if lists == [3]:
        return ("packed",)
    if lists == [2] and arguments[-1] in ("True", "False"):
        return ("N", "T") if arguments[-1] == "True" else ("T", "N")
    return None


def _recurrent_output(op: Op, place: int, rank: int) -> Iterator[tuple[str, ...]]:
    layout = _layout(op)
    if place:
        yield from _fitting((("layers", "N", "hidden"),), rank)
    elif layout is not None:
        yield from _fitting(((*layout, "H"),), rank)


def _recurrent_input(op: Op, tensor: TensorInfo, rank: int) -> Iterator[tuple[str, ...]]:
    layout = _layout(op)
    if layout is not None and op.inputs and op.inputs[0] == tensor.id:
        yield from _fitting(((*layout, "features"),), rank)
    gates = GATES[op.name]
    role = re.search(r"(weight_ih|weight_hh|bias_ih|bias_hh)_l\d+(?:_reverse)?$", tensor.name or "")
    if role is not None:
        side = "hidden" if role[1].endswith("hh") else "in"
        pattern = (gates,) if role[1].startswith("bias") else (gates, side)
        yield from _fitting((pattern,), rank)
