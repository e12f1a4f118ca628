"""Makes a `Program` of a static graph and the live nodes behind it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch

from inspector.errors import UnsupportedNode
from inspector.language import sentence
from inspector.records import IRNode
from inspector.torchscript.interpret import control, functions
from inspector.torchscript.interpret.lifetimes import Lifetimes, Owner
from inspector.torchscript.interpret.operators import operator_of
from inspector.torchscript.interpret.program import (
    Block,
    Control,
    ExecutionLimit,
    Instruction,
    Program,
    State,
    new_state,
    run_program,
)
from inspector.torchscript.interpret.single import alone, converter
from inspector.torchscript.unfold import Unfolded

FindFunction = Callable[[str], Any]


@dataclass(frozen=True, slots=True)
class Code:
    """A graph to be compiled: its nodes, the live ones, and the values of its blocks.

    `shown` is false for code that the static graph does not hold: its nodes have no ids there.
    """

    nodes: Sequence[IRNode]
    live: Sequence[Any]
    block_inputs: Mapping[Owner, tuple[str, ...]]
    block_outputs: Mapping[Owner, tuple[str, ...]]
    find_function: FindFunction
    graphs: Sequence[Any] = ()
    shown: bool = True


def compile_code(code: Code) -> Program:
    """Make a program: per node a function, and places for the values."""
    return _Compiler(code).program()


@dataclass(slots=True)
class _Compiler:
    code: Code
    _places: dict[str, int] = field(default_factory=dict)
    _lifetimes: Lifetimes = field(init=False)
    _kinds: dict[int, str] = field(default_factory=dict)
    _functions: dict[int, Callable[..., Any]] = field(default_factory=dict)

    def program(self) -> Program:
        nodes = self.code.nodes
        self._lifetimes = Lifetimes(nodes, self.code.block_inputs, self.code.block_outputs)
        self._places = {name: place for place, name in enumerate(self._lifetimes.names)}
        return Program(
            body=self._block(None, 0),
            size=len(self._places),
            nodes=len(nodes),
            ifs=[node.id for node in nodes if node.kind == "prim::If"],
            loops=[node.id for node in nodes if node.kind == "prim::Loop"],
            keep=self.code.graphs,
        )

    # -- blocks -----------------------------------------------------------------------------

    def _block(self, owner: int | None, index: int) -> Block:
        dead = self._lifetimes.dead(owner, index)
        return Block(
            inputs=self._all(self.code.block_inputs[owner, index]),
            instructions=[
                self._instruction(self.code.nodes[child], self._all(names))
                for child, names in dead.items()
            ],
            outputs=self._all(self.code.block_outputs[owner, index]),
        )

    def _all(self, names: Iterable[str]) -> tuple[int, ...]:
        return tuple([self._places[name] for name in names])

    # -- nodes ------------------------------------------------------------------------------

    def _instruction(self, node: IRNode, dead: tuple[int, ...]) -> Instruction:
        live = self.code.live[node.id]
        operands, outputs = self._all(node.inputs), self._all(node.outputs)
        steering: Control | None = None
        function: Callable[..., Any] = functions.constant(None)
        if node.kind != self._kind(live):
            function = self._unsupported(node)
        elif node.kind in _CONTROLS:
            steering = _CONTROLS[node.kind](self, node, live, operands, outputs)
        else:
            function = self._function(node, live)
        single = outputs[0] if len(outputs) == 1 and node.kind not in _SPREADING else -1
        return Instruction(node.id, steering, function, operands, single, outputs, dead)

    def _kind(self, live: Any) -> str:
        if id(live) not in self._kinds:
            self._kinds[id(live)] = live.kind()
        return self._kinds[id(live)]

    def _function(self, node: IRNode, live: Any) -> Callable[..., Any]:
        """What a node computes; made once for all calls of the code that it is in."""
        made = self._functions.get(id(live))
        if made is None:
            found = self._made(node, live)
            if found is None:
                return self._unsupported(node)
            made = self._functions[id(live)] = found
        return made

    def _made(self, node: IRNode, live: Any) -> Callable[..., Any] | None:
        if node.kind == "prim::Constant":
            return functions.constant(_constant(live))
        if node.kind == "prim::ListUnpack":
            return functions.list_unpack(len(node.outputs))
        if node.kind == "prim::TupleSlice":
            return functions.tuple_slice(live.i("beg"), live.i("end"))
        if node.kind == "prim::CreateObject":
            return control.create_object(live.output().type().qualified_name())
        found = functions.BY_HAND.get(node.kind) or operator_of(live.schema())
        if found is not None:
            return found
        try:
            if node.blocks:
                raise RuntimeError("blocks of its own")
            return alone(live)
        except RuntimeError:  # torch has nothing to run it with
            return None

    def _unsupported(self, node: IRNode) -> Callable[..., Any]:
        """What stops the run where it gets to the node; a branch not taken may have any kind."""

        def stop(*_: Any) -> Any:
            file, line = (node.source.file, node.source.line) if node.source else (None, None)
            where = (
                sentence("{file}, line {line}", file=file, line=line)
                if node.source
                else sentence("no line of its own")
            )
            number = (
                sentence("node {id}", id=node.id) if self.code.shown else sentence("inside a call")
            )
            raise UnsupportedNode(
                sentence(
                    "The graph cannot be run further than {kind} ({number}, {where}): there is "
                    "no operator of that kind here. If an extension brings it, import that first.",
                    kind=node.kind,
                    number=number,
                    where=where,
                ),
                kind=node.kind,
                node=node.id if self.code.shown else None,
                file=file,
                line=line,
            )

        return stop

    def if_(self, node: IRNode, _: Any, operands: Any, outputs: Any) -> Control:
        # A block is made when it is first taken: of torch's own modules most never are.
        return control.choose(node.id, operands[0], partial(self._block, node.id), outputs)

    def loop(self, node: IRNode, _: Any, operands: Any, outputs: Any) -> Control:
        return control.repeat(node.id, operands, self._block(node.id, 0), outputs)

    def call(self, node: IRNode, live: Any, operands: Any, outputs: Any) -> Control:
        if node.blocks:
            return control.call(operands, self._block(node.id, 0), outputs)
        if node.kind == "prim::CallFunction":
            function = self._callee(node.attributes["function"])
            if function is None:
                function = self._unsupported(node)
            # The first operand is the function itself.
            return control.call_closed(function, operands[1:], outputs)
        called = self._method(live, live.s("name"))
        return control.call_closed(called, operands, outputs)

    def get(self, _: IRNode, live: Any, operands: Any, outputs: Any) -> Control:
        return control.get_attribute(operands[0], live.s("name"), outputs[0])

    def set(self, _: IRNode, live: Any, operands: Any, __: Any) -> Control:
        return control.set_attribute(operands[0], live.s("name"), operands[1])

    def enter(self, _: IRNode, live: Any, operands: Any, outputs: Any) -> Control:
        entering, leaving = self._method(live, "__enter__"), self._method(live, "__exit__")
        return control.enter(operands[0], entering, leaving, outputs)

    def leave(self, _: IRNode, __: Any, ___: Any, outputs: Any) -> Control:
        return control.leave(outputs)

    def python(self, _: IRNode, live: Any, operands: Any, outputs: Any) -> Control:
        types = [(f"argument_{n}", value.type()) for n, value in enumerate(live.inputs())]
        adopt = converter(live.pyname(), types)
        return control.python_call(
            live.pyobj(), live.cconv(), tuple(live.scalar_args()), adopt, operands, outputs
        )

    # -- code that the graph does not show --------------------------------------------------

    def _method(self, live: Any, name: str) -> control.Called:
        """The method of a receiver that is known only when the code runs."""
        type_ = next(live.inputs()).type()
        is_class = isinstance(type_, torch._C.ClassType)
        function = self.code.find_function(f"{type_.qualified_name()}.{name}") if is_class else None
        if function is not None:
            return self._hidden(function, name)
        known: dict[str, control.Called] = {}

        def called(given: list[Any], state: State) -> Any:
            receiver = given[0]
            if not isinstance(receiver, torch._C.ScriptModule):  # an extension's own class
                return getattr(receiver, name)(*given[1:])
            behind = str(receiver._type())
            if behind not in known:
                known[behind] = self._hidden(receiver._get_method(name), name)
            return known[behind](given, state)

        return called

    def _callee(self, name: str) -> control.Called | None:
        function = self.code.find_function(name)
        return None if function is None else self._hidden(function, name.rpartition(".")[2])

    def _hidden(self, function: Any, name: str) -> control.Called:
        """A function or method run by this interpreter, but not counted.

        Not by torch: lists and dicts would reach it as copies.
        """
        known: list[Program] = []

        def called(given: list[Any], state: State) -> Any:
            if not known:
                known.append(hidden_program(function, name, self.code.find_function))
            return run_hidden(known[0], given, state)

        return called


def hidden_program(function: Any, name: str, find_function: FindFunction) -> Program:
    """The program of a function that the static graph does not show."""
    unfolded = Unfolded(find_function, {})
    unfolded.add_root(function.graph, None, name, [a.name for a in function.schema.arguments])
    return compile_code(
        Code(
            nodes=[node for node in unfolded.nodes if node is not None],
            live=unfolded.live,
            block_inputs=unfolded.block_inputs,
            block_outputs=unfolded.block_outputs,
            find_function=find_function,
            graphs=unfolded.graphs,
            shown=False,
        )
    )


def run_hidden(program: Program, given: list[Any], outer: State) -> Any:
    """Run a program inside another; the outer run's node stays at work."""
    inner = new_state(program, outer.attributes)
    inner.entered, inner.budget = outer.entered, outer.budget
    try:
        results = run_program(program, given, inner)
    except ExecutionLimit as limit:
        limit.loops.clear()  # loops that the static graph does not show
        raise
    return results[0] if len(results) == 1 else tuple(results)


def _constant(live: Any) -> Any:
    """The value of a constant; None for a function, which its caller finds by name."""
    try:
        return live.output().toIValue()
    except RuntimeError:
        return None


_CONTROLS: dict[str, Callable[..., Control]] = {
    "prim::If": _Compiler.if_,
    "prim::Loop": _Compiler.loop,
    "prim::CallMethod": _Compiler.call,
    "prim::CallFunction": _Compiler.call,
    "prim::GetAttr": _Compiler.get,
    "prim::SetAttr": _Compiler.set,
    "prim::Enter": _Compiler.enter,
    "prim::Exit": _Compiler.leave,
    "prim::PythonOp": _Compiler.python,
}
_SPREADING = frozenset({"prim::TupleUnpack", "prim::ListUnpack"})
"""Kinds whose result is a sequence of the outputs, also of a single one."""
