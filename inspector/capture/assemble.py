"""From the raw notes of a finished run to a `Recording`."""

from __future__ import annotations

import linecache
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from operator import itemgetter
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from inspector.capture.calls import plain_name, qualified_name
from inspector.capture.failure import failure_of
from inspector.capture.frames import Site, is_installed
from inspector.capture.lines import LineRecorder
from inspector.capture.names import variables
from inspector.capture.tape import Argument, RawOp, Tape
from inspector.capture.tensors import RawTensor
from inspector.records import (
    Decision,
    Failure,
    GradNode,
    ModuleCall,
    Op,
    ParameterInfo,
    Recording,
    Source,
    Step,
    TensorInfo,
    TensorSummary,
)


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
        self._node_ends = [row.end_node for row in tape.ops]
        self._stacks: dict[Site, tuple[Source, ...]] = {}
        self._call_sites: dict[Site, Source | None] = {}
        self._names: dict[Callable[..., Any], tuple[str, str]] = {}

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
        grad_nodes = tuple(self._grad_nodes())
        parameters, names = self._parameters()
        ops = tuple(self._op(i, row) for i, row in enumerate(tape.ops))
        failure = None if error is None else failure_of(error, tape, ops, self._op_of)
        module_calls = tuple(self._module_calls(ops))
        decisions = tuple(self._decisions(ops))
        steps = tuple(self._steps(names))
        counts = {} if lines is None else lines.counts()
        sources = self._sources(ops, steps, failure, counts)
        counts = {file: found for file, found in counts.items() if file in sources}
        assigned = variables(ops, tape.tensors.raw, module_calls, sources, kept=output)
        return Recording(
            ops=ops,
            tensors=self._tensors(names, assigned, grad_nodes),
            module_calls=module_calls,
            decisions=decisions,
            grad_nodes=tuple(self._named(grad_nodes, names)),
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
        )

    def _op(self, number: int, row: RawOp) -> Op:
        stack = self._stack(row.site)
        call_site = self._call_site(row.site)
        name, function = self._names_of(row.func)
        return Op(
            id=number,
            name=name,
            function=function,
            inputs=row.inputs,
            outputs=row.outputs,
            module_call=row.module_call,
            source=stack[0] if stack else call_site,
            stack=stack,
            duration_us=row.duration_ns / 1000,
            kernels=tuple(row.kernels or ()),
            arguments=_join(row.arguments),
            call_site=call_site,
            overwrites=row.overwrites,
            phase=row.phase,
        )

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
        known = self._names.get(func)
        if known is None:
            known = self._names[func] = plain_name(func), qualified_name(func)
        return known

    def _call_site(self, site: Site) -> Source | None:
        if site not in self._call_sites:
            self._call_sites[site] = self._tape.positions.call_site(site)
        return self._call_sites[site]

    def _stack(self, site: Site) -> tuple[Source, ...]:
        known = self._stacks.get(site)
        if known is None:
            known = self._stacks[site] = self._tape.positions.user_stack(site)
        return known

    def _source(self, site: Site) -> Source | None:
        stack = self._stack(site)
        return stack[0] if stack else self._call_site(site)

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
            yield Step(
                i, row.kind, row.first_op, row.last_op, self._user_source(row.site),
                row.pass_index, row.detail, row.learning_rates,
                tuple(name for name, _ in moved), tuple(norm for _, norm in moved),
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

    def _grad_nodes(self) -> Iterable[GradNode]:
        for i, row in enumerate(self._tape.grad_nodes):
            yield GradNode(
                id=i,
                name=row.name,
                op=self._op_of(row.sequence),
                parameter=None,
                grad_inputs=row.grad_inputs,
                grad_outputs=row.grad_outputs,
                pass_index=row.pass_index,
                accumulated=row.accumulated,
                next=row.next,
                tensor=row.leaf,
                duration_us=row.duration_ns / 1000,
                kernels=tuple(row.kernels),
                freed=row.freed,
            )

    def _named(self, nodes: Iterable[GradNode], names: Mapping[int, str]) -> Iterable[GradNode]:
        for node in nodes:
            if node.tensor is None:
                yield node
            else:
                object_number = self._tape.tensors.raw[node.tensor].object
                yield replace(node, parameter=names.get(object_number))

    def _tensors(
        self,
        names: Mapping[int, str],
        assigned: Mapping[int, str],
        nodes: tuple[GradNode, ...],
    ) -> dict[int, TensorInfo]:
        grads = self._gradients(nodes)
        return {
            i: _tensor_info(i, row, names.get(row.object), grads.get(i), assigned.get(i))
            for i, row in enumerate(self._tape.tensors.raw)
        }

    def _gradients(self, nodes: tuple[GradNode, ...]) -> dict[int, TensorSummary]:
        """The gradient of each tensor, from the last pass that brought one."""
        by_output: dict[tuple[int | None, int], int] = {
            (raw.sequence, raw.output_nr): i
            for i, raw in enumerate(self._tape.tensors.raw)
            if raw.sequence is not None
        }
        found: dict[int, TensorSummary] = {}
        for node, row in zip(nodes, self._tape.grad_nodes, strict=True):
            for position, summary in enumerate(node.grad_outputs):
                tensor = node.tensor
                if tensor is None:
                    tensor = by_output.get((row.sequence, position))
                if tensor is not None and summary is not None:
                    found[tensor] = summary
        return found

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
            names[0], tuple(names), kind, shape, _plain(tensor.dtype),
            tensor.requires_grad, first, self._tape.summary(grad), grad is not None,
        )  # fmt: skip

    def _sources(
        self,
        ops: tuple[Op, ...],
        steps: tuple[Step, ...],
        failure: Failure | None,
        lines: Mapping[str, Any],
    ) -> dict[str, str]:
        files = {source.file for op in ops for source in (op.source, *op.stack) if source}
        files |= {step.source.file for step in steps if step.source}
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


def _tensor_info(
    number: int,
    row: RawTensor,
    name: str | None,
    grad: TensorSummary | None,
    variable: str | None,
) -> TensorInfo:
    return TensorInfo(
        id=number,
        shape=row.shape,
        dtype=_plain(row.dtype),
        device=str(row.device),
        requires_grad=row.requires_grad,
        is_leaf=row.is_leaf,
        name=name,
        alias_of=row.alias_of,
        version=max(row.version, 0),
        summary=row.summary,
        producer=row.producer,
        storage=row.storage,
        layout=_plain(row.layout),
        nbytes=row.nbytes,
        grad=grad,
        variable=variable,
    )


def _plain(value: torch.dtype | torch.layout) -> str:
    return str(value).removeprefix("torch.")


def _join(arguments: tuple[Argument, ...]) -> str:
    return ", ".join(f"%{part}" if isinstance(part, int) else part for part in arguments)
