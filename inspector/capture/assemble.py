"""From the raw notes of a finished run to a `Recording`."""

from __future__ import annotations

import functools
import linecache
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import repeat
from operator import itemgetter
from typing import Any, TypeVar

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from inspector.capture.calls import plain_name, qualified_name
from inspector.capture.failure import failure_of
from inspector.capture.frames import Site, is_installed
from inspector.capture.gradnodes import grad_node_records, gradient_values, gradients
from inspector.capture.lines import LineRecorder
from inspector.capture.names import variables
from inspector.capture.sizes import with_size_reads
from inspector.capture.summary import summarise
from inspector.capture.tape import Argument, Tape
from inspector.making import records_of
from inspector.records import (
    Collective,
    Decision,
    Failure,
    GradNode,
    ModuleCall,
    Op,
    ParameterInfo,
    ProgramWarning,
    Recording,
    Source,
    Step,
    TensorInfo,
    TensorSummary,
)

V = TypeVar("V")
R = TypeVar("R")
Place = tuple[tuple[Source, ...], Source | None, Source | None]


class Assembler:
    """Makes the records of one tape.

    Args:
        tape: the notes.
        roots: path -> module, the outermost modules that were called.
    """

    def __init__(self, tape: Tape, roots: Mapping[str, nn.Module]) -> None:
        self._tape = tape
        self._roots = roots
        self._first_values: dict[int, int] = {}  # tensor object -> its first value met
        for i, raw in enumerate(tape.tensors.raw):
            self._first_values.setdefault(raw.object, i)
        self._summaries = tape.summaries.finish()
        self._node_ends = [row.end_node for row in tape.ops]
        self._places: dict[int, Place] = {}

    def recording(
        self,
        *,
        lines: LineRecorder | None,
        error: BaseException | None,
        meta: Mapping[str, Any],
        inputs: tuple[int, ...],
        output: tuple[int, ...],
    ) -> Recording:
        """The finished recording; nothing in it is alive."""
        tape = self._tape
        parameters, names = self._parameters()
        grad_nodes = grad_node_records(tape, names, self._op_of, self._summed)
        ops = self._ops()
        failure = None if error is None else failure_of(error, tape, ops, self._op_of)
        module_calls = tuple(self._module_calls(ops))
        decisions = tuple(with_size_reads(self._decisions(ops), tape, self._first_values))
        steps = tuple(self._steps(names))
        counts = {} if lines is None else lines.counts()
        warned = tuple(self._warnings())
        sources = self._sources(ops, (*steps, *decisions, *warned), failure, counts)
        counts = {file: found for file, found in counts.items() if file in sources}
        raised = None if failure is None or failure.node is not None else failure.op
        assigned = variables(ops, tape.tensors.raw, module_calls, sources, output, raised)
        return Recording(
            ops=ops,
            tensors=self._tensors(names, assigned, grad_nodes),
            module_calls=module_calls,
            decisions=decisions,
            grad_nodes=grad_nodes,
            parameters=parameters,
            steps=steps,
            sources=sources,
            lines=counts,
            failure=failure,
            meta=meta,
            inputs=inputs,
            output=output,
            notes=tuple(tape.notes),
            values=tape.tensors.values,
            branches=() if lines is None else lines.branches(sources),
            grads=gradient_values(grad_nodes, tape),
            warnings=warned,
            collectives=tuple(self._collectives(ops)),
        )

    def _ops(self) -> tuple[Op, ...]:
        rows = self._tape.ops
        if not rows:
            return ()
        (
            functions, inputs, arguments, module_calls, sites, phases, _, kernels, outputs,
            overwrites, durations, _,
        ) = zip(*rows, strict=True)  # fmt: skip
        names = self._by_identity(functions, self._names_of)
        places = self._by_identity(sites, self._placed)
        stacks = [stack for stack, _, _ in places]
        call_sites = [call_site for _, call_site, _ in places]
        made = records_of(
            Op,
            len(rows),
            id=range(len(rows)),
            name=[name for name, _ in names],
            function=[function for _, function in names],
            inputs=inputs,
            outputs=outputs,
            module_call=module_calls,
            source=[source for _, _, source in places],
            stack=stacks,
            duration_us=[duration / 1000 for duration in durations],
            kernels=[tuple(found) if found else () for found in kernels],
            arguments=_joined(arguments),
            call_site=call_sites,
            overwrites=overwrites,
            phase=phases,
        )
        return tuple(made)

    @staticmethod
    def _by_identity(values: Sequence[V], function: Callable[[V], R]) -> list[R]:
        """`function` of each value, asked once for each object; the tape keeps them alive."""
        found = {id(value): value for value in values}
        known = {number: function(value) for number, value in found.items()}
        return list(map(known.__getitem__, map(id, values)))

    def _decisions(self, ops: tuple[Op, ...]) -> Iterable[Decision]:
        noted = [(row.op, row.tensor, row.value, row.kind) for row in self._tape.decisions]
        # Iterating over a tensor unbinds it; the number of rows steers the loop.
        noted += [
            (op.id, op.inputs[0], len(op.outputs), "iter")
            for op in ops
            if op.name == "unbind"
            and op.inputs
            and op.outputs
            and op.call_site is not None
            and op.call_site.function == "Tensor.__iter__"
        ]
        for i, (op, tensor, value, kind) in enumerate(sorted(noted, key=itemgetter(0))):
            yield Decision(i, op, tensor, value, kind, ops[op].source)

    def _names_of(self, func: Callable[..., Any]) -> tuple[str, str]:
        """Plain and qualified name; asking torch takes 20 us, so each function is asked once."""
        return plain_name(func), qualified_name(func)

    def _stack(self, site: Site) -> tuple[Source, ...]:
        return self._placed(site)[0]

    def _placed(self, site: Site) -> Place:
        """The user's stack, the call site, and the source: the user's innermost line."""
        # Equal sites are one object, which the tape keeps: its id() is looked up faster.
        known = self._places.get(id(site))
        if known is None:
            positions = self._tape.positions
            stack, call_site = positions.user_stack(site), positions.call_site(site)
            known = self._places[id(site)] = stack, call_site, stack[0] if stack else call_site
        return known

    def _source(self, site: Site) -> Source | None:
        return self._placed(site)[2]

    def _user_source(self, site: Site) -> Source | None:
        stack = self._stack(site)
        return stack[0] if stack else None

    def _module_calls(self, ops: Iterable[Op]) -> Iterable[ModuleCall]:
        own: dict[int, list[int]] = {}
        for op in ops:
            if op.module_call is not None:
                own.setdefault(op.module_call, []).append(op.id)
        for i, row in enumerate(self._tape.module_calls):
            yield ModuleCall(
                i, row.path, row.type, row.parent, row.training,
                tuple(own.get(i, ())), self._source(row.site),
            )  # fmt: skip

    def _steps(self, names: Mapping[int, str]) -> Iterable[Step]:
        raws = self._tape.tensors.raw
        for i, row in enumerate(self._tape.steps):
            moved = [(names.get(raws[tensor].object, f"%{tensor}"), n) for tensor, n in row.updates]
            idle = [names.get(raws[one].object, f"%{one}") for one in row.without_gradient]
            yield Step(
                i, row.kind, row.first_op, row.last_op, self._user_source(row.site),
                row.pass_index, row.detail, row.learning_rates,
                tuple(name for name, _ in moved), tuple(norm for _, norm in moved), row.roots,
                tuple(idle),
            )  # fmt: skip

    def _warnings(self) -> Iterable[ProgramWarning]:
        for row in self._tape.warnings.values():
            source = self._source(row.site)
            yield ProgramWarning(row.category, row.message, source, row.before_op, row.tensor)

    def _collectives(self, ops: tuple[Op, ...]) -> Iterable[Collective]:
        noted = [message for message in self._tape.messages.all if message.op < len(ops)]
        for i, row in enumerate(noted):
            yield Collective(
                i, row.op, row.kind, row.group, row.ranks, row.number, row.tensors,
                row.reduction, row.peer, row.wait,
            )  # fmt: skip

    def _op_of(self, sequence: int | None) -> int | None:
        """The op that made the autograd node with this sequence number."""
        if sequence is None:
            return None
        if sequence in self._tape.node_ops:
            return self._tape.node_ops[sequence]
        number = bisect_left(self._node_ends, sequence + 1)
        if number < len(self._node_ends) and self._tape.ops[number].first_node <= sequence:
            return number
        return None

    def _summed(self, numbers: tuple[int | None, ...]) -> tuple[TensorSummary | None, ...]:
        found = self._summaries
        return tuple([None if number is None else found[number] for number in numbers])

    def _tensors(
        self,
        names: Mapping[int, str],
        assigned: Mapping[int, str],
        nodes: tuple[GradNode, ...],
    ) -> dict[int, TensorInfo]:
        grads = gradients(nodes, self._tape)
        rows = self._tape.tensors.raw
        if not rows:
            return {}
        numbers = range(len(rows))
        (
            objects, shapes, dtypes, devices, requires_grad, leaves, versions, storages, aliases,
            producers, layouts, sizes, summaries, _, _, strides,
        ) = zip(*rows, strict=True)  # fmt: skip
        made = records_of(
            TensorInfo,
            len(rows),
            id=numbers,
            shape=shapes,
            dtype=map(_text, dtypes),
            device=map(_text, devices),
            requires_grad=requires_grad,
            is_leaf=leaves,
            name=map(names.get, objects),
            alias_of=aliases,
            version=map(max, versions, repeat(0)),
            summary=self._summed(summaries),
            producer=producers,
            storage=storages,
            layout=map(_text, layouts),
            nbytes=sizes,
            grad=map(grads.get, numbers),
            variable=map(assigned.get, numbers),
            strides=strides,
        )
        return dict(zip(numbers, made, strict=True))

    def _parameters(self) -> tuple[tuple[ParameterInfo, ...], dict[int, str]]:
        """Parameters and buffers of all roots, and the name of each tensor object."""
        paths: dict[int, tuple[torch.Tensor, str, list[str]]] = {}
        for root, module in self._roots.items():
            for kind, named in _registered(module):
                for name, tensor in named:
                    full = ".".join(part for part in (root, name) if part)
                    entry = paths.setdefault(id(tensor), (tensor, kind, []))
                    if full not in entry[2]:
                        entry[2].append(full)
        names: dict[int, str] = {}
        infos: list[ParameterInfo] = []
        for tensor, kind, known_as in paths.values():
            found = self._tape.tensors.find(tensor)
            if found is not None:
                names[found[0]] = known_as[0]
            grad = tensor.grad if tensor.is_leaf else None
            held = None if grad is None else self._tape.tensors.find(grad)
            if held is not None:
                names.setdefault(held[0], f"{known_as[0]}.grad")
            infos.append(self._parameter(tensor, kind, known_as, found))
        return tuple(infos), names

    def _parameter(
        self,
        tensor: torch.Tensor,
        kind: str,
        names: list[str],
        found: tuple[int, int] | None,
    ) -> ParameterInfo:
        grad = tensor.grad if tensor.is_leaf else None
        shape = () if is_lazy(tensor) else tuple(tensor.shape)
        first = None if found is None else self._first_values[found[0]]
        return ParameterInfo(
            names[0], tuple(names), kind, shape, _text(tensor.dtype),
            tensor.requires_grad, first, self._gradient(grad), grad is not None,
        )  # fmt: skip

    def _gradient(self, grad: torch.Tensor | None) -> TensorSummary | None:
        unread = grad is None or self._tape.options.values == "none"
        return None if unread or grad is None else summarise(grad)

    def _sources(
        self,
        ops: tuple[Op, ...],
        others: tuple[Step | Decision | ProgramWarning, ...],
        failure: Failure | None,
        lines: Mapping[str, Any],
    ) -> dict[str, str]:
        places = {(id(op.stack), id(op.source)): (op.source, *op.stack) for op in ops}
        files = {source.file for place in places.values() for source in place if source}
        files |= {other.source.file for other in others if other.source}
        # Of installed packages only those that ran an op belong to the run; others were
        # imported on the way, hundreds of files at times.
        files |= {file for file in lines if not is_installed(file)}
        if failure is not None and failure.source is not None:
            files.add(failure.source.file)
        texts = {file: "".join(linecache.getlines(file)) for file in sorted(files)}
        return {file: text for file, text in texts.items() if text}


def _registered(module: nn.Module) -> Iterable[tuple[str, Iterable[tuple[str, torch.Tensor]]]]:
    yield "parameter", module.named_parameters(remove_duplicate=False)
    yield "buffer", module.named_buffers(remove_duplicate=False)


@functools.cache
def _text(value: torch.dtype | torch.layout | torch.device) -> str:
    """As in "float32"; there are few of them, and asking for the text takes 0.5 µs."""
    return str(value).removeprefix("torch.")


def _joined(rows: Iterable[tuple[Argument, ...]]) -> list[str]:
    """The arguments of each op as text, tensors as `%id`."""
    numbers: dict[int, str] = {}  # the same few objects come again and again
    found = []
    for arguments in rows:
        parts = []
        for part in arguments:
            if type(part) is int:
                parts.append(f"%{part}")
            elif type(part) is str:
                parts.append(part)
            else:
                text = numbers.get(id(part))
                parts.append(numbers.setdefault(id(part), repr(part)) if text is None else text)
        found.append(", ".join(parts))
    return found
