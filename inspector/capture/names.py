"""The names that tensors have in the user's code: `h = torch.tanh(x)` makes a tensor "h".

Told at the end from the source texts, so that it costs nothing while the program runs: an op
whose position is the value of an assignment gave its outputs to the targets, in order.

    h = torch.tanh(self.fc(x)) * 0.5     the product is h; the other results have no name
    a, b = x.chunk(2)                    by position, where there are as many targets as tensors
    h += 1;  h: Tensor = f(x);  (h := f(x));  self.h = f(x);  for h in x: ...
    h = self.block(x)                    the result of a module call: its last op's
    h = helper(x)                        the value of the helper's `return`

A name is left out where the source does not tell for sure.
"""

from __future__ import annotations

import ast
import builtins
import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from inspector.capture.tensors import RawTensor
from inspector.parsing import parse
from inspector.records import ModuleCall, Op, Source, TensorInfo

Position = tuple[int, int, int | None, int | None]
"""(line, column, end line, end column), as `co_positions` gives them."""

Names = tuple[str | None, ...]
"""One for each tensor, in order; None for one that gets no name."""

_VALUES = (ast.Call, ast.BinOp, ast.UnaryOp, ast.Compare, ast.Subscript, ast.Attribute)
"""Expressions that can be one op. (A comprehension or a tuple is never one.)"""

_OP_BUILTINS = frozenset(("abs", "pow", "round"))
_BUILTINS = frozenset(dir(builtins)) - _OP_BUILTINS


Values = Mapping[int, TensorInfo] | Sequence[RawTensor]
"""Tensor values by id; of each are used `producer` and `alias_of`."""


@dataclass(frozen=True, slots=True)
class _Binding:
    """What becomes of the value of an expression: it is assigned to `names`, or `returned`.

    `passed` are the functions that the expression hands on: their values are not its value.
    """

    names: Names = ()
    returned: bool = False
    passed: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class _Index:
    """One source text: what becomes of its values, and of the rows of tensors it iterates over."""

    values: Mapping[Position, _Binding]
    rows: Mapping[Position, Names]


def variables(
    ops: Sequence[Op],
    tensors: Values,
    module_calls: Sequence[ModuleCall],
    sources: Mapping[str, str],
    kept: Iterable[int] = (),
    raised: int | None = None,
) -> dict[int, str]:
    """Tensor id -> the variable that the user's code assigned it to.

    Args:
        ops: all ops of a recording.
        tensors: the values they were given and made.
        module_calls: the calls that `ops` refer to.
        sources: the texts of the files in which they ran.
        kept: tensors used in ways that no op shows: what the run returned.
        raised: the op that ended the run: the calls around it have no value.
    """
    namer = _Namer(sources)
    found: dict[int, str] = {}
    for op in ops:
        if names := namer.of_op(op):
            _assign(found, op, tensors, names)
    unfinished = set() if raised is None else _around(ops[raised], module_calls)
    for call, op in _last_ops(ops, tensors, module_calls, namer, kept):
        if call in unfinished:
            continue
        _assign(found, op, tensors, namer.of_call(call, module_calls))
    for op in ops:  # what is written in place keeps its name
        for output in op.outputs if op.overwrites else ():
            replaced = tensors[output].alias_of
            if replaced in op.overwrites and replaced in found:
                found.setdefault(output, found[replaced])
    return found


def _around(op: Op, calls: Sequence[ModuleCall]) -> set[int]:
    """The module calls in which an op ran, from the inside."""
    found: set[int] = set()
    call = op.module_call
    while call is not None:
        found.add(call)
        call = calls[call].parent
    return found


def _assign(found: dict[int, str], op: Op, tensors: Values, names: Names) -> None:
    results: Sequence[int] = op.outputs
    if op.overwrites:  # batch_norm writes besides what it makes, add_ only writes
        made = [i for i in op.outputs if tensors[i].alias_of not in op.overwrites]
        results = made or op.outputs
    if len(names) == len(results):
        for output, name in zip(results, names, strict=True):
            # An op that returns its argument as it was has made nothing to be named.
            if name is not None and tensors[output].producer == op.id:
                found.setdefault(output, name)


