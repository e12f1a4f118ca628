"""Parameters and other leaves over the rounds: gradient, weight and update of each."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import compress

from inspector.gradients.model import ParameterGradients, Round, RoundGradient
from inspector.gradients.rounds import RoundFinder, nodes_by_pass, optimizer_ops
from inspector.norms import norm_of
from inspector.records import GradNode, Op, ParameterInfo, Recording, TensorInfo, TensorSummary

_SAME = 1e-4
"""How far, in parts of the passes' norms, means may be apart to be those of one tensor."""


def parameters_of(
    recording: Recording, rounds: tuple[Round, ...]
) -> tuple[ParameterGradients, ...]:
    """All parameters and leaves with a gradient, in the order in which the forward uses them."""
    return _Collector(recording, rounds).found()


class _Collector:
    """Reads the recording once, and puts together what belongs to one leaf.

    A leaf is known by its name, or by the id of its first value where it has none: every
    update makes a new value.
    """

    def __init__(self, recording: Recording, rounds: tuple[Round, ...]) -> None:
        self._recording = recording
        self._rounds = rounds
        self._updating = optimizer_ops(recording)
        self._named = {
            name: info.name
            for info in recording.parameters
            if info.kind == "parameter"
            for name in info.names
        }
        self._inputs = recording.input_names()
        self._firsts: dict[int, int] = {}
        self._values: dict[str | int, list[TensorInfo]] = defaultdict(list)
        self._arrived: dict[str | int, dict[int, list[GradNode]]] = {}
        self._moved: dict[str | int, dict[int, float]] = {}
        self._uses: dict[str | int, dict[int, int]] = {}
        self._first_use: dict[str | int, int] = {}

    def found(self) -> tuple[ParameterGradients, ...]:
        """The records, sorted."""
        self._read_gradients()
        self._read_updates()
        known = (info.name for info in self._recording.parameters if info.kind == "parameter")
        keys: dict[str | int, None] = dict.fromkeys([*known, *self._arrived])
        self._read_values(keys)
        self._read_uses(keys)
        order = {key: i for i, key in enumerate(keys)}
        last = len(self._recording.ops)
        ranked = sorted(keys, key=lambda key: (self._first_use.get(key, last), order[key]))
        infos = {info.name: info for info in self._recording.parameters}
        made = [self._record(key, infos.get(key) if isinstance(key, str) else None)
                for key in ranked]  # fmt: skip
        return tuple(_told_apart(made, ranked))

    # -- what belongs to which leaf ---------------------------------------------------------------

    def _key(self, tensor: TensorInfo) -> str | int | None:
        """What a value of a tensor is known by; None for tensors that are no leaf at all."""
        if tensor.name is not None:
            return self._named.get(tensor.name, tensor.name)
        return self._first(tensor.id)

    def _first(self, tensor: int) -> int:
        """The first value of a tensor that in-place ops have written since."""
        chain = []
        tensors, ops = self._recording.tensors, self._recording.ops
        while tensor not in self._firsts:
            info = tensors[tensor]
            before = info.alias_of
            chain.append(tensor)
            overwritten = (
                before is not None
                and info.producer is not None
                and before in ops[info.producer].overwrites
            )
            if not overwritten or before is None:
                self._firsts[tensor] = tensor
                break
            tensor = before
        first = self._firsts[tensor]
        self._firsts.update(dict.fromkeys(chain, first))
        return first

    def _read_gradients(self) -> None:
        tensors = self._recording.tensors
        nodes = nodes_by_pass(self._recording)
        for round in self._rounds:
            for number in round.passes:
                for node in nodes.get(number, ()):
                    key: str | int | None = None
                    if node.parameter is not None:
                        key = self._named.get(node.parameter, node.parameter)
                    elif node.tensor is not None:
                        key = self._key(tensors[node.tensor])
                    if key is not None:
                        by_round = self._arrived.setdefault(key, {})
                        by_round.setdefault(round.id, []).append(node)

    def _read_updates(self) -> None:
        tensors = self._recording.tensors
        for round in self._rounds:
            for number in round.updates:
                step = self._recording.steps[number]
                for name, norm in zip(step.updated, step.update_norms, strict=False):
                    key: str | int | None = self._named.get(name, name)
                    if name.startswith("%") and int(name[1:]) in tensors:
                        key = self._key(tensors[int(name[1:])])
                    if key is not None:
                        self._moved.setdefault(key, {})[round.id] = norm

    def _read_values(self, keys: Mapping[str | int, None]) -> None:
        """Every value that each leaf had, in order."""
        unnamed = any(isinstance(key, int) for key in keys)
        for tensor in self._recording.tensors.values():
            if tensor.name is None and not unnamed:
                continue
            key = self._key(tensor)
            if key in keys and key is not None:
                self._values[key].append(tensor)

    def _read_uses(self, keys: Mapping[str | int, None]) -> None:
        """The ops that take each leaf: first those whose results can carry a gradient back.

        `weight.new_zeros(3)` takes a weight too, but that is not where it is in the depth.
        """
        tensors = self._recording.tensors
        ops = [op for op in self._recording.ops if op.id not in self._updating]
        carrying = [any(tensors[made].requires_grad for made in op.outputs) for op in ops]
        for wanted in (True, False):
            self._note_uses(keys, list(compress(ops, (way is wanted for way in carrying))))

    def _note_uses(self, keys: Mapping[str | int, None], ops: list[Op]) -> None:
        finder = RoundFinder(self._rounds)
        key_of = {tensor.id: key for key in keys for tensor in self._values[key]}
        for op in ops:
            for tensor in op.inputs:
                key = key_of.get(tensor)
                if key is None:
                    continue
                self._first_use.setdefault(key, op.id)
                round = finder.of(op.id)
                if round is not None:
                    self._uses.setdefault(key, {}).setdefault(round, op.id)

    # -- the record of one leaf ------------------------------------------------------------------

    def _record(self, key: str | int, info: ParameterInfo | None) -> ParameterGradients:
        values = self._values[key]
        tensor = values[0] if values else None
        shape = info.shape if info else tensor.shape if tensor else ()
        dtype = info.dtype if info else tensor.dtype if tensor else ""
        numbers = range(len(self._rounds))
        moved, uses = self._moved.get(key, {}), self._uses.get(key, {})
        return ParameterGradients(
            name=self._label(key, tensor),
            kind="parameter" if info else "leaf",
            shape=shape,
            dtype=dtype,
            op=self._first_use.get(key),
            requires_grad=info.requires_grad if info else True,
            gradients=tuple(self._gradient(key, round, info, shape) for round in self._rounds),
            weights=tuple(self._weight(values, round) for round in self._rounds),
            updates=tuple(moved.get(i) for i in numbers),
            uses=tuple(uses.get(i) for i in numbers),
        )

    def _gradient(
        self, key: str | int, round: Round, info: ParameterInfo | None, shape: tuple[int, ...]
    ) -> RoundGradient | None:
        nodes = self._arrived.get(key, {}).get(round.id)
        if not nodes:
            return None
        fresh = [i for i, node in enumerate(nodes) if not node.accumulated]
        nodes = nodes[fresh[-1] if fresh else 0 :]  # what came before was thrown away
        brought = [node.grad_outputs[0] if node.grad_outputs else None for node in nodes]
        last = nodes[-1].id
        if len(nodes) == 1:
            return RoundGradient(brought[0], last)
        held = [info.grad] if info and round.id == len(self._rounds) - 1 else []
        seen = [tensor.summary for tensor in self._taken_by(round) if tensor.shape == shape]
        whole = next((one for one in (*held, *seen) if _is_sum(one, brought)), None)
        return RoundGradient(whole or brought[-1], last, len(nodes), summed=whole is not None)

    def _taken_by(self, round: Round) -> Iterable[TensorInfo]:
        """Tensors without a producer that the ops of the round's optimizer steps take.

        The engine adds gradients up without telling: their sum has neither name nor producer.
        """
        for number in round.updates:
            step = self._recording.steps[number]
            for op in self._recording.ops[step.first_op : step.last_op]:
                for tensor in op.inputs:
                    info = self._recording.tensors[tensor]
                    if info.producer is None and not info.requires_grad:
                        yield info

    def _label(self, key: str | int, tensor: TensorInfo | None) -> str:
        if isinstance(key, str):
            return key
        return (tensor.variable if tensor else None) or self._inputs.get(key) or f"%{key}"

    def _weight(self, values: list[TensorInfo], round: Round) -> TensorSummary | None:
        """Its values when the round's passes ran: those made before the update."""
        before = round.last_op
        if round.updates:
            before = self._recording.steps[round.updates[0]].first_op
        found = None
        for tensor in values:
            if tensor.producer is not None and tensor.producer >= before:
                break
            found = tensor
        return None if found is None else found.summary


def _is_sum(whole: TensorSummary | None, parts: list[TensorSummary | None]) -> bool:
    """Whether `whole` can be the sum of `parts`: means add up, and norms do at most."""
    norms = [norm_of(part) for part in parts]
    means = [None if part is None else part.mean for part in parts]
    norm = norm_of(whole)
    if whole is None or whole.mean is None or norm is None:
        return False
    known = [(mean, size) for mean, size in zip(means, norms, strict=True)
             if mean is not None and size is not None]  # fmt: skip
    if len(known) < len(parts):
        return False
    largest = sum(size for _, size in known)
    room = _SAME * largest
    return abs(whole.mean - sum(mean for mean, _ in known)) <= room and norm <= largest + room


def _told_apart(
    made: list[ParameterGradients], keys: list[str | int]
) -> Iterable[ParameterGradients]:
    """Leaves that the code calls by the same name get their number behind it."""
    names = Counter(parameter.name for parameter in made)
    for parameter, key in zip(made, keys, strict=True):
        double = names[parameter.name] > 1 and not isinstance(key, str)
        yield replace(parameter, name=f"{parameter.name} %{key}") if double else parameter
