"""A census in words, for a terminal: `to_text`."""

from __future__ import annotations

import os
from collections.abc import Iterator

from inspector.counted import Branch, Census, Coverage, Leaf, Split, Variant
from inspector.language import sentence
from inspector.records import Failure, IRNode, Recording

LISTED = 20
"""Of variants, problems and missed nodes; how many more there are is said."""


def to_text(census: Census) -> str:
    """All of it, as lines ending in a newline. Holds no times."""
    parts = (
        _head(census),
        _variants(census),
        _tree(census),
        _untouched(census),
        _coverage(census),
        _end(census),
    )
    return "\n".join(line.rstrip() for part in parts for line in part) + "\n"


def plural(count: int, word: str) -> str:
    """As in "1 input", "1,000 inputs"."""
    return f"{count:,} {word}" if count == 1 else f"{count:,} {word}s"


def _head(census: Census) -> Iterator[str]:
    ran, graphs = plural(len(census.points), "input"), len(census.variants)
    yield f"census of {census.model}: {ran}, {plural(graphs, 'distinct graph')}"


def _variants(census: Census) -> Iterator[str]:
    for number, variant in enumerate(census.variants[:LISTED]):
        share = 100 * variant.count / len(census.points)
        yield f"  variant {number}  {plural(variant.count, 'input')} ({share:.0f} %)  " + (
            f"{plural(variant.ops, 'op')}  as for {' '.join(variant.label.split())}"
        )
        if variant.failure is not None:
            yield f"      failed {failed_words(variant.recording, variant.failure)}"
        yield from (f"      {decision}" for decision in variant.decisions)
        yield from (f"      {line}" for line in loop_lines(variant))
    yield from _more(len(census.variants), "variants")


def failed_words(recording: Recording, failure: Failure) -> str:
    """As in "at op 3 (linear, net.py:12): RuntimeError: mat1 and mat2 ..."."""
    place = ""
    if failure.source is not None:
        place = f"{os.path.basename(failure.source.file)}:{failure.source.line}"
    message = failure.message.strip().splitlines()
    error = f"{failure.type}: {message[0]}" if message else failure.type
    if failure.op is not None:
        name = recording.ops[failure.op].name
        where = f"{name}, {place}" if place else name
        return sentence(
            "at op {number} ({where}): {error}", number=failure.op, where=where, error=error
        )
    if place:
        return sentence("at {place}: {error}", place=place, error=error)
    return sentence("before the first op: {error}", error=error)


def loop_lines(variant: Variant) -> Iterator[str]:
    """Each loop statement with the trips of its executions."""
    trips: dict[tuple[str, str, int], list[int]] = {}
    for header, file, line, count in variant.loops:
        trips.setdefault((header, file, line), []).append(count)
    for (header, file, line), counts in trips.items():
        several = ", ".join(map(str, counts[:8])) + (", …" if len(counts) > 8 else "")
        told = {"header": header, "place": f"{os.path.basename(file)}:{line}", "counts": several}
        if counts == [1]:
            yield sentence("{header} ({place}): {counts} trip", **told)
        else:
            yield sentence("{header} ({place}): {counts} trips", **told)


def _tree(census: Census) -> Iterator[str]:
    if isinstance(census.tree, Split):
        yield "what parts them, in order of the run"
        yield from _split(census.tree, "  ")


def _split(split: Split, indent: str) -> Iterator[str]:
    yield f"{indent}{split.question}?"
    for branch in split.branches:
        yield f"{indent}  {branch.words}: {_then(branch)}"
        if isinstance(branch.then, Split):
            yield from _split(branch.then, f"{indent}    ")


def _then(branch: Branch) -> str:
    inputs = plural(branch.count, "input")
    if not isinstance(branch.then, Leaf):
        return inputs
    numbers = ", ".join(map(str, branch.then.variants))
    several = len(branch.then.variants) > 1
    told = " (nothing that was recorded tells them apart)" if several else ""
    return f"variant{'s' if several else ''} {numbers}{told}, {inputs}"


def _untouched(census: Census) -> Iterator[str]:
    names = census.untouched_parameters
    if names:
        yield f"no input used {plural(len(names), 'parameter')}"
        yield from (f"  {name}" for name in names[:LISTED])
        yield from _more(len(names), "parameters")


def _coverage(census: Census) -> Iterator[str]:
    found = census.coverage
    if found is None:
        if census.no_coverage:
            yield f"no coverage: {census.no_coverage.splitlines()[0]}"
        return
    yield (
        f"{percent_words(found)} of the TorchScript graph ran ({found.kind}): "
        f"{found.executed:,} of {found.total:,} nodes"
    )
    own = frozenset(found.missed_own)
    nodes = [node for node in found.graph.nodes if node.id in own]
    yield from (f"  missed {missed_words(node)}" for node in nodes[:LISTED])
    yield from _more(len(nodes), "missed nodes")
    inside = len(found.missed) - len(own)
    if inside:
        yield f"  missed {plural(inside, 'node')} in the code of libraries"
    if found.unknown:
        yield f"  of {plural(len(found.unknown), 'more node')} it is not known whether they ran"


def percent_words(coverage: Coverage) -> str:
    """As in "87 %"; 100 % only if nothing was missed."""
    percent = coverage.percent
    return "99 %" if 99 < percent < 100 else f"{percent:.0f} %"


def missed_words(node: IRNode) -> str:
    """As in "aten::relu (net.py:12)"."""
    if node.source is None:
        return node.kind
    return f"{node.kind} ({os.path.basename(node.source.file)}:{node.source.line})"


def _end(census: Census) -> Iterator[str]:
    yield from (f"not counted: {problem}" for problem in census.problems[:LISTED])
    yield from _more(len(census.problems), "inputs not counted")
    yield from (f"note: {note}" for note in census.notes)


def _more(count: int, what: str) -> Iterator[str]:
    if count > LISTED:
        yield f"  … and {count - LISTED:,} more {what}"