def _last_ops(
    ops: Sequence[Op],
    tensors: Values,
    calls: Sequence[ModuleCall],
    namer: _Namer,
    kept: Iterable[int],
) -> Iterator[tuple[int, Op]]:
    """The calls whose value is assigned, inner ones first, each with the op that made the value.

    That is the last op of the call, if nothing else that was made in there is used outside.
    """
    around: dict[int | None, frozenset[int]] = {None: frozenset()}  # call -> such calls around it
    for call in calls:
        own = {call.id} if namer.of_call(call.id, calls) else set()
        around[call.id] = around[call.parent] | own
    if not any(around.values()):
        return
    last: dict[int, Op] = {}
    escaped: dict[int, set[int]] = {}

    def used(tensor: int, inside: frozenset[int]) -> None:
        producer = tensors[tensor].producer
        if producer is not None:
            for call in around[ops[producer].module_call] - inside:
                escaped.setdefault(call, set()).add(tensor)

    for op in ops:
        inside = around[op.module_call]
        for tensor in op.inputs:
            used(tensor, inside)
        if op.outputs and op.phase == "forward":
            last.update(dict.fromkeys(inside, op))
    for tensor in kept:
        used(tensor, around[None])
    for number, op in sorted(last.items(), reverse=True):
        if escaped.get(number, set()) <= set(op.outputs):
            yield number, op


class _Namer:
    """Looks up what the code assigns the values of ops and of module calls to."""

    def __init__(self, sources: Mapping[str, str]) -> None:
        self._sources = sources
        # Ops of one line share their stack, which is looked at once.
        self._known: dict[tuple[int, int, str], Names] = {}

    def of_op(self, op: Op) -> Names:
        """The targets of the op's value, one for each tensor; () if it is not assigned."""
        if not op.stack or op.call_site is None:
            return ()
        key = id(op.stack), id(op.call_site), op.name  # alive as long as `ops`
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = self._of_op(op, op.call_site)
        return known * len(op.outputs) if _iterates(op) and len(known) == 1 else known

    def _of_op(self, op: Op, call_site: Source) -> Names:
        if _iterates(op):
            return self._index(op.stack[0]).rows.get(_position(op.stack[0]), ())
        if call_site != op.stack[0]:
            return ()  # one of several ops that library code ran for that line
        name = op.name
        for frame in op.stack:
            binding = self._index(frame).values.get(_position(frame))
            if binding is None or name in binding.passed:
                return ()
            if binding.names or not binding.returned:
                return binding.names
            name = frame.function.rpartition(".")[2]
        return ()

    def of_call(self, number: int, calls: Sequence[ModuleCall]) -> Names:
        """The targets of a module call's value. Calls that library code makes have none."""
        source, parent = calls[number].source, calls[number].parent
        if source is None or (parent is not None and calls[parent].source == source):
            return ()
        binding = self._index(source).values.get(_position(source))
        return () if binding is None else binding.names

    def _index(self, source: Source) -> _Index:
        return _index_of(self._sources.get(source.file, ""))


def _iterates(op: Op) -> bool:
    """Whether the op takes a tensor apart for a loop or for unpacking."""
    site = op.call_site
    return op.name == "unbind" and site is not None and site.function == "Tensor.__iter__"


def _position(source: Source) -> Position:
    return source.line, source.column, source.end_line, source.end_column


@functools.lru_cache(maxsize=256)
def _index_of(text: str) -> _Index:
    values: dict[Position, _Binding] = {}
    rows: dict[Position, Names] = {}
    tree = parse(text)
    if tree is None:
        return _Index(values, rows)  # not plain Python: a notebook's magics
    for node in ast.walk(tree):
        for value, names in _assignments(node):
            for place in places(value):
                values[place] = _Binding(names, passed=_passed(value))
        for value in _returned(node):
            for place in places(value):
                values.setdefault(place, _Binding(returned=True, passed=_passed(value)))
        rows.update(_iterations(node))
    return _Index(values, rows)


def _assignments(node: ast.AST) -> Iterator[tuple[ast.expr | ast.AugAssign, Names]]:
    """(an expression that can be one op, the targets of its value)."""
    if isinstance(node, ast.Assign):
        pairs = [(node.value, target) for target in reversed(node.targets)]  # the first wins
    elif isinstance(node, (ast.AnnAssign, ast.NamedExpr)) and node.value is not None:
        pairs = [(node.value, node.target)]
    elif isinstance(node, ast.AugAssign):
        yield node, tuple(_names(node.target))  # `h += x` as a whole is the op's position
        return
    else:
        return
    for value, target in pairs:
        names = tuple(_names(target))
        if any(names):
            for part in _alternatives(value):
                yield part, names


