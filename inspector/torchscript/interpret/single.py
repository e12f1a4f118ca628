"""A node that has to be run by torch: as a graph of its own.

    %3 : str = aten::format(%1, %2)     ->     graph(%1 : str, %2 : int): %3 = ...; return (%3)

That gives exactly what TorchScript does, but values go in and out as copies: lists and dicts
that a node changes have to be handled elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch


def alone(node: Any) -> Callable[..., Any]:
    """A function that does what one node does.

    Args:
        node: a `torch._C.Node` without blocks.

    Returns:
        A function of the node's inputs; it returns the output, or a tuple of several.
    """
    graph: Any = torch._C.Graph()
    given = {}
    inputs = list(node.inputs())
    for value in inputs:
        if value.debugName() not in given:
            new = given[value.debugName()] = graph.addInput()
            new.setType(value.type())
    clone = graph.createClone(node, lambda value: given[value.debugName()])
    graph.appendNode(clone)
    for output in clone.outputs():
        graph.registerOutput(output)
    count = len(list(clone.outputs()))
    if count == 0:  # a function returns one value
        graph.registerOutput(graph.insertConstant(None))
    elif count > 1:
        graph.makeMultiOutputIntoTuple()
    function = torch._C._create_function_from_graph("node", graph)
    first = [value.debugName() for value in inputs]
    wanted = tuple(first.index(name) for name in given)
    if len(wanted) == len(inputs):
        return function
    return lambda *values: function(*[values[place] for place in wanted])


def converter(name: str, arguments: Sequence[tuple[str, Any]]) -> Callable[..., tuple[Any, ...]]:
    """A function that turns Python values into what TorchScript makes of them, and back.

    Numbers become the type that is wanted, lists and dicts copies, named tuples and instances
    of classes what a call from Python returns.

    Args:
        name: of the function, for its error messages.
        arguments: names and `torch._C` types.

    Returns:
        A function with one argument for each; it returns a tuple of the same length.
    """
    # One for each, not one with a tuple of all: TorchScript takes None for a tensor, as an
    # undefined one, but fails at a tuple that holds it.
    each = [_identity(name, label, type_) for label, type_ in arguments]
    return lambda *values: tuple(
        [convert(value) for convert, value in zip(each, values, strict=True)]
    )


def _identity(name: str, label: str, type_: Any) -> Callable[[Any], Any]:
    graph: Any = torch._C.Graph()
    value = graph.addInput(label)
    value.setType(type_)
    graph.registerOutput(value)
    function: Callable[[Any], Any] = torch._C._create_function_from_graph(name, graph)
    return function