def _returned(node: ast.AST) -> Iterator[ast.expr]:
    if isinstance(node, ast.Return) and node.value is not None:
        yield from _alternatives(node.value)
    elif isinstance(node, ast.Lambda):
        yield from _alternatives(node.body)


def _alternatives(value: ast.expr) -> Iterator[ast.expr]:
    """The expressions that can give `value` as a whole and can be one op."""
    if isinstance(value, ast.IfExp):
        yield from _alternatives(value.body)
        yield from _alternatives(value.orelse)
    elif isinstance(value, ast.BoolOp):
        yield from _alternatives(value.values[-1])
    elif isinstance(value, _VALUES) and not _calls_builtin(value):
        yield value


def _calls_builtin(value: ast.expr) -> bool:
    """`sum(xs)` and `max(a, b)` run several ops at one position, and none is the value for sure."""
    called = value.func if isinstance(value, ast.Call) else None
    return isinstance(called, ast.Name) and called.id in _BUILTINS


def _iterations(node: ast.AST) -> Iterator[tuple[Position, Names]]:
    """(where a tensor is iterated over, the name of each row or the names of all)."""
    if isinstance(node, ast.Assign):
        yield from ((_span(t), tuple(_names(t))) for t in node.targets if isinstance(t, ast.Tuple))
    elif isinstance(node, (ast.For, ast.comprehension)):
        target, rows = node.target, node.iter
        if isinstance(target, ast.Tuple):
            yield _span(target), tuple(_names(target))  # each row is unpacked
        if isinstance(rows, ast.Call) and isinstance(rows.func, ast.Name):
            numbered = rows.func.id == "enumerate" and isinstance(target, ast.Tuple)
            target = target.elts[-1] if numbered and isinstance(target, ast.Tuple) else target
            if not numbered and rows.func.id in _BUILTINS:
                return
        if not isinstance(target, ast.Tuple):
            yield _span(rows), tuple(_names(target))
            if isinstance(node, ast.For):
                yield _span(node), tuple(_names(target))  # Python 3.11's idea of the place
    elif isinstance(node, (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)):
        first = node.generators[0]
        if not isinstance(first.target, ast.Tuple):
            yield _span(node), tuple(_names(first.target))  # likewise


def _names(target: ast.expr) -> Iterator[str | None]:
    """The names of an assignment's targets, in order; None for `_`, `x[0]` and the like."""
    if isinstance(target, (ast.Tuple, ast.List)):
        for item in target.elts:
            yield from _names(item)
    else:
        parts = target
        while isinstance(parts, ast.Attribute):
            parts = parts.value
        named = isinstance(parts, ast.Name) and parts.id != "_"
        yield ast.unparse(target) if named else None


def _passed(value: ast.expr | ast.AugAssign) -> frozenset[str]:
    """Names of functions that a call hands on: `reduce(torch.add, xs)`, `vmap(f)(x)`."""
    if not isinstance(value, ast.Call):
        return frozenset()
    inside = [*value.args, *(keyword.value for keyword in value.keywords)]
    inside += [] if isinstance(value.func, (ast.Name, ast.Attribute)) else [value.func]
    return frozenset(name for part in inside for name in _mentioned(part))


def _mentioned(part: ast.expr) -> Iterator[str]:
    if isinstance(part, ast.Name):
        yield part.id
    elif isinstance(part, ast.Attribute):
        yield part.attr
    elif isinstance(part, ast.Lambda):
        yield "<lambda>"
    elif isinstance(part, ast.Call):
        yield from _passed(part)


def places(node: ast.expr | ast.AugAssign) -> Iterator[Position]:
    """The positions that Python may give the call, or the read, that an expression is."""
    yield _span(node)
    attribute = node.func if isinstance(node, ast.Call) else node
    if isinstance(attribute, ast.Attribute) and attribute.lineno != attribute.end_lineno:
        # In a chain over several lines Python places a method's call at the method's name.
        line, end = attribute.end_lineno or 0, attribute.end_col_offset or 0
        yield line, end - len(attribute.attr.encode()), node.end_lineno, node.end_col_offset


def _span(node: ast.expr | ast.stmt) -> Position:
    return node.lineno, node.col_offset, node.end_lineno, node.end_col_offset
